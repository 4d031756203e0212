// The spectral route of a problem with a fixed H = V diag(λ) Vᵀ: whatever polynomial or rational function of H a method is,
// it costs the products with V alone. From the start w₀ the inner run is  w = w₀ − R∇_w f(u, w₀) = w₀ − V(ρλ∘Vᵀw₀ + Ku + k)
// with K = ρ∘VᵀB, k = ρ∘Vᵀd, and the hypergradient is  ∂F/∂u − BᵀR g = ∂F/∂u − Kᵀ(Vᵀg) with the K of its own filter.
// V needs only the columns on which B and d act: (I − AA⁺)[B d] = 0 where f is bounded below.
#pragma once
#include "../operator/dense.hpp"
#include "../solve/cg.hpp"

namespace pyblo {

// Matrix: Dense<T>, or one of real numbers that all lanes share
template <class T, class Matrix> struct SpectralInner {
  Matrix V, K;           // (n, r), (r, m)
  const T *damping, *k;  // (r,) ρλ and ρ∘Vᵀd

  index scratch_size() const { return 2 * V.cols; }

  template <class G> Report<T> run(G team, const T* u, const T* start, T* w, T* scratch) const {
    using W = wide_t<T>;
    const index n = V.rows, r = V.cols;
    T *const t = scratch, *const s = scratch + r;
    const T *const damping = this->damping, *const k = this->k;
    V.apply_adjoint(team, start, t);
    K.apply(team, u, s);
    team.each(r, [=](index i) { t[i] = madd(damping[i], t[i], s[i] + k[i]); });
    team.sync();
    V.apply(team, t, w);
    team.each(n, [=](index i) { w[i] = start[i] - w[i]; });
    team.sync();
    return {select(finite(team, n, w), T(COMPLETED), T(DIVERGED)), W(0), W(0), W(0)};
  }
};

template <class T, class P, class Matrix> struct SpectralHypergradient {
  P problem;
  Matrix V, K;

  template <class G> T run(G team, const T* u, const T* w, T* grad, T* grad_w, T* t, T* between) const {
    const T value = problem.outer(team, u, w, grad, grad_w);
    V.apply_adjoint(team, grad_w, t);
    K.apply_adjoint(team, t, between);
    team.each(problem.outer_size(), [=](index j) { grad[j] = grad[j] - between[j]; });
    team.sync();
    return value;
  }
};

// The same of F = ½‖Φₒw − y‖² with few rows: dF/du = −Lᵀr of the residual r = Φₒw − y, with L = ΦₒVK prepared once for many steps.
template <class T, class Matrix> struct HeldOutHypergradient {
  Matrix phi, L;  // (p, n), (p, m)
  const T* y;     // (p,)

  template <class G> T run(G team, const T* w, T* grad, T* grad_w, T* r) const {
    const index p = phi.rows;
    const T* const y = this->y;
    phi.apply(team, w, r);
    team.each(p, [=](index i) { r[i] = r[i] - y[i]; });
    team.sync();
    phi.apply_adjoint(team, r, grad_w);
    L.apply_adjoint(team, r, grad);
    team.each(L.cols, [=](index j) { grad[j] = -grad[j]; });
    team.sync();
    return dot(team, p, r, r) * T(0.5);
  }
};

}  // namespace pyblo
