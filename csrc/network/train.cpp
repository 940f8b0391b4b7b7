// Training. A step has three phases:
//
// - groups: threads take groups of images through the network and back; each leaves its records.
// - exchange: all groups are done. Whoever computes a step together with others (exchange.h) waits
//   for their records.
// - parts: threads take parts of the flat gradient, sum each over all records, and update the
//   parameters that it covers; where the gradient is clipped by a norm, or is summed together with
//   others who have parameters of their own, all parts are summed first.
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

// How large the steps of a call are, and what lies where in memory in common with others: the same
// for all of them, however much of the call each has done.
struct Network::StepPlan {
  StepPlan(const Network& network, const TrainCall& call)
      : images(network.barriers_.empty() ? std::min(call.largest, kSlab) : call.largest),
        plan(network.plan_for(images, *network.both_ways_)),
        groups(plan.groups_of(images)) {
    const std::size_t each = aligned_floats(std::size_t(groups) * plan.kernels.lanes);
    losses = plan.record_floats * groups;
    correct = losses + each;
    gradient = correct + each;
    end = gradient + network.parameter_floats_;
  }

  std::int64_t images;  // whose records are kept at a time, at most
  const Plan& plan;
  int groups;                                  // so many images
  std::size_t losses, correct, gradient, end;  // floats from the start; records come first
};

