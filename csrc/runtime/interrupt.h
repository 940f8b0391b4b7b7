// Giving up a call half-way: the thread that made it asks now and then whether it should, and all
// threads of its team see what it heard.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <utility>

namespace pylenet {

class Interrupt {
 public:
  // asked: whether to give up. Called on the calling thread alone, some 25 times a second of work;
  // it may wait, as for the GIL.
  explicit Interrupt(std::function<bool()> asked) : asked_(std::move(asked)) {}

  static constexpr std::chrono::milliseconds kPeriod{40};  // between questions

  bool came() const { return came_.load(std::memory_order_relaxed); }

  // The same for thread `thread` of a team, before it does `work` vector operations. Thread 0,
  // which is the calling one, asks. Threads that must all do the same look at came() where thread 0
  // cannot be asking: when they have waited for each other, before they wait again.
  bool came_before(double work, int thread) {
    if (thread == 0 && (work_ += work) >= kWork) look();
    return came();
  }

  // On the calling thread: do not ask before any work from now on, until it is let ask again.
  void hold() { work_ = -std::numeric_limits<double>::infinity(); }
  void let_ask() {
    if (work_ < 0.0) work_ = 0.0;
  }

  void give_up() { came_.store(true, std::memory_order_relaxed); }

  // Asks now, on the calling thread.
  bool ask() {
    if (asked_()) give_up();
    return came();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr double kWork = 2e6;  // between looks at the clock: a millisecond or so

  void look() {
    work_ = 0.0;
    const auto now = Clock::now();
    if (asked_at_ == Clock::time_point()) asked_at_ = now;
    if (now - asked_at_ < kPeriod) return;
    ask();
    asked_at_ = Clock::now();
  }

  const std::function<bool()> asked_;
  double work_ = 0.0;
  Clock::time_point asked_at_;
  alignas(64) std::atomic<bool> came_{false};  // apart from what thread 0 writes all the time
};

}  // namespace pylenet
