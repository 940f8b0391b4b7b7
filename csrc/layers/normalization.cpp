// Batch normalisation (S. Ioffe and C. Szegedy, arXiv:1502.03167), with Keras's moving averages.
#include <algorithm>
#include <cmath>

#include "layers/layer.h"
#include "runtime/memory.h"

namespace pylenet {

namespace {

// y = gamma (x - mean) / sqrt(variance + epsilon) + beta, each channel's. In training, mean and
// variance are those of all the step's images, else, and where it is frozen, moving averages.
// Records: the gradients; sums, of successive rounds in two places by turns.
class BatchNormalization final : public SummedLayer {
 public:
  BatchNormalization(const Settings& settings, Shape in, std::size_t offset)
      : SummedLayer(in, in, offset, {}),
        stride_(aligned_floats(in.channels)),
        momentum_(float(settings.real("momentum"))),
        epsilon_(float(settings.real("epsilon"))) {
    if (settings.flag("scale")) gamma_ = add("gamma", true);
    if (settings.flag("center")) beta_ = add("beta", true);
    mean_ = add("moving_mean", false);
    variance_ = add("moving_variance", false);
  }

  void forward(const Call& call, float* y, const float* x) const override {
    const float* values = statistics(call);
    call.kernels.channel_affine_forward(y, x, at(values, kFactor), at(values, kSummand), in);
  }
  void backward(const Call& call, float* dx, float* dy, const float* x,
                const float*) const override {
    const float* values = statistics(call);
    if (call.records.first) {
      if (!call.training) sum_gradients(call, dy, x, values, call.kernels.lanes);
      float* own = record(call);
      const float* sums = group_sums(call, kBackward);
      if (gamma_ >= 0) copy(own + place(gamma_), sums);
      if (beta_ >= 0) copy(own + place(beta_), sums + stride_);
      clear_gaps(own);
    }
    if (!dx) return;
    if (of_step(call))
      call.kernels.batch_norm_backward_input(dx, dy, x, at(values, kFactor), at(values, kSlope),
                                             at(values, kConstant), call.training->count, in);
    else
      call.kernels.channel_affine_backward_input(dx, dy, at(values, kFactor), in);
  }
  const char* without_hessian() const override { return "batch normalisation"; }
  void hessian(const Call&, float*, float*, const float*, const float*,
               const float*) const override {}

  bool is_affine() const override { return true; }
  ChannelAffine affine(const Call& call) const override {
    const float* values = statistics(call);
    return {at(values, kFactor), at(values, kSummand)};
  }

  std::size_t forward_scratch(int) const override { return kArrays * stride_; }
  RecordFloats record_floats(int lanes) const override {
    return {SummedLayer::record_floats(lanes)[0], 4 * stride_};
  }

  // The mean first, then the mean squared distance from it.
  std::size_t shared_floats() const override { return frozen() ? 0 : kArrays * stride_; }
  int forward_rounds() const override { return 2; }
  int backward_rounds() const override { return 1; }
  void gather_forward(const Call& call, int round, const float* x) const override {
    call.kernels.batch_sum(group_sums(call, round), x,
                           round == 0 ? nullptr : at(call.shared, kMean), call.training->count, in);
  }
  void settle_forward(const Call& call, int round, int images) const override {
    float* sums = total(call, round, images);
    float* means = at(call.shared, round == 0 ? kMean : kVariance);
    for (int c = 0; c < in.channels; c++) means[c] = sums[c] / values_in(images);
    if (round == 1) derive(call, call.shared);
  }
  void gather_backward(const Call& call, int, const float* dy, const float* x) const override {
    sum_gradients(call, dy, x, call.shared, call.training->count);
  }
  void settle_backward(const Call& call, int, int images) const override {
    const float *dscale = total(call, kBackward, images), *dshift = dscale + stride_;
    const float *factor = at(call.shared, kFactor), *mean = at(call.shared, kMean);
    const float* inverse = at(call.shared, kInverse);
    float *slope = at(call.shared, kSlope), *constant = at(call.shared, kConstant);
    for (int c = 0; c < in.channels; c++) {
      slope[c] = -factor[c] * inverse[c] * (dscale[c] / values_in(images));
      constant[c] = -factor[c] * (dshift[c] / values_in(images)) - slope[c] * mean[c];
    }
  }
  void end_step(float* parameters, const float* shared) const override {
    move(parameters + tensors[mean_].offset, at(shared, kMean));
    move(parameters + tensors[variance_].offset, at(shared, kVariance));
  }

