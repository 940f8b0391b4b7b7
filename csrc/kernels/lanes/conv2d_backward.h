// 2-D convolution in lane layout: gradient of the input, gradient of the kernel. Tiles as forward
// (conv2d.h).
#pragma once

#include "kernels/kernel_rows.h"
#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

// ---- gradient of the input

enum class Edge { kLeft, kNone, kRight };

// Stride 1, kernel width KW: TI input channels x TX columns. A column near an edge is reached by
// fewer kernel columns, a triangle that the compiler sees, so no multiply-add is wasted on padding.
template <int TI, int TX, int KW, Edge EDGE>
inline void conv2d_input_tile(float* dx, const float* dy, const float* kernel, const ConvShape& s,
                              int ic, int ih, int iw) {
  const KernelRows rows = rows_reaching(s, ih);
  vec acc[TI][TX];
  PYLENET_UNROLL
  for (int t = 0; t < TI; t++) {
    PYLENET_UNROLL
    for (int u = 0; u < TX; u++) acc[t][u] = vec{};
  }
  for (int oc = 0; oc < s.out_channels; oc++)
    for (int kh = rows.begin; kh < rows.end; kh++) {
      const float* g =
          dy + ((std::size_t(oc) * s.out_height + ih - kh) * s.out_width + iw) * kLanes;
      const float* w = kernel + (std::size_t(kh) * KW * s.in_channels + ic) * s.out_channels + oc;
      PYLENET_UNROLL
      for (int kw = 0; kw < KW; kw++) {
        const float* tap = w + std::size_t(kw) * s.in_channels * s.out_channels;
        vec wv[TI];
        PYLENET_UNROLL
        for (int t = 0; t < TI; t++) wv[t] = splat(tap[std::size_t(t) * s.out_channels]);
        PYLENET_UNROLL
        for (int u = 0; u < TX; u++) {
          if ((EDGE == Edge::kLeft && u < kw) || (EDGE == Edge::kRight && u >= kw)) continue;
          const vec gv = load(g + (u - kw) * kLanes);
          PYLENET_UNROLL
          for (int t = 0; t < TI; t++) acc[t][u] = fma(gv, wv[t], acc[t][u]);
        }
      }
    }
  PYLENET_UNROLL
  for (int t = 0; t < TI; t++) {
    PYLENET_UNROLL
    for (int u = 0; u < TX; u++)
      store(dx + ((std::size_t(ic + t) * s.in_height + ih) * s.in_width + iw + u) * kLanes,
            acc[t][u]);
  }
}

// One input row of TI channels: a triangle, whole tiles of TX columns, narrower ones, a triangle.
template <int TI, int TX, int KW>
inline void conv2d_input_row(float* dx, const float* dy, const float* kernel, const ConvShape& s,
                             int ic, int ih) {
  int iw = KW - 1;
  conv2d_input_tile<TI, KW - 1, KW, Edge::kLeft>(dx, dy, kernel, s, ic, ih, 0);
  for (; iw + TX <= s.out_width; iw += TX)
    conv2d_input_tile<TI, TX, KW, Edge::kNone>(dx, dy, kernel, s, ic, ih, iw);
  if constexpr (TI == 4 && TX == 4)
    for (; iw + 2 <= s.out_width; iw += 2)
      conv2d_input_tile<TI, 2, KW, Edge::kNone>(dx, dy, kernel, s, ic, ih, iw);
  for (; iw < s.out_width; iw++)
    conv2d_input_tile<TI, 1, KW, Edge::kNone>(dx, dy, kernel, s, ic, ih, iw);
  conv2d_input_tile<TI, KW - 1, KW, Edge::kRight>(dx, dy, kernel, s, ic, ih, iw);
}

template <int KW>
void conv2d_input_sized(float* dx, const float* dy, const float* kernel, const ConvShape& s) {
  for (int ih = 0; ih < s.in_height; ih++) {
    int ic = 0;
    // Of 4 channels, so that none of 20, 32 or 64 is left to a tile of its own: 1.15 times as fast
    // with 3 x 3 of 32 channels.
    if (s.in_channels % (kRegisters == 32 ? 6 : 3) != 0)
      for (; ic + 4 <= s.in_channels; ic += 4)
        conv2d_input_row<4, kRegisters == 32 ? 4 : 2, KW>(dx, dy, kernel, s, ic, ih);
    if constexpr (kRegisters == 32)
      for (; ic + 6 <= s.in_channels; ic += 6)
        conv2d_input_row<6, 4, KW>(dx, dy, kernel, s, ic, ih);
    for (; ic + 3 <= s.in_channels; ic += 3) conv2d_input_row<3, 4, KW>(dx, dy, kernel, s, ic, ih);
    for (; ic < s.in_channels; ic++) conv2d_input_row<1, 4, KW>(dx, dy, kernel, s, ic, ih);
  }
}

