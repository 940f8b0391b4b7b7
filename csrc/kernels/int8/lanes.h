// Convolution and dense steps in lanes: a word is a vector, a few values of each image's.
#pragma once

#include "kernels/int8/int8.h"
#include "kernels/int8/vec.h"
#include "kernels/int8/windows.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace int8 {
namespace lanes {

constexpr int kColumns = kLanes == 16 ? 4 : 2;
constexpr int kChannels = kLanes == 16 ? 4 : 2;  // weights are padded to a multiple
constexpr int kDenseTile = 12;                   // as many divide 120, 84 and 12

// One row's words, of the bytes that a step gave.
template <bool kWide>
void make_row(std::uint8_t* rows, const std::uint8_t* x, const Int8Conv& conv, int row) {
  constexpr int values = kValues<kWide>;
  const Int8Rows& shape = conv.rows;
  const int size = conv.in.width * conv.in.channels, left = shape.left * conv.in.channels;
  const int from = row - shape.top;
  const bool inside = from >= 0 && from < conv.in.height;
  const std::uint8_t* own = x + std::size_t(inside ? from : 0) * size * kLanes;
  auto* words = reinterpret_cast<std::int32_t*>(rows);
  std::int32_t* to = words + std::size_t(row % shape.kept) * conv.row_step;
  for (int place = 0; place < shape.places; place++) {
    const int first = place * shape.step - left;
    std::uint8_t bytes[values * kLanes];
    const std::uint8_t* p = own + std::ptrdiff_t(first) * kLanes;
    if (!inside || first < 0 || first + values > size) {
      std::memset(bytes, shape.zero, sizeof bytes);
      for (int v = 0; v < values; v++)
        if (inside && first + v >= 0 && first + v < size)
          std::memcpy(bytes + v * kLanes, p + v * kLanes, kLanes);
      p = bytes;
    }
    store(to + place * kLanes, word_at<kWide>(p));
  }
  if (!conv.down_words) return;
  std::int32_t* down = to + std::size_t(shape.kept) * conv.row_step;
  const std::int32_t* above = down + (row % shape.kept ? -1 : shape.kept - 1) * conv.row_step;
  for (int j = 0; j < conv.columns; j++) {
    const std::size_t at = std::size_t(j) * conv.column_step;
    store(down + at,
          down_word<kWide>(load(to + at + conv.last_value), row ? load(above + at) : vec{}));
  }
}

void bytes_from_images(std::uint8_t* y, const std::uint8_t* images, std::size_t image_bytes,
                       int count, std::size_t values) {
  for (std::size_t at = 0; at < values; at += sizeof(vec)) {
    const std::size_t left = values - at, bytes = left < sizeof(vec) ? left : sizeof(vec);
    pylenet::vec block[kLanes];
    for (int l = 0; l < kLanes; l++) {
      const std::uint8_t* p = images + std::size_t(l < count ? l : count - 1) * image_bytes + at;
      block[l] = pylenet::vec{};
      if (bytes == sizeof(vec))
        std::memcpy(&block[l], p, sizeof(vec));
      else
        std::memcpy(&block[l], p, bytes);
    }
    transpose(block);
    for (std::size_t j = 0; 4 * j < bytes; j++)
      store(y + (at + 4 * j) * kLanes, parted(load(&block[j])));
  }
}

// The first `tile` of kTile values, where one behind the other lies.
template <int kTile>
inline void put(void* y, std::size_t value, const vec (&v)[4], const End& end, int tile,
                bool answer) {
  if (answer) {
    auto* to = static_cast<std::int32_t*>(y) + value * kLanes;
    for (int t = 0; t < tile; t++) store(to + t * kLanes, end.cut(v[t]));
    return;
  }
  const vec all = in_rows(end.bytes_of(v));
  std::uint8_t* to = static_cast<std::uint8_t*>(y) + value * kLanes;
  if (tile == kTile)
    std::memcpy(to, &all, kTile * kLanes);
  else
    std::memcpy(to, &all, tile * kLanes);
}

// Two rows of kWidth columns of kTile channels at a time.
template <bool kWide, int kTile, int kWidth>
void convolve(void* y, std::uint8_t* rows, const std::uint8_t* x, const Int8Conv& conv,
              bool answer) {
  const Ends ends(conv);
  const bool pooled = conv.pooled != Int8Pooled::kNot,
             average = conv.pooled == Int8Pooled::kAverage;
  const int halving = pooled ? 2 : 1, channels = conv.out.channels;
  const int height = conv.out.height / halving, width = conv.out.width / halving;
  int made = 0;  // rows, each when it is needed, so that it is in the first-level cache then
  for (int i = 0; i < height * halving; i += 2) {
    while (made < (i + 1) * conv.stride_rows + conv.window_rows)
      make_row<kWide>(rows, x, conv, made++);
    for (int j = 0; j < width * halving; j += kWidth) {
      const Part part = Part::of(kWidth, pooled, i, j, height, width);
      std::size_t first = (std::size_t(part.row) * width + part.column) * channels;
      for (int o = 0; o < channels; o += kTile, first += kTile) {
        vec kept[kTile][2 * kWidth];
        window_sums<kWide, kTile, kWidth>(kept, rows, conv, i, j, o);
        vec multiplier[kTile];
        PYLENET_INT8_UNROLL
        for (int t = 0; t < kTile; t++) multiplier[t] = splat(conv.end.multiplier[o + t]);
        const int tile = channels - o < kTile ? channels - o : kTile;
        for (int r = 0; r < part.rows; r++) {
          PYLENET_INT8_ROLLED
          for (int k = 0; k < part.columns; k++) {
            vec v[4]{};
            if (average) {
              PYLENET_INT8_ROLLED
              for (int t = 0; t < kTile; t++)
                v[t] = ends.averaged<false, kWidth>(kept[t], multiplier[t], 2 * k);
            } else {
              PYLENET_INT8_UNROLL
              for (int t = 0; t < kTile; t++)
                v[t] = ends.end.uncut(kept[t][r * kWidth + k], multiplier[t]);
            }
            put<kTile>(y, first + (r * width + k) * channels, v, ends.last(), tile, answer);
          }
        }
      }
    }
  }
}

void conv2d(void* y, std::uint8_t* rows, const std::uint8_t* x, const Int8Conv& conv, bool answer) {
  choose(conv.rows.wide, [&](auto wide) {
    const int channels = conv.out.channels;
    if (kLanes == 16 && channels % 4 == 0)
      convolve<wide, kChannels, 2>(y, rows, x, conv, answer);
    else if (kLanes == 16 && channels % 3 == 0)
      convolve<wide, kLanes == 16 ? 3 : 2, kColumns>(y, rows, x, conv, answer);
    else
      convolve<wide, 2, kColumns>(y, rows, x, conv, answer);
  });
}

template <bool kWide>
void contract(void* y, std::uint8_t* rows, const std::uint8_t* bytes, const Int8Conv& conv,
              bool answer) {
  const End end(conv.end);
  make_row<kWide>(rows, bytes, conv, 0);
  const auto* x = reinterpret_cast<const vec*>(rows);
  for (int o = 0; o < conv.out.channels; o += kDenseTile) {
    vec sum[kDenseTile];
    PYLENET_INT8_UNROLL
    for (int t = 0; t < kDenseTile; t++) sum[t] = splat(conv.end.bias[o + t]);
    const std::int32_t* w = conv.weights + o;
    PYLENET_INT8_ROLLED
    for (int word = 0; word < conv.words; word++, w += conv.padded_channels) {
      const vec own = x[word];
      PYLENET_INT8_UNROLL
      for (int t = 0; t < kDenseTile; t++) sum[t] = dot<kWide>(sum[t], own, splat(w[t]));
    }
    PYLENET_INT8_UNROLL
    for (int t = 0; t < kDenseTile; t += 4) {
      const int left = conv.out.channels - o - t;
      if (left <= 0) break;
      vec v[4];
      PYLENET_INT8_UNROLL
      for (int k = 0; k < 4; k++)
        v[k] = end.uncut(sum[t + k], splat(conv.end.multiplier[o + t + k]));
      put<4>(y, o + t, v, end, left < 4 ? left : 4, answer);
    }
  }
}

void dense(void* y, std::uint8_t* rows, const std::uint8_t* x, const Int8Conv& conv, bool answer) {
  choose(conv.rows.wide, [&](auto wide) { contract<wide>(y, rows, x, conv, answer); });
}

}  // namespace lanes
}  // namespace int8
}  // namespace
}  // namespace pylenet