std::size_t Network::exchange_floats(const TrainCall& call) const {
  return StepPlan(*this, call).end;
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

  // What is known of each image of a slab, and where the slab's gradient is summed.
  struct Sums {
    float* losses;
    std::int32_t* correct;
    float* gradient;
  };

  const TrainCall& call;
  const StepPlan& sizes;
  const Worker worker;
  const Sums sums;
  Update& update;
  const Network& network() const { return worker.network; }

  // Every function here is called by all threads alike, and returns on all when all have done.

  // Returns whether the step was done, not interrupted.
  bool step(std::int64_t number) const {
    const std::int64_t begin = number * call.batch_size;
    const std::int64_t end = std::min<std::int64_t>(begin + call.batch_size, call.count);
    if (worker.member.thread == 0) worker.interrupt.let_ask();
    worker.prepare();
    for (std::int64_t at = begin; at < end; at += sizes.images) {
      const std::int64_t slab_end = std::min(at + sizes.images, end);
      const Slab slab{number,
                      at,
                      slab_end,
                      at == begin,
                      slab_end == end,
                      end - begin,
                      1.0f / float(end - begin)};
      run_groups(slab);
      if (call.exchange) gather(slab, worker.plan.record_arrays(sizes.groups), true);
      // All threads see the same here: thread 0 does not ask among the parts.
      if (worker.interrupt.came()) return false;
      if (call.exchange)
        run_parts_together(slab);
      else
        run_parts(slab);
      if (call.exchange && worker.interrupt.came()) return false;
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
    own.loss(own.output_gradient(), sums.losses + first, sums.correct + first, call.targets,
             group.images, call.loss, layers, slab.scale);
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

  // Waits for those who compute the step together with this one: thread 0, while the others wait
  // for it. From then on thread 0 does not ask for Ctrl-C until the step is done: a step that
  // others have a part of must not be begun anew.
  template <class F>
  void meet(F f) const {
    Interrupt& interrupt = worker.interrupt;
    if (worker.member.thread == 0 && !interrupt.came()) {
      if (!f()) interrupt.give_up();
      interrupt.hold();
    }
    worker.member.for_each(0, [](int) {});
  }
  // results: whether what is known of each image is there, too.
  void gather(const Slab& slab, std::vector<RecordArray> arrays, bool results) const {
    const std::size_t lanes = worker.plan.kernels.lanes;
    if (results) arrays.insert(arrays.end(), {{sizes.losses, lanes}, {sizes.correct, lanes}});
    meet([&] { return call.exchange->gather(arrays, worker.plan.groups_of(slab.images())); });
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
    if (call.exchange)
      gather(slab, {worker.plan.second_record_array(sizes.groups, barrier)}, false);
    worker.member.for_each(1, [&](int) {
      const TrainingImages training{call.seed, call.epoch, call.order + slab.begin, slab.images()};
      Worker own = worker;
      own.training = &training;
      f(own.call(barrier, 0));
    });
  }

  // One more "part" is what is not summed over records.
  void run_parts(const Slab& slab) const {
    const int parts = int(network().parts_.size());
    const OptimizerStep step = optimizer_step(slab);
    worker.member.for_each(parts + 1, [&](int part) {
      if (part == parts) {
        add_results(slab);
        end_step();
        return;
      }
      worker.sum_part(sums.gradient, part, slab.images(), !slab.first);
      if (slab.last) update_part(slab, part, step);
    });
    if (slab.last) finish_update(slab, step);
  }

  // Every part is summed by one, who updates the parameters if they are common; else each takes
  // all parts then and updates its own parameters.
  void run_parts_together(const Slab& slab) const {
    const int parts = int(network().parts_.size());
    const bool common = call.exchange->common_parameters();
    const OptimizerStep step = optimizer_step(slab);
    worker.member.for_each(parts + 1, [&](int part) {
      if (part == parts) {
        add_results(slab);
        if (common && slab.last && has_one(call.exchange->parts(1))) end_step();
      } else if (sums_here(part)) {
        worker.sum_part(sums.gradient, part, slab.images(), !slab.first);
        if (common && slab.last) update_part(slab, part, step);
      }
    });
    meet([&] { return call.exchange->wait(); });
    if (common || !slab.last || worker.interrupt.came()) return;
    worker.member.for_each(parts + 1, [&](int part) {
      if (part == parts) return end_step();
      const auto [begin, end] = network().part_range(part);
      std::copy(sums.gradient + begin, sums.gradient + end,
                worker.workspace.gradient.data.get() + begin);
      update_part(slab, part, step);
    });
    finish_update(slab, step);
  }

  static bool has_one(Range range) { return range.begin < range.end; }
  // What each sums of a layer's parts are neighbours, for neighbours read the same cache lines.
  bool sums_here(int part) const {
    const auto& [layer, own] = network().parts_[part];
    const auto [begin, end] = call.exchange->parts(network().layers_[layer]->parts());
    return std::size_t(own) >= begin && std::size_t(own) < end;
  }

  // From a part of the gradient to parameters, unless all parts are to be measured first.
  void update_part(const Slab& slab, int part, const OptimizerStep& step) const {
    update.prepare(part);
    if (!update.pieces()) update.apply(part, step, slab.step);
  }
  void finish_update(const Slab& slab, const OptimizerStep& step) const {
    if (const int pieces = update.pieces()) {
      worker.member.for_each(pieces, [&](int piece) { update.measure(piece); });
      worker.member.for_each(int(network().parts_.size()),
                             [&](int part) { update.apply(part, step, slab.step); });
    }
    // The others do not prepare another step before this thread joins them.
    if (worker.member.thread == 0)
      call.losses[slab.step] += update.penalty() * double(slab.step_images);
    if (const int constraints = update.constraints())
      worker.member.for_each(constraints, [&](int i) { update.constrain(i); });
  }
  OptimizerStep optimizer_step(const Slab& slab) const {
    return call.optimizer.at(slab.step, call.learning_rates[slab.step]);
  }

  void add_results(const Slab& slab) const {
    if (slab.first) call.losses[slab.step] = 0.0, call.correct[slab.step] = 0;
    for (int i = 0; i < slab.images(); i++) {
      call.losses[slab.step] += sums.losses[i];
      call.correct[slab.step] += sums.correct[i];
    }
  }
  // What layers change without a gradient.
  void end_step() const {
    for (const int barrier : network().barriers_)
      network().layers_[barrier]->end_step(
          call.parameters, worker.plan.shared(worker.workspace.shared.data.get(), barrier));
  }
};

std::int64_t Network::train(const TrainCall& call, int threads, Interrupt& interrupt) const {
  const StepPlan sizes(*this, call);
  const Plan& plan = sizes.plan;
  int own = sizes.groups;
  if (call.exchange) {
    const auto [begin, end] = call.exchange->groups(sizes.groups);
    own = std::max(1, int(end - begin));
  }
  threads = team_size(threads, own, 3 * cost(plan));
  const int bundle = Bundle::size(*this, plan, own, threads);
  Lease::Wanted wanted{threads, bundle, sizes.groups, std::size_t(sizes.images)};
  wanted.frames = bool(call.augmentation);
  wanted.segments = !barriers_.empty();
  wanted.common_records = bool(call.exchange);
  const Lease workspace(*this, plan, wanted);
  float* const common = call.exchange ? call.exchange->memory() : nullptr;
  float* const gradient = common && call.exchange->common_parameters()
                              ? common + sizes.gradient
                              : workspace->gradient.data.get();
  const Trainer::Sums sums =
      common ? Trainer::Sums{common + sizes.losses,
                             reinterpret_cast<std::int32_t*>(common + sizes.correct),
                             common + sizes.gradient}
             : Trainer::Sums{workspace->losses.data(), workspace->correct.data(), gradient};
  Update update(isa_, call.optimizer, call.regularizers, call.constraints, call.parameters,
                gradient, trained_tensors(), part_ranges());
  std::int64_t done = 0;  // thread 0 counts
  run_team(threads, [&](const Member& member) {
    const Trainer trainer{call,
                          sizes,
                          {*this, plan, call.parameters, *workspace, interrupt, member, bundle,
                           std::size_t(sizes.groups), nullptr, common},
                          sums,
                          update};
    for (std::int64_t step = 0; step < call.steps() && trainer.step(step); step++)
      if (member.thread == 0) done = step + 1;
  });
  return done;
}

}  // namespace pylenet
