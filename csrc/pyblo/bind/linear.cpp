// linalg.cg and linalg.neumann over arrays of systems.
#include "arrays.hpp"
#include "pulse.hpp"
#include "pyblo/host/linear.hpp"

namespace pyblo {
namespace {

// A (n, n) or (count, n, n), b (count, n)
template <class T> Systems<T> systems(const Array<T>& A, const Array<T>& b) {
  require(b.ndim() == 2 && (A.ndim() == 2 || A.ndim() == 3), "A is (n, n) or (count, n, n) and b is (count, n)");
  const index count = b.shape(0), n = b.shape(1);
  require(A.shape(A.ndim() - 1) == n && A.shape(A.ndim() - 2) == n && (A.ndim() == 2 || A.shape(0) == count), "A and b do not fit");
  for (const py::array& a : {py::array(A), py::array(b)})
    require(reinterpret_cast<std::uintptr_t>(a.data()) % alignof(T) == 0, "an array is misaligned");
  return {A.data(), b.data(), count, n, A.ndim() == 3 ? n * n : 0};
}

// (x, status, steps, residual, directions)
template <class T>
py::tuple bind_cg(const Array<T>& A, const Array<T>& b, const std::optional<Array<T>>& x0, double rtol, double atol, index max_steps) {
  const Systems<T> s = systems(A, b);
  Array<T> x({s.count, s.n}), directions({s.count, s.n});
  py::array_t<int> status(s.count);
  py::array_t<index> steps(s.count);
  py::array_t<double> residual(s.count);
  if (x0) {
    require(x0->size() == s.count * s.n, "x0 does not fit");
    if (x0->size()) std::memcpy(x.mutable_data(), x0->data(), x0->nbytes());
  }
  T *const px = x.mutable_data(), *const pd = directions.mutable_data();
  std::vector<Report<T>> reports(s.count);
  Heart heart;
  {
    py::gil_scoped_release nogil;
    Pulse pulse = heart.pulse();
    solve_cg(s, px, !x0, {rtol, atol, max_steps}, reports.data(), pd, pulse);
  }
  for (index k = 0; k < s.count; ++k) {
    status.mutable_at(k) = int(reports[k].status);
    steps.mutable_at(k) = index(reports[k].steps);
    residual.mutable_at(k) = reports[k].residual;
  }
  return py::make_tuple(x, status, steps, residual, directions);
}

template <class T> Array<T> bind_neumann(const Array<T>& A, const Array<T>& b, index terms, const Array<double>& step) {
  const Systems<T> s = systems(A, b);
  Array<T> x({s.count, s.n});
  T* const px = x.mutable_data();
  const double* const steps = vector(step, s.count);
  Heart heart;
  {
    py::gil_scoped_release nogil;
    Pulse pulse = heart.pulse();
    solve_neumann(s, px, steps, terms, pulse);
  }
  return x;
}

template <class T> double bind_asymmetry(const Array<T>& A) {
  require(A.ndim() >= 2 && A.shape(A.ndim() - 1) == A.shape(A.ndim() - 2), "A is not square");
  const index n = A.shape(A.ndim() - 1), count = n ? A.size() / (n * n) : 0;
  const T* const p = A.data();
  py::gil_scoped_release nogil;
  double worst = 0;
  for (index k = 0; k < count; ++k) {
    const double a = asymmetry(p + k * n * n, n);
    worst = a > worst || a != a ? a : worst;
  }
  return worst;
}

template <class T> void bind(py::module_& m) {
  m.def("cg", &bind_cg<T>, py::arg("A").noconvert(), py::arg("b").noconvert(), py::arg("x0").noconvert(), py::arg("rtol"),
        py::arg("atol"), py::arg("max_steps"));
  m.def("neumann", &bind_neumann<T>, py::arg("A").noconvert(), py::arg("b").noconvert(), py::arg("terms"), py::arg("step").noconvert());
  m.def("asymmetry", &bind_asymmetry<T>, py::arg("A").noconvert());
}

}  // namespace

void bind_linear(py::module_& m) {
  bind<double>(m);
  bind<float>(m);
}

}  // namespace pyblo
