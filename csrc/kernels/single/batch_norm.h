// Batch normalisation of one image: channels are in the lanes.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

void batch_sum(float* sum, const float* x, const float* mean, int, Shape s) {
  for (int c = 0; c < s.channels; c += kLanes) {
    const int n = lanes_left(s.channels, c);
    const vec middle = mean ? load_some(mean + c, n) : vec{};
    vec total{};
    for (std::size_t i = c; i < size_of(s); i += s.channels) {
      const vec distance = load_unaligned(x + i) - middle;
      total += mean ? distance * distance : load_unaligned(x + i);
    }
    store_some(sum + c, total, n);
  }
}

void batch_norm_backward_parameters(float* dscale, float* dshift, const float* x, const float* dy,
                                    const float* mean, const float* inverse, int, Shape s) {
  for (int c = 0; c < s.channels; c += kLanes) {
    const int n = lanes_left(s.channels, c);
    const vec middle = load_some(mean + c, n), factor = load_some(inverse + c, n);
    vec dot{}, total{};
    for (std::size_t i = c; i < size_of(s); i += s.channels) {
      const vec g = load_unaligned(dy + i);
      dot += g * ((load_unaligned(x + i) - middle) * factor);
      total += g;
    }
    store_some(dscale + c, dot, n);
    store_some(dshift + c, total, n);
  }
}

void batch_norm_backward_input(float* dx, const float* dy, const float* x, const float* a,
                               const float* b, const float* c, int, Shape s) {
  for (int channel = 0; channel < s.channels; channel += kLanes) {
    const int n = lanes_left(s.channels, channel);
    const vec av = load_some(a + channel, n), bv = load_some(b + channel, n);
    const vec cv = load_some(c + channel, n);
    for (std::size_t i = channel; i < size_of(s); i += s.channels)
      store_some(dx + i, fma(av, load_unaligned(dy + i), fma(bv, load_unaligned(x + i), cv)), n);
  }
}

}  // namespace single
}  // namespace
}  // namespace pylenet
