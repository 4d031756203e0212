// Target learning: f = ½‖Φw − u‖², F = ½‖Φₒw − y‖². H = ΦᵀΦ and M = −Φᵀ; neither Gram matrix is formed.
#pragma once
#include "../operator/gram.hpp"

namespace pyblo {

template <class T, class Matrix = Gram<T>> struct TargetLearning {
  static constexpr bool constant = true;
  Matrix phi, phi_out;  // weight 1
  const T* y_out;        // (phi_out.rows,)

  index outer_size() const { return phi.rows; }
  index inner_size() const { return phi.cols; }
  index cache_size() const { return phi.rows; }
  index madds() const { return phi.madds(); }

  template <class G> void fix(G team, const T* u, T* cache) const { copy(team, outer_size(), u, cache); }
  template <class G, class V> void gradient(G team, const T* cache, const V* w, V* out) const {
    phi.sweep(team, w, cache, out);
  }
  const Matrix& hessian(const T*, const T*) const { return phi; }
  template <class G> void cross_adjoint(G team, const T*, const T*, const T* q, T* out) const {
    const index n = inner_size();
    for (index i = 0; i < outer_size(); ++i) {
      const T* row = phi.phi + i * n;
      const T s = dot(team, n, row, q);
      team.each(1, [=](index) { out[i] = -s; });
    }
    team.sync();
  }
  template <class G> void cross_column(G team, const T*, const T*, index j, T* out) const {
    const T* row = phi.phi + j * inner_size();
    team.each(inner_size(), [=](index i) { out[i] = -row[i]; });
    team.sync();
  }
  template <class G> T outer(G team, const T*, const T* w, T* grad_u, T* grad_w) const {
    fill(team, outer_size(), T(0), grad_u);
    return phi_out.sweep(team, w, y_out, grad_w);
  }
};

}  // namespace pyblo
