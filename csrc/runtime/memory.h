// Memory that starts on a cache line.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

#include "kernels/kernels.h"

namespace pylenet {

// `floats` rounded up to whole cache lines.
inline std::size_t aligned_floats(std::size_t floats) {
  constexpr std::size_t line = kAlign / sizeof(float);
  return (floats + line - 1) / line * line;
}

struct AlignedDelete {
  void operator()(void* p) const { ::operator delete(p, std::align_val_t(kAlign)); }
};

template <class T>
using AlignedArray = std::unique_ptr<T[], AlignedDelete>;

// Anything may be in it. Throws std::bad_alloc.
template <class T>
AlignedArray<T> aligned_memory(std::size_t n) {
  return AlignedArray<T>(static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(kAlign))));
}

// The same, zeroed.
template <class T>
AlignedArray<T> aligned_zeros(std::size_t n) {
  auto memory = aligned_memory<T>(n);
  std::memset(memory.get(), 0, n * sizeof(T));
  return memory;
}

}  // namespace pylenet
