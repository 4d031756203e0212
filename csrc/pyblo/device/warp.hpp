// The warp as a Team: 32 lanes share one problem, lane l does the indices l, l + 32, …. A sum is a butterfly, whose shape is
// that of Solo::sum: term i goes to lane i mod 32, a halving tree adds the lanes, and every lane holds the same bits.
#pragma once
#include "pyblo/core/operator/product.hpp"

namespace pyblo {

struct Warp {
  static constexpr int width = 32;

  template <class F> void each(index n, F f) const {
    for (index i = threadIdx.x % width; i < n; i += width) f(i);
  }

  // f(i, s) adds term i to s
  template <class T, class F> T sum(index n, F f) const {
    T s = T(0);
    for (index i = threadIdx.x % width; i < n; i += width) s = f(i, s);
    for (int d = width / 2; d; d /= 2) s = s + __shfl_xor_sync(~0u, s, d);
    return s;
  }

  // What one lane wrote before it, the others read after it; a shuffle promises no such thing.
  void sync() const { __syncwarp(); }
};

// y = A x from the transpose at (cols, rows), row-major: neighbouring lanes read neighbouring elements
template <class T, class V>
void multiply(Warp team, const T*, const T* at, index rows, index cols, const V* x, V* y) {
  team.each(rows, [=](index i) {
    V s = V(0);
    for (index j = 0; j < cols; ++j) s = madd(convert<V>(at[j * rows + i]), x[j], s);
    y[i] = s;
  });
}

}  // namespace pyblo
