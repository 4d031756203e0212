"""Biased regularisation: linear regression drawn to a point, and that point is learned (paper 002, §3.1)."""
from dataclasses import KW_ONLY, dataclass
from functools import partial

import numpy as np

from .. import _namespace, spectral
from .._namespace import matvec, transposed
from ._arrays import numbers, spread, symmetric_operator
from ._held_out import SquaredError

__all__ = ["BiasedRidge"]


@dataclass(frozen=True, eq=False)
class BiasedRidge(SquaredError):
    """f = ½‖Xw − y‖² + ½β‖w − u‖²,  F = ½‖X′w − y′‖²: H = XᵀX + βI, M = −βI, J = β(XᵀX + βI)⁻¹
    (paper 002, §3.1; MATH §6).

    u and w have the same shape, (n,). Everything is computed from X, never from XᵀX, whose condition number is the square: the eigenvalues
    of H are σ² + β with the singular values σ of X, and β itself on the null space of X. Arrays may have more axes in front: these
    broadcast against each other and make a batch of problems.

    Parameters
    ----------
    X, y : array_like, shapes (..., N, n) and (..., N)
        Training data; none are allowed.
    X_val, y_val : array_like, shapes (..., N′, n) and (..., N′)
        Validation data.
    beta : float or array_like of the batch's shape
        The strength β ≥ 0 of the pull to u. At β = 0 w is the least-squares solution nearest w₀, whatever u is, and the hypergradient is 0.

    Raises
    ------
    ValueError, TypeError
        For shapes or dtypes that do not fit, and a β that is negative or that the dtype of the data cannot hold; each names the argument.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.BiasedRidge(X=[[1.0, 0.0]], y=[3.0], X_val=np.eye(2), y_val=[2.0, 5.0], beta=0.5)
    >>> problem.inner_solution(u=[0.0, 5.0])  # the data say nothing of the second number: it is that of u
    array([2., 5.])
    >>> pyblo.cold_start(problem, [1.0, 1.0]).u.round(6)
    array([0., 5.])
    """

    X: np.ndarray
    y: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    _: KW_ONLY
    beta: float

    _cores = {"X": 2, "y": 1, "X_val": 2, "y_val": 1, "beta": 0}
    _factored = "X", True

    def __post_init__(self):
        X = _namespace.matrix("X", self.X)
        X_val = _namespace.matrix("X_val", self.X_val, cols=X.shape[-1], like=f"X of shape {X.shape}")
        y = _namespace.vector("y", _namespace.as_array("y", self.y), X.shape[-2])
        y_val = _namespace.vector("y_val", _namespace.as_array("y_val", self.y_val), X_val.shape[-2])
        data = {"X": X, "y": y, "X_val": X_val, "y_val": y_val}
        beta = _strength(self.beta, _namespace.common_dtype(*data.values()))
        self._store(data | {"beta": beta}, data)

    @property
    def outer_shape(self):
        return (self.X.shape[-1],)

    @property
    def inner_shape(self):
        return (self.X.shape[-1],)

    @property
    def dtype(self):
        return self.X.dtype

    @property
    def _beta(self):
        """β, with an axis for the entries of a vector where there is one for each problem."""
        return self.beta[..., None] if isinstance(self.beta, np.ndarray) else self.beta

    def inner_value(self, u, w):
        u, w, shape = self._point(u, w)
        loss = np.sum((matvec(self.X, w) - self.y) ** 2, axis=-1)
        return self._number(0.5 * (loss + self.beta * np.sum((w - u) ** 2, axis=-1)), shape)

    def inner_gradient(self, u, w):
        u, w, shape = self._point(u, w)
        return spread(matvec(transposed(self.X), matvec(self.X, w) - self.y) + self._beta * (w - u), shape)

    def inner_gradient_u(self, u, w):
        u, w, shape = self._point(u, w)
        return spread(self._beta * (u - w), shape)

    def hessian(self, u, w):
        columns, vectors = lambda v: self.X.T @ (self.X @ v) + self.beta * v, partial(self._hessian_product, u)
        return symmetric_operator(self.inner_size, self._axes_of(u, w), self.dtype, columns, vectors)

    def cross(self, u, w):
        return symmetric_operator(self.inner_size, self._axes_of(u, w), self.dtype, *(lambda v: -self._beta * v,) * 2)

    def _spectrum(self, rcond=None):
        return spectral.of_shifted_gram(self._small("X"), self._small("y"), self._small_beta(), rcond)

    def _factored_shape(self):
        X = self._small("X")
        batch = _namespace.broadcast(("X", _namespace.lead(X, 2)), ("beta", np.shape(self._small_beta())))
        return (*batch, self.inner_size, self.inner_size)

    def _small_beta(self):
        return self._small("beta") if isinstance(self.beta, np.ndarray) else self.beta

    def _hessian_product(self, u, v):
        """Return Hv of vectors (..., n)."""
        return matvec(transposed(self.X), matvec(self.X, v)) + self._beta * v

    def _core_form(self, rows):
        *data, beta = self._flat(rows, X=True, y=True, X_val=True, y_val=True, beta=np.asarray(self.beta, self.dtype))
        return "biased_ridge", (*data, beta.reshape(-1))


def _strength(value, dtype):
    """Return β ≥ 0, which the dtype holds, or raise an error that names it."""
    beta = numbers("beta", value)
    small = _namespace.collapsed(np.asarray(beta), 0)
    limits = np.finfo(dtype)
    for bad, right in ((small < 0, "a number ≥ 0"), ((small > 0) & ((small < limits.tiny) | (small > limits.max)),
                                                     f"0, or one from {limits.tiny:.3g} to {limits.max:.3g}, which {dtype} can hold")):
        if bad.any():
            raise ValueError(f"beta: {small[bad].flat[0]:g} is not valid{_namespace.where(bad)}; expected {right}")
    return beta
