"""What a bound needs to know of a problem at one u: the protocol, and how the built-in problems fill it."""
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._namespace import matvec, norm, require_memory, spectral_norm, transposed, where
from ..methods import require
from ..problem import Problem
from ._ball import affine_maximum

__all__ = ["Smoothness", "check_problem", "grams", "overflow", "smoothness"]


@dataclass(frozen=True)
class Smoothness:
    """Upper bounds (of μ a lower bound) that a problem gives of itself at one u, for all w unless a radius is named.

    The protocol of `pyblo.bounds`: a problem of the user's own gets every bound by a method ``smoothness(u, w0)`` that returns this,
    where u and w0 are vectors. Balls are round w₀, where the inner run starts. Any safe bound will do; a tighter one gives tighter
    results. Of a batch, arrays with its axes in front.

    Attributes
    ----------
    mu, L : float or ndarray
        0 < μ and L with μI ≼ H(u, w) ≼ LI. Of the fixed point of a map that contracts by q (symmetric = False) 1 − q and 1 + q:
        then α = 1, Φ is the map, and the bounds hold of its own steps and of the fixed-point adjoint; conjugate gradients, the heavy
        ball and Nesterov's method need a symmetric H, and are refused.
    D : float or ndarray
        ‖w(u) − w₀‖ ≤ D.
    gradient, cross : callable
        radius -> the supremum of ‖∂F/∂w‖ and of ‖M‖ on ‖w − w₀‖ ≤ radius.
    eta1, eta2 : float or ndarray
        Lipschitz constants of ∂F/∂w and ∂F/∂u in w.
    hessian_lipschitz, cross_lipschitz : float or ndarray
        Lipschitz constants of H and M in w.
    noise, outer_noise, unit : float or ndarray
        Bounds of the rounding of ∇_w f(u, w₀) and of ∂F/∂w at w₀, and a relative one of a product with H or M; zero where rounding
        may be neglected.
    singular : bool or ndarray of bool
        Whether H is singular, and all of this holds on its range, where w − w₀ stays.
    range_part : callable, optional
        g -> HH⁺g, where H may be singular.
    eps : float
        The unit of rounding of the problem's dtype.
    """

    mu: float | np.ndarray
    L: float | np.ndarray
    D: float | np.ndarray
    gradient: Callable
    cross: Callable
    eta1: float | np.ndarray
    eta2: float | np.ndarray = 0.0
    hessian_lipschitz: float | np.ndarray = 0.0
    cross_lipschitz: float | np.ndarray = 0.0
    noise: float | np.ndarray = 0.0
    outer_noise: float | np.ndarray = 0.0
    unit: float = 0.0
    singular: bool | np.ndarray = False
    range_part: Callable | None = None
    eps: float = float(np.finfo(np.float64).eps)


def smoothness(problem, u, w0=None):
    """Return the Smoothness of a problem at u, round w₀ (zero where None).

    Parameters
    ----------
    problem : Quadratic, TargetLearning, Ridge, BiasedRidge, or a problem with a method smoothness(u, w0)
        The problem. Its bounds are enlarged by what rounding may have taken from them.
    u, w0 : array_like
        The outer variable, and where the inner run starts. Axes in front are a batch, as in `hypergradient`.

    Returns
    -------
    Smoothness

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, a problem that says nothing of itself, H = 0, an H(u) of Ridge that is singular.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 4.0]), B=np.eye(2), P=np.eye(2))
    >>> s = pyblo.bounds.smoothness(problem, [3.0, 0.0])
    >>> s.mu, s.L
    (1.0, 4.0)
    """
    check_problem(problem)
    own = getattr(problem, "smoothness", None)
    require(own is not None or problem._affine or problem._moving_gram,
            f"problem: {type(problem).__name__} says nothing of its constants; give it a method smoothness(u, w0) that returns a "
            "pyblo.bounds.Smoothness")
    u, w0 = problem._u(u), problem._w(w0, "w0")
    shape = problem._shape(u=u, w0=w0)
    if own is not None:
        return _checked(own(u, w0))
    return (_affine if problem._affine else _ridge)(problem, u, w0, shape)


def check_problem(problem):
    """Raise TypeError unless the argument is a Problem."""
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: {type(problem).__name__} is not a pyblo.Problem")


