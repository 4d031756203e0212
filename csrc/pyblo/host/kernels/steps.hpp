// Hypergradients and whole cold- and warm-start loops over a batch. Arrays are C-contiguous with the batch in front.
#pragma once
#include "data.hpp"
#include "pyblo/host/outcome.hpp"

namespace pyblo {

// One hypergradient per problem, at w where `at` is given, else at the end of an inner run
template <class R> struct EvaluateCall {
  index count;
  const R *u, *start, *at;            // (count, m), (count, n), (count, n) or null
  R *w, *value, *grad, *grad_w, *adjoint;
  Outcome *inner, *outer;
};

struct RunOutcome {
  int status = RUNNING, inner_status = RUNNING, adjoint_status = RUNNING;
  index steps = 0, products = 0;
  double grad_norm = 0, change = 0;
};

// watch(k, value, u, w, grad) -> whether to stop
template <class R> using Watch = std::function<bool(index k, R value, const R* u, const R* w, const R* grad)>;

// A loop per problem
template <class R> struct RunCall {
  index count;
  const R *u0, *w0;
  const double* step;      // (count,)
  double tol;
  const index* max_steps;  // (count,)
  bool warm;
  History<R> history;      // of the first problem
  Watch<R> watch;          // for one problem alone, or empty
  R *u, *w, *grad, *value;
  RunOutcome* out;
};

// dF/dw₀ and dF/dα of runs from start, at whose ends ∂F/∂w is grad_w
template <class R> struct DerivativesCall {
  index count;
  RuleData rule;
  index steps;
  const R *u, *start, *grad_w;
  R* grad_w0;
  double* slope;
};

template <class R> struct StepKernels {
  void (*evaluate)(const StepData<R>&, const EvaluateCall<R>&, Pulse&);
  void (*run)(const StepData<R>&, const RunCall<R>&, Pulse&);
  void (*derivatives)(const ProblemData<R>&, const DerivativesCall<R>&, Pulse&);
};
template <class R> StepKernels<R> step_kernels();

}  // namespace pyblo
