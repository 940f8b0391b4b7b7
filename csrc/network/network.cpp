#include "network/network.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "network/worker.h"

namespace pylenet {

namespace {

// The rewrites of training. (Those of inference, which every use of a network shares, are Python's:
// pylenet/models/_graph.py.) A pooling layer takes the derivative of the activation below it, so
// that the largest gradient of the network is written once; and see Network::layers_before.
void rewrite_for_training(const Layers& layers) {
  for (std::size_t i = 1; i < layers.size(); i++) layers[i]->take_derivative(*layers[i - 1]);
}

}  // namespace

Network::~Network() = default;

Network::Network(Shape input, const std::vector<Settings>& nodes, float scale, float offset,
                 const std::vector<int>& frozen, const std::vector<std::size_t>& places,
                 std::shared_ptr<Gate> gate, const InstructionSet& isa, Convolution convolution)
    : isa_(isa),
      input_(input),
      scale_(scale),
      offset_(offset),
      gate_(gate ? std::move(gate) : std::make_shared<Gate>()) {
  check_size(input);
  if (!places.empty() && places.size() != nodes.size())
    throw std::invalid_argument("places must be one for each node, got " +
                                std::to_string(places.size()));
  for (std::size_t i = 0; i < nodes.size(); i++) {
    const std::size_t place = !places.empty()   ? places[i]
                              : layers_.empty() ? 0
                                                : layers_.back()->end();
    if (place != aligned_floats(place))
      throw std::invalid_argument("places must be multiples of 16, got " + std::to_string(place));
    layers_.push_back(make_layer(nodes[i], output(), place));
    parameter_floats_ = std::max(parameter_floats_, layers_.back()->end());
  }
  rewrite_for_training(layers_);
  if (convolution == Convolution::kCookToom)
    for (const auto& layer : layers_) layer->allow_fast_algorithms();
  for (const int node : frozen) {
    if (node < 0 || node >= int(layers_.size()))
      throw std::invalid_argument("frozen must hold places of nodes, got " + std::to_string(node));
    layers_[node]->freeze();
  }
  for (std::size_t i = 0; i < layers_.size(); i++) {
    cost_ += layers_[i]->cost();
    if (layers_[i]->shared_floats() > 0) barriers_.push_back(int(i));
    if (layers_[i]->frozen()) continue;
    for (int part = 0; part < layers_[i]->parts(); part++) parts_.emplace_back(i, part);
  }
  first_trainable_ = parts_.empty() ? int(layers_.size()) : int(parts_.front().first);
  const auto plans = [&](Ways ways) {
    return std::make_unique<Plans>(
        Plans{{isa_.lanes, input_, layers_, ways}, {isa_.single, input_, layers_, ways}});
  };
  forward_ = plans(Ways::kForward);
  both_ways_ = plans(Ways::kBoth);
}

std::size_t Network::bytes_per_thread() const {
  const auto floats = [](const Plan& plan) { return plan.floats + plan.prepared_floats; };
  return std::max(floats(both_ways_->lanes), floats(both_ways_->single)) * sizeof(float);
}

int Network::layers_before(Loss loss) const {
  const bool joined = !layers_.empty() && layers_.back()->is_part_of(loss);
  return int(layers_.size()) - joined;
}

std::vector<Range> Network::trained_tensors() const {
  std::vector<Range> found;
  for (const auto& layer : layers_)
    for (const Tensor& tensor : layer->tensors)
      if (tensor.trainable && !layer->frozen())
        found.push_back({tensor.offset, tensor.offset + tensor.size()});
  return found;
}

std::vector<Range> Network::part_ranges() const {
  std::vector<Range> found;
  for (int part = 0; part < int(parts_.size()); part++) found.push_back(part_range(part));
  return found;
}

std::size_t framed_floats(Shape s) {
  return std::size_t(s.channels) * (s.height + 3) * (s.width + 3);
}

}  // namespace pylenet
