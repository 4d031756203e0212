// Approximate implicit differentiation: dF/du = ∂F/∂u − Mᵀq, where q solves Hᵀq = ∂F/∂w as well as the method does.
#pragma once
#include "../operator/transposed.hpp"
#include "../solve/neumann.hpp"

namespace pyblo {

enum class Adjoint { neumann, cg, identity };

// How Hᵀq = g is solved. Damping adds eps to H; project, where given, is an orthonormal basis (n, r) of the range of H.
template <class T> struct AdjointMethod {
  Adjoint kind;
  wide_t<T> step;  // Neumann
  index terms;   // Neumann
  Stop stop;     // CG
  bool normal;   // CG on the normal equations
};

template <class T> struct AdjointScratch {
  CgScratch<T> cg;
  DescendScratch<T> descend;
  AdjointScratch(Scratch& s, index n, const AdjointMethod<T>& m)
      : cg(s, m.kind == Adjoint::cg ? n : 0, m.normal), descend(s, m.kind == Adjoint::neumann ? n : 0) {}
};

template <class T, class G, class A>
Report<T> solve_adjoint(G team, const A& op, const T* g, T* q, const AdjointMethod<T>& method, AdjointScratch<T> s,
                        Pulse& pulse) {
  if (method.kind == Adjoint::cg) return cg(team, Transposed<A>{op}, g, q, true, method.normal, s.cg, method.stop, pulse);
  if (method.kind == Adjoint::neumann) return neumann(team, op, g, q, true, s.descend, method.step, method.terms, pulse);
  copy(team, op.size(), g, q);
  using W = wide_t<T>;
  return {select(finite(team, op.size(), g), T(COMPLETED), T(DIVERGED)), W(0), W(0), W(0)};
}

// grad −= Mᵀq
template <class T, class G, class P>
void subtract_cross(G team, const P& problem, const T* cache, const T* w, const T* q, T* grad, T* between) {
  problem.cross_adjoint(team, cache, w, q, between);
  team.each(problem.outer_size(), [=](index j) { grad[j] = grad[j] - between[j]; });
  team.sync();
}

}  // namespace pyblo
