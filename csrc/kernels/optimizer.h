// The optimizers' updates on the flat parameter buffer, with Keras's formulas, and what is done to
// the gradient before. Each parameter is updated alone, so ranges may be given to threads in any
// way. Sums over a range run in sixteen accumulators, value i in the one of i mod 16, which then
// are added as a tree: the same bits on every instruction set.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

// What an optimizer remembers, without numbers too small for full precision: these are zero. They
// come where gradients stay zero, as momentum's decay does not reach zero itself, and take x86 a
// hundred times as long: with a batch of 1 a step of LeNet's two to four times.
inline vec remembered(vec v) {
  constexpr float kLeastNormal = 1.17549435e-38f;
  return select(larger(v, -v) < kLeastNormal, vec{}, v);
}

// Keras's SGD: v = momentum v - rate g; w += v, or with Nesterov w += momentum v - rate g.
void sgd_step(float* parameters, float* velocity, const float* gradient, std::size_t size,
              const OptimizerStep& step) {
  const vec minus_rate = splat(-step.learning_rate), momentum = splat(step.momentum);
  const vec keep = splat(1.0f - step.weight_decay * step.learning_rate);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec g = load_some(gradient + i, n);
    vec w = load_some(parameters + i, n) * keep;
    if (velocity) {
      const vec v = remembered(fma(momentum, load_some(velocity + i, n), minus_rate * g));
      store_some(velocity + i, v, n);
      w += step.nesterov ? fma(momentum, v, minus_rate * g) : v;
    } else {
      w = fma(minus_rate, g, w);
    }
    store_some(parameters + i, w, n);
  });
}

// Adam (Kingma and Ba, arXiv:1412.6980, the efficient form at the end of section 2), as Keras's:
// m += (1 - b1)(g - m); v += (1 - b2)(g^2 - v); w -= bias_rate m / (sqrt(v) + eps); with AMSGrad
// (Reddi, Kale and Kumar, ICLR 2018) the largest v so far in its place.
void adam_step(float* parameters, float* mean, float* square, float* largest, const float* gradient,
               std::size_t size, const OptimizerStep& step) {
  const vec keep = splat(1.0f - step.weight_decay * step.learning_rate);
  const vec a = splat(1.0f - step.beta_1), b = splat(1.0f - step.beta_2);
  const vec rate = splat(step.bias_rate), epsilon = splat(step.epsilon);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec g = load_some(gradient + i, n);
    vec m = load_some(mean + i, n), v = load_some(square + i, n);
    m = remembered(fma(g - m, a, m));
    v = remembered(fma(fma(g, g, -v), b, v));
    store_some(mean + i, m, n);
    store_some(square + i, v, n);
    if (largest) {
      v = larger(load_some(largest + i, n), v);
      store_some(largest + i, v, n);
    }
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

// Tieleman and Hinton, Coursera "Neural networks for machine learning", lecture 6.5; centered:
// Graves, arXiv:1308.0850, with the variance of g in place of its mean square.
// v = rho v + (1 - rho) g^2; a = rho a + (1 - rho) g; s = rate g / sqrt(v - a^2 + eps);
// w -= s, or with momentum m = momentum m + s; w -= m. The variance is not below zero, which
// rounding alone could make it.
void rmsprop_step(float* parameters, float* square, float* velocity, float* mean,
                  const float* gradient, std::size_t size, const OptimizerStep& step) {
  const vec keep = splat(1.0f - step.weight_decay * step.learning_rate);
  const vec rho = splat(step.rho), rest = splat(1.0f - step.rho);
  const vec rate = splat(step.learning_rate), epsilon = splat(step.epsilon);
  const vec momentum = splat(step.momentum);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec g = load_some(gradient + i, n);
    const vec v = remembered(fma(rho, load_some(square + i, n), rest * (g * g)));
    store_some(square + i, v, n);
    vec below = v;
    if (mean) {
      const vec a = remembered(fma(rho, load_some(mean + i, n), rest * g));
      store_some(mean + i, a, n);
      below = larger(vec{}, fma(-a, a, v));
    }
    vec change = rate * g / square_root(below + epsilon);
    if (velocity) {
      change = remembered(fma(momentum, load_some(velocity + i, n), change));
      store_some(velocity + i, change, n);
    }
    store_some(parameters + i, load_some(parameters + i, n) * keep - change, n);
  });
}

