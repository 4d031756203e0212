// Biased regularisation: f = ½‖Xw − y‖² + ½β‖w − u‖², F = ½‖X′w − y′‖². H = XᵀX + βI and M = −βI; no Gram matrix is formed.
#pragma once
#include "../operator/gram.hpp"
#include "../operator/shifted.hpp"

namespace pyblo {

template <class T, class Matrix = Gram<T>> struct BiasedRidge {
  static constexpr bool constant = true;
  Matrix X, X_val;     // weight 1
  const T *y, *y_val;  // (X.rows,), (X_val.rows,)
  T beta;

  index outer_size() const { return X.cols; }
  index inner_size() const { return X.cols; }
  index cache_size() const { return X.cols; }
  index madds() const { return X.madds(); }

  template <class G> void fix(G team, const T* u, T* cache) const { copy(team, outer_size(), u, cache); }
  template <class G, class V> void gradient(G team, const T* cache, const V* w, V* out) const {
    X.sweep(team, w, y, out);
    const T beta = this->beta;
    team.each(inner_size(), [=](index i) { out[i] = madd(convert<V>(beta), w[i] - convert<V>(cache[i]), out[i]); });
    team.sync();
  }
  Shifted<T, Matrix> hessian(const T*, const T*) const { return {X, beta}; }
  template <class G> void cross_adjoint(G team, const T*, const T*, const T* q, T* out) const {
    const T beta = this->beta;
    team.each(outer_size(), [=](index i) { out[i] = -(beta * q[i]); });
    team.sync();
  }
  template <class G> void cross_column(G team, const T*, const T*, index j, T* out) const {
    const T beta = this->beta;
    team.each(inner_size(), [=](index i) { out[i] = i == j ? -beta : T(0); });
    team.sync();
  }
  template <class G> T outer(G team, const T*, const T* w, T* grad_u, T* grad_w) const {
    fill(team, outer_size(), T(0), grad_u);
    return X_val.sweep(team, w, y_val, grad_w);
  }
};

}  // namespace pyblo
