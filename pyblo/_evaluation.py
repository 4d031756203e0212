"""One evaluation of the core, read: values and statuses, the adjoint where the core did not form it, and the true residual."""
from functools import cached_property

import numpy as np

from ._ending import Ending
from ._namespace import every, finite, norm, some
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
        sound = np.isfinite(value) & np.isfinite(grad).all(-1)
        if not sound.all():
            status = np.where(~sound & succeeded(status), int(Status.DIVERGED), status)

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
        missing = (self.nhvp == 0) & self.finite
        if plan.spectrum is None or isinstance(method, CG) or not some(missing):
            return adjoint
        q = plan.spectrum.apply(*plan.responses, _masked(self.grad_w, missing))
        return q if every(missing) else np.where(missing[..., None], q, adjoint)

    @cached_property
    def finite(self):
        """Whether ∂F/∂w is, a bool for a single problem."""
        return finite(self.grad_w)


def _masked(x, kept):
    """Return vectors, zero where they are not kept."""
    return x if every(kept) else np.where(np.asarray(kept)[..., None], x, 0)


def _relative(part, size):
    """Return part/size, and part itself where the size is zero."""
    return part / np.where(size > 0, size, 1) if isinstance(size, np.ndarray) else part / size if size > 0 else part


def diagnose(raw):
    """Return the true residuals of the adjoint systems, and the relative parts of g outside the range of H; None where unknown.

    NaN stands for a problem of a batch where they are unknown.
    """
    plan, problem, method, ending = raw.plan, raw.plan.problem, raw.plan.method, raw.ending
    known = raw.finite & finite(raw.w)
    g = _masked(raw.grad_w, known)
    inside = g if plan.spectrum is None else plan.spectrum.range_part(g).astype(np.float64)
    g = g.astype(np.float64)
    size = norm(g)
    null = None
    if plan.spectrum is not None or problem._moving_gram and not isinstance(method, Unrolled):  # H of Ridge is definite
        null = _relative(norm(g - inside), size)
    if raw.adjoint is None or isinstance(method, Unrolled):
        return None, ending.known(null, known)
    sound = known & finite(raw.adjoint)
    if not some(sound):
        return None if not raw.shape else np.full(raw.shape, np.nan), ending.known(null, known)
    q, w = _masked(raw.adjoint, sound), _masked(raw.w, sound)
    with np.errstate(invalid="ignore" if raw.shape else None):  # of the problems that are not sound
        Hq = plan.hessian_adjoint(raw.u, w, q.astype(np.float64))
    if isinstance(method, Damped):
        Hq = Hq + method.eps * q
    rest = norm(Hq - (inside if isinstance(method, Exact | CG) else g))
    if isinstance(method, CG) and plan.spectrum is None:  # an inconsistent system: CG went on with the part of g in the range of H
        projected = succeeded(raw.ending.codes).reshape(raw.shape) & (rest > 2 * np.asarray(raw.residual))
        part = _relative(rest, size)
        if projected.any():
            null = np.where(projected, part, np.nan if null is None else null)
        rest = np.where(projected, raw.residual, rest)
    return ending.known(rest, sound), ending.known(null, known)
