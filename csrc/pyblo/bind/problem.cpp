// The core's problems and the parts of a step that each of them gives.
#include "arrays.hpp"
#include "pulse.hpp"
#include "pyblo/host/parts.hpp"

namespace pyblo {
namespace {

template <class T> using OwnedProblem = Owned<AnyProblem<T>>;

template <class T>
OwnedProblem<T> quadratic(const Array<T>& A, const Array<T>& B, const Array<T>& P, const Array<T>& d, const Array<T>& f, T h) {
  Owners o;
  Quadratic<T, BlasDense<T>> q;
  q.A = {o.keep_matrix(A, true)}, q.B = o.keep_matrix(B), q.P = o.keep_matrix(P, true);
  require(q.B.rows == q.A.rows && q.P.rows == q.A.rows, "A, B and P do not fit");
  q.d = o.keep_vector(d, q.A.rows), q.f = o.keep_vector(f, q.A.rows), q.h = h;
  return {q, o};
}

template <class T> Gram<T> gram(Owners& o, const Array<T>& phi, T weight) {
  require(phi.ndim() == 2, "a design matrix has two axes");
  return {o.keep(phi), phi.shape(0), phi.shape(1), weight};
}

template <class T> OwnedProblem<T> target_learning(const Array<T>& phi, const Array<T>& phi_out, const Array<T>& y_out) {
  Owners o;
  TargetLearning<T> t{gram(o, phi, T(1)), gram(o, phi_out, T(1)), o.keep_vector(y_out, phi_out.shape(0))};
  require(t.phi.cols == t.phi_out.cols, "Phi and Phi_out do not fit");
  return {t, o};
}

template <class T>
OwnedProblem<T> ridge(const Array<T>& X, const Array<T>& y, const Array<T>& X_val, const Array<T>& y_val, bool diagonal, bool log) {
  Owners o;
  Ridge<T> r{gram(o, X, T(1) / T(X.shape(0))), gram(o, X_val, T(1) / T(X_val.shape(0))), o.keep_vector(y, X.shape(0)),
             o.keep_vector(y_val, X_val.shape(0)), diagonal, log};
  require(r.X.cols == r.X_val.cols, "X and X_val do not fit");
  return {r, o};
}

template <class T> index inner_size(const OwnedProblem<T>& p) {
  return std::visit([](const auto& q) { return q.inner_size(); }, p.part);
}

template <class T> index outer_size(const OwnedProblem<T>& p) {
  return std::visit([](const auto& q) { return q.outer_size(); }, p.part);
}

template <class T>
Owned<Inner<T>> bind_descent(const OwnedProblem<T>& p, Rule rule, index steps, std::optional<double> tol) {
  return {descent_inner<T>(p.part, {rule, steps, tol}), p.owners};
}

template <class T>
Owned<Hypergradient<T>> bind_neumann(const OwnedProblem<T>& p, index terms, double step) {
  return {implicit<T>(p.part, {Adjoint::neumann, step, terms, {}, false}, 0, {}), p.owners};
}

template <class T>
Owned<Hypergradient<T>> bind_cg(const OwnedProblem<T>& p, Stop stop, bool normal, double eps, const std::optional<Array<T>>& basis,
                               const std::optional<py::function>& project) {
  Owners o = p.owners;
  Range<T> range;
  const index m = outer_size(p), n = inner_size(p);
  if (basis) {
    range.basis = o.keep_matrix(*basis);
    require(range.basis->rows == n, "the basis does not fit");
  }
  if (project) {
    range.projection = [=](const T* u, const T* w, T* g) {
      py::gil_scoped_acquire gil;
      const auto part = py::cast<Array<T>>((*project)(copy_of(m, u), copy_of(n, w), copy_of(n, g)));
      std::memcpy(g, vector(part, n), n * sizeof(T));
    };
  }
  return {implicit<T>(p.part, {Adjoint::cg, 0, 0, stop, normal}, eps, range), o};
}

// (dF/dw₀, dF/dα) of a run from start, at whose end ∂F/∂w is grad_w
template <class T>
py::tuple bind_run_derivatives(const OwnedProblem<T>& p, Rule rule, index steps, const Array<T>& u, const Array<T>& start,
                               const Array<T>& grad_w) {
  const index n = inner_size(p), m = outer_size(p);
  Array<T> grad_w0(n);
  const T *pu = vector(u, m), *ps = vector(start, n), *pg = vector(grad_w, n);
  T* const out = grad_w0.mutable_data();
  T slope = 0;
  Heart heart;
  {
    py::gil_scoped_release nogil;
    Pulse pulse = heart.pulse();
    slope = run_derivatives<T>(p.part, rule, steps, pu, ps, pg, out, pulse);
  }
  return py::make_tuple(grad_w0, slope);
}

template <class T> void bind(py::module_& m, const char* name) {
  using P = OwnedProblem<T>;
  m.def("quadratic", &quadratic<T>, py::arg("A").noconvert(), py::arg("B").noconvert(), py::arg("P").noconvert(),
        py::arg("d").noconvert(), py::arg("f").noconvert(), py::arg("h"));
  m.def("target_learning", &target_learning<T>, py::arg("Phi").noconvert(), py::arg("Phi_out").noconvert(), py::arg("y_out").noconvert());
  m.def("ridge", &ridge<T>, py::arg("X").noconvert(), py::arg("y").noconvert(), py::arg("X_val").noconvert(),
        py::arg("y_val").noconvert(), py::arg("diagonal"), py::arg("log"));
  py::class_<P>(m, name)
      .def("descent", &bind_descent<T>, py::arg("rule"), py::arg("steps"), py::arg("tol"))
      .def("neumann", &bind_neumann<T>, py::arg("terms"), py::arg("step"))
      .def("identity", [](const P& p) -> Owned<Hypergradient<T>> {
             return {implicit<T>(p.part, {Adjoint::identity, 0, 0, {}, false}, 0, {}), p.owners};
           })
      .def("cg", &bind_cg<T>, py::arg("stop"), py::arg("normal"), py::arg("eps"), py::arg("basis").noconvert(),
           py::arg("project"))
      .def("unrolled", [](const P& p, Rule rule, index steps, index last, bool forward) -> Owned<Hypergradient<T>> {
             require(last <= steps, "last is at most steps");
             return {unrolled<T>(p.part, {rule, steps, last}, forward), p.owners};
           }, py::arg("rule"), py::arg("steps"), py::arg("last"), py::arg("forward"))
      .def("run_derivatives", &bind_run_derivatives<T>, py::arg("rule"), py::arg("steps"), py::arg("u").noconvert(),
           py::arg("start").noconvert(), py::arg("grad_w").noconvert())
      .def("spectral", [](const P& p, const Array<T>& V, const Array<T>& K) -> Owned<Hypergradient<T>> {
             Owners o = p.owners;
             const Dense<T> v = o.keep_matrix(V), k = o.keep_matrix(K);
             require(v.rows == inner_size(p) && v.cols == k.rows, "V and K do not fit");
             return {spectral<T>(p.part, v, k), o};
           }, py::arg("V").noconvert(), py::arg("K").noconvert());
}

}  // namespace

void bind_problem(py::module_& m) {
  py::class_<Rule>(m, "Rule").def(py::init<double, double, bool>(), py::arg("step"), py::arg("momentum"), py::arg("nesterov"));
  py::class_<Stop>(m, "Stop").def(py::init<double, double, index>(), py::arg("rtol"), py::arg("atol"), py::arg("max_steps"));
  bind<double>(m, "Problem64");
  bind<float>(m, "Problem32");
}

}  // namespace pyblo
