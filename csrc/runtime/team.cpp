#include "runtime/team.h"

#include <algorithm>
#include <future>
#include <system_error>
#include <thread>
#include <vector>

#ifndef _WIN32
#include <pthread.h>
#endif

#include "runtime/pause.h"

namespace pylenet {

namespace {

constexpr double kCostPerThread = 1.5e5;
constexpr int kSpins = 1000;  // pauses: 15 to 50 microseconds, about what a group takes

std::atomic<unsigned> fork_count{0};

#ifndef _WIN32
void before_fork() { fork_safe_mutex().lock(); }
void in_parent() { fork_safe_mutex().unlock(); }
void in_child() {
  fork_count++;
  fork_safe_mutex().unlock();
}
[[maybe_unused]] const int registered = pthread_atfork(before_fork, in_parent, in_child);
#endif

#ifdef _OPENMP
const int openmp_default = omp_get_max_threads();
#endif

}  // namespace

std::mutex& fork_safe_mutex() {
  static std::mutex& mutex = *new std::mutex;  // never destroyed: threads may outlive main
  return mutex;
}

unsigned forks() { return fork_count; }

int team_size(int wanted, int groups, double cost) {
  const double repaid = groups * cost / kCostPerThread;
  const int team = std::min(permitted(wanted), groups);
  return repaid < team ? std::max(1, int(repaid)) : team;
}

int permitted(int threads) {
#ifdef _OPENMP
  if (forks() > 0 || omp_get_active_level() >= omp_get_max_active_levels()) return 1;
  const int limit = omp_get_max_threads();
  threads = std::min(threads, omp_get_thread_limit());
  return limit < openmp_default ? std::min(threads, limit) : threads;
#else
  static_cast<void>(threads);
  return 1;
#endif
}

int startable(int threads) {
  thread_local int started = 1;
  if (threads <= started) return threads;
  std::promise<void> end;
  const std::shared_future<void> ended = end.get_future().share();
  std::vector<std::thread> probes;
  try {
    probes.reserve(threads - 1);
    while (int(probes.size()) < threads - 1) probes.emplace_back([ended] { ended.wait(); });
  } catch (const std::system_error&) {
  } catch (const std::bad_alloc&) {
  }
  end.set_value();
  for (std::thread& probe : probes) probe.join();
  return started = int(probes.size()) + 1;
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
