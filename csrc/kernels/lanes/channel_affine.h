// A factor and a summand for each channel, in lanes.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

// Calls f(channel, position) for each value of each channel's map.
template <class F>
inline void for_each_channel_value(Shape s, F f) {
  const std::size_t map = std::size_t(s.height) * s.width * kLanes;
  for (int c = 0; c < s.channels; c++)
    for (std::size_t i = 0; i < map; i += kLanes) f(c, c * map + i);
}

void channel_affine_forward(float* y, const float* x, const float* scale, const float* shift,
                            Shape s) {
  for_each_channel_value(s, [&](int c, std::size_t i) {
    store(y + i, fma(splat(scale[c]), load(x + i), splat(shift[c])));
  });
}

void channel_affine_backward_input(float* dx, const float* dy, const float* scale, Shape s) {
  for_each_channel_value(
      s, [&](int c, std::size_t i) { store(dx + i, load(dy + i) * splat(scale[c])); });
}

void channel_affine_backward_parameters(float* dscale, float* dshift, const float* x,
                                        const float* dy, Shape s) {
  const std::size_t map = std::size_t(s.height) * s.width * kLanes;
  for (int c = 0; c < s.channels; c++) {
    vec dot{}, total{};
    for (std::size_t i = c * map; i < (c + 1) * map; i += kLanes) {
      const vec g = load(dy + i);
      dot = fma(load(x + i), g, dot);
      total += g;
    }
    dscale[c] = lane_sum(dot);
    dshift[c] = lane_sum(total);
  }
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
