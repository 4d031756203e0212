// The one door to the standard library; NVRTC brings its own mathematics and has no such headers.
#pragma once
#if !defined(__CUDACC_RTC__)
#include <math.h>
#endif
