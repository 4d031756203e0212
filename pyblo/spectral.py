"""Eigendecompositions of a fixed inner Hessian, and the methods and inner runs that are filters on them."""
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from ._namespace import matvec, some, transposed, where

__all__ = ["Spectrum", "SymmetricFactor", "largest_eigenvalue", "of_gram", "of_shifted_gram", "of_symmetric"]


@dataclass(frozen=True)
class Spectrum:
    """H = V diag(λ) Vᵀ on its range, with the cross derivative and the offset of the inner gradient in that basis.

    A single H has r = rank H. In a batch, whose axes stand in front, r is the least side of the array that is factored, and λ and V
    are zero where the rank is less: so each problem has the bits that it has in any other batch.

    Attributes
    ----------
    values : ndarray, shape (..., r)
        The positive eigenvalues λ.
    vectors : ndarray, shape (..., n, r)
        V, orthonormal columns.
    cross : ndarray, shape (..., r, m)
        VᵀM.
    offset : ndarray, shape (..., r)
        Vᵀd, where ∇_w f = Hw + Mu + d.
    """

    values: np.ndarray
    vectors: np.ndarray
    cross: np.ndarray
    offset: np.ndarray

    @property
    def rank(self):
        """The numerical rank of each H."""
        return self.values.size if self.values.ndim == 1 else np.count_nonzero(self.values, axis=-1)

    @property
    def largest(self):
        """λmax of each H, 0 where H = 0."""
        largest = self.values.max(axis=-1, initial=0.0)
        return float(largest) if largest.ndim == 0 else largest.astype(np.float64)

    @property
    def condition(self):
        """λmax over the least positive λ of each H, 1 where H = 0."""
        least = np.where(self.values > 0, self.values, np.inf).min(axis=-1, initial=np.inf)
        return np.where(np.isfinite(least), self.largest / np.where(least > 0, least, 1.0), 1.0)[()]

    def response(self, method, step):
        """Return r(λ) of a method on the range of H, in float64; step is one number, or one for each problem."""
        values = self.values.astype(np.float64)
        kept = values > 0
        if np.ndim(step) == 0:
            response = method.response(values, kept, step)
        elif getattr(method, "momentum", 0.0) == 0.0:
            response = method.response(values, kept, step[..., None])
        else:  # r(λ; α) = α r(αλ; 1)
            response = step[..., None] * method.response(step[..., None] * values, kept, 1.0)
        return response if values.ndim == 1 and np.ndim(step) == 0 else np.where(kept, response, 0.0)

    def inverse(self):
        """Return 1/λ on the range of H."""
        with np.errstate(divide="ignore"):
            return 1 / self.values if self.values.ndim == 1 else np.where(self.values > 0, 1 / self.values, 0)

    def null_response(self, method, step):
        """Return r(0) of a method, one number, or one for each step."""
        one = method.response(np.zeros(1), np.zeros(1, bool), step if np.ndim(step) == 0 else 1.0)[0]
        return float(one) if np.ndim(step) == 0 else step * one  # a polynomial in αλ, times α

    def apply(self, response, null, g):
        """Return R g = V(r∘Vᵀg) + r(0)(g − VVᵀg)."""
        coordinates = matvec(transposed(self.vectors), g)
        inside = matvec(self.vectors, response.astype(g.dtype) * coordinates)
        if not some(null):
            return inside
        return inside + np.asarray(null, g.dtype)[..., None] * (g - matvec(self.vectors, coordinates))

    def range_part(self, g):
        """Return HH⁺g, the part of g in the range of H."""
        return matvec(self.vectors, matvec(transposed(self.vectors), g))

    def inner_run(self, response, u, w0):
        """Return w₀ − R∇_w f(u, w₀), the end of an inner run whose filter on the range of H is `response`."""
        response = response.astype(w0.dtype)
        gradient = matvec(self.cross, u) + self.offset
        inner = (response * self.values) * matvec(transposed(self.vectors), w0) + response * gradient
        return w0 - matvec(self.vectors, inner)


def require_finite(core=None, /, **arrays):
    """Raise ValueError, naming the array, where one holds NaN or infinity; and the problem, where core says how many axes are of one."""
    for name, array in arrays.items():
        finite = np.isfinite(array)
        if not finite.all():
            raise ValueError(f"{name}: contains NaN or infinity{'' if core is None else where(~finite, core)}")


def default_rcond(array):
    """Return the relative size up to which a singular value of the array is rounding: max(shape)·ε.

    LAPACK's `evd` driver keeps to it (at the worst 0.85 of it seen, for integer matrices of rank n − 1); its `evr` reaches five times it.
    """
    return max(*array.shape[-2:], 1) * np.finfo(array.dtype).eps


