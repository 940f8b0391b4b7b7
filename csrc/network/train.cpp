// Training. A step has three phases:
//
// - groups: threads take groups of images through the network and back; each leaves its records.
// - exchange: all groups are done. Whoever computes a step together exchanges records here.
// - parts: threads take parts of the flat gradient, sum each over all records, and update the
//   parameters that it covers.
#include <algorithm>
#include <cmath>

#include "network/network.h"
#include "network/worker.h"
#include "runtime/team.h"

namespace pylenet {

namespace {

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

// One thread's share of a training call.
struct Network::Trainer {
  // The images of one step, or of as many of them as are computed at a time.
  struct Slab {
    std::int64_t step, begin, end;
    bool first, last;
    float scale;  // of the loss's gradient
    int images() const { return int(end - begin); }
  };

  const TrainCall& call;
  const Worker worker;

  // Every function here is called by all threads alike, and returns on all when all have done.

  // Returns whether the step was done, not interrupted.
  bool step(std::int64_t number) const {
    const std::int64_t begin = number * call.batch_size;
    const std::int64_t end = std::min<std::int64_t>(begin + call.batch_size, call.count);
    for (std::int64_t at = begin; at < end; at += kSlab) {
      const std::int64_t slab_end = std::min(at + kSlab, end);
      const Slab slab{
          number, at, slab_end, at == begin, slab_end == end, 1.0f / float(end - begin)};
      run_groups(slab);
      // All threads see the same here: thread 0 does not ask among the parts.
      if (worker.interrupt.came()) return false;
      run_parts(slab);
    }
    return true;
  }

  void run_groups(const Slab& slab) const {
    const Network& network = worker.network;
    Workspace& workspace = worker.workspace;
    const int layers = network.layers_before(call.loss);
    const double work = double(size_of(network.input_)) * (call.augmentation ? kPixelCost : 1.0);
    worker.for_each_group(
        slab.begin, slab.end, call.order, work, [&](int group, const GroupImages& images) {
          const std::int64_t first = images.first - slab.begin;
          worker.pack(call.x, images, call.augmentation);
          worker.forward_all(layers);
          worker.loss(worker.output_gradient(), &workspace.losses[first], &workspace.correct[first],
                      call.targets, images, call.loss, layers, slab.scale);
          worker.backward_all(layers, group, false);
        });
  }

  // One more "part" sums the metrics.
  void run_parts(const Slab& slab) const {
    const int parts = int(worker.network.parts_.size());
    const OptimizerStep update = optimizer_step_at(call, slab.step);
    worker.member.for_each(parts + 1, [&](int part) {
      if (part == parts)
        sum_metrics(slab);
      else
        update_part(slab, part, update);
    });
  }

  void sum_metrics(const Slab& slab) const {
    if (slab.first) call.losses[slab.step] = 0.0, call.correct[slab.step] = 0;
    for (int i = 0; i < slab.images(); i++) {
      call.losses[slab.step] += worker.workspace.losses[i];
      call.correct[slab.step] += worker.workspace.correct[i];
    }
  }

  void update_part(const Slab& slab, int part, const OptimizerStep& update) const {
    float* gradient = worker.workspace.gradient.data.get();
    const Range r = worker.sum_part(gradient, part, slab.images(), !slab.first);
    if (!slab.last) return;
    const Optimizer& optimizer = call.optimizer;
    worker.network.isa_.optimizer_step(call.parameters + r.begin,
                                       optimizer.slot_1 ? optimizer.slot_1 + r.begin : nullptr,
                                       optimizer.slot_2 ? optimizer.slot_2 + r.begin : nullptr,
                                       gradient + r.begin, r.end - r.begin, update);
  }
};

std::int64_t Network::train(const TrainCall& call, int threads, Interrupt& interrupt) const {
  const std::int64_t largest = std::min<std::int64_t>({call.batch_size, call.count, kSlab});
  const Plan& plan = plan_for(largest);
  const int groups = plan.groups_of(largest);
  threads = team_size(threads, groups, 3 * cost(plan));
  const Lease workspace(*this, plan,
                        {threads, true, groups, std::size_t(largest), bool(call.augmentation)});
  std::int64_t done = 0;  // thread 0 counts
  run_team(threads, [&](const Member& member) {
    const Trainer trainer{
        call, {*this, plan, call.parameters, *workspace, interrupt, member, std::size_t(groups)}};
    for (std::int64_t step = 0; step < call.steps() && trainer.step(step); step++)
      if (member.thread == 0) done = step + 1;
  });
  return done;
}

}  // namespace pylenet
