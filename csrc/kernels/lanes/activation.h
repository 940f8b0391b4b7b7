// Activations in lanes, in place.
#pragma once

#include "kernels/activation.h"
#include "kernels/kernels.h"
#include "kernels/math.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

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

void activation_forward(float* y, Activation activation, std::size_t size) {
  if (activation.kind == ActivationKind::kSoftmax) return softmax_forward(y, size);
  with_any_activation(activation, [&](auto function) {
    for_each_vector(y, size, [&](vec v, std::size_t) { return function.forward(v); });
  });
}

void activation_backward(float* dy, const float* v, Activation activation, std::size_t size) {
  if (activation.kind == ActivationKind::kSoftmax) return softmax_backward(dy, v, size);
  with_any_activation(activation, [&](auto function) {
    for_each_vector(dy, size,
                    [&](vec g, std::size_t i) { return function.backward(g, load(v + i)); });
  });
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
