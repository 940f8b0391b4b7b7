// Losses of a group: each lane's loss, whether its largest output is the target's, and the gradient
// at the network's output.
#pragma once

#include "kernels/kernels.h"
#include "kernels/math.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

constexpr float kProbabilityEpsilon = 1e-7f;  // Keras's epsilon()

// The targets of a group's images: t[k] is how much of class k each lane wants. Lanes without an
// image want nothing.
struct GroupTargets {
  ivec label;
  const float* rows[kLanes];
  bool one_hot;
  float scale, shift;  // of rows

  GroupTargets(const Targets& targets, const std::int64_t* index, int count, int classes,
               const Loss& loss)
      : label(ivec{} - 1),
        rows{},
        one_hot(targets.rows == nullptr),
        scale(loss.target_scale),
        shift(loss.target_shift) {
    for (int lane = 0; lane < count; lane++) {
      if (one_hot)
        label[lane] = targets.labels[index[lane]];
      else
        rows[lane] = targets.rows + index[lane] * classes;
    }
  }
  vec operator[](int k) const {
    if (one_hot) return select(label == k, splat(1.0f), vec{});
    vec t{};
    for (int lane = 0; lane < kLanes; lane++)
      if (rows[lane]) t[lane] = rows[lane][k] * scale + shift;
    return t;
  }
};

// Each lane's first largest of value(0) .. value(n - 1).
template <class F>
inline ivec arg_max(int n, F value) {
  vec best = value(0);
  ivec where{};
  for (int k = 1; k < n; k++) {
    const vec v = value(k);
    const ivec better = v > best;
    best = select(better, v, best);
    where = select(better, ivec{} + k, where);
  }
  return where;
}

// -sum t log softmax(y); gradient softmax(y) sum(t) - t.
inline vec cross_entropy_from_logits(float* dy, const float* y, const GroupTargets& t, int n,
                                     vec scale) {
  vec top = load(y);
  for (int k = 1; k < n; k++) top = larger(load(y + k * kLanes), top);
  vec sum{}, weight{}, dot{};
  for (int k = 0; k < n; k++) {
    const vec shifted = load(y + k * kLanes) - top, wanted = t[k];
    sum += exp(shifted);
    weight += wanted;
    dot += select(wanted != 0.0f, wanted * shifted, vec{});
  }
  if (dy)
    for (int k = 0; k < n; k++) {
      const vec p = exp(load(y + k * kLanes) - top) / sum;
      store(dy + k * kLanes, (p * weight - t[k]) * scale);
    }
  return weight * log(sum) - dot;
}

// q = y / sum(y), clipped to [eps, 1 - eps]; loss -sum t log q. Where q is clipped it is constant.
inline vec cross_entropy_from_probabilities(float* dy, const float* y, const GroupTargets& t, int n,
                                            vec scale) {
  const vec low = splat(kProbabilityEpsilon), high = splat(1.0f - kProbabilityEpsilon);
  vec sum{}, loss{}, dot{};
  for (int k = 0; k < n; k++) sum += load(y + k * kLanes);
  const auto inside = [&](vec q) { return (q > low) & (q < high); };
  for (int k = 0; k < n; k++) {
    const vec q = load(y + k * kLanes) / sum, wanted = t[k];
    dot += select(inside(q), wanted, vec{});
    loss -= select(wanted != 0.0f, wanted * log(smaller(high, larger(low, q))), vec{});
  }
  if (dy)
    for (int k = 0; k < n; k++) {
      const vec v = load(y + k * kLanes);
      const vec direct = select(inside(v / sum), t[k] / v, vec{});
      store(dy + k * kLanes, (dot / sum - direct) * scale);
    }
  return loss;
}

// mean over the outputs of (y - t)^2.
inline vec mean_squared_error(float* dy, const float* y, const GroupTargets& t, int n, vec scale) {
  vec sum{};
  for (int k = 0; k < n; k++) {
    const vec difference = load(y + k * kLanes) - t[k];
    sum += difference * difference;
    if (dy) store(dy + k * kLanes, splat(2.0f / float(n)) * difference * scale);
  }
  return sum / splat(float(n));
}

// y_t + log(e^-j + sum of e^-y), so that a distance much larger than j counts as nothing.
inline vec maximum_a_posteriori(float* dy, const float* y, const GroupTargets& t, int n, float j,
                                vec scale) {
  vec least = splat(j);
  for (int k = 0; k < n; k++) least = smaller(load(y + k * kLanes), least);
  vec sum = exp(least - splat(j)), weight{}, dot{};
  for (int k = 0; k < n; k++) {
    const vec v = load(y + k * kLanes), wanted = t[k];
    sum += exp(least - v);
    weight += wanted;
    dot += select(wanted != 0.0f, wanted * v, vec{});
  }
  if (dy)
    for (int k = 0; k < n; k++) {
      const vec p = exp(least - load(y + k * kLanes)) / sum;
      store(dy + k * kLanes, (t[k] - p * weight) * scale);
    }
  return dot + weight * (log(sum) - least);
}

