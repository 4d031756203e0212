// The pulse of a call from Python: now and then it lets Python's signal handlers run, and Ctrl-C ends the loop.
#pragma once
#include <pybind11/pybind11.h>

#include <chrono>

#include "pyblo/core/types.hpp"

namespace pyblo {

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
    pybind11::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    return false;
  }

  Clock::time_point last_ = Clock::now();
};

}  // namespace pyblo
