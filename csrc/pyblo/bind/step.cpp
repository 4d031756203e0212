// Steps and the outer loop. A part may also be a Python function: for an inner solution that has to factor H(u) anew.
#include "arrays.hpp"
#include "pulse.hpp"
#include "pyblo/host/parts.hpp"

namespace pyblo {
namespace {

template <class T> struct BoundParts {
  Step<T> step;
  Owners owners;
};

// f(u, start) -> (w, status)
template <class T> Inner<T> python_inner(index m, index n, py::function f) {
  return {0, 1 << 14, [=](const T* u, const T* start, T* w, Scratch, Pulse&) {
    py::gil_scoped_acquire gil;
    const auto result = py::cast<std::tuple<Array<T>, int>>(f(copy_of(m, u), copy_of(n, start)));
    std::memcpy(w, vector(std::get<0>(result), n), n * sizeof(T));
    return Report<T>{T(std::get<1>(result)), 0, 0, 0};
  }};
}

// f(u, start, w) -> (value, dF/du, ∂F/∂w, q, status, products)
template <class T> Hypergradient<T> python_hypergradient(index m, index n, py::function f) {
  return {0, 1 << 14, [=](const T* u, const T* start, const T* w, Gradients<T> out, Scratch, Pulse&) {
    py::gil_scoped_acquire gil;
    const auto result = py::cast<std::tuple<double, Array<T>, Array<T>, Array<T>, int, double>>(
        f(copy_of(m, u), copy_of(n, start), copy_of(n, w)));
    std::memcpy(out.outer, vector(std::get<1>(result), m), m * sizeof(T));
    std::memcpy(out.inner, vector(std::get<2>(result), n), n * sizeof(T));
    std::memcpy(out.adjoint, vector(std::get<3>(result), n), n * sizeof(T));
    return Hyper<T>{T(std::get<0>(result)), {T(std::get<4>(result)), 0, 0, std::get<5>(result)}};
  }};
}

// (w, inner status, inner steps, inner residual, value, dF/du, ∂F/∂w, q, status, residual, products)
template <class T>
py::tuple evaluate(const BoundParts<T>& parts, const Array<T>& u, const Array<T>& start, const std::optional<Array<T>>& at) {
  const Step<T>& step = parts.step;
  const index m = step.outer_size, n = step.inner_size;
  const T *pu = vector(u, m), *ps = vector(start, n), *pat = at ? vector(*at, n) : nullptr;
  Array<T> w(n), grad(m), grad_w(n), adjoint(n);
  T* const pw = w.mutable_data();
  const Gradients<T> out{grad.mutable_data(), grad_w.mutable_data(), adjoint.mutable_data()};
  Report<T> inner{T(COMPLETED), 0, 0, 0};
  Hyper<T> hyper;
  Heart heart;
  {
    py::gil_scoped_release nogil;
    const Buffer memory(larger(step.inner.bytes, step.hypergradient.bytes));
    Pulse pulse = heart.pulse();
    if (pat)
      std::memcpy(pw, pat, n * sizeof(T));
    else
      inner = step.inner.run(pu, ps, pw, memory.scratch(), pulse);
    hyper = step.hypergradient.run(pu, ps, pw, out, memory.scratch(), pulse);
  }
  return py::make_tuple(w, int(inner.status), inner.steps, inner.residual, hyper.value, grad, grad_w, adjoint,
                        int(hyper.report.status), hyper.report.residual, hyper.report.products);
}

// watch(k, value, u, w, dF/du) -> whether to stop
template <class T> struct PythonWatch {
  std::optional<py::function> f;
  index m, n;
  bool operator()(index k, T value, const T* u, const T* w, const T* grad) const {
    if (!f) return false;
    py::gil_scoped_acquire gil;
    return py::cast<bool>((*f)(k, value, copy_of(m, u), copy_of(n, w), copy_of(m, grad)));
  }
};

template <class T> T* rows_of(std::optional<Array<T>>& a, index rows, index cols) {
  if (!a) return nullptr;
  require(a->size() == rows * cols, "a history array has the wrong size");
  return a->mutable_data();
}

// (u, w, dF/du, value, steps, products, ‖dF/du‖, ‖w change‖, status, inner status, adjoint status)
template <class T>
py::tuple run(const BoundParts<T>& parts, const Array<T>& u0, const Array<T>& w0, double step, double tol, index max_steps, bool warm,
              std::optional<Array<T>> fun, std::optional<Array<T>> grad_norm, std::optional<Array<T>> us,
              std::optional<Array<T>> ws, std::optional<py::function> watcher) {
  const index m = parts.step.outer_size, n = parts.step.inner_size, rows = max_steps + 1;
  vector(u0, m);
  const T* const start = vector(w0, n);
  Array<T> u = copy_of(m, u0.data()), w(n), grad(m);
  T *const pu = u.mutable_data(), *const pw = w.mutable_data();
  const History<T> history{rows_of(fun, rows, 1), rows_of(grad_norm, rows, 1), rows_of(us, rows, m), rows_of(ws, rows, n)};
  require(!history.fun == !history.grad_norm, "fun and grad_norm come together");
  PythonWatch<T> watch{watcher, m, n};
  OuterReport<T> r;
  Heart heart;
  T* const pg = grad.mutable_data();
  {
    py::gil_scoped_release nogil;
    const Buffer memory(bytes_of([&](Scratch& s) { OuterScratch<T>(s, m, n), s.take<char>(BoundStep<T>::bytes(parts.step)); }));
    Scratch scratch = memory.scratch();
    const OuterScratch<T> work(scratch, m, n);
    BoundStep<T> bound(parts.step, scratch);
    Pulse pulse = heart.pulse();
    r = alternate(Solo{}, bound, pu, pw, start, {step, tol, max_steps, warm}, history, work, watch, pulse);
    std::memcpy(pg, work.grad, m * sizeof(T));
  }
  return py::make_tuple(u, w, grad, r.value, index(r.steps), index(r.products), r.grad_norm, r.change, int(r.status),
                        int(r.inner_status), int(r.adjoint_status));
}

template <class T> void bind(py::module_& m, const char* inner, const char* hypergradient, const char* step) {
  using Parts = BoundParts<T>;
  py::class_<Owned<Inner<T>>>(m, inner);
  py::class_<Owned<Hypergradient<T>>>(m, hypergradient);
  m.def("spectral_inner", [](const Array<T>& V, const Array<T>& K, const Array<T>& damping, const Array<T>& k) -> Owned<Inner<T>> {
    Owners o;
    const Dense<T> v = o.keep_matrix(V), c = o.keep_matrix(K);
    require(v.cols == c.rows, "V and K do not fit");
    return {spectral_inner<T>({v, c, o.keep_vector(damping, v.cols), o.keep_vector(k, v.cols)}), o};
  }, py::arg("V").noconvert(), py::arg("K").noconvert(), py::arg("damping").noconvert(), py::arg("k").noconvert());
  py::class_<Parts>(m, step)
      .def(py::init([](index m, index n, const Owned<Inner<T>>& inner, const Owned<Hypergradient<T>>& hypergradient) {
             Parts p{{m, n, inner.part, hypergradient.part}, inner.owners};
             p.owners.adopt(hypergradient.owners);
             return p;
           }), py::arg("outer_size"), py::arg("inner_size"), py::arg("inner"), py::arg("hypergradient"))
      .def_static("python_inner", [](index m, index n, py::function f) { return Owned<Inner<T>>{python_inner<T>(m, n, f), {}}; })
      .def_static("python_hypergradient", [](index m, index n, py::function f) {
             return Owned<Hypergradient<T>>{python_hypergradient<T>(m, n, f), {}};
           })
      .def("evaluate", &evaluate<T>, py::arg("u").noconvert(), py::arg("start").noconvert(), py::arg("w").noconvert())
      .def("run", &run<T>, py::arg("u0").noconvert(), py::arg("w0").noconvert(), py::arg("step"), py::arg("tol"), py::arg("max_steps"),
           py::arg("warm"), py::arg("fun").noconvert(), py::arg("grad_norm").noconvert(), py::arg("u").noconvert(),
           py::arg("w").noconvert(), py::arg("watch"));
}

}  // namespace

void bind_step(py::module_& m) {
  bind<double>(m, "Inner64", "Hypergradient64", "Step64");
  bind<float>(m, "Inner32", "Hypergradient32", "Step32");
}

}  // namespace pyblo
