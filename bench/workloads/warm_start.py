"""Partial warm start (anti-distillation): 21 weights, 13 targets, 5 inner steps, 5 Neumann terms, 2000 outer steps, float64."""
from typing import NamedTuple

import numpy as np
import rivals
from case import Case

from pyblo.datasets import fourier_features


class Target(NamedTuple):
    """f = ½‖Φw − u‖², F = ½‖Φₒw − y‖²."""

    Phi: np.ndarray
    Phi_out: np.ndarray
    y_out: np.ndarray


class Loop(NamedTuple):
    """w ← inner_steps of w − inner_step·∇f; then, outer_steps times, u ← u − outer_step·Φq and the inner steps from there.

    q is the Neumann series of `terms` terms for (ΦᵀΦ)⁻¹∂F/∂w with the inner step; w starts at zero.
    """

    inner_steps: int = 5
    terms: int = 5
    inner_step: float = 1e-7
    outer_step: float = 1e-2
    outer_steps: int = 2000


def target():
    """Return the anti-distillation problem of paper 000, §4.2."""
    x = np.linspace(-2, 2, 13)
    return Target(fourier_features(x, 10), fourier_features(np.zeros(1), 10), np.array([2.0]))


def reference(problem, u, loop):
    """Return u of the loop in longdouble."""
    phi, phi_out, y = (array.astype(np.longdouble) for array in problem)
    u, w, alpha = u.astype(np.longdouble), np.zeros((*u.shape[:-1], phi.shape[1]), np.longdouble), np.longdouble(loop.inner_step)
    for k in range(loop.outer_steps + 1):
        if k:
            g = (w @ phi_out.T - y) @ phi_out
            q = alpha * g
            for _ in range(loop.terms - 1):
                q = q + alpha * (g - (q @ phi.T) @ phi)
            u = u - np.longdouble(loop.outer_step) * (q @ phi.T)
        for _ in range(loop.inner_steps):
            w = w - alpha * ((w @ phi.T - u) @ phi)
    return u


def cases(scale):
    problem, loop = target(), Loop(outer_steps=max(20, int(2000 * scale)))
    starts = np.random.default_rng(3).standard_normal((512, 13))
    for runs, u0 in ((1, np.zeros(13)), (512, starts)):
        exact = reference(problem, u0 if runs == 1 else u0[:4], loop)
        yield Case(f"{runs} run{'s' * (runs > 1)}, {loop.outer_steps} outer steps", rivals.builders("warm_start", problem, u0, loop),
                   {"runs": runs, "outer_steps": loop.outer_steps}, exact)
