"""What computations return."""
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import OptimizeResult

from . import _report
from ._namespace import on_host
from .status import Status

__all__ = ["BilevelResult", "Equilibrium", "History", "HypergradientResult", "ProjectionResult", "SolveInfo", "succeeded"]


def succeeded(status):
    """Return whether a status is a success, or for an array of codes which of them are.

    Examples
    --------
    >>> from pyblo.result import succeeded
    >>> succeeded([1, 2, 3])
    array([ True,  True, False])
    """
    return status.success if isinstance(status, Status) else SUCCESS[np.asarray(on_host(status))]


SUCCESS = np.array([status.success for status in Status])  # by code


@dataclass(frozen=True)
class HypergradientResult(_report.Chart):
    """A hypergradient and how far it can be trusted. Of a batch, all but the message are arrays with the batch's axes in front.

    Attributes
    ----------
    value : float or ndarray
        F(u, w).
    grad : ndarray
        dF/du ≈ ∂F/∂u − Mᵀq, of the shape of u.
    w : ndarray
        The inner variable at which it was taken.
    adjoint : ndarray
        q = R ∂F/∂w; for Unrolled in reverse mode the sum of the step-weighted adjoints, in forward mode None.
    residual : float, ndarray or None
        The true ‖Hq − g‖, computed in float64: g is the part of ∂F/∂w in the range of H for Exact and CG, else ∂F/∂w itself
        (and H + εI for Damped). None for Unrolled.
    null_component : float, ndarray or None
        ‖g − HH⁺g‖/‖g‖ with g = ∂F/∂w, where the range of H is known; else None, or in a batch NaN.
    status : Status or ndarray of int
        How it ended; success and message say the same in a bool (or array of them) and in words.
    nhvp : int or ndarray of int
        Products with H in the adjoint solve.
    grad_w0, grad_step : ndarray or None; float, ndarray or None
        For Unrolled, the derivatives of F(u, w_T) with respect to the start w₀ and the step α of the whole run.
    method, inner : object or None
        What computed it, where known.
    """

    value: float | np.ndarray
    grad: np.ndarray
    w: np.ndarray
    adjoint: np.ndarray | None
    residual: float | np.ndarray | None
    null_component: float | np.ndarray | None
    status: Status | np.ndarray
    message: str
    nhvp: int | np.ndarray
    grad_w0: np.ndarray | None = None
    grad_step: float | np.ndarray | None = None
    method: object = None
    inner: object = None

    _title = "Hypergradient"

    @property
    def success(self):
        """Whether the method did what it promises; of a batch an array."""
        return succeeded(self.status)

    def _rows(self):
        unknown, null, batch = "not computed for this method", _report.number(self.null_component), np.shape(self.value)
        return [
            ("problems", _report.axes(batch)),
            *_report.variables(self.grad, self.w, self.method, self.inner),
            ("F(u, w)", _report.number(self.value)),
            ("‖dF/du‖", _report.length(self.grad, batch)),
            ("‖dF/dw₀‖", _report.length(self.grad_w0, batch)), ("dF/dstep", _report.number(self.grad_step)),
            ("residual ‖Hq − g‖", _report.number(self.residual) or unknown),
            ("null component", unknown if null is None else f"{null} of ∂F/∂w lies outside the range of H"),
            ("products with H", _report.number(self.nhvp)),
            *_report.ending(self.status, self.message)]

    def _draw(self, ax):
        if np.ndim(self.value):
            raise ValueError(f"grad: a batch of shape {self.value.shape} has no one chart; plot its problems one at a time")
        return _report.draw_components(self.grad, "dF/du", ax=ax)


@dataclass(frozen=True)
class SolveInfo(_report.Report):
    """How each linear system of a batch ended; arrays of the batch's shape, of CuPy where the systems were; plain values for one system.

    Attributes
    ----------
    success : bool or ndarray of bool
        Whether the true residual met the tolerance.
    status : Status or ndarray of int
        The code of a Status.
    iterations : int or ndarray of int
        Iterations made.
    residual : float or ndarray of float
        The true ‖b − Ax‖ of the x that was returned, computed in float64.
    direction : ndarray or None
        Where the status is INDEFINITE a p with pᵀAp < 0, else zeros; None where no system is.
    message : str
        The cause, the numbers and the remedy.
    """

    success: bool | np.ndarray
    status: Status | np.ndarray
    iterations: int | np.ndarray
    residual: float | np.ndarray
    direction: np.ndarray | None
    message: str

    _title = "Linear systems"

    def _rows(self):
        return [
            ("systems", _report.axes(np.shape(self.status)) or "1"),
            ("iterations", _report.number(on_host(self.iterations))),
            ("residual ‖b − Ax‖", _report.number(on_host(self.residual))),
            ("negative curvature", None if self.direction is None else "along the vectors in direction"),
            *_report.ending(on_host(self.status), self.message)]

    def __bool__(self):
        raise TypeError("the truth of a SolveInfo is ambiguous (SciPy's info is 0 on success); use info.success")


