#include "plan.h"

#include <algorithm>

#include "memory.h"

namespace pylenet {

std::size_t Plan::reserve(std::size_t floats_wanted) {
  const std::size_t start = floats;
  floats += aligned_floats(floats_wanted + kSlack);
  return start;
}

Plan::Plan(const Kernels& kernels, Shape input, const Layers& layers) : kernels(kernels) {
  const std::size_t lanes = kernels.lanes;
  const Shape output = layers.empty() ? input : layers.back()->out;

  values.push_back(reserve(input.size() * lanes));
  std::size_t scratch_floats = 2 * output.size() * kSlack;  // the loss's
  for (std::size_t i = 0; i < layers.size(); i++) {
    const Layer& layer = *layers[i];
    const bool overwrite = layer.in_place() && (i == 0 || !layers[i - 1]->needs_output());
    values.push_back(overwrite ? values.back() : reserve(layer.out.size() * lanes));
    scratch_floats = std::max(scratch_floats, layer.scratch_floats(int(lanes)));
    record_offsets_.push_back(record_floats);
    record_floats += aligned_floats(layer.record_floats(int(lanes)));
  }

  std::size_t sizes[2] = {output.size(), 0};
  int turn = 0;
  for (std::size_t i = layers.size(); i-- > 0;) {
    if (layers[i]->in_place()) continue;
    turn = 1 - turn;
    sizes[turn] = std::max(sizes[turn], layers[i]->in.size());
  }
  for (int t : {0, 1}) gradients[t] = reserve(sizes[t] * lanes);
  scratch = reserve(scratch_floats);
}

}  // namespace pylenet
