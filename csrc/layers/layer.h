// A layer of a planned network: its shapes, where its parameters lie in the flat buffer, and which
// kernels to call for one group of images. Made once; nothing here allocates afterwards.
//
// A new layer is a class in one of this folder's files, with a constructor that reads its own
// settings, and one `Registered` that gives it a kind.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "layers/settings.h"

namespace pylenet {

struct Tensor {  // one parameter tensor, in Keras's layout
  std::string name;
  std::size_t offset;  // floats from the start of the flat buffer
  std::vector<int> shape;
  bool trainable = true;  // else a step changes it without a gradient, as a moving average
  std::size_t size() const;
};

// What a step's backward passes leave behind for a layer's gradient: one or two arrays, each with
// one record for each group.
using RecordFloats = std::array<std::size_t, 2>;  // of one group in each; 0 for no array
struct Records {
  float *first, *second;  // [group][floats]; null where no gradient of parameters is wanted
};

// What a layer with weights does with them: forward, its input's gradient, theirs.
enum class Pass { kForward, kInputGradient, kWeightGradient };

// What a layer needs for one group, besides its input and output.
struct Call {
  const Kernels& kernels;
  const float* parameters;
  float* scratch;
  Records records;           // of this layer; null where it is frozen
  std::size_t layer, group;  // which one this is; whose record is written
  const float* prepared;     // of this layer: what `prepare` has made of its parameters
  // Of a training step; both null otherwise.
  const TrainingImages* training;
  float* shared;  // of this layer, by all groups: as much as shared_floats says
};

struct Range {
  std::size_t begin, end;
};

// A layer that computes several groups together in less time than one after the other, as one whose
// weights do not fit the caches.
class WideLayer {
 public:
  // As Layer's, of `groups` groups. The call is the first one's; the others follow it. dx is null
  // where nobody wants it.
  virtual void forward_groups(const Call& call, float* const* y, const float* const* x,
                              int groups) const = 0;
  virtual void backward_groups(const Call& call, float* const* dx, float* const* dy,
                               const float* const* x, const float* const* y, int groups) const = 0;

 protected:
  ~WideLayer() = default;
};

class Layer {
 public:
  // offset: where its parameters begin in the flat buffer.
  Layer(Shape in, Shape out, std::size_t offset) : in(in), out(out), end_(offset) {}
  virtual ~Layer() = default;

  const Shape in, out;
  std::vector<Tensor> tensors;
  std::size_t end() const { return end_; }  // where the next layer's parameters begin

  // From now on training leaves its tensors as they are: it has no records and no parts, and what
  // follows the step's images stays what predictions use.
  void freeze() { frozen_ = true; }
  bool frozen() const { return frozen_; }

  // From now on it may use algorithms that need fewer multiplications and round otherwise.
  virtual void allow_fast_algorithms() {}
  // What is made of the parameters whenever they have changed: by each thread, before a step or a
  // call. both_ways: for a way back, too. kept: whether `prepared` is as the call before left it.
  virtual std::size_t prepared_floats(bool /*both_ways*/) const { return 0; }
  virtual void prepare(const Call&, float* /*prepared*/, bool /*both_ways*/, bool /*kept*/) const {}

  virtual void forward(const Call& call, float* y, const float* x) const = 0;
  // dx is null where nobody wants it. dy may be used up.
  virtual void backward(const Call& call, float* dx, float* dy, const float* x,
                        const float* y) const = 0;

  // How several groups are computed together, where that takes less time; else null.
  virtual const WideLayer* wide() const { return nullptr; }

  // Backward for the diagonal of the Gauss-Newton Hessian: hx and the record from hy, by squares of
  // everything that backward multiplies with. `call` has the squared parameters; x_squared is null
  // for a layer without.
  virtual void hessian(const Call& call, float* hx, float* hy, const float* x,
                       const float* x_squared, const float* y) const = 0;
  // What this layer is, where there is no such way through it; else null.
  virtual const char* without_hessian() const { return nullptr; }

  // A layer that needs all images of a training step before it can go on begins a segment of the
  // network. Before its forward passes there are rounds, in each of which it gathers something from
  // each group into the group's second record and then settles what it shares; and so on the way
  // back. In the next round it must not write where others may still read.
  virtual std::size_t shared_floats() const { return 0; }  // 0: no such layer
  virtual int forward_rounds() const { return 0; }
  virtual int backward_rounds() const { return 0; }
  virtual void gather_forward(const Call&, int /*round*/, const float* /*x*/) const {}
  virtual void gather_backward(const Call&, int /*round*/, const float* /*dy*/,
                               const float* /*x*/) const {}
  virtual void settle_forward(const Call&, int /*round*/, int /*images*/) const {}
  virtual void settle_backward(const Call&, int /*round*/, int /*images*/) const {}
  // Changes what is not trained, once a step is done.
  virtual void end_step(float* /*parameters*/, const float* /*shared*/) const {}

  // Whether `loss` is computed from this layer's input where it is the last one.
  virtual bool is_part_of(Loss /*loss*/) const { return false; }
  // The same for the Hessian alone, whose hx are then what its second derivatives cannot exceed.
  virtual bool hessian_is_part_of(Loss /*loss*/) const { return false; }
  virtual void hessian_with_loss(float* /*hx*/) const {}

  // The activation that this layer computes of its output, whose derivative the layer above takes
  // from now on; linear where it has none to give.
  virtual Activation give_derivative() { return {}; }
  // Takes over the derivative from `below`, which this layer stands on, where one pass over the
  // gradient is saved by it.
  virtual void take_derivative(Layer& /*below*/) {}

