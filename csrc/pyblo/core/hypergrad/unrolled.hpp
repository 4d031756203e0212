// Iterative differentiation of the inner run y = w − αmκs, s₊ = ms + G(u, y), w₊ = w − αs₊ (descend/gradient.hpp).
//
// Reverse mode, from λ_w = ∂F/∂w, λ_s = 0 at the end of the run back to its start:
//     μ = λ_s − αλ_w,   dF/du += M(y)ᵀμ,   ν = H(y)ᵀμ,   λ_w ← λ_w + ν,   λ_s ← m(μ − ακν).
// Where H and M do not depend on w nothing is stored: dF/du = ∂F/∂u − Mᵀq with q = −Σμ. Otherwise the states at √T
// checkpoints are kept and each stretch between two of them is run again.
//
// At the start of the run λ_w is the derivative with respect to w₀. Truncated, only the last steps of the run are differentiated.
//
// Forward mode carries the m tangents (ẇ, ṡ), one row each:
//     ẏ = ẇ − αmκṡ,   ṡ₊ = mṡ + H(y)ẏ + M(y),   ẇ₊ = ẇ − αṡ₊,   dF/du = ∂F/∂u + ẇᵀ∂F/∂w.
// The derivative with respect to the step α is one such tangent, with −mκs in ẏ and −s₊ in ẇ₊ in place of M.
#pragma once
#include "../problem/at.hpp"
#include "implicit.hpp"