@dataclass(frozen=True)
class History(_report.Chart):
    """What a loop visited, one row per pair (u, w): row 0 is the start, the last row is the result.

    Of a batch the arrays have its axes in front of the rows, as many as the longest run has; a run that ended before repeats its last.

    Attributes
    ----------
    fun, grad_norm : ndarray, shape (nit + 1,)
        F(u, w) and ‖dF/du‖.
    u, w : ndarray, shapes (nit + 1, *outer_shape) and (nit + 1, *inner_shape)
        The pairs.
    """

    fun: np.ndarray
    grad_norm: np.ndarray
    u: np.ndarray
    w: np.ndarray

    _title = "History of a loop"

    def _rows(self):
        *batch, pairs = self.fun.shape
        axis, kept = len(batch), pairs > 0
        first, last = ((self.u.take(row, axis), self.w.take(row, axis)) for row in (0, -1)) if kept else (None, None)
        return [
            ("problems", _report.axes(batch)),
            ("pairs (u, w)", str(pairs)),
            *(_report.variables(*first) if kept else []),
            ("F(u, w)", _report.course(self.fun)),
            ("‖dF/du‖", _report.course(self.grad_norm)),
            ("way of u", _report.length(last[0] - first[0], batch) if kept else None)]

    def _draw(self, ax):
        return _report.draw_history(self.fun, self.grad_norm, ax=ax)


@dataclass(frozen=True)
class Equilibrium(_report.Report):
    """A pair (u, w) that an algorithm or a solution concept arrives at, or the certificate that there is none.

    Of a batch, arrays with its axes in front, NaN where there is no limit, and a dict of certificates by the index of the problem.

    Attributes
    ----------
    u, w : ndarray or None
        The pair; None where there is no limit.
    fun : float or ndarray
        F(u, w); −inf where the objective has no lower bound, +inf where the worst case has no upper bound, NaN where the iterates
        diverge otherwise.
    status : Status or ndarray of int
        CONVERGED, DIVERGED or UNBOUNDED; success and message say the same.
    certificate : dict
        Where there is no limit, why: {"eigenvalue", "eigenvector"} of cold start's matrix K or {"multiplier", "eigenvector"} of warm
        start's E; {"drift"}, the direction in which u, or z = (u, w), moves for ever; {"rank"}, where the eigenvalue zero of K is
        defective; or, for a solution concept, {"direction"}, a pair (du, dw) along which F falls, or its worst case rises, for ever.
    max_step : float or ndarray
        The outer step below which the loop reaches the limit (0 where it never does).
    """

    u: np.ndarray | None
    w: np.ndarray | None
    fun: float | np.ndarray
    status: Status | np.ndarray
    message: str
    certificate: dict = field(default_factory=dict)
    max_step: float | np.ndarray = 0.0

    _title = "Equilibrium"

    @property
    def success(self):
        """Whether the limit exists; of a batch an array."""
        return succeeded(self.status)

    def _rows(self):
        batch = np.shape(self.fun)
        return [
            ("problems", _report.axes(batch)),
            *_report.variables(self.u, self.w),
            ("F(u, w)", _report.number(self.fun)),
            ("‖u‖, ‖w‖", None if self.u is None else f"{_report.length(self.u, batch)}, {_report.length(self.w, batch)}"),
            ("reached", self._reached(batch)),
            ("certificate", (f"of {len(self.certificate)} problems" if batch else "; ".join(_certificate(self.certificate)))
             if self.certificate else None),
            *_report.ending(self.status, self.message)]

    def _reached(self, batch):
        if batch:
            return f"for outer steps below {_report.number(self.max_step)}" if np.any(self.max_step > 0) else None
        if not self.success or not self.max_step > 0:
            return None
        return f"for every outer step below {self.max_step:.6g}" if self.max_step < np.inf else "for every outer step"


