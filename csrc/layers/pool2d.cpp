// Max and average pooling.
#include "layers/layer.h"
#include "layers/slide.h"

namespace pylenet {

namespace {

class Pool2D : public Layer {
 public:
  Pool2D(const Settings& settings, Shape in, std::size_t offset)
      : Pool2D(in, offset, Slide(settings, "pool_size", settings.flag("same_padding"), in)) {}

  void take_derivative(Layer& below) override { below_ = below.give_derivative(); }

 protected:
  PoolShape shape_;
  Activation below_;  // whose derivative is taken here

 private:
  Pool2D(Shape in, std::size_t offset, const Slide& slide)
      : Layer(in, {in.channels, slide.rows.out, slide.columns.out}, offset),
        shape_(pool_shape(in, slide)) {}
};

class MaxPool2D final : public Pool2D {
 public:
  using Pool2D::Pool2D;
  void forward(const Call& call, float* y, const float* x) const override {
    call.kernels.max_pool2d_forward(y, x, shape_);
  }
  void backward(const Call& call, float* dx, float* dy, const float* x,
                const float* y) const override {
    if (dx) call.kernels.max_pool2d_backward(dx, dy, x, y, shape_, below_);
  }
  void hessian(const Call& call, float* hx, float* hy, const float* x, const float*,
               const float* y) const override {
    backward(call, hx, hy, x, y);
    if (hx) call.kernels.activation_backward(hx, x, below_, size_of(in));  // its second power
  }
  bool needs_output() const override { return true; }
};

class AveragePool2D final : public Pool2D {
 public:
  using Pool2D::Pool2D;
  void forward(const Call& call, float* y, const float* x) const override {
    call.kernels.sum_pool2d_forward(y, x, shape_, true);
  }
  void backward(const Call& call, float* dx, float* dy, const float* x,
                const float*) const override {
    if (dx) call.kernels.sum_pool2d_backward(dx, dy, x, shape_, true, below_);
  }
  // Where no window is cut off, so that one square of 1 / cells serves all.
  const char* without_hessian() const override {
    const bool whole =
        shape_.pad_top == 0 && shape_.pad_left == 0 &&
        (shape_.out_height - 1) * shape_.stride_height + shape_.pool_height <= in.height &&
        (shape_.out_width - 1) * shape_.stride_width + shape_.pool_width <= in.width;
    return whole ? nullptr : "average pooling over windows that are cut off";
  }
  void hessian(const Call& call, float* hx, float* hy, const float* x, const float*,
               const float* y) const override {
    const float share = 1.0f / float(shape_.pool_height * shape_.pool_width);
    call.kernels.rescale(hy, hy, size_of(out), share, -0.0f);
    backward(call, hx, hy, x, y);
    if (hx) call.kernels.activation_backward(hx, x, below_, size_of(in));  // its second power
  }
};

const Registered<MaxPool2D> kMaxPool2D("max_pool2d");
const Registered<AveragePool2D> kAveragePool2D("average_pool2d");

}  // namespace

}  // namespace pylenet
