#include "layers.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "lecun_layers.h"
#include "memory.h"
#include "slide.h"

namespace pylenet {

namespace {

constexpr int kMostWeights = 1 << 28;  // of one layer, 1 GiB

// Positions in [in][out] of the links, ascending, from the inputs that feed each output.
std::vector<int> links_of(const std::vector<std::vector<int>>& connections, int in, int out) {
  if (int(connections.size()) != out)
    throw std::invalid_argument("connections must be given for each of the " + std::to_string(out) +
                                " filters, got " + std::to_string(connections.size()));
  std::vector<int> links;
  for (int o = 0; o < out; o++)
    for (const int i : connections[o]) {
      if (i < 0 || i >= in)
        throw std::invalid_argument("connections must be from 0 to " + std::to_string(in - 1) +
                                    ", got " + std::to_string(i));
      links.push_back(i * out + o);
    }
  std::sort(links.begin(), links.end());
  if (links.empty() || std::adjacent_find(links.begin(), links.end()) != links.end())
    throw std::invalid_argument("connections must hold each link once, and one at least");
  return links;
}

// hy times the square of the activation's derivative.
void square_derivative(const Pass& pass, float* hy, const float* y, ActivationKind activation,
                       std::size_t size) {
  for (int power = 0; power < 2; power++) pass.kernels.activation_backward(hy, y, activation, size);
}

class Conv2DLayer final : public Layer {
 public:
  Conv2DLayer(const LayerSpec& spec, Shape in, std::size_t offset)
      : Conv2DLayer(spec, in, offset, Slide(spec, in)) {}

  void forward(const Pass& pass, float* y, const float* x) const override {
    const float* weights = kernel(pass);
    pass.kernels.conv2d_forward(y, padded_input(pass, x), weights, bias(pass), shape_, activation_);
  }

  void backward(const Pass& pass, float* dx, float* dy, const float* x,
                const float* y) const override {
    if (!derivative_taken_) pass.kernels.activation_backward(dy, y, activation_, out.size());
    contract(pass, dx, dy, x);
  }
  void curvature(const Pass& pass, float* hx, float* hy, const float*, const float* x_squared,
                 const float* y) const override {
    if (!derivative_taken_) square_derivative(pass, hy, y, activation_, out.size());
    contract(pass, hx, hy, x_squared);
  }

  bool fuse(ActivationKind activation) override {
    if (activation_ != ActivationKind::kLinear || activation == ActivationKind::kSoftmax)
      return false;
    activation_ = activation;
    return true;
  }
  ActivationKind give_derivative() override {
    derivative_taken_ = true;
    return activation_;
  }
  bool needs_output() const override { return activation_ != ActivationKind::kLinear; }

  std::size_t scratch_floats(int lanes) const override {
    return links_offset(lanes) + (links_.empty() ? 0 : dense_kernel_floats() + kSlack);
  }

  double cost() const override {
    return double(out.size()) * in.channels * shape_.kernel_height * shape_.kernel_width;
  }
  std::size_t record_floats(int) const override { return span_; }
  int parts() const override { return int((span_ + kPartFloats - 1) / kPartFloats); }
  Range sum_part(const Kernels& kernels, const Records& records, float* gradient, int part,
                 int images, bool add) const override {
    const std::size_t begin = std::size_t(part) * kPartFloats;
    const std::size_t end = std::min(begin + kPartFloats, span_);
    const std::size_t offset = tensors[0].offset;
    const int units = (images + kernels.lanes - 1) / kernels.lanes;
    kernels.sum_partials(gradient + offset, records.data, units, span_, begin, end, add);
    return {offset + begin, offset + end};
  }

 private:
  static constexpr std::size_t kPartFloats = 512;  // a few microseconds of work for one thread

  Conv2DLayer(const LayerSpec& spec, Shape in, std::size_t offset, const Slide& slide)
      : Layer(in, {spec.units, slide.rows.out, slide.columns.out}),
        shape_{in.channels,
               in.height + slide.rows.before + slide.rows.after,
               in.width + slide.columns.before + slide.columns.after,
               spec.units,
               slide.rows.out,
               slide.columns.out,
               spec.window.first,
               spec.window.second,
               spec.strides.first,
               spec.strides.second},
        top_(slide.rows.before),
        left_(slide.columns.before),
        padded_(shape_.in_height != in.height || shape_.in_width != in.width) {
    check_size({in.channels, shape_.in_height, shape_.in_width});
    check_size({spec.units, shape_.out_height, shape_.in_width + spec.window.second - 1});
    tensors.push_back(
        {"kernel", offset, {spec.window.first, spec.window.second, in.channels, spec.units}});
    if (!spec.connections.empty()) {
      links_ = links_of(spec.connections, in.channels, spec.units);
      tensors[0].shape = {spec.window.first, spec.window.second, int(links_.size())};
    }
    span_ = aligned_floats(tensors[0].size());
    if (spec.use_bias) {
      tensors.push_back({"bias", offset + span_, {spec.units}});
      span_ += aligned_floats(spec.units);
    }
  }

