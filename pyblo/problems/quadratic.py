"""Quadratic bilevel problems (paper 000, Assumption 3.1)."""
from dataclasses import KW_ONLY, dataclass

import numpy as np

from .. import _namespace, spectral
from ..problem import Problem

__all__ = ["Quadratic"]


@dataclass(frozen=True, eq=False)
class Quadratic(Problem):
    """f = ½wᵀAw + wᵀBu + ½uᵀCu + dᵀw + eᵀu + c,  F = ½wᵀPw + fᵀw + h  (paper 000, Assumption 3.1).

    Parameters
    ----------
    A : array_like, shape (n, n)
        The inner Hessian, symmetric positive semidefinite. A singular A is a normal case.
    B : array_like, shape (n, m)
        The cross derivative ∂²f/∂w∂u. (I − AA⁺)[B d] must be zero: otherwise f is unbounded below.
    P : array_like, shape (n, n)
        The outer Hessian, symmetric positive semidefinite.
    d, f : array_like, shape (n,), optional
        Linear terms of f and F in w.
    h, c : float, optional
        Constants of F and f.
    C, e : array_like, shapes (m, m) and (m,), optional
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

    fixed_hessian = True

    def __post_init__(self):
        A = symmetric("A", _namespace.matrix("A", self.A))
        B = _namespace.matrix("B", self.B, rows=A.shape[0])
        n, m = B.shape
        arrays = {
            "A": A,
            "B": B,
            "P": symmetric("P", _namespace.matrix("P", self.P, n, n)),
            "d": _namespace.vector("d", self.d, n),
            "f": _namespace.vector("f", self.f, n),
            "C": None if self.C is None else symmetric("C", _namespace.matrix("C", self.C, m, m)),
            "e": _namespace.vector("e", self.e, m),
        }
        given = [array for name, array in arrays.items() if getattr(self, name) is not None]
        dtype = _namespace.common_dtype(*given)
        for name, array in arrays.items():
            object.__setattr__(self, name, None if array is None else array.astype(dtype, copy=False))
        for name in ("h", "c"):
            object.__setattr__(self, name, _finite_scalar(name, getattr(self, name)))

    @property
    def outer_shape(self):
        return (self.B.shape[1],)

    @property
    def inner_shape(self):
        return (self.B.shape[0],)

    @property
    def dtype(self):
        return self.A.dtype

    def inner_value(self, u, w):
        u, w = self._u(u), self._w(w)
        inner = w @ (0.5 * (self.A @ w) + self.B @ u + self.d)
        curvature = 0.0 if self.C is None else 0.5 * (self.C @ u)
        return float(inner + u @ (curvature + self.e) + self.c)

    def inner_gradient(self, u, w):
        return self.A @ self._w(w) + self.B @ self._u(u) + self.d

    def outer_value(self, u, w):
        w = self._w(w)
        return float(w @ (0.5 * (self.P @ w) + self.f) + self.h)

    def outer_gradients(self, u, w):
        return np.zeros_like(self._u(u)), self.P @ self._w(w) + self.f

    def hessian(self, u, w):
        from scipy.sparse.linalg import aslinearoperator

        return aslinearoperator(self.A)

    def cross(self, u, w):
        from scipy.sparse.linalg import aslinearoperator

        return aslinearoperator(self.B)

    def inner_solution(self, u, w0=None):
        s = self._spectrum()
        return s.inner_run(1 / s.values, self._u(u), self._w(w0, "w0"))

    def _spectrum(self, rcond=None):
        return spectral.of_symmetric(_symmetric_part(self.A), self.B, self.d, rcond)

    def _factored_shape(self):
        return self.A.shape

    def _outer_root(self):
        """Return L with LLᵀ = P."""
        spectral.require_finite(P=self.P)
        values, vectors = np.linalg.eigh(_symmetric_part(self.P))
        eps = self.P.shape[0] * np.finfo(self.dtype).eps
        largest = np.abs(values).max(initial=0.0)
        if values.min(initial=0.0) < -10 * eps * largest:
            raise ValueError(f"P: is indefinite, with an eigenvalue {values[0]:.3g}; the outer objective needs a positive semidefinite P")
        kept = values > eps * largest
        return vectors[:, kept] * np.sqrt(values[kept])

    def _outer_product(self, v):
        """Return ∂²F/∂w² v."""
        return self.P @ v

    def _outer_bounded(self):
        """Return whether F has a lower bound in w: f in the range of P. A drift needs more than this."""
        if not self.f.any():
            return True
        L = self._outer_root()
        rest = self.f - L @ np.linalg.lstsq(L, self.f, rcond=None)[0]
        return bool(np.linalg.norm(rest) <= 10 * self.f.size * np.finfo(self.dtype).eps * np.linalg.norm(self.f))

    def _core_form(self):
        A, P = _symmetric_part(self.A), _symmetric_part(self.P)
        arrays = (_namespace.contiguous(array, self.dtype) for array in (A, self.B, P, self.d, self.f))
        return "quadratic", (*arrays, self.h)


def symmetric(name, array):
    """Return the square matrix, or raise ValueError where it is asymmetric beyond rounding; NaN passes."""
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"{name}: shape {array.shape} is not square")
    gap = size = 0.0
    for start in range(0, array.shape[0], 256):  # by blocks: no second matrix in memory
        rows = slice(start, start + 256)
        with np.errstate(invalid="ignore", over="ignore"):
            gap = max(gap, np.abs(array[rows] - array[:, rows].T).max(initial=0.0))
            size = max(size, np.abs(array[rows]).max(initial=0.0))
    if gap > 100 * np.finfo(array.dtype).eps * size:
        raise ValueError(f"{name}: is not symmetric: |{name} − {name}ᵀ| reaches {gap:.3g} where |{name}| reaches {size:.3g}; "
                         f"pass ({name} + {name}.T)/2 if that is what you mean")
    return array


def _symmetric_part(A):
    return A if np.array_equal(A, A.T, equal_nan=True) else 0.5 * (A + A.T)


def _finite_scalar(name, value):
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected a real number, got {value!r}") from None
    if not np.isfinite(number):
        raise ValueError(f"{name}: {number} is not finite")
    return number
