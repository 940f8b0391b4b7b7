// 2-D convolution of one image, channels last, forward: output channels in the lanes. Every sum has
// the order of the kernel for many images (conv2d-inl.h), hence its bits.
#pragma once

#include "kernels/activation.h"
#include "kernels/kernels.h"
#include "kernels/single/activation.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

// TY rows x TX columns of outputs, `n` output channels from oc on.
template <int TY, int TX>
inline void conv2d_tile(float* y, const float* x, const float* kernel, const float* bias,
                        const ConvShape& s, vec floor, int oc, int n, int oh, int ow) {
  const std::size_t row = std::size_t(s.in_width) * s.in_channels;
  const std::size_t down = s.stride_height * row;
  const std::size_t right = std::size_t(s.stride_width) * s.in_channels;
  const std::size_t tap = std::size_t(s.in_channels) * s.out_channels;
  const float* corner = x + oh * down + ow * right;
  const vec start = bias ? load_some(bias + oc, n) : vec{};
  vec acc[TY][TX];
  PYLENET_UNROLL
  for (int v = 0; v < TY; v++) {
    PYLENET_UNROLL
    for (int u = 0; u < TX; u++) acc[v][u] = start;
  }
  for (int ic = 0; ic < s.in_channels; ic++)
    for (int kh = 0; kh < s.kernel_height; kh++) {
      const float* from = corner + kh * row + ic;
      const float* w = kernel + kh * s.kernel_width * tap + std::size_t(ic) * s.out_channels + oc;
      for (int kw = 0; kw < s.kernel_width; kw++, from += s.in_channels, w += tap) {
        const vec wv = load_some(w, n);
        PYLENET_UNROLL
        for (int v = 0; v < TY; v++) {
          PYLENET_UNROLL
          for (int u = 0; u < TX; u++)
            acc[v][u] = fma(splat(from[v * down + u * right]), wv, acc[v][u]);
        }
      }
    }
  PYLENET_UNROLL
  for (int v = 0; v < TY; v++) {
    PYLENET_UNROLL
    for (int u = 0; u < TX; u++)
      store_some(y + ((std::size_t(oh) + v) * s.out_width + ow + u) * s.out_channels + oc,
                 larger(floor, acc[v][u]), n);
  }
}

template <int TY>
inline void conv2d_rows(float* y, const float* x, const float* kernel, const float* bias,
                        const ConvShape& s, vec floor, int oc, int n, int oh) {
  int ow = 0;
  for (; ow + 8 <= s.out_width; ow += 8)
    conv2d_tile<TY, 8>(y, x, kernel, bias, s, floor, oc, n, oh, ow);
  for (; ow + 4 <= s.out_width; ow += 4)
    conv2d_tile<TY, 4>(y, x, kernel, bias, s, floor, oc, n, oh, ow);
  for (; ow < s.out_width; ow++) conv2d_tile<TY, 1>(y, x, kernel, bias, s, floor, oc, n, oh, ow);
}

// Two columns in a vector: for few output channels of one input channel, the LeNets' first layer.
// 1.9 times as fast there.
constexpr int kMostPairTaps = 64;
inline bool forward_in_pairs(const ConvShape& s) {
  return kPairs && s.in_channels == 1 && 2 * s.out_channels <= kLanes && s.stride_width == 1 &&
         s.out_width % 2 == 0 && s.kernel_height * s.kernel_width <= kMostPairTaps;
}

// TY rows x TX pairs of columns. weights: [tap], each channel twice. KW is the kernel's width where
// the compiler should know it, else 0.
template <int KW, int TY, int TX>
inline void conv2d_pair_tile(float* y, const float* x, const vec* weights, vec start,
                             const ConvShape& s, vec floor, int oh, int ow) {
  const int n = s.out_channels;
  const std::size_t down = std::size_t(s.stride_height) * s.in_width;
  vec acc[TY][TX];
  PYLENET_UNROLL
  for (int v = 0; v < TY; v++) {
    PYLENET_UNROLL
    for (int u = 0; u < TX; u++) acc[v][u] = start;
  }
  for (int kh = 0; kh < s.kernel_height; kh++) {
    const float* from = x + oh * down + std::size_t(kh) * s.in_width + ow;
    repeat<KW>(s.kernel_width, [&](int) {
      const vec wv = *weights++;
      PYLENET_UNROLL
      for (int v = 0; v < TY; v++) {
        PYLENET_UNROLL
        for (int u = 0; u < TX; u++)
          acc[v][u] = fma(splat_pair(from + v * down + 2 * u), wv, acc[v][u]);
      }
      from++;
    });
  }
  PYLENET_UNROLL
  for (int v = 0; v < TY; v++) {
    PYLENET_UNROLL
    for (int u = 0; u < TX; u++)
      store_some(y + ((std::size_t(oh) + v) * s.out_width + ow + 2 * u) * n,
                 split_pair(larger(floor, acc[v][u]), n), 2 * n);
  }
}

