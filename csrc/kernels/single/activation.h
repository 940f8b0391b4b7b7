// Activations of one image, in place.
#pragma once

#include "kernels/activation.h"
#include "kernels/kernels.h"
#include "kernels/math.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

// Sums in order, as the kernel for many images does.
inline void softmax_forward(float* y, std::size_t size) {
  float top = y[0], sum = 0.0f;
  for (std::size_t i = 1; i < size; i++) top = y[i] > top ? y[i] : top;
  for (std::size_t i = 0; i < size; i += kLanes) store(y + i, exp(load(y + i) - splat(top)));
  for (std::size_t i = 0; i < size; i++) sum += y[i];
  for (std::size_t i = 0; i < size; i += kLanes) store(y + i, load(y + i) / splat(sum));
}

inline void softmax_backward(float* dy, const float* y, std::size_t size) {
  vec dot{};
  for (std::size_t i = 0; i < size; i++) dot = fma(splat(dy[i]), splat(y[i]), dot);
  for (std::size_t i = 0; i < size; i += kLanes) store(dy + i, load(y + i) * (load(dy + i) - dot));
}

void activation_forward(float* y, Activation activation, std::size_t size) {
  if (activation.kind == ActivationKind::kSoftmax) return softmax_forward(y, size);
  with_any_activation(activation, [&](auto function) {
    for (std::size_t i = 0; i < size; i += kLanes) store(y + i, function.forward(load(y + i)));
  });
}

void activation_backward(float* dy, const float* v, Activation activation, std::size_t size) {
  if (activation.kind == ActivationKind::kSoftmax) return softmax_backward(dy, v, size);
  with_any_activation(activation, [&](auto function) {
    for (std::size_t i = 0; i < size; i += kLanes)
      store(dy + i, function.backward(load(dy + i), load(v + i)));
  });
}

}  // namespace single
}  // namespace
}  // namespace pylenet
