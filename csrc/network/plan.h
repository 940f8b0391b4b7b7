// Where everything of one group lies in a buffer, and everything of a step in the records: decided
// once for each of the two layouts, when the network is built.
//
// For both ways all that layers give is kept. For the way forward alone it takes turns in two
// places, as gradients do on the way back; and a convolution does the batch normalisation above it,
// and an activation of that, along with its own work.
#pragma once

#include <memory>
#include <vector>

#include "layers/layer.h"
#include "network/exchange.h"
#include "runtime/memory.h"

namespace pylenet {

using Layers = std::vector<std::unique_ptr<Layer>>;

// Of one layer, in floats from the start of a group's buffer. In place, x and y may be one, and so
// may dx and dy.
struct Place {
  std::size_t x, y, dy, dx;
};

enum class Ways { kForward, kBoth };

class Plan {
 public:
  Plan(const Kernels& kernels, Shape input, const Layers& layers, Ways ways);

  const Kernels& kernels;
  const bool both_ways;

  std::vector<Place> places;        // [layer]; forward alone there are no dy and dx
  std::vector<int> joined;          // [layer] how many are computed at once, from this one on
  std::size_t output, scratch;      // like a place's
  std::size_t output_gradient;      // the same, for both ways
  std::size_t floats = 0;           // of a buffer
  std::size_t record_floats = 0;    // of one group's records, all layers'
  std::size_t shared_floats = 0;    // of what groups share, all layers'
  std::size_t prepared_floats = 0;  // of what is made of the parameters, all layers'

  // Forward alone the output's place is the last of the buffer. Where nothing larger takes turns
  // with the output it may lie elsewhere, and the buffer then ends where it would begin.
  bool output_may_lie_elsewhere = false;

  // The records of one layer among those of all, which have room for `groups`.
  Records records(float* all, std::size_t groups, std::size_t layer) const;
  // All arrays of records among which there is room for `groups`; one layer's second one.
  std::vector<RecordArray> record_arrays(std::size_t groups) const;
  RecordArray second_record_array(std::size_t groups, std::size_t layer) const {
    return {record_offsets_[layer][1] * groups, record_sizes_[layer][1]};
  }
  // What one layer's groups share, among that of all layers.
  float* shared(float* all, std::size_t layer) const {
    return all ? all + shared_offsets_[layer] : nullptr;
  }

  // Where in the scratch that of the layer begins whose affine function `layer` takes.
  std::size_t affine_scratch(const Layer& layer) const {
    return aligned_floats(layer.forward_scratch(kernels.lanes) + kSlack);
  }

  // Where what one layer has made of its parameters begins among that of all.
  std::size_t prepared(std::size_t layer) const { return prepared_offsets_[layer]; }

  int groups_of(std::int64_t images) const { return pylenet::groups_of(images, kernels); }

 private:
  std::size_t reserve(std::size_t floats_wanted);
  void place_forward(Shape input, const Layers& layers, std::size_t scratch_floats);
  void place_both_ways(Shape input, const Layers& layers, std::size_t forward_scratch,
                       std::size_t backward_scratch);

  std::vector<RecordFloats> record_sizes_;     // [layer] floats of one group
  std::vector<RecordFloats> record_offsets_;   // [layer] floats of one group that come before
  std::vector<std::size_t> shared_offsets_;    // [layer]
  std::vector<std::size_t> prepared_offsets_;  // [layer]
};

}  // namespace pylenet
