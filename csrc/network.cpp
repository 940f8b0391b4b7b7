#include "network.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "dispatch.h"
#include "team.h"
#include "worker.h"

namespace pylenet {

namespace {

// Records of a step are kept for at most this many images at a time; a larger batch adds up in
// slabs, in the same order, hence to the same bits. A multiple of kBlock.
constexpr std::int64_t kSlab = 1024;
static_assert(kSlab % kBlock == 0);

constexpr double kPixelCost = 10.0;  // of distorting, in vector operations

OptimizerStep optimizer_step_at(const TrainCall& call, std::int64_t step) {
  const Optimizer& o = call.optimizer;
  const double rate = call.learning_rates[step];
  const double t = double(o.iterations + step + 1);
  const double correction =
      std::sqrt(1.0 - std::pow(double(o.beta_2), t)) / (1.0 - std::pow(double(o.beta_1), t));
  return {o.kind,   float(rate), o.weight_decay,          o.momentum, o.nesterov, o.beta_1,
          o.beta_2, o.epsilon,   float(rate * correction)};
}

}  // namespace

void TrainCall::skip(std::int64_t steps) {
  const std::int64_t images = std::min(steps * batch_size, count);
  order += images;
  count -= images;
  learning_rates += steps;
  losses += steps;
  correct += steps;
}

Network::~Network() = default;

Network::Network(Shape input, const std::vector<LayerSpec>& specs)
    : isa_(active_isa()), input_(input) {
  check_size(input);
  Shape shape = input;
  for (const LayerSpec& spec : specs) {
    tensors_.emplace_back();
    if (spec.kind == "rescaling" && outputs_.empty()) {
      scale_ = spec.scale;
      offset_ = spec.offset;
    } else if (spec.kind == "activation" && !layers_.empty() &&
               layers_.back()->fuse(activation_kind(spec.activation))) {
      // part of the layer before it
    } else {
      layers_.push_back(make_layer(spec, shape, parameter_floats_));
      specs_.push_back(outputs_.size());
      Layer& layer = *layers_.back();
      shape = layer.out;
      for (const Tensor& tensor : layer.tensors)
        parameter_floats_ = aligned_floats(tensor.offset + tensor.size());
      tensors_.back() = layer.tensors;
    }
    check_size(shape);
    outputs_.push_back(shape);
  }
  ends_in_softmax_ =
      !specs.empty() && specs.back().kind == "activation" && specs.back().activation == "softmax";
  for (std::size_t i = 1; i < layers_.size(); i++) layers_[i]->take_derivative(*layers_[i - 1]);
  for (std::size_t i = 0; i < layers_.size(); i++) {
    cost_ += layers_[i]->cost();
    for (int part = 0; part < layers_[i]->parts(); part++) parts_.emplace_back(i, part);
  }
  first_trainable_ = parts_.empty() ? int(layers_.size()) : int(parts_.front().first);
  lanes_ = std::make_unique<Plan>(isa_.lanes, input_, layers_);
  single_ = std::make_unique<Plan>(isa_.single, input_, layers_);
}

std::size_t Network::bytes_per_thread() const {
  return std::max(lanes_->floats, single_->floats) * sizeof(float);
}

// Cross entropy after a softmax is computed from what goes into the softmax.
int Network::layers_before_loss(Loss loss) const {
  const bool skip = ends_in_softmax_ && loss.kind == LossKind::kCrossEntropyFromLogits;
  return int(layers_.size()) - skip;
}

// Runs `layers` layers on all units; calls use(worker, first image, the unit's images) for each.
template <class Use>
void Network::forward_units(const Plan& plan, const Workspace& workspace, const float* parameters,
                            const ImageView& x, std::int64_t count, int layers, int threads,
                            Interrupt& interrupt, Use use) const {
  run_team(threads, [&](const Member& member) {
    float* buffer = workspace.threads[member.thread].get();
    const Worker worker{*this, plan, parameters, buffer, interrupt, member.thread};
    member.for_each(plan.units_of(count), [&](int unit) {
      if (worker.interrupted(double(input_.size()))) return;
      const std::int64_t first = std::int64_t(unit) * plan.kernels.lanes;
      const UnitImages images(first, count, plan.kernels.lanes);
      worker.pack(x, images);
      worker.forward_all(layers);
      use(worker, first, images);
    });
  });
}

void Network::predict(float* y, const float* parameters, const ImageView& x, std::int64_t count,
                      int threads, Interrupt& interrupt) const {
  const Plan& plan = plan_for(count);
  const int layers = int(layers_.size());
  threads = team_size(threads, plan.units_of(count), cost(plan));
  const Lease workspace(*this, plan, threads, 0, 0);
  forward_units(plan, *workspace, parameters, x, count, layers, threads, interrupt,
                [&](const Worker& worker, std::int64_t first, const UnitImages& images) {
                  plan.kernels.unpack(y + first * output().size(), worker.output(layers),
                                      images.count, output());
                });
}

void Network::evaluate(double* loss, std::int64_t* correct, const float* parameters,
                       const ImageView& x, std::int64_t count, const Targets& targets, Loss which,
                       int threads, Interrupt& interrupt) const {
  const Plan& plan = plan_for(count);
  const int layers = layers_before_loss(which);
  threads = team_size(threads, plan.units_of(count), cost(plan));
  const Lease workspace(*this, plan, threads, 0, count);
  forward_units(plan, *workspace, parameters, x, count, layers, threads, interrupt,
                [&](const Worker& worker, std::int64_t first, const UnitImages& images) {
                  worker.loss(nullptr, &workspace->losses[first], &workspace->correct[first],
                              targets, images, which, layers, 1.0f);
                });
  *loss = 0.0;
  *correct = 0;
  for (std::int64_t i = 0; i < count; i++) {
    *loss += workspace->losses[i];
    *correct += workspace->correct[i];
  }
}

void Network::gradient(float* dx, float* gradient, const float* parameters, const ImageView& x,
                       const ImageView& dy, std::int64_t count, int threads,
                       Interrupt& interrupt) const {
  const Plan& plan = plan_for(count);
  const int lanes = plan.kernels.lanes, layers = int(layers_.size()), parts = int(parts_.size());
  const int slab_units = plan.units_of(std::min(count, kSlab));
  threads = team_size(threads, slab_units, 3 * cost(plan));
  const Lease workspace(*this, plan, threads, slab_units, 0);
  run_team(threads, [&](const Member& member) {
    const Worker worker{*this,
                        plan,
                        parameters,
                        workspace->threads[member.thread].get(),
                        interrupt,
                        member.thread,
                        workspace->records.get(),
                        std::size_t(slab_units)};
    for (std::int64_t slab = 0; slab < count; slab += kSlab) {
      const std::int64_t end = std::min(slab + kSlab, count);
      member.for_each(plan.units_of(end - slab), [&](int unit) {
        if (worker.interrupted(double(input_.size()))) return;
        const std::int64_t first = slab + std::int64_t(unit) * lanes;
        const UnitImages images(first, end, lanes);
        worker.pack(x, images);
        worker.forward_all(layers);
        plan.kernels.pack(worker.output_gradient(), dy, images.index, images.count, output(), 1.0f,
                          -0.0f);
        float* unit_dx = worker.backward_all(layers, unit, true);
        if (interrupt.came()) return;  // then dx may be in another place
        plan.kernels.rescale(unit_dx, unit_dx, input_.size(), scale_, -0.0f);
        plan.kernels.unpack(dx + first * input_.size(), unit_dx, images.count, input_);
      });
      if (interrupt.came()) return;
      member.for_each(
          parts, [&](int part) { worker.sum_part(gradient, part, int(end - slab), slab > 0); });
    }
  });
}

std::int64_t Network::train(const TrainCall& call, int threads, Interrupt& interrupt) const {
  const std::int64_t largest = std::min<std::int64_t>({call.batch_size, call.count, kSlab});
  const Plan& plan = plan_for(largest);
  const int lanes = plan.kernels.lanes, layers = layers_before_loss(call.loss);
  const int parts = int(parts_.size());
  const double pack_cost = double(input_.size()) * (call.distortion ? kPixelCost : 1.0);
  threads = team_size(threads, plan.units_of(largest), 3 * cost(plan));
  Lease workspace(*this, plan, threads, plan.units_of(largest), largest);
  if (call.distortion) workspace.reserve_originals(threads);
  float* gradient = workspace->gradient.get();
  const Optimizer& optimizer = call.optimizer;

  std::int64_t done = 0;  // thread 0 counts
  run_team(threads, [&](const Member& member) {
    const Worker worker{
        *this,     plan,          call.parameters,          workspace->threads[member.thread].get(),
        interrupt, member.thread, workspace->records.get(), std::size_t(plan.units_of(largest))};
    for (std::int64_t step = 0; step < call.steps(); step++) {
      const std::int64_t begin = step * call.batch_size;
      const std::int64_t end = std::min<std::int64_t>(begin + call.batch_size, call.count);
      const float scale = 1.0f / float(end - begin);
      const OptimizerStep update = optimizer_step_at(call, step);
      for (std::int64_t slab = begin; slab < end; slab += kSlab) {
        const std::int64_t slab_end = std::min(slab + kSlab, end);
        member.for_each(plan.units_of(slab_end - slab), [&](int unit) {
          if (worker.interrupted(pack_cost)) return;
          const std::int64_t first = slab + std::int64_t(unit) * lanes;
          const UnitImages images(first, slab_end, lanes, call.order);
          worker.pack(call.x, images, call.distortion, workspace->originals_of(member.thread));
          worker.forward_all(layers);
          worker.loss(worker.output_gradient(), &workspace->losses[first - slab],
                      &workspace->correct[first - slab], call.targets, images, call.loss, layers,
                      scale);
          worker.backward_all(layers, unit, false);
        });
        if (interrupt.came()) return;  // all threads: thread 0 does not ask among the parts

        // Every unit is done: sum the gradient's parts, update what each part covers. One more
        // "part" sums the metrics.
        member.for_each(parts + 1, [&](int part) {
          if (part == parts) {
            if (slab == begin) call.losses[step] = 0.0, call.correct[step] = 0;
            for (std::int64_t i = 0; i < slab_end - slab; i++) {
              call.losses[step] += workspace->losses[i];
              call.correct[step] += workspace->correct[i];
            }
            return;
          }
          const Range r = worker.sum_part(gradient, part, int(slab_end - slab), slab > begin);
          if (slab_end < end) return;
          isa_.optimizer_step(call.parameters + r.begin,
                              optimizer.slot_1 ? optimizer.slot_1 + r.begin : nullptr,
                              optimizer.slot_2 ? optimizer.slot_2 + r.begin : nullptr,
                              gradient + r.begin, r.end - r.begin, update);
        });
      }
      if (member.thread == 0) done = step + 1;
    }
  });
  return done;
}

void Network::distort(float* y, const ImageView& x, const std::int64_t* order, std::int64_t count,
                      const RandomAffine& distortion, int threads, Interrupt& interrupt) const {
  const Plan& plan = plan_for(count);
  const int lanes = plan.kernels.lanes;
  threads = team_size(threads, plan.units_of(count), kPixelCost * double(input_.size()));
  Lease workspace(*this, plan, threads, 0, 0);
  workspace.reserve_originals(threads);
  run_team(threads, [&](const Member& member) {
    float* buffer = workspace->threads[member.thread].get();
    const Worker worker{*this, plan, nullptr, buffer, interrupt, member.thread};
    member.for_each(plan.units_of(count), [&](int unit) {
      if (worker.interrupted(kPixelCost * double(input_.size()))) return;
      const std::int64_t first = std::int64_t(unit) * lanes;
      const UnitImages images(first, count, lanes, order);
      worker.pack(x, images, &distortion, workspace->originals_of(member.thread));
      plan.kernels.unpack(y + first * input_.size(), worker.buffer, images.count, input_);
    });
  });
}

}  // namespace pylenet
