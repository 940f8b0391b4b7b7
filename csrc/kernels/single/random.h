// What layers draw for one image: neighbouring values' counters in the lanes.
#pragma once

#include "kernels/kernels.h"
#include "kernels/normal.h"
#include "kernels/philox.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {
namespace single {

// Calls use(first place, how many, drawn) for vectors of `size` places. A counter's four words, or
// what `draw` makes of them, are for four places a quarter of them apart.
template <class Draw, class Use>
inline void for_each_drawn(const TrainingImages& images, std::uint64_t key, std::uint32_t domain,
                           std::size_t size, Draw draw, Use use) {
  const std::size_t quarter = (size + 3) / 4;
  const std::int64_t image = images.index[0];
  uvec step;
  for (int lane = 0; lane < kLanes; lane++) step[lane] = lane;
  for (std::size_t i = 0; i < quarter; i += kLanes) {
    const uvec zero{};
    const auto drawn = draw(
        philox<uvec>({zero + std::uint32_t(image), zero + std::uint32_t(std::uint64_t(image) >> 32),
                      zero + images.epoch, step + (domain | std::uint32_t(i))},
                     key));
    for (int k = 0; k < 4; k++) {
      const std::size_t place = i + k * quarter;
      const std::size_t end = (k + 1) * quarter < size ? (k + 1) * quarter : size;
      if (place >= end) break;
      use(place, end - place < kLanes ? end - place : std::size_t(kLanes), drawn.word[k]);
    }
  }
}

void dropout(float* y, const float* x, const TrainingImages& images, const Dropout& d, Shape s) {
  for_each_drawn(images, d.key, kDropoutDomain, size_of(s), words_as_they_are,
                 [&](std::size_t place, std::size_t n, uvec word) {
                   const vec kept = load_some(x + place, n) * splat(d.scale);
                   store_some(y + place, word < d.threshold ? vec{} : kept, n);
                 });
}

void channel_dropout(float* y, const float* x, const TrainingImages& images, const Dropout& d,
                     Shape s) {
  for_each_drawn(images, d.key, kChannelDropoutDomain, s.channels, words_as_they_are,
                 [&](std::size_t channel, std::size_t n, uvec word) {
                   for (std::size_t at = channel; at < size_of(s); at += s.channels) {
                     const vec kept = load_some(x + at, n) * splat(d.scale);
                     store_some(y + at, word < d.threshold ? vec{} : kept, n);
                   }
                 });
}

void gaussian_noise(float* y, const float* x, const TrainingImages& images, std::uint64_t key,
                    float deviation, Shape s) {
  for_each_drawn(images, key, kNoiseDomain, size_of(s), normals,
                 [&](std::size_t place, std::size_t n, vec normal) {
                   store_some(y + place, fma(normal, splat(deviation), load_some(x + place, n)), n);
                 });
}

}  // namespace single
}  // namespace
}  // namespace pylenet
