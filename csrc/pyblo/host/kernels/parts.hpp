// Parts of a step for a group of problems: each closure lays out its scratch, calls one algorithm of the core and returns.
#pragma once
#include "load.hpp"
#include "pyblo/core/operator/shifted.hpp"
#include "pyblo/core/problem/spectral.hpp"
#include "pyblo/host/step.hpp"

namespace pyblo {

// --- inner runs

template <class T, class P> Inner<T> inner_part(const P& problem, const DescentData& d, Load<T>& load) {
  const index n = problem.inner_size();
  const rule_t<T> rule = load.rule(d.rule);
  const index bytes = bytes_of([&](Scratch& s) { s.take<T>(problem.cache_size()), DescendScratch<T>(s, n); });
  return {bytes, 0, [=](const T* u, const T* start, T* w, Scratch s, Pulse& pulse) {
    T* const cache = s.take<T>(problem.cache_size());
    DescendScratch<T> work(s, n);
    problem.fix(Solo{}, u, cache);
    copy(Solo{}, n, start, w);
    const InnerGradient<T, P> gradient{problem, cache};
    return d.tol ? descend_until(Solo{}, n, gradient, w, work, rule, *d.tol, d.steps, pulse)
                 : descend(Solo{}, n, gradient, w, work, rule, d.steps, pulse);
  }};
}

template <class T, class P> Inner<T> inner_part(const P&, const SpectralInnerData<real_t<T>>& d, Load<T>& load) {
  return load.matrices(d.V, d.K, [&]<class M>(M V, M K) -> Inner<T> {
    const SpectralInner<T, M> inner{V, K, load.vector(d.damping), load.vector(d.k)};
    return {bytes_of([&](Scratch& s) { s.take<T>(inner.scratch_size()); }), 2 * V.madds() + K.madds(),
            [=](const T* u, const T* start, T* w, Scratch s, Pulse&) {
              return inner.run(Solo{}, u, start, w, s.take<T>(inner.scratch_size()));
            }};
  });
}

template <class T, class P> Inner<T> inner_part(const P&, const InnerFunction<real_t<T>>& f, Load<T>& load) {
  if constexpr (Load<T>::alone)
    return {0, 1 << 14, [&f, k = load.first()](const T* u, const T* start, T* w, Scratch, Pulse&) { return f(k, u, start, w); }};
  else
    return {};
}

// --- hypergradients

// An adjoint solve: of (H + eps·I)q = g where eps > 0, else of Hq = g with g projected on the range of H where it is known
template <class T> struct Implicit {
  AdjointMethod<T> method;
  double eps = 0;
  std::optional<Dense<T>> basis = std::nullopt;
  const Projection<real_t<T>>* project = nullptr;  // not copied: it may hold a Python object
  index number = 0;  // of the problem
  std::optional<typename Load<T>::Square> gram = std::nullopt;

  index bytes(index n, index m, index cache) const {
    return bytes_of([&](Scratch& s) {
      s.take<T>(cache), s.take<T>(m), s.take<T>(n), s.take<T>(basis ? basis->cols : 0);
      AdjointScratch<T>(s, n, method);
    });
  }

  template <class P> Hyper<T> run(const P& p, const T* u, const T* w, Gradients<T> out, Scratch s, Pulse& pulse) const {
    const index n = p.inner_size();
    T *const cache = s.take<T>(p.cache_size()), *const between = s.take<T>(p.outer_size());
    T *const g = s.take<T>(n), *const coordinates = s.take<T>(basis ? basis->cols : 0);
    AdjointScratch<T> work(s, n, method);
    p.fix(Solo{}, u, cache);
    const T value = p.outer(Solo{}, u, w, out.outer, out.inner);
    copy(Solo{}, n, out.inner, g);
    if (basis) {
      basis->apply_adjoint(Solo{}, g, coordinates);
      basis->apply(Solo{}, coordinates, g);
    }
    const auto with = [&](const auto& op) {
      return eps > 0 ? damped(op, g, out.adjoint, work, pulse) : solve(op, u, w, g, out.adjoint, work, pulse);
    };
    const Report<T> report = with_hessian(p, cache, w, with);
    subtract_cross(Solo{}, p, cache, w, out.adjoint, out.outer, between);
    return {value, report};
  }

 private:
  template <class P, class F> Report<T> with_hessian(const P& p, const T* cache, const T* w, const F& f) const {
    if constexpr (Load<T>::alone && std::is_same_v<P, Ridge<T, typename Load<T>::Design>>)
      if (gram) return f(Shifted<T, typename Load<T>::Square>{*gram, T(0), cache});
    return f(p.hessian(cache, w));
  }
  template <class A> Report<T> damped(const A& op, const T* g, T* q, const AdjointScratch<T>& work, Pulse& pulse) const {
    Report<T> report = solve_adjoint(Solo{}, Shifted<T, A>{op, T(eps)}, g, q, method, work, pulse);
    // the damped inverse has no tolerance of its own: the accuracy attainable is what it promises
    const mask_t<T> attained = convert_mask<T>(report.steps < wide_t<T>(method.stop.max_steps));
    report.status = select(attained & (report.status == T(NOT_CONVERGED)), T(COMPLETED), report.status);
    return report;
  }
  template <class A>
  Report<T> solve(const A& op, const T* u, const T* w, T* g, T* q, const AdjointScratch<T>& work, Pulse& pulse) const {
    Report<T> report = solve_adjoint(Solo{}, op, g, q, method, work, pulse);
    if constexpr (Load<T>::alone)
      if (report.status == T(INCONSISTENT) && project && *project) {
        (*project)(number, u, w, g);
        const auto products = report.products;
        report = solve_adjoint(Solo{}, op, g, q, method, work, pulse);
        report.products += products;
      }
    return report;
  }
};

template <class T, class P> Hypergradient<T> implicit_part(const P& p, const Implicit<T>& implicit) {
  return {implicit.bytes(p.inner_size(), p.outer_size(), p.cache_size()), p.madds(),
          [=](const T* u, const T*, const T* w, Gradients<T> out, Scratch s, Pulse& pulse) {
            return implicit.run(p, u, w, out, s, pulse);
          }};
}

template <class T, class P> Hypergradient<T> hypergradient_part(const P& p, const NeumannData& d, Load<T>& load) {
  return implicit_part<T>(p, Implicit<T>{{Adjoint::neumann, load.wide(d.step), d.terms, {}, false}});
}
template <class T, class P> Hypergradient<T> hypergradient_part(const P& p, const IdentityData&, Load<T>&) {
  return implicit_part<T>(p, Implicit<T>{{Adjoint::identity, wide_t<T>(0), 0, {}, false}});
}
template <class T, class P> Hypergradient<T> hypergradient_part(const P& p, const CgData<real_t<T>>& d, Load<T>& load) {
  Implicit<T> implicit{{Adjoint::cg, wide_t<T>(0), 0, d.stop, d.normal}, d.eps};
  if (d.basis) implicit.basis = load.matrix(*d.basis);
  if constexpr (Load<T>::alone)
    if (d.gram) implicit.gram = load.symmetric(*d.gram);
  implicit.project = &d.project, implicit.number = load.first();
  return implicit_part<T>(p, implicit);
}

template <class T, class P> Hypergradient<T> hypergradient_part(const P& p, const UnrolledData& d, Load<T>& load) {
  const index n = p.inner_size(), m = p.outer_size();
  const run_t<T> run{load.rule(d.rule), d.steps, d.last};
  const index bytes = bytes_of([&](Scratch& s) {
    s.take<T>(p.cache_size()), s.take<T>(m);
    if (d.forward)
      ForwardScratch<T>(s, n, m);
    else
      ReverseScratch<T>(s, n, d.last, P::constant);
  });
  return {bytes, p.madds(), [=, forward = d.forward](const T* u, const T* start, const T* w, Gradients<T> out, Scratch s, Pulse& pulse) {
    T *const cache = s.take<T>(p.cache_size()), *const between = s.take<T>(m);
    p.fix(Solo{}, u, cache);
    const T value = p.outer(Solo{}, u, w, out.outer, out.inner);
    if (forward) {
      fill(Solo{}, n, T(0), out.adjoint);
      return Hyper<T>{value, unrolled_forward(Solo{}, p, cache, start, out.inner, out.outer, ForwardScratch<T>(s, n, m), run, pulse)};
    }
    return Hyper<T>{value, unrolled_reverse(Solo{}, p, cache, start, out.inner, out.outer, out.adjoint, between,
                                            ReverseScratch<T>(s, n, run.last, P::constant), run, pulse)};
  }};
}

template <class T, class F> Hypergradient<T> spectral_part(index m, index n, index scratch, index madds, const F& run) {
  return {bytes_of([&](Scratch& s) { s.take<T>(scratch); }), madds, [=](const T* u, const T*, const T* w, Gradients<T> out, Scratch s, Pulse&) {
    using W = wide_t<T>;
    fill(Solo{}, n, T(0), out.adjoint);  // never formed
    const T value = run(u, w, out, s.take<T>(scratch));
    return Hyper<T>{value, {select(finite(Solo{}, m, out.outer), T(COMPLETED), T(DIVERGED)), W(0), W(0), W(0)}};
  }};
}

template <class T, class P> Hypergradient<T> hypergradient_part(const P& p, const SpectralData<real_t<T>>& d, Load<T>& load) {
  const index m = p.outer_size(), n = p.inner_size();
  if (d.held_out)
    return load.matrices(d.held_out->phi, d.held_out->L, [&]<class M>(M phi, M L) -> Hypergradient<T> {
      const HeldOutHypergradient<T, M> whole{phi, L, load.vector(d.held_out->y)};
      return spectral_part<T>(m, n, phi.rows, 2 * phi.madds() + L.madds(), [=](const T*, const T* w, Gradients<T> out, T* r) {
        return whole.run(Solo{}, w, out.outer, out.inner, r);
      });
    });
  return load.matrices(d.V, d.K, [&]<class M>(M V, M K) -> Hypergradient<T> {
    const SpectralHypergradient<T, P, M> whole{p, V, K};
    const index rank = V.cols;
    return spectral_part<T>(m, n, rank + m, p.madds() + V.madds() + K.madds(), [=](const T* u, const T* w, Gradients<T> out, T* t) {
      return whole.run(Solo{}, u, w, out.outer, out.inner, t, t + rank);
    });
  });
}

template <class T, class P> Hypergradient<T> hypergradient_part(const P&, const HypergradientFunction<real_t<T>>& f, Load<T>& load) {
  if constexpr (Load<T>::alone)
    return {0, 1 << 14, [&f, k = load.first()](const T* u, const T* start, const T* w, Gradients<T> out, Scratch, Pulse&) {
      return f(k, u, start, w, out);
    }};
  else
    return {};
}

// --- a step

// f(problem) with the core's problem of a group; one that calls Python is never in lanes
template <class T, class F> auto with_problem(const ProblemData<real_t<T>>& data, Load<T>& load, F f) {
  return std::visit([&](const auto& d) {
    if constexpr (Load<T>::alone || !std::is_same_v<std::decay_t<decltype(d)>, CallbackProblem<real_t<T>>>)
      return f(load.problem(d));
    else
      return std::invoke_result_t<F, Quadratic<T, typename Load<T>::Square>>{};
  }, data);
}

template <class T> Step<T> make_step(const StepData<real_t<T>>& data, Group group, Scratch& scratch) {
  Load<T> load(group, scratch);
  return with_problem(data.problem, load, [&](const auto& problem) {
    return Step<T>{data.outer_size(), data.inner_size(),
                   std::visit([&](const auto& d) { return inner_part<T>(problem, d, load); }, data.inner),
                   std::visit([&](const auto& d) { return hypergradient_part<T>(problem, d, load); }, data.hypergradient)};
  });
}

}  // namespace pyblo
