// Convolution and dense steps of one image alone: the lanes hold output channels, and a word of the
// image is in all of them.
#pragma once

#include "kernels/int8/int8.h"
#include "kernels/int8/vec.h"

namespace pylenet {
namespace {
namespace int8 {
namespace single {

constexpr int kColumns = 4;
constexpr int kVectors = 8;  // of a dense step's sums

void rows_from_bytes(std::uint8_t* rows, const std::uint8_t* x, Int8Shape in,
                     const Int8Rows& shape) {
  const std::size_t bytes = std::size_t(in.width) * in.channels;
  std::memset(rows, shape.zero, std::size_t(shape.rows) * shape.bytes);
  for (int row = 0; row < in.height; row++)
    std::memcpy(rows + std::size_t(shape.top + row) * shape.bytes + shape.left * in.channels,
                x + row * bytes, bytes);
}

void rows_from_images(std::uint8_t* rows, const std::uint8_t* images, std::size_t, int,
                      Int8Shape in, const Int8Rows& shape) {
  const std::size_t bytes = std::size_t(in.width) * in.channels;
  if (std::size_t(shape.bytes) == bytes && shape.rows == in.height)
    std::memcpy(rows, images, bytes * in.height);
  else
    rows_from_bytes(rows, images, in, shape);
}

void bytes_from_images(std::uint8_t* y, const std::uint8_t* images, std::size_t, int,
                       std::size_t values) {
  std::memcpy(y, images, values);
}

// The first n lanes, more where nothing lies there yet.
inline void put(void* y, std::size_t value, vec v, bool answer, int n, bool room) {
  if (answer) {
    std::int32_t* to = static_cast<std::int32_t*>(y) + value;
    if (n >= kLanes || room)
      store(to, v);
    else
      std::memcpy(to, &v, n * sizeof(std::int32_t));
    return;
  }
  std::uint8_t* to = static_cast<std::uint8_t*>(y) + value;
  if (n >= kLanes || room) return store_bytes(to, v);
  std::uint8_t bytes[kLanes];
  store_bytes(bytes, v);
  std::memcpy(to, bytes, n);
}

template <bool kWide, int kRows>
void convolve(void* y, const std::uint8_t* rows, const Int8Conv& conv, bool answer) {
  constexpr int words = kWeightWords<kWide>;
  const End end(conv.end);
  const std::size_t second = std::size_t(conv.stride_rows) * conv.rows.bytes;
  const int channels = conv.padded_channels;
  const int width = kRows == 2 ? conv.out.width / 2 * 2 : conv.out.width;
  const bool room = conv.out.channels <= kLanes;
  for (int i = 0; i + kRows <= conv.out.height; i += kRows)
    for (int j = 0; j < width; j += kColumns)
      for (int o = 0; o < conv.out.channels; o += kLanes) {
        const std::uint8_t* columns[kColumns];
        for (int k = 0; k < kColumns; k++)
          columns[k] = rows + i * second + (j + k < width ? j + k : width - 1) * conv.stride_bytes;
        vec sum[kRows * kColumns];
        PYLENET_INT8_UNROLL
        for (int k = 0; k < kRows * kColumns; k++) sum[k] = load(conv.end.bias + o);
        const std::int32_t* w = conv.weights + o;
        PYLENET_INT8_ROLLED
        for (int u = 0; u < conv.window_rows; u++) {
          PYLENET_INT8_ROLLED
          for (int word = 0; word < conv.window_words; word++) {
            const std::size_t at = std::size_t(u) * conv.rows.bytes + 4 * word;
            vec weights[words];
            for (int h = 0; h < words; h++) weights[h] = load(w + h * channels);
            PYLENET_INT8_UNROLL
            for (int k = 0; k < kRows * kColumns; k++) {
              const std::uint8_t* p = columns[k % kColumns] + at + (k / kColumns) * second;
              sum[k] = dot(sum[k], Word<kWide>(splat_word(p)), weights);
            }
            w += words * channels;
          }
        }
        const vec multiplier = load(conv.end.multiplier + o);
        const int n = conv.out.channels - o;
        if constexpr (kRows == 2) {
          for (int k = 0; k < kColumns && j + k < width; k += 2) {
            const vec most = larger(larger(sum[k], sum[k + 1]),
                                    larger(sum[kColumns + k], sum[kColumns + k + 1]));
            const std::size_t place = std::size_t(i / 2) * (width / 2) + (j + k) / 2;
            put(y, place * conv.out.channels + o, end(most, multiplier), answer, n, room);
          }
        } else {
          for (int k = 0; k < kColumns && j + k < width; k++) {
            const std::size_t place = std::size_t(i) * width + j + k;
            put(y, place * conv.out.channels + o, end(sum[k], multiplier), answer, n, room);
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

template <bool kWide, int N>
void contract(void* y, const std::uint8_t* x, const Int8Conv& conv, bool answer, int o) {
  constexpr int words = kWeightWords<kWide>;
  const End end(conv.end);
  vec sum[N];
  PYLENET_INT8_UNROLL
  for (int t = 0; t < N; t++) sum[t] = load(conv.end.bias + o + t * kLanes);
  const std::int32_t* w = conv.weights + o;
  PYLENET_INT8_ROLLED
  for (int word = 0; word < conv.window_words; word++) {
    const Word<kWide> own(splat_word(x + 4 * word));
    PYLENET_INT8_UNROLL
    for (int t = 0; t < N; t++) {
      vec weights[words];
      for (int h = 0; h < words; h++) weights[h] = load(w + h * conv.padded_channels + t * kLanes);
      sum[t] = dot(sum[t], own, weights);
    }
    w += words * conv.padded_channels;
  }
  for (int t = 0; t < N; t++) {
    const int first = o + t * kLanes;
    const vec multiplier = load(conv.end.multiplier + first);
    put(y, first, end(sum[t], multiplier), answer, conv.out.channels - first, true);
  }
}

template <bool kWide>
void contract_all(void* y, const std::uint8_t* x, const Int8Conv& conv, bool answer) {
  int o = 0;
  const auto left = [&] { return (conv.out.channels - o + kLanes - 1) / kLanes; };
  for (; left() >= kVectors; o += kVectors * kLanes)
    contract<kWide, kVectors>(y, x, conv, answer, o);
  for (; left() >= 2; o += 2 * kLanes) contract<kWide, 2>(y, x, conv, answer, o);
  if (left() == 1) contract<kWide, 1>(y, x, conv, answer, o);
}

void dense(void* y, const std::uint8_t* rows, const Int8Conv& conv, bool answer) {
  if (kTop < 0 || conv.wide) return contract_all<true>(y, rows, conv, answer);
  contract_all < kTop<0>(y, rows, conv, answer);
}

}  // namespace single
}  // namespace int8
}  // namespace
}  // namespace pylenet
