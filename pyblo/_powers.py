"""Sums of matrix powers by doubling: any number of steps of a linear iteration at the cost of a few dozen products.

With C = I + S and Dₖ = Cᵏ − I, Rₖ = Σ_{j<k} Cʲ,

    D₂ₖ = (2I + Dₖ) Dₖ,    R₂ₖ = (2I + Dₖ) Rₖ,

so that slow modes keep their digits: they are small numbers in D, and would be 1 minus a small number in C. No eigenvectors are formed
or inverted, so a defective or nearly defective C is no special case. Columns that grow carry a power of two each, so that nothing
overflows but what is asked for, and what is not excited does not hide what is.
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
    none = np.zeros(S.shape[:-1], np.int64)
    difference, sums = (S, none), (np.broadcast_to(eye, S.shape), none)  # D and R, as matrices and the exponents of their columns
    total = np.zeros(np.broadcast_shapes(v.shape, S.shape[:-1]))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        while t:
            if t & 1:
                total = total + _applied(*sums, v)
                v = v + _applied(*difference, v)
            t >>= 1
            if t:
                D, exponent = difference
                shift = np.maximum(exponent, 0)
                ahead = 2 * _scaled(eye, -shift[..., None, :]) + _scaled(D, (exponent - shift)[..., None, :]), shift  # 2I + D
                sums, difference = _product(*ahead, *sums), _product(*ahead, *difference)
    return total[..., :q]


def _with_drive(S, v, d):
    """Return S and v, bordered so that (v, 1) moves by [[S, d], [0, 0]] where d is not zero."""
    if not d.any():
        return S, v
    q = S.shape[-1]
    bordered = np.zeros((*np.broadcast_shapes(S.shape[:-2], d.shape[:-1]), q + 1, q + 1))
    bordered[..., :q, :q], bordered[..., :q, q] = S, d
    return bordered, np.concatenate([v, np.ones((*v.shape[:-1], 1))], axis=-1)


def _applied(A, exponent, v):
    return matvec(A, _scaled(v, exponent))


def _product(A, a, B, b):
    """Return A diag(2^a) B diag(2^b), as a matrix of moderate numbers and the exponents of its columns."""
    if a.any():
        sizes = np.where(B != 0, np.frexp(B)[1] + a[..., None], -WIDE)
        most = sizes.max(axis=-2)
        most = np.where(most > -WIDE, most, 0)
        B, b = _scaled(B, a[..., None] - most[..., None, :]), b + most
    C = A @ B
    size = np.abs(C).max(axis=-2, initial=0.0)
    shift = np.where(size > LARGE, np.frexp(size)[1], 0)
    return _scaled(C, -shift[..., None, :]), np.minimum(b + shift, WIDE)


def _scaled(x, exponent):
    """Return 2^exponent · x."""
    return np.ldexp(x, np.clip(exponent, -WIDE, WIDE).astype(np.int32)) if exponent.any() else x