def _eigh(A):
    """Return (λ, V) of symmetric matrices; both ways LAPACK's `evd`, NumPy's in float64 and one matrix after the other."""
    if A.ndim == 2 and A.size:
        return scipy.linalg.eigh(A, check_finite=False, driver="evd")
    return np.linalg.eigh(A) if A.size else (np.zeros(A.shape[:-1], A.dtype), np.zeros(A.shape, A.dtype))


def of_symmetric(A, B, d, rcond=None, names=("A", "B", "d")):
    """Return the spectrum of symmetric PSD A with M = B, keeping eigenvalues above rcond·λmax; axes in front are a batch.

    Raises ValueError where A is indefinite, or where (I − AA⁺)[B d] ≠ 0: then f has no lower bound in w (MATH §2).
    """
    for name, array, core in zip(names, (A, B, d), (2, 2, 1), strict=True):
        require_finite(core, **{name: array})
    n = A.shape[-1]
    eps = np.finfo(A.dtype).eps
    values, V = _eigh(A)
    largest = np.abs(values).max(axis=-1, initial=0.0, keepdims=True)
    least = values.min(axis=-1, initial=0.0, keepdims=True)
    bad = least < -10 * n * eps * largest
    if bad.any():
        k = np.unravel_index(int(np.argmax(bad)), bad.shape)
        raise ValueError(f"{names[0]}: is indefinite, with an eigenvalue {least[k]:.3g} beside the largest, {values.max(-1)[k[:-1]]:.3g}; "
                         f"the inner objective needs a positive semidefinite Hessian{where(bad, 1)}")
    kept = values > (default_rcond(A) if rcond is None else rcond) * largest
    if not kept.all():
        least = np.where(kept, values, np.inf).min(axis=-1, initial=np.inf)
        condition = np.where(kept.any(-1), largest[..., 0] / least, 1.0)
        for name, array in ((names[1], B), (names[2], d[..., None])):
            _require_in_range(name, names[0], V, ~kept, array, np.minimum(0.5, 100 * default_rcond(A) * np.maximum(condition, 1.0)))
    V = np.ascontiguousarray(V)
    cross, offset = transposed(V) @ B, matvec(transposed(V), d)  # of all eigenvectors: the bits are those in a batch
    if A.ndim == 2:
        return Spectrum(values[kept], np.ascontiguousarray(V[:, kept]), cross[..., kept, :], offset[..., kept])
    return Spectrum(np.where(kept, values, 0), V * kept[..., None, :], np.where(kept[..., None], cross, 0), np.where(kept, offset, 0))


def _require_in_range(name, matrix, V, outside, array, tolerance):
    """V[:, outside] spans the null space."""
    size = np.abs(array).max(axis=(-2, -1), initial=0.0, keepdims=True)
    array = array / np.where(size > 0, size, 1)  # so that no square overflows
    if V.ndim == 2:
        rest = np.linalg.norm(V[:, outside].T @ array, axis=-2)
    else:
        rest = np.linalg.norm((transposed(V) @ array) * outside[..., None], axis=-2)
    size = np.linalg.norm(array, axis=-2)
    bad = rest > tolerance[..., None] * size
    if bad.any():
        one = np.unravel_index(int(np.argmax(bad.any(-1))), bad.shape[:-1])
        part = (np.where(bad, rest / np.where(size > 0, size, 1), 0))[one]
        worst = int(np.argmax(part))
        raise ValueError(f"{name}: column {worst} has a relative part {part[worst]:.3g} in the null space of {matrix}, "
                         f"so the inner objective is unbounded below in w and has no solution{where(bad, 1)}")


def of_gram(Phi, rcond=None, name="Phi"):
    """Return the spectrum of H = ΦᵀΦ with M = −Φᵀ from the SVD of Φ, keeping singular values above rcond·σmax. Axes in front:
    a batch."""
    require_finite(2, **{name: Phi})
    U, sigma, Vt = _svd(Phi)
    kept = _above(Phi, sigma, rcond)
    if Phi.ndim == 2:
        sigma, U, Vt, kept = sigma[kept], U[:, kept], Vt[kept], kept[kept]
    else:
        sigma, Vt = np.where(kept, sigma, 0), Vt * kept[..., None]
    values = _squares(name, sigma, kept)
    return Spectrum(values, np.ascontiguousarray(transposed(Vt)), -sigma[..., None] * transposed(U), np.zeros(sigma.shape[-1], Phi.dtype))


