// Reading pixels of the caller's memory, whatever their type and alignment.
#pragma once

#include "kernels/vec.h"

namespace pylenet {
namespace {

template <class T>
inline T read(const char* p) {  // the caller's memory may be unaligned
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// The vector of kLanes values that stand side by side in memory.
template <class T>
inline vec read_vector(const char* p) {
  if constexpr (sizeof(T) == 1) {
    return widen_bytes(reinterpret_cast<const std::uint8_t*>(p));
  } else {
    typedef T values __attribute__((vector_size(kLanes * sizeof(T))));
    values v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vec);
  }
}

}  // namespace
}  // namespace pylenet
