// One run of conjugate gradients for A d = r from d = 0 (Hestenes & Stiefel 1952).
//
// 1/α = pᵀAp / rᵀr lies between the least and the largest eigenvalue. When it falls below n·ε times the largest value seen,
// the matrix is not positive definite to working precision along p, and the lane stops there with p kept.
#pragma once
#include "../level1.hpp"

namespace pyblo {

template <class T> struct Krylov {
  T *d, *r, *p, *q;       // (n,) correction, recursive residual, direction, A p
  mask_t<T> active;       // lanes still running
  mask_t<T> broken;       // lanes that met a direction without positive curvature
  T top;                  // the largest 1/α seen: a lower bound of λmax
  wide_t<T> steps;        // steps made, over all runs

  template <class G, class A> void run(G team, const A& op, wide_t<T> target, index max_steps, Pulse& pulse) {
    using W = wide_t<T>;
    const index n = op.size();
    T *const d = this->d, *const r = this->r, *const p = this->p, *const q = this->q;
    const mask_t<T> kept = broken;  // their p is the evidence
    team.each(n, [=](index i) { d[i] = T(0); p[i] = select(kept, p[i], r[i]); });
    team.sync();
    T rr = dot(team, n, r, r);
    const T limit = larger(convert<T>(target * target), T(floor_of_squares<T>));
    const T tiny = T(real_t<T>(n) * epsilon<T>);
    active = active & !(rr <= limit) & convert_mask<T>(steps < W(max_steps));
    while (any(active) && !pulse(op.madds())) {
      op.apply(team, p, q);
      const T pq = dot(team, n, p, q);
      const T curvature = pq / rr;
      const mask_t<T> good = active & (curvature > tiny * top);
      broken = broken | (active & !good);
      top = select(good, larger(curvature, top), top);
      const T alpha = rr / pq;
      team.each(n, [=](index i) {
        d[i] = select(good, madd(alpha, p[i], d[i]), d[i]);
        r[i] = select(good, madd(-alpha, q[i], r[i]), r[i]);
      });
      team.sync();
      const T next = dot(team, n, r, r);
      const T beta = next / rr;
      team.each(n, [=](index i) { p[i] = select(good, madd(beta, p[i], r[i]), p[i]); });
      team.sync();
      rr = select(good, next, rr);
      steps = steps + select(convert_mask<W>(good), W(1), W(0));
      active = good & !(rr <= limit) & convert_mask<T>(steps < W(max_steps));
    }
  }
};

}  // namespace pyblo
