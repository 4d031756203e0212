// The matrix–vector product of each (scalar, team): the one primitive that is written more than once, because its shape in
// memory is what makes it fast. Every form adds the terms of an output in ascending order, one madd at a time: same bits.
#pragma once
#include "../level1.hpp"
#if !defined(__CUDACC__)
#include "../pack.hpp"
#endif

namespace pyblo {

// y = A x from the transpose at (cols, rows), row-major: whole columns of A, four at a time
template <class T, class V> void multiply_columns(const T* at, index rows, index cols, const V* x, V* y) {
  for (index i = 0; i < rows; ++i) y[i] = V(0);
  index j = 0;
  for (; j + 4 <= cols; j += 4) {
    const T* c = at + j * rows;
    const V x0 = x[j], x1 = x[j + 1], x2 = x[j + 2], x3 = x[j + 3];
    for (index i = 0; i < rows; ++i) {
      V s = madd(convert<V>(c[i]), x0, y[i]);
      s = madd(convert<V>(c[rows + i]), x1, s);
      s = madd(convert<V>(c[2 * rows + i]), x2, s);
      y[i] = madd(convert<V>(c[3 * rows + i]), x3, s);
    }
  }
  for (; j < cols; ++j)
    for (index i = 0; i < rows; ++i) y[i] = madd(convert<V>(at[j * rows + i]), x[j], y[i]);
}

// Count outputs of y = A x from a (rows, cols), row-major, each element a pack: as many sums as hide the latency of one
template <int Count, class T, class V> void multiply_some_rows(const T* a, index cols, const V* x, V* y) {
  V s[Count];
  unrolled<Count>([&]<int K>() { s[K] = V(0); });
  for (index j = 0; j < cols; ++j) {
    const V xj = x[j];
    unrolled<Count>([&]<int K>() { s[K] = madd(convert<V>(a[K * cols + j]), xj, s[K]); });
  }
  unrolled<Count>([&]<int K>() { y[K] = s[K]; });
}

// Eight at a time, and the last ones in two parts that are alike: one row alone would wait for each of its terms
template <class T, class V> void multiply_rows(const T* a, index rows, index cols, const V* x, V* y) {
  const auto take = [&]<int Count>() {
    multiply_some_rows<Count>(a, cols, x, y);
    a += Count * cols, y += Count, rows -= Count;
  };
  while (rows >= 12 || rows == 8) take.template operator()<8>();
  if (rows > 10) take.template operator()<6>();
  if (rows > 8) take.template operator()<5>();
  with_count<8>(rows, take);
}

#if !defined(__CUDACC__)
// The same from the transpose, for one problem of real numbers: Count registers of outputs stay where they are while all columns pass
template <int Count, class R> void multiply_registers(const R* at, index rows, index cols, const R* x, R* y) {
  using Register = Pack<R, register_bytes / int(sizeof(R))>;
  constexpr int lanes = Scalar<Register>::lanes;
  Register s[Count];
  unrolled<Count>([&]<int K>() { s[K] = Register(0); });
  for (index j = 0; j < cols; ++j) {
    const Register xj(x[j]);
    unrolled<Count>([&]<int K>() { s[K] = madd(load<Register>(at + j * rows + K * lanes), xj, s[K]); });
  }
  unrolled<Count>([&]<int K>() { store(s[K], y + K * lanes); });
}

template <class R>
  requires(Scalar<R>::lanes == 1)
void multiply_columns(const R* at, index rows, index cols, const R* x, R* y) {
  constexpr index lanes = register_bytes / int(sizeof(R));
  if (rows < lanes) return multiply_columns<R, R>(at, rows, cols, x, y);
  index i = 0;
  for (; i + 8 * lanes <= rows; i += 8 * lanes) multiply_registers<8>(at + i, rows, cols, x, y + i);
  if (i + 4 * lanes <= rows) multiply_registers<4>(at + i, rows, cols, x, y + i), i += 4 * lanes;
  if (i + 2 * lanes <= rows) multiply_registers<2>(at + i, rows, cols, x, y + i), i += 2 * lanes;
  if (i + lanes <= rows) multiply_registers<1>(at + i, rows, cols, x, y + i), i += lanes;
  if (i < rows) multiply_registers<1>(at + rows - lanes, rows, cols, x, y + rows - lanes);  // some outputs a second time
}
#endif

// Of a real matrix both forms are given, and lanes may share it; of a matrix of packs one or both
template <class T, class V>
void multiply(Solo, const T* a, const T* at, index rows, index cols, const V* x, V* y) {
  if (Scalar<V>::lanes == 1 || !a)
    multiply_columns(at, rows, cols, x, y);
  else
    multiply_rows(a, rows, cols, x, y);
}

}  // namespace pyblo
