// A sparse matrix in compressed rows, and its Gram form Φᵀ(S(Φx − t)) in one pass over it. The entries of a row may stand in any
// order; the shape of every sum is that of the stored entries.
#pragma once
#include "../level1.hpp"

namespace pyblo {

template <class T, class I> struct Csr {
  const T* values;
  const I* columns;  // of each value
  const I* starts;   // (rows + 1,): row i has the values from starts[i] to starts[i + 1]
  index rows, cols;

  index size() const { return cols; }
  index entries() const { return index(starts[rows]) - index(starts[0]); }
  index madds() const { return entries(); }

  // φ_i·x
  template <class G, class V> V dot_row(G team, index i, const V* x) const {
    const T* const v = values + starts[i];
    const I* const c = columns + starts[i];
    return team.template sum<V>(starts[i + 1] - starts[i], [=](index p, V s) {
      V xp = x[c[p]];
      hold(xp);  // else what lies apart is put together into registers first
      return madd(convert<V>(v[p]), xp, s);
    });
  }
  // y += a φ_i. The workers of a team share a row: its columns are distinct, unless one worker is the team.
  template <class G, class V> void add_row(G team, index i, V a, V* y) const {
    const T* const v = values + starts[i];
    const I* const c = columns + starts[i];
    team.each(starts[i + 1] - starts[i], [=](index p) { y[c[p]] = madd(convert<V>(v[p]), a, y[c[p]]); });
    team.sync();
  }

  template <class G, class V> void apply(G team, const V* x, V* y) const {
    for (index i = 0; i < rows; ++i) {
      const V s = dot_row(team, i, x);
      team.each(1, [=](index) { y[i] = s; });
    }
    team.sync();
  }
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const {
    fill(team, cols, V(0), y);
    for (index i = 0; i < rows; ++i) add_row(team, i, x[i], y);
  }
  template <class G, class V> void apply_many(G team, index count, const V* x, V* y) const {
    for (index k = 0; k < count; ++k) apply(team, x + k * cols, y + k * rows);
  }
};

// A symmetric sparse matrix: its own adjoint
template <class T, class I> struct SymmetricCsr : Csr<T, I> {
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const { this->apply(team, x, y); }
};

// Φᵀ(S(Φx − t)) for a sparse Φ, as Gram for a dense one
template <class T, class I> struct SparseGram {
  Csr<T, I> phi;
  T weight;
  const T* weights = nullptr;  // (rows,), times weight

  index size() const { return phi.cols; }
  index madds() const { return 2 * phi.entries(); }

  // y = Φᵀ(S(Φx − t)), t = 0 where null; returns ½(Φx − t)ᵀS(Φx − t)
  template <class G, class V> V sweep(G team, const V* x, const T* target, V* y) const {
    V energy = V(0);
    fill(team, phi.cols, V(0), y);
    for (index i = 0; i < phi.rows; ++i) {
      V r = phi.dot_row(team, i, x);
      if (target) r = r - convert<V>(target[i]);
      const V scaled = r * convert<V>(weights ? weights[i] * weight : weight);
      energy = madd(r, scaled, energy);
      phi.add_row(team, i, scaled, y);
    }
    return energy * V(0.5);
  }

  template <class G, class V> void apply(G team, const V* x, V* y) const { sweep(team, x, static_cast<const T*>(nullptr), y); }
  template <class G, class V> void apply_adjoint(G team, const V* x, V* y) const { apply(team, x, y); }
  template <class G, class V> void apply_many(G team, index count, const V* x, V* y) const {
    for (index k = 0; k < count; ++k) apply(team, x + k * size(), y + k * size());
  }
};

}  // namespace pyblo
