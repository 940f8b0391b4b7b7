// Summing the groups' records, for both layouts.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

// The first `groups` of the COUNT groups of one block, as lane_sums' tree goes on: (g0 + g1) + (g2
// + g3). The missing ones are zero.
template <int COUNT>
inline vec block_sum(const float* records, int groups, std::size_t size, std::size_t n) {
  if constexpr (COUNT == 1) {
    return load_some(records, n);
  } else {
    constexpr int kHalf = COUNT / 2;
    const vec first = block_sum<kHalf>(records, groups, size, n);
    return first + (groups > kHalf
                        ? block_sum<kHalf>(records + kHalf * size, groups - kHalf, size, n)
                        : vec{});
  }
}

// LANES: images in a group.
template <int LANES>
void sum_groups(float* gradient, const float* records, int groups, std::size_t size,
                std::size_t begin, std::size_t end, bool add) {
  constexpr int kGroups = kBlock / LANES;
  for_each_vector_of(end - begin, [&](std::size_t first, std::size_t n) {
    const std::size_t i = begin + first;
    vec sum = add ? load_some(gradient + i, n) : vec{};
    for (int g = 0; g < groups; g += kGroups)
      sum += block_sum<kGroups>(records + g * size + i, groups - g, size, n);
    store_some(gradient + i, sum, n);
  });
}

}  // namespace
}  // namespace pylenet
