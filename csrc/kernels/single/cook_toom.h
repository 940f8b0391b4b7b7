// Cook-Toom convolution of one image, channels last (kernels/cook_toom.h): channels in the lanes.
// Each value is computed by the operations of the kernels for many images, hence with their bits.
//
// Points are kept as [point][row][tile][channel]. With a row's tiles one after the other, a sum's
// place in them is one number, and what it takes from the next row lies a row's places further on.
// A vector may run over the last channel into the next place, which is written afterwards.
#pragma once

#include "kernels/activation.h"
#include "kernels/cook_toom.h"
#include "kernels/kernel_rows.h"
#include "kernels/kernels.h"
#include "kernels/lanes/cook_toom.h"
#include "kernels/single/conv2d.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

// Rows of an image [row][column][channel] at the points; columns past a row's end are zero. Op:
// T::Input or T::Spread. point: floats from one to the next. see(values): called with each tile.
template <class T, class Op, class See>
__attribute__((noinline)) void cook_toom_rows(float* r, std::size_t point, const float* image,
                                              int channels, int rows, int width, int tiles,
                                              See see) {
  for (int row = 0; row < rows; row++, image += std::size_t(width) * channels)
    for (int t = 0; t < tiles; t++, r += channels) {
      const int column = t * cook_toom::kOutputs, left = width - column;
      for (int c = 0; c < channels; c += kLanes) {
        const float* from = image + std::size_t(column) * channels + c;
        vec values[Op::kFrom], points[T::kPoints];
        if (left >= Op::kFrom) {
          PYLENET_UNROLL
          for (int k = 0; k < Op::kFrom; k++) values[k] = load_unaligned(from + k * channels);
        } else {
          PYLENET_UNROLL
          for (int k = 0; k < Op::kFrom; k++)
            values[k] = k < left ? load_unaligned(from + k * channels) : vec{};
        }
        see(values);
        Op::apply(points, values);
        PYLENET_UNROLL
        for (int k = 0; k < T::kPoints; k++) store_unaligned(r + k * point + c, points[k]);
      }
    }
}

template <class T, class Op>
inline void cook_toom_rows(float* r, std::size_t point, const float* image, int channels, int rows,
                           int width, int tiles) {
  cook_toom_rows<T, Op>(r, point, image, channels, rows, width, tiles, [](const vec*) {});
}

struct EverySecond {
  constexpr int operator()(int j) const { return 2 * j; }
};
struct EveryOther {
  constexpr int operator()(int j) const { return 2 * j + 1; }
};

// One channel: its columns sorted by their place in a tile, all rows at once, with tiles in the
// lanes. A row has an unused tile at its end. scratch: for the columns before and after sorting.
template <class T>
inline void cook_toom_channel(float* r, std::size_t point, float* scratch, const float* image,
                              int rows, int width, int tiles) {
  constexpr int kTile = cook_toom::kOutputs;
  const std::size_t quads = std::size_t(rows) * (tiles + 1), sorted = quads + 4 * kSlack;
  const int padded = kTile * (tiles + 1);
  float* columns = scratch;  // [place in the tile][row][tile]
  if (width != padded) {
    float* wide = scratch + kTile * sorted;
    for (int row = 0; row < rows; row++) {
      std::memcpy(wide + row * padded, image + row * width, width * sizeof(float));
      std::memset(wide + row * padded + width, 0, (padded - width) * sizeof(float));
    }
    image = wide;
  }
  for (std::size_t i = 0; i < quads; i += kLanes) {
    vec v[kTile];
    for (int k = 0; k < kTile; k++) {
      const std::size_t at = kTile * i + k * kLanes, size = kTile * quads;
      v[k] = at + kLanes <= size ? load_unaligned(image + at)
                                 : load_some(image + at, at < size ? size - at : 0);
    }
    const vec even[2] = {shuffle<EverySecond>(v[0], v[1], EachLane()),
                         shuffle<EverySecond>(v[2], v[3], EachLane())};
    const vec odd[2] = {shuffle<EveryOther>(v[0], v[1], EachLane()),
                        shuffle<EveryOther>(v[2], v[3], EachLane())};
    store_unaligned(columns + i, shuffle<EverySecond>(even[0], even[1], EachLane()));
    store_unaligned(columns + sorted + i, shuffle<EverySecond>(odd[0], odd[1], EachLane()));
    store_unaligned(columns + 2 * sorted + i, shuffle<EveryOther>(even[0], even[1], EachLane()));
    store_unaligned(columns + 3 * sorted + i, shuffle<EveryOther>(odd[0], odd[1], EachLane()));
  }
  for (int k = 0; k < kTile; k++) columns[k * sorted + quads] = 0.0f;
  for (std::size_t i = 0; i < quads; i += kLanes) {
    vec values[T::kPoints], points[T::kPoints];
    PYLENET_UNROLL
    for (int k = 0; k < T::kPoints; k++)
      values[k] = load_unaligned(columns + k % kTile * sorted + i + k / kTile);
    T::Input::apply(points, values);
    PYLENET_UNROLL
    for (int k = 0; k < T::kPoints; k++) store_unaligned(r + k * point + i, points[k]);
  }
}

