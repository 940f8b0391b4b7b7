// Dropout: in training random values become zero, and the others grow to make up for it.
#include <stdexcept>

#include "layers/layer.h"

namespace pylenet {

namespace {

class DropoutLayer final : public Layer {
 public:
  DropoutLayer(const Settings& settings, Shape in, std::size_t offset)
      : Layer(in, in, offset),
        seed_(settings.integer("seed", -1, INT32_MAX)),
        rate_(settings.real("rate")) {
    if (!(rate_ >= 0.0 && rate_ < 1.0))
      throw std::invalid_argument("dropout: rate must be in [0, 1), got " + std::to_string(rate_));
  }

  void forward(const Call& call, float* y, const float*) const override { apply(call, y); }
  void backward(const Call& call, float*, float* dy, const float*, const float*) const override {
    apply(call, dy);
  }
  // The Hessian is of the network that predicts, where nothing is dropped.
  void hessian(const Call&, float*, float*, const float*, const float*,
               const float*) const override {}
  bool in_place() const override { return true; }

 private:
  void apply(const Call& call, float* values) const {
    if (!call.training || rate_ == 0.0) return;
    const std::uint64_t own = std::uint64_t(call.training->seed) << 32 | call.layer;
    const Dropout dropout{seed_ < 0 ? own : std::uint64_t(seed_), std::uint32_t(rate_ * 0x1p32),
                          float(1.0 / (1.0 - rate_))};
    call.kernels.dropout(values, values, *call.training, dropout, in);
  }

  int seed_;  // -1: the training's, a stream for each layer
  double rate_;
};

const Registered<DropoutLayer> kDropout("dropout");

}  // namespace

}  // namespace pylenet
