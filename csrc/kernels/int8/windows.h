// Sums of windows whose columns lie side by side as vectors: in lanes a column is one of all
// images of the group; one image alone it is kLanes columns of the output (columns_in_lanes).
#pragma once

#include "kernels/int8/int8.h"
#include "kernels/int8/vec.h"

namespace pylenet {
namespace {
namespace int8 {

template <bool kValue>
struct Constant {
  constexpr operator bool() const { return kValue; }
};

// Calls f(Constant<whether words are wide>), only with what this instruction set may need.
template <class F>
inline void choose(bool wide, F f) {
  if constexpr (kTop < 0)
    f(Constant<true>());
  else if constexpr (kTop == 255)
    f(Constant<false>());
  else if (wide)
    f(Constant<true>());
  else
    f(Constant<false>());
}

// Behind the words lie as many again, each with the last value of a window's
// row, for the window that begins in its place, in this row and those above, as many as fit.
// `last`: the word that begins with that value; above: the same word in the row above, or 0.
template <bool kWide>
inline vec down_word(vec last, vec above) {
  constexpr int bits = kWide ? 16 : 8;
  return vec(uvec(above) >> bits) | last << (32 - bits);
}

// Two rows of kWidth sums of one channel; or in their first places, where the largest of each
// 2 x 2 is wanted, these.
template <int kWidth>
inline void keep(vec (&kept)[2 * kWidth], const vec (&sum)[2][kWidth], bool largest) {
  PYLENET_INT8_UNROLL
  for (int k = 0; k < kWidth; k++) {
    if (largest) {
      const vec v = larger(sum[0][k], sum[1][k]);
      kept[k / 2] = k % 2 ? larger(kept[k / 2], v) : v;
    } else {
      kept[k] = sum[0][k];
      kept[kWidth + k] = sum[1][k];
    }
  }
}

// The sums of rows i and i + 1, columns from j on, channels from o on. A function of its own, so
// that nothing but sums and weights is in registers.
template <bool kWide, int kTile, int kWidth>
[[gnu::noinline]] void window_sums(vec (&kept)[kTile][2 * kWidth], const std::uint8_t* rows,
                                   const Int8Conv& conv, int i, int j, int o) {
  vec sum[kTile][2][kWidth];
  const std::size_t column = conv.column_step;
  const std::int32_t* x = reinterpret_cast<const std::int32_t*>(rows) + std::size_t(j) * column;
  const std::int32_t* w = conv.weights + o;
  PYLENET_INT8_UNROLL
  for (int t = 0; t < kTile; t++) {
    PYLENET_INT8_UNROLL
    for (int k = 0; k < 2 * kWidth; k++)
      sum[t][k / kWidth][k % kWidth] = splat(conv.end.bias[o + t]);
  }
  const std::ptrdiff_t* offset = conv.offsets + std::size_t(i) * conv.words;
  PYLENET_INT8_ROLLED
  for (int word = 0; word < conv.words; word++, w += conv.padded_channels) {
    const std::int32_t* at[2] = {x + offset[word], x + offset[conv.words + word]};
    vec weights[kTile];
    PYLENET_INT8_UNROLL
    for (int t = 0; t < kTile; t++) weights[t] = splat(w[t]);
    PYLENET_INT8_UNROLL
    for (int r = 0; r < 2; r++) {
      PYLENET_INT8_UNROLL
      for (int k = 0; k < kWidth; k++) {
        const vec own = load(at[r] + k * column);
        PYLENET_INT8_UNROLL
        for (int t = 0; t < kTile; t++) sum[t][r][k] = dot<kWide>(sum[t][r][k], own, weights[t]);
      }
    }
  }
  const bool largest = conv.pooled == Int8Pooled::kLargest;
  PYLENET_INT8_UNROLL
  for (int t = 0; t < kTile; t++) keep<kWidth>(kept[t], sum[t], largest);
}

// What comes out of a tile of two rows and kWidth columns of sums, where it begins and how much.
struct Part {
  int row, column, rows, columns;
  // i, j: where the sums begin; height, width: of all that comes out.
  static Part of(int kwidth, bool halved, int i, int j, int height, int width) {
    const int row = halved ? i / 2 : i, column = halved ? j / 2 : j;
    const int most = halved ? kwidth / 2 : kwidth;
    return {row, column, halved || row + 1 == height ? 1 : 2,
            width - column < most ? width - column : most};
  }
};

// How the sums of a tile end.
struct Ends {
  const End end, pooled_end;
  const Int8Pooled pooled;
  const int zeros;  // of four bytes that are averaged
  explicit Ends(const Int8Conv& conv)
      : end(conv.end), pooled_end(conv.pooled_end), pooled(conv.pooled), zeros(4 * conv.end.zero) {}

  // The average of what four sums become; kCut: cut off already.
  template <bool kCut>
  vec averaged(vec a, vec b, vec c, vec d, vec multiplier) const {
    const vec sums[] = {a, b, c, d};
    vec sum{};
    PYLENET_INT8_GATHERS
    for (int k = 0; k < 4; k++) sum += end(sums[k], multiplier);
    const vec of_sums = splat(*pooled_end.e.multiplier);
    return kCut ? pooled_end(sum - zeros, of_sums) : pooled_end.uncut(sum - zeros, of_sums);
  }
  // Of a tile of two rows of kWidth columns: of the two columns from `column` on.
  template <bool kCut, int kWidth>
  vec averaged(const vec (&kept)[2 * kWidth], vec multiplier, int column) const {
    const vec* sums = kept + column;
    return averaged<kCut>(sums[0], sums[1], sums[kWidth], sums[kWidth + 1], multiplier);
  }
  const End& last() const { return pooled == Int8Pooled::kAverage ? pooled_end : end; }
};

}  // namespace int8
}  // namespace
}  // namespace pylenet
