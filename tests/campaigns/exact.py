"""Hypergradients of random quadratic problems against exact references.

The unit of every error is ε κ ‖B‖ ‖R‖ (‖P‖‖w‖ + ‖f‖): a relative change of ε in A moves w by εκ‖w‖ and R by up to
εκ‖R‖, and dF/du = −BᵀR(Pw + f) is their product. The factor 30 is LAPACK's for backward stable solvers; a run of T
steps has T products in a row, for which 100 is allowed.
"""

import generate
import numpy as np
from oracle import BALL, RATIONAL, Reference, Tally, error, precision

import pyblo

EPS = np.finfo(float).eps
ROUTES = ("spectral", "iterate")
CLOSED, ITERATED = 30.0, 100.0


def responses(eigenvalues, steps, step, momentum=0.0, nesterov=False):
    """The largest |r_t(λ)|, t ≤ T, of a run: dw_t/du = −r_t(A)B, by the recurrence of W on each eigenvector.

    Not r_T alone: it may vanish at the only eigenvalue, and the roundings are those of the steps before.
    """
    now, before, most = (np.zeros_like(eigenvalues) for _ in range(3))
    for _ in range(steps):
        ahead = now + momentum * (now - before)
        at = ahead if nesterov else now
        now, before = ahead + step * (1 - eigenvalues * at), now
        most = np.maximum(most, np.abs(now))
    return most


class Trial:
    """One case: the library's problem, the exact one in both fields, and the unit of error."""

    def __init__(self, case, seed, tally):
        self.case, self.seed, self.tally = case, seed, tally
        self.problem = pyblo.Quadratic(case.A, case.B, case.P, **case.parts())
        self.eigenvalues = np.linalg.eigvalsh(case.A)
        self.eigenvalues[: case.shape[0] - case.rank] = 0.0
        self.rng = np.random.default_rng((seed, 1))

    def unit(self, w, response):
        """ε κ ‖B‖ ‖R‖ (‖P‖‖w‖ + ‖f‖)."""
        c = self.case
        outer = np.linalg.norm(c.P, 2) * np.linalg.norm(w) + np.linalg.norm(c.f)
        return EPS * c.kappa * np.linalg.norm(c.B, 2) * np.max(np.abs(response)) * outer

    def judge(self, name, result, exact, unit, limit=CLOSED):
        """Compare the gradient of a result with the exact one."""
        self.tally.require(name.split(" ")[0] + " succeeds", bool(result.success), self.seed)
        self.tally.compare(name, error(result.grad, exact), unit, limit, self.seed)

    def call(self, method, route="auto", inner=None):
        """The library's hypergradient."""
        return pyblo.hypergradient(self.problem, self.case.u, method=method, w0=self.case.w0, inner=inner, route=route)

    def closed(self):
        """Exact and Damped, w and F, in rational numbers."""
        exact, result = Reference.of(self.case), self.call(pyblo.Exact())
        u, w0 = RATIONAL.matrix(self.case.u), RATIONAL.matrix(self.case.w0)
        w = exact.inner_solution(u, w0)
        g = exact.outer_gradient(w)
        positive = self.eigenvalues[-self.case.rank :]
        unit = self.unit(result.w, 1 / positive)
        self.judge("Exact", result, exact.implicit(w, exact.pseudoinverse(g)), unit)
        self.inner(result, exact, w)
        eps = generate.rounded(self.case.top * 10 ** self.rng.uniform(-6, 0))
        damped, reference = 1 / (self.eigenvalues + eps), exact.implicit(w, exact.damped(g, eps))
        unit = self.unit(result.w, damped)
        self.judge("Damped", self.call(pyblo.Damped(eps)), reference, unit)
        unit = self.unit(result.w, np.ones(1))
        for route in ROUTES:
            self.judge(f"Identity {route}", self.call(pyblo.Identity(), route), exact.implicit(w, g), unit)

    def inner(self, result, exact, w):
        """w within εκ‖w‖ and the rounding of Bu + d, ε‖A⁺‖(‖B‖‖u‖ + ‖d‖); F within that times ‖P‖‖w‖ + ‖f‖."""
        c, size = self.case, np.linalg.norm(result.w)
        force = np.linalg.norm(c.B, 2) * np.linalg.norm(c.u) + np.linalg.norm(c.d)
        slack = EPS * c.kappa * (max(size, np.linalg.norm(c.w0)) + force / c.top)
        self.tally.compare("inner solution", error(result.w, w), slack, CLOSED, self.seed)
        outer = np.linalg.norm(c.P, 2) * size + np.linalg.norm(c.f) + abs(c.h)
        gap = error(result.value, exact.value(w))
        self.tally.compare("value", gap, slack * outer + EPS * abs(c.h), CLOSED, self.seed)

    def series(self):
        """Neumann by both routes, in balls."""
        exact = Reference.of(self.case, BALL)
        u, w0 = BALL.matrix(self.case.u), BALL.matrix(self.case.w0)
        rule = generate.descent(self.rng, self.case.top, steps=200)
        terms, step = rule["steps"], rule["step"]
        w = exact.inner_solution(u, w0)
        reference = exact.implicit(w, exact.neumann(exact.outer_gradient(w), terms, step))
        for route in ROUTES:
            result = self.call(pyblo.Neumann(terms, step=step), route)
            unit = self.unit(result.w, responses(self.eigenvalues, terms, step))
            self.judge(f"Neumann {route}", result, reference, unit)

    def unrolled(self, kind):
        """Reverse, forward, both routes and, without momentum, Neumann: all are the differentiated recurrence."""
        exact = Reference.of(self.case, BALL)
        u, w0 = BALL.matrix(self.case.u), BALL.matrix(self.case.w0)
        rule = generate.descent(self.rng, self.case.top, kind)
        w, W = exact.descend(u, w0, **rule)
        reference = W.transpose() * exact.outer_gradient(w)
        response = responses(self.eigenvalues, **rule)
        for route, mode in (("spectral", "reverse"), ("iterate", "reverse"), ("iterate", "forward")):
            result = self.call(pyblo.Unrolled(**rule, mode=mode), route)
            self.judge(f"Unrolled {kind} {route} {mode}", result, reference, self.unit(result.w, response), ITERATED)
        if kind == "gradient":
            inner = pyblo.GradientDescent(steps=rule["steps"], step=rule["step"])
            result = self.call(pyblo.Neumann(rule["steps"], step=rule["step"]), "iterate", inner)
            self.judge("Unrolled gradient as Neumann", result, reference, self.unit(result.w, response), ITERATED)


def check(seed, tally, largest=30):
    """Everything for one random problem."""
    trial = Trial(generate.quadratic(seed, largest), seed, tally)
    trial.closed()
    with precision():
        trial.series()
        for kind in ("gradient", "heavy", "nesterov"):
            trial.unrolled(kind)


def campaign(count=10_000, first=0):
    """The tally of `count` problems."""
    tally = Tally()
    for seed in range(first, first + count):
        check(seed, tally)
    return tally
