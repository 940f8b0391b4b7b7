// Letting go of Python's lock while C++ works.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace pylenet {

// Without the GIL for as long as this lives. When Python ends meanwhile, which a daemon thread may
// see, asking for the GIL ends the thread by unwinding it (until Python 3.14), and that would abort
// the process at the first destructor. The thread sleeps instead until the process is gone.
class GilReleased {
 public:
  GilReleased() : state_(PyEval_SaveThread()) {}
  ~GilReleased() { retake(); }
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

  // Calls f with the GIL, on the thread that let go of it.
  template <class F>
  void with_gil(F f) {
    retake();
    f();
    state_ = PyEval_SaveThread();
  }

  // On Python's main thread: whether Ctrl-C was pressed and its handler has not run. Then it is for
  // the caller to run it (handle_interrupt), for Python has forgotten it.
  bool interrupted() {
    bool pressed = false;
    with_gil([&] { pressed = PyOS_InterruptOccurred() != 0; });
    return pressed;
  }

 private:
  void retake() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
  }

  PyThreadState* state_;
};

// Runs Python's handler of Ctrl-C as Python would have; throws what it raises. With
// PyErr_SetInterrupt instead, whoever listens to signal.set_wakeup_fd would hear of it twice.
inline void handle_interrupt() {
  const auto handler = pybind11::module_::import("signal").attr("getsignal")(SIGINT);
  if (!PyCallable_Check(handler.ptr())) return;
  auto* frame = reinterpret_cast<PyObject*>(PyEval_GetFrame());
  handler(SIGINT, pybind11::reinterpret_borrow<pybind11::object>(frame ? frame : Py_None));
}

}  // namespace pylenet