template <class T>
inline void cook_toom_input(float* r, std::size_t point, float* scratch, const float* x,
                            const ConvShape& s) {
  const int tiles = cook_toom::tiles(s);
  if (s.in_channels == 1)
    cook_toom_channel<T>(r, point, scratch, x, s.in_height, s.in_width, tiles);
  else
    cook_toom_rows<T, typename T::Input>(r, point, x, s.in_channels, s.in_height, s.in_width,
                                         tiles);
}

// Sums at one point of `rows` x `channels` products for each of N places, or of N pairs of places.
// values: at the first place's first channel; weights [row][channel][output], at the lanes' first
// output.
template <bool PAIR, int N>
inline void cook_toom_places(vec* sums, const float* values, std::size_t row, const float* weights,
                             int outputs, vec start, int rows, int channels) {
  vec acc[N];
  PYLENET_UNROLL
  for (int i = 0; i < N; i++) acc[i] = start;
  const std::size_t next = PAIR ? 2 : channels;
  for (int kh = 0; kh < rows; kh++, values += row) PYLENET_ROLLED
  for (int c = 0; c < channels; c++, weights += outputs) {
    const vec w = PAIR ? twice(load_unaligned(weights)) : load_unaligned(weights);
    PYLENET_UNROLL
    for (int i = 0; i < N; i++) {
      const float* value = values + c + i * next;
      acc[i] = fma(PAIR ? splat_pair(value) : splat(*value), w, acc[i]);
    }
  }
  PYLENET_UNROLL
  for (int i = 0; i < N; i++) sums[i] = acc[i];
}

constexpr int kPlaces =
    kRegisters == 32 ? cook_toom::kMostPlaces : 8;  // of one image that are summed together

// The same for `count` places, kPlaces at most.
template <bool PAIR>
__attribute__((noinline)) void cook_toom_some(vec* sums, int count, const float* values,
                                              std::size_t row, const float* weights, int outputs,
                                              vec start, int rows, int channels) {
  if (count == kPlaces)
    return cook_toom_places<PAIR, kPlaces>(sums, values, row, weights, outputs, start, rows,
                                           channels);
  int i = 0;
  const std::size_t next = PAIR ? 2 : channels;
  if constexpr (kPlaces > 8)
    for (; i + 8 <= count; i += 8)
      cook_toom_places<PAIR, 8>(sums + i, values + i * next, row, weights, outputs, start, rows,
                                channels);
  for (; i + 4 <= count; i += 4)
    cook_toom_places<PAIR, 4>(sums + i, values + i * next, row, weights, outputs, start, rows,
                              channels);
  for (; i < count; i++)
    cook_toom_places<PAIR, 1>(sums + i, values + i * next, row, weights, outputs, start, rows,
                              channels);
}

// The same for a few places at POINTS points: so many sums that none waits for the one before.
// value_point, weight_point: floats from a point to the next. second: what sums at the second point
// begin with.
template <int POINTS, int N>
inline __attribute__((always_inline)) void cook_toom_few(
    vec (*sums)[cook_toom::kMostPlaces], const float* values, std::size_t value_point,
    std::size_t row, const float* weights, std::size_t weight_point, int outputs, int rows,
    int channels, vec second = vec{}) {
  vec acc[POINTS][N];
  PYLENET_UNROLL
  for (int k = 0; k < POINTS; k++) {
    PYLENET_UNROLL
    for (int i = 0; i < N; i++) acc[k][i] = k == 1 ? second : vec{};
  }
  for (int kh = 0; kh < rows; kh++, values += row) PYLENET_ROLLED
  for (int c = 0; c < channels; c++, weights += outputs) {
    PYLENET_UNROLL
    for (int k = 0; k < POINTS; k++) {
      const vec w = load_unaligned(weights + k * weight_point);
      const float* value = values + k * value_point + c;
      PYLENET_UNROLL
      for (int i = 0; i < N; i++)
        acc[k][i] = fma(splat(value[std::size_t(i) * channels]), w, acc[k][i]);
    }
  }
  PYLENET_UNROLL
  for (int k = 0; k < POINTS; k++) {
    PYLENET_UNROLL
    for (int i = 0; i < N; i++) sums[k][i] = acc[k][i];
  }
}

