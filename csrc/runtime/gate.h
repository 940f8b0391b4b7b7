// Who may touch a network's parameters: any number of calls that read them, or one that writes.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "runtime/interrupt.h"
#include "runtime/team.h"

namespace pylenet {

// A forked child finds every gate open: the threads that were inside are not there. The state of
// all gates is guarded by the one mutex that fork leaves free, and carries the number of forks it
// is from; an older one is dropped and left behind, as its waiting threads are.
class Gate {
  struct State {
    const unsigned forks = pylenet::forks();
    int readers = 0, waiting_writers = 0;
    bool writing = false;
    std::condition_variable changed;

    bool open(bool writes) const { return !writing && (writes ? readers : waiting_writers) == 0; }
  };

 public:
  // Inside for as long as it lives, unless `interrupt` has come while it waited, which may be as
  // long as one call of another thread takes: it is to be made without the GIL. Writers that wait
  // go before readers that come later.
  class Pass {
   public:
    Pass(Gate& gate, bool writes, Interrupt& interrupt) : writes_(writes) {
      std::unique_lock<std::mutex> lock(fork_safe_mutex());
      State& s = gate.present_state();
      state_ = &s;
      s.waiting_writers += writes_;
      const auto open = [&] { return s.open(writes_); };
      // wait_for looks at the clock first, a hundredth of the time of one image's prediction.
      while (!(inside_ = open() || s.changed.wait_for(lock, Interrupt::kPeriod, open))) {
        lock.unlock();
        const bool give_up = interrupt.ask();
        lock.lock();
        if (give_up) break;
      }
      s.waiting_writers -= writes_;
      if (!inside_) {
        s.changed.notify_all();
        return;
      }
      s.readers += !writes_;
      s.writing = writes_;
    }
    // Inside to read, unless that means waiting, be it for the mutex: it may be made with the GIL.
    Pass(Gate& gate, std::try_to_lock_t) : writes_(false) {
      const std::unique_lock<std::mutex> lock(fork_safe_mutex(), std::try_to_lock);
      if (!lock) return;
      state_ = &gate.present_state();
      inside_ = state_->open(false);
      state_->readers += inside_;
    }
    ~Pass() {
      if (!inside_) return;
      const std::lock_guard<std::mutex> lock(fork_safe_mutex());
      state_->readers -= !writes_;
      state_->writing = false;
      state_->changed.notify_all();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    bool inside() const { return inside_; }

   private:
    const bool writes_;
    bool inside_ = false;
    State* state_ = nullptr;
  };

 private:
  State& present_state() {
    if (!state_ || state_->forks != forks()) {
      static_cast<void>(state_.release());
      state_ = std::make_unique<State>();
    }
    return *state_;
  }

  std::unique_ptr<State> state_;
};

}  // namespace pylenet
