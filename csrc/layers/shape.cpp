// Layers that move, pad or scale values: Flatten, Reshape, ZeroPadding2D, Rescaling.
#include <stdexcept>
#include <vector>

#include "layers/layer.h"

namespace pylenet {

namespace {

class Flatten final : public Layer {
 public:
  Flatten(const Settings&, Shape in, std::size_t offset)
      : Layer(in, {int(size_of(in)), 1, 1}, offset) {}
  void forward(const Call& call, float* y, const float* x) const override {
    call.kernels.flatten(y, x, in);
  }
  void backward(const Call& call, float* dx, float* dy, const float*, const float*) const override {
    if (dx) call.kernels.unflatten(dx, dy, in);
  }
  void hessian(const Call& call, float* hx, float* hy, const float* x, const float*,
               const float* y) const override {
    backward(call, hx, hy, x, y);
  }
};

// Values keep their place in Keras's flatten order.
class Reshape final : public Layer {
 public:
  Reshape(const Settings& settings, Shape in, std::size_t offset)
      : Reshape(settings.integers("shape", 3, 1, kMostValues), in, offset) {
    if (double(out.channels) * out.height * out.width != double(size_of(in)))
      throw std::invalid_argument("reshape: shape must hold as many values as the input");
  }
  void forward(const Call& call, float* y, const float* x) const override {
    call.kernels.flatten(call.scratch, x, in);
    call.kernels.unflatten(y, call.scratch, out);
  }
  void backward(const Call& call, float* dx, float* dy, const float*, const float*) const override {
    if (!dx) return;
    call.kernels.flatten(call.scratch, dy, out);
    call.kernels.unflatten(dx, call.scratch, in);
  }
  void hessian(const Call& call, float* hx, float* hy, const float* x, const float*,
               const float* y) const override {
    backward(call, hx, hy, x, y);
  }
  std::size_t forward_scratch(int lanes) const override { return size_of(in) * lanes; }

 private:
  // shape: height, width, channels.
  Reshape(const std::vector<int>& shape, Shape in, std::size_t offset)
      : Layer(in, {shape[2], shape[0], shape[1]}, offset) {}
};

class ZeroPadding2D final : public Layer {
 public:
  ZeroPadding2D(const Settings& settings, Shape in, std::size_t offset)
      : ZeroPadding2D(settings.integers("padding", 4, 0, kMostValues / 4), in, offset) {}
  void forward(const Call& call, float* y, const float* x) const override {
    call.kernels.pad2d(y, x, in, out.height, out.width, top_, left_);
  }
  void backward(const Call& call, float* dx, float* dy, const float*, const float*) const override {
    if (dx) call.kernels.crop2d(dx, dy, in, out.height, out.width, top_, left_);
  }
  void hessian(const Call& call, float* hx, float* hy, const float* x, const float*,
               const float* y) const override {
    backward(call, hx, hy, x, y);
  }

 private:
  // sides: top, bottom, left, right.
  ZeroPadding2D(const std::vector<int>& sides, Shape in, std::size_t offset)
      : Layer(in, {in.channels, in.height + sides[0] + sides[1], in.width + sides[2] + sides[3]},
              offset),
        top_(sides[0]),
        left_(sides[2]) {}

  int top_, left_;
};

class Rescaling final : public Layer {
 public:
  Rescaling(const Settings& settings, Shape in, std::size_t offset)
      : Layer(in, in, offset),
        scale_(float(settings.real("scale"))),
        offset_(float(settings.real("offset"))) {}
  void forward(const Call& call, float* y, const float*) const override {
    call.kernels.rescale(y, y, size_of(out), scale_, offset_);
  }
  void backward(const Call& call, float*, float* dy, const float*, const float*) const override {
    call.kernels.rescale(dy, dy, size_of(out), scale_, -0.0f);
  }
  void hessian(const Call& call, float*, float* hy, const float*, const float*,
               const float*) const override {
    call.kernels.rescale(hy, hy, size_of(out), scale_ * scale_, -0.0f);
  }
  bool in_place() const override { return true; }

 private:
  float scale_, offset_;
};

const Registered<Flatten> kFlatten("flatten");
const Registered<Reshape> kReshape("reshape");
const Registered<ZeroPadding2D> kZeroPadding2D("zero_padding2d");
const Registered<Rescaling> kRescaling("rescaling");

}  // namespace

}  // namespace pylenet
