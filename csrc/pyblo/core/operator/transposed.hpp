// The transpose of an operator.
#pragma once
#include "../level1.hpp"

namespace pyblo {

template <class A> struct Transposed {
  const A& base;

  index size() const { return base.size(); }
  index madds() const { return base.madds(); }

  template <class G, class V> void apply(G team, const V* x, V* y) const { base.apply_adjoint(team, x, y); }
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const { base.apply(team, x, y); }
};

}  // namespace pyblo
