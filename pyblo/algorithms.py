"""Algorithms 1 and 2 of paper 000: gradient descent on the outer variable, with an inner run at every step."""
import inspect

import numpy as np

from ._namespace import require_memory
from ._reduced import reduce
from .hypergradient import Prepared
from .inner import ClosedForm
from .methods import Exact, check_count, check_number
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
        The start; w0 is zero where None.
    method, inner, route
        As in `hypergradient`: full inner optimisation with ClosedForm(), partial with GradientDescent(steps=t).
    step : float, optional
        The outer step β > 0. None is 1/ρ(K) on a problem with a fixed Hessian (MATH §4), where u ← u − β(Ku − k).
    maxiter : int
        The most outer steps.
    tol : float
        Success is ‖dF/du‖ ≤ tol·max(1, first ‖dF/du‖).
    callback : callable, optional
        Called with each pair, as ``callback(intermediate_result=OptimizeResult(u, w, fun, jac, nit))`` where that is the name
        of its parameter, else as ``callback(u)``. It stops the loop by raising StopIteration.
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
    maxiter, tol = check_count("maxiter", maxiter), check_number("tol", tol)
    u, w = problem._u(u0, "u0"), problem._w(w0, "w0")
    plan = prepared.plan(u)
    if step is not None:
        step = check_number("step", step, positive=True)
    elif not problem.fixed_hessian:
        raise ValueError("step: the Hessian of this problem depends on u, so there is no default outer step; pass one")
    step, drift = _outer_step(prepared, plan, step, w, warm)
    rows = _history_rows(problem, maxiter) if history else (None,) * 4
    watch = None if callback is None else Watch(problem, callback)
    raw = plan.step.run(u, w, step, tol, 0 if drift is not None else maxiter, warm, *_trim(rows, drift), watch)
    return _result(prepared, plan, raw, rows, drift, step, tol, warm)


def _outer_step(prepared, plan, step, w0, warm):
    """Return the outer step, and how fast u drifts where the reduced objective has no lower bound, else None."""
    problem = prepared.problem
    bounded = not (problem.fixed_hessian and isinstance(prepared.method, Exact)) or problem._outer_bounded()
    if bounded and step is not None:
        return step, None
    full = warm or getattr(prepared.run, "steps", 0) is None
    reduced = reduce(problem, plan, ClosedForm() if full else prepared.run, w0)
    return reduced.default_step() if step is None else step, None if bounded else reduced.drift()


def _trim(rows, drift):
    return rows if drift is None else tuple(None if row is None else row[:1] for row in rows)


def _history_rows(problem, maxiter):
    rows, m, n = maxiter + 1, problem.outer_size, problem.inner_size
    require_memory("history (pass history=False)", rows * (m + n + 2) * problem.dtype.itemsize)
    return tuple(np.empty(shape, problem.dtype) for shape in ((rows,), (rows,), (rows, m), (rows, n)))


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


def _result(prepared, plan, raw, rows, drift, step, tol, warm):
    problem = plan.problem
    u, w, grad, value, nit, products, norm, change, status, inner, adjoint = raw
    status = Status(status) if drift is None else Status.UNBOUNDED
    numbers = f"{nit} steps of {step:.3g}, ‖dF/du‖ = {norm:.3g}, tol = {tol:g}" + (f", ‖w⁺ − w‖ = {change:.3g}" if warm else "")
    if drift is not None:
        numbers = f"drift of {drift:.3g} per unit step outside the range of K"
    outer, inner_shape = problem.outer_shape, problem.inner_shape
    history = None
    if rows[0] is not None:
        fun, norms, us, ws = (row[: nit + 1].copy() for row in rows)
        history = History(fun, norms, us.reshape(nit + 1, *outer), ws.reshape(nit + 1, *inner_shape))
    u = u.reshape(outer)
    message = status.explain(numbers) + (plan.blame() if status == Status.DIVERGED else "")
    return BilevelResult(
        u=u, x=u, w=w.reshape(inner_shape), fun=float(value), jac=grad.reshape(outer), success=status.success, status=status,
        message=message, inner_status=Status(inner), adjoint_status=Status(adjoint), nit=nit, nhvp=products, history=history,
        method=prepared.method, inner=prepared.run)
