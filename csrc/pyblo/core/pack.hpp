// N problems side by side, one per SIMD lane. Comparisons give lane masks; GCC's and Clang's vector types do the rest. A pack wider than a
// register is two halves.
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

template <class R, int N> inline constexpr bool wider_than_register = N * int(sizeof(R)) > register_bytes;

template <class R, int N> struct Mask {
  static constexpr int lanes = N;
  template <int M> using Of = Mask<R, M>;
  typedef typename LaneInteger<R>::type V __attribute__((vector_size(N * sizeof(R))));
  V v;
  Mask() = default;
  explicit Mask(V a) : v(a) {}
  Mask(bool m) : v(V{} - typename LaneInteger<R>::type(m)) {}
  friend Mask operator&(Mask a, Mask b) { return Mask(a.v & b.v); }
  friend Mask operator|(Mask a, Mask b) { return Mask(a.v | b.v); }
  friend Mask operator!(Mask a) { return Mask(~a.v); }
};

template <class R, int N>
  requires wider_than_register<R, N>
struct Mask<R, N> {
  static constexpr int lanes = N;
  template <int M> using Of = Mask<R, M>;
  using Half = Mask<R, N / 2>;
  Half low, high;
  Mask() = default;
  Mask(Half l, Half h) : low(l), high(h) {}
  Mask(bool m) : low(m), high(m) {}
  friend Mask operator&(Mask a, Mask b) { return {a.low & b.low, a.high & b.high}; }
  friend Mask operator|(Mask a, Mask b) { return {a.low | b.low, a.high | b.high}; }
  friend Mask operator!(Mask a) { return {!a.low, !a.high}; }
};

