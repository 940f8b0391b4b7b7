// 2-D convolution of one image, channels last: gradient of the input, with its channels in the
// lanes, and of the kernel, with output channels in the lanes. Every sum has the order of the
// kernels for many images (conv2d_backward-inl.h), hence their bits.
#pragma once

#include "kernels/kernel_rows.h"
#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

// ---- gradient of the input

// dy channel by channel, [oc][oh][spread_width], as far apart as the stride puts its cells and
// with zeros around, so that each dx is a plain correlation. The zeros add nothing to a sum.
inline void spread(float* spread, const float* dy, const ConvShape& s) {
  const std::size_t width = s.in_width + s.kernel_width - 1, map = s.out_height * width;
  std::memset(spread, 0, s.out_channels * map * sizeof(float));
  for (int oh = 0; oh < s.out_height; oh++)
    for (int ow = 0; ow < s.out_width; ow++) {
      float* to = spread + oh * width + s.kernel_width - 1 + ow * s.stride_width;
      for (int oc = 0; oc < s.out_channels; oc++) to[oc * map] = *dy++;
    }
}

// turned [tap][oc][stride], kernel [tap][ic][oc].
inline void turn(float* turned, const float* kernel, const ConvShape& s, int stride) {
  for (int tap = 0; tap < s.kernel_height * s.kernel_width; tap++)
    for (int ic = 0; ic < s.in_channels; ic += kLanes)
      for (int oc = 0; oc < s.out_channels; oc += kLanes) {
        const int rows = lanes_left(s.in_channels, ic), columns = lanes_left(s.out_channels, oc);
        vec tile[kLanes];
        for (int i = 0; i < kLanes; i++)
          tile[i] =
              i < rows
                  ? load_some(
                        kernel + (std::size_t(tap) * s.in_channels + ic + i) * s.out_channels + oc,
                        columns)
                  : vec{};
        transpose(tile);
        for (int o = 0; o < columns; o++)
          store_unaligned(turned + (std::size_t(tap) * s.out_channels + oc + o) * stride + ic,
                          tile[o]);
      }
}

// TX columns of dx in each of TY rows, which as many kernel rows reach; with PAIR, TX pairs of
// columns. `n` input channels; spread, weights ([tap][oc][stride]) and dx start where they do. KW
// is the kernel's width where the compiler should know it, else 0.
template <int KW, bool PAIR, int TY, int TX>
inline void conv2d_input_tile(float* const (&dx)[TY], const float* spread, const float* weights,
                              const ConvShape& s, const int (&ih)[TY], int stride, int n) {
  constexpr int kColumns = PAIR ? 2 : 1;
  const std::size_t width = s.in_width + s.kernel_width - 1, map = s.out_height * width;
  KernelRows rows[TY];
  PYLENET_UNROLL
  for (int v = 0; v < TY; v++) rows[v] = rows_reaching(s, ih[v]);
  vec acc[TY][TX];
  PYLENET_UNROLL
  for (int v = 0; v < TY; v++) {
    PYLENET_UNROLL
    for (int u = 0; u < TX; u++) acc[v][u] = vec{};
  }
  for (int oc = 0; oc < s.out_channels; oc++)
    for (int k = 0; rows[0].begin + k < rows[0].end; k += rows[0].step) {
      const float *g[TY], *w[TY];
      PYLENET_UNROLL
      for (int v = 0; v < TY; v++) {
        const int kh = rows[v].begin + k;
        g[v] = spread + oc * map + (ih[v] - kh) / s.stride_height * width + s.kernel_width - 1;
        w[v] = weights + (std::size_t(kh) * s.kernel_width * s.out_channels + oc) * stride;
      }
      repeat<KW>(s.kernel_width, [&](int kw) {
        PYLENET_UNROLL
        for (int v = 0; v < TY; v++) {
          const vec wv = load_unaligned(w[v] + std::size_t(kw) * s.out_channels * stride);
          PYLENET_UNROLL
          for (int u = 0; u < TX; u++) {
            const float* from = g[v] - kw + u * kColumns;
            acc[v][u] = fma(PAIR ? splat_pair(from) : splat(*from), wv, acc[v][u]);
          }
        }
      });
    }
  PYLENET_UNROLL
  for (int v = 0; v < TY; v++) {
    PYLENET_UNROLL
    for (int u = 0; u < TX; u++)
      store_some(dx[v] + std::size_t(u) * kColumns * s.in_channels,
                 PAIR ? split_pair(acc[v][u], n) : acc[v][u], n * kColumns);
  }
}

// Whole rows ih of the padded dx.
template <int KW, bool PAIR, int TY>
inline void conv2d_input_rows(float* dx, const float* spread, const float* weights,
                              const ConvShape& s, const int (&ih)[TY], int stride, int n, int width,
                              int top) {
  constexpr int kColumns = PAIR ? 2 : 1, kTile = 12 / kColumns;
  float* to[TY];
  for (int v = 0; v < TY; v++) to[v] = dx + std::size_t(ih[v] - top) * width * s.in_channels;
  int iw = 0;
  const auto advance = [&](int columns) {
    iw += columns;
    for (int v = 0; v < TY; v++) to[v] += columns * s.in_channels;
  };
  for (; iw + 12 <= width; advance(12))
    conv2d_input_tile<KW, PAIR, TY, kTile>(to, spread + iw, weights, s, ih, stride, n);
  for (; iw < width; advance(kColumns))
    conv2d_input_tile<KW, PAIR, TY, 1>(to, spread + iw, weights, s, ih, stride, n);
}

