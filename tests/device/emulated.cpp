// The kernels of device/batch.cu, run by the emulator, give the bits of one core: a line of counts per algorithm, and failure
// at any difference. First the emulator is shown a divergent warp and a missing sync.
#include "cuda_emu.hpp"
#include "pyblo/device/batch.cu"
#include "../core/tally.hpp"

namespace pyblo::test {

constexpr unsigned blocks = 2, threads = 64;  // fewer warps than problems: each solves several with the same scratch

template <class R> struct Batch {
  index count, n;
  std::vector<R> A, b, x;
  std::vector<double> steps;
  Memory scratch;
  std::vector<pyblo::Outcome> out;

  explicit Batch(const std::vector<Case<R>>& cases, double step)
      : count(index(cases.size())), n(cases[0].n), steps(cases.size(), step), scratch(bytes() * (blocks * threads / 32)),
        out(cases.size()) {
    for (const Case<R>& c : cases) {
      A.insert(A.end(), c.A.begin(), c.A.end());
      b.insert(b.end(), c.b.begin(), c.b.end());
      x.insert(x.end(), c.x0.begin(), c.x0.end());
    }
  }
  index bytes() const {
    index need[2];
    emu::launch(1, 1, emu::Order::ascending, [&] { scratch_bytes<R>(n, true, need); });
    return larger(need[0], need[1]);
  }
};

template <class R> void kernel(const Cg& a, Batch<R>& s) {
  char* scratch = s.scratch.scratch().base;
  batch_cg(s.count, s.n, s.A.data(), s.b.data(), s.x.data(), a.from_zero, a.normal, a.stop, scratch, s.out.data());
}
template <class R> void kernel(const Neumann& a, Batch<R>& s) {
  char* scratch = s.scratch.scratch().base;
  batch_neumann(s.count, s.n, s.A.data(), s.b.data(), s.x.data(), s.steps.data(), a.terms, scratch, s.out.data());
}
template <class R> void kernel(const Descend& a, Batch<R>& s) {
  char* scratch = s.scratch.scratch().base;
  const double* steps = s.steps.data();
  const Rule<double> rule = a.rule;
  if (a.tol < 0)
    batch_descend(s.count, s.n, s.A.data(), s.b.data(), s.x.data(), steps, rule.momentum, rule.nesterov, a.steps, scratch, s.out.data());
  else
    batch_descend_until(s.count, s.n, s.A.data(), s.b.data(), s.x.data(), steps, rule.momentum, rule.nesterov, a.tol, a.steps, scratch,
                        s.out.data());
}

inline double step_of(const Cg&) { return 0; }
inline double step_of(const Neumann& a) { return a.step; }
inline double step_of(const Descend& a) { return a.rule.step; }

template <class R, class Algorithm> void check(const Algorithm& algorithm, const std::vector<Case<R>>& cases, Tally& tally) {
  std::vector<Outcome<R>> alone;
  for (const Case<R>& c : cases) {
    alone.push_back(take_lane(algorithm(Group<R>{{&c}}), 0));
    alone.back().values.resize(c.n);  // the solution; the kernels keep the evidence of INDEFINITE to themselves
    tally.add_alone(alone.back());
  }
  for (const auto order : {emu::Order::ascending, emu::Order::descending}) {
    Batch<R> s(cases, step_of(algorithm));
    emu::launch(blocks, threads, order, [&] { kernel(algorithm, s); });
    for (index k = 0; k < s.count; ++k) {
      const auto& o = s.out[k];
      const std::vector<R> x(s.x.begin() + k * s.n, s.x.begin() + (k + 1) * s.n);
      tally.compare(alone[k], Outcome<R>{x, {double(o.status), double(o.steps), o.residual, double(o.products)}});
    }
  }
}

template <class R> bool run(const char* scalar) {
  Tallies tallies;
  for (const index n : {1, 2, 7, 8, 9, 17, 31, 32, 33, 64}) {
    auto cases = make_cases<R>(n, 16, false);
    if (n > 9) cases.erase(cases.begin() + n % 4, cases.begin() + 10 + n % 4);
    each_linear(n, [&](const char* name, const auto& algorithm) { check(algorithm, cases, tallies[name]); });
  }
  return tallies.print(scalar);
}

// Whether a divergent warp is refused, and whether the two orders of lanes show a missing sync
inline bool emulator_sees() {
  bool refused = false;
  try {
    emu::launch(1, 32, emu::Order::ascending, [] {
      if (threadIdx.x < 7) Warp{}.sync();
      else Warp{}.sum<double>(40, [](index, double s) { return s + 1; });
    });
  } catch (const std::runtime_error&) {
    refused = true;
  }
  double sums[2];
  for (const auto order : {emu::Order::ascending, emu::Order::descending}) {
    std::vector<double> x(32, 0.0);
    emu::launch(1, 32, order, [&] {
      Warp{}.each(32, [&](index i) { x[i] = double(i); });
      const double s = Warp{}.sum<double>(32, [&](index i, double t) { return t + x[31 - i]; });
      Warp{}.each(1, [&](index) { sums[int(order)] = s; });
    });
  }
  std::printf("emulator | divergence %s | missing sync %s\n", refused ? "refused" : "accepted", sums[0] != sums[1] ? "seen" : "missed");
  return refused && sums[0] != sums[1];
}

}  // namespace pyblo::test

int main() {
  const bool sees = pyblo::test::emulator_sees();
  const bool floats = pyblo::test::run<float>("float"), doubles = pyblo::test::run<double>("double");
  return sees && floats && doubles ? 0 : 1;
}