@dataclass(frozen=True)
class ProjectionResult(_report.Report):
    """The end of cyclic projections on sets. Of a batch, all but the message are arrays with the batch's axes in front.

    Attributes
    ----------
    w : ndarray, shape (..., n)
        The point at the end of the last cycle through the sets.
    residual : float or ndarray
        Its distance from the farthest of the sets, computed in float64.
    cycles : int or ndarray of int
        Cycles made.
    status : Status or ndarray of int
        CONVERGED, NOT_CONVERGED, DIVERGED, or INCONSISTENT for a limit cycle; success and message say the same.
    cycle : ndarray, shape (..., sets, n), or None
        The points of the limit cycle, one after each set; None where there is no limit cycle, NaN for problems of a batch without one.
    separation : float or ndarray
        Where there is a limit cycle, how far from w no point is common to the sets; else 0.
    history : ndarray, shape (..., cycles + 1, n), or None
        w at the start and after every cycle, where asked for; of a batch a run that ended before the longest repeats its last.
    """

    w: np.ndarray
    residual: float | np.ndarray
    cycles: int | np.ndarray
    status: Status | np.ndarray
    message: str
    cycle: np.ndarray | None = None
    separation: float | np.ndarray = 0.0
    history: np.ndarray | None = None

    _title = "Projections"

    @property
    def success(self):
        """Whether w is a common point of the sets, to the tolerance; of a batch an array."""
        return succeeded(self.status)

    def _rows(self):
        batch = np.shape(self.residual)
        return [
            ("problems", _report.axes(batch)),
            ("w", _report.length(self.w, batch)),
            ("cycles", _report.number(self.cycles)),
            ("distance from the farthest set", _report.number(self.residual)),
            ("no common point within", _report.number(self.separation) if np.any(self.separation) else None),
            *_report.ending(self.status, self.message)]


class BilevelResult(_report.Chart, OptimizeResult):
    """The end of a cold-start or warm-start loop, a `scipy.optimize.OptimizeResult`. Of a batch, numbers and vectors are arrays with
    the batch's axes in front.

    Attributes
    ----------
    u, x : ndarray
        The outer variable.
    w : ndarray
        Its inner variable.
    fun, jac : float or ndarray, ndarray
        F(u, w) and the (approximate) hypergradient there.
    success, status, message : bool, Status, str; arrays of bool and int, str
        How the loop ended.
    inner_status, adjoint_status : Status or ndarray of int
        How the last inner run and the last adjoint solve ended.
    nit, nhvp : int or ndarray of int
        Outer steps, and products with H in adjoint solves.
    history : History or None
        What was visited.
    """

    _title = "Bilevel loop"

    def _rows(self):
        history, batch = self.get("history"), np.shape(self.get("fun", 0.0))
        return [
            ("problems", _report.axes(batch)),
            *_report.variables(self.get("u"), self.get("w"), self.get("method"), self.get("inner")),
            ("F(u, w)", _report.course(history.fun) if history else _report.number(self.get("fun"))),
            ("‖dF/du‖", _report.course(history.grad_norm) if history else _report.length(self.get("jac"), batch)),
            ("outer steps", _report.number(self.get("nit"))),
            ("products with H", _report.number(self.get("nhvp"))),
            ("last inner run", _report.outcome(self.get("inner_status"))),
            ("last adjoint solve", _report.outcome(self.get("adjoint_status"))),
            *_report.ending(self.get("status"), self.get("message"))]

    def _draw(self, ax):
        if self.get("history") is None:
            raise ValueError("history: this loop kept none; run it with history=True to plot it")
        return self.history.plot(ax)


def _certificate(facts):
    """Yield in words why an equilibrium does not exist."""
    for name, value in facts.items():
        if name == "eigenvalue":
            yield f"K has the eigenvalue {complex(value):.4g}, with no positive real part: no outer step damps its eigenvector"
        elif name == "drift":
            speed = f" by {facts['speed']:.4g} per unit of outer step" if "speed" in facts else ""
            yield f"u moves for ever{speed} along a fixed direction, mostly in component {int(np.argmax(np.abs(value)))}"
        elif name == "rank":
            yield f"rank K = {value[0]} but rank K² = {value[1]}: the eigenvalue 0 is defective, and u grows with every step"
        elif name == "multiplier":
            yield f"a step multiplies some direction by {complex(value):.4g}"
        elif name == "direction":
            sizes = " and ".join(f"{np.linalg.norm(part):.4g}" for part in value)
            yield f"F is linear or convex without end along a direction (u, w) with parts of length {sizes}"
        elif name not in ("eigenvector", "speed"):
            yield f"{name} = {np.array2string(np.asarray(value), threshold=6, precision=4)}"
