#include "runtime/meeting.h"

#include <chrono>
#include <thread>

#include "runtime/pause.h"

namespace pylenet {

namespace {

constexpr int kSpins = 8000;  // pauses: 0.1 to 0.5 milliseconds, more than most waits
constexpr int kNaps = 10;
constexpr std::chrono::microseconds kNap{50};

}  // namespace

void Meeting::come(std::int64_t number, std::int64_t purpose) {
  number_ = number;
  purpose_ = purpose;
  came_ = 0;
  Seat& seat = seats_[own_];
  seat.purpose[number & 1].store(purpose, std::memory_order_relaxed);
  seat.number.store(number, std::memory_order_release);
}

void Meeting::come_elsewhere(std::int64_t number) {
  seats_[own_].elsewhere.store(number, std::memory_order_release);
}

Meeting::State Meeting::look() {
  bool all = true;
  for (int i = came_; i < count_; i++) {
    const Seat& seat = seats_[i];
    // First this: who is elsewhere by now may have been here before.
    const bool elsewhere = seat.elsewhere.load(std::memory_order_acquire) >= number_;
    if (seat.number.load(std::memory_order_acquire) < number_) {
      if (elsewhere) return State::kApart;
      all = false;
      continue;
    }
    // Who is one meeting further has written the other purpose. Nobody is two.
    if (seat.purpose[number_ & 1].load(std::memory_order_relaxed) != purpose_) return State::kApart;
    if (i == came_) came_++;
  }
  return all ? State::kTogether : State::kWaiting;
}

// Nobody yields: Linux puts who does so behind all others, also when it is waited for by then.
Meeting::State Meeting::wait(bool spin) {
  State state = look();
  for (int i = spin ? 0 : kSpins; state == State::kWaiting && i < kSpins + kNaps; i++) {
    if (i < kSpins)
      pause();
    else
      std::this_thread::sleep_for(kNap);
    state = look();
  }
  return state;
}

}  // namespace pylenet
