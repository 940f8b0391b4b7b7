// Losses of one unit: each lane's loss, whether its largest output is the target's, and the
// gradient at the network's output. The classes of one image are gathered from its lane first:
// ten numbers an image, against hundreds of thousands of multiply-adds before them.
#pragma once

#include "activation-inl.h"
#include "kernels.h"
#include "vec.h"

namespace pylenet {
namespace {

constexpr float kProbabilityEpsilon = 1e-7f;  // Keras's epsilon()

struct LaneTargets {  // of one image: a class, or a row
  std::int32_t label;
  const float* row;
  float operator[](int k) const { return row ? row[k] : (k == label ? 1.0f : 0.0f); }
};

inline int arg_max(const float* values, int stride, int n) {
  int best = 0;
  for (int k = 1; k < n; k++)
    if (values[k * stride] > values[best * stride]) best = k;
  return best;
}

// -sum t log softmax(y); gradient softmax(y) sum(t) - t.
inline float cross_entropy_from_logits(float* dy, const float* y, const LaneTargets& t, int n,
                                       float scale) {
  float top = y[0];
  for (int k = 1; k < n; k++) top = y[k * kLanes] > top ? y[k * kLanes] : top;
  float sum = 0.0f, weight = 0.0f, dot = 0.0f;
  for (int k = 0; k < n; k++) {
    const float shifted = y[k * kLanes] - top;
    sum += exp(splat(shifted))[0];
    weight += t[k];
    if (t[k] != 0.0f) dot += t[k] * shifted;
  }
  if (dy)
    for (int k = 0; k < n; k++) {
      const float p = exp(splat(y[k * kLanes] - top))[0] / sum;
      dy[k * kLanes] = (p * weight - t[k]) * scale;
    }
  return weight * __builtin_logf(sum) - dot;
}

// q = y / sum(y), clipped to [eps, 1 - eps]; loss -sum t log q. Where q is clipped it is constant.
inline float cross_entropy_from_probabilities(float* dy, const float* y, const LaneTargets& t,
                                              int n, float scale) {
  float sum = 0.0f, loss = 0.0f, dot = 0.0f;
  for (int k = 0; k < n; k++) sum += y[k * kLanes];
  const auto inside = [](float q) {
    return q > kProbabilityEpsilon && q < 1.0f - kProbabilityEpsilon;
  };
  for (int k = 0; k < n; k++) {
    float q = y[k * kLanes] / sum;
    if (inside(q)) dot += t[k];
    q = q < kProbabilityEpsilon ? kProbabilityEpsilon : q;
    q = q > 1.0f - kProbabilityEpsilon ? 1.0f - kProbabilityEpsilon : q;
    if (t[k] != 0.0f) loss -= t[k] * __builtin_logf(q);
  }
  if (dy)
    for (int k = 0; k < n; k++) {
      const float direct = inside(y[k * kLanes] / sum) ? t[k] / y[k * kLanes] : 0.0f;
      dy[k * kLanes] = (dot / sum - direct) * scale;
    }
  return loss;
}

// mean over the outputs of (y - t)^2.
inline float mean_squared_error(float* dy, const float* y, const LaneTargets& t, int n,
                                float scale) {
  float sum = 0.0f;
  for (int k = 0; k < n; k++) {
    const float difference = y[k * kLanes] - t[k];
    sum += difference * difference;
    if (dy) dy[k * kLanes] = 2.0f / float(n) * difference * scale;
  }
  return sum / float(n);
}

void loss(float* dy, float* losses, std::int32_t* correct, const float* y, const Targets& targets,
          const std::int64_t* index, int count, LossKind kind, int classes, float scale) {
  if (dy) std::memset(dy, 0, std::size_t(classes) * kLanes * sizeof(float));
  for (int lane = 0; lane < count; lane++) {
    const LaneTargets t = targets.rows ? LaneTargets{0, targets.rows + index[lane] * classes}
                                       : LaneTargets{targets.labels[index[lane]], nullptr};
    const float* row = y + lane;
    float* gradient = dy ? dy + lane : nullptr;
    switch (kind) {
      case LossKind::kCrossEntropyFromLogits:
        losses[lane] = cross_entropy_from_logits(gradient, row, t, classes, scale);
        break;
      case LossKind::kCrossEntropyFromProbabilities:
        losses[lane] = cross_entropy_from_probabilities(gradient, row, t, classes, scale);
        break;
      case LossKind::kMeanSquaredError:
        losses[lane] = mean_squared_error(gradient, row, t, classes, scale);
        break;
    }
    const int expected = t.row ? arg_max(t.row, 1, classes) : t.label;
    correct[lane] = arg_max(row, kLanes, classes) == expected;
  }
}

}  // namespace
}  // namespace pylenet
