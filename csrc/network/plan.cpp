#include "network/plan.h"

#include <algorithm>

#include "runtime/memory.h"

namespace pylenet {

namespace {

// How many layers can be computed at once from layer `i` on.
int joined_from(const Layers& layers, std::size_t i) {
  if (i + 1 >= layers.size() || !layers[i]->takes_affine() || !layers[i + 1]->is_affine()) return 1;
  const bool activated = i + 2 < layers.size() && !is_linear(layers[i + 2]->only_activation());
  return activated ? 3 : 2;
}

}  // namespace

std::size_t Plan::reserve(std::size_t floats_wanted) {
  const std::size_t start = floats;
  floats += aligned_floats(floats_wanted + kSlack);
  return start;
}

Plan::Plan(const Kernels& kernels, Shape input, const Layers& layers, Ways ways)
    : kernels(kernels),
      both_ways(ways == Ways::kBoth),
      places(layers.size()),
      joined(layers.size(), 1) {
  const int lanes = kernels.lanes;
  std::size_t forward_scratch = 0, backward_scratch = 0;
  for (const auto& layer : layers) {
    forward_scratch = std::max(forward_scratch, layer->forward_scratch(lanes));
    backward_scratch = std::max(backward_scratch, layer->backward_scratch(lanes));
    RecordFloats offsets{};
    const RecordFloats wanted = layer->frozen() ? RecordFloats{0, 0} : layer->record_floats(lanes);
    for (std::size_t k = 0; k < wanted.size(); k++) {
      offsets[k] = record_floats;
      record_floats += aligned_floats(wanted[k]);
    }
    record_sizes_.push_back(wanted);
    record_offsets_.push_back(offsets);
    shared_offsets_.push_back(shared_floats);
    shared_floats += aligned_floats(layer->shared_floats());
    prepared_offsets_.push_back(prepared_floats);
    prepared_floats += aligned_floats(layer->prepared_floats(both_ways));
  }
  // A loss needs flat output and works in lanes, whatever the layout.
  const Shape output_shape = layers.empty() ? input : layers.back()->out;
  if (output_shape.height * output_shape.width == 1)
    forward_scratch = std::max(forward_scratch, 2 * size_of(output_shape) * kSlack);
  if (ways == Ways::kForward)
    place_forward(input, layers, forward_scratch);
  else
    place_both_ways(input, layers, forward_scratch, backward_scratch);
}

void Plan::place_forward(Shape input, const Layers& layers, std::size_t scratch_floats) {
  // Whether a layer's y is not where its x is. Of those computed at once only the first moves.
  std::vector<bool> moves(layers.size());
  for (std::size_t i = 0; i < layers.size(); i += joined[i]) {
    moves[i] = !layers[i]->in_place();
    joined[i] = joined_from(layers, i);
    if (joined[i] > 1)
      scratch_floats = std::max(scratch_floats, affine_scratch(*layers[i]) +
                                                    layers[i + 1]->forward_scratch(kernels.lanes));
  }
  std::size_t sizes[2] = {size_of(input), 0};
  int turn = 0;
  for (std::size_t i = 0; i < layers.size(); i++) {
    if (moves[i]) turn = 1 - turn;
    sizes[turn] = std::max(sizes[turn], size_of(layers[i]->out));
  }
  const Shape output_shape = layers.empty() ? input : layers.back()->out;
  output_may_lie_elsewhere = sizes[turn] == size_of(output_shape);
  std::size_t starts[2];
  starts[1 - turn] = reserve(sizes[1 - turn] * kernels.lanes);
  scratch = reserve(scratch_floats);
  output = output_gradient = starts[turn] = reserve(sizes[turn] * kernels.lanes);
  turn = 0;
  for (std::size_t i = 0; i < layers.size(); i++) {
    places[i].x = starts[turn];
    if (moves[i]) turn = 1 - turn;
    places[i].y = starts[turn];
    places[i].dy = places[i].dx = 0;
  }
}

void Plan::place_both_ways(Shape input, const Layers& layers, std::size_t forward_scratch,
                           std::size_t backward_scratch) {
  const std::size_t lanes = kernels.lanes;
  output = reserve(size_of(input) * lanes);
  for (std::size_t i = 0; i < layers.size(); i++) {
    const Layer& layer = *layers[i];
    const bool overwrite = layer.in_place() && (i == 0 || !layers[i - 1]->needs_output());
    places[i].x = output;
    if (!overwrite) output = reserve(size_of(layer.out) * lanes);
    places[i].y = output;
  }
  // Last comes what only the way back needs: gradients take turns in two places.
  scratch = reserve(std::max(forward_scratch, backward_scratch));
  std::size_t sizes[2] = {layers.empty() ? size_of(input) : size_of(layers.back()->out), 0};
  int turn = 0;
  for (std::size_t i = layers.size(); i-- > 0;) {
    if (layers[i]->in_place()) continue;
    turn = 1 - turn;
    sizes[turn] = std::max(sizes[turn], size_of(layers[i]->in));
  }
  std::size_t gradients[2];
  for (int t : {0, 1}) gradients[t] = reserve(sizes[t] * lanes);
  output_gradient = gradients[0];
  turn = 0;
  for (std::size_t i = layers.size(); i-- > 0;) {
    places[i].dy = gradients[turn];
    if (!layers[i]->in_place()) turn = 1 - turn;
    places[i].dx = gradients[turn];
  }
}

std::vector<RecordArray> Plan::record_arrays(std::size_t groups) const {
  std::vector<RecordArray> arrays;
  for (std::size_t i = 0; i < record_sizes_.size(); i++)
    for (std::size_t k = 0; k < record_sizes_[i].size(); k++)
      if (record_sizes_[i][k] > 0)
        arrays.push_back({record_offsets_[i][k] * groups, record_sizes_[i][k]});
  return arrays;
}

Records Plan::records(float* all, std::size_t groups, std::size_t layer) const {
  if (!all || record_sizes_[layer] == RecordFloats{0, 0}) return {nullptr, nullptr};
  const auto& [first, second] = record_offsets_[layer];
  return {all + first * groups, all + second * groups};
}

}  // namespace pylenet
