// A factor and a summand for each channel.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

// Calls f(place, values of a cell) for each cell of a map.
template <class Layout, class F>
inline void for_each_place(const Layout& layout, int map, Shape s, F f) {
  const int cells = s.height * s.width;
  std::size_t place = layout.begin(map, cells);
  for (int i = 0; i < cells; i++, place += layout.cell()) f(place, layout.values(map));
}

template <class Layout>
void channel_affine_forward_in(float* y, const float* x, const float* scale, const float* shift,
                               Shape s) {
  const Layout layout{s.channels};
  for (int m = 0; m < layout.maps(); m++) {
    const vec factor = layout.of_map(scale, m), summand = layout.of_map(shift, m);
    for_each_place(layout, m, s, [&](std::size_t at, auto n) {
      store_some(y + at, fma(factor, load_unaligned(x + at), summand), n);
    });
  }
}

template <class Layout>
void channel_affine_backward_input_in(float* dx, const float* dy, const float* scale, Shape s) {
  const Layout layout{s.channels};
  for (int m = 0; m < layout.maps(); m++) {
    const vec factor = layout.of_map(scale, m);
    for_each_place(layout, m, s, [&](std::size_t at, auto n) {
      store_some(dx + at, load_unaligned(dy + at) * factor, n);
    });
  }
}

template <class Layout>
void channel_affine_backward_parameters_in(float* dscale, float* dshift, const float* x,
                                           const float* dy, Shape s) {
  const Layout layout{s.channels};
  for (int m = 0; m < layout.maps(); m++) {
    vec dot{}, total{};
    for_each_place(layout, m, s, [&](std::size_t at, auto) {
      const vec g = load_unaligned(dy + at);
      dot = fma(load_unaligned(x + at), g, dot);
      total += g;
    });
    layout.put_sums(dscale, m, dot);
    layout.put_sums(dshift, m, total);
  }
}

}  // namespace
}  // namespace pylenet
