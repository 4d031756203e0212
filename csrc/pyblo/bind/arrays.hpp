// NumPy arrays as the core's matrices and vectors. Python has explained bad input already: here it is only refused.
#pragma once
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <stdexcept>
#include <vector>

#include "pyblo/host/buffer.hpp"
#include "pyblo/host/cache.hpp"
#include "pyblo/host/kernels/data.hpp"

namespace py = pybind11;

namespace pyblo {

template <class T> using Array = py::array_t<T, py::array::c_style>;

inline void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

template <class T> const T* aligned(const Array<T>& a) {
  require(reinterpret_cast<std::uintptr_t>(a.data()) % alignof(T) == 0, "an array is misaligned");
  return a.data();
}

template <class T> const T* vector(const Array<T>& a, index size) {
  require(a.ndim() == 1 && a.shape(0) == size, "a vector has the wrong size");
  return aligned(a);
}

// One vector per problem, (count, size)
template <class T> const T* rows(const Array<T>& a, index count, index size) {
  require(a.ndim() == 2 && a.shape(0) == count && a.shape(1) == size, "an array of vectors has the wrong shape");
  return aligned(a);
}

template <class T> Array<T> copy_of(index size, const T* data) {
  Array<T> a(size);
  if (size) std::memcpy(a.mutable_data(), data, size * sizeof(T));
  return a;
}

// What a part of the core points to lives as long as the part. An array may have an axis for the problems of a batch in front; one
// without it is shared by all.
class Owners {
 public:
  index count = 1;  // problems, where an array has the axis

  template <class T> VectorData<T> vector(const Array<T>& a, index size) {
    require(a.ndim() >= 1 && a.shape(a.ndim() - 1) == size, "a vector has the wrong size");
    return {keep(a), size, batch(a, 1) ? size : 0};
  }
  // Its last axis is that of the problems
  template <class T> VectorData<T> number(const Array<T>& a) {
    require(a.ndim() == 1, "a number per problem has one axis");
    if (a.shape(0) != 1) see(a.shape(0));
    return {keep(a), 1, a.shape(0) != 1};
  }
  template <class T> MatrixData<T> matrix(const Array<T>& a) {
    require(a.ndim() >= 2, "a matrix has two axes");
    const index rows = a.shape(a.ndim() - 2), cols = a.shape(a.ndim() - 1);
    return {keep(a), rows, cols, batch(a, 2) ? rows * cols : 0, nullptr};
  }
  template <class T> MatrixData<T> symmetric(const Array<T>& a) {
    MatrixData<T> m = matrix(a);
    require(m.rows == m.cols, "a matrix is not square");
    m.at = m.stride ? nullptr : m.a;
    return m;
  }
  // With its transpose where all share it
  template <class T> MatrixData<T> both_ways(const Array<T>& a) { return both_ways(matrix(a)); }
  template <class T> MatrixData<T> both_ways(MatrixData<T> m) {
    if (m.stride) return m;
    T* const t = memory<T>(m.rows * m.cols);
    for (index i = 0; i < m.rows; ++i)
      for (index j = 0; j < m.cols; ++j) t[j * m.rows + i] = m.a[i * m.cols + j];
    m.at = t;
    return m;
  }
  template <class T> T* memory(index count) {
    auto buffer = std::make_shared<Buffer>(count * index(sizeof(T)));
    list_.push_back(buffer);
    return reinterpret_cast<T*>(buffer->data());
  }
  void adopt(const Owners& other) {
    list_.insert(list_.end(), other.list_.begin(), other.list_.end());
    if (other.count != 1) see(other.count);
  }
  void require_fit(index problems) const { require(count == 1 || count == problems, "batches of different sizes"); }

 private:
  // An aligned copy, or the array itself where it leaves the second-level cache: there the loop is bound by memory, not by alignment
  template <class T> const T* keep(const Array<T>& a) {
    aligned(a);
    if (a.nbytes() > second_level_cache()) {
      list_.push_back(std::make_shared<Array<T>>(a));
      return a.data();
    }
    T* const p = memory<T>(a.size());
    if (a.size()) std::memcpy(p, a.data(), a.nbytes());
    return p;
  }
  template <class T> bool batch(const Array<T>& a, int core) {
    require(a.ndim() == core || a.ndim() == core + 1, "an array has too many axes");
    if (a.ndim() > core) see(a.shape(0));
    return a.ndim() > core;
  }
  void see(index problems) {
    require(count == 1 || count == problems, "batches of different sizes");
    count = problems;
  }
  std::vector<std::shared_ptr<void>> list_;
};

template <class Part> struct Owned {
  Part part;
  Owners owners;
};

}  // namespace pyblo
