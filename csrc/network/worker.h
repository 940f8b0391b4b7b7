// Inside the network: the memory of a call, and one thread's way through the layers with one group.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "network/network.h"
#include "runtime/interrupt.h"
#include "runtime/team.h"

namespace pylenet {

// Records of a step are kept for at most this many images at a time; a larger batch adds up in
// slabs. Part of the arithmetic: a convolution's gradient that is summed at the points of Cook-Toom
// is transformed back once a slab. A multiple of kBlock.
constexpr std::int64_t kSlab = 1024;
static_assert(kSlab % kBlock == 0);

constexpr double kPixelCost = 10.0;  // of distorting, in vector operations

// What one call works in; kept for the next one.
struct Network::Workspace {
  struct Buffer {
    AlignedArray<float> data;
    std::size_t floats = 0;
    const Plan* plan = nullptr;  // of what was prepared in it

    // Makes it at least so large; new memory is zero, and what was there is lost.
    void reserve(std::size_t wanted) {
      if (wanted <= floats) return;
      data = aligned_zeros<float>(wanted);
      floats = wanted;
      plan = nullptr;
    }
  };

  std::vector<Buffer> threads;   // each thread's, for the groups that it works on
  std::vector<Buffer> frames;    // each thread's, around images that are distorted
  std::vector<Buffer> groups;    // each group's, where a step has several segments
  std::vector<Buffer> prepared;  // each thread's, what layers make of their parameters
  Buffer records, gradient, shared;
  std::vector<float> losses;
  std::vector<std::int32_t> correct;

  std::size_t bytes() const {
    std::size_t floats = records.floats + gradient.floats + losses.size() + correct.size();
    floats += shared.floats;
    for (const auto* buffers : {&threads, &frames, &groups, &prepared})
      for (const Buffer& buffer : *buffers) floats += buffer.floats;
    return floats * sizeof(float);
  }
};

// Takes an idle workspace, or a new one, makes it large enough, and gives it back.
class Network::Lease {
 public:
  struct Wanted {
    int threads;
    int bundle = 1;                 // how many groups a thread works on side by side
    int record_groups = 0;          // of how many groups the records are kept at once
    std::size_t loss_images = 0;    // of how many images the losses are kept
    bool frames = false;            // whether images are distorted
    bool segments = false;          // whether the groups of several segments are kept
    bool output_elsewhere = false;  // whether the output lies in other memory
    bool common_records = false;    // whether the records lie in memory in common with others
  };

  Lease(const Network& network, const Plan& plan, const Wanted& wanted) : network_(network) {
    {
      const std::lock_guard<std::mutex> lock(network.mutex_);
      if (!network.idle_.empty()) {
        workspace_ = std::move(network.idle_.back());
        network.idle_.pop_back();
      }
    }
    if (!workspace_) workspace_ = std::make_unique<Workspace>();
    Workspace& w = *workspace_;
    const int side_by_side = wanted.segments ? 1 : wanted.bundle;  // else in the groups' buffers
    reserve(w.threads, wanted.threads,
            wanted.output_elsewhere ? plan.output : plan.floats * side_by_side);
    reserve(w.prepared, wanted.threads, plan.prepared_floats);
    if (wanted.frames)
      reserve(w.frames, wanted.threads,
              framed_floats(network.input_) * plan.kernels.lanes + kSlack);
    if (wanted.segments) {
      reserve(w.groups, wanted.record_groups, plan.floats);
      w.shared.reserve(plan.shared_floats);
    }
    if (!wanted.common_records) w.records.reserve(plan.record_floats * wanted.record_groups);
    if (wanted.record_groups) w.gradient.reserve(network.parameter_floats_);
    if (wanted.loss_images > w.losses.size()) {
      w.losses.resize(wanted.loss_images);
      w.correct.resize(wanted.loss_images);
    }
  }
  ~Lease() {
    if (workspace_->bytes() > kMostKept) return;
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
  static constexpr std::size_t kMostKept = std::size_t(1) << 28;  // bytes

  static void reserve(std::vector<Workspace::Buffer>& buffers, int count, std::size_t floats) {
    if (int(buffers.size()) < count) buffers.resize(count);
    for (int i = 0; i < count; i++) buffers[i].reserve(floats);
  }

  const Network& network_;
  std::unique_ptr<Workspace> workspace_;
};

// The images of one group: `first` and the following ones, in the order of memory or in `order`.
struct GroupImages {
  std::int64_t consecutive[kBlock];
  const std::int64_t first, *index;
  const int count;

