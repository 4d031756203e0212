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
from scipy.linalg import norm  # scaled: it neither overflows nor underflows

from . import _plan

__all__ = ["Reduced", "reduce"]


@dataclass(frozen=True)
class Reduced:
    """K/unit = XY with X (m, p) and Y (p, m), p the rank of P, and k/unit (m,); size bounds the terms whose sum is k/unit.

    The limit does not depend on the unit, the largest r(λ) of the method: without it a strong damping would underflow.
    """

    X: np.ndarray
    Y: np.ndarray
    k: np.ndarray
    size: float
    unit: float

    @property
    def scale(self):
        """A bound of the terms whose sum is K."""
        return float(norm(self.X) * norm(self.Y))

    @property
    def tolerance(self):
        """Singular values of K up to here are rounding."""
        return 4 * max(self.k.size, 1) * np.finfo(np.float64).eps * self.scale

    def gradient(self, u):
        """Return (Ku − k)/unit."""
        return self.X @ (self.Y @ u) - self.k

    @cached_property
    def factors(self):
        """X (m, r) and Y (r, m) with K/unit = XY of full rank r."""
        Q, R = scipy.linalg.qr(self.X, mode="economic")
        U, sigma, Vt = scipy.linalg.svd(R @ self.Y, full_matrices=False)
        r = int(np.sum(sigma > self.tolerance))
        return Q @ (U[:, :r] * sigma[:r]), Vt[:r]

    def spectral_radius(self):
        """Return ρ(K)."""
        X, Y = self.factors
        return self.unit * float(np.abs(scipy.linalg.eigvals(Y @ X)).max(initial=0.0))

    def default_step(self):
        """Return 1/ρ(K), or 1 where K = 0."""
        radius = self.spectral_radius()
        return 1 / radius if radius > 0 else 1.0

    def outside(self):
        """Return the part of k/unit outside the range of K, along which the iteration drifts for ever; zero where it is rounding."""
        X, _ = self.factors
        Q = scipy.linalg.qr(X, mode="economic")[0]
        rest = self.k - Q @ (Q.T @ self.k)
        sigma = np.abs(X).max(axis=0, initial=0.0)
        condition = self.scale / sigma.min() if sigma.size else 1.0
        noise = 100 * max(self.k.size, 1) * np.finfo(np.float64).eps * condition * self.size
        return rest if norm(rest) > noise else np.zeros_like(rest)

    def drift(self):
        """Return the speed of the drift, or None."""
        speed = self.unit * float(norm(self.outside()))
        return speed if speed > 0 else None


def reduce(problem, plan, inner, w0):
    """Return the Reduced iteration of a plan, for full inner solutions or fixed runs from w0; K of Exact for CG."""
    spectrum = plan.spectrum if plan.spectrum is not None else problem._spectrum()
    method = plan.method
    response = _plan.inner_response(spectrum, _plan.ClosedForm(), None) if isinstance(method, _plan.CG) else spectrum.response(
        method, plan.method_step)
    unit = float(response.max(initial=0.0)) or 1.0
    response = response / unit
    inner_response = _plan.inner_response(spectrum, inner, spectrum.largest)
    wide = np.float64
    cross, V = spectrum.cross.astype(wide), spectrum.vectors.astype(wide)
    rows = V.T @ problem._outer_root().astype(wide)
    X, Y = (response[:, None] * cross).T @ rows, rows.T @ (inner_response[:, None] * cross)
    w_bar = spectrum.inner_run(inner_response, np.zeros(problem.outer_size, problem.dtype), w0)
    nothing = np.zeros(problem.outer_shape, problem.dtype)
    g = problem.outer_gradients(nothing, w_bar.reshape(problem.inner_shape))[1].astype(wide)
    f = problem.outer_gradients(nothing, np.zeros(problem.inner_shape, problem.dtype))[1]
    # ‖Pw̄‖ + ‖f‖: what cancels in Pw̄ + f, or is orthogonal to V, leaves its rounding
    size = norm(response[:, None] * cross) * (norm(g) + 2 * norm(f)) if g.size else 0.0
    reduced = Reduced(X, Y, (response[:, None] * cross).T @ (V.T @ g), float(size), unit)
    if not all(np.isfinite(array).all() for array in (X, Y, reduced.k, reduced.scale)):
        raise ValueError(f"problem: its reduced iteration overflows.{problem._blame()}")
    return reduced
