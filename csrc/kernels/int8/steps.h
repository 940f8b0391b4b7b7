// The steps without weights, and the one with a factor for each channel: one text for both layouts.
// kMany: in lanes, else one image.
#pragma once

#include "kernels/int8/int8.h"
#include "kernels/int8/vec.h"

namespace pylenet {
namespace {
namespace int8 {

// Calls f(output place, row, rows, column, columns) for each window: its cells inside.
template <class F>
inline void for_each_window(const Int8Pool& p, F f) {
  const auto clipped = [](int at, int window, int size, int* first, int* count) {
    *first = at < 0 ? 0 : at;
    *count = (at + window < size ? at + window : size) - *first;
  };
  for (int i = 0; i < p.out.height; i++)
    for (int j = 0; j < p.out.width; j++) {
      int row, rows, column, columns;
      clipped(i * p.stride_rows - p.top, p.window_rows, p.in.height, &row, &rows);
      clipped(j * p.stride_columns - p.left, p.window_columns, p.in.width, &column, &columns);
      f(std::size_t(i) * p.out.width + j, row, rows, column, columns);
    }
}

template <bool kMany>
inline std::size_t inner(const Int8Shape& shape) {
  return std::size_t(shape.channels) * (kMany ? kLanes : 1);
}

template <bool kMany>
void max_pool2d(std::uint8_t* y, const std::uint8_t* x, const Int8Pool& pool) {
  const std::size_t size = inner<kMany>(pool.in);
  for_each_window(pool, [&](std::size_t place, int row, int rows, int column, int columns) {
    std::uint8_t* to = y + place * size;
    for (int u = 0; u < rows; u++)
      for (int v = 0; v < columns; v++) {
        const std::uint8_t* from = x + (std::size_t(row + u) * pool.in.width + column + v) * size;
        if (u + v == 0)
          std::memcpy(to, from, size);
        else
          for (std::size_t k = 0; k < size; k++) to[k] = from[k] > to[k] ? from[k] : to[k];
      }
  });
}

// Of kLanes values from `value` on; what comes behind them is written later.
inline void put_next(void* y, std::size_t value, vec v, bool answer) {
  if (answer)
    store(static_cast<std::int32_t*>(y) + value, v);
  else
    store_bytes(static_cast<std::uint8_t*>(y) + value, v);
}

template <bool kMany>
void average_pool2d(void* y, const std::uint8_t* x, const Int8Pool& pool, bool answer) {
  const End end(pool.end);
  const std::size_t size = inner<kMany>(pool.in);
  for_each_window(pool, [&](std::size_t place, int row, int rows, int column, int columns) {
    const vec multiplier = splat(pool.multiplier[place]);
    for (std::size_t k = 0; k < size; k += kLanes) {
      vec sum = splat(-rows * columns * pool.zero);
      for (int u = 0; u < rows; u++)
        for (int v = 0; v < columns; v++)
          sum += load_bytes(x + (std::size_t(row + u) * pool.in.width + column + v) * size + k);
      put_next(y, place * size + k, end(sum, multiplier), answer);
    }
  });
}

template <bool kMany>
void affine(void* y, const std::uint8_t* x, const Int8Affine& affine, bool answer) {
  const End end(affine.end);
  const int channels = affine.shape.channels;
  const std::size_t places = std::size_t(affine.shape.height) * affine.shape.width;
  for (std::size_t place = 0; place < places; place++)
    for (int c = 0; c < channels; c += kMany ? 1 : kLanes) {
      const std::size_t value = (place * channels + c) * (kMany ? kLanes : 1);
      const std::int32_t *m = affine.end.multiplier + c, *b = affine.end.bias + c;
      const vec v = load_bytes(x + value) - affine.zero;
      const vec sum = kMany ? v * splat(*m) + splat(*b) : v * load(m) + load(b);
      put_next(y, value, end.shifted(sum), answer);
    }
}

template <bool kMany>
void zero_padding2d(std::uint8_t* y, const std::uint8_t* x, const Int8Padding& padding) {
  const std::size_t size = inner<kMany>(padding.in), row = padding.in.width * size;
  std::memset(y, padding.zero, std::size_t(padding.out.height) * padding.out.width * size);
  for (int i = 0; i < padding.in.height; i++)
    std::memcpy(y + (std::size_t(padding.top + i) * padding.out.width + padding.left) * size,
                x + i * row, row);
}

}  // namespace int8
}  // namespace
}  // namespace pylenet
