// Training. A step has three phases:
//
// - groups: threads take groups of images through the network and back; each leaves its records.
// - exchange: all groups are done. Whoever computes a step together with others exchanges records.
// - parts: threads take parts of the flat gradient, sum each over all records, and update the
//   parameters that it covers; where the gradient is clipped by a norm, all parts are summed first.
//
// A layer that needs all images of the step splits the network into segments: all groups go through
// one segment, threads wait for each other, then all go through the next. Every group has a buffer
// of its own then. Without such a layer there is one segment, and the buffers are the threads'.
#include <algorithm>

#include "network/network.h"
#include "network/worker.h"
#include "runtime/team.h"

namespace pylenet {

void TrainCall::skip(std::int64_t steps) {
  const std::int64_t images = std::min(steps * batch_size, count);
  order += images;
  count -= images;
  learning_rates += steps;
  losses += steps;
  correct += steps;
  if (outputs) outputs += images * output_floats;
}

// One thread's share of a training call.
struct Network::Trainer {
  // The images of one step, or of as many of them as are computed at a time.
  struct Slab {
    std::int64_t step, begin, end;
    bool first, last;
    std::int64_t step_images;
    float scale;  // of the loss's gradient
    int images() const { return int(end - begin); }
  };

  const TrainCall& call;
  const Worker worker;
  Update& update;
  const Network& network() const { return worker.network; }

  // Every function here is called by all threads alike, and returns on all when all have done.

  // Returns whether the step was done, not interrupted.
  bool step(std::int64_t number) const {
    const std::int64_t begin = number * call.batch_size;
    const std::int64_t end = std::min<std::int64_t>(begin + call.batch_size, call.count);
    const std::int64_t most = network().barriers_.empty() ? kSlab : call.batch_size;
    worker.prepare();
    for (std::int64_t at = begin; at < end; at += most) {
      const std::int64_t slab_end = std::min(at + most, end);
      const Slab slab{number,
                      at,
                      slab_end,
                      at == begin,
                      slab_end == end,
                      end - begin,
                      1.0f / float(end - begin)};
      run_groups(slab);
      run_exchange(slab);
      // All threads see the same here: thread 0 does not ask among the parts.
      if (worker.interrupt.came()) return false;
      run_parts(slab);
    }
    return true;
  }

  void run_groups(const Slab& slab) const {
    const Network& n = network();
    const int layers = n.layers_before(call.loss), segments = int(n.barriers_.size());
    for (int s = 0; s <= segments; s++) {
      const int begin = s == 0 ? 0 : n.barriers_[s - 1];
      const int end = s == segments ? layers : n.barriers_[s];
      if (s > 0) gather_forward(slab, begin);
      for_each_bundle(slab, [&](const Bundle& groups) {
        if (s == 0)
          groups.for_each([&](const Group& group) {
            group.worker.pack(call.x, group.images, call.augmentation);
          });
        groups.forward_layers(begin, end);
        if (s < segments) return;
        groups.for_each([&](const Group& group) { loss(slab, group, layers); });
        groups.backward_layers(backward_end(s), layers);
      });
    }
    for (int s = segments; s > 0 && n.barriers_[s - 1] >= n.first_trainable_; s--) {
      const int barrier = n.barriers_[s - 1];
      gather_backward(slab, barrier);
      for_each_bundle(slab, [&](const Bundle& groups) {
        groups.backward_layers(backward_end(s - 1), barrier + 1);
      });
    }
  }

  void loss(const Slab& slab, const Group& group, int layers) const {
    const Worker& own = group.worker;
    const std::int64_t first = group.images.first - slab.begin;
    own.loss(own.output_gradient(), &own.workspace.losses[first], &own.workspace.correct[first],
             call.targets, group.images, call.loss, layers, slab.scale);
    if (call.outputs) own.unpack_outputs(call.outputs, group.images, layers);
  }

  // The first layer of segment `s` that is not its barrier and that anything goes back through.
  int backward_end(int s) const {
    const int after = s == 0 ? 0 : network().barriers_[s - 1] + 1;
    return std::max(after, network().first_trainable_);
  }

  template <class F>
  void for_each_bundle(const Slab& slab, F f) const {
    const double values = double(size_of(network().input_));
    const double work = values * (call.augmentation ? kPixelCost : 1.0);
    const TrainingImages step{call.seed, call.epoch, nullptr, 0};
    worker.for_each_bundle(slab.begin, slab.end, call.order, work, f, &step, call.exchange);
  }

  void run_exchange(const Slab& slab) const {
    if (!call.exchange) return;
    Workspace& workspace = worker.workspace;
    exchange(slab, worker.plan.record_arrays(worker.records(), worker.record_groups),
             workspace.losses.data(), workspace.correct.data());
  }
  void exchange(const Slab& slab, const std::vector<RecordArray>& records, float* losses,
                std::int32_t* correct) const {
    Interrupt& interrupt = worker.interrupt;
    if (worker.member.thread == 0 && !interrupt.came() &&
        !call.exchange->run(records, worker.plan.groups_of(slab.images()), losses, correct,
                            slab.images()))
      interrupt.give_up();
    worker.member.for_each(0, [](int) {});  // the others wait for it
  }

