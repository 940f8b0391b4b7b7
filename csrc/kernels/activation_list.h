// The list of activations, apart from kernels.h so that a new one compiles only what reads it.
#pragma once

#include "kernels/kernels.h"

namespace pylenet {

// Every activation: its kind, its name, its function (see activation.h). Those that other kernels
// compute along with their own work, to be fast; each costs code in all of them. The linear one is
// the first.
#define PYLENET_JOINED_ACTIVATIONS(X)       \
  X(kLinear, "linear", Linear)              \
  X(kLeakyRelu, "leaky_relu", LeakyRelu)    \
  X(kRelu, "relu", Relu)                    \
  X(kScaledTanh, "scaled_tanh", ScaledTanh) \
  X(kSigmoid, "sigmoid", Sigmoid)           \
  X(kTanh, "tanh", Tanh)
// Those that stand alone: the derivative of the first ones is known from what they give, that of
// the others only from what they are given.
#define PYLENET_ACTIVATIONS_BY_OUTPUT(X)       \
  X(kElu, "elu", Elu)                          \
  X(kExponential, "exponential", Exponential)  \
  X(kHardSigmoid, "hard_sigmoid", HardSigmoid) \
  X(kSelu, "selu", Selu)                       \
  X(kSoftmax, "softmax", Softmax)              \
  X(kSoftplus, "softplus", Softplus)           \
  X(kSoftsign, "softsign", Softsign)
#define PYLENET_ACTIVATIONS_BY_INPUT(X)        \
  X(kBoundedRelu, "bounded_relu", BoundedRelu) \
  X(kGelu, "gelu", Gelu)                       \
  X(kGeluTanh, "gelu_tanh", GeluTanh)          \
  X(kSilu, "silu", Silu)
#define PYLENET_ACTIVATIONS(X)     \
  PYLENET_JOINED_ACTIVATIONS(X)    \
  PYLENET_ACTIVATIONS_BY_OUTPUT(X) \
  PYLENET_ACTIVATIONS_BY_INPUT(X)

enum class ActivationKind : int {
#define PYLENET_KIND(kind, name, Function) kind,
  PYLENET_ACTIVATIONS(PYLENET_KIND)
#undef PYLENET_KIND
};
static_assert(int(ActivationKind::kLinear) == 0);

}  // namespace pylenet
