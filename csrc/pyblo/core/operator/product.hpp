// The matrix–vector product of each (scalar, team): the one primitive that is written more than once, because its shape in
// memory is what makes it fast. Every form adds the terms of an output in ascending order, one madd at a time: same bits.
#pragma once
#include "../level1.hpp"

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

// y = A x from a (rows, cols), row-major, each element a pack: four rows at a time
template <class T, class V> void multiply_rows(const T* a, index rows, index cols, const V* x, V* y) {
  index i = 0;
  for (; i + 4 <= rows; i += 4) {
    const T* r = a + i * cols;
    V s0 = V(0), s1 = V(0), s2 = V(0), s3 = V(0);
    for (index j = 0; j < cols; ++j) {
      const V xj = x[j];
      s0 = madd(convert<V>(r[j]), xj, s0);
      s1 = madd(convert<V>(r[cols + j]), xj, s1);
      s2 = madd(convert<V>(r[2 * cols + j]), xj, s2);
      s3 = madd(convert<V>(r[3 * cols + j]), xj, s3);
    }
    y[i] = s0, y[i + 1] = s1, y[i + 2] = s2, y[i + 3] = s3;
  }
  for (; i < rows; ++i) {
    V s = V(0);
    for (index j = 0; j < cols; ++j) s = madd(convert<V>(a[i * cols + j]), x[j], s);
    y[i] = s;
  }
}

template <class T, class V>
void multiply(Solo, const T* a, const T* at, index rows, index cols, const V* x, V* y) {
  if constexpr (Scalar<T>::lanes == 1)
    multiply_columns(at, rows, cols, x, y);
  else
    multiply_rows(a, rows, cols, x, y);
}

}  // namespace pyblo
