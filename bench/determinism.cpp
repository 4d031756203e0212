// What the fixed shape of a sum costs: batched conjugate gradients of the core in lanes, whose dots are shaped by n alone, beside
// the same text with a team that is free to add in whatever shape is fastest here (eight partial sums, added pairwise).
//   determinism fixed|free <n>      prints the seconds of one solve of as many problems as there are lanes
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "pyblo/core/operator/dense.hpp"
#include "pyblo/core/solve/krylov.hpp"

using namespace pyblo;
using Lanes = Pack<double, register_bytes / 8>;

struct Free : Solo {
  template <class T, class F> T sum(index n, F f) const {
    T s[8];
    for (auto& a : s) a = T(0);
    index i = 0;
    for (; i + 8 <= n; i += 8)
      for (int j = 0; j < 8; ++j) s[j] = f(i + j, s[j]);
    for (int j = 0; i < n; ++i, ++j) s[j] = f(i, s[j]);
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
  }
};

struct Problem {
  index n, steps;
  std::vector<Lanes> a, b, d, r, p, q;

  explicit Problem(index n) : n(n), steps(n < 64 ? n : 64), a(n * n), b(n), d(n), r(n), p(n), q(n) {
    std::mt19937_64 random(7);
    std::normal_distribution<double> normal;
    for (index i = 0; i < n; ++i) {
      for (index j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = Lanes(normal(random) / (4 * n) + (i == j ? 1.0 + double(i) / n : 0.0));
      b[i] = Lanes(normal(random));
    }
  }

  template <class Team> double seconds(Team team) {
    const auto start = std::chrono::steady_clock::now();
    const index times = 1 + 20'000'000 / (steps * (n * n + 5 * n) * Scalar<Lanes>::lanes);
    for (index k = 0; k < times; ++k) {
      r = b;
      Krylov<Lanes> krylov{d.data(), r.data(), p.data(), q.data(), true, false, Lanes(0), Lanes(0)};
      Pulse pulse;
      krylov.run(team, Dense<Lanes>{a.data(), a.data(), n, n}, Lanes(0), steps, pulse);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / times;
  }
};

int main(int count, char** arguments) {
  if (count != 3) return 1;
  Problem problem(std::atol(arguments[2]));
  const bool fixed = arguments[1][1] == 'i';
  double least = 1e300;
  for (int round = 0; round < 5; ++round) least = std::min(least, fixed ? problem.seconds(Solo{}) : problem.seconds(Free{}));
  std::printf("%.9g\n", least);
}
