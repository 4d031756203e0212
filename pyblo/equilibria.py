"""Where the algorithms arrive: solutions of bilevel problems in closed form."""
import numpy as np
import scipy.linalg

from . import _parts, _plan
from ._ending import Ending
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
    run = _plan.check(problem, method, inner, "auto")
    require(problem._affine, f"problem: the loop of {type(problem).__name__} is not known to be affine; Quadratic and TargetLearning are")
    require(not isinstance(method, CG), "method: CG is not affine in the outer gradient; its limit has no closed form")
    require(getattr(run, "steps", 0) is not None, "inner: GradientDescent until a tolerance is not affine; give it steps")
    u, w = problem._u(u0, "u0"), problem._w(w0, "w0")
    shape = problem._shape(u0=u, w0=w)
    if not shape:
        return _limit(problem, _plan.make(problem, method, run, "spectral"), run, u, w)
    owners, us, ws = problem._owners(shape), _parts.rows_of(u, shape), _parts.rows_of(w, shape)
    each, last = [], None
    for owner, one_u, one_w in zip(owners.tolist(), us, ws, strict=True):  # each has a rank and a certificate of its own
        if owner != last:
            one = problem._at(owner)
            plan, last = _plan.make(one, method, run, "spectral"), owner
        each.append(_limit(one, plan, run, one_u, one_w))
    return _together(problem, shape, each)


def _together(problem, shape, each):
    """Return the Equilibrium of a batch from those of its problems."""
    def stacked(name, core):
        rows = [getattr(one, name) for one in each]
        rows = [np.full(core, np.nan, problem.dtype) if row is None else row for row in rows]
        return np.array(rows, problem.dtype).reshape(*shape, *core)

    ending = Ending(shape, np.array([one.status for one in each], np.int32), lambda k: each[k].message, str)
    indices = (index if len(index) > 1 else index[0] for index in np.ndindex(shape))
    certificate = {index: one.certificate for index, one in zip(indices, each, strict=True) if one.certificate}
    fun, max_step = (np.array([getattr(one, name) for one in each], np.float64).reshape(shape) for name in ("fun", "max_step"))
    u, w = stacked("u", problem.outer_shape), stacked("w", problem.inner_shape)
    return Equilibrium(u, w, fun, ending.status, ending.message, certificate, max_step)


def _limit(problem, plan, run, u, w):
    method, u = plan.method, u.astype(np.float64)
    reduced = reduce(problem, plan, run, w)
    X, Y = reduced.factors
    core = Y @ X
    failure = _defect(core, reduced) or _instability(core, X, reduced.unit)
    if failure is None and reduced.drift() > 0:  # what the iteration keeps is the oblique projection of k on the null space
        failure = _drift(method, reduced.unit, reduced.k - X @ scipy.linalg.solve(core, Y @ reduced.k) if core.size else reduced.k)
    if failure is not None:
        return failure
    u = u - X @ scipy.linalg.solve(core, scipy.linalg.solve(core, Y @ reduced.gradient(u))) if core.size else u
    u = u.astype(problem.dtype)
    w = plan.spectrum.inner_run(_parts.inner_response(plan.spectrum, run, plan.spectrum.largest), u, w)
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
