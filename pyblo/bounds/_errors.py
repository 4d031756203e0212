"""Bounds of ‖approximate − exact hypergradient‖ from the constants (paper 002, Thms 2.1, 2.2 and 2.4)."""
import numpy as np

from .._namespace import as_array
from ..methods import require
from ._constants import numbers_of, rate
from ._rates import _plain, cg_rate, counts, gradient_rate

__all__ = ["aid", "aid_cg", "aid_fixed_point", "itd"]


def itd(constants, t):
    """Return (c₁ + c₃) q^t + c₂ t q^{t−1}, the bound of iterative differentiation (paper 002, Thm 2.1, in the form without 0/0 at q = 0).

    Parameters
    ----------
    constants : Constants
        With inner="gradient_descent", of the step that is differentiated.
    t : int or array_like of int
        Steps; broadcasts against the constants as NumPy arrays do.

    Returns
    -------
    float or ndarray
        Of the error of ``Unrolled(steps=t, step=constants.step)``. In floating point compare with this plus ``constants.floor``.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 3.0]), B=np.eye(2), P=np.eye(2))
    >>> c = pyblo.bounds.constants(problem, [3.0, 0.0])
    >>> pyblo.bounds.itd(c, [1, 2, 3]).round(6)
    array([4.5  , 2.25 , 1.125])
    >>> unrolled = pyblo.hypergradient(problem, [3.0, 0.0], method=pyblo.Unrolled(2, step=c.step)).grad
    >>> float(np.linalg.norm(unrolled - pyblo.hypergradient(problem, [3.0, 0.0]).grad))
    1.3125
    """
    c, t = numbers_of(constants), counts("t", t)
    require(c.inner == "gradient_descent", f"constants: Thm 2.1 is of a contraction, which {c.inner} is not; use inner='gradient_descent'")
    return _plain((c.c1 + c.c3) * c.q**t + c.c2 * t * c.q ** np.maximum(t - 1, 0))


def aid(constants, rho, sigma):
    """Return (c₁ + c₂/(1−q)) ρ + c₃ σ, the bound of approximate implicit differentiation (paper 002, Thm 2.2).

    Parameters
    ----------
    constants : Constants
        Of the problem.
    rho : float or array_like
        ρ ≥ 0 with ‖w_t − w(u)‖ ≤ ρ‖w₀ − w(u)‖.
    sigma : float or array_like
        σ ≥ 0 with ‖v_k − v‖ ≤ σ‖v‖, v the solution of the adjoint system at w_t.

    Returns
    -------
    float or ndarray
        Both broadcast against the constants. Infinite where ρ > constants.reach − 1: w_t may then leave the ball of the suprema.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 3.0]), B=np.eye(2), P=np.eye(2))
    >>> c = pyblo.bounds.constants(problem, [3.0, 0.0])
    >>> round(pyblo.bounds.aid(c, rho=0.0, sigma=0.5), 6)  # exact inner solution, an adjoint to half its size
    3.0
    """
    c, rho, sigma = numbers_of(constants), _size("rho", rho), _size("sigma", sigma)
    return _within(c, rho, (c.c1 + c.c2 / (1 - c.q)) * rho + c.c3 * sigma)


def aid_fixed_point(constants, t, k):
    """Return (c₁ + c₂(1−q^k)/(1−q)) ρ(t) + c₃ q^k, the bound of AID with k fixed-point iterations (paper 002, Thm 2.4).

    Parameters
    ----------
    constants : Constants
        Of the problem; its inner run decides ρ(t), which is q^t for gradient descent.
    t, k : int or array_like of int
        Inner steps and iterations of the adjoint; both broadcast against the constants.

    Returns
    -------
    float or ndarray
        Of the error of ``FixedPoint(k, step=constants.step)`` after ``GradientDescent(steps=t, step=constants.step)``.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 3.0]), B=np.eye(2), P=np.eye(2))
    >>> c = pyblo.bounds.constants(problem, [3.0, 0.0])
    >>> pyblo.bounds.aid_fixed_point(c, [1, 10, 10], [1, 1, 10]).round(6)
    array([4.5     , 3.00293 , 0.008789])
    """
    c, k = numbers_of(constants), counts("k", k)
    power, rho = gradient_rate(c.q, k), rate(c, t)
    return _within(c, rho, (c.c1 + c.c2 * ((1 - power) / (1 - c.q))) * rho + c.c3 * power)


def aid_cg(constants, t, k):
    """Return (c₁ + c₂/(1−q)) ρ(t) + c₃ σ(k), σ as in `cg_rate`: the bound of AID with k conjugate gradients (paper 002, Thm 2.2, Eq. 17).

    Parameters and returns are those of `aid_fixed_point`, for ``CG(maxiter=k, rtol=ε)``: with a tolerance of zero the iteration would go
    on where nothing but rounding is left, and on a singular H lose what it had. An H that is not symmetric is refused.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 9.0]), B=np.eye(2), P=np.eye(2))
    >>> c = pyblo.bounds.constants(problem, [3.0, 0.0])
    >>> pyblo.bounds.aid_cg(c, 60, [1, 10]).round(4)
    array([6.    , 0.0352])
    """
    c = numbers_of(constants)
    require(c.symmetric, "constants: are of an H that is not symmetric, which conjugate gradients need; use aid_fixed_point")
    return aid(c, rate(c, t), cg_rate(c.kappa, k))


def _within(c, rho, bound):
    """Return the bound, infinite where w_t may lie outside the ball."""
    return _plain(np.where(rho <= np.asarray(c.reach - 1) * (1 + 1e-12), bound, np.inf))


def _size(name, value):
    array = as_array(name, value).astype(np.float64)
    require(np.all(array >= 0), f"{name}: {array.min(initial=0):g} is not valid; expected numbers ≥ 0")
    return array
