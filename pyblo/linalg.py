"""Linear algebra of the C++ core with a NumPy face: leading axes are the batch, as in numpy.linalg."""
import math

import numpy as np

from . import _dispatch
from ._namespace import as_array, common_dtype, contiguous
from ._plan import default_rtol
from .methods import check_count, check_number, step_limit
from .result import SolveInfo
from .spectral import require_finite
from .status import Status

__all__ = ["cg", "neumann"]


def cg(A, b, x0=None, *, rtol=None, atol=0.0, maxiter=None):
    """Solve A x = b for symmetric positive definite A by conjugate gradients, judged by the true residual.

    Success is ‖b − Ax‖ ≤ max(rtol·‖b‖, atol) for the x that is returned, with the residual computed in float64. A run whose
    recursive residual met the tolerance and whose true one did not is started again on the residual (iterative refinement).

    Parameters
    ----------
    A : array_like, shape (..., n, n)
        Symmetric matrices.
    b : array_like, shape (..., n)
        Right-hand sides; batch axes broadcast against those of A.
    x0 : array_like, shape (..., n), optional
        Starts; zero where None.
    rtol, atol : float, optional
        See above; rtol of None is 1e-10 in float64, 1e-5 in float32. rtol = atol = 0 makes maxiter iterations.
    maxiter : int, optional
        The most iterations; None is max(100, 10 n).

    Returns
    -------
    x : ndarray, shape (..., n)
        float32 where A and b are, else float64.
    info : SolveInfo
        success, status, iterations, residual, direction, message.

    Raises
    ------
    ValueError, TypeError
        For shapes or dtypes that do not fit, or an asymmetric A; each names the argument.

    References
    ----------
    Hestenes and Stiefel, Methods of conjugate gradients for solving linear systems, 1952.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> x, info = pyblo.linalg.cg(np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0]))
    >>> x.round(4), info.success, info.iterations
    (array([0.0909, 0.6364]), True, 2)
    """
    A, b, shape = _systems(A, b)
    n = shape[-1]
    start = None if x0 is None else _start(as_array("x0", x0), shape, b.dtype)
    rtol = default_rtol(b.dtype) if rtol is None else check_number("rtol", rtol)
    maxiter = max(100, 10 * n) if maxiter is None else check_count("maxiter", maxiter)
    x, *info = _dispatch.cg(A, b, start, rtol, check_number("atol", atol), maxiter)
    return x.reshape(shape), _solve_info(shape[:-1], *info)


def neumann(A, b, *, terms, step=None):
    """Return the truncated Neumann series α Σ_{j<terms} (I − αA)^j b, an approximation of A⁻¹b  (paper 000, Eq. 5).

    Parameters
    ----------
    A : array_like, shape (..., n, n)
        Symmetric positive semidefinite matrices.
    b : array_like, shape (..., n)
        Right-hand sides; batch axes broadcast against those of A.
    terms : int
        The number of terms.
    step : float or array_like of the batch's shape, optional
        α, with two terms or more below 2/λmax(A); None is 1/λmax(A).

    Returns
    -------
    x : ndarray, shape (..., n)

    Raises
    ------
    ValueError, TypeError
        For shapes or dtypes that do not fit, an asymmetric A, or a step beyond its limit; each names the argument.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> pyblo.linalg.neumann(np.diag([1.0, 2.0]), np.ones(2), terms=2, step=0.1)
    array([0.19, 0.18])
    """
    A, b, shape = _systems(A, b)
    terms = check_count("terms", terms)
    require_finite(A=A, b=b)
    largest = np.broadcast_to(np.linalg.eigvalsh(A).max(-1, initial=0.0).astype(np.float64), b.shape[:1])
    if step is None:
        steps = 1 / np.where(largest > 0, largest, 1.0)
    else:
        steps = _broadcast("step", as_array("step", step), shape[:-1], np.float64).reshape(-1)
        limits = np.array([step_limit(value) for value in largest])
        if not (np.isfinite(steps) & (steps > 0)).all():
            raise ValueError("step: must be positive and finite")
        if terms > 1 and (steps >= limits).any():
            raise ValueError(f"step: {steps.max():g} is beyond the limit {limits.min():g} = 2/λmax of the series; choose a smaller one")
    x = _dispatch.neumann(A, b, terms, contiguous(steps, np.float64)).reshape(shape)
    if not np.isfinite(x).all():
        raise ValueError("A: the series overflows; A is not positive semidefinite, or A and b are too large")
    return x


def _systems(A, b):
    """Return A as (n, n) or (count, n, n), b as (count, n), and the shape of the solution."""
    A, b = as_array("A", A), as_array("b", b)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError(f"A: shape {A.shape} is not a square matrix or a batch of them")
    n = A.shape[-1]
    if b.ndim < 1 or b.shape[-1] != n:
        raise ValueError(f"b: shape {b.shape} does not fit A of shape {A.shape}; expected (..., {n})")
    try:
        shape = np.broadcast_shapes(A.shape[:-2], b.shape[:-1]) + (n,)
    except ValueError:
        raise ValueError(f"b: batch axes {b.shape[:-1]} do not broadcast against those of A, {A.shape[:-2]}") from None
    dtype = common_dtype(A, b)
    if A.ndim > 2:
        A = np.broadcast_to(A, (*shape[:-1], n, n)).reshape(math.prod(shape[:-1]), n, n)
    A = contiguous(A, dtype, "A")
    worst = _dispatch.asymmetry(A)
    if worst > 100 * np.finfo(dtype).eps:
        raise ValueError(f"A: is not symmetric: |A − Aᵀ| reaches {worst:.3g} of |A|; conjugate gradients need a symmetric matrix")
    return A, _rows("b", b, shape, dtype), shape


def _rows(name, array, shape, dtype):
    return _broadcast(name, array, shape, dtype).reshape(math.prod(shape[:-1]), shape[-1])


def _broadcast(name, array, shape, dtype):
    try:
        wide = np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(f"{name}: shape {array.shape} does not broadcast to {shape}") from None
    return contiguous(wide, dtype, name)


def _start(x0, shape, dtype):
    if x0.ndim < 1 or x0.shape[-1] != shape[-1]:
        raise ValueError(f"x0: shape {x0.shape} does not fit; expected (..., {shape[-1]})")
    return _rows("x0", x0, shape, dtype)


def _solve_info(batch, status, iterations, residual, direction):
    success = np.isin(status, (Status.CONVERGED, Status.COMPLETED))
    worst = int(np.argmin(success)) if success.size else 0
    direction = direction.reshape(*batch, direction.shape[-1]) if (status == Status.INDEFINITE).any() else None
    message = _message(status, iterations, residual, success, worst)
    if batch:
        success, status, iterations, residual = (array.reshape(batch) for array in (success, status, iterations, residual))
        return SolveInfo(success, status, iterations, residual, direction, message)
    return SolveInfo(bool(success[0]), Status(int(status[0])), int(iterations[0]), float(residual[0]), direction, message)


def _message(status, iterations, residual, success, worst):
    if not status.size:
        return "No systems."
    one = Status(int(status[worst])).explain(f"‖b − Ax‖ = {residual[worst]:.3g} after {iterations[worst]} iterations")
    failed = int((~success).sum())
    if status.size == 1:
        return one
    return f"{status.size - failed} of {status.size} systems succeeded." + (f" First failure, {worst}: {one}" if failed else "")
