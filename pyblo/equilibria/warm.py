"""Warm start: its limit in closed form, or the certificate that there is none, and the set of all its fixed points."""
from functools import lru_cache, partial

import numpy as np

from .. import _parts, _plan, dynamics
from .._verdict import NoLimit
from ..inner import ClosedForm
from ..methods import Exact
from ..result import Equilibrium
from ..status import Status
from ._batch import equilibria
from ._loops import residual

__all__ = ["warm_start", "warm_start_residual", "warm_start_set"]


def warm_start(problem, u0, w0=None, *, method=Exact(), inner=None, step=None):
    """Return the exact limit of warm start from (u₀, w₀), or the certificate that it diverges (paper 000, Def. 3.2; MATH §4).

    The limit of z⁺ = E z + c, z = (u, w), from the first pair (u₀, Ξ(u₀, w₀)): full warm start with ClosedForm(), partial with
    GradientDescent(steps=t), proximal with Proximal(eps). Unlike that of cold start it depends on the outer step.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    u0, w0 : array_like
        Where the loop starts; w0 is zero where None. Axes in front broadcast against those of the problem and make a batch.
    method : Exact, Damped, Neumann, FixedPoint, Identity or Unrolled
        A method with a filter.
    inner : ClosedForm, Proximal or GradientDescent(steps=...), optional
        The inner solver, as in `pyblo.warm_start`.
    step : float or array_like of the batch's shape, optional
        The outer step; None is that of the loop, 1/ρ(K).

    Returns
    -------
    Equilibrium
        Where there is no limit, DIVERGED (UNBOUNDED where the reduced objective has no lower bound) with the reason, and certificate
        {"multiplier", "eigenvector"}, an eigenpair of E, or {"drift", "speed"}. max_step is 0 where small steps are unstable too.

    Raises
    ------
    ValueError, TypeError
        For a method without a filter, a Hessian that is not fixed, an indefinite P, arguments that do not fit.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 0.0]), B=[[-1.0], [0.0]], P=np.eye(2), f=[-1.0, 0.0])
    >>> limit = pyblo.equilibria.warm_start(problem, [3.0], [0.0, 7.0], step=0.5)  # w₂ is seen by F alone: it stays
    >>> limit.u, limit.w, limit.success
    (array([1.]), array([1., 7.]), True)
    """
    _plan.check_affine(problem, method, inner)
    vectors = {"u0": problem._u(u0, "u0"), "w0": problem._w(w0, "w0")}
    if step is not None:
        vectors["step"] = np.asarray(_parts.checked_step(step), np.float64)[..., None]

    def prepare(one):
        return one, lru_cache(1)(partial(_map, one, method, inner))

    return equilibria(problem, prepare, partial(_limit, isinstance(method, Exact) and isinstance(inner, ClosedForm | None)), **vectors)


def warm_start_set(problem, *, method=Exact(), inner=None, step=None):
    """Return all fixed points of warm start, an affine set, as a point and a basis (paper 000, Statement 3.2; MATH §5).

    (u, w) with w = Ξ(u, w) and hypergradient zero at w. For fixed-step gradient descent it is the same set for any number of inner
    steps, and it does not depend on the outer step.

    Parameters
    ----------
    problem, method, inner, step
        As in `warm_start`.

    Returns
    -------
    point : ndarray, shape (..., m + n), or None
        concatenate([u, w]) of the fixed point nearest 0; None where there is none, NaN in a batch.
    basis : ndarray, shape (..., m + n, r)
        Orthonormal columns; columns of zeros fill it up in a batch, whose problems may differ in r.

    Raises
    ------
    ValueError, TypeError
        As `warm_start`.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 0.0]), B=[[-1.0], [0.0]], P=np.eye(2), f=[-1.0, 0.0])
    >>> point, basis = pyblo.equilibria.warm_start_set(problem)
    >>> point.round(6) + 0.0, abs(basis.T.round(6))  # u = w₁ = 1, and any w₂
    (array([1., 1., 0.]), array([[0., 0., 1.]]))
    """
    return dynamics.affine_map(problem, "warm", method=method, inner=inner, step=step).fixed_points


def warm_start_residual(problem, u, w, *, method=Exact(), inner=None):
    """Return how far (u, w) is from a warm-start equilibrium: w = Ξ(u, w), and the hypergradient at w is zero (paper 000, Def. 3.2).

    The larger of ‖w − Ξ(u, w)‖ and ‖MᵀR(Pw + f)‖, each over the norms of the terms that cancel in it:
    2‖w‖ + ‖R_in‖‖Mu + d‖ and ‖RM‖(‖P‖‖w‖ + ‖f‖), where ‖w‖ counts as 1 at least. It lies between 0 and 1; rounding leaves a small
    multiple of ε·κ.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    u, w : array_like
        The pair. Axes in front broadcast against those of the problem and make a batch.
    method, inner
        As in `warm_start`.

    Returns
    -------
    float or ndarray

    Raises
    ------
    ValueError, TypeError
        As `warm_start`.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 0.0]), B=[[-1.0], [0.0]], P=np.eye(2), f=[-1.0, 0.0])
    >>> pyblo.equilibria.warm_start_residual(problem, [1.0], [1.0, 7.0])
    0.0
    """
    return residual(problem, method, inner, u, w, None)


def _map(problem, method, inner, step):
    found = dynamics.affine_map(problem, "warm", method=method, inner=inner, step=step)
    return found, found.stable_steps


def _limit(full, prepared, u, w, step=(None,)):
    problem, map_of = prepared
    found, (low, high) = map_of(None if step[0] is None else float(step[0]))
    start, m = found.start(u, w), problem.outer_size
    try:
        z = found._end(start) if np.isfinite(start).all() else start
    except NoLimit as error:
        facts = dict(found.certificate)
        if "eigenvalue" in facts:
            facts["multiplier"] = facts.pop("eigenvalue")
        status, fun = (Status.UNBOUNDED, -np.inf) if full and "drift" in facts else (Status.DIVERGED, np.nan)
        message = str(error).removeprefix("z0: ")
        return Equilibrium(None, None, fun, status, message[:1].upper() + message[1:], facts)
    z = z.astype(problem.dtype)
    if not np.isfinite(z).all():
        raise ValueError(f"problem: its limit overflows.{problem._blame()}")
    u, w = z[:m].reshape(problem.outer_shape), z[m:].reshape(problem.inner_shape)
    return Equilibrium(u, w, problem.outer_value(u, w), Status.CONVERGED,
                       f"The limit exists, and warm start reaches it with the outer step {found.step:.4g}.",
                       max_step=float(high) if low == 0 else 0.0)
