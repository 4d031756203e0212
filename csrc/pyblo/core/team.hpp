// A Team is the workers that share one problem: each(n, f), sum(n, f), sync(). Solo is one core with one problem, or with
// one pack of problems; device/ adds parts of a warp and blocks of threads.
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
    // partial sums beyond n are zero: the upper levels of the tree add nothing
    if constexpr (Scalar<T>::lanes > 1) {  // one partial sum after the other: so many packs would leave the registers
      if (n == 0) return T(0);
      if (n <= 8) return subtree<T, 8>(0, n, f);
      if (n <= 16) return subtree<T, 16>(0, n, f);
      return subtree<T, 32>(0, n, f);
    } else {
      if (n <= 8) return partial<T, 8>(n, f);
      if (n <= 16) return partial<T, 16>(n, f);
      return partial<T, 32>(n, f);
    }
  }

  void sync() const {}

 private:
  // What the halving tree makes of the partial sums j, j + Step, j + 2 Step, …, of which none from n on exists
  template <class T, int Width, int Step = 1, class F> [[gnu::always_inline]] static T subtree(index j, index n, const F& f) {
    if constexpr (Step == Width) {
      T s = f(j, T(0));
      if constexpr (Width == 32)
        for (j += 32; j < n; j += 32) s = f(j, s);
      return s;
    } else {
      const T s = subtree<T, Width, 2 * Step>(j, n, f);
      return j + Step < n ? s + subtree<T, Width, 2 * Step>(j + Step, n, f) : s;
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
