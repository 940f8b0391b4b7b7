// Computing a step together with others, as with other processes: each takes a share of the groups,
// and all have the records of all groups before the parts are summed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "layers/layer.h"

namespace pylenet {

struct RecordArray {
  float* data;         // [group][floats]
  std::size_t floats;  // of one group
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  // Which of so many groups are computed here.
  virtual Range share(std::size_t groups) const = 0;

  // Called on the calling thread when the share's records are there, while the others wait: to fill
  // in those of the other groups. losses and correct: of each of the images, likewise; null where
  // they are not known yet. Returns whether to go on; if not, the step is given up.
  virtual bool run(const std::vector<RecordArray>& records, std::size_t groups, float* losses,
                   std::int32_t* correct, int images) = 0;
};

}  // namespace pylenet
