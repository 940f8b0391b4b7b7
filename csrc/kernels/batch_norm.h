// Batch normalisation: sums over the places of a group's images, and the way back.
#pragma once

#include "kernels/channel_affine.h"
#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

template <class Layout>
void batch_sum_in(float* sum, const float* x, const float* mean, int count, Shape s) {
  const Layout layout{s.channels};
  const ivec used = layout.used(count);
  for (int m = 0; m < layout.maps(); m++) {
    const vec middle = mean ? layout.of_map(mean, m) : vec{};
    vec total{};
    for_each_place(layout, m, s, [&](std::size_t at, auto) {
      const vec v = load_unaligned(x + at) - middle;
      total += select(used, mean ? v * v : v, vec{});
    });
    layout.put_sums(sum, m, total);
  }
}

template <class Layout>
void batch_norm_backward_parameters_in(float* dscale, float* dshift, const float* x,
                                       const float* dy, const float* mean, const float* inverse,
                                       int count, Shape s) {
  const Layout layout{s.channels};
  const ivec used = layout.used(count);
  for (int m = 0; m < layout.maps(); m++) {
    const vec middle = layout.of_map(mean, m), factor = layout.of_map(inverse, m);
    vec dot{}, total{};
    for_each_place(layout, m, s, [&](std::size_t at, auto) {
      const vec g = select(used, load_unaligned(dy + at), vec{});
      dot += select(used, g * ((load_unaligned(x + at) - middle) * factor), vec{});
      total += g;
    });
    layout.put_sums(dscale, m, dot);
    layout.put_sums(dshift, m, total);
  }
}

template <class Layout>
void batch_norm_backward_input_in(float* dx, const float* dy, const float* x, const float* a,
                                  const float* b, const float* c, int count, Shape s) {
  const Layout layout{s.channels};
  const ivec used = layout.used(count);
  for (int m = 0; m < layout.maps(); m++) {
    const vec av = layout.of_map(a, m), bv = layout.of_map(b, m), cv = layout.of_map(c, m);
    for_each_place(layout, m, s, [&](std::size_t at, auto n) {
      const vec v = fma(av, load_unaligned(dy + at), fma(bv, load_unaligned(x + at), cv));
      store_some(dx + at, select(used, v, vec{}), n);
    });
  }
}

}  // namespace
}  // namespace pylenet
