// Euclidean radial basis functions around fixed codes: y_o = sum over i of (x_i - code_oi)^2.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

void rbf_forward(float* y, const float* x, const float* codes, int in, int out) {
  for (int o = 0; o < out; o++) {
    vec sum{};
    for (int i = 0; i < in; i++) {
      const vec d = load(x + std::size_t(i) * kLanes) - splat(codes[std::size_t(i) * out + o]);
      sum = fma(d, d, sum);
    }
    store(y + std::size_t(o) * kLanes, sum);
  }
}

void rbf_backward(float* dx, const float* dy, const float* x, const float* turned, int in,
                  int out) {
  for (int i = 0; i < in; i++) {
    const vec xv = load(x + std::size_t(i) * kLanes);
    vec sum{};
    for (int o = 0; o < out; o++)
      sum =
          fma(xv - splat(turned[std::size_t(o) * in + i]), load(dy + std::size_t(o) * kLanes), sum);
    store(dx + std::size_t(i) * kLanes, sum + sum);
  }
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
