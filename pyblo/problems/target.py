"""Target learning: the regression targets are the outer variables (paper 000, §4.2, anti-distillation)."""
from dataclasses import dataclass

import numpy as np

from .. import _namespace, spectral
from ..problem import Problem

__all__ = ["TargetLearning"]


@dataclass(frozen=True, eq=False)
class TargetLearning(Problem):
    """f = ½‖Φw − u‖²,  F = ½‖Φₒw − y‖²: H = ΦᵀΦ, M = −Φᵀ, J = Φ⁺  (paper 000, §4.2).

    Everything is computed from Φ, never from ΦᵀΦ, whose condition number is the square.

    Parameters
    ----------
    Phi : array_like, shape (N, n)
        Features of the N learned data points.
    Phi_out : array_like, shape (p, n)
        Features of the original data points.
    y_out : array_like, shape (p,)
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

    fixed_hessian = True

    def __post_init__(self):
        Phi = _namespace.matrix("Phi", self.Phi)
        Phi_out = _namespace.matrix("Phi_out", self.Phi_out, cols=Phi.shape[1])
        y_out = _namespace.vector("y_out", _namespace.as_array("y_out", self.y_out), Phi_out.shape[0])
        dtype = _namespace.common_dtype(Phi, Phi_out, y_out)
        for name, array in (("Phi", Phi), ("Phi_out", Phi_out), ("y_out", y_out)):
            object.__setattr__(self, name, array.astype(dtype, copy=False))

    @property
    def outer_shape(self):
        return (self.Phi.shape[0],)

    @property
    def inner_shape(self):
        return (self.Phi.shape[1],)

    @property
    def dtype(self):
        return self.Phi.dtype

    def inner_value(self, u, w):
        return 0.5 * float(np.sum((self.Phi @ self._w(w) - self._u(u)) ** 2))

    def inner_gradient(self, u, w):
        return self.Phi.T @ (self.Phi @ self._w(w) - self._u(u))

    def outer_value(self, u, w):
        return 0.5 * float(np.sum((self.Phi_out @ self._w(w) - self.y_out) ** 2))

    def outer_gradients(self, u, w):
        return np.zeros_like(self._u(u)), self.Phi_out.T @ (self.Phi_out @ self._w(w) - self.y_out)

    def hessian(self, u, w):
        from scipy.sparse.linalg import LinearOperator

        n = self.inner_size

        def apply(v):
            return self.Phi.T @ (self.Phi @ v)

        return LinearOperator((n, n), matvec=apply, rmatvec=apply, matmat=apply, rmatmat=apply, dtype=self.dtype)

    def cross(self, u, w):
        from scipy.sparse.linalg import aslinearoperator

        return aslinearoperator(-self.Phi.T)

    def inner_solution(self, u, w0=None):
        s = self._spectrum()
        return s.inner_run(1 / s.values, self._u(u), self._w(w0, "w0"))

    def _spectrum(self, rcond=None):
        return spectral.of_gram(self.Phi, rcond)

    def _factored_shape(self):
        return self.Phi.shape

    def _outer_root(self):
        """Return L with LLᵀ = ΦₒᵀΦₒ."""
        spectral.require_finite(Phi_out=self.Phi_out)
        return self.Phi_out.T

    def _outer_product(self, v):
        """Return ∂²F/∂w² v."""
        return self.Phi_out.T @ (self.Phi_out @ v)

    def _outer_bounded(self):
        """Return whether F has a lower bound in w: a sum of squares has."""
        return True

    def _core_form(self):
        return "target_learning", tuple(_namespace.contiguous(a, self.dtype) for a in (self.Phi, self.Phi_out, self.y_out))
