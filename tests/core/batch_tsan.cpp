// The batch driver under load: solves and whole loops shared out among threads, by one caller and by several at once, ended by the
// pulse and by exceptions. Built with the thread sanitizer by `make tsan`; exits 1 where a bit differs from one thread's.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "pyblo/host/kernels/gram.hpp"
#include "pyblo/host/kernels/linear.hpp"
#include "pyblo/host/kernels/steps.hpp"

namespace pyblo {
namespace {

using Numbers = std::vector<double>;

void require(bool condition, const std::string& what) {
  if (condition) return;
  std::printf("wrong: %s\n", what.c_str());
  std::exit(1);
}

Numbers random(std::mt19937& rng, index size) {
  std::normal_distribution<double> normal;
  Numbers a(size);
  for (double& v : a) v = normal(rng);
  return a;
}

// MMᵀ/n + I for each problem; of every seventh the first diagonal entry is negative
Numbers symmetric(std::mt19937& rng, index count, index n, bool indefinite) {
  Numbers A(count * n * n);
  for (index k = 0; k < count; ++k) {
    const Numbers M = random(rng, n * n);
    double* const a = A.data() + k * n * n;
    for (index i = 0; i < n; ++i)
      for (index j = 0; j < n; ++j) {
        double sum = i == j;
        for (index l = 0; l < n; ++l) sum += M[i * n + l] * M[j * n + l] / double(n);
        a[i * n + j] = sum;
      }
    if (indefinite && k % 7 == 3) a[0] = -1;
  }
  return A;
}

struct Sparse {
  std::vector<double> values;
  std::vector<int> columns, starts{0};
};

// What is computed, as numbers to compare
struct Instance {
  std::mt19937 rng{1};
  index count, n, m, rows = 3000, cols = 100;
  Numbers A, b, steps, B, d, X, y, X_val, y_val, u, w, v, weights;
  std::vector<index> budget;
  Sparse sparse;

  Instance(index count, index n, index m)
      : count(count), n(n), m(m), A(symmetric(rng, count, n, true)), b(random(rng, count * n)), steps(count), B(random(rng, count * n * m)),
        d(random(rng, count * n)), X(random(rng, count * 2 * n * n)), y(random(rng, count * 2 * n)), X_val(random(rng, 3 * n)),
        y_val(random(rng, 3)), u(random(rng, count * m)), w(random(rng, count * n)), v(random(rng, cols)), weights(random(rng, rows)) {
    for (index k = 0; k < count; ++k) steps[k] = 0.02 / double(1 + k % 5), budget.push_back(k % 9);
    for (index i = 0; i < rows; ++i) {
      for (int j = int(i % 3); j < cols; j += 2) sparse.columns.push_back(j), sparse.values.push_back(1.0 / double(1 + (i + j) % 17));
      sparse.starts.push_back(int(sparse.columns.size()));
    }
  }

  template <class Solve> Numbers solved(const Solve& solve) const {
    Numbers x = w;
    std::vector<int> status(count);
    std::vector<index> made(count);
    Numbers residual(count);
    std::atomic<double> asymmetry{0};
    Evidence<double> evidence(count, n);
    const Systems<double> systems{A.data(), b.data(), count, n, n * n, 1};
    solve(systems, x.data(), Answers{status.data(), made.data(), residual.data(), asymmetry}, evidence);
    x.insert(x.end(), status.begin(), status.end()), x.insert(x.end(), made.begin(), made.end());
    x.insert(x.end(), residual.begin(), residual.end());
    if (evidence.data()) x.insert(x.end(), evidence.data(), evidence.data() + count * n);
    return x;
  }

