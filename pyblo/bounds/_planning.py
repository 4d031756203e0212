"""How many steps guarantee an error."""
from dataclasses import dataclass, fields

import numpy as np

from .. import _report
from .._namespace import as_array, broadcast, where
from ..methods import CG, FixedPoint, Unrolled, require
from ._constants import Constants, constants
from ._errors import aid_cg, aid_fixed_point, itd
from ._rates import cg_rate, gradient_rate
from ._smoothness import check_problem

__all__ = ["Plan", "plan"]

BOUNDS = {"itd": itd, "aid_fixed_point": aid_fixed_point, "aid_cg": aid_cg}
MOST = 2.0**53  # counts of steps are exact up to here
GRID = 4096


@dataclass(frozen=True)
class Plan(_report.Report):
    """The least numbers of steps that guarantee an error. Of a batch, arrays with its axes in front.

    Attributes
    ----------
    t, k : int or ndarray of int
        Inner steps, and iterations of the adjoint solve; k is 0 for iterative differentiation.
    bound : float or ndarray
        The bound of the error with them, constants.floor included.
    method : str
        "itd", "aid_fixed_point" or "aid_cg".
    constants : Constants
        From which the bound was computed.
    w0 : ndarray or None
        Where the inner run starts, as given: the guarantee is of a run from there. None is zero.
    """

    t: int | np.ndarray
    k: int | np.ndarray
    bound: float | np.ndarray
    method: str
    constants: Constants
    w0: np.ndarray | None = None

    _title = "Plan of a hypergradient"

    def _rows(self):
        batch = np.shape(self.t)
        return [("problems", _report.axes(batch)), ("method", self.method), ("inner run", self.constants.inner),
                ("inner steps t", _report.number(self.t)),
                ("adjoint iterations k", None if self.method == "itd" else _report.number(self.k)),
                ("error", f"at most {_report.number(self.bound)}")]

    def arguments(self):
        """Return the keywords of `hypergradient` that carry the plan out: method, inner where the method does not bring its own, w0 where
        it was given.

        Raises
        ------
        ValueError
            For a batch, whose problems have plans of their own.

        Examples
        --------
        >>> import numpy as np, pyblo
        >>> problem = pyblo.Quadratic(A=np.diag([1.0, 3.0]), B=np.eye(2), P=np.eye(2))
        >>> plan = pyblo.bounds.plan(problem, [3.0, 0.0], 1e-6)
        >>> found = pyblo.hypergradient(problem, [3.0, 0.0], **plan.arguments())
        >>> bool(np.linalg.norm(found.grad - pyblo.hypergradient(problem, [3.0, 0.0]).grad) <= 1e-6)
        True
        """
        require(np.ndim(self.t) == 0, f"plan: is of a batch of shape {np.shape(self.t)}; plan its problems one at a time to carry them out")
        c, start = self.constants, {} if self.w0 is None else {"w0": self.w0.copy()}
        if self.method == "itd":
            return {"method": Unrolled(self.t, step=c.step), **start}
        adjoint = FixedPoint(self.k, step=c.step) if self.method == "aid_fixed_point" else CG(self.k, rtol=float(np.finfo(np.float64).eps))
        return {"method": adjoint, "inner": c.run(self.t), **start}


