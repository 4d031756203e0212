// pyblo._core: the C++ core, for pyblo._dispatch alone.
#include <pybind11/pybind11.h>

#include "pyblo/core/types.hpp"

namespace py = pybind11;

namespace pyblo {

void bind_blas(py::module_&);
void bind_callback(py::module_&);
void bind_dispatch(py::module_&);
void bind_gram(py::module_&);
void bind_linear(py::module_&);
void bind_problem(py::module_&);
void bind_projections(py::module_&);
void bind_step(py::module_&);
void bind_threads(py::module_&);

namespace {
void bind_status(py::module_& m) {
  py::dict codes;
  codes["RUNNING"] = int(RUNNING), codes["CONVERGED"] = int(CONVERGED), codes["COMPLETED"] = int(COMPLETED);
  codes["NOT_CONVERGED"] = int(NOT_CONVERGED), codes["INDEFINITE"] = int(INDEFINITE), codes["INCONSISTENT"] = int(INCONSISTENT);
  codes["DIVERGED"] = int(DIVERGED), codes["STOPPED"] = int(STOPPED), codes["INTERRUPTED"] = int(INTERRUPTED);
  codes["UNBOUNDED"] = int(UNBOUNDED);
  m.attr("status_codes") = codes;
}
}  // namespace

}  // namespace pyblo

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "The C++ core of pyblo.";
  pyblo::bind_status(m);
  pyblo::bind_step(m);
  pyblo::bind_problem(m);
  pyblo::bind_callback(m);
  pyblo::bind_linear(m);
  pyblo::bind_blas(m);
  pyblo::bind_dispatch(m);
  pyblo::bind_threads(m);
  pyblo::bind_gram(m);
  pyblo::bind_projections(m);
}
