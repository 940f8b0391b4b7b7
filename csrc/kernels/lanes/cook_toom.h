// Cook-Toom convolution in lanes (kernels/cook_toom.h): all transforms are vertical.
//
// The points of several rows are kept, [point][row][channel][tile], so that the terms of a sum,
// over rows and channels, lie one after the other, and those of the next row's begin a row further
// on. Sums are register tiles of output channels x tiles of a row.
#pragma once

#include "kernels/activation.h"
#include "kernels/cook_toom.h"
#include "kernels/kernel_rows.h"
#include "kernels/kernels.h"
#include "kernels/lanes/activation.h"
#include "kernels/lanes/conv2d.h"
#include "kernels/lanes/conv2d_backward.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

// One row of an image [channel][row][column] at the points; columns past its end are zero. Op:
// T::Input or T::Spread. point, channel, tile: floats from one to the next in r.
template <class T, class Op>
__attribute__((noinline)) void cook_toom_row(float* points_of_row, std::size_t point,
                                             std::size_t channel, const float* image, int channels,
                                             int height, int width, int tiles, int row,
                                             std::size_t tile = kLanes) {
  for (int c = 0; c < channels; c++) {
    const float* from = image + (std::size_t(c) * height + row) * width * kLanes;
    float* r = points_of_row + c * channel;
    for (int t = 0; t < tiles; t++, from += cook_toom::kOutputs * kLanes, r += tile) {
      const int left = width - t * cook_toom::kOutputs;
      vec values[Op::kFrom], points[T::kPoints];
      if (left >= Op::kFrom) {
        PYLENET_UNROLL
        for (int k = 0; k < Op::kFrom; k++) values[k] = load(from + k * kLanes);
      } else {
        PYLENET_UNROLL
        for (int k = 0; k < Op::kFrom; k++) values[k] = k < left ? load(from + k * kLanes) : vec{};
      }
      Op::apply(points, values);
      PYLENET_UNROLL
      for (int k = 0; k < T::kPoints; k++) store(r + k * point, points[k]);
    }
  }
}

// Where sums are taken: at the points from `first` on to `points`, each so many floats after the
// one before. At the first of them: sums [output][tile]; values [term][tile], `terms` of them;
// weights [term][output]. start: [output], what sums at point 1 begin with, or null: others begin
// with zero.
struct CookToomSums {
  float* sums;
  std::size_t sum_point;
  const float* values;
  std::size_t value_point;
  const float* weights;
  std::size_t weight_point;
  const float* start;
  int points, terms, outputs, tiles, first = 0;
};

constexpr int kMostOutputs = 8;  // that are summed together
constexpr float kNoStart[kMostOutputs] = {};

// At each point TO outputs from `o` on x TT tiles from `t` on.
template <int TO, int TT>
inline __attribute__((always_inline)) void cook_toom_tile(const CookToomSums& s, int o, int t) {
  static_assert(TO <= kMostOutputs);
  const std::size_t row = std::size_t(s.tiles) * kLanes;
  float* sums = s.sums + o * row + t * kLanes;
  const float *values = s.values + t * kLanes, *weights = s.weights + o;
  for (int point = s.first; point < s.points;
       point++, sums += s.sum_point, values += s.value_point, weights += s.weight_point) {
    const float* start = point == 1 && s.start ? s.start + o : kNoStart;
    vec acc[TO][TT];
    PYLENET_UNROLL
    for (int i = 0; i < TO; i++) {
      PYLENET_UNROLL
      for (int k = 0; k < TT; k++) acc[i][k] = splat(start[i]);
    }
    const float *v = values, *w = weights;
    PYLENET_ROLLED
    for (int term = 0; term < s.terms; term++, v += row, w += s.outputs) {
      if constexpr (TT <= TO) {  // hold the tiles, one weight at a time
        vec held[TT];
        PYLENET_UNROLL
        for (int k = 0; k < TT; k++) held[k] = load(v + k * kLanes);
        PYLENET_UNROLL
        for (int i = 0; i < TO; i++) {
          const vec weight = splat(w[i]);
          PYLENET_UNROLL
          for (int k = 0; k < TT; k++) acc[i][k] = fma(held[k], weight, acc[i][k]);
        }
      } else {
        vec held[TO];
        PYLENET_UNROLL
        for (int i = 0; i < TO; i++) held[i] = splat(w[i]);
        PYLENET_UNROLL
        for (int k = 0; k < TT; k++) {
          const vec value = load(v + k * kLanes);
          PYLENET_UNROLL
          for (int i = 0; i < TO; i++) acc[i][k] = fma(value, held[i], acc[i][k]);
        }
      }
    }
    float* to = sums;
    PYLENET_UNROLL
    for (int i = 0; i < TO; i++, to += row) {
      PYLENET_UNROLL
      for (int k = 0; k < TT; k++) store(to + k * kLanes, acc[i][k]);
    }
  }
}

