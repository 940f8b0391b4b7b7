// Inside the network: the memory of a call, and one thread's way through the layers with one unit.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "interrupt.h"
#include "network.h"

namespace pylenet {

// What one call works in; kept for the next one.
struct Network::Workspace {
  std::vector<AlignedArray<float>> threads;
  std::vector<AlignedArray<float>> originals;  // of distorted images, where they were reserved
  AlignedArray<float> records, gradient;
  std::size_t record_floats = 0;
  std::vector<float> losses;
  std::vector<std::int32_t> correct;

  float* originals_of(int thread) const {
    return thread < int(originals.size()) ? originals[thread].get() : nullptr;
  }
};

// Takes an idle workspace, or a new one, makes it large enough, and gives it back.
class Network::Lease {
 public:
  // training_units: how many units' records are kept at once, 0 where none are. loss_images: of
  // how many images the losses are kept.
  Lease(const Network& network, const Plan& plan, int threads, int training_units,
        std::size_t loss_images)
      : network_(network) {
    {
      const std::lock_guard<std::mutex> lock(network.mutex_);
      if (!network.idle_.empty()) {
        workspace_ = std::move(network.idle_.back());
        network.idle_.pop_back();
      }
    }
    if (!workspace_) workspace_ = std::make_unique<Workspace>();
    Workspace& w = *workspace_;
    const std::size_t floats = std::max(network.lanes_->floats, network.single_->floats);
    while (int(w.threads.size()) < threads) w.threads.push_back(aligned_zeros<float>(floats));
    if (const std::size_t wanted = plan.record_floats * training_units; wanted > w.record_floats) {
      w.records = aligned_zeros<float>(wanted);
      w.record_floats = wanted;
    }
    if (training_units && !w.gradient) w.gradient = aligned_zeros<float>(network.parameter_floats_);
    if (loss_images > w.losses.size()) {
      w.losses.resize(loss_images);
      w.correct.resize(loss_images);
    }
  }
  // Each thread's room for the images that it distorts.
  void reserve_originals(int threads) {
    auto& originals = workspace_->originals;
    const std::size_t floats = framed_size(network_.input_) * network_.lanes() + kSlack;
    while (int(originals.size()) < threads) originals.push_back(aligned_zeros<float>(floats));
  }
  ~Lease() {
    try {
      const std::lock_guard<std::mutex> lock(network_.mutex_);
      network_.idle_.push_back(std::move(workspace_));
    } catch (const std::bad_alloc&) {  // then the next call makes a new one
    }
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  Workspace* operator->() const { return workspace_.get(); }
  Workspace& operator*() const { return *workspace_; }

 private:
  const Network& network_;
  std::unique_ptr<Workspace> workspace_;
};

// The images of one unit: `first` and the following ones, in the order of memory or in `order`.
struct UnitImages {
  std::int64_t consecutive[kBlock];
  const std::int64_t* index;
  int count;

  UnitImages(std::int64_t first, std::int64_t end, int lanes, const std::int64_t* order = nullptr)
      : index(order ? order + first : consecutive),
        count(int(std::min<std::int64_t>(lanes, end - first))) {
    for (int i = 0; i < count; i++) consecutive[i] = first + i;
  }
};

// One thread with its buffer. `records`: of all units and layers, null where none are kept.
struct Network::Worker {
  const Network& network;
  const Plan& plan;
  const float* parameters;
  float* buffer;
  Interrupt& interrupt;
  int thread;
  float* records = nullptr;
  std::size_t record_units = 0;

  Pass pass(std::size_t layer, std::size_t unit) const {
    return {plan.kernels, parameters, scratch(), plan.records(records, record_units, layer), unit};
  }
  float* scratch() const { return buffer + plan.scratch; }
  float* output(int layers) const { return buffer + plan.values[layers]; }
  float* output_gradient() const { return buffer + plan.gradients[0]; }

  // Whether to give the call up, before `work` more vector operations. What an interrupted pass
  // leaves behind is nobody's result.
  bool interrupted(double work) const { return interrupt.came_before(work, thread); }

  void pack(const ImageView& x, const UnitImages& images) const {
    plan.kernels.pack(buffer, x, images.index, images.count, network.input_, network.scale_,
                      network.offset_);
  }

  // distortion: null for none; originals: room for the images that are distorted.
  void pack(const ImageView& x, const UnitImages& images, const RandomAffine* distortion,
            float* originals) const {
    if (!distortion) return pack(x, images);
    plan.kernels.pack_affine(buffer, originals, x, images.index, images.count, network.input_,
                             network.scale_, network.offset_, *distortion);
  }

  void forward(std::size_t i) const {
    const Layer& layer = *network.layers_[i];
    const float* x = buffer + plan.values[i];
    float* y = buffer + plan.values[i + 1];
    if (layer.in_place() && x != y)
      std::memcpy(y, x, layer.out.size() * plan.kernels.lanes * sizeof(float));
    layer.forward(pass(i, 0), y, x);
  }

  // From dy in gradients[turn]; returns in which of them dx stands then. dx is left out where
  // nobody wants it.
  int backward(std::size_t i, std::size_t unit, int turn, bool want_dx) const {
    const Layer& layer = *network.layers_[i];
    float* dy = buffer + plan.gradients[turn];
    if (!layer.in_place()) turn = 1 - turn;
    float* dx =
        want_dx || int(i) > network.first_trainable_ ? buffer + plan.gradients[turn] : nullptr;
    layer.backward(pass(i, unit), dx, dy, buffer + plan.values[i], buffer + plan.values[i + 1]);
    return turn;
  }

  void forward_all(int layers) const {
    for (int i = 0; i < layers && !interrupted(network.layers_[i]->cost()); i++) forward(i);
  }
  // From dy in output_gradient(); returns where dx stands, if it is wanted.
  float* backward_all(int layers, std::size_t unit, bool want_dx) const {
    int turn = 0;
    for (int i = layers; i-- > (want_dx ? 0 : network.first_trainable_);) {
      if (interrupted(2 * network.layers_[i]->cost())) break;
      turn = backward(i, unit, turn, want_dx);
    }
    return buffer + plan.gradients[turn];
  }

  void loss(float* dy, float* losses, std::int32_t* correct, const Targets& targets,
            const UnitImages& images, Loss loss, int layers, float scale) const {
    plan.kernels.loss(dy, losses, correct, scratch(), output(layers), targets, images.index,
                      images.count, loss, int(network.output().size()), scale);
  }

  // Part `part` of the gradient, summed over `images` images' records.
  Range sum_part(float* gradient, int part, int images, bool add) const {
    const auto& [layer, own] = network.parts_[part];
    return network.layers_[layer]->sum_part(
        plan.kernels, plan.records(records, record_units, layer), gradient, own, images, add);
  }
};

}  // namespace pylenet
