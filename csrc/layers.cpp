#include "layers.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "memory.h"

namespace pylenet {

namespace {

// One image's values in one place: with 16 lanes of float32, at most 4 GiB for one layer's.
constexpr int kMostValues = 1 << 26;
constexpr int kMostWeights = 1 << 28;  // of one layer, 1 GiB

// One axis of a window that slides over an image, with TensorFlow's meaning of the paddings:
// 'same' gives ceil(size / stride) positions, the odd cell of padding goes to the end.
struct Axis {
  int out, before, after;
};

Axis slide(const char* axis, int size, int window, int stride, bool same) {
  if (window < 1 || stride < 1)
    throw std::invalid_argument("window and strides must be positive, got " +
                                std::to_string(window) + " and " + std::to_string(stride));
  if (window > kMostValues || stride > kMostValues)
    throw std::invalid_argument("window and strides are too large, got " + std::to_string(window) +
                                " and " + std::to_string(stride));
  if (!same) {
    if (window > size)
      throw std::invalid_argument("the window's " + std::string(axis) + " " +
                                  std::to_string(window) + " is larger than the image's " +
                                  std::to_string(size) + " and padding is 'valid'");
    return {(size - window) / stride + 1, 0, 0};
  }
  const int out = (size - 1) / stride + 1;
  const int padding = std::max(0, (out - 1) * stride + window - size);
  return {out, padding / 2, padding - padding / 2};
}

struct Slide {
  Axis rows, columns;
  Slide(const LayerSpec& spec, Shape in)
      : rows(slide("height", in.height, spec.window.first, spec.strides.first, spec.same_padding)),
        columns(
            slide("width", in.width, spec.window.second, spec.strides.second, spec.same_padding)) {}
};

class Conv2DLayer final : public Layer {
 public:
  Conv2DLayer(const LayerSpec& spec, Shape in, std::size_t offset)
      : Conv2DLayer(spec, in, offset, Slide(spec, in)) {}

  void forward(const Pass& pass, float* y, const float* x) const override {
    pass.kernels.conv2d_forward(y, padded_input(pass, x), kernel(pass), bias(pass), shape_,
                                activation_);
  }

  void backward(const Pass& pass, float* dx, float* dy, const float* x,
                const float* y) const override {
    if (!derivative_taken_) pass.kernels.activation_backward(dy, y, activation_, out.size());
    if (pass.records.data) {
      float* record = pass.records.data + pass.unit * span_;
      float* dbias = tensors.size() > 1 ? record + tensors[1].offset - tensors[0].offset : nullptr;
      pass.kernels.conv2d_backward_kernel(record, dbias, padded_input(pass, x), dy, shape_);
      for (const Tensor& t : tensors) {  // between tensors: summed and updated with them
        float* begin = record + (t.offset - tensors[0].offset);
        std::fill(begin + t.size(), begin + aligned_floats(t.size()), 0.0f);
      }
    }
    if (dx)
      pass.kernels.conv2d_backward_input(dx, pass.scratch, dy, kernel(pass), shape_, in.height,
                                         in.width, top_, left_);
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
    const std::size_t padded = std::size_t(shape_.in_channels) * shape_.in_height * shape_.in_width;
    return std::max(padded * lanes, shape_.scratch_floats(lanes));
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
    span_ = aligned_floats(tensors[0].size());
    if (spec.use_bias) {
      tensors.push_back({"bias", offset + span_, {spec.units}});
      span_ += aligned_floats(spec.units);
    }
  }

  const float* kernel(const Pass& pass) const { return pass.parameters + tensors[0].offset; }
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
  std::size_t span_;  // floats of kernel and bias in the flat buffer
  ActivationKind activation_ = ActivationKind::kLinear;
  bool derivative_taken_ = false;
};

// Records: the inputs of all units, [unit][in][lane], then, on a cache line, dy as rows,
// [image][row_stride].
class DenseLayer final : public Layer {
 public:
  DenseLayer(const LayerSpec& spec, Shape in, std::size_t offset)
      : Layer(in, {spec.units, 1, 1}),
        inputs_(in.channels),
        outputs_(spec.units),
        row_stride_(int(aligned_floats(spec.units))) {
    tensors.push_back({"kernel", offset, {inputs_, outputs_}});
    if (spec.use_bias)
      tensors.push_back({"bias", offset + aligned_floats(tensors[0].size()), {outputs_}});
  }

  void forward(const Pass& pass, float* y, const float* x) const override {
    const float* bias = tensors.size() > 1 ? pass.parameters + tensors[1].offset : nullptr;
    pass.kernels.dense_forward(y, x, pass.parameters + tensors[0].offset, bias, inputs_, outputs_);
  }

  void backward(const Pass& pass, float* dx, float* dy, const float* x,
                const float*) const override {
    if (pass.records.data) {
      const std::size_t input_floats = std::size_t(inputs_) * pass.kernels.lanes;
      const std::size_t row_floats = std::size_t(row_stride_) * pass.kernels.lanes;
      std::memcpy(pass.records.data + pass.unit * input_floats, x, input_floats * sizeof(float));
      pass.kernels.dense_rows(rows(pass.records, pass.kernels) + pass.unit * row_floats, dy,
                              outputs_, row_stride_);
    }
    if (dx)
      pass.kernels.dense_backward_input(dx, dy, pass.parameters + tensors[0].offset, inputs_,
                                        outputs_);
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

ActivationKind activation_kind(const std::string& name) {
  if (name == "linear") return ActivationKind::kLinear;
  if (name == "relu") return ActivationKind::kRelu;
  if (name == "sigmoid") return ActivationKind::kSigmoid;
  if (name == "softmax") return ActivationKind::kSoftmax;
  if (name == "tanh") return ActivationKind::kTanh;
  throw std::invalid_argument(
      "activation must be 'linear', 'relu', 'sigmoid', 'softmax' or 'tanh', got '" + name + "'");
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
  if (spec.kind == "conv2d") return std::make_unique<Conv2DLayer>(spec, in, offset);
  if (spec.kind == "dense") return std::make_unique<DenseLayer>(spec, in, offset);
  if (spec.kind == "max_pool2d") return std::make_unique<MaxPool2DLayer>(spec, in);
  if (spec.kind == "average_pool2d") return std::make_unique<AveragePool2DLayer>(spec, in);
  if (spec.kind == "flatten") return std::make_unique<FlattenLayer>(in);
  if (spec.kind == "activation") return std::make_unique<ActivationLayer>(spec, in);
  if (spec.kind == "rescaling") return std::make_unique<RescalingLayer>(spec, in);
  throw std::invalid_argument("unknown kind of layer '" + spec.kind + "'");
}

}  // namespace pylenet
