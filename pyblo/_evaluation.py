"""One evaluation of the core, read: values and statuses, the adjoint where the core did not form it, and the true residual."""
from functools import cached_property

import numpy as np

from ._ending import Ending
from ._namespace import norm
from ._parts import hessian
from .methods import CG, Damped, Exact, Unrolled
from .result import succeeded
from .status import Status

__all__ = ["Evaluation", "diagnose"]


class Evaluation:
    """What the core said of pairs (u, w): vectors (*batch axes, size), and numbers of the batch's shape, plain ones for a single pair."""

    def __init__(self, plan, u, shape, raw):
        w, inner, inner_steps, inner_residual, value, grad, grad_w, adjoint, status, residual, products = raw
        self.plan, self.u, self.shape = plan, u, shape
        problem, method = plan.problem, plan.method
        finite = np.isfinite(value) & np.isfinite(grad).all(-1)
        if not finite.all():
            status = np.where(~finite & succeeded(status), Status.DIVERGED, status)

        def explain(k):
            if not Status(int(inner[k])).success:
                numbers = f"{int(inner_steps[k])} steps, ‖∇_w f‖ = {inner_residual[k]:.3g}"
                return "Inner run: " + Status(int(inner[k])).explain(numbers)
            numbers = f"‖Hq − g‖ = {residual[k]:.3g} after {int(products[k])} products" if isinstance(method, CG) else ""
            return Status(int(status[k])).explain(numbers)

        self.ending = ending = Ending(shape, np.where(succeeded(inner), status, inner), explain, plan.blame)
        self.status = ending.status
        self.value, self.nhvp, self.residual = ending.shaped(value), ending.shaped(products), ending.shaped(residual)
        self.grad = grad.reshape(*shape, *problem.outer_shape)
        self.w, self.grad_w = (x.reshape(*shape, x.shape[-1]) for x in (w, grad_w))
        self._adjoint = adjoint.reshape(self.w.shape)

    @property
    def message(self):
        """How the problems ended, in words."""
        return self.ending.message

    @cached_property
    def adjoint(self):
        """The adjoint q, where there is one: R g with its part in the null space where the spectral route did not form it."""
        plan, method, adjoint = self.plan, self.plan.method, self._adjoint
        if isinstance(method, Unrolled) and method.mode == "forward":
            return None
        missing = (np.asarray(self.nhvp) == 0) & np.isfinite(self.grad_w).all(-1)
        if plan.spectrum is None or isinstance(method, CG) or not missing.any():
            return adjoint
        response, null = plan.spectrum.response(method, plan.method_step), plan.spectrum.null_response(method, plan.method_step)
        q = plan.spectrum.apply(response, null, _masked(self.grad_w, missing))
        return q if missing.all() else np.where(missing[..., None], q, adjoint)


def _masked(x, kept):
    """Return vectors, zero where they are not kept."""
    return x if kept.all() else np.where(kept[..., None], x, 0)


def diagnose(raw):
    """Return the true residuals of the adjoint systems, and the relative parts of g outside the range of H; None where unknown.

    NaN stands for a problem of a batch where they are unknown.
    """
    plan, problem, method, ending = raw.plan, raw.plan.problem, raw.plan.method, raw.ending
    known = np.isfinite(raw.grad_w).all(-1) & np.isfinite(raw.w).all(-1)
    g = _masked(raw.grad_w, known).astype(np.float64)
    size = np.asarray(norm(g))
    inside = g if plan.spectrum is None else plan.spectrum.range_part(g.astype(problem.dtype)).astype(np.float64)
    null = None
    if plan.spectrum is not None or problem._moving_gram and not isinstance(method, Unrolled):  # H of Ridge is definite
        null = norm(g - inside) / np.where(size > 0, size, 1)
    if raw.adjoint is None or isinstance(method, Unrolled):
        return None, ending.known(null, known)
    sound = known & np.isfinite(raw.adjoint).all(-1)
    if not sound.any():
        return None if not raw.shape else np.full(raw.shape, np.nan), ending.known(null, known)
    q, w = _masked(raw.adjoint, sound), _masked(raw.w, sound)
    if raw.shape:
        H = problem.hessian(raw.u.reshape(*raw.u.shape[:-1], *problem.outer_shape), w.reshape(*raw.shape, *problem.inner_shape))
    else:
        H = hessian(problem, plan.guard, raw.u, w)
    with np.errstate(invalid="ignore" if raw.shape else None):  # of the problems that are not sound
        Hq = H.rmatvec(q.astype(np.float64))
    if isinstance(method, Damped):
        Hq = Hq + method.eps * q
    rest = np.asarray(norm(Hq - (inside if isinstance(method, Exact | CG) else g)))
    if isinstance(method, CG) and plan.spectrum is None:  # an inconsistent system: CG went on with the part of g in the range of H
        projected = succeeded(raw.ending.codes).reshape(raw.shape) & (rest > 2 * np.asarray(raw.residual))
        part = rest / np.where(size > 0, size, 1)
        if projected.any():
            null = np.where(projected, part, np.nan if null is None else null)
        rest = np.where(projected, raw.residual, rest)
    return ending.known(rest, sound), ending.known(null, known)
