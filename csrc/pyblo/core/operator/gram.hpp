// The Gram form y = Φᵀ(S(Φx − t)), Φ (rows, cols), in one pass over Φ; ΦᵀΦ is never formed. S is one weight, or one per row.
#pragma once
#include "../level1.hpp"

namespace pyblo {

template <class T> struct Gram {
  const T* phi;
  index rows, cols;
  T weight;
  const T* weights = nullptr;  // (rows,), times weight

  index size() const { return cols; }
  index madds() const { return 2 * rows * cols; }

  // y = Φᵀ(S(Φx − t)), t = 0 where null; returns ½(Φx − t)ᵀS(Φx − t)
  template <class G, class V> V sweep(G team, const V* x, const T* target, V* y) const {
    const index n = cols;
    V energy = V(0);
    team.each(n, [=](index j) { y[j] = V(0); });
    for (index i = 0; i < rows; ++i) {
      const T* row = phi + i * n;
      V r = team.template sum<V>(n, [=](index j, V s) { return madd(convert<V>(row[j]), x[j], s); });
      if (target) r = r - convert<V>(target[i]);
      const V scaled = r * convert<V>(weights ? weights[i] * weight : weight);
      energy = madd(r, scaled, energy);
      team.each(n, [=](index j) { y[j] = madd(convert<V>(row[j]), scaled, y[j]); });
    }
    team.sync();
    return energy * V(0.5);
  }

  template <class G, class V> void apply(G team, const V* x, V* y) const { sweep(team, x, static_cast<const T*>(nullptr), y); }
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const { apply(team, x, y); }
  template <class G, class V> void apply_many(G team, index count, const V* x, V* y) const {
    for (index k = 0; k < count; ++k) apply(team, x + k * cols, y + k * cols);
  }
};

}  // namespace pyblo