 private:
  // Arrays of one float for each channel. y = factor x + summand; dx = factor dy + slope x +
  // constant. The last two are sums over all groups.
  enum Array {
    kMean,
    kVariance,
    kInverse,
    kFactor,
    kSummand,
    kSlope,
    kConstant,
    kSums,
    kMoreSums,
    kArrays
  };

  static constexpr int kBackward = 2;  // a round

  int add(const char* name, bool trainable) {
    add_tensor(name, {in.channels}, trainable);
    return int(tensors.size()) - 1;
  }
  float* at(float* arrays, Array array) const { return arrays + array * stride_; }
  const float* at(const float* arrays, Array array) const { return arrays + array * stride_; }
  std::size_t place(int tensor) const { return tensors[tensor].offset - tensors[0].offset; }
  void move(float* average, const float* present) const {
    for (int c = 0; c < in.channels; c++)
      average[c] = average[c] * momentum_ + present[c] * (1.0f - momentum_);
  }
  void copy(float* to, const float* from) const { std::copy_n(from, in.channels, to); }
  // round: of the way forward, or kBackward, which comes after two.
  float* group_sums(const Call& call, int round) const {
    return call.records.second + (call.group * 2 + round % 2) * 2 * stride_;
  }
  float values_in(int images) const { return float(double(images) * in.height * in.width); }

  bool of_step(const Call& call) const { return call.training && !frozen(); }
  // The step's, or those of the moving averages.
  const float* statistics(const Call& call) const {
    if (of_step(call)) return call.shared;
    copy(at(call.scratch, kMean), tensor(call, mean_));
    copy(at(call.scratch, kVariance), tensor(call, variance_));
    derive(call, call.scratch);
    return call.scratch;
  }
  // What follows from mean and variance.
  void derive(const Call& call, float* values) const {
    for (int c = 0; c < in.channels; c++) {
      const float inverse = 1.0f / std::sqrt(at(values, kVariance)[c] + epsilon_);
      const float factor = gamma_ < 0 ? inverse : inverse * tensor(call, gamma_)[c];
      const float shift = at(values, kMean)[c] * factor;
      at(values, kInverse)[c] = inverse;
      at(values, kFactor)[c] = factor;
      at(values, kSummand)[c] = beta_ < 0 ? -shift : tensor(call, beta_)[c] - shift;
    }
  }
  void sum_gradients(const Call& call, const float* dy, const float* x, const float* values,
                     int count) const {
    float* sums = group_sums(call, kBackward);
    call.kernels.batch_norm_backward_parameters(sums, sums + stride_, x, dy, at(values, kMean),
                                                at(values, kInverse), count, in);
  }
  // The groups' sums, added up; the call is the first group's.
  float* total(const Call& call, int round, int images) const {
    float* sums = at(call.shared, kSums);
    call.kernels.sum_records(sums, group_sums(call, round), groups_of(images, call.kernels),
                             4 * stride_, 0, 2 * stride_, false);
    return sums;
  }

  std::size_t stride_;
  float momentum_, epsilon_;
  int gamma_ = -1, beta_ = -1, mean_, variance_;  // tensors; -1: there is none
};

const Registered<BatchNormalization> kBatchNormalization("batch_normalization");

}  // namespace

}  // namespace pylenet
