// A planned network: layers, buffers and gradient parts laid out once, then driven over batches.
// A network holds no parameters: they are the caller's flat buffer, so one network serves any
// number of Python's threads at the same time.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/kernels.h"
#include "layers/layer.h"
#include "layers/settings.h"
#include "network/exchange.h"
#include "network/plan.h"
#include "network/update.h"
#include "runtime/dispatch.h"
#include "runtime/gate.h"
#include "runtime/interrupt.h"
#include "runtime/memory.h"

namespace pylenet {

struct TrainCall {
  float* parameters;
  ImageView x;
  Targets targets;
  Loss loss;
  const RandomAffine* augmentation;  // of the images; null for none
  const std::int64_t* order;         // images in the order of training
  std::int64_t count;                // how many; the last step may be a smaller batch
  int batch_size;
  std::int64_t largest;         // step's images, of those too that are done
  std::uint32_t seed, epoch;    // what dropout depends on besides the image
  const float* learning_rates;  // [step]
  Optimizer optimizer;
  Exchange* exchange;          // null for a step that is computed here alone
  float* outputs;              // [image in `order`][output] before its step; null where nobody asks
  std::int64_t output_floats;  // of one image
  std::vector<Regularizer> regularizers;
  std::vector<Constraint> constraints;
  double* losses;         // [step] sum over the batch
  std::int64_t* correct;  // [step]

  std::int64_t steps() const { return (count + batch_size - 1) / batch_size; }
  // Whether a parameter's update needs no more than its own gradient.
  bool updates_by_parts() const {
    const bool norms = optimizer.clipping.kind == Clipping::kNorm ||
                       optimizer.clipping.kind == Clipping::kGlobalNorm;
    return !norms && regularizers.empty() && constraints.empty();
  }
  void skip(std::int64_t steps);  // the first so many, which are done
};

struct PhaseTime {
  double seconds;          // for one group
  double work;             // multiply-adds an image; 0 where it has none
  double multiplications;  // as many, or fewer
};

struct LayerTimes {
  std::size_t node;  // of those given to the constructor
  // update: the sums of the parameters' gradient and a step of plain SGD.
  PhaseTime forward, backward, update;
};

struct StepTimes {
  int images;         // of one group
  double pack, loss;  // seconds
  std::vector<LayerTimes> layers;
};

// Floating-point operations a second of nothing but multiply-adds (two operations each), with the
// instruction set in force.
double peak_flops(int threads, double seconds);

// Floats of an image in the frame that distortion wants around it.
std::size_t framed_floats(Shape s);

class Network {
 public:
  // nodes: one for each layer. scale, offset: what is done to each value while images are packed.
  // frozen: which nodes training leaves as they are. places: where each node's parameters begin in
  // the flat buffer, at multiples of 16; none for one after the other. gate: one for all networks
  // on the same parameters, or null. convolution: which algorithms may be used. Throws
  // std::invalid_argument where a layer does not fit what comes before it.
  Network(Shape input, const std::vector<Settings>& nodes, float scale, float offset,
          const std::vector<int>& frozen, const std::vector<std::size_t>& places,
          std::shared_ptr<Gate> gate, const InstructionSet& isa, Convolution convolution);
  ~Network();

  const char* isa() const { return isa_.name; }
  int lanes() const { return isa_.lanes.lanes; }
  Shape input() const { return input_; }
  Shape output() const { return layers_.empty() ? input_ : layers_.back()->out; }
  std::size_t parameter_floats() const { return parameter_floats_; }
  std::size_t bytes_per_thread() const;

  // A call that was interrupted has written nothing that counts: it is to be made again, or not.

  // y [image][h][w][c].
  void predict(float* y, const float* parameters, const ImageView& x, std::int64_t count,
               int threads, Interrupt& interrupt) const {
    predict_into(y, false, parameters, x, count, threads, interrupt);
  }
  // The same of one image, y being aligned and with room for kSlack floats behind it: where it is
  // large it is computed there, and is in memory once.
  void predict_one(float* y, const float* parameters, const ImageView& x,
                   Interrupt& interrupt) const {
    predict_into(y, true, parameters, x, 1, 1, interrupt);
  }
  // What that costs, in multiply-adds of vectors.
  double predict_cost(std::int64_t count) const {
    const Plan& plan = plan_for(count, *forward_);
    return plan.groups_of(count) * (cost(plan) + double(size_of(input_)));
  }

