// The loss of one image: the kernel in lanes, with this image in its first one.
#pragma once

#include "kernels/kernels.h"
#include "kernels/lanes/loss.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

void loss(float* dy, float* losses, std::int32_t* correct, float* scratch, const float* y,
          const Targets& targets, const std::int64_t* index, int count, Loss which, int classes,
          float scale) {
  float* outputs = scratch;
  float* gradient = dy ? scratch + std::size_t(classes) * kLanes : nullptr;
  for (int k = 0; k < classes; k++) store(outputs + k * kLanes, vec{y[k]});
  lanes::loss(gradient, losses, correct, nullptr, outputs, targets, index, count, which, classes,
              scale);
  if (dy)
    for (int k = 0; k < classes; k++) dy[k] = gradient[k * kLanes];
}

}  // namespace single
}  // namespace
}  // namespace pylenet
