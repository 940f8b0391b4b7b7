// Dense layers in lanes: forward and the input's gradient contract over features. The kernel's
// gradient contracts over images (dense_kernel.h), so it reads dy as rows of features.
#pragma once

#include "kernels/dense_kernel.h"
#include "kernels/kernels.h"
#include "kernels/sum_records.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

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

constexpr auto dense_backward_kernel = dense_kernel_gradient<kLanes>;
constexpr auto dense_backward_bias = dense_bias_gradient;
constexpr auto sum_records = sum_groups<kLanes>;

}  // namespace lanes
}  // namespace
}  // namespace pylenet
