// Random numbers that are a function of a key and a counter: Philox4x32-10 (J. Salmon, M. Moraes,
// R. Dror and D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

// The counter's four words in, as many random ones out; W is one number or a vector of them.
template <class W>
struct Random4 {
  W word[4];
};

inline void multiply_wide(std::uint32_t* high, std::uint32_t* low, std::uint32_t a,
                          std::uint32_t b) {
  const std::uint64_t product = std::uint64_t(a) * b;
  *high = std::uint32_t(product >> 32);
  *low = std::uint32_t(product);
}

template <class W>
inline Random4<W> philox(Random4<W> counter, std::uint64_t key) {
  std::uint32_t key_0 = std::uint32_t(key), key_1 = std::uint32_t(key >> 32);
  for (int round = 0; round < 10; round++) {
    const W* c = counter.word;
    W high_0, low_0, high_2, low_2;
    multiply_wide(&high_0, &low_0, c[0], 0xD2511F53);
    multiply_wide(&high_2, &low_2, c[2], 0xCD9E8D57);
    counter = {high_2 ^ c[1] ^ key_0, low_2, high_0 ^ c[3] ^ key_1, low_0};
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
