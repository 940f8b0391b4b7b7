// 2-D convolution in lane layout, forward; conv2d_backward-inl.h has its gradients.
//
// Every kernel is a register tile of accumulators that stays in registers over the whole
// contraction; a weight is a scalar broadcast to all lanes, so there are no shuffles and no tails
// whatever the number of channels. Tile sizes: enough independent accumulators to cover the
// multiply-add's latency (8 on current cores), few loads for each multiply-add, no spilling.
#pragma once

#include "kernels/activation.h"
#include "kernels/kernels.h"
#include "kernels/lanes/activation.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

// TO output channels x TX neighbouring columns of one output row. KW is the kernel's width where
// the compiler should know it, and the column stride is 1, else 0. Sums below `floor` become it.
template <int TO, int TX, int KW>
inline void conv2d_tile(float* y, const float* x, const float* kernel, const float* bias,
                        const ConvShape& s, vec floor, int oc, int oh, int ow) {
  const int kernel_width = KW ? KW : s.kernel_width;
  const std::size_t column = std::size_t(KW ? 1 : s.stride_width) * kLanes;
  const std::size_t tap = std::size_t(s.in_channels) * s.out_channels;
  vec acc[TO][TX];
  PYLENET_UNROLL
  for (int t = 0; t < TO; t++) {
    PYLENET_UNROLL
    for (int u = 0; u < TX; u++) acc[t][u] = splat(bias ? bias[oc + t] : 0.0f);
  }
  for (int ic = 0; ic < s.in_channels; ic++)
    for (int kh = 0; kh < s.kernel_height; kh++) {
      const int ih = oh * s.stride_height + kh;
      const float* row =
          x + (std::size_t(ic) * s.in_height + ih) * s.in_width * kLanes + ow * column;
      const float* w =
          kernel + (std::size_t(kh) * kernel_width * s.in_channels + ic) * s.out_channels + oc;
      repeat<KW>(kernel_width, [&](int) {
        if constexpr (TX < TO) {  // hold the columns, one weight at a time
          vec xv[TX];
          PYLENET_UNROLL
          for (int u = 0; u < TX; u++) xv[u] = load(row + u * column);
          PYLENET_UNROLL
          for (int t = 0; t < TO; t++) {
            const vec wv = splat(w[t]);
            PYLENET_UNROLL
            for (int u = 0; u < TX; u++) acc[t][u] = fma(xv[u], wv, acc[t][u]);
          }
        } else {  // hold the weights, one column at a time
          vec wv[TO];
          PYLENET_UNROLL
          for (int t = 0; t < TO; t++) wv[t] = splat(w[t]);
          PYLENET_UNROLL
          for (int u = 0; u < TX; u++) {
            const vec xv = load(row + u * column);
            PYLENET_UNROLL
            for (int t = 0; t < TO; t++) acc[t][u] = fma(xv, wv[t], acc[t][u]);
          }
        }
        row += kLanes;
        w += tap;
      });
    }
  PYLENET_UNROLL
  for (int t = 0; t < TO; t++) {
    PYLENET_UNROLL
    for (int u = 0; u < TX; u++)
      store(y + ((std::size_t(oc + t) * s.out_height + oh) * s.out_width + ow + u) * kLanes,
            larger(floor, acc[t][u]));
  }
}

// One output row of TO channels: tiles of TX columns, then ever narrower ones for the rest.
template <int TO, int TX, int KW>
inline void conv2d_row(float* y, const float* x, const float* kernel, const float* bias,
                       const ConvShape& s, vec floor, int oc, int oh, int ow = 0) {
  for (; ow + TX <= s.out_width; ow += TX)
    conv2d_tile<TO, TX, KW>(y, x, kernel, bias, s, floor, oc, oh, ow);
  if constexpr (TX > 1) {
    constexpr int kNarrower = TX > 4 ? TX / 2 : TX - 1;
    if (ow < s.out_width) conv2d_row<TO, kNarrower, KW>(y, x, kernel, bias, s, floor, oc, oh, ow);
  }
}

// Output row oh of all channels.
template <int KW>
inline void conv2d_rows(float* y, const float* x, const float* kernel, const float* bias,
                        const ConvShape& s, vec floor, int oh) {
  int oc = 0;
  if (s.out_channels % 6 == 0 && kRegisters == 32)
    for (; oc < s.out_channels; oc += 6) conv2d_row<6, 4, KW>(y, x, kernel, bias, s, floor, oc, oh);
  if (s.out_channels % 4 != 0)
    for (; oc + 3 <= s.out_channels; oc += 3)
      conv2d_row<3, 4, KW>(y, x, kernel, bias, s, floor, oc, oh);
  for (; oc + 4 <= s.out_channels; oc += 4)
    conv2d_row<4, kRegisters == 32 ? 4 : 3, KW>(y, x, kernel, bias, s, floor, oc, oh);
  for (; oc < s.out_channels; oc++) conv2d_row<1, 8, KW>(y, x, kernel, bias, s, floor, oc, oh);
}

// What follows the sums of a row of one channel.
inline void conv2d_finish(float* row, int channel, int width, const ChannelAffine& affine,
                          Activation activation) {
  if (affine.scale) {
    const vec scale = splat(affine.scale[channel]), shift = splat(affine.shift[channel]);
    for_each_vector(row, width, [&](vec v, std::size_t) { return fma(scale, v, shift); });
  }
  if (!is_linear(activation)) activation_forward(row, activation, width);
}

// Rows outermost: the few input rows that a row needs stay in the first-level cache, and so does
// the row itself for its activation.
template <int KW>
void conv2d_forward_sized(float* y, const float* x, const float* kernel, const float* bias,
                          const ConvShape& s, const ChannelAffine& affine, Activation activation) {
  const vec floor = floor_of_sums(affine.scale ? Activation{} : activation);
  for (int oh = 0; oh < s.out_height; oh++) {
    conv2d_rows<KW>(y, x, kernel, bias, s, floor, oh);
    if (!affine.scale && is_floor_of_sums(activation)) continue;
    for (int oc = 0; oc < s.out_channels; oc++)
      conv2d_finish(y + (std::size_t(oc) * s.out_height + oh) * s.out_width * kLanes, oc,
                    s.out_width, affine, activation);
  }
}

void conv2d_forward(float* y, const float* x, const float* kernel, const float* bias,
                    const ConvShape& s, const ChannelAffine& affine, Activation activation) {
  if (s.stride_width == 1 && s.kernel_width == 5)
    conv2d_forward_sized<5>(y, x, kernel, bias, s, affine, activation);
  else if (s.stride_width == 1 && s.kernel_width == 3)
    conv2d_forward_sized<3>(y, x, kernel, bias, s, affine, activation);
  else
    conv2d_forward_sized<0>(y, x, kernel, bias, s, affine, activation);
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
