#include "lecun_layers.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "memory.h"
#include "slide.h"

namespace pylenet {

namespace {

// A record holds the gradients of coefficients and biases, each from a cache line on.
class Subsample2DLayer final : public Layer {
 public:
  Subsample2DLayer(const LayerSpec& spec, Shape in, std::size_t offset)
      : Subsample2DLayer(in, offset, Slide(spec, in), spec) {}

  void forward(const Pass& pass, float* y, const float* x) const override {
    pass.kernels.subsample2d_forward(y, x, coefficient(pass), bias(pass), shape_);
  }
  void backward(const Pass& pass, float* dx, float* dy, const float* x,
                const float*) const override {
    if (pass.records.data) parameters_backward(pass, x, dy, shape_);
    if (dx) pass.kernels.subsample2d_backward_input(dx, dy, coefficient(pass), shape_);
  }
  // The coefficient's factor is the window's sum, so that is what has to be squared.
  void curvature(const Pass& pass, float* hx, float* hy, const float* x, const float*,
                 const float*) const override {
    if (pass.records.data) {
      float* sums = pass.scratch;
      pass.kernels.subsample2d_forward(sums, x, ones_.data(), zeros_.data(), shape_);
      for (std::size_t i = 0; i < out.size() * pass.kernels.lanes; i++) sums[i] *= sums[i];
      const PoolShape one_cell{
          out.channels, out.height, out.width, out.height, out.width, 1, 1, 1, 1, 0, 0};
      parameters_backward(pass, sums, hy, one_cell);
    }
    if (hx) pass.kernels.subsample2d_backward_input(hx, hy, coefficient(pass), shape_);
  }

  std::size_t scratch_floats(int lanes) const override { return out.size() * lanes; }
  double cost() const override { return double(in.size()); }
  std::size_t record_floats(int) const override { return span_; }
  int parts() const override { return 1; }
  Range sum_part(const Kernels& kernels, const Records& records, float* gradient, int, int images,
                 bool add) const override {
    const std::size_t offset = tensors[0].offset;
    const int units = (images + kernels.lanes - 1) / kernels.lanes;
    kernels.sum_partials(gradient + offset, records.data, units, span_, 0, span_, add);
    return {offset, offset + span_};
  }

 private:
  Subsample2DLayer(Shape in, std::size_t offset, const Slide& slide, const LayerSpec& spec)
      : Layer(in, {in.channels, slide.rows.out, slide.columns.out}),
        shape_{in.channels,
               in.height,
               in.width,
               slide.rows.out,
               slide.columns.out,
               spec.window.first,
               spec.window.second,
               spec.strides.first,
               spec.strides.second,
               0,
               0},
        span_(2 * aligned_floats(in.channels)),
        ones_(in.channels, 1.0f),
        zeros_(in.channels, 0.0f) {
    if (spec.same_padding) throw std::invalid_argument("subsample2d knows no 'same' padding");
    tensors.push_back({"coefficient", offset, {in.channels}});
    tensors.push_back({"bias", offset + span_ / 2, {in.channels}});
  }

  void parameters_backward(const Pass& pass, const float* x, const float* dy,
                           const PoolShape& shape) const {
    float* record = pass.records.data + pass.unit * span_;
    pass.kernels.subsample2d_backward_parameters(record, record + span_ / 2, x, dy, shape);
    clear_gaps(record, tensors);
  }
  const float* coefficient(const Pass& pass) const { return pass.parameters + tensors[0].offset; }
  const float* bias(const Pass& pass) const { return pass.parameters + tensors[1].offset; }

  PoolShape shape_;
  std::size_t span_;  // floats of a record, and of both tensors in the flat buffer
  std::vector<float> ones_, zeros_;
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
constexpr float kCurvatureBound = (kSlopes / 2 + 1 / kSlopes) * (kSlopes / 2 + 1 / kSlopes);

class RBFLayer final : public Layer {
 public:
  RBFLayer(const LayerSpec& spec, Shape in)
      : Layer(in, {int(spec.codes.size()), 1, 1}),
        inputs_(in.channels),
        outputs_(out.channels),
        codes_(in.size() * out.size() + kSlack),
        turned_(codes_.size()) {
    for (int o = 0; o < outputs_; o++) {
      const std::string& code = spec.codes[o];
      if (int(code.size()) != inputs_ || code.find_first_not_of("+-") != std::string::npos)
        throw std::invalid_argument("rbf: codes must have a '+' or '-' for each of the " +
                                    std::to_string(inputs_) + " inputs, got '" + code + "'");
      for (int i = 0; i < inputs_; i++)
        codes_[std::size_t(i) * outputs_ + o] = turned_[std::size_t(o) * inputs_ + i] =
            code[i] == '+' ? 1.0f : -1.0f;
    }
  }

  void forward(const Pass& pass, float* y, const float* x) const override {
    pass.kernels.rbf_forward(y, x, codes_.data(), inputs_, outputs_);
  }
  void backward(const Pass& pass, float* dx, float* dy, const float* x,
                const float*) const override {
    if (dx) pass.kernels.rbf_backward(dx, dy, x, turned_.data(), inputs_, outputs_);
  }
  double cost() const override { return double(inputs_) * outputs_; }

  const char* without_curvature() const override { return "an RBF that is not part of the loss"; }
  bool joins_loss(Loss loss) const override { return loss.kind == LossKind::kMaximumAPosteriori; }
  void curvature_with_loss(float* hx) const override { std::fill_n(hx, inputs_, kCurvatureBound); }

 private:
  int inputs_, outputs_;
  std::vector<float> codes_, turned_;  // [in][out] and [out][in]
};

}  // namespace

std::unique_ptr<Layer> make_subsample2d(const LayerSpec& spec, Shape in, std::size_t offset) {
  return std::make_unique<Subsample2DLayer>(spec, in, offset);
}

std::unique_ptr<Layer> make_rbf(const LayerSpec& spec, Shape in) {
  if (in.height * in.width != 1)
    throw std::invalid_argument("rbf needs flat input, got an image: put a Flatten before it");
  if (spec.codes.empty()) throw std::invalid_argument("rbf needs at least one code");
  return std::make_unique<RBFLayer>(spec, in);
}

}  // namespace pylenet
