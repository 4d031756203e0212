// A Team is the workers that share one problem: each(n, f), sum(n, f), sync(). Solo is one core with one problem, or with
// one pack of problems; device/ adds the warp.
//
// The shape of a sum depends on n alone: term i goes to partial sum i mod 32, and a halving tree adds the partial sums.
// It is the shape of a warp's butterfly, so a core, a lane of a pack and a warp get the same bits.
#pragma once
#include "scalar.hpp"

namespace pyblo {

struct Solo {
  template <class F> void each(index n, F f) const {
    for (index i = 0; i < n; ++i) f(i);
  }

  // f(i, s) adds term i to s
  template <class T, class F> T sum(index n, F f) const {
    if constexpr (Scalar<T>::lanes > 1)
      if (n > 16 && n <= 64) return subtree<T, 1>(0, n, f);  // one sum after the other: that many partial sums of packs leave the registers
    if (n <= 8) return partial<T, 8>(n, f);  // partial sums beyond n are zero: the upper levels of the tree add nothing
    if (n <= 16) return partial<T, 16>(n, f);
    return partial<T, 32>(n, f);
  }

  void sync() const {}

 private:
  // What the halving tree makes of the partial sums j, j + Step, j + 2 Step, …, of which none from n on exists
  template <class T, int Step, class F> static T subtree(index j, index n, F f) {
    if constexpr (Step == 32) {
      T s = f(j, T(0));
      return j + 32 < n ? f(j + 32, s) : s;
    } else {
      const T s = subtree<T, 2 * Step>(j, n, f);
      return j + Step < n ? s + subtree<T, 2 * Step>(j + Step, n, f) : s;
    }
  }

  template <class T, int Width, class F> static T partial(index n, F f) {
    T s[Width];
    for (int j = 0; j < Width; ++j) s[j] = T(0);
    index i = 0;
    for (; i + Width <= n; i += Width)
      for (int j = 0; j < Width; ++j) s[j] = f(i + j, s[j]);
    for (int j = 0; i < n; ++i, ++j) s[j] = f(i, s[j]);
    for (int d = Width / 2; d; d /= 2)
      for (int j = 0; j < d; ++j) s[j] = s[j] + s[j + d];
    return s[0];
  }
};

}  // namespace pyblo
