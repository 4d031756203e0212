"""How fast approximate hypergradients are claimed to converge: Theorems 2.1 to 2.4 of paper 002, by measured errors and their bounds."""
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .. import bounds
from .._namespace import matvec, norm, transposed
from ..hypergradient import hypergradient
from ..inner import GradientDescent
from ..methods import CG, FixedPoint, Unrolled
from ._blocks import BLOCK, EPS, units
from ._result import Statement

__all__ = ["STATEMENTS", "task"]

STEPS = (0, 1, 2, 5, 15, 40)  # t
SOLVES = (0, 1, 3, 12)  # k


@dataclass(frozen=True, eq=False)
class Task:
    """Problems at u with their constants, H, w(u) and the exact hypergradient −MᵀH⁺g, by singular values of NumPy."""

    problem: object
    u: np.ndarray
    step: float
    constants: bounds.Constants
    hessians: np.ndarray
    inverses: np.ndarray
    w: np.ndarray
    exact: np.ndarray

    def gradient(self, w, q):
        """Return −M(u, w)ᵀq; F is free of u."""
        return -(self.problem.cross(self.u, w).H @ q)

    def slope(self, w):
        """Return ∂F/∂w."""
        return self.problem.outer_gradients(self.u, w)[1]

    def terms(self, w):
        """Return the size of the terms of ∂F/∂w, which may cancel: ‖P‖‖w‖ + ‖f‖, or ‖X′‖(‖X′‖‖w‖ + ‖y′‖)/n′ ≤ η₁‖w‖ + √(2η₁F(u, 0))."""
        none, eta = np.zeros_like(w), self.constants.eta1
        start = np.sqrt(2 * eta * np.maximum(self.problem.outer_value(self.u, none), 0.0))
        return eta * norm(w) + np.maximum(start, norm(self.slope(none)))

    def run(self, steps):
        """Return the inner run of gradient descent."""
        return GradientDescent(steps, step=self.step)

    @cached_property
    def outside(self):
        """ε‖M‖‖g‖ where H is singular: M has rounding outside the range of H, which k terms of a series multiply by r(0) = αk."""
        M, size = norm(self.problem.cross(self.u, self.w).todense().reshape(len(self.w), -1)), norm(self.slope(self.w))
        return np.where(self.constants.singular, EPS * self.step * M * size, 0.0)

    def beyond(self, gradient, bound, terms=0):
        """Return how much an error exceeds its bound, in a tenth of the floor of rounding: ε·κ(c₁ + c₃) and what cancels."""
        return units(np.maximum(norm(gradient - self.exact) - bound, 0.0), self.constants.floor / 10 + terms * self.outside)


@lru_cache(1)
def task(block):
    """Return the Task of a block: its quadratic problems, or for every third block as many of ridge."""
    problem, u = block.ridge if block.number % 3 == 1 else (block.problem, block.u0)
    H = problem.hessian(u, None).todense()
    constants = bounds.constants(problem, u, step=block.step)
    inverse = np.linalg.pinv(H, rcond=np.sqrt(EPS / constants.kappa))
    w = -matvec(inverse, problem.inner_gradient(u, None))
    M = problem.cross(u, w).todense()
    exact = -matvec(transposed(M), matvec(inverse, problem.outer_gradients(u, w)[1]))
    return Task(problem, u, block.step, constants, H, inverse, w, exact)


def _worst(deviations):
    return np.max(list(deviations), axis=0)


def _iterative(block):
    t = task(block)
    return _worst(
        t.beyond(hypergradient(t.problem, t.u, method=Unrolled(steps, t.step), route="iterate").grad, bounds.itd(t.constants, steps), steps)
        for steps in STEPS[1:])


def _any_solver(block):
    """w and q off by random vectors of relative sizes ρ and σ."""
    t, rng = task(block), block.rng(5)
    return _worst(_perturbed(block, t, rng, *10 ** -rng.uniform(0, 8, 2)) for _ in range(4))


def _perturbed(block, t, rng, rho, sigma):
    w = t.w + rho * norm(t.w)[:, None] * _direction(block, t, rng)
    q = matvec(t.inverses, t.slope(w))
    gradient = t.gradient(w, q + sigma * norm(q)[:, None] * _direction(block, t, rng))
    return t.beyond(gradient, bounds.aid(t.constants, rho, sigma))


def _direction(block, t, rng):
    """Return random unit vectors in the range of H."""
    z = matvec(t.inverses, matvec(t.hessians, rng.standard_normal((BLOCK, t.w.shape[-1]))[block.members]))
    return z / norm(z)[:, None]


def _implicit(method, bound):
    def measure(block):
        t = task(block)
        return _worst(
            t.beyond(hypergradient(t.problem, t.u, method=method(k, t.step), inner=t.run(steps), route="iterate").grad,
                     bound(t.constants, steps, k), k)
            for steps in STEPS for k in SOLVES)

    return measure


def _adjoint_rate(block):
    """‖v_k − v‖ ≤ q^k‖v‖ for the iterates of Eq. 19 at w_t; v is α times the q of H q = g."""
    t = task(block)
    w = hypergradient(t.problem, t.u, method=FixedPoint(1, t.step), inner=t.run(3), route="iterate").w
    exact = matvec(t.inverses, t.slope(w))
    rounding = EPS * t.constants.kappa * (norm(exact) + t.terms(w) / t.constants.mu)
    return _worst(
        units(np.maximum(norm(hypergradient(t.problem, t.u, w, method=FixedPoint(k, t.step), route="iterate").adjoint - exact)
                         - bounds.gradient_rate(t.constants.q, k) * norm(exact), 0.0), rounding)
        for k in SOLVES)


def contracting(block):
    """Return where I − αH contracts: H is regular."""
    return ~np.broadcast_to(task(block).constants.singular, (block.count,))


_fixed_point = _implicit(FixedPoint, bounds.aid_fixed_point)
_conjugate = _implicit(lambda k, step: CG(maxiter=k, rtol=EPS), bounds.aid_cg)

STATEMENTS = (
    Statement("002 Theorem 2.1", "error of iterative differentiation ≤ (c₁ + c₃)q^t + c₂ t q^(t−1)",
              "Unrolled in C++, t = 1 … 40 — exact hypergradient by the SVD of H", "κ(H)", _iterative),
    Statement("002 Theorem 2.2", "error of AID ≤ (c₁ + c₂/(1−q))ρ + c₃σ",
              "(w, q) off by random ρ, σ — exact hypergradient by the SVD of H", "κ(H)", _any_solver),
    Statement("002 Theorem 2.2, Eq. 17", "with σ(k) of conjugate gradients",
              "CG in C++ at w_t, t ≤ 40, k ≤ 12 — exact hypergradient by the SVD of H", "κ(H)", _conjugate),
    Statement("002 Theorem 2.3", "‖v_k − v‖ ≤ q^k‖v‖ of the fixed-point method",
              "FixedPoint in C++ at w₃, k ≤ 12 — adjoint by the SVD of H", "κ(H)", _adjoint_rate, contracting),
    Statement("002 Theorem 2.4", "error of AID-FP ≤ (c₁ + c₂(1−q^k)/(1−q))ρ(t) + c₃q^k",
              "FixedPoint in C++ at w_t, t ≤ 40, k ≤ 12 — exact hypergradient by the SVD of H", "κ(H)", _fixed_point),
)
