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
    for (int i = 0; i < N; ++i)
      if (!(i & D)) {
        const auto a = v[i].v, b = v[i + D].v;
        v[i].v = exchanged<D, false>(a, b, places), v[i + D].v = exchanged<D, true>(a, b, places);
      }
    transpose_from<D / 2>(v);
  }
}
template <class R, int N> inline void transpose(Pack<R, N>* v) { transpose_from<N / 2>(v); }

// The same array of each of the problems in the lanes; lanes beyond the live ones repeat the last
template <class T> struct Sources {
  static constexpr int lanes = Scalar<T>::lanes;
  using R = real_t<T>;
  const R* of[lanes];
  bool shared;  // one array for all

  Sources(const R* array, index stride, index first, int live) : shared(stride == 0) {
    for (int l = 0; l < lanes; ++l) of[l] = array + (first + (l < live ? l : live - 1)) * stride;
  }

  // Asks for the arrays one after the other: the rows that load() reads jump from one to the next, which no prefetcher foresees
  void prefetch(index size) const {
    constexpr index line = 64 / index(sizeof(R));
    for (int l = 0; l < (shared ? 1 : lanes); ++l)
      for (index i = 0; i < size; i += line) __builtin_prefetch(of[l] + i);
  }

  // Elements at … at + count − 1 of every problem, count ≤ lanes
  void load(index at, int count, T* to) const {
    if (shared) {
      for (int i = 0; i < count; ++i) to[i] = T(of[0][at + i]);
    } else if (count == lanes) {
      for (int l = 0; l < lanes; ++l) std::memcpy(&to[l].v, of[l] + at, sizeof(to[l].v));
      transpose(to);
    } else {
      for (int i = 0; i < count; ++i)
        for (int l = 0; l < lanes; ++l) to[i].v[l] = of[l][at + i];
    }
  }
};

template <class T> void pack(const Sources<T>& from, index size, T* to) {
  constexpr int lanes = Scalar<T>::lanes;
  for (index i = 0; i < size; i += lanes) from.load(i, int(size - i < lanes ? size - i : lanes), to + i);
}

// Lane l of `from`, an array of `size`, to the array at to + l·stride, for the live lanes
template <class T> void unpack(const T* from, index size, real_t<T>* to, index stride, int live) {
  constexpr int lanes = Scalar<T>::lanes;
  T block[lanes];
  index i = 0;
  for (; i + lanes <= size; i += lanes) {
    for (int k = 0; k < lanes; ++k) block[k] = from[i + k];
    transpose(block);
    for (int l = 0; l < live; ++l) std::memcpy(to + l * stride + i, &block[l].v, sizeof(block[l].v));
  }
  for (; i < size; ++i)
    for (int l = 0; l < live; ++l) to[l * stride + i] = lane(from[i], l);
}

// How far the (n, n) matrices are from symmetric
template <class T> struct Asymmetry {
  T gap = T(0), size = T(0);  // the largest |a_ij − a_ji| and |a_ij|; a NaN stays

  void see(T a, T b) {
    const T d = magnitude(a - b), s = magnitude(a);
    gap = select((d > gap) | !(d == d), d, gap), size = larger(s, size);
  }
  T ratio() const { return select(gap == T(0), T(0), gap / size); }
};

// The lower triangles of the (n, n) matrices for operator/symmetric.hpp, by square blocks of as many rows as there are lanes
template <class T> void pack_symmetric(const Sources<T>& from, index n, T* to, Asymmetry<T>& asymmetry) {
  constexpr int lanes = Scalar<T>::lanes;
  T below[lanes][lanes], above[lanes][lanes];
  Asymmetry<T> found = asymmetry;
  if (n <= 64) from.prefetch(n * n);
  for (index r = 0; r < n; r += lanes)
    for (index c = 0; c <= r; c += lanes) {
      const int rows = int(n - r < lanes ? n - r : lanes), cols = int(n - c < lanes ? n - c : lanes);
      for (int i = 0; i < rows; ++i) from.load((r + i) * n + c, cols, below[i]);
      for (int j = 0; j < cols && c < r; ++j) from.load((c + j) * n + r, rows, above[j]);
      for (int i = 0; i < rows; ++i) {
        const int last = c < r ? cols : i + 1;
        T* const row = to + Symmetric<T>::place(r + i, c, n);
        const index stride = Symmetric<T>::place(r + i, c + 1, n) - Symmetric<T>::place(r + i, c, n);
        for (int j = 0; j < last; ++j) {
          row[j * stride] = below[i][j];
          found.see(below[i][j], c < r ? above[j][i] : below[j][i]);
        }
      }
    }
  asymmetry = found;
  for (index i = 0; i < n; ++i)  // the squares on the diagonal are full
    for (index j = i + 1; j < n && j % Symmetric<T>::height; ++j) to[Symmetric<T>::place(i, j, n)] = to[Symmetric<T>::place(j, i, n)];
}

// One (n, n) matrix by its lower triangle, mirrored; by square blocks of registers
template <class R> void mirror(const R* a, index n, R* to, Asymmetry<R>& asymmetry) {
  using Register = Pack<R, register_bytes / int(sizeof(R))>;
  constexpr int lanes = Scalar<Register>::lanes;
  Asymmetry<Register> found;
  const auto see = [&](index i, index j) {
    asymmetry.see(a[i * n + j], a[j * n + i]);
    to[i * n + j] = to[j * n + i] = a[i * n + j];
  };
  const index whole = n / lanes * lanes;
  for (index r = 0; r < whole; r += lanes)
    for (index c = 0; c <= r; c += lanes) {
      Register below[lanes], above[lanes];
      for (int k = 0; k < lanes; ++k) {
        std::memcpy(&below[k], a + (r + k) * n + c, sizeof(Register));
        std::memcpy(&above[k], a + (c + k) * n + r, sizeof(Register));
      }
      transpose(above);
      for (int k = 0; k < lanes; ++k) found.see(below[k], above[k]);
      if (c == r) {  // above is its transpose: the part beyond the diagonal comes from there
        for (int k = 0; k < lanes; ++k)
          for (int l = k + 1; l < lanes; ++l) below[k].v[l] = above[k].v[l];
      }
      for (int k = 0; k < lanes; ++k) std::memcpy(to + (r + k) * n + c, &below[k], sizeof(Register));
      if (c == r) continue;
      transpose(below);
      for (int k = 0; k < lanes; ++k) std::memcpy(to + (c + k) * n + r, &below[k], sizeof(Register));
    }
  for (index i = whole; i < n; ++i)
    for (index j = 0; j <= i; ++j) see(i, j);
  for (int l = 0; l < lanes; ++l) {
    const R gap = lane(found.gap, l);
    asymmetry.gap = gap > asymmetry.gap || gap != gap ? gap : asymmetry.gap;
    asymmetry.size = larger(lane(found.size, l), asymmetry.size);
  }
}

}  // namespace pyblo