def plan(problem, u, error, w0=None, *, method="aid_cg", inner="gradient_descent", step=None):
    """Return the least numbers (t, k) of inner steps and adjoint iterations that guarantee ‖approximate − exact hypergradient‖ ≤ error.

    The least t + k whose bound (paper 002, Thms 2.1, 2.2 and 2.4) plus ``constants.floor`` is at most the error: each of both is one
    product with H. Of equal sums the one with the fewest adjoint iterations.

    Parameters
    ----------
    problem : Quadratic, TargetLearning, Ridge, BiasedRidge, or a problem with a method smoothness(u, w0)
        The problem.
    u, w0, inner, step
        As in `constants`.
    error : float or array_like of the batch's shape
        What is to be guaranteed, > constants.floor.
    method : {"aid_cg", "aid_fixed_point", "itd"}
        How the hypergradient is approximated; conjugate gradients need a symmetric H.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, an error below what rounding allows, more than 2⁵³ steps.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 3.0]), B=np.eye(2), P=np.eye(2))
    >>> plan = pyblo.bounds.plan(problem, [3.0, 0.0], error=1e-6)
    >>> plan.t, plan.k, plan.bound <= 1e-6
    (22, 14, True)
    >>> pyblo.bounds.plan(problem, [3.0, 0.0], error=1e-6, method="itd").t
    24
    """
    if method not in tuple(BOUNDS):
        raise ValueError(f"method: {method!r} is not known; expected one of {tuple(BOUNDS)}")
    check_problem(problem)
    require(method != "aid_cg" or problem.symmetric, "method: aid_cg needs a symmetric H; use 'aid_fixed_point' or 'itd'")
    c = constants(problem, u, w0, step=step, inner=inner)
    error = as_array("error", error).astype(np.float64)
    shape = broadcast(("problem", np.shape(c.q)), ("error", error.shape))
    bad = ~(error > np.asarray(c.floor))
    if np.any(bad):
        raise ValueError(f"error: {error.min():.3g} is not above {np.max(c.floor):.3g}, what rounding alone may be at "
                         f"κ = {np.max(c.kappa):.3g}{where(bad)}; allow more")
    t, k = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    errors = np.broadcast_to(error, shape)
    for index in np.ndindex(shape):
        one = _at(c, shape, index)
        t[index], k[index] = _least(one, method, float(errors[index]) - one.floor)
    bound = np.asarray(BOUNDS[method](c, t) if method == "itd" else BOUNDS[method](c, t, k)) + c.floor
    w0 = None if w0 is None else as_array("w0", w0).copy()
    return Plan(*((int(t), int(k), float(bound)) if shape == () else (t, k, bound)), method, c, w0)


def _at(c, shape, index):
    """Return the constants of one problem of a batch."""
    if np.shape(c.q) == ():
        return c
    picked = {f.name: getattr(c, f.name) for f in fields(c)}
    return Constants(**{name: x if isinstance(x, str) else np.broadcast_to(x, shape)[index].item() for name, x in picked.items()})


def _least(c, method, error):
    """Return the least (t, k) of one problem whose bound is at most the error."""
    if method == "itd":
        return int(_first(lambda t: itd(c, t) <= error, np.zeros(1))[0]), 0
    bound = BOUNDS[method]
    if method == "aid_cg":
        def adjoint(k):
            return c.c3 * np.asarray(cg_rate(c.kappa, k))
    else:
        def adjoint(k):
            return c.c3 * np.asarray(gradient_rate(c.q, k))

    def steps(k):
        return _first(lambda t: bound(c, t, k) <= error, k)

    # An optimal k leaves room for the inner error, and is no more than a sum that is possible leaves beside the fewest inner steps.
    low, half = (_first(lambda k, part=part: adjoint(k) < part * error, np.zeros(1)) for part in (1.0, 0.5))
    high = max(half + steps(half) - steps(np.full(1, MOST)), low)[0]
    low = low[0]
    while True:
        grid = np.unique(np.floor(np.linspace(low, high, int(min(high - low + 1, GRID)))))
        inner = steps(grid)
        best = int(np.argmin(grid + inner))
        if len(grid) == high - low + 1:
            return int(inner[best]), int(grid[best])
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]


def _first(holds, like):
    """Return the least count at which a predicate holds, elementwise; it holds at 0, or from some count on.

    Bounds rise before they fall at the most: where one is above the error at 0 it is so until it is below for good.
    """
    low, high = np.full(like.shape, -1.0), np.where(holds(np.zeros(like.shape)), 0.0, 1.0)
    while True:
        bad = (high > 0) & ~holds(high)
        if not bad.any():
            break
        low, high = np.where(bad, high, low), np.where(bad, 2 * high, high)
        require(high.max() <= MOST, "error: takes more than 2⁵³ steps; allow more, or improve the condition of H")
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        good = holds(np.maximum(middle, 0.0))
        wide = high - low > 1
        low, high = np.where(wide & ~good, middle, low), np.where(wide & good, middle, high)
    return high
