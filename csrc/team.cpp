#include "team.h"

#include <algorithm>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace pylenet {

namespace {

constexpr double kCostPerThread = 1.5e5;
constexpr int kSpins = 1000;  // pauses: 15 to 50 microseconds, about what a unit takes

std::atomic<bool> forked{false};

#ifndef _WIN32
void in_child() { forked = true; }
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, in_child);
#endif

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

int team_size(int wanted, int units, double cost) {
  const double repaid = units * cost / kCostPerThread;
  const int team = forked ? 1 : std::min(wanted, units);
  return repaid < team ? std::max(1, int(repaid)) : team;
}

void Team::wait(int threads) {
  const unsigned round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
    for (Share& share : shares_) share.taken.store(0, std::memory_order_relaxed);
    arrived_.store(0, std::memory_order_relaxed);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      round_.store(round + 1, std::memory_order_release);
    }
    next_round_.notify_all();
    return;
  }
  for (int spin = 0; spin < kSpins; spin++) {
    if (round_.load(std::memory_order_acquire) != round) return;
    pause();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  next_round_.wait(lock, [&] { return round_.load(std::memory_order_acquire) != round; });
}

}  // namespace pylenet