// value and slope of each output alone.
struct Point {
  vec value, slope;
};

// mean over the outputs of f(y, t).value.
template <class F>
inline vec mean_of(float* dy, const float* y, const GroupTargets& t, int n, vec scale, F f) {
  vec sum{};
  const vec share = scale / splat(float(n));
  for (int k = 0; k < n; k++) {
    const Point point = f(load(y + k * kLanes), t[k]);
    sum += point.value;
    if (dy) store(dy + k * kLanes, point.slope * share);
  }
  return sum / splat(float(n));
}

inline vec absolute(vec x) { return larger(-x, x); }

// -t log p - (1 - t) log(1 - p) with p = sigmoid(y), whose logarithms are not taken of 0.
inline Point binary_from_logit(vec y, vec t) {
  const vec one = splat(1.0f);
  return {larger(vec{}, y) - y * t + log1p(exp(-absolute(y))), one / (one + exp(-y)) - t};
}

// The same of p = y, clipped. Where it is clipped it is constant.
inline Point binary_from_probability(vec y, vec t) {
  const vec one = splat(1.0f), low = splat(kProbabilityEpsilon), high = one - low;
  const vec p = smaller(high, larger(low, y));
  return {-(t * log(p) + (one - t) * log(one - p)),
          select((y > low) & (y < high), (p - t) / (p * (one - p)), vec{})};
}

inline Point absolute_error(vec y, vec t) {
  const vec one = splat(1.0f), e = y - t;
  return {absolute(e), select(e > 0.0f, one, select(e < 0.0f, -one, vec{}))};
}

inline Point huber(vec y, vec t, vec delta) {
  const vec half = splat(0.5f), e = y - t, size = absolute(e);
  return {select(size <= delta, half * e * e, delta * size - half * delta * delta),
          larger(-delta, smaller(delta, e))};
}

// log(cosh(e)) = |e| + log(1 + e^(-2 |e|)) - log 2.
inline Point log_cosh(vec y, vec t) {
  const vec e = y - t, size = absolute(e);
  return {size + log1p(exp(splat(-2.0f) * size)) - splat(0.69314718f), tanh(e)};
}

inline Point hinge(vec y, vec t) {
  const vec margin = splat(1.0f) - t * y;
  return {larger(vec{}, margin), select(margin > 0.0f, -t, vec{})};
}

inline Point squared_hinge(vec y, vec t) {
  const vec margin = larger(vec{}, splat(1.0f) - t * y);
  return {margin * margin, splat(-2.0f) * t * margin};
}

inline Point poisson(vec y, vec t) {
  const vec rate = y + splat(kProbabilityEpsilon);
  return {y - t * log(rate), splat(1.0f) - t / rate};
}

// 100 |y - t| / |t|.
inline Point percentage_error(vec y, vec t) {
  const vec rate = splat(100.0f) / larger(splat(kProbabilityEpsilon), absolute(t));
  const Point error = absolute_error(y, t);
  return {rate * error.value, rate * error.slope};
}

// (log(1 + y) - log(1 + t))^2, of y and t no less than epsilon.
inline Point squared_logarithmic_error(vec y, vec t) {
  const vec low = splat(kProbabilityEpsilon), one = splat(1.0f);
  const vec e = log(one + larger(low, y)) - log(one + larger(low, t));
  return {e * e, select(y > low, splat(2.0f) * e / (one + y), vec{})};
}

// sum of t log(t / y), both clipped to [eps, 1].
inline vec kl_divergence(float* dy, const float* y, const GroupTargets& t, int n, vec scale) {
  const vec one = splat(1.0f), low = splat(kProbabilityEpsilon);
  vec sum{};
  for (int k = 0; k < n; k++) {
    const vec v = load(y + k * kLanes), p = smaller(one, larger(low, v));
    const vec wanted = smaller(one, larger(low, t[k]));
    sum += wanted * log(wanted / p);
    if (dy) store(dy + k * kLanes, select((v >= low) & (v <= one), -wanted / p * scale, vec{}));
  }
  return sum;
}

