"""A quadratic on a ball, in the eigenbasis of its Hessian: the secular equation of trust-region methods.

max bᵀz + ½zᵀWz over ‖z‖ ≤ ρ, W = diag(ω): with ν the multiplier, (νI − W)z = b and ν ≥ max(ωmax, 0). Written with t = ν − ν₀ ≥ 0
and gaps δ = ν₀ − ω ≥ 0, z(t) = b/(t + δ), whose norm falls with t: t is zero or the root of ‖z(t)‖ = ρ. At t = 0 with
‖z(0)‖ < ρ lies the hard case, where z(0) may be completed on the ball along the directions with δ = 0 (Conn, Gould and Toint,
Trust-region methods, 2000, §7.3).
"""
import numpy as np
import scipy.linalg
import scipy.optimize

from .._namespace import norm


def secular(gaps, b, radius):
    """Return (t, z): the least t ≥ 0 with ‖b/(t + δ)‖ ≤ radius, and z(t); z is 0 along a direction with b = 0 = δ.

    1/‖z(t)‖ is nearly linear in t: Brent's method on it, between max(|b|/ρ − δ) and ‖b‖/ρ.
    """
    def at(t):
        total = t + gaps
        return np.where(b != 0, b / np.where(total > 0, total, 1.0), 0.0)

    blind = (gaps <= 0) & (b != 0)
    if not blind.any() and norm(at(0.0)) <= radius:
        return 0.0, at(0.0)
    with np.errstate(over="ignore"):
        low, high = max(0.0, float(np.max(np.abs(b) / radius - gaps))), norm(b) / radius
    if not high < np.inf:
        raise ValueError(f"radius: {radius:g} is too small beside ∂F/∂w")

    def excess(t):
        return radius / norm(at(t)) - 1.0

    if excess(low) >= 0 or excess(high) <= 0:  # up to rounding one direction, or one gap, carries all
        t = low if excess(low) >= 0 else high
    else:
        t = scipy.optimize.brentq(excess, low, high, xtol=np.finfo(float).tiny, rtol=4 * np.finfo(float).eps, maxiter=10_000)
    z = at(t)
    return t, z * (radius / norm(z))


def smallest(M, a, radius):
    """Return min ‖a + Mq‖ over ‖q‖ ≤ radius."""
    if not M.size or radius == 0:
        return norm(a)
    U, sigma, _ = scipy.linalg.svd(M, full_matrices=False)
    inside = U.T @ a  # maximise −½‖a + Mq‖²: W = −MᵀM, ν₀ = 0
    z = secular(sigma**2, -sigma * inside, radius)[1]
    return float(np.hypot(norm(inside + sigma * z), norm(a - U @ inside)))
