// Unevaluated sums high + low of two wide numbers, some 106 bits: in them a residual is recomputed where its rounding in the wide
// type could decide whether it met the tolerance (Dekker 1971; Ogita, Rump and Oishi 2005).
#pragma once
#include "scalar.hpp"

namespace pyblo {

template <class W> struct Twofold {
  using Part = W;
  W high, low;
  Twofold() = default;
  template <class U> explicit Twofold(U h) : high(W(h)), low(W(0)) {}
  Twofold(W h, W l) : high(h), low(l) {}
};

template <class W> struct Scalar<Twofold<W>> {
  using real = real_t<W>;
  using mask = mask_t<W>;
  using wide = Twofold<W>;
  static constexpr int lanes = Scalar<W>::lanes;
};

// a + b = sum + error, exactly
template <class W> inline Twofold<W> exact_sum(W a, W b) {
  const W sum = a + b, part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}

template <class W> inline Twofold<W> operator+(Twofold<W> a, Twofold<W> b) {
  const Twofold<W> s = exact_sum(a.high, b.high);
  return exact_sum(s.high, s.low + (a.low + b.low));
}
template <class W> inline Twofold<W> operator-(Twofold<W> a, Twofold<W> b) { return a + Twofold<W>(-b.high, -b.low); }

// a·b + c; the product of the high parts is exact through fma, products of a low part are rounded
template <class W> inline Twofold<W> madd(Twofold<W> a, Twofold<W> b, Twofold<W> c) {
  const W p = a.high * b.high;
  const W error = fused(a.high, b.high, -p);
  return Twofold<W>(p, madd(a.high, b.low, madd(a.low, b.high, error))) + c;
}

template <class W> inline Twofold<W> operator*(Twofold<W> a, Twofold<W> b) { return madd(a, b, Twofold<W>(0)); }

template <class To, class W> inline To convert(Twofold<W> a) {
  if constexpr (sizeof(To) == sizeof(Twofold<W>))
    return a;
  else
    return convert<To>(a.high);
}

}  // namespace pyblo