  // Backward but for the activation; the same for gradients and curvatures.
  void contract(const Pass& pass, float* dx, const float* dy, const float* x) const {
    if (pass.records.data) {
      float* record = pass.records.data + pass.unit * span_;
      float* dbias = tensors.size() > 1 ? record + tensors[1].offset - tensors[0].offset : nullptr;
      float* dkernel = links_.empty() ? record : dense_kernel(pass);
      pass.kernels.conv2d_backward_kernel(dkernel, dbias, padded_input(pass, x), dy, shape_);
      clear_gaps(record, tensors);
      if (!links_.empty())
        for_each_link(
            [&](std::size_t dense, std::size_t stored) { record[stored] = dkernel[dense]; });
    }
    if (dx)
      pass.kernels.conv2d_backward_input(dx, pass.scratch, dy, kernel(pass), shape_, in.height,
                                         in.width, top_, left_);
  }

  // Calls f(position in the dense kernel, position among the stored weights) for each weight.
  template <class F>
  void for_each_link(F f) const {
    const std::size_t tap = std::size_t(shape_.in_channels) * shape_.out_channels;
    std::size_t stored = 0;
    for (std::size_t dense = 0; dense < dense_kernel_floats(); dense += tap)
      for (const int link : links_) f(dense + link, stored++);
  }
  std::size_t dense_kernel_floats() const {
    return std::size_t(shape_.kernel_height) * shape_.kernel_width * shape_.in_channels *
           shape_.out_channels;
  }
  // In scratch, behind what the kernels need.
  float* dense_kernel(const Pass& pass) const {
    return pass.scratch + links_offset(pass.kernels.lanes);
  }
  std::size_t links_offset(int lanes) const {
    const std::size_t padded = std::size_t(shape_.in_channels) * shape_.in_height * shape_.in_width;
    return aligned_floats(std::max(padded * lanes, shape_.scratch_floats(lanes)) + kSlack);
  }

  // With a table of connections the stored weights are spread out, and missing ones are zero: the
  // dense kernels take two thirds more multiply-adds in LeNet's, yet less time than gathering.
  const float* kernel(const Pass& pass) const {
    const float* stored = pass.parameters + tensors[0].offset;
    if (links_.empty()) return stored;
    float* dense = dense_kernel(pass);
    std::memset(dense, 0, dense_kernel_floats() * sizeof(float));
    for_each_link([&](std::size_t to, std::size_t from) { dense[to] = stored[from]; });
    return dense;
  }
  const float* bias(const Pass& pass) const {
    return tensors.size() > 1 ? pass.parameters + tensors[1].offset : nullptr;
  }
  const float* padded_input(const Pass& pass, const float* x) const {
    if (!padded_) return x;
    pass.kernels.pad2d(pass.scratch, x, in, shape_.in_height, shape_.in_width, top_, left_);
    return pass.scratch;
  }

  ConvShape shape_;
  int top_, left_;
  bool padded_;
  std::vector<int> links_;  // of one tap, positions in [in][out]; empty where all are connected
  std::size_t span_;        // floats of kernel and bias in the flat buffer
  ActivationKind activation_ = ActivationKind::kLinear;
  bool derivative_taken_ = false;
};

// Also a convolution whose window is the whole image, for such are one: 8 times faster than by the
// convolution's kernels for LeNet-5's of 1998, one image alone.
// Records: the inputs of all units, [unit][in][lane], then, on a cache line, dy as rows,
// [image][row_stride].
class DenseLayer final : public Layer {
 public:
  static bool is_one(const LayerSpec& spec, Shape in) {
    return spec.kind == "dense" ||
           (spec.kind == "conv2d" && spec.window == std::pair(in.height, in.width) &&
            !spec.same_padding && spec.connections.empty());
  }

