// The core's problems, a batch of them or one, and the parts of a step that each of them gives.
#include "arrays.hpp"
#include "pulse.hpp"
#include "pyblo/host/dispatch.hpp"

namespace pyblo {
namespace {

template <class T> using OwnedProblem = Owned<ProblemData<T>>;
template <class T> using OwnedHypergradient = Owned<HypergradientData<T>>;

template <class T>
OwnedProblem<T> quadratic(const Array<T>& A, const Array<T>& B, const Array<T>& P, const Array<T>& d, const Array<T>& f, const Array<T>& h) {
  Owners o;
  QuadraticData<T> q{o.symmetric(A), o.both_ways(B), o.symmetric(P), {}, {}, o.number(h)};
  require(q.B.rows == q.A.rows && q.P.rows == q.A.rows, "A, B and P do not fit");
  q.d = o.vector(d, q.A.rows), q.f = o.vector(f, q.A.rows);
  return {q, o};
}

template <class T> OwnedProblem<T> target_learning(const Array<T>& phi, const Array<T>& phi_out, const Array<T>& y_out) {
  Owners o;
  TargetData<T> t{o.matrix(phi), o.matrix(phi_out), {}};
  t.y_out = o.vector(y_out, t.phi_out.rows);
  require(t.phi.cols == t.phi_out.cols, "Phi and Phi_out do not fit");
  return {t, o};
}

template <class T>
OwnedProblem<T> ridge(const Array<T>& X, const Array<T>& y, const Array<T>& X_val, const Array<T>& y_val, bool diagonal, bool log) {
  Owners o;
  RidgeData<T> r{o.matrix(X), o.matrix(X_val), {}, {}, diagonal, log};
  r.y = o.vector(y, r.X.rows), r.y_val = o.vector(y_val, r.X_val.rows);
  require(r.X.cols == r.X_val.cols, "X and X_val do not fit");
  return {r, o};
}

template <class T>
OwnedProblem<T> biased_ridge(const Array<T>& X, const Array<T>& y, const Array<T>& X_val, const Array<T>& y_val, const Array<T>& beta) {
  Owners o;
  BiasedData<T> b{o.matrix(X), o.matrix(X_val), {}, {}, o.number(beta)};
  b.y = o.vector(y, b.X.rows), b.y_val = o.vector(y_val, b.X_val.rows);
  require(b.X.cols == b.X_val.cols, "X and X_val do not fit");
  return {b, o};
}

using Steps = Array<double>;  // α: one, or one for each problem

template <class T> Owned<InnerData<T>> descent(const OwnedProblem<T>& p, const Steps& step, double momentum, bool nesterov, index steps,
                                               std::optional<double> tol) {
  Owners o = p.owners;
  return {DescentData{{o.number(step), momentum, nesterov}, steps, tol}, o};
}

template <class T> OwnedHypergradient<T> neumann(const OwnedProblem<T>& p, index terms, const Steps& step) {
  Owners o = p.owners;
  return {NeumannData{terms, o.number(step)}, o};
}

template <class T>
OwnedHypergradient<T> cg(const OwnedProblem<T>& p, Stop stop, bool normal, double eps, const std::optional<Array<T>>& basis,
                         const std::optional<py::function>& project, const std::optional<Array<T>>& gram) {
  Owners o = p.owners;
  CgData<T> data{stop, normal, eps, {}, {}, {}};
  const index m = outer_size_of(p.part), n = inner_size_of(p.part);
  if (basis) {
    data.basis = o.both_ways(*basis);
    require(data.basis->rows == n, "the basis does not fit");
  }
  if (gram) {
    data.gram = o.symmetric(*gram);
    require(data.gram->rows == n && std::holds_alternative<RidgeData<T>>(p.part), "the Gram matrix does not fit");
  }
  if (project) {
    data.project = [=, f = *project](index k, const T* u, const T* w, T* g) {
      py::gil_scoped_acquire gil;
      const auto part = py::cast<Array<T>>(f(k, copy_of(m, u), copy_of(n, w), copy_of(n, g)));
      std::memcpy(g, vector(part, n), n * sizeof(T));
    };
  }
  return {data, o};
}

template <class T>
OwnedHypergradient<T> unrolled(const OwnedProblem<T>& p, const Steps& step, double momentum, bool nesterov, index steps, index last, bool forward) {
  require(last <= steps, "last is at most steps");
  Owners o = p.owners;
  return {UnrolledData{{o.number(step), momentum, nesterov}, steps, last, forward}, o};
}

template <class T> OwnedHypergradient<T> spectral(const OwnedProblem<T>& p, const Array<T>& V, const Array<T>& K) {
  Owners o = p.owners;
  SpectralData<T> s{o.both_ways(V), o.both_ways(K)};
  require(s.V.rows == inner_size_of(p.part) && s.V.cols == s.K.rows && s.K.cols == outer_size_of(p.part), "V and K do not fit");
  return {s, o};
}

// (dF/dw₀, dF/dα) of runs from start, at whose ends ∂F/∂w is grad_w
template <class T>
py::tuple derivatives(const OwnedProblem<T>& p, const Steps& step, double momentum, bool nesterov, index steps, const Array<T>& u,
                      const Array<T>& start, const Array<T>& grad_w) {
  const index n = inner_size_of(p.part), m = outer_size_of(p.part), count = u.ndim() ? u.shape(0) : 0;
  Owners o = p.owners;
  const RuleData rule{o.number(step), momentum, nesterov};
  o.require_fit(count);
  Array<T> grad_w0({count, n});
  Array<double> slope(count);
  const DerivativesCall<T> call{count, rule, steps, rows(u, count, m), rows(start, count, n), rows(grad_w, count, n), grad_w0.mutable_data(),
                                slope.mutable_data()};
  Heart heart;
  {
    const Released nogil;
    Pulse pulse = heart.pulse();
    kernels_of<T>().steps.derivatives(p.part, call, pulse);
  }
  return py::make_tuple(grad_w0, slope);
}

template <class T> void bind(py::module_& m, const char* name) {
  using P = OwnedProblem<T>;
  m.def("quadratic", &quadratic<T>, py::arg("A").noconvert(), py::arg("B").noconvert(), py::arg("P").noconvert(),
        py::arg("d").noconvert(), py::arg("f").noconvert(), py::arg("h").noconvert());
  m.def("target_learning", &target_learning<T>, py::arg("Phi").noconvert(), py::arg("Phi_out").noconvert(), py::arg("y_out").noconvert());
  m.def("ridge", &ridge<T>, py::arg("X").noconvert(), py::arg("y").noconvert(), py::arg("X_val").noconvert(),
        py::arg("y_val").noconvert(), py::arg("diagonal"), py::arg("log"));
  m.def("biased_ridge", &biased_ridge<T>, py::arg("X").noconvert(), py::arg("y").noconvert(), py::arg("X_val").noconvert(),
        py::arg("y_val").noconvert(), py::arg("beta").noconvert());
  const auto step = py::arg("step").noconvert();
  py::class_<P>(m, name)
      .def("descent", &descent<T>, step, py::arg("momentum"), py::arg("nesterov"), py::arg("steps"), py::arg("tol"))
      .def("neumann", &neumann<T>, py::arg("terms"), step)
      .def("identity", [](const P& p) { return OwnedHypergradient<T>{IdentityData{}, p.owners}; })
      .def("cg", &cg<T>, py::arg("stop"), py::arg("normal"), py::arg("eps"), py::arg("basis").noconvert(), py::arg("project"),
           py::arg("gram").noconvert())
      .def("unrolled", &unrolled<T>, step, py::arg("momentum"), py::arg("nesterov"), py::arg("steps"), py::arg("last"), py::arg("forward"))
      .def("spectral", &spectral<T>, py::arg("V").noconvert(), py::arg("K").noconvert())
      .def("run_derivatives", &derivatives<T>, step, py::arg("momentum"), py::arg("nesterov"), py::arg("steps"),
           py::arg("u").noconvert(), py::arg("start").noconvert(), py::arg("grad_w").noconvert());
}

}  // namespace

void bind_problem(py::module_& m) {
  py::class_<Stop>(m, "Stop").def(py::init<double, double, index>(), py::arg("rtol"), py::arg("atol"), py::arg("max_steps"));
  bind<double>(m, "Problem64");
  bind<float>(m, "Problem32");
}

}  // namespace pyblo
