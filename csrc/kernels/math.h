// tanh and exp: our own polynomials, the same on every machine. Their coefficients stand here
// alone, lowest power last.
//
// tanh is x P(x^2) / Q(x^2), P and Q of degree 4, fitted to the least relative error on
// [0, 9.1] by iteratively reweighted least squares (2.3e-8, below float32's rounding; with the
// rounding of its evaluation 3.4e-7). Beyond 9.1 the ratio is held, so the product passes 1 and
// is clipped: saturation is exact. exp splits x into n ln 2 + r and takes a polynomial of degree 6
// in r, fitted the same way (3.1e-9).
#pragma once

#include "kernels/vec.h"

namespace pylenet {
namespace {

constexpr float kTanhEnd = 9.1f;
constexpr float kTanhP[] = {1.3177028357347353e-08f, 2.0480834791669622e-05f,
                            0.0034877897705882788f, 0.13374456763267517f, 1.0f};
constexpr float kTanhQ[] = {7.703845312789781e-07f, 0.00032728855148889124f, 0.025847308337688446f,
                            0.46707770228385925f, 1.0f};

constexpr float kExpLow = -104.0f, kExpHigh = 89.0f;  // past these, e^x is zero or infinite
constexpr float kLog2E = 1.44269504f;
constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;  // the first exact in n
constexpr float kExpP[] = {0.0013814467238262296f, 0.008368780836462975f, 0.04166839271783829f,
                           0.1666651964187622f, 0.4999999403953552f};

// p[0] x^(N - 1) + ... + p[N - 1], by Horner's rule.
template <int N>
inline vec polynomial(const float (&p)[N], vec x) {
  vec y = splat(p[0]);
  PYLENET_UNROLL
  for (int i = 1; i < N; i++) y = fma(y, x, splat(p[i]));
  return y;
}

inline vec tanh(vec x) {
  const vec t = smaller(x * x, splat(kTanhEnd * kTanhEnd));
  const vec y = x * (polynomial(kTanhP, t) / polynomial(kTanhQ, t));
  return larger(splat(-1.0f), smaller(splat(1.0f), y));
}

// 2^n for whole n in [-126, 127].
inline vec power_of_two(vec n) { return vec((__builtin_convertvector(n, ivec) + 127) << 23); }

inline vec exp(vec x) {
  x = larger(splat(kExpLow), smaller(splat(kExpHigh), x));  // a NaN stays
  const vec shift = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  const vec n = fma(x, splat(kLog2E), shift) - shift;
  vec r = fma(n, splat(-kLn2High), x);
  r = fma(n, splat(-kLn2Low), r);
  const vec p = fma(polynomial(kExpP, r) * r, r, r) + splat(1.0f);
  // In two steps: the first half keeps the product normal, the second may leave the range.
  const vec half = fma(n, splat(0.5f), shift) - shift;
  return p * power_of_two(half) * power_of_two(n - half);
}

inline vec log(vec v) {  // of a few values an image: the library's
  for (int lane = 0; lane < kLanes; lane++) v[lane] = __builtin_logf(v[lane]);
  return v;
}

}  // namespace
}  // namespace pylenet