using lanes::cook_toom_weights;

// The outputs of the tile at `place` into y, output channels from oc on, `n` of them.
inline void cook_toom_store(float* y, const vec* outputs, const ConvShape& s, vec floor, int place,
                            int oc, int n) {
  const int places = cook_toom::row_positions(s), column = place % places * cook_toom::kOutputs;
  if (column >= s.out_width) return;  // the unused tile
  float* to = y + (std::size_t(place / places) * s.out_width + column) * s.out_channels + oc;
  const int left = s.out_width - column;
  PYLENET_UNROLL
  for (int i = 0; i < cook_toom::kOutputs; i++)
    if (i < left) store_some(to + i * s.out_channels, larger(floor, outputs[i]), n);
}

// One channel of the input, at most half as many of the output as lanes: two places in a vector.
template <class T>
inline void cook_toom_forward_pairs(float* y, const float* values, const float* u,
                                    const float* bias, const ConvShape& s, vec floor) {
  constexpr int kPoints = T::kPoints, kTile = cook_toom::kOutputs;
  const int n = s.out_channels, places = s.out_height * cook_toom::row_positions(s);
  const std::size_t in_point = cook_toom::input_point(s);
  const vec start = bias ? twice(load_some(bias, n)) : vec{};
  vec sums[kPoints][cook_toom::kMostPlaces];
  for (int first = 0; first < places; first += 2 * kPlaces) {
    const int pairs = places - first < 2 * kPlaces ? (places - first + 1) / 2 : kPlaces;
    for (int k = 0; k < kPoints; k++)
      cook_toom_some<true>(sums[k], pairs, values + k * in_point + first,
                           cook_toom::row_positions(s), u + std::size_t(k) * s.kernel_height * n, n,
                           k == 1 ? start : vec{}, s.kernel_height, 1);
    for (int i = 0; i < pairs; i++) {
      vec points[kPoints], both[kTile], even[kTile], odd[kTile];
      PYLENET_UNROLL
      for (int k = 0; k < kPoints; k++) points[k] = sums[k][i];
      T::output(both, points);
      PYLENET_UNROLL
      for (int k = 0; k < kTile; k++) {
        even[k] = shuffle<EverySecond>(both[k], both[k], EachLane());
        odd[k] = shuffle<EveryOther>(both[k], both[k], EachLane());
      }
      cook_toom_store(y, even, s, floor, first + 2 * i, 0, n);
      if (first + 2 * i + 1 < places) cook_toom_store(y, odd, s, floor, first + 2 * i + 1, 0, n);
    }
  }
}

template <class T>
inline void cook_toom_forward_taps(float* y, float* scratch, const float* x, const float* u,
                                   const float* bias, const ConvShape& s, vec floor) {
  constexpr int kPoints = T::kPoints;
  const std::size_t in_point = cook_toom::input_point(s);
  cook_toom_input<T>(scratch, in_point, scratch + kPoints * in_point, x, s);
  if (kPairs && s.in_channels == 1 && 2 * s.out_channels <= kLanes)
    return cook_toom_forward_pairs<T>(y, scratch, u, bias, s, floor);
  const int in = s.in_channels, out = s.out_channels, row = cook_toom::row_positions(s);
  const int places = s.out_height * row;
  vec sums[kPoints][cook_toom::kMostPlaces];
  for (int first = 0; first < places; first += kPlaces) {
    const int count = places - first < kPlaces ? places - first : kPlaces;
    for (int oc = 0; oc < out; oc += kLanes) {
      const int n = lanes_left(out, oc);
      const vec start = bias ? load_some(bias + oc, n) : vec{};
      for (int k = 0; k < kPoints; k++)
        cook_toom_some<false>(sums[k], count, scratch + k * in_point + std::size_t(first) * in,
                              std::size_t(row) * in,
                              u + std::size_t(k) * s.kernel_height * in * out + oc, out,
                              k == 1 ? start : vec{}, s.kernel_height, in);
      for (int i = 0; i < count; i++) {
        vec points[kPoints], outputs[cook_toom::kOutputs];
        PYLENET_UNROLL
        for (int k = 0; k < kPoints; k++) points[k] = sums[k][i];
        T::output(outputs, points);
        cook_toom_store(y, outputs, s, floor, first + i, oc, n);
      }
    }
  }
}