def of_shifted_gram(X, y, beta, rcond=None):
    """Return the spectrum of H = XᵀX + βI with M = −βI and the offset −Xᵀy from the SVD of X: λ = σ² + β, and β itself on the null
    space of X, where singular values up to rcond·σmax count as zero. Axes in front: a batch."""
    require_finite(2, X=X)
    n, beta = X.shape[-1], np.asarray(beta, X.dtype)[..., None]
    U, sigma, Vt = _svd(X, whole=True)
    above = _above(X, sigma, rcond)
    sigma = np.where(above, sigma, 0)
    with np.errstate(over="ignore", invalid="ignore"):  # it shows in w
        offset = -sigma * matvec(transposed(np.ascontiguousarray(U)), y)
    kept, values, offset = _longer(above, n) | (beta > 0), _longer(_squares("X", sigma, above, beta), n) + beta, _longer(offset, n)
    V, cross = np.ascontiguousarray(transposed(Vt)), -beta[..., None] * Vt
    if kept.all():
        return Spectrum(values, V, cross, offset)
    if kept.ndim == 1:
        return Spectrum(values[kept], np.ascontiguousarray(V[:, kept]), cross[kept], offset[..., kept])
    return Spectrum(values, V * kept[..., None, :], cross, offset)


def _above(array, sigma, rcond):
    """Return which singular values of the array are above rcond·σmax."""
    return sigma > (default_rcond(array) if rcond is None else rcond) * sigma.max(axis=-1, initial=0.0, keepdims=True)


def _squares(name, sigma, kept, shift=0):
    """Return σ², or raise ValueError where those that are kept leave the range; none is too small beside a shift > 0."""
    with np.errstate(over="ignore", under="ignore"):
        values = sigma**2
    bad = kept & ~(np.isfinite(values + shift) & (values + shift > 0))
    if bad.any():
        seen = sigma[kept]
        raise ValueError(f"{name}: singular values from {seen.min():.3g} to {seen.max():.3g}, whose squares leave the range of "
                         f"{sigma.dtype}; scale the data{where(bad, 1)}")
    return values


def _longer(x, n):
    """Return vectors (..., k) with zeros behind, up to the length n."""
    return np.concatenate([x, np.zeros((*x.shape[:-1], n - x.shape[-1]), x.dtype)], axis=-1)


def _svd(Phi, whole=False):
    """Return U (N, k), σ (k,) and Vᵀ (k, n), k = min(N, n); with whole Vᵀ is (n, n)."""
    *batch, rows, cols = Phi.shape
    full = whole and rows < cols
    if Phi.ndim == 2 and Phi.size:
        return scipy.linalg.svd(Phi, full_matrices=full, check_finite=False)
    if Phi.size:
        return np.linalg.svd(Phi, full_matrices=full)
    U, sigma = (np.zeros((*batch, *shape), Phi.dtype) for shape in ((rows, 0), (0,)))
    return U, sigma, np.array(np.broadcast_to(np.eye(cols if whole else 0, cols, dtype=Phi.dtype), (*batch, cols if whole else 0, cols)))


class SymmetricFactor:
    """A symmetric positive semidefinite H by its eigenvectors."""

    def __init__(self, H):
        gap, size = np.abs(H - H.T).max(initial=0.0), np.abs(H).max(initial=0.0)
        if gap > np.sqrt(np.finfo(H.dtype).eps) * size:
            raise ValueError(f"hessian: is not symmetric, |H − Hᵀ| reaches {gap:.3g} where |H| reaches {size:.3g}; correct it, "
                             "or set symmetric = False")
        empty = H[0:0].ravel(), H
        self.values, self.vectors = scipy.linalg.eigh(0.5 * (H + H.T), check_finite=False, driver="evd") if H.size else empty
        largest = np.abs(self.values).max(initial=0.0)
        self.nonzero = self.values > default_rcond(H) * largest
        if self.values.min(initial=0.0) < -10 * default_rcond(H) * largest:
            raise np.linalg.LinAlgError(f"H(u, w) has an eigenvalue {self.values[0]:.3g} below zero")

    def filtered(self, response, g):
        """Return V(r(λ)∘Vᵀg), for a response that takes (values, nonzero)."""
        values = np.where(self.nonzero, self.values, 0).astype(np.float64)
        return self.vectors @ (response(values, self.nonzero).astype(g.dtype) * (self.vectors.T @ g))

    def solve(self, g):
        """Return H⁺g."""
        return self.filtered(lambda values, nonzero: np.where(nonzero, 1 / np.where(nonzero, values, 1), 0), g)


def largest_eigenvalue(operator):
    """Return an upper bound of λmax of a symmetric PSD LinearOperator: a Lanczos value plus the norm of its residual."""
    from scipy.sparse.linalg import eigsh

    n = operator.shape[0]
    if n < 3:
        return float(np.linalg.eigvalsh(operator @ np.eye(n)).max(initial=0.0))
    start = np.random.default_rng(0).standard_normal(n)
    value, vector = eigsh(operator, k=1, which="LA", v0=start, tol=1e-6)
    residual = operator @ vector[:, 0] - value[0] * vector[:, 0]
    return float(value[0] + np.linalg.norm(residual))