// Any stride and padding: dy's rows are spread out in scratch, zeros between and around, so that
// each dx is a plain correlation. The zeros add nothing to a sum: same bits as the tiles above.
void conv2d_input_any(float* dx, float* scratch, const float* dy, const float* kernel,
                      const ConvShape& s, int height, int width, int top, int left) {
  constexpr int kTile = 8;
  const int spread_width = s.in_width + s.kernel_width - 1;
  const std::size_t spread_size = std::size_t(s.out_channels) * s.out_height * spread_width;
  std::memset(scratch, 0, spread_size * kLanes * sizeof(float));
  for (int row = 0; row < s.out_channels * s.out_height; row++)
    for (int ow = 0; ow < s.out_width; ow++)
      store(scratch + (std::size_t(row) * spread_width + s.kernel_width - 1 + ow * s.stride_width) *
                          kLanes,
            load(dy + (std::size_t(row) * s.out_width + ow) * kLanes));

  for (int ic = 0; ic < s.in_channels; ic++)
    for (int ih = 0; ih < height; ih++) {
      const KernelRows rows = rows_reaching(s, ih + top);
      for (int iw = 0; iw < width; iw += kTile) {
        const int columns = width - iw < kTile ? width - iw : kTile;
        vec acc[kTile] = {};
        for (int oc = 0; oc < s.out_channels; oc++)
          for (int kh = rows.begin; kh < rows.end; kh += rows.step) {
            const int oh = (ih + top - kh) / s.stride_height;
            const float* g = scratch + ((std::size_t(oc) * s.out_height + oh) * spread_width +
                                        left + iw + s.kernel_width - 1) *
                                           kLanes;
            for (int kw = 0; kw < s.kernel_width; kw++, g -= kLanes) {
              const vec wv =
                  splat(kernel[((std::size_t(kh) * s.kernel_width + kw) * s.in_channels + ic) *
                                   s.out_channels +
                               oc]);
              if (columns == kTile) {
                PYLENET_UNROLL
                for (int u = 0; u < kTile; u++) acc[u] = fma(load(g + u * kLanes), wv, acc[u]);
              } else {
                for (int u = 0; u < columns; u++) acc[u] = fma(load(g + u * kLanes), wv, acc[u]);
              }
            }
          }
        for (int u = 0; u < columns; u++)
          store(dx + ((std::size_t(ic) * height + ih) * width + iw + u) * kLanes, acc[u]);
      }
    }
}

void conv2d_backward_input(float* dx, float* scratch, const float* dy, const float* kernel,
                           const ConvShape& s, int height, int width, int top, int left) {
  const bool plain = s.stride_height == 1 && s.stride_width == 1 && height == s.in_height &&
                     width == s.in_width && s.out_width >= s.kernel_width - 1;
  if (plain && s.kernel_width == 5)
    conv2d_input_sized<5>(dx, dy, kernel, s);
  else if (plain && s.kernel_width == 3)
    conv2d_input_sized<3>(dx, dy, kernel, s);
  else
    conv2d_input_any(dx, scratch, dy, kernel, s, height, width, top, left);
}

// ---- gradient of the kernel

// TO output channels x TK neighbouring taps in each of TH kernel rows, contracted over all
// positions.
template <int TO, int TH, int TK>
inline void conv2d_kernel_tile(float* dkernel, const float* x, const float* dy, const ConvShape& s,
                               int oc, int ic, int kh, int kw) {
  constexpr int kSums = TO == 3 ? 4 : TO;
  const std::size_t map = std::size_t(s.out_height) * s.out_width * kLanes;
  const std::size_t down = std::size_t(s.in_width) * kLanes;
  vec acc[TH][TK][kSums];
  PYLENET_UNROLL
  for (int h = 0; h < TH; h++) {
    PYLENET_UNROLL
    for (int k = 0; k < TK; k++) {
      PYLENET_UNROLL
      for (int t = 0; t < kSums; t++) acc[h][k][t] = vec{};
    }
  }
  for (int oh = 0; oh < s.out_height; oh++) {
    const int ih = oh * s.stride_height + kh;
    const float* row = x + (std::size_t(ic) * s.in_height + ih) * down + kw * kLanes;
    const float* g = dy + oc * map + std::size_t(oh) * s.out_width * kLanes;
    for (int ow = 0; ow < s.out_width; ow++, row += s.stride_width * kLanes, g += kLanes) {
      if constexpr (TO < TH * TK) {  // hold the outputs, one tap at a time
        vec gv[TO];
        PYLENET_UNROLL
        for (int t = 0; t < TO; t++) gv[t] = load(g + t * map);
        PYLENET_UNROLL
        for (int h = 0; h < TH; h++) {
          PYLENET_UNROLL
          for (int k = 0; k < TK; k++) {
            const vec xv = load(row + h * down + k * kLanes);
            PYLENET_UNROLL
            for (int t = 0; t < TO; t++) acc[h][k][t] = fma(xv, gv[t], acc[h][k][t]);
          }
        }
      } else {  // hold the taps, one output at a time
        vec xv[TH][TK];
        PYLENET_UNROLL
        for (int h = 0; h < TH; h++) {
          PYLENET_UNROLL
          for (int k = 0; k < TK; k++) xv[h][k] = load(row + h * down + k * kLanes);
        }
        PYLENET_UNROLL
        for (int t = 0; t < TO; t++) {
          const vec gv = load(g + t * map);
          PYLENET_UNROLL
          for (int h = 0; h < TH; h++) {
            PYLENET_UNROLL
            for (int k = 0; k < TK; k++) acc[h][k][t] = fma(xv[h][k], gv, acc[h][k][t]);
          }
        }
      }
    }
  }
  PYLENET_UNROLL
  for (int h = 0; h < TH; h++) {
    PYLENET_UNROLL
    for (int k = 0; k < TK; k++) {
      const std::size_t tap = std::size_t(kh + h) * s.kernel_width + kw + k;
      store_some(dkernel + (tap * s.in_channels + ic) * s.out_channels + oc,
                 lane_sums<kSums>(acc[h][k]), TO);
    }
  }
}

