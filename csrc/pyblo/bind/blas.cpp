// set_blas(capsule): takes over the table of pyblo/_blas.pyx.
#include <pybind11/pybind11.h>

#include <string_view>

#include "pyblo/host/blas_table.hpp"

namespace py = pybind11;

namespace pyblo {

void bind_blas(py::module_& m) {
  m.def(
      "set_blas",
      [](const py::capsule& table) {
        const char* name = table.name();
        if (name == nullptr || std::string_view(name) != "pyblo.BlasTable") throw py::type_error("set_blas takes pyblo._blas.table");
        blas() = *table.get_pointer<BlasTable>();
      },
      py::arg("table"), "Use the BLAS entry points of pyblo._blas.table.");
}

}  // namespace pyblo