// All tiles, TT at a time and then ever fewer.
template <int TO, int TT>
inline __attribute__((always_inline)) void cook_toom_tiles(const CookToomSums& s, int o,
                                                           int t = 0) {
  for (; t + TT <= s.tiles; t += TT) cook_toom_tile<TO, TT>(s, o, t);
  if constexpr (TT > 1) {
    if (t < s.tiles) cook_toom_tiles<TO, TT - 1>(s, o, t);
  }
}

// All outputs. Values of all points that do not fit in the first-level cache are read anew for
// every few outputs, unless each point is finished before the next (3 x 3, 32 -> 64, 24 x 24: 0.9
// of the time).
__attribute__((noinline)) void cook_toom_sums(const CookToomSums& s) {
  constexpr bool kMany = kRegisters == 32;
  constexpr int kMostFloats = 10000;
  const int points = s.points - s.first;
  if (points > 1 && points * s.terms * s.tiles * kLanes > kMostFloats) {
    CookToomSums one = s;
    for (; one.first < s.points; one.first++) {
      one.points = one.first + 1;
      cook_toom_sums(one);
      one.sums += s.sum_point;
      one.values += s.value_point;
      one.weights += s.weight_point;
    }
    return;
  }
  const int outputs = s.outputs;
  int o = 0;
  if constexpr (kMany) {
    for (; o + 6 <= outputs % 8; o += 6) cook_toom_tiles<6, 3>(s, o);
    for (; o + 8 <= outputs; o += 8) cook_toom_tiles<8, 3>(s, o);
    for (; o + 4 <= outputs; o += 4) cook_toom_tiles<4, 3>(s, o);
  } else {
    if (s.tiles == 2)
      for (; o + 6 <= outputs; o += 6) cook_toom_tile<6, 2>(s, o, 0);
    for (; (outputs - o) % 4 >= 2 && o + 3 <= outputs; o += 3) cook_toom_tiles<3, 3>(s, o);
    for (; o + 4 <= outputs; o += 4) cook_toom_tiles<4, 3>(s, o);
  }
  for (; o < outputs; o++) cook_toom_tiles<1, 8>(s, o);
}

void cook_toom_weights(float* u, float* scratch, const float* kernel, const ConvShape& s,
                       bool both_ways) {
  cook_toom::weights(u, scratch, kernel, s, both_ways);
}

// One channel of a row of outputs from its sums [tile]; points `point` floats apart.
template <class T>
__attribute__((noinline)) void cook_toom_output_row(float* y, const float* sums, std::size_t point,
                                                    int width, int tiles, vec floor) {
  constexpr int kTile = cook_toom::kOutputs;
  for (int t = 0; t < tiles; t++, sums += kLanes, y += kTile * kLanes) {
    vec points[T::kPoints], outputs[kTile];
    PYLENET_UNROLL
    for (int k = 0; k < T::kPoints; k++) points[k] = load(sums + k * point);
    T::output(outputs, points);
    const int left = width - t * kTile;
    if (left >= kTile) {
      PYLENET_UNROLL
      for (int i = 0; i < kTile; i++) store(y + i * kLanes, larger(floor, outputs[i]));
    } else {
      PYLENET_UNROLL
      for (int i = 0; i < kTile; i++)
        if (i < left) store(y + i * kLanes, larger(floor, outputs[i]));
    }
  }
}

// The same for a row of the input's gradient, of all columns that the tiles read.
template <class T>
__attribute__((noinline)) void cook_toom_collect_row(float* dx, const float* sums,
                                                     std::size_t point, int tiles) {
  constexpr int kPoints = T::kPoints, kTile = cook_toom::kOutputs, kOverlap = kPoints - kTile;
  for (int t = 0; t < tiles; t++, sums += kLanes, dx += kTile * kLanes) {
    vec points[kPoints], parts[kPoints];
    PYLENET_UNROLL
    for (int k = 0; k < kPoints; k++) points[k] = load(sums + k * point);
    T::collect(parts, points);
    if (t > 0) {
      PYLENET_UNROLL
      for (int k = 0; k < kOverlap; k++) parts[k] = load(dx + k * kLanes) + parts[k];
    }
    PYLENET_UNROLL
    for (int k = 0; k < kPoints; k++) store(dx + k * kLanes, parts[k]);
  }
}

