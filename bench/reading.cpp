// Merely reading an array, for the benchmarks to call in their own process: a product that passes over it once cannot be faster.
#include "reading.hpp"

// Seconds from the first start to the last end of `threads` workers that read `bytes` once
extern "C" double read_seconds(const char* data, long bytes, int threads) { return Reading(data, bytes, threads).seconds(1); }
