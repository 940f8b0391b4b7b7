#include "network/update.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace pylenet {

namespace {

// Nadam's momentum at step t, from 1, and the product of all up to there, which has no share in
// the update any more once it is small.
double nadam_momentum(double beta_1, double t) { return beta_1 * (1.0 - 0.5 * std::pow(0.96, t)); }
double nadam_product(double beta_1, double t) {
  constexpr double kNothing = 1e-30;
  double product = 1.0;
  for (double i = 1.0; i <= t && product > kNothing; i++) product *= nadam_momentum(beta_1, i);
  return product;
}

}  // namespace

OptimizerStep Optimizer::at(std::int64_t number, float learning_rate) const {
  OptimizerStep s = step;
  s.learning_rate = learning_rate;
  const double rate = learning_rate, t = double(iterations + number + 1);
  const double bias_1 = 1.0 - std::pow(double(s.beta_1), t);
  const double bias_2 = 1.0 - std::pow(double(s.beta_2), t);
  if (s.kind == OptimizerStep::kAdam) s.bias_rate = float(rate * (std::sqrt(bias_2) / bias_1));
  if (s.kind == OptimizerStep::kAdamax) s.bias_rate = float(rate / bias_1);
  if (s.kind == OptimizerStep::kNadam) {
    const double u = nadam_momentum(s.beta_1, t), next = nadam_momentum(s.beta_1, t + 1.0);
    const double product = nadam_product(s.beta_1, t);
    s.mean_rate = float(next / (1.0 - product * next));
    s.gradient_rate = float((1.0 - u) / (1.0 - product));
    s.square_rate = float(1.0 / bias_2);
  }
  return s;
}

Update::Update(const InstructionSet& isa, const Optimizer& optimizer,
               const std::vector<Regularizer>& regularizers,
               const std::vector<Constraint>& constraints, float* parameters, float* gradient,
               const std::vector<Range>& tensors, std::vector<Range> parts)
    : isa_(isa),
      optimizer_(optimizer),
      regularizers_(regularizers),
      constraints_(constraints),
      parameters_(parameters),
      gradient_(gradient),
      ranges_(std::move(parts)),
      penalties_(regularizers.empty() ? 0 : ranges_.size()) {
  for (const Constraint& c : constraints) factors_.emplace_back(c.outer * c.inner);
  const Clipping::Kind kind = optimizer.clipping.kind;
  if (kind != Clipping::kNorm && kind != Clipping::kGlobalNorm) return;
  for (const Range& tensor : tensors)
    for (std::size_t begin = tensor.begin; begin < tensor.end; begin += kPieceFloats)
      pieces_.push_back({tensor, {begin, std::min(begin + kPieceFloats, tensor.end)}, 0.0});
}

void Update::prepare(int part) {
  const Range range = ranges_[part];
  if (!regularizers_.empty()) penalties_[part] = 0.0;
  for (const Regularizer& r : regularizers_) {
    const auto first = std::max(range.begin, r.range.begin),
               last = std::min(range.end, r.range.end);
    if (first < last)
      penalties_[part] +=
          isa_.regularize(gradient_ + first, parameters_ + first, last - first, r.l1, r.l2);
  }
  if (optimizer_.clipping.kind == Clipping::kValue)
    isa_.clip(gradient_ + range.begin, range.end - range.begin, optimizer_.clipping.limit);
}

void Update::measure(int piece) {
  Piece& p = pieces_[piece];
  p.squares = isa_.sum_of_squares(gradient_ + p.range.begin, p.range.end - p.range.begin);
}

float Update::factor(const Piece& piece) const {
  const bool all = optimizer_.clipping.kind == Clipping::kGlobalNorm;
  double squares = 0.0;
  for (const Piece& p : pieces_)
    if (all || p.tensor.begin == piece.tensor.begin) squares += p.squares;
  const double norm = std::sqrt(squares), limit = optimizer_.clipping.limit;
  return norm <= limit ? 1.0f : float(limit / norm);
}

void Update::apply(int part, const OptimizerStep& step, std::int64_t number) const {
  const auto [begin, end] = ranges_[part];
  for (const Piece& p : pieces_) {
    const std::size_t first = std::max(begin, p.range.begin), last = std::min(end, p.range.end);
    if (first < last) isa_.scale(gradient_ + first, last - first, factor(p));
  }
  float* slots[kSlots];
  for (int i = 0; i < kSlots; i++)
    slots[i] = optimizer_.slots[i] ? optimizer_.slots[i] + begin : nullptr;
  isa_.optimizer_step(parameters_ + begin, slots, gradient_ + begin, end - begin, step);
  const MovingAverage& average = optimizer_.average;
  if (!average.values) return;
  const std::int64_t done = optimizer_.iterations + number;  // before this step
  const bool overwrite = average.overwrite_every > 0 && (done + 1) % average.overwrite_every == 0;
  isa_.moving_average(average.values + begin, parameters_ + begin, end - begin,
                      done == 0 ? 0.0f : average.momentum, overwrite);
}

double Update::penalty() const {
  return std::accumulate(penalties_.begin(), penalties_.end(), 0.0);
}

void Update::constrain(int i) {
  constexpr double kEpsilon = 1e-7;  // Keras's epsilon()
  const Constraint& c = constraints_[i];
  float* w = parameters_ + c.offset;
  if (c.kind == Constraint::kNonNegative) {
    for (std::size_t k = 0; k < c.outer * c.length * c.inner; k++) w[k] = w[k] < 0.0f ? 0.0f : w[k];
    return;
  }
  // Calls f(weights, factors), a row of `inner` each.
  const auto for_each_row = [&](auto f) {
    for (std::size_t row = 0; row < c.outer * c.length; row++)
      f(w + row * c.inner, factors_[i].data() + row / c.length * c.inner);
  };
  std::fill(factors_[i].begin(), factors_[i].end(), 0.0);
  for_each_row([&](const float* weights, double* squares) {
    for (std::size_t k = 0; k < c.inner; k++) squares[k] += double(weights[k]) * weights[k];
  });
  for (double& factor : factors_[i]) {
    const double norm = std::sqrt(factor);
    const double wanted = c.rate * std::min(std::max(norm, c.low), c.high) + (1.0 - c.rate) * norm;
    factor = wanted / (kEpsilon + norm);
  }
  for_each_row([&](float* weights, const double* factors) {
    for (std::size_t k = 0; k < c.inner; k++) weights[k] = float(weights[k] * factors[k]);
  });
}

}  // namespace pylenet
