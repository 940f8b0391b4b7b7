// A planned network: layers, buffers and gradient parts laid out once, then driven over batches.
// A network holds no parameters: they are the caller's flat buffer, so one network serves any
// number of Python's threads at the same time.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels.h"
#include "layers.h"
#include "memory.h"

namespace pylenet {

struct Optimizer {
  OptimizerStep::Kind kind;
  float weight_decay, momentum;
  bool nesterov;
  float beta_1, beta_2, epsilon;
  float *slot_1, *slot_2;   // like the parameters; null where unused
  std::int64_t iterations;  // steps taken before this call
};

struct TrainCall {
  float* parameters;
  ImageView x;
  Targets targets;
  LossKind loss;
  const std::int64_t* order;  // images in the order of training
  std::int64_t count;         // how many; the last step may be a smaller batch
  int batch_size;
  const float* learning_rates;  // [step]
  Optimizer optimizer;
  double* losses;         // [step] sum over the batch
  std::int64_t* correct;  // [step]
};

class Network {
 public:
  // Throws std::invalid_argument where a layer does not fit what comes before it.
  Network(Shape input, const std::vector<LayerSpec>& specs);
  ~Network();

  const Kernels& kernels() const { return kernels_; }
  Shape input() const { return input_; }
  Shape output() const { return layers_.empty() ? input_ : layers_.back()->out; }
  std::size_t parameter_floats() const { return parameter_floats_; }
  // Of layer `spec` as given to the constructor.
  // Throw std::out_of_range where there is none.
  const std::vector<Tensor>& tensors(std::size_t spec) const { return tensors_.at(spec); }
  Shape output_of(std::size_t spec) const { return outputs_.at(spec); }
  std::size_t bytes_per_thread() const;

  // y [image][h][w][c].
  void predict(float* y, const float* parameters, const ImageView& x, std::int64_t count,
               int threads) const;

  // Losses summed over the images, and how many of their arg max are right.
  void evaluate(double* loss, std::int64_t* correct, const float* parameters, const ImageView& x,
                std::int64_t count, const Targets& targets, LossKind kind, int threads) const;

  // dx [image][h][w][c] and the flat gradient, both float32, for a given dy like predict's y.
  void gradient(float* dx, float* gradient, const float* parameters, const ImageView& x,
                const ImageView& dy, std::int64_t count, int threads) const;

  void train(const TrainCall& call, int threads) const;

 private:
  struct Workspace;
  class Lease;

  // Where one thread keeps one unit, in floats from the start of its buffer.
  struct Plan {
    std::vector<std::size_t> values;  // [layer + 1] inputs of each layer, then the output
    std::size_t gradients[2];         // dy and dx, taking turns
    std::size_t scratch;
    std::size_t floats;
  };

  void plan();
  int units_of(std::int64_t images) const {
    return int((images + kernels_.lanes - 1) / kernels_.lanes);
  }
  int layers_before_loss(LossKind kind) const;
  void forward(const Pass& pass, float* buffer, int layers) const;
  template <class Use>
  void forward_units(const Workspace& workspace, const float* parameters, const ImageView& x,
                     std::int64_t count, int layers, int threads, Use use) const;
  float* backward(const Pass& pass, float* buffer, int layers, bool want_dx) const;

  const Kernels& kernels_;
  Shape input_;
  float scale_ = 1.0f, offset_ = -0.0f;  // a leading Rescaling, done while packing; neutral so
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<std::vector<Tensor>> tensors_;
  std::vector<Shape> outputs_;
  bool ends_in_softmax_ = false;
  double cost_ = 0.0;  // of a forward pass on one unit; backward costs about twice as much
  int first_trainable_ = 0;
  std::size_t parameter_floats_ = 0, record_floats_ = 0;
  std::vector<std::pair<const Layer*, int>> parts_;  // all layers' parts of the gradient
  Plan plan_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;  // kept for the next call
};

}  // namespace pylenet
