// Memory of our own, aligned to 64 bytes: a hot loop over a misaligned array can be half as fast.
#pragma once
#include <cstdlib>
#include <memory>
#include <new>

#include "pyblo/core/scratch.hpp"

namespace pyblo {

struct Release {
  void operator()(char* p) const { std::free(p); }
};

class Buffer {
 public:
  explicit Buffer(index bytes) : memory_(static_cast<char*>(std::aligned_alloc(64, bytes / 64 * 64 + 64))) {
    if (!memory_) throw std::bad_alloc();
  }
  char* data() const { return memory_.get(); }
  Scratch scratch() const { return {memory_.get(), 0}; }

 private:
  std::unique_ptr<char, Release> memory_;
};

// Zeros, which cost nothing until they are touched
class Zeros {
 public:
  Zeros() = default;
  explicit Zeros(index bytes) : memory_(static_cast<char*>(std::calloc(bytes + 1, 1))) {
    if (!memory_) throw std::bad_alloc();
  }
  char* data() const { return memory_.get(); }

 private:
  std::unique_ptr<char, Release> memory_;
};

}  // namespace pyblo