  GroupImages(std::int64_t first, std::int64_t end, int lanes, const std::int64_t* order = nullptr)
      : first(first),
        index(order ? order + first : consecutive),
        count(int(std::min<std::int64_t>(lanes, end - first))) {
    for (int i = 0; i < count; i++) consecutive[i] = first + i;
  }
};

// One thread with its buffer.
struct Network::Worker {
  const Network& network;
  const Plan& plan;
  const float* parameters;
  Workspace& workspace;
  Interrupt& interrupt;
  const Member& member;
  int bundle = 1;                   // so many groups go through the network side by side, at most
  std::size_t record_groups = 0;    // there is room for so many; without room no records are kept
  float* output = nullptr;          // forward alone: where the output lies; null for the buffer
  float* common_records = nullptr;  // in memory in common with others; null for the workspace's

  float* buffer = workspace.threads[member.thread].data.get();
  Workspace::Buffer& prepared = workspace.prepared[member.thread];
  const TrainingImages* training = nullptr;  // the buffer's, in a step of training

  // Calls f(group, its images) for each group of the images [begin, end), all threads together,
  // before each of which there are `work` vector operations to be done.
  template <class F>
  void for_each_group(std::int64_t begin, std::int64_t end, const std::int64_t* order, double work,
                      F f) const {
    const int lanes = plan.kernels.lanes;
    member.for_each(plan.groups_of(end - begin), [&](int group) {
      if (interrupted(work)) return;
      f(group, GroupImages(begin + std::int64_t(group) * lanes, end, lanes, order));
    });
  }

  // The same for each bundle of groups, as f(bundle). training: null, or seed and epoch. exchange:
  // null, or who says which of the groups are done here.
  template <class F>
  void for_each_bundle(std::int64_t begin, std::int64_t end, const std::int64_t* order, double work,
                       F f, const TrainingImages* training = nullptr,
                       const Exchange* exchange = nullptr) const;

  Call call(std::size_t layer, std::size_t group) const {
    return {plan.kernels,
            parameters,
            buffer + plan.scratch,
            plan.records(records(), record_groups, layer),
            layer,
            group,
            prepared_by(layer),
            training,
            training ? plan.shared(workspace.shared.data.get(), layer) : nullptr};
  }
  float* prepared_by(std::size_t layer) const { return prepared.data.get() + plan.prepared(layer); }
  float* records() const {
    if (common_records) return common_records;
    return record_groups ? workspace.records.data.get() : nullptr;
  }
  // What layer `layer` is given; the network's output where there is no such layer.
  float* input(int layer) const {
    const auto& places = plan.places;
    return at(layer < int(places.size()) ? places[layer].x : plan.output);
  }
  // What lies at a place of the plan.
  float* at(std::size_t place) const {
    return output && place == plan.output ? output : buffer + place;
  }
  float* output_gradient() const { return buffer + plan.output_gradient; }
  float* input_gradient() const {
    return plan.places.empty() ? output_gradient() : buffer + plan.places[0].dx;
  }

  // To be called whenever parameters have changed, before anything is computed with them.
  void prepare() const {
    const bool kept = prepared.plan == &plan;
    prepared.plan = &plan;
    for (std::size_t i = 0; i < network.layers_.size(); i++)
      if (network.layers_[i]->prepared_floats(plan.both_ways) > 0)
        network.layers_[i]->prepare(call(i, 0), prepared_by(i), plan.both_ways, kept);
  }

  // Whether to give the call up, before `work` more vector operations. What an interrupted pass
  // leaves behind is nobody's result.
  bool interrupted(double work) const { return interrupt.came_before(work, member.thread); }

  // augmentation: null for none.
  void pack(const ImageView& x, const GroupImages& images,
            const RandomAffine* augmentation = nullptr) const {
    const Network& n = network;
    if (augmentation)
      plan.kernels.pack_affine(input(0), workspace.frames[member.thread].data.get(), x,
                               images.index, images.count, n.input_, n.scale_, n.offset_,
                               *augmentation);
    else
      plan.kernels.pack(input(0), x, images.index, images.count, n.input_, n.scale_, n.offset_);
  }

