"""Linear regression with learned penalties."""
from dataclasses import KW_ONLY, dataclass
from functools import partial

import numpy as np
from scipy.linalg import lapack

from .. import _namespace
from .._namespace import dot, matvec, transposed
from ..spectral import SymmetricFactor, require_finite
from ._arrays import ArrayProblem, spread, symmetric_operator
from .quadratic import operator

__all__ = ["Ridge"]

# LAPACK's own functions: what SciPy's cho_factor and cho_solve add takes longer than a small system
CHOLESKY = {np.dtype(np.float32): (lapack.spotrf, lapack.spotrs), np.dtype(np.float64): (lapack.dpotrf, lapack.dpotrs)}


@dataclass(frozen=True, eq=False)
class Ridge(ArrayProblem):
    """f = ½n⁻¹‖Xw − y‖² + ½wᵀdiag(λ)w,  F = ½n′⁻¹‖X′w − y′‖², tuned over u = log λ (or λ)  (paper 003; MATH §6).

    H = XᵀX/n + diag(λ) and Mᵀq = (dλ/du)∘w∘q, summed where one penalty serves all features. λ = alpha/n of scikit-learn's Ridge.
    Arrays may have more axes in front: these broadcast against each other and make a batch of problems.

    Parameters
    ----------
    X, y : array_like, shapes (..., n, p) and (..., n)
        Training data.
    X_val, y_val : array_like, shapes (..., n′, p) and (..., n′)
        Validation data.
    penalty : {"diagonal", "scalar"}
        One penalty per feature, u of shape (p,), or one for all, u of shape (1,).
    log : bool
        Whether u is log λ; otherwise u is λ ≥ 0 itself.

    Raises
    ------
    ValueError, TypeError
        For shapes or dtypes that do not fit; each names the argument.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Ridge([[1.0], [1.0]], [1.0, 3.0], [[1.0]], [1.0], penalty="scalar")
    >>> problem.inner_solution(u=[0.0])  # mean 2, shrunk by 1/(1 + λ)
    array([1.])
    """

    X: np.ndarray
    y: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    _: KW_ONLY
    penalty: str = "diagonal"
    log: bool = True

    _cores = {"X": 2, "y": 1, "X_val": 2, "y_val": 1}
    _moving_gram = True

    def __post_init__(self):
        X = _namespace.matrix("X", self.X)
        X_val = _namespace.matrix("X_val", self.X_val, cols=X.shape[-1], like=f"X of shape {X.shape}")
        for name, array in (("X", X), ("X_val", X_val)):
            if array.shape[-2] == 0:
                raise ValueError(f"{name}: has no rows; the mean loss needs at least one")
        y = _namespace.vector("y", _namespace.as_array("y", self.y), X.shape[-2])
        y_val = _namespace.vector("y_val", _namespace.as_array("y_val", self.y_val), X_val.shape[-2])
        self._store({"X": X, "y": y, "X_val": X_val, "y_val": y_val})
        if self.penalty not in ("diagonal", "scalar"):
            raise ValueError(f"penalty: {self.penalty!r} is not known; expected 'diagonal' or 'scalar'")
        if not isinstance(self.log, bool | np.bool_):
            raise TypeError(f"log: expected a bool, got {self.log!r}")

    @property
    def outer_shape(self):
        return (self.X.shape[-1],) if self.penalty == "diagonal" else (1,)

    @property
    def inner_shape(self):
        return (self.X.shape[-1],)

    @property
    def dtype(self):
        return self.X.dtype

    def penalties(self, u):
        """Return (λ, dλ/du), one entry per feature."""
        values, slopes = self._penalties(self._u(u))
        shape = (*values.shape[:-1], *self.inner_shape)
        return np.broadcast_to(values, shape), np.broadcast_to(slopes, shape)

    def _penalties(self, u):
        """Return (λ, dλ/du) of checked vectors, with one entry where one penalty serves all features."""
        if not self.log:
            return u, np.ones_like(u)
        with np.errstate(over="ignore"):
            values = np.exp(u)
        return values, values

    def inner_value(self, u, w):
        u, w, shape = self._point(u, w)
        loss = np.mean((matvec(self.X, w) - self.y) ** 2, axis=-1)
        return self._number(0.5 * (loss + dot(w, self.penalties(u)[0] * w)), shape)

    def inner_gradient(self, u, w):
        u, w, shape = self._point(u, w)
        gradient = matvec(transposed(self.X), matvec(self.X, w) - self.y) / self._rows + self.penalties(u)[0] * w
        return spread(gradient, shape)

    def inner_gradient_u(self, u, w):
        u, w, shape = self._point(u, w)
        slopes = 0.5 * self.penalties(u)[1] * w**2
        return spread(slopes.sum(axis=-1, keepdims=True) if self.penalty == "scalar" else slopes, shape)

    def outer_value(self, u, w):
        u, w, shape = self._point(u, w)
        return self._number(0.5 * np.mean((matvec(self.X_val, w) - self.y_val) ** 2, axis=-1), shape)

    def outer_gradients(self, u, w):
        u, w, shape = self._point(u, w)
        g = matvec(transposed(self.X_val), matvec(self.X_val, w) - self.y_val) / self.dtype.type(self.X_val.shape[-2])
        return np.zeros((*shape, *self.outer_shape), self.dtype), spread(g, shape)

    def hessian(self, u, w):
        values = self.penalties(u)[0]

        def columns(v):
            return self.X.T @ (self.X @ v) / self._rows + (values * v.T).T

        vectors = partial(self._hessian_product, u, penalties=values)
        return symmetric_operator(self.inner_size, self._axes_of(u, w), self.dtype, columns, vectors)

    def cross(self, u, w):
        slopes, batch = self.penalties(u)[1] * self._w(w), self._axes_of(u, w)
        if self.penalty == "scalar":
            return operator(slopes[..., None], batch)
        return symmetric_operator(self.inner_size, batch, self.dtype, lambda v: (slopes * v.T).T, lambda v: slopes * v)

    def inner_solution(self, u, w0=None):
        u, w0 = self._u(u), self._w(w0, "w0")
        shape = self._shape(u=u, w0=w0)
        if not shape:
            return self._solution(u, w0)
        w = np.empty((*shape, self.inner_size), self.dtype)
        u, w0, owner = spread(u, shape), spread(w0, shape), self._owners(shape).reshape(shape)
        for index in np.ndindex(shape):
            w[index] = self._at(owner[index])._solution(u[index], w0[index], f" (problem {index} of the batch)")
        return w

    def _solution(self, u, w0, which=""):
        try:
            return self._factory().at(u).inner_solution(w0)
        except (FloatingPointError, np.linalg.LinAlgError) as error:
            raise ValueError(f"u: with the penalties that it gives, {error}{which}; choose others, or scale X") from None

    @property
    def _rows(self):
        return self.dtype.type(self.X.shape[-2])

    def _require_finite(self):
        for name, core in self._cores.items():
            require_finite(core, **{name: getattr(self, name)})

    def _factory(self):
        """Return what factors H(u) of a single problem: the Gram matrix is formed once."""
        self._require_finite()
        return GramFactory(self, self.X.T @ self.X / self._rows, self.X.T @ self.y / self._rows)

    def _hessian_product(self, u, v, penalties=None):
        """Return H(u) v of vectors (..., n)."""
        penalties = self._penalties(u)[0] if penalties is None else penalties
        return matvec(transposed(self.X), matvec(self.X, v)) / self._rows + penalties * v

    def _outer(self, u, w):
        """Return (F, ∂F/∂u, ∂F/∂w) of a single problem at vectors."""
        rest = self.X_val @ w - self.y_val
        return float(0.5 * np.mean(rest**2)), np.zeros_like(u), self.X_val.T @ rest / self.dtype.type(rest.size)

    def _cross_adjoint(self, u, w, q):
        """Return Mᵀq of a single problem at vectors."""
        slopes = self._penalties(u)[1] * w
        return slopes[None] @ q if self.penalty == "scalar" else slopes * q

    def _outer_product(self, v):
        """Return ∂²F/∂w² v."""
        return matvec(transposed(self.X_val), matvec(self.X_val, v)) / self.dtype.type(self.X_val.shape[-2])

    def _core_form(self, rows):
        arrays = self._flat(rows, X=True, y=True, X_val=True, y_val=True)
        return "ridge", (*arrays, self.penalty == "diagonal", bool(self.log))


