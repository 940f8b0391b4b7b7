// The layers that only the LeNet-5 of 1998 has.
#include <algorithm>
#include <stdexcept>

#include "layers/layer.h"
#include "layers/slide.h"

namespace pylenet {

namespace {

// Trainable sub-sampling: coefficient * (sum of the window) + bias, a pair for each channel.
class Subsample2D final : public SummedLayer {
 public:
  Subsample2D(const Settings& settings, Shape in, std::size_t offset)
      : Subsample2D(settings, in, offset, Slide(settings, "pool_size", false, in)) {}

  void forward(const Call& call, float* y, const float* x) const override {
    float* sums = window_sums(call, x);
    call.kernels.channel_affine_forward(y, sums, tensor(call, 0), tensor(call, 1), out);
    activate(call, y);
  }
  void backward(const Call& call, float* dx, float* dy, const float* x,
                const float* y) const override {
    undo_activation(call, dy, y);
    if (call.records.first) parameters_backward(call, window_sums(call, x), dy);
    if (dx) input_backward(call, dx, dy, x);
  }
  // The coefficient's factor is the window's sum, so that is what has to be squared.
  void hessian(const Call& call, float* hx, float* hy, const float* x, const float*,
               const float* y) const override {
    undo_activation_squared(call, hy, y);
    if (call.records.first) {
      float* sums = window_sums(call, x);
      for (std::size_t i = 0; i < size_of(out) * call.kernels.lanes; i++) sums[i] *= sums[i];
      parameters_backward(call, sums, hy);
    }
    if (hx) input_backward(call, hx, hy, x);
  }

  std::size_t forward_scratch(int lanes) const override { return size_of(out) * lanes; }
  double cost() const override { return double(size_of(in)); }

 private:
  Subsample2D(const Settings& settings, Shape in, std::size_t offset, const Slide& slide)
      : SummedLayer(in, {in.channels, slide.rows.out, slide.columns.out}, offset,
                    settings.activation("activation")),
        shape_(pool_shape(in, slide)) {
    add_tensor("coefficient", {in.channels});
    add_tensor("bias", {in.channels});
  }

  float* window_sums(const Call& call, const float* x) const {
    call.kernels.sum_pool2d_forward(call.scratch, x, shape_, false);
    return call.scratch;
  }
  void parameters_backward(const Call& call, const float* sums, const float* dy) const {
    float* own = record(call);
    float* dbias = own + tensors[1].offset - tensors[0].offset;
    call.kernels.channel_affine_backward_parameters(own, dbias, sums, dy, out);
    clear_gaps(own);
  }
  void input_backward(const Call& call, float* dx, const float* dy, const float* x) const {
    float* scaled = call.scratch;
    call.kernels.channel_affine_backward_input(scaled, dy, tensor(call, 0), out);
    call.kernels.sum_pool2d_backward(dx, scaled, x, shape_, false, {});
  }

  PoolShape shape_;
};

// The most that the MAP loss's second derivative by one of the RBF's inputs x can be, whatever the
// label, the constant and the other inputs, for |x| < 1.7159, the range of scaled_tanh. The
// derivative is 2 p + the variance of slopes: those of the distances, 2 (x +- 1), each with its
// share of the loss's sum, and 0 with the share p of the constant. Slopes differ by d at most, and
// p = 1/2 + 1/d^2 gives the most, (d/2 + 1/d)^2.
//
// A bound, not the images' mean: once most of them are close to their codes the mean is small, and
// rates that are right for those are too high for an image that is not.
constexpr float kSlopes = 2.0f * (1.7159f + 1.0f);
constexpr float kHessianBound = (kSlopes / 2 + 1 / kSlopes) * (kSlopes / 2 + 1 / kSlopes);

class RBF final : public Layer {
 public:
  RBF(const Settings& settings, Shape in, std::size_t offset)
      : RBF(settings.texts("codes"), in, offset) {}

  void forward(const Call& call, float* y, const float* x) const override {
    call.kernels.rbf_forward(y, x, codes_.data(), inputs_, outputs_);
  }
  void backward(const Call& call, float* dx, float* dy, const float* x,
                const float*) const override {
    if (dx) call.kernels.rbf_backward(dx, dy, x, turned_.data(), inputs_, outputs_);
  }
  double cost() const override { return double(inputs_) * outputs_; }

  const char* without_hessian() const override { return "an RBF that is not part of the loss"; }
  void hessian(const Call&, float*, float*, const float*, const float*,
               const float*) const override {
    throw std::logic_error("an RBF has no Hessian of its own");
  }
  bool hessian_is_part_of(Loss loss) const override {
    return loss.kind == LossKind::kMaximumAPosteriori;
  }
  void hessian_with_loss(float* hx) const override { std::fill_n(hx, inputs_, kHessianBound); }

 private:
  RBF(const std::vector<std::string>& codes, Shape in, std::size_t offset)
      : Layer(in, {int(codes.size()), 1, 1}, offset),
        inputs_(in.channels),
        outputs_(out.channels),
        codes_(size_of(in) * codes.size() + kSlack),
        turned_(codes_.size()) {
    check_flat("rbf", in);
    if (codes.empty()) throw std::invalid_argument("rbf needs at least one code");
    for (int o = 0; o < outputs_; o++) {
      const std::string& code = codes[o];
      if (int(code.size()) != inputs_ || code.find_first_not_of("+-") != std::string::npos)
        throw std::invalid_argument("rbf: codes must have a '+' or '-' for each of the " +
                                    std::to_string(inputs_) + " inputs, got '" + code + "'");
      for (int i = 0; i < inputs_; i++)
        codes_[std::size_t(i) * outputs_ + o] = turned_[std::size_t(o) * inputs_ + i] =
            code[i] == '+' ? 1.0f : -1.0f;
    }
  }

  int inputs_, outputs_;
  std::vector<float> codes_, turned_;  // [in][out] and [out][in]
};

const Registered<Subsample2D> kSubsample2D("subsample2d");
const Registered<RBF> kRBF("rbf");

}  // namespace

}  // namespace pylenet
