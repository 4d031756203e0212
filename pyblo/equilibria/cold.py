"""Cold start: its limit in closed form, or the certificate that there is none."""
from functools import partial

import numpy as np
import scipy.linalg

from .. import _parts, _plan
from .._reduced import reduce
from .._stability import largest_step
from ..methods import Exact
from ..result import Equilibrium
from ..status import Status
from ._batch import equilibria
from ._loops import residual

__all__ = ["cold_start", "cold_start_residual"]


def cold_start(problem, u0, w0=None, method=Exact(), *, inner=None):
    """Return the exact limit of cold start from u₀, or the certificate that it diverges (paper 000, Thm 3.1; MATH §4).

    u* = u₀ − K^♯(K u₀ − k) with the group inverse of K = BᵀRPA⁺B: it exists iff rank K² = rank K, and is reached for a small
    enough outer step iff every nonzero eigenvalue of K has a positive real part and k lies in the range of K.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    u0, w0 : array_like
        Where the loop starts; w0 is zero where None. Axes in front broadcast against those of the problem and make a batch.
    method : Exact, Damped, Neumann, FixedPoint, Identity or Unrolled
        A method with a filter.
    inner : ClosedForm, Proximal or GradientDescent(steps=...), optional
        The inner solver, as in `pyblo.cold_start`.

    Returns
    -------
    Equilibrium

    Raises
    ------
    ValueError, TypeError
        For a method without a filter, a Hessian that is not fixed, an indefinite P, arguments that do not fit.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.eye(2), B=-np.eye(2), P=np.diag([1.0, 0.0]), f=[-1.0, 0.0])
    >>> limit = pyblo.equilibria.cold_start(problem, [5.0, 7.0])
    >>> limit.u, limit.success
    (array([1., 7.]), True)
    """
    run = _plan.check_affine(problem, method, inner)
    u, w = problem._u(u0, "u0"), problem._w(w0, "w0")
    return equilibria(problem, lambda one: (one, _plan.make(one, method, run, "spectral")), partial(_limit, run), u0=u, w0=w)


def cold_start_residual(problem, u, w, w0=None, *, method=Exact(), inner=None):
    """Return how far (u, w) is from a cold-start equilibrium: w = Ξ(u, w₀), and the hypergradient at w is zero (paper 000, Def. 3.1).

    The larger of ‖w − Ξ(u, w₀)‖ and ‖MᵀR(Pw + f)‖, each over the norms of the terms that cancel in it:
    ‖w‖ + ‖w₀‖ + ‖R_in‖‖Mu + d‖ and ‖RM‖(‖P‖‖w‖ + ‖f‖), where ‖w‖ counts as 1 at least. It lies between 0 and 1;
    rounding leaves a small multiple of ε·κ.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    u, w : array_like
        The pair. Axes in front broadcast against those of the problem and make a batch.
    w0 : array_like, optional
        Where every inner run starts; zero where None.
    method, inner
        As in `cold_start`.

    Returns
    -------
    float or ndarray

    Raises
    ------
    ValueError, TypeError
        As `cold_start`.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.eye(2), B=-np.eye(2), P=np.diag([1.0, 0.0]), f=[-1.0, 0.0])
    >>> pyblo.equilibria.cold_start_residual(problem, [1.0, 7.0], [1.0, 7.0])
    0.0
    """
    return residual(problem, method, inner, u, w, problem._w(w0, "w0") if w0 is None else w0)


def _limit(run, prepared, u, w):
    problem, plan = prepared
    method, u = plan.method, u.astype(np.float64)
    reduced = reduce(problem, plan, run, w)
    X, Y = reduced.factors
    core = Y @ X
    values, vectors = np.linalg.eig(core)
    high = largest_step(values, np.abs(Y) @ np.abs(X)) / reduced.unit
    failure = _defect(core, reduced) or (None if high > 0 else _instability(values, X @ vectors, reduced.unit))
    if failure is None and reduced.drift() > 0:  # what the iteration keeps is the oblique projection of k on the null space
        failure = _drift(method, reduced.unit, reduced.k - X @ scipy.linalg.solve(core, Y @ reduced.k) if core.size else reduced.k)
    if failure is not None:
        return failure
    u = u - X @ scipy.linalg.solve(core, scipy.linalg.solve(core, Y @ reduced.gradient(u))) if core.size else u
    u = u.astype(problem.dtype)
    w = plan.spectrum.inner_run(_parts.inner_response(plan.spectrum, run, plan.spectrum.largest), u, w)
    if not (np.isfinite(u).all() and np.isfinite(w).all()):
        raise ValueError(f"problem: its limit overflows.{problem._blame()}")
    return Equilibrium(
        u.reshape(problem.outer_shape), w.reshape(problem.inner_shape), problem.outer_value(u, w), Status.CONVERGED,
        "The limit exists, and cold start reaches it for every outer step below max_step.",
        max_step=float(high))


def _defect(core, reduced):
    rank = int(np.sum(scipy.linalg.svdvals(core) > reduced.tolerance)) if core.size else 0
    if rank == core.shape[0]:
        return None
    return Equilibrium(None, None, np.nan, Status.DIVERGED,
                       f"Diverges: the eigenvalue 0 of K is defective (rank K = {core.shape[0]}, rank K² = {rank}), so u grows linearly "
                       "for every outer step; use a better approximation of the inverse Hessian.", {"rank": (core.shape[0], rank)})


def _instability(values, vectors, unit):
    worst = int(np.argmin(values.real))
    vector = vectors[:, worst]
    return Equilibrium(None, None, np.nan, Status.DIVERGED,
                       f"Diverges: K has the eigenvalue {unit * values[worst]:.4g}, whose real part is not positive, so the approximate "
                       "hypergradient ascends along its eigenvector for every outer step; use more terms, less damping, or Exact().",
                       {"eigenvalue": complex(unit * values[worst]), "eigenvector": vector / np.linalg.norm(vector)})


def _drift(method, unit, drift):
    size = float(scipy.linalg.norm(drift))
    speed = unit * size
    certificate = {"drift": drift / size, "speed": speed}
    if isinstance(method, Exact):
        message = Status.UNBOUNDED.explain(f"drift {speed:.3g} per unit of step")
        return Equilibrium(None, None, -np.inf, Status.UNBOUNDED, message, certificate)
    return Equilibrium(None, None, np.nan, Status.DIVERGED,
                       f"Diverges: k has a part of size {speed:.3g} outside the range of K, so u drifts along it for ever; "
                       "add a regulariser to the outer objective, or use Exact().", certificate)
