"""The border of `linalg`: what a caller passes as A, b and x0, and what the core says of each system."""
import math

import numpy as np

from . import _dispatch
from ._namespace import FLOATS, alongside, as_array, broadcast, common_dtype, contiguous, flat, lead, on_device, on_host, require_memory
from .result import SolveInfo
from .status import Status

__all__ = ["Operator", "Stack", "solve_info", "systems"]

_CHUNK = 1024  # matrices that are looked at together
_ROUNDING = {dtype.itemsize: 100 * float(np.finfo(dtype).eps) for dtype in FLOATS}


class Stack:
    """Dense symmetric systems: A (n, n) or (count, n, n), b (count, n), and the batch's axes.

    Attributes
    ----------
    A, b : ndarray
        As the core takes them.
    batch : tuple of int
        Batch axes of the solution.
    """

    def __init__(self, A, b, batch):
        self.A, self.b, self.batch = A, b, batch

    @property
    def dtype(self):
        """That of the solution."""
        return self.b.dtype

    @property
    def max_asymmetry(self):
        """The largest |A − Aᵀ| over |A| that is taken for rounding."""
        return _ROUNDING[self.b.itemsize]

    def vectors(self, name, value):
        """Return an argument shaped like b, or one for all, as (count, n)."""
        array = as_array(name, value, device=True)
        n = self.b.shape[-1]
        if array.ndim < 1 or array.shape[-1] != n:
            raise ValueError(f"{name}: shape {array.shape} does not fit; expected (..., {n})")
        return self._spread(name, array, (*self.batch, n)).reshape(self.b.shape)

    def numbers(self, name, value):
        """Return an argument of the batch's shape, or one for all, as (count,) float64."""
        return self._spread(name, as_array(name, value, device=True), self.batch, np.float64).reshape(-1)

    def _spread(self, name, array, shape, dtype=None):
        array = alongside(name, array, self.b)
        try:
            wide = np.broadcast_to(array, shape)
        except ValueError:
            raise ValueError(f"{name}: shape {array.shape} does not broadcast to {shape}") from None
        return contiguous(wide, dtype or self.dtype, name)

    def cg(self, x0, rtol, atol, maxiter):
        """Return the core's report of conjugate gradients."""
        return self._symmetric(_dispatch.cg(self.A, self.b, x0, rtol, atol, maxiter, self.max_asymmetry))

    def neumann(self, terms, step, limit):
        """Return the core's report of the truncated series; what step·λmax ≥ limit may hold of is left RUNNING, unless limit is 0."""
        return self._symmetric(_dispatch.neumann(self.A, self.b, terms, step, limit, self.max_asymmetry))

    def gradient_descent(self, x0, step, limit, momentum, nesterov, steps, tol):
        """Return the core's report of a run of gradient descent; limit as in neumann."""
        report = _dispatch.gradient_descent(self.A, self.b, x0, step, momentum, nesterov, steps, tol, limit, self.max_asymmetry)
        return self._symmetric(report)

    def _symmetric(self, report):
        if report[5] > self.max_asymmetry:
            raise ValueError(f"A: is not symmetric: |A − Aᵀ| reaches {report[5]:.3g} of |A|; this method needs a symmetric matrix")
        return report

    def largest(self):
        """Return λmax(A) of each system, (count,)."""
        if not np.isfinite(self.A).all():
            raise ValueError("A: contains NaN or infinity")
        found = np.maximum(np.linalg.eigvalsh(self.A).max(-1), 0) if self.b.shape[-1] else self.b.sum(-1)  # no columns: zeros
        return np.broadcast_to(found.astype(np.float64), self.b.shape[:1])

    def beyond(self, limits, doubtful):
        """Return the first doubtful system whose λmax(A) reaches its limit, and that λmax, or None.

        The Cholesky factor of limit·I − A tells, where there is one; λmax is computed for the error alone.
        """
        A = self.A[None] if self.A.ndim == 2 else self.A
        limits, doubtful = on_host(limits), on_host(doubtful)
        for first in range(0, len(doubtful), _CHUNK):
            some = doubtful[first : first + _CHUNK]
            for k, own in zip(some.tolist(), _each(A, some), strict=True):
                try:
                    np.linalg.cholesky(limits[k] * np.eye(len(own)) - own)
                except np.linalg.LinAlgError:
                    largest = float(np.linalg.eigvalsh(own).max(initial=0.0)) if np.isfinite(own).all() else 0.0
                    if largest >= limits[k]:
                        return k, largest
        return None