// One kernel row of TO output channels: tiles of TK taps, then ever narrower ones for the rest.
template <int TO, int TK>
inline void conv2d_kernel_row(float* dkernel, const float* x, const float* dy, const ConvShape& s,
                              int oc, int ic, int kh, int kw = 0) {
  for (; kw + TK <= s.kernel_width; kw += TK)
    conv2d_kernel_tile<TO, 1, TK>(dkernel, x, dy, s, oc, ic, kh, kw);
  if constexpr (TK > 1) {
    if (kw < s.kernel_width) conv2d_kernel_row<TO, TK - 1>(dkernel, x, dy, s, oc, ic, kh, kw);
  }
}

template <int TO>
inline void conv2d_kernel_channels(float* dkernel, const float* x, const float* dy,
                                   const ConvShape& s, int oc) {
  for (int ic = 0; ic < s.in_channels; ic++)
    for (int kh = 0; kh < s.kernel_height; kh++)
      conv2d_kernel_row<TO, 5>(dkernel, x, dy, s, oc, ic, kh);
}

// The same of kernels 3 wide, TH rows at a time: three taps are too few to hide a multiply-add's
// latency, and a dy that does not fit the first-level cache is read once for TH kernel rows.
template <int TO, int TH>
inline void conv2d_kernel_channels_of_3(float* dkernel, const float* x, const float* dy,
                                        const ConvShape& s, int oc) {
  for (int ic = 0; ic < s.in_channels; ic++)
    for (int kh = 0; kh < s.kernel_height; kh += TH)
      conv2d_kernel_tile<TO, TH, 3>(dkernel, x, dy, s, oc, ic, kh, 0);
}

// Each channel is one chain of additions: several at a time hide their latency.
void conv2d_bias_gradient(float* dbias, const float* dy, int channels, std::size_t map) {
  constexpr int kTile = 4;
  for (int oc = 0; oc < channels; oc += kTile) {
    const int n = channels - oc < kTile ? channels - oc : kTile;
    const float* from[kTile];  // past the last channel, the last once more
    for (int t = 0; t < kTile; t++) from[t] = dy + (oc + (t < n ? t : n - 1)) * map * kLanes;
    vec acc[kTile] = {};
    for (std::size_t i = 0; i < map * kLanes; i += kLanes) {
      PYLENET_UNROLL
      for (int t = 0; t < kTile; t++) acc[t] += load(from[t] + i);
    }
    store_some(dbias + oc, lane_sums<kTile>(acc), n);
  }
}

void conv2d_backward_kernel(float* dkernel, float* dbias, const float* x, const float* dy,
                            const ConvShape& s) {
  const std::size_t map = std::size_t(s.out_height) * s.out_width;
  int oc = 0;
  // With 3 x 3 of 32 channels 1.4 times as fast on 26 x 26 values, 1.1 times on 13 x 13; AVX2: 1.4
  // times on both.
  if (s.kernel_width == 3 && kRegisters == 32 && s.kernel_height % 3 == 0)
    for (; oc + 3 <= s.out_channels; oc += 3)
      conv2d_kernel_channels_of_3<3, 3>(dkernel, x, dy, s, oc);
  if (s.kernel_width == 3 && kRegisters < 32)
    for (; oc + 4 <= s.out_channels; oc += 4)
      conv2d_kernel_channels_of_3<4, 1>(dkernel, x, dy, s, oc);
  if constexpr (kRegisters == 32)
    for (; oc + 4 <= s.out_channels; oc += 4) conv2d_kernel_channels<4>(dkernel, x, dy, s, oc);
  for (; oc + 2 <= s.out_channels; oc += 2) conv2d_kernel_channels<2>(dkernel, x, dy, s, oc);
  for (; oc < s.out_channels; oc++) conv2d_kernel_channels<1>(dkernel, x, dy, s, oc);
  if (dbias) conv2d_bias_gradient(dbias, dy, s.out_channels, map);
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
