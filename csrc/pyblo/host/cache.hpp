// What the processor keeps near, how wide it works and what it does slowly: this decides how a result is made, and no bit of it.
#pragma once
#include <unistd.h>

#include <fstream>
#include <string>

#include "pyblo/core/types.hpp"

namespace pyblo {

// What may stay in a first-level cache, of 32 KiB or more, beside the rest of the working memory
inline constexpr index first_level_share = 24 << 10;

// The second-level cache in bytes; 1 MiB where the system does not say
inline index second_level_cache() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  static const index bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes >= 1 << 17) return bytes;
#endif
  return 1 << 20;
}

// The third-level cache in bytes; none where the system does not say
inline index third_level_cache() {
#if defined(_SC_LEVEL3_CACHE_SIZE)
  static const index bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
  if (bytes > 0) return bytes;
#endif
  return 0;
}

// Whether what is read again and again, so many bytes, mostly stays there: half as much again costs little
inline bool stays_in_cache(index bytes) { return bytes <= second_level_cache() + second_level_cache() / 2; }

// Whether the processor works on 64-byte registers by halves, as Zen 4 does: the only one of its family that has them
inline bool halves_wide_registers() {
#if defined(__x86_64__)
  return __builtin_cpu_is("amdfam19h");
#else
  return false;
#endif
}

// Whether the processor gathers what lies apart in memory as fast as it loads it: not where that is guarded against data sampling
inline bool gathers_fast() {
#if defined(__linux__)
  static const bool fast = [] {
    std::string guard;
    std::ifstream("/sys/devices/system/cpu/vulnerabilities/gather_data_sampling") >> guard;
    return guard != "Mitigation:";
  }();
  return fast;
#else
  return false;
#endif
}

}  // namespace pyblo