  // Losses summed over the images, and how many of their arg max are right. outputs: as predict's
  // y, or null.
  void evaluate(double* loss, std::int64_t* correct, float* outputs, const float* parameters,
                const ImageView& x, std::int64_t count, const Targets& targets, Loss which,
                int threads, Interrupt& interrupt) const;

  // dx [image][h][w][c] and the flat gradient, both float32, for a given dy like predict's y.
  void gradient(float* dx, float* gradient, const float* parameters, const ImageView& x,
                const ImageView& dy, std::int64_t count, int threads, Interrupt& interrupt) const;

  // How large the common memory of those that compute the call's steps together is to be.
  std::size_t exchange_floats(const TrainCall& call) const;
  // Returns how many steps were done, each whole: all of them unless it was interrupted.
  std::int64_t train(const TrainCall& call, int threads, Interrupt& interrupt) const;

  // The diagonal of the loss's Gauss-Newton Hessian, mean over the images x[order], like the
  // gradient; no labels are needed. augmentation: of the images; null for none. Throws
  // std::invalid_argument where a layer or the loss has none.
  void hessian(float* hessian, const float* parameters, const ImageView& x,
               const std::int64_t* order, std::int64_t count, Loss loss,
               const RandomAffine* augmentation, int threads, Interrupt& interrupt) const;

  // y [image][h][w][c]: the images x[order], `count` of them, as training with this
  // augmentation gives them to the first layer.
  void distort(float* y, const ImageView& x, const std::int64_t* order, std::int64_t count,
               const RandomAffine& augmentation, int threads, Interrupt& interrupt) const;

  // Where the time of one training step goes on this thread, on all of x's images (a group at
  // most); means over `repeats`.
  StepTimes profile(const float* parameters, const ImageView& x, std::int64_t count,
                    const Targets& targets, Loss loss, int repeats) const;

  // For callers whose threads share parameters: predict, evaluate and gradient read, train writes.
  Gate& gate() const { return *gate_; }

 private:
  struct Workspace;
  class Lease;
  struct Worker;
  struct Group;
  class Bundle;
  struct Trainer;
  struct StepPlan;
  struct HessianWorker;

  struct Plans {
    Plan lanes, single;  // for many images, for one
  };
  // Few images are computed one by one: a group costs as much as if it were full.
  const Plan& plan_for(std::int64_t images, const Plans& plans) const {
    return images * 2 <= lanes() ? plans.single : plans.lanes;
  }
  // Of a forward pass on one group, in multiply-adds of vectors; backward costs about twice as
  // much.
  double cost(const Plan& plan) const {
    return plan.kernels.lanes > 1 ? cost_ : cost_ * kSingleCost;
  }
  void predict_into(float* y, bool roomy, const float* parameters, const ImageView& x,
                    std::int64_t count, int threads, Interrupt& interrupt) const;
  // Calls use(worker, the group's images) for each group, after `layers` layers; groups go side by
  // side, `bundle` at most. output: where the output is to lie; null for its place in the buffer.
  template <class Use>
  void forward_groups(const Plan& plan, Workspace& workspace, const float* parameters,
                      const ImageView& x, std::int64_t count, int layers, int threads, int bundle,
                      Interrupt& interrupt, float* output, Use use) const;

  // Throws std::invalid_argument where there is no Hessian; returns the largest input of its
  // layers.
  std::size_t check_hessian(Loss loss) const;
  // The places of the tensors that training changes, in order.
  std::vector<Range> trained_tensors() const;
  // Where part `part` of the gradient lies; where all lie.
  Range part_range(int part) const {
    return layers_[parts_[part].first]->part_range(parts_[part].second);
  }
  std::vector<Range> part_ranges() const;
  // How many layers run before the loss, which may be computed from the last one's input.
  int layers_before(Loss loss) const;

  static constexpr double kSingleCost = 0.12;  // one image alone, against 16 in lanes: measured

  const InstructionSet& isa_;
  const Shape input_;
  const float scale_, offset_;
  Layers layers_;
  double cost_ = 0.0;
  int first_trainable_ = 0;
  std::size_t parameter_floats_ = 0;
  std::vector<int> barriers_;                       // layers that begin a segment
  std::vector<std::pair<std::size_t, int>> parts_;  // all parts of the gradient: layer, its part
  std::unique_ptr<const Plans> forward_, both_ways_;
  const std::shared_ptr<Gate> gate_;
  std::mutex& mutex_ = fork_safe_mutex();
  mutable std::vector<std::unique_ptr<Workspace>> idle_;  // kept for the next call
};

}  // namespace pylenet
