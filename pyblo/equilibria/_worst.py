"""The worst inner solutions in a ball, and the u against which they are the least bad, in closed form but for a secular equation.

φ(u) = max F(w*(u; 0) + v) over v ∈ null(A), ‖v‖ ≤ ρ, maximises a convex quadratic on a ball. Its dual in one multiplier ν,

    φ(u) = min over ν ≥ ω of  F(w*(u)) + ½bᵀ(νI − W)⁺b + ½νρ²,   W = NᵀPN, ω = λmax(W), b = Nᵀ(P w*(u) + f),

has no gap and is jointly convex in (u, ν). With u minimised out, in closed form, it is a secular equation again:

    min over ν ≥ ω of  ½b̃ᵀ(νI − W̃)⁻¹b̃ + ½νρ² + const,     W̃ = NᵀL(I − Π)LᵀN,  b̃ = Nᵀ ∂F/∂w at the cold-start solution,

Π the projection on the range of LᵀJ. Its z is the mean of worst cases that balance at u, so that 0 = Jᵀ(P(w*(u) + Nz) + f): u is
the cold-start solution for w₀ = Nz. Where ‖z‖ = ρ the worst case is unique and φ smooth; where ν = ω and ‖z‖ < ρ, the hard case, φ
has a kink at u and its worst cases lie on a sphere around a point.
"""
from dataclasses import dataclass

import numpy as np

from .._namespace import norm, spectral_norm
from ..result import Equilibrium
from ..status import Status
from ._ball import secular, smallest
from ._batch import largest_ratio
from ._sets import SolutionSets, least_squares, length, solution_sets, unbounded


