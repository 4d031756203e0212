"""Cold start on a problem with a fixed Hessian as the affine iteration u⁺ = u − β(Ku − k)  (MATH §4).

With w = w̄ − V K_in u and the hypergradient −K_adjᵀVᵀ(Pw + f), where K_in and K_adj are VᵀB under the filters of the inner
run and of the method,

    K = K_adjᵀ VᵀPV K_in,    k = K_adjᵀ Vᵀ(P w̄ + f).

K is not symmetric: the limit is u* = u₀ − K^♯(Ku₀ − k) with the group inverse, K = XY, K^♯ = X(YX)⁻²Y.
"""
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg

from . import _parts
from ._namespace import matvec, norm, transposed
from .inner import ClosedForm
from .methods import CG

__all__ = ["Reduced", "between", "length", "outer_gradient", "reduce"]


@dataclass(frozen=True)
class Reduced:
    """K/unit = XY with X (m, p) and Y (p, m), p the rank of P, and k/unit (m,); size bounds the terms whose sum is k/unit.

    The limit does not depend on the unit, the largest r(λ) of the method: without it a strong damping would underflow. Of a batch,
    whose axes stand in front, p is that of the largest rank, and columns of X are zero where the rank is less.

    adjoint (r, m) is K_adj/unit, root (n, p) is L with P = LLᵀ, rows (r, p) is VᵀL, and eps that of the problem's dtype.
    """

    X: np.ndarray
    Y: np.ndarray
    k: np.ndarray
    size: np.ndarray
    unit: np.ndarray
    adjoint: np.ndarray
    root: np.ndarray
    rows: np.ndarray
    eps: float

    @property
    def scale(self):
        """A bound of the terms whose sum is K."""
        return length(self.X) * length(self.Y)

    @property
    def tolerance(self):
        """Singular values of K up to here are rounding."""
        return 4 * max(self.k.shape[-1], 1) * self.eps * self.scale

    def gradient(self, u):
        """Return (Ku − k)/unit."""
        return matvec(self.X, matvec(self.Y, u)) - self.k

    @cached_property
    def factors(self):
        """X (m, r) and Y (r, m) with K/unit = XY of full rank r; of a batch padded with zeros."""
        Q, U, sigma, Vt = self._singular
        return Q @ (U * sigma[..., None, :]), Vt

    @cached_property
    def basis(self):
        """Orthonormal columns (m, r) that span the range of K; of a batch padded with zeros."""
        Q, U, _, _ = self._singular
        return Q @ U

    @cached_property
    def reach(self):
        """(r, m) with K/unit = basis @ reach."""
        _, _, sigma, Vt = self._singular
        return sigma[..., None] * Vt

    @cached_property
    def _singular(self):
        if self.X.ndim == 2:
            Q, R = scipy.linalg.qr(self.X, mode="economic")
            U, sigma, Vt = scipy.linalg.svd(R @ self.Y, full_matrices=False)
            r = int(np.sum(sigma > self.tolerance))
            return Q, U[:, :r], sigma[:r], Vt[:r]
        Q, R = np.linalg.qr(self.X)
        U, sigma, Vt = np.linalg.svd(R @ self.Y, full_matrices=False)
        kept = sigma > self.tolerance[..., None]
        return Q, U * kept[..., None, :], sigma * kept, Vt * kept[..., None]

    def spectral_radius(self):
        """Return ρ(K)."""
        X, Y = self.factors
        return self.unit * np.abs(np.linalg.eigvals(Y @ X)).max(axis=-1, initial=0.0)

    def default_step(self):
        """Return 1/ρ(K), or 1 where K = 0."""
        radius = np.asarray(self.spectral_radius())
        return 1 / np.where(radius > 0, radius, 1.0)

    def outside(self, k=None, size=None):
        """Return the part of k/unit outside the range of K, along which the iteration drifts for ever; zero where it is rounding.

        k and size, those of another start, stand for its own where they are given.
        """
        k, size = (self.k, self.size) if k is None else (k, size)
        rest = k - matvec(self.basis, matvec(transposed(self.basis), k))
        return np.where(np.asarray(norm(rest) > self.noise * size)[..., None], rest, 0.0)

    @cached_property
    def noise(self):
        """What may be rounding in the part of k/unit outside the range of K, in units of size."""
        sizes = np.abs(self.factors[0]).max(axis=-2, initial=0.0)
        least = np.where(sizes > 0, sizes, np.inf).min(axis=-1, initial=np.inf)
        condition = np.where(np.isfinite(least), self.scale / least, 1.0)
        return 100 * max(self.k.shape[-1], 1) * self.eps * condition

    def drift(self):
        """Return the speed of the drift, 0 where there is none."""
        return self.unit * norm(self.outside())


