"""Every algorithm on a problem with a fixed Hessian as one affine map z⁺ = E z + c (MATH §4)."""
import math

import numpy as np

from . import _increments, _parts, _plan
from ._affine import AffineMap, Origin
from ._namespace import broadcast, lead, require_memory
from ._reduced import between
from .methods import Exact, require

__all__ = ["AffineMap", "affine_map"]


def affine_map(problem, algorithm="cold", *, method=Exact(), inner=None, step=None, w0=None):
    """Return cold start or warm start on a problem with a fixed Hessian as the affine map z⁺ = E z + c that it is (MATH §4).

    Cold start is u⁺ = u − β(Ku − k) on z = u. Warm start, on z = (u, w), is u⁺ = u + βMᵀR(Pw + f), w⁺ = Ξ(u⁺, w):

        E = [[I, βMᵀRP], [−R_in M, I − R_in H − βR_in M MᵀRP]].

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian; of a batch, one map each.
    algorithm : {"cold", "warm"}
    method : Exact, Damped, Neumann, FixedPoint, Identity or Unrolled
        A method with a filter R.
    inner : ClosedForm, Proximal or GradientDescent(steps=...), optional
        The inner solver, as in `pyblo.cold_start`, with the filter R_in. Steps beyond the limit of a recurrence are allowed here.
    step : float or array_like of the batch's shape, optional
        The outer step β > 0. None is that of the loops, 1/ρ(K), of each problem.
    w0 : array_like, optional
        Where inner runs start: those of cold start, and the first of warm start; zero where None.

    Returns
    -------
    AffineMap

    Raises
    ------
    ValueError, TypeError
        For a method without a filter (CG), an inner run until a tolerance, a Hessian that is not fixed, an indefinite P, or arguments
        that do not fit; each names the argument.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.eye(2), B=-np.eye(2), P=np.eye(2), f=[-1.0, -2.0])
    >>> cold = pyblo.dynamics.affine_map(problem, "cold", step=0.5)
    >>> cold.iterate(np.zeros(2), 10**9), cold.rate, cold.converges
    (array([1., 2.]), 0.5, True)
    >>> warm = pyblo.dynamics.affine_map(problem, "warm", inner=pyblo.GradientDescent(steps=3, step=0.5), step=3.0)
    >>> warm.converges, round(warm.rate, 6), np.round(warm.stable_steps, 6)
    (False, 1.411438, array([0.      , 2.571429]))
    """
    require(algorithm in ("cold", "warm"), f"algorithm: {algorithm!r} is not known; expected 'cold' or 'warm'")
    run = _plan.check_affine(problem, method, inner)
    m, n = problem.outer_size, problem.inner_size
    size = m if algorithm == "cold" else m + n
    w0 = problem._w(w0, "w0")
    step = None if step is None else _parts.checked_step(step)
    batch = broadcast(("problem", problem.batch_shape), ("step", np.shape(step)), ("w0", lead(w0, 1)))
    require_memory("the affine map", 32 * math.prod(batch) * size * size)
    spectrum = problem._spectrum(method.rcond if isinstance(method, Exact) else None)
    origin = Origin(problem, spectrum, run, w0.copy())  # the map lives on when the caller's array changes
    build = _cold if algorithm == "cold" else _warm
    with np.errstate(over="ignore", invalid="ignore"):
        response = spectrum.response(method, _parts.method_step(method, spectrum.largest, limited=False))
        require(np.isfinite(response).all(), f"method: the filter of {method} overflows; take fewer terms or a smaller step")
        require(np.isfinite(origin.moved).all(), f"inner: a run of {run} overflows; take fewer steps or a smaller step")
        step, increments, change, offset = build(origin, response, step)
        matrix, offset = (np.eye(size) + change).astype(problem.dtype), offset.astype(problem.dtype)
    if not (np.isfinite(matrix).all() and np.isfinite(offset).all()):
        raise ValueError(f"problem: its affine map overflows.{problem._blame()}")
    matrix, offset = (np.array(np.broadcast_to(x, batch + (size,) * axes)) for x, axes in ((matrix, 2), (offset, 1)))
    return AffineMap(matrix, offset, m, np.array(np.broadcast_to(step, batch)) if batch else float(step), algorithm, increments, origin)


def _cold(origin, response, step):
    reduced = between(origin.problem, origin.spectrum, response, origin.response, origin.w0)
    step = np.asarray(reduced.default_step() if step is None else step, np.float64)
    return step, *_increments.cold(reduced, step)


def _warm(origin, response, step):
    problem, spectrum = origin.problem, origin.spectrum
    if step is None:  # that of the loop: of full inner solutions
        step = between(problem, spectrum, response, spectrum.response(Exact(), None), origin.w0).default_step()
    step = np.asarray(step, np.float64)
    return step, *_increments.warm(problem, spectrum, response, origin.response, origin.moved, step)
