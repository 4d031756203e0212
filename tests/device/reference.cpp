// What one core gives for the batches of device/batch.cu, as a library: the reference of gpu_agreement.py.
#include <vector>

#include "pyblo/core/operator/dense.hpp"
#include "pyblo/core/solve/neumann.hpp"

namespace pyblo {

struct Outcome {
  index status, steps;
  double residual;
  index products;
};

template <class T, class S, class Solve> void each_problem(index count, S layout, Outcome* out, Solve solve) {
  std::vector<char> memory(bytes_of(layout) + 64);
  const auto offset = reinterpret_cast<unsigned long long>(memory.data()) % 64;
  for (index k = 0; k < count; ++k) {
    Scratch scratch{memory.data() + (64 - offset) % 64, 0};
    auto work = layout(scratch);
    const Report<T> r = solve(k, work);
    out[k] = {index(r.status), index(r.steps), double(r.residual), index(r.products)};
  }
}

template <class T> Dense<T> symmetric(const T* a, index n, index k) { return {a + k * n * n, a + k * n * n, n, n}; }

template <class T>
void solve_cg(index count, index n, const T* a, const T* b, T* x, bool from_zero, bool normal, Stop stop, Outcome* out) {
  const auto layout = [=](Scratch& s) { return CgScratch<T>(s, n, normal); };
  each_problem<T>(count, layout, out, [=](index k, CgScratch<T> work) {
    Pulse pulse;
    return cg(Solo{}, symmetric(a, n, k), b + k * n, x + k * n, from_zero, normal, work, stop, pulse);
  });
}

// until tol, or max_steps steps where tol is negative
template <class T>
void solve_descend(index count, index n, const T* a, const T* b, T* x, const double* steps, double momentum, bool nesterov, double tol,
                   index max_steps, Outcome* out) {
  const auto layout = [=](Scratch& s) { return DescendScratch<T>(s, n); };
  each_problem<T>(count, layout, out, [=](index k, DescendScratch<T> work) {
    Pulse pulse;
    const Dense<T> op = symmetric(a, n, k);
    const LinearGradient<T, Dense<T>> gradient{op, b + k * n};
    const Rule<double> rule{steps[k], momentum, nesterov};
    if (tol < 0) return descend(Solo{}, n, gradient, x + k * n, work, rule, max_steps, pulse);
    return descend_until(Solo{}, n, gradient, x + k * n, work, rule, tol, max_steps, pulse);
  });
}

template <class T> void solve_neumann(index count, index n, const T* a, const T* b, T* x, const double* steps, index terms, Outcome* out) {
  const auto layout = [=](Scratch& s) { return DescendScratch<T>(s, n); };
  each_problem<T>(count, layout, out, [=](index k, DescendScratch<T> work) {
    Pulse pulse;
    return neumann(Solo{}, symmetric(a, n, k), b + k * n, x + k * n, false, work, steps[k], terms, pulse);
  });
}

}  // namespace pyblo

#define REFERENCE(T, suffix)                                                                                                          \
  void cg_##suffix(pyblo::index count, pyblo::index n, const T* a, const T* b, T* x, bool from_zero, bool normal, pyblo::Stop* stop,  \
                   pyblo::Outcome* out) {                                                                                             \
    pyblo::solve_cg(count, n, a, b, x, from_zero, normal, *stop, out);                                                                \
  }                                                                                                                                   \
  void descend_##suffix(pyblo::index count, pyblo::index n, const T* a, const T* b, T* x, const double* steps, double momentum,       \
                        bool nesterov, double tol, pyblo::index max_steps, pyblo::Outcome* out) {                                     \
    pyblo::solve_descend(count, n, a, b, x, steps, momentum, nesterov, tol, max_steps, out);                                          \
  }                                                                                                                                   \
  void neumann_##suffix(pyblo::index count, pyblo::index n, const T* a, const T* b, T* x, const double* steps, pyblo::index terms,    \
                        pyblo::Outcome* out) {                                                                                        \
    pyblo::solve_neumann(count, n, a, b, x, steps, terms, out);                                                                       \
  }
extern "C" {
REFERENCE(float, float32)
REFERENCE(double, float64)
}
