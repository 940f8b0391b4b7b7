// Euclidean radial basis functions around fixed codes: y_o = sum over i of (x_i - code_oi)^2.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

void rbf_forward(float* y, const float* x, const float* codes, int in, int out) {
  for (int o = 0; o < out; o += kLanes) {
    vec sum{};
    for (int i = 0; i < in; i++) {
      const vec d = splat(x[i]) - load_unaligned(codes + std::size_t(i) * out + o);
      sum = fma(d, d, sum);
    }
    store_unaligned(y + o, sum);
  }
}

void rbf_backward(float* dx, const float* dy, const float* x, const float* turned, int in,
                  int out) {
  for (int i = 0; i < in; i += kLanes) {
    const vec xv = load(x + i);
    vec sum{};
    for (int o = 0; o < out; o++)
      sum = fma(xv - load_unaligned(turned + std::size_t(o) * in + i), splat(dy[o]), sum);
    store(dx + i, sum + sum);
  }
}

}  // namespace single
}  // namespace
}  // namespace pylenet
