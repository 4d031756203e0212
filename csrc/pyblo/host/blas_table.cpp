// The one BLAS table of the process.
#include "pyblo/host/blas_table.hpp"

namespace pyblo {

BlasTable& blas() {
  static BlasTable table;
  return table;
}

}  // namespace pyblo
