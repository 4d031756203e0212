// Which build of the kernels runs: the widest that this CPU has, or the one that was asked for.
#pragma once
#include <string>
#include <vector>

#include "kernels/table.hpp"

namespace pyblo {

const Kernels& kernels();
template <class R> const RealKernels<R>& kernels_of() { return kernels().of<R>(); }

std::vector<std::string> instruction_sets();  // those that were compiled and that this CPU has, the narrowest first
// Throws std::invalid_argument where there is no such set; an empty name is the widest.
void select_instruction_set(const std::string& name);

}  // namespace pyblo
