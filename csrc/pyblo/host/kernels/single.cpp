#include "single.hpp"

#include "pyblo/core/solve/neumann.hpp"

namespace pyblo {
namespace {

// run(operator, work) with the working memory S(scratch, n, …)
template <class S, class R, class Run, class... Sizes> void with_operator(const AnyOperator<R>& any, const Run& run, Sizes... sizes) {
  std::visit([&](const auto& op) {
    const Buffer memory(bytes_of([&](Scratch& s) { S(s, op.size(), sizes...); }));
    Scratch scratch = memory.scratch();
    run(op, S(scratch, op.size(), sizes...));
  }, any);
}

template <class R>
void cg_one(const AnyOperator<R>& any, const R* b, Stop stop, bool from_zero, R* x, Outcome& out, Evidence<R>& evidence, Pulse& pulse) {
  with_operator<CgScratch<R>>(any, [&](const auto& op, const CgScratch<R>& work) {
    const Report<R> r = cg(Solo{}, op, b, x, from_zero, false, work, stop, pulse);
    out = outcome_of(r, 0);
    if (r.status == R(INDEFINITE)) copy(Solo{}, op.size(), work.p, evidence.of(0));
  }, false);
}

template <class R>
void neumann_one(const AnyOperator<R>& any, const R* b, double step, index terms, R* x, Outcome& out, Pulse& pulse) {
  with_operator<DescendScratch<R>>(any, [&](const auto& op, const DescendScratch<R>& work) {
    out = outcome_of(neumann(Solo{}, op, b, x, false, work, step, terms, pulse), 0);
  });
}

template <class R> void descend_one(const AnyOperator<R>& any, const R* b, const DescentCall& call, R* x, Outcome& out, Pulse& pulse) {
  with_operator<DescendScratch<R>>(any, [&](const auto& op, const DescendScratch<R>& work) {
    const LinearGradient<R, std::decay_t<decltype(op)>> gradient{op, b};
    const Rule<double> rule{call.steps[0], call.momentum, call.nesterov};
    out = outcome_of(call.tol < 0 ? descend(Solo{}, op.size(), gradient, x, work, rule, call.times, pulse)
                                  : descend_until(Solo{}, op.size(), gradient, x, work, rule, call.tol, call.times, pulse), 0);
  });
}

}  // namespace

template <class R> SingleKernels<R> single_kernels() { return {&cg_one<R>, &neumann_one<R>, &descend_one<R>}; }
template SingleKernels<float> single_kernels<float>();
template SingleKernels<double> single_kernels<double>();

}  // namespace pyblo