// Duchi, Hazan and Singer, JMLR 12, 2011: s += g^2; w -= rate g / sqrt(s + eps).
void adagrad_step(float* parameters, float* sum, const float* gradient, std::size_t size,
                  const OptimizerStep& step) {
  const vec keep = splat(1.0f - step.weight_decay * step.learning_rate);
  const vec rate = splat(step.learning_rate), epsilon = splat(step.epsilon);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec g = load_some(gradient + i, n);
    const vec s = fma(g, g, load_some(sum + i, n));
    store_some(sum + i, s, n);
    const vec w = load_some(parameters + i, n) * keep;
    store_some(parameters + i, w - rate * g / square_root(s + epsilon), n);
  });
}

// Zeiler, arXiv:1212.5701: s = rho s + (1 - rho) g^2; d = g sqrt(u + eps) / sqrt(s + eps);
// u = rho u + (1 - rho) d^2; w -= rate d.
void adadelta_step(float* parameters, float* square, float* change, const float* gradient,
                   std::size_t size, const OptimizerStep& step) {
  const vec keep = splat(1.0f - step.weight_decay * step.learning_rate);
  const vec rho = splat(step.rho), rest = splat(1.0f - step.rho);
  const vec rate = splat(step.learning_rate), epsilon = splat(step.epsilon);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec g = load_some(gradient + i, n), u = load_some(change + i, n);
    const vec s = remembered(fma(rho, load_some(square + i, n), rest * (g * g)));
    const vec d = square_root(u + epsilon) * g / square_root(s + epsilon);
    store_some(square + i, s, n);
    store_some(change + i, remembered(fma(rho, u, rest * (d * d))), n);
    const vec w = load_some(parameters + i, n) * keep;
    store_some(parameters + i, w - rate * d, n);
  });
}

// Kingma and Ba, section 7: m as Adam's; u = max(b2 u, |g|); w -= bias_rate m / (u + eps).
void adamax_step(float* parameters, float* mean, float* norm, const float* gradient,
                 std::size_t size, const OptimizerStep& step) {
  const vec keep = splat(1.0f - step.weight_decay * step.learning_rate);
  const vec a = splat(1.0f - step.beta_1), b = splat(step.beta_2);
  const vec rate = splat(step.bias_rate), epsilon = splat(step.epsilon);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec g = load_some(gradient + i, n);
    vec m = load_some(mean + i, n);
    m = remembered(fma(g - m, a, m));
    const vec u = remembered(larger(b * load_some(norm + i, n), larger(-g, g)));
    store_some(mean + i, m, n);
    store_some(norm + i, u, n);
    const vec w = load_some(parameters + i, n) * keep;
    store_some(parameters + i, w - rate * m / (u + epsilon), n);
  });
}

// Dozat, ICLR 2016 workshop: m and v as Adam's;
// w -= rate (mean_rate m + gradient_rate g) / (sqrt(square_rate v) + eps).
void nadam_step(float* parameters, float* mean, float* square, const float* gradient,
                std::size_t size, const OptimizerStep& step) {
  const vec keep = splat(1.0f - step.weight_decay * step.learning_rate);
  const vec a = splat(1.0f - step.beta_1), b = splat(1.0f - step.beta_2);
  const vec mean_rate = splat(step.mean_rate), gradient_rate = splat(step.gradient_rate);
  const vec square_rate = splat(step.square_rate);
  const vec rate = splat(step.learning_rate), epsilon = splat(step.epsilon);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec g = load_some(gradient + i, n);
    vec m = load_some(mean + i, n), v = load_some(square + i, n);
    m = remembered(fma(g - m, a, m));
    v = remembered(fma(fma(g, g, -v), b, v));
    store_some(mean + i, m, n);
    store_some(square + i, v, n);
    const vec ahead = fma(mean_rate, m, gradient_rate * g);
    const vec w = load_some(parameters + i, n) * keep;
    store_some(parameters + i, w - rate * ahead / (square_root(square_rate * v) + epsilon), n);
  });
}

