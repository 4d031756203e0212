// Conjugate gradients whose success is judged by the true residual.
//
// The residual b − Ax of the x that is returned is computed in the wide type. Where it misses the tolerance although the
// recursive one met it, the run starts again on A d = b − Ax (iterative refinement), until that stops helping: this
// is the accuracy attainable in T. The residual is scaled by a power of two, so that no square leaves the range of T.
#pragma once
#include "../operator/normal.hpp"
#include "../scratch.hpp"
#include "../twofold.hpp"
#include "curvature.hpp"
#include "krylov.hpp"

namespace pyblo {

template <class T> struct Report {
  T status;             // a Status per lane
  wide_t<T> steps;      // iterations
  wide_t<T> residual;   // the true ‖b − Ax‖
  wide_t<T> products;   // products with A
};

template <class T> struct CgScratch {
  T *d, *r, *p, *q, *between;
  wide_t<T> *x, *residual;
  Twofold<wide_t<T>> *fine_x, *fine_residual;
  CgScratch(Scratch& s, index n, bool normal)
      : d(s.take<T>(n)), r(s.take<T>(n)), p(s.take<T>(n)), q(s.take<T>(n)), between(s.take<T>(normal ? n : 0)),
        x(s.take<wide_t<T>>(n)), residual(s.take<wide_t<T>>(n)), fine_x(s.take<Twofold<wide_t<T>>>(n)),
        fine_residual(s.take<Twofold<wide_t<T>>>(n)) {}
};

// ‖b − Ax‖·up for x = s.x, with the vector in s.residual; products counts
template <class T> struct TrueResidual {
  const T* b;
  wide_t<T> up, size, limit;  // the scale, ‖b‖·up, and the norm that is to be met
  CgScratch<T> s;

  template <class G, class A> wide_t<T> plain(G team, const A& op) const {
    using W = wide_t<T>;
    const T* const b = this->b;
    const W up = this->up;
    W *const x = s.x, *const r = s.residual;
    op.apply(team, x, r);
    team.each(op.size(), [=](index i) { r[i] = (convert<W>(b[i]) - r[i]) * up; });
    team.sync();
    return norm(team, op.size(), r);
  }

  // The same in twice the precision, on the lanes where the rounding of `plain`, at most about 8nε(λ‖x‖ + ‖b‖), could decide whether the
  // limit was met. top is a lower bound of λmax; where it is not known yet, every success is doubted.
  template <class G, class A> wide_t<T> judged(G team, const A& op, wide_t<T> top, mask_t<wide_t<T>> running) const {
    using W = wide_t<T>;
    using F = Twofold<W>;
    const index n = op.size();
    const W found = plain(team, op);
    const W noise = W(8 * double(n) * Limits<double>::epsilon) * madd(top * up, norm(team, n, s.x), size);
    const mask_t<W> doubt = running & ((magnitude(found - limit) <= noise) | ((found <= limit) & (top == W(0))));
    if (!any(doubt)) return found;
    const T* const b = this->b;
    const W up = this->up;
    W *const x = s.x, *const r = s.residual;
    F *const fine_x = s.fine_x, *const fine = s.fine_residual;
    team.each(n, [=](index i) { fine_x[i] = F(x[i]); });
    team.sync();
    op.apply(team, fine_x, fine);
    team.each(n, [=](index i) { r[i] = select(doubt, (convert<F>(b[i]) - fine[i]).high * up, r[i]); });
    team.sync();
    return norm(team, n, r);
  }
};

// Solves A x = b from x (from zero where from_zero). With normal, iterates on AᵀA d = Aᵀr: A need not be symmetric, and the
// residual judged is still that of A x = b. After INDEFINITE the direction that showed it is in s.p.
template <class T, class G, class A>
Report<T> cg(G team, const A& op, const T* b, T* x, bool from_zero, bool normal, CgScratch<T> s, Stop stop, Pulse& pulse) {
  using W = wide_t<T>;
  const index n = op.size();
  const T scale = inverse_power(team.template sum<T>(n, [=](index i, T t) { return t + magnitude(b[i]); }));
  const W up = convert<W>(scale), down = W(1) / up;
  const W size = square_root(team.template sum<W>(n, [=](index i, W t) {
    const W v = convert<W>(b[i]) * up;
    return madd(v, v, t);
  }));
  const W limit = larger(W(stop.rtol) * size, W(stop.atol) * up);
  const mask_t<W> nothing = size == W(0);

  const TrueResidual<T> residual_of{b, up, size, limit, s};

  team.each(n, [=](index i) {
    if (from_zero) x[i] = T(0);
    x[i] = select(convert_mask<T>(nothing), T(0), x[i]);
    s.x[i] = convert<W>(x[i]);
    s.residual[i] = convert<W>(b[i]) * up;
  });
  team.sync();
  W residual = from_zero ? size : residual_of.judged(team, op, W(0), true);
  W products = W(from_zero ? 0 : 1);
  T status = select(convert_mask<T>((residual <= limit) & is_finite(limit)), T(CONVERGED), T(RUNNING));
  mask_t<T> late = false;  // lanes that broke in a refinement: rounding, not evidence of an inconsistent system
  bool first = true;
  Krylov<T> krylov{s.d, s.r, s.p, s.q, mask_t<T>(false), mask_t<T>(false), T(0), W(0)};
  const W sweep = W(normal ? 2 : 1);  // products of one step
  W aim = limit;

  for (mask_t<T> running = status == T(RUNNING); any(running) && !pulse.stopped; running = status == T(RUNNING)) {
    W target = select(limit > W(0), larger(aim, residual * W(64 * epsilon<T>)), limit);
    team.each(n, [=](index i) { s.r[i] = convert<T>(s.residual[i]); });
    team.sync();
    krylov.active = running & is_finite(convert<T>(residual));
    const W before = krylov.steps;
    if (normal) {
      op.apply_adjoint(team, s.r, s.d);
      copy(team, n, s.d, s.r);
      target = norm(team, n, s.r) * (target / residual);
      krylov.run(team, Normal<T, A>{op, s.between}, target, stop.max_steps, pulse);
    } else {
      krylov.run(team, op, target, stop.max_steps, pulse);
    }
    team.each(n, [=](index i) { s.x[i] = convert<W>(convert<T>(madd(convert<W>(s.d[i]), down, s.x[i]))); });
    team.sync();
    const W next = residual_of.judged(team, op, convert<W>(krylov.top), convert_mask<W>(running));
    const mask_t<T> kept = running & (mask_t<T>(first) | convert_mask<T>(next <= residual));  // a refinement may only improve
    team.each(n, [=](index i) {
      x[i] = select(kept, convert<T>(s.x[i]), x[i]);
      s.x[i] = convert<W>(x[i]);
    });
    team.sync();
    const mask_t<T> met = convert_mask<T>(next <= limit), spent = !convert_mask<T>(krylov.steps < W(stop.max_steps));
    const mask_t<T> better = convert_mask<T>((next < residual * W(0.5)) | ((limit == W(0)) & (krylov.steps > before)));
    const mask_t<T> finite = convert_mask<T>(is_finite(next)) & is_finite(krylov.top);
    T outcome = select(spent | !better, T(pulse.stopped ? INTERRUPTED : NOT_CONVERGED), T(RUNNING));
    outcome = select(krylov.broken, T(INCONSISTENT), outcome);
    outcome = select(finite, select(met, T(CONVERGED), outcome), T(DIVERGED));
    const W tried = krylov.steps - before + select(convert_mask<W>(krylov.broken), W(1), W(0));
    products = products + select(convert_mask<W>(running), (tried + W(1)) * sweep, W(0));
    residual = select(convert_mask<W>(kept), next, residual);
    late = late | (running & krylov.broken & mask_t<T>(!first));
    first = false;
    status = select(running, outcome, status);
    aim = limit * W(0.0625);  // what a second run leaves must be small beside the rounding of x
  }

  if (any(status == T(INCONSISTENT)) && !normal) {
    op.apply(team, s.p, s.q);
    const T why = explain_breakdown(team, op, s.p, s.q, s.r, krylov.top);
    products = products + select(convert_mask<W>(status == T(INCONSISTENT)), W(2), W(0));
    status = select(status == T(INCONSISTENT), why, status);
    status = select((status == T(INCONSISTENT)) & late, T(NOT_CONVERGED), status);
  }
  status = select(status == T(RUNNING), T(INTERRUPTED), status);
  return {status, krylov.steps, residual * down, products};
}

}  // namespace pyblo
