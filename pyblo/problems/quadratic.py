"""Quadratic bilevel problems (paper 000, Assumption 3.1)."""
import math
from dataclasses import KW_ONLY, dataclass

import numpy as np

from .. import _namespace, spectral
from .._namespace import dot, matvec
from ..operators import BatchedOperator
from ._arrays import FixedHessian, numbers, spread

__all__ = ["Quadratic"]


@dataclass(frozen=True, eq=False)
class Quadratic(FixedHessian):
    """f = ½wᵀAw + wᵀBu + ½uᵀCu + dᵀw + eᵀu + c,  F = ½wᵀPw + fᵀw + h  (paper 000, Assumption 3.1).

    Arrays may have more axes in front: these broadcast against each other, as in numpy.linalg, and make a batch of problems.

    Parameters
    ----------
    A : array_like, shape (..., n, n)
        The inner Hessian, symmetric positive semidefinite. A singular A is a normal case.
    B : array_like, shape (..., n, m)
        The cross derivative ∂²f/∂w∂u. (I − AA⁺)[B d] must be zero: otherwise f is unbounded below.
    P : array_like, shape (..., n, n)
        The outer Hessian, symmetric positive semidefinite.
    d, f : array_like, shape (..., n), optional
        Linear terms of f and F in w.
    h, c : float or array_like of the batch's shape, optional
        Constants of F and f.
    C, e : array_like, shapes (..., m, m) and (..., m), optional
        Terms of f in u alone; they change the value of f and nothing else.

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit, an asymmetric A, P or C, complex or other unsupported dtypes; each names the argument.
        An indefinite A and an unbounded inner objective are found when A is factored.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([2.0, 0.0]), B=np.array([[1.0], [0.0]]), P=np.eye(2))
    >>> problem.inner_solution(u=[4.0], w0=[0.0, 3.0])
    array([-2.,  3.])
    >>> pyblo.Quadratic(A=np.stack([np.eye(2), 2 * np.eye(2)]), B=np.ones((2, 1)), P=np.eye(2)).inner_solution(u=[4.0])
    array([[-4., -4.],
           [-2., -2.]])
    """

    A: np.ndarray
    B: np.ndarray
    P: np.ndarray
    _: KW_ONLY
    d: np.ndarray | None = None
    f: np.ndarray | None = None
    h: float = 0.0
    C: np.ndarray | None = None
    e: np.ndarray | None = None
    c: float = 0.0

    _cores = {"A": 2, "B": 2, "P": 2, "d": 1, "f": 1, "h": 0, "C": 2, "e": 1, "c": 0}
    _factored = "A", False

    def __post_init__(self):
        A = symmetric("A", _namespace.matrix("A", self.A))
        B = _namespace.matrix("B", self.B, rows=A.shape[-2])
        n, m = B.shape[-2:]
        arrays = {
            "A": A,
            "B": B,
            "P": symmetric("P", _namespace.matrix("P", self.P, n, n)),
            "d": _namespace.vector("d", self.d, n),
            "f": _namespace.vector("f", self.f, n),
            "h": numbers("h", self.h),
            "C": None if self.C is None else symmetric("C", _namespace.matrix("C", self.C, m, m)),
            "e": _namespace.vector("e", self.e, m),
            "c": numbers("c", self.c),
        }
        self._store(arrays, [name for name in "ABPdfCe" if getattr(self, name) is not None])

    @property
    def outer_shape(self):
        return (self.B.shape[-1],)

    @property
    def inner_shape(self):
        return (self.B.shape[-2],)

    @property
    def dtype(self):
        return self.A.dtype

    def inner_value(self, u, w):
        u, w, shape = self._point(u, w)
        inner = dot(w, 0.5 * matvec(self.A, w) + matvec(self.B, u) + self.d)
        curvature = 0.0 if self.C is None else 0.5 * matvec(self.C, u)
        return self._number(inner + dot(u, curvature + self.e) + self.c, shape)

    def inner_gradient(self, u, w):
        u, w, shape = self._point(u, w)
        return spread(matvec(self.A, w) + matvec(self.B, u) + self.d, shape)

    def inner_gradient_u(self, u, w):
        u, w, shape = self._point(u, w)
        curvature = 0.0 if self.C is None else matvec(self.C, u)
        return spread(matvec(_namespace.transposed(self.B), w) + curvature + self.e, shape)

    def outer_value(self, u, w):
        u, w, shape = self._point(u, w)
        return self._number(dot(w, 0.5 * matvec(self.P, w) + self.f) + self.h, shape)

    def outer_gradients(self, u, w):
        u, w, shape = self._point(u, w)
        return np.zeros((*shape, *self.outer_shape), self.dtype), spread(matvec(self.P, w) + self.f, shape)

    def hessian(self, u, w):
        return operator(self.A, self._axes_of(u, w))

    def cross(self, u, w):
        return operator(self.B, self._axes_of(u, w))

    def _spectrum(self, rcond=None):
        return spectral.of_symmetric(_symmetric_part(self._small("A")), self._small("B"), self._small("d"), rcond)

    def _factored_shape(self):
        return self._small("A").shape

    def _outer_range(self):
        """Return (λ, V, kept) of P, where kept says which eigenvalues are no rounding."""
        P = self._small("P")
        spectral.require_finite(2, P=P)
        values, vectors = np.linalg.eigh(_symmetric_part(P))
        eps = P.shape[-1] * np.finfo(self.dtype).eps
        largest = np.abs(values).max(axis=-1, initial=0.0, keepdims=True)
        bad = values < -10 * eps * largest
        if bad.any():
            raise ValueError(f"P: is indefinite, with an eigenvalue {values.min():.3g}; the outer objective needs a positive semidefinite P"
                             f"{_namespace.where(bad, 1)}")
        return values, vectors, values > eps * largest

    def _outer_root(self):
        """Return L with LLᵀ = P; in a batch with columns of zeros, so that ranks may differ."""
        values, vectors, kept = self._outer_range()
        if values.ndim == 1:
            return vectors[:, kept] * np.sqrt(values[kept])
        return vectors * np.sqrt(np.where(kept, values, 0))[..., None, :]

    def _hessian_product(self, u, v):
        """Return Hᵀv of vectors (..., n)."""
        return matvec(_namespace.transposed(self.A), v)

    def _outer_product(self, v):
        """Return ∂²F/∂w² v."""
        return matvec(self.P, v)

    def _outer_bounded(self):
        """Return, for each problem, whether F has a lower bound in w: f in the range of P. A drift needs more than this."""
        if not self.f.any():
            return np.ones(self.batch_shape, bool)
        _, vectors, kept = self._outer_range()
        size = _namespace.norm(self.f)
        unit = self.f / np.where(np.asarray(size) > 0, size, 1)[..., None]
        rest = unit - matvec(vectors, kept * matvec(_namespace.transposed(vectors), unit))
        return np.broadcast_to(_namespace.norm(rest) <= 10 * self.inner_size * np.finfo(self.dtype).eps, self.batch_shape)

    def _core_form(self, rows):
        A, P = _symmetric_part(self._small("A")), _symmetric_part(self._small("P"))
        h = np.asarray(self.h, self.dtype)
        *arrays, h = self._flat(rows, A=A, B=True, P=P, d=True, f=True, h=h)
        return "quadratic", (*arrays, h.reshape(-1))


