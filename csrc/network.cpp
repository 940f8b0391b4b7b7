#include "network.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "dispatch.h"
#include "team.h"

namespace pylenet {

namespace {

// Records of a step are kept for at most this many images at a time; a larger batch adds up in
// slabs, in the same order, hence to the same bits. A multiple of kBlock.
constexpr std::int64_t kSlab = 1024;
static_assert(kSlab % kBlock == 0);

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

// What one call works in; kept for the next one.
struct Network::Workspace {
  std::vector<AlignedArray<float>> threads;
  AlignedArray<float> records, gradient;
  std::size_t record_units = 0;
  std::vector<float> losses;
  std::vector<std::int32_t> correct;
};

// Takes an idle workspace, or a new one, makes it large enough, and gives it back.
class Network::Lease {
 public:
  // training_units: how many units' records are kept at once, 0 where none are. loss_images: of
  // how many images the losses are kept.
  Lease(const Network& network, int threads, int training_units, std::size_t loss_images)
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
    while (int(w.threads.size()) < threads)
      w.threads.push_back(aligned_zeros<float>(network.plan_.floats));
    if (std::size_t(training_units) > w.record_units) {
      w.records = aligned_zeros<float>(network.record_floats_ * training_units);
      w.record_units = training_units;
    }
    if (training_units && !w.gradient) w.gradient = aligned_zeros<float>(network.parameter_floats_);
    if (loss_images > w.losses.size()) {
      w.losses.resize(loss_images);
      w.correct.resize(loss_images);
    }
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

Network::~Network() = default;

Network::Network(Shape input, const std::vector<LayerSpec>& specs)
    : kernels_(active_kernels()), input_(input) {
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
  plan();
}

void Network::plan() {
  const std::size_t lanes = kernels_.lanes;
  std::size_t end = 0;
  const auto reserve = [&](std::size_t values) {
    const std::size_t start = end;
    end += aligned_floats(values * lanes);
    return start;
  };

  plan_.values.push_back(reserve(input_.size()));
  std::size_t scratch = 0;
  for (std::size_t i = 0; i < layers_.size(); i++) {
    const Layer& layer = *layers_[i];
    const bool overwrite = layer.in_place() && (i == 0 || !layers_[i - 1]->needs_output());
    plan_.values.push_back(overwrite ? plan_.values.back() : reserve(layer.out.size()));
    scratch = std::max(scratch, layer.scratch_values());
  }
  std::size_t sizes[2] = {output().size(), 0};
  int turn = 0;
  for (std::size_t i = layers_.size(); i-- > 0;) {
    if (layers_[i]->in_place()) continue;
    turn = 1 - turn;
    sizes[turn] = std::max(sizes[turn], layers_[i]->in.size());
  }
  for (int t : {0, 1}) plan_.gradients[t] = reserve(sizes[t]);
  plan_.scratch = reserve(scratch);
  plan_.floats = end;

  first_trainable_ = int(layers_.size());
  for (std::size_t i = layers_.size(); i-- > 0;)
    if (!layers_[i]->tensors.empty()) first_trainable_ = int(i);
  for (const auto& layer : layers_) {
    cost_ += layer->cost();
    layer->record_offset = record_floats_;
    record_floats_ += aligned_floats(layer->record_floats(kernels_.lanes));
    for (int part = 0; part < layer->parts(); part++) parts_.emplace_back(layer.get(), part);
  }
}

std::size_t Network::bytes_per_thread() const { return plan_.floats * sizeof(float); }

// Cross entropy after a softmax is computed from what goes into the softmax.
int Network::layers_before_loss(LossKind kind) const {
  const bool skip = ends_in_softmax_ && kind == LossKind::kCrossEntropyFromLogits;
  return int(layers_.size()) - skip;
}

void Network::forward(const Pass& pass, float* buffer, int layers) const {
  for (int i = 0; i < layers; i++) {
    const Layer& layer = *layers_[i];
    float* x = buffer + plan_.values[i];
    float* y = buffer + plan_.values[i + 1];
    if (layer.in_place() && x != y)
      std::memcpy(y, x, layer.out.size() * kernels_.lanes * sizeof(float));
    layer.forward(pass, y, x);
  }
}

// From dy in the first gradient buffer; returns where dx stands, if it is wanted.
float* Network::backward(const Pass& pass, float* buffer, int layers, bool want_dx) const {
  int turn = 0;
  for (int i = layers; i-- > 0;) {
    if (i < first_trainable_ && !want_dx) break;
    const Layer& layer = *layers_[i];
    float* dy = buffer + plan_.gradients[turn];
    if (!layer.in_place()) turn = 1 - turn;
    float* dx = want_dx || i > first_trainable_ ? buffer + plan_.gradients[turn] : nullptr;
    layer.backward(pass, dx, dy, buffer + plan_.values[i], buffer + plan_.values[i + 1]);
  }
  return buffer + plan_.gradients[turn];
}

namespace {

// The images of one unit: `first` and the following ones, in the order of memory or in `order`.
struct UnitImages {
  std::int64_t consecutive[kBlock];
  const std::int64_t* index;
  int count;

