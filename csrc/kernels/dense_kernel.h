// The gradient of a dense layer's kernel and bias, for both layouts: it contracts over images, with
// outputs in the lanes, and reads dy as rows.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

// TI rows of dkernel x TV vectors of outputs, contracted over `count` images. `last` is how many
// outputs the last vector has.
template <int LANES, int TI, int TV>
inline void dense_kernel_tile(float* dkernel, const float* x, const float* rows, int count, int in,
                              int out, int row_stride, int i, int o, int last, bool add) {
  vec acc[TI][TV];
  PYLENET_UNROLL
  for (int t = 0; t < TI; t++) {
    PYLENET_UNROLL
    for (int v = 0; v < TV; v++) {
      const float* from = dkernel + std::size_t(i + t) * out + o + v * kLanes;
      acc[t][v] = !add ? vec{} : v + 1 < TV ? load_unaligned(from) : load_some(from, last);
    }
  }
  for (int image = 0; image < count; image++) {
    const float* row = rows + std::size_t(image) * row_stride + o;
    const float* xs = x + (std::size_t(image / LANES) * in + i) * LANES + image % LANES;
    vec g[TV];
    PYLENET_UNROLL
    for (int v = 0; v < TV; v++) g[v] = load(row + v * kLanes);
    PYLENET_UNROLL
    for (int t = 0; t < TI; t++) {
      const vec xv = splat(xs[t * LANES]);
      PYLENET_UNROLL
      for (int v = 0; v < TV; v++) acc[t][v] = fma(xv, g[v], acc[t][v]);
    }
  }
  PYLENET_UNROLL
  for (int t = 0; t < TI; t++) {
    PYLENET_UNROLL
    for (int v = 0; v < TV; v++) {
      float* to = dkernel + std::size_t(i + t) * out + o + v * kLanes;
      if (v + 1 < TV)
        store_unaligned(to, acc[t][v]);
      else
        store_some(to, acc[t][v], last);
    }
  }
}

// Rows [begin, end) of dkernel: tiles of TV vectors of outputs, then one of what is left. Outputs
// outermost: what a tile reads of all images' dy stays in the first-level cache for all its rows.
template <int LANES, int TV>
inline void dense_kernel_rows(float* dkernel, const float* x, const float* rows, int count, int in,
                              int out, int row_stride, int begin, int end, bool add, int o = 0) {
  constexpr int kTile = kRegisters == 32 ? 8 : 4;
  for (; o + (TV - 1) * kLanes < out; o += TV * kLanes) {
    const int last = lanes_left(out, o + (TV - 1) * kLanes);
    int i = begin;
    for (; i + kTile <= end; i += kTile)
      dense_kernel_tile<LANES, kTile, TV>(dkernel, x, rows, count, in, out, row_stride, i, o, last,
                                          add);
    for (; i < end; i++)
      dense_kernel_tile<LANES, 1, TV>(dkernel, x, rows, count, in, out, row_stride, i, o, last,
                                      add);
  }
  if constexpr (TV > 1) {
    if (o < out)
      dense_kernel_rows<LANES, TV - 1>(dkernel, x, rows, count, in, out, row_stride, begin, end,
                                       add, o);
  }
}

// LANES: images in a group.
template <int LANES>
void dense_kernel_gradient(float* dkernel, const float* x, const float* rows, int count, int in,
                           int out, int row_stride, int begin, int end, bool add) {
  dense_kernel_rows<LANES, 3>(dkernel, x, rows, count, in, out, row_stride, begin, end, add);
}

void dense_bias_gradient(float* dbias, const float* rows, int count, int out, int row_stride,
                         bool add) {
  for (int o = 0; o < out; o += kLanes) {
    const int n = out - o < kLanes ? out - o : kLanes;
    vec acc = add ? load_some(dbias + o, n) : vec{};
    for (int image = 0; image < count; image++)
      acc += load(rows + std::size_t(image) * row_stride + o);
    store_some(dbias + o, acc, n);
  }
}

}  // namespace
}  // namespace pylenet
