"""Inexact hypergradient descent along a run (paper 003; MATH §7)."""
import numpy as np

from .._namespace import as_array, broadcast, norm, spectral_norm, transposed, where
from ..methods import check_number, require
from ..result import BilevelResult
from ._ball import affine_maximum
from ._rates import _factor, _plain, counts
from ._smoothness import grams, smoothness

__all__ = ["gradient_mapping", "inexact_descent", "lipschitz", "schedule"]


def inexact_descent(problem, u, step, errors, w0=None, *, smooth=None):
    """Return the bound of the mean of ‖∇F*(u_s)‖² over the first 1, 2, …, S outer steps of a run, from the errors δ_s of its
    hypergradients,

        (1/S) Σ_{s<S} ‖∇F*(u_s)‖² ≤ (1/S) [2(F*(u₀) − F*(u_S))/β + Σ_{s<S} δ_s²],    β ≤ 1/L_{F*}  (paper 003, IHD bound).

    It holds as it stands for projected steps u₊ = Π(u − βĝ) on a closed convex set that holds u₀, with the gradient mapping
    G = (u − Π(u − β∇F*(u)))/β in place of ∇F*: with φ(y) = ∇F*ᵀ(y − u) + ‖y − u‖²/(2β), F*(u₊) − F*(u) ≤ φ(u₊), and by its strong
    convexity φ(u₊) ≤ min φ + βδ²/2 ≤ −β‖G‖²/2 + βδ²/2.

    Rounding is counted: a bound of that of F*, which is evaluated in float64, is added to its difference, and to δ_s what rounding u₊
    is, ε(‖u_s‖ + ‖u_{s+1}‖)/β. Of a problem of the user's own the first is 8ε|F|, the rounding of a sum of F's size.

    Parameters
    ----------
    problem : Quadratic, TargetLearning, BiasedRidge or Ridge
        The problem.
    u : BilevelResult, History, or array_like of shape (..., S + 1, *outer_shape)
        The iterates u₀ … u_S.
    step : float
        The outer step β.
    errors : array_like
        δ_s, measured or bounded (`itd`, `aid_cg`, `a_posteriori`), of shape (..., S) or a number; entries beyond S are left out.
    w0 : array_like, optional
        Which inner solution F* is of where H is singular, the nearest to w₀; zero where None.
    smooth : float or array_like of the batch's shape, optional
        L_{F*}; `lipschitz` of the iterates where None.

    Returns
    -------
    ndarray, shape (..., S)
        Entry S − 1 is the bound of the mean over the first S steps. F* is measured at the iterates: no minimum has to be known.
        Infinite where fewer steps were made, as by a run of a batch that ended before others: a `BilevelResult` says how many, of a
        History or an array repetitions of the last iterate count as none.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and a step beyond 1/L_{F*}.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 3.0]), B=np.eye(2), P=np.eye(2))
    >>> run = pyblo.cold_start(problem, [3.0, 9.0], method=pyblo.CG(maxiter=1), inner=pyblo.GradientDescent(steps=9), step=0.5, maxiter=3)
    >>> errors = pyblo.bounds.aid_cg(pyblo.bounds.constants(problem, run.history.u, step=1 / 3), 9, 1)
    >>> pyblo.bounds.inexact_descent(problem, run, 0.5, errors).shape
    (3,)
    """
    run, u = u, _iterates(problem, u)
    step = check_number("step", step, positive=True)
    smooth = np.asarray(lipschitz(problem, run)) if smooth is None else as_array("smooth", smooth).astype(np.float64)
    require((np.isfinite(smooth) & (smooth >= 0)).all(), "smooth: expected numbers ≥ 0, finite")
    broadcast(("u", u.shape[:-2]), ("smooth", smooth.shape))
    bad = step * smooth > 1
    if np.any(bad):
        raise ValueError(f"step: {step:g} is beyond 1/L = {1 / np.max(smooth):g} of F*, for which there is no bound; choose a smaller one"
                         f"{where(bad)}")
    count = u.shape[-2] - 1
    errors = as_array("errors", errors).astype(np.float64)
    require(np.all(errors >= 0), "errors: expected numbers ≥ 0")
    require(errors.ndim == 0 or errors.shape[-1] >= count,
            f"errors: has {errors.shape[-1:]} entries for {count} steps; expected one for each")
    along = np.moveaxis(u, -2, 0)  # the batch axes of the problem stay the last ones
    values, noise = (np.moveaxis(each, 0, -1) for each in _along(problem._wide(), along, w0))
    size = np.asarray(norm(u.astype(np.float64)))
    moved = float(np.finfo(problem.dtype).eps) * (size[..., 1:] + size[..., :-1]) / step
    squares = np.cumsum(((errors[..., :count] if errors.ndim else errors) + moved) ** 2, axis=-1)
    fallen = values[..., :1] - values[..., 1:] + noise[..., :1] + noise[..., 1:]
    bound = (2 * fallen / step + squares) / np.arange(1, count + 1)
    return np.where(np.arange(count) < _steps(run, u)[..., None], bound, np.inf)


