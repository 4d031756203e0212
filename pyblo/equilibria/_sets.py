"""F along all inner solutions S(u) = {w̄ + Ju + v : v ∈ null(A)}, and least squares over them  (MATH §5).

F = ½‖Lᵀw − c‖² + f⊥ᵀw + const, with LLᵀ = P and c = −L⁺f: what can be a sum of squares is kept as one, so that the conditioning
is that of L and not of P. f⊥ is the part of f outside the range of P, zero wherever F has a lower bound.
"""
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from .._namespace import norm, spectral_norm
from ..result import Equilibrium
from ..status import Status


@dataclass(frozen=True)
class SolutionSets:
    """S(u) and F for one problem, in float64.

    Attributes
    ----------
    problem : the problem.
    values, V : ndarray, shapes (r,) and (n, r)
        The positive eigenvalues of A and their eigenvectors.
    J, w_bar : ndarray, shapes (n, m) and (n,)
        −A⁺B and −A⁺d.
    L, c, f_rest : ndarray, shapes (n, p), (p,) and (n,)
        F = ½‖Lᵀw − c‖² + f⊥ᵀw + const.
    eps : float
        The size of the problem times the ε of its dtype.
    condition : ndarray, shape (r,)
        σmax/σ of the array that is factored: eps times it is the error of each column of V.
    floor : float
        The error of J in any direction: eps‖J‖ where J = Φ⁺, eps‖B‖/λmin where it is −A⁺B.
    """

    problem: object
    values: np.ndarray
    V: np.ndarray
    J: np.ndarray
    w_bar: np.ndarray
    L: np.ndarray
    c: np.ndarray
    f_rest: np.ndarray
    eps: float
    condition: np.ndarray
    floor: float

    @property
    def rounding(self):
        """The error of the projection on null(A)."""
        return self.eps * self.condition.max(initial=1.0)

    def response_noise(self, Z):
        """Return the error of Jz for each unit column z of Z: that of a direction which A answers stiffly may be small."""
        return self.floor + self.eps * scipy.linalg.norm(self.condition[:, None] * (self.V.T @ (self.J @ Z)), axis=0)

    def null(self, x):
        """Return (I − AA⁺)x."""
        return x - self.V @ (self.V.T @ x)

    def nearest(self, u):
        """Return w*(u; 0)."""
        return self.w_bar + self.J @ u

    def outer_gradient(self, w):
        """Return ∂F/∂w."""
        return self.L @ (self.L.T @ w - self.c) + self.f_rest

    def value(self, w):
        """Return F, less its constant."""
        y = self.L.T @ w - self.c
        return float(0.5 * (y @ y) + self.f_rest @ w)

    def force(self, length):
        """Return ‖P‖·length + ‖f‖: for ‖w‖, a bound of the terms whose sum is ∂F/∂w."""
        size = spectral_norm(self.L)
        return size * (size * length + norm(self.c)) + norm(self.f_rest)

    def span(self, u, w):
        """Return max(1, ‖w‖) + ‖J‖‖u‖ + ‖A⁺d‖, of the terms that cancel where w ∈ S(u)."""
        return length(w) + spectral_norm(self.J) * norm(u) + norm(self.w_bar)

    def equilibrium(self, u, w, message, radius=np.inf):
        """Return the Equilibrium at vectors u and w, in the problem's dtype and shapes; radius is how far w may be from w*(u; 0)."""
        problem, wide = self.problem, np.inf > radius > norm(self.nearest(u))
        u, w = u.astype(problem.dtype).reshape(problem.outer_shape), w.astype(problem.dtype).reshape(problem.inner_shape)
        if not (np.isfinite(u).all() and np.isfinite(w).all()):
            raise ValueError(f"radius: {radius:g} overflows {problem.dtype}" if wide else
                             f"problem: its solution overflows.{problem._blame()}")
        fun = problem.outer_value(u, w)
        if wide and not np.isfinite(fun):
            raise ValueError(f"radius: {radius:g} is so large that F overflows")
        return Equilibrium(u, w, fun, Status.CONVERGED, message)


