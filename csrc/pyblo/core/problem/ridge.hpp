// Ridge regression: f = ½n⁻¹‖Xw − y‖² + ½wᵀdiag(λ)w, F = ½n′⁻¹‖X′w − y′‖². λ = u, or exp(u) with log; one per feature, or
// one for all. H = XᵀX/n + diag(λ) and Mᵀq = λ′∘w∘q, with λ′ = dλ/du.
#pragma once
#include "../operator/gram.hpp"
#include "../operator/shifted.hpp"

namespace pyblo {

template <class T, class Matrix = Gram<T>> struct Ridge {
  static constexpr bool constant = false;
  Matrix X, X_val;       // weights 1/n and 1/n′
  const T *y, *y_val;     // (X.rows,), (X_val.rows,)
  bool diagonal, log;

  index outer_size() const { return diagonal ? X.cols : 1; }
  index inner_size() const { return X.cols; }
  index cache_size() const { return X.cols; }
  index madds() const { return X.madds(); }

  // λ, one per feature
  template <class G> void fix(G team, const T* u, T* cache) const {
    const bool each = diagonal, exponent = log;
    team.each(inner_size(), [=](index i) {
      const T v = u[each ? i : 0];
      cache[i] = exponent ? exponential(v) : v;
    });
    team.sync();
  }
  template <class G, class V> void gradient(G team, const T* cache, const V* w, V* out) const {
    X.sweep(team, w, y, out);
    team.each(inner_size(), [=](index i) { out[i] = madd(convert<V>(cache[i]), w[i], out[i]); });
    team.sync();
  }
  Shifted<T, Matrix> hessian(const T* cache, const T*) const { return {X, T(0), cache}; }
  template <class G> void cross_adjoint(G team, const T* cache, const T* w, const T* q, T* out) const {
    const bool exponent = log;
    if (diagonal) {
      team.each(inner_size(), [=](index i) { out[i] = (exponent ? cache[i] * w[i] : w[i]) * q[i]; });
    } else {
      const T s = team.template sum<T>(inner_size(), [=](index i, T t) {
        return madd(exponent ? cache[i] * w[i] : w[i], q[i], t);
      });
      team.each(1, [=](index) { out[0] = s; });
    }
    team.sync();
  }
  template <class G> void cross_column(G team, const T* cache, const T* w, index j, T* out) const {
    const bool exponent = log, each = diagonal;
    team.each(inner_size(), [=](index i) {
      const T slope = exponent ? cache[i] * w[i] : w[i];
      out[i] = each && i != j ? T(0) : slope;
    });
    team.sync();
  }
  template <class G> T outer(G team, const T*, const T* w, T* grad_u, T* grad_w) const {
    fill(team, outer_size(), T(0), grad_u);
    return X_val.sweep(team, w, y_val, grad_w);
  }
};

}  // namespace pyblo