def overflow(problem):
    """Return the error for constants that are not finite."""
    return ValueError(f"u, w0: the constants of the problem overflow there.{problem._blame() or ' Scale u, w0 or the data.'}")


def _checked(found):
    if not isinstance(found, Smoothness):
        raise TypeError(f"smoothness: returned {type(found).__name__}; expected a pyblo.bounds.Smoothness")
    require(np.all(np.asarray(found.mu) > 0) and np.all(np.asarray(found.L) >= found.mu) and np.all(np.isfinite(found.L)),
            f"smoothness: returned mu = {found.mu}, L = {found.L}; expected 0 < mu ≤ L")
    return found


# --- a fixed H: everything in the coordinates z of w = w₀ + Vz, V the eigenvectors of its range ---------------------------


def _affine(problem, u, w0, shape):
    s = problem._spectrum()
    eps = float(np.finfo(problem.dtype).eps)
    arrays = ((getattr(problem, name), core) for name, core in problem._cores.items() if core)
    unit = eps * max(size for array, core in arrays if array is not None for size in array.shape[-core:])  # of the longest sum
    values, V, cross, offset, u, w0 = (x.astype(np.float64) for x in (s.values, s.vectors, s.cross, s.offset, u, w0))
    mu, L = _interval(problem, values)
    bad = ~(mu > 0)
    require(not np.any(bad), f"problem: H has no positive eigenvalue{where(bad)}, so it has no constants")
    inverse = np.divide(1, values, out=np.zeros_like(values), where=values > 0)
    z = -(matvec(transposed(V), w0) + inverse * (matvec(cross, u) + offset))
    root = transposed(V) @ problem._outer_root().astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        P, g = root @ transposed(root), matvec(transposed(V), problem.outer_gradients(u, w0)[1].astype(np.float64))
    if not all(np.isfinite(array).all() for array in (z, P, g)):
        raise overflow(problem)
    B, eta = spectral_norm(cross), np.square(spectral_norm(root))
    terms, outer_terms = _terms(problem, u, L, B, eta)
    noise, outer_noise = (unit * (x + y * norm(w0)) for x, y in ((terms, L), (outer_terms, eta)))
    up, D = 1 + 8 * unit, np.asarray(norm(z))
    largest = affine_maximum(P, g)
    return Smoothness(
        mu=_shaped(mu, shape), L=_shaped(L, shape), D=_shaped(up * D + (unit * L * D + noise) / mu, shape),
        gradient=lambda radius: _shaped(up * largest(radius) + outer_noise, shape), cross=lambda radius: _shaped(up * B, shape),
        eta1=_shaped(up * eta, shape), noise=_shaped(noise, shape), outer_noise=_shaped(outer_noise, shape), unit=unit,
        singular=_shaped(np.asarray(s.rank) < problem.inner_size, shape), range_part=s.range_part, eps=eps)


def _interval(problem, values):
    """Return bounds of the least and the largest positive eigenvalue, from the accuracy of what was factored.

    LAPACK's eigenvalues, and the singular values σ of which λ = σ² (+ β), are right to max(shape)·ε of the largest; exact where the
    array is diagonal.
    """
    name, gram = problem._factored
    array = problem._small(name)
    entries = np.count_nonzero(array, axis=(-2, -1))
    exact = entries == np.count_nonzero(np.diagonal(array, axis1=-2, axis2=-1), axis=-1)
    error = np.where(exact, 0.0, max(array.shape[-2:]) * np.finfo(array.dtype).eps)
    most = values.max(axis=-1, initial=0.0)
    least = np.where(most > 0, np.min(values, axis=-1, initial=np.inf, where=values > 0), 0.0)
    if not gram:
        return least - error * most, most * (1 + error)
    shift = np.asarray(getattr(problem, "beta", 0.0), np.float64)
    low, high = (np.sqrt(np.maximum(x - shift, 0)) for x in (least, most))
    return np.maximum(low - error * high, 0) ** 2 + shift, (high * (1 + error)) ** 2 + shift


