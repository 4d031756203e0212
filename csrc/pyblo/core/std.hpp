// The one door to the standard library and to the processor's own instructions; NVRTC brings its own mathematics and has no such headers.
#pragma once
#if !defined(__CUDACC_RTC__)
#include <math.h>
#include <type_traits>
#include <utility>
#if defined(__AVX2__) || defined(__FMA__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif
#endif
