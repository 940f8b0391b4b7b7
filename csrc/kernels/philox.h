// Random numbers that are a function of a key and a counter: Philox4x32-10 (J. Salmon, M. Moraes,
// R. Dror and D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include "kernels/kernels.h"

namespace pylenet {
namespace {

struct Random4 {
  std::uint32_t word[4];
};

inline Random4 philox(Random4 counter, std::uint64_t key) {
  std::uint32_t key_0 = std::uint32_t(key), key_1 = std::uint32_t(key >> 32);
  std::uint32_t* c = counter.word;
  for (int round = 0; round < 10; round++) {
    const std::uint64_t a = std::uint64_t(0xD2511F53) * c[0], b = std::uint64_t(0xCD9E8D57) * c[2];
    counter = {std::uint32_t(b >> 32) ^ c[1] ^ key_0, std::uint32_t(b),
               std::uint32_t(a >> 32) ^ c[3] ^ key_1, std::uint32_t(a)};
    key_0 += 0x9E3779B9;
    key_1 += 0xBB67AE85;
  }
  return counter;
}

// Between 0 and 1, never either.
inline double fraction(std::uint32_t word) { return (word + 0.5) * 0x1p-32; }
// Between -1 and 1, never either.
inline double symmetric(std::uint32_t word) { return 2.0 * fraction(word) - 1.0; }

}  // namespace
}  // namespace pylenet