template <class R, int N> struct Pack {
  static constexpr int lanes = N;
  template <int M> using Of = Pack<R, M>;
  static constexpr int bytes = N * sizeof(R);
  typedef R V __attribute__((vector_size(bytes), aligned(bytes < 64 ? bytes : 64)));  // what scratch.hpp hands out
  V v;
  Pack() = default;
  Pack(const Pack& a) : v(a.v) {}  // as a vector: GCC moves arrays of structs through memory
  Pack& operator=(const Pack& a) {
    v = a.v;
    return *this;
  }
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

template <class R, int N>
  requires wider_than_register<R, N>
struct Pack<R, N> {
  static constexpr int lanes = N;
  template <int M> using Of = Pack<R, M>;
  using Half = Pack<R, N / 2>;
  Half low, high;
  Pack() = default;
  Pack(Half l, Half h) : low(l), high(h) {}
  template <class U> explicit Pack(U a) : low(a), high(a) {}
  friend Pack operator+(Pack a, Pack b) { return {a.low + b.low, a.high + b.high}; }
  friend Pack operator-(Pack a, Pack b) { return {a.low - b.low, a.high - b.high}; }
  friend Pack operator-(Pack a) { return {-a.low, -a.high}; }
  friend Pack operator*(Pack a, Pack b) { return {a.low * b.low, a.high * b.high}; }
  friend Pack operator/(Pack a, Pack b) { return {a.low / b.low, a.high / b.high}; }
  friend Mask<R, N> operator>(Pack a, Pack b) { return {a.low > b.low, a.high > b.high}; }
  friend Mask<R, N> operator>=(Pack a, Pack b) { return {a.low >= b.low, a.high >= b.high}; }
  friend Mask<R, N> operator<(Pack a, Pack b) { return {a.low < b.low, a.high < b.high}; }
  friend Mask<R, N> operator<=(Pack a, Pack b) { return {a.low <= b.low, a.high <= b.high}; }
  friend Mask<R, N> operator==(Pack a, Pack b) { return {a.low == b.low, a.high == b.high}; }
};

template <class R, int N> struct Scalar<Pack<R, N>> {
  using real = R;
  using mask = Mask<R, N>;
  using wide = Pack<double, N>;
  static constexpr int lanes = N;
};

// The registers that a pack is made of
template <class T> struct RegisterType { using type = T; };
template <class T>
  requires requires { typename T::Half; }
struct RegisterType<T> { using type = typename RegisterType<typename T::Half>::type; };
template <class T> using RegisterOf = typename RegisterType<T>::type;
template <class T> inline constexpr int registers = Scalar<T>::lanes / Scalar<RegisterOf<T>>::lanes;
template <int K, class T> inline auto& register_of(T& a) {
  constexpr int half = registers<std::remove_const_t<T>> / 2;
  if constexpr (half == 0)
    return a;
  else if constexpr (K < half)
    return register_of<K>(a.low);
  else
    return register_of<K - half>(a.high);
}
template <class R, int N> inline Pack<R, N> select(Mask<R, N> m, Pack<R, N> a, Pack<R, N> b) {
  if constexpr (wider_than_register<R, N>)
    return {select(m.low, a.low, b.low), select(m.high, a.high, b.high)};
  else
    return Pack<R, N>(m.v ? a.v : b.v);
}
template <class R, int N> inline bool any(Mask<R, N> m) {
  if constexpr (wider_than_register<R, N>) {
    return any(m.low | m.high);
  } else {
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
}
// A register from and to memory that may not be aligned
template <class P> inline P load(const real_t<P>* from) {
  typedef real_t<P> U __attribute__((vector_size(P::bytes), aligned(alignof(real_t<P>)), may_alias));
  return P(typename P::V(*reinterpret_cast<const U*>(from)));
}
template <class R, int N> inline void store(Pack<R, N> a, R* to) {
  typedef R U __attribute__((vector_size(Pack<R, N>::bytes), aligned(alignof(R)), may_alias));
  *reinterpret_cast<U*>(to) = U(a.v);
}

template <class R, int N> inline R lane(Pack<R, N> a, int l) {
  if constexpr (wider_than_register<R, N>)
    return l < N / 2 ? lane(a.low, l) : lane(a.high, l - N / 2);
  else
    return a.v[l];
}
template <class R, int N> inline void set_lane(Pack<R, N>& a, int l, R value) {
  if constexpr (wider_than_register<R, N>)
    l < N / 2 ? set_lane(a.low, l, value) : set_lane(a.high, l - N / 2, value);
  else
    a.v[l] = value;
}
#if defined(__x86_64__)
template <class R, int N>
  requires(N * int(sizeof(R)) >= 16)
inline void hold(Pack<R, N>& a) {
  if constexpr (wider_than_register<R, N>)
    hold(a.low), hold(a.high);
  else
    asm("" : "+v"(a.v));
}
#endif
template <class R, int N> inline Mask<R, N> is_finite(Pack<R, N> a) { return a - a == Pack<R, N>(0); }

// What has no vector form is done lane by lane, by the function that one problem alone uses.
template <class R, int N, class F> inline Pack<R, N> lanewise(Pack<R, N> a, F f) {
  if constexpr (wider_than_register<R, N>)
    return {lanewise(a.low, f), lanewise(a.high, f)};
  else
    for (int i = 0; i < N; ++i) a.v[i] = f(R(a.v[i]));
  return a;
}
// By the machine's own instruction where it has one for such a register
template <class R, int N> inline Pack<R, N> fused(Pack<R, N> a, Pack<R, N> b, Pack<R, N> c) {
  using P [[maybe_unused]] = Pack<R, N>;
  if constexpr (wider_than_register<R, N>) {
    return {fused(a.low, b.low, c.low), fused(a.high, b.high, c.high)};
  } else {
#if defined(__FMA__)
    if constexpr (P::bytes == 16 && sizeof(R) == 8) return P(_mm_fmadd_pd(a.v, b.v, c.v));
    if constexpr (P::bytes == 16 && sizeof(R) == 4) return P(_mm_fmadd_ps(a.v, b.v, c.v));
    if constexpr (P::bytes == 32 && sizeof(R) == 8) return P(_mm256_fmadd_pd(a.v, b.v, c.v));
    if constexpr (P::bytes == 32 && sizeof(R) == 4) return P(_mm256_fmadd_ps(a.v, b.v, c.v));
#endif
#if defined(__AVX512F__)
    if constexpr (P::bytes == 64 && sizeof(R) == 8) return P(_mm512_fmadd_pd(a.v, b.v, c.v));
    if constexpr (P::bytes == 64 && sizeof(R) == 4) return P(_mm512_fmadd_ps(a.v, b.v, c.v));
#endif
#if defined(__aarch64__)
    if constexpr (P::bytes == 16 && sizeof(R) == 8) return P(typename P::V(vfmaq_f64(c.v, a.v, b.v)));
    if constexpr (P::bytes == 16 && sizeof(R) == 4) return P(typename P::V(vfmaq_f32(c.v, a.v, b.v)));
#endif
    for (int i = 0; i < N; ++i) c.v[i] = fused(R(a.v[i]), R(b.v[i]), R(c.v[i]));
    return c;
  }
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

// The elements of a vector from First on; two vectors one after the other
template <int First, class V, int... J> inline auto part(V a, std::integer_sequence<int, J...>) {
  return __builtin_shufflevector(a, a, First + J...);
}
template <class V, int... J> inline auto joined(V a, V b, std::integer_sequence<int, J...>) {
  return __builtin_shufflevector(a, b, J...);
}

// The halving tree of Solo::sum over the lanes of a, from those that are D apart on
template <int D, class R, int N, int... J> inline R halving_lanes(Pack<R, N> a, std::integer_sequence<int, J...> places) {
  if constexpr (D == 0)
    return a.v[0];
  else
    return halving_lanes<D / 2>(a + Pack<R, N>(__builtin_shufflevector(a.v, a.v, (J + D) % N...)), places);
}
// The same over the registers s, one beside the other, and then over the lanes of what is left
template <int Registers, class R, int N> inline R halving_sum(Pack<R, N>* s) {
  if constexpr (Registers > 1) {
    unrolled<Registers / 2>([&]<int C>() { s[C] = s[C] + s[C + Registers / 2]; });
    return halving_sum<Registers / 2>(s);
  } else {
    return halving_lanes<N / 2>(s[0], std::make_integer_sequence<int, N>());
  }
}

// a converted to the vector V of as many elements
template <class V, class U> inline V converted(U a) {
#if defined(__AVX512F__)  // GCC 12 converts a register of 64 bytes in four parts; and warns of its own intrinsics without a mask
  constexpr __mmask8 all = 0xff;
  constexpr bool real = std::is_floating_point_v<std::remove_reference_t<decltype(a[0])>>;
  if constexpr (sizeof(V) == 64 && sizeof(U) == 32) {
    if constexpr (real) return V(_mm512_maskz_cvtps_pd(all, __m256(a)));
    else return V(_mm512_maskz_cvtepi32_epi64(all, __m256i(a)));
  }
  if constexpr (sizeof(V) == 32 && sizeof(U) == 64) {
    if constexpr (real) return V(_mm512_maskz_cvtpd_ps(all, __m512d(a)));
    else return V(_mm512_maskz_cvtepi64_epi32(all, __m512i(a)));
  }
#endif
  return __builtin_convertvector(a, V);
}

// The lanes of a, a pack or a mask, converted to those of To
template <class To, class From> inline To convert_lanes(From a) {
  constexpr bool from_halves = requires { typename From::Half; };
  constexpr int n = From::lanes;
  if constexpr (std::is_same_v<To, From>) {
    return a;
  } else if constexpr (requires { typename To::Half; }) {
    using Half = typename To::Half;
    if constexpr (from_halves) {
      return To(convert_lanes<Half>(a.low), convert_lanes<Half>(a.high));
    } else {
      using Narrow = typename From::template Of<n / 2>;
      constexpr auto places = std::make_integer_sequence<int, n / 2>();
      return To(convert_lanes<Half>(Narrow(part<0>(a.v, places))), convert_lanes<Half>(Narrow(part<n / 2>(a.v, places))));
    }
  } else if constexpr (from_halves) {
    using Narrow = typename To::template Of<n / 2>;
    return To(joined(convert_lanes<Narrow>(a.low).v, convert_lanes<Narrow>(a.high).v, std::make_integer_sequence<int, n>()));
  } else {
    return To(converted<typename To::V>(a.v));
  }
}
template <class To, class R, int N> inline To convert(Pack<R, N> a) {
  if constexpr (requires { typename To::Part; })
    return To(convert<typename To::Part>(a));
  else
    return convert_lanes<To>(a);
}
template <class To, class R, int N> inline mask_t<To> convert_mask(Mask<R, N> m) {
  return convert_lanes<mask_t<To>>(m);
}

}  // namespace pyblo
