"""Suprema over a ball, from above."""
import numpy as np

from .._namespace import matvec, norm, transposed

__all__ = ["affine_maximum"]

HALVINGS = 50
NONE = 1e-100


def affine_maximum(P, g):
    """Return radius -> max ‖Pz + g‖ on ‖z‖ ≤ radius, for symmetric positive semidefinite P (..., n, n) and g (..., n).

    By Lagrange's duality every s above the largest p² bounds the square from above, with P = U diag(p) Uᵀ and c = Uᵀg:

        ‖Pz + g‖² ≤ s·radius² + Σ c²s/(s − p²).

    The least of these is the maximum; it is sought by halving, and what was reached is a bound however near it came.
    s = pmax² + pmax‖g‖/radius alone gives no more than pmax·radius + ‖g‖, the unit in which all is computed, with y = z/radius.
    """
    p, U = np.linalg.eigh(P) if P.shape[-1] else (np.zeros(P.shape[:-1]), P)
    p = np.maximum(p, 0.0)
    c, top = matvec(transposed(U), g), p.max(axis=-1, initial=0.0)
    length = np.asarray(norm(c))
    ratios, shares = (np.divide(x, y[..., None], out=np.zeros(x.shape), where=y[..., None] > 0) for x, y in ((p, top), (c, length)))
    gaps = (1 - ratios) * (1 + ratios)

    def largest(radius):
        with np.errstate(over="ignore", invalid="ignore"):  # an infinite maximum is the caller's to refuse
            reached = top * np.asarray(radius, np.float64)
            crude = reached + length
            a, b = reached / crude, length / crude  # in units of the crude bound, where nothing overflows
        inside = (a > NONE) & (b > NONE)  # else the crude bound is the maximum, to rounding
        a, b = np.where(inside, a, 0.5), np.where(inside, b, 0.5)
        low, high = np.zeros(a.shape), a * b  # of x = s − a²
        gap, weight = a[..., None] ** 2 * gaps, b[..., None] * shares
        for _ in range(HALVINGS):
            x = 0.5 * (low + high)
            slope = 1 - np.sum((weight * a[..., None] * ratios / (x[..., None] + gap)) ** 2, axis=-1)
            low, high = np.where(slope < 0, x, low), np.where(slope < 0, high, x)
        dual = (a**2 + high) * (1 + np.sum(weight**2 / (high[..., None] + gap), axis=-1))
        return np.where(inside, crude * np.minimum(1.0, np.sqrt(dual)), crude)

    return largest
