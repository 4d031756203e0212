"""How a problem, a method and an inner solver become one step of the C++ core: routes, steps, factorisations."""
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from . import _dispatch, spectral
from ._callbacks import Guard
from ._closed import ClosedForms, DenseFactory, dense
from ._namespace import contiguous, require_memory
from .inner import ClosedForm, GradientDescent, Proximal, check_pair
from .methods import CG, Damped, Exact, Identity, Unrolled, require, step_limit

ROUTES = ("auto", "spectral", "iterate")
SMALL = 2048  # up to this many eigenvectors one decomposition is cheaper than the iterations that it replaces


@dataclass(frozen=True)
class Plan:
    """A problem with everything that was factored for it.

    Attributes
    ----------
    step : the core's step: evaluate() and run().
    method : the method, its step resolved in method_step.
    core : the core's copy of the problem.
    spectrum : the Spectrum of a fixed Hessian, where it was computed.
    null_known : whether HH⁺g can be told: from the spectrum, or because H is definite.
    """

    problem: Any
    method: Any
    step: Any
    spectrum: spectral.Spectrum | None
    method_step: float | None
    core: Any
    guard: Any = None

    def run_derivatives(self, u, start, grad_w):
        """Return (dF/dw₀, dF/dα) of the whole run of an Unrolled method."""
        method = self.method
        rule = _dispatch.Rule(self.method_step, method.momentum, method.nesterov)
        grad_w0, slope = self.core.run_derivatives(rule, method.steps, u, start, grad_w)
        return grad_w0.reshape(self.problem.inner_shape), float(slope)

    def blame(self):
        """Return what brought NaN or infinity into the computation, where it is known."""
        return self.problem._blame() + (self.guard.first_bad if self.guard else "")


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
    return Plan(problem, method, step, spectrum, method_step, core)


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
    if largest is None:  # H is not symmetric: α = 1 is the map itself
        return 1.0 if step is None else step
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


def range_part(problem, u, w, g):
    """Return Hy with y = argmin ‖Hy − g‖ by LSMR: the part of g in the range of H (MATH §3)."""
    from scipy.sparse.linalg import lsmr

    H = problem.hessian(u.reshape(problem.outer_shape), w.reshape(problem.inner_shape))
    eps = np.finfo(g.dtype).eps
    y = lsmr(H, g, atol=eps, btol=eps, conlim=1 / eps, maxiter=max(100, 10 * g.size))[0]
    return np.asarray(H.matvec(y.astype(g.dtype)), g.dtype).reshape(-1)


def _iterated(core, problem, method, step, spectrum):
    if isinstance(method, CG):
        singular = spectrum is not None and spectrum.rank < problem.inner_size
        basis = contiguous(spectrum.vectors, problem.dtype) if singular else None
        project = partial(range_part, problem) if spectrum is None and problem.symmetric and not method.normal else None
        return core.cg(cg_stop(method, problem), method.normal, 0.0, basis, project)
    if isinstance(method, Damped):  # H + εI is definite: no projection
        return core.cg(cg_stop(CG(rtol=8 * float(np.finfo(problem.dtype).eps)), problem), False, method.eps, None, None)
    if isinstance(method, Identity):
        return core.identity()
    if isinstance(method, Unrolled):
        rule = _dispatch.Rule(step, method.momentum, method.nesterov)
        return core.unrolled(rule, method.steps, method.differentiated, method.mode == "forward")
    return core.neumann(method.terms, step)


# --- a Hessian that depends on u or w: closed forms are Python functions that the core calls back ---------------------------


def _moving(problem, method, inner, route, u):
    guard = Guard(problem)
    gram = hasattr(problem, "_factory")
    _check_moving(problem, method, inner, route, gram)
    closed_method = isinstance(method, Exact | Damped) and route != "iterate" or route == "spectral"
    descends = isinstance(inner, GradientDescent)
    closed_inner = not descends or (gram and inner.steps is not None and route == "spectral")
    largest = _largest(guard, u) if descends or _needs_step(method) else None
    method_step = _method_step(method, largest)
    core = _dispatch.core_problem(problem, guard)
    kind = _dispatch.step_class(problem.dtype)
    sizes = problem.outer_size, problem.inner_size
    factory = (problem._factory() if gram else DenseFactory(guard)) if closed_method or (closed_inner and gram) else None
    closed = ClosedForms(guard, factory)
    if closed_inner:
        step = descent_step(inner, largest) if descends else None
        inner_part = kind.python_inner(*sizes, partial(closed.inner, inner, step))
    else:
        inner_part = _descent(core, inner, largest)
    if closed_method:
        adjoint_part = kind.python_hypergradient(*sizes, partial(closed.hypergradient, method, method_step))
    else:
        adjoint_part = _iterated(core, problem, method, method_step, None)
    return Plan(problem, method, kind(*sizes, inner_part, adjoint_part), None, method_step, core, guard)


def _check_moving(problem, method, inner, route, gram):
    name = type(problem).__name__
    require(route != "spectral" or not isinstance(method, Unrolled),
            f"route: the derivatives of {name} depend on w, so unrolling it is no filter of H; use route='iterate'")
    require(gram or not isinstance(inner, ClosedForm) or problem.has_inner_solution,
            f"inner: {name} has no inner_solution; pass inner=GradientDescent(...)")
    require(gram or not isinstance(inner, Proximal), f"inner: Proximal has no closed form for {name}; pass inner=GradientDescent(...)")
    require(problem.symmetric or not isinstance(method, CG) or method.normal,
            f"method: H of {name} is not symmetric; use CG(normal=True)")
    require(problem.symmetric or route != "spectral", f"route: H of {name} is not symmetric; it has no spectral route")
    require(problem.symmetric or not (isinstance(method, Damped) and route == "iterate"),
            f"route: H of {name} is not symmetric; Damped has no iteration for it, use route='auto'")


def _needs_step(method):
    return not isinstance(method, Exact | Damped | Identity | CG)


def _largest(guard, u):
    """Return λmax(H) at u and w = 0, or None where H is not symmetric."""
    problem = guard.problem
    if not problem.symmetric:
        return None
    u, w = np.array(u, problem.dtype).reshape(-1), np.zeros(problem.inner_size, problem.dtype)
    if problem.inner_size > SMALL:
        return spectral.largest_eigenvalue(problem.hessian(u.reshape(problem.outer_shape), w.reshape(problem.inner_shape)))
    H = dense(guard.hessian(u, w)[0], w.size, np.float64)
    if not np.isfinite(H).all():
        raise ValueError(f"λmax of H at the first u is not finite:{problem._blame() or guard.first_bad or ' u is too large'}")
    return float(np.linalg.eigvalsh(H).max(initial=0.0))