def _each(A, which):
    """Return the chosen matrices of a stack, or the one that it has for each, on the host in float64."""
    if len(A) == 1:
        return np.broadcast_to(on_host(A[0]).astype(np.float64), (len(which), *A.shape[1:]))
    return on_host(A[which]).astype(np.float64)


class Operator:
    """One system whose A is a sparse matrix, a LinearOperator or a function x -> A x, with one right-hand side or several."""

    def __init__(self, A, b, dtype, core, largest):
        self.core, self._largest = core, largest
        self.batch, n = b.shape[:-1], b.shape[-1]
        self.b = contiguous(b, dtype, "b").reshape(math.prod(self.batch), n)
        self.dtype = dtype

    vectors = Stack.vectors
    numbers = Stack.numbers
    _spread = Stack._spread

    def cg(self, x0, rtol, atol, maxiter):
        """As Stack.cg."""
        return self._each(lambda k, b: self.core.cg(b, None if x0 is None else x0[k], rtol, atol, maxiter))

    def neumann(self, terms, step, limit):
        """As Stack.neumann."""
        if limit and len(self.b):
            return self._doubted()
        return self._each(lambda k, b: self.core.neumann(b, terms, float(step[k])))

    def gradient_descent(self, x0, step, limit, momentum, nesterov, steps, tol):
        """As Stack.gradient_descent."""
        if limit and len(self.b):
            return self._doubted()
        return self._each(lambda k, b: self.core.gradient_descent(
            b, None if x0 is None else x0[k], float(step[k]), momentum, nesterov, steps, tol))

    def _each(self, solve):
        reports = [solve(k, b) for k, b in enumerate(self.b)]
        if not reports:
            return np.empty(self.b.shape, self.dtype), *(np.empty(0, t) for t in (np.int32, np.int64, np.float64)), None, 0.0
        joined = [np.concatenate(column) for column in list(zip(*reports, strict=True))[:4]]
        directions = [np.zeros_like(self.b[:1]) if report[4] is None else report[4] for report in reports]
        return *joined, np.concatenate(directions) if any(report[4] is not None for report in reports) else None, 0.0

    def largest(self):
        """Return an upper bound of λmax(A), for each right-hand side."""
        return np.full(self.b.shape[:1], self._largest())

    def _doubted(self):
        return None, np.full(len(self.b), int(Status.RUNNING))

    def beyond(self, limits, doubtful):
        """As Stack.beyond, with the Lanczos value for λmax."""
        largest = self._largest()
        bad = np.flatnonzero(largest >= limits)
        return (int(bad[0]), largest) if bad.size else None


def systems(A, b):
    """Return the systems A x = b as a Stack or an Operator, or raise an error that names the argument."""
    if type(A) is np.ndarray is type(b) and A.dtype == b.dtype and A.dtype in FLOATS and A.ndim == b.ndim + 1 > 1:
        batch, n = b.shape[:-1], b.shape[-1]  # the plain case: each has its own, as the core takes them
        if A.shape == (*batch, n, n) and A.dtype.isnative and A.flags.carray and b.flags.carray:
            count = math.prod(batch)
            return Stack(A.reshape(count, n, n) if batch else A, b.reshape(count, n), batch)
    if hasattr(A, "tocsr"):
        return _sparse(A, as_array("b", b))
    if callable(A) or hasattr(A, "matvec"):
        return _function(A, as_array("b", b))
    return _stack(as_array("A", A, device=True), as_array("b", b, device=True))


def _stack(A, b):
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError(f"A: shape {A.shape} is not a square matrix or a batch of them")
    n = A.shape[-1]
    if b.ndim < 1 or b.shape[-1] != n:
        raise ValueError(f"b: shape {b.shape} does not fit A of shape {A.shape}; expected (..., {n})")
    alongside("b", b, A)
    batch = broadcast(("A", lead(A, 2)), ("b", lead(b, 1)))
    dtype = common_dtype(A.dtype, b.dtype)
    count = math.prod(batch)
    if not on_device(A):
        require_memory("the solution", count * n * dtype.itemsize)
    A = contiguous(flat("A", A, 2, batch), dtype, "A")
    long = "b" if math.prod(lead(b, 1)) == count else "A"  # whose axes make the batch as long as it is
    b = contiguous(np.broadcast_to(b, (*batch, n)), dtype, long).reshape(count, n)
    return Stack(A, b, batch)


