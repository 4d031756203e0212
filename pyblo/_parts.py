"""The parts of a step of the C++ core: inner runs and adjoint solves, their step lengths, and how the items of a batch reach them."""
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from . import _dispatch, spectral
from ._namespace import as_array, broadcast, contiguous, first_index, flat, lead, where
from .inner import ClosedForm, Proximal
from .methods import CG, Damped, Exact, Identity, Unrolled, check_number, step_limit

SMALL = 2048  # up to this many eigenvectors one decomposition is cheaper than the iterations that it replaces


@dataclass(frozen=True)
class Plan:
    """A problem with everything that was factored for it.

    Attributes
    ----------
    method : the method.
    parts : Rows -> (the core's step, its copy of the problem).
    spectrum : the Spectrum of a fixed Hessian, where it was computed.
    method_step, inner_step : the step of the method and of the inner run; one for each problem of a batch.
    """

    problem: Any
    method: Any
    parts: Callable
    spectrum: spectral.Spectrum | None
    method_step: Any
    inner_step: Any
    guard: Any = None
    _made: dict = field(default_factory=dict)

    def shape(self, **vectors):
        """Return the batch axes of a run from vectors (*batch axes, size)."""
        if self._one_step:
            return self.problem._shape(**vectors)
        steps = broadcast(("step", np.shape(self.method_step)), ("step", np.shape(self.inner_step)))
        named = {name: lead(vector, 1) for name, vector in vectors.items()}
        return broadcast(("problem", self.problem.batch_shape), ("the first u, at which steps were fixed", steps), *named.items())

    @cached_property
    def _one_step(self):
        return np.ndim(self.method_step) == 0 and np.ndim(self.inner_step) == 0

    def at(self, shape):
        """Return the core's step, and its copy of the problem, for a run with the batch axes `shape`."""
        made = self._made.get(shape)
        if made is None:
            made = self.parts(Rows(shape))
            self._made.clear()  # the last is enough: arrays may have been broadcast to its shape
            self._made[shape] = made
        return made

    @cached_property
    def responses(self):
        """r(λ) on the range of a fixed Hessian, and r(0)."""
        spectrum, method, step = self.spectrum, self.method, self.method_step
        return spectrum.response(method, step), spectrum.null_response(method, step)

    def hessian_adjoint(self, u, w, q):
        """Return Hᵀq of vectors; a Hessian that the user wrote is called through its guard, on copies."""
        if self.problem._takes_batches:
            return self.problem._hessian_product(u, q)
        return self.guard.hessian(u.copy(), w.copy())[1](q.copy())

    def evaluate(self, shape, u, start, w):
        """Return what the core says of (u, w), or of the end of the inner run from start; each with the number of the problem in front."""
        step, _ = self.at(shape)
        return step.evaluate(rows_of(u, shape), rows_of(start, shape), None if w is None else rows_of(w, shape))

    def run_derivatives(self, shape, u, start, grad_w):
        """Return (dF/dw₀, dF/dα) of the whole run of an Unrolled method."""
        method = self.method
        step = Rows(shape).steps(self.method_step)
        return self.at(shape)[1].run_derivatives(
            step, method.momentum, method.nesterov, method.steps, rows_of(u, shape), rows_of(start, shape), rows_of(grad_w, shape))

    def blame(self):
        """Return what brought NaN or infinity into the computation, where it is known."""
        return self.problem._blame() + (self.guard.first_bad if self.guard else "")


class Rows:
    """The items of a run, numbered in C order of its batch axes; all, or the chosen ones."""

    def __init__(self, shape, chosen=None):
        self.shape, self.chosen = shape, chosen

    def __call__(self, name, array, core):
        """Return array, its last `core` axes those of one item, as the core takes it: (count, …), or without count where all share it."""
        array = flat(name, array, core, self.shape)
        return array if self.chosen is None or array.ndim == core else array[self.chosen]

    def steps(self, step):
        """Return step lengths, (1,) or (count,)."""
        return np.atleast_1d(self("step", np.asarray(step, np.float64), 0))


def rows_of(x, shape):
    """Return vectors (..., n) as (count, n)."""
    if not shape:
        return x[None]
    x = np.broadcast_to(x, (*shape, x.shape[-1]))
    return contiguous(x, x.dtype, "a vector of each problem").reshape(math.prod(shape), x.shape[-1])


class Split:
    """A step whose items are divided among several steps of the core: some project ∂F/∂w on the range of H first, the others do not."""

    def __init__(self, groups, steps):
        self.groups, self.steps = groups, steps

    def _join(self, parts):
        whole = np.empty((sum(map(len, self.groups)), *parts[0].shape[1:]), parts[0].dtype)
        for group, part in zip(self.groups, parts, strict=True):
            whole[group] = part
        return whole

    def evaluate(self, u, start, w):
        """As the core's."""
        results = [step.evaluate(u[group], start[group], None if w is None else w[group])
                   for group, step in zip(self.groups, self.steps, strict=True)]
        return tuple(self._join(parts) for parts in zip(*results, strict=True))

    def run(self, u0, w0, step, tol, max_steps, warm, *histories_and_watch):
        """As the core's."""
        *histories, watch = histories_and_watch
        results = []
        for group, one in zip(self.groups, self.steps, strict=True):
            parts = [None if array is None else np.empty((len(group), *array.shape[1:]), array.dtype) for array in histories]
            results.append(one.run(u0[group], w0[group], step[group], tol, max_steps[group], warm, *parts, watch))
            for array, part in zip(histories, parts, strict=True):
                if array is not None:
                    array[group] = part
        return tuple(self._join(parts) for parts in zip(*results, strict=True))


