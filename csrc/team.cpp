#include "team.h"

#include <algorithm>
#include <atomic>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace pylenet {

namespace {

std::atomic<bool> ran_parallel{false}, forked_since{false};

void in_child() { forked_since = ran_parallel.load(); }

}  // namespace

int team_size(int wanted, int work) {
  const int team = forked_since ? 1 : std::min(wanted, work);
  if (team > 1 && !ran_parallel.exchange(true)) {
#ifndef _WIN32
    pthread_atfork(nullptr, nullptr, in_child);
#endif
  }
  return team;
}

}  // namespace pylenet
