// Working memory, handed out in 64-byte steps. Over a null base it only counts, so that the code that lays out an
// algorithm's vectors is also the code that says how many bytes they need.
#pragma once
#include "types.hpp"

namespace pyblo {

struct Scratch {
  char* base = nullptr;
  index used = 0;
  index most = 0;  // lent memory included

  template <class T> T* take(index n) {
    T* const p = lend<T>(n);
    used += rounded<T>(n);
    return p;
  }
  // The memory that is handed out next: good until then
  template <class T> T* lend(index n) {
    if (most < used + rounded<T>(n)) most = used + rounded<T>(n);
    return reinterpret_cast<T*>(base ? base + used : nullptr);
  }

 private:
  template <class T> static index rounded(index n) { return (n * index(sizeof(T)) + 63) / 64 * 64; }
};

// The bytes that layout(scratch) takes
template <class F> index bytes_of(F layout) {
  Scratch counter;
  layout(counter);
  return counter.most;
}

}  // namespace pyblo