// In two dimensions: sums at `points` points of a few tiles, of `left` at most. Returns of how
// many: nine where these and fours then leave none over, as Keras's second convolution has.
__attribute__((noinline)) int cook_toom_plane_sums(vec (*sums)[cook_toom::kMostPlaces], int points,
                                                   int left, const float* values,
                                                   std::size_t value_point, const float* weights,
                                                   std::size_t weight_point, int from, int to,
                                                   vec second) {
  constexpr int kMany = 9, kFew = 4, kTogether = 2;  // tiles, points
  if (left % kMany == 0 || (left > kMany && left % kFew == 1)) {
    for (int k = 0; k < points; k++)
      cook_toom_places<false, kMany>(sums[k], values + k * value_point, 0,
                                     weights + k * weight_point, to, k == 1 ? second : vec{}, 1,
                                     from);
    return kMany;
  }
  const auto few = [&](auto size) __attribute__((always_inline)) {
    for (int k = 0; k < points; k += kTogether)
      cook_toom_few<kTogether, size>(sums + k, values + k * value_point, value_point, 0,
                                     weights + k * weight_point, weight_point, to, 1, from,
                                     k ? vec{} : second);
    return int(size);
  };
  return left >= kFew ? few(cook_toom::Constant<kFew>()) : few(cook_toom::Constant<1>());
}

// In two dimensions, all tiles at once: their columns at the points of Op, [point][tile
// row][column] [channel], and then for each of these points the rows, whose sums finish(i, place,
// channel, n, sums) gets: at the i-th point, of n channels from `channel` on. from, to: channels.
// image: of `width` columns and `height` rows. weights: [point][from][to].
template <class T, class Op, class Finish>
inline void cook_toom_planes(float* scratch, const float* image, const float* weights,
                             const float* bias, const ConvShape& s, int from, int height, int width,
                             int to, Finish finish) {
  constexpr int kPoints = T::kPoints, kTile = cook_toom::kOutputs;
  const int tiles = cook_toom::tiles(s), tile_rows = cook_toom::tile_rows(s);
  const std::size_t row = std::size_t(width) * from, weight_point = std::size_t(from) * to;
  const std::size_t image_point = cook_toom::tile_row_point(s, width, from);
  const std::size_t value_point = cook_toom::tile_row_point(s, tiles, from);
  float* values = scratch + kPoints * image_point;
  for (int r = 0; r < tile_rows; r++)
    cook_toom::columns<T, Op>(scratch + r * row, image_point, image + r * kTile * row,
                              height - r * kTile, row, row);
  for (int i = 0; i < kPoints; i++, weights += kPoints * weight_point) {
    cook_toom_rows<T, Op>(values, value_point, scratch + i * image_point, from, tile_rows, width,
                          tiles);
    for (int c = 0; c < to; c += kLanes) {
      const int n = lanes_left(to, c);
      const vec start = bias && i == 1 ? load_some(bias + c, n) : vec{};
      for (int place = 0, count; place < tiles * tile_rows; place += count) {
        vec sums[kPoints][cook_toom::kMostPlaces];
        count =
            cook_toom_plane_sums(sums, kPoints, tiles * tile_rows - place, values + place * from,
                                 value_point, weights + c, weight_point, from, to, start);
        for (int p = 0; p < count; p++) {
          vec points[kPoints];
          PYLENET_UNROLL
          for (int k = 0; k < kPoints; k++) points[k] = sums[k][p];
          finish(i, place + p, c, n, points);
        }
      }
    }
  }
}

