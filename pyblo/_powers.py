"""Sums of matrix powers by doubling: any number of steps of a linear iteration at the cost of a few dozen products.

With C = I + S and Dₖ = Cᵏ − I, Rₖ = Σ_{j<k} Cʲ,

    D₂ₖ = (2I + Dₖ) Dₖ,    R₂ₖ = (2I + Dₖ) Rₖ,

so that slow modes keep their digits: they are small numbers in D, and would be 1 minus a small number in C. No eigenvectors are formed
or inverted, so a defective or nearly defective C is no special case; what grows carries a power of two, so that nothing overflows but
what is asked for.
"""
import numpy as np

from ._namespace import matvec

__all__ = ["advance"]

LARGE = 2.0**256  # entries above are scaled down
WIDE = 2**30  # as an exponent: any double overflows, and twice it is an int64


def advance(S, v, d, t):
    """Return Σ_{j<t} vⱼ for vⱼ₊₁ = vⱼ + S vⱼ + d, shapes (..., q, q), (..., q), (..., q); inf or NaN where it overflows."""
    S, v, q = *_with_drive(S, v, d), S.shape[-1]
    eye = np.eye(S.shape[-1])
    difference, exponent = S, np.zeros(S.shape[:-2], np.int64)  # D = 2^exponent · difference
    sums, sums_exponent = np.broadcast_to(eye, S.shape), exponent
    total = np.zeros(np.broadcast_shapes(v.shape, S.shape[:-1]))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        while t:
            if t & 1:
                total = total + _scaled(matvec(sums, v), sums_exponent)
                v = v + _scaled(matvec(difference, v), exponent)
            t >>= 1
            if t:
                shift = np.maximum(exponent, 0)  # 2I + D = 2^shift · ahead
                ahead = 2 * _scaled(eye, -shift, 2) + _scaled(difference, exponent - shift, 2)
                sums, sums_exponent = _tamed(ahead @ sums, sums_exponent + shift)
                difference, exponent = _tamed(ahead @ difference, exponent + shift)
    return total[..., :q]


def _with_drive(S, v, d):
    """Return S and v, bordered so that (v, 1) moves by [[S, d], [0, 0]] where d is not zero."""
    if not d.any():
        return S, v
    q = S.shape[-1]
    bordered = np.zeros((*np.broadcast_shapes(S.shape[:-2], d.shape[:-1]), q + 1, q + 1))
    bordered[..., :q, :q], bordered[..., :q, q] = S, d
    return bordered, np.concatenate([v, np.ones((*v.shape[:-1], 1))], axis=-1)


def _scaled(x, exponent, axes=1):
    """Return 2^exponent · x, x with some axes behind those of the exponent."""
    if not exponent.any():
        return x
    return np.ldexp(x, np.clip(exponent, -WIDE, WIDE).astype(np.int32)[(..., *[None] * axes)])


def _tamed(matrix, exponent):
    size = np.abs(matrix).max(axis=(-2, -1), initial=0.0)
    shift = np.where(size > LARGE, np.frexp(size)[1], 0)
    return _scaled(matrix, -shift, 2), np.minimum(exponent + shift, WIDE)
