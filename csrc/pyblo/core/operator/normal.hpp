// AᵀA as an operator, through two products: conjugate gradients on the normal equations.
#pragma once
#include "../level1.hpp"

namespace pyblo {

template <class T, class A> struct Normal {
  const A& base;
  T* between;  // (size,) A x

  index size() const { return base.size(); }
  index madds() const { return 2 * base.madds(); }

  template <class G> void apply(G team, const T* x, T* y) const {
    base.apply(team, x, between);
    base.apply_adjoint(team, between, y);
  }
};

}  // namespace pyblo
