// What an algorithm may ask of its scalar T: arithmetic, comparisons that give a mask, select, any, and conversion to the
// wide type in which residuals are judged. Float and double here; Pack (pack.hpp) is many problems, one per SIMD lane.
#pragma once
#include "std.hpp"
#include "types.hpp"

namespace pyblo {

template <class T> struct Scalar {
  using real = T;
  using mask = bool;
  using wide = double;
  static constexpr int lanes = 1;
};
template <class T> using real_t = typename Scalar<T>::real;
template <class T> using mask_t = typename Scalar<T>::mask;
template <class T> using wide_t = typename Scalar<T>::wide;

// Spacing of the numbers at 1; a sum of squares too small to divide by; below `tiny` a vector is helped by a factor `boost`
template <class R> struct Limits;
template <> struct Limits<double> { static constexpr double epsilon = 0x1p-52, floor = 0x1p-960, boost = 0x1p18, tiny = 0x1p-400; };
template <> struct Limits<float> { static constexpr float epsilon = 0x1p-23f, floor = 0x1p-112f, boost = 0x1p4f, tiny = 0x1p-40f; };
template <class T> inline constexpr real_t<T> epsilon = Limits<real_t<T>>::epsilon;
template <class T> inline constexpr real_t<T> floor_of_squares = Limits<real_t<T>>::floor;

// Whether the machine rounds a·b + c once
#if defined(__FMA__) || defined(__FP_FAST_FMA) || defined(__aarch64__) || defined(__CUDACC__)
inline constexpr bool has_fma = true;
#else
inline constexpr bool has_fma = false;
#endif

// a·b + c rounded once on every machine, in software where it has no fma
inline double fused(double a, double b, double c) { return fma(a, b, c); }
inline float fused(float a, float b, float c) { return fmaf(a, b, c); }

// a·b + c, rounded once where the machine does that. Every multiply-add of the core is written with it, and compilers may contract
// nothing else, so that all forms of an algorithm give the same bits.
template <class T> inline T madd(T a, T b, T c) {
  if constexpr (has_fma)
    return fused(a, b, c);
  else
    return a * b + c;
}

template <class T> inline T select(bool m, T a, T b) { return m ? a : b; }
inline bool any(bool m) { return m; }
inline bool is_finite(double a) { return a - a == 0; }
inline bool is_finite(float a) { return a - a == 0; }
inline double magnitude(double a) { return a < 0 ? -a : a; }
inline float magnitude(float a) { return a < 0 ? -a : a; }
inline double square_root(double a) { return sqrt(a); }
inline float square_root(float a) { return sqrtf(a); }
inline double exponential(double a) { return exp(a); }
inline float exponential(float a) { return expf(a); }

template <class To> inline To convert(double a) { return To(a); }
template <class To> inline To convert(float a) { return To(a); }
template <class To> inline mask_t<To> convert_mask(bool m) { return m; }

// Lane l of a scalar
inline double lane(double a, int) { return a; }
inline float lane(float a, int) { return a; }
inline void set_lane(double& a, int, double value) { a = value; }
inline void set_lane(float& a, int, float value) { a = value; }

// Keeps a in a register: the compiler shall not load it from memory for each use
template <class T> inline void hold(T&) {}
#if defined(__x86_64__) && !defined(__CUDACC__)
inline void hold(double& a) { asm("" : "+x"(a)); }
inline void hold(float& a) { asm("" : "+x"(a)); }
#endif

// f.operator()<k>() for k = 0 … Count − 1: a small array that is indexed so stays in registers
template <int Count, int K = 0, class F> [[gnu::always_inline]] inline void unrolled(const F& f) {
  if constexpr (K < Count) {
    f.template operator()<K>();
    unrolled<Count, K + 1>(f);
  }
}

// f.operator()<count>() for a count below Limit that is known only now; nothing for 0
template <int Limit, class F> [[gnu::always_inline]] inline void with_count(index count, const F& f) {
  unrolled<Limit - 1>([&]<int K>() {
    if (count == K + 1) f.template operator()<K + 1>();
  });
}

template <class T> inline T larger(T a, T b) { return select(a > b, a, b); }

// 2^-e with a·2^-e in [1, 2): scaling by it is exact. Zero and the ends of the range give a power that stays normal.
inline double inverse_power(double a) {
  constexpr long long bias = 1023, most = 1000;
  long long e = (__builtin_bit_cast(long long, a) >> 52 & 0x7ff) - bias;
  e = e > most ? most : e < -most ? -most : e;
  return __builtin_bit_cast(double, (bias - e) << 52);
}
inline float inverse_power(float a) {
  constexpr int bias = 127, most = 120;
  int e = (__builtin_bit_cast(int, a) >> 23 & 0xff) - bias;
  e = e > most ? most : e < -most ? -most : e;
  return __builtin_bit_cast(float, (bias - e) << 23);
}

}  // namespace pyblo
