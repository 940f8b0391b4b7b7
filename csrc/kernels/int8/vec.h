// Vectors of 32-bit integers, and what the int8 kernels do with them.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/int8/int8.h"

#if defined(__AVX512VNNI__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define PYLENET_INT8_UNROLL _Pragma("GCC unroll 32")
#define PYLENET_INT8_ROLLED _Pragma("GCC unroll 1")  // else GCC 12 loads all weights, and spills
#if defined(__AVX512VNNI__)
#define PYLENET_INT8_GATHERS PYLENET_INT8_UNROLL  // 6 % of the classic LeNet's time
#else
#define PYLENET_INT8_GATHERS PYLENET_INT8_ROLLED
#endif

namespace pylenet {
namespace {
namespace int8 {

#if defined(__AVX512VNNI__)
constexpr int kLanes = 16;
constexpr int kTop = 255;  // vpdpbusd's products are exact
#elif defined(__AVX2__)
constexpr int kLanes = 8;
constexpr int kTop = 127;  // vpmaddubsw's sums of two are exact: 2 * 127 * 127 < 2^15
#elif defined(__ARM_FEATURE_DOTPROD)
constexpr int kLanes = 4;
constexpr int kTop = 255;  // sdot's products are exact
#else
constexpr int kLanes = 4;
constexpr int kTop = -1;
#endif

#if defined(__ARM_FEATURE_DOTPROD)
constexpr int kOffset = 128;  // sdot takes signed bytes
#else
constexpr int kOffset = 0;
#endif

typedef std::int32_t vec __attribute__((vector_size(4 * kLanes), may_alias));
typedef std::uint32_t uvec __attribute__((vector_size(4 * kLanes), may_alias));
typedef std::int64_t pairs __attribute__((vector_size(4 * kLanes), may_alias));
typedef std::uint64_t upairs __attribute__((vector_size(4 * kLanes), may_alias));
typedef std::int8_t bytes __attribute__((vector_size(4 * kLanes), may_alias));
typedef std::uint8_t ubytes __attribute__((vector_size(4 * kLanes), may_alias));

inline vec splat(std::int32_t s) {
#if defined(__AVX512VNNI__)
  return vec(_mm512_set1_epi32(s));
#elif defined(__AVX2__)
  return vec(_mm256_set1_epi32(s));
#else
  return vec{s, s, s, s};
#endif
}
inline vec load(const void* p) {
  vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(void* p, vec v) { std::memcpy(p, &v, sizeof v); }
inline vec splat_word(const std::uint8_t* p) {
  std::int32_t word;
  std::memcpy(&word, p, sizeof word);
  return splat(word);
}
inline vec larger(vec a, vec b) {
#if defined(__AVX512VNNI__)
  return vec(_mm512_maskz_max_epi32(0xffff, __m512i(a), __m512i(b)));
#elif defined(__AVX2__)
  return vec(_mm256_max_epi32(__m256i(a), __m256i(b)));
#else
  return a > b ? a : b;
#endif
}
inline vec smaller(vec a, vec b) {
#if defined(__AVX512VNNI__)
  return vec(_mm512_maskz_min_epi32(0xffff, __m512i(a), __m512i(b)));
#elif defined(__AVX2__)
  return vec(_mm256_min_epi32(__m256i(a), __m256i(b)));
#else
  return a < b ? a : b;
#endif
}

// How many values a word has.
template <bool kWide>
constexpr int kValues = kWide ? 2 : 4;

#if defined(__SSE2__)
inline vec products(vec a, vec b) {
#if defined(__AVX512VNNI__)
  return vec(_mm512_madd_epi16(__m512i(a), __m512i(b)));
#elif defined(__AVX2__)
  return vec(_mm256_madd_epi16(__m256i(a), __m256i(b)));
#else
  return vec(_mm_madd_epi16(__m128i(a), __m128i(b)));
#endif
}
#else
inline vec products(vec a, vec b) {
  return (a & 0xffff) * (vec(uvec(b) << 16) >> 16) + (a >> 16) * (b >> 16);
}
#endif

// sum + the products of a word's values and as many weights in each lane.
template <bool kWide>
inline vec dot(vec sum, vec x, vec w) {
  if constexpr (kWide) return vec(uvec(sum) + uvec(products(x, w)));
#if defined(__AVX512VNNI__)
  return vec(_mm512_dpbusd_epi32(__m512i(sum), __m512i(x), __m512i(w)));
#elif defined(__AVX2__)
  const __m256i both = _mm256_maddubs_epi16(__m256i(x), __m256i(w));
  return sum + vec(_mm256_madd_epi16(both, _mm256_set1_epi16(1)));
#elif defined(__ARM_FEATURE_DOTPROD)
  return vec(vdotq_s32(int32x4_t(sum), int8x16_t(x), int8x16_t(w)));
#else
  return sum;  // never: kTop says that all products are wide
#endif
}

// (v * m + half) >> shift, of 64-bit products. As shift <= 31 and the result has 32 bits, it does
// not matter which bits are shifted in.
inline vec rounded(vec v, vec m, upairs half, int shift) {
#if defined(__AVX512VNNI__)
  // With masks that let all through: the plain ones make GCC 12 warn.
  const auto product = [&](vec a, vec b) {
    return upairs(_mm512_maskz_mul_epi32(0xff, __m512i(a), __m512i(b))) + half;
  };
  const upairs even = product(v, m) >> shift;
  const upairs odd = product(vec(upairs(v) >> 32), vec(upairs(m) >> 32)) >> shift;
  return vec(_mm512_mask_mov_epi32(__m512i(even), 0xaaaa, __m512i(odd << 32)));
#elif defined(__AVX2__)
  const __m128i count = _mm_cvtsi32_si128(shift);
  const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(__m256i(v), __m256i(m)), __m256i(half));
  const __m256i odd = _mm256_add_epi64(
      _mm256_mul_epi32(_mm256_srli_epi64(__m256i(v), 32), _mm256_srli_epi64(__m256i(m), 32)),
      __m256i(half));
  return vec(_mm256_blend_epi32(_mm256_srl_epi64(even, count),
                                _mm256_slli_epi64(_mm256_srl_epi64(odd, count), 32), 0xaa));
#elif defined(__aarch64__)
  const auto end = [&](int64x2_t product) {
    const uint64x2_t sum = vaddq_u64(vreinterpretq_u64_s64(product), uint64x2_t(half));
    return vmovn_u64(vshlq_u64(sum, vdupq_n_s64(-shift)));
  };
  const int32x4_t a = int32x4_t(v), b = int32x4_t(m);
  const uint32x2_t low = end(vmull_s32(vget_low_s32(a), vget_low_s32(b)));
  return vec(vcombine_u32(low, end(vmull_high_s32(a, b))));
#else
  const pairs even = (pairs(upairs(v) << 32) >> 32) * (pairs(upairs(m) << 32) >> 32);
  const pairs odd = (pairs(v) >> 32) * (pairs(m) >> 32);
  const upairs low = (upairs(even) + half) >> shift, high = (upairs(odd) + half) >> shift;
  return vec((low & 0xffffffff) | (high << 32));
#endif
}

#if defined(__AVX512VNNI__)
constexpr bool kFloats = true;
// floor(v * factor + 0.5) for |v| <= 2^24, factor = m / 2^shift: v and factor are floats, the sum
// is rounded once, downwards, and no integer lies between it and what it is rounded to.
inline vec rounded_as_floats(vec v, vec factor) {
  constexpr int down = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
  const __m512 real = _mm512_maskz_cvtepi32_ps(0xffff, __m512i(v));
  const __m512 y = _mm512_fmadd_round_ps(real, __m512(factor), _mm512_set1_ps(0.5f), down);
  return vec(_mm512_maskz_cvt_roundps_epi32(0xffff, y, down));
}
#else
constexpr bool kFloats = false;
inline vec rounded_as_floats(vec v, vec) { return v; }
#endif

// Four vectors as bytes, cut off at -128 and 127: in each 16 bytes four of a, b, c and d.
inline bytes narrowed(vec a, vec b, vec c, vec d) {
#if defined(__AVX512VNNI__)
  const auto both = [](vec x, vec y) {
    return _mm512_maskz_packs_epi32(0xffffffff, __m512i(x), __m512i(y));
  };
  return bytes(_mm512_maskz_packs_epi16(~__mmask64(0), both(a, b), both(c, d)));
#elif defined(__AVX2__)
  return bytes(_mm256_packs_epi16(_mm256_packs_epi32(__m256i(a), __m256i(b)),
                                  _mm256_packs_epi32(__m256i(c), __m256i(d))));
#elif defined(__SSE2__)
  return bytes(_mm_packs_epi16(_mm_packs_epi32(__m128i(a), __m128i(b)),
                               _mm_packs_epi32(__m128i(c), __m128i(d))));
#elif defined(__aarch64__)
  const auto both = [](vec x, vec y) {
    return vqmovn_high_s32(vqmovn_s32(int32x4_t(x)), int32x4_t(y));
  };
  return bytes(vqmovn_high_s16(vqmovn_s16(both(a, b)), both(c, d)));
#else
  const vec all[4] = {a, b, c, d};
  bytes found;
  for (int k = 0; k < 4 * kLanes; k++) {
    const std::int32_t v = all[k / kLanes][k % kLanes];
    found[k] = std::int8_t(v < -128 ? -128 : v > 127 ? 127 : v);
  }
  return found;
#endif
}

// A step's end, its numbers in registers. sum: with the bias in it.
struct End {
  const Int8End& e;
  const bool floats;
  upairs half;
  vec low, high;
  explicit End(const Int8End& end)
      : e(end),
        floats(end.floats),
        half(upairs{} + (std::uint64_t(1) << end.shift >> 1)),  // an end not used has a shift of 0
        low(splat(end.table ? -kTableSize / 2 : end.low)),
        high(splat(end.table ? kTableSize / 2 - 1 : end.high)) {}

