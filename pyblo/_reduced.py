"""Cold start on a problem with a fixed Hessian as the affine iteration u⁺ = u − β(Ku − k)  (MATH §4).

With w = w̄ − V K_in u and the hypergradient −K_adjᵀVᵀ(Pw + f), where K_in and K_adj are VᵀB under the filters of the inner
run and of the method,

    K = K_adjᵀ VᵀPV K_in,    k = K_adjᵀ Vᵀ(P w̄ + f).

K is not symmetric: the limit is u* = u₀ − K^♯(Ku₀ − k) with the group inverse, K = XY, K^♯ = X(YX)⁻²Y.
"""
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from . import _plan

__all__ = ["Reduced", "reduce"]


@dataclass(frozen=True)
class Reduced:
    """The matrix K (m, m) and the vector k (m,); scale bounds the size of the terms whose sum is K, size that of k."""

    K: np.ndarray
    k: np.ndarray
    scale: float
    size: float

    @property
    def tolerance(self):
        """Singular values of K up to here are rounding."""
        return 4 * max(self.K.shape[0], 1) * np.finfo(self.K.dtype).eps * self.scale

    def factors(self):
        """Return X (m, r) and Y (r, m) with K = XY of full rank r."""
        U, sigma, Vt = scipy.linalg.svd(self.K)
        r = int(np.sum(sigma > self.tolerance))
        return U[:, :r] * sigma[:r], Vt[:r]

    def spectral_radius(self):
        """Return ρ(K)."""
        X, Y = self.factors()
        return float(np.abs(scipy.linalg.eigvals(Y @ X)).max(initial=0.0))

    def default_step(self):
        """Return 1/ρ(K), or 1 where K = 0."""
        radius = self.spectral_radius()
        return 1 / radius if radius > 0 else 1.0

    def outside(self):
        """Return the part of k outside the range of K, along which the iteration drifts for ever; zero where it is rounding."""
        X, _ = self.factors()
        Q = scipy.linalg.qr(X, mode="economic")[0]
        rest = self.k - Q @ (Q.T @ self.k)
        sigma = np.linalg.norm(X, axis=0)
        condition = self.scale / sigma.min() if sigma.size else 1.0
        noise = 100 * max(self.k.size, 1) * np.finfo(self.K.dtype).eps * condition * self.size
        return rest if np.linalg.norm(rest) > noise else np.zeros_like(rest)

    def drift(self):
        """Return the speed of the drift, or None."""
        speed = float(np.linalg.norm(self.outside()))
        return speed if speed > 0 else None


def reduce(problem, plan, inner, w0):
    """Return the Reduced iteration of a plan, for full inner solutions or fixed runs from w0; K of Exact for CG."""
    spectrum = plan.spectrum if plan.spectrum is not None else problem._spectrum()
    method = plan.method
    response = _plan.inner_response(spectrum, _plan.ClosedForm(), None) if isinstance(method, _plan.CG) else spectrum.response(
        method, plan.method_step)
    inner_response = _plan.inner_response(spectrum, inner, spectrum.largest)
    wide = np.float64
    cross, V = spectrum.cross.astype(wide), spectrum.vectors.astype(wide)
    rows = V.T @ problem._outer_root().astype(wide)
    X, Y = (response[:, None] * cross).T @ rows, rows.T @ (inner_response[:, None] * cross)
    w_bar = spectrum.inner_run(inner_response, np.zeros(problem.outer_size, problem.dtype), w0)
    g = V.T @ problem.outer_gradients(np.zeros(problem.outer_shape, problem.dtype), w_bar)[1].astype(wide)
    size = np.linalg.norm(response[:, None] * cross) * np.linalg.norm(g) if g.size else 0.0
    return Reduced(X @ Y, (response[:, None] * cross).T @ g, float(np.linalg.norm(X) * np.linalg.norm(Y)), float(size))
