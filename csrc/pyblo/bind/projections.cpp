// Cyclic projections and Dykstra's algorithm.
#include "arrays.hpp"
#include "pulse.hpp"
#include "pyblo/host/dispatch.hpp"

namespace pyblo {
namespace {

// (w, moves, status, cycles, moved, apart); a (rows, n) or (count, rows, n), b likewise, w (count, n); history is written
template <class T>
py::tuple bind_cyclic(const Array<T>& a, const Array<T>& b, const Array<unsigned char>& half_space, const Array<T>& w0, bool corrected,
                      double tol, index max_cycles, std::optional<Array<T>> history) {
  require(w0.ndim() == 2 && a.ndim() >= 2 && b.ndim() == a.ndim() - 1, "w is (count, n), a (rows, n) and b (rows,), or one of each");
  const index count = w0.shape(0), n = w0.shape(1), rows = a.shape(a.ndim() - 2);
  require(a.ndim() == 2 || (a.ndim() == 3 && a.shape(0) == count && b.shape(0) == count), "a and w do not fit");
  require(a.shape(a.ndim() - 1) == n && b.shape(b.ndim() - 1) == rows && half_space.size() == rows, "a, b and w do not fit");
  require(!history || (history->size() == count * (max_cycles + 1) * n && history->writeable()), "history does not fit");
  Array<T> w({count, n}), moves({count, rows});
  if (w0.size()) std::memcpy(w.mutable_data(), aligned(w0), w0.nbytes());
  Array<int> status(count);
  Array<index> cycles(count);
  Array<double> moved(count), apart(count);
  const bool shared = a.ndim() == 2;
  const ProjectionCall<T> call{aligned(a), aligned(b), half_space.data(), count, rows, n, shared ? 0 : rows * n, shared ? 0 : rows,
                               corrected, tol, max_cycles, w.mutable_data(), moves.mutable_data(),
                               history ? history->mutable_data() : nullptr, status.mutable_data(), cycles.mutable_data(),
                               moved.mutable_data(), apart.mutable_data()};
  std::fill_n(status.mutable_data(), count, int(INTERRUPTED));
  {
    Heart heart;
    const Released nogil;
    Pulse pulse = heart.pulse();
    kernels_of<T>().projections.cyclic(call, pulse);
  }
  return py::make_tuple(w, moves, status, cycles, moved, apart);
}

template <class T> void bind(py::module_& m) {
  m.def("cyclic_projections", &bind_cyclic<T>, py::arg("a").noconvert(), py::arg("b").noconvert(), py::arg("half_space").noconvert(),
        py::arg("w0").noconvert(), py::arg("corrected"), py::arg("tol"), py::arg("max_cycles"), py::arg("history").noconvert());
}

}  // namespace

void bind_projections(py::module_& m) {
  bind<double>(m);
  bind<float>(m);
}

}  // namespace pyblo
