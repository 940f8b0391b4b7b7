// tanh, exp and their like: our own polynomials, the same on every machine. Their coefficients
// stand here alone, lowest power last.
//
// tanh is x P(x^2) / Q(x^2), P and Q of degree 4, fitted to the least relative error on
// [0, 9.1] by iteratively reweighted least squares (2.3e-8, below float32's rounding; with the
// rounding of its evaluation 3.4e-7). Beyond 9.1 the ratio is held, so the product passes 1 and
// is clipped: saturation is exact. exp splits x into n ln 2 + r and takes a polynomial of degree 6
// in r, fitted the same way (3.1e-9).
//
// log(1 + u) is 2 artanh(s) with s = u / (2 + u), its series in s^2 fitted for u from 0 to 1
// (4.5e-9). The normal distribution's tail beyond t is exp(-t^2 / 2) R(t); R is a polynomial of
// degree 9 in (t - 4) / (t + 4), over t + 4 (9.1e-9).
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

constexpr float kLogP[] = {0.28012022376060486f, 0.2800179719924927f, 0.4002152681350708f,
                           0.666664183139801f};

constexpr float kTailEnd = 15.0f;  // past it, a tail is zero
constexpr float kTailP[] = {
    -0.00013419541937764734f, 0.00017465844575781375f, 0.001568404957652092f, -0.00351021159440279f,
    -0.007524002809077501f,   0.0604034885764122f,     -0.1865236610174179f,  0.38713690638542175f,
    -0.6078965663909912f,     0.7552851438522339f};
constexpr float kDensityPeak = 0.3989422804f;  // 1 / sqrt(2 pi)

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

// x y, rounded to a whole number: adding 1.5 * 2^23 rounds.
inline vec whole_product(vec x, float y) {
  const vec shift = splat(12582912.0f);
  return fma(x, splat(y), shift) - shift;
}
// x - n ln 2
inline vec without_powers(vec x, vec n) {
  return fma(n, splat(-kLn2Low), fma(n, splat(-kLn2High), x));
}
// e^r - 1 for |r| <= ln 2 / 2.
inline vec expm1_near_0(vec r) { return fma(polynomial(kExpP, r) * r, r, r); }

// 2^n e^r for |r| <= ln 2 / 2.
inline vec exp_of_parts(vec n, vec r) {
  const vec p = expm1_near_0(r) + splat(1.0f);
  // In two steps: the first half keeps the product normal, the second may leave the range.
  const vec half = whole_product(n, 0.5f);
  return p * power_of_two(half) * power_of_two(n - half);
}

inline vec exp(vec x) {
  x = larger(splat(kExpLow), smaller(splat(kExpHigh), x));  // a NaN stays
  const vec n = whole_product(x, kLog2E);
  return exp_of_parts(n, without_powers(x, n));
}

// e^(high + low), where the sum of the two has more digits than a float.
inline vec exp_of_sum(vec high, vec low) {
  high = larger(splat(kExpLow), smaller(splat(kExpHigh), high));
  const vec n = whole_product(high + low, kLog2E);
  return exp_of_parts(n, without_powers(high, n) + low);
}

// e^x - 1 for x <= 0, with all its digits near 0.
inline vec expm1(vec x) {
  x = larger(splat(-25.0f), smaller(vec{}, x));  // below, it is -1
  const vec n = whole_product(x, kLog2E), power = power_of_two(n);
  return fma(power, expm1_near_0(without_powers(x, n)), power - splat(1.0f));
}

// log(1 + u) for u from 0 to 1, with all its digits near 0.
inline vec log1p(vec u) {
  const vec s = u / (splat(2.0f) + u), t = s * s;
  return fma(polynomial(kLogP, t) * t, s, s + s);
}

// How much of the standard normal distribution lies beyond |x|, and its density at x.
struct Normal {
  vec tail, density;
};
inline Normal normal(vec x) {
  const vec t = smaller(splat(kTailEnd), larger(x, -x));
  // The square of the upper half of t's digits is exact; e^(-t^2 / 2) needs the rest, too.
  const vec upper = vec(ivec(t) & -4096);
  const vec e = exp_of_sum(splat(-0.5f) * upper * upper, splat(-0.5f) * (t - upper) * (t + upper));
  const vec d = splat(1.0f) / (t + splat(4.0f));
  return {e * (polynomial(kTailP, (t - splat(4.0f)) * d) * d), e * splat(kDensityPeak)};
}

// Of a few values an image: the library's.
inline vec log(vec v) {
  for (int lane = 0; lane < kLanes; lane++) v[lane] = __builtin_logf(v[lane]);
  return v;
}

}  // namespace
}  // namespace pylenet
