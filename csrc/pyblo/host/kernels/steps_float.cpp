#include "steps_impl.hpp"

namespace pyblo {
template StepKernels<float> step_kernels<float>();
}  // namespace pyblo
