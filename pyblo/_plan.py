"""How a problem, a method and an inner solver become one step of the C++ core: routes, steps, factorisations."""
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from . import _dispatch, spectral
from ._namespace import contiguous, require_memory
from .inner import ClosedForm, GradientDescent, Proximal, check_pair
from .methods import CG, Damped, Exact, Identity, Unrolled, require, step_limit
from .status import Status

ROUTES = ("auto", "spectral", "iterate")
SMALL = 2048  # up to this many eigenvectors one decomposition is cheaper than the iterations that it replaces


@dataclass(frozen=True)
class Plan:
    """A problem with everything that was factored for it.

    Attributes
    ----------
    step : the core's step: evaluate() and run().
    method : the method, its step resolved in method_step.
    spectrum : the Spectrum of a fixed Hessian, where it was computed.
    null_known : whether HH⁺g can be told: from the spectrum, or because H is definite.
    """

    problem: Any
    method: Any
    step: Any
    spectrum: spectral.Spectrum | None
    method_step: float | None


def check(problem, method, inner, route):
    """Return the inner solver that is meant, or raise an error that names the argument."""
    from .problem import Problem

    if not isinstance(problem, Problem):
        raise TypeError(f"problem: {type(problem).__name__} is not a pyblo.Problem")
    check_pair(method, inner)
    require(route in ROUTES, f"route: {route!r} is not known; expected one of {ROUTES}")
    require(route != "spectral" or not isinstance(method, CG), "route: CG is no filter and has no spectral route")
    require(route != "iterate" or not isinstance(method, Exact), "route: Exact has no iteration; use CG()")
    if isinstance(method, Unrolled):
        return GradientDescent(method.steps, method.step, method.momentum, method.nesterov)
    return ClosedForm() if inner is None else inner


def make(problem, method, inner, route, u=None):
    """Return the Plan; u, needed where H depends on it, is the point at which steps of None are fixed."""
    inner = check(problem, method, inner, route)
    return _fixed(problem, method, inner, route) if problem.fixed_hessian else _moving(problem, method, inner, route, u)


# --- a Hessian that depends on nothing: factored once ---------------------------------------------------------------


def _fixed(problem, method, inner, route):
    small = min(problem._factored_shape()) <= SMALL
    spectral_method = not isinstance(method, CG) and route != "iterate" and (
        route == "spectral" or small or isinstance(method, Exact | Damped))
    fixed_run = isinstance(inner, GradientDescent) and inner.steps is not None
    spectral_inner = not isinstance(inner, GradientDescent) or (fixed_run and route != "iterate" and (route == "spectral" or small))
    spectrum = None
    if spectral_method or spectral_inner or small:
        rows, cols = problem._factored_shape()
        require_memory("the eigendecomposition of H", 4 * problem.dtype.itemsize * cols * min(rows, cols))
        spectrum = problem._spectrum(method.rcond if isinstance(method, Exact) else None)
    largest = spectrum.largest if spectrum else spectral.largest_eigenvalue(problem.hessian(None, None))
    method_step = _method_step(method, largest)
    core = _dispatch.core_problem(problem)
    inner_part = _spectral_inner(spectrum, inner, largest) if spectral_inner else _descent(core, inner, largest)
    if spectral_method:
        K = contiguous(spectrum.response(method, method_step).astype(problem.dtype)[:, None] * spectrum.cross, problem.dtype)
        adjoint_part = core.spectral(contiguous(spectrum.vectors, problem.dtype), K)
    else:
        adjoint_part = _iterated(core, problem, method, method_step, spectrum)
    step = _dispatch.step_class(problem.dtype)(problem.outer_size, problem.inner_size, inner_part, adjoint_part)
    return Plan(problem, method, step, spectrum, method_step)


def inner_response(spectrum, inner, largest):
    """Return the filter of an inner solver that makes a fixed number of steps or has a closed form."""
    if isinstance(inner, ClosedForm):
        return spectrum.response(Exact(), None)
    if isinstance(inner, Proximal):
        return spectrum.response(Damped(inner.eps), None)
    step = descent_step(inner, largest)
    return spectrum.response(Unrolled(inner.steps, step, inner.momentum, inner.nesterov), step)


def _spectral_inner(spectrum, inner, largest):
    dtype = spectrum.vectors.dtype
    response = inner_response(spectrum, inner, largest).astype(dtype)
    parts = (spectrum.vectors, response[:, None] * spectrum.cross, response * spectrum.values, response * spectrum.offset)
    return _dispatch.spectral_inner(*(contiguous(part, dtype) for part in parts))


# --- iterations of the core --------------------------------------------------------------------------------------------


def descent_step(inner, largest):
    """Return the step of an inner run, or raise ValueError where it lies beyond the limit of its recurrence (MATH §2)."""
    return _resolve("step", inner.step, largest, inner.momentum, inner.nesterov, inner.steps)


def _method_step(method, largest):
    if isinstance(method, Exact | Damped | Identity | CG):
        return None
    if isinstance(method, Unrolled):
        return _resolve("step", method.step, largest, method.momentum, method.nesterov, method.steps)
    return _resolve("step", method.step, largest, 0.0, False, method.terms)


def _resolve(name, step, largest, momentum, nesterov, count):
    if step is None:
        return 1 / largest if largest > 0 else 1.0
    limit = step_limit(largest, momentum, nesterov)
    if (count is None or count > 1) and step >= limit:
        raise ValueError(f"{name}: {step:g} is beyond the limit {limit:g} of the recurrence for λmax = {largest:g}; choose a smaller one")
    return step


