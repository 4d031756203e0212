"""Algorithms 1 and 2 of paper 000: gradient descent on the outer variable, with an inner run at every step."""
import inspect

import numpy as np

from ._ending import Ending
from ._namespace import broadcast, require_memory
from ._parts import checked_step, rows_of
from ._reduced import reduce
from .hypergradient import Prepared
from .inner import ClosedForm
from .methods import INT64, Exact, check_count, check_number
from .result import BilevelResult, History
from .status import Status

__all__ = ["cold_start", "warm_start"]


def cold_start(problem, u0, w0=None, *, method=Exact(), inner=None, step=None, maxiter=1000, tol=1e-8, callback=None,
               history=True, route="auto"):
    """Run cold-start BLO: u ← u − β dF/du(u, w), with w the inner solution from the same w₀ every time (paper 000, Alg. 1).

    Parameters
    ----------
    problem : Problem
        The bilevel problem.
    u0, w0 : array_like
        The start; w0 is zero where None. Axes in front broadcast against those of the problem: a batch of runs, of which each ends by
        itself and is what it is alone.
    method, inner, route
        As in `hypergradient`: full inner optimisation with ClosedForm(), partial with GradientDescent(steps=t).
    step : float or array_like of the batch's shape, optional
        The outer step β > 0. None is 1/ρ(K), of each problem of a batch, where the Hessian is fixed
        and so u ← u − β(Ku − k) (MATH §4).
    maxiter : int
        The most outer steps.
    tol : float
        Success is ‖dF/du‖ ≤ tol·max(1, first ‖dF/du‖).
    callback : callable, optional
        Called with each pair, as ``callback(intermediate_result=OptimizeResult(u, w, fun, jac, nit))`` where that is the name
        of its parameter, else as ``callback(u)``. It stops the loop by raising StopIteration. Not for a batch.
    history : bool
        Whether to keep every pair: nit + 1 rows of u and w.

    Returns
    -------
    BilevelResult
        With the status UNBOUNDED, and no step made, where the reduced objective has no lower bound.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit. An exception from the callback is raised as it was.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.eye(2), B=-np.eye(2), P=np.eye(2), f=[-1.0, -2.0])
    >>> result = pyblo.cold_start(problem, np.zeros(2))
    >>> result.u, result.success, result.nit
    (array([1., 2.]), True, 1)
    >>> pyblo.cold_start(problem, np.zeros((5, 2)), step=0.5).nit  # five runs
    array([27, 27, 27, 27, 27])
    """
    return _run(problem, u0, w0, method, inner, step, maxiter, tol, callback, history, route, warm=False)


def warm_start(problem, u0, w0=None, *, method=Exact(), inner=None, step=None, maxiter=1000, tol=1e-8, callback=None,
               history=True, route="auto"):
    """Run warm-start BLO: as `cold_start`, but each inner run begins where the last one ended (paper 000, Alg. 2).

    w₀ ← Ξ(u₀, w₀); then at each step  u ← u − β dF/du(u, w),  w ← Ξ(u, w). Full warm start with ClosedForm(), partial
    with GradientDescent(steps=t), proximal with Proximal(eps).

    Parameters and returns are those of `cold_start`; success needs ‖w⁺ − w‖ ≤ tol·max(1, ‖w‖) too.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.eye(2), B=-np.eye(2), P=np.eye(2), f=[-1.0, -2.0])
    >>> pyblo.warm_start(problem, np.zeros(2), inner=pyblo.GradientDescent(steps=3, step=0.5)).u.round(6)
    array([1., 2.])
    """
    return _run(problem, u0, w0, method, inner, step, maxiter, tol, callback, history, route, warm=True)


def _run(problem, u0, w0, method, inner, step, maxiter, tol, callback, history, route, warm):
    prepared = Prepared(problem, method, inner, route)
    maxiter, tol = check_count("maxiter", maxiter, most=INT64), check_number("tol", tol)
    u, w = problem._u(u0, "u0"), problem._w(w0, "w0")
    batch = problem._shape(u0=u, w0=w)
    if step is not None:
        step = checked_step(step)
        batch = broadcast(("problem", batch), ("step", np.shape(step)))
    elif not problem._affine:
        raise ValueError(f"step: {type(problem).__name__} is not known to be quadratic, so there is no default outer step; pass one")
    if callback is not None and batch:
        raise ValueError(f"callback: is called for one problem only, and this is a batch of shape {batch}; run its problems one at a time")
    plan = prepared.plan(u)
    batch = broadcast(("problem", plan.shape(u0=u, w0=w)), ("step", np.shape(step)))
    step, drift = _outer_step(prepared, plan, step, w, warm)
    step, drift = (np.broadcast_to(x, batch).reshape(-1).astype(np.float64) for x in (step, drift))
    budget = np.where(drift > 0, 0, maxiter).astype(np.int64)
    rows = _history_rows(problem, budget) if history else (None,) * 4
    watch = None if callback is None else Watch(problem, callback)
    raw = plan.at(batch)[0].run(rows_of(u, batch), rows_of(w, batch), step, tol, budget, warm, *rows, watch)
    return _result(prepared, plan, batch, raw, rows, drift, step, tol, warm)