template <class T>
void cook_toom_forward_taps(float* y, float* scratch, const float* x, const float* u,
                            const float* bias, const ConvShape& s, const ChannelAffine& affine,
                            Activation activation) {
  constexpr int kPoints = T::kPoints;
  const int tiles = cook_toom::tiles(s), in = s.in_channels, out = s.out_channels;
  const int most = cook_toom::rows_at_once(s, in), terms = s.kernel_height * in;
  const std::size_t row = std::size_t(in) * tiles * kLanes;
  const std::size_t in_point =
      cook_toom::point_vectors(most + s.kernel_height - 1, in, tiles) * kLanes;
  const std::size_t out_point = cook_toom::point_vectors(1, out, tiles) * kLanes;
  const std::size_t map = std::size_t(s.out_height) * s.out_width * kLanes;
  const vec floor = floor_of_sums(affine.scale ? Activation{} : activation);
  const bool finished = !affine.scale && is_floor_of_sums(activation);
  float* sums = scratch + kPoints * in_point;
  for (int first = 0; first < s.out_height; first += most) {
    const int end = s.out_height - first < most ? s.out_height : first + most;
    for (int oh = first; oh < end; oh++) {
      for (int ih = oh == first ? oh : oh + s.kernel_height - 1; ih < oh + s.kernel_height; ih++)
        cook_toom_row<T, typename T::Input>(scratch + (ih - first) * row, in_point, tiles * kLanes,
                                            x, in, s.in_height, s.in_width, tiles, ih);
      // What is added at the second point, 1, is added to every output.
      cook_toom_sums({sums, out_point, scratch + (oh - first) * row, in_point, u,
                      std::size_t(terms) * out, bias, kPoints, terms, out, tiles});
      for (int oc = 0; oc < out; oc++) {
        float* to = y + oc * map + std::size_t(oh) * s.out_width * kLanes;
        cook_toom_output_row<T>(to, sums + oc * tiles * kLanes, out_point, s.out_width, tiles,
                                floor);
        if (!finished) conv2d_finish(to, oc, s.out_width, affine, activation);
      }
    }
  }
}

// In two dimensions, a row of tiles at a time: its columns at the points, and then for each of
// these what a row of an image goes through.
inline void cook_toom_forward_planes(float* y, float* scratch, const float* x, const float* u,
                                     const float* bias, const ConvShape& s,
                                     const ChannelAffine& affine, Activation activation) {
  constexpr int kTile = cook_toom::kOutputs;
  const int tiles = cook_toom::tiles(s), points = cook_toom::points(s);
  const int in = s.in_channels, out = s.out_channels;
  const std::size_t in_row = std::size_t(s.in_width) * kLanes, row = s.out_width * kLanes;
  const std::size_t image_point = cook_toom::point_vectors(1, in, s.in_width) * kLanes;
  const std::size_t in_point = cook_toom::point_vectors(1, in, tiles) * kLanes;
  const std::size_t sum_point = cook_toom::point_vectors(1, out, tiles) * kLanes;
  const std::size_t out_point = cook_toom::point_vectors(1, out, s.out_width) * kLanes;
  const vec floor = floor_of_sums(affine.scale ? Activation{} : activation);
  const bool finished = !affine.scale && is_floor_of_sums(activation);
  float* values = scratch + points * image_point;
  float* sums = values + points * in_point;
  float* rows = sums + points * sum_point;
  const std::size_t weights = std::size_t(in) * out;
  for (int oh = 0; oh < s.out_height; oh += kTile) {
    const int left = s.out_height - oh < kTile ? s.out_height - oh : kTile;
    cook_toom::with_transform(s, [&](auto transform) {
      using T = decltype(transform);
      for (int ic = 0; ic < in; ic++)
        cook_toom::columns<T, typename T::Input>(scratch + ic * in_row, image_point,
                                                 x + (std::size_t(ic) * s.in_height + oh) * in_row,
                                                 s.in_height - oh, in_row, in_row);
      for (int i = 0; i < points; i++) {
        cook_toom_row<T, typename T::Input>(values, in_point, tiles * kLanes,
                                            scratch + i * image_point, in, 1, s.in_width, tiles, 0);
        cook_toom_sums({sums, sum_point, values, in_point, u + i * points * weights, weights,
                        i == 1 ? bias : nullptr, points, in, out, tiles});
        for (int oc = 0; oc < out; oc++)
          cook_toom_output_row<T>(rows + i * out_point + oc * row, sums + oc * tiles * kLanes,
                                  sum_point, s.out_width, tiles, floor_of_sums({}));
      }
      for (int oc = 0; oc < out; oc++) {
        float* to = y + (std::size_t(oc) * s.out_height + oh) * row;
        cook_toom::output_columns<T>(to, left, row, rows + oc * row, out_point, row, floor);
        if (!finished) conv2d_finish(to, oc, left * s.out_width, affine, activation);
      }
    });
  }
}

