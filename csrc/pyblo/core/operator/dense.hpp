// A dense matrix: y = A x and y = Aᵀ x.
#pragma once
#include "product.hpp"

namespace pyblo {

template <class T> struct Dense {
  const T* a;   // (rows, cols), row-major
  const T* at;  // its transpose, row-major; the same memory where A is symmetric
  index rows, cols;

  index size() const { return cols; }
  index madds() const { return rows * cols; }

  template <class G, class V> void apply(G team, const V* x, V* y) const {
    multiply(team, a, at, rows, cols, x, y);
    team.sync();
  }
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const {
    multiply(team, at, a, cols, rows, x, y);
    team.sync();
  }
  // Row k of y is A times row k of x
  template <class G, class V> void apply_many(G team, index count, const V* x, V* y) const {
    for (index k = 0; k < count; ++k) apply(team, x + k * cols, y + k * rows);
  }
};

}  // namespace pyblo
