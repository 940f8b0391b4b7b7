// Pooling in lanes: each channel is a map.
#pragma once

#include "kernels/kernels.h"
#include "kernels/pool2d.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

struct AllLanes {  // a number that the compiler knows
  constexpr operator std::size_t() const { return kLanes; }
};

struct Maps {
  const PoolShape& s;
  int maps() const { return s.channels; }
  std::size_t begin(int map, int cells) const { return std::size_t(map) * cells * kLanes; }
  static constexpr std::size_t cell() { return kLanes; }
  static constexpr AllLanes values(int) { return {}; }
  std::size_t input_floats() const { return begin(s.channels, s.in_height * s.in_width); }
};

constexpr auto max_pool2d_forward = max_pool2d_forward_in<Maps>;
constexpr auto max_pool2d_backward = max_pool2d_backward_in<Maps>;
constexpr auto sum_pool2d_forward = sum_pool2d_forward_in<Maps>;
constexpr auto sum_pool2d_backward = sum_pool2d_backward_in<Maps>;

}  // namespace lanes
}  // namespace
}  // namespace pylenet
