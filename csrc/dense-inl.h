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
  for (int t = 0; t < TO; t++) acc[t] = splat(bias ? bias[o + t] : 0.0f);
  const float* w = kernel + o;
  for (int i = 0; i < in; i++, w += out) {
    const vec xv = load(x + std::size_t(i) * kLanes);
    PYLENET_UNROLL
    for (int t = 0; t < TO; t++) acc[t] = fma(xv, splat(w[t]), acc[t]);
  }
  for (int t = 0; t < TO; t++) store(y + std::size_t(o + t) * kLanes, acc[t]);
}

void dense_forward(float* y, const float* x, const float* kernel, const float* bias, int in,
                   int out) {
  constexpr int kTile = kRegisters == 32 ? 24 : 12;
  int o = 0;
  for (; o + kTile <= out; o += kTile) dense_tile<kTile>(y, x, kernel, bias, in, out, o);
  for (; o + 4 <= out; o += 4) dense_tile<4>(y, x, kernel, bias, in, out, o);
  for (; o < out; o++) dense_tile<1>(y, x, kernel, bias, in, out, o);
}

// TI inputs, contracted over all outputs.
template <int TI>
inline void dense_input_tile(float* dx, const float* dy, const float* kernel, int out, int i) {
  vec acc[TI];
  for (int t = 0; t < TI; t++) acc[t] = vec{};
  const float* w = kernel + std::size_t(i) * out;
  for (int o = 0; o < out; o++) {
    const vec gv = load(dy + std::size_t(o) * kLanes);
    PYLENET_UNROLL
    for (int t = 0; t < TI; t++) acc[t] = fma(gv, splat(w[std::size_t(t) * out + o]), acc[t]);
  }
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
  for (int lane = 0; lane < kLanes; lane++) {
    float* row = rows + std::size_t(lane) * row_stride;
    for (int o = 0; o < out; o++) row[o] = dy[std::size_t(o) * kLanes + lane];
    for (int o = out; o < row_stride; o++) row[o] = 0.0f;
  }
}

// TI rows of dkernel x TV vectors of outputs, contracted over `count` images. `last` is how many
// outputs the last vector has.
template <int TI, int TV>
inline void dense_kernel_tile(float* dkernel, const float* x, const float* rows, int count, int in,
                              int out, int row_stride, int i, int o, int last, bool add) {
  vec acc[TI][TV];
  for (int t = 0; t < TI; t++)
    for (int v = 0; v < TV; v++) {
      const float* from = dkernel + std::size_t(i + t) * out + o + v * kLanes;
      acc[t][v] = !add ? vec{} : v + 1 < TV ? load_unaligned(from) : load_some(from, last);
    }
  for (int image = 0; image < count; image++) {
    const float* row = rows + std::size_t(image) * row_stride + o;
    const float* xs = x + (std::size_t(image / kLanes) * in + i) * kLanes + image % kLanes;
    vec g[TV];
    PYLENET_UNROLL
    for (int v = 0; v < TV; v++) g[v] = load(row + v * kLanes);
    PYLENET_UNROLL
    for (int t = 0; t < TI; t++) {
      const vec xv = splat(xs[t * kLanes]);
      PYLENET_UNROLL
      for (int v = 0; v < TV; v++) acc[t][v] = fma(xv, g[v], acc[t][v]);
    }
  }
  for (int t = 0; t < TI; t++)
    for (int v = 0; v < TV; v++) {
      float* to = dkernel + std::size_t(i + t) * out + o + v * kLanes;
      if (v + 1 < TV)
        store_unaligned(to, acc[t][v]);
      else
        store_some(to, acc[t][v], last);
    }
}

template <int TI>
inline void dense_kernel_rows(float* dkernel, const float* x, const float* rows, int count, int in,
                              int out, int row_stride, int i, bool add) {
  constexpr int kTile = 3;
  int o = 0;
  for (; o + kTile * kLanes <= out; o += kTile * kLanes)
    dense_kernel_tile<TI, kTile>(dkernel, x, rows, count, in, out, row_stride, i, o, kLanes, add);
  for (; o < out; o += kLanes)
    dense_kernel_tile<TI, 1>(dkernel, x, rows, count, in, out, row_stride, i, o,
                             out - o < kLanes ? out - o : kLanes, add);
}

void dense_backward_kernel(float* dkernel, const float* x, const float* rows, int count, int in,
                           int out, int row_stride, int begin, int end, bool add) {
  int i = begin;
  for (; i + 4 <= end; i += 4)
    dense_kernel_rows<4>(dkernel, x, rows, count, in, out, row_stride, i, add);
  for (; i < end; i++) dense_kernel_rows<1>(dkernel, x, rows, count, in, out, row_stride, i, add);
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