template <int KW, int TY>
inline void conv2d_pair_rows(float* y, const float* x, const vec* weights, vec start,
                             const ConvShape& s, vec floor, int oh) {
  int ow = 0;
  for (; ow + 12 <= s.out_width; ow += 12)
    conv2d_pair_tile<KW, TY, 6>(y, x, weights, start, s, floor, oh, ow);
  for (; ow < s.out_width; ow += 2)
    conv2d_pair_tile<KW, TY, 1>(y, x, weights, start, s, floor, oh, ow);
}

template <int KW>
inline void conv2d_pairs(float* y, const float* x, const float* kernel, const float* bias,
                         const ConvShape& s, vec floor) {
  const int n = s.out_channels;
  const vec start = bias ? twice(load_some(bias, n)) : vec{};
  vec weights[kMostPairTaps];
  for (int tap = 0; tap < s.kernel_height * s.kernel_width; tap++)
    weights[tap] = twice(load_some(kernel + tap * n, n));
  int oh = 0;
  for (; oh + 2 <= s.out_height; oh += 2)
    conv2d_pair_rows<KW, 2>(y, x, weights, start, s, floor, oh);
  for (; oh < s.out_height; oh++) conv2d_pair_rows<KW, 1>(y, x, weights, start, s, floor, oh);
}

inline void conv2d_channels(float* y, const float* x, const float* kernel, const float* bias,
                            const ConvShape& s, vec floor) {
  if (forward_in_pairs(s))
    return s.kernel_width == 5 ? conv2d_pairs<5>(y, x, kernel, bias, s, floor)
                               : conv2d_pairs<0>(y, x, kernel, bias, s, floor);
  for (int oc = 0; oc < s.out_channels; oc += kLanes) {
    const int n = lanes_left(s.out_channels, oc);
    int oh = 0;
    if constexpr (kRegisters == 32)
      for (; oh + 2 <= s.out_height; oh += 2)
        conv2d_rows<2>(y, x, kernel, bias, s, floor, oc, n, oh);
    for (; oh < s.out_height; oh++) conv2d_rows<1>(y, x, kernel, bias, s, floor, oc, n, oh);
  }
}

// Some cells are loaded before any is stored: with AVX-512 a masked store holds up the next load.
inline void affine_in_place(float* y, const ChannelAffine& affine, int channels, int cells) {
  constexpr int kCells = 8;
  for (int c = 0; c < channels; c += kLanes) {
    const int n = lanes_left(channels, c);
    const vec scale = load_some(affine.scale + c, n), shift = load_some(affine.shift + c, n);
    float* at = y + c;
    int cell = 0;
    for (; cell + kCells <= cells; cell += kCells, at += kCells * std::size_t(channels)) {
      vec v[kCells];
      PYLENET_UNROLL
      for (int k = 0; k < kCells; k++)
        v[k] = fma(scale, load_unaligned(at + std::size_t(k) * channels), shift);
      PYLENET_UNROLL
      for (int k = 0; k < kCells; k++) store_some(at + std::size_t(k) * channels, v[k], n);
    }
    for (; cell < cells; cell++, at += channels)
      store_some(at, fma(scale, load_unaligned(at), shift), n);
  }
}

// What follows the sums.
inline void conv2d_finish(float* y, const ConvShape& s, const ChannelAffine& affine,
                          Activation activation) {
  if (affine.scale) affine_in_place(y, affine, s.out_channels, s.out_height * s.out_width);
  if (affine.scale ? !is_linear(activation) : !is_floor_of_sums(activation))
    activation_forward(y, activation, std::size_t(s.out_height) * s.out_width * s.out_channels);
}

void conv2d_forward(float* y, const float* x, const float* kernel, const float* bias,
                    const ConvShape& s, const ChannelAffine& affine, Activation activation) {
  const vec floor = floor_of_sums(affine.scale ? Activation{} : activation);
  conv2d_channels(y, x, kernel, bias, s, floor);
  conv2d_finish(y, s, affine, activation);
}

}  // namespace single
}  // namespace
}  // namespace pylenet
