// The parts that a step is put together from: inner runs and hypergradients of each problem of the core.
#pragma once
#include <optional>
#include <variant>

#include "blas_dense.hpp"
#include "callback.hpp"
#include "pyblo/core/hypergrad/unrolled.hpp"
#include "pyblo/core/operator/shifted.hpp"
#include "pyblo/core/problem/quadratic.hpp"
#include "pyblo/core/problem/ridge.hpp"
#include "pyblo/core/problem/spectral.hpp"
#include "pyblo/core/problem/target.hpp"
#include "step.hpp"

namespace pyblo {

template <class T> using AnyProblem = std::variant<Quadratic<T, BlasDense<T>>, TargetLearning<T>, Ridge<T>, CallbackProblem<T>>;

// A run of the recurrence: of `steps` steps, or until tol where it is given
struct Descent {
  Rule rule;
  index steps;
  std::optional<double> tol;
};

template <class T> Inner<T> descent_inner(AnyProblem<T> problem, Descent descent);
template <class T> Inner<T> spectral_inner(SpectralInner<T> inner);

// g ← its part in the range of H(u, w)
template <class T> using Projection = std::function<void(const T* u, const T* w, T* g)>;

// The range of a singular H: an orthonormal basis (n, r), on which g is projected first; or a function, called where CG finds the
// system inconsistent, upon which it starts again
template <class T> struct Range {
  std::optional<Dense<T>> basis;
  Projection<T> projection;
};

// eps is added to H
template <class T> Hypergradient<T> implicit(AnyProblem<T> problem, AdjointMethod<T> method, double eps, Range<T> range);
template <class T> Hypergradient<T> unrolled(AnyProblem<T> problem, Run run, bool forward);
template <class T> Hypergradient<T> spectral(AnyProblem<T> problem, Dense<T> V, Dense<T> K);

// Of a run of Unrolled from start: dF/dw₀ into grad_w0, given ∂F/∂w at its end; returns dF/dα
template <class T>
T run_derivatives(const AnyProblem<T>& problem, Rule rule, index steps, const T* u, const T* start, const T* grad_w, T* grad_w0, Pulse& pulse);

}  // namespace pyblo
