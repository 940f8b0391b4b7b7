// Dropout in lanes: an image's counter in each.
#pragma once

#include "kernels/kernels.h"
#include "kernels/philox.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

// A counter's four words are for four values a quarter of the image apart.
void dropout(float* y, const float* x, const TrainingImages& images, const Dropout& d, Shape s) {
  const std::size_t size = size_of(s), quarter = (size + 3) / 4;
  const std::size_t map = std::size_t(s.height) * s.width;
  uvec low{}, high{};
  for (int lane = 0; lane < images.count; lane++) {
    low[lane] = std::uint32_t(images.index[lane]);
    high[lane] = std::uint32_t(std::uint64_t(images.index[lane]) >> 32);
  }
  for (std::size_t i = 0; i < quarter; i++) {
    const uvec zero{};
    const auto random =
        philox<uvec>({low, high, zero + images.epoch, zero + std::uint32_t(i)}, d.key);
    for (int k = 0; k < 4; k++) {
      const std::size_t place = i + k * quarter;
      if (place >= size) break;
      const std::size_t at = (place % s.channels * map + place / s.channels) * kLanes;
      const vec kept = load(x + at) * splat(d.scale);
      store(y + at, random.word[k] < d.threshold ? vec{} : kept);
    }
  }
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
