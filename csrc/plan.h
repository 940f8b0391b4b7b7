// Where everything of one unit lies in a thread's buffer, and everything of a step in the records:
// decided once for each of the two layouts, when the network is built.
#pragma once

#include <memory>
#include <vector>

#include "kernels.h"
#include "layers.h"

namespace pylenet {

using Layers = std::vector<std::unique_ptr<Layer>>;

class Plan {
 public:
  Plan(const Kernels& kernels, Shape input, const Layers& layers);

  const Kernels& kernels;

  // In floats from the start of a thread's buffer.
  std::vector<std::size_t> values;  // [layer + 1] inputs of each layer, then the output
  std::size_t gradients[2];         // dy and dx, taking turns
  std::size_t scratch;
  std::size_t floats = 0;         // of a thread's buffer
  std::size_t record_floats = 0;  // of one unit's records, all layers'

  // The records of one layer among those of all, which have room for `units`.
  Records records(float* all, std::size_t units, std::size_t layer) const {
    return {all ? all + record_offsets_[layer] * units : nullptr, units};
  }
  int units_of(std::int64_t images) const {
    return int((images + kernels.lanes - 1) / kernels.lanes);
  }

 private:
  std::size_t reserve(std::size_t floats_wanted);

  std::vector<std::size_t> record_offsets_;  // [layer] floats of one unit that come before
};

}  // namespace pylenet
