// The BLAS that SciPy carries, as a table of entry points handed over at import by pyblo/_blas.pyx: nothing is linked.
// Entries have the Fortran ABI (everything by pointer, 32-bit integers, column-major) and may be called without the GIL.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <type_traits>

namespace pyblo {

struct BlasTable {  // untyped, so that Cython can fill it; null until it has
  void* sgemm = nullptr;
  void* dgemm = nullptr;
};

BlasTable& blas();  // the table of this process, set once, at import

// C = alpha A B + beta C, row-major: A is (m, k), B (k, n) and C (m, n), with lda, ldb and ldc elements from row to row.
// With transpose_a, A is stored as its transpose, (k, m). C is not read where beta is zero.
// Throws std::length_error where a size does not fit BLAS's 32-bit integers.
template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, T alpha, const T* a, std::int64_t lda, const T* b, std::int64_t ldb, T beta, T* c,
          std::int64_t ldc, bool transpose_a = false) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
  using Gemm = void (*)(const char*, const char*, const int*, const int*, const int*, const T*, const T*, const int*, const T*, const int*,
                        const T*, T*, const int*);
  const auto call = reinterpret_cast<Gemm>(std::is_same_v<T, float> ? blas().sgemm : blas().dgemm);
  assert(call != nullptr);
  if (std::max({m, n, k, lda, ldb, ldc}) > std::numeric_limits<int>::max())
    throw std::length_error("a matrix product has a side beyond 2^31 - 1, the largest that BLAS can take");
  const auto size = [](std::int64_t value) { return static_cast<int>(value); };
  const auto stride = [](std::int64_t value) { return std::max(1, static_cast<int>(value)); };  // BLAS refuses 0, even for no elements
  // A row-major matrix is the transpose of a column-major one: C' = alpha B' A' + beta C'.
  const char plain = 'N', op_a = transpose_a ? 'T' : 'N';
  const int rows = size(n), columns = size(m), inner = size(k), stride_a = stride(lda), stride_b = stride(ldb), stride_c = stride(ldc);
  call(&plain, &op_a, &rows, &columns, &inner, &alpha, b, &stride_b, a, &stride_a, &beta, c, &stride_c);
}

}  // namespace pyblo
