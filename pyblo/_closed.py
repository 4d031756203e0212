"""Closed forms at one (u, w), for problems whose Hessian depends on them: functions that the core calls back."""
from functools import partial

import numpy as np
import scipy.linalg

from .inner import ClosedForm, Proximal
from .methods import Damped, Exact, Unrolled
from .spectral import SymmetricFactor, default_rcond
from .status import Status

__all__ = ["ClosedForms", "DenseFactory", "dense"]


class ClosedForms:
    """Inner solutions and adjoints of one problem; the factor at the last (u, w) is kept, for both need it."""

    def __init__(self, guard, factory):
        self.guard, self.factory = guard, factory
        self.last = {}

    def factor(self, u, w, eps=0.0):
        """Return the factor of H(u, w) + εI."""
        point, factor = self.last.get(eps, (None, None))
        key = self.factory.key(u, w)
        if point != key:
            factor = self.factory.at(u, w, eps)
            self.last[eps] = (key, factor)
        return factor

    def inner(self, inner, step, u, start):
        """Return (w, status) of an inner solver that has a closed form."""
        try:
            if isinstance(inner, ClosedForm):
                own = self.factory is None or not hasattr(self.factory, "moment")
                w = self.guard.inner_solution(u, start) if own else self.factor(u, start).inner_solution(start)
            elif isinstance(inner, Proximal):
                w = start - self.factor(u, start, inner.eps).solve(self.guard.gradient(u, start))
            else:
                run = Unrolled(inner.steps, step, inner.momentum, inner.nesterov)
                w = start - self.factor(u, start).filtered(partial(run.response, step=step), self.guard.gradient(u, start))
        except (np.linalg.LinAlgError, FloatingPointError) as error:
            return np.full_like(start, np.nan), status_of(error)
        return w, int(Status.COMPLETED if np.isfinite(w).all() else Status.DIVERGED)

    def hypergradient(self, method, step, u, start, w):
        """Return (F, dF/du, ∂F/∂w, q, status, products)."""
        nothing = np.full_like(w, np.nan)
        if not np.isfinite(w).all():
            return np.nan, np.full_like(u, np.nan), nothing, nothing, int(Status.DIVERGED), 0
        value, grad_u, g = self.guard.outer(u, w)
        try:
            q = self._adjoint(method, step, u, w, g)
        except (np.linalg.LinAlgError, FloatingPointError) as error:
            return value, np.full_like(u, np.nan), g, nothing, status_of(error), 0
        grad = grad_u - self.guard.cross_adjoint(u, w, q)
        return value, grad, g, q, int(Status.COMPLETED if np.isfinite(grad).all() else Status.DIVERGED), 0

    def _adjoint(self, method, step, u, w, g):
        if isinstance(method, Exact):
            return self.factor(u, w).solve(g)
        if isinstance(method, Damped):
            return self.factor(u, w, method.eps).solve(g)
        return self.factor(u, w).filtered(partial(method.response, step=step), g)


def status_of(error):
    """Return the status that an error of a factorisation stands for."""
    return int(Status.DIVERGED if isinstance(error, FloatingPointError) else Status.INDEFINITE)


class DenseFactory:
    """H(u, w) of a problem that the user wrote, made dense by n products."""

    def __init__(self, guard):
        self.guard = guard

    @staticmethod
    def key(u, w):
        """Return what H depends on."""
        return u.tobytes(), w.tobytes()

    def at(self, u, w, eps=0.0):
        """Return the factor of H + εI; raises LinAlgError where a symmetric H is indefinite, FloatingPointError where it is not finite."""
        H = dense(self.guard.hessian(u, w)[0], w.size, w.dtype)
        if not np.isfinite(H).all():
            raise FloatingPointError("H(u, w) is not finite")
        H[np.diag_indices_from(H)] += H.dtype.type(eps)
        return SymmetricFactor(H) if self.guard.problem.symmetric else GeneralFactor(H)


def dense(apply, n, dtype):
    """Return the matrix of v -> apply(v), column by column; of a batch where v -> (..., n)."""
    return np.stack([apply(unit) for unit in np.eye(n, dtype=dtype)], axis=-1) if n else np.zeros((0, 0), dtype)


class GeneralFactor:
    """A square H by its singular vectors."""

    def __init__(self, H):
        self.U, self.sigma, self.Vt = scipy.linalg.svd(H, check_finite=False) if H.size else (H, H[0:0].ravel(), H)
        self.kept = self.sigma > default_rcond(H) * self.sigma.max(initial=0.0)

    def solve(self, g):
        """Return (Hᵀ)⁺g."""
        inverse = np.where(self.kept, 1 / np.where(self.kept, self.sigma, 1), 0).astype(g.dtype)
        return self.U @ (inverse * (self.Vt @ g))
