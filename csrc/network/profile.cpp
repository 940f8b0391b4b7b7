// Times of one training step, layer by layer, each where it stands: with the caches as the layers
// before it left them.
#include <chrono>
#include <numeric>
#include <vector>

#include "network/network.h"
#include "network/worker.h"
#include "runtime/dispatch.h"
#include "runtime/team.h"

namespace pylenet {

namespace {

// Adds the time since the last call to a sum.
class Lap {
 public:
  void start() { last_ = Clock::now(); }
  void add_to(double& seconds) {
    const auto now = Clock::now();
    seconds += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_;
};

}  // namespace

double peak_flops(int threads, double seconds) {
  constexpr std::int64_t kRounds = 20000;  // some 50 microseconds between looks at the clock
  const auto multiply_adds = active_isa().multiply_adds;
  std::vector<double> flops(threads);
  run_team(threads, [&](const Member& member) {
    float sink;
    multiply_adds(&sink, kRounds);
    member.for_each(0, [](int) {});  // all start together
    double done = 0.0, elapsed = 0.0;
    Lap lap;
    lap.start();
    while (elapsed < seconds) {
      done += 2.0 * multiply_adds(&sink, kRounds) * kRounds;
      lap.add_to(elapsed);
    }
    flops[member.thread] = done / elapsed;
  });
  return std::accumulate(flops.begin(), flops.end(), 0.0);
}

StepTimes Network::profile(const float* parameters, const ImageView& x, std::int64_t count,
                           const Targets& targets, Loss loss, int repeats) const {
  const Plan& plan = plan_for(count, *both_ways_);
  const int layers = layers_before(loss);
  const Lease workspace(*this, plan, {1, 1, 1, std::size_t(count)});
  Interrupt never([] { return false; });
  Team alone(1);
  const Member member{alone, 0, 1};
  const Worker worker{*this, plan, parameters, *workspace, never, member, 1, 1};
  worker.prepare();
  float* gradient = workspace->gradient.data.get();
  const GroupImages images(0, count, plan.kernels.lanes);
  const auto scratch = aligned_zeros<float>(parameter_floats_);  // updated in place of parameters
  OptimizerStep sgd{};
  sgd.learning_rate = 0.01f;
  float* const no_slots[kSlots] = {};

  StepTimes times{images.count, 0.0, 0.0, {}};
  for (int i = 0; i < layers; i++) {
    const Layer& layer = *layers_[i];
    PhaseTime forward{}, backward{}, update{};
    if (!layer.tensors.empty()) {
      const auto add = [&](PhaseTime& phase, Pass pass) {
        phase.work += layer.cost();
        phase.multiplications += layer.multiplications(pass);
      };
      add(forward, Pass::kForward);
      if (i > first_trainable_) add(backward, Pass::kInputGradient);
      add(layer.contracts_in_parts() ? update : backward, Pass::kWeightGradient);
    }
    times.layers.push_back({std::size_t(i), forward, backward, update});
  }
  Lap lap;
  for (int repeat = 0; repeat < repeats; repeat++) {
    lap.start();
    worker.pack(x, images);
    lap.add_to(times.pack);
    for (int i = 0; i < layers; i++) {
      worker.forward(i);
      lap.add_to(times.layers[i].forward.seconds);
    }
    worker.loss(worker.output_gradient(), workspace->losses.data(), workspace->correct.data(),
                targets, images, loss, layers, 1.0f / float(images.count));
    lap.add_to(times.loss);
    for (int i = layers; i-- > first_trainable_;) {
      worker.backward(i, 0, false);
      lap.add_to(times.layers[i].backward.seconds);
    }
    for (int part = 0; part < int(parts_.size()); part++) {
      const Range r = part_range(part);
      worker.sum_part(gradient, part, images.count, false);
      isa_.optimizer_step(scratch.get() + r.begin, no_slots, gradient + r.begin, r.end - r.begin,
                          sgd);
      lap.add_to(times.layers[parts_[part].first].update.seconds);
    }
  }
  times.pack /= repeats;
  times.loss /= repeats;
  for (LayerTimes& layer : times.layers)
    for (PhaseTime* phase : {&layer.forward, &layer.backward, &layer.update})
      phase->seconds /= repeats;
  return times;
}

}  // namespace pylenet