  DenseLayer(const LayerSpec& spec, Shape in, std::size_t offset)
      : Layer(in, {spec.units, 1, 1}),
        inputs_(int(in.size())),
        outputs_(spec.units),
        row_stride_(int(aligned_floats(spec.units))) {
    tensors.push_back({"kernel", offset, {inputs_, outputs_}});
    if (spec.kind == "conv2d") tensors[0].shape = {in.height, in.width, in.channels, outputs_};
    if (spec.use_bias)
      tensors.push_back({"bias", offset + aligned_floats(tensors[0].size()), {outputs_}});
  }

  void forward(const Pass& pass, float* y, const float* x) const override {
    const float* bias = tensors.size() > 1 ? pass.parameters + tensors[1].offset : nullptr;
    if (!flat()) {
      pass.kernels.flatten(pass.scratch, x, in);
      x = pass.scratch;
    }
    pass.kernels.dense_forward(y, x, pass.parameters + tensors[0].offset, bias, inputs_, outputs_);
  }

  void backward(const Pass& pass, float* dx, float* dy, const float* x,
                const float*) const override {
    if (pass.records.data) {
      const std::size_t input_floats = std::size_t(inputs_) * pass.kernels.lanes;
      const std::size_t row_floats = std::size_t(row_stride_) * pass.kernels.lanes;
      float* record = pass.records.data + pass.unit * input_floats;
      if (flat())
        std::memcpy(record, x, input_floats * sizeof(float));
      else
        pass.kernels.flatten(record, x, in);
      pass.kernels.dense_rows(rows(pass.records, pass.kernels) + pass.unit * row_floats, dy,
                              outputs_, row_stride_);
    }
    if (!dx) return;
    float* flat_dx = flat() ? dx : pass.scratch;
    pass.kernels.dense_backward_input(flat_dx, dy, pass.parameters + tensors[0].offset, inputs_,
                                      outputs_);
    if (!flat()) pass.kernels.unflatten(dx, flat_dx, in);
  }

  void curvature(const Pass& pass, float* hx, float* hy, const float*, const float* x_squared,
                 const float* y) const override {
    backward(pass, hx, hy, x_squared, y);
  }

  std::size_t scratch_floats(int lanes) const override {
    return flat() ? 0 : std::size_t(inputs_) * lanes;
  }
  double cost() const override { return double(inputs_) * outputs_; }
  std::size_t record_floats(int lanes) const override {
    return std::size_t(inputs_ + row_stride_) * lanes;
  }

  bool contracts_in_parts() const override { return true; }
  int parts() const override { return kernel_parts() + int(tensors.size()) - 1; }
  Range sum_part(const Kernels& kernels, const Records& records, float* gradient, int part,
                 int images, bool add) const override {
    if (part == kernel_parts()) {
      const Tensor& bias = tensors[1];
      kernels.dense_backward_bias(gradient + bias.offset, rows(records, kernels), images, outputs_,
                                  row_stride_, add);
      return {bias.offset, bias.offset + bias.size()};
    }
    const int begin = part * kPartRows;
    const int end = std::min(begin + kPartRows, inputs_);
    const std::size_t offset = tensors[0].offset;
    kernels.dense_backward_kernel(gradient + offset, records.data, rows(records, kernels), images,
                                  inputs_, outputs_, row_stride_, begin, end, add);
    return {offset + std::size_t(begin) * outputs_, offset + std::size_t(end) * outputs_};
  }

 private:
  static constexpr int kPartRows = 16;  // 16 x 120 weights over 128 images: some 10 microseconds

  bool flat() const { return in.height * in.width == 1; }
  int kernel_parts() const { return (inputs_ + kPartRows - 1) / kPartRows; }
  float* rows(const Records& records, const Kernels& kernels) const {
    return records.data + aligned_floats(records.units * inputs_ * kernels.lanes);
  }

  int inputs_, outputs_, row_stride_;
};

class Pool2DLayer : public Layer {
 public:
  Pool2DLayer(const LayerSpec& spec, Shape in) : Pool2DLayer(spec, in, Slide(spec, in)) {}

  void take_derivative(Layer& below) override { below_ = below.give_derivative(); }

 protected:
  PoolShape shape_;
  ActivationKind below_ = ActivationKind::kLinear;  // whose derivative is taken here