def operator(A, batch):
    """Return the operator of a matrix, or of a batch of them."""
    from scipy.sparse.linalg import aslinearoperator

    return BatchedOperator.of_matrices(A, batch) if batch else aslinearoperator(A)


def symmetric(name, array):
    """Return the square matrices, or raise ValueError where one is asymmetric beyond rounding; NaN passes."""
    if array.shape[-2] != array.shape[-1]:
        raise ValueError(f"{name}: shape {array.shape} is not square")
    small = _namespace.collapsed(array, 2)
    gap, size = _asymmetry(small.reshape(math.prod(small.shape[:-2]), *small.shape[-2:]))
    bad = (gap > 100 * np.finfo(array.dtype).eps * size).reshape(small.shape[:-2])
    if bad.any():
        k = int(np.argmax(bad))
        raise ValueError(f"{name}: is not symmetric: |{name} − {name}ᵀ| reaches {gap[k]:.3g} where |{name}| reaches {size[k]:.3g}; "
                         f"pass ({name} + {name}.T)/2 if that is what you mean{_namespace.where(bad)}")
    return array


def _asymmetry(stack):
    """Return max |A − Aᵀ| and max |A| of each matrix, by blocks: no second stack in memory."""
    count, n = stack.shape[:2]
    gap, size = np.zeros((2, count), stack.dtype)
    step = max(1, (1 << 20) // max(1, n * min(n, 256)))
    for first in range(0, count, step):
        part = slice(first, first + step)
        for start in range(0, n, 256):
            rows = slice(start, start + 256)
            with np.errstate(invalid="ignore", over="ignore"):
                block = stack[part, rows]
                gap[part] = np.fmax(gap[part], np.abs(block - np.swapaxes(stack[part, :, rows], 1, 2)).max((1, 2), initial=0.0))
                size[part] = np.fmax(size[part], np.abs(block).max((1, 2), initial=0.0))
    return gap, size


def _symmetric_part(A):
    if A.ndim == 2:
        return A if (A == A.T).all() or np.array_equal(A, A.T, equal_nan=True) else 0.5 * (A + A.T)
    T = np.swapaxes(A, -1, -2)
    differs = ((A != T) & ~(np.isnan(A) & np.isnan(T))).any((-2, -1))
    return np.where(differs[..., None, None], 0.5 * (A + T), A) if differs.any() else A
