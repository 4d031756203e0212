"""Where the algorithms arrive: solutions of bilevel problems in closed form."""
import numpy as np
import scipy.linalg

from . import _plan
from ._reduced import reduce
from .methods import CG, Exact, require
from .result import Equilibrium
from .status import Status

__all__ = ["Equilibrium", "cold_start"]


def cold_start(problem, u0, w0=None, method=Exact(), *, inner=None):
    """Return the exact limit of cold start from u₀, or the certificate that it diverges (paper 000, Thm 3.1; MATH §4).

    u* = u₀ − K^♯(K u₀ − k) with the group inverse of K = BᵀRPA⁺B: it exists iff rank K² = rank K, and is reached for a small
    enough outer step iff every nonzero eigenvalue of K has a positive real part and k lies in the range of K.

    Parameters
    ----------
    problem : Quadratic or TargetLearning
        A problem with a fixed Hessian.
    u0, w0 : array_like
        Where the loop starts; w0 is zero where None.
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
    run = _plan.check(problem, method, inner, "auto")
    require(problem.fixed_hessian, f"problem: {type(problem).__name__} has a Hessian that depends on u; its loop is not affine")
    require(not isinstance(method, CG), "method: CG is not affine in the outer gradient; its limit has no closed form")
    require(getattr(run, "steps", 0) is not None, "inner: GradientDescent until a tolerance is not affine; give it steps")
    plan = _plan.make(problem, method, inner, "spectral")
    u, w = problem._u(u0, "u0").astype(np.float64), problem._w(w0, "w0")
    reduced = reduce(problem, plan, run, w)
    X, Y = reduced.factors
    core = Y @ X
    failure = _defect(core, reduced) or _instability(core, X, reduced.unit)
    if failure is None and reduced.drift() is not None:  # what the iteration keeps is the oblique projection of k on the null space
        failure = _drift(method, reduced.unit, reduced.k - X @ scipy.linalg.solve(core, Y @ reduced.k) if core.size else reduced.k)
    if failure is not None:
        return failure
    u = u - X @ scipy.linalg.solve(core, scipy.linalg.solve(core, Y @ reduced.gradient(u))) if core.size else u
    u = u.astype(problem.dtype)
    w = plan.spectrum.inner_run(_plan.inner_response(plan.spectrum, run, plan.spectrum.largest), u, w)
    if not (np.isfinite(u).all() and np.isfinite(w).all()):
        raise ValueError(f"problem: its limit overflows.{problem._blame()}")
    values = scipy.linalg.eigvals(core)
    return Equilibrium(
        u.reshape(problem.outer_shape), w.reshape(problem.inner_shape), problem.outer_value(u, w), Status.CONVERGED,
        "The limit exists, and cold start reaches it for every outer step below max_step.",
        max_step=float(np.min(2 * (values.real / np.abs(values)) / (reduced.unit * np.abs(values)), initial=np.inf)))


def _defect(core, reduced):
    rank = int(np.sum(scipy.linalg.svdvals(core) > reduced.tolerance)) if core.size else 0
    if rank == core.shape[0]:
        return None
    return Equilibrium(None, None, np.nan, Status.DIVERGED,
                       f"Diverges: the eigenvalue 0 of K is defective (rank K = {core.shape[0]}, rank K² = {rank}), so u grows linearly "
                       "for every outer step; use a better approximation of the inverse Hessian.", {"rank": (core.shape[0], rank)})


def _instability(core, X, unit):
    values, vectors = scipy.linalg.eig(core) if core.size else (np.zeros(0), np.zeros((0, 0)))
    noise = 10 * core.shape[0] * np.finfo(float).eps * np.abs(values).max(initial=0.0)
    if not values.size or values.real.min() > noise:
        return None
    worst = int(np.argmin(values.real))
    vector = X @ vectors[:, worst]
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
