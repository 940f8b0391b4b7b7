// Pooling of one image, channels last: each vector of channels is a map.
#pragma once

#include "kernels/kernels.h"
#include "kernels/pool2d.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

struct Maps {
  const PoolShape& s;
  int maps() const { return (s.channels + kLanes - 1) / kLanes; }
  std::size_t begin(int map, int) const { return std::size_t(map) * kLanes; }
  std::size_t cell() const { return s.channels; }
  std::size_t values(int map) const { return lanes_left(s.channels, map * kLanes); }
  std::size_t input_floats() const { return std::size_t(s.in_height) * s.in_width * s.channels; }
};

constexpr auto max_pool2d_forward = max_pool2d_forward_in<Maps>;
constexpr auto max_pool2d_backward = max_pool2d_backward_in<Maps>;
constexpr auto sum_pool2d_forward = sum_pool2d_forward_in<Maps>;
constexpr auto sum_pool2d_backward = sum_pool2d_backward_in<Maps>;

}  // namespace single
}  // namespace
}  // namespace pylenet
