// The vector of the instruction set this file is compiled for, and the few operations on it that
// the language does not spell. +, -, *, / and comparisons are GCC's and Clang's own on vectors.
// The vector is as wide as the machine's registers: compilers split wider ones through memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define PYLENET_UNROLL _Pragma("GCC unroll 16")

namespace pylenet {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
constexpr int kRegisters = kLanes == 16 ? 32 : 16;

typedef float vec __attribute__((vector_size(4 * kLanes), may_alias));
typedef std::int32_t ivec __attribute__((vector_size(4 * kLanes), may_alias));
typedef std::uint32_t uvec __attribute__((vector_size(4 * kLanes), may_alias));

inline vec load(const float* p) { return *reinterpret_cast<const vec*>(p); }
inline void store(float* p, vec v) { *reinterpret_cast<vec*>(p) = v; }

inline vec load_unaligned(const float* p) {
  vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store_unaligned(float* p, vec v) { std::memcpy(p, &v, sizeof v); }
// The first n values; the rest is zero, and is neither read nor written.
inline vec load_some(const float* p, std::size_t n) {
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p);
#elif defined(__AVX2__)
  return _mm256_maskload_ps(p, __m256i(ivec{0, 1, 2, 3, 4, 5, 6, 7} < std::int32_t(n)));
#else
  if (n == 4) return load_unaligned(p);
  vec v{};
  for (std::size_t i = 0; i < n; i++) v[i] = p[i];
  return v;
#endif
}
inline void store_some(float* p, vec v, std::size_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), v);
#elif defined(__AVX2__)
  if (n == 8) return store_unaligned(p, v);
  __m128 four = _mm256_castps256_ps128(v);  // AVX2's own masked store is slow on some processors
  if (n & 4) {
    _mm_storeu_ps(p, four);
    four = _mm256_extractf128_ps(v, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), four);
    four = _mm_movehl_ps(four, four);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, four);
#else
  if (n == 4) return store_unaligned(p, v);
  for (std::size_t i = 0; i < n; i++) p[i] = v[i];
#endif
}

inline vec splat(float s) {
#if defined(__AVX512F__)
  return _mm512_set1_ps(s);
#elif defined(__AVX2__)
  return _mm256_set1_ps(s);
#else
  return vec{s, s, s, s};
#endif
}

inline vec widen_bytes(const std::uint8_t* p) {
#if defined(__AVX512F__)
  const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm512_maskz_cvtepi32_ps(0xffff, _mm512_maskz_cvtepu8_epi32(0xffff, b));
#elif defined(__AVX2__)
  const __m128i b = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(b));
#elif defined(__SSE2__)
  std::int32_t four;
  std::memcpy(&four, p, sizeof four);
  const __m128i zero = _mm_setzero_si128();
  const __m128i b = _mm_unpacklo_epi8(_mm_cvtsi32_si128(four), zero);
  return _mm_cvtepi32_ps(_mm_unpacklo_epi16(b, zero));
#else
  return vec{float(p[0]), float(p[1]), float(p[2]), float(p[3])};
#endif
}

// p[at[j]] in lane j.
inline vec gather(const float* p, ivec at) {
#if defined(__AVX512F__)
  return _mm512_mask_i32gather_ps(vec{}, 0xffff, __m512i(at), p, 4);
#elif defined(__AVX2__)
  return _mm256_i32gather_ps(p, __m256i(at), 4);
#else
  return vec{p[at[0]], p[at[1]], p[at[2]], p[at[3]]};
#endif
}
// p[at[j]] in the lowest byte of lane j, p[at[j] + 1] in the next one; the upper two may be what
// follows: four bytes are read.
inline ivec gather_bytes(const std::uint8_t* p, ivec at) {
#if defined(__AVX512F__)
  return ivec(_mm512_mask_i32gather_epi32(__m512i{}, 0xffff, __m512i(at), p, 1));
#elif defined(__AVX2__)
  return ivec(_mm256_i32gather_epi32(reinterpret_cast<const int*>(p), __m256i(at), 1));
#else
  const auto pair = [&](int j) { return p[at[j]] | p[at[j] + 1] << 8; };
  return ivec{pair(0), pair(1), pair(2), pair(3)};
#endif
}

// a * b + c, rounded once with AVX2, AVX-512 and on aarch64, else twice.
inline vec fma(vec a, vec b, vec c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

// The 64-bit products of each lane's a and b: their upper and lower halves.
inline void multiply_wide(uvec* high, uvec* low, uvec a, std::uint32_t b) {
  typedef std::uint64_t pairs __attribute__((vector_size(4 * kLanes)));
  const pairs even = (pairs(a) & 0xffffffff) * b, odd = (pairs(a) >> 32) * b;
  *high = uvec((even >> 32) | (odd & 0xffffffff00000000));
  *low = uvec((even & 0xffffffff) | (odd << 32));
}

inline vec square_root(vec v) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(0xffff, v);  // the plain one makes GCC 12 warn
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(v);
#elif defined(__SSE2__)
  return _mm_sqrt_ps(v);
#else
  for (int i = 0; i < kLanes; i++) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

// Both give b where either is NaN: put the value that must keep its NaN second.
inline vec larger(vec a, vec b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xffff, a, b);  // the plain one makes GCC 12 warn
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#elif defined(__SSE2__)
  return _mm_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}