template <class T>
inline void cook_toom_forward_planes(float* y, float* scratch, const float* x, const float* u,
                                     const float* bias, const ConvShape& s, vec floor) {
  constexpr int kPoints = T::kPoints, kTile = cook_toom::kOutputs;
  const int tiles = cook_toom::tiles(s), in = s.in_channels, out = s.out_channels;
  const std::size_t row = std::size_t(s.out_width) * out;
  const std::size_t tile_row = std::size_t(cook_toom::tile_outputs(s)) * out;
  const std::size_t point = cook_toom::tile_row_point(s, cook_toom::tile_outputs(s), out);
  float* rows = scratch + kPoints * (cook_toom::tile_row_point(s, s.in_width, in) +
                                     cook_toom::tile_row_point(s, tiles, in));
  cook_toom_planes<T, typename T::Input>(
      scratch, x, u, bias, s, in, s.in_height, s.in_width, out,
      [&](int i, int place, int oc, int n, const vec* sums) __attribute__((always_inline)) {
        vec outputs[kTile];
        T::output(outputs, sums);
        float* to = rows + i * point + std::size_t(place) * kTile * out + oc;
        PYLENET_UNROLL
        for (int k = 0; k < kTile; k++) store_some(to + k * out, outputs[k], n);
      });
  for (int r = 0; r < cook_toom::tile_rows(s); r++)
    cook_toom::output_columns<T>(y + r * kTile * row, s.out_height - r * kTile, row,
                                 rows + r * tile_row, point, row, floor);
}

void cook_toom_forward(float* y, float* scratch, const float* x, const float* u, const float* bias,
                       const ConvShape& s, const ChannelAffine& affine, Activation activation) {
  const vec floor = floor_of_sums(affine.scale ? Activation{} : activation);
  cook_toom::with_transform(s, [&](auto transform) {
    if (cook_toom::two_dimensional(s))
      return cook_toom_forward_planes<decltype(transform)>(y, scratch, x, u, bias, s, floor);
    cook_toom_forward_taps<decltype(transform)>(y, scratch, x, u, bias, s, floor);
  });
  conv2d_finish(y, s, affine, activation);
}

// dy stands among as many rows of zeros above and below as a kernel's rows may reach beyond it:
// these add nothing to a sum.
template <class T>
inline void cook_toom_backward_input_taps(float* dx, float* scratch, const float* dy,
                                          const float* turned, const ConvShape& s, int height,
                                          int width, int top, int left) {
  constexpr int kPoints = T::kPoints, kTile = cook_toom::kOutputs, kOverlap = kPoints - kTile;
  const int tiles = cook_toom::tiles(s), in = s.in_channels, out = s.out_channels;
  const int around = s.kernel_height - 1, rows = s.out_height + 2 * around;
  const std::size_t out_point = cook_toom::output_point(s, rows);
  const std::size_t row = std::size_t(tiles) * out;
  const std::size_t kernel_point = std::size_t(s.kernel_height) * in * out;
  for (int k = 0; k < kPoints; k++) {
    float* zeros = scratch + k * out_point;
    std::memset(zeros, 0, around * row * sizeof(float));
    std::memset(zeros + (around + s.out_height) * row, 0, (around * row + kSlack) * sizeof(float));
  }
  cook_toom_rows<T, typename T::Spread>(scratch + around * row, out_point, dy, out, s.out_height,
                                        s.out_width, tiles);
  for (int k = 0; k < kPoints; k++)  // the last vector may have run over
    std::memset(scratch + k * out_point + (around + s.out_height) * row, 0, kSlack * sizeof(float));
  const std::size_t stride = in + kSlack;
  float* columns = scratch + kPoints * out_point;  // of rows of dx with their padding
  vec sums[kPoints][cook_toom::kMostPlaces];
  const std::size_t row_columns = (kTile * tiles + kOverlap) * stride;
  int rows_now = 1;  // of dx that the same kernel rows reach: with all their tiles at once
  for (int ih = top; ih < top + height; ih += rows_now) {
    const KernelRows reaching = rows_reaching(s, ih);
    const int first = s.kernel_height - reaching.end, count = reaching.end - reaching.begin;
    for (rows_now = 1; (rows_now + 1) * tiles <= kPlaces && ih + rows_now < top + height;
         rows_now++) {
      const KernelRows next = rows_reaching(s, ih + rows_now);
      if (next.begin != reaching.begin || next.end != reaching.end) break;
    }
    for (int ic = 0; ic < in; ic += kLanes)
      for (int p = 0; p < rows_now * tiles; p += kPlaces) {
        const int left_over = rows_now * tiles - p;
        const int places = left_over < kPlaces ? left_over : kPlaces;
        const float* values = scratch + (ih + first) * row + std::size_t(p) * out;
        const float* weights = turned + std::size_t(first) * in * out + ic;
        const auto few = [&](auto n) __attribute__((always_inline)) {
          for (int k = 0; k < kPoints; k += kPoints / 2)
            cook_toom_few<kPoints / 2, n>(sums + k, values + k * out_point, out_point, row,
                                          weights + k * kernel_point, kernel_point, in, count, out);
        };
        if (places == 2)
          few(cook_toom::Constant<2>());
        else if (places == 3)
          few(cook_toom::Constant<3>());
        else
          for (int k = 0; k < kPoints; k++)
            cook_toom_some<false>(sums[k], places, values + k * out_point, row,
                                  weights + k * kernel_point, in, vec{}, count, out);
        for (int i = 0; i < places; i++) {
          vec points[kPoints], parts[kPoints];
          PYLENET_UNROLL
          for (int k = 0; k < kPoints; k++) points[k] = sums[k][i];
          T::collect(parts, points);
          const int t = (p + i) % tiles;
          float* tile = columns + (p + i) / tiles * row_columns + t * kTile * stride + ic;
          if (t > 0) {
            PYLENET_UNROLL
            for (int k = 0; k < kOverlap; k++)
              parts[k] = load_unaligned(tile + k * stride) + parts[k];
          }
          PYLENET_UNROLL
          for (int k = 0; k < kPoints; k++) store_unaligned(tile + k * stride, parts[k]);
        }
      }
    for (int i = 0; i < rows_now; i++) {
      const float* from = columns + i * row_columns + left * stride;
      float* to = dx + std::size_t(ih + i - top) * width * in;
      for (int iw = 0; iw < width; iw++)
        std::memcpy(to + std::size_t(iw) * in, from + iw * stride, in * sizeof(float));
    }
  }
}

