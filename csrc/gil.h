// Letting go of Python's lock while C++ works.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

namespace pylenet {

// Without the GIL for as long as this lives. When Python ends meanwhile, which a daemon thread may
// see, asking for the GIL ends the thread by unwinding it (until Python 3.14), and that would abort
// the process at the first destructor. The thread sleeps instead until the process is gone.
class GilReleased {
 public:
  GilReleased() : state_(PyEval_SaveThread()) {}
  ~GilReleased() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
  }
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace pylenet