void cook_toom_forward(float* y, float* scratch, const float* x, const float* u, const float* bias,
                       const ConvShape& s, const ChannelAffine& affine, Activation activation) {
  if (cook_toom::two_dimensional(s))
    return cook_toom_forward_planes(y, scratch, x, u, bias, s, affine, activation);
  cook_toom::with_transform(s, [&](auto transform) {
    cook_toom_forward_taps<decltype(transform)>(y, scratch, x, u, bias, s, affine, activation);
  });
}

template <class T>
void cook_toom_backward_input_taps(float* dx, float* scratch, const float* dy, const float* turned,
                                   const ConvShape& s, int height, int width, int top, int left) {
  constexpr int kPoints = T::kPoints;
  const int tiles = cook_toom::tiles(s), in = s.in_channels, out = s.out_channels;
  const int most = cook_toom::rows_at_once(s, out);
  const std::size_t row = std::size_t(out) * tiles * kLanes;
  const std::size_t in_point = cook_toom::point_vectors(1, in, tiles) * kLanes;
  const std::size_t out_point =
      cook_toom::point_vectors(most + s.kernel_height - 1, out, tiles) * kLanes;
  float* sums = scratch + kPoints * out_point;
  float* columns = sums + kPoints * in_point;  // of dx with its padding
  const std::size_t weights = std::size_t(in) * out;
  for (int first = top; first < top + height; first += most) {
    const int end = top + height - first < most ? top + height : first + most;
    const int base = rows_reaching(s, first).end;  // of the kernel's rows, in the first output row
    const int first_oh = first - (base - 1);
    int next = first_oh;
    for (int ih = first; ih < end; ih++) {
      for (; next <= ih && next < s.out_height; next++)
        cook_toom_row<T, typename T::Spread>(scratch + (next - first_oh) * row, out_point,
                                             tiles * kLanes, dy, out, s.out_height, s.out_width,
                                             tiles, next);
      const KernelRows reaching = rows_reaching(s, ih);
      const std::size_t oh = ih - (reaching.end - 1) - first_oh;
      const int terms = (reaching.end - reaching.begin) * out;
      cook_toom_sums({sums, in_point, scratch + oh * row, out_point,
                      turned + (s.kernel_height - reaching.end) * weights,
                      s.kernel_height * weights, nullptr, kPoints, terms, in, tiles});
      for (int ic = 0; ic < in; ic++) {
        cook_toom_collect_row<T>(columns, sums + ic * tiles * kLanes, in_point, tiles);
        std::memcpy(dx + (std::size_t(ic) * height + ih - top) * width * kLanes,
                    columns + left * kLanes, width * kLanes * sizeof(float));
      }
    }
  }
}

