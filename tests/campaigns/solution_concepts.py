"""Optimistic and pessimistic solutions, worst cases and the value-function penalty against exact numbers and independent maxima.

Optimistic: u*, w* in rational arithmetic. Pessimistic: φ by its dual, at u* and around it; φ is convex, so that a local
minimum is the minimum. Penalty: the gradient of L_β in rational arithmetic.
"""

import numpy as np
from concepts import Ball, Exact, integer_case, problem_of
from oracle import Tally, error, rational, rational_matrix

import pyblo

EPS = np.finfo(float).eps
LIMIT = 100.0  # of three least-squares problems inside each other
equilibria = pyblo.equilibria


def spread(size, matrix):
    """size over the least nonzero singular value of a matrix whose terms are of that size, at least 1."""
    sigma = np.linalg.svd(matrix, compute_uv=False)
    return max(1.0, size / sigma[sigma > 1e-9 * size].min(initial=np.inf)) if size else 1.0


class Trial:
    """One problem and its exact sets."""

    def __init__(self, seed, tally):
        self.seed, self.tally = seed, tally
        self.rng = np.random.default_rng((seed, 12))
        self.case = integer_case(seed)
        self.problem, self.exact = problem_of(self.case), Exact(self.case)
        self.ball = Ball(self.case, float(10 ** self.rng.uniform(-1, 1)))
        self.kappa = self.condition()

    def condition(self):
        """κ(A), and ‖L‖/σ(LᵀN) and ‖L‖‖J‖/σ(LᵀJ) of the least-squares problems that are solved one inside the other."""
        values, vectors = np.linalg.eigh(self.case.P)
        L = vectors * np.sqrt(np.maximum(values, 0.0))
        size, J_size = np.linalg.norm(L, 2), np.linalg.norm(self.ball.J, 2)
        hidden, across = L.T @ self.ball.N, L.T @ self.ball.J
        U, sigma, _ = np.linalg.svd(hidden, full_matrices=False)
        U = U[:, sigma > 1e-9 * size]
        seen = across - U @ (U.T @ across)
        return self.case.kappa * spread(size, hidden) * max(spread(size * J_size, seen), spread(size * J_size, across))

    def sizes(self, u, w):
        """1 + ‖J‖‖u‖ + ‖w̄‖ + ‖w‖, and ‖P‖ times it + ‖f‖."""
        length = 1 + np.linalg.norm(self.ball.J, 2) * np.linalg.norm(u) + np.linalg.norm(self.ball.w_bar) + np.linalg.norm(w)
        return length, np.linalg.norm(self.case.P, 2) * length + np.linalg.norm(self.case.f)

    def small(self, name, column, size):
        """Record ‖column‖, exact, in units of εκ·size."""
        self.tally.compare(name, error(np.zeros(column.nrows()), column), EPS * self.kappa * size, LIMIT, self.seed)

    def optimistic(self):
        """u and w against the exact ones, and its residual."""
        found = equilibria.optimistic(self.problem, self.case.u)
        self.tally.require("optimistic: there is a solution", found.success, self.seed)
        if not found.success:
            return
        u, w = self.exact.optimistic(self.case.u)
        length, force = self.sizes(found.u, found.w)
        self.tally.compare("optimistic: w", error(found.w, w), EPS * self.kappa * length, LIMIT, self.seed)
        moved = 1 + np.linalg.norm(found.u) + np.linalg.norm(self.case.u)
        self.tally.compare("optimistic: u", error(found.u, u), EPS * self.kappa**2 * moved, LIMIT, self.seed)
        slope = self.exact.Q * self.exact.gradient(rational_matrix(found.w))
        self.small("optimistic: gradient in null(A)", slope, force)
        slope = self.exact.J.transpose() * self.exact.gradient(rational_matrix(found.w))
        size = np.linalg.norm(self.ball.J, 2) * force
        self.small("optimistic: gradient along J", slope, size)
        residual = equilibria.optimistic_residual(self.problem, found.u, found.w)
        self.tally.compare("optimistic: residual", residual, EPS * self.kappa, LIMIT, self.seed)
        nearest = self.ball.value(self.ball.nearest(found.u))
        unit = EPS * self.kappa * force * length
        self.tally.compare("optimistic: F(u*, w*(u*; 0)) is no less", max(0.0, found.fun - nearest), unit, LIMIT, self.seed)

    def pessimistic(self):
        """φ at u*, and at points around it."""
        radius, ball = self.ball.radius, self.ball
        found = equilibria.pessimistic(self.problem, radius, self.case.u)
        self.tally.require("pessimistic: there is a solution", found.success, self.seed)
        if not found.success:
            return
        length, force = self.sizes(found.u, found.w)
        unit = EPS * self.kappa * force * (length + radius)
        self.tally.compare("pessimistic: φ(u*)", abs(found.fun - ball(found.u)), unit, LIMIT, self.seed)
        self.tally.compare("pessimistic: F(w*)", abs(found.fun - ball.value(found.w)), unit, LIMIT, self.seed)
        around = found.u + self.rng.standard_normal((12, found.u.size)) * 10 ** self.rng.uniform(-5, 1, (12, 1))
        for u in around:
            self.tally.compare("pessimistic: φ(u*) − φ(u)", max(0.0, found.fun - ball(u)), unit, LIMIT, self.seed)
        self.tally.add("share of pessimistic solutions at a kink", float(self.kink(found.u)), 1.0, self.seed)
        residual = equilibria.pessimistic_residual(self.problem, found.u, found.w, radius)
        self.tally.compare("pessimistic: residual", residual, EPS * self.kappa, LIMIT, self.seed)
        offset = found.w - ball.nearest(found.u)
        self.tally.compare("pessimistic: w in the ball", max(0.0, np.linalg.norm(offset) - radius), EPS * self.kappa * (length + radius),
                           LIMIT, self.seed)
        worst = equilibria.worst_case(self.problem, around, radius)
        for u, fun in zip(around, worst.fun, strict=True):
            length, force = self.sizes(u, ball.nearest(u))
            self.tally.compare("worst case: φ(u)", abs(fun - ball(u)), EPS * self.kappa * force * (length + radius), LIMIT, self.seed)

    def kink(self, u):
        """Whether worst cases balance at u: ∂F/∂w at w*(u) has no part along the leading eigenvectors of NᵀPN, which is not zero."""
        values, vectors = self.ball.values, self.ball.vectors
        if not values.size or values[-1] <= 1e-9 * np.linalg.norm(self.case.P):
            return False
        leading = self.ball.N @ vectors[:, values >= values[-1] * (1 - 1e-9)]
        slope = self.case.P @ self.ball.nearest(u) + self.case.f
        return np.linalg.norm(leading.T @ slope) <= 1e-7 * self.sizes(u, np.zeros(len(slope)))[1]

    def penalty(self):
        """∇L_β in rationals."""
        beta = float(2.0 ** self.rng.integers(-3, 12))
        found = equilibria.value_function_penalty(self.problem, beta, self.case.u)
        self.tally.require("penalty: there is a minimiser", found.success, self.seed)
        if not found.success:
            return
        e, u, w = self.exact, rational_matrix(found.u), rational_matrix(found.w)
        pull = (e.A * w + e.B * u + e.d) * rational(beta)
        length, force = self.sizes(found.u, found.w)
        size = force + beta * self.case.top * length
        slope = e.gradient(w) + pull
        self.small("penalty: gradient in w", slope, size)
        slope = e.J.transpose() * pull
        size = np.linalg.norm(self.ball.J, 2) * size
        self.small("penalty: gradient in u", slope, size)
        residual = equilibria.value_function_penalty_residual(self.problem, found.u, found.w, beta)
        self.tally.compare("penalty: residual", residual, EPS * self.kappa, LIMIT, self.seed)


def check(seed, tally):
    """Everything for one problem."""
    trial = Trial(seed, tally)
    trial.optimistic()
    trial.pessimistic()
    trial.penalty()


def campaign(count=2000, first=0):
    """The tally of `count` problems."""
    tally = Tally()
    for seed in range(first, first + count):
        check(seed, tally)
    return tally
