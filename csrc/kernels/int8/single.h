// Convolution and dense steps of one image alone. The lanes hold output channels, and a word of the
// image is in all of them; or, where they are few, columns of the output.
#pragma once

#include "kernels/int8/int8.h"
#include "kernels/int8/vec.h"
#include "kernels/int8/windows.h"

namespace pylenet {
namespace {
namespace int8 {
namespace single {

// Sums of a tile: 16 of a convolution in 32 registers, 8 in 16; of a dense step.
#if defined(__AVX512VNNI__) || defined(__aarch64__)
constexpr int kColumns = 8;
#else
constexpr int kColumns = 4;
#endif
constexpr int kSums = 8;
constexpr int kColumnsTile = 6;  // channels, with columns in lanes

// Lane j: the word of the values from p + j on.
template <bool kWide>
inline vec neighbours(const std::uint8_t* p) {
#if defined(__AVX512VNNI__)
  const __m512i words = _mm512_setr_epi32(0, 1, 0, 0, 1, 2, 0, 0, 2, 3, 0, 0, 3, 4, 0, 0);
  const __m128i bytes = _mm_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6);
  const __m512i own = _mm512_maskz_permutexvar_epi32(0xffff, words, _mm512_loadu_si512(p));
  return vec(_mm512_shuffle_epi8(own, _mm512_maskz_broadcast_i32x4(0xffff, bytes)));
#elif defined(__AVX2__)
  const __m256i own =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  const __m256i bytes =
      kWide ? _mm256_setr_epi8(0, -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3, -1, 4, -1,  //
                               4, -1, 5, -1, 5, -1, 6, -1, 6, -1, 7, -1, 7, -1, 8, -1)
            : _mm256_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6,  //
                               4, 5, 6, 7, 5, 6, 7, 8, 6, 7, 8, 9, 7, 8, 9, 10);
  return vec(_mm256_shuffle_epi8(own, bytes));
#else
  static_cast<void>(p);
  return vec{};  // never: four lanes hold channels
#endif
}

template <bool kWide>
void make_words(std::uint8_t* rows, const std::uint8_t* x, const Int8Conv& conv) {
  const std::size_t size = std::size_t(conv.rows.rows) * conv.row_step;
  auto* words = reinterpret_cast<std::int32_t*>(rows);
  for (int place = 0; place < conv.rows.places; place += kLanes) {
    const bool down = conv.down_words && place < conv.columns * kLanes;
    const std::uint8_t* own = x + place;
    std::int32_t* to = words + place;
    vec above{};
    for (int row = 0; row < conv.rows.rows; row++, own += conv.rows.values, to += conv.row_step) {
      store(to, neighbours<kWide>(own));
      if (!down) continue;
      above = down_word<kWide>(neighbours<kWide>(own + conv.last_value), above);
      store(to + size, above);
    }
  }
}

// What a step reads: the bytes as they are, or in `rows` bytes or words with their padding.
const std::uint8_t* made(std::uint8_t* rows, const std::uint8_t* x, const Int8Conv& conv) {
  const Int8Rows& shape = conv.rows;
  const std::size_t bytes = std::size_t(conv.in.width) * conv.in.channels;
  const std::size_t size = std::size_t(shape.rows) * shape.values;
  if (shape.rows != conv.in.height || std::size_t(shape.values) != bytes) {
    std::uint8_t* padded = rows;
    if (conv.columns_in_lanes)
      padded += std::size_t(shape.rows) * conv.row_step * 8;
    else if (shape.wide)
      padded += 2 * size;
    std::memset(padded, shape.zero, size);
    for (int row = 0; row < conv.in.height; row++)
      std::memcpy(
          padded + std::size_t(shape.top + row) * shape.values + shape.left * conv.in.channels,
          x + row * bytes, bytes);
    x = padded;
  }
  if (conv.columns_in_lanes) {
    choose(shape.wide, [&](auto wide) { make_words<wide>(rows, x, conv); });
  } else if (shape.wide) {
    auto* to = reinterpret_cast<std::uint16_t*>(rows);
    for (std::size_t k = 0; k < size; k++) to[k] = x[k];
  } else if (kOffset) {
    for (std::size_t k = 0; k < size; k++) rows[k] = x[k] ^ kOffset;
  } else {
    return x;
  }
  return rows;
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

// Channels in lanes, from o on: the sums of rows i and i + 1, kColumns columns. x: the first one's.
template <bool kWide>
[[gnu::noinline]] void channel_sums(vec (&kept)[2 * kColumns], const std::uint8_t* x,
                                    const Int8Conv& conv, int i, int o) {
  const std::size_t column = std::size_t(conv.stride_values) * (kWide ? 2 : 1);
  vec sum[2][kColumns];
  PYLENET_INT8_UNROLL
  for (int k = 0; k < 2 * kColumns; k++) sum[k / kColumns][k % kColumns] = load(conv.end.bias + o);
  const std::int32_t* w = conv.weights + o;
  const std::ptrdiff_t* offset = conv.offsets + std::size_t(i) * conv.words;
  PYLENET_INT8_ROLLED
  for (int word = 0; word < conv.words; word++, w += conv.padded_channels) {
    const std::uint8_t* at[2] = {x + offset[word], x + offset[conv.words + word]};
    const vec weights = load(w);
    PYLENET_INT8_UNROLL
    for (int r = 0; r < 2; r++) {
      PYLENET_INT8_UNROLL
      for (int k = 0; k < kColumns; k++)
        sum[r][k] = dot<kWide>(sum[r][k], splat_word(at[r] + k * column), weights);
    }
  }
  keep<kColumns>(kept, sum, conv.pooled == Int8Pooled::kLargest);
}

// The last columns of a row are computed again where they are no whole tile; a row has at least
// one.
template <bool kWide>
void convolve(void* y, const std::uint8_t* rows, const Int8Conv& conv, bool answer) {
  const Ends ends(conv);
  const bool pooled = conv.pooled != Int8Pooled::kNot;
  const int halving = pooled ? 2 : 1, channels = conv.out.channels;
  const int height = conv.out.height / halving, width = conv.out.width / halving;
  const bool room = channels <= kLanes;
  const int last = width * halving > kColumns ? width * halving - kColumns : 0;
  for (int i = 0; i < height * halving; i += 2)
    for (int tile = 0; tile < width * halving; tile += kColumns) {
      const int j = tile < last ? tile : last;
      const Part part = Part::of(kColumns, pooled, i, j, height, width);
      for (int o = 0; o < channels; o += kLanes) {
        vec kept[2 * kColumns];
        const std::size_t first = std::size_t(j) * conv.stride_values * (kWide ? 2 : 1);
        channel_sums<kWide>(kept, rows + first, conv, i, o);
        const vec multiplier = load(conv.end.multiplier + o);
        for (int r = 0; r < part.rows; r++) {
          PYLENET_INT8_ROLLED
          for (int k = 0; k < part.columns; k++) {
            const int row = part.row + r, column = part.column + k;
            const vec v = conv.pooled == Int8Pooled::kAverage
                              ? ends.averaged<true, kColumns>(kept, multiplier, 2 * k)
                              : ends.end(kept[r * kColumns + k], multiplier);
            put(y, (std::size_t(row) * width + column) * channels + o, v, answer, channels - o,
                room && (width - column) * channels >= kLanes);
          }
        }
      }
    }
}

// Of two channels with columns in lanes: both of each even column side by side, or of each odd one.
inline vec evens(vec a, vec b) { return vec((upairs(a) & 0xffffffff) | upairs(b) << 32); }
inline vec odds(vec a, vec b) { return vec(upairs(a) >> 32 | upairs(b) >> 32 << 32); }

// Bytes that `narrowed` made of four such pairs of channels, as eight of each column.
inline void store_columns(std::uint64_t* to, vec v) {
#if defined(__AVX2__)
  const __m128i order = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
#if defined(__AVX512VNNI__)
  v = vec(_mm512_shuffle_epi8(__m512i(v), _mm512_maskz_broadcast_i32x4(0xffff, order)));
#else
  v = vec(_mm256_shuffle_epi8(__m256i(v), _mm256_broadcastsi128_si256(order)));
#endif
#endif  // else never: four lanes hold channels
  store(to, v);
}

// n pixels of a row, each in the lowest bytes of eight. left: bytes that may be written; what is
// behind the pixels there is written later.
inline void put_pixels(std::uint8_t* y, const std::uint64_t* pixels, int n, int channels,
                       std::ptrdiff_t left) {
  int whole = n;  // of which eight bytes may be written
  while (whole > 0 && left - (whole - 1) * channels < 8) whole--;
  int k = 0;
  for (; k < whole; k++) std::memcpy(y + k * channels, pixels + k, 8);
  for (; k < n; k++)
    for (int c = 0; c < channels; c++) y[k * channels + c] = pixels[k] >> (8 * c) & 255;
}

// Columns in lanes: two rows of kLanes columns at a time, of eight channels at most.
template <bool kWide>
void convolve_columns(std::uint8_t* y, const std::uint8_t* rows, const Int8Conv& conv) {
  const Ends ends(conv);
  const bool pooled = conv.pooled != Int8Pooled::kNot;
  const int halving = pooled ? 2 : 1, pixels = kLanes / halving, channels = conv.out.channels;
  const int height = conv.out.height / halving, width = conv.out.width / halving;
  vec found[4][4]{};  // of a tile: [row, even columns or odd ones][pair of channels]
  for (int i = 0; i < height * halving; i += 2)
    for (int j = 0; j * pixels < width; j++) {
      for (int o = 0; o < channels; o += kColumnsTile) {
        vec kept[kColumnsTile][2];
        window_sums<kWide, kColumnsTile, 1>(kept, rows, conv, i, j, o);
        const auto multiplier_of = [&](int t) {
          std::uint64_t both;
          std::memcpy(&both, conv.end.multiplier + o + t, sizeof both);
          return vec(upairs{} + both);
        };
        if (conv.pooled == Int8Pooled::kLargest) {  // kept: of both rows already
          PYLENET_INT8_UNROLL
          for (int t = 0; t < kColumnsTile; t += 2) {
            if (o + t >= channels) break;
            const vec largest =
                larger(evens(kept[t][0], kept[t + 1][0]), odds(kept[t][0], kept[t + 1][0]));
            found[0][(o + t) / 2] = ends.end.uncut(largest, multiplier_of(t));
          }
          continue;
        }
        for (int t = 0; t < kColumnsTile && o + t < channels; t += 2) {
          const int pair = (o + t) / 2;
          const vec(&a)[2] = kept[t], (&b)[2] = kept[t + 1];
          const vec sums[] = {evens(a[0], b[0]), odds(a[0], b[0]),  //
                              evens(a[1], b[1]), odds(a[1], b[1])};
          const vec multiplier = multiplier_of(t);
          if (pooled) {
            found[0][pair] = ends.averaged<false>(sums[0], sums[1], sums[2], sums[3], multiplier);
            continue;
          }
          PYLENET_INT8_ROLLED
          for (int k = 0; k < 4; k++) found[k][pair] = ends.end.uncut(sums[k], multiplier);
        }
      }
      const int row = i / halving, first = j * pixels;
      const int n = width - first < pixels ? width - first : pixels;
      for (int r = 0; r < (pooled || row + 1 == height ? 1 : 2); r++) {
        std::uint64_t turned[kLanes], odd[kLanes / 2];
        store_columns(turned, ends.last().bytes_of(found[2 * r]));
        if (!pooled) {
          store_columns(odd, ends.last().bytes_of(found[2 * r + 1]));
          for (int k = kLanes / 2; k-- > 0;) {
            turned[2 * k] = turned[k];
            turned[2 * k + 1] = odd[k];
          }
        }
        // Two rows at a time: the lower one's first columns are there when the upper one ends.
        const std::size_t at = (std::size_t(row + r) * width + first) * channels;
        const std::ptrdiff_t left = pooled ? kInt8Slack : (width - first) * channels;
        put_pixels(y + at, turned, n, channels, left);
      }
    }
}

void conv2d(void* y, std::uint8_t* rows, const std::uint8_t* x, const Int8Conv& conv, bool answer) {
  const std::uint8_t* own = made(rows, x, conv);
  choose(conv.rows.wide, [&](auto wide) {
    if (kLanes > 4 && conv.columns_in_lanes)
      convolve_columns<wide>(static_cast<std::uint8_t*>(y), own, conv);
    else
      convolve<wide>(y, own, conv, answer);
  });
}

// kVectors of channels, and as many words at a time as make kSums sums.
template <bool kWide, int kVectors>
void contract(void* y, const std::uint8_t* x, const Int8Conv& conv, bool answer, int o) {
  constexpr int words = kSums / kVectors;
  const End end(conv.end);
  vec sum[words][kVectors];
  PYLENET_INT8_UNROLL
  for (int k = 0; k < kSums; k++) {
    const int u = k / kVectors, t = k % kVectors;
    sum[u][t] = u ? vec{} : load(conv.end.bias + o + t * kLanes);
  }
  const std::int32_t* w = conv.weights + o;
  PYLENET_INT8_ROLLED
  for (int word = 0; word < conv.words; word += words) {
    PYLENET_INT8_UNROLL
    for (int u = 0; u < words; u++) {
      const vec own = splat_word(x + 4 * (word + u));
      PYLENET_INT8_UNROLL
      for (int t = 0; t < kVectors; t++)
        sum[u][t] = dot<kWide>(sum[u][t], own, load(w + t * kLanes));
      w += conv.padded_channels;
    }
  }
  PYLENET_INT8_UNROLL
  for (int t = 0; t < kVectors; t++) {
    const int first = o + t * kLanes;
    PYLENET_INT8_UNROLL
    for (int u = 1; u < words; u++) sum[0][t] += sum[u][t];
    const vec multiplier = load(conv.end.multiplier + first);
    put(y, first, end(sum[0][t], multiplier), answer, conv.out.channels - first, true);
  }
}

void dense(void* y, std::uint8_t* rows, const std::uint8_t* x, const Int8Conv& conv, bool answer) {
  const std::uint8_t* own = made(rows, x, conv);
  choose(conv.rows.wide, [&](auto wide) {
    for (int o = 0; o < conv.out.channels;) {
      const int left = (conv.out.channels - o + kLanes - 1) / kLanes;
      const int vectors = left >= 7 ? 8 : left >= 3 ? 4 : left;
      (vectors == 8   ? contract<wide, 8>
       : vectors == 4 ? contract<wide, 4>
       : vectors == 2 ? contract<wide, 2>
                      : contract<wide, 1>)(y, own, conv, answer, o);
      o += vectors * kLanes;
    }
  });
}

}  // namespace single
}  // namespace int8
}  // namespace
}  // namespace pylenet