  QuadraticData<double> quadratic() const {
    static const double zero = 0;
    const MatrixData<double> P{A.data() + n * n, n, n, 0};
    return {{A.data(), n, n, n * n}, {B.data(), n, m, n * m}, P, {d.data(), n, n}, {b.data(), n, n}, {&zero, 1, 0}};
  }
  RidgeData<double> ridge() const {
    return {{X.data(), 2 * n, n, 2 * n * n}, {X_val.data(), 3, n, 0}, {y.data(), 2 * n, 2 * n}, {y_val.data(), 3, 0}, false, true};
  }
  // Few problems whose designs are shared out among threads themselves, from within a region
  RidgeData<double> large() const {
    return {{design().data(), rows, cols, 0}, {X_val.data(), 3, n, 0}, {weights.data(), rows, 0}, {y_val.data(), 3, 0}, false, true};
  }
  static const Numbers& design() {
    static const Numbers Phi = [] {
      std::mt19937 rng(2);
      return random(rng, 3000 * 100);
    }();
    return Phi;
  }
};

using Calls = std::vector<Numbers (*)(const Instance&, Pulse&)>;

Numbers cg(const Instance& a, Pulse& pulse) {
  return a.solved([&](const auto& s, double* x, const Answers& out, auto& evidence) {
    linear_kernels<double>().cg(s, {1e-6, 0, 12}, false, x, out, evidence, pulse);
  });
}
Numbers series(const Instance& a, Pulse& pulse) {
  return a.solved([&](const auto& s, double* x, const Answers& out, auto&) {
    linear_kernels<double>().neumann(s, a.steps.data(), 6, 0.0, x, out, pulse);
  });
}
Numbers descent(const Instance& a, Pulse& pulse) {
  return a.solved([&](const auto& s, double* x, const Answers& out, auto&) {
    linear_kernels<double>().descend(s, DescentCall{a.steps.data(), 0.5, true, 30, 1e-1}, x, out, pulse);
  });
}

Numbers looped(const Instance& a, const StepData<double>& data, index count, bool warm, Pulse& pulse) {
  const index m = data.outer_size(), n = data.inner_size(), rows = 9;
  Numbers u(count * m), w(count * n), grad(count * m), value(count);
  Numbers fun(count * rows), norms(count * rows), us(count * rows * m), ws(count * rows * n);
  std::vector<RunOutcome> out(count);
  Numbers u0(count * m, 0.1), w0(count * n, 0.2);
  const History<double> history{fun.data(), norms.data(), us.data(), ws.data(), rows};
  const RunCall<double> call{count, u0.data(), w0.data(), a.steps.data(), 1e-3, a.budget.data(), warm, history, {},
                             u.data(), w.data(), grad.data(), value.data(), out.data()};
  step_kernels<double>().run(data, call, pulse);
  for (const Numbers& part : {w, grad, value, fun, norms, us, ws}) u.insert(u.end(), part.begin(), part.end());
  for (const RunOutcome& o : out) u.insert(u.end(), {double(o.status), double(o.steps), double(o.products), o.grad_norm, o.change});
  return u;
}

template <bool Warm> Numbers quadratic_loops(const Instance& a, Pulse& pulse) {
  const RuleData rule{{a.steps.data(), 1, 1}, 0.5, false};
  return looped(a, {a.quadratic(), DescentData{rule, 4, {}}, NeumannData{3, rule.step}}, a.count, Warm, pulse);
}
Numbers ridge_loops(const Instance& a, Pulse& pulse) {
  const RuleData rule{{a.steps.data(), 1, 1}, 0, false};
  return looped(a, {a.ridge(), DescentData{rule, 20, 1e-1}, UnrolledData{rule, 4, 4, false}}, a.count, true, pulse);
}
Numbers nested_loops(const Instance& a, Pulse& pulse) {
  if (a.n != a.cols) return {};
  const RuleData rule{{a.steps.data(), 1, 1}, 0, false};
  return looped(a, {a.large(), DescentData{rule, 2, {}}, CgData<double>{{1e-3, 0, 4}, false, 0, {}, {}, {}}}, 3, true, pulse);
}

Numbers product(const Instance& a, Pulse& pulse) {
  Numbers out(a.cols);
  const GramCall<double> call{a.v.data(), a.weights.data(), nullptr, 0, 0, out.data()};
  gram_kernels<double>().dense({Instance::design().data(), 1, a.rows, a.cols, 0}, call, pulse);
  return out;
}
Numbers sparse_product(const Instance& a, Pulse& pulse) {
  Numbers out(a.cols);
  const GramCall<double> call{a.v.data(), a.weights.data(), a.v.data(), 0, 0, out.data()};
  gram_kernels<double>().csr32({a.sparse.values.data(), a.sparse.columns.data(), a.sparse.starts.data(), a.rows, a.cols}, 1, call, pulse);
  return out;
}

const Calls calls{&cg, &series, &descent, &quadratic_loops<false>, &quadratic_loops<true>, &ridge_loops, &nested_loops, &product,
                  &sparse_product};

// The bytes of what all calls give
std::vector<std::string> results(const Instance& one) {
  std::vector<std::string> found;
  for (const auto call : calls) {
    Pulse pulse;
    const Numbers x = call(one, pulse);
    found.emplace_back(reinterpret_cast<const char*>(x.data()), x.size() * sizeof(double));
  }
  return found;
}

void compare(const Instance& one, const std::vector<std::string>& expected, const char* what) {
  const auto found = results(one);
  for (std::size_t k = 0; k < found.size(); ++k)
    require(found[k] == expected[k], what + (": call " + std::to_string(k)) + ", n = " + std::to_string(one.n));
}

// Ends by the pulse, or by its exception, at any beat; whatever was computed, the next call is right
void interrupted(const Instance& one, int beats, bool fails) {
  struct Host {
    int beats;
    bool fails;
    static bool poll(void* self) {
      auto& host = *static_cast<Host*>(self);
      if (--host.beats > 0) return false;
      if (host.fails) throw std::domain_error("stop");
      return true;
    }
  } host{beats, fails};
  for (const auto call : calls) {
    Pulse pulse{&Host::poll, &host, 4'000'000 - 100};
    try {
      call(one, pulse);
    } catch (const std::domain_error&) {
      require(fails, "an exception of the pulse");
    }
  }
}

}  // namespace
}  // namespace pyblo

int main(int, char** argv) {
  using namespace pyblo;
  const int rounds = argv[1] ? std::atoi(argv[1]) : 6;
  const Instance instances[] = {{70, 5, 3}, {19, 33, 4}, {5, 100, 2}};
  set_num_threads(1);
  std::vector<std::vector<std::string>> expected;
  for (const Instance& one : instances) expected.push_back(results(one));
  for (const int n : {2, 3, 4, 7, 8}) {
    set_num_threads(n);
    for (int k = 0; k < 3; ++k) compare(instances[k], expected[k], "threads");
  }
  set_num_threads(4);
  for (int k = 0; k < rounds; ++k)
    for (int i = 0; i < 3; ++i) interrupted(instances[i], k, k % 2), compare(instances[i], expected[i], "after an interrupt");
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&, i] {
      for (int k = i; k < i + rounds; ++k) set_num_threads(1 + k % 5), compare(instances[k % 3], expected[k % 3], "callers at once");
    });
  for (std::thread& caller : callers) caller.join();
  std::printf("batch: all right\n");
}
