// The layers of a planned network: each knows its shapes, where its parameters lie in the flat
// buffer, and which kernels to call for one unit. Built once; nothing here allocates afterwards.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels.h"

namespace pylenet {

// What Python says of a layer; which members count depends on the kind.
struct LayerSpec {
  // conv2d dense max_pool2d average_pool2d subsample2d flatten activation rescaling zero_padding2d
  // rbf
  std::string kind;
  int units = 0;  // conv2d's filters, dense's units
  std::pair<int, int> window{1, 1}, strides{1, 1};
  bool same_padding = false;
  bool use_bias = true;
  std::string activation = "linear";  // of the kind activation
  float scale = 1.0f, offset = 0.0f;  // of the kind rescaling
  std::array<int, 4> padding{};       // of the kind zero_padding2d: top, bottom, left, right
  std::vector<std::vector<int>> connections;  // conv2d's: the inputs of each filter; empty: all
  std::vector<std::string> codes;             // rbf's: '+' and '-' for each input
};

struct Tensor {  // one parameter tensor, in Keras's layout
  std::string name;
  std::size_t offset;  // floats from the start of the flat buffer
  std::vector<int> shape;
  std::size_t size() const;
};

// What a step's backward passes leave behind for a layer's gradient: one record for each unit.
struct Records {
  float* data;        // null where no gradient of parameters is wanted
  std::size_t units;  // how many there is room for
};

// What a layer needs for one unit, besides its input and output.
struct Pass {
  const Kernels& kernels;
  const float* parameters;
  float* scratch;
  Records records;   // of this layer
  std::size_t unit;  // whose record is written
};

// Zero what lies between the tensors of a record that is like them in the flat buffer: it is summed
// and updated with them.
void clear_gaps(float* record, const std::vector<Tensor>& tensors);

struct Range {
  std::size_t begin, end;
};

class Layer {
 public:
  Layer(Shape in, Shape out) : in(in), out(out) {}
  virtual ~Layer() = default;

  const Shape in, out;
  std::vector<Tensor> tensors;  // with offsets in the network's flat buffer

  virtual void forward(const Pass& pass, float* y, const float* x) const = 0;
  // dx is null where nobody wants it. dy may be used up.
  virtual void backward(const Pass& pass, float* dx, float* dy, const float* x,
                        const float* y) const = 0;

  // Backward for the diagonal of the Gauss-Newton Hessian: hx and the record from hy, by squares of
  // everything that backward multiplies with. `pass` has the squared parameters; x_squared is null
  // for a layer without.
  virtual void curvature(const Pass& pass, float* hx, float* hy, const float* x,
                         const float* /*x_squared*/, const float* y) const {
    backward(pass, hx, hy, x, y);
  }
  // What this layer is, where there is no such pass through it; else null.
  virtual const char* without_curvature() const { return nullptr; }
  // Whether `loss` and this layer, the last one, count as one function of the layer's input. Then
  // hx are what its second derivatives cannot exceed.
  virtual bool joins_loss(Loss /*loss*/) const { return false; }
  virtual void curvature_with_loss(float* /*hx*/) const {}

  // Whether the layer computes this activation of its output itself, from now on, both ways.
  virtual bool fuse(ActivationKind /*activation*/) { return false; }
  // The fused activation, whose derivative the layer above takes from now on.
  virtual ActivationKind give_derivative() { return ActivationKind::kLinear; }
  // Takes over the derivative of the activation fused into `below`, which this layer stands on,
  // where one pass over the gradient is saved by it.
  virtual void take_derivative(Layer& /*below*/) {}

  virtual bool in_place() const { return false; }      // x and y are one buffer, dx and dy too
  virtual bool needs_output() const { return false; }  // backward reads y: it must not change
  virtual std::size_t scratch_floats(int /*lanes*/) const { return 0; }
  // Multiply-adds of a forward pass on one image; operations of another kind where it has none.
  virtual double cost() const { return double(out.size()); }
  virtual std::size_t record_floats(int /*lanes*/) const { return 0; }

  // Whether the parts below contract over images, a multiply-add a weight and image, or only add up
  // what the backward passes of the units have contracted.
  virtual bool contracts_in_parts() const { return false; }
  // The step's gradient comes in parts, which threads take in any order: part `part`, summed over
  // `images` images' records into the flat gradient (adding if `add`). Returns where it wrote.
  virtual int parts() const { return 0; }
  virtual Range sum_part(const Kernels&, const Records&, float* /*gradient*/, int /*part*/,
                         int /*images*/, bool /*add*/) const {
    return {0, 0};
  }
};

// One image's values in one place: with 16 lanes of float32, at most 4 GiB for one layer's.
constexpr int kMostValues = 1 << 26;

// The layer for `spec` on inputs of shape `in`, its parameters from `offset` on.
// Throws std::invalid_argument where spec and shape do not fit.
std::unique_ptr<Layer> make_layer(const LayerSpec& spec, Shape in, std::size_t offset);

// Throws std::invalid_argument unless one image of this shape is of a size that can be computed.
void check_size(Shape s);

ActivationKind activation_kind(const std::string& name);

}  // namespace pylenet
