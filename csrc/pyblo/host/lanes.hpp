// Problems of a batch put side by side in the lanes of a pack, and taken out again.
#pragma once
#include <cstring>
#include <utility>

#include "pyblo/core/operator/symmetric.hpp"
#include "pyblo/core/pack.hpp"

namespace pyblo {

// Of blocks of D numbers in a and b: what a has (with Second, b) when the blocks beside the diagonal have changed places
template <int D, bool Second, class V, int... J> inline V exchanged(V a, V b, std::integer_sequence<int, J...>) {
  constexpr int n = sizeof...(J);
  return __builtin_shufflevector(a, b, (J & D ? n + J - (Second ? 0 : D) : J + (Second ? D : 0))...);
}

// N vectors of N numbers as the rows of a square, transposed in place: at each level blocks of the size D change places
template <int D, class R, int N> inline void transpose_from(Pack<R, N>* v) {
  if constexpr (D > 0) {
    constexpr auto places = std::make_integer_sequence<int, N>();
    unrolled<N>([&]<int I>() {
      if constexpr (!(I & D)) {
        const auto a = v[I].v, b = v[I + D].v;
        v[I].v = exchanged<D, false>(a, b, places), v[I + D].v = exchanged<D, true>(a, b, places);
      }
    });
    transpose_from<D / 2>(v);
  }
}
template <class R, int N> inline void transpose(Pack<R, N>* v) { transpose_from<N / 2>(v); }

// The same array of each of the problems in the lanes; lanes beyond the live ones repeat the last
template <class T> struct Sources {
  static constexpr int lanes = Scalar<T>::lanes, block = Scalar<RegisterOf<T>>::lanes;
  using R = real_t<T>;
  const R* of[lanes];
  bool shared;  // one array for all

  Sources(const R* array, index stride, index first, int live) : shared(stride == 0) {
    for (int l = 0; l < lanes; ++l) of[l] = array + (first + (l < live ? l : live - 1)) * stride;
  }

  // Elements at … at + size − 1 of every problem. Blocks are transposed; the last of them ends with the last element.
  void load(index at, index size, T* to) const {
    if (shared) {
      for (index i = 0; i < size; ++i) to[i] = T(of[0][at + i]);
    } else if (size < block) {
      for (index i = 0; i < size; ++i)
        for (int l = 0; l < lanes; ++l) set_lane(to[i], l, of[l][at + i]);
    } else {
      unrolled<registers<T>>([&]<int K>() {
        for (index i = 0; i < size; i += block) square<K>(at, i + block <= size ? i : size - block, to);
      });
    }
  }

 private:
  template <int K> void square(index at, index i, T* to) const {
    RegisterOf<T> square[block];
    unrolled<block>([&]<int L>() { square[L] = pyblo::load<RegisterOf<T>>(of[K * block + L] + at + i); });
    transpose(square);
    unrolled<block>([&]<int I>() { register_of<K>(to[i + I]) = square[I]; });
  }
};

template <class T> void pack(const Sources<T>& from, index size, T* to) { from.load(0, size, to); }

// Lane l of `from`, an array of `size`, to the array at to + l·stride, for the live lanes
template <class T> void unpack(const T* from, index size, real_t<T>* to, index stride, int live) {
  constexpr int block = Sources<T>::block;
  index i = 0;
  for (; i + block <= size; i += block)
    unrolled<registers<T>>([&]<int K>() {
      RegisterOf<T> square[block];
      for (int k = 0; k < block; ++k) square[k] = register_of<K>(from[i + k]);
      transpose(square);
      for (int l = 0; l < block && K * block + l < live; ++l) store(square[l], to + (K * block + l) * stride + i);
    });
  for (; i < size; ++i)
    for (int l = 0; l < live; ++l) to[l * stride + i] = lane(from[i], l);
}

// Where a and b have other bits
template <class R>
  requires(Scalar<R>::lanes == 1)
bool differ(R a, R b) {
  return std::memcmp(&a, &b, sizeof a) != 0;
}
template <class R, int N> inline Mask<R, N> differ(Pack<R, N> a, Pack<R, N> b) {
  using M = Mask<R, N>;
  if constexpr (requires { typename M::Half; })
    return {differ(a.low, b.low), differ(a.high, b.high)};
  else
    return M((typename M::V(a.v) ^ typename M::V(b.v)) != 0);
}
// The bits in which they differ, gathered in `apart`
template <class R, int N> inline void gather_differences(Pack<R, N> a, Pack<R, N> b, Mask<R, N>& apart) {
  using M = Mask<R, N>;
  if constexpr (requires { typename M::Half; })
    gather_differences(a.low, b.low, apart.low), gather_differences(a.high, b.high, apart.high);
  else
    apart.v |= typename M::V(a.v) ^ typename M::V(b.v);
}

// How far the (n, n) matrices are from symmetric
template <class T> struct Asymmetry {
  T gap = T(0), size = T(0);  // the largest |a_ij − a_ji| and |a_ij|; a NaN stays

  void see(T a, T b) {
    const T d = select(!differ(a, b), T(0), magnitude(a - b));  // ∞ − ∞ is no gap
    gap = select((d > gap) | !(d == d), d, gap);
  }
  void see_size(T a) { size = larger(magnitude(a), size); }
  T ratio() const { return select(gap == T(0), T(0), gap / size); }
};

// The lower triangles of the (n, n) matrices for operator/symmetric.hpp: a block of its rows after the other, from the last up, so that
// what an element above the diagonal is compared with has been written
template <class T> class SymmetricPacking {
 public:
  static constexpr int height = int(Symmetric<T>::height);

  SymmetricPacking(const Sources<T>& from, index n, T* to, T* rows) : from_(from), n_(n), to_(to), rows_(rows) {}

  void run(Asymmetry<T>& asymmetry) const {
    mask_t<T> apart = false;
    pass([&](T below, T above) { gather_differences(below, above, apart); });
    if (!any(apart)) return;
    pass([&](T below, T above) { asymmetry.see(below, above); });  // rare
    if (any(!(asymmetry.gap == T(0))))
      for (index k = 0; k < Symmetric<T>::storage(n_); ++k) asymmetry.see_size(to_[k]);
  }

 private:
  template <class Compare> void pass(const Compare& compare) const {
    const index whole = n_ / height * height;
    with_count<height>(n_ - whole, [&]<int Count>() { block<Count>(whole, compare); });
    for (index r = whole; (r -= height) >= 0;) block<height>(r, compare);
  }
  // The rows r … r + Count − 1
  template <int Count, class Compare> void block(index r, const Compare& compare) const {
    const index n = n_;
    const T* const rows = rows_;
    from_.load(r * n, Count * n, rows_);
    T* to = to_ + Symmetric<T>::first_of(r / height);
    for (index j = 0; j < r; ++j, to += Count)
      unrolled<Count>([&]<int K>() { to[K] = rows[K * n + j]; });
    unrolled<Count * Count>([&]<int K>() {  // the square on the diagonal: column J, row I
      constexpr int J = K / Count, I = K % Count;
      to[K] = I < J ? rows[J * n + r + I] : rows[I * n + r + J];
      if (I < J) compare(to[K], rows[I * n + r + J]);
    });
    index j = r + Count;
    for (; j + height <= n; j += height) above<Count, height>(r, j, compare);
    with_count<height>(n - j, [&]<int Width>() { above<Count, Width>(r, j, compare); });
  }
  // Columns j … of these rows, which are rows below the diagonal
  template <int Count, int Width, class Compare> void above(index r, index j, const Compare& compare) const {
    const T* const below = to_ + Symmetric<T>::first_of(j / height) + r * Width;
    const T* const rows = rows_ + j;
    const index n = n_;
    unrolled<Count * Width>([&]<int K>() { compare(below[K], rows[K / Width * n + K % Width]); });
  }

  const Sources<T>& from_;
  index n_;
  T *to_, *rows_;
};

// One (n, n) matrix by its lower triangle, mirrored; by square blocks of registers
template <class R> void mirror(const R* a, index n, R* to, Asymmetry<R>& asymmetry) {
  using Register = Pack<R, register_bytes / int(sizeof(R))>;
  constexpr int lanes = Scalar<Register>::lanes;
  Asymmetry<R> found = asymmetry;
  const auto see = [&](index i, index j) {
    found.see(a[i * n + j], a[j * n + i]);
    to[i * n + j] = to[j * n + i] = a[i * n + j];
  };
  const index whole = n / lanes * lanes;
  for (index r = 0; r < whole; r += lanes)
    for (index c = 0; c <= r; c += lanes) {
      Register below[lanes], above[lanes];
      for (int k = 0; k < lanes; ++k) {
        below[k] = load<Register>(a + (r + k) * n + c);
        above[k] = load<Register>(a + (c + k) * n + r);
      }
      transpose(above);
      Mask<R, lanes> apart = false;
      for (int k = 0; k < lanes; ++k) apart = apart | differ(below[k], above[k]);
      if (any(apart))  // rare
        for (int k = 0; k < lanes; ++k)
          for (int l = 0; l < lanes; ++l) found.see(lane(below[k], l), lane(above[k], l));
      if (c == r) {  // above is its transpose: the part beyond the diagonal comes from there
        for (int k = 0; k < lanes; ++k)
          for (int l = k + 1; l < lanes; ++l) below[k].v[l] = above[k].v[l];
      }
      for (int k = 0; k < lanes; ++k) store(below[k], to + (r + k) * n + c);
      if (c == r) continue;
      transpose(below);
      for (int k = 0; k < lanes; ++k) store(below[k], to + (c + k) * n + r);
    }
  for (index i = whole; i < n; ++i)
    for (index j = 0; j <= i; ++j) see(i, j);
  if (found.gap != 0)
    for (index k = 0; k < n * n; ++k) found.see_size(to[k]);
  asymmetry = found;
}

}  // namespace pyblo
