#include "team.h"

#include <algorithm>
#include <atomic>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace pylenet {

namespace {

constexpr double kCostPerThread = 1.5e5;

std::atomic<bool> ran_parallel{false}, forked_since{false};

void in_child() { forked_since = ran_parallel.load(); }

}  // namespace

int team_size(int wanted, int units, double cost) {
  const double repaid = units * cost / kCostPerThread;
  int team = forked_since ? 1 : std::min(wanted, units);
  if (repaid < team) team = std::max(1, int(repaid));
  if (team > 1 && !ran_parallel.exchange(true)) {
#ifndef _WIN32
    pthread_atfork(nullptr, nullptr, in_child);
#endif
  }
  return team;
}

}  // namespace pylenet
