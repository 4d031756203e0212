"""The value-function penalty and its minimiser on quadratic problems, in closed form.

    L_β(u, w) = F(u, w) + β(f(u, w) − min_v f(u, v)),
    ∂L_β/∂u = ∂F/∂u + β(∂f/∂u(u, w) − ∂f/∂u(u, v)),   ∂L_β/∂w = ∂F/∂w + β∇_w f(u, w),   v ∈ argmin f(u, ·):

the envelope theorem leaves out dv/du (MATH §8). On quadratics L_β = F + (β/2)(w − w*)ᵀA(w − w*), jointly convex; with A⁺(Pw + f)/β
put for what w leaves S(u) by, it is the optimistic problem for P_β = L(I + LᵀA⁺L/β)⁻¹Lᵀ, so its minimiser tends to the optimistic
solution as 1/β.
"""
from functools import partial

import numpy as np
import scipy.linalg

from .._namespace import norm, spectral_norm
from ..methods import check_number, require
from ._batch import equilibria, largest_ratio, numbers, require_affine
from ._sets import length, solution_sets
from .optimistic import joint

__all__ = ["value_function_penalty", "value_function_penalty_residual"]


def value_function_penalty(problem, beta, u0=None):
    """Return the minimiser of L_β(u, w) = F(u, w) + β(f(u, w) − min_v f(u, v)) of a quadratic problem, in closed form (MATH §8).

    It tends to the optimistic solution as β grows, with an error of order 1/β. β multiplies f, so its size is relative to F's over f's.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    beta : float
        β > 0.
    u0 : array_like, optional
        Of the minimisers, u is the nearest to u0; zero where None. Axes in front broadcast against those of the problem and
        make a batch.

    Returns
    -------
    Equilibrium
        fun is F(u, w), without the penalty. UNBOUNDED where F falls for ever along a direction in the graph of S, as for `optimistic`.

    Raises
    ------
    ValueError, TypeError
        As `optimistic`, for a β that is not positive, and for one so small that the minimiser is lost in rounding.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.eye(1), B=[[-1.0]], P=np.eye(1), f=[-2.0])  # F = ½(w − 2)², f = ½(w − u)²
    >>> found = pyblo.equilibria.value_function_penalty(problem, beta=10.0)
    >>> found.u.round(6), found.w.round(6)
    (array([2.]), array([2.]))
    """
    require_affine(problem)
    beta = check_number("beta", beta, positive=True)
    return equilibria(problem, solution_sets, partial(_solve, beta), u0=problem._u0(u0))


def value_function_penalty_residual(problem, u, w, beta):
    """Return how far (u, w) is from a minimiser of L_β: its gradient, relative to the terms that cancel in it.

    The larger of ‖βJᵀAs‖ over β‖J‖‖A‖S and ‖Pw + f + βAs‖ over ‖P‖‖w‖ + ‖f‖ + β‖A‖S, with s = w − w*(u) and S = ‖w‖ + ‖J‖‖u‖ + ‖A⁺d‖,
    where ‖w‖ counts as 1 at least. It lies between 0 and 1; rounding leaves a small multiple of ε·κ.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    u, w : array_like
        The pair. Axes in front broadcast against those of the problem and make a batch.
    beta : float
        β > 0.

    Returns
    -------
    float or ndarray

    Raises
    ------
    ValueError, TypeError
        As `value_function_penalty`.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.eye(1), B=[[-1.0]], P=np.eye(1), f=[-2.0])
    >>> pyblo.equilibria.value_function_penalty_residual(problem, [2.0], [2.0], beta=10.0)
    0.0
    """
    require_affine(problem)
    beta = check_number("beta", beta, positive=True)
    return numbers(problem, solution_sets, partial(_residual, beta), {"beta": beta}, u=problem._u(u), w=problem._w(w))


def _solve(beta, sets, u0):
    L, A = sets.L, sets.values
    across = sets.V.T @ L  # LᵀA⁺L = acrossᵀ diag(1/λ) across
    root = np.sqrt(A)[:, None]
    # S = I + LᵀA⁺L/β = CCᵀ with Cᵀ the triangle of the factors put below each other
    C = scipy.linalg.qr(np.vstack([np.eye(L.shape[1]), across / root / np.sqrt(beta)]), mode="r")[0][: L.shape[1]].T
    f = sets.f_rest - L @ sets.c
    with np.errstate(over="ignore", invalid="ignore"):
        shift = across.T @ ((sets.V.T @ f) / A) / beta  # LᵀA⁺f/β
    require(np.isfinite(shift).all(), f"beta: {beta:g} is so small beside F over f that the minimiser overflows")
    L_beta = scipy.linalg.solve_triangular(C, L.T, lower=True).T if L.size else L
    c_beta = scipy.linalg.solve_triangular(C, shift, lower=True) + C.T @ sets.c if L.size else sets.c
    found = joint(sets, L_beta, c_beta, u0.astype(float))
    if not isinstance(found, tuple):
        return found
    u, nearest = found
    y = L_beta.T @ nearest - c_beta
    w = nearest - sets.V @ ((sets.V.T @ (L_beta @ y + sets.f_rest)) / A) / beta
    if not _residual(beta, sets, u, w) <= np.sqrt(np.finfo(sets.problem.dtype).eps):
        raise ValueError(f"beta: {beta:g} is so small beside F over f, or u0 so large, that the minimiser is lost in rounding; "
                         "take a larger beta, or a smaller u0")
    return sets.equilibrium(u, w, f"The minimiser of F + {beta:g}(f − min f).")


def _residual(beta, sets, u, w):
    u, w = u.astype(float), w.astype(float)
    away = sets.V.T @ (w - sets.nearest(u))
    unit = max(1.0, beta)  # that of the numerators and of the denominators: a large β overflows nothing
    pull = beta / unit * (sets.V @ (sets.values * away))
    size = beta / unit * sets.values.max(initial=0.0) * sets.span(u, w)
    return largest_ratio((
        (norm(sets.J.T @ pull), spectral_norm(sets.J) * size),
        (norm(sets.outer_gradient(w) / unit + pull), sets.force(length(w)) / unit + size)))
