// The threads of one call: how many, how work is dealt out, how they wait for each other. The
// project's only OpenMP region is here.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace pylenet {

// `wanted` threads, but no more than there are groups, nor more than are repaid: starting a thread
// costs some microseconds, so each gets at least some 20 (`cost` is of one group, in vector
// operations).
int team_size(int wanted, int groups, double cost);

// Free in a forked child whatever other threads of its parent did: fork waits for it. For short
// sections only. forks: how many forks this process comes after.
std::mutex& fork_safe_mutex();
unsigned forks();

// `threads`, or as many as OpenMP leaves this thread: OMP_THREAD_LIMIT; one inside another's
// parallel region, unless these nest; what omp_set_num_threads has left, as threadpoolctl calls it:
// a number below the one that OpenMP had when pylenet was loaded. Any other is a default, not a
// limit. One without OpenMP, and in a forked child: if its parent has run a parallel region, ours
// or another's, GNU's OpenMP would wait there for threads that fork did not copy.
int permitted(int threads);

// `threads`, or as many as the system lets this thread start now. OpenMP ends the process where it
// cannot start one (limits on memory or processes), so a team larger than any before is tried out.
int startable(int threads);

// Waits spin only as long as a group takes, then sleep. OpenMP's own barriers spin for
// milliseconds: on a machine with other work to do, the thread that all wait for is often the one
// that a spinning thread keeps off its core. Measured with 2 threads on 2 cores beside other work:
// an epoch of the modern LeNet fell from 6.3 s to 3.0 s.
class Team {
 public:
  explicit Team(int most) : shares_(most) {}

  // Calls f(i) once for each i in [0, n); returns on all `threads` threads when all calls have
  // returned. Every thread of the region must call it. Each thread has a share of its own, the same
  // each time, so that what it works on is still in its cache; then it takes what others have left.
  template <class F>
  void for_each(int thread, int threads, int n, F f) {
    if (threads == 1) {
      for (int i = 0; i < n; i++) f(i);
      return;
    }
    for (int k = 0; k < threads; k++) {
      const int owner = (thread + k) % threads;
      const int begin = share_begin(owner, threads, n);
      const int count = share_begin(owner + 1, threads, n) - begin;
      std::atomic<int>& taken = shares_[owner].taken;
      if (taken.load(std::memory_order_relaxed) >= count) continue;
      for (int i; (i = taken.fetch_add(1, std::memory_order_relaxed)) < count;) f(begin + i);
    }
    wait(threads);
  }

 private:
  struct alignas(64) Share {
    std::atomic<int> taken{0};
  };

  static int share_begin(int thread, int threads, int n) {
    return int(std::int64_t(n) * thread / threads);
  }
  void wait(int threads);

  std::vector<Share> shares_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};
  std::mutex mutex_;
  std::condition_variable next_round_;
};

// One thread of a running team.
struct Member {
  Team& team;
  int thread, threads;

  template <class F>
  void for_each(int n, F f) const {
    team.for_each(thread, threads, n, f);
  }
};

// Runs body(member) on `threads` threads, or fewer where OpenMP gives fewer.
template <class Body>
void run_team(int threads, Body body) {
#ifdef _OPENMP
  threads = startable(permitted(threads));
  if (threads > 1) {
    Team team(threads);
#pragma omp parallel num_threads(threads)
    body(Member{team, omp_get_thread_num(), omp_get_num_threads()});
    return;
  }
#endif
  static_cast<void>(threads);
  Team team(1);
  body(Member{team, 0, 1});
}

}  // namespace pylenet