template <class T>
inline void cook_toom_backward_input_planes(float* dx, float* scratch, const float* dy,
                                            const float* turned, const ConvShape& s, int height,
                                            int width, int top, int left) {
  constexpr int kPoints = T::kPoints, kTile = cook_toom::kOutputs, kOverlap = kPoints - kTile;
  const int tiles = cook_toom::tiles(s), in = s.in_channels, out = s.out_channels;
  const int columns = cook_toom::tile_inputs(s);
  const std::size_t row = std::size_t(columns) * in, dx_row = std::size_t(width) * in;
  const std::size_t point = cook_toom::tile_row_point(s, columns, in);
  float* rows = scratch + kPoints * (cook_toom::tile_row_point(s, s.out_width, out) +
                                     cook_toom::tile_row_point(s, tiles, out));
  cook_toom_planes<T, typename T::Spread>(
      scratch, dy, turned, nullptr, s, out, s.out_height, s.out_width, in,
      [&](int i, int place, int ic, int n, const vec* sums) __attribute__((always_inline)) {
        vec parts[kPoints];
        T::collect(parts, sums);
        const int t = place % tiles;
        float* to = rows + i * point + place / tiles * row + std::size_t(t) * kTile * in + ic;
        if (t > 0) {
          PYLENET_UNROLL
          for (int k = 0; k < kOverlap; k++) parts[k] = load_unaligned(to + k * in) + parts[k];
        }
        PYLENET_UNROLL
        for (int k = 0; k < kPoints; k++) store_some(to + k * in, parts[k], n);
      });
  for (int r = 0; r < cook_toom::tile_rows(s); r++)
    cook_toom::collect_columns<T>(dx, dx_row, height, r * kTile - top, r > 0,
                                  rows + r * row + left * in, point, dx_row);
}

void cook_toom_backward_input(float* dx, float* scratch, const float* dy, const float* u,
                              const ConvShape& s, int height, int width, int top, int left) {
  const float* turned = u + cook_toom::kernel_floats(s);
  cook_toom::with_transform(s, [&](auto transform) {
    if (cook_toom::two_dimensional(s))
      return cook_toom_backward_input_planes<decltype(transform)>(dx, scratch, dy, turned, s,
                                                                  height, width, top, left);
    cook_toom_backward_input_taps<decltype(transform)>(dx, scratch, dy, turned, s, height, width,
                                                       top, left);
  });
}

