// The product of a sparse row and a vector in whole registers: x is gathered, and what a row has beyond them is masked instead of added
// one by one. The sum has the shape of Solo::sum, so the bits of Csr::dot_row.
#pragma once
#include "pyblo/core/operator/csr.hpp"
#include "pyblo/core/pack.hpp"
#include "pyblo/core/team.hpp"

namespace pyblo {

#if defined(__AVX512F__)
// x[c[l]] in the lanes l of the mask, zero in the others
inline Pack<double, 8> gather(const double* x, const int* c, unsigned mask) {
  return Pack<double, 8>(_mm512_mask_i32gather_pd(_mm512_setzero_pd(), __mmask8(mask), _mm256_maskz_loadu_epi32(__mmask8(mask), c), x, 8));
}
inline Pack<double, 8> gather(const double* x, const index* c, unsigned mask) {
  return Pack<double, 8>(_mm512_mask_i64gather_pd(_mm512_setzero_pd(), __mmask8(mask), _mm512_maskz_loadu_epi64(__mmask8(mask), c), x, 8));
}
inline Pack<float, 16> gather(const float* x, const int* c, unsigned mask) {
  return Pack<float, 16>(_mm512_mask_i32gather_ps(_mm512_setzero_ps(), __mmask16(mask), _mm512_maskz_loadu_epi32(__mmask16(mask), c), x, 4));
}
inline Pack<double, 8> load(const double* v, unsigned mask) { return Pack<double, 8>(_mm512_maskz_loadu_pd(__mmask8(mask), v)); }
inline Pack<float, 16> load(const float* v, unsigned mask) { return Pack<float, 16>(_mm512_maskz_loadu_ps(__mmask16(mask), v)); }
#endif

// φ_i·x; as Csr does it where there are no such registers
template <class T, class I> inline T gathered_dot(const Csr<T, I>& phi, index i, const T* x) {
  if constexpr (requires(unsigned mask) { gather(x, phi.columns, mask); }) {
    using P = decltype(gather(x, phi.columns, 0u));
    constexpr int terms = 32, registers = terms / P::lanes;
    P s[registers];
    unrolled<registers>([&]<int K>() { s[K] = P(0); });
    const index end = phi.starts[i + 1];
    const auto add = [&](index p, unsigned mask) {
      unrolled<registers>([&]<int K>() {
        constexpr int shift = K * P::lanes;
        const unsigned part = mask >> shift & ((1u << P::lanes) - 1);
        s[K] = madd(load(phi.values + p + shift, part), gather(x, phi.columns + p + shift, part), s[K]);
      });
    };
    index p = phi.starts[i];
    for (; p + terms <= end; p += terms) add(p, ~0u);
    if (p < end) add(p, (1u << (end - p)) - 1);
    return halving_sum<registers>(s);
  } else {
    return phi.dot_row(Solo{}, i, x);
  }
}

}  // namespace pyblo
