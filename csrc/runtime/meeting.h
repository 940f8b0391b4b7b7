// Processes that share memory wait for each other there: each has a seat in it, to which it alone
// writes. A meeting takes less than a microsecond where all have a processor of their own.
#pragma once

#include <atomic>
#include <cstdint>

namespace pylenet {

class Meeting {
 public:
  // A cache line of its own. All of it is zero before anybody comes.
  struct alignas(64) Seat {
    std::atomic<std::int64_t> number;      // of the last meeting that its owner came to
    std::atomic<std::int64_t> elsewhere;   // of the last one that it came to by other means
    std::atomic<std::int64_t> purpose[2];  // of meetings with even and with odd numbers
  };
  static_assert(std::atomic<std::int64_t>::is_always_lock_free, "processes share it");

  enum class State { kWaiting, kTogether, kApart };

  Meeting(Seat* seats, int own, int count) : seats_(seats), own_(own), count_(count) {}

  // Numbers grow. All that was written before is seen by whoever finds this one there.
  void come(std::int64_t number, std::int64_t purpose);
  void come_elsewhere(std::int64_t number);

  // Whether all have come to the meeting that this one came to last, for the same purpose; apart
  // where one has not and will not. Waits a millisecond or so at most; spin: first with nothing
  // else done, for others have processors of their own.
  State wait(bool spin);

 private:
  State look();

  Seat* const seats_;
  const int own_, count_;
  std::int64_t number_ = 0, purpose_ = 0;
  int came_ = 0;  // so many are known to have come, the first ones
};

}  // namespace pylenet
