// An activation as a layer of its own: softmax, and what stands behind a layer that takes none.
#include "layers/layer.h"

namespace pylenet {

namespace {

class ActivationLayer final : public ActivatedLayer {
 public:
  ActivationLayer(const Settings& settings, Shape in, std::size_t offset)
      : ActivatedLayer(in, in, offset, settings.activation("activation")) {
    if (is_softmax()) check_flat("softmax", in);
  }

  void forward(const Call& call, float* y, const float*) const override { activate(call, y); }
  void backward(const Call& call, float*, float* dy, const float*, const float* y) const override {
    undo_activation(call, dy, y);
  }
  const char* without_hessian() const override {
    return is_softmax() ? "a softmax that is not part of the loss" : nullptr;
  }
  void hessian(const Call& call, float*, float* hy, const float*, const float*,
               const float* y) const override {
    undo_activation_squared(call, hy, y);
  }
  // Cross-entropy after a softmax is computed from what goes into the softmax.
  bool is_part_of(Loss loss) const override {
    return is_softmax() && loss.kind == LossKind::kCrossEntropyFromLogits;
  }
  bool in_place() const override { return true; }

 private:
  bool is_softmax() const { return activation_.kind == ActivationKind::kSoftmax; }
};

const Registered<ActivationLayer> kActivation("activation");

}  // namespace

}  // namespace pylenet
