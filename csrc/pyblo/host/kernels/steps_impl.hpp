// The kernels of steps.hpp for one real type; steps_float.cpp and steps_double.cpp instantiate them.
#pragma once
#include "parts.hpp"
#include "pyblo/host/batch.hpp"
#include "steps.hpp"

namespace pyblo {

// Vectors of a group's problems into T, and out again
template <class T> const T* take_in(Scratch& s, const real_t<T>* from, index size, Group g) {
  T* const to = s.take<T>(size);
  if (!s.base) return to;
  if constexpr (Scalar<T>::lanes == 1)
    copy(Solo{}, size, from + g.first * size, to);
  else
    pack(Sources<T>(from, size, g.first, g.live), size, to);
  return to;
}
template <class T> void put_out(const T* from, index size, real_t<T>* to, Group g) {
  if constexpr (Scalar<T>::lanes == 1)
    copy(Solo{}, size, from, to + g.first * size);
  else
    unpack(from, size, to + g.first * size, size, g.live);
}

// One pass of `Space<T>` per group: its constructor lays out and reads, its run() works and writes
template <class R, template <class> class Space, class Data, class Call>
void for_groups(const Data& data, const Call& call, bool on_caller, bool in_lanes, Pulse& pulse) {
  using P = Lanes<R>;
  if (!call.count) return;
  const auto bytes = [&]<class T>(T*, int live) { return bytes_of([&](Scratch& s) { Space<T>(data, call, Group{0, live}, s); }); };
  const bool alone = on_caller || !in_lanes || call.count == 1;
  const index packed = alone ? 0 : bytes(static_cast<P*>(nullptr), 1), single = bytes(static_cast<R*>(nullptr), 1);
  const Division division(call.count, !alone && stays_in_cache(packed) ? widest<R> : 1);
  share_out(division.items(), packed > single ? packed : single, [&](index begin, index end, Scratch scratch, Pulse& own) {
    for (index item = begin; item < end && !own.stopped; ++item) {
      const Group g = division.group(item);
      Scratch s = scratch;
      if (division.packed(item))
        Space<P>(data, call, g, s).run(g, own);
      else
        Space<R>(data, call, g, s).run(g, own);
    }
  }, pulse, on_caller);
}

template <class T> struct EvaluateSpace {
  using R = real_t<T>;
  const EvaluateCall<R>& call;
  Step<T> step;
  const T *u, *start, *at;
  T *w, *grad, *grad_w, *adjoint;
  Scratch rest;

  EvaluateSpace(const StepData<R>& data, const EvaluateCall<R>& call, Group g, Scratch& s)
      : call(call), step(make_step<T>(data, g, s)), u(take_in<T>(s, call.u, step.outer_size, g)),
        start(take_in<T>(s, call.start, step.inner_size, g)), at(call.at ? take_in<T>(s, call.at, step.inner_size, g) : nullptr),
        w(s.take<T>(step.inner_size)), grad(s.take<T>(step.outer_size)), grad_w(s.take<T>(step.inner_size)),
        adjoint(s.take<T>(step.inner_size)), rest(s) {
    s.take<char>(BoundStep<T>::bytes(step));
  }

  void run(Group g, Pulse& pulse) {
    using W = wide_t<T>;
    const index m = step.outer_size, n = step.inner_size;
    Report<T> inner{T(COMPLETED), W(0), W(0), W(0)};
    if (at)
      copy(Solo{}, n, at, w);
    else
      inner = step.inner.run(u, start, w, rest, pulse);
    const Hyper<T> hyper = step.hypergradient.run(u, start, w, {grad, grad_w, adjoint}, rest, pulse);
    put_out(w, n, call.w, g), put_out(grad, m, call.grad, g), put_out(grad_w, n, call.grad_w, g), put_out(adjoint, n, call.adjoint, g);
    for (int l = 0; l < g.live; ++l) {
      call.value[g.first + l] = lane(hyper.value, l);
      call.inner[g.first + l] = outcome_of(inner, l), call.outer[g.first + l] = outcome_of(hyper.report, l);
    }
  }
};

template <class T> struct RunSpace {
  using R = real_t<T>;
  const RunCall<R>& call;
  Step<T> step;
  T* u;
  const T* start;
  T* w;
  OuterScratch<T> work;
  Scratch rest;

  RunSpace(const StepData<R>& data, const RunCall<R>& call, Group g, Scratch& s)
      : call(call), step(make_step<T>(data, g, s)), u(const_cast<T*>(take_in<T>(s, call.u0, step.outer_size, g))),
        start(take_in<T>(s, call.w0, step.inner_size, g)), w(s.take<T>(step.inner_size)), work(s, step.outer_size, step.inner_size), rest(s) {
    s.take<char>(BoundStep<T>::bytes(step));
  }

  void run(Group g, Pulse& pulse) {
    const index m = step.outer_size, n = step.inner_size;
    BoundStep<T> bound(step, rest);
    auto watch = [&](index k, T value, const T* u, const T* w, const T* grad) {
      if constexpr (Load<T>::alone) return call.watch && call.watch(k, value, u, w, grad);
      return false;
    };
    const OuterReport<T> r = alternate(Solo{}, bound, u, w, start, outer(g), history(g), work, watch, pulse);
    put_out(u, m, call.u, g), put_out(w, n, call.w, g), put_out(work.grad, m, call.grad, g);
    for (int l = 0; l < g.live; ++l) {
      call.value[g.first + l] = lane(r.value, l);
      call.out[g.first + l] = {int(lane(r.status, l)), int(lane(r.inner_status, l)), int(lane(r.adjoint_status, l)),
                               index(lane(r.steps, l)), index(lane(r.products, l)), lane(r.grad_norm, l), lane(r.change, l)};
    }
  }

 private:
  Outer<wide_t<T>> outer(Group g) const {
    wide_t<T> step(0), most(0);
    for (int l = 0; l < Scalar<T>::lanes; ++l) {
      const index k = g.first + (l < g.live ? l : g.live - 1);
      set_lane(step, l, call.step[k]), set_lane(most, l, double(call.max_steps[k]));
    }
    return {step, call.tol, most, call.warm};
  }
  History<T> history(Group g) const {
    const History<R>& h = call.history;
    const index m = step.outer_size, n = step.inner_size, at = g.first * h.rows;
    return {h.fun ? h.fun + at : nullptr, h.grad_norm ? h.grad_norm + at : nullptr, h.u ? h.u + at * m : nullptr,
            h.w ? h.w + at * n : nullptr, h.rows, g.live};
  }
};

template <class T> struct DerivativesSpace {
  using R = real_t<T>;
  using Run = std::function<T(T* grad_w0, Pulse&)>;
  const DerivativesCall<R>& call;
  index n;
  T* grad_w0;
  Run differentiate;  // dF/dw₀ into grad_w0; returns dF/dα

  DerivativesSpace(const ProblemData<R>& data, const DerivativesCall<R>& call, Group g, Scratch& s)
      : call(call), n(inner_size_of(data)), grad_w0(s.take<T>(n)) {
    Load<T> load(g, s);
    differentiate = with_problem(data, load, [&](const auto& problem) -> Run { return closure(problem, load.rule(call.rule), g, s); });
  }

  void run(Group g, Pulse& pulse) {
    const T slope = differentiate(grad_w0, pulse);
    put_out(grad_w0, n, call.grad_w0, g);
    for (int l = 0; l < g.live; ++l) call.slope[g.first + l] = lane(slope, l);
  }

 private:
  template <class P> Run closure(const P& p, rule_t<T> rule, Group g, Scratch& s) const {
    const index m = p.outer_size(), steps = call.steps;
    const T *const u = take_in<T>(s, call.u, m, g), *const start = take_in<T>(s, call.start, n, g);
    const T* const grad_w = take_in<T>(s, call.grad_w, n, g);
    T *const cache = s.take<T>(p.cache_size()), *const grad = s.take<T>(m), *const q = s.take<T>(n), *const between = s.take<T>(m);
    const ReverseScratch<T> back(s, n, steps, P::constant);
    const StepScratch<T> ahead(s, n);
    return [=, n = n](T* grad_w0, Pulse& pulse) {
      p.fix(Solo{}, u, cache);
      fill(Solo{}, m, T(0), grad);
      unrolled_reverse(Solo{}, p, cache, start, grad_w, grad, q, between, back, run_t<T>{rule, steps, steps}, pulse);
      copy(Solo{}, n, back.lambda_w, grad_w0);
      return step_derivative(Solo{}, p, cache, start, grad_w, ahead, rule, steps, pulse);
    };
  }
};

template <class R> StepKernels<R> step_kernels() {
  return {[](const StepData<R>& data, const EvaluateCall<R>& call, Pulse& pulse) {
            for_groups<R, EvaluateSpace>(data, call, data.calls(), !data.calls_blas(), pulse);
          },
          [](const StepData<R>& data, const RunCall<R>& call, Pulse& pulse) {
            for_groups<R, RunSpace>(data, call, data.calls() || call.watch, !data.calls_blas(), pulse);
          },
          [](const ProblemData<R>& data, const DerivativesCall<R>& call, Pulse& pulse) {
            for_groups<R, DerivativesSpace>(data, call, std::holds_alternative<CallbackProblem<R>>(data), true, pulse);
          }};
}

}  // namespace pyblo
