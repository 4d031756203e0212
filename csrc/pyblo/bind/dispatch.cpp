// The instruction set in use.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdlib>

#include "pyblo/host/dispatch.hpp"

namespace py = pybind11;

namespace pyblo {

void bind_dispatch(py::module_& m) {
  const char* const wanted = std::getenv("PYBLO_ISA");
  select_instruction_set(wanted ? wanted : "");
  m.def("isa", [] { return kernels().name; }, "The instruction set of the kernels in use.");
  m.def("isas", &instruction_sets, "The instruction sets that were built and that this CPU has.");
  m.def("select_isa", &select_instruction_set, py::arg("name"), "Use another one; not while a call is under way.");
}

}  // namespace pyblo
