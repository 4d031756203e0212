// The linear algorithms of the core as functions of a group of problems, one per lane of T: what is compared bit for bit.
#pragma once
#include <cstdlib>
#include <memory>

#include "cases.hpp"
#include "pyblo/core/operator/dense.hpp"
#include "pyblo/core/solve/neumann.hpp"

namespace pyblo::test {

// What an algorithm returned: arrays, and the figures of its report
template <class T> struct Outputs {
  std::vector<T> values;
  std::vector<wide_t<T>> figures;  // status, steps, …
};

template <class T> Outputs<T> outputs(const std::vector<T>& x, const Report<T>& r) {
  return {x, {convert<wide_t<T>>(r.status), r.steps, r.residual, r.products}};
}

struct Free {
  void operator()(char* p) const { std::free(p); }
};

class Memory {
 public:
  explicit Memory(index bytes) : data_(static_cast<char*>(std::aligned_alloc(64, bytes + 64))) {}
  Scratch scratch() const { return {data_.get(), 0}; }

 private:
  std::unique_ptr<char, Free> data_;
};

// The scratch structure S(scratch, arguments…) in memory of its own
template <class S> struct Workspace {
  Memory memory;
  Scratch scratch;
  S work;
  template <class... Arguments>
  explicit Workspace(Arguments... arguments)
      : memory(bytes_of([&](Scratch& s) { S(s, arguments...); })), scratch(memory.scratch()), work(scratch, arguments...) {}
};

template <class T> struct System {
  index n;
  std::vector<T> A, b, x;
  using C = Case<real_t<T>>;
  explicit System(const Group<T>& g) : n(g.first().n), A(g.gather(&C::A)), b(g.gather(&C::b)), x(g.gather(&C::x0)) {}
  Dense<T> matrix() const { return {A.data(), A.data(), n, n}; }
};

struct Cg {
  Stop stop;
  bool from_zero, normal;

  template <class T> Outputs<T> operator()(const Group<T>& group) const {
    System<T> s(group);
    Workspace<CgScratch<T>> space(s.n, normal);
    Pulse pulse;
    const auto report = cg(Solo{}, s.matrix(), s.b.data(), s.x.data(), from_zero, normal, space.work, stop, pulse);
    auto out = outputs(s.x, report);
    for (index i = 0; i < s.n; ++i) out.values.push_back(select(report.status == T(INDEFINITE), space.work.p[i], T(0)));
    return out;
  }
};

struct Neumann {
  double step;
  index terms;

  template <class T> Outputs<T> operator()(const Group<T>& group) const {
    System<T> s(group);
    Workspace<DescendScratch<T>> space(s.n);
    Pulse pulse;
    const auto report = neumann(Solo{}, s.matrix(), s.b.data(), s.x.data(), false, space.work, wide_t<T>(step), terms, pulse);
    return outputs(s.x, report);
  }
};

// The same rule in every lane
template <class T> rule_t<T> every_lane(Rule<double> rule) { return {wide_t<T>(rule.step), rule.momentum, rule.nesterov}; }

struct Descend {
  Rule<double> rule;
  index steps;
  double tol;  // a fixed number of steps where negative

  template <class T> Outputs<T> operator()(const Group<T>& group) const {
    System<T> s(group);
    Workspace<DescendScratch<T>> space(s.n);
    Pulse pulse;
    const Dense<T> op = s.matrix();
    const LinearGradient<T, Dense<T>> gradient{op, s.b.data()};
    if (tol < 0) return outputs(s.x, descend(Solo{}, s.n, gradient, s.x.data(), space.work, every_lane<T>(rule), steps, pulse));
    return outputs(s.x, descend_until(Solo{}, s.n, gradient, s.x.data(), space.work, every_lane<T>(rule), tol, steps, pulse));
  }
};

// What is run on systems of size n, by name
template <class Visit> void each_linear(index n, Visit visit) {
  visit("cg to a tolerance", Cg{{1e-6, 0, n < 20 ? 3 * n + 5 : 65}, true, false});
  visit("cg a fixed number", Cg{{0, 0, n < 20 ? n : 20}, true, false});
  visit("cg from x0", Cg{{1e-5, 1e-7, n < 20 ? 2 * n + 1 : 41}, false, false});
  visit("cg normal", Cg{{1e-4, 0, n < 20 ? 2 * n + 5 : 45}, true, true});
  visit("neumann", Neumann{0.25, 17});
  visit("gradient fixed", Descend{{0.25, 0.0, false}, 20, -1});
  visit("heavy ball fixed", Descend{{0.25, 0.5, false}, 20, -1});
  visit("nesterov fixed", Descend{{0.25, 0.5, true}, 20, -1});
  if (n < 12) visit("gradient diverging", Descend{{16.0, 0.0, false}, 250, 1e-2});
  visit("gradient until", Descend{{0.25, 0.0, false}, 40, 1e-2});
  visit("heavy ball until", Descend{{0.25, 0.7, false}, 40, 1e-2});
  visit("nesterov until", Descend{{0.25, 0.7, true}, 40, 1e-2});
}

}  // namespace pyblo::test
