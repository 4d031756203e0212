// Small problems for the tests of the core. All data are small integers times a power of two, so that float and double, and
// machines with and without fma, get exactly the same ones: A = 2^-p (M D Mᵀ + shift I), D = diag(±1).
#pragma once
#include <limits>
#include <vector>

#include "pyblo/core/pack.hpp"

namespace pyblo::test {

enum Kind : int { DEFINITE = 0, CONSISTENT_SINGULAR = 1, INCONSISTENT_SINGULAR = 2, INDEFINITE_MATRIX = 3 };

class Random {
 public:
  explicit Random(unsigned long long seed) : state_(seed * 2654435761u + 1) {}
  int between(int low, int high) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return low + int((state_ >> 33) % (unsigned long long)(high - low + 1));
  }

 private:
  unsigned long long state_;
};

template <class R> struct Case {
  Kind kind;
  index n, m, rows;
  std::vector<R> A, b, x0;            // A x = b
  std::vector<R> B, Bt, P, d, f, u;   // and with these the quadratic problem
  std::vector<R> X, y, X_val, y_val;  // ridge regression
};

template <class R> std::vector<R> eighths(Random& random, index count, int low = -8, int high = 8) {
  std::vector<R> values(count);
  for (R& v : values) v = R(random.between(low, high)) / 8;
  return values;
}

inline std::vector<long long> symmetric_integers(Random& random, index n, index rank, Kind kind, long long shift) {
  std::vector<long long> m(n * rank), a(n * n, 0);
  for (auto& v : m) v = random.between(-4, 4);
  for (index i = 0; i < n; ++i)
    for (index j = 0; j <= i; ++j) {
      for (index k = 0; k < rank; ++k) {
        const long long product = m[i * rank + k] * m[j * rank + k];
        a[i * n + j] += kind == INDEFINITE_MATRIX && k % 3 == 0 ? -product : product;
      }
      a[i * n + j] += i == j ? shift : 0;
      a[j * n + i] = a[i * n + j];
    }
  return a;
}

template <class R> void fill_linear(Case<R>& c, Random& random, int seed) {
  const index n = c.n, rank = c.kind == DEFINITE || c.kind == INDEFINITE_MATRIX ? n : n / 2;
  const long long shift = c.kind != DEFINITE ? 0 : seed % 3 == 0 ? 4 * n : seed % 3 == 1 ? n : 1;
  const auto a = symmetric_integers(random, n, rank, c.kind, shift);
  R scale = R(0.125);
  for (index k = 1; k < n; k *= 2) scale /= 2;
  c.A.resize(n * n);
  for (index i = 0; i < n * n; ++i) c.A[i] = R(a[i]) * scale;
  c.b = eighths<R>(random, n);
  for (index i = 0; i < n && c.kind == CONSISTENT_SINGULAR; ++i) {
    long long sum = 0;
    for (index j = 0; j < n; ++j) sum += a[i * n + j] * (j % 5 - 2);
    c.b[i] = R(sum) * scale;
  }
  c.x0 = eighths<R>(random, n);
}

template <class R> void fill_bilevel(Case<R>& c, Random& random) {
  const index n = c.n, m = c.m;
  c.B = eighths<R>(random, n * m);
  c.Bt.resize(n * m);
  for (index i = 0; i < n; ++i)
    for (index j = 0; j < m; ++j) c.Bt[j * n + i] = c.B[i * m + j];
  const auto p = symmetric_integers(random, n, 1, DEFINITE, 8);
  c.P.resize(n * n);
  for (index i = 0; i < n * n; ++i) c.P[i] = R(p[i]) / 64;
  c.d = eighths<R>(random, n);
  c.f = eighths<R>(random, n);
  c.u = eighths<R>(random, n > m ? n : m, -16, 4);
  c.X = eighths<R>(random, c.rows * n);
  c.y = eighths<R>(random, c.rows);
  c.X_val = eighths<R>(random, 5 * n);
  c.y_val = eighths<R>(random, 5);
}

// Neighbours that must not be noticed: a right-hand side at either end of the range, and data that are not finite
template <class R> void spoil(Case<R>& c, int k) {
  for (R& v : c.b) v = k == 12 ? v * R(0x1p-90) : k == 13 ? v * R(0x1p90) : v;
  if (k == 14) c.A[0] = std::numeric_limits<R>::quiet_NaN();
  if (k == 15) c.b[c.n - 1] = std::numeric_limits<R>::infinity();
}

// Problems of size n, the kinds in turn
template <class R> std::vector<Case<R>> make_cases(index n, int count, bool bilevel) {
  std::vector<Case<R>> cases(count);
  for (int k = 0; k < count; ++k) {
    Random random(1000 * n + k);
    cases[k].kind = Kind(k % 4);
    cases[k].n = n, cases[k].m = 1 + n % 5, cases[k].rows = n / 2 + 3;
    fill_linear(cases[k], random, k / 4);
    if (bilevel) fill_bilevel(cases[k], random);
    spoil(cases[k], k);
  }
  return cases;
}


// As many problems as T has lanes
template <class T> struct Group {
  using R = real_t<T>;
  std::vector<const Case<R>*> cases;

  const Case<R>& first() const { return *cases[0]; }
  std::vector<T> gather(std::vector<R> Case<R>::*field) const {
    std::vector<T> packed((first().*field).size());
    for (int l = 0; l < Scalar<T>::lanes; ++l)
      for (unsigned long i = 0; i < packed.size(); ++i) set_lane(packed[i], l, (cases[l]->*field)[i]);
    return packed;
  }
};

}  // namespace pyblo::test
