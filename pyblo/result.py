"""What computations return."""
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import OptimizeResult

from .status import Status

__all__ = ["BilevelResult", "Equilibrium", "History", "HypergradientResult", "SolveInfo"]


@dataclass(frozen=True)
class HypergradientResult:
    """A hypergradient and how far it can be trusted.

    Attributes
    ----------
    value : float
        F(u, w).
    grad : ndarray
        dF/du ≈ ∂F/∂u − Mᵀq, of the shape of u.
    w : ndarray
        The inner variable at which it was taken.
    adjoint : ndarray
        q = R ∂F/∂w; for Unrolled in reverse mode the sum of the step-weighted adjoints, in forward mode None.
    residual : float or None
        The true ‖Hq − g‖, computed in float64: g is the part of ∂F/∂w in the range of H for Exact and CG, else ∂F/∂w itself
        (and H + εI for Damped). None for Unrolled.
    null_component : float or None
        ‖g − HH⁺g‖/‖g‖ with g = ∂F/∂w, where the range of H is known; else None.
    status : Status
        How it ended; success and message say the same in a bool and in words.
    nhvp : int
        Products with H in the adjoint solve.
    """

    value: float
    grad: np.ndarray
    w: np.ndarray
    adjoint: np.ndarray | None
    residual: float | None
    null_component: float | None
    status: Status
    message: str
    nhvp: int

    @property
    def success(self):
        """Whether the method did what it promises."""
        return self.status.success


@dataclass(frozen=True)
class SolveInfo:
    """How each linear system of a batch ended; arrays of the batch's shape, plain values for one system.

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

    def __bool__(self):
        raise TypeError("the truth of a SolveInfo is ambiguous (SciPy's info is 0 on success); use info.success")


@dataclass(frozen=True)
class History:
    """What a loop visited, one row per pair (u, w): row 0 is the start, the last row is the result.

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


@dataclass(frozen=True)
class Equilibrium:
    """A pair (u, w) that an algorithm or a solution concept arrives at, or the certificate that there is none.

    Attributes
    ----------
    u, w : ndarray or None
        The pair; None where there is no limit.
    fun : float
        F(u, w); −inf where the objective has no lower bound, NaN where the iterates diverge otherwise.
    status : Status
        CONVERGED, DIVERGED or UNBOUNDED; success and message say the same.
    certificate : dict
        Where there is no limit, why: {"eigenvalue", "eigenvector"} of the iteration's matrix K, or {"drift"}, the direction
        in which u moves for ever, or {"rank"}, where the eigenvalue zero is defective.
    max_step : float
        The outer step below which the loop reaches the limit (0 where it never does).
    """

    u: np.ndarray | None
    w: np.ndarray | None
    fun: float
    status: Status
    message: str
    certificate: dict = field(default_factory=dict)
    max_step: float = 0.0

    @property
    def success(self):
        """Whether the limit exists."""
        return self.status.success


class BilevelResult(OptimizeResult):
    """The end of a cold-start or warm-start loop, a `scipy.optimize.OptimizeResult`.

    Attributes
    ----------
    u, x : ndarray
        The outer variable.
    w : ndarray
        Its inner variable.
    fun, jac : float, ndarray
        F(u, w) and the (approximate) hypergradient there.
    success, status, message : bool, Status, str
        How the loop ended.
    inner_status, adjoint_status : Status
        How the last inner run and the last adjoint solve ended.
    nit, nhvp : int
        Outer steps, and products with H in adjoint solves.
    history : History or None
        What was visited.
    """