def _along(problem, along, w0):
    """Return F* and its rounding at iterates (S + 1, ..., m): at once where H is fixed, else one after the other, to have one H."""
    if problem._affine:
        return _reduced(problem, along, w0)
    return (np.stack(each) for each in zip(*(_reduced(problem, u, w0) for u in along), strict=True))


def _reduced(problem, u, w0):
    """Return F*(u), and a bound of its rounding: |∂F/∂w| times the error of w(u), and the terms of F at (u, w)."""
    u = u.reshape(*u.shape[:-1], *problem.outer_shape)
    w = problem.inner_solution(u, w0)
    value = np.asarray(problem.outer_value(u, w), np.float64)
    if not (problem._affine or problem._moving_gram):
        return value, 8 * float(np.finfo(problem.dtype).eps) * np.abs(value)
    s, length = smoothness(problem, u, w0), norm(w)
    away = (s.noise + s.unit * s.L * s.D) / s.mu
    terms = (s.eta1 * length + norm(problem.outer_gradients(u, None)[1])) * length + np.abs(problem.outer_value(u, None))
    return value, (s.gradient(s.D) + s.eta1 * away) * away + 4 * s.unit * terms


def _steps(run, u):
    """Return how many steps each run made; rows beyond them repeat its last iterate."""
    if isinstance(run, BilevelResult):
        return np.asarray(run.nit)
    moved = np.any(u[..., 1:, :] != u[..., :-1, :], axis=-1)
    return np.max(moved * np.arange(1, u.shape[-2]), axis=-1, initial=0)


def lipschitz(problem, u):
    """Return an upper bound L_{F*} of ‖∇²F*‖, F*(u) = F(u, w(u)): where H is fixed ‖JᵀPJ‖, everywhere; of a Ridge on a box of u.

    For Ridge, with W, Q upper bounds of ‖w‖, ‖q‖ on the box and a, b of ‖λ′∘w‖, ‖λ′∘q‖ (where u = log λ the smaller of λmax·W and
    ‖Xᵀy/n‖ + ‖XᵀX/n‖W, since λ∘w = Xᵀy/n − XᵀXw/n, and likewise),

        L_{F*} = [min(aQ, bW) where u = log λ] + 2ab/μ + η₁a²/μ².

    Parameters
    ----------
    problem : Quadratic, TargetLearning, BiasedRidge or Ridge
        The problem.
    u : BilevelResult, History, or array_like of shape (..., S, *outer_shape)
        Points, such as the iterates of a run; the bound holds on the least box that contains them, so between them too.

    Returns
    -------
    float or ndarray

    Raises
    ------
    ValueError
        For another problem, or where H may be singular on the box.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 3.0]), B=np.eye(2), P=np.eye(2))
    >>> round(pyblo.bounds.lipschitz(problem, np.zeros((1, 2))), 9)
    1.0
    """
    u = _iterates(problem, u)
    require(getattr(problem, "smoothness", None) is None and (problem._affine or problem._moving_gram),
            f"problem: the constant of F* is not known for {type(problem).__name__}; pass smooth=")
    low, high = u.min(axis=-2), u.max(axis=-2)
    return _plain((_fixed if problem._affine else _ridge)(problem, low, high))


