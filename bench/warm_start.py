"""Partial warm start on the anti-distillation problem: 21 weights, 13 targets, 5 inner steps, 5 Neumann terms, 2000 outer steps."""
import numpy as np
from measure import compete

import pyblo
from pyblo.datasets import fourier_features

INNER_STEPS, TERMS, INNER_STEP, OUTER_STEP, OUTER_STEPS = 5, 5, 1e-7, 1e-2, 2000


def problem():
    """Return the anti-distillation problem of paper 000, §4.2."""
    x = np.linspace(-2, 2, 13)
    return pyblo.TargetLearning(fourier_features(x, 10), fourier_features(np.zeros(1), 10), [2.0])


def in_numpy(target):
    """Return (u, w) of the same loop in NumPy, one product with Φ and one with Φᵀ where ΦᵀΦ is needed."""
    phi, phi_out, y = target.Phi, target.Phi_out, target.y_out
    u, w = np.zeros(phi.shape[0]), np.zeros(phi.shape[1])

    def inner(u, w):
        for _ in range(INNER_STEPS):
            w = w - INNER_STEP * (phi.T @ (phi @ w - u))
        return w

    w = inner(u, w)
    for _ in range(OUTER_STEPS):
        g = phi_out.T @ (phi_out @ w - y)
        q = INNER_STEP * g
        for _ in range(TERMS - 1):
            q = q + INNER_STEP * (g - phi.T @ (phi @ q))
        u = u - OUTER_STEP * (phi @ q)
        w = inner(u, w)
    return u, w


def in_pyblo(target, route):
    """Return (u, w) of pyblo.warm_start; route "iterate" makes the same products, "auto" is what a user gets."""
    result = pyblo.warm_start(
        target, np.zeros(13), method=pyblo.Neumann(TERMS, INNER_STEP), inner=pyblo.GradientDescent(INNER_STEPS, INNER_STEP),
        step=OUTER_STEP, maxiter=OUTER_STEPS, tol=0, history=False, route=route)
    return result.u, result.w


def run(rounds=9):
    """Return table rows: contestant, microseconds per outer step, spread, ratio to pyblo, relative difference of u."""
    target = problem()
    sign = {"NumPy": lambda: in_numpy(target), "pyblo, route='iterate'": lambda: in_pyblo(target, "iterate"),
            "pyblo": lambda: in_pyblo(target, "auto")}
    outcome = compete(sign, rounds)
    reference = outcome["NumPy"][1][0]
    fastest = outcome["pyblo"][0].median
    rows = [("loop", "µs per outer step", "spread", "time / pyblo's", "relative difference of u")]
    for name, (timing, (u, _)) in outcome.items():
        error = np.linalg.norm(u - reference) / np.linalg.norm(reference)
        per_step = 1e6 * timing.median / OUTER_STEPS
        rows.append((name, f"{per_step:.3f}", f"{timing.spread:.0%}", f"{timing.median / fastest:.1f}", f"{error:.1e}"))
    return rows
