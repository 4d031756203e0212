"""Linear algebra of the C++ core with a NumPy and CuPy face: leading axes are the batch, as in numpy.linalg."""
import numpy as np

from ._gram import gram_hvp
from ._systems import solve_info, systems
from .methods import INT64, check_count, check_number, require, step_limit
from .status import Status

__all__ = ["cg", "gradient_descent", "gram_hvp", "neumann"]


def cg(A, b, x0=None, *, rtol=None, atol=0.0, maxiter=None):
    """Solve A x = b for symmetric positive definite A by conjugate gradients, judged by the true residual.

    Success is ‖b − Ax‖ ≤ max(rtol·‖b‖, atol) for the x that is returned, with the residual computed in float64. A run whose
    recursive residual met the tolerance and whose true one did not is started again on the residual (iterative refinement).

    Parameters
    ----------
    A : array_like, shape (..., n, n), or SciPy sparse array, LinearOperator or callable, shape (n, n)
        Symmetric matrices, or one symmetric operator for all right-hand sides; a callable returns A x for a vector x. Of dense
        matrices the lower triangle is used, once A is found to be symmetric to rounding. Where A is a CuPy array, on the
        current GPU, so must be b and x0, and a step that is an array; the systems are solved there, with the bits of a CPU that has
        fma for the same step. Float32 runs that meet subnormal numbers differ, and so may a step of None, whose λmax is cuSOLVER's.
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
        float32 where A and b are, else float64; a CuPy array where they are.
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
    s = systems(A, b)
    start = None if x0 is None else s.vectors("x0", x0)
    rtol = (1e-5 if s.dtype.itemsize == 4 else 1e-10) if rtol is None else check_number("rtol", rtol)
    maxiter = max(100, 10 * s.b.shape[-1]) if maxiter is None else check_count("maxiter", maxiter, most=INT64)
    report = s.cg(start, rtol, check_number("atol", atol), maxiter)
    return _solution(s, report), solve_info(s.batch, report)


def neumann(A, b, *, terms, step=None):
    """Return the truncated Neumann series α Σ_{j<terms} (I − αA)^j b, an approximation of A⁻¹b  (paper 000, Eq. 5).

    Parameters
    ----------
    A : array_like, shape (..., n, n), or SciPy sparse array, LinearOperator or callable, shape (n, n)
        Symmetric positive semidefinite; as in `cg`.
    b : array_like, shape (..., n)
        Right-hand sides; batch axes broadcast against those of A.
    terms : int
        The number of terms.
    step : float or array_like of the batch's shape, optional
        α, with two terms or more below 2/λmax(A); None is 1/λmax(A), of an operator one over a Lanczos bound of it.

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
    s = systems(A, b)
    terms = check_count("terms", terms, most=INT64)
    require(np.isfinite(s.b).all(), "b: contains NaN or infinity")
    report = _within_limits(s, step, terms, 2.0, s.neumann, terms)
    require(np.isfinite(report[0]).all(), "A: the series overflows; A is not positive semidefinite, or A and b are too large")
    return _solution(s, report)


def gradient_descent(A, b, x0=None, *, steps=None, step=None, momentum=0.0, nesterov=False, tol=1e-10, maxiter=100_000):
    """Minimise ½xᵀAx − bᵀx by gradient descent, with momentum or without: the inner runs of MATH §2.

    y = x + m(x − x₋) for Nesterov, else x;  x₊ = x − α(Ay − b) + m(x − x₋).

    Parameters
    ----------
    A, b, x0
        As in `cg`; A positive semidefinite.
    steps : int, optional
        So many steps; None runs until ‖Ax − b‖ ≤ tol·max(1, its first value), with at most maxiter steps.
    step : float or array_like of the batch's shape, optional
        α; None is 1/λmax(A).
    momentum : float
        m, in [0, 1).
    nesterov : bool
        Whether the gradient is taken at y.
    tol, maxiter : float, int
        See steps.

    Returns
    -------
    x : ndarray, shape (..., n)
    info : SolveInfo
        As `cg` returns; after a fixed number of steps success means that all is finite, and residual is not computed.

    Raises
    ------
    ValueError, TypeError
        For shapes or dtypes that do not fit, an asymmetric A, or a step beyond its limit; each names the argument.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> x, info = pyblo.linalg.gradient_descent(np.diag([1.0, 2.0]), np.ones(2), steps=2, step=0.5)
    >>> x, info.iterations
    (array([0.75, 0.5 ]), 2)
    """
    s = systems(A, b)
    start = None if x0 is None else s.vectors("x0", x0)
    momentum = check_number("momentum", momentum, below=1)
    fixed = steps is not None
    count = check_count("steps", steps, most=INT64) if fixed else check_count("maxiter", maxiter, most=INT64)
    factor, tol = step_limit(1.0, momentum, nesterov), -1.0 if fixed else check_number("tol", tol)
    report = _within_limits(s, step, count if fixed else 2, factor, s.gradient_descent, start,
                            momentum=momentum, nesterov=bool(nesterov), steps=count, tol=tol)
    return _solution(s, report), solve_info(s.batch, report)


def _solution(s, report):
    return report[0].reshape(*s.batch, s.b.shape[-1])


def _within_limits(s, step, count, factor, solve, *first, **rest):
    """Return solve(*first, α of each system, limit, **rest), or raise ValueError where α·λmax(A) reaches the factor."""
    if step is None:
        largest = s.largest()
        return solve(*first, 1 / np.where(largest > 0, largest, 1.0), 0.0, **rest)
    steps = s.numbers("step", step)
    require(bool((np.isfinite(steps) & (steps > 0)).all()), "step: must be positive and finite")
    if count < 2:  # nothing is amplified
        return solve(*first, steps, 0.0, **rest)
    report = solve(*first, steps, factor, **rest)
    doubtful = np.flatnonzero(report[1] == int(Status.RUNNING))
    if not doubtful.size:
        return report
    beyond = s.beyond(factor / steps, doubtful)
    if beyond is not None:
        k, largest = beyond
        raise ValueError(f"step: {steps[k]:g} is beyond the limit {factor / largest:g} of the recurrence for λmax = {largest:g}; "
                         "choose a smaller one")
    return solve(*first, steps, 0.0, **rest)
