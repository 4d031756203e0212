// N problems side by side, one per SIMD lane. Comparisons give lane masks; GCC's and Clang's vector types do the rest.
#pragma once
#include "scalar.hpp"

namespace pyblo {

// The widest registers of the instruction set that this is compiled for
#if defined(__AVX512F__)
inline constexpr int register_bytes = 64;
#elif defined(__AVX2__)
inline constexpr int register_bytes = 32;
#else
inline constexpr int register_bytes = 16;
#endif

template <class R> struct LaneInteger;
template <> struct LaneInteger<double> { using type = long long; };
template <> struct LaneInteger<float> { using type = int; };

template <class R, int N> struct Mask {
  typedef typename LaneInteger<R>::type V __attribute__((vector_size(N * sizeof(R))));
  V v;
  Mask() = default;
  explicit Mask(V a) : v(a) {}
  Mask(bool m) : v(V{} - typename LaneInteger<R>::type(m)) {}
  friend Mask operator&(Mask a, Mask b) { return Mask(a.v & b.v); }
  friend Mask operator|(Mask a, Mask b) { return Mask(a.v | b.v); }
  friend Mask operator!(Mask a) { return Mask(~a.v); }
};

template <class R, int N> struct Pack {
  static constexpr int bytes = N * sizeof(R);
  typedef R V __attribute__((vector_size(bytes), aligned(bytes < 64 ? bytes : 64)));  // what scratch.hpp hands out
  V v;
  Pack() = default;
  explicit Pack(V a) : v(a) {}
  template <class U> explicit Pack(U a) : v(V{} + R(a)) {}
  friend Pack operator+(Pack a, Pack b) { return Pack(a.v + b.v); }
  friend Pack operator-(Pack a, Pack b) { return Pack(a.v - b.v); }
  friend Pack operator-(Pack a) { return Pack(-a.v); }
  friend Pack operator*(Pack a, Pack b) { return Pack(a.v * b.v); }
  friend Pack operator/(Pack a, Pack b) { return Pack(a.v / b.v); }
  friend Mask<R, N> operator>(Pack a, Pack b) { return Mask<R, N>(a.v > b.v); }
  friend Mask<R, N> operator>=(Pack a, Pack b) { return Mask<R, N>(a.v >= b.v); }
  friend Mask<R, N> operator<(Pack a, Pack b) { return Mask<R, N>(a.v < b.v); }
  friend Mask<R, N> operator<=(Pack a, Pack b) { return Mask<R, N>(a.v <= b.v); }
  friend Mask<R, N> operator==(Pack a, Pack b) { return Mask<R, N>(a.v == b.v); }
};

template <class R, int N> struct Scalar<Pack<R, N>> {
  using real = R;
  using mask = Mask<R, N>;
  using wide = Pack<double, N>;
  static constexpr int lanes = N;
};

template <class R, int N> inline Pack<R, N> select(Mask<R, N> m, Pack<R, N> a, Pack<R, N> b) {
  return Pack<R, N>(m.v ? a.v : b.v);
}
template <class R, int N> inline bool any(Mask<R, N> m) {
#if defined(__AVX512F__)
  if constexpr (N * sizeof(R) == 64) return _mm512_test_epi64_mask((__m512i)m.v, (__m512i)m.v) != 0;
#endif
#if defined(__AVX2__)
  if constexpr (N * sizeof(R) == 32) return !_mm256_testz_si256((__m256i)m.v, (__m256i)m.v);
#endif
  bool found = false;
  for (int i = 0; i < N; ++i) found |= m.v[i] != 0;
  return found;
}
template <class R, int N> inline R lane(Pack<R, N> a, int l) { return a.v[l]; }
template <class R, int N> inline void set_lane(Pack<R, N>& a, int l, R value) { a.v[l] = value; }
#if defined(__x86_64__)
template <class R, int N>
  requires(N * int(sizeof(R)) >= 16 && N * int(sizeof(R)) <= register_bytes)
inline void hold(Pack<R, N>& a) {
  asm("" : "+v"(a.v));
}
#endif
template <class R, int N> inline Mask<R, N> is_finite(Pack<R, N> a) { return a - a == Pack<R, N>(0); }

// What has no vector form is done lane by lane, by the function that one problem alone uses.
template <class R, int N, class F> inline Pack<R, N> lanewise(Pack<R, N> a, F f) {
  for (int i = 0; i < N; ++i) a.v[i] = f(R(a.v[i]));
  return a;
}
template <int N> inline Pack<double, N> fused(Pack<double, N> a, Pack<double, N> b, Pack<double, N> c) {
  for (int i = 0; i < N; ++i) c.v[i] = fused(a.v[i], b.v[i], c.v[i]);
  return c;
}
template <class R, int N> inline Pack<R, N> magnitude(Pack<R, N> a) { return select(a < Pack<R, N>(0), -a, a); }
template <class R, int N> inline Pack<R, N> square_root(Pack<R, N> a) {
  return lanewise(a, [](R x) { return square_root(x); });
}
template <class R, int N> inline Pack<R, N> exponential(Pack<R, N> a) {
  return lanewise(a, [](R x) { return exponential(x); });
}
template <class R, int N> inline Pack<R, N> inverse_power(Pack<R, N> a) {
  return lanewise(a, [](R x) { return inverse_power(x); });
}

template <class To, class R, int N> inline To convert(Pack<R, N> a) {
  if constexpr (requires { typename To::Part; })
    return To(convert<typename To::Part>(a));
  else
    return To(__builtin_convertvector(a.v, typename To::V));
}
template <class To, class R, int N> inline mask_t<To> convert_mask(Mask<R, N> m) {
  return mask_t<To>(__builtin_convertvector(m.v, typename mask_t<To>::V));
}

}  // namespace pyblo