@dataclass(frozen=True)
class WorstCases:
    """The eigenbasis of W = NᵀPN: of T = LᵀQ, Q = I − AA⁺, singular values s and right vectors, W = Vsᵀs²V.

    Attributes
    ----------
    sets : SolutionSets
    s, vectors : ndarray, shapes (k,) and (n, k)
        W has the eigenvalues s², and 0 on the rest of null(A).
    """

    sets: SolutionSets
    s: np.ndarray
    vectors: np.ndarray

    @property
    def top(self):
        """ω = λmax(W)."""
        return float(self.s[0] ** 2) if self.s.size else 0.0

    @property
    def _noise(self):
        """The rounding of an eigenvalue of W."""
        return 10 * self.sets.rounding * spectral_norm(self.sets.L) ** 2

    def infinite(self, radius):
        """Return the Equilibrium of φ = +∞, or None where it is finite."""
        sets = self.sets
        slope = sets.null(sets.f_rest)
        linear = norm(slope) > 100 * sets.rounding * norm(sets.f_rest)
        if radius < np.inf or not (self.s.size or linear):
            return None
        direction = self.vectors[:, 0] if self.s.size else slope / norm(slope)
        return Equilibrium(
            None, None, np.inf, Status.UNBOUNDED,
            "Unbounded: F has no upper bound on S(u), for any u: it grows for ever along certificate['direction'], a direction (u, w) with "
            "w in null(A); give a finite radius.", {"direction": (np.zeros(sets.J.shape[1]), direction)})

    def maximise(self, radius, u, W=None, least=0.0):
        """Return (t, v) of max bᵀv + ½vᵀWv over v in null(A) and the ball, b the part of ∂F/∂w at w*(u) in null(A).

        W ≤ ωI is given by its (s, vectors), those of NᵀPN where None; t is ν − ω. Of b nothing is seen below the rounding that a w of
        length `least` has.
        """
        s, vectors = (self.s, self.vectors) if W is None else W
        sets, w = self.sets, self.sets.nearest(u)
        if radius == np.inf:  # F is constant along null(A)
            return 0.0, np.zeros_like(w)
        b = sets.null(sets.outer_gradient(w))
        if not np.isfinite(b).all():
            raise ValueError(f"{'u' if W is None else 'problem'}: is so large that ∂F/∂w overflows at the inner solution")
        coordinates = vectors.T @ b
        rest = b - vectors @ coordinates
        gaps = np.append(self.top - s**2, self.top)
        gaps = np.where(gaps > self._noise, gaps, 0.0)
        # the errors of w*(u), of u in it, and of the projection on null(A)
        size = norm(u)
        moved = float(sets.response_noise(u[:, None] / size)[0]) * size if size > 0 else 0.0
        small = 100 * (spectral_norm(sets.L) ** 2 * moved + sets.rounding * sets.force(max(least, norm(w) + norm(sets.w_bar))))
        b = np.append(coordinates, norm(rest))
        z = np.where((gaps == 0) & (np.abs(b) <= small), 0.0, b)
        t, z = secular(gaps, z, radius)
        return t, vectors @ z[:-1] + (rest * (z[-1] / b[-1]) if b[-1] > 0 else 0.0)

    def sphere(self, radius, t, v):
        """Return (v, E, q, τ): the worst cases are v + Eq', ‖q'‖ = τ, and q is that of their mean; E has no columns where it is one."""
        E = self.vectors[:, (self.top - self.s**2 <= self._noise) & (t == 0) & (radius < np.inf)]
        q = E.T @ v
        v = v - E @ q
        return v, E, q, radius * np.sqrt(max(0.0, 1.0 - (norm(v) / radius) ** 2)) if E.size else 0.0

    def one(self, radius, t, v):
        """Return one of the worst cases whose mean is v."""
        v, E, q, reach = self.sphere(radius, t, v)
        if not E.size:
            return v
        towards = q if norm(q) > np.finfo(float).eps * radius else np.eye(q.size)[0]
        return v + E @ (towards * (reach / norm(towards)))

    def solve(self, radius, u0):
        """Return the pessimistic Equilibrium."""
        sets, size = self.sets, spectral_norm(self.sets.L)
        outer = least_squares(sets.L.T @ sets.J, lambda Z: 10 * size * sets.response_noise(Z))
        slope = sets.J.T @ sets.f_rest
        direction = outer.unseen(slope, 100 * sets.rounding * spectral_norm(sets.J) * norm(sets.f_rest))
        if (infinite := self.infinite(radius)) is not None:
            return infinite
        if direction is not None:
            return unbounded(-direction, sets.J @ -direction)
        cold = u0 + outer.move(sets.L.T @ sets.nearest(u0) - sets.c, slope)
        W = least_squares(outer.outside(sets.null(sets.L).T), (10 * sets.rounding + outer.blur) * size)
        t, v = self.maximise(radius, cold, (W.sigma, W.Vt.T))
        u = u0 + outer.move(sets.L.T @ (sets.nearest(u0) + v) - sets.c, slope)
        message = "The pessimistic solution: no u has a smaller φ, the largest F over its inner solutions in the ball."
        return sets.equilibrium(u, sets.nearest(u) + self.one(radius, t, v), message, radius)

    def at(self, radius, u):
        """Return the Equilibrium of u with a worst case."""
        if (infinite := self.infinite(radius)) is not None:
            return infinite
        w = self.sets.nearest(u) + self.one(radius, *self.maximise(radius, u))
        return self.sets.equilibrium(u, w, "A worst case: no inner solution of u in the ball has a larger F.", radius)

    def residual(self, radius, u, w):
        """Return the residual of (u, w)."""
        sets, nearest = self.sets, self.sets.nearest(u)
        t, v = self.maximise(radius, u, least=1.0)
        middle, E, _, reach = self.sphere(radius, t, v)
        worst = nearest + self.one(radius, t, v)
        beyond = np.maximum(0.0, norm(sets.null(w)) - radius)  # NaN stays NaN
        gap = sets.value(worst) - sets.value(w)
        slope = sets.J.T @ sets.outer_gradient(nearest + middle)
        distance = smallest(sets.J.T @ (sets.L @ (sets.L.T @ E)), slope, reach)
        return largest_ratio((
            (np.maximum(norm(w - sets.null(w) - nearest), beyond), sets.span(u, w) + radius),
            (np.maximum(0.0, gap), sum(sets.force(length(x)) * length(x) for x in (w, worst))),
            (distance, spectral_norm(sets.J) * sets.force(length(worst)))))


def worst_cases(problem):
    """Return the WorstCases of one problem."""
    sets = solution_sets(problem)
    W = least_squares(sets.null(sets.L).T, 10 * sets.rounding * spectral_norm(sets.L))
    return WorstCases(sets, W.sigma, W.Vt.T)