# --- step lengths -------------------------------------------------------------------------------------------------------


def checked_step(step):
    """Return the outer step, one number or an array of them, or raise an error that names it."""
    if not isinstance(step, list | tuple) and np.ndim(step) == 0:
        return check_number("step", step, positive=True)
    steps = as_array("step", step).astype(np.float64)
    bad = ~(np.isfinite(steps) & (steps > 0))
    if bad.any():
        raise ValueError(f"step: {steps[bad][0]!r} is not valid (problem {first_index(bad)} of the batch); expected numbers > 0, finite")
    return steps


def descent_step(inner, largest, limited=True):
    """Return the step of an inner run, or raise ValueError where it is limited and beyond the limit of its recurrence (MATH §2)."""
    return _resolve("step", inner.step, largest, inner.momentum, inner.nesterov, inner.steps, limited)


def method_step(method, largest, limited=True):
    """Return the step of a method, None where it has none; checked as that of an inner run."""
    if isinstance(method, Exact | Damped | Identity | CG):
        return None
    if isinstance(method, Unrolled):
        return _resolve("step", method.step, largest, method.momentum, method.nesterov, method.steps, limited)
    return _resolve("step", method.step, largest, 0.0, False, method.terms, limited)


def _resolve(name, step, largest, momentum, nesterov, count, limited):
    if largest is None:  # H is not symmetric: α = 1 is the map itself
        return 1.0 if step is None else step
    if step is None:
        if np.ndim(largest) == 0:
            return 1 / largest if largest > 0 else 1.0
        return 1 / np.where(largest > 0, largest, 1.0)
    if limited and (count is None or count > 1):
        top = np.asarray(largest)
        limit = step_limit(1.0, momentum, nesterov) / np.where(top > 0, top, np.nan)
        bad = step >= limit
        if bad.any():
            k = np.unravel_index(int(np.argmax(bad)), bad.shape)
            raise ValueError(f"{name}: {step:g} is beyond the limit {limit[k]:g} of the recurrence for λmax = {top[k]:g}; "
                             f"choose a smaller one{where(bad)}")
    return step


def inner_response(spectrum, inner, largest, limited=True):
    """Return the filter of an inner solver that makes a fixed number of steps or has a closed form."""
    if isinstance(inner, ClosedForm):
        return spectrum.response(Exact(), None)
    if isinstance(inner, Proximal):
        return spectrum.response(Damped(inner.eps), None)
    step = descent_step(inner, largest, limited)
    return spectrum.response(Unrolled(inner.steps, None, inner.momentum, inner.nesterov), step)


# --- iterations of the core --------------------------------------------------------------------------------------------


def descent(core, inner, step):
    """Return the core's inner run; step (1,) or (count,)."""
    if inner.steps is None:
        return core.descent(step, inner.momentum, inner.nesterov, inner.maxiter, inner.tol)
    return core.descent(step, inner.momentum, inner.nesterov, inner.steps, None)


def cg_stop(method, problem):
    """Return the stopping rule of a CG method on a problem."""
    rtol = default_rtol(problem.dtype) if method.rtol is None else method.rtol
    maxiter = max(100, 10 * problem.inner_size) if method.maxiter is None else method.maxiter
    return _dispatch.Stop(rtol, method.atol, maxiter)


def default_rtol(dtype):
    """Return the relative tolerance that None stands for."""
    return 1e-5 if np.dtype(dtype).itemsize == 4 else 1e-10


def hessian(problem, guard, u, w):
    """Return H at the vectors u and w; one that the user wrote is called through its guard, on copies."""
    from scipy.sparse.linalg import LinearOperator

    if guard is None:
        return problem.hessian(u.reshape(problem.outer_shape), w.reshape(problem.inner_shape))
    product, adjoint = guard.hessian(u.copy(), w.copy())
    return LinearOperator((w.size, w.size), dtype=w.dtype, matvec=lambda v: product(v.copy()), rmatvec=lambda v: adjoint(v.copy()))


def range_part(problem, guard, owners, k, u, w, g):
    """Return Hy with y = argmin ‖Hy − g‖ by LSMR: the part of g in the range of H (MATH §3); owners[k] is the problem of item k."""
    from scipy.sparse.linalg import lsmr

    H = hessian(problem._at(owners[k]), guard, u, w)
    eps = np.finfo(g.dtype).eps
    y = lsmr(H, g, atol=eps, btol=eps, conlim=1 / eps, maxiter=max(100, 10 * g.size))[0]
    return np.asarray(H.matvec(y.astype(g.dtype)), g.dtype).reshape(-1)


def iterated(core, problem, method, step, rows, spectrum=None, basis=None, guard=None, gram=None):
    """Return the core's adjoint solve by iteration; basis is that of the range of H, where some item needs it, gram XᵀX/n of a ridge."""
    if isinstance(method, CG):
        needed = spectrum is None and problem.symmetric and not method.normal
        project = partial(range_part, problem, guard, problem._owners(rows.shape)) if needed else None
        return core.cg(cg_stop(method, problem), method.normal, 0.0, basis, project, gram)
    if isinstance(method, Damped):  # H + εI is definite: no projection
        return core.cg(cg_stop(CG(rtol=8 * float(np.finfo(problem.dtype).eps)), problem), False, method.eps, None, None, gram)
    if isinstance(method, Identity):
        return core.identity()
    if isinstance(method, Unrolled):
        forward = method.mode == "forward"
        return core.unrolled(rows.steps(step), method.momentum, method.nesterov, method.steps, method.differentiated, forward)
    return core.neumann(method.terms, rows.steps(step))