def length(A):
    """Return the Frobenius norm of matrices, which neither overflows nor underflows."""
    return norm(A.reshape(*A.shape[:-2], A.shape[-2] * A.shape[-1]))


def reduce(problem, plan, inner, w0):
    """Return the Reduced iteration of a plan, for full inner solutions or fixed runs from w0; K of Exact for CG."""
    spectrum = plan.spectrum if plan.spectrum is not None else problem._spectrum()
    exact = isinstance(plan.method, CG)
    response = _parts.inner_response(spectrum, ClosedForm(), None) if exact else spectrum.response(plan.method, plan.method_step)
    return between(problem, spectrum, response, _parts.inner_response(spectrum, inner, spectrum.largest), w0)


def between(problem, spectrum, response, inner_response, w0):
    """Return the Reduced iteration with the filters of the method and of the inner run from w0."""
    unit = np.abs(response).max(axis=-1, initial=0.0)
    unit = np.where(unit > 0, unit, 1.0)
    response = response / unit[..., None]
    wide = np.float64
    cross, V = spectrum.cross.astype(wide), spectrum.vectors.astype(wide)
    adjoint, root = response[..., None] * cross, problem._outer_root().astype(wide)
    rows = _seen(problem, spectrum, transposed(V) @ root, root)
    X, Y = transposed(adjoint) @ rows, transposed(rows) @ (inner_response[..., None] * cross)
    w_bar = spectrum.inner_run(inner_response, np.zeros(problem.outer_size, problem.dtype), w0)
    if not np.isfinite(w_bar).all():
        raise _overflow(problem)
    g, f = outer_gradient(problem, w_bar), outer_gradient(problem, np.zeros(problem.inner_size, problem.dtype))
    # ‖Pw̄‖ + ‖f‖: what cancels in Pw̄ + f, or is orthogonal to V, leaves its rounding
    size = length(adjoint) * (norm(g) + 2 * norm(f))
    k = matvec(transposed(adjoint), matvec(transposed(V), g))
    reduced = Reduced(X, Y, k, size, unit, adjoint, root, rows, float(np.finfo(problem.dtype).eps))
    if not (all(np.isfinite(array).all() for array in (X, Y, reduced.k)) and np.isfinite(reduced.scale).all()):
        raise _overflow(problem)
    return reduced


def _seen(problem, spectrum, rows, root):
    """Return VᵀL, zero where all of it is the rounding of V: the outer objective sees null(A) alone, and no u moves it."""
    eps = float(np.finfo(problem.dtype).eps)
    condition = spectrum.condition ** (0.5 if problem._factored[1] else 1.0)
    noise = np.minimum(10 * max(problem.inner_size, 1) * eps * condition, np.sqrt(eps))
    return np.where(np.asarray(length(rows) > noise * length(root))[..., None, None], rows, 0.0)


def outer_gradient(problem, w):
    """Return ∂F/∂w at vectors w, in float64, of a problem whose F is free of u."""
    nothing = np.zeros(problem.outer_shape, problem.dtype)
    return problem.outer_gradients(nothing, w.reshape(*w.shape[:-1], *problem.inner_shape))[1].astype(np.float64)


def _overflow(problem):
    return ValueError(f"problem: its reduced iteration overflows.{problem._blame()}")
