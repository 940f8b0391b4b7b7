// The kernels that go map by map, in lanes: each channel is a map, a cell is a vector of images.
#pragma once

#include "kernels/batch_norm.h"
#include "kernels/channel_affine.h"
#include "kernels/kernels.h"
#include "kernels/pool2d.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

struct AllLanes {  // a number that the compiler knows
  constexpr operator std::size_t() const { return kLanes; }
};

// How many maps there are, where each begins among those of so many cells, how far apart its cells
// are, and how many values of a cell are its own.
struct Maps {
  int channels;
  int maps() const { return channels; }
  std::size_t floats(int cells) const { return begin(channels, cells); }
  std::size_t begin(int map, int cells) const { return std::size_t(map) * cells * kLanes; }
  static constexpr std::size_t cell() { return kLanes; }
  static constexpr AllLanes values(int) { return {}; }

  // A map's values among those of the channels; and its sums put there.
  static vec of_map(const float* channels, int map) { return splat(channels[map]); }
  static void put_sums(float* channels, int map, vec sums) { channels[map] = lane_sum(sums); }
  // All bits set where a cell's value is of one of the first `count` images.
  static ivec used(int count) {
    ivec lane;
    for (int i = 0; i < kLanes; i++) lane[i] = i;
    return lane < count;
  }
};

constexpr auto max_pool2d_forward = max_pool2d_forward_in<Maps>;
constexpr auto max_pool2d_backward = max_pool2d_backward_in<Maps>;
constexpr auto sum_pool2d_forward = sum_pool2d_forward_in<Maps>;
constexpr auto sum_pool2d_backward = sum_pool2d_backward_in<Maps>;
constexpr auto channel_affine_forward = channel_affine_forward_in<Maps>;
constexpr auto channel_affine_backward_input = channel_affine_backward_input_in<Maps>;
constexpr auto channel_affine_backward_parameters = channel_affine_backward_parameters_in<Maps>;
constexpr auto batch_sum = batch_sum_in<Maps>;
constexpr auto batch_norm_backward_parameters = batch_norm_backward_parameters_in<Maps>;
constexpr auto batch_norm_backward_input = batch_norm_backward_input_in<Maps>;

}  // namespace lanes
}  // namespace
}  // namespace pylenet
