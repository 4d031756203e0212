"""Derivatives by differences and complex steps, and how far rounding lets them be trusted."""
import warnings

import numpy as np

from .faults import Broken, said

__all__ = ["compact", "complex_error", "norm", "slope_error"]


def norm(x):
    x = np.asarray(x, np.float64).ravel()
    return float(np.sqrt(x @ x))


def slope_error(phi, slope, x, v, magnitude):
    """Return (deviation, tolerance, predicted) of slope(v) from the derivative of phi at x along v.

    The deviation is Richardson's extrapolation of E(h) = [phi(x + hv) − phi(x − hv) − slope(2hv)]/2h for the h of a ladder
    whose bound is least: the noise σ that the smallest steps show, over h; the rounding of the terms, over h; and the
    disagreement with all smaller steps. Where phi takes complex numbers, Im phi(x + ihv)/h replaces it if it agrees.
    """
    eps, scale = float(np.finfo(x.dtype).eps), float(np.abs(x).max()) or 1.0
    steps, E, P, floor, fault = [], [], [], [], "NaN or infinity"
    for h in scale * 0.25 ** np.arange(int(-0.6 * np.log(eps) / np.log(4)) + 1):
        try:
            plus, minus = x + x.dtype.type(h) * v, x - x.dtype.type(h) * v
            a, b, p = (np.asarray(y, np.float64).reshape(-1) for y in (phi(plus), phi(minus), slope(plus - minus)))
        except Exception as error:  # outside the domain, perhaps: smaller steps remain
            a = b = p = np.array([np.nan])
            fault = said(error)
        if not np.isfinite(a - b - p).all():
            steps, E, P, floor = [], [], [], []
            continue
        steps.append(h)
        E.append((a - b - p) / (2 * h))
        P.append(p / (2 * h))
        floor.append(2 * eps * (norm(a) + norm(b) + norm(p) + magnitude) / h)
    if len(steps) < 4:
        raise Broken(f"cannot be evaluated near (u, w): {fault}")
    E, steps = np.array(E), np.array(steps)
    R = (16 * E[1:] - E[:-1]) / 15
    sigma = (np.linalg.norm(np.diff(E, axis=0), axis=1) * steps[1:])[2 * len(R) // 3:].max()
    noise = 5 * sigma / steps
    bound = [floor[k] + noise[k] + (np.linalg.norm(R[k] - R[k + 1:], axis=1) - noise[k + 1:-1]).max(initial=0.0)
             for k in range(len(R))]
    best = int(np.argmin(bound))
    exact = complex_error(phi, slope, x, v, scale * eps**2)
    if exact is not None and exact.shape == R[best].shape and norm(exact - R[best]) <= 10 * bound[best]:
        return exact, 10 * min(bound[best], floor[0] + noise[0]), P[best]
    return R[best], 10 * bound[best], P[best]


def complex_error(phi, slope, x, v, h):
    """Return Im phi(x + ihv)/h − slope(v), or None where phi does not take complex numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            value = np.asarray(phi(x + 1j * h * v)).reshape(-1)
            error = value.imag.astype(np.float64) / h - np.asarray(slope(v), np.float64).reshape(-1)
    except Exception:
        return None
    return error if value.dtype.kind == "c" and np.isfinite(error).all() else None


def compact(vector):
    """Return a direction in words: its entries, or the largest of many."""
    if vector.size <= 6:
        return np.array2string(vector, precision=3, suppress_small=True)
    largest = np.argsort(-np.abs(vector))[:3]
    return "mostly " + ", ".join(f"{vector[i]:.3g} at [{i}]" for i in largest)