// TI input channels from ic on, `n` output channels from oc on; PTS points at a time.
template <class T, int TI, int PTS>
inline void cook_toom_kernel_tile(float* dkernel, const float* x, const float* dy,
                                  const ConvShape& s, int ic, int oc, int n) {
  constexpr int kPoints = T::kPoints, KH = T::kTaps;
  const int tiles = cook_toom::tiles(s), in = s.in_channels, out = s.out_channels;
  const std::size_t in_point = cook_toom::input_point(s);
  const std::size_t out_point = cook_toom::output_point(s, s.out_height);
  const std::size_t row = std::size_t(cook_toom::row_positions(s)) * in;
  vec sums[TI][KH][kPoints];
  for (int first = 0; first < kPoints; first += PTS) {
    vec acc[PTS][TI][KH];
    PYLENET_UNROLL
    for (int i = 0; i < PTS * TI * KH; i++) acc[i / (TI * KH)][i / KH % TI][i % KH] = vec{};
    const float* g = dy + first * out_point + oc;
    for (int oh = 0; oh < s.out_height; oh++) {
      const float* values = x + first * in_point + oh * row + ic;
      for (int t = 0; t < tiles; t++, g += out, values += in) {
        PYLENET_UNROLL
        for (int k = 0; k < PTS; k++) {
          const vec gv = load_unaligned(g + k * out_point);
          PYLENET_UNROLL
          for (int kh = 0; kh < KH; kh++) {
            PYLENET_UNROLL
            for (int i = 0; i < TI; i++)
              acc[k][i][kh] = fma(splat(values[k * in_point + kh * row + i]), gv, acc[k][i][kh]);
          }
        }
      }
    }
    PYLENET_UNROLL
    for (int i = 0; i < PTS * TI * KH; i++)
      sums[i / KH % TI][i % KH][first + i / (TI * KH)] = acc[i / (TI * KH)][i / KH % TI][i % KH];
  }
  const std::size_t tap = std::size_t(in) * out;
  for (int i = 0; i < TI; i++)
    for (int kh = 0; kh < KH; kh++) {
      vec gradients[T::kTaps];
      T::kernel_gradient(gradients, sums[i][kh]);
      PYLENET_UNROLL
      for (int kw = 0; kw < T::kTaps; kw++)
        store_some(dkernel + (kh * T::kTaps + kw) * tap + std::size_t(ic + i) * out + oc,
                   gradients[kw] + vec{}, n);
    }
}

// dbias: null, or for as many channels as a vector has at most.
template <class T>
inline void cook_toom_backward_kernel_taps(float* dkernel, float* dbias, float* scratch,
                                           const float* x, const float* dy, const ConvShape& s) {
  constexpr int kChannels = kRegisters == 32 ? 3 : 2;
  const std::size_t in_point = cook_toom::input_point(s);
  float* spread = scratch + T::kPoints * in_point;
  cook_toom_input<T>(scratch, in_point, spread, x, s);
  const auto spread_rows = [&](auto see) {
    cook_toom_rows<T, typename T::Spread>(spread, cook_toom::output_point(s, s.out_height), dy,
                                          s.out_channels, s.out_height, s.out_width,
                                          cook_toom::tiles(s), see);
  };
  if (dbias) {
    vec sum{};
    spread_rows([&](const vec* values) {
      PYLENET_UNROLL
      for (int k = 0; k < cook_toom::kOutputs; k++) sum += values[k];
    });
    store_some(dbias, sum, s.out_channels);
  } else {
    spread_rows([](const vec*) {});
  }
  for (int oc = 0; oc < s.out_channels; oc += kLanes) {
    const int n = lanes_left(s.out_channels, oc);
    int ic = 0;
    for (; ic + kChannels <= s.in_channels; ic += kChannels)
      cook_toom_kernel_tile<T, kChannels, 1>(dkernel, scratch, spread, s, ic, oc, n);
    for (; ic < s.in_channels; ic++)
      cook_toom_kernel_tile<T, 1, 2>(dkernel, scratch, spread, s, ic, oc, n);
  }
}

inline void cook_toom_bias_gradient(float* dbias, const float* dy, const ConvShape& s) {
  for (int oc = 0; oc < s.out_channels; oc += kLanes) {
    vec sum{};
    const float* g = dy + oc;
    for (int i = 0; i < s.out_height * s.out_width; i++, g += s.out_channels)
      sum += load_unaligned(g);
    store_some(dbias + oc, sum, lanes_left(s.out_channels, oc));
  }
}

