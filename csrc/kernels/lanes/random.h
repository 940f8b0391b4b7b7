// What layers draw, in lanes: an image's counter in each.
#pragma once

#include "kernels/kernels.h"
#include "kernels/normal.h"
#include "kernels/philox.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace lanes {

// Calls use(place, drawn) for each of `size` places. A counter's four words, or what `draw` makes
// of them, are for four places a quarter of them apart.
template <class Draw, class Use>
inline void for_each_drawn(const TrainingImages& images, std::uint64_t key, std::uint32_t domain,
                           std::size_t size, Draw draw, Use use) {
  const std::size_t quarter = (size + 3) / 4;
  uvec low{}, high{};
  for (int lane = 0; lane < images.count; lane++) {
    low[lane] = std::uint32_t(images.index[lane]);
    high[lane] = std::uint32_t(std::uint64_t(images.index[lane]) >> 32);
  }
  for (std::size_t i = 0; i < quarter; i++) {
    const uvec zero{};
    const auto drawn = draw(
        philox<uvec>({low, high, zero + images.epoch, zero + (domain | std::uint32_t(i))}, key));
    for (int k = 0; k < 4 && i + k * quarter < size; k++) use(i + k * quarter, drawn.word[k]);
  }
}

// Where the value at a place in Keras's flatten order lies.
inline std::size_t at_place(std::size_t place, Shape s) {
  return (place % s.channels * s.height * s.width + place / s.channels) * kLanes;
}

void dropout(float* y, const float* x, const TrainingImages& images, const Dropout& d, Shape s) {
  for_each_drawn(images, d.key, kDropoutDomain, size_of(s), words_as_they_are,
                 [&](std::size_t place, uvec word) {
                   const std::size_t at = at_place(place, s);
                   const vec kept = load(x + at) * splat(d.scale);
                   store(y + at, word < d.threshold ? vec{} : kept);
                 });
}

void channel_dropout(float* y, const float* x, const TrainingImages& images, const Dropout& d,
                     Shape s) {
  const std::size_t map = std::size_t(s.height) * s.width * kLanes;
  for_each_drawn(images, d.key, kChannelDropoutDomain, s.channels, words_as_they_are,
                 [&](std::size_t channel, uvec word) {
                   for (std::size_t at = channel * map; at < (channel + 1) * map; at += kLanes) {
                     const vec kept = load(x + at) * splat(d.scale);
                     store(y + at, word < d.threshold ? vec{} : kept);
                   }
                 });
}

void gaussian_noise(float* y, const float* x, const TrainingImages& images, std::uint64_t key,
                    float deviation, Shape s) {
  for_each_drawn(images, key, kNoiseDomain, size_of(s), normals,
                 [&](std::size_t place, vec normal) {
                   const std::size_t at = at_place(place, s);
                   store(y + at, fma(normal, splat(deviation), load(x + at)));
                 });
}

}  // namespace lanes
}  // namespace
}  // namespace pylenet
