"""Eigendecompositions of a fixed inner Hessian, and the methods and inner runs that are filters on them."""
from dataclasses import dataclass

import numpy as np
import scipy.linalg

__all__ = ["Spectrum", "SymmetricFactor", "largest_eigenvalue", "of_gram", "of_symmetric"]


@dataclass(frozen=True)
class Spectrum:
    """H = V diag(λ) Vᵀ on its range, with the cross derivative and the offset of the inner gradient in that basis.

    Attributes
    ----------
    values : ndarray, shape (r,)
        The positive eigenvalues λ.
    vectors : ndarray, shape (n, r)
        V, orthonormal columns.
    cross : ndarray, shape (r, m)
        VᵀM.
    offset : ndarray, shape (r,)
        Vᵀd, where ∇_w f = Hw + Mu + d.
    """

    values: np.ndarray
    vectors: np.ndarray
    cross: np.ndarray
    offset: np.ndarray

    @property
    def rank(self):
        """The numerical rank r of H."""
        return self.values.size

    @property
    def largest(self):
        """λmax(H), 0 where H = 0."""
        return float(self.values.max(initial=0.0))

    def response(self, method, step):
        """Return r(λ) of a method on the range of H, in float64."""
        values = self.values.astype(np.float64)
        return method.response(values, np.ones(values.shape, bool), step)

    def null_response(self, method, step):
        """Return r(0) of a method."""
        return float(method.response(np.zeros(1), np.zeros(1, bool), step)[0])

    def apply(self, response, null, g):
        """Return R g = V(r∘Vᵀg) + r(0)(g − VVᵀg)."""
        coordinates = self.vectors.T @ g
        inside = self.vectors @ (response.astype(g.dtype) * coordinates)
        return inside if null == 0 else inside + g.dtype.type(null) * (g - self.vectors @ coordinates)

    def range_part(self, g):
        """Return HH⁺g, the part of g in the range of H."""
        return self.vectors @ (self.vectors.T @ g)

    def inner_run(self, response, u, w0):
        """Return w₀ − R∇_w f(u, w₀), the end of an inner run whose filter on the range of H is `response`."""
        response = response.astype(w0.dtype)
        inner = (response * self.values) * (self.vectors.T @ w0) + response * (self.cross @ u + self.offset)
        return w0 - self.vectors @ inner


def require_finite(**arrays):
    """Raise ValueError, naming the array, where one holds NaN or infinity."""
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: contains NaN or infinity")


def default_rcond(array):
    """Return the relative size up to which a singular value of the array is rounding: max(shape)·ε.

    LAPACK's `evd` driver keeps to it (at the worst 0.85 of it seen, for integer matrices of rank n − 1); its `evr` reaches five times it.
    """
    return max(*array.shape, 1) * np.finfo(array.dtype).eps


def of_symmetric(A, B, d, rcond=None, names=("A", "B", "d")):
    """Return the spectrum of a symmetric PSD A with M = B, keeping eigenvalues above rcond·λmax.

    Raises ValueError where A is indefinite, or where (I − AA⁺)[B d] ≠ 0: then f has no lower bound in w (MATH §2).
    """
    require_finite(**dict(zip(names, (A, B, d), strict=True)))
    n = A.shape[0]
    eps = np.finfo(A.dtype).eps
    values, vectors = scipy.linalg.eigh(A, check_finite=False, driver="evd") if n else (np.zeros(0, A.dtype), np.zeros((0, 0), A.dtype))
    largest = np.abs(values).max(initial=0.0)
    if values.min(initial=0.0) < -10 * n * eps * largest:
        raise ValueError(f"{names[0]}: is indefinite, with an eigenvalue {values[0]:.3g} beside the largest, {values[-1]:.3g}; "
                         "the inner objective needs a positive semidefinite Hessian")
    kept = values > (default_rcond(A) if rcond is None else rcond) * largest
    V, N = np.ascontiguousarray(vectors[:, kept]), vectors[:, ~kept]
    condition = largest / values[kept].min(initial=np.inf) if kept.any() else 1.0
    for name, array in ((names[1], B), (names[2], d[:, None])):
        _require_in_range(name, names[0], N, array, min(1.0, 100 * default_rcond(A) * max(condition, 1.0)))
    return Spectrum(values[kept], V, V.T @ B, V.T @ d)


def _require_in_range(name, matrix, N, array, tolerance):
    array = array / (np.abs(array).max(initial=0.0) or 1)  # so that no square overflows
    outside = np.linalg.norm(N.T @ array, axis=0)
    size = np.linalg.norm(array, axis=0)
    bad = outside > tolerance * size
    if bad.any():
        worst = int(np.argmax(np.where(bad, outside / np.where(size > 0, size, 1), 0)))
        raise ValueError(f"{name}: column {worst} has a relative part {outside[worst] / size[worst]:.3g} in the null space of {matrix}, "
                         "so the inner objective is unbounded below in w and has no solution")


def of_gram(Phi, rcond=None, name="Phi"):
    """Return the spectrum of H = ΦᵀΦ with M = −Φᵀ from the SVD of Φ, keeping singular values above rcond·σmax."""
    require_finite(**{name: Phi})
    U, sigma, Vt = scipy.linalg.svd(Phi, full_matrices=False, check_finite=False) if Phi.size else _empty_svd(Phi)
    cut = default_rcond(Phi) if rcond is None else rcond
    kept = sigma > cut * sigma.max(initial=0.0)
    sigma = sigma[kept]
    V = np.ascontiguousarray(Vt[kept].T)
    with np.errstate(over="ignore", under="ignore"):
        values = sigma**2
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"{name}: singular values from {sigma.min():.3g} to {sigma.max():.3g}, whose squares leave the range of {Phi.dtype}; "
                         "scale the data")
    return Spectrum(values, V, -sigma[:, None] * U[:, kept].T, np.zeros(sigma.size, Phi.dtype))


def _empty_svd(Phi):
    return np.zeros((Phi.shape[0], 0), Phi.dtype), np.zeros(0, Phi.dtype), np.zeros((0, Phi.shape[1]), Phi.dtype)


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
