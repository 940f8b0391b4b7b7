// Activations in place, each gradient computed from the activation's own output.
//
// tanh is x P(x^2) / Q(x^2), P and Q of degree 4, fitted to the least relative error on
// [0, 9.1] by iteratively reweighted least squares (2.3e-8, below float32's rounding; with the
// rounding of its evaluation 3.4e-7). Beyond 9.1 the ratio is held, so the product passes 1 and
// is clipped: saturation is exact. exp splits x into n ln 2 + r and takes a polynomial of degree 6
// in r, fitted the same way (3.1e-9).
#pragma once

#include "kernels.h"
#include "vec.h"

namespace pylenet {
namespace {

inline vec tanh(vec x) {
  const vec t = smaller(x * x, splat(9.1f * 9.1f));
  vec p = splat(1.3177028357347353e-08f);
  p = fma(p, t, splat(2.0480834791669622e-05f));
  p = fma(p, t, splat(0.0034877897705882788f));
  p = fma(p, t, splat(0.13374456763267517f));
  p = fma(p, t, splat(1.0f));
  vec q = splat(7.703845312789781e-07f);
  q = fma(q, t, splat(0.00032728855148889124f));
  q = fma(q, t, splat(0.025847308337688446f));
  q = fma(q, t, splat(0.46707770228385925f));
  q = fma(q, t, splat(1.0f));
  const vec y = x * (p / q);
  return larger(splat(-1.0f), smaller(splat(1.0f), y));
}

// 2^n for whole n in [-126, 127].
inline vec power_of_two(vec n) { return vec((__builtin_convertvector(n, ivec) + 127) << 23); }

inline vec exp(vec x) {
  // Past these, e^x is infinite or zero in float32; a NaN stays.
  x = larger(splat(-104.0f), smaller(splat(89.0f), x));
  const vec shift = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  const vec n = fma(x, splat(1.44269504f), shift) - shift;
  vec r = fma(n, splat(-0.693359375f), x);  // ln 2 in two parts, the first exact in n
  r = fma(n, splat(2.12194440e-4f), r);
  vec p = splat(0.0013814467238262296f);
  p = fma(p, r, splat(0.008368780836462975f));
  p = fma(p, r, splat(0.04166839271783829f));
  p = fma(p, r, splat(0.1666651964187622f));
  p = fma(p, r, splat(0.4999999403953552f));
  p = fma(p * r, r, r) + splat(1.0f);
  // In two steps: the first half keeps the product normal, the second may leave the range.
  const vec half = fma(n, splat(0.5f), shift) - shift;
  return p * power_of_two(half) * power_of_two(n - half);
}

// Each activation: y from x, and dx from dy and y.
struct Linear {
  static vec forward(vec x) { return x; }
  static vec backward(vec dy, vec) { return dy; }
};
struct Relu {
  static vec forward(vec x) { return larger(vec{}, x); }  // so ordered that a NaN stays
  static vec backward(vec dy, vec y) { return y > vec{} ? dy : vec{}; }
};
struct Sigmoid {
  static vec forward(vec x) { return splat(1.0f) / (splat(1.0f) + exp(-x)); }
  static vec backward(vec dy, vec y) { return dy * (y * (splat(1.0f) - y)); }
};
struct Tanh {
  static vec forward(vec x) { return tanh(x); }
  static vec backward(vec dy, vec y) { return dy * fma(-y, y, splat(1.0f)); }
};
// LeCun's: 1.7159 tanh(2 x / 3), so that f(1) = 1 and f(-1) = -1 nearly. With y = A t the
// derivative A (2/3) (1 - t^2) is 2/3 A - 2/(3 A) y^2.
struct ScaledTanh {
  static constexpr float kHeight = 1.7159f, kSlope = 2.0f / 3.0f;
  static vec forward(vec x) { return splat(kHeight) * tanh(splat(kSlope) * x); }
  static vec backward(vec dy, vec y) {
    return dy * fma(splat(-kSlope / kHeight) * y, y, splat(kSlope * kHeight));
  }
};

// Calls f(Linear(), ...) or whichever `kind` is. Not for softmax, which is no function of one
// value.
template <class F>
inline void with_activation(ActivationKind kind, F f) {
  switch (kind) {
    case ActivationKind::kLinear:
    case ActivationKind::kSoftmax:
      return f(Linear());
    case ActivationKind::kRelu:
      return f(Relu());
    case ActivationKind::kScaledTanh:
      return f(ScaledTanh());
    case ActivationKind::kSigmoid:
      return f(Sigmoid());
    case ActivationKind::kTanh:
      return f(Tanh());
  }
}

template <class F>
inline void for_each_vector(float* y, std::size_t size, F f) {
  for (std::size_t i = 0; i < size * kLanes; i += kLanes) store(y + i, f(load(y + i), i));
}

void softmax_forward(float* y, std::size_t size) {
  vec top = load(y);
  for (std::size_t i = 1; i < size; i++) top = larger(load(y + i * kLanes), top);
  vec sum{};
  for_each_vector(y, size, [&](vec v, std::size_t) {
    const vec e = exp(v - top);
    sum += e;
    return e;
  });
  for_each_vector(y, size, [&](vec v, std::size_t) { return v / sum; });
}

void softmax_backward(float* dy, const float* y, std::size_t size) {
  vec dot{};
  for (std::size_t i = 0; i < size * kLanes; i += kLanes) dot = fma(load(dy + i), load(y + i), dot);
  for_each_vector(dy, size, [&](vec g, std::size_t i) { return load(y + i) * (g - dot); });
}

void activation_forward(float* y, ActivationKind kind, std::size_t size) {
  if (kind == ActivationKind::kSoftmax) return softmax_forward(y, size);
  with_activation(kind, [&](auto activation) {
    for_each_vector(y, size, [&](vec v, std::size_t) { return activation.forward(v); });
  });
}

void activation_backward(float* dy, const float* y, ActivationKind kind, std::size_t size) {
  if (kind == ActivationKind::kSoftmax) return softmax_backward(dy, y, size);
  with_activation(kind, [&](auto activation) {
    for_each_vector(dy, size,
                    [&](vec g, std::size_t i) { return activation.backward(g, load(y + i)); });
  });
}

}  // namespace
}  // namespace pylenet