def _descent(core, inner, largest):
    rule = _dispatch.Rule(descent_step(inner, largest), inner.momentum, inner.nesterov)
    if inner.steps is None:
        return core.descent(rule, inner.maxiter, inner.tol)
    return core.descent(rule, inner.steps, None)


def cg_stop(method, problem):
    """Return the stopping rule of a CG method on a problem."""
    rtol = default_rtol(problem.dtype) if method.rtol is None else method.rtol
    maxiter = max(100, 10 * problem.inner_size) if method.maxiter is None else method.maxiter
    return _dispatch.Stop(rtol, method.atol, maxiter)


def default_rtol(dtype):
    """Return the relative tolerance that None stands for."""
    return 1e-5 if np.dtype(dtype).itemsize == 4 else 1e-10


def _iterated(core, problem, method, step, spectrum):
    if isinstance(method, CG):
        singular = spectrum is not None and spectrum.rank < problem.inner_size
        basis = contiguous(spectrum.vectors, problem.dtype) if singular else None
        return core.cg(cg_stop(method, problem), method.normal, 0.0, basis)
    if isinstance(method, Damped):  # H + εI is definite: no projection
        return core.cg(cg_stop(CG(rtol=8 * float(np.finfo(problem.dtype).eps)), problem), False, method.eps, None)
    if isinstance(method, Identity):
        return core.identity()
    if isinstance(method, Unrolled):
        return core.unrolled(_dispatch.Rule(step, method.momentum, method.nesterov), method.steps, method.mode == "forward")
    return core.neumann(method.terms, step)


# --- a Hessian that depends on u: closed forms are Python functions that the core calls back -------------------------------


def _moving(problem, method, inner, route, u):
    require(route != "spectral" or not isinstance(method, Unrolled),
            f"route: the cross derivative of {type(problem).__name__} depends on w, so unrolling it is no filter of H; use route='iterate'")
    closed_method = isinstance(method, Exact | Damped) and route != "iterate" or route == "spectral"
    fixed_run = isinstance(inner, GradientDescent) and inner.steps is not None
    closed_inner = not isinstance(inner, GradientDescent) or (fixed_run and route == "spectral")
    descends = isinstance(inner, GradientDescent)
    factory = problem._factory() if closed_method or closed_inner else None
    needs_step = descends or _needs_step(method)
    largest = _largest(problem, u) if needs_step else np.nan
    method_step = _method_step(method, largest)
    core = _dispatch.core_problem(problem)
    kind = _dispatch.step_class(problem.dtype)
    sizes = problem.outer_size, problem.inner_size
    factors = Factors(factory) if factory else None
    if closed_inner:
        step = descent_step(inner, largest) if descends else None
        inner_part = kind.python_inner(*sizes, partial(_closed_inner, problem, factors, inner, step))
    else:
        inner_part = _descent(core, inner, largest)
    if closed_method:
        adjoint_part = kind.python_hypergradient(*sizes, partial(_closed_hypergradient, problem, factors, method, method_step))
    else:
        adjoint_part = _iterated(core, problem, method, method_step, None)
    return Plan(problem, method, kind(*sizes, inner_part, adjoint_part), None, method_step)


def _needs_step(method):
    return not isinstance(method, Exact | Damped | Identity | CG)


def _largest(problem, u):
    operator = problem.hessian(u, np.zeros(problem.inner_size, problem.dtype))
    if problem.inner_size > SMALL:
        return spectral.largest_eigenvalue(operator)
    return float(np.linalg.eigvalsh(operator @ np.eye(problem.inner_size)).max(initial=0.0))


class Factors:
    """The factor of H(u) + εI at the last u, which the inner solution and the adjoint share."""

    def __init__(self, factory):
        self.factory = factory
        self.last = {}

    def at(self, u, eps=0.0):
        """Return the factor at u."""
        key, factor = self.last.get(eps, (None, None))
        if key is None or not np.array_equal(key, u):
            factor = self.factory.at(u, eps)
            self.last[eps] = (u, factor)
        return factor


def _closed_inner(problem, factors, inner, step, u, start):
    try:
        if isinstance(inner, ClosedForm):
            w = factors.at(u).inner_solution(start)
        else:
            gradient = problem.inner_gradient(u, start)
            if isinstance(inner, Proximal):
                w = start - factors.at(u, inner.eps).solve(gradient)
            else:
                run = Unrolled(inner.steps, step, inner.momentum, inner.nesterov)
                w = start - factors.at(u).filtered(partial(run.response, step=step), gradient)
    except (np.linalg.LinAlgError, FloatingPointError) as error:
        return np.full_like(start, np.nan), _status_of(error)
    return w, int(Status.COMPLETED)


def _status_of(error):
    return int(Status.DIVERGED if isinstance(error, FloatingPointError) else Status.INDEFINITE)


def _closed_hypergradient(problem, factors, method, step, u, start, w):
    nothing = np.full_like(w, np.nan)
    if not np.isfinite(w).all():
        return np.nan, np.full_like(u, np.nan), nothing, nothing, int(Status.DIVERGED), 0
    value = problem.outer_value(u, w)
    grad_u, g = problem.outer_gradients(u, w)
    try:
        if isinstance(method, Exact):
            q = factors.at(u).solve(g)
        elif isinstance(method, Damped):
            q = factors.at(u, method.eps).solve(g)
        else:
            q = factors.at(u).filtered(partial(method.response, step=step), g)
    except (np.linalg.LinAlgError, FloatingPointError) as error:
        return value, np.full_like(u, np.nan), g, nothing, _status_of(error), 0
    grad = grad_u - problem.cross(u, w).H @ q
    return value, grad, g, q, int(Status.COMPLETED if np.isfinite(grad).all() else Status.DIVERGED), 0