void cook_toom_backward_kernel(float* dkernel, float* dbias, float* scratch, const float* x,
                               const float* dy, const ConvShape& s) {
  const bool with_kernel = s.out_channels <= kLanes;  // the bias's gradient, which waits for itself
  cook_toom::with_transform(s, [&](auto transform) {
    cook_toom_backward_kernel_taps<decltype(transform)>(dkernel, with_kernel ? dbias : nullptr,
                                                        scratch, x, dy, s);
  });
  if (dbias && !with_kernel) cook_toom_bias_gradient(dbias, dy, s);
}

// Sums at one pair of points of TI input channels and `n` output channels over all tiles. values
// [tile][in], dy [tile][out], at the first of these channels.
template <int TI>
__attribute__((noinline)) void cook_toom_point_sums(float* sums, const float* values,
                                                    const float* dy, int places, int in, int out,
                                                    int n) {
  vec acc[TI];
  PYLENET_UNROLL
  for (int i = 0; i < TI; i++) acc[i] = vec{};
  for (int place = 0; place < places; place++, values += in, dy += out) {
    const vec g = load_unaligned(dy);
    PYLENET_UNROLL
    for (int i = 0; i < TI; i++) acc[i] = fma(splat(values[i]), g, acc[i]);
  }
  PYLENET_UNROLL
  for (int i = 0; i < TI; i++) store_some(sums + i * out, acc[i] + vec{}, n);
}

// As cook_toom_planes, of input and output gradient.
void cook_toom_kernel_points(float* sums, float* dbias, float* scratch, const float* x,
                             const float* dy, const ConvShape& s) {
  constexpr int kTile = cook_toom::kOutputs, kChannels = 6;
  const int tiles = cook_toom::tiles(s), tile_rows = cook_toom::tile_rows(s);
  const int in = s.in_channels, out = s.out_channels, points = cook_toom::points(s);
  const std::size_t in_row = std::size_t(s.in_width) * in, row = std::size_t(s.out_width) * out;
  const std::size_t in_columns = cook_toom::tile_row_point(s, s.in_width, in);
  const std::size_t columns = cook_toom::tile_row_point(s, s.out_width, out);
  const std::size_t in_point = cook_toom::tile_row_point(s, tiles, in);
  const std::size_t out_point = cook_toom::tile_row_point(s, tiles, out);
  float* spread = scratch + points * in_columns;
  float* values = spread + points * columns;
  float* gradients = values + points * in_point;
  cook_toom::with_transform(s, [&](auto transform) {
    using T = decltype(transform);
    for (int r = 0; r < tile_rows; r++) {
      cook_toom::columns<T, typename T::Input>(scratch + r * in_row, in_columns,
                                               x + r * kTile * in_row, s.in_height - r * kTile,
                                               in_row, in_row);
      cook_toom::columns<T, typename T::Spread>(spread + r * row, columns, dy + r * kTile * row,
                                                s.out_height - r * kTile, row, row);
    }
  });
  for (int i = 0; i < points; i++) {
    cook_toom::with_transform(s, [&](auto transform) {
      using T = decltype(transform);
      cook_toom_rows<T, typename T::Input>(values, in_point, scratch + i * in_columns, in,
                                           tile_rows, s.in_width, tiles);
      cook_toom_rows<T, typename T::Spread>(gradients, out_point, spread + i * columns, out,
                                            tile_rows, s.out_width, tiles);
    });
    for (int k = 0; k < points; k++, sums += std::size_t(in) * out)
      for (int oc = 0; oc < out; oc += kLanes) {
        const auto channels = [&](auto size, int ic) __attribute__((always_inline)) {
          cook_toom_point_sums<size>(sums + std::size_t(ic) * out + oc, values + k * in_point + ic,
                                     gradients + k * out_point + oc, tiles * tile_rows, in, out,
                                     lanes_left(out, oc));
        };
        int ic = 0;
        for (; ic + kChannels <= in; ic += kChannels)
          channels(cook_toom::Constant<kChannels>(), ic);
        for (; ic < in; ic++) channels(cook_toom::Constant<1>(), ic);
      }
  }
  if (dbias) cook_toom_bias_gradient(dbias, dy, s);
}
using lanes::cook_toom_kernel_from_points;

}  // namespace single
}  // namespace
}  // namespace pylenet