@dataclass(frozen=True, eq=False)
class GramFactory:
    """XᵀX/n and Xᵀy/n, from which H(u) = XᵀX/n + diag(λ(u)) is factored at each u."""

    problem: Ridge
    gram: np.ndarray
    moment: np.ndarray

    @staticmethod
    def key(u, w):
        """Return what H depends on."""
        return u.tobytes()

    def at(self, u, w=None, eps=0.0):
        """Return the factor of H(u) + εI; raises LinAlgError where it is not positive semidefinite, FloatingPointError
        where it overflows."""
        penalties = self.problem._penalties(u)[0]
        H = self.gram.copy()
        H.reshape(-1)[:: len(H) + 1] += penalties + H.dtype.type(eps)
        return HessianFactor(self, H, definite=bool(penalties.min(initial=np.inf) + eps > 0))


class HessianFactor:
    """A factored H: Cholesky where it is definite to working precision, else its eigenvectors."""

    def __init__(self, factory, H, definite):
        if not np.isfinite(H).all():
            raise FloatingPointError("H(u) is not finite")
        self.factory, self.H = factory, H
        self.cholesky = self._cholesky() if definite else None
        self.eigen = None if self.cholesky is not None else SymmetricFactor(H)

    def _cholesky(self):
        factor, info = CHOLESKY[self.H.dtype][0](self.H, lower=True, clean=False) if self.H.size else (self.H, 0)
        return factor if info == 0 else None  # definite, but not to working precision

    def filtered(self, response, g):
        """Return V(r(λ)∘Vᵀg), for a response that takes (values, nonzero)."""
        return (self.eigen or SymmetricFactor(self.H)).filtered(response, g)

    def solve(self, g):
        """Return H⁺g."""
        if self.cholesky is not None:
            return CHOLESKY[np.result_type(self.cholesky, g)][1](self.cholesky, g, lower=True)[0] if g.size else g.copy()
        return self.eigen.solve(g)

    def inner_solution(self, w0):
        """Return the inner solution nearest w0."""
        if self.cholesky is not None:
            return self.solve(self.factory.moment)
        return w0 - self.solve(self.H @ w0 - self.factory.moment)
