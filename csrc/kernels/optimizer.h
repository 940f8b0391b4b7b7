// The optimizers' updates on the flat parameter buffer. Each parameter is updated alone, so ranges
// may be given to threads in any way.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

// Keras's SGD: v = momentum v - rate g; w += v, or with Nesterov w += momentum v - rate g.
void sgd_step(float* parameters, float* velocity, const float* gradient, std::size_t size,
              const OptimizerStep& step) {
  const vec minus_rate = splat(-step.learning_rate), momentum = splat(step.momentum);
  const vec keep = splat(1.0f - step.weight_decay * step.learning_rate);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec g = load_some(gradient + i, n);
    vec w = load_some(parameters + i, n) * keep;
    if (velocity) {
      const vec v = fma(momentum, load_some(velocity + i, n), minus_rate * g);
      store_some(velocity + i, v, n);
      w += step.nesterov ? fma(momentum, v, minus_rate * g) : v;
    } else {
      w = fma(minus_rate, g, w);
    }
    store_some(parameters + i, w, n);
  });
}

// Adam (Kingma and Ba, arXiv:1412.6980, the efficient form at the end of section 2), as Keras's:
// m += (1 - b1)(g - m); v += (1 - b2)(g^2 - v); w -= adam_rate m / (sqrt(v) + eps).
void adam_step(float* parameters, float* mean, float* square, const float* gradient,
               std::size_t size, const OptimizerStep& step) {
  const vec keep = splat(1.0f - step.weight_decay * step.learning_rate);
  const vec a = splat(1.0f - step.beta_1), b = splat(1.0f - step.beta_2);
  const vec rate = splat(step.adam_rate), epsilon = splat(step.epsilon);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec g = load_some(gradient + i, n);
    vec m = load_some(mean + i, n), v = load_some(square + i, n);
    m = fma(g - m, a, m);
    v = fma(fma(g, g, -v), b, v);
    store_some(mean + i, m, n);
    store_some(square + i, v, n);
    const vec w = load_some(parameters + i, n) * keep;
    store_some(parameters + i, w - rate * m / (square_root(v) + epsilon), n);
  });
}

// Stochastic diagonal Levenberg-Marquardt: each weight has a rate of its own, learning_rate * gain.
void sdlm_step(float* parameters, const float* gain, const float* gradient, std::size_t size,
               const OptimizerStep& step) {
  const vec minus_rate = splat(-step.learning_rate);
  const vec keep = splat(1.0f - step.weight_decay * step.learning_rate);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec scaled = load_some(gain + i, n) * load_some(gradient + i, n);
    const vec w = load_some(parameters + i, n) * keep;
    store_some(parameters + i, fma(minus_rate, scaled, w), n);
  });
}

void optimizer_step(float* parameters, float* slot_1, float* slot_2, const float* gradient,
                    std::size_t size, const OptimizerStep& step) {
  if (step.kind == OptimizerStep::kSgd) sgd_step(parameters, slot_1, gradient, size, step);
  if (step.kind == OptimizerStep::kAdam)
    adam_step(parameters, slot_1, slot_2, gradient, size, step);
  if (step.kind == OptimizerStep::kSdlm) sdlm_step(parameters, slot_1, gradient, size, step);
}

}  // namespace
}  // namespace pylenet
