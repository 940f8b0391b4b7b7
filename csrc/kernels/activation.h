// The activations that are functions of one value: y from x, and dx from dy and y. A kernel takes
// one as a template argument, so that it is part of its innermost loop.
#pragma once

#include "kernels/kernels.h"
#include "kernels/math.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

struct Elementwise {
  float parameter;  // Activation's
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
  vec forward(vec x) const { return x > vec{} ? x : x * splat(parameter); }
  vec backward(vec dy, vec y) const { return y > vec{} ? dy : dy * splat(parameter); }
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
// No function of one value: every kernel looks for it before it asks with_activation.
using Softmax = Linear;

// Calls f with the function that `activation` names.
template <class F>
inline void with_activation(Activation activation, F f) {
  switch (activation.kind) {
#define PYLENET_CASE(kind, name, Function) \
  case ActivationKind::kind:               \
    return f(Function{{activation.parameter}});
    PYLENET_ACTIVATIONS(PYLENET_CASE)
#undef PYLENET_CASE
  }
}

// ReLU is done while a convolution's sums are in registers: sums below this become it.
inline vec floor_of_sums(Activation activation) {
  return splat(activation.kind == ActivationKind::kRelu ? 0.0f : -__builtin_inff());
}
inline bool is_floor_of_sums(Activation activation) {
  return activation.kind == ActivationKind::kLinear || activation.kind == ActivationKind::kRelu;
}

}  // namespace
}  // namespace pylenet
