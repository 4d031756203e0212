#include "steps_impl.hpp"

namespace pyblo {
template StepKernels<double> step_kernels<double>();
}  // namespace pyblo
