"""The constants of paper 002 for the fixed-point map Φ = w − α∇_w f of gradient descent."""
from dataclasses import dataclass, fields

import numpy as np

from .. import _report
from .._namespace import as_array, broadcast, where
from ..inner import GradientDescent
from ..methods import check_number, require
from ._rates import gradient_rate, heavy_ball, heavy_ball_rate, nesterov, nesterov_rate, optimal_step
from ._smoothness import overflow, smoothness

__all__ = ["Constants", "constants", "numbers_of", "rate"]

INNERS = ("gradient_descent", "heavy_ball", "nesterov")


@dataclass(frozen=True)
class Constants(_report.Report):
    """The constants of a problem at one u (paper 002, Lemma 2.1 and Thm 2.1). Of a batch, arrays with its axes in front.

    Attributes
    ----------
    q : float or ndarray
        How much Φ contracts: max(|1−αμ|, |1−αL|).
    kappa, mu, L : float or ndarray
        κ = L/μ, with μI ≼ H ≼ LI.
    D : float or ndarray
        ‖w(u) − w₀‖ ≤ D.
    L_E, L_Phi : float or ndarray
        The suprema of ‖∂F/∂w‖ and ‖∂_uΦ‖ = α‖M‖ on ‖w − w₀‖ ≤ reach·D.
    eta1, eta2, nu1, nu2 : float or ndarray
        Lipschitz constants in w of ∂F/∂w, ∂F/∂u, ∂_wΦ and ∂_uΦ.
    c1, c2, c3 : float or ndarray
        (η₂ + η₁L_Φ/(1−q))D,  (ν₂ + ν₁L_Φ/(1−q))L_E D,  L_E L_Φ/(1−q).
    step : float or ndarray
        α of the map Φ.
    reach : float or ndarray
        The bounds of AID hold where ρ(t) ≤ reach − 1.
    floor : float or ndarray
        What rounding may add to a measured error: 10·ε·κ·(c₁+c₃) (MATH §7), and more where the terms of ∇_w f and ∂F/∂w cancel, as in
        Xᵀy: what c₁, c₂/(1−q) and c₃ are with the error of w(u) in place of D, and with that of ∂F/∂w in place of L_E. Where H is
        singular and products with it are made (``route="iterate"``), M has rounding outside of the range of H, which the series or
        unrolled run multiplies by r(0) = αt: add α·t·ε‖M‖‖∂F/∂w‖.
    singular : bool or ndarray of bool
        Whether H is singular. Then Φ contracts on the range of H only, where w − w₀ stays and outside of which the hypergradient
        sees nothing; μ is the least positive eigenvalue.
    symmetric : bool
        Whether H is symmetric, as conjugate gradients need it.
    inner : str
        The inner run: "gradient_descent", "heavy_ball" or "nesterov".
    """

    q: float | np.ndarray
    kappa: float | np.ndarray
    mu: float | np.ndarray
    L: float | np.ndarray
    D: float | np.ndarray
    L_E: float | np.ndarray
    L_Phi: float | np.ndarray
    eta1: float | np.ndarray
    eta2: float | np.ndarray
    nu1: float | np.ndarray
    nu2: float | np.ndarray
    c1: float | np.ndarray
    c2: float | np.ndarray
    c3: float | np.ndarray
    step: float | np.ndarray
    reach: float | np.ndarray
    floor: float | np.ndarray
    singular: bool | np.ndarray
    symmetric: bool
    inner: str

    _title = "Constants of a bilevel problem"

    def run(self, t):
        """Return the inner run of t steps that the constants are for, a `GradientDescent` with its step and momentum; of one problem.

        Examples
        --------
        >>> import numpy as np, pyblo
        >>> problem = pyblo.Quadratic(A=np.diag([1.0, 9.0]), B=np.eye(2), P=np.eye(2))
        >>> run = pyblo.bounds.constants(problem, [3.0, 0.0], inner="heavy_ball").run(7)
        >>> run.steps, round(run.step, 6), round(run.momentum, 6)
        (7, 0.25, 0.25)
        """
        require(np.ndim(self.q) == 0, f"constants: are of a batch of shape {np.shape(self.q)}; runs are of one problem")
        step, momentum = self.step, 0.0
        if self.inner != "gradient_descent":
            step, momentum = (heavy_ball if self.inner == "heavy_ball" else nesterov)(self.mu, self.L)
        return GradientDescent(t, step=step, momentum=momentum, nesterov=self.inner == "nesterov")

    def _rows(self):
        rows = [(field.name, _report.number(getattr(self, field.name))) for field in fields(self)[:-3]]
        count = np.count_nonzero(self.singular)
        note = "H is singular: all of this holds on its range" if np.ndim(self.singular) == 0 else f"H is singular in {count} problems"
        return [("problems", _report.axes(np.shape(self.q))), *rows, ("inner run", self.inner), ("note", note if count else None)]


