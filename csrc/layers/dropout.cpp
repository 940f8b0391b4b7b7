// Layers that draw random numbers in training, and are nothing in predictions.
#include <stdexcept>

#include "layers/layer.h"

namespace pylenet {

namespace {

// What all share: in place, and the Hessian is of the network that predicts.
class DrawingLayer : public Layer {
 public:
  DrawingLayer(const Settings& settings, Shape in, std::size_t offset)
      : Layer(in, in, offset), seed_(settings.integer("seed", -1, INT32_MAX)) {}
  void hessian(const Call&, float*, float*, const float*, const float*,
               const float*) const override {}
  bool in_place() const override { return true; }

 protected:
  std::uint64_t key(const Call& call) const {
    return seed_ < 0 ? std::uint64_t(call.training->seed) << 32 | call.layer : std::uint64_t(seed_);
  }

 private:
  int seed_;  // -1: the training's, a stream for each layer
};

// Random values, or channels, become zero, and the others grow to make up for it.
template <void (*Kernels::*kKernel)(float*, const float*, const TrainingImages&, const Dropout&,
                                    Shape)>
class DropoutLayer final : public DrawingLayer {
 public:
  DropoutLayer(const Settings& settings, Shape in, std::size_t offset)
      : DrawingLayer(settings, in, offset), rate_(settings.real("rate")) {
    if (!(rate_ >= 0.0 && rate_ < 1.0))
      throw std::invalid_argument("dropout: rate must be in [0, 1), got " + std::to_string(rate_));
  }

  void forward(const Call& call, float* y, const float*) const override { apply(call, y); }
  void backward(const Call& call, float*, float* dy, const float*, const float*) const override {
    apply(call, dy);
  }

 private:
  void apply(const Call& call, float* values) const {
    if (!call.training || rate_ == 0.0) return;
    const Dropout dropout{key(call), std::uint32_t(rate_ * 0x1p32), float(1.0 / (1.0 - rate_))};
    (call.kernels.*kKernel)(values, values, *call.training, dropout, in);
  }

  double rate_;
};

class GaussianNoise final : public DrawingLayer {
 public:
  GaussianNoise(const Settings& settings, Shape in, std::size_t offset)
      : DrawingLayer(settings, in, offset), deviation_(float(settings.real("stddev"))) {}

  void forward(const Call& call, float* y, const float*) const override {
    if (call.training && deviation_ != 0.0f)
      call.kernels.gaussian_noise(y, y, *call.training, key(call), deviation_, in);
  }
  void backward(const Call&, float*, float*, const float*, const float*) const override {}

 private:
  float deviation_;
};

const Registered<DropoutLayer<&Kernels::dropout>> kDropout("dropout");
const Registered<DropoutLayer<&Kernels::channel_dropout>> kChannelDropout("channel_dropout");
const Registered<GaussianNoise> kGaussianNoise("gaussian_noise");

}  // namespace

}  // namespace pylenet
