// The pulse of a call from Python: now and then it lets Python's signal handlers run, and Ctrl-C ends the loop.
#pragma once
#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

#include "pyblo/core/types.hpp"

namespace pyblo {

// Python ends a daemon thread that wants the interpreter's lock after the interpreter has gone by unwinding it, which no destructor
// survives: such a thread sleeps until the process is over.
inline void sleep_if_finalizing() {
#if PY_VERSION_HEX >= 0x030D0000
  while (Py_IsFinalizing()) std::this_thread::sleep_for(std::chrono::hours(1));
#else
  while (_Py_IsFinalizing()) std::this_thread::sleep_for(std::chrono::hours(1));
#endif
}

// Lets go of the interpreter's lock for a computation.
class Released {
 public:
  Released() : state_(PyEval_SaveThread()) {}
  Released(const Released&) = delete;
  ~Released() {
    sleep_if_finalizing();
    PyEval_RestoreThread(state_);
  }

 private:
  PyThreadState* state_;
};

class Heart {
 public:
  Pulse pulse() { return {&Heart::beat, this}; }

 private:
  using Clock = std::chrono::steady_clock;

  static bool beat(void* self) {
    auto& heart = *static_cast<Heart*>(self);
    const auto now = Clock::now();
    if (now - heart.last_ < std::chrono::milliseconds(50)) return false;
    heart.last_ = now;
    sleep_if_finalizing();
    pybind11::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    return false;
  }

  Clock::time_point last_ = Clock::now();
};

}  // namespace pyblo
