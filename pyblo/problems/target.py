"""Target learning: the regression targets are the outer variables (paper 000, §4.2, anti-distillation)."""
from dataclasses import dataclass
from functools import partial

import numpy as np

from .. import _namespace, spectral
from .._namespace import matvec, transposed
from ._arrays import spread, symmetric_operator
from ._held_out import SquaredError
from .quadratic import operator

__all__ = ["TargetLearning"]


@dataclass(frozen=True, eq=False)
class TargetLearning(SquaredError):
    """f = ½‖Φw − u‖²,  F = ½‖Φₒw − y‖²: H = ΦᵀΦ, M = −Φᵀ, J = Φ⁺  (paper 000, §4.2).

    Everything is computed from Φ, never from ΦᵀΦ, whose condition number is the square. Arrays may have more axes in front: these broadcast
    against each other and make a batch of problems.

    Parameters
    ----------
    Phi : array_like, shape (..., N, n)
        Features of the N learned data points.
    Phi_out : array_like, shape (..., p, n)
        Features of the original data points.
    y_out : array_like, shape (..., p)
        Their targets.

    Raises
    ------
    ValueError, TypeError
        For shapes or dtypes that do not fit; each names the argument.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.TargetLearning(Phi=[[1.0, 0.0], [1.0, 2.0]], Phi_out=[[1.0, 1.0]], y_out=[1.0])
    >>> problem.inner_solution(u=[1.0, 3.0])
    array([1., 1.])
    """

    Phi: np.ndarray
    Phi_out: np.ndarray
    y_out: np.ndarray

    _cores = {"Phi": 2, "Phi_out": 2, "y_out": 1}
    _factored = "Phi", True
    _held_out = "Phi_out", "y_out"

    def __post_init__(self):
        Phi = _namespace.matrix("Phi", self.Phi)
        Phi_out = _namespace.matrix("Phi_out", self.Phi_out, cols=Phi.shape[-1], like=f"Phi of shape {Phi.shape}")
        y_out = _namespace.vector("y_out", _namespace.as_array("y_out", self.y_out), Phi_out.shape[-2])
        self._store({"Phi": Phi, "Phi_out": Phi_out, "y_out": y_out})

    @property
    def outer_shape(self):
        return (self.Phi.shape[-2],)

    @property
    def inner_shape(self):
        return (self.Phi.shape[-1],)

    @property
    def dtype(self):
        return self.Phi.dtype

    def inner_value(self, u, w):
        u, w, shape = self._point(u, w)
        return self._number(0.5 * np.sum((matvec(self.Phi, w) - u) ** 2, axis=-1), shape)

    def inner_gradient(self, u, w):
        u, w, shape = self._point(u, w)
        return spread(matvec(transposed(self.Phi), matvec(self.Phi, w) - u), shape)

    def inner_gradient_u(self, u, w):
        u, w, shape = self._point(u, w)
        return spread(u - matvec(self.Phi, w), shape)

    def hessian(self, u, w):
        columns, vectors = lambda v: self.Phi.T @ (self.Phi @ v), partial(self._hessian_product, u)
        return symmetric_operator(self.inner_size, self._axes_of(u, w), self.dtype, columns, vectors)

    def cross(self, u, w):
        return operator(-transposed(self._small("Phi")), self._axes_of(u, w))

    def _spectrum(self, rcond=None):
        return spectral.of_gram(self._small("Phi"), rcond)

    def _factored_shape(self):
        return self._small("Phi").shape

    def _hessian_product(self, u, v):
        """Return Hv of vectors (..., n)."""
        return matvec(transposed(self.Phi), matvec(self.Phi, v))

    def _core_form(self, rows):
        return "target_learning", tuple(self._flat(rows, Phi=True, Phi_out=True, y_out=True))