// max(0, 1 + max of (1 - t) y - sum of t y).
inline vec categorical_hinge(float* dy, const float* y, const GroupTargets& t, int n, vec scale) {
  const vec one = splat(1.0f);
  const auto other = [&](int k) { return (one - t[k]) * load(y + k * kLanes); };
  const ivec where = arg_max(n, other);
  vec right{}, wrong{};
  for (int k = 0; k < n; k++) {
    right += t[k] * load(y + k * kLanes);
    wrong = select(where == k, other(k), wrong);
  }
  const vec loss = wrong - right + one;
  if (dy)
    for (int k = 0; k < n; k++) {
      const vec slope = select(where == k, one - t[k], vec{}) - t[k];
      store(dy + k * kLanes, select(loss > 0.0f, slope * scale, vec{}));
    }
  return larger(vec{}, loss);
}

// Minus the cosine of the angle between y and t; lengths below epsilon are taken for it.
inline vec cosine_similarity(float* dy, const float* y, const GroupTargets& t, int n, vec scale) {
  const vec low = splat(kProbabilityEpsilon);
  vec yy{}, tt{}, yt{};
  for (int k = 0; k < n; k++) {
    const vec v = load(y + k * kLanes), wanted = t[k];
    yy += v * v;
    tt += wanted * wanted;
    yt += v * wanted;
  }
  const vec length = larger(low, square_root(yy));
  const vec inverse = splat(1.0f) / (length * larger(low, square_root(tt)));
  const vec turn = select(length > low, yt / (length * length), vec{});
  if (dy)
    for (int k = 0; k < n; k++)
      store(dy + k * kLanes, (load(y + k * kLanes) * turn - t[k]) * inverse * scale);
  return -yt * inverse;
}

void loss(float* dy, float* losses, std::int32_t* correct, float*, const float* y,
          const Targets& targets, const std::int64_t* index, int count, Loss which, int classes,
          float scale_of_all) {
  const GroupTargets t(targets, index, count, classes, which);
  vec weights = splat(1.0f), scale = splat(scale_of_all);
  if (targets.weights) {
    for (int lane = 0; lane < count; lane++) weights[lane] = targets.weights[index[lane]];
    scale *= weights;
  }
  const auto mean = [&](auto f) { return mean_of(dy, y, t, classes, scale, f); };
  vec loss{};
  switch (which.kind) {
    case LossKind::kCrossEntropyFromLogits:
      loss = cross_entropy_from_logits(dy, y, t, classes, scale);
      break;
    case LossKind::kCrossEntropyFromProbabilities:
      loss = cross_entropy_from_probabilities(dy, y, t, classes, scale);
      break;
    case LossKind::kMeanSquaredError:
      loss = mean_squared_error(dy, y, t, classes, scale);
      break;
    case LossKind::kMaximumAPosteriori:
      loss = maximum_a_posteriori(dy, y, t, classes, which.constant, scale);
      break;
    case LossKind::kBinaryCrossEntropyFromLogits:
      loss = mean(binary_from_logit);
      break;
    case LossKind::kBinaryCrossEntropyFromProbabilities:
      loss = mean(binary_from_probability);
      break;
    case LossKind::kMeanAbsoluteError:
      loss = mean(absolute_error);
      break;
    case LossKind::kHuber:
      loss = mean([&](vec v, vec wanted) { return huber(v, wanted, splat(which.constant)); });
      break;
    case LossKind::kLogCosh:
      loss = mean(log_cosh);
      break;
    case LossKind::kHinge:
      loss = mean(hinge);
      break;
    case LossKind::kSquaredHinge:
      loss = mean(squared_hinge);
      break;
    case LossKind::kPoisson:
      loss = mean(poisson);
      break;
    case LossKind::kMeanAbsolutePercentageError:
      loss = mean(percentage_error);
      break;
    case LossKind::kMeanSquaredLogarithmicError:
      loss = mean(squared_logarithmic_error);
      break;
    case LossKind::kKlDivergence:
      loss = kl_divergence(dy, y, t, classes, scale);
      break;
    case LossKind::kCategoricalHinge:
      loss = categorical_hinge(dy, y, t, classes, scale);
      break;
    case LossKind::kCosineSimilarity:
      loss = cosine_similarity(dy, y, t, classes, scale);
      break;
  }
  const vec sign = splat(which.kind == LossKind::kMaximumAPosteriori ? -1.0f : 1.0f);
  const ivec found = arg_max(classes, [&](int k) { return sign * load(y + k * kLanes); });
  const ivec expected = t.one_hot ? t.label : arg_max(classes, [&](int k) { return t[k]; });
  for (int lane = 0; lane < count; lane++) {
    losses[lane] = targets.weights ? loss[lane] * weights[lane] : loss[lane];
    correct[lane] = found[lane] == expected[lane];
  }
  if (dy && count < kLanes)
    for (int k = 0; k < classes; k++) store(dy + k * kLanes, load_some(dy + k * kLanes, count));
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
