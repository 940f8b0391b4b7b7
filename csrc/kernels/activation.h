// The activations that are functions of one value: y from x, and dx from dy and y, or from dy and x
// (PYLENET_ACTIVATIONS_BY_INPUT). A kernel takes one as a template argument, so that it is part of
// its innermost loop.
#pragma once

#include "kernels/activation_list.h"
#include "kernels/math.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

struct Elementwise {
  Activation own;
};

struct Linear : Elementwise {
  vec forward(vec x) const { return x; }
  vec backward(vec dy, vec) const { return dy; }
};
struct Relu : Elementwise {
  vec forward(vec x) const { return larger(vec{}, x); }  // so ordered that a NaN stays
  vec backward(vec dy, vec y) const { return y > vec{} ? dy : vec{}; }
};
struct LeakyRelu : Elementwise {  // parameter: the slope below zero
  vec forward(vec x) const { return x > vec{} ? x : x * splat(own.parameter); }
  vec backward(vec dy, vec y) const { return y > vec{} ? dy : dy * splat(own.parameter); }
};
struct Sigmoid : Elementwise {
  vec forward(vec x) const { return splat(1.0f) / (splat(1.0f) + exp(-x)); }
  vec backward(vec dy, vec y) const { return dy * (y * (splat(1.0f) - y)); }
};
struct Tanh : Elementwise {
  vec forward(vec x) const { return tanh(x); }
  vec backward(vec dy, vec y) const { return dy * fma(-y, y, splat(1.0f)); }
};
// LeCun's: 1.7159 tanh(2 x / 3), so that f(1) = 1 and f(-1) = -1 nearly. With y = A t the
// derivative A (2/3) (1 - t^2) is 2/3 A - 2/(3 A) y^2.
struct ScaledTanh : Elementwise {
  static constexpr float kHeight = 1.7159f, kSlope = 2.0f / 3.0f;
  vec forward(vec x) const { return splat(kHeight) * tanh(splat(kSlope) * x); }
  vec backward(vec dy, vec y) const {
    return dy * fma(splat(-kSlope / kHeight) * y, y, splat(kSlope * kHeight));
  }
};

// By the output.

struct Elu : Elementwise {  // parameter: minus the value at minus infinity, which is not negative
  vec forward(vec x) const { return x > vec{} ? x : splat(own.parameter) * expm1(x); }
  vec backward(vec dy, vec y) const { return y > vec{} ? dy : dy * (y + splat(own.parameter)); }
};
// With the constants of G. Klambauer and others, "Self-normalizing neural networks", NIPS 2017.
struct Selu : Elementwise {
  static constexpr float kScale = 1.05070098f, kLimit = 1.05070098f * 1.67326324f;
  vec forward(vec x) const { return x > vec{} ? splat(kScale) * x : splat(kLimit) * expm1(x); }
  vec backward(vec dy, vec y) const { return dy * (y > vec{} ? splat(kScale) : y + splat(kLimit)); }
};
struct Exponential : Elementwise {
  vec forward(vec x) const { return exp(x); }
  vec backward(vec dy, vec y) const { return dy * y; }
};
struct HardSigmoid : Elementwise {  // x / 6 + 1/2, from 0 to 1
  vec forward(vec x) const {
    return smaller(splat(6.0f), larger(vec{}, x + splat(3.0f))) / splat(6.0f);
  }
  vec backward(vec dy, vec y) const {
    return select(ivec(y > vec{}) & ivec(y < splat(1.0f)), dy / splat(6.0f), vec{});
  }
};
struct Softplus : Elementwise {  // log(1 + e^x); 1 - e^-y is its slope
  vec forward(vec x) const { return larger(vec{}, x) + log1p(exp(smaller(x, -x))); }
  vec backward(vec dy, vec y) const { return dy * -expm1(-y); }
};
struct Softsign : Elementwise {  // x / (1 + |x|)
  vec forward(vec x) const { return x / (splat(1.0f) + larger(x, -x)); }
  vec backward(vec dy, vec y) const {
    const vec rest = splat(1.0f) - larger(y, -y);
    return dy * (rest * rest);
  }
};

// By the input, here v. Where one is held to a range, nothing changes outside, and infinity times
// zero is no NaN.

