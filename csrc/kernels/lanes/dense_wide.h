// Dense layers whose weights do not fit the caches, of several groups in lanes: each weight is read
// once for two groups, and comes ahead of time. Every sum has the order of dense.h, hence its bits.
//
// On one core (AVX-512, four groups, share of the multiply-add's peak; dense.h, then this):
// 784 -> 512: forward 41 to 88 %, input's gradient 52 to 80 %; 9,216 -> 128: 6 to 81, 39 to 75 %.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

// Weights at a time, of each of two groups.
constexpr int kWideTile = kRegisters == 32 ? 12 : 6;
constexpr int kWideInputTile = kRegisters == 32 ? 8 : 6;
// Inputs at a time: two groups' fill a third of the first-level cache. The sums rest in y.
constexpr int kWideInputs = 128;

// The next narrower tile, for what is left.
constexpr int narrower(int tile) { return tile > 8 ? 8 : tile > 4 ? 4 : tile / 2; }

// G groups x TO outputs from o on, contracted over `rows` inputs; w: the weight of the first of
// both. Sums start with the bias where it is set, else with what is in y. ahead: memory that is
// wanted soon.
template <int G, int TO>
inline void wide_tile(float* const* y, const float* const* x, const float* w, const float* bias,
                      int rows, int out, int o, std::size_t begin, const float* ahead) {
  // Rows that are some kilobytes apart share few places of the first-level cache: not too early.
  constexpr int kSoon = 8;
  vec acc[G][TO];
  const float* from[G];
  PYLENET_UNROLL
  for (int g = 0; g < G; g++) {
    from[g] = x[g] + begin * kLanes;
    PYLENET_UNROLL
    for (int t = 0; t < TO; t++)
      acc[g][t] = bias ? splat(bias[t]) : load(y[g] + std::size_t(o + t) * kLanes);
  }
  for (std::size_t i = 0; i < std::size_t(rows) * kLanes; i += kLanes, w += out, ahead += kSlack) {
    __builtin_prefetch(ahead, 0, 2);
    __builtin_prefetch(w + std::size_t(kSoon) * out);
    __builtin_prefetch(w + std::size_t(kSoon) * out + TO - 1);
    vec xv[G];
    PYLENET_UNROLL
    for (int g = 0; g < G; g++) xv[g] = load(from[g] + i);
    PYLENET_UNROLL
    for (int t = 0; t < TO; t++) {
      const vec wv = splat(w[t]);
      PYLENET_UNROLL
      for (int g = 0; g < G; g++) acc[g][t] = fma(xv[g], wv, acc[g][t]);
    }
  }
  PYLENET_UNROLL
  for (int g = 0; g < G; g++) {
    PYLENET_UNROLL
    for (int t = 0; t < TO; t++) store(y[g] + std::size_t(o + t) * kLanes, acc[g][t]);
  }
}

// Outputs from o on of all groups: tiles of TO, then narrower ones for the rest. The weights of the
// next inputs, which follow these in memory, come while these are used: a line for each turn of the
// loop, which is more than there are.
template <int TO>
inline void wide_tiles(float* const* y, const float* const* x, int groups, const float* kernel,
                       const float* bias, int rows, int out, std::size_t begin, int o = 0) {
  const float* block = kernel + begin * out;
  for (; o + TO <= out; o += TO) {
    const float* ahead = block + std::size_t(rows) * (out + o / TO * kSlack);
    const float* start = bias ? bias + o : nullptr;
    int g = 0;
    for (; g + 2 <= groups; g += 2)
      wide_tile<2, TO>(y + g, x + g, block + o, start, rows, out, o, begin, ahead);
    if (g < groups) wide_tile<1, TO>(y + g, x + g, block + o, start, rows, out, o, begin, ahead);
  }
  if constexpr (TO > 1) {
    if (o < out) wide_tiles<narrower(TO)>(y, x, groups, kernel, bias, rows, out, begin, o);
  }
}

void dense_wide_forward(float* const* y, const float* const* x, int groups, const float* kernel,
                        const float* bias, int in, int out) {
  for (int g = 0; !bias && g < groups; g++)
    std::memset(y[g], 0, std::size_t(out) * kLanes * sizeof(float));
  for (int i = 0; i < in; i += kWideInputs)
    wide_tiles<kWideTile>(y, x, groups, kernel, i == 0 ? bias : nullptr,
                          in - i < kWideInputs ? in - i : kWideInputs, out, i);
}

// G groups x TI inputs from i on, contracted over all outputs. The weights of the next inputs
// follow these in memory.
template <int G, int TI>
inline void wide_input_tile(float* const* dx, const float* const* dy, const float* kernel, int out,
                            int i) {
  const float* w = kernel + std::size_t(i) * out;
  const float* ahead = w + std::size_t(TI) * out;
  vec acc[G][TI];
  PYLENET_UNROLL
  for (int g = 0; g < G; g++) {
    PYLENET_UNROLL
    for (int t = 0; t < TI; t++) acc[g][t] = vec{};
  }
  for (int o = 0; o < out; o++, ahead += TI) {
    __builtin_prefetch(ahead, 0, 2);
    vec gv[G];
    PYLENET_UNROLL
    for (int g = 0; g < G; g++) gv[g] = load(dy[g] + std::size_t(o) * kLanes);
    PYLENET_UNROLL
    for (int t = 0; t < TI; t++) {
      const vec wv = splat(w[std::size_t(t) * out + o]);
      PYLENET_UNROLL
      for (int g = 0; g < G; g++) acc[g][t] = fma(gv[g], wv, acc[g][t]);
    }
  }
  PYLENET_UNROLL
  for (int g = 0; g < G; g++) {
    PYLENET_UNROLL
    for (int t = 0; t < TI; t++) store(dx[g] + std::size_t(i + t) * kLanes, acc[g][t]);
  }
}

template <int TI>
inline void wide_input_tiles(float* const* dx, const float* const* dy, int groups,
                             const float* kernel, int in, int out, int i = 0) {
  for (; i + TI <= in; i += TI) {
    int g = 0;
    for (; g + 2 <= groups; g += 2) wide_input_tile<2, TI>(dx + g, dy + g, kernel, out, i);
    if (g < groups) wide_input_tile<1, TI>(dx + g, dy + g, kernel, out, i);
  }
  if constexpr (TI > 1) {
    if (i < in) wide_input_tiles<narrower(TI)>(dx, dy, groups, kernel, in, out, i);
  }
}

void dense_wide_backward_input(float* const* dx, const float* const* dy, int groups,
                               const float* kernel, int in, int out) {
  wide_input_tiles<kWideInputTile>(dx, dy, groups, kernel, in, out);
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
