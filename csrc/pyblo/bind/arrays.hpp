// NumPy arrays as the core's matrices and vectors. Python has explained bad input already: here it is only refused.
#pragma once
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <stdexcept>
#include <vector>

#include "pyblo/core/operator/dense.hpp"
#include "pyblo/host/buffer.hpp"

namespace py = pybind11;

namespace pyblo {

template <class T> using Array = py::array_t<T, py::array::c_style>;

inline void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

template <class T> const T* vector(const Array<T>& a, index size) {
  require(a.ndim() == 1 && a.shape(0) == size, "a vector has the wrong size");
  require(reinterpret_cast<std::uintptr_t>(a.data()) % alignof(T) == 0, "an array is misaligned");
  return a.data();
}

template <class T> Array<T> copy_of(index size, const T* data) {
  Array<T> a(size);
  if (size) std::memcpy(a.mutable_data(), data, size * sizeof(T));
  return a;
}

// What a part of the core points to lives as long as the part
class Owners {
 public:
  // An aligned copy, or the array itself where it is large: there the loop is bound by memory, not by alignment
  template <class T> const T* keep(const Array<T>& a) {
    require(reinterpret_cast<std::uintptr_t>(a.data()) % alignof(T) == 0, "an array is misaligned");
    if (a.nbytes() > large) {
      list_.push_back(std::make_shared<Array<T>>(a));
      return a.data();
    }
    T* const p = memory<T>(a.size());
    if (a.size()) std::memcpy(p, a.data(), a.nbytes());
    return p;
  }
  template <class T> const T* keep_vector(const Array<T>& a, index size) {
    vector(a, size);
    return keep(a);
  }
  // With its transpose, unless it is symmetric and so its own
  template <class T> Dense<T> keep_matrix(const Array<T>& a, bool symmetric = false) {
    require(a.ndim() == 2 && (!symmetric || a.shape(0) == a.shape(1)), "a matrix has the wrong shape");
    const index rows = a.shape(0), cols = a.shape(1);
    const T* const p = keep(a);
    if (symmetric) return {p, p, rows, cols};
    T* const t = memory<T>(rows * cols);
    for (index i = 0; i < rows; ++i)
      for (index j = 0; j < cols; ++j) t[j * rows + i] = p[i * cols + j];
    return {p, t, rows, cols};
  }
  void adopt(const Owners& other) { list_.insert(list_.end(), other.list_.begin(), other.list_.end()); }

 private:
  static constexpr py::ssize_t large = 64 << 20;
  template <class T> T* memory(index count) {
    auto buffer = std::make_shared<Buffer>(count * index(sizeof(T)));
    list_.push_back(buffer);
    return reinterpret_cast<T*>(buffer->data());
  }
  std::vector<std::shared_ptr<void>> list_;
};

template <class Part> struct Owned {
  Part part;
  Owners owners;
};

}  // namespace pyblo
