// Hypergradients and whole loops of the core as functions of a group of problems, one per lane of T.
#pragma once
#include "algorithms.hpp"
#include "pyblo/core/hypergrad/unrolled.hpp"
#include "pyblo/core/loop/alternate.hpp"
#include "pyblo/core/problem/biased.hpp"
#include "pyblo/core/problem/quadratic.hpp"
#include "pyblo/core/problem/ridge.hpp"

namespace pyblo::test {

template <class T> struct QuadraticData {
  index n, m;
  std::vector<T> A, B, Bt, P, d, f, u, w0;
  using C = Case<real_t<T>>;
  explicit QuadraticData(const Group<T>& g)
      : n(g.first().n), m(g.first().m), A(g.gather(&C::A)), B(g.gather(&C::B)), Bt(g.gather(&C::Bt)),
        P(g.gather(&C::P)), d(g.gather(&C::d)), f(g.gather(&C::f)),
        u(g.gather(&C::u)), w0(g.gather(&C::x0)) {}
  Quadratic<T> problem() const {
    return {{A.data(), A.data(), n, n}, {B.data(), Bt.data(), n, m}, {P.data(), P.data(), n, n}, d.data(), f.data(), T(0.5)};
  }
};

template <class T> struct RidgeData {
  index n, rows;
  std::vector<T> X, y, X_val, y_val, u, w0;
  using C = Case<real_t<T>>;
  explicit RidgeData(const Group<T>& g)
      : n(g.first().n), rows(g.first().rows), X(g.gather(&C::X)), y(g.gather(&C::y)),
        X_val(g.gather(&C::X_val)), y_val(g.gather(&C::y_val)), u(g.gather(&C::u)),
        w0(g.gather(&C::x0)) {}
  Ridge<T> problem() const {
    return {{X.data(), rows, n, T(1) / T(rows)}, {X_val.data(), 5, n, T(0.2)}, y.data(), y_val.data(), n % 2 == 0, n % 3 != 0};
  }
};

template <class T> struct BiasedData : RidgeData<T> {
  using RidgeData<T>::RidgeData;
  BiasedRidge<T> problem() const {
    const Ridge<T> ridge = RidgeData<T>::problem();
    return {ridge.X, ridge.X_val, ridge.y, ridge.y_val, T(0.5)};
  }
};

struct Plan {
  Rule<double> rule;
  index steps;       // of the inner run
  Adjoint adjoint;   // unless reverse
  bool reverse, warm;
};

// The Step of loop/alternate.hpp: `steps` inner steps, then reverse mode through them or an adjoint solve
template <class T, class P> struct TestStep {
  const P& problem;
  Plan plan;
  AdjointMethod<T> method;
  std::vector<T> cache, grad_w, q, between;
  Workspace<ReverseScratch<T>> run;
  Workspace<AdjointScratch<T>> solve;

  TestStep(const P& p, Plan plan)
      : problem(p), plan(plan), method{plan.adjoint, wide_t<T>(0.25), 9, {1e-3, 0, 12}, false}, cache(p.cache_size()), grad_w(p.inner_size()),
        q(p.inner_size()), between(p.outer_size()), run(p.inner_size(), plan.steps, P::constant), solve(p.inner_size(), method) {}
  index outer_size() const { return problem.outer_size(); }
  index inner_size() const { return problem.inner_size(); }
  index madds() const { return problem.hessian(cache.data(), nullptr).madds() * plan.steps; }

  template <class G> Report<T> inner(G team, const T* u, const T* start, T* w, Pulse& pulse) {
    problem.fix(team, u, cache.data());
    copy(team, inner_size(), start, w);
    const InnerGradient<T, P> gradient{problem, cache.data()};
    return descend(team, inner_size(), gradient, w, run.work.descend, every_lane<T>(plan.rule), plan.steps, pulse);
  }
  template <class G> Hyper<T> hypergradient(G team, const T* u, const T* start, const T* w, T* grad, Pulse& pulse) {
    problem.fix(team, u, cache.data());
    const T value = problem.outer(team, u, w, grad, grad_w.data());
    if (plan.reverse)
      return {value, unrolled_reverse(team, problem, cache.data(), start, grad_w.data(), grad, q.data(), between.data(), run.work,
                                      run_t<T>{every_lane<T>(plan.rule), plan.steps, plan.steps}, pulse)};
    const auto& op = problem.hessian(cache.data(), w);
    const Report<T> report = solve_adjoint(team, op, grad_w.data(), q.data(), method, solve.work, pulse);
    subtract_cross(team, problem, cache.data(), w, q.data(), grad, between.data());
    return {value, report};
  }
};

// One hypergradient through the inner run, in reverse or forward mode
template <template <class> class Data> struct Hypergradients {
  Plan plan;

  template <class T> Outputs<T> operator()(const Group<T>& group) const {
    const Data<T> data(group);
    const auto problem = data.problem();
    TestStep<T, decltype(problem)> step(problem, plan);
    std::vector<T> w(problem.inner_size()), grad(problem.outer_size());
    Pulse pulse;
    step.inner(Solo{}, data.u.data(), data.w0.data(), w.data(), pulse);
    if (plan.reverse) {
      const auto hyper = step.hypergradient(Solo{}, data.u.data(), data.w0.data(), w.data(), grad.data(), pulse);
      return outputs(grad, hyper.report);
    }
    Workspace<ForwardScratch<T>> space(problem.inner_size(), problem.outer_size());
    problem.outer(Solo{}, data.u.data(), w.data(), grad.data(), step.grad_w.data());
    const auto report = unrolled_forward(Solo{}, problem, step.cache.data(), data.w0.data(), step.grad_w.data(), grad.data(), space.work,
                                         run_t<T>{every_lane<T>(plan.rule), plan.steps, plan.steps}, pulse);
    return outputs(grad, report);
  }
};

// A whole loop: u, w and the gradient at its end
template <template <class> class Data> struct Loop {
  Plan plan;

  template <class T> Outputs<T> operator()(const Group<T>& group) const {
    Data<T> data(group);
    const auto problem = data.problem();
    TestStep<T, decltype(problem)> step(problem, plan);
    const index m = problem.outer_size(), n = problem.inner_size();
    Workspace<OuterScratch<T>> space(m, n);
    std::vector<T> w(n);
    Pulse pulse;
    auto watch = [](index, T, const T*, const T*, const T*) { return false; };
    using W = wide_t<T>;
    const Outer<W> outer{W(0.1), 0.05, W(25), plan.warm};
    const auto r = alternate(Solo{}, step, data.u.data(), w.data(), data.w0.data(), outer, History<T>{}, space.work, watch, pulse);
    std::vector<T> values(data.u.begin(), data.u.begin() + m);
    values.insert(values.end(), w.begin(), w.end());
    values.insert(values.end(), space.work.grad, space.work.grad + m);
    values.push_back(r.value);
    const W inner = convert<W>(r.inner_status), adjoint = convert<W>(r.adjoint_status);
    return {values, {convert<W>(r.status), r.steps, r.products, r.grad_norm, r.change, inner, adjoint}};
  }
};

template <class Visit> void each_bilevel(Visit visit) {
  const Rule<double> plain{0.25, 0.0, false}, ball{0.25, 0.5, false}, nesterov{0.25, 0.5, true};
  visit("reverse quadratic", Hypergradients<QuadraticData>{{nesterov, 11, Adjoint::identity, true, false}});
  visit("forward quadratic", Hypergradients<QuadraticData>{{ball, 11, Adjoint::identity, false, false}});
  visit("reverse ridge", Hypergradients<RidgeData>{{nesterov, 11, Adjoint::identity, true, false}});
  visit("forward ridge", Hypergradients<RidgeData>{{ball, 11, Adjoint::identity, false, false}});
  visit("reverse biased", Hypergradients<BiasedData>{{nesterov, 11, Adjoint::identity, true, false}});
  visit("forward biased", Hypergradients<BiasedData>{{ball, 11, Adjoint::identity, false, false}});
  visit("cold quadratic cg", Loop<QuadraticData>{{plain, 9, Adjoint::cg, false, false}});
  visit("warm quadratic reverse", Loop<QuadraticData>{{ball, 9, Adjoint::identity, true, true}});
  visit("warm ridge neumann", Loop<RidgeData>{{plain, 9, Adjoint::neumann, false, true}});
  visit("warm biased cg", Loop<BiasedData>{{plain, 9, Adjoint::cg, false, true}});
  visit("cold ridge reverse", Loop<RidgeData>{{nesterov, 9, Adjoint::identity, true, false}});
}

}  // namespace pyblo::test