  void forward(std::size_t i) const {
    const Layer& layer = *network.layers_[i];
    const Place& place = plan.places[i];
    const float* x = at(place.x);
    float* y = at(place.y);
    if (layer.in_place() && x != y)
      std::memcpy(y, x, size_of(layer.out) * plan.kernels.lanes * sizeof(float));
    layer.forward(call(i, 0), y, x);
  }

  // Layer i, the affine function that the next one is and, where `count` is 3, the activation that
  // comes then: to the same bits as one by one.
  void forward_joined(std::size_t i, int count) const {
    const auto& layers = network.layers_;
    Call above = call(i + 1, 0);
    above.scratch += plan.affine_scratch(*layers[i]);
    layers[i]->forward_affine(call(i, 0), at(plan.places[i].y), at(plan.places[i].x),
                              layers[i + 1]->affine(above),
                              count == 3 ? layers[i + 2]->only_activation() : Activation{});
  }

  // Whether anybody wants layer i's dx; want_dx: whether the first one's is wanted.
  bool wants_dx(std::size_t i, bool want_dx) const {
    return want_dx || int(i) > network.first_trainable_;
  }
  // dx is left out where nobody wants it.
  void backward(std::size_t i, std::size_t group, bool want_dx) const {
    const Place& place = plan.places[i];
    float* dx = wants_dx(i, want_dx) ? buffer + place.dx : nullptr;
    network.layers_[i]->backward(call(i, group), dx, buffer + place.dy, buffer + place.x,
                                 buffer + place.y);
  }

  // Layers [begin, end), as many at once as the plan says.
  void forward_layers(int begin, int end) const {
    for (int i = begin; i < end && !interrupted(network.layers_[i]->cost());) {
      const int joined = std::min(plan.joined[i], end - i);
      if (joined == 1)
        forward(i);
      else
        forward_joined(i, joined);
      i += joined;
    }
  }
  // Layers [begin, end), the last one first, from the dy of that.
  void backward_layers(int begin, int end, std::size_t group, bool want_dx = false) const {
    for (int i = end; i-- > begin;) {
      if (interrupted(2 * network.layers_[i]->cost())) break;
      backward(i, group, want_dx);
    }
  }

  void loss(float* dy, float* losses, std::int32_t* correct, const Targets& targets,
            const GroupImages& images, Loss loss, int layers, float scale) const {
    plan.kernels.loss(dy, losses, correct, buffer + plan.scratch, input(layers), targets,
                      images.index, images.count, loss, int(size_of(network.output())), scale);
  }

  // After `layers` layers and the loss: what the last ones give, as predict's y, `images` of it.
  void unpack_outputs(float* y, const GroupImages& images, int layers) const {
    const int all = int(network.layers_.size());
    forward_layers(layers, all);
    const Shape shape = network.output();
    plan.kernels.unpack(y + images.first * size_of(shape), input(all), images.count, shape);
  }

  // Part `part` of the gradient, summed over `images` images' records.
  void sum_part(float* gradient, int part, int images, bool add) const {
    const auto& [layer, own] = network.parts_[part];
    network.layers_[layer]->sum_part(plan.kernels, plan.records(records(), record_groups, layer),
                                     gradient, own, images, add);
  }
  void sum_hessian_part(float* hessian, int part, int images, bool add) const {
    const auto& [layer, own] = network.parts_[part];
    network.layers_[layer]->sum_hessian_part(
        plan.kernels, plan.records(records(), record_groups, layer), hessian, own, images, add);
  }
};

// A group with all that it goes through the network with.
struct Network::Group {
  const int number;
  const GroupImages images;
  const TrainingImages training;
  Worker worker;

  // place: which one this is of those side by side.
  Group(const Worker& thread, int number, int place, std::int64_t begin, std::int64_t end,
        const std::int64_t* order, const TrainingImages* step)
      : number(number),
        images(begin + std::int64_t(number) * thread.plan.kernels.lanes, end,
               thread.plan.kernels.lanes, order),
        training{step ? step->seed : 0, step ? step->epoch : 0, images.index, images.count},
        worker(thread) {
    if (step) worker.training = &training;
    if (step && !worker.network.barriers_.empty())
      worker.buffer = worker.workspace.groups[number].data.get();
    else
      worker.buffer += place * worker.plan.floats;
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
};

// Groups that one thread takes through the network side by side: a wide layer computes them
// together, the layers between wide ones take one group after the other.
class Network::Bundle {
 public:
  static constexpr int kMost = 8;

