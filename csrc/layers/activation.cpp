// An activation as a layer of its own: softmax, what stands behind a layer that takes none, and
// what no other layer computes.
#include <cstring>

#include "kernels/activation_list.h"
#include "layers/layer.h"

namespace pylenet {

namespace {

bool is_by_input(ActivationKind kind) {
  switch (kind) {
#define PYLENET_CASE(kind, name, Function) case ActivationKind::kind:
    PYLENET_ACTIVATIONS_BY_INPUT(PYLENET_CASE)
#undef PYLENET_CASE
    return true;
    default:
      return false;
  }
}

// In place, unless the way back needs what went in.
class ActivationLayer final : public ActivatedLayer {
 public:
  ActivationLayer(const Settings& settings, Shape in, std::size_t offset)
      : ActivatedLayer(in, in, offset, settings.any_activation("activation")),
        by_input_(is_by_input(activation_.kind)) {
    if (is_softmax()) check_flat("softmax", in);
  }

  void forward(const Call& call, float* y, const float* x) const override {
    if (by_input_) copy(call, y, x);
    activate(call, y);
  }
  void backward(const Call& call, float* dx, float* dy, const float* x,
                const float* y) const override {
    if (!by_input_) return undo_activation(call, dy, y);
    if (!dx) return;
    copy(call, dx, dy);
    undo_activation(call, dx, x);
  }
  const char* without_hessian() const override {
    return is_softmax() ? "a softmax that is not part of the loss" : nullptr;
  }
  void hessian(const Call& call, float* hx, float* hy, const float* x, const float*,
               const float* y) const override {
    if (!by_input_) return undo_activation_squared(call, hy, y);
    if (!hx) return;
    copy(call, hx, hy);
    undo_activation_squared(call, hx, x);
  }
  // Cross-entropy after a softmax, or a binary one after a sigmoid, is computed from what goes into
  // it.
  bool is_part_of(Loss loss) const override {
    return (is_softmax() && loss.kind == LossKind::kCrossEntropyFromLogits) ||
           (activation_.kind == ActivationKind::kSigmoid &&
            loss.kind == LossKind::kBinaryCrossEntropyFromLogits);
  }
  Activation only_activation() const override {
    return by_input_ || is_softmax() ? Activation{} : activation_;
  }
  bool in_place() const override { return !by_input_; }
  bool needs_output() const override { return !by_input_ && has_activation(); }

 private:
  bool is_softmax() const { return activation_.kind == ActivationKind::kSoftmax; }
  void copy(const Call& call, float* to, const float* from) const {
    std::memcpy(to, from, size_of(in) * call.kernels.lanes * sizeof(float));
  }

  const bool by_input_;
};

const Registered<ActivationLayer> kActivation("activation");

}  // namespace

}  // namespace pylenet
