// A problem whose derivatives are functions handed in at run time: it reaches the loops of the core like any other.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "pyblo/core/level1.hpp"

namespace pyblo {

// y = H x, or Hᵀx, at one (u, w); wide is the same for vectors in float64
template <class T> struct Product {
  std::function<void(bool adjoint, const T* x, T* y)> narrow;
  std::function<void(bool adjoint, const double* x, double* y)> wide;
};

template <class T> struct Callbacks {
  index outer_size, inner_size;
  std::function<void(const T* u, const T* w, T* out)> gradient;
  std::function<void(const T* u, const double* w, double* out)> wide_gradient;
  std::function<Product<T>(const T* u, const T* w)> hessian;
  std::function<void(const T* u, const T* w, const T* q, T* out)> cross_adjoint;
  std::function<void(const T* u, const T* w, index j, T* out)> cross_column;
  std::function<T(const T* u, const T* w, T* grad_u, T* grad_w)> outer;
};

template <class T> struct CallbackOperator {
  index n;
  Product<T> product;

  index size() const { return n; }
  index madds() const { return n; }
  template <class G, class V> void apply(G, const V* x, V* y) const { call(false, x, y); }
  template <class G, class V> void apply_adjoint(G, const V* x, V* y) const { call(true, x, y); }
  template <class G, class V> void apply_many(G team, index count, const V* x, V* y) const {
    for (index k = 0; k < count; ++k) apply(team, x + k * n, y + k * n);
  }

 private:
  template <class V> void call(bool adjoint, const V* x, V* y) const {
    if constexpr (std::is_same_v<V, T>) {
      product.narrow(adjoint, x, y);
    } else if constexpr (std::is_same_v<V, double>) {
      product.wide(adjoint, x, y);
    } else {  // twice the wide precision: a function of the user's has float64 at the most
      std::vector<double> from(n), to(n);
      for (index i = 0; i < n; ++i) from[i] = x[i].high;
      product.wide(adjoint, from.data(), to.data());
      for (index i = 0; i < n; ++i) y[i] = V(to[i]);
    }
  }
};

template <class T> struct CallbackProblem {
  static constexpr bool constant = false;
  std::shared_ptr<const Callbacks<T>> f;

  index outer_size() const { return f->outer_size; }
  index inner_size() const { return f->inner_size; }
  index cache_size() const { return f->outer_size; }
  index madds() const { return f->inner_size; }

  template <class G> void fix(G team, const T* u, T* cache) const { copy(team, outer_size(), u, cache); }
  template <class G> void gradient(G, const T* u, const T* w, T* out) const { f->gradient(u, w, out); }
  template <class G, class V> void gradient(G, const T* u, const V* w, V* out) const { f->wide_gradient(u, w, out); }
  CallbackOperator<T> hessian(const T* u, const T* w) const { return {inner_size(), f->hessian(u, w)}; }
  template <class G> void cross_adjoint(G, const T* u, const T* w, const T* q, T* out) const { f->cross_adjoint(u, w, q, out); }
  template <class G> void cross_column(G, const T* u, const T* w, index j, T* out) const { f->cross_column(u, w, j, out); }
  template <class G> T outer(G, const T* u, const T* w, T* grad_u, T* grad_w) const { return f->outer(u, w, grad_u, grad_w); }
};

}  // namespace pyblo