def _outer_step(prepared, plan, step, w0, warm):
    """Return the outer steps, and how fast each u drifts where the reduced objective has no lower bound, else 0."""
    problem = prepared.problem
    bounded = np.asarray(problem._outer_bounded() if problem._affine and isinstance(prepared.method, Exact) else True)
    if bounded.all() and step is not None:
        return step, 0.0
    full = warm or getattr(prepared.run, "steps", 0) is None
    reduced = reduce(problem, plan, ClosedForm() if full else prepared.run, w0)
    return reduced.default_step() if step is None else step, 0.0 if bounded.all() else np.where(bounded, 0.0, reduced.drift())


def _history_rows(problem, budget):
    count, rows, m, n = budget.size, int(budget.max(initial=0)) + 1, problem.outer_size, problem.inner_size
    require_memory("history (pass history=False)", count * rows * (m + n + 2) * problem.dtype.itemsize)
    return tuple(np.empty((count, *shape), problem.dtype) for shape in ((rows,), (rows,), (rows, m), (rows, n)))


class Watch:
    """A SciPy-style callback, as the core calls it: whether to stop."""

    def __init__(self, problem, callback):
        if not callable(callback):
            raise TypeError(f"callback: {callback!r} is not callable")
        self.problem, self.callback = problem, callback
        self.by_name = _takes_intermediate_result(callback)

    def __call__(self, k, value, u, w, grad):
        from scipy.optimize import OptimizeResult

        outer, inner = self.problem.outer_shape, self.problem.inner_shape
        u, w, grad = u.reshape(outer), w.reshape(inner), grad.reshape(outer)
        try:
            if self.by_name:
                self.callback(intermediate_result=OptimizeResult(u=u, x=u, w=w, fun=value, jac=grad, nit=k))
            else:
                self.callback(u)
        except StopIteration:
            return True
        return False


def _takes_intermediate_result(callback):
    try:
        return set(inspect.signature(callback).parameters) == {"intermediate_result"}
    except ValueError:
        return False


def _result(prepared, plan, batch, raw, rows, drift, step, tol, warm):
    problem = plan.problem
    u, w, grad, value, nit, products, norm, change, status, inner, adjoint = raw

    def explain(k):
        if drift[k] > 0:
            return Status.UNBOUNDED.explain(f"drift of {drift[k]:.3g} per unit step outside the range of K")
        moved = f", ‖w⁺ − w‖ = {change[k]:.3g}" if warm else ""
        return Status(int(status[k])).explain(f"{nit[k]} steps of {step[k]:.3g}, ‖dF/du‖ = {norm[k]:.3g}, tol = {tol:g}{moved}")

    ending = Ending(batch, np.where(drift > 0, int(Status.UNBOUNDED), status), explain, plan.blame)
    inner_ending, adjoint_ending = (Ending(batch, codes, lambda k: "", str) for codes in (inner, adjoint))
    outer, inner_shape = (*batch, *problem.outer_shape), (*batch, *problem.inner_shape)
    u = u.reshape(outer)
    return BilevelResult(
        u=u, x=u, w=w.reshape(inner_shape), fun=ending.shaped(value), jac=grad.reshape(outer), success=ending.shaped(ending.success),
        status=ending.status, message=ending.message, inner_status=inner_ending.status, adjoint_status=adjoint_ending.status,
        nit=ending.shaped(nit), nhvp=ending.shaped(products), history=None if rows[0] is None else _history(problem, batch, rows, nit),
        method=prepared.method, inner=prepared.run)


def _history(problem, batch, rows, nit):
    """Return the History; where a run ended before the longest one, its last row is repeated."""
    length = int(nit.max(initial=0)) + 1
    rows = [values[:, :length].copy() for values in rows]
    if (nit + 1 < length).any():
        row = np.minimum(np.arange(length), nit[:, None])
        rows = [np.take_along_axis(values, row.reshape(row.shape + (1,) * (values.ndim - 2)), 1) for values in rows]
    shapes = (), (), problem.outer_shape, problem.inner_shape
    return History(*(values.reshape(*batch, length, *shape) for values, shape in zip(rows, shapes, strict=True)))
