// A + shift·I, or A + diag(shifts): damping and regularisation.
#pragma once
#include "../level1.hpp"

namespace pyblo {

template <class T, class A> struct Shifted {
  A base;
  T shift;
  const T* shifts = nullptr;  // (size,), added to shift

  index size() const { return base.size(); }
  index madds() const { return base.madds(); }

  template <class G, class V> void apply(G team, const V* x, V* y) const {
    base.apply(team, x, y);
    add(team, 1, x, y);
  }
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const {
    base.apply_adjoint(team, x, y);
    add(team, 1, x, y);
  }
  template <class G, class V> void apply_many(G team, index count, const V* x, V* y) const {
    base.apply_many(team, count, x, y);
    add(team, count, x, y);
  }

 private:
  template <class G, class V> void add(G team, index count, const V* x, V* y) const {
    const index n = size();
    const T constant = shift;
    const T* each = shifts;
    team.each(count * n, [=](index k) {
      const V d = convert<V>(each ? each[k % n] + constant : constant);
      y[k] = madd(d, x[k], y[k]);
    });
    team.sync();
  }
};

}  // namespace pyblo
