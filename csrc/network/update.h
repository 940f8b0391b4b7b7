// From a part of the gradient to new parameters: what comes before and after the optimizer's own
// step. Most optimizers update a part as soon as it is summed. One that clips by a norm needs all
// parts first: then the squares of pieces of it are summed, and all parts are updated.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "layers/layer.h"

namespace pylenet {

constexpr int kSlots = 3;  // of an optimizer's state, at most

// What a gradient is clipped by: no value beyond `limit`; no norm of a tensor's, or of all.
struct Clipping {
  enum Kind { kNone, kValue, kNorm, kGlobalNorm } kind = kNone;
  float limit = 0.0f;
};

// An exponential average of the parameters over the steps.
struct MovingAverage {
  float* values = nullptr;  // like the parameters; null for none
  float momentum = 0.0f;
  std::int64_t overwrite_every = 0;  // steps after which it takes the parameters' place; 0: never
};

struct Optimizer {
  OptimizerStep step;           // but for what changes from step to step
  float* slots[kSlots] = {};    // its state, like the parameters; null where unused
  std::int64_t iterations = 0;  // steps taken before this call
  Clipping clipping;
  MovingAverage average;

  // The update `number` steps on from here.
  OptimizerStep at(std::int64_t number, float learning_rate) const;
};

// Adds sum(l1 |w| + l2 w^2) over a range of the parameters to the loss.
struct Regularizer {
  Range range;
  float l1, l2;
};

// What is done to a tensor after each update: values below 0 become 0; or norms of vectors in it,
// values [outer][length][inner] with one vector for each outer and inner, go from n to
// rate clip(n, low, high) + (1 - rate) n, as Keras computes it.
struct Constraint {
  enum Kind { kNonNegative, kNorm } kind;
  std::size_t offset, outer, length, inner;
  double low, high, rate;
};

// The updates of one call; all its threads share one.
class Update {
 public:
  // tensors: those that are trained, in the order of the buffer. parts: where those of the gradient
  // lie.
  Update(const InstructionSet& isa, const Optimizer& optimizer,
         const std::vector<Regularizer>& regularizers, const std::vector<Constraint>& constraints,
         float* parameters, float* gradient, const std::vector<Range>& tensors,
         std::vector<Range> parts);

  // Part `part` of the gradient is there.
  void prepare(int part);
  // How many pieces are to be measured, after all parts are prepared and before one is applied.
  int pieces() const { return int(pieces_.size()); }
  void measure(int piece);
  // The step's update of a part. number: of the step, from the call's first on.
  void apply(int part, const OptimizerStep& step, std::int64_t number) const;
  // What regularizers add to the loss, once all parts are prepared.
  double penalty() const;
  // How many tensors are constrained, after all parts are applied.
  int constraints() const { return int(constraints_.size()); }
  void constrain(int i);

 private:
  struct Piece {
    Range tensor, range;
    double squares;
  };
  static constexpr std::size_t kPieceFloats = 1 << 15;  // some microseconds of work

  // What the gradient of the piece's tensor is multiplied by.
  float factor(const Piece& piece) const;

  const InstructionSet& isa_;
  const Optimizer& optimizer_;
  const std::vector<Regularizer>& regularizers_;
  const std::vector<Constraint>& constraints_;
  float *const parameters_, *const gradient_;
  const std::vector<Range> ranges_;  // [part]
  std::vector<double> penalties_;    // [part]
  std::vector<Piece> pieces_;        // of all tensors, in order; none where nothing is measured
  std::vector<std::vector<double>> factors_;  // [constraint] of each vector
};

}  // namespace pylenet