 private:
  Pool2DLayer(const LayerSpec& spec, Shape in, const Slide& slide)
      : Layer(in, {in.channels, slide.rows.out, slide.columns.out}),
        shape_{in.channels,        in.height,           in.width,
               slide.rows.out,     slide.columns.out,   spec.window.first,
               spec.window.second, spec.strides.first,  spec.strides.second,
               slide.rows.before,  slide.columns.before} {}
};

class MaxPool2DLayer final : public Pool2DLayer {
 public:
  using Pool2DLayer::Pool2DLayer;
  void forward(const Pass& pass, float* y, const float* x) const override {
    pass.kernels.max_pool2d_forward(y, x, shape_);
  }
  void backward(const Pass& pass, float* dx, float* dy, const float* x,
                const float* y) const override {
    if (dx) pass.kernels.max_pool2d_backward(dx, dy, x, y, shape_, below_);
  }
  void curvature(const Pass& pass, float* hx, float* hy, const float* x, const float*,
                 const float* y) const override {
    backward(pass, hx, hy, x, y);
    if (hx) pass.kernels.activation_backward(hx, x, below_, in.size());
  }
  bool needs_output() const override { return true; }
};

class AveragePool2DLayer final : public Pool2DLayer {
 public:
  using Pool2DLayer::Pool2DLayer;
  void forward(const Pass& pass, float* y, const float* x) const override {
    pass.kernels.average_pool2d_forward(y, x, shape_);
  }
  void backward(const Pass& pass, float* dx, float* dy, const float* x,
                const float*) const override {
    if (dx) pass.kernels.average_pool2d_backward(dx, dy, x, shape_, below_);
  }
  // Where no window is cut off, so that one square of 1 / cells serves all.
  const char* without_curvature() const override {
    const bool whole =
        shape_.pad_top == 0 && shape_.pad_left == 0 &&
        (shape_.out_height - 1) * shape_.stride_height + shape_.pool_height <= in.height &&
        (shape_.out_width - 1) * shape_.stride_width + shape_.pool_width <= in.width;
    return whole ? nullptr : "average pooling over windows that are cut off";
  }
  void curvature(const Pass& pass, float* hx, float* hy, const float* x, const float*,
                 const float* y) const override {
    const float share = 1.0f / float(shape_.pool_height * shape_.pool_width);
    pass.kernels.rescale(hy, hy, out.size(), share, -0.0f);
    backward(pass, hx, hy, x, y);
    if (hx) pass.kernels.activation_backward(hx, x, below_, in.size());
  }
};

class FlattenLayer final : public Layer {
 public:
  explicit FlattenLayer(Shape in) : Layer(in, {int(in.size()), 1, 1}) {}
  void forward(const Pass& pass, float* y, const float* x) const override {
    pass.kernels.flatten(y, x, in);
  }
  void backward(const Pass& pass, float* dx, float* dy, const float*, const float*) const override {
    if (dx) pass.kernels.unflatten(dx, dy, in);
  }
};

class ZeroPadding2DLayer final : public Layer {
 public:
  ZeroPadding2DLayer(const LayerSpec& spec, Shape in)
      : Layer(in, padded(spec, in)), top_(spec.padding[0]), left_(spec.padding[2]) {}
  void forward(const Pass& pass, float* y, const float* x) const override {
    pass.kernels.pad2d(y, x, in, out.height, out.width, top_, left_);
  }
  void backward(const Pass& pass, float* dx, float* dy, const float*, const float*) const override {
    if (dx) pass.kernels.crop2d(dx, dy, in, out.height, out.width, top_, left_);
  }

 private:
  static Shape padded(const LayerSpec& spec, Shape in) {
    for (const int cells : spec.padding)
      if (cells < 0 || cells > kMostValues / 4)
        throw std::invalid_argument("padding must be from 0 to " + std::to_string(kMostValues / 4) +
                                    ", got " + std::to_string(cells));
    return {in.channels, in.height + spec.padding[0] + spec.padding[1],
            in.width + spec.padding[2] + spec.padding[3]};
  }

  int top_, left_;
};

class ActivationLayer final : public Layer {
 public:
  ActivationLayer(const LayerSpec& spec, Shape in)
      : Layer(in, in), kind_(activation_kind(spec.activation)) {
    if (kind_ == ActivationKind::kSoftmax && in.height * in.width != 1)
      throw std::invalid_argument(
          "softmax needs flat input, got an image: put a Flatten before it");
  }
  void forward(const Pass& pass, float* y, const float*) const override {
    pass.kernels.activation_forward(y, kind_, out.size());
  }
  void backward(const Pass& pass, float*, float* dy, const float*, const float* y) const override {
    pass.kernels.activation_backward(dy, y, kind_, out.size());
  }
  const char* without_curvature() const override {
    return kind_ == ActivationKind::kSoftmax ? "a softmax that is not part of the loss" : nullptr;
  }
  void curvature(const Pass& pass, float*, float* hy, const float*, const float*,
                 const float* y) const override {
    square_derivative(pass, hy, y, kind_, out.size());
  }
  bool in_place() const override { return true; }
  bool needs_output() const override { return true; }