  // The integer, or where there is a table the output's byte.
  vec operator()(vec sum, vec multiplier) const { return ended(integer(sum, multiplier)); }
  // The same of a sum that needs no multiplier. It may be 2^30, and so may the half: their sum
  // would not fit, so the half is added as a 1 when all but one of the bits are shifted out.
  vec shifted(vec sum) const { return ended(((sum >> (e.shift - 1)) + 1) >> 1); }
  // What `bytes_of` or `cut` make an output of.
  vec uncut(vec sum, vec multiplier) const {
    const vec r = integer(sum, multiplier);
    return e.table ? looked_up(r) - e.zero : r;
  }
  vec cut(vec v) const { return smaller(larger(v, low), high) + e.zero; }
  // Their bytes, as `narrowed` has them; of no answer, so that 127 is the highest integer.
  vec bytes_of(const vec (&v)[4]) const {
    const bytes all = narrowed(v[0], v[1], v[2], v[3]), least = bytes{} + std::int8_t(e.low);
    return vec(ubytes(all > least ? all : least) + std::uint8_t(e.zero));
  }

 private:
  vec integer(vec sum, vec multiplier) const {
    return kFloats && floats ? rounded_as_floats(sum, multiplier)
                             : rounded(sum, multiplier, half, e.shift);
  }
  vec ended(vec r) const { return e.table ? looked_up(r) : cut(r); }
  vec looked_up(vec r) const {
    const vec index = smaller(larger(r, low), high) + kTableSize / 2;
#if defined(__AVX512VNNI__)
    return vec(_mm512_mask_i32gather_epi32(__m512i{}, 0xffff, __m512i(index), e.table, 1)) & 255;
#elif defined(__AVX2__)
    const auto* table = reinterpret_cast<const int*>(e.table);
    return vec(_mm256_i32gather_epi32(table, __m256i(index), 1)) & 255;
#else
    return vec{e.table[index[0]], e.table[index[1]], e.table[index[2]], e.table[index[3]]};
#endif
  }
};

// kLanes bytes as integers, and back: the lowest byte of each.
inline vec load_bytes(const std::uint8_t* p) {
#if defined(__AVX512VNNI__)
  return vec(
      _mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#elif defined(__AVX2__)
  return vec(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#elif defined(__aarch64__)
  std::uint32_t four;
  std::memcpy(&four, p, sizeof four);
  const uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(four));
  return vec(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
#else
  return vec{p[0], p[1], p[2], p[3]};
#endif
}
inline void store_bytes(std::uint8_t* p, vec v) {
#if defined(__AVX512VNNI__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_maskz_cvtepi32_epi8(0xffff, __m512i(v)));
#elif defined(__AVX2__)
  const __m256i words = _mm256_packus_epi32(__m256i(v), __m256i(v));
  const __m256i bytes = _mm256_packus_epi16(words, words);
  const __m128i both =
      _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), both);
#elif defined(__SSE2__)
  const __m128i words = _mm_packs_epi32(__m128i(v), __m128i(v));
  const std::int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  std::memcpy(p, &four, sizeof four);
#elif defined(__aarch64__)
  const uint16x4_t words = vmovn_u32(uint32x4_t(v));
  const uint8x8_t bytes = vmovn_u16(vcombine_u16(words, words));
  const std::uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  std::memcpy(p, &four, sizeof four);
#else
  for (int j = 0; j < kLanes; j++) p[j] = std::uint8_t(v[j]);
#endif
}

// In each 16 bytes [4][4] becomes its transpose.
inline vec transposed(vec v) {
#if defined(__AVX512VNNI__) || defined(__AVX2__)
  const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
#if defined(__AVX512VNNI__)
  return vec(_mm512_shuffle_epi8(__m512i(v), _mm512_maskz_broadcast_i32x4(0xffff, order)));
#else
  return vec(_mm256_shuffle_epi8(__m256i(v), _mm256_broadcastsi128_si256(order)));
#endif
#elif defined(__SSE2__)
  const auto half = [](__m128i a) { return _mm_unpacklo_epi8(a, _mm_srli_si128(a, 8)); };
  return vec(half(half(__m128i(v))));
#elif defined(__aarch64__)
  const uint8x16_t order = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  return vec(vqtbl1q_u8(uint8x16_t(v), order));
#else
  std::uint8_t from[16], to[16];
  std::memcpy(from, &v, sizeof v);
  for (int k = 0; k < 16; k++) to[k] = from[k % 4 * 4 + k / 4];
  return load(to);
#endif
}

// Of 16 bytes after the other, four for each of four values: all of each value, [value][lane].
inline vec in_rows(vec v) {
#if defined(__AVX512VNNI__)
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return vec(_mm512_maskz_permutexvar_epi32(0xffff, order, __m512i(v)));
#elif defined(__AVX2__)
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  return vec(_mm256_permutevar8x32_epi32(__m256i(v), order));
#else
  return v;
#endif
}

// Bytes [value][lane] of four values as a word in each lane, and back.
inline vec joined(vec bytes) {
#if defined(__AVX512VNNI__)
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return transposed(vec(_mm512_maskz_permutexvar_epi32(0xffff, order, __m512i(bytes))));
#elif defined(__AVX2__)
  const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
  return transposed(vec(_mm256_permutevar8x32_epi32(__m256i(bytes), order)));
#else
  return transposed(bytes);
#endif
}
inline vec parted(vec words) { return in_rows(transposed(words)); }

// A word in each lane of the values [value][lane] from p on.
template <bool kWide>
inline vec word_at(const std::uint8_t* p) {
  if constexpr (kWide) return load_bytes(p) | load_bytes(p + kLanes) << 16;
  const vec word = joined(load(p));
  return kOffset ? word ^ splat(std::int32_t(0x80808080)) : word;
}

}  // namespace int8
}  // namespace
}  // namespace pylenet
