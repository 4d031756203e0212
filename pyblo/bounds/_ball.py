"""Suprema over a ball, from above."""
import numpy as np

from .._namespace import matvec, norm, transposed

__all__ = ["affine_maximum", "spectral_norm"]

HALVINGS = 50


def spectral_norm(A):
    """Return the largest singular value of each matrix, 0 of an empty one."""
    if 0 in A.shape[-2:]:
        return np.zeros(A.shape[:-2])
    return np.linalg.svd(A, compute_uv=False).max(axis=-1)


def affine_maximum(P, g):
    """Return radius -> max ‖Pz + g‖ on ‖z‖ ≤ radius, for symmetric positive semidefinite P (..., n, n) and g (..., n).

    By Lagrange's duality every s above the largest p² bounds the square from above, with P = U diag(p) Uᵀ and c = Uᵀg:

        ‖Pz + g‖² ≤ s·radius² + Σ c²s/(s − p²).

    The least of these is the maximum; it is sought by halving, and what was reached is a bound however near it came.
    s = pmax² + pmax‖g‖/radius alone gives no more than pmax·radius + ‖g‖.
    """
    p, U = np.linalg.eigh(P) if P.shape[-1] else (np.zeros(P.shape[:-1]), P)
    p = np.maximum(p, 0.0)
    c, top = matvec(transposed(U), g), p.max(axis=-1, initial=0.0)
    length = np.asarray(norm(c))

    def largest(radius):
        radius = np.asarray(radius, np.float64)
        crude = top * radius + length
        inside = (radius > 0) & (top > 0) & (length > 0)  # else the crude bound is the maximum
        ball = np.where(inside, radius, 1.0)
        low, high = np.zeros(ball.shape), np.where(inside, top * length / ball, 1.0)  # of x = s − pmax²
        gap = (top[..., None] - p) * (top[..., None] + p)
        for _ in range(HALVINGS):
            x = 0.5 * (low + high)
            slope = ball**2 - np.sum((c * p / (x[..., None] + gap)) ** 2, axis=-1)
            low, high = np.where(slope < 0, x, low), np.where(slope < 0, high, x)
        x = high[..., None]
        dual = (top**2 + high) * (ball**2 + np.sum(c**2 / (x + gap), axis=-1))
        return np.where(inside, np.minimum(crude, np.sqrt(dual)), crude)

    return largest
