// f = ½wᵀAw + wᵀBu + dᵀw + …,  F = ½wᵀPw + fᵀw + h.
//
// What an algorithm may ask of a problem (the inner condition is G(u, w) = 0, H = ∂G/∂w, M = ∂G/∂u):
//   constant                          H and M do not depend on w
//   outer_size, inner_size, cache_size, madds (the work of one product with H)
//   fix(team, u, cache)               whatever depends on u alone
//   gradient(team, cache, w, out)     G(u, w); w may be of the wide type
//   hessian(cache, w)                 H, an operator
//   cross_adjoint(team, cache, w, q, out)   Mᵀq
//   cross_column(team, cache, w, j, out)    column j of M
//   outer(team, u, w, grad_u, grad_w)       F, ∂F/∂u, ∂F/∂w
#pragma once
#include "../operator/dense.hpp"

namespace pyblo {

template <class T, class Matrix = Dense<T>> struct Quadratic {
  static constexpr bool constant = true;
  Matrix A;        // (n, n), symmetric
  Dense<T> B, P;   // (n, m), (n, n)
  const T *d, *f;  // (n,), (n,)
  T h;

  index outer_size() const { return B.cols; }
  index inner_size() const { return A.size(); }
  index cache_size() const { return A.size(); }
  index madds() const { return A.madds(); }

  // c = Bu + d
  template <class G> void fix(G team, const T* u, T* cache) const {
    B.apply(team, u, cache);
    const T* d = this->d;
    team.each(inner_size(), [=](index i) { cache[i] = cache[i] + d[i]; });
    team.sync();
  }
  template <class G, class V> void gradient(G team, const T* cache, const V* w, V* out) const {
    A.apply(team, w, out);
    team.each(inner_size(), [=](index i) { out[i] = out[i] + convert<V>(cache[i]); });
    team.sync();
  }
  const Matrix& hessian(const T*, const T*) const { return A; }
  template <class G> void cross_adjoint(G team, const T*, const T*, const T* q, T* out) const {
    B.apply_adjoint(team, q, out);
  }
  template <class G> void cross_column(G team, const T*, const T*, index j, T* out) const {
    const T* const column = B.a + j;
    const index stride = B.cols;
    team.each(inner_size(), [=](index i) { out[i] = column[i * stride]; });
    team.sync();
  }
  template <class G> T outer(G team, const T*, const T* w, T* grad_u, T* grad_w) const {
    const index n = inner_size();
    fill(team, outer_size(), T(0), grad_u);
    P.apply(team, w, grad_w);
    const T* f = this->f;
    const T value = team.template sum<T>(n, [=](index i, T s) {
      return madd(w[i], madd(T(0.5), grad_w[i], f[i]), s);
    });
    team.each(n, [=](index i) { grad_w[i] = grad_w[i] + f[i]; });
    team.sync();
    return value + h;
  }
};

}  // namespace pyblo