  // How many groups each thread takes side by side where there are so many groups: all threads
  // have a share, and the shares are alike. Two in lanes suffice, and no more than the second-level
  // cache holds: else what is saved for weights is lost for values.
  static int size(const Network& network, const Plan& plan, int groups, int threads) {
    constexpr int kImages = 32;
    constexpr std::size_t kFloats = 1 << 19;
    const bool wide = std::any_of(network.layers_.begin(), network.layers_.end(),
                                  [](const auto& layer) { return layer->wide() != nullptr; });
    if (!wide) return 1;
    const int room = int(std::max<std::size_t>(1, kFloats / plan.floats));
    const int most = std::min({kMost, kImages / plan.kernels.lanes, room});
    const int share = (groups + threads - 1) / threads, bundles = (share + most - 1) / most;
    return (share + bundles - 1) / bundles;
  }

  Bundle(const Worker& thread, int first, int count, std::int64_t begin, std::int64_t end,
         const std::int64_t* order, const TrainingImages* step)
      : count_(count) {
    for (int k = 0; k < count; k++)
      groups_[k].emplace(thread, first + k, k, begin, end, order, step);
  }

  // Calls f(group) for each.
  template <class F>
  void for_each(F f) const {
    for (int k = 0; k < count_; k++) f(*groups_[k]);
  }

  // As a worker's.
  void forward_layers(int begin, int end) const {
    for (int i = begin, next; i < end; i = next) {
      next = i + 1;
      if (const WideLayer* wide = this->wide(i)) {
        forward_together(*wide, i);
      } else {
        while (next < end && !this->wide(next)) next++;
        for_each([&](const Group& group) { group.worker.forward_layers(i, next); });
      }
    }
  }
  void backward_layers(int begin, int end, bool want_dx = false) const {
    for (int i = end, next; i > begin; i = next) {
      next = i - 1;
      if (const WideLayer* wide = this->wide(next)) {
        backward_together(*wide, next, want_dx);
      } else {
        while (next > begin && !this->wide(next - 1)) next--;
        for_each([&](const Group& group) {
          group.worker.backward_layers(next, i, group.number, want_dx);
        });
      }
    }
  }

 private:
  const Worker& first() const { return groups_[0]->worker; }
  // Null where one group is alone, too.
  const WideLayer* wide(int layer) const {
    return count_ > 1 ? first().network.layers_[layer]->wide() : nullptr;
  }

  void forward_together(const WideLayer& layer, int i) const {
    if (first().interrupted(count_ * first().network.layers_[i]->cost())) return;
    const Place& place = first().plan.places[i];
    float* y[kMost];
    const float* x[kMost];
    for (int k = 0; k < count_; k++) {
      y[k] = groups_[k]->worker.at(place.y);
      x[k] = groups_[k]->worker.at(place.x);
    }
    layer.forward_groups(first().call(i, 0), y, x, count_);
  }
  void backward_together(const WideLayer& layer, int i, bool want_dx) const {
    if (first().interrupted(count_ * 2 * first().network.layers_[i]->cost())) return;
    const Place& place = first().plan.places[i];
    float *dx[kMost], *dy[kMost];
    const float *x[kMost], *y[kMost];
    for (int k = 0; k < count_; k++) {
      float* buffer = groups_[k]->worker.buffer;
      dx[k] = buffer + place.dx;
      dy[k] = buffer + place.dy;
      x[k] = buffer + place.x;
      y[k] = buffer + place.y;
    }
    layer.backward_groups(first().call(i, groups_[0]->number),
                          first().wants_dx(i, want_dx) ? dx : nullptr, dy, x, y, count_);
  }

  const int count_;
  std::optional<Group> groups_[kMost];
};

template <class F>
void Network::Worker::for_each_bundle(std::int64_t begin, std::int64_t end,
                                      const std::int64_t* order, double work, F f,
                                      const TrainingImages* training,
                                      const Exchange* exchange) const {
  const int groups = plan.groups_of(end - begin);
  const Range own = exchange ? exchange->groups(groups) : Range{0, std::size_t(groups)};
  const int count = int(own.end - own.begin);
  member.for_each((count + bundle - 1) / bundle, [&](int i) {
    const int first = i * bundle, size = std::min(bundle, count - first);
    if (!interrupted(size * work))
      f(Bundle(*this, int(own.begin) + first, size, begin, end, order, training));
  });
}

}  // namespace pylenet
