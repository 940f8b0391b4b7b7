// The kernels that go map by map, of one image: a map is a vector of channels.
#pragma once

#include "kernels/batch_norm.h"
#include "kernels/channel_affine.h"
#include "kernels/kernels.h"
#include "kernels/pool2d.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

// As in lanes/maps.h.
struct Maps {
  int channels;
  int maps() const { return (channels + kLanes - 1) / kLanes; }
  std::size_t floats(int cells) const { return std::size_t(cells) * channels; }
  static std::size_t begin(int map, int) { return std::size_t(map) * kLanes; }
  std::size_t cell() const { return channels; }
  std::size_t values(int map) const { return lanes_left(channels, map * kLanes); }

  vec of_map(const float* all, int map) const { return load_some(all + map * kLanes, values(map)); }
  void put_sums(float* all, int map, vec sums) const {
    store_some(all + map * kLanes, sums + vec{}, values(map));  // -0 becomes 0, as in lanes
  }
  static ivec used(int) { return ivec{} - 1; }
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

}  // namespace single
}  // namespace
}  // namespace pylenet