// parameter: the slope below the threshold. Keras's order: the ceiling comes first.
struct BoundedRelu : Elementwise {
  vec forward(vec v) const {
    const vec below = larger(splat(-kLargest), v - splat(own.threshold)) * splat(own.parameter);
    const vec y = v >= splat(own.threshold) ? v : below;
    return v >= splat(own.ceiling) ? splat(own.ceiling) : y;
  }
  vec backward(vec dy, vec v) const {
    const vec dx = v > splat(own.threshold) ? dy : dy * splat(own.parameter);
    return v >= splat(own.ceiling) ? vec{} : dx;
  }
  static constexpr float kLargest = 3.4028234e38f;
};
// v times the share of the normal distribution that lies below v (D. Hendrycks and K. Gimpel,
// arXiv:1606.08415).
struct Gelu : Elementwise {
  static vec below(const Normal& n, vec v) { return v < vec{} ? n.tail : splat(1.0f) - n.tail; }
  vec forward(vec v) const { return larger(splat(-kTailEnd), v) * below(normal(v), v); }
  vec backward(vec dy, vec v) const {
    const Normal n = normal(v);
    const vec held = larger(splat(-kTailEnd), smaller(splat(kTailEnd), v));
    return dy * fma(held, n.density, below(n, v));
  }
};
// 1 / (1 + e^-x), and 1 less this, each with all its digits.
struct Logistic {
  vec share, rest;
  explicit Logistic(vec x) {
    const vec e = exp(smaller(x, -x)), larger_one = splat(1.0f) / (splat(1.0f) + e);
    const vec smaller_one = e * larger_one;
    share = x < vec{} ? smaller_one : larger_one;
    rest = x < vec{} ? larger_one : smaller_one;
  }
};
inline vec held_for_exp(vec v) { return larger(splat(-110.0f), smaller(splat(110.0f), v)); }
struct Silu : Elementwise {  // v times its sigmoid
  vec forward(vec v) const { return larger(splat(-110.0f), v) * Logistic(v).share; }
  vec backward(vec dy, vec v) const {
    const Logistic l(v);
    return dy * fma(held_for_exp(v) * l.rest, l.share, l.share);
  }
};
// v times the sigmoid of 2 sqrt(2 / pi) (v + 0.044715 v^3), which is nearly Gelu.
struct GeluTanh : Elementwise {
  static constexpr float kSlope = 1.5957691216f, kCube = kSlope * 0.044715f;
  static vec inner(vec v) { return v * fma(v * v, splat(kCube), splat(kSlope)); }
  vec forward(vec v) const {
    return larger(splat(-kTailEnd), v) *
           Logistic(inner(larger(splat(-kTailEnd), smaller(splat(kTailEnd), v)))).share;
  }
  vec backward(vec dy, vec v) const {
    const vec held = larger(splat(-kTailEnd), smaller(splat(kTailEnd), v));
    const Logistic l(inner(held));
    const vec slope = fma(held * held, splat(3.0f * kCube), splat(kSlope));
    return dy * fma(held * slope * l.rest, l.share, l.share);
  }
};

// No function of one value: every kernel looks for it before it asks with_any_activation.
using Softmax = Linear;

// Calls f with the function that `activation` names, one of PYLENET_JOINED_ACTIVATIONS.
template <class F>
inline void with_activation(Activation activation, F f) {
#define PYLENET_CASE(kind, name, Function) \
  case ActivationKind::kind:               \
    return f(Function{{activation}});
  switch (activation.kind) {
    PYLENET_JOINED_ACTIVATIONS(PYLENET_CASE)
    default:
      return;
  }
}
// The same of all activations.
template <class F>
inline void with_any_activation(Activation activation, F f) {
  switch (activation.kind) { PYLENET_ACTIVATIONS(PYLENET_CASE) }
#undef PYLENET_CASE
}

// ReLU is done while a convolution's sums are in registers: sums below this become it.
inline vec floor_of_sums(Activation activation) {
  return splat(activation.kind == ActivationKind::kRelu ? 0.0f : -__builtin_inff());
}
inline bool is_floor_of_sums(Activation activation) {
  return is_linear(activation) || activation.kind == ActivationKind::kRelu;
}

}  // namespace
}  // namespace pylenet
