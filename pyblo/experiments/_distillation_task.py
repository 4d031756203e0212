"""Distillation of a data set of two classes into one point per class, for a linear classifier on polynomial features of the plane."""
from dataclasses import dataclass
from math import factorial

import numpy as np

import pyblo

__all__ = ["Distillation", "task"]

LABELS = np.array([1.0, -1.0])  # of the two learned points


@dataclass(frozen=True)
class Distillation:
    """The original data and the features; u = arcsin of the learned positions, which so stay in the square [−1, 1]².

    f = ½‖Φ(u)w − y‖², y = (1, −1), and F = ½N⁻¹‖Φₒw − yₒ‖². φ(x)ᵀφ(x′) = (1 + xᵀx′)^d.

    Attributes
    ----------
    x, y : ndarray, shapes (N, 2) and (N,)
        The original data; y is 1 above the boundary x₂ = a sin(πx₁), and −1 below.
    degree : int
        d.
    amplitude : float
        a.
    """

    x: np.ndarray
    y: np.ndarray
    degree: int
    amplitude: float

    def features(self, x):
        """Return φ of points (..., 2)."""
        i, j, weights = self._monomials
        return weights * x[..., :1] ** i * x[..., 1:] ** j

    def slopes(self, x):
        """Return ∂φ/∂x of points (..., 2), shape (..., n, 2)."""
        i, j, weights = self._monomials
        first = i * x[..., :1] ** np.maximum(i - 1, 0) * x[..., 1:] ** j
        second = j * x[..., :1] ** i * x[..., 1:] ** np.maximum(j - 1, 0)
        return weights[:, None] * np.stack([first, second], axis=-1)

    @property
    def _monomials(self):
        d = self.degree
        i, j = np.array([(i, j) for i in range(d + 1) for j in range(d + 1 - i)]).T
        counts = [factorial(d) / (factorial(a) * factorial(b) * factorial(d - a - b)) for a, b in zip(i, j, strict=True)]
        return i, j, np.sqrt(counts)

    def at(self, u):
        """Return the quadratic problem at positions sin u, shape (..., 2, 2), its outer variable the two labels."""
        scale = 1 / np.sqrt(self.y.size)
        return pyblo.TargetLearning(self.features(np.sin(u)), scale * self.features(self.x), scale * self.y)

    def accuracy(self, w):
        """Return the share of the original data that w classifies right."""
        return float(np.mean(np.sign(self.features(self.x) @ w) == self.y))

    @property
    def problem(self):
        """The bilevel problem in u; H(u) = ΦᵀΦ has rank 2."""
        out, count = self.features(self.x), self.y.size

        def rest(u, w):
            Phi = self.features(np.sin(u))
            return Phi, Phi @ w - LABELS

        def inner_gradient(u, w):
            Phi, r = rest(u, w)
            return Phi.T @ r

        def hessian_product(u, w, v):
            Phi = self.features(np.sin(u))
            return Phi.T @ (Phi @ v)

        def cross_adjoint(u, w, q):  # of each point: cos u ∘ φ′ᵀ(r q + (φᵀq) w)
            Phi, r = rest(u, w)
            return np.cos(u) * np.einsum("knj,kn->kj", self.slopes(np.sin(u)), r[:, None] * q + (Phi @ q)[:, None] * w)

        return pyblo.FunctionProblem(
            (2, 2), out.shape[1],
            outer_value=lambda u, w: 0.5 * float(np.mean((out @ w - self.y) ** 2)),
            outer_gradients=lambda u, w: (np.zeros_like(u), out.T @ (out @ w - self.y) / count),
            inner_gradient=inner_gradient, hessian_product=hessian_product, cross_adjoint=cross_adjoint,
            inner_solution=lambda u, w0: self.at(u).inner_solution(LABELS, w0))


def task(count, degree, amplitude, gap, seed):
    """Return the Distillation of so many points, drawn from the square at least gap above or below the boundary."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (20 * count, 2))
    height = x[:, 1] - amplitude * np.sin(np.pi * x[:, 0])
    kept = np.flatnonzero(np.abs(height) > gap)[:count]
    return Distillation(x[kept], np.sign(height[kept]), degree, amplitude)
