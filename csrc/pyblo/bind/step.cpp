// Steps and the outer loop. A part may also be a Python function: for an inner solution that has to factor H(u) anew.
#include "held_out.hpp"
#include "pulse.hpp"
#include "pyblo/host/dispatch.hpp"

namespace pyblo {
namespace {

// A column of the reports of a batch
template <class V, class O, class F> Array<V> column(const std::vector<O>& reports, F member) {
  Array<V> a(py::ssize_t(reports.size()));
  V* const p = a.mutable_data();
  for (std::size_t k = 0; k < reports.size(); ++k) p[k] = V(reports[k].*member);
  return a;
}

template <class T> T* rows_of(std::optional<Array<T>>& a, index size) {
  if (!a) return nullptr;
  require(a->size() == size, "a history array has the wrong size");
  return a->mutable_data();
}

// A step for a problem, or a batch of them
template <class T> class BoundSteps {
 public:
  BoundSteps(const Owned<ProblemData<T>>& problem, const Owned<InnerData<T>>& inner, const Owned<HypergradientData<T>>& hypergradient)
      : data_{problem.part, inner.part, hypergradient.part}, owners_(problem.owners), m_(data_.outer_size()), n_(data_.inner_size()) {
    owners_.adopt(inner.owners), owners_.adopt(hypergradient.owners);
  }

  // (w, inner status, inner steps, inner residual, value, dF/du, ∂F/∂w, q, status, residual, products)
  py::tuple evaluate(const Array<T>& u, const Array<T>& start, const std::optional<Array<T>>& at) const {
    const index count = problems(u);
    Array<T> w({count, n_}), value(count), grad({count, m_}), grad_w({count, n_}), adjoint({count, n_});
    std::vector<Outcome> inner(count), outer(count);
    const EvaluateCall<T> call{count, rows(u, count, m_), rows(start, count, n_), at ? rows(*at, count, n_) : nullptr,
                               w.mutable_data(), value.mutable_data(), grad.mutable_data(), grad_w.mutable_data(), adjoint.mutable_data(),
                               inner.data(), outer.data()};
    Heart heart;
    {
      const Released nogil;
      Pulse pulse = heart.pulse();
      kernels_of<T>().steps.evaluate(data_, call, pulse);
    }
    return py::make_tuple(w, column<int>(inner, &Outcome::status), column<index>(inner, &Outcome::steps),
                          column<double>(inner, &Outcome::residual), value, grad, grad_w, adjoint, column<int>(outer, &Outcome::status),
                          column<double>(outer, &Outcome::residual), column<index>(outer, &Outcome::products));
  }

  // (u, w, dF/du, value, steps, products, ‖dF/du‖, ‖w change‖, status, inner status, adjoint status)
  py::tuple run(const Array<T>& u0, const Array<T>& w0, const Array<double>& step, double tol, const Array<index>& max_steps, bool warm,
                std::optional<Array<T>> fun, std::optional<Array<T>> grad_norm, std::optional<Array<T>> us,
                std::optional<Array<T>> ws, std::optional<py::function> watcher) const {
    const index count = problems(u0), cells = fun ? fun->size() : us ? us->size() / larger_of(m_, 1) : ws ? ws->size() / larger_of(n_, 1) : 0;
    const index length = count ? cells / count : 0;
    Array<T> u({count, m_}), w({count, n_}), grad({count, m_}), value(count);
    std::vector<RunOutcome> out(count);
    require(!fun == !grad_norm && (!watcher || count == 1), "fun and grad_norm come together; one problem is watched");
    const History<T> history{rows_of(fun, count * length), rows_of(grad_norm, count * length), rows_of(us, count * length * m_),
                             rows_of(ws, count * length * n_), length};
    const RunCall<T> call{count, rows(u0, count, m_), rows(w0, count, n_), vector(step, count), tol, vector(max_steps, count), warm,
                          history, watch(watcher), u.mutable_data(), w.mutable_data(), grad.mutable_data(), value.mutable_data(), out.data()};
    for (index k = 0; k < count && cells; ++k) require(call.max_steps[k] < length, "the history has too few rows");
    StepData<T> data = data_;  // copied and destroyed under the interpreter's lock: it may hold a Python function
    Owners owners = owners_;
    Heart heart;
    {
      const Released nogil;
      prepare_held_out(data, owners);
      Pulse pulse = heart.pulse();
      kernels_of<T>().steps.run(data, call, pulse);
    }
    return py::make_tuple(u, w, grad, value, column<index>(out, &RunOutcome::steps), column<index>(out, &RunOutcome::products),
                          column<double>(out, &RunOutcome::grad_norm), column<double>(out, &RunOutcome::change),
                          column<int>(out, &RunOutcome::status), column<int>(out, &RunOutcome::inner_status),
                          column<int>(out, &RunOutcome::adjoint_status));
  }

 private:
  static index larger_of(index a, index b) { return a > b ? a : b; }
  index problems(const Array<T>& u) const {
    require(u.ndim() == 2, "u has an axis for the problems");
    owners_.require_fit(u.shape(0));
    return u.shape(0);
  }
  // watch(k, value, u, w, dF/du) -> whether to stop
  Watch<T> watch(const std::optional<py::function>& f) const {
    if (!f) return {};
    return [m = m_, n = n_, f = *f](index k, T value, const T* u, const T* w, const T* grad) {
      py::gil_scoped_acquire gil;
      return py::cast<bool>(f(k, value, copy_of(m, u), copy_of(n, w), copy_of(m, grad)));
    };
  }

  StepData<T> data_;
  Owners owners_;
  index m_, n_;
};

// f(k, u, start) -> (w, status)
template <class T> InnerFunction<T> inner_function(index m, index n, py::function f) {
  return [=](index k, const T* u, const T* start, T* w) {
    py::gil_scoped_acquire gil;
    const auto result = py::cast<std::tuple<Array<T>, int>>(f(k, copy_of(m, u), copy_of(n, start)));
    std::memcpy(w, vector(std::get<0>(result), n), n * sizeof(T));
    return Report<T>{T(std::get<1>(result)), 0, 0, 0};
  };
}

// f(k, u, start, w) -> (value, dF/du, ∂F/∂w, q, status, products)
template <class T> HypergradientFunction<T> hypergradient_function(index m, index n, py::function f) {
  return [=](index k, const T* u, const T* start, const T* w, Gradients<T> out) {
    py::gil_scoped_acquire gil;
    const auto result = py::cast<std::tuple<double, Array<T>, Array<T>, Array<T>, int, double>>(
        f(k, copy_of(m, u), copy_of(n, start), copy_of(n, w)));
    std::memcpy(out.outer, vector(std::get<1>(result), m), m * sizeof(T));
    std::memcpy(out.inner, vector(std::get<2>(result), n), n * sizeof(T));
    std::memcpy(out.adjoint, vector(std::get<3>(result), n), n * sizeof(T));
    return Hyper<T>{T(std::get<0>(result)), {T(std::get<4>(result)), 0, 0, std::get<5>(result)}};
  };
}

template <class T> void bind(py::module_& m, const char* inner, const char* hypergradient, const char* step) {
  using Parts = BoundSteps<T>;
  using InnerPart = Owned<InnerData<T>>;
  using HypergradientPart = Owned<HypergradientData<T>>;
  py::class_<InnerPart>(m, inner);
  py::class_<HypergradientPart>(m, hypergradient);
  m.def("spectral_inner", [](const Array<T>& V, const Array<T>& K, const Array<T>& damping, const Array<T>& k) -> InnerPart {
    Owners o;
    SpectralInnerData<T> s{o.both_ways(V), o.both_ways(K), {}, {}};
    require(s.V.cols == s.K.rows, "V and K do not fit");
    s.damping = o.vector(damping, s.V.cols), s.k = o.vector(k, s.V.cols);
    return {s, o};
  }, py::arg("V").noconvert(), py::arg("K").noconvert(), py::arg("damping").noconvert(), py::arg("k").noconvert());
  py::class_<Parts>(m, step)
      .def(py::init<const Owned<ProblemData<T>>&, const InnerPart&, const HypergradientPart&>(), py::arg("problem"), py::arg("inner"),
           py::arg("hypergradient"))
      .def_static("python_inner", [](const Owned<ProblemData<T>>& p, py::function f) {
             return InnerPart{inner_function<T>(outer_size_of(p.part), inner_size_of(p.part), f), {}};
           })
      .def_static("python_hypergradient", [](const Owned<ProblemData<T>>& p, py::function f) {
             return HypergradientPart{hypergradient_function<T>(outer_size_of(p.part), inner_size_of(p.part), f), {}};
           })
      .def("evaluate", &Parts::evaluate, py::arg("u").noconvert(), py::arg("start").noconvert(), py::arg("w").noconvert())
      .def("run", &Parts::run, py::arg("u0").noconvert(), py::arg("w0").noconvert(), py::arg("step").noconvert(), py::arg("tol"),
           py::arg("max_steps").noconvert(), py::arg("warm"), py::arg("fun").noconvert(), py::arg("grad_norm").noconvert(),
           py::arg("u").noconvert(), py::arg("w").noconvert(), py::arg("watch"));
}

}  // namespace

void bind_step(py::module_& m) {
  bind<double>(m, "Inner64", "Hypergradient64", "Step64");
  bind<float>(m, "Inner32", "Hypergradient32", "Step32");
}

}  // namespace pyblo