// Rows from both ends towards the middle: as many kernel rows reach both where the padding is even,
// and the sums of one hide the latency of the other's.
template <int KW>
inline void conv2d_input_pairs(float* dx, const float* spread, float* weights, const ConvShape& s,
                               int height, int width, int top) {
  const int n = s.in_channels;
  const std::size_t taps = std::size_t(s.kernel_height) * s.kernel_width * s.out_channels;
  for (std::size_t i = 0; i < taps * kLanes; i += kLanes)
    store_unaligned(weights + i, twice(load_unaligned(weights + i)));
  int upper = top, lower = top + height - 1;
  const auto alike = [&] {
    const KernelRows u = rows_reaching(s, upper), l = rows_reaching(s, lower);
    return s.stride_height == 1 && u.end - u.begin == l.end - l.begin;
  };
  for (; upper < lower && alike(); upper++, lower--)
    conv2d_input_rows<KW, true, 2>(dx, spread, weights, s, {upper, lower}, kLanes, n, width, top);
  for (; upper <= lower; upper++)
    conv2d_input_rows<KW, true, 1>(dx, spread, weights, s, {upper}, kLanes, n, width, top);
}

void conv2d_backward_input(float* dx, float* scratch, const float* dy, const float* kernel,
                           const ConvShape& s, int height, int width, int top, int left) {
  const std::size_t spread_width = s.in_width + s.kernel_width - 1;
  const int stride = (s.in_channels + kLanes - 1) / kLanes * kLanes;
  float* turned = scratch + std::size_t(s.out_channels) * s.out_height * spread_width + kSlack;
  spread(scratch, dy, s);
  turn(turned, kernel, s, stride);
  const float* spread = scratch + left;
  if (kPairs && 2 * s.in_channels <= kLanes && width % 2 == 0) {
    if (s.kernel_width == 5)
      conv2d_input_pairs<5>(dx, spread, turned, s, height, width, top);
    else
      conv2d_input_pairs<0>(dx, spread, turned, s, height, width, top);
    return;
  }
  for (int ih = top; ih < top + height; ih++)
    for (int ic = 0; ic < s.in_channels; ic += kLanes)
      conv2d_input_rows<0, false, 1>(dx + ic, spread, turned + ic, s, {ih}, stride,
                                     lanes_left(s.in_channels, ic), width, top);
}

// ---- gradient of the kernel

// TH kernel rows from kh on x TJ taps of each, counted over kernel columns and input channels
// together: both x and the kernel hold these side by side. dbias, too, if it is set: one chain of
// additions, whose latency the tile's multiply-adds hide.
template <int TH, int TJ>
inline void conv2d_kernel_tile(float* dkernel, float* dbias, const float* x, const float* dy,
                               const ConvShape& s, int oc, int n, int kh, int j) {
  const std::size_t row = std::size_t(s.in_width) * s.in_channels;
  const std::size_t taps = std::size_t(s.kernel_width) * s.in_channels;
  vec acc[TH][TJ], sum{};
  PYLENET_UNROLL
  for (int t = 0; t < TH; t++) {
    PYLENET_UNROLL
    for (int k = 0; k < TJ; k++) acc[t][k] = vec{};
  }
  const float* g = dy + oc;
  for (int oh = 0; oh < s.out_height; oh++) {
    const float* from = x + (std::size_t(oh) * s.stride_height + kh) * row + j;
    for (int ow = 0; ow < s.out_width;
         ow++, g += s.out_channels, from += std::size_t(s.stride_width) * s.in_channels) {
      const vec gv = load_unaligned(g);
      sum += gv;
      PYLENET_UNROLL
      for (int t = 0; t < TH; t++) {
        PYLENET_UNROLL
        for (int k = 0; k < TJ; k++) acc[t][k] = fma(splat(from[t * row + k]), gv, acc[t][k]);
      }
    }
  }
  PYLENET_UNROLL
  for (int t = 0; t < TH; t++) {
    PYLENET_UNROLL
    for (int k = 0; k < TJ; k++)
      store_some(dkernel + ((kh + t) * taps + j + k) * s.out_channels + oc, acc[t][k] + vec{}, n);
  }
  if (dbias) store_some(dbias + oc, sum, n);
}

template <int TH, int TJ>
inline void conv2d_kernel_rows(float* dkernel, float* dbias, const float* x, const float* dy,
                               const ConvShape& s, int oc, int n, int kh) {
  const int taps = s.kernel_width * s.in_channels;
  int j = 0;
  const auto bias = [&] { return kh == 0 && j == 0 ? dbias : nullptr; };
  for (; j + TJ <= taps; j += TJ)
    conv2d_kernel_tile<TH, TJ>(dkernel, bias(), x, dy, s, oc, n, kh, j);
  for (; j + 4 <= taps; j += 4) conv2d_kernel_tile<TH, 4>(dkernel, bias(), x, dy, s, oc, n, kh, j);
  for (; j < taps; j++) conv2d_kernel_tile<TH, 1>(dkernel, bias(), x, dy, s, oc, n, kh, j);
}

void conv2d_backward_kernel(float* dkernel, float* dbias, const float* x, const float* dy,
                            const ConvShape& s) {
  constexpr bool kMany = kRegisters == 32;
  constexpr int kRows = kMany ? 5 : 2;
  for (int oc = 0; oc < s.out_channels; oc += kLanes) {
    const int n = lanes_left(s.out_channels, oc);
    int kh = 0;
    if (s.kernel_width * s.in_channels <= 5)  // too few taps in a row to hide the latency
      for (; kh + kRows <= s.kernel_height; kh += kRows)
        conv2d_kernel_rows<kRows, 5>(dkernel, dbias, x, dy, s, oc, n, kh);
    for (; kh < s.kernel_height; kh++)
      conv2d_kernel_rows<1, kMany ? 15 : 10>(dkernel, dbias, x, dy, s, oc, n, kh);
  }
}

}  // namespace single
}  // namespace
}  // namespace pylenet
