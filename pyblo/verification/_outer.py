"""Where the loops are claimed to arrive: Statements 3.1 and 3.2, Theorem 3.1 and Remark 3.2 of paper 000."""
from functools import lru_cache

import numpy as np

from .. import dynamics, equilibria
from .._namespace import matvec, norm, transposed
from ..algorithms import cold_start, warm_start
from ..hypergradient import hypergradient
from ..inner import GradientDescent
from ..methods import CG, Identity
from ._blocks import EPS, spectral_norm, units
from ._inner import converged_steps, least_squares, nearest_solution
from ._result import Statement

__all__ = ["STATEMENTS", "nearest_outer"]

OUTER = 20  # steps of the loops that are compared pair by pair
FOR_EVER = 10**15


# --- cold start: Statement 3.1 and Theorem 3.1 -------------------------------------------------------------------------


def nearest_outer(block):
    """Return the minimiser of F* nearest u₀: u₀ and the shortest x that minimises ‖LᵀJx + Lᵀw*(u₀) − c‖, by gelsy."""
    M = transposed(block.root) @ block.J
    r = matvec(transposed(block.root), matvec(block.J, block.u0) + block.w_bar) - block.target
    return block.u0 + least_squares(M, -r, np.sqrt(EPS * block.kappa / np.sqrt(block.kappa_Z)))


def determined(block):
    """Return where rounding leaves four digits of a solution of Zu = z at least: without them ranks are a matter of taste."""
    return EPS * block.kappa * block.kappa_Z < 1e-4


def short(block):
    """Return where the loops converge in some thousand steps."""
    return determined(block) & (block.kappa_Z <= 200.0)


@lru_cache(1)
def _ends(block):
    """Return the (u, w) at which the C++ loop ends."""
    steps = converged_steps(1.0, 1 / block.kappa_Z, 1.0)
    end = cold_start(block.problem, block.u0, block.w0, maxiter=steps, tol=EPS, history=False)
    return end.u, end.w


def _equilibrium(block):
    """Definition 3.1: w = w*(u; w₀), and u minimises F*, a convex quadratic, where its gradient Jᵀ(Pw + f) is zero."""
    u, w = _ends(block)
    pair = units(norm(w - nearest_solution(block, u, block.w0)), EPS * block.kappa * block.reach(u, norm(block.w0)))
    return np.maximum(pair, _gradient(block, u, w))


def _gradient(block, u, w):
    """Return ‖Jᵀ(Pw + f)‖ in units of rounding, J = −A⁺B by the SVD of A."""
    J = spectral_norm(block.J)
    length = np.maximum(norm(w), J * norm(u) + norm(block.d) / block.mu + norm(block.w0))
    gradient = norm(matvec(transposed(block.J), matvec(block.P, w) + block.f))
    return units(gradient, EPS * block.kappa * J * block.force(length))


def _loop_end(block):
    return _from_start(block, _ends(block)[0])


def _limit(block):
    return _from_start(block, dynamics.affine_map(block.problem, "cold", w0=block.w0).iterate(block.u0, FOR_EVER))


def _formula(block):
    return _from_start(block, equilibria.cold_start(block.problem, block.u0, block.w0).u)


def _from_start(block, u):
    return units(norm(u - nearest_outer(block)), EPS * block.kappa * block.sensitivity * block.slope)


# --- warm start: Remark 3.2 and Statement 3.2 --------------------------------------------------------------------------


def strongly_convex(block):
    """Return where A is regular, and inner runs are short."""
    return (block.kappa <= 30) & (block.rank == block.A.shape[-1])


