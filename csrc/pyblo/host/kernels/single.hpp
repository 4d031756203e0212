// One large system A x = b whose A is a sparse matrix or a function.
#pragma once
#include <variant>

#include "linear.hpp"
#include "pyblo/core/operator/csr.hpp"
#include "pyblo/host/callback.hpp"

namespace pyblo {

template <class R> using AnyOperator = std::variant<SymmetricCsr<R, int>, SymmetricCsr<R, index>, CallbackOperator<R>>;

template <class R> struct SingleKernels {
  // x holds the start unless from_zero, then the solution
  void (*cg)(const AnyOperator<R>&, const R* b, Stop, bool from_zero, R* x, Outcome&, Evidence<R>&, Pulse&);
  void (*neumann)(const AnyOperator<R>&, const R* b, double step, index terms, R* x, Outcome&, Pulse&);
  void (*descend)(const AnyOperator<R>&, const R* b, const DescentCall&, R* x, Outcome&, Pulse&);
};
template <class R> SingleKernels<R> single_kernels();

}  // namespace pyblo
