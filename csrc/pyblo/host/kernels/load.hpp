// The core's problems from a batch's data: one problem where it lies, or a pack of problems copied side by side.
#pragma once
#include "data.hpp"
#include "gram.hpp"
#include "pyblo/core/problem/biased.hpp"
#include "pyblo/core/problem/quadratic.hpp"
#include "pyblo/core/problem/ridge.hpp"
#include "pyblo/core/problem/target.hpp"
#include "pyblo/host/blas_dense.hpp"
#include "pyblo/host/lanes.hpp"
#include "pyblo/host/outcome.hpp"

namespace pyblo {

// Problems of a group in T. Over a scratch that only counts, nothing is read or written.
template <class T> class Load {
 public:
  using R = real_t<T>;
  static constexpr bool alone = Scalar<T>::lanes == 1;
  using Design = std::conditional_t<alone, PooledGram<T>, Gram<T>>;
  using Square = std::conditional_t<alone, BlasDense<T>, Symmetric<T>>;

  Load(Group group, Scratch& scratch) : group_(group), scratch_(scratch) {}
  index first() const { return group_.first; }  // number of the first problem

  const T* vector(const VectorData<R>& v) { return array(v.a, v.size, v.stride); }
  T number(const VectorData<R>& v) {
    const T* const one = vector(v);
    return scratch_.base ? one[0] : T(0);
  }

  Dense<T> matrix(const MatrixData<R>& m) {
    const T* const a = array(m.a, m.rows * m.cols, m.stride);
    if constexpr (alone) return {a, m.at ? m.at : transposed(a, m.rows, m.cols), m.rows, m.cols};
    return {a, nullptr, m.rows, m.cols};
  }
  // f(matrices): of real numbers where all problems share them, which then take the cache of one
  template <class F> auto matrices(const MatrixData<R>& first, const MatrixData<R>& second, F f) {
    if constexpr (!alone)
      if (first.at && second.at) {
        const auto shared = [](const MatrixData<R>& m) { return Dense<R>{m.a, m.at, m.rows, m.cols}; };
        return f(shared(first), shared(second));
      }
    return f(matrix(first), matrix(second));
  }
  Dense<T> full(const MatrixData<R>& m) {  // symmetric
    const T* const a = array(m.a, m.rows * m.cols, m.stride);
    return {a, a, m.rows, m.cols};
  }
  Square symmetric(const MatrixData<R>& m) {
    if constexpr (alone) {
      return Square{full(m)};
    } else {
      T* const a = scratch_.take<T>(Symmetric<T>::storage(m.rows));
      T* const rows = scratch_.lend<T>(Symmetric<T>::height * m.rows);
      Asymmetry<T> unused;
      if (scratch_.base) SymmetricPacking<T>(Sources<T>(m.a, m.stride, group_.first, group_.live), m.rows, a, rows).run(unused);
      return {a, m.rows};
    }
  }
  Design gram(const MatrixData<R>& m, T weight) {
    return Design{Gram<T>{array(m.a, m.rows * m.cols, m.stride), m.rows, m.cols, weight}};
  }

  wide_t<T> wide(const VectorData<double>& v) const {
    if constexpr (alone) {
      return v.a[group_.first * v.stride];
    } else {
      wide_t<T> w(0);
      for (int l = 0; l < Scalar<T>::lanes; ++l) set_lane(w, l, v.a[(group_.first + (l < group_.live ? l : group_.live - 1)) * v.stride]);
      return w;
    }
  }
  rule_t<T> rule(const RuleData& r) const { return {wide(r.step), r.momentum, r.nesterov}; }

  Quadratic<T, Square> problem(const QuadraticData<R>& q) {
    return {symmetric(q.A), matrix(q.B), full(q.P), vector(q.d), vector(q.f), number(q.h)};
  }
  TargetLearning<T, Design> problem(const TargetData<R>& t) { return {gram(t.phi, T(1)), gram(t.phi_out, T(1)), vector(t.y_out)}; }
  Ridge<T, Design> problem(const RidgeData<R>& r) {
    return {gram(r.X, T(R(1) / R(r.X.rows))), gram(r.X_val, T(R(1) / R(r.X_val.rows))), vector(r.y), vector(r.y_val), r.diagonal, r.log};
  }
  BiasedRidge<T, Design> problem(const BiasedData<R>& b) {
    return {gram(b.X, T(1)), gram(b.X_val, T(1)), vector(b.y), vector(b.y_val), number(b.beta)};
  }
  CallbackProblem<R> problem(const CallbackProblem<R>& p) { return p; }

 private:
  const T* array(const R* a, index size, index stride) {
    if constexpr (alone) {
      return a + group_.first * stride;
    } else {
      T* const to = scratch_.take<T>(size);
      if (scratch_.base) pack(Sources<T>(a, stride, group_.first, group_.live), size, to);
      return to;
    }
  }
  const T* transposed(const T* a, index rows, index cols) {
    T* const t = scratch_.take<T>(rows * cols);
    for (index i = 0; i < rows && scratch_.base; ++i)
      for (index j = 0; j < cols; ++j) t[j * rows + i] = a[i * cols + j];
    return t;
  }

  Group group_;
  Scratch& scratch_;
};

}  // namespace pyblo
