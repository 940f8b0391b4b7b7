// Dropout of one image: neighbouring values' counters in the lanes.
#pragma once

#include "kernels/kernels.h"
#include "kernels/philox.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

// A counter's four words are for four values a quarter of the image apart.
void dropout(float* y, const float* x, const TrainingImages& images, const Dropout& d, Shape s) {
  const std::size_t size = size_of(s), quarter = (size + 3) / 4;
  const std::int64_t image = images.index[0];
  uvec step;
  for (int lane = 0; lane < kLanes; lane++) step[lane] = lane;
  for (std::size_t i = 0; i < quarter; i += kLanes) {
    const uvec zero{};
    const auto random =
        philox<uvec>({zero + std::uint32_t(image), zero + std::uint32_t(std::uint64_t(image) >> 32),
                      zero + images.epoch, step + std::uint32_t(i)},
                     d.key);
    for (int k = 0; k < 4; k++) {
      const std::size_t place = i + k * quarter;
      if (place >= size) break;
      const std::size_t end = (k + 1) * quarter < size ? (k + 1) * quarter : size;
      if (place >= end) break;
      const std::size_t left = end - place, n = left < kLanes ? left : kLanes;
      const vec kept = load_some(x + place, n) * splat(d.scale);
      store_some(y + place, random.word[k] < d.threshold ? vec{} : kept, n);
    }
  }
}

}  // namespace single
}  // namespace
}  // namespace pylenet