def _fixed(problem, low, high):
    s, mu = problem._spectrum(), smoothness(problem, low)
    values = s.values.astype(np.float64)
    response = np.divide(1, values, out=np.zeros_like(values), where=values > 0)[..., None] * s.cross.astype(np.float64)
    reduced = transposed(transposed(s.vectors.astype(np.float64)) @ problem._outer_root().astype(np.float64)) @ response
    up = 1 + 8 * mu.unit * (mu.L / mu.mu)
    return np.broadcast_to(np.square(up * spectral_norm(reduced)), np.shape(mu.mu))


def _ridge(problem, low, high):
    s = smoothness(problem, low)  # H grows with u
    gram, moment, P, outer = grams(problem)
    W = norm(moment) / s.mu
    g = affine_maximum(P, -outer)(W)
    Q, top = g / s.mu, spectral_norm(gram)
    if problem.log:
        slope = problem._penalties(high)[1].astype(np.float64).max(axis=-1, initial=0.0)
        a, b = np.minimum(slope * W, norm(moment) + top * W), np.minimum(slope * Q, g + top * Q)
        curvature = np.minimum(a * Q, b * W)
    else:
        a, b, curvature = W, Q, 0.0
    return (1 + 64 * s.unit) * (curvature + 2 * a * b / s.mu + s.eta1 * (a / s.mu) ** 2)


def _iterates(problem, u):
    """Return iterates as (..., S, m)."""
    u = getattr(u, "history", u)
    require(u is not None, "u: this loop kept no history; run it with history=True, or pass the iterates")
    u, core = as_array("u", getattr(u, "u", u)), len(problem.outer_shape)
    require(u.ndim > core and u.shape[u.ndim - core - 1] > 0,
            f"u: shape {u.shape} is not that of iterates; expected (..., S, {', '.join(map(str, problem.outer_shape))})")
    return problem._u(u) if problem._takes_batches else np.stack([problem._u(one) for one in u])


def gradient_mapping(u, gradient, step, project):
    """Return G = (u − Π(u − β∇F*))/β, which is ∇F* where nothing is projected: what projected descent drives to zero.

    Parameters
    ----------
    u, gradient : array_like, shape (..., m)
        A point of the set, and the gradient there.
    step : float
        β.
    project : callable
        Π, the projection on a closed convex set.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> pyblo.bounds.gradient_mapping([0.5, 0.0], [2.0, 2.0], 0.5, lambda u: np.maximum(u, 0))
    array([1., 0.])
    """
    if not callable(project):
        raise TypeError(f"project: {project!r} is not callable; expected a function that projects u on the set")
    u, gradient, step = as_array("u", u), as_array("gradient", gradient), check_number("step", step, positive=True)
    return (u - project(u - step * gradient)) / step


def schedule(q, s):
    """Return t_s = k_s = ⌈log(s+1)/(1−q)⌉, inner steps at outer step s with which the mean of ‖∇F*‖² falls as O(1/S) (paper 003; MATH §7).

    Parameters
    ----------
    q : float
        The contraction factor, a bound for all u.
    s : int or array_like of int
        Outer steps, from 0.

    Returns
    -------
    int or ndarray of int

    Examples
    --------
    >>> import pyblo
    >>> pyblo.bounds.schedule(0.5, [0, 1, 2, 10])
    array([0, 2, 3, 5])
    """
    count = np.ceil(np.log1p(counts("s", s)) / (1 - _factor("q", q))).astype(np.int64)
    return int(count) if count.ndim == 0 else count