def solution_sets(problem):
    """Return the SolutionSets of one problem."""
    spectrum, wide = problem._spectrum(), np.float64
    values, V, L = (array.astype(wide) for array in (spectrum.values, spectrum.vectors, problem._outer_root()))
    J = -V @ (spectrum.cross.astype(wide) / values[:, None])
    w_bar = -V @ (spectrum.offset.astype(wide) / values)
    f = problem.outer_gradients(np.zeros(problem.outer_shape), np.zeros(problem.inner_shape))[1].reshape(-1).astype(wide)
    gram = problem._factored[1]
    condition = (values.max(initial=0.0) / values) ** (0.5 if gram else 1.0)
    eps = max(problem.inner_size, problem.outer_size, L.shape[1], 1) * float(np.finfo(problem.dtype).eps)
    P = least_squares(L, eps * spectral_norm(L))
    c = -P.Vt.T @ ((P.U.T @ f) / P.sigma)
    rest = P.outside(f)
    rest = rest if norm(rest) > min(0.5, 100 * P.blur) * norm(f) else np.zeros_like(f)
    if not all(np.isfinite(array).all() for array in (J, w_bar, L, c, rest)):
        raise ValueError(f"problem: its solution overflows.{problem._blame()}")
    floor = eps * (spectral_norm(J) if gram else spectral_norm(spectrum.cross.astype(wide)) / values.min(initial=np.inf))
    return SolutionSets(problem, values, V, J, w_bar, L, c, rest, eps, condition, floor)


def length(w):
    """Return max(1, ‖w‖), by which the loops too judge changes of w: a solution that is zero has no other scale."""
    return max(1.0, norm(w))


@dataclass(frozen=True)
class LeastSquares:
    """min over x from x₀ of ½‖y + Mx‖² + gᵀx: x = x₀ − M⁺(y₀ + (M⁺)ᵀg), y₀ = y + Mx₀, the minimiser nearest x₀.

    Attributes
    ----------
    U, sigma, Vt : ndarray
        The singular values of M that are no rounding, and their vectors.
    blur : float
        The largest part of one of them that may be rounding: the error of their span.
    """

    U: np.ndarray
    sigma: np.ndarray
    Vt: np.ndarray
    blur: float

    def move(self, y, g):
        """Return −M⁺(y + (M⁺)ᵀg)."""
        return -self.Vt.T @ ((self.U.T @ y + (self.Vt @ g) / self.sigma) / self.sigma)

    def lift(self, g):
        """Return (M⁺)ᵀg."""
        return self.U @ ((self.Vt @ g) / self.sigma)

    def outside(self, x):
        """Return (I − UUᵀ)x."""
        return x - self.U @ (self.U.T @ x)

    def unseen(self, g, size):
        """Return the part of g in null(M), along which the objective is linear, or None where it is rounding beside size."""
        rest = g - self.Vt.T @ (self.Vt @ g)
        return rest if norm(rest) > size else None


def least_squares(M, noise):
    """Return the LeastSquares of a matrix with errors of size noise: a number, or a function that returns it for columns of directions."""
    if not M.size:
        return LeastSquares(np.zeros((M.shape[0], 0)), np.zeros(0), np.zeros((0, M.shape[1])), 0.0)
    U, sigma, Vt = scipy.linalg.svd(M, full_matrices=False, check_finite=False)
    level = max(M.shape) * np.finfo(float).eps * sigma[0] + (noise(Vt.T) if callable(noise) else noise)
    kept = sigma > level
    blur = np.max((level / np.where(kept, sigma, np.inf)), initial=0.0)
    return LeastSquares(U[:, kept], sigma[kept], Vt[kept], float(blur))


def unbounded(du, dw):
    """Return the Equilibrium of an objective that falls for ever along (du, dw)."""
    size = np.hypot(norm(du), norm(dw))
    return Equilibrium(
        None, None, -np.inf, Status.UNBOUNDED,
        "Unbounded: F falls for ever along certificate['direction'], a direction (u, w) in the set of inner solutions on which P "
        "vanishes; add a regulariser to the outer objective, or data that fix that direction.",
        {"direction": (du / size, dw / size)})
