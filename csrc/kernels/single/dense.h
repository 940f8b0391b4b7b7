// Dense layers of one image, outputs (forward) or inputs (backward) in the lanes. Every sum has the
// order of the kernels in lanes, hence their bits.
#pragma once

#include "kernels/dense_kernel.h"
#include "kernels/kernels.h"
#include "kernels/sum_records.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

// `n` outputs from o on, TV vectors of them, contracted over all inputs.
template <int TV>
inline void dense_tile(float* y, const float* x, const float* kernel, const float* bias, int in,
                       int out, int o, int last) {
  vec acc[TV];
  PYLENET_UNROLL
  for (int v = 0; v < TV; v++)
    acc[v] = !bias ? vec{} : load_some(bias + o + v * kLanes, v + 1 < TV ? kLanes : last);
  const float* w = kernel + o;
  for (int i = 0; i < in; i++, w += out) {
    const vec xv = splat(x[i]);
    PYLENET_UNROLL
    for (int v = 0; v + 1 < TV; v++) acc[v] = fma(xv, load_unaligned(w + v * kLanes), acc[v]);
    acc[TV - 1] = fma(xv, load_some(w + (TV - 1) * kLanes, last), acc[TV - 1]);
  }
  PYLENET_UNROLL
  for (int v = 0; v < TV; v++) store_unaligned(y + o + v * kLanes, acc[v]);
}

// Tiles of TV vectors, then one of what is left.
template <int TV>
inline void dense_tiles(float* y, const float* x, const float* kernel, const float* bias, int in,
                        int out, int o = 0) {
  for (; o + (TV - 1) * kLanes < out; o += TV * kLanes)
    dense_tile<TV>(y, x, kernel, bias, in, out, o, lanes_left(out, o + (TV - 1) * kLanes));
  if constexpr (TV > 1) {
    if (o < out) dense_tiles<TV - 1>(y, x, kernel, bias, in, out, o);
  }
}

void dense_forward(float* y, const float* x, const float* kernel, const float* bias, int in,
                   int out) {
  dense_tiles<8>(y, x, kernel, bias, in, out);
}

// kLanes rows of the kernel at a time, turned in registers so that each lane is an input.
void dense_backward_input(float* dx, const float* dy, const float* kernel, int in, int out) {
  for (int i = 0; i < in; i += kLanes) {
    const int rows = lanes_left(in, i);
    vec acc{};
    for (int o = 0; o < out; o += kLanes) {
      const int columns = lanes_left(out, o);
      const float* w = kernel + std::size_t(i) * out + o;
      vec tile[kLanes];
      if (rows == kLanes && columns == kLanes) {
        PYLENET_UNROLL
        for (int t = 0; t < kLanes; t++) tile[t] = load_unaligned(w + std::size_t(t) * out);
        transpose(tile);
        PYLENET_UNROLL
        for (int t = 0; t < kLanes; t++) acc = fma(splat(dy[o + t]), tile[t], acc);
      } else {
        for (int t = 0; t < kLanes; t++)
          tile[t] = t < rows ? load_some(w + std::size_t(t) * out, columns) : vec{};
        transpose(tile);
        for (int t = 0; t < columns; t++) acc = fma(splat(dy[o + t]), tile[t], acc);
      }
    }
    store(dx + i, acc);
  }
}

void dense_rows(float* rows, const float* dy, int out, int row_stride) {
  std::memcpy(rows, dy, out * sizeof(float));
  std::memset(rows + out, 0, (row_stride - out) * sizeof(float));
}

constexpr auto dense_backward_kernel = dense_kernel_gradient<1>;
constexpr auto dense_backward_bias = dense_bias_gradient;
constexpr auto sum_records = sum_groups<1>;

}  // namespace single
}  // namespace
}  // namespace pylenet
