#include "network/plan.h"

#include <algorithm>

#include "runtime/memory.h"

namespace pylenet {

std::size_t Plan::reserve(std::size_t floats_wanted) {
  const std::size_t start = floats;
  floats += aligned_floats(floats_wanted + kSlack);
  return start;
}

Plan::Plan(const Kernels& kernels, Shape input, const Layers& layers)
    : kernels(kernels), places(layers.size()) {
  const std::size_t lanes = kernels.lanes;
  const Shape output_shape = layers.empty() ? input : layers.back()->out;
  std::size_t forward_scratch = 0, backward_scratch = 0;

  output = reserve(size_of(input) * lanes);
  for (std::size_t i = 0; i < layers.size(); i++) {
    const Layer& layer = *layers[i];
    const bool overwrite = layer.in_place() && (i == 0 || !layers[i - 1]->needs_output());
    places[i].x = output;
    if (!overwrite) output = reserve(size_of(layer.out) * lanes);
    places[i].y = output;
    forward_scratch = std::max(forward_scratch, layer.forward_scratch(int(lanes)));
    backward_scratch = std::max(backward_scratch, layer.backward_scratch(int(lanes)));
    RecordFloats offsets{};
    const RecordFloats wanted =
        layer.frozen() ? RecordFloats{0, 0} : layer.record_floats(int(lanes));
    for (std::size_t k = 0; k < wanted.size(); k++) {
      offsets[k] = record_floats;
      record_floats += aligned_floats(wanted[k]);
    }
    record_sizes_.push_back(wanted);
    record_offsets_.push_back(offsets);
    shared_offsets_.push_back(shared_floats);
    shared_floats += aligned_floats(layer.shared_floats());
  }
  // A loss needs flat output and works in lanes, whatever the layout.
  if (output_shape.height * output_shape.width == 1)
    forward_scratch = std::max(forward_scratch, 2 * size_of(output_shape) * kSlack);

  // Last comes what only the way back needs: scratch grows into it, and gradients take turns in two
  // places.
  scratch = reserve(forward_scratch);
  forward_floats = floats;
  floats = scratch;
  scratch = reserve(std::max(forward_scratch, backward_scratch));
  std::size_t sizes[2] = {size_of(output_shape), 0};
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

std::vector<RecordArray> Plan::record_arrays(float* all, std::size_t groups) const {
  std::vector<RecordArray> arrays;
  for (std::size_t i = 0; i < record_sizes_.size(); i++)
    for (std::size_t k = 0; k < record_sizes_[i].size(); k++)
      if (record_sizes_[i][k] > 0)
        arrays.push_back({all + record_offsets_[i][k] * groups, record_sizes_[i][k]});
  return arrays;
}

Records Plan::records(float* all, std::size_t groups, std::size_t layer) const {
  if (!all || record_sizes_[layer] == RecordFloats{0, 0}) return {nullptr, nullptr};
  const auto& [first, second] = record_offsets_[layer];
  return {all + first * groups, all + second * groups};
}

}  // namespace pylenet
