"""How a problem, a method and an inner solver become one step of the C++ core: routes and factorisations."""
import math

import numpy as np

from . import _dispatch, spectral
from ._moving import moving
from ._namespace import contiguous, require_memory
from ._parts import SMALL, Plan, Rows, Split, default_rtol, descent, descent_step, inner_response, iterated, method_step
from .inner import ClosedForm, GradientDescent, check_pair
from .methods import CG, Damped, Exact, Unrolled, require
from .problem import Problem

__all__ = ["check", "check_affine", "default_rtol", "make"]

ROUTES = ("auto", "spectral", "iterate")


def check(problem, method, inner, route):
    """Return the inner solver that is meant, or raise an error that names the argument."""
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: {type(problem).__name__} is not a pyblo.Problem")
    require(problem._takes_batches or problem.batch_shape == (),
            f"problem: its batch_shape is {problem.batch_shape}, but only the built-in problems come in batches")
    check_pair(method, inner)
    require(route in ROUTES, f"route: {route!r} is not known; expected one of {ROUTES}")
    require(route != "spectral" or not isinstance(method, CG), "route: CG is no filter and has no spectral route")
    require(route != "iterate" or not isinstance(method, Exact), "route: Exact has no iteration; use CG()")
    if isinstance(method, Unrolled):
        return GradientDescent(method.steps, method.step, method.momentum, method.nesterov)
    return ClosedForm() if inner is None else inner


def check_affine(problem, method, inner):
    """Return the inner solver that is meant, or raise an error that names the argument where the loop is no affine map."""
    run = check(problem, method, inner, "auto")
    require(problem._affine,
            f"problem: the loop of {type(problem).__name__} is not known to be affine; Quadratic, TargetLearning and BiasedRidge are")
    require(not isinstance(method, CG), "method: CG is not affine in the outer gradient, so its loop has no closed form; use Exact()")
    require(getattr(run, "steps", 0) is not None, "inner: GradientDescent until a tolerance is not affine; give it steps")
    return run


def make(problem, method, inner, route, u=None):
    """Return the Plan of an inner solver that was checked; u, needed where H depends on it, is where steps of None are fixed."""
    return _fixed(problem, method, inner, route) if problem._affine else moving(problem, method, inner, route, u)


# --- a Hessian that depends on nothing: factored once ---------------------------------------------------------------


def _fixed(problem, method, inner, route):
    small = min(problem._factored_shape()[-2:]) <= SMALL
    spectral_method = not isinstance(method, CG) and route != "iterate" and (
        route == "spectral" or small or isinstance(method, Exact | Damped))
    fixed_run = isinstance(inner, GradientDescent) and inner.steps is not None
    spectral_inner = not isinstance(inner, GradientDescent) or (fixed_run and route != "iterate" and (route == "spectral" or small))
    spectrum = _spectrum(problem, method) if spectral_method or spectral_inner or small else None
    largest = spectrum.largest if spectrum else _largest(problem)
    step = method_step(method, largest)
    inner_step = descent_step(inner, largest) if isinstance(inner, GradientDescent) else None
    inner_arrays = _inner_arrays(spectrum, inner, largest) if spectral_inner else None
    adjoint_arrays = _adjoint_arrays(spectrum, method, step) if spectral_method else None

    def one(rows, basis=False):
        core = _dispatch.core_problem(problem, rows)
        if spectral_inner:
            inner_part = _dispatch.spectral_inner(*_taken(rows, inner_arrays))
        else:
            inner_part = descent(core, inner, rows.steps(inner_step))
        if spectral_method:
            adjoint_part = core.spectral(*_taken(rows, adjoint_arrays))
        else:
            basis = contiguous(rows("the eigenvectors of H", spectrum.vectors, 2), problem.dtype) if basis else None
            adjoint_part = iterated(core, problem, method, step, rows, spectrum, basis)
        return _dispatch.step_class(problem.dtype)(core, inner_part, adjoint_part), core

    def parts(rows):
        projected = isinstance(method, CG) and spectrum is not None
        singular = rows("the ranks of H", np.asarray(projected and spectrum.rank < problem.inner_size), 0)
        if singular.all() or not singular.any():
            return one(rows, bool(singular.any()))
        groups = [np.flatnonzero(singular == basis) for basis in (False, True)]
        return Split(groups, [one(Rows(rows.shape, group), basis)[0] for basis, group in enumerate(groups)]), None

    return Plan(problem, method, parts, spectrum, step, inner_step)


def _spectrum(problem, method):
    *batch, rows, cols = problem._factored_shape()
    size = 4 * math.prod(batch) * problem.dtype.itemsize * cols * min(rows, cols)
    require_memory("the eigendecomposition of H", size)
    return problem._spectrum(method.rcond if isinstance(method, Exact) else None)


def _largest(problem):
    """Return a bound of λmax of each H too large to be factored."""
    if not problem.batch_shape:
        return spectral.largest_eigenvalue(problem.hessian(None, None))
    bounds = [spectral.largest_eigenvalue(problem._at(k).hessian(None, None)) for k in range(math.prod(problem.batch_shape))]
    return np.array(bounds).reshape(problem.batch_shape)


def _inner_arrays(spectrum, inner, largest):
    """Return the arrays of an inner run that is a filter, with the number of axes that are one problem's."""
    dtype = spectrum.vectors.dtype
    response = inner_response(spectrum, inner, largest).astype(dtype)
    return ((spectrum.vectors, 2), (response[..., None] * spectrum.cross, 2), (response * spectrum.values, 1),
            (response * spectrum.offset, 1))


def _adjoint_arrays(spectrum, method, step):
    dtype = spectrum.vectors.dtype
    return (spectrum.vectors, 2), (spectrum.response(method, step).astype(dtype)[..., None] * spectrum.cross, 2)


def _taken(rows, arrays):
    return [rows("the eigendecomposition of H", array, core) for array, core in arrays]
