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

__all__ = ["Reduced", "reduce"]


@dataclass(frozen=True)
class Reduced:
    """K/unit = XY with X (m, p) and Y (p, m), p the rank of P, and k/unit (m,); size bounds the terms whose sum is k/unit.

    The limit does not depend on the unit, the largest r(λ) of the method: without it a strong damping would underflow. Of a batch,
    whose axes stand in front, p is that of the largest rank, and columns of X are zero where the rank is less.
    """

    X: np.ndarray
    Y: np.ndarray
    k: np.ndarray
    size: np.ndarray
    unit: np.ndarray

    @property
    def scale(self):
        """A bound of the terms whose sum is K."""
        return _length(self.X) * _length(self.Y)

    @property
    def tolerance(self):
        """Singular values of K up to here are rounding."""
        return 4 * max(self.k.shape[-1], 1) * np.finfo(np.float64).eps * self.scale

    def gradient(self, u):
        """Return (Ku − k)/unit."""
        return matvec(self.X, matvec(self.Y, u)) - self.k

    @cached_property
    def factors(self):
        """X (m, r) and Y (r, m) with K/unit = XY of full rank r; of a batch padded with zeros."""
        Q, U, sigma, Vt = self._singular
        return Q @ (U * sigma[..., None, :]), Vt

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
        if X.ndim == 2:
            return self.unit * float(np.abs(scipy.linalg.eigvals(Y @ X)).max(initial=0.0))
        return self.unit * np.abs(np.linalg.eigvals(Y @ X)).max(axis=-1, initial=0.0)

    def default_step(self):
        """Return 1/ρ(K), or 1 where K = 0."""
        radius = np.asarray(self.spectral_radius())
        return 1 / np.where(radius > 0, radius, 1.0)

    def outside(self):
        """Return the part of k/unit outside the range of K, along which the iteration drifts for ever; zero where it is rounding."""
        Q, U, _, _ = self._singular
        basis = Q @ U
        rest = self.k - matvec(basis, matvec(transposed(basis), self.k))
        sizes = np.abs(self.factors[0]).max(axis=-2, initial=0.0)
        least = np.where(sizes > 0, sizes, np.inf).min(axis=-1, initial=np.inf)
        condition = np.where(np.isfinite(least), self.scale / least, 1.0)
        noise = 100 * max(self.k.shape[-1], 1) * np.finfo(np.float64).eps * condition * self.size
        return np.where(np.asarray(norm(rest) > noise)[..., None], rest, 0.0)

    def drift(self):
        """Return the speed of the drift, 0 where there is none."""
        return self.unit * norm(self.outside())


def _length(A):
    """Return the Frobenius norm of matrices, which neither overflows nor underflows."""
    return norm(A.reshape(*A.shape[:-2], A.shape[-2] * A.shape[-1]))


def reduce(problem, plan, inner, w0):
    """Return the Reduced iteration of a plan, for full inner solutions or fixed runs from w0; K of Exact for CG."""
    spectrum = plan.spectrum if plan.spectrum is not None else problem._spectrum()
    method = plan.method
    exact = isinstance(method, CG)
    response = _parts.inner_response(spectrum, ClosedForm(), None) if exact else spectrum.response(method, plan.method_step)
    unit = response.max(axis=-1, initial=0.0)
    unit = np.where(unit > 0, unit, 1.0)
    response = response / unit[..., None]
    inner_response = _parts.inner_response(spectrum, inner, spectrum.largest)
    wide = np.float64
    cross, V = spectrum.cross.astype(wide), spectrum.vectors.astype(wide)
    adjoint = response[..., None] * cross
    rows = transposed(V) @ problem._outer_root().astype(wide)
    X, Y = transposed(adjoint) @ rows, transposed(rows) @ (inner_response[..., None] * cross)
    w_bar = spectrum.inner_run(inner_response, np.zeros(problem.outer_size, problem.dtype), w0)
    if not np.isfinite(w_bar).all():
        raise _overflow(problem)
    nothing = np.zeros(problem.outer_shape, problem.dtype)
    g = problem.outer_gradients(nothing, w_bar)[1].astype(wide)
    f = problem.outer_gradients(nothing, np.zeros(problem.inner_shape, problem.dtype))[1]
    # ‖Pw̄‖ + ‖f‖: what cancels in Pw̄ + f, or is orthogonal to V, leaves its rounding
    size = _length(adjoint) * (norm(g) + 2 * norm(f))
    reduced = Reduced(X, Y, matvec(transposed(adjoint), matvec(transposed(V), g)), size, unit)
    if not (all(np.isfinite(array).all() for array in (X, Y, reduced.k)) and np.isfinite(reduced.scale).all()):
        raise _overflow(problem)
    return reduced


def _overflow(problem):
    return ValueError(f"problem: its reduced iteration overflows.{problem._blame()}")
