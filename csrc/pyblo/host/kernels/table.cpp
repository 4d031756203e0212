// The one symbol that a build of this folder shows to the rest.
#include "table.hpp"

#define PYBLO_QUOTE(name) #name
#define PYBLO_NAME(name) PYBLO_QUOTE(name)

namespace pyblo::PYBLO_LEVEL {

extern const Kernels table;
const Kernels table = {PYBLO_NAME(PYBLO_LEVEL),
                       {linear_kernels<float>(), single_kernels<float>(), step_kernels<float>(), gram_kernels<float>(), projection_kernels<float>()},
                       {linear_kernels<double>(), single_kernels<double>(), step_kernels<double>(), gram_kernels<double>(), projection_kernels<double>()}};

}  // namespace pyblo::PYBLO_LEVEL
