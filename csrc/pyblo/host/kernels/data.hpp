// A batch of problems and the parts of a step, as data: arrays of the host with a stride from problem to problem, zero where all
// share one. A kernel makes the core's problems of them, alone or in lanes (load.hpp).
#pragma once
#include <functional>
#include <optional>
#include <variant>

#include "pyblo/core/hypergrad/unrolled.hpp"
#include "pyblo/core/loop/alternate.hpp"
#include "pyblo/host/blas_dense.hpp"
#include "pyblo/host/callback.hpp"

namespace pyblo {

template <class R> struct VectorData {
  const R* a = nullptr;
  index size = 0, stride = 0;
};

template <class R> struct MatrixData {
  const R* a = nullptr;
  index rows = 0, cols = 0, stride = 0;
  const R* at = nullptr;  // the transpose of a matrix that all share
};

template <class R> struct QuadraticData {
  MatrixData<R> A, B, P;  // A and P symmetric
  VectorData<R> d, f, h;
};

template <class R> struct TargetData {
  MatrixData<R> phi, phi_out;
  VectorData<R> y_out;
};

template <class R> struct RidgeData {
  MatrixData<R> X, X_val;
  VectorData<R> y, y_val;
  bool diagonal, log;
};

template <class R> struct BiasedData {
  MatrixData<R> X, X_val;
  VectorData<R> y, y_val, beta;
};

template <class R>
using ProblemData = std::variant<QuadraticData<R>, TargetData<R>, RidgeData<R>, BiasedData<R>, CallbackProblem<R>>;

// A recurrence, with the step of each problem
struct RuleData {
  VectorData<double> step;
  double momentum;
  bool nesterov;
};

// --- inner solvers

struct DescentData {
  RuleData rule;
  index steps;
  std::optional<double> tol;
};

template <class R> struct SpectralInnerData {
  MatrixData<R> V, K;
  VectorData<R> damping, k;
};

// w = Ξ(u, start) of problem k, by a function that wants the caller's thread
template <class R> using InnerFunction = std::function<Report<R>(index k, const R* u, const R* start, R* w)>;

template <class R> using InnerData = std::variant<DescentData, SpectralInnerData<R>, InnerFunction<R>>;

// --- hypergradients

struct NeumannData {
  index terms;
  VectorData<double> step;
};

struct IdentityData {};

// g ← its part in the range of H(u, w) of problem k
template <class R> using Projection = std::function<void(index k, const R* u, const R* w, R* g)>;

// The range of a singular H: an orthonormal basis (n, r), on which g is projected first; or a function, called where CG finds the
// system inconsistent, upon which it starts again
template <class R> struct CgData {
  Stop stop;
  bool normal;
  double eps;  // added to H
  std::optional<MatrixData<R>> basis;
  Projection<R> project;
  std::optional<MatrixData<R>> gram;  // XᵀX/n of a ridge problem, instead of which X would be read in each iteration
};

struct UnrolledData {
  RuleData rule;
  index steps, last;
  bool forward;
};

// F = ½‖Φₒw − y‖², and L = ΦₒVK
template <class R> struct HeldOutData {
  MatrixData<R> phi, L;
  VectorData<R> y;
};

template <class R> struct SpectralData {
  MatrixData<R> V, K;
  std::optional<HeldOutData<R>> held_out = std::nullopt;
};

template <class R> struct Gradients {
  R *outer, *inner, *adjoint;  // dF/du (m,), ∂F/∂w (n,), q (n,)
};

template <class R>
using HypergradientFunction = std::function<Hyper<R>(index k, const R* u, const R* start, const R* w, Gradients<R>)>;

template <class R>
using HypergradientData = std::variant<NeumannData, IdentityData, CgData<R>, UnrolledData, SpectralData<R>, HypergradientFunction<R>>;

// --- a step

template <class R> struct StepData {
  ProblemData<R> problem;
  InnerData<R> inner;
  HypergradientData<R> hypergradient;

  index outer_size() const { return outer_size_of(problem); }
  index inner_size() const { return inner_size_of(problem); }
  // Whether a part calls BLAS: then the problems do not go in lanes
  bool calls_blas() const {
    const auto* unrolled = std::get_if<UnrolledData>(&hypergradient);
    return unrolled && unrolled->forward && std::holds_alternative<QuadraticData<R>>(problem) &&
           BlasDense<R>::worth_it(outer_size(), inner_size());
  }
  // Whether a part calls Python: then the problems run one after the other, on the caller's thread
  bool calls() const {
    const auto* cg = std::get_if<CgData<R>>(&hypergradient);
    return std::holds_alternative<CallbackProblem<R>>(problem) || std::holds_alternative<InnerFunction<R>>(inner) ||
           std::holds_alternative<HypergradientFunction<R>>(hypergradient) || (cg && cg->project);
  }
};

template <class R> index inner_size_of(const ProblemData<R>& problem) {
  if (const auto* q = std::get_if<QuadraticData<R>>(&problem)) return q->A.cols;
  if (const auto* t = std::get_if<TargetData<R>>(&problem)) return t->phi.cols;
  if (const auto* r = std::get_if<RidgeData<R>>(&problem)) return r->X.cols;
  if (const auto* b = std::get_if<BiasedData<R>>(&problem)) return b->X.cols;
  return std::get<CallbackProblem<R>>(problem).inner_size();
}
template <class R> index outer_size_of(const ProblemData<R>& problem) {
  if (const auto* q = std::get_if<QuadraticData<R>>(&problem)) return q->B.cols;
  if (const auto* t = std::get_if<TargetData<R>>(&problem)) return t->phi.rows;
  if (const auto* r = std::get_if<RidgeData<R>>(&problem)) return r->diagonal ? r->X.cols : 1;
  if (const auto* b = std::get_if<BiasedData<R>>(&problem)) return b->X.cols;
  return std::get<CallbackProblem<R>>(problem).outer_size();
}

}  // namespace pyblo
