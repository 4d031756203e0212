// The number of threads that the pool may use.
#include <pybind11/pybind11.h>

#include "pyblo/host/threads.hpp"

namespace py = pybind11;

namespace pyblo {

void bind_threads(py::module_& m) {
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
}

}  // namespace pyblo
