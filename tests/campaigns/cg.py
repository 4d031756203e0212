"""Conjugate gradients judged by exact residuals: no false success, no false failure for κ ≤ 1e3.

A success is false where the exact ‖b − Ax‖ exceeds max(rtol‖b‖, atol) by more than one part in a million. A failure is
false where the exact solution, rounded to the dtype, meets that tolerance.
"""

import generate
import numpy as np
from oracle import Symmetric, Tally, number, numbers, quadratic_form, rational, rational_matrix, residual, squared_norm

import pyblo

DEFAULT = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-10}
TINY = 1e-6
EASY = 1e3  # κ up to which a solvable system must be solved


def squared_limit(system, rtol=None, atol=0.0):
    """The exact max(rtol‖b‖, atol)²."""
    rtol = DEFAULT[system.b.dtype] if rtol is None else rtol
    return max(rational(rtol) ** 2 * squared_norm(rational_matrix(system.b)), rational(atol) ** 2)


def root(value):
    """The square root of an exact number as a float."""
    return float(np.sqrt(number(value)))


def judge(system, x, info, keywords, seed, tally):
    """All that must hold for one solve; returns the name of its status."""
    dtype = system.A.dtype
    label, status = f" {dtype}", pyblo.Status(int(info.status))
    tally.require("x is finite and of the dtype" + label, bool(np.isfinite(x).all()) and x.dtype == dtype, seed)
    exact, limit = squared_norm(residual(system.A, x, system.b)), squared_limit(system, **keywords)
    if info.success:
        ratio = root(exact / limit) if limit else float(exact != 0)
        tally.add("success: true residual / tolerance" + label, ratio, 1 + TINY, seed)
    elif system.kind != "inconsistent" and system.kind != "indefinite" and system.kappa <= EASY:
        tally.require("no false failure" + label, not attainable(system, x, limit), seed)
    if status == pyblo.Status.INDEFINITE:
        tally.require("direction of negative curvature" + label, quadratic_form(system.A, info.direction) < 0, seed)
    tally.require("success is CONVERGED" + label, bool(info.success) == (status == pyblo.Status.CONVERGED), seed)
    reported(system, x, info, exact, seed, tally)
    return status.name


def reported(system, x, info, exact, seed, tally):
    """The residual that is reported is the true one to the rounding of n products in float64."""
    A, b = system.A.astype(float), system.b.astype(float)
    noise = np.linalg.norm(np.abs(A) @ np.abs(x.astype(float)) + np.abs(b)) * np.finfo(float).eps
    gap = abs(float(info.residual) - root(exact))
    tally.add(f"reported residual {system.A.dtype}", gap / (noise * (b.size + 1)), 1, seed)


def attainable(system, x, limit):
    """Whether the exact solution nearest to x, x + A⁺(b − Ax), rounded to the dtype, meets the tolerance."""
    step = Symmetric.of(system.A).pseudoinverse(residual(system.A, x, system.b))
    x = numbers(rational_matrix(x) + step).astype(system.A.dtype)
    return bool(np.isfinite(x).all()) and squared_norm(residual(system.A, x, system.b)) <= limit


def check(seed, tally, statuses):
    """One random system in the dtype that its seed chooses."""
    dtype = np.dtype((np.float64, np.float32)[seed % 2])
    system, keywords = generate.system(seed, dtype), generate.tolerances(seed, dtype)
    before = system.A.tobytes(), system.b.tobytes()
    x, info = pyblo.linalg.cg(system.A, system.b, **keywords)
    tally.require("inputs are left alone", before == (system.A.tobytes(), system.b.tobytes()), seed)
    name = judge(system, x, info, keywords, seed, tally)
    key = f"{system.kind:13s}{dtype!s:9s}{name}"
    statuses[key] = statuses.get(key, 0) + 1


def campaign(count=10_000, first=0):
    """The tally of `count` solves, with the count of each status as notes."""
    tally, statuses = Tally(), {}
    for seed in range(first, first + count):
        check(seed, tally, statuses)
    tally.notes = [f"{key:36s}{number:7d}" for key, number in sorted(statuses.items())]
    return tally
