// The diagonal of the Gauss-Newton Hessian, by a backward pass of its own: squares of weights, of
// inputs and of activations' derivatives take their places, and second derivatives with respect to
// a layer's output give those with respect to its input and, summed over all uses of a weight, to
// its parameters (LeCun, Bottou, Bengio and Haffner 1998, appendix C). Images go one by one.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "network/network.h"
#include "network/worker.h"
#include "runtime/team.h"

namespace pylenet {

namespace {

constexpr std::int64_t kHessianSlab = 32;  // images whose records are kept at a time
static_assert(kHessianSlab % kBlock == 0);

}  // namespace

// One thread's way back. squares: room for a layer's input. The other worker's parameters are
// squared.
struct Network::HessianWorker {
  const Worker forward, squared;
  float* squares;

  void backward_all(int layers, Loss loss, std::size_t group) const {
    const Network& network = forward.network;
    float* buffer = forward.buffer;
    const auto& places = forward.plan.places;
    if (layers > 0 && network.layers_[layers - 1]->hessian_is_part_of(loss)) {
      layers--;
      network.layers_[layers]->hessian_with_loss(buffer + places[layers].dx);
    } else {
      network.isa_.loss_hessian(forward.output_gradient(), forward.input(layers), loss,
                                int(size_of(network.output())));
    }
    for (int i = layers; i-- > network.first_trainable_;) {
      const Layer& layer = *network.layers_[i];
      if (forward.interrupted(2 * layer.cost())) break;
      const float* x = buffer + places[i].x;
      const bool weighted = !layer.tensors.empty();
      if (weighted) network.isa_.square(squares, x, size_of(layer.in));
      layer.hessian(squared.call(i, group),
                    i > network.first_trainable_ ? buffer + places[i].dx : nullptr,
                    buffer + places[i].dy, x, weighted ? squares : nullptr, buffer + places[i].y);
    }
  }
};

std::size_t Network::check_hessian(Loss loss) const {
  const int layers = layers_before(loss);
  std::size_t largest = 0;
  for (int i = first_trainable_; i < layers; i++) {
    const Layer& layer = *layers_[i];
    const char* reason = layer.without_hessian();
    if (reason && !(i + 1 == layers && layer.hessian_is_part_of(loss)))
      throw std::invalid_argument("optimizer SDLM cannot take second derivatives through " +
                                  std::string(reason));
    largest = std::max(largest, size_of(layer.in));
  }
  if (loss.kind == LossKind::kCrossEntropyFromProbabilities)
    throw std::invalid_argument(
        "optimizer SDLM needs a loss with second derivatives: cross-entropy after a softmax or of "
        "logits, got that of other probabilities");
  if (loss.kind != LossKind::kCrossEntropyFromLogits && loss.kind != LossKind::kMeanSquaredError &&
      loss.kind != LossKind::kMaximumAPosteriori)
    throw std::invalid_argument(
        "optimizer SDLM takes a categorical cross-entropy, the mean squared error or "
        "maximum_a_posteriori for the loss, got another one");
  return largest;
}

void Network::hessian(float* hessian, const float* parameters, const ImageView& x,
                      const std::int64_t* order, std::int64_t count, Loss loss,
                      const RandomAffine* augmentation, int threads, Interrupt& interrupt) const {
  const Plan& plan = both_ways_->single;
  const int layers = layers_before(loss), parts = int(parts_.size());
  const std::size_t square_floats = aligned_floats(check_hessian(loss)) + kSlack;
  const auto squared = aligned_zeros<float>(parameter_floats_);
  isa_.square(squared.get(), parameters, parameter_floats_);
  const int groups = int(std::min(count, kHessianSlab));
  threads = team_size(threads, groups, 3 * cost(plan));
  const auto squares = aligned_zeros<float>(threads * square_floats);
  const Lease workspace(*this, plan, {threads, 1, groups, 0, bool(augmentation)});
  run_team(threads, [&](const Member& member) {
    const auto worker_with = [&](const float* weights) {
      return Worker{*this, plan, weights, *workspace, interrupt, member, 1, std::size_t(groups)};
    };
    const HessianWorker worker{worker_with(parameters), worker_with(squared.get()),
                               squares.get() + member.thread * square_floats};
    worker.forward.prepare();
    for (std::int64_t slab = 0; slab < count; slab += kHessianSlab) {
      const std::int64_t end = std::min(slab + kHessianSlab, count);
      worker.forward.for_each_group(slab, end, order, double(size_of(input_)),
                                    [&](int group, const GroupImages& images) {
                                      worker.forward.pack(x, images, augmentation);
                                      worker.forward.forward_layers(0, layers);
                                      worker.backward_all(layers, loss, group);
                                    });
      if (interrupt.came()) return;
      member.for_each(parts, [&](int part) {
        worker.forward.sum_hessian_part(hessian, part, int(end - slab), slab > 0);
      });
    }
  });
  for (std::size_t i = 0; i < parameter_floats_; i++) hessian[i] /= float(count);
}

}  // namespace pylenet
