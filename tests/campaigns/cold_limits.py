"""Limits of cold start with oblique K, and certificates that there is none, against exact limits and against the loop.

u₊ = u − β(Ku − k) with K = BᵀRPA⁺B tends to u₀ − K^♯(Ku₀ − k), K^♯ the group inverse, where the nonzero eigenvalues of
K have positive real parts, zero is semisimple and k lies in the range of K.
"""

import generate
import numpy as np
from oracle import (
    Reference,
    Tally,
    array,
    cold_limit,
    cold_map,
    cold_verdict,
    error,
    group_factors,
    group_inverse_times,
    numbers,
    rational_matrix,
)

import pyblo

EPS = np.finfo(float).eps
STEPS = 1_000_000
LIMIT = 100.0  # of a chain of products, as for the unrolled runs
GROWTH = 40.0  # e⁴⁰ is expected of a loop that diverges


def approximate_inverse(reference, name, settings):
    """The exact R of a filter method."""
    if name == "Neumann":
        return lambda Y: reference.neumann(Y, settings["terms"], settings["step"])
    if name == "Damped":
        return lambda Y: reference.damped(Y, settings["eps"])
    return lambda Y: Y


class Trial:
    """One problem with its exact K and k, and what the library says of it."""

    def __init__(self, seed, tally):
        self.seed, self.tally = seed, tally
        self.case, name, settings = generate.descending(seed)
        self.method = getattr(pyblo, name)(**settings)
        self.problem = pyblo.Quadratic(self.case.A, self.case.B, self.case.P, **self.case.parts())
        reference = Reference.of(self.case)
        apply = approximate_inverse(reference, name, settings)
        self.K, self.k = cold_map(reference, rational_matrix(self.case.w0), apply)
        self.verdict = cold_verdict(self.K, self.k)
        self.found = pyblo.equilibria.cold_start(self.problem, self.case.u, self.case.w0, self.method)
        self.norms(self.method.filter(np.linalg.eigvalsh(self.case.A)))

    def norms(self, response):
        """‖B‖‖R‖, ‖A⁺B‖ and the group inverse, for the units of error."""
        c = self.case
        self.across = np.linalg.norm(c.B, 2) * np.max(np.abs(response))
        self.response = np.linalg.norm(c.B, 2) * c.kappa / c.top
        X, Y, core = (array(M) for M in group_factors(self.K))
        self.eigenvalues = np.linalg.eigvals(core) if core.size else np.zeros(0)
        semisimple = core.size and self.verdict != "defect"
        self.group = X @ np.linalg.solve(core, np.linalg.solve(core, Y)) if semisimple else np.zeros_like(c.A)[:0]
        self.inverse = np.linalg.norm(self.group, 2) if semisimple else 0.0

    def gradient_unit(self, w):
        """ε κ ‖B‖‖R‖(‖P‖‖w‖ + ‖f‖): the rounding of one hypergradient."""
        c = self.case
        return EPS * c.kappa * self.across * (np.linalg.norm(c.P, 2) * np.linalg.norm(w) + np.linalg.norm(c.f))

    def loop(self, step, maxiter):
        """The library's own iteration, told never to stop."""
        return pyblo.cold_start(
            self.problem,
            self.case.u,
            self.case.w0,
            method=self.method,
            step=step,
            maxiter=maxiter,
            tol=0.0,
            history=False,
        )

    def contraction(self, step):
        """The largest |1 − βμ| over the nonzero eigenvalues of K."""
        return np.max(np.abs(1 - step * self.eigenvalues), initial=0.0)

    def undecidable(self):
        """Whether k leaves the range of K by no more than the rounding of one hypergradient."""
        if self.verdict != "drift":
            return False
        part = self.k - self.K * group_inverse_times(self.K, self.k)
        return np.linalg.norm(numbers(part)) <= 30 * self.gradient_unit(self.case.w0)

    def check_verdict(self):
        """Success exactly where a limit exists, None and a certificate elsewhere."""
        found, name = self.found, "verdict " + self.verdict
        self.tally.require(name, bool(found.success) == (self.verdict == "limit"), self.seed)
        if not found.success:
            self.tally.require("no u, w beside a certificate", found.u is None and found.w is None, self.seed)

    def check_limit(self, steps):
        """u of the equilibrium against the exact limit, and of the loop against both."""
        c, exact = self.case, cold_limit(self.K, self.k, rational_matrix(self.case.u))
        move = np.linalg.norm(numbers(exact) - c.u)
        # δ(K^♯)y is at most ‖K^♯‖²‖δK‖‖y‖ and K^♯δk; δK and δk are roundings of one hypergradient each.
        shift = EPS * c.kappa * self.across * np.linalg.norm(c.P, 2) * self.response * (move + np.linalg.norm(c.u))
        unit = self.inverse * (self.gradient_unit(self.found.w) + shift) + EPS * np.linalg.norm(c.u)
        spread = max(1.0, np.linalg.norm(self.group @ array(self.K), 2)) if self.inverse else 1.0
        self.tally.add("limit against the exact one", error(self.found.u, exact) / (unit * spread), LIMIT, self.seed)
        self.check_loop(exact, unit * spread, steps)

    def check_loop(self, exact, unit, steps):
        """β is half the largest step: then the loop contracts, or the case is too slow to tell."""
        top = self.found.max_step
        if not np.isfinite(top):
            return
        step = 0.5 * top
        slow = self.contraction(step) > 1e-14 ** (1 / steps)
        self.tally.add("share of loops too slow to tell", float(slow), 1.0, self.seed)
        if slow:
            return
        last = self.loop(step, steps)
        self.check_beyond(1.1 * top, steps)
        # Where K is singular the roundings of the steps add up in its null space.
        drift = self.gradient_unit(last.w) * step * last.nit + EPS * np.linalg.norm(last.u) * (1 + self.inverse / step)
        self.tally.add("loop against the exact limit", error(last.u, exact) / (unit + drift), LIMIT, self.seed)

    def check_beyond(self, step, steps):
        """Above the largest step the loop diverges."""
        rate = np.log(self.contraction(step))
        needed = int(2 * GROWTH / rate) + 10
        if needed <= steps:
            last = self.loop(step, needed)
            self.tally.require("the loop diverges beyond max_step", self.grows(last, self.loop(step, 1)), self.seed)

    @staticmethod
    def grows(last, first):
        """Whether a loop diverged, or is on its way."""
        return bool(last.status == pyblo.Status.DIVERGED or np.linalg.norm(last.jac) > 1e3 * np.linalg.norm(first.jac))

    def check_divergence(self, steps):
        """The certificate is exact to rounding, and the loop diverges as it says."""
        certificate = self.found.certificate
        if "eigenvalue" in certificate:
            self.check_eigenvalue(certificate, steps)
        elif "drift" in certificate:
            self.check_drift(np.asarray(certificate["drift"]))
        key = {"defect": "rank"}.get(self.verdict, self.verdict)
        self.tally.require("the certificate is of the right kind", key in certificate, self.seed)

    def check_eigenvalue(self, certificate, steps):
        """Kv = μv with Re μ ≤ 0, and growth of the iterates by |1 − βμ| at each step."""
        value, vector = certificate["eigenvalue"], np.asarray(certificate["eigenvector"])
        K = array(self.K)
        defect = np.linalg.norm(K @ vector - value * vector) / (np.linalg.norm(K, 2) * np.linalg.norm(vector))
        kernel = (
            EPS * self.case.kappa * self.across * np.linalg.norm(self.case.P, 2) * self.response / np.linalg.norm(K, 2)
        )
        self.tally.add("certificate: Kv = μv", defect / kernel, LIMIT, self.seed)
        self.tally.require("certificate: Re μ ≤ 0", np.real(value) <= 0, self.seed)
        step = 0.5 / np.abs(self.eigenvalues).max()
        rate = np.log(np.abs(1 - step * value))
        needed = int(2 * GROWTH / rate) + 10 if rate > 0 else steps
        self.tally.add("share of certificates too slow to tell", float(needed > steps), 1.0, self.seed)
        if needed <= steps:
            grown = self.grows(self.loop(step, needed), self.loop(step, 1))
            self.tally.require("the loop diverges as certified", grown, self.seed)

    def check_drift(self, direction):
        """Late iterates move along the drift, the same way at every step."""
        step = 0.5 * np.min(2 * self.eigenvalues.real / np.abs(self.eigenvalues) ** 2, initial=2.0)
        # In the first half of the loop all else is to shrink by e⁻³⁰.
        rate = -np.log(max(self.contraction(step), 1e-300))
        steps = max(1000, 2 * int(30 / rate))
        self.tally.add("share of drifts too slow to tell", float(steps > STEPS), 1.0, self.seed)
        if steps > STEPS:
            return
        middle, last = self.loop(step, steps // 2), self.loop(step, steps)
        moved, length = last.u - middle.u, np.linalg.norm(last.u - middle.u)
        aligned = abs(moved @ direction) > (1 - 1e-6) * length * np.linalg.norm(direction)
        # The hypergradient that is left is the drift: β‖dF/du‖ at every step.
        even = abs(length / (last.nit - middle.nit) - step * np.linalg.norm(last.jac)) <= 1e-6 * step * np.linalg.norm(
            last.jac
        )
        self.tally.require("the loop drifts as certified", aligned and even, self.seed)


def check(seed, tally, steps=STEPS):
    """Everything for one problem."""
    trial = Trial(seed, tally)
    tally.add("share of drifts below rounding", float(trial.undecidable()), 1.0, seed)
    if trial.undecidable():
        return
    trial.check_verdict()
    if trial.found.success and trial.verdict == "limit":
        trial.check_limit(steps)
    elif not trial.found.success:
        trial.check_divergence(steps)


def campaign(count=500, first=0):
    """The tally of `count` problems with loops of a million steps."""
    tally = Tally()
    for seed in range(first, first + count):
        check(seed, tally)
    return tally