def constants(problem, u, w0=None, *, step=None, inner="gradient_descent", reach=2.0):
    """Return the constants of a problem at u, for Φ(u, w) = w − α∇_w f(u, w) with α fixed (paper 002, Lemma 2.1 and Thm 2.1; MATH §7).

    All are upper bounds that hold in floating point, μ a lower one: they are enlarged by what rounding may have taken from them. Suprema
    over balls are exact up to that. A start w₀ ≠ 0 moves the balls there, and D is ‖w(u) − w₀‖.

    Where H is singular nothing contracts along its null space. For the problems with a fixed H the constants are then those on the range
    of H, and the bounds hold as they stand: B and d lie in it, or else there is no inner solution, so w_t − w₀ stays there, and Bᵀ sees
    nothing else of q. For `Ridge`, whose M = diag(λ′∘w) does not lie in the range, a singular H(u) is refused.

    Parameters
    ----------
    problem : Quadratic, TargetLearning, Ridge, BiasedRidge, or a problem with a method smoothness(u, w0)
        The problem; see `Smoothness` for the method.
    u, w0 : array_like
        The outer variable, and where the inner run starts, zero where None. Axes in front are a batch: a whole ``history.u`` too.
    step : float or array_like of the batch's shape, optional
        α < 2/L; None is 2/(μ+L).
    inner : {"gradient_descent", "heavy_ball", "nesterov"}
        The inner run of AID. The last two are meant with their optimal step and momentum (`heavy_ball`, `nesterov`), and have a rate where
        f(u, ·) is quadratic: H symmetric, and free of w.
    reach : float
        At least 2. The suprema are on ‖w − w₀‖ ≤ reach·D. 2 is the paper's; the heavy ball leaves that ball at first, and until
        ρ(t) ≤ 1 has no bound but with a larger reach, 1 + max ρ(t) for all t.

    Returns
    -------
    Constants

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, a step with which Φ does not contract, an inner run without a rate, and as `smoothness`.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 3.0]), B=np.eye(2), P=np.eye(2))
    >>> c = pyblo.bounds.constants(problem, [3.0, 0.0])
    >>> round(c.q, 6), c.kappa, c.step, round(c.D, 6), round(c.L_E, 6), round(c.c3, 6)
    (0.5, 3.0, 0.5, 3.0, 6.0, 6.0)
    """
    if inner not in INNERS:
        raise ValueError(f"inner: {inner!r} is not known; expected one of {INNERS}")
    s = smoothness(problem, u, w0)
    require(inner == "gradient_descent" or (problem.symmetric and not np.any(s.hessian_lipschitz)),
            f"inner: {inner} has a rate only where f(u, ·) is quadratic, with a symmetric H; use 'gradient_descent'")
    broadcast(("problem", np.shape(s.mu)), ("step", np.shape(step)))
    step = optimal_step(s.mu, s.L) if step is None else _checked_step(step, s.L)
    q = np.maximum(np.abs(1 - step * s.mu), np.abs(1 - step * s.L))
    q = np.where(q > 0, q + 4 * s.eps, 0.0)
    margin = np.minimum(step * s.mu, 2 - step * s.L) * (1 - 8 * s.eps)  # 1 − q without its cancellation
    bad = ~((margin > 0) & (q < 1))
    require(not np.any(bad), f"step: Φ does not contract to working precision, q = {np.max(q, initial=0.0):.17g}{where(bad)}; choose "
            "another step, or improve the condition of H")
    reach = check_number("reach", reach)
    require(reach >= 2, f"reach: {reach:g} is not valid; expected a number ≥ 2: w₀ and w_t lie up to 2D apart")
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        numbers = (q, s.L / s.mu, s.mu, s.L, s.D, *_suprema(s, step, margin, reach))
    if not all(np.isfinite(x).all() for x in numbers):
        raise overflow(problem)
    shape = np.broadcast_shapes(*map(np.shape, numbers))
    numbers = (float(x) if shape == () else np.array(np.broadcast_to(x, shape), np.float64) for x in numbers)
    return Constants(*numbers, s.singular, bool(problem.symmetric), inner)


