// Why conjugate gradients stopped at a direction p without positive curvature. A symmetric A is positive semidefinite only
// if (pᵀAp)(qᵀAq) ≥ (pᵀAq)² for every p, q. With q = Ap this either shows a direction of negative curvature,
//     p,  q,  or  z = p − t q  with  zᵀAz = pᵀAp − 2t qᵀq + t² qᵀAq,  t = qᵀq/qᵀAq, or ‖p‖/‖q‖ where qᵀAq vanishes,
// or leaves A p = 0 to working precision: A is singular along p.
#pragma once
#include "../level1.hpp"

namespace pyblo {

// In: p, q = A p and top, a lower bound of λmax. Out: INDEFINITE, with its direction in p, or INCONSISTENT. Overwrites work.
template <class T, class G, class A>
T explain_breakdown(G team, const A& op, T* p, const T* q, T* work, T top) {
  const index n = op.size();
  const T pp = dot(team, n, p, p), pq = dot(team, n, p, q), qq = dot(team, n, q, q);
  const T size = larger(top, select(pp > T(0), square_root(qq / pp), T(0)));
  const T relative = T(real_t<T>(4 * n) * epsilon<T>), noise = relative * size;
  op.apply(team, q, work);
  const T qaq = dot(team, n, q, work);
  const mask_t<T> by_p = pq < -(noise * pp), by_q = qaq < -(noise * qq);
  const T t = select(qaq > noise * qq, qq / qaq, select(qq > T(0), square_root(pp / qq), T(0)));
  const T zaz = madd(t, madd(t, qaq, -(qq + qq)), pq);
  const T zz = team.template sum<T>(n, [=](index i, T s) {
    const T z = madd(-t, q[i], p[i]);
    return madd(z, z, s);
  });
  const T cancelled = madd(t, madd(t, magnitude(qaq), qq + qq), magnitude(pq));  // of which zaz is what is left
  const mask_t<T> by_z = zaz < -larger(noise * zz, relative * cancelled);
  team.each(n, [=](index i) {
    const T z = select(by_z, madd(-t, q[i], p[i]), p[i]);
    p[i] = select(by_p, p[i], select(by_q, q[i], z));
  });
  team.sync();
  return select(by_p | by_q | by_z, T(INDEFINITE), T(INCONSISTENT));
}

}  // namespace pyblo
