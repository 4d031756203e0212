// Vector operations that more than one algorithm uses. They end in a sync where the result may be read by another worker.
#pragma once
#include "team.hpp"

namespace pyblo {

template <class T, class G> void copy(G team, index n, const T* from, T* to) {
  team.each(n, [=](index i) { to[i] = from[i]; });
  team.sync();
}

template <class T, class G> void fill(G team, index n, T value, T* to) {
  team.each(n, [=](index i) { to[i] = value; });
  team.sync();
}

// to = a·x + y
template <class T, class G> void axpy(G team, index n, T a, const T* x, const T* y, T* to) {
  team.each(n, [=](index i) { to[i] = madd(a, x[i], y[i]); });
  team.sync();
}

template <class T, class G> T dot(G team, index n, const T* x, const T* y) {
  return team.template sum<T>(n, [=](index i, T s) { return madd(x[i], y[i], s); });
}

// ‖x‖₂, squared and added in the wide type
template <class T, class G> wide_t<T> norm(G team, index n, const T* x) {
  using W = wide_t<T>;
  return square_root(team.template sum<W>(n, [=](index i, W s) {
    const W a = convert<W>(x[i]);
    return madd(a, a, s);
  }));
}

// Whether every x_i is finite: x − x is zero, or NaN
template <class T, class G> mask_t<T> finite(G team, index n, const T* x) {
  return is_finite(team.template sum<T>(n, [=](index i, T s) { return s + (x[i] - x[i]); }));
}

// The same where the norm of x is known: one that is finite says it all, one that is not may have overflowed
template <class T, class G> mask_t<T> finite(G team, index n, const T* x, wide_t<T> size) {
  const mask_t<T> sure = convert_mask<T>(is_finite(size));
  return any(!sure) ? sure | finite(team, n, x) : sure;
}

}  // namespace pyblo