inline vec smaller(vec a, vec b) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_ps(0xffff, a, b);
#elif defined(__AVX2__)
  return _mm256_min_ps(a, b);
#elif defined(__SSE2__)
  return _mm_min_ps(a, b);
#else
  return a < b ? a : b;
#endif
}

// Lane j of the result is element Pick()(j) of a and b, set one after the other. GCC has Clang's
// spelling only since version 12.
template <class Pick, int... J>
inline vec shuffle(vec a, vec b, std::integer_sequence<int, J...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, Pick()(J)...);
#else
  return __builtin_shuffle(a, b, ivec{Pick()(J)...});
#endif
}
using EachLane = std::make_integer_sequence<int, kLanes>;

// Of each 2 D lanes: the first D of a, then of b; the last D of a, then of b; those of v swapped.
template <int D>
struct FirstRuns {
  constexpr int operator()(int j) const { return j & D ? kLanes + j - D : j; }
};
template <int D>
struct LastRuns {
  constexpr int operator()(int j) const { return j & D ? kLanes + j : j + D; }
};
template <int D>
struct SwappedRuns {
  constexpr int operator()(int j) const { return j ^ D; }
};

// Pairs. Where there are at most half as many channels as lanes, two neighbouring positions may
// share a vector: lane 2 i + q is channel i at position q. It pays with 16 lanes.
constexpr bool kPairs = kLanes == 16;

// p[0] in the even lanes, p[1] in the odd ones.
inline vec splat_pair(const float* p) {
  double both;
  std::memcpy(&both, p, sizeof both);
#if defined(__AVX512F__)
  return vec(_mm512_set1_pd(both));
#else
  typedef double doubles __attribute__((vector_size(4 * kLanes)));
  return vec(doubles{} + both);
#endif
}
struct Twice {
  constexpr int operator()(int j) const { return j / 2; }
};
// The first half of v's lanes, each twice.
inline vec twice(vec v) { return shuffle<Twice>(v, v, EachLane()); }
// n channels at one position, then n at the other, from a pair; n <= kLanes / 2.
inline vec split_pair(vec v, int n) {
#if defined(__AVX512F__)
  const ivec lane{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const ivec from = lane < n ? 2 * lane : 2 * (lane - n) + 1;
  return _mm512_maskz_permutexvar_ps(0xffff, __m512i(from), v);
#else
  vec split{};
  for (int i = 0; i < 2 * n; i++) split[i] = v[i < n ? 2 * i : 2 * (i - n) + 1];
  return split;
#endif
}

// rows[i][j] becomes rows[j][i].
template <int D = 1>
inline void transpose(vec* rows) {
  if constexpr (D < kLanes) {
    PYLENET_UNROLL
    for (int i = 0; i < kLanes; i++)
      if (!(i & D)) {
        const vec a = rows[i], b = rows[i + D];
        rows[i] = shuffle<FirstRuns<D>>(a, b, EachLane());
        rows[i + D] = shuffle<LastRuns<D>>(a, b, EachLane());
      }
    transpose<2 * D>(rows);
  }
}

// The sums of N vectors' lanes (N a power of two, at most kLanes), v[0]'s in lane 0 and so on.
// Uses v up. Each is summed as a tree, (l0 + l1) + (l2 + l3) and so on; the groups of a block
// continue the same tree in sum_groups, so 16 lanes, 2 x 8 and 4 x 4 give equal bits.
template <int N, int D = 1>
inline vec lane_sums(vec* v) {
  if constexpr (D < N) {
    PYLENET_UNROLL
    for (int i = 0; i < N; i += 2 * D)
      v[i] = shuffle<FirstRuns<D>>(v[i], v[i + D], EachLane()) +
             shuffle<LastRuns<D>>(v[i], v[i + D], EachLane());
    return lane_sums<N, 2 * D>(v);
  } else if constexpr (D < kLanes) {
    // A vector plus itself with neighbours swapped holds every sum twice: addition commutes.
    v[0] += shuffle<SwappedRuns<D>>(v[0], v[0], EachLane());
    return lane_sums<N, 2 * D>(v);
  } else {
    return v[0];
  }
}
inline float lane_sum(vec v) { return lane_sums<1>(&v)[0]; }

inline vec select(ivec condition, vec yes, vec no) { return condition ? yes : no; }
inline ivec select(ivec condition, ivec yes, ivec no) { return condition ? yes : no; }

// Calls f(k) for k = 0 .. count - 1, unrolled where the compiler knows the count: N, else 0. A loop
// to an end that it does not know it would unroll to sixteen rounds, which only takes room.
template <int N, class F>
inline void repeat(int count, F f) {
  if constexpr (N > 0) {
    PYLENET_UNROLL
    for (int k = 0; k < N; k++) f(k);
  } else {
    for (int k = 0; k < count; k++) f(k);
  }
}

// How many of `size` values the vector that begins at `first` has.
inline int lanes_left(int size, int first) { return size - first < kLanes ? size - first : kLanes; }

// Calls f(first, n) for each vector of `size` values: n of them, from `first` on.
template <class F>
inline void for_each_vector_of(std::size_t size, F f) {
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) f(i, std::size_t(kLanes));
  if (i < size) f(i, size - i);
}

}  // namespace
}  // namespace pylenet