  UnitImages(std::int64_t first, std::int64_t end, int lanes, const std::int64_t* order = nullptr)
      : count(int(std::min<std::int64_t>(lanes, end - first))) {
    for (int i = 0; i < count; i++) consecutive[i] = first + i;
    index = order ? order + first : consecutive;
  }
};

}  // namespace

// Runs `layers` layers on all units; calls use(first image, the unit's images, outputs) for each.
template <class Use>
void Network::forward_units(const Workspace& workspace, const float* parameters, const ImageView& x,
                            std::int64_t count, int layers, int threads, Use use) const {
  run_team(threads, [&](const Member& member) {
    float* buffer = workspace.threads[member.thread].get();
    const Pass pass{kernels_, parameters, buffer + plan_.scratch, nullptr, 0};
    member.for_each(units_of(count), [&](int unit) {
      const std::int64_t first = std::int64_t(unit) * kernels_.lanes;
      const UnitImages images(first, count, kernels_.lanes);
      kernels_.pack(buffer, x, images.index, images.count, input_, scale_, offset_);
      forward(pass, buffer, layers);
      use(first, images, buffer + plan_.values[layers]);
    });
  });
}

void Network::predict(float* y, const float* parameters, const ImageView& x, std::int64_t count,
                      int threads) const {
  threads = team_size(threads, units_of(count), cost_);
  const Lease workspace(*this, threads, 0, 0);
  forward_units(*workspace, parameters, x, count, int(layers_.size()), threads,
                [&](std::int64_t first, const UnitImages& images, const float* outputs) {
                  kernels_.unpack(y + first * output().size(), outputs, images.count, output());
                });
}

void Network::evaluate(double* loss, std::int64_t* correct, const float* parameters,
                       const ImageView& x, std::int64_t count, const Targets& targets,
                       LossKind kind, int threads) const {
  threads = team_size(threads, units_of(count), cost_);
  const Lease workspace(*this, threads, 0, count);
  forward_units(*workspace, parameters, x, count, layers_before_loss(kind), threads,
                [&](std::int64_t first, const UnitImages& images, const float* outputs) {
                  kernels_.loss(nullptr, &workspace->losses[first], &workspace->correct[first],
                                outputs, targets, images.index, images.count, kind,
                                int(output().size()), 1.0f);
                });
  *loss = 0.0;
  *correct = 0;
  for (std::int64_t i = 0; i < count; i++) {
    *loss += workspace->losses[i];
    *correct += workspace->correct[i];
  }
}

void Network::gradient(float* dx, float* gradient, const float* parameters, const ImageView& x,
                       const ImageView& dy, std::int64_t count, int threads) const {
  const int lanes = kernels_.lanes, layers = int(layers_.size()), parts = int(parts_.size());
  const int slab_units = units_of(std::min(count, kSlab));
  threads = team_size(threads, slab_units, 3 * cost_);
  const Lease workspace(*this, threads, slab_units, 0);
  const Records records{workspace->records.get(), workspace->record_units};
  run_team(threads, [&](const Member& member) {
    float* buffer = workspace->threads[member.thread].get();
    for (std::int64_t slab = 0; slab < count; slab += kSlab) {
      const std::int64_t end = std::min(slab + kSlab, count);
      member.for_each(units_of(end - slab), [&](int unit) {
        const Pass pass{kernels_, parameters, buffer + plan_.scratch, &records, std::size_t(unit)};
        const std::int64_t first = slab + std::int64_t(unit) * lanes;
        const UnitImages images(first, end, lanes);
        kernels_.pack(buffer, x, images.index, images.count, input_, scale_, offset_);
        forward(pass, buffer, layers);
        kernels_.pack(buffer + plan_.gradients[0], dy, images.index, images.count, output(), 1.0f,
                      -0.0f);
        float* unit_dx = backward(pass, buffer, layers, true);
        kernels_.rescale(unit_dx, unit_dx, input_.size(), scale_, -0.0f);
        kernels_.unpack(dx + first * input_.size(), unit_dx, images.count, input_);
      });
      member.for_each(parts, [&](int p) {
        const auto& [layer, part] = parts_[p];
        layer->sum_part(kernels_, records, gradient, part, int(end - slab), slab > 0);
      });
    }
  });
}

void Network::train(const TrainCall& call, int threads) const {
  const int lanes = kernels_.lanes, layers = layers_before_loss(call.loss);
  const int classes = int(output().size()), parts = int(parts_.size());
  const std::int64_t steps = (call.count + call.batch_size - 1) / call.batch_size;
  const std::int64_t largest = std::min<std::int64_t>({call.batch_size, call.count, kSlab});
  threads = team_size(threads, units_of(largest), 3 * cost_);
  const Lease workspace(*this, threads, units_of(largest), largest);
  const Records records{workspace->records.get(), workspace->record_units};
  float* gradient = workspace->gradient.get();
  const Optimizer& optimizer = call.optimizer;

  run_team(threads, [&](const Member& member) {
    float* buffer = workspace->threads[member.thread].get();
    for (std::int64_t step = 0; step < steps; step++) {
      const std::int64_t begin = step * call.batch_size;
      const std::int64_t end = std::min<std::int64_t>(begin + call.batch_size, call.count);
      const float scale = 1.0f / float(end - begin);
      const OptimizerStep update = optimizer_step_at(call, step);
      for (std::int64_t slab = begin; slab < end; slab += kSlab) {
        const std::int64_t slab_end = std::min(slab + kSlab, end);
        member.for_each(units_of(slab_end - slab), [&](int unit) {
          const Pass pass{kernels_, call.parameters, buffer + plan_.scratch, &records,
                          std::size_t(unit)};
          const std::int64_t first = slab + std::int64_t(unit) * lanes;
          const UnitImages images(first, slab_end, lanes, call.order);
          kernels_.pack(buffer, call.x, images.index, images.count, input_, scale_, offset_);
          forward(pass, buffer, layers);
          kernels_.loss(buffer + plan_.gradients[0], &workspace->losses[first - slab],
                        &workspace->correct[first - slab], buffer + plan_.values[layers],
                        call.targets, images.index, images.count, call.loss, classes, scale);
          backward(pass, buffer, layers, false);
        });

        // Every unit is done: sum the gradient's parts, update what each part covers. One more
        // "part" sums the metrics.
        member.for_each(parts + 1, [&](int p) {
          if (p == parts) {
            if (slab == begin) call.losses[step] = 0.0, call.correct[step] = 0;
            for (std::int64_t i = 0; i < slab_end - slab; i++) {
              call.losses[step] += workspace->losses[i];
              call.correct[step] += workspace->correct[i];
            }
            return;
          }
          const auto& [layer, part] = parts_[p];
          const Range r = layer->sum_part(kernels_, records, gradient, part, int(slab_end - slab),
                                          slab > begin);
          if (slab_end < end) return;
          kernels_.optimizer_step(call.parameters + r.begin,
                                  optimizer.slot_1 ? optimizer.slot_1 + r.begin : nullptr,
                                  optimizer.slot_2 ? optimizer.slot_2 + r.begin : nullptr,
                                  gradient + r.begin, r.end - r.begin, update);
        });
      }
    }
  });
}

}  // namespace pylenet
