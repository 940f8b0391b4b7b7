// Nothing but multiply-adds, to measure how many the machine can do.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vec.h"

namespace pylenet {
namespace {

// Independent chains, more than latency times throughput on any current core (4 cycles x 2), and
// few enough for 16 registers.
constexpr int kChains = 12;

int multiply_adds(float* sink, std::int64_t rounds) {
  vec acc[kChains];
  PYLENET_UNROLL
  for (int i = 0; i < kChains; i++) acc[i] = splat(float(i));
  const vec factor = splat(0.999f), term = splat(0.001f);
  for (std::int64_t round = 0; round < rounds; round++) {
    PYLENET_UNROLL
    for (int i = 0; i < kChains; i++) acc[i] = fma(acc[i], factor, term);
  }
  PYLENET_UNROLL
  for (int i = 1; i < kChains; i++) acc[0] += acc[i];
  *sink = acc[0][0];
  return kChains * kLanes;
}

}  // namespace
}  // namespace pylenet
