// A factor and a summand for each channel of one image: channels are in the lanes.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

// Calls f(how many, position) for each pixel of the vector of channels that begins at c.
template <class F>
inline void for_each_pixel(Shape s, int c, F f) {
  const int n = lanes_left(s.channels, c);
  const std::size_t size = size_of(s);
  for (std::size_t i = c; i < size; i += s.channels) f(n, i);
}

void channel_affine_forward(float* y, const float* x, const float* scale, const float* shift,
                            Shape s) {
  for (int c = 0; c < s.channels; c += kLanes) {
    const int left = lanes_left(s.channels, c);
    const vec factor = load_some(scale + c, left), summand = load_some(shift + c, left);
    for_each_pixel(s, c, [&](int n, std::size_t i) {
      store_some(y + i, fma(factor, load_unaligned(x + i), summand), n);
    });
  }
}

void channel_affine_backward_input(float* dx, const float* dy, const float* scale, Shape s) {
  for (int c = 0; c < s.channels; c += kLanes) {
    const vec factor = load_some(scale + c, lanes_left(s.channels, c));
    for_each_pixel(s, c, [&](int n, std::size_t i) {
      store_some(dx + i, load_unaligned(dy + i) * factor, n);
    });
  }
}

void channel_affine_backward_parameters(float* dscale, float* dshift, const float* x,
                                        const float* dy, Shape s) {
  for (int c = 0; c < s.channels; c += kLanes) {
    vec dot{}, total{};
    for_each_pixel(s, c, [&](int, std::size_t i) {
      const vec g = load_unaligned(dy + i);
      dot = fma(load_unaligned(x + i), g, dot);
      total += g;
    });
    store_some(dscale + c, dot + vec{}, lanes_left(s.channels, c));
    store_some(dshift + c, total, lanes_left(s.channels, c));
  }
}

}  // namespace single
}  // namespace
}  // namespace pylenet
