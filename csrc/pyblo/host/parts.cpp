// Parts of a step: each closure lays out its scratch, calls one algorithm of the core and returns.
#include "parts.hpp"

namespace pyblo {
namespace {

template <class T> index hessian_madds(const AnyProblem<T>& any) {
  return std::visit([](const auto& p) { return p.madds(); }, any);
}

// The outer gradients at (u, w), finite or not
template <class T, class P> T outer_gradients(const P& p, const T* u, const T* w, Gradients<T> out) {
  return p.outer(Solo{}, u, w, out.outer, out.inner);
}

template <class T, class P>
Hyper<T> implicit_run(const P& p, const AdjointMethod<T>& method, double eps, const Range<T>& range, const T* u,
                      const T* w, Gradients<T> out, Scratch s, Pulse& pulse) {
  const index n = p.inner_size();
  T *const cache = s.take<T>(p.cache_size()), *const between = s.take<T>(p.outer_size());
  T *const g = s.take<T>(n), *const coordinates = s.take<T>(range.basis ? range.basis->cols : 0);
  AdjointScratch<T> work(s, n, method);
  p.fix(Solo{}, u, cache);
  const T value = outer_gradients(p, u, w, out);
  copy(Solo{}, n, out.inner, g);
  if (range.basis) {
    range.basis->apply_adjoint(Solo{}, g, coordinates);
    range.basis->apply(Solo{}, coordinates, g);
  }
  const auto& op = p.hessian(cache, w);
  using A = std::decay_t<decltype(op)>;
  if (eps > 0) {
    Report<T> report = solve_adjoint(Solo{}, Shifted<T, A>{op, T(eps)}, g, out.adjoint, method, work, pulse);
    // the damped inverse has no tolerance of its own: the accuracy attainable is what it promises
    if (report.status == T(NOT_CONVERGED) && report.steps < method.stop.max_steps) report.status = T(COMPLETED);
    subtract_cross(Solo{}, p, cache, w, out.adjoint, out.outer, between);
    return {value, report};
  }
  Report<T> report = solve_adjoint(Solo{}, op, g, out.adjoint, method, work, pulse);
  if (report.status == T(INCONSISTENT) && range.projection) {
    range.projection(u, w, g);
    const T products = report.products;
    report = solve_adjoint(Solo{}, op, g, out.adjoint, method, work, pulse);
    report.products += products;
  }
  subtract_cross(Solo{}, p, cache, w, out.adjoint, out.outer, between);
  return {value, report};
}

template <class T, class P>
Hyper<T> unrolled_run(const P& p, Run run, bool forward, const T* u, const T* start, const T* w, Gradients<T> out,
                      Scratch s, Pulse& pulse) {
  const index n = p.inner_size(), m = p.outer_size();
  T *const cache = s.take<T>(p.cache_size()), *const between = s.take<T>(m);
  p.fix(Solo{}, u, cache);
  const T value = outer_gradients(p, u, w, out);
  if (forward) {
    fill(Solo{}, n, T(0), out.adjoint);
    return {value, unrolled_forward(Solo{}, p, cache, start, out.inner, out.outer, ForwardScratch<T>(s, n, m), run, pulse)};
  }
  return {value, unrolled_reverse(Solo{}, p, cache, start, out.inner, out.outer, out.adjoint, between,
                                  ReverseScratch<T>(s, n, run.last, P::constant), run, pulse)};
}

}  // namespace

template <class T> Inner<T> descent_inner(AnyProblem<T> any, Descent descent) {
  return std::visit(
      [&](const auto& problem) {
        using P = std::decay_t<decltype(problem)>;
        const index n = problem.inner_size();
        const index bytes = bytes_of([&](Scratch& s) { s.take<T>(problem.cache_size()), DescendScratch<T>(s, n); });
        return Inner<T>{bytes, 0, [=](const T* u, const T* start, T* w, Scratch s, Pulse& pulse) {
          T* const cache = s.take<T>(problem.cache_size());
          DescendScratch<T> work(s, n);
          problem.fix(Solo{}, u, cache);
          copy(Solo{}, n, start, w);
          const InnerGradient<T, P> gradient{problem, cache};
          return descent.tol ? descend_until(Solo{}, n, gradient, w, work, descent.rule, *descent.tol, descent.steps, pulse)
                             : descend(Solo{}, n, gradient, w, work, descent.rule, descent.steps, pulse);
        }};
      },
      any);
}

template <class T> Inner<T> spectral_inner(SpectralInner<T> inner) {
  const index madds = 2 * inner.V.madds() + inner.K.madds();
  return {bytes_of([&](Scratch& s) { s.take<T>(inner.scratch_size()); }), madds,
          [=](const T* u, const T* start, T* w, Scratch s, Pulse&) {
            return inner.run(Solo{}, u, start, w, s.take<T>(inner.scratch_size()));
          }};
}

template <class T>
Hypergradient<T> implicit(AnyProblem<T> any, AdjointMethod<T> method, double eps, Range<T> range) {
  const index madds = hessian_madds(any);
  return std::visit(
      [&](const auto& p) {
        const index bytes = bytes_of([&](Scratch& s) {
          s.take<T>(p.cache_size()), s.take<T>(p.outer_size()), s.take<T>(p.inner_size());
          s.take<T>(range.basis ? range.basis->cols : 0);
          AdjointScratch<T>(s, p.inner_size(), method);
        });
        return Hypergradient<T>{bytes, madds, [=](const T* u, const T*, const T* w, Gradients<T> out, Scratch s, Pulse& pulse) {
          return implicit_run(p, method, eps, range, u, w, out, s, pulse);
        }};
      },
      any);
}

template <class T> Hypergradient<T> unrolled(AnyProblem<T> any, Run run, bool forward) {
  const index madds = hessian_madds(any);
  return std::visit(
      [&](const auto& p) {
        using P = std::decay_t<decltype(p)>;
        const index n = p.inner_size(), m = p.outer_size();
        const index bytes = bytes_of([&](Scratch& s) {
          s.take<T>(p.cache_size()), s.take<T>(m);
          if (forward)
            ForwardScratch<T>(s, n, m);
          else
            ReverseScratch<T>(s, n, run.last, P::constant);
        });
        return Hypergradient<T>{bytes, madds, [=](const T* u, const T* start, const T* w, Gradients<T> out, Scratch s, Pulse& pulse) {
          return unrolled_run(p, run, forward, u, start, w, out, s, pulse);
        }};
      },
      any);
}

template <class T> Hypergradient<T> spectral(AnyProblem<T> any, Dense<T> V, Dense<T> K) {
  const index madds = hessian_madds(any) + V.madds() + K.madds();
  return std::visit(
      [&](const auto& p) {
        const SpectralHypergradient<T, std::decay_t<decltype(p)>> whole{p, V, K};
        const index bytes = bytes_of([&](Scratch& s) { s.take<T>(V.cols), s.take<T>(p.outer_size()); });
        return Hypergradient<T>{bytes, madds, [=](const T* u, const T*, const T* w, Gradients<T> out, Scratch s, Pulse&) {
          T *const t = s.take<T>(V.cols), *const between = s.take<T>(p.outer_size());
          const T value = whole.run(Solo{}, u, w, out.outer, out.inner, t, between);
          const bool sound = finite(Solo{}, p.outer_size(), out.outer);
          return Hyper<T>{value, {T(sound ? COMPLETED : DIVERGED), 0, 0, 0}};
        }};
      },
      any);
}

template <class T>
T run_derivatives(const AnyProblem<T>& any, Rule rule, index steps, const T* u, const T* start, const T* grad_w, T* grad_w0, Pulse& pulse) {
  return std::visit(
      [&](const auto& p) {
        using P = std::decay_t<decltype(p)>;
        const index n = p.inner_size(), m = p.outer_size();
        T *cache = nullptr, *grad = nullptr, *q = nullptr, *between = nullptr;
        const auto layout = [&](Scratch& s) {
          cache = s.take<T>(p.cache_size()), grad = s.take<T>(m), q = s.take<T>(n), between = s.take<T>(m);
          return std::pair(ReverseScratch<T>(s, n, steps, P::constant), StepScratch<T>(s, n));
        };
        const Buffer memory(bytes_of(layout));
        Scratch scratch = memory.scratch();
        const auto [back, ahead] = layout(scratch);
        p.fix(Solo{}, u, cache);
        fill(Solo{}, m, T(0), grad);
        unrolled_reverse(Solo{}, p, cache, start, grad_w, grad, q, between, back, Run{rule, steps, steps}, pulse);
        copy(Solo{}, n, back.lambda_w, grad_w0);
        return step_derivative(Solo{}, p, cache, start, grad_w, ahead, rule, steps, pulse);
      },
      any);
}

#define PYBLO_PARTS(T)                                                                                                  \
  template Inner<T> descent_inner<T>(AnyProblem<T>, Descent);                                                           \
  template Inner<T> spectral_inner<T>(SpectralInner<T>);                                                                \
  template Hypergradient<T> implicit<T>(AnyProblem<T>, AdjointMethod<T>, double, Range<T>);                              \
  template Hypergradient<T> unrolled<T>(AnyProblem<T>, Run, bool);                                              \
  template Hypergradient<T> spectral<T>(AnyProblem<T>, Dense<T>, Dense<T>);                                             \
  template T run_derivatives<T>(const AnyProblem<T>&, Rule, index, const T*, const T*, const T*, T*, Pulse&);
PYBLO_PARTS(float)
PYBLO_PARTS(double)
#undef PYBLO_PARTS

}  // namespace pyblo
