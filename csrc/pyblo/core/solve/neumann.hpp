// The truncated Neumann series q = α Σ_{j<terms} (I − αH)^j g, which is `terms` steps of gradient descent for H q = g from
// q = 0. The fixed-point iteration v ← ∂_wΦᵀ v + g is the same with H = I − ∂_wΦᵀ and α = 1.
#pragma once
#include "../descend/gradient.hpp"

namespace pyblo {

// H y − b, with the adjoint of H where asked: the gradient of ½yᵀHy − bᵀy
template <class T, class A> struct LinearGradient {
  const A& op;
  const T* b;
  bool adjoint = false;

  index madds() const { return op.madds(); }
  template <class G, class V> void operator()(G team, const V* y, V* out) const {
    if (adjoint)
      op.apply_adjoint(team, y, out);
    else
      op.apply(team, y, out);
    const T* b = this->b;
    team.each(op.size(), [=](index i) { out[i] = out[i] - convert<V>(b[i]); });
    team.sync();
  }
};

template <class T, class G, class A>
Report<T> neumann(G team, const A& op, const T* g, T* q, bool adjoint, DescendScratch<T> a, wide_t<T> step, index terms,
                  Pulse& pulse) {
  const index n = op.size();
  const T alpha = terms > 0 ? convert<T>(step) : T(0);
  team.each(n, [=](index i) { q[i] = alpha * g[i]; });  // the first step, from zero, needs no product
  team.sync();
  const LinearGradient<T, A> gradient{op, g, adjoint};
  Report<T> report = descend(team, n, gradient, q, a, rule_t<T>{step, 0.0, false}, terms > 0 ? terms - 1 : 0, pulse);
  report.steps = wide_t<T>(terms);
  return report;
}

}  // namespace pyblo
