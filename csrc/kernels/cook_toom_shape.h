// How large the values of a Cook-Toom convolution are: for the kernels, which lay them out, and for
// the layer, which gives them room.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"

namespace pylenet {
namespace {
namespace cook_toom {

constexpr int kOutputs = 4;  // neighbouring columns of a row that are computed together: a tile

// The products that give a tile's outputs of one input channel and kernel row: one at each point.
inline int points(const ConvShape& s) { return kOutputs + s.kernel_width - 1; }
inline int tiles(const ConvShape& s) { return (s.out_width + kOutputs - 1) / kOutputs; }
inline int tile_rows(const ConvShape& s) { return (s.out_height + kOutputs - 1) / kOutputs; }
// Columns of the outputs that whole tiles have, and of the inputs that these read.
inline int tile_outputs(const ConvShape& s) { return kOutputs * tiles(s); }
inline int tile_inputs(const ConvShape& s) { return tile_outputs(s) + s.kernel_width - 1; }

// Whether a tile is as many rows high, so that it is transformed in both directions: where products
// are many enough to pay for the transforms. Where the last tiles are cut off these must be more,
// and 1.6 times fewer than along rows (layers/cook_toom.cpp has figures). Many ask: inlined, it
// would only make the code larger.
__attribute__((noinline, unused)) bool two_dimensional(const ConvShape& s) {
  constexpr int kFewestProducts = 96, kFewestCutOff = 256;  // at a point
  const int products = s.in_channels * s.out_channels;
  if (s.out_height % kOutputs == 0 && s.out_width % kOutputs == 0)
    return products >= kFewestProducts;
  return products >= kFewestCutOff &&
         5 * s.kernel_height * s.out_height >= 8 * points(s) * tile_rows(s);
}

// Whether the gradient of its kernel is computed so, too. Its sums are then left at the pairs of
// points and transformed back once for all images: records are larger. Many tiles do not stay in
// the second-level cache (5 x 5, 6 -> 16 channels, 24 x 24: 1.4 times as long as along rows), few
// channels do not fill a vector.
inline bool two_dimensional_kernel(const ConvShape& s) {
  constexpr int kFewestOutputs = 8, kMostProducts = 4096;
  const int most_tiles = s.kernel_width == 5 ? 16 : 36;
  return two_dimensional(s) && tiles(s) * tile_rows(s) <= most_tiles &&
         s.out_channels >= kFewestOutputs && s.in_channels * s.out_channels <= kMostProducts;
}
// Such sums, [row's point][point][in][out].
inline std::size_t kernel_points(const ConvShape& s) {
  return std::size_t(points(s)) * points(s) * s.in_channels * s.out_channels;
}

// In lanes the points of some rows are kept, [point][row][channel][tile], a vector each. From one
// point to the next it is an odd number of vectors: a multiple of 4,096 bytes would make all points
// take each other's place in the first-level cache.
inline std::size_t point_vectors(std::size_t rows, int channels, int tiles) {
  return rows * channels * tiles | 1;
}
// How many rows of the result are computed before new rows take the place of the points': as many
// as let these stay in the second-level cache, but enough that few rows are transformed twice.
inline int rows_at_once(const ConvShape& s, int channels) {
  constexpr std::size_t kMostVectors = 4096;
  constexpr int kFewest = 4;
  const int fit = int(kMostVectors / (std::size_t(points(s)) * channels * tiles(s)));
  int rows = fit - (s.kernel_height - 1);
  if (rows < kFewest) rows = kFewest;
  return rows < s.in_height ? rows : s.in_height;
}
inline std::size_t product_scratch(const ConvShape& s, int in, int out) {
  const std::size_t rows = rows_at_once(s, in) + s.kernel_height - 1;
  return points(s) * (point_vectors(rows, in, tiles(s)) + point_vectors(1, out, tiles(s)));
}

// The gradient of the kernel in lanes is computed for so many output channels and rows at a time:
// their points then stay in the first-level cache.
constexpr int kGradientChannels = 4;
constexpr int kGradientPoints = 512;  // vectors
inline int gradient_rows(const ConvShape& s) {
  const std::size_t row = points(s) * point_vectors(1, kGradientChannels, tiles(s));
  const int rows = int(kGradientPoints / row) + 1;
  return rows < s.out_height ? rows : s.out_height;
}

// One image alone: positions, from one tile of a row of input points to the same tile of the next.
// One channel is transformed row after row, all columns at once, and has an unused tile a row.
inline int row_positions(const ConvShape& s) { return tiles(s) + (s.in_channels == 1); }
constexpr int kMostPlaces = 16;  // tiles whose sums are taken together
// Floats at one point.
inline std::size_t input_point(const ConvShape& s) {
  return std::size_t(s.in_height) * row_positions(s) * s.in_channels + kSlack;
}
inline std::size_t input_scratch(const ConvShape& s) {
  const std::size_t quads = std::size_t(s.in_height) * row_positions(s);
  return points(s) * input_point(s) + (s.in_channels == 1 ? 8 * (quads + 4 * kSlack) : 0);
}
inline std::size_t output_point(const ConvShape& s, int rows) {
  return std::size_t(rows) * tiles(s) * s.out_channels + kSlack;
}

// In two dimensions, one image alone: floats at one point, of so many columns of each row of tiles.
inline std::size_t tile_row_point(const ConvShape& s, int columns, int channels) {
  return std::size_t(tile_rows(s)) * columns * channels + kSlack;
}
// What both layouts need: columns at the points, all points of one of these, the sums there, and
// what comes back from them. In lanes a row of tiles is computed at a time.
inline std::size_t tile_row_scratch(const ConvShape& s, int lanes, int from, int width, int to,
                                    int width_there) {
  if (lanes > 1)
    return lanes * points(s) *
           (point_vectors(1, from, width) + point_vectors(1, from, tiles(s)) +
            point_vectors(1, to, tiles(s)) + point_vectors(1, to, width_there));
  return points(s) * (tile_row_point(s, width, from) + tile_row_point(s, tiles(s), from) +
                      tile_row_point(s, width_there, to));
}

// Floats of the transformed kernel, [point][kernel row][in][out], or [row's point][point][in][out]
// in two dimensions. For the way back it stands there once more, with [out][in], and turned:
// [kernel row, from the last].
inline std::size_t kernel_floats(const ConvShape& s) {
  const int rows = two_dimensional(s) ? points(s) : s.kernel_height;
  return std::size_t(points(s)) * rows * s.in_channels * s.out_channels + kSlack;
}
// Room that transforming it takes: for a kernel, or one whose rows are at the points.
inline std::size_t weights_scratch(const ConvShape& s) {
  const int columns = two_dimensional(s) ? points(s) : s.kernel_width;
  return std::size_t(s.kernel_height) * columns * s.in_channels * s.out_channels;
}

inline std::size_t forward_scratch(const ConvShape& s, int lanes) {
  if (two_dimensional(s))
    return tile_row_scratch(s, lanes, s.in_channels, s.in_width, s.out_channels, tile_outputs(s));
  if (lanes > 1) return product_scratch(s, s.in_channels, s.out_channels) * lanes;
  return input_scratch(s);
}
inline std::size_t backward_input_scratch(const ConvShape& s, int lanes) {
  if (two_dimensional(s))
    return tile_row_scratch(s, lanes, s.out_channels, s.out_width, s.in_channels, tile_inputs(s));
  const std::size_t n = points(s), columns = tile_outputs(s) + n;
  if (lanes > 1) return (product_scratch(s, s.out_channels, s.in_channels) + columns) * lanes;
  const int rows = s.out_height + 2 * (s.kernel_height - 1);
  const int together = tiles(s) < kMostPlaces ? kMostPlaces / tiles(s) : 1;
  return n * output_point(s, rows) + together * columns * (s.in_channels + kSlack);
}
inline std::size_t backward_kernel_scratch(const ConvShape& s, int lanes) {
  const std::size_t n = points(s);
  if (lanes > 1)
    return lanes * n *
           (point_vectors(s.in_height, s.in_channels, tiles(s)) +
            point_vectors(gradient_rows(s), kGradientChannels, tiles(s)) +
            std::size_t(s.kernel_height) * s.in_channels * kGradientChannels);
  return input_scratch(s) + n * output_point(s, s.out_height);
}
// The same in two dimensions: columns at the points, and all points of one of these; in lanes, of
// dy for as many channels as a vector has floats at most.
inline std::size_t kernel_points_scratch(const ConvShape& s, int lanes) {
  const int rows = tile_rows(s), in = s.in_channels, out = s.out_channels;
  if (lanes > 1)
    return lanes * points(s) *
           (point_vectors(rows, in, s.in_width) + point_vectors(rows, out, s.out_width) +
            point_vectors(rows, in, tiles(s)) + point_vectors(rows, lanes, tiles(s)));
  return points(s) * (tile_row_point(s, s.in_width, in) + tile_row_point(s, s.out_width, out) +
                      tile_row_point(s, tiles(s), in) + tile_row_point(s, tiles(s), out));
}

}  // namespace cook_toom
}  // namespace
}  // namespace pylenet