  // What layer `barrier` needs of all groups before it goes on, and before it goes back.
  void gather_forward(const Slab& slab, int barrier) const {
    const Layer& layer = *network().layers_[barrier];
    const Place& place = worker.plan.places[barrier];
    for (int round = 0; round < layer.forward_rounds(); round++) {
      for_each_bundle(slab, [&](const Bundle& groups) {
        groups.for_each([&](const Group& group) {
          const Worker& own = group.worker;
          layer.gather_forward(own.call(barrier, group.number), round, own.buffer + place.x);
        });
      });
      settle(slab, barrier,
             [&](const Call& own) { layer.settle_forward(own, round, slab.images()); });
    }
  }
  void gather_backward(const Slab& slab, int barrier) const {
    const Layer& layer = *network().layers_[barrier];
    const Place& place = worker.plan.places[barrier];
    for (int round = 0; round < layer.backward_rounds(); round++) {
      for_each_bundle(slab, [&](const Bundle& groups) {
        groups.for_each([&](const Group& group) {
          const Worker& own = group.worker;
          layer.gather_backward(own.call(barrier, group.number), round, own.buffer + place.dy,
                                own.buffer + place.x);
        });
      });
      settle(slab, barrier,
             [&](const Call& own) { layer.settle_backward(own, round, slab.images()); });
    }
  }
  template <class F>
  void settle(const Slab& slab, int barrier, F f) const {
    if (call.exchange) {
      const Records records = worker.call(barrier, 0).records;
      const RecordFloats floats =
          network().layers_[barrier]->record_floats(worker.plan.kernels.lanes);
      exchange(slab, {{records.second, floats[1]}}, nullptr, nullptr);
    }
    worker.member.for_each(1, [&](int) {
      const TrainingImages training{call.seed, call.epoch, call.order + slab.begin, slab.images()};
      Worker own = worker;
      own.training = &training;
      f(own.call(barrier, 0));
    });
  }

  // One more "part" is what is not summed over records.
  void run_parts(const Slab& slab) const {
    const int parts = int(network().parts_.size()), pieces = update.pieces();
    const OptimizerStep step = call.optimizer.at(slab.step, call.learning_rates[slab.step]);
    worker.member.for_each(parts + 1, [&](int part) {
      if (part == parts) return finish(slab);
      float* gradient = worker.workspace.gradient.data.get();
      worker.sum_part(gradient, part, slab.images(), !slab.first);
      if (!slab.last) return;
      update.prepare(part);
      if (!pieces) update.apply(part, step, slab.step);
    });
    if (!slab.last) return;
    if (pieces) {
      worker.member.for_each(pieces, [&](int piece) { update.measure(piece); });
      worker.member.for_each(parts, [&](int part) { update.apply(part, step, slab.step); });
    }
    // The others do not prepare another step before this thread joins them.
    if (worker.member.thread == 0)
      call.losses[slab.step] += update.penalty() * double(slab.step_images);
    if (const int constraints = update.constraints())
      worker.member.for_each(constraints, [&](int i) { update.constrain(i); });
  }

  // Metrics, and what layers change without a gradient.
  void finish(const Slab& slab) const {
    if (slab.first) call.losses[slab.step] = 0.0, call.correct[slab.step] = 0;
    for (int i = 0; i < slab.images(); i++) {
      call.losses[slab.step] += worker.workspace.losses[i];
      call.correct[slab.step] += worker.workspace.correct[i];
    }
    for (const int barrier : network().barriers_)
      network().layers_[barrier]->end_step(
          call.parameters, worker.plan.shared(worker.workspace.shared.data.get(), barrier));
  }
};

std::int64_t Network::train(const TrainCall& call, int threads, Interrupt& interrupt) const {
  const bool segments = !barriers_.empty();
  const std::int64_t largest = std::min<std::int64_t>(
      {call.batch_size, call.count, segments ? std::int64_t(call.batch_size) : kSlab});
  const Plan& plan = plan_for(largest, *both_ways_);
  const int groups = plan.groups_of(largest);
  threads = team_size(threads, groups, 3 * cost(plan));
  const int bundle = Bundle::size(*this, plan, groups, threads);
  const Lease workspace(
      *this, plan,
      {threads, bundle, groups, std::size_t(largest), bool(call.augmentation), segments});
  Update update(isa_, call.optimizer, call.regularizers, call.constraints, call.parameters,
                workspace->gradient.data.get(), trained_tensors(), part_ranges());
  std::int64_t done = 0;  // thread 0 counts
  run_team(threads, [&](const Member& member) {
    const Trainer trainer{
        call,
        {*this, plan, call.parameters, *workspace, interrupt, member, bundle, std::size_t(groups)},
        update};
    for (std::int64_t step = 0; step < call.steps() && trainer.step(step); step++)
      if (member.thread == 0) done = step + 1;
  });
  return done;
}

}  // namespace pylenet
