// The diagonal of the Gauss-Newton Hessian, by a backward pass of its own: squares of weights, of
// inputs and of activations' derivatives take their places, and second derivatives with respect to
// a layer's output give those with respect to its input and, summed over all uses of a weight, to
// its parameters (LeCun, Bottou, Bengio and Haffner 1998, appendix C). Images go one by one.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "interrupt.h"
#include "network.h"
#include "team.h"
#include "worker.h"

namespace pylenet {

namespace {

constexpr std::int64_t kSlab = 32;  // images whose records are kept at a time
static_assert(kSlab % kBlock == 0);

}  // namespace

// A worker whose parameters are squared for the way back. squares: room for a layer's input.
struct Network::CurvatureWorker {
  const Worker forward, backward;
  float* squares;

  void backward_all(int layers, Loss loss, std::size_t unit) const {
    const Network& network = forward.network;
    const Plan& plan = forward.plan;
    float* buffer = forward.buffer;
    int turn = 0;
    if (layers > 0 && network.layers_[layers - 1]->joins_loss(loss)) {
      layers--, turn = 1;
      network.layers_[layers]->curvature_with_loss(buffer + plan.gradients[turn]);
    } else {
      network.isa_.loss_curvature(forward.output_gradient(), forward.output(layers), loss,
                                  int(network.output().size()));
    }
    for (int i = layers; i-- > network.first_trainable_;) {
      const Layer& layer = *network.layers_[i];
      if (forward.interrupted(2 * layer.cost())) break;
      const float* x = forward.output(i);
      if (!layer.tensors.empty()) network.isa_.square(squares, x, layer.in.size());
      float* hy = buffer + plan.gradients[turn];
      if (!layer.in_place()) turn = 1 - turn;
      float* hx = i > network.first_trainable_ ? buffer + plan.gradients[turn] : nullptr;
      layer.curvature(backward.pass(i, unit), hx, hy, x, layer.tensors.empty() ? nullptr : squares,
                      forward.output(i + 1));
    }
  }
};

void Network::curvature(float* curvature, const float* parameters, const ImageView& x,
                        const std::int64_t* order, std::int64_t count, Loss loss,
                        const RandomAffine* distortion, int threads, Interrupt& interrupt) const {
  const Plan& plan = *single_;
  const int layers = layers_before_loss(loss), parts = int(parts_.size());
  std::size_t largest = 0;
  for (int i = first_trainable_; i < layers; i++) {
    const Layer& layer = *layers_[i];
    const char* reason = layer.without_curvature();
    if (reason && !(i + 1 == layers && layer.joins_loss(loss)))
      throw std::invalid_argument("optimizer SDLM cannot take second derivatives through " +
                                  std::string(reason));
    largest = std::max(largest, layer.in.size());
  }
  if (loss.kind == LossKind::kCrossEntropyFromProbabilities)
    throw std::invalid_argument(
        "optimizer SDLM needs a loss with second derivatives: cross-entropy after a softmax or of "
        "logits, got that of other probabilities");

  const auto squared = aligned_zeros<float>(parameter_floats_);
  isa_.square(squared.get(), parameters, parameter_floats_);
  const int slab_units = int(std::min(count, kSlab));
  threads = team_size(threads, slab_units, 3 * cost(plan));
  const auto squares = aligned_zeros<float>(threads * (aligned_floats(largest) + kSlack));
  Lease workspace(*this, plan, threads, slab_units, 0);
  if (distortion) workspace.reserve_originals(threads);
  run_team(threads, [&](const Member& member) {
    float* buffer = workspace->threads[member.thread].get();
    float* records = workspace->records.get();
    const int thread = member.thread;
    const std::size_t units = slab_units;
    const Worker forward{*this, plan, parameters, buffer, interrupt, thread, records, units};
    const Worker backward{*this, plan, squared.get(), buffer, interrupt, thread, records, units};
    const CurvatureWorker worker{forward, backward,
                                 squares.get() + thread * (aligned_floats(largest) + kSlack)};
    for (std::int64_t slab = 0; slab < count; slab += kSlab) {
      const std::int64_t end = std::min(slab + kSlab, count);
      member.for_each(int(end - slab), [&](int unit) {
        if (forward.interrupted(double(input_.size()))) return;
        forward.pack(x, UnitImages(slab + unit, end, 1, order), distortion,
                     workspace->originals_of(member.thread));
        forward.forward_all(layers);
        worker.backward_all(layers, loss, unit);
      });
      if (interrupt.came()) return;
      member.for_each(
          parts, [&](int part) { forward.sum_part(curvature, part, int(end - slab), slab > 0); });
    }
  });
  for (std::size_t i = 0; i < parameter_floats_; i++) curvature[i] /= float(count);
}

}  // namespace pylenet
