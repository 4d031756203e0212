"""Where the eigenvalues of an affine map lie: inside the unit circle, on it, or beyond, and for which outer steps."""
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize

__all__ = ["Mode", "eigenvector", "growth", "largest_step", "stable_steps", "unstable_projector", "worst"]


@dataclass(frozen=True)
class Mode:
    """An eigenvalue of I + S and its eigenvector: kind is "inside", "outside", "one", or "circle" (on the unit circle, not 1)."""

    kind: str
    value: complex
    vector: np.ndarray


def growth(S):
    """Return the largest modulus of the eigenvalues of I + S, 0 where there are none."""
    values = np.linalg.eigvals(S)
    return np.abs(1 + values).max(axis=-1, initial=0.0)


def worst(S, eps, terms):
    """Return the Mode of the eigenvalue of I + S that decides, or None where there are none.

    With D the balancing of S, an eigenvalue is known up to 10 q ε ‖D⁻¹TD‖ over the cosine between its left and right eigenvectors, and in
    clusters, where that cosine vanishes, up to ‖D⁻¹TD‖ times the cube root of 10 q ε: so far rounding takes apart a triple eigenvalue.
    T, `terms`, holds the sums of the moduli of what adds up to the entries of S.
    """
    if not S.shape[-1]:
        return None
    values, vectors, noise = _eigen(S, eps, terms)
    modulus = np.abs(1 + values)
    one, circle = np.abs(values) <= noise, np.abs(modulus - 1) <= noise
    rank = np.select([one, circle, modulus > 1], [2, 1, 3], 0)
    k = np.lexsort((modulus, rank))[-1]
    return Mode(("inside", "circle", "one", "outside")[rank[k]], complex(1 + values[k]), vectors[:, k])


def _eigen(S, eps, terms):
    balanced, (scale, _) = scipy.linalg.matrix_balance(S, permute=False, separate=True)
    size = np.linalg.norm(terms / scale[:, None] * scale)
    unit = 2.0 ** (np.frexp(np.abs(balanced).max())[1] - 1)  # SciPy's eigenvalues of tiny matrices are wrong
    values, left, right = scipy.linalg.eig(balanced / unit, left=True, right=True)
    cosine = np.abs(np.vecdot(left, right, axis=0))
    noise = 10 * len(S) * eps
    return unit * values, scale[:, None] * right, size * np.minimum(noise / np.maximum(cosine, np.finfo(float).tiny), np.cbrt(noise))


def eigenvector(S, value):
    """Return the eigenvector of S whose eigenvalue is nearest to a value."""
    values, vectors = np.linalg.eig(S)
    return vectors[:, np.argmin(np.abs(values - value))]


def unstable_projector(S, eps, terms):
    """Return (Q₁, Q₂, S₂): orthonormal columns with Q₁ᵀS = S₁Q₁ᵀ for the eigenvalues of I + S that are not inside the unit circle, and
    S Q₂ = Q₂ S₂ on the vectors that Q₁ᵀ takes to zero (ordered Schur form of the transpose)."""
    values, _, noise = _eigen(S, eps, terms)
    outside = np.abs(1 + values) >= 1 - noise
    if outside.all():
        return np.eye(len(S)), np.zeros((len(S), 0)), np.zeros((0, 0))
    inner = np.abs(1 + values[~outside]).max()
    border = 0.5 * (inner + np.abs(1 + values[outside]).min(initial=2 - inner))
    T, Q, count = scipy.linalg.schur(S.T, output="complex", sort=lambda value: abs(1 + value) >= border)
    return Q[:, :count], Q[:, count:].conj(), T[count:, count:].T


def largest_step(values, terms):
    """Return min 2 Re μ/|μ|² over the eigenvalues μ of a K, below which every outer step is stable: infinity where there are none, and 0
    where a real part is not positive beyond rounding. `terms` holds the sums of the moduli of what adds up to the entries of K."""
    if values.real.min(initial=np.inf) <= 10 * len(values) * np.finfo(float).eps * np.linalg.norm(terms):
        return 0.0
    return float(np.min(2 * (values.real / np.abs(values)) / np.abs(values), initial=np.inf))


def stable_steps(known):
    """Return the intervals (low, high) of outer steps that are stable, from below.

    Where only the outer step decides, by 1 − βμ with the eigenvalues μ of −S₁, there is one, (0, min 2 Re μ/|μ|²), or none. Otherwise the
    trace of I + S₀ + βS₁, at most p in modulus where it is stable, bounds β; below it steps in ratios of √2 are tried, and Brent's method
    finds the borders. An interval, or a gap, within one such ratio may be missed.
    """
    if not known.moving:
        return [(0.0, np.inf)]
    if known.full is not None:
        high = largest_step(-np.linalg.eigvals(known.full[1]), known.full[2])
        return [(0.0, high)] if high > 0 else []
    return _scanned(lambda step: _excess(known.at(step)), *_bound(known.fixed, known.linear))


def _excess(S):
    """Return the largest |1 + μ|² − 1 of the eigenvalues μ of S, without the rounding of 1 + μ; and 0 where it is rounding of S."""
    values = np.linalg.eigvals(S)
    excess = (2 * values.real + np.abs(values) ** 2).max()
    return float(excess) if abs(excess) > 10 * len(S) * np.finfo(float).eps * np.linalg.norm(S) else 0.0


def _bound(fixed, linear):
    """Return a step that no stable one exceeds, from |tr(I + S)| ≤ p, and whether it is one; else, where tr S₁ = 0, only a large one."""
    p, slope, size = len(fixed), abs(np.trace(linear)), np.linalg.norm(linear)
    if slope > 1e-8 * size:
        return (p + abs(p + np.trace(fixed))) / slope, True
    return 1e8 / size if size > 0 else 1.0, False


def _scanned(excess, bound, strict):
    steps = bound * 2.0 ** (0.5 * np.arange(-99, 1))
    signs = np.sign([excess(step) for step in steps])
    known = np.flatnonzero(signs)  # where rounding decides, the step says what the next one above does
    if not known.size:
        return []
    stable = signs[known[np.minimum(np.searchsorted(known, np.arange(len(steps))), len(known) - 1)]] < 0
    turns = np.flatnonzero(stable[1:] != stable[:-1])
    edges = [_border(excess, steps[k], steps[k + 1]) for k in turns]
    edges = ([0.0] if stable[0] else []) + edges + ([bound if strict else np.inf] if stable[-1] else [])
    return list(zip(edges[::2], edges[1::2], strict=True))


def _border(excess, below, above):
    return float(scipy.optimize.brentq(excess, below, above, xtol=1e-300, rtol=1e-13))