def _suprema(s, step, margin, reach):
    """Return L_E, L_Φ, η₁, η₂, ν₁, ν₂, c₁, c₂, c₃, the step, the reach and the floor; margin is 1 − q."""
    L_E, L_Phi = s.gradient(reach * s.D), step * s.cross(reach * s.D)
    nu1, nu2 = step * s.hessian_lipschitz, step * s.cross_lipschitz
    c1 = (s.eta2 + s.eta1 * L_Phi / margin) * s.D
    c2 = (nu2 + nu1 * L_Phi / margin) * L_E * s.D
    c3 = L_E * L_Phi / margin
    kappa, astray = s.L / s.mu, s.noise / s.mu
    floor = 10 * s.eps * kappa * (c1 + c3) + L_Phi / margin * s.outer_noise
    floor = floor + astray * (s.eta2 + s.eta1 * L_Phi / margin + (nu2 + nu1 * L_Phi / margin) * L_E / margin)
    return L_E, L_Phi, s.eta1, s.eta2, nu1, nu2, c1, c2, c3, step, reach, floor


def _checked_step(step, L):
    if np.ndim(step) == 0:
        step = check_number("step", step, positive=True)
    else:
        step = as_array("step", step).astype(np.float64)
        require((np.isfinite(step) & (step > 0)).all(), "step: expected numbers > 0, finite")
    bad = np.asarray(step * L >= 2)
    if np.any(bad):
        limit = np.min(2 / np.asarray(L))
        raise ValueError(f"step: {np.max(step):g} is beyond the limit {limit:g} = 2/L, so Φ does not contract; choose a smaller one"
                         f"{where(bad)}")
    return step


def rate(constants, t):
    """Return ρ(t) of the inner run that the constants are for: gradient descent, heavy ball or Nesterov.

    Parameters
    ----------
    constants : Constants
        Of one problem, or of a batch.
    t : int or array_like of int
        Steps; broadcasts against the constants.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 3.0]), B=np.eye(2), P=np.eye(2))
    >>> pyblo.bounds.rate(pyblo.bounds.constants(problem, [1.0, 1.0]), [0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """
    c = numbers_of(constants)
    if c.inner == "gradient_descent":
        return gradient_rate(c.q, t)
    return (heavy_ball_rate if c.inner == "heavy_ball" else nesterov_rate)(c.mu, c.L, t)


def numbers_of(constants):
    """Return the argument if it is Constants, else raise TypeError."""
    if not isinstance(constants, Constants):
        raise TypeError(f"constants: expected the Constants that pyblo.bounds.constants returns, got {type(constants).__name__}")
    return constants
