// The true residual b − Ax of the x that is returned, by which a solve is judged: in the wide type, and in twice its precision
// where the rounding of the wide type could decide.
#pragma once
#include "../level1.hpp"
#include "../scratch.hpp"
#include "../twofold.hpp"

namespace pyblo {

template <class T> struct ResidualScratch {
  wide_t<T> *x, *residual;
  Twofold<wide_t<T>> *fine_x, *fine_residual;
  ResidualScratch(Scratch& s, index n)
      : x(s.take<wide_t<T>>(n)), residual(s.take<wide_t<T>>(n)), fine_x(s.take<Twofold<wide_t<T>>>(n)),
        fine_residual(s.take<Twofold<wide_t<T>>>(n)) {}
};

// ‖b − Ax‖·up for x = s.x, with the vector in s.residual
template <class T> struct TrueResidual {
  const T* b;
  wide_t<T> up, size, limit;  // the scale, ‖b‖·up, and the norm that is to be met
  ResidualScratch<T> s;

  template <class G, class A> wide_t<T> plain(G team, const A& op) const {
    using W = wide_t<T>;
    const T* const b = this->b;
    const W up = this->up;
    W *const x = s.x, *const r = s.residual;
    op.apply(team, x, r);
    team.each(op.size(), [=](index i) { r[i] = (convert<W>(b[i]) - r[i]) * up; });
    team.sync();
    return norm(team, op.size(), r);
  }

  // The same in twice the precision, on the lanes where the rounding of `plain`, at most about 8nε(λ‖x‖ + ‖b‖), could decide whether the
  // limit was met. top is a lower bound of λmax; where it is not known yet, every success is doubted.
  template <class G, class A> wide_t<T> judged(G team, const A& op, wide_t<T> top, mask_t<wide_t<T>> running) const {
    using W = wide_t<T>;
    using F = Twofold<W>;
    const index n = op.size();
    const W found = plain(team, op);
    const W noise = W(8 * double(n) * Limits<double>::epsilon) * madd(top * up, norm(team, n, s.x), size);
    const mask_t<W> doubt = running & (limit > W(0)) & ((magnitude(found - limit) <= noise) | ((found <= limit) & (top == W(0))));
    if (!any(doubt)) return found;
    const T* const b = this->b;
    const W up = this->up;
    W *const x = s.x, *const r = s.residual;
    F *const fine_x = s.fine_x, *const fine = s.fine_residual;
    team.each(n, [=](index i) { fine_x[i] = F(x[i]); });
    team.sync();
    op.apply(team, fine_x, fine);
    team.each(n, [=](index i) { r[i] = select(doubt, (convert<F>(b[i]) - fine[i]).high * up, r[i]); });
    team.sync();
    return norm(team, n, r);
  }
};

}  // namespace pyblo