 private:
  ActivationKind kind_;
};

class RescalingLayer final : public Layer {
 public:
  RescalingLayer(const LayerSpec& spec, Shape in)
      : Layer(in, in), scale_(spec.scale), offset_(spec.offset) {}
  void forward(const Pass& pass, float* y, const float*) const override {
    pass.kernels.rescale(y, y, out.size(), scale_, offset_);
  }
  void backward(const Pass& pass, float*, float* dy, const float*, const float*) const override {
    pass.kernels.rescale(dy, dy, out.size(), scale_, -0.0f);
  }
  void curvature(const Pass& pass, float*, float* hy, const float*, const float*,
                 const float*) const override {
    pass.kernels.rescale(hy, hy, out.size(), scale_ * scale_, -0.0f);
  }
  bool in_place() const override { return true; }

 private:
  float scale_, offset_;
};

}  // namespace

void check_size(Shape s) {
  if (s.channels < 1 || s.height < 1 || s.width < 1)
    throw std::invalid_argument("shapes must be positive");
  if (double(s.channels) * s.height * s.width > kMostValues)
    throw std::invalid_argument("a shape of " + std::to_string(s.height) + " x " +
                                std::to_string(s.width) + " x " + std::to_string(s.channels) +
                                " values is too large");
}

std::size_t Tensor::size() const {
  std::size_t n = 1;
  for (int d : shape) n *= d;
  return n;
}

void clear_gaps(float* record, const std::vector<Tensor>& tensors) {
  for (const Tensor& t : tensors) {
    float* begin = record + (t.offset - tensors[0].offset);
    std::fill(begin + t.size(), begin + aligned_floats(t.size()), 0.0f);
  }
}

ActivationKind activation_kind(const std::string& name) {
  if (name == "linear") return ActivationKind::kLinear;
  if (name == "relu") return ActivationKind::kRelu;
  if (name == "scaled_tanh") return ActivationKind::kScaledTanh;
  if (name == "sigmoid") return ActivationKind::kSigmoid;
  if (name == "softmax") return ActivationKind::kSoftmax;
  if (name == "tanh") return ActivationKind::kTanh;
  throw std::invalid_argument(
      "activation must be 'linear', 'relu', 'scaled_tanh', 'sigmoid', 'softmax' or 'tanh', got '" +
      name + "'");
}

std::unique_ptr<Layer> make_layer(const LayerSpec& spec, Shape in, std::size_t offset) {
  const bool weighted = spec.kind == "conv2d" || spec.kind == "dense";
  if (weighted && (spec.units < 1 || spec.units > kMostValues))
    throw std::invalid_argument(spec.kind + ": units must be from 1 to " +
                                std::to_string(kMostValues) + ", got " +
                                std::to_string(spec.units));
  if (spec.kind == "dense" && in.height * in.width != 1)
    throw std::invalid_argument("dense needs flat input, got an image: put a Flatten before it");
  const double fan_in = double(in.channels) * spec.window.first * spec.window.second;
  if (weighted && fan_in * spec.units > kMostWeights)
    throw std::invalid_argument(spec.kind + " would have more than " +
                                std::to_string(kMostWeights) + " weights");
  if (DenseLayer::is_one(spec, in)) return std::make_unique<DenseLayer>(spec, in, offset);
  if (spec.kind == "conv2d") return std::make_unique<Conv2DLayer>(spec, in, offset);
  if (spec.kind == "max_pool2d") return std::make_unique<MaxPool2DLayer>(spec, in);
  if (spec.kind == "average_pool2d") return std::make_unique<AveragePool2DLayer>(spec, in);
  if (spec.kind == "flatten") return std::make_unique<FlattenLayer>(in);
  if (spec.kind == "activation") return std::make_unique<ActivationLayer>(spec, in);
  if (spec.kind == "rescaling") return std::make_unique<RescalingLayer>(spec, in);
  if (spec.kind == "zero_padding2d") return std::make_unique<ZeroPadding2DLayer>(spec, in);
  if (spec.kind == "subsample2d") return make_subsample2d(spec, in, offset);
  if (spec.kind == "rbf") return make_rbf(spec, in);
  throw std::invalid_argument("unknown kind of layer '" + spec.kind + "'");
}

}  // namespace pylenet
