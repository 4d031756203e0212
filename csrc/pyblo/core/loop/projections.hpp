// Cyclic projections on hyperplanes aᵢᵀw = bᵢ and half-spaces aᵢᵀw ≤ bᵢ with ‖aᵢ‖ = 1, and Dykstra's algorithm (Kaczmarz 1937;
// Dykstra 1983; for half-spaces it is Hildreth's, whose corrections are multiples of one vector each):
//
//     s = aᵢᵀw − bᵢ + θᵢ,   θᵢ₊ = s, or max(s, 0) for a half-space,   w₊ = w − (θᵢ₊ − θᵢ)aᵢ
//
// with θᵢ = 0 before every step on a hyperplane, where corrections change nothing, and where none are wanted. An affine set is given
// by orthonormal rows: its projection is theirs, one after the other.
//
// A cycle ends the loop where Σ|θᵢ₊ − θᵢ| ≤ tol·max(1, ‖w‖): then w is that near to every set, and θ to the multipliers. Where the
// steps y = θ₊ − θ of a cycle close, they are Farkas' certificate: with yᵢ ≥ 0 on half-spaces a common point v has
// yᵀ(Aw − b) ≤ yᵀA(w − v), so none lies within yᵀ(Aw − b)/‖Aᵀy‖ of w. Beyond max(1, ‖w‖)/tol that is a limit cycle.
#pragma once
#include "../level1.hpp"
#include "../scratch.hpp"

namespace pyblo {

template <class T> struct Walls {
  const T *a, *b;                   // (count, n) and (count,)
  const unsigned char* half_space;  // (count,)
  index count, n;
};

template <class T> struct CyclicReport {
  T status;
  wide_t<T> cycles, moved, apart;  // moved = Σ|θᵢ₊ − θᵢ| of the last cycle; apart: no common point is nearer to w (0: not known)
};

template <class T> struct CyclicScratch {
  T *theta, *before, *closed;
  CyclicScratch(Scratch& a, index count, index n) : theta(a.take<T>(count)), before(a.take<T>(n)), closed(a.take<T>(n)) {}
};

// One cycle from w on the lanes that are active; moves gets θᵢ₊ − θᵢ. Returns Σ|θᵢ₊ − θᵢ|
template <class T, class G>
wide_t<T> cycle(G team, Walls<T> walls, bool corrected, T* w, T* theta, T* moves, mask_t<T> active) {
  wide_t<T> moved(0);
  for (index i = 0; i < walls.count; ++i) {
    const T* const a = walls.a + i * walls.n;
    const bool half = walls.half_space[i];
    const T kept = half && corrected ? theta[i] : T(0);
    const T s = (dot(team, walls.n, a, w) - walls.b[i]) + kept;
    const T next = half ? larger(s, T(0)) : s, move = select(active, next - kept, T(0));
    team.each(walls.n, [=](index j) { w[j] = select(active, madd(-move, a[j], w[j]), w[j]); });
    team.each(1, [=](index) { theta[i] = select(active, next, theta[i]), moves[i] = select(active, move, moves[i]); });
    team.sync();
    moved = moved + magnitude(convert<wide_t<T>>(move));
  }
  return moved;
}

// yᵀ(Aw − b)/‖Aᵀy‖ with y the moves, those back from a half-space left out
template <class T, class G> wide_t<T> separation(G team, Walls<T> walls, const T* w, const T* moves, T* closed) {
  wide_t<T> gap(0);
  fill(team, walls.n, T(0), closed);
  for (index i = 0; i < walls.count; ++i) {
    const T* const a = walls.a + i * walls.n;
    const T y = walls.half_space[i] ? larger(moves[i], T(0)) : moves[i];
    axpy(team, walls.n, y, a, closed, closed);
    gap = madd(convert<wide_t<T>>(y), convert<wide_t<T>>(dot(team, walls.n, a, w) - walls.b[i]), gap);
  }
  return gap / norm(team, walls.n, closed);
}

// w holds the start and becomes the end of the last cycle, moves (count,) its steps; row t of history, where there is one, is w after t
// cycles.
template <class T, class G>
CyclicReport<T> project_cyclically(G team, Walls<T> walls, bool corrected, T* w, T* moves, CyclicScratch<T> a, double tol, index max_cycles,
                                   T* history, Pulse& pulse) {
  using W = wide_t<T>;
  const index n = walls.n;
  T status(RUNNING);
  W cycles(0), moved(0), apart(0);
  fill(team, walls.count, T(0), a.theta);
  fill(team, walls.count, T(0), moves);
  if (history) copy(team, n, w, history);
  for (index t = 0; t < max_cycles && any(status == T(RUNNING)) && !pulse(2 * walls.count * n); ++t) {
    const mask_t<T> running = status == T(RUNNING);
    copy(team, n, w, a.before);
    const W now = cycle(team, walls, corrected, w, a.theta, moves, running);
    if (history) copy(team, n, w, history + (t + 1) * n);
    const T *const before = a.before, *const last = w;
    const W change = square_root(team.template sum<W>(n, [=](index j, W s) {
      const W d = convert<W>(last[j]) - convert<W>(before[j]);
      return madd(d, d, s);
    }));
    const W length = larger(W(1), norm(team, n, w));
    const mask_t<W> going = convert_mask<W>(running);
    moved = select(going, now, moved), cycles = cycles + select(going, W(1), W(0));
    const mask_t<W> met = going & (now <= W(tol) * length);
    status = select(convert_mask<T>(met), T(CONVERGED), status);
    if (any(going & !met & (change <= W(tol) * now))) {
      const W far = separation(team, walls, w, moves, a.closed);
      const mask_t<W> certified = going & !met & (far * W(tol) >= length);  // a NaN is none: 0/0
      apart = select(certified, far, apart);
      status = select(convert_mask<T>(certified), T(INCONSISTENT), status);
    }
    status = select(running & !(finite(team, n, w) & convert_mask<T>(is_finite(now))), T(DIVERGED), status);
  }
  status = select(status == T(RUNNING), T(pulse.stopped ? INTERRUPTED : NOT_CONVERGED), status);
  return {status, cycles, moved, apart};
}

}  // namespace pyblo
