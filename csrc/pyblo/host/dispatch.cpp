// Each test of the CPU names exactly the features that CMakeLists.txt switches on for that build; __builtin_cpu_supports also asks
// whether the system saves the registers.
#include "dispatch.hpp"

#include <stdexcept>

namespace pyblo {

namespace baseline { extern const Kernels table; }
#ifdef PYBLO_X86
namespace avx2 { extern const Kernels table; }
namespace avx512 { extern const Kernels table; }
#endif

namespace {

std::vector<const Kernels*> supported() {
  std::vector<const Kernels*> found{&baseline::table};
#ifdef PYBLO_X86
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    found.push_back(&avx2::table);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
      found.push_back(&avx512::table);
  }
#endif
  return found;
}

const Kernels* chosen = nullptr;

}  // namespace

const Kernels& kernels() {
  if (!chosen) chosen = supported().back();
  return *chosen;
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Kernels* k : supported()) names.push_back(k->name);
  return names;
}

void select_instruction_set(const std::string& name) {
  const auto all = supported();
  if (name.empty()) {
    chosen = all.back();
    return;
  }
  std::string known;
  for (const Kernels* k : all) {
    if (name == k->name) {
      chosen = k;
      return;
    }
    known += (known.empty() ? "" : ", ") + std::string(k->name);
  }
  throw std::invalid_argument("instruction set '" + name + "' was not built or is not had here; there are " + known);
}

}  // namespace pyblo
