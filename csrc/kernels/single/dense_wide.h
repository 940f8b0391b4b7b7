// Dense layers whose weights do not fit the caches, of several images, each alone: a weight is read
// once for four images. Every sum has the order of dense.h, hence its bits.
#pragma once

#include "kernels/kernels.h"
#include "kernels/single/dense.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

constexpr int kWideImages = 4;
constexpr int kWideVectors = kRegisters == 32 ? 4 : 2;

// TV vectors of outputs from o on of kWideImages images, contracted over all inputs. `last` is how
// many outputs the last vector has.
template <int TV>
inline void wide_tile(float* const* y, const float* const* x, const float* kernel,
                      const float* bias, int in, int out, int o, int last) {
  vec acc[kWideImages][TV];
  PYLENET_UNROLL
  for (int v = 0; v < TV; v++) {
    const vec start = !bias ? vec{} : load_some(bias + o + v * kLanes, v + 1 < TV ? kLanes : last);
    PYLENET_UNROLL
    for (int g = 0; g < kWideImages; g++) acc[g][v] = start;
  }
  const float* w = kernel + o;
  for (int i = 0; i < in; i++, w += out) {
    vec wv[TV];
    PYLENET_UNROLL
    for (int v = 0; v + 1 < TV; v++) wv[v] = load_unaligned(w + v * kLanes);
    wv[TV - 1] = load_some(w + (TV - 1) * kLanes, last);
    PYLENET_UNROLL
    for (int g = 0; g < kWideImages; g++) {
      const vec xv = splat(x[g][i]);
      PYLENET_UNROLL
      for (int v = 0; v < TV; v++) acc[g][v] = fma(xv, wv[v], acc[g][v]);
    }
  }
  PYLENET_UNROLL
  for (int g = 0; g < kWideImages; g++) {
    PYLENET_UNROLL
    for (int v = 0; v < TV; v++) store_unaligned(y[g] + o + v * kLanes, acc[g][v]);
  }
}

// Tiles of TV vectors, then one of what is left.
template <int TV>
inline void wide_tiles(float* const* y, const float* const* x, const float* kernel,
                       const float* bias, int in, int out, int o = 0) {
  for (; o + (TV - 1) * kLanes < out; o += TV * kLanes)
    wide_tile<TV>(y, x, kernel, bias, in, out, o, lanes_left(out, o + (TV - 1) * kLanes));
  if constexpr (TV > 1) {
    if (o < out) wide_tiles<TV - 1>(y, x, kernel, bias, in, out, o);
  }
}

void dense_wide_forward(float* const* y, const float* const* x, int groups, const float* kernel,
                        const float* bias, int in, int out) {
  int g = 0;
  for (; g + kWideImages <= groups; g += kWideImages)
    wide_tiles<kWideVectors>(y + g, x + g, kernel, bias, in, out);
  for (; g < groups; g++) dense_forward(y[g], x[g], kernel, bias, in, out);
}

// As dense_backward_input: each tile of the kernel is turned once for all images.
void dense_wide_backward_input(float* const* dx, const float* const* dy, int groups,
                               const float* kernel, int in, int out) {
  int first = 0;
  for (; first + kWideImages <= groups; first += kWideImages)
    for (int i = 0; i < in; i += kLanes) {
      const int rows = lanes_left(in, i);
      vec acc[kWideImages] = {};
      for (int o = 0; o < out; o += kLanes) {
        const int columns = lanes_left(out, o);
        const float* w = kernel + std::size_t(i) * out + o;
        vec tile[kLanes];
        for (int t = 0; t < kLanes; t++)
          tile[t] = t < rows ? load_some(w + std::size_t(t) * out, columns) : vec{};
        transpose(tile);
        for (int t = 0; t < columns; t++) {
          PYLENET_UNROLL
          for (int g = 0; g < kWideImages; g++)
            acc[g] = fma(splat(dy[first + g][o + t]), tile[t], acc[g]);
        }
      }
      for (int g = 0; g < kWideImages; g++) store(dx[first + g] + i, acc[g]);
    }
  for (; first < groups; first++) dense_backward_input(dx[first], dy[first], kernel, in, out);
}

}  // namespace single
}  // namespace
}  // namespace pylenet