  // What the way forward alone computes at once: a layer that takes an affine function of each
  // channel, one that is no more than that, and an activation. The function's arrays may lie in
  // call.scratch. only_activation: linear where the layer is anything else than one activation of
  // each value.
  virtual bool takes_affine() const { return false; }
  virtual void forward_affine(const Call&, float* /*y*/, const float* /*x*/, const ChannelAffine&,
                              Activation) const {}
  virtual bool is_affine() const { return false; }
  virtual ChannelAffine affine(const Call&) const { return {}; }
  virtual Activation only_activation() const { return {}; }

  virtual bool in_place() const { return false; }      // x and y are one buffer, dx and dy too
  virtual bool needs_output() const { return false; }  // backward reads y: it must not change
  // Of scratch, for one group; kernels may use kSlack floats more.
  virtual std::size_t forward_scratch(int /*lanes*/) const { return 0; }
  virtual std::size_t backward_scratch(int lanes) const { return forward_scratch(lanes); }
  // Multiply-adds of a forward pass on one image; operations of another kind where it has none.
  virtual double cost() const { return double(size_of(out)); }
  // Multiplications of a pass on one image, of a layer with weights: as many as multiply-adds,
  // unless an algorithm needs fewer.
  virtual double multiplications(Pass) const { return cost(); }
  virtual RecordFloats record_floats(int /*lanes*/) const { return {0, 0}; }

  // Whether the parts below contract over images, a multiply-add a weight and image, or only add up
  // what the groups' backward passes have contracted.
  virtual bool contracts_in_parts() const { return false; }
  // The step's gradient comes in parts, which threads take in any order: part `part` lies at a
  // range of the flat gradient, and is summed over `images` images' records (adding if `add`).
  virtual int parts() const { return 0; }
  virtual Range part_range(int /*part*/) const { return {0, 0}; }
  virtual void sum_part(const Kernels&, const Records&, float* /*gradient*/, int /*part*/,
                        int /*images*/, bool /*add*/) const {}
  // The same of the records that `hessian` leaves.
  virtual void sum_hessian_part(const Kernels& kernels, const Records& records, float* hessian,
                                int part, int images, bool add) const {
    sum_part(kernels, records, hessian, part, images, add);
  }

 protected:
  void add_tensor(const char* name, const std::vector<int>& shape, bool trainable = true);
  const float* tensor(const Call& call, std::size_t i) const {  // null where there is none
    return i < tensors.size() ? call.parameters + tensors[i].offset : nullptr;
  }

  std::size_t end_;

 private:
  bool frozen_ = false;
};

// How many groups so many images are.
inline int groups_of(std::int64_t images, const Kernels& kernels) {
  return int((images + kernels.lanes - 1) / kernels.lanes);
}

// A layer whose output goes through an activation, a function of one value.
class ActivatedLayer : public Layer {
 public:
  ActivatedLayer(Shape in, Shape out, std::size_t offset, Activation activation)
      : Layer(in, out, offset), activation_(activation) {}
  bool needs_output() const override { return has_activation(); }

 protected:
  bool has_activation() const { return !is_linear(activation_); }
  void activate(const Call& call, float* y) const;
  // dy becomes the gradient of what went into the activation, hy its Hessian. v: what it gave, or
  // what it was given (PYLENET_ACTIVATIONS_BY_INPUT).
  void undo_activation(const Call& call, float* dy, const float* v) const;
  void undo_activation_squared(const Call& call, float* hy, const float* v) const;

  const Activation activation_;
};

// A layer whose backward passes leave the gradient of a group, to be summed over the groups: its
// record begins like its tensors in the flat buffer.
class SummedLayer : public ActivatedLayer {
 public:
  using ActivatedLayer::ActivatedLayer;
  RecordFloats record_floats(int) const override { return {span(), 0}; }
  int parts() const override { return int((span() + kPartFloats - 1) / kPartFloats); }
  Range part_range(int part) const override;
  void sum_part(const Kernels& kernels, const Records& records, float* gradient, int part,
                int images, bool add) const override;

 protected:
  float* record(const Call& call) const {
    return call.records.first + call.group * record_floats(call.kernels.lanes)[0];
  }
  // Zeroes what lies between a record's tensors: it is summed and updated with them.
  void clear_gaps(float* record) const;

  std::size_t span() const;  // of the trainable tensors, which come first

 private:
  static constexpr std::size_t kPartFloats = 512;  // a few microseconds of work for one thread
};

// One image's values in one place: with 16 lanes of float32, at most 4 GiB for one layer's.
constexpr int kMostValues = 1 << 26;

// Throws std::invalid_argument unless one image of this shape is of a size that can be computed.
void check_size(Shape s);
// Throws std::invalid_argument unless a layer can have so many weights.
void check_weights(const std::string& kind, double weights);
// Throws std::invalid_argument unless the layer's input is flat.
void check_flat(const std::string& what, Shape in);

using MakeLayer = std::unique_ptr<Layer> (*)(const Settings& settings, Shape in,
                                             std::size_t offset);
void register_kind(const char* kind, MakeLayer make);

// Makes a class a kind of layer as soon as the library is loaded.
template <class Class>
struct Registered {
  explicit Registered(const char* kind) {
    register_kind(kind, [](const Settings& settings, Shape in, std::size_t offset) {
      return std::unique_ptr<Layer>(std::make_unique<Class>(settings, in, offset));
    });
  }
};

// The layer that `settings` describe, on inputs of shape `in`, its parameters from `offset` on.
// Throws std::invalid_argument where settings and shape do not fit.
std::unique_ptr<Layer> make_layer(const Settings& settings, Shape in, std::size_t offset);

}  // namespace pylenet
