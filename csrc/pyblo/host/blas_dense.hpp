// A dense matrix whose product with eight vectors or more is one call of BLAS (forward-mode unrolling has one per outer
// variable); fewer vectors, or a tiny matrix, take the core's own product.
#pragma once
#include "blas_table.hpp"
#include "pyblo/core/operator/dense.hpp"

namespace pyblo {

template <class T> struct BlasDense : Dense<T> {
  // Where BLAS is used: its bits are not those of a lane, so such problems never go there
  static bool worth_it(index vectors, index rows) { return vectors >= 8 && rows >= 32; }

  template <class G, class V> void apply_many(G team, index count, const V* x, V* y) const {
    if constexpr (std::is_same_v<T, V>) {
      if (worth_it(count, this->rows)) {  // y (count, rows) = x (count, cols) Aᵀ
        gemm<T>(count, this->rows, this->cols, T(1), x, this->cols, this->at, this->rows, T(0), y, this->rows);
        return;
      }
    }
    Dense<T>::apply_many(team, count, x, y);
  }
};

}  // namespace pyblo
