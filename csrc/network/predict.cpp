// The calls that go forward only (predict, evaluate, distort), and the gradient for a given dy.
#include "network/network.h"
#include "network/worker.h"
#include "runtime/team.h"

namespace pylenet {

template <class Use>
void Network::forward_groups(const Plan& plan, Workspace& workspace, const float* parameters,
                             const ImageView& x, std::int64_t count, int layers, int threads,
                             int bundle, Interrupt& interrupt, float* output, Use use) const {
  run_team(threads, [&](const Member& member) {
    const Worker worker{*this, plan, parameters, workspace, interrupt, member, bundle, 0, output};
    worker.prepare();
    worker.for_each_bundle(0, count, nullptr, double(size_of(input_)), [&](const Bundle& groups) {
      groups.for_each([&](const Group& group) { group.worker.pack(x, group.images); });
      groups.forward_layers(0, layers);
      groups.for_each([&](const Group& group) { use(group.worker, group.images); });
    });
  });
}

void Network::predict_into(float* y, bool roomy, const float* parameters, const ImageView& x,
                           std::int64_t count, int threads, Interrupt& interrupt) const {
  const Plan& plan = plan_for(count, *forward_);
  const int layers = int(layers_.size());
  threads = team_size(threads, plan.groups_of(count), cost(plan));
  const int bundle = Bundle::size(*this, plan, plan.groups_of(count), threads);
  Lease::Wanted wanted{threads, bundle};
  wanted.output_elsewhere = roomy && plan.kernels.lanes == 1 && plan.output_may_lie_elsewhere;
  const Lease workspace(*this, plan, wanted);
  forward_groups(plan, *workspace, parameters, x, count, layers, threads, bundle, interrupt,
                 wanted.output_elsewhere ? y : nullptr,
                 [&](const Worker& worker, const GroupImages& images) {
                   if (!wanted.output_elsewhere)
                     plan.kernels.unpack(y + images.first * size_of(output()), worker.input(layers),
                                         images.count, output());
                 });
}

void Network::evaluate(double* loss, std::int64_t* correct, float* outputs, const float* parameters,
                       const ImageView& x, std::int64_t count, const Targets& targets, Loss which,
                       int threads, Interrupt& interrupt) const {
  const Plan& plan = plan_for(count, *forward_);
  const int layers = layers_before(which);
  threads = team_size(threads, plan.groups_of(count), cost(plan));
  const int bundle = Bundle::size(*this, plan, plan.groups_of(count), threads);
  Lease::Wanted wanted{threads, bundle};
  wanted.loss_images = count;
  const Lease workspace(*this, plan, wanted);
  forward_groups(plan, *workspace, parameters, x, count, layers, threads, bundle, interrupt,
                 nullptr, [&](const Worker& worker, const GroupImages& images) {
                   worker.loss(nullptr, &workspace->losses[images.first],
                               &workspace->correct[images.first], targets, images, which, layers,
                               1.0f);
                   if (outputs) worker.unpack_outputs(outputs, images, layers);
                 });
  *loss = 0.0;
  *correct = 0;
  for (std::int64_t i = 0; i < count; i++) {
    *loss += workspace->losses[i];
    *correct += workspace->correct[i];
  }
}

void Network::distort(float* y, const ImageView& x, const std::int64_t* order, std::int64_t count,
                      const RandomAffine& augmentation, int threads, Interrupt& interrupt) const {
  const Plan& plan = plan_for(count, *forward_);
  const double work = kPixelCost * double(size_of(input_));
  threads = team_size(threads, plan.groups_of(count), work);
  Lease::Wanted wanted{threads};
  wanted.frames = true;
  const Lease workspace(*this, plan, wanted);
  run_team(threads, [&](const Member& member) {
    const Worker worker{*this, plan, nullptr, *workspace, interrupt, member};
    worker.for_each_group(0, count, order, work, [&](int, const GroupImages& images) {
      worker.pack(x, images, &augmentation);
      plan.kernels.unpack(y + images.first * size_of(input_), worker.input(0), images.count,
                          input_);
    });
  });
}

void Network::gradient(float* dx, float* gradient, const float* parameters, const ImageView& x,
                       const ImageView& dy, std::int64_t count, int threads,
                       Interrupt& interrupt) const {
  const Plan& plan = plan_for(count, *both_ways_);
  const int layers = int(layers_.size()), parts = int(parts_.size());
  const int slab_groups = plan.groups_of(std::min(count, kSlab));
  threads = team_size(threads, slab_groups, 3 * cost(plan));
  const int bundle = Bundle::size(*this, plan, slab_groups, threads);
  const Lease workspace(*this, plan, {threads, bundle, slab_groups});
  run_team(threads, [&](const Member& member) {
    const Worker worker{*this,     plan,   parameters, *workspace,
                        interrupt, member, bundle,     std::size_t(slab_groups)};
    worker.prepare();
    for (std::int64_t slab = 0; slab < count; slab += kSlab) {
      const std::int64_t end = std::min(slab + kSlab, count);
      worker.for_each_bundle(
          slab, end, nullptr, double(size_of(input_)), [&](const Bundle& groups) {
            groups.for_each([&](const Group& group) { group.worker.pack(x, group.images); });
            groups.forward_layers(0, layers);
            groups.for_each([&](const Group& group) {
              plan.kernels.pack(group.worker.output_gradient(), dy, group.images.index,
                                group.images.count, output(), 1.0f, -0.0f);
            });
            groups.backward_layers(0, layers, true);
            if (interrupt.came()) return;
            groups.for_each([&](const Group& group) {
              float* group_dx = group.worker.input_gradient();
              plan.kernels.rescale(group_dx, group_dx, size_of(input_), scale_, -0.0f);
              plan.kernels.unpack(dx + group.images.first * size_of(input_), group_dx,
                                  group.images.count, input_);
            });
          });
      if (interrupt.came()) return;
      member.for_each(
          parts, [&](int part) { worker.sum_part(gradient, part, int(end - slab), slab > 0); });
    }
  });
}

}  // namespace pylenet