def _terms(problem, u, L, B, eta):
    """Return the size of the terms whose sum is ∇_w f(u, 0), and of those of ∂F/∂w at w = 0.

    Of a sum of squares f = ½‖Xw − y‖² + …, whose H is at least XᵀX, they are ‖X‖‖y‖ ≤ √(2Lf(u, 0)).
    """
    if hasattr(problem, "P"):
        return B * norm(u) + norm(problem.d.astype(np.float64)), norm(problem.f.astype(np.float64))
    return np.sqrt(2 * L * problem.inner_value(u, None)), np.sqrt(2 * eta * problem.outer_value(u, None))


# --- H(u) = XᵀX/n + diag(λ(u)), M = diag(λ′∘w) ----------------------------------------------------------------------------


def _ridge(problem, u, w0, shape):
    problem._require_finite()
    require_memory("the Hessians of Ridge at each u", 16 * math.prod(shape) * problem.inner_size**2)
    eps = float(np.finfo(np.float64).eps)
    y, y_val, u, w0 = (x.astype(np.float64) for x in (problem.y, problem.y_val, u, w0))
    (rows, p), rows_val = problem.X.shape[-2:], problem.X_val.shape[-2]
    gram, moment, P, outer = grams(problem)
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        g = matvec(P, w0) - outer
    require(p > 0, "problem: X has no columns, so H has no eigenvalue and there are no constants")
    penalties, slopes = (np.broadcast_to(x, (*u.shape[:-1], p)) for x in problem._penalties(u))
    bad = ~np.isfinite(penalties)
    require(not bad.any(), f"u: the penalties that it gives are not finite; choose smaller ones{where(bad, 1)}")
    H = gram + penalties[..., None] * np.eye(p)
    if not all(np.isfinite(array).all() for array in (H, moment, P, g)):
        raise overflow(problem)
    values, V = np.linalg.eigh(H) if p else (np.zeros(H.shape[:-1]), H)
    most = values.max(axis=-1, initial=0.0)
    error = (rows + 2 * p) * eps * most  # of the Gram matrix and of LAPACK
    mu, L = values.min(axis=-1, initial=np.inf) - error, most + error
    bad = ~((mu > 0) & (most > 0))
    if np.any(bad):
        raise ValueError(f"u: H(u) is singular to working precision, with eigenvalues from {np.min(values, initial=np.inf):.3g} to "
                         f"{np.max(values, initial=0):.3g}, and M is not in its range: no bound holds; raise the penalties{where(bad)}")
    z = matvec(V, matvec(transposed(V), moment - matvec(H, w0)) / values)
    eta, slope, D = spectral_norm(P), slopes.max(axis=-1, initial=0.0), np.asarray(norm(z))
    unit = eps * max(rows, rows_val, p)
    noise = unit * (np.sqrt(L / rows) * norm(y) + L * norm(w0))
    outer_noise = unit * (np.sqrt(eta / rows_val) * norm(y_val) + eta * norm(w0))
    up, largest = 1 + 8 * unit, affine_maximum(P, g)

    def cross(radius):
        if problem.penalty == "scalar":
            return _shaped(up * slope * (norm(w0) + radius), shape)
        return _shaped(up * (slopes * (np.abs(w0) + np.asarray(radius)[..., None])).max(axis=-1, initial=0.0), shape)

    return Smoothness(
        mu=_shaped(mu, shape), L=_shaped(L, shape), D=_shaped(up * D + (unit * L * D + noise) / mu, shape),
        gradient=lambda radius: _shaped(up * largest(radius) + outer_noise, shape), cross=cross, eta1=_shaped(up * eta, shape),
        cross_lipschitz=_shaped(up * slope, shape), noise=_shaped(noise, shape), outer_noise=_shaped(outer_noise, shape), unit=unit,
        eps=float(np.finfo(problem.dtype).eps))


def grams(problem):
    """Return XᵀX/n, Xᵀy/n, X′ᵀX′/n′ and X′ᵀy′/n′ of a Ridge in float64, infinite where they overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        for X, y in ((problem.X, problem.y), (problem.X_val, problem.y_val)):
            X, y = X.astype(np.float64), y.astype(np.float64)
            yield transposed(X) @ X / X.shape[-2]
            yield matvec(transposed(X), y) / X.shape[-2]


def _shaped(value, shape):
    """Return a number for each problem: a plain one for a single problem."""
    value = np.asarray(value)
    return value.item() if shape == () else np.array(np.broadcast_to(value, shape))
