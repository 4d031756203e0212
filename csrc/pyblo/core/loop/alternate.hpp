// Algorithms 1 and 2 of "On Implicit Bias in Overparameterized Bilevel Optimization": gradient descent on u with an inner
// run at every step, from w₀ each time (cold start) or from the last w (warm start). They differ in nothing else.
//
//     w = Ξ(u, w₀);   repeat:   u ← u − β dF/du(u, w);   w ← Ξ(u, w₀ or w)
//
// A Step offers  outer_size, inner_size, madds (the work of one outer step, roughly),
//     inner(team, u, start, w, pulse)               -> Report:  w = Ξ(u, start)
//     hypergradient(team, u, start, w, grad, pulse) -> Hyper:   dF/du at the pair, start being where the run to w began
#pragma once
#include "../solve/cg.hpp"

namespace pyblo {

template <class T> struct Hyper {
  T value;  // F(u, w)
  Report<T> report;
};

template <class W> struct Outer {
  W step;
  double tol;
  W max_steps;
  bool warm;
};

// Where each visited pair is written, or nowhere where null: row k of the (rows, …) array of each problem. The first `live` lanes
// are written, one array after the other.
template <class T> struct History {
  real_t<T> *fun = nullptr, *grad_norm = nullptr, *u = nullptr, *w = nullptr;
  index rows = 0;
  int live = Scalar<T>::lanes;

  void put(real_t<T>* array, index size, index k, index i, T value) const {
    for (int l = 0; l < live; ++l) array[(l * rows + k) * size + i] = lane(value, l);
  }
};

template <class T> struct OuterReport {
  T status, inner_status, adjoint_status, value;
  wide_t<T> steps, products, grad_norm, change;  // change = ‖w − previous w‖ in warm start
};

template <class T> struct OuterScratch {
  T *start, *next, *grad, *fresh, *last_u, *last_w;
  OuterScratch(Scratch& a, index m, index n)
      : start(a.take<T>(n)), next(a.take<T>(n)), grad(a.take<T>(m)), fresh(a.take<T>(m)), last_u(a.take<T>(m)), last_w(a.take<T>(n)) {}
};

// A loop under way
template <class T> struct Walk {
  index m, n;
  Outer<wide_t<T>> outer;
  History<T> history;
  OuterScratch<T> a;
  using W = wide_t<T>;
  OuterReport<T> out{T(RUNNING), T(RUNNING), T(RUNNING), T(0), W(0), W(0), W(0), W(0)};
  W limit = W(0);

  // What the hypergradient at the k-th pair says of each lane; returns the lanes whose numbers are all finite
  template <class G> mask_t<T> judge(G team, index k, const Hyper<T>& hyper, const T* w) {
    T *const grad = a.grad, *const fresh = a.fresh, *const last = a.last_w;
    const mask_t<T> running = out.status == T(RUNNING);
    const W size = norm(team, m, fresh), w_size = norm(team, n, w);
    const W change = square_root(team.template sum<W>(n, [=](index i, W s) {
      const W d = convert<W>(w[i]) - convert<W>(last[i]);
      return madd(d, d, s);
    }));
    if (k == 0) limit = W(outer.tol) * larger(W(1), size);
    const mask_t<W> settled = mask_t<W>(!outer.warm) | ((change <= W(outer.tol) * larger(W(1), w_size)) & mask_t<W>(k > 0));
    const mask_t<T> sound = finite(team, m, fresh, size) & finite(team, n, w, w_size) & is_finite(hyper.value) & !(hyper.report.status == T(DIVERGED));
    const mask_t<T> here = running & sound, told = here | mask_t<T>(k == 0);
    team.each(m, [=](index i) { grad[i] = select(told, fresh[i], grad[i]); });
    out.value = select(here, hyper.value, out.value);
    out.grad_norm = select(convert_mask<W>(here), size, out.grad_norm);
    out.change = select(convert_mask<W>(here), change, out.change);
    out.adjoint_status = select(running, hyper.report.status, out.adjoint_status);
    out.products = out.products + select(convert_mask<W>(running), hyper.report.products, W(0));
    out.status = select(here & convert_mask<T>((size <= limit) & is_finite(limit) & settled), T(CONVERGED), out.status);
    out.status = select(running & !sound, T(DIVERGED), out.status);
    return here;
  }

  template <class G> void record(G team, index k, const T* u, const T* w) const {
    const History<T> h = history;
    const index m = this->m, n = this->n;
    const T value = out.value, size = convert<T>(out.grad_norm);
    if (h.fun) team.each(1, [=](index) { h.put(h.fun, 1, k, 0, value), h.put(h.grad_norm, 1, k, 0, size); });
    if (h.u) team.each(m, [=](index i) { h.put(h.u, m, k, i, u[i]); });
    if (h.w) team.each(n, [=](index i) { h.put(h.w, n, k, i, w[i]); });
  }

  // u ← u − β dF/du on the lanes that go on; a lane that left the finite numbers goes back to its last finite pair
  template <class G> void descend(G team, mask_t<T> going, mask_t<T> lost, T* u, T* w) const {
    const T beta = convert<T>(-outer.step);
    const bool warm = outer.warm;
    T *const grad = a.grad, *const last_u = a.last_u, *const last_w = a.last_w, *const start = a.start;
    team.each(m, [=](index i) {
      const T back = select(lost, last_u[i], u[i]);
      last_u[i] = u[i];
      u[i] = select(going, madd(beta, grad[i], u[i]), back);
    });
    team.each(n, [=](index i) {
      w[i] = select(lost, last_w[i], w[i]);
      if (warm) start[i] = w[i];
      last_w[i] = w[i];
    });
    team.sync();
  }
};

// u holds u₀ and becomes the last u; w becomes its inner solution, a.grad its hypergradient. watch(k, value, u, w, grad)
// is told of every pair, and stops the loop where it returns true.
template <class T, class G, class Step, class Watch>
OuterReport<T> alternate(G team, Step& step, T* u, T* w, const T* w0, Outer<wide_t<T>> outer, History<T> history,
                         OuterScratch<T> a, Watch& watch, Pulse& pulse) {
  using W = wide_t<T>;
  const index m = step.outer_size(), n = step.inner_size();
  Walk<T> walk{m, n, outer, history, a};
  OuterReport<T>& out = walk.out;
  T *const start = a.start, *const next = a.next;
  copy(team, n, w0, start);
  copy(team, m, u, a.last_u);
  out.inner_status = step.inner(team, u, start, w, pulse).status;
  copy(team, n, w, a.last_w);
  for (index k = 0; !pulse(step.madds()); ++k) {
    const mask_t<T> running = out.status == T(RUNNING);
    const Hyper<T> hyper = step.hypergradient(team, u, start, w, a.fresh, pulse);
    if (pulse.stopped) break;
    const mask_t<T> here = walk.judge(team, k, hyper, w);
    walk.record(team, k, u, w);
    if (any(here) && watch(k, out.value, u, w, a.grad)) out.status = select(out.status == T(RUNNING), T(STOPPED), out.status);
    const mask_t<T> last = !convert_mask<T>(W(k) < outer.max_steps);
    out.status = select(last & (out.status == T(RUNNING)), T(NOT_CONVERGED), out.status);
    const mask_t<T> going = out.status == T(RUNNING);
    walk.descend(team, going, running & !here, u, w);
    if (!any(going)) break;
    const Report<T> inner = step.inner(team, u, start, next, pulse);
    if (pulse.stopped) break;
    team.each(n, [=](index i) { w[i] = select(going, next[i], w[i]); });
    team.sync();
    out.inner_status = select(going, inner.status, out.inner_status);
    out.steps = out.steps + select(convert_mask<W>(going), W(1), W(0));
  }
  out.status = select(out.status == T(RUNNING), T(INTERRUPTED), out.status);
  return out;
}

}  // namespace pyblo
