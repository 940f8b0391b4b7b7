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

  GroupTargets(const Targets& targets, const std::int64_t* index, int count, int classes)
      : label(ivec{} - 1), rows{}, one_hot(targets.rows == nullptr) {
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
      if (rows[lane]) t[lane] = rows[lane][k];
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

void loss(float* dy, float* losses, std::int32_t* correct, float*, const float* y,
          const Targets& targets, const std::int64_t* index, int count, Loss which, int classes,
          float scale) {
  const GroupTargets t(targets, index, count, classes);
  vec loss{};
  switch (which.kind) {
    case LossKind::kCrossEntropyFromLogits:
      loss = cross_entropy_from_logits(dy, y, t, classes, splat(scale));
      break;
    case LossKind::kCrossEntropyFromProbabilities:
      loss = cross_entropy_from_probabilities(dy, y, t, classes, splat(scale));
      break;
    case LossKind::kMeanSquaredError:
      loss = mean_squared_error(dy, y, t, classes, splat(scale));
      break;
    case LossKind::kMaximumAPosteriori:
      loss = maximum_a_posteriori(dy, y, t, classes, which.constant, splat(scale));
      break;
  }
  const vec sign = splat(which.kind == LossKind::kMaximumAPosteriori ? -1.0f : 1.0f);
  const ivec found = arg_max(classes, [&](int k) { return sign * load(y + k * kLanes); });
  const ivec expected = t.one_hot ? t.label : arg_max(classes, [&](int k) { return t[k]; });
  for (int lane = 0; lane < count; lane++) {
    losses[lane] = loss[lane];
    correct[lane] = found[lane] == expected[lane];
  }
  if (dy && count < kLanes)
    for (int k = 0; k < classes; k++) store(dy + k * kLanes, load_some(dy + k * kLanes, count));
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
