// Computing a step together with others, as with other processes. Each takes a share of the groups;
// then all have the records of all groups, and those that have memory in common share the parts of
// the gradient. If the parameters lie there too, each updates what it has summed; else what follows
// from the whole gradient each does for itself.
#pragma once

#include <cstddef>
#include <vector>

#include "layers/layer.h"

namespace pylenet {

// An array [group][floats] in the common memory.
struct RecordArray {
  std::size_t begin;   // floats from the memory's start
  std::size_t floats;  // of one group
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  // As many floats as Network::exchange_floats says, on a cache line: for records, what is known of
  // each image, and the gradient.
  virtual float* memory() const = 0;

  // Which of so many groups are computed here, and which of a layer's so many parts are summed
  // here.
  virtual Range groups(std::size_t count) const = 0;
  virtual Range parts(std::size_t count) const = 0;

  // Whether the call's parameters, and the optimizer's state, are one for those that share parts.
  // Not where an update needs more than its part of the gradient: no norms to clip by, regularizers
  // and constraints.
  virtual bool common_parameters() const = 0;

  // Both are called on the calling thread, while the team's others wait. They return whether to go
  // on; if not, the step is given up.

  // The own groups' share of these arrays is there, of the first `groups` groups: returns when
  // that of all is.
  virtual bool gather(const std::vector<RecordArray>& arrays, std::size_t groups) = 0;
  // The own parts are summed, and updated where the parameters are common: returns when all are, so
  // that nobody reads records any more.
  virtual bool wait() = 0;
};

}  // namespace pylenet