def _pair_by_pair(block):
    """All pairs of a warm start from w₀, whose inner runs converge, against those of a cold start from elsewhere."""
    steps, rounding = converged_steps(block.step, block.mu, block.L), EPS * block.kappa
    run = GradientDescent(steps, step=block.step)
    settings = {"maxiter": OUTER, "tol": 0.0}
    warm = warm_start(block.problem, block.u0, block.w0, method=CG(maxiter=4 * block.A.shape[-1], rtol=EPS), inner=run, route="iterate", **settings).history
    cold = cold_start(block.problem, block.u0, -2 * block.w0, **settings).history
    drift = OUTER * rounding * block.slope / spectral_norm(block.Z)  # of u: one step adds β times the error of the gradient
    size, length = norm(cold.u).max(-1), spectral_norm(block.B) / block.mu
    away = units(norm(warm.u - cold.u).max(-1), drift + rounding * size)
    reach = length * size + norm(block.d) / block.mu + 2 * norm(block.w0)
    return np.maximum(away, units(norm(warm.w - cold.w).max(-1), length * drift + rounding * reach))


def _partial_run(block):
    return GradientDescent(1 + block.number % 4, step=block.step)


def _point(block, inner):
    """Return a random point of the set of all fixed points of warm start, as (u, w)."""
    point, basis = equilibria.warm_start_set(block.problem, inner=inner)
    z = point + matvec(basis, block.normal(3, basis.shape[-2])[:, : basis.shape[-1]])
    return np.split(z, [block.B.shape[-1]], axis=-1)


def _partial_is_full(block):
    u, w = _point(block, _partial_run(block))
    return _standing(block, u, w, nearest_solution(block, u, w))


def _full_is_partial(block):
    u, w = _point(block, None)
    return _standing(block, u, w, hypergradient(block.problem, u, w0=w, method=Identity(), inner=_partial_run(block), route="iterate").w)


def _standing(block, u, w, after):
    """Return how far (u, w) is from Definition 3.2, where an inner run from w ends at `after`."""
    return np.maximum(units(norm(after - w), EPS * block.kappa * block.reach(u, norm(w))), _gradient(block, u, w))


def _same_set(block):
    """A random point projected on both sets."""
    z, ends = block.normal(4, block.B.shape[-1] + block.A.shape[-1]), []
    for inner in (None, _partial_run(block)):
        point, basis = equilibria.warm_start_set(block.problem, inner=inner)
        ends.append(point + matvec(basis, matvec(transposed(basis), z - point)))
    size = norm(z) + norm(block.u0) + block.sensitivity * block.slope + block.reach(block.u0, norm(block.w0))
    return units(norm(ends[0] - ends[1]), EPS * block.kappa * block.kappa_Z * size)


STATEMENTS = (
    Statement("000 Statement 3.1", "cold start converges to a cold-start equilibrium",
              "end of the C++ loop — w by gelsy, ∇F* by the SVD of A", "κ(A)", _equilibrium, short),
    Statement("000 Theorem 3.1", "it ends at the outer solution nearest u₀",
              "end of the C++ loop — least squares min ‖LᵀJx + r‖ by gelsy", "κ(A)·κ(Z)", _loop_end, short),
    Statement("000 Theorem 3.1", "also where it would take very long",
              "10¹⁵ steps of dynamics.affine_map — the same least squares", "κ(A)·κ(Z)", _limit, determined),
    Statement("000 Theorem 3.1, Eq. 48", "which is u₀ − Z⁺(Zu₀ + z)",
              "equilibria.cold_start (group inverse) — the same least squares", "κ(A)·κ(Z)", _formula, determined),
    Statement("000 Remark 3.2", "strongly convex: full warm start is cold start",
              "20 steps of warm start, inner runs in C++ — of cold start from another w₀, in closed form", "κ(A)", _pair_by_pair, strongly_convex),
    Statement("000 Statement 3.2", "every partial warm-start equilibrium is a full one",
              "random fixed points for t steps — moved by gelsy's Ξ^∞? ∇F* zero by the SVD?", "κ(A)", _partial_is_full, determined),
    Statement("000 Statement 3.2", "every full one is a partial one",
              "random fixed points of full warm start — moved by t steps in C++? ∇F* zero?", "κ(A)", _full_is_partial, determined),
    Statement("000 Statement 3.2", "so both sets are the same",
              "random points projected on either set of fixed points", "κ(A)·κ(Z)", _same_set, determined),
)
