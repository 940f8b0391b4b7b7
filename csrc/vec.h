// The vector of the instruction set this file is compiled for, and the few operations on it that
// the language does not spell. +, -, *, / and comparisons are GCC's and Clang's own on vectors.
// The vector is as wide as the machine's registers: compilers split wider ones through memory.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define PYLENET_UNROLL _Pragma("GCC unroll 16")

// The elements of v in another order. GCC has Clang's spelling only since version 12.
#if defined(__clang__)
#define PYLENET_SHUFFLE(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#else
#define PYLENET_SHUFFLE(v, ...) __builtin_shuffle(v, ivec{__VA_ARGS__})
#endif

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

inline vec load(const float* p) { return *reinterpret_cast<const vec*>(p); }
inline void store(float* p, vec v) { *reinterpret_cast<vec*>(p) = v; }

inline vec load_unaligned(const float* p) {
  vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store_unaligned(float* p, vec v) { std::memcpy(p, &v, sizeof v); }
inline vec load_some(const float* p, std::size_t n) {  // the rest is zero
  vec v{};
  std::memcpy(&v, p, n * sizeof(float));
  return v;
}
inline void store_some(float* p, vec v, std::size_t n) { std::memcpy(p, &v, n * sizeof(float)); }

inline vec splat(float s) {
#if defined(__AVX512F__)
  return _mm512_set1_ps(s);
#elif defined(__AVX2__)
  return _mm256_set1_ps(s);
#else
  return vec{s, s, s, s};
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
inline vec larger(vec a, vec b) { return a > b ? a : b; }
inline vec smaller(vec a, vec b) { return a < b ? a : b; }

// (l0 + l1) + (l2 + l3), and so on: halves of the lanes, summed apart, then added. The units of
// a block continue the same tree in sum_partials, so 16 lanes, 2 x 8 and 4 x 4 give equal bits.
// A vector plus itself with neighbours swapped holds every pair's sum twice: addition commutes.
inline float lane_sum(vec v) {
#if defined(__AVX512F__)
  v += PYLENET_SHUFFLE(v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  v += PYLENET_SHUFFLE(v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  v += PYLENET_SHUFFLE(v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  v += PYLENET_SHUFFLE(v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
#elif defined(__AVX2__)
  v += PYLENET_SHUFFLE(v, 1, 0, 3, 2, 5, 4, 7, 6);
  v += PYLENET_SHUFFLE(v, 2, 3, 0, 1, 6, 7, 4, 5);
  v += PYLENET_SHUFFLE(v, 4, 5, 6, 7, 0, 1, 2, 3);
#else
  v += PYLENET_SHUFFLE(v, 1, 0, 3, 2);
  v += PYLENET_SHUFFLE(v, 2, 3, 0, 1);
#endif
  return v[0];
}

}  // namespace
}  // namespace pylenet