void optimizer_step(float* parameters, float* const* slots, const float* gradient, std::size_t size,
                    const OptimizerStep& step) {
  switch (step.kind) {
    case OptimizerStep::kSgd:
      return sgd_step(parameters, slots[0], gradient, size, step);
    case OptimizerStep::kAdam:
      return adam_step(parameters, slots[0], slots[1], slots[2], gradient, size, step);
    case OptimizerStep::kSdlm:
      return sdlm_step(parameters, slots[0], gradient, size, step);
    case OptimizerStep::kRmsprop:
      return rmsprop_step(parameters, slots[0], slots[1], slots[2], gradient, size, step);
    case OptimizerStep::kAdagrad:
      return adagrad_step(parameters, slots[0], gradient, size, step);
    case OptimizerStep::kAdadelta:
      return adadelta_step(parameters, slots[0], slots[1], gradient, size, step);
    case OptimizerStep::kAdamax:
      return adamax_step(parameters, slots[0], slots[1], gradient, size, step);
    case OptimizerStep::kNadam:
      return nadam_step(parameters, slots[0], slots[1], gradient, size, step);
  }
}

// average = momentum average + (1 - momentum) w, and then w = average if `overwrite`.
void moving_average(float* average, float* parameters, std::size_t size, float momentum,
                    bool overwrite) {
  const vec keep = splat(momentum), rest = splat(1.0f - momentum);
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec a = fma(keep, load_some(average + i, n), rest * load_some(parameters + i, n));
    store_some(average + i, a, n);
    if (overwrite) store_some(parameters + i, a, n);
  });
}

// Each value to [-limit, limit]; NaN stays.
void clip(float* gradient, std::size_t size, float limit) {
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec g = load_some(gradient + i, n);
    store_some(gradient + i, larger(splat(-limit), smaller(splat(limit), g)), n);
  });
}

void scale(float* gradient, std::size_t size, float factor) {
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    store_some(gradient + i, load_some(gradient + i, n) * splat(factor), n);
  });
}

struct BlockSum {
  static constexpr int kVectors = kBlock / kLanes;
  vec sums[kVectors] = {};

  // first: the place in the range of the terms' first.
  vec& at(std::size_t first) { return sums[first / kLanes % kVectors]; }
  float total() const {
    float lanes[kVectors];
    for (int v = 0; v < kVectors; v++) lanes[v] = lane_sum(sums[v]);
    for (int d = 1; d < kVectors; d *= 2)
      for (int v = 0; v < kVectors; v += 2 * d) lanes[v] += lanes[v + d];
    return lanes[0];
  }
};

float sum_of_squares(const float* x, std::size_t size) {
  BlockSum sum;
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec v = load_some(x + i, n);
    sum.at(i) = fma(v, v, sum.at(i));
  });
  return sum.total();
}

float regularize(float* gradient, const float* parameters, std::size_t size, float l1, float l2) {
  const vec one = splat(1.0f), twice_l2 = splat(2.0f * l2);
  BlockSum sum;
  for_each_vector_of(size, [&](std::size_t i, std::size_t n) {
    const vec w = load_some(parameters + i, n);
    const vec sign = select(w > 0.0f, one, select(w < 0.0f, -one, vec{}));
    const vec slope = fma(twice_l2, w, splat(l1) * sign);
    sum.at(i) += fma(splat(l2) * w, w, splat(l1) * (sign * w));
    store_some(gradient + i, load_some(gradient + i, n) + slope, n);
  });
  return sum.total();
}

}  // namespace
}  // namespace pylenet
