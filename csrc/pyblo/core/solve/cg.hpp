// Conjugate gradients whose success is judged by the true residual.
//
// Where the residual b − Ax of the x that is returned misses the tolerance although the recursive one met it, the run starts again
// on A d = b − Ax (iterative refinement), until that stops helping: this is the accuracy attainable in T. One run reduces the
// residual by 64ε at the most: below that it would work on rounding. The residual is scaled by a power of two, so that no square
// leaves the range of T.
#pragma once
#include "../operator/normal.hpp"
#include "curvature.hpp"
#include "krylov.hpp"
#include "residual.hpp"

namespace pyblo {

template <class T> struct Report {
  T status;             // a Status per lane
  wide_t<T> steps;      // iterations
  wide_t<T> residual;   // the true ‖b − Ax‖
  wide_t<T> products;   // products with A
};

template <class T> struct CgScratch {
  T *d, *r, *p, *q, *between;
  ResidualScratch<T> truth;
  CgScratch(Scratch& s, index n, bool normal)
      : d(s.take<T>(n)), r(s.take<T>(n)), p(s.take<T>(n)), q(s.take<T>(n)), between(s.take<T>(normal ? n : 0)), truth(s, n) {}
};

// A solve under way: scaled norms, and the lanes' outcomes
template <class T> struct Refinement {
  CgScratch<T> s;
  Stop stop;
  TrueResidual<T> truth;
  Krylov<T> krylov;
  T status;
  wide_t<T> residual, products;
  T boost;  // of the residual where b is tiny: A may be too, and pᵀAp must not underflow
  mask_t<T> late = false;  // broke in a refinement: by rounding, which is no evidence of an inconsistent system
  bool first = true;
  bool normal = false;

  // s.x ← x + d rounded to T, with A d = s.residual as well as one run can
  template <class G, class A> void correct(G team, const A& op, mask_t<T> running, Pulse& pulse) {
    using W = wide_t<T>;
    const index n = op.size();
    // recursive and true residual differ: what a second run leaves must be small beside the rounding of x
    const W aim = first ? truth.limit : truth.limit * W(0x1p-8);
    const W target = select(truth.limit > W(0), larger(aim, residual * W(64 * epsilon<T>)), W(0));
    const W before = krylov.steps, down = W(1) / truth.up;
    T *const r = s.r, *const d = s.d;
    W *const x = s.truth.x, *const rest = s.truth.residual;
    const T boost = this->boost * inverse_power(convert<T>(residual)), back = T(1) / boost;  // a power of two: every run begins near 1
    team.each(n, [=](index i) { r[i] = convert<T>(rest[i]) * boost; });
    team.sync();
    krylov.active = running & is_finite(convert<T>(residual));
    if (normal) {
      op.apply_adjoint(team, r, d);
      copy(team, n, d, r);
      krylov.run(team, Normal<T, A>{op, s.between}, norm(team, n, r) * (target / residual), stop.max_steps, pulse);
    } else {
      krylov.run(team, op, target * convert<W>(boost), stop.max_steps, pulse);
    }
    team.each(n, [=](index i) { x[i] = convert<W>(convert<T>(madd(convert<W>(d[i] * back), down, x[i]))); });
    team.sync();
    const W tried = krylov.steps - before + select(convert_mask<W>(krylov.broken), W(1), W(0));
    products = products + select(convert_mask<W>(running), (tried + W(1)) * W(normal ? 2 : 1), W(0));
  }

  // x ← s.x where that is better, and what became of each lane; stepped: lanes on which the run made a step
  template <class G, class A> void judge(G team, const A& op, T* x, mask_t<T> running, mask_t<wide_t<T>> stepped, bool stopped) {
    using W = wide_t<T>;
    W* const found = s.truth.x;
    const W next = truth.judged(team, op, convert<W>(krylov.top), convert_mask<W>(running));
    // a refinement, or a run that broke down, may only improve
    const mask_t<T> kept = running & ((mask_t<T>(first) & !krylov.broken) | convert_mask<T>(next <= residual));
    team.each(op.size(), [=](index i) {
      x[i] = select(kept, convert<T>(found[i]), x[i]);
      found[i] = convert<W>(x[i]);
    });
    team.sync();
    const mask_t<T> met = convert_mask<T>(next <= truth.limit), spent = !convert_mask<T>(krylov.steps < W(stop.max_steps));
    const mask_t<T> better = convert_mask<T>((next < residual * W(0.875)) | ((truth.limit == W(0)) & stepped));
    const mask_t<T> finite = convert_mask<T>(is_finite(next)) & is_finite(krylov.top);
    T outcome = select(spent | !better, T(stopped ? INTERRUPTED : NOT_CONVERGED), T(RUNNING));
    outcome = select(krylov.broken, T(INCONSISTENT), outcome);
    outcome = select(finite, select(met, T(CONVERGED), outcome), T(DIVERGED));
    residual = select(convert_mask<W>(kept), next, residual);
    late = late | (running & krylov.broken & mask_t<T>(!first));
    status = select(running, outcome, status);
    first = false;
  }

  // INCONSISTENT, INDEFINITE with its direction in s.p, or just not better
  template <class G, class A> void explain(G team, const A& op) {
    const mask_t<T> broken = status == T(INCONSISTENT);
    if (normal || !any(broken)) return;
    op.apply(team, s.p, s.q);
    const T why = explain_breakdown(team, op, s.p, s.q, s.r, krylov.top);
    products = products + select(convert_mask<wide_t<T>>(broken), wide_t<T>(2), wide_t<T>(0));
    status = select(broken, select((why == T(INCONSISTENT)) & late, T(NOT_CONVERGED), why), status);
  }
};

// Solves A x = b from x (from zero where from_zero). With normal, iterates on AᵀA d = Aᵀr: A need not be symmetric, and the
// residual judged is still that of A x = b. After INDEFINITE the direction that showed it is in s.p.
template <class T, class G, class A>
Report<T> cg(G team, const A& op, const T* b, T* x, bool from_zero, bool normal, CgScratch<T> s, Stop stop, Pulse& pulse) {
  using W = wide_t<T>;
  const index n = op.size();
  const W up = convert<W>(inverse_power(team.template sum<T>(n, [=](index i, T t) { return t + magnitude(b[i]); })));
  const W size = square_root(team.template sum<W>(n, [=](index i, W t) {
    const W v = convert<W>(b[i]) * up;
    return madd(v, v, t);
  }));
  const W limit = larger(W(stop.rtol) * size, W(stop.atol) * up);
  W *const wide_x = s.truth.x, *const rest = s.truth.residual;
  team.each(n, [=](index i) {
    x[i] = select(mask_t<T>(from_zero) | convert_mask<T>(size == W(0)), T(0), x[i]);  // b = 0 has the solution 0
    wide_x[i] = convert<W>(x[i]);
    rest[i] = convert<W>(b[i]) * up;
  });
  team.sync();
  const W down = W(1) / up;
  const TrueResidual<T> truth{b, up, size, limit, s.truth};
  const W start = from_zero ? size : truth.judged(team, op, W(0), true);
  const T status = select(convert_mask<T>((start <= limit) & is_finite(limit)), T(CONVERGED), T(RUNNING));
  Refinement<T> run{s, stop, truth, {s.d, s.r, s.p, s.q, false, false, T(0), W(0)}, status, start, W(from_zero ? 0 : 1),
                    select(convert<T>(down) < T(Limits<real_t<T>>::tiny), T(Limits<real_t<T>>::boost), T(1))};
  run.normal = normal;
  for (mask_t<T> running = status == T(RUNNING); any(running) && !pulse.stopped; running = run.status == T(RUNNING)) {
    const W before = run.krylov.steps;
    run.correct(team, op, running, pulse);
    run.judge(team, op, x, running, run.krylov.steps > before, pulse.stopped);
  }
  run.explain(team, op);
  return {select(run.status == T(RUNNING), T(INTERRUPTED), run.status), run.krylov.steps, run.residual * down, run.products};
}

}  // namespace pyblo