template <class T>
void cook_toom_backward_input_planes(float* dx, float* scratch, const float* dy,
                                     const float* turned, const ConvShape& s, int height, int width,
                                     int top, int left) {
  constexpr int kPoints = T::kPoints, kTile = cook_toom::kOutputs;
  const int tiles = cook_toom::tiles(s), in = s.in_channels, out = s.out_channels;
  const std::size_t in_row = std::size_t(cook_toom::tile_inputs(s)) * kLanes;
  const std::size_t row = s.out_width * kLanes;
  const std::size_t image_point = cook_toom::point_vectors(1, out, s.out_width) * kLanes;
  const std::size_t out_point = cook_toom::point_vectors(1, out, tiles) * kLanes;
  const std::size_t sum_point = cook_toom::point_vectors(1, in, tiles) * kLanes;
  const std::size_t in_point = cook_toom::point_vectors(1, in, cook_toom::tile_inputs(s)) * kLanes;
  float* values = scratch + kPoints * image_point;
  float* sums = values + kPoints * out_point;
  float* rows = sums + kPoints * sum_point;
  const std::size_t weights = std::size_t(in) * out;
  for (int oh = 0; oh < s.out_height; oh += kTile) {
    for (int oc = 0; oc < out; oc++)
      cook_toom::columns<T, typename T::Spread>(scratch + oc * row, image_point,
                                                dy + (std::size_t(oc) * s.out_height + oh) * row,
                                                s.out_height - oh, row, row);
    for (int i = 0; i < kPoints; i++) {
      cook_toom_row<T, typename T::Spread>(values, out_point, tiles * kLanes,
                                           scratch + i * image_point, out, 1, s.out_width, tiles,
                                           0);
      cook_toom_sums({sums, sum_point, values, out_point, turned + i * kPoints * weights, weights,
                      nullptr, kPoints, out, in, tiles});
      for (int ic = 0; ic < in; ic++)
        cook_toom_collect_row<T>(rows + i * in_point + ic * in_row, sums + ic * tiles * kLanes,
                                 sum_point, tiles);
    }
    const std::size_t dx_row = std::size_t(width) * kLanes;
    for (int ic = 0; ic < in; ic++)
      cook_toom::collect_columns<T>(dx + ic * height * dx_row, dx_row, height, oh - top, oh > 0,
                                    rows + ic * in_row + left * kLanes, in_point, dx_row);
  }
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

// Adds to sums [kernel row][output channel] of one point and input channel what `places` tiles
// give, row after row. x: [row][tile] of the input; dy: of TO output channels, `dy_channel` apart.
template <int KH, int TO>
inline void cook_toom_kernel_tile(float* sums, const float* x, const float* dy,
                                  std::size_t dy_channel, int places, int tiles, bool add) {
  vec acc[KH][TO];
  PYLENET_UNROLL
  for (int kh = 0; kh < KH; kh++) {
    PYLENET_UNROLL
    for (int o = 0; o < TO; o++) acc[kh][o] = add ? load(sums + (kh * TO + o) * kLanes) : vec{};
  }
  PYLENET_ROLLED
  for (int i = 0; i < places; i++, x += kLanes, dy += kLanes) {
    vec held[TO];
    PYLENET_UNROLL
    for (int o = 0; o < TO; o++) held[o] = load(dy + o * dy_channel);
    PYLENET_UNROLL
    for (int kh = 0; kh < KH; kh++) {
      const vec value = load(x + kh * tiles * kLanes);
      PYLENET_UNROLL
      for (int o = 0; o < TO; o++) acc[kh][o] = fma(value, held[o], acc[kh][o]);
    }
  }
  PYLENET_UNROLL
  for (int kh = 0; kh < KH; kh++) {
    PYLENET_UNROLL
    for (int o = 0; o < TO; o++) store(sums + (kh * TO + o) * kLanes, acc[kh][o]);
  }
}

// Of TO output channels. points: of the input, [point][channel][row][tile].
template <class T, int TO>
void cook_toom_kernel_channels(float* dkernel, float* scratch, const float* points, const float* dy,
                               const ConvShape& s, int oc) {
  constexpr int kPoints = T::kPoints, KH = T::kTaps;
  const int tiles = cook_toom::tiles(s), in = s.in_channels;
  const int most = cook_toom::gradient_rows(s);
  const std::size_t row = std::size_t(tiles) * kLanes;
  const std::size_t in_point = cook_toom::point_vectors(s.in_height, in, tiles) * kLanes;
  const std::size_t dy_point = cook_toom::point_vectors(most, TO, tiles) * kLanes;
  const std::size_t map = std::size_t(s.out_height) * s.out_width * kLanes;
  float* spread = scratch;
  float* sums = spread + kPoints * dy_point;  // [input channel][point][kernel row][TO]
  for (int first = 0; first < s.out_height; first += most) {
    const int rows = s.out_height - first < most ? s.out_height - first : most;
    for (int i = 0; i < rows; i++)
      cook_toom_row<T, typename T::Spread>(spread + i * row, dy_point, most * row, dy + oc * map,
                                           TO, s.out_height, s.out_width, tiles, first + i);
    for (int ic = 0; ic < in; ic++)
      for (int k = 0; k < kPoints; k++)
        cook_toom_kernel_tile<KH, TO>(
            sums + (ic * kPoints + k) * KH * TO * kLanes,
            points + k * in_point + (std::size_t(ic) * s.in_height + first) * row,
            spread + k * dy_point, most * row, rows * tiles, tiles, first > 0);
  }
  const std::size_t tap = std::size_t(in) * s.out_channels;
  for (int ic = 0; ic < in; ic++, sums += kPoints * KH * TO * kLanes)
    for (int kh = 0; kh < KH; kh++) {
      vec gradients[TO][T::kTaps];
      PYLENET_UNROLL
      for (int o = 0; o < TO; o++) {
        vec r[kPoints];
        PYLENET_UNROLL
        for (int k = 0; k < kPoints; k++) r[k] = load(sums + ((k * KH + kh) * TO + o) * kLanes);
        T::kernel_gradient(gradients[o], r);
      }
      PYLENET_UNROLL
      for (int kw = 0; kw < T::kTaps; kw++) {
        vec lanes[TO];
        PYLENET_UNROLL
        for (int o = 0; o < TO; o++) lanes[o] = gradients[o][kw];
        store_some(dkernel + (kh * T::kTaps + kw) * tap + std::size_t(ic) * s.out_channels + oc,
                   lane_sums<TO>(lanes), TO);
      }
    }
}

template <class T>
void cook_toom_backward_kernel_taps(float* dkernel, float* scratch, const float* x, const float* dy,
                                    const ConvShape& s) {
  const int tiles = cook_toom::tiles(s);
  const std::size_t row = std::size_t(tiles) * kLanes;
  const std::size_t point = cook_toom::point_vectors(s.in_height, s.in_channels, tiles) * kLanes;
  for (int ih = 0; ih < s.in_height; ih++)
    cook_toom_row<T, typename T::Input>(scratch + ih * row, point, s.in_height * row, x,
                                        s.in_channels, s.in_height, s.in_width, tiles, ih);
  float* rest = scratch + T::kPoints * point;
  int oc = 0;
  if constexpr (kRegisters == 32)
    for (; oc + 4 <= s.out_channels; oc += 4)
      cook_toom_kernel_channels<T, 4>(dkernel, rest, scratch, dy, s, oc);
  for (; oc + 2 <= s.out_channels; oc += 2)
    cook_toom_kernel_channels<T, 2>(dkernel, rest, scratch, dy, s, oc);
  for (; oc < s.out_channels; oc++)
    cook_toom_kernel_channels<T, 1>(dkernel, rest, scratch, dy, s, oc);
}

void cook_toom_backward_kernel(float* dkernel, float* dbias, float* scratch, const float* x,
                               const float* dy, const ConvShape& s) {
  cook_toom::with_transform(s, [&](auto transform) {
    cook_toom_backward_kernel_taps<decltype(transform)>(dkernel, scratch, x, dy, s);
  });
  if (dbias)
    conv2d_bias_gradient(dbias, dy, s.out_channels, std::size_t(s.out_height) * s.out_width);
}

template <int D>
struct Turned {
  constexpr int operator()(int j) const { return (j + D) % kLanes; }
};

// Sums at a pair of points, [channel of x][channel of dy], each of all places in its lanes. values,
// gradients: [place][channel], at the first of TI and of TO channels. The sums of one channel of x
// are `row` floats after those of the one before.
template <int TI, int TO>
__attribute__((noinline)) void cook_toom_point_tile(float* sums, std::size_t row,
                                                    const float* values, std::size_t in_place,
                                                    const float* gradients, std::size_t out_place,
                                                    int places) {
  vec acc[TI * TO];
  PYLENET_UNROLL
  for (int i = 0; i < TI * TO; i++) acc[i] = vec{};
  PYLENET_ROLLED
  for (int place = 0; place < places; place++, values += in_place, gradients += out_place) {
    vec held[TI];
    PYLENET_UNROLL
    for (int i = 0; i < TI; i++) held[i] = load(values + i * kLanes);
    PYLENET_UNROLL
    for (int o = 0; o < TO; o++) {
      const vec g = load(gradients + o * kLanes);
      PYLENET_UNROLL
      for (int i = 0; i < TI; i++) acc[i * TO + o] = fma(held[i], g, acc[i * TO + o]);
    }
  }
  vec all = lane_sums<TI * TO>(acc) + vec{};
  PYLENET_UNROLL
  for (int i = 0; i < TI; i++) {
    store_some(sums + i * row, all, TO);
    all = shuffle<Turned<TO>>(all, all, EachLane());
  }
}

// Columns of all rows of tiles at the points, [point][channel][tile row][column]; then for each of
// these points the rows, [point][tile][channel], of the output's gradient for a few channels at a
// time, so that they stay in the first-level cache.
void cook_toom_kernel_points(float* sums, float* dbias, float* scratch, const float* x,
                             const float* dy, const ConvShape& s) {
  constexpr int kTile = cook_toom::kOutputs;
  constexpr int TI = kRegisters == 32 ? 2 : 1, TO = kLanes / TI;
  const int tiles = cook_toom::tiles(s), tile_rows = cook_toom::tile_rows(s);
  const int in = s.in_channels, out = s.out_channels, points = cook_toom::points(s);
  const std::size_t in_row = std::size_t(s.in_width) * kLanes, row = s.out_width * kLanes;
  const std::size_t in_columns = cook_toom::point_vectors(tile_rows, in, s.in_width) * kLanes;
  const std::size_t columns = cook_toom::point_vectors(tile_rows, out, s.out_width) * kLanes;
  const std::size_t in_point = cook_toom::point_vectors(tile_rows, in, tiles) * kLanes;
  const std::size_t out_point = cook_toom::point_vectors(tile_rows, TO, tiles) * kLanes;
  float* spread = scratch + points * in_columns;
  float* values = spread + points * columns;
  float* gradients = values + points * in_point;
  cook_toom::with_transform(s, [&](auto transform) {
    using T = decltype(transform);
    for (int r = 0; r < tile_rows; r++) {
      for (int ic = 0; ic < in; ic++)
        cook_toom::columns<T, typename T::Input>(
            scratch + (ic * tile_rows + r) * in_row, in_columns,
            x + (std::size_t(ic) * s.in_height + r * kTile) * in_row, s.in_height - r * kTile,
            in_row, in_row);
      for (int oc = 0; oc < out; oc++)
        cook_toom::columns<T, typename T::Spread>(
            spread + (oc * tile_rows + r) * row, columns,
            dy + (std::size_t(oc) * s.out_height + r * kTile) * row, s.out_height - r * kTile, row,
            row);
    }
  });
  const std::size_t in_place = in * kLanes, out_place = TO * kLanes;
  for (int i = 0; i < points; i++) {
    cook_toom::with_transform(s, [&](auto transform) {
      using T = decltype(transform);
      for (int r = 0; r < tile_rows; r++)
        cook_toom_row<T, typename T::Input>(values + r * tiles * in_place, in_point, kLanes,
                                            scratch + i * in_columns, in, tile_rows, s.in_width,
                                            tiles, r, in_place);
    });
    for (int end = TO; end < out + TO; end += TO) {
      const int oc = (end < out ? end : out) - TO;  // the last ones may be computed twice
      cook_toom::with_transform(s, [&](auto transform) {
        using T = decltype(transform);
        for (int r = 0; r < tile_rows; r++)
          cook_toom_row<T, typename T::Spread>(gradients + r * tiles * out_place, out_point, kLanes,
                                               spread + i * columns + oc * tile_rows * row, TO,
                                               tile_rows, s.out_width, tiles, r, out_place);
      });
      for (int k = 0; k < points; k++)
        for (int last = TI; last < in + TI; last += TI) {
          const int ic = (last < in ? last : in) - TI;
          cook_toom_point_tile<TI, TO>(sums + ((std::size_t(i) * points + k) * in + ic) * out + oc,
                                       out, values + k * in_point + ic * kLanes, in_place,
                                       gradients + k * out_point, out_place, tiles * tile_rows);
        }
    }
  }
  if (dbias)
    conv2d_bias_gradient(dbias, dy, s.out_channels, std::size_t(s.out_height) * s.out_width);
}
void cook_toom_kernel_from_points(float* dkernel, float* sums, const ConvShape& s, bool add) {
  cook_toom::with_transform(s, [&](auto transform) {
    cook_toom::kernel_from_points<decltype(transform)>(dkernel, sums, s, add);
  });
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