namespace pyblo {

// A run of `steps` steps of which the last `last` are differentiated
template <class W> struct Run {
  Rule<W> rule;
  index steps, last;
};
template <class T> using run_t = Run<wide_t<T>>;

inline index checkpoint_stride(index steps) {
  index stride = 1;
  while (stride * stride < steps) ++stride;
  return stride;
}

template <class T> struct ReverseScratch {
  DescendScratch<T> descend;
  T *mu, *nu, *lambda_w, *lambda_s, *w, *states, *stretch;
  ReverseScratch(Scratch& a, index n, index steps, bool constant)
      : descend(a, n), mu(a.take<T>(n)), nu(a.take<T>(n)), lambda_w(a.take<T>(n)), lambda_s(a.take<T>(n)),
        w(a.take<T>(n)), states(a.take<T>(constant ? 0 : 2 * n * (checkpoint_stride(steps) + 1))),
        stretch(a.take<T>(constant ? 0 : n * checkpoint_stride(steps))) {}
};

// One step back: q −= μ; leaves μ and ν in the scratch
template <class T, class G, class A>
void step_back(G team, const A& op, ReverseScratch<T> a, rule_t<T> rule, T* q) {
  const index n = op.size();
  const T step = convert<T>(-rule.step), momentum = T(rule.momentum), ahead = rule.nesterov ? step : T(0);
  team.each(n, [=](index i) {
    a.mu[i] = madd(step, a.lambda_w[i], a.lambda_s[i]);
    q[i] = q[i] - a.mu[i];
  });
  team.sync();
  op.apply_adjoint(team, a.mu, a.nu);
  team.each(n, [=](index i) {
    a.lambda_w[i] = a.lambda_w[i] + a.nu[i];
    a.lambda_s[i] = momentum * madd(ahead, a.nu[i], a.mu[i]);
  });
  team.sync();
}

// grad holds ∂F/∂u and becomes dF/du; q = −Σμ. start is the w from which the run began. a.lambda_w becomes the derivative with
// respect to the state before the last steps: to w₀, where all are differentiated.
template <class T, class G, class P>
Report<T> unrolled_reverse(G team, const P& problem, const T* cache, const T* start, const T* grad_w, T* grad, T* q,
                           T* between, ReverseScratch<T> a, run_t<T> run, Pulse& pulse) {
  const rule_t<T> rule = run.rule;
  const index n = problem.inner_size();
  copy(team, n, grad_w, a.lambda_w);
  fill(team, n, T(0), a.lambda_s);
  fill(team, n, T(0), q);
  if constexpr (P::constant) {
    const auto& op = problem.hessian(cache, start);
    for (index t = 0; t < run.last && !pulse(op.madds()); ++t) step_back(team, op, a, rule, q);
    subtract_cross(team, problem, cache, start, q, grad, between);
  } else {
    const InnerGradient<T, P> gradient{problem, cache};
    const index stride = checkpoint_stride(run.last), kept = run.last ? (run.last - 1) / stride + 1 : 0;
    copy(team, n, start, a.w);
    fill(team, n, T(0), a.descend.s);
    advance(team, n, gradient, a.w, a.descend, rule, run.steps - run.last, pulse);
    for (index c = 0; c < kept; ++c) {
      copy(team, n, a.w, a.states + 2 * c * n);
      copy(team, n, a.descend.s, a.states + (2 * c + 1) * n);
      if (c + 1 < kept) advance(team, n, gradient, a.w, a.descend, rule, stride, pulse);
    }
    for (index c = kept; c-- > 0 && !pulse.stopped;) {
      const index length = c + 1 < kept ? stride : run.last - c * stride;
      copy(team, n, a.states + 2 * c * n, a.w);
      copy(team, n, a.states + (2 * c + 1) * n, a.descend.s);
      for (index t = 0; t < length && !pulse.stopped; ++t) {
        advance(team, n, gradient, a.w, a.descend, rule, 1, pulse);
        copy(team, n, a.descend.y, a.stretch + t * n);
      }
      for (index t = length; t-- > 0 && !pulse(gradient.madds());) {
        const T* y = a.stretch + t * n;
        step_back(team, problem.hessian(cache, y), a, rule, q);
        problem.cross_adjoint(team, cache, y, a.mu, between);
        team.each(problem.outer_size(), [=](index j) { grad[j] = grad[j] + between[j]; });
        team.sync();
      }
    }
  }
  using W = wide_t<T>;
  return {select(finite(team, problem.outer_size(), grad), T(COMPLETED), T(DIVERGED)), W(run.last), W(0), W(run.last)};
}

template <class T> struct ForwardScratch {
  DescendScratch<T> descend;
  T *w, *dw, *ds, *dy, *hy, *column;  // the four in the middle (m, n)
  ForwardScratch(Scratch& a, index n, index m)
      : descend(a, n), w(a.take<T>(n)), dw(a.take<T>(m * n)), ds(a.take<T>(m * n)), dy(a.take<T>(m * n)),
        hy(a.take<T>(m * n)), column(a.take<T>(n)) {}
};

template <class T, class G, class P>
Report<T> unrolled_forward(G team, const P& problem, const T* cache, const T* start, const T* grad_w, T* grad,
                           ForwardScratch<T> a, run_t<T> run, Pulse& pulse) {
  const rule_t<T> rule = run.rule;
  const index n = problem.inner_size(), m = problem.outer_size();
  const InnerGradient<T, P> gradient{problem, cache};
  const T step = convert<T>(-rule.step), momentum = T(rule.momentum);
  const T ahead = look_ahead_step<T>(rule);
  copy(team, n, start, a.w);
  fill(team, n, T(0), a.descend.s);
  fill(team, m * n, T(0), a.dw);
  fill(team, m * n, T(0), a.ds);
  if constexpr (!P::constant) advance(team, n, gradient, a.w, a.descend, rule, run.steps - run.last, pulse);
  for (index t = 0; t < run.last && !pulse(m * gradient.madds()); ++t) {
    if constexpr (!P::constant) look_ahead(team, n, gradient, a.w, a.descend, rule);
    team.each(m * n, [=](index k) { a.dy[k] = madd(ahead, a.ds[k], a.dw[k]); });
    team.sync();
    const auto& op = problem.hessian(cache, a.descend.y);
    op.apply_many(team, m, a.dy, a.hy);
    for (index j = 0; j < m; ++j) {
      problem.cross_column(team, cache, a.descend.y, j, a.column);
      T *const dw = a.dw + j * n, *const ds = a.ds + j * n, *const hy = a.hy + j * n, *const column = a.column;
      team.each(n, [=](index i) {
        ds[i] = madd(momentum, ds[i], hy[i] + column[i]);
        dw[i] = madd(step, ds[i], dw[i]);
      });
      team.sync();
    }
    if constexpr (!P::constant) move(team, n, a.w, a.descend, rule);
  }
  for (index j = 0; j < m; ++j) {
    const T s = dot(team, n, a.dw + j * n, grad_w);
    team.each(1, [=](index) { grad[j] = grad[j] + s; });
  }
  team.sync();
  using W = wide_t<T>;
  return {select(finite(team, m, grad), T(COMPLETED), T(DIVERGED)), W(run.last), W(0), W(m * run.last)};
}

template <class T> struct StepScratch {
  DescendScratch<T> descend;
  T *w, *dw, *ds, *dy, *hy;
  StepScratch(Scratch& a, index n)
      : descend(a, n), w(a.take<T>(n)), dw(a.take<T>(n)), ds(a.take<T>(n)), dy(a.take<T>(n)), hy(a.take<T>(n)) {}
};

// The derivative of F(u, w_T) with respect to the step α of the whole run: one tangent beside the run
template <class T, class G, class P>
T step_derivative(G team, const P& problem, const T* cache, const T* start, const T* grad_w, StepScratch<T> a, rule_t<T> rule,
                  index steps, Pulse& pulse) {
  const index n = problem.inner_size();
  const InnerGradient<T, P> gradient{problem, cache};
  const T step = convert<T>(-rule.step), momentum = T(rule.momentum), carried = T(rule.nesterov ? -rule.momentum : 0.0);
  const T ahead = look_ahead_step<T>(rule);
  T *const dw = a.dw, *const ds = a.ds, *const dy = a.dy, *const hy = a.hy, *const s = a.descend.s;
  copy(team, n, start, a.w);
  for (T* zero : {s, dw, ds}) fill(team, n, T(0), zero);
  for (index t = 0; t < steps && !pulse(2 * gradient.madds()); ++t) {
    look_ahead(team, n, gradient, a.w, a.descend, rule);
    team.each(n, [=](index i) { dy[i] = madd(ahead, ds[i], madd(carried, s[i], dw[i])); });
    team.sync();
    problem.hessian(cache, a.descend.y).apply(team, dy, hy);
    move(team, n, a.w, a.descend, rule);
    team.each(n, [=](index i) {
      ds[i] = madd(momentum, ds[i], hy[i]);
      dw[i] = madd(step, ds[i], dw[i] - s[i]);
    });
    team.sync();
  }
  return dot(team, n, dw, grad_w);
}

}  // namespace pyblo
