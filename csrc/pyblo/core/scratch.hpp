// Working memory, handed out in 64-byte steps. Over a null base it only counts, so that the code that lays out an
// algorithm's vectors is also the code that says how many bytes they need.
#pragma once
#include "types.hpp"

namespace pyblo {

struct Scratch {
  char* base = nullptr;
  index used = 0;

  template <class T> T* take(index n) {
    char* p = base ? base + used : nullptr;
    used += (n * index(sizeof(T)) + 63) / 64 * 64;
    return reinterpret_cast<T*>(p);
  }
};

// The bytes that layout(scratch) takes
template <class F> index bytes_of(F layout) {
  Scratch counter;
  layout(counter);
  return counter.used;
}

}  // namespace pyblo
