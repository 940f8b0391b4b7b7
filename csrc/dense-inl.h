// Dense layers. Forward and the input's gradient contract over features and stay in lane layout;
// the kernel's gradient contracts over images, so it reads dy as rows of features.
#pragma once

#include "kernels.h"
#include "vec.h"

namespace pylenet {
namespace {

// TO outputs, contracted over all inputs.
template <int TO>
inline void dense_tile(float* y, const float* x, const float* kernel, const float* bias, int in,
                       int out, int o) {
  vec acc[TO];
  PYLENET_UNROLL
  for (int t = 0; t < TO; t++) acc[t] = splat(bias ? bias[o + t] : 0.0f);
  const float* w = kernel + o;
  for (int i = 0; i < in; i++, w += out) {
    const vec xv = load(x + std::size_t(i) * kLanes);
    PYLENET_UNROLL
    for (int t = 0; t < TO; t++) acc[t] = fma(xv, splat(w[t]), acc[t]);
  }
  PYLENET_UNROLL
  for (int t = 0; t < TO; t++) store(y + std::size_t(o + t) * kLanes, acc[t]);
}

// Outputs from o on: tiles of TO, then one of what is left. More than 16 accumulators would not be
// unrolled, hence not kept in registers.
template <int TO>
inline void dense_tiles(float* y, const float* x, const float* kernel, const float* bias, int in,
                        int out, int o = 0) {
  for (; o + TO <= out; o += TO) dense_tile<TO>(y, x, kernel, bias, in, out, o);
  if constexpr (TO > 1) {
    if (o < out) dense_tiles<TO - 1>(y, x, kernel, bias, in, out, o);
  }
}

void dense_forward(float* y, const float* x, const float* kernel, const float* bias, int in,
                   int out) {
  dense_tiles<12>(y, x, kernel, bias, in, out);
}

// TI inputs, contracted over all outputs.
template <int TI>
inline void dense_input_tile(float* dx, const float* dy, const float* kernel, int out, int i) {
  vec acc[TI];
  PYLENET_UNROLL
  for (int t = 0; t < TI; t++) acc[t] = vec{};
  const float* w = kernel + std::size_t(i) * out;
  for (int o = 0; o < out; o++) {
    const vec gv = load(dy + std::size_t(o) * kLanes);
    PYLENET_UNROLL
    for (int t = 0; t < TI; t++) acc[t] = fma(gv, splat(w[std::size_t(t) * out + o]), acc[t]);
  }
  PYLENET_UNROLL
  for (int t = 0; t < TI; t++) store(dx + std::size_t(i + t) * kLanes, acc[t]);
}

void dense_backward_input(float* dx, const float* dy, const float* kernel, int in, int out) {
  constexpr int kTile = 12;
  int i = 0;
  for (; i + kTile <= in; i += kTile) dense_input_tile<kTile>(dx, dy, kernel, out, i);
  for (; i + 4 <= in; i += 4) dense_input_tile<4>(dx, dy, kernel, out, i);
  for (; i < in; i++) dense_input_tile<1>(dx, dy, kernel, out, i);
}

void dense_rows(float* rows, const float* dy, int out, int row_stride) {
  for (int o = 0; o < row_stride; o += kLanes) {
    vec tile[kLanes] = {};
    for (int t = 0; t < kLanes && o + t < out; t++)
      tile[t] = load(dy + std::size_t(o + t) * kLanes);
    transpose(tile);
    for (int lane = 0; lane < kLanes; lane++)
      store(rows + std::size_t(lane) * row_stride + o, tile[lane]);
  }
}

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

// TI rows of dkernel: tiles of TV vectors, then one of what is left.
template <int LANES, int TI, int TV>
inline void dense_kernel_rows(float* dkernel, const float* x, const float* rows, int count, int in,
                              int out, int row_stride, int i, bool add, int o = 0) {
  for (; o + (TV - 1) * kLanes < out; o += TV * kLanes) {
    const int last = out - o - (TV - 1) * kLanes;
    dense_kernel_tile<LANES, TI, TV>(dkernel, x, rows, count, in, out, row_stride, i, o,
                                     last < kLanes ? last : kLanes, add);
  }
  if constexpr (TV > 1) {
    if (o < out)
      dense_kernel_rows<LANES, TI, TV - 1>(dkernel, x, rows, count, in, out, row_stride, i, add, o);
  }
}

// LANES: images in a unit of x.
template <int LANES>
void dense_backward_kernel(float* dkernel, const float* x, const float* rows, int count, int in,
                           int out, int row_stride, int begin, int end, bool add) {
  constexpr int kTile = kRegisters == 32 ? 8 : 4;
  int i = begin;
  for (; i + kTile <= end; i += kTile)
    dense_kernel_rows<LANES, kTile, 3>(dkernel, x, rows, count, in, out, row_stride, i, add);
  for (; i < end; i++)
    dense_kernel_rows<LANES, 1, 3>(dkernel, x, rows, count, in, out, row_stride, i, add);
}

void dense_backward_bias(float* dbias, const float* rows, int count, int out, int row_stride,
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