def _fits(name, shape, b):
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"{name}: shape {tuple(shape)} is not a square matrix")
    if b.ndim < 1 or b.shape[-1] != shape[0]:
        raise ValueError(f"b: shape {b.shape} does not fit {name} of shape {tuple(shape)}; expected (..., {shape[0]})")


def _sparse(A, b):
    _fits("A", A.shape, b)
    from scipy.sparse import csr_array

    A = A.tocsr()
    values = as_array("A", A.data)
    if not A.has_canonical_format or values is not A.data:  # a copy: SciPy would sort the caller's matrix in place
        A = csr_array((values.copy(), A.indices.copy(), A.indptr.copy()), shape=A.shape)
        A.sum_duplicates()
        values = A.data
    dtype = common_dtype(values, b)
    gap = abs(A - A.T).max() if A.nnz else 0.0
    size = abs(A).max() if A.nnz else 0.0
    if gap > 100 * np.finfo(dtype).eps * size:
        raise ValueError(f"A: is not symmetric: |A − Aᵀ| reaches {gap / size:.3g} of |A|; this method needs a symmetric matrix")
    kind = A.indices.dtype if A.indices.dtype == A.indptr.dtype and A.indices.dtype in (np.int32, np.int64) else np.int64
    values, columns, starts = contiguous(values, dtype, "A"), contiguous(A.indices, kind, "A"), contiguous(A.indptr, kind, "A")
    core = _dispatch.sparse_operator(values, columns, starts)
    return Operator(A, b, dtype, core, lambda: _largest(A))


def _function(A, b):
    if b.ndim < 1:
        raise ValueError(f"b: shape {b.shape} does not fit; expected (..., n)")
    n = b.shape[-1]
    if hasattr(A, "shape"):
        _fits("A", A.shape, b)
    dtype = b.dtype
    if hasattr(A, "dtype") and A.dtype is not None:
        if np.dtype(A.dtype).kind == "c":
            raise TypeError(f"A: complex dtype {A.dtype} is not supported; pass a real operator")
        dtype = np.result_type(np.dtype(A.dtype) if A.dtype in FLOATS else np.float64, b)
    product = A.matvec if hasattr(A, "matvec") else A

    def apply(x):
        y = as_array("A", product(x))
        if y.shape != x.shape:
            raise ValueError(f"A: returned shape {y.shape} for a vector of shape {x.shape}")
        return contiguous(y, x.dtype, "A").copy()

    from scipy.sparse.linalg import LinearOperator

    core = _dispatch.function_operator(dtype, n, apply)
    return Operator(A, b, dtype, core, lambda: _largest(LinearOperator((n, n), matvec=apply, dtype=np.float64)))


def _largest(A):
    from scipy.sparse.linalg import aslinearoperator

    from .spectral import largest_eigenvalue

    operator = aslinearoperator(A)
    if not np.isfinite(operator.matvec(np.ones(operator.shape[1]))).all():
        raise ValueError("A: its product with a vector of ones is not finite")
    return largest_eigenvalue(operator)


_STATUS = tuple(Status)
# As plain numbers: compared with a member of an enum, NumPy asks its class for attributes, and what that raises, a Ctrl-C too, is lost
_CONVERGED, _COMPLETED = int(Status.CONVERGED), int(Status.COMPLETED)


def solve_info(batch, report):
    """Return the SolveInfo of a report of the core."""
    _, status, iterations, residual, direction, _ = report
    if not batch:
        one, steps, rest = _STATUS[int(status[0])], int(iterations[0]), float(residual[0])
        message = one.explain(f"‖b − Ax‖ = {rest:.3g} after {steps} iterations")
        return SolveInfo(one.success, one, steps, rest, None if direction is None else direction[0], message)
    success = (status == _CONVERGED) | (status == _COMPLETED)
    message = _message(status, iterations, residual, success, batch)
    shaped = (array.reshape(batch) for array in (success, status, iterations, residual))
    return SolveInfo(*shaped, None if direction is None else direction.reshape(*batch, -1), message)


def _message(status, iterations, residual, success, batch):
    if not status.size:
        return "No systems."
    solved = int(success.sum())
    if solved == status.size:
        return f"{solved} of {solved} systems succeeded."
    worst = int(success.argmin())
    place = ", ".join(map(str, np.unravel_index(worst, batch)))
    one = _STATUS[int(status[worst])].explain(f"‖b − Ax‖ = {float(residual[worst]):.3g} after {int(iterations[worst])} iterations")
    return f"{solved} of {status.size} systems succeeded. First failure, {place}: {one}"
