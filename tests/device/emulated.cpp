// The kernels of device/batch.cu, run by the emulator, give the bits of one core: a line of counts per algorithm, and failure
// at any difference. First the emulator is shown a divergent warp and a missing sync.
#include "cuda_emu.hpp"
#include "pyblo/device/batch.cu"
#include "../core/tally.hpp"

namespace pyblo {
alignas(64) char shared_memory[227 << 10];
}

namespace pyblo::test {

constexpr unsigned blocks = 2;  // fewer teams than problems: each solves several in the same memory

template <class R> struct Arrays {
  index count, n;
  std::vector<R> A, b, x, evidence;
  std::vector<double> alphas, residual, asymmetry;
  std::vector<int> status;
  std::vector<index> steps;

  explicit Arrays(const std::vector<Case<R>>& cases, double step)
      : count(index(cases.size())), n(cases[0].n), evidence(count * n, R(0)), alphas(count, step), residual(count), asymmetry(count),
        status(count), steps(count) {
    for (const Case<R>& c : cases) {
      A.insert(A.end(), c.A.begin(), c.A.end());
      b.insert(b.end(), c.b.begin(), c.b.end());
      x.insert(x.end(), c.x0.begin(), c.x0.end());
    }
  }
  template <class Form> Batch<R> batch(Memory& memory, index bytes) {
    return {A.data(), b.data(), x.data(), count, n, n * n, 0.0, Form::shared ? nullptr : memory.scratch().base, bytes,
            status.data(), steps.data(), residual.data(), asymmetry.data()};
  }
};

template <class Form, class R> void kernel(const Cg& a, const Batch<R>& s, Arrays<R>& arrays) {
  batch_cg<R, Form>(s, a.from_zero, a.stop, arrays.evidence.data());
}
template <class Form, class R> void kernel(const Neumann& a, const Batch<R>& s, Arrays<R>& arrays) {
  batch_neumann<R, Form>(s, arrays.alphas.data(), a.terms, 0.0);
}
template <class Form, class R> void kernel(const Descend& a, const Batch<R>& s, Arrays<R>& arrays) {
  batch_descend<R, Form>(s, arrays.alphas.data(), a.rule.momentum, a.rule.nesterov, a.steps, a.tol, 0.0);
}

inline double step_of(const Cg&) { return 0; }
inline double step_of(const Neumann& a) { return a.step; }
inline double step_of(const Descend& a) { return a.rule.step; }

// The direction of negative curvature counts as part of the solution
template <class R> Outcome<R> outcome(const Arrays<R>& arrays, index k, bool directions) {
  const index n = arrays.n;
  std::vector<R> values(arrays.x.begin() + k * n, arrays.x.begin() + (k + 1) * n);
  if (directions) values.insert(values.end(), arrays.evidence.begin() + k * n, arrays.evidence.begin() + (k + 1) * n);
  return {values, {double(arrays.status[k]), double(arrays.steps[k]), arrays.residual[k]}};
}

template <class Form, class R, class Algorithm>
void check_form(unsigned threads, const Algorithm& algorithm, const std::vector<Case<R>>& cases, const std::vector<Outcome<R>>& alone, Tally& tally) {
  for (const auto order : {emu::Order::ascending, emu::Order::descending}) {
    Arrays<R> arrays(cases, step_of(algorithm));
    index bytes[2];
    emu::launch(1, 1, order, [&] { working_bytes<R, Form>(arrays.n, bytes); });
    const index most = larger(bytes[0], bytes[1]);
    Memory memory(most * blocks);
    const Batch<R> batch = arrays.template batch<Form>(memory, most);
    emu::launch(blocks, threads, order, [&] { kernel<Form>(algorithm, batch, arrays); });
    for (index k = 0; k < arrays.count; ++k)
      tally.compare(alone[k], outcome(arrays, k, std::is_same_v<Algorithm, Cg>));
  }
}

template <class R, class Algorithm> void check(const Algorithm& algorithm, const std::vector<Case<R>>& cases, Tally& tally) {
  const index n = cases[0].n;
  std::vector<Outcome<R>> alone;
  for (const Case<R>& c : cases) {
    alone.push_back(take_lane(algorithm(Group<R>{{&c}}), 0));
    alone.back().figures.resize(3);  // the kernels do not report products
    tally.add_alone(alone.back());
  }
  if (n <= 8) check_form<InRegisters<8, 4>>(32, algorithm, cases, alone, tally);
  if (n <= 16) check_form<InRegisters<16, 8>>(64, algorithm, cases, alone, tally);
  if (n <= 32) check_form<InRegisters<32, 16>>(64, algorithm, cases, alone, tally);
  if (n == 1 || (n > 32 && n <= 64)) check_form<InRegisters<64, 64>>(64, algorithm, cases, alone, tally);
  if (n == 7 || n > 64) check_form<InShared>(unsigned((n + 31) / 32 * 32), algorithm, cases, alone, tally);
  if (n == 17 || n > 64) check_form<InGlobal>(32, algorithm, cases, alone, tally);
}

template <class R> bool run(const char* scalar) {
  Tallies tallies;
  for (const index n : {1, 2, 7, 8, 9, 16, 17, 31, 32, 33, 64, 70}) {
    auto cases = make_cases<R>(n, 16, false);
    if (n > 9) cases.erase(cases.begin() + n % 4, cases.begin() + 10 + n % 4);
    each_linear(n, [&](const char* name, const auto& algorithm) {
      if constexpr (requires { algorithm.normal; })
        if (algorithm.normal) return;  // a way of the host's only
      check(algorithm, cases, tallies[name]);
    });
  }
  return tallies.print(scalar);
}

// Whether a divergent warp is refused, and whether the two orders of lanes show a missing sync
inline bool emulator_sees() {
  bool refused = false;
  try {
    emu::launch(1, 32, emu::Order::ascending, [] {
      if (threadIdx.x < 7) Lanes<32>{}.sync();
      else Lanes<32>{}.sum<double>(40, [](index, double s) { return s + 1; });
    });
  } catch (const std::runtime_error&) {
    refused = true;
  }
  double sums[2];
  for (const auto order : {emu::Order::ascending, emu::Order::descending}) {
    std::vector<double> x(32, 0.0);
    emu::launch(1, 32, order, [&] {
      Lanes<32>{}.each(32, [&](index i) { x[i] = double(i); });
      const double s = Lanes<32>{}.sum<double>(32, [&](index i, double t) { return t + x[31 - i]; });
      Lanes<32>{}.each(1, [&](index) { sums[int(order)] = s; });
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
