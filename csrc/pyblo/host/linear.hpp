// Batched linear solves on the host: one problem after the other, each by the core's algorithm.
#pragma once
#include <cmath>

#include "buffer.hpp"
#include "pyblo/core/solve/neumann.hpp"

namespace pyblo {

// A batch of dense symmetric systems; a stride of zero shares one matrix among all
template <class T> struct Systems {
  const T *a, *b;
  index count, n, stride;

  Dense<T> matrix(index k) const { return {a + k * stride, a + k * stride, n, n}; }
};

// The largest |a_ij − a_ji| over the largest |a_ij|; NaN where either is not finite
template <class T> double asymmetry(const T* a, index n) {
  T gap = 0, size = 0;
  for (index i = 0; i < n; ++i)
    for (index j = 0; j < n; ++j) {
      const T d = magnitude(a[i * n + j] - a[j * n + i]), s = magnitude(a[i * n + j]);
      gap = d > gap || d != d ? d : gap;
      size = s > size || s != s ? s : size;
    }
  return gap == 0 ? 0.0 : double(gap / size);
}

// x (count, n) holds the starts unless from_zero, then the solutions; directions, where given, get the evidence of INDEFINITE
template <class T>
void solve_cg(const Systems<T>& s, T* x, bool from_zero, Stop stop, Report<T>* reports, T* directions, Pulse& pulse) {
  const index n = s.n;
  const Buffer memory(bytes_of([&](Scratch& a) { CgScratch<T>(a, n, false); }));
  for (index k = 0; k < s.count; ++k) {
    Scratch scratch = memory.scratch();
    const CgScratch<T> work(scratch, n, false);
    reports[k] = cg(Solo{}, s.matrix(k), s.b + k * n, x + k * n, from_zero, false, work, stop, pulse);
    for (index i = 0; i < n; ++i) directions[k * n + i] = reports[k].status == T(INDEFINITE) ? work.p[i] : T(0);
  }
}

template <class T> void solve_neumann(const Systems<T>& s, T* x, const double* steps, index terms, Pulse& pulse) {
  const Buffer memory(bytes_of([&](Scratch& a) { DescendScratch<T>(a, s.n); }));
  for (index k = 0; k < s.count; ++k) {
    Scratch scratch = memory.scratch();
    neumann(Solo{}, s.matrix(k), s.b + k * s.n, x + k * s.n, false, DescendScratch<T>(scratch, s.n), steps[k], terms, pulse);
  }
}

}  // namespace pyblo
