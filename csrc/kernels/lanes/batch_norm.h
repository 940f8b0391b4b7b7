// Batch normalisation in lanes: sums over images, and the way back.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

// All bits set in the lanes of the first `count` images.
inline ivec used_lanes(int count) {
  ivec lane;
  for (int i = 0; i < kLanes; i++) lane[i] = i;
  return lane < count;
}

void batch_sum(float* sum, const float* x, const float* mean, int count, Shape s) {
  const std::size_t map = std::size_t(s.height) * s.width * kLanes;
  const ivec used = used_lanes(count);
  for (int c = 0; c < s.channels; c++) {
    vec total{};
    for (std::size_t i = c * map; i < (c + 1) * map; i += kLanes) {
      const vec distance = mean ? load(x + i) - splat(mean[c]) : vec{};
      total += select(used, mean ? distance * distance : load(x + i), vec{});
    }
    sum[c] = lane_sum(total);
  }
}

void batch_norm_backward_parameters(float* dscale, float* dshift, const float* x, const float* dy,
                                    const float* mean, const float* inverse, int count, Shape s) {
  const std::size_t map = std::size_t(s.height) * s.width * kLanes;
  const ivec used = used_lanes(count);
  for (int c = 0; c < s.channels; c++) {
    vec dot{}, total{};
    for (std::size_t i = c * map; i < (c + 1) * map; i += kLanes) {
      const vec g = select(used, load(dy + i), vec{});
      const vec normal = (load(x + i) - splat(mean[c])) * splat(inverse[c]);
      dot += select(used, g * normal, vec{});
      total += g;
    }
    dscale[c] = lane_sum(dot);
    dshift[c] = lane_sum(total);
  }
}

void batch_norm_backward_input(float* dx, const float* dy, const float* x, const float* a,
                               const float* b, const float* c, int count, Shape s) {
  const std::size_t map = std::size_t(s.height) * s.width * kLanes;
  const ivec used = used_lanes(count);
  for (int channel = 0; channel < s.channels; channel++) {
    const vec av = splat(a[channel]), bv = splat(b[channel]), cv = splat(c[channel]);
    for (std::size_t i = channel * map; i < (channel + 1) * map; i += kLanes)
      store(dx + i, select(used, fma(av, load(dy + i), fma(bv, load(x + i), cv)), vec{}));
  }
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
