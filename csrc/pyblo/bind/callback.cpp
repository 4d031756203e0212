// A problem written in Python. Its guard (pyblo/_callbacks.py) has checked every answer; here they are copied in and out.
#include "arrays.hpp"

namespace pyblo {
namespace {

template <class V> void give(const py::object& answer, index size, V* out) {
  const auto array = py::cast<Array<V>>(answer);
  if (size) std::memcpy(out, vector(array, size), size * sizeof(V));
}

// The operator (apply, apply_adjoint) that guard.hessian(u, w) returned
template <class T> Product<T> product(py::object pair, index n) {
  const auto call = [pair, n](bool adjoint, const auto* x, auto* y) {
    py::gil_scoped_acquire gil;
    give(pair[py::int_(adjoint ? 1 : 0)](copy_of(n, x)), n, y);
  };
  // the last reference may go while the interpreter's lock is not held
  const auto held = std::shared_ptr<decltype(call)>(new auto(call), [](auto* p) {
    py::gil_scoped_acquire gil;
    delete p;
  });
  return {[held](bool adjoint, const T* x, T* y) { (*held)(adjoint, x, y); },
          [held](bool adjoint, const double* x, double* y) { (*held)(adjoint, x, y); }};
}

template <class T> Callbacks<T> callbacks(index m, index n, const py::object& guard) {
  Callbacks<T> c{m, n, {}, {}, {}, {}, {}, {}};
  c.gradient = [=](const T* u, const T* w, T* out) {
    py::gil_scoped_acquire gil;
    give(guard.attr("gradient")(copy_of(m, u), copy_of(n, w)), n, out);
  };
  c.wide_gradient = [=](const T* u, const double* w, double* out) {
    py::gil_scoped_acquire gil;
    give(guard.attr("gradient")(copy_of(m, u), copy_of(n, w)), n, out);
  };
  c.hessian = [=](const T* u, const T* w) {
    py::gil_scoped_acquire gil;
    return product<T>(guard.attr("hessian")(copy_of(m, u), copy_of(n, w)), n);
  };
  c.cross_adjoint = [=](const T* u, const T* w, const T* q, T* out) {
    py::gil_scoped_acquire gil;
    give(guard.attr("cross_adjoint")(copy_of(m, u), copy_of(n, w), copy_of(n, q)), m, out);
  };
  c.cross_column = [=](const T* u, const T* w, index j, T* out) {
    py::gil_scoped_acquire gil;
    give(guard.attr("cross_column")(copy_of(m, u), copy_of(n, w), j), n, out);
  };
  c.outer = [=](const T* u, const T* w, T* grad_u, T* grad_w) {
    py::gil_scoped_acquire gil;
    const auto answer = py::cast<std::tuple<double, py::object, py::object>>(guard.attr("outer")(copy_of(m, u), copy_of(n, w)));
    give(std::get<1>(answer), m, grad_u);
    give(std::get<2>(answer), n, grad_w);
    return T(std::get<0>(answer));
  };
  return c;
}

template <class T> Owned<ProblemData<T>> callback(index m, index n, const py::object& guard) {
  return {CallbackProblem<T>{std::make_shared<const Callbacks<T>>(callbacks<T>(m, n, guard))}, {}};
}

}  // namespace

void bind_callback(py::module_& m) {
  m.def("callback64", &callback<double>, py::arg("outer_size"), py::arg("inner_size"), py::arg("guard"));
  m.def("callback32", &callback<float>, py::arg("outer_size"), py::arg("inner_size"), py::arg("guard"));
}

}  // namespace pyblo
