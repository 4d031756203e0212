// Teams of CUDA threads that share one problem: thread r of a team of s does the indices r, r + s, …
//
// A sum has the shape of Solo::sum: term i goes to lane i mod 32, a halving tree adds the lanes, as a butterfly, after which every
// thread holds the same bits.
#pragma once
#include "pyblo/core/team.hpp"

namespace pyblo {

// The larger of two, or a NaN
template <class T> T larger_or_nan(T a, T b) { return b > a || b != b ? b : a; }

// f.operator()<K>(i) for the indices i = first + K·stride below n, of which there are at most Most; Most = 0 is any number, K then 0
template <int Most, class F> void strided(int first, int stride, index n, F f) {
  if constexpr (Most > 0)
    unrolled<Most>([&]<int K>() {
      if (first + K * stride < int(n)) f.template operator()<K>(index(first + K * stride));
    });
  else
    for (index i = first; i < n; i += stride) f.template operator()<0>(i);
}

// Width neighbouring threads of a warp, each with at most Most indices. Fewer than 32 do for n ≤ Width·Most: the partial sums beyond would
// be zero, and the first levels of the tree are within a thread.
template <int Width, int Most = 0> struct Lanes {
  static int rank() { return threadIdx.x % Width; }
  static index in_block() { return threadIdx.x / Width; }
  static index per_block() { return blockDim.x / Width; }

  template <class F> void each(index n, F f) const {
    strided<Most>(rank(), Width, n, [&]<int>(index i) { f(i); });
  }
  // f.operator()<K>(i) for the K-th index i of a thread
  template <class F> void each_own(index n, F f) const { strided<Most>(rank(), Width, n, f); }

  // f(i, s) adds term i to s
  template <class T, class F> T sum(index n, F f) const {
    return folded<T>(n, f, [](T a, T b) { return a + b; });
  }
  // The largest f(i) ≥ 0, or a NaN
  template <class T, class F> T largest(index n, F f) const {
    return folded<T>(n, [=](index i, T s) { return larger_or_nan(s, f(i)); }, [](T a, T b) { return larger_or_nan(a, b); });
  }
  // What one thread wrote before it, the others read after it; a shuffle promises no such thing.
  void sync() const { __syncwarp(mask()); }

 private:
  static constexpr int slots = Most > 1 && Width < 32 ? Most : 1;  // partial sums of a thread
  static_assert(Width * slots <= 32);

  static unsigned mask() { return Width == 32 ? ~0u : ((1u << Width % 32) - 1) << (threadIdx.x % 32 / Width * Width); }

  template <class T, class F, class Add> static T folded(index n, F f, Add add) {
    T s[slots];
    unrolled<slots>([&]<int K>() { s[K] = T(0); });
    strided<Most>(rank(), Width, n, [&]<int K>(index i) { s[K % slots] = f(i, s[K % slots]); });
    halve<slots / 2>(s, add);
    T all = s[0];
    for (int d = Width / 2; d; d /= 2) all = add(all, __shfl_xor_sync(mask(), all, d));
    return all;
  }
  template <int D, class T, class Add> static void halve(T* s, Add add) {
    if constexpr (D > 0) {
      unrolled<D>([&]<int K>() { s[K] = add(s[K], s[K + D]); });
      halve<D / 2>(s, add);
    }
  }
};

// All threads of a block, each of which has at most Most indices. Each of its warps makes every sum by itself: no value has to be handed
// round.
template <int Most = 0> struct Block {
  static int rank() { return threadIdx.x; }
  static index in_block() { return 0; }
  static index per_block() { return 1; }

  template <class F> void each(index n, F f) const {
    strided<Most>(rank(), blockDim.x, n, [&]<int>(index i) { f(i); });
  }
  template <class F> void each_own(index n, F f) const { strided<Most>(rank(), blockDim.x, n, f); }

  template <class T, class F> T sum(index n, F f) const {
    return shared([=](auto warp) { return warp.template sum<T>(n, f); });
  }
  template <class T, class F> T largest(index n, F f) const {
    return shared([=](auto warp) { return warp.template largest<T>(n, f); });
  }
  void sync() const { __syncthreads(); }

 private:
  // The terms come from threads of other warps, and may be overwritten as soon as one has them
  template <class F> auto shared(F fold) const {
    sync();
    const auto result = fold(Lanes<32, 2 * Most>{});  // a block of one index per thread has at most two warps
    sync();
    return result;
  }
};

}  // namespace pyblo
