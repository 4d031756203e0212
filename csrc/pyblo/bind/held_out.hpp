// What many steps of one loop share: where F = ½‖Φₒw − y‖² has few rows, the matrix L = ΦₒVK of a spectral hypergradient.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "arrays.hpp"
#include "pyblo/host/kernels/data.hpp"

namespace pyblo {

// L (p, m) of one problem, in double; whether its numbers are far from both ends of the range
template <class T> bool held_out_response(const MatrixData<T>& phi, const T* rows, const T* V, index rank, const T* K, index m, T* L) {
  std::vector<double> t(rank), sums(m);
  double largest = 0;
  for (index i = 0; i < phi.rows; ++i) {
    std::fill(t.begin(), t.end(), 0.0), std::fill(sums.begin(), sums.end(), 0.0);
    for (index j = 0; j < phi.cols; ++j)
      for (index c = 0; c < rank; ++c) t[c] += double(rows[i * phi.cols + j]) * double(V[j * rank + c]);
    for (index c = 0; c < rank; ++c)
      for (index j = 0; j < m; ++j) sums[j] += t[c] * double(K[c * m + j]);
    for (index j = 0; j < m; ++j) {
      const double size = std::abs(sums[j]);
      L[i * m + j] = T(sums[j]), largest = size > largest || size != size ? size : largest;
    }
  }
  const double least = std::sqrt(double(std::numeric_limits<T>::min())), most = std::sqrt(double(std::numeric_limits<T>::max()));
  return largest > least && largest < most;
}

// Prepares L where products with it are the fewest. The shapes alone decide: no bit depends on the number of steps or on the batch
template <class T> void prepare_held_out(StepData<T>& data, Owners& owners) {
  constexpr index few = 16;
  auto* const spectral = std::get_if<SpectralData<T>>(&data.hypergradient);
  const auto* const target = std::get_if<TargetData<T>>(&data.problem);
  const auto* const biased = std::get_if<BiasedData<T>>(&data.problem);
  if (!spectral || (!target && !biased)) return;
  const MatrixData<T>&phi = target ? target->phi_out : biased->X_val, &V = spectral->V, &K = spectral->K;
  const index m = K.cols, n = V.rows, rank = V.cols, p = phi.rows;
  if (!p || p > few || 2 * p * m > (n + m) * std::min(n, m)) return;  // the rank of a batch is another than that of one problem
  const index count = phi.stride || V.stride || K.stride ? owners.count : 1;
  if (!count) return;
  T* const L = owners.template memory<T>(count * p * m);
  for (index k = 0; k < count; ++k)
    if (!held_out_response(phi, phi.a + k * phi.stride, V.a + k * V.stride, rank, K.a + k * K.stride, m, L + k * p * m)) return;
  const MatrixData<T> response{L, p, m, count > 1 ? p * m : 0, nullptr};
  spectral->held_out = {owners.both_ways(phi), owners.both_ways(response), target ? target->y_out : biased->y_val};
}

}  // namespace pyblo
