// Convolution and dense steps in lanes: a word is a vector, four bytes of each image's.
#pragma once

#include "kernels/int8/int8.h"
#include "kernels/int8/vec.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace int8 {
namespace lanes {

constexpr int kConvTile = 2;    // output channels whose sums are in registers
constexpr int kDenseTile = 12;  // as many divide 120, 84 and 12
constexpr int kColumns = kLanes == 16 ? 4 : 2;

// Bytes `bytes` of a, then of b, as a word: 0 < bytes < 4 of them fall away in front.
inline vec funnel(vec a, vec b, int bytes) {
  return vec(uvec(a) >> (8 * bytes)) | vec(uvec(b) << (32 - 8 * bytes));
}

// Versions 1 and above of a row, from its first one.
inline void shift_versions(std::uint8_t* rows, int row, const Int8Rows& shape) {
  const auto at = [&](int version, int word) {
    return rows + (std::size_t(version * shape.rows + row) * shape.words + word) * sizeof(vec);
  };
  for (int v = 1; v < shape.versions; v++)
    for (int j = 0; j + 1 < shape.words; j++)
      store(at(v, j), funnel(load(at(0, j)), load(at(0, j + 1)), v * shape.step));
}

void rows_from_bytes(std::uint8_t* rows, const std::uint8_t* x, Int8Shape in,
                     const Int8Rows& shape) {
  const int bytes = in.width * in.channels, left = shape.left * in.channels;
  for (int row = 0; row < shape.rows; row++) {
    const int from = row - shape.top;
    const bool inside = from >= 0 && from < in.height;
    const std::uint8_t* own = x + std::size_t(inside ? from : 0) * bytes * kLanes;
    std::uint8_t* to = rows + std::size_t(row) * shape.words * sizeof(vec);
    const auto byte = [&](int b) {
      return inside && b >= 0 && b < bytes ? load_bytes(own + std::size_t(b) * kLanes)
                                           : splat(shape.zero);
    };
    for (int j = 0; j < shape.words; j++) {
      const int b = 4 * j - left;
      vec word;
      if (inside && b >= 0 && b + 4 <= bytes) {
        const std::uint8_t* p = own + std::size_t(b) * kLanes;
        word = load_bytes(p) | load_bytes(p + kLanes) << 8 | load_bytes(p + 2 * kLanes) << 16 |
               load_bytes(p + 3 * kLanes) << 24;
      } else {
        word = byte(b) | byte(b + 1) << 8 | byte(b + 2) << 16 | byte(b + 3) << 24;
      }
      store(to + j * sizeof(vec), word);
    }
    shift_versions(rows, row, shape);
  }
}

// kLanes words of each image, the first at byte `at`, of which there are `size`.
inline void words_of_images(std::uint8_t* to, const std::uint8_t* images, std::size_t image_bytes,
                            int count, int at, int size) {
  const int bytes = size - at < int(sizeof(vec)) ? size - at : int(sizeof(vec));
  pylenet::vec block[kLanes];
  for (int l = 0; l < kLanes; l++) {
    const std::uint8_t* p = images + std::size_t(l < count ? l : count - 1) * image_bytes + at;
    block[l] = pylenet::vec{};
    if (bytes == int(sizeof(vec)))
      std::memcpy(&block[l], p, sizeof(vec));
    else
      std::memcpy(&block[l], p, bytes);
  }
  transpose(block);
  for (int j = 0; 4 * j < bytes; j++) std::memcpy(to + j * sizeof(vec), &block[j], sizeof(vec));
}

void rows_from_images(std::uint8_t* rows, const std::uint8_t* images, std::size_t image_bytes,
                      int count, Int8Shape in, const Int8Rows& shape) {
  const int bytes = in.width * in.channels, left = shape.left * in.channels;
  for (int row = 0; row < shape.rows; row++) {
    const int from = row - shape.top;
    std::uint8_t* to = rows + std::size_t(row) * shape.words * sizeof(vec);
    if (from < 0 || from >= in.height || left % 4 != 0) {
      for (int j = 0; j < shape.words; j++)
        store(to + j * sizeof(vec), splat(std::int32_t(std::uint32_t(shape.zero) * 0x01010101u)));
    }
    if (from >= 0 && from < in.height) {
      const std::uint8_t* own = images + std::size_t(from) * bytes;
      if (left == 0 && shape.bytes == bytes && bytes % 4 == 0) {
        for (int at = 0; at < bytes; at += int(sizeof(vec)))
          words_of_images(to + std::size_t(at) / 4 * sizeof(vec), own, image_bytes, count, at,
                          bytes);
      } else {
        for (int l = 0; l < kLanes; l++) {
          const std::uint8_t* p = own + std::size_t(l < count ? l : count - 1) * image_bytes;
          for (int b = 0; b < 4 * shape.words; b++) {
            const int place = b - left;
            to[(b / 4 * kLanes + l) * 4 + b % 4] =
                place >= 0 && place < bytes ? p[place] : std::uint8_t(shape.zero);
          }
        }
      }
    }
    shift_versions(rows, row, shape);
  }
}

void bytes_from_images(std::uint8_t* y, const std::uint8_t* images, std::size_t image_bytes,
                       int count, std::size_t values) {
  for (std::size_t i = 0; i < values; i++)
    for (int l = 0; l < kLanes; l++)
      y[i * kLanes + l] = images[std::size_t(l < count ? l : count - 1) * image_bytes + i];
}

inline void put(void* y, std::size_t value, vec v, bool answer) {
  if (answer)
    store(static_cast<std::int32_t*>(y) + value * kLanes, v);
  else
    store_bytes(static_cast<std::uint8_t*>(y) + value * kLanes, v);
}

// Adds the products of a word of each of kRows x kColumns windows and of kConvTile channels.
// columns: the first row's word of each column; the second row's is `second` vectors behind it.
template <bool kWide, int kRows>
inline void add_word(vec (&sum)[kConvTile][kRows * kColumns], const vec* const* columns,
                     std::size_t at, std::size_t second, const std::int32_t* w, int channels) {
  vec weights[kConvTile][kWeightWords<kWide>];
  PYLENET_INT8_UNROLL
  for (int t = 0; t < kConvTile; t++)
    for (int h = 0; h < kWeightWords<kWide>; h++) weights[t][h] = splat(w[h * channels + t]);
  PYLENET_INT8_UNROLL
  for (int k = 0; k < kRows * kColumns; k++) {
    const Word<kWide> x(columns[k % kColumns][at + (k / kColumns) * second]);
    PYLENET_INT8_UNROLL
    for (int t = 0; t < kConvTile; t++) sum[t][k] = dot(sum[t][k], x, weights[t]);
  }
}

// kRows x kColumns sums of kConvTile channels, from channel o on. columns: the first word of each
// column's window in its first row, down: likewise of its words of four rows.
template <bool kWide, int kRows>
inline void sums(vec (&sum)[kConvTile][kRows * kColumns], const vec* const* columns,
                 const vec* const* down, const Int8Conv& conv, int o) {
  const int channels = conv.padded_channels, step = kWeightWords<kWide> * channels;
  const std::size_t row_vecs = conv.rows.words;
  const std::int32_t* w = conv.weights + o;
  PYLENET_INT8_UNROLL
  for (int t = 0; t < kConvTile; t++) {
    const vec bias = splat(conv.end.bias[o + t]);
    PYLENET_INT8_UNROLL
    for (int k = 0; k < kRows * kColumns; k++) sum[t][k] = bias;
  }
  PYLENET_INT8_ROLLED
  for (int u = 0; u < conv.window_rows; u++) {
    PYLENET_INT8_ROLLED
    for (int word = 0; word < conv.window_words; word++, w += step)
      add_word<kWide, kRows>(sum, columns, u * row_vecs + word, conv.stride_rows * row_vecs, w,
                             channels);
  }
  const std::size_t width = conv.out.width;
  PYLENET_INT8_ROLLED
  for (int word = 0; word < conv.columns_words; word++, w += step)
    add_word<kWide, kRows>(sum, down, 4 * word * width, conv.stride_rows * width, w, channels);
}

// For each row of the image and each column of the output, the byte behind the whole words of the
// window's row, in this row and the three below.
inline void make_columns(vec* down, const vec* words, const Int8Conv& conv) {
  const Int8Rows& rows = conv.rows;
  for (int j = 0; j < conv.out.width; j++) {
    const int byte = j * conv.stride_bytes;
    const vec* from = words + std::size_t(byte % 4 / rows.step) * rows.rows * rows.words +
                      byte / 4 + conv.window_words;
    vec v{};
    for (int row = -3; row < rows.rows; row++) {
      const int below = row + 3;
      v = vec(uvec(v) >> 8);
      if (below < rows.rows) v |= vec(uvec(from[std::size_t(below) * rows.words]) << 24);
      if (row >= 0) down[std::size_t(row) * conv.out.width + j] = v;
    }
  }
}

template <bool kWide, int kRows>
void convolve(void* y, std::uint8_t* rows, const Int8Conv& conv, bool answer) {
  const End end(conv.end);
  const auto* words = reinterpret_cast<const vec*>(rows);
  const std::size_t row_vecs = conv.rows.words;
  auto* down =
      reinterpret_cast<vec*>(rows) + std::size_t(conv.rows.versions) * conv.rows.rows * row_vecs;
  if (conv.columns_words) make_columns(down, words, conv);
  const int width = kRows == 2 ? conv.out.width / 2 * 2 : conv.out.width;
  for (int i = 0; i + kRows <= conv.out.height; i += kRows)
    for (int j = 0; j < width; j += kColumns) {
      const vec *columns[kColumns], *own_down[kColumns];
      for (int k = 0; k < kColumns; k++) {
        const int column = j + k < width ? j + k : width - 1, byte = column * conv.stride_bytes;
        own_down[k] = down + std::size_t(i) * conv.stride_rows * conv.out.width + column;
        const int version = byte % 4 / conv.rows.step;
        columns[k] = words +
                     (std::size_t(version) * conv.rows.rows + i * conv.stride_rows) * row_vecs +
                     byte / 4;
      }
      for (int o = 0; o < conv.out.channels; o += kConvTile) {
        vec sum[kConvTile][kRows * kColumns];
        sums<kWide, kRows>(sum, columns, own_down, conv, o);
        for (int t = 0; t < kConvTile && o + t < conv.out.channels; t++) {
          const vec multiplier = splat(conv.end.multiplier[o + t]);
          if constexpr (kRows == 2) {
            for (int k = 0; k < kColumns && j + k < width; k += 2) {
              const vec most = larger(larger(sum[t][k], sum[t][k + 1]),
                                      larger(sum[t][kColumns + k], sum[t][kColumns + k + 1]));
              const std::size_t place = std::size_t(i / 2) * (width / 2) + (j + k) / 2;
              put(y, place * conv.out.channels + o + t, end(most, multiplier), answer);
            }
          } else {
            for (int k = 0; k < kColumns && j + k < width; k++) {
              const std::size_t place = std::size_t(i) * width + j + k;
              put(y, place * conv.out.channels + o + t, end(sum[t][k], multiplier), answer);
            }
          }
        }
      }
    }
}

void conv2d(void* y, std::uint8_t* rows, const Int8Conv& conv, bool answer) {
  const bool wide = kTop < 0 || conv.wide;
  if (conv.pooled)
    wide ? convolve<true, 2>(y, rows, conv, answer) : convolve < kTop<0, 2>(y, rows, conv, answer);
  else
    wide ? convolve<true, 1>(y, rows, conv, answer) : convolve < kTop<0, 1>(y, rows, conv, answer);
}

template <bool kWide>
void contract(void* y, const std::uint8_t* rows, const Int8Conv& conv, bool answer) {
  constexpr int words = kWeightWords<kWide>;
  const End end(conv.end);
  const auto* x = reinterpret_cast<const vec*>(rows);
  for (int o = 0; o < conv.out.channels; o += kDenseTile) {
    vec sum[kDenseTile];
    PYLENET_INT8_UNROLL
    for (int t = 0; t < kDenseTile; t++) sum[t] = splat(conv.end.bias[o + t]);
    const std::int32_t* w = conv.weights + o;
    PYLENET_INT8_ROLLED
    for (int word = 0; word < conv.window_words; word++) {
      const Word<kWide> own(x[word]);
      PYLENET_INT8_UNROLL
      for (int t = 0; t < kDenseTile; t++) {
        vec weights[words];
        for (int h = 0; h < words; h++) weights[h] = splat(w[h * conv.padded_channels + t]);
        sum[t] = dot(sum[t], own, weights);
      }
      w += words * conv.padded_channels;
    }
    for (int t = 0; t < kDenseTile && o + t < conv.out.channels; t++)
      put(y, o + t, end(sum[t], splat(conv.end.multiplier[o + t])), answer);
  }
}

void dense(void* y, const std::uint8_t* rows, const Int8Conv& conv, bool answer) {
  if (kTop < 0 || conv.wide) return contract<true>(y, rows, conv, answer);
  contract < kTop<0>(y, rows, conv, answer);
}

}  // namespace lanes
}  // namespace int8
}  // namespace
}  // namespace pylenet
