"""Where the loops are claimed to arrive: Statements 3.1 and 3.2, Theorem 3.1 and Remark 3.2 of paper 000."""
from functools import lru_cache

import numpy as np

from .. import equilibria
from .._namespace import matvec, norm, spectral_norm, transposed
from ..algorithms import cold_start, warm_start
from ..dynamics import affine_map
from ..hypergradient import hypergradient
from ..inner import ClosedForm, GradientDescent
from ..methods import CG, Identity
from ._blocks import EPS, units
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
    gradient = norm(matvec(transposed(block.J), matvec(block.P, w) + block.f))
    return units(gradient, spectral_norm(block.J) * _force(block, u, w))


def _force(block, u, w):
    """Return the rounding of Pw + f that Jᵀ sees."""
    length = np.maximum(norm(w), spectral_norm(block.J) * norm(u) + norm(block.d) / block.mu + norm(block.w0))
    return EPS * block.kappa * block.force(length)


def _loop_end(block):
    return _from_start(block, _ends(block)[0])


def _limit(block):
    return _from_start(block, affine_map(block.problem, "cold", w0=block.w0).iterate(block.u0, FOR_EVER))


def _formula(block):
    return _from_start(block, equilibria.cold_start(block.problem, block.u0, block.w0).u)


def _from_start(block, u):
    """Return how far u is from the least-squares solution; sums of max(n, m) terms make J, Z and the gradient."""
    terms = max(block.B.shape[-2:])
    return units(norm(u - nearest_outer(block)), terms * EPS * block.kappa * block.sensitivity * block.slope)


# --- warm start: Remark 3.2 and Statement 3.2 --------------------------------------------------------------------------


def strongly_convex(block):
    """Return where A is regular, and inner runs are short."""
    return (block.kappa <= 30) & (block.rank == block.A.shape[-1])


def _pair_by_pair(block):
    """All pairs of a warm start from w₀, whose inner runs converge, against those of a cold start from elsewhere."""
    steps, rounding = converged_steps(block.step, block.mu, block.L), EPS * block.kappa
    run = GradientDescent(steps, step=block.step)
    settings, solve = {"maxiter": OUTER, "tol": 0.0}, CG(maxiter=4 * block.A.shape[-1], rtol=EPS)
    warm = warm_start(block.problem, block.u0, block.w0, method=solve, inner=run, route="iterate", **settings).history
    cold = cold_start(block.problem, block.u0, -2 * block.w0, **settings).history
    warm_u, warm_w, cold_u, cold_w = (_whole(rows) for rows in (warm.u, warm.w, cold.u, cold.w))
    drift = OUTER * rounding * block.slope / spectral_norm(block.Z)  # of u: one step adds β times the error of the gradient
    size, length = norm(cold_u).max(-1), spectral_norm(block.B) / block.mu
    away = units(norm(warm_u - cold_u).max(-1), drift + rounding * size)
    reach = length * size + norm(block.d) / block.mu + 2 * norm(block.w0)
    return np.maximum(away, units(norm(warm_w - cold_w).max(-1), length * drift + rounding * reach))


def _whole(rows):
    """Return rows for all OUTER steps: runs whose gradient becomes zero end before, and stay where they are."""
    return np.concatenate([rows, np.repeat(rows[:, -1:], OUTER + 1 - rows.shape[1], axis=1)], axis=1)


def _partial_run(block):
    return GradientDescent(1 + block.number % 4, step=block.step)


def separate(block):
    """Return where the fixed points of warm start, solutions of (E − I)z = −c, are determined to some digits."""
    return block.kappa * block.kappa_Z <= 1e6


@lru_cache(2)
def _fixed_point(block, inner):
    """Return the fixed point (u, w) of warm start nearest a random point z, by gelsy on E − I, and the size of its rounding.

    E − I has the rank of A plus that of Z.
    """
    step = affine_map(block.problem, "warm", inner=inner)
    E, z = step.matrix - np.eye(step.size), block.normal(3, step.size)
    rank = block.rank + min(block.rank, block.root.shape[-1], block.B.shape[-1])
    sigma = np.linalg.svd(E, compute_uv=False)
    condition = sigma[:, 0] / sigma[:, rank - 1]
    z = z + least_squares(E, -(matvec(E, z) + step.offset), np.sqrt(EPS / condition))
    u, w = np.split(z, [step.outer_size], axis=-1)
    return u, w, EPS * condition * (norm(z) + norm(step.offset) / sigma[:, rank - 1])


def _partial_is_full(block):
    u, w, rounding = _fixed_point(block, _partial_run(block))
    return _standing(block, u, w, nearest_solution(block, u, w), rounding)


def _full_is_partial(block):
    u, w, rounding = _fixed_point(block, ClosedForm())
    after = hypergradient(block.problem, u, w0=w, method=Identity(), inner=_partial_run(block), route="iterate").w
    return _standing(block, u, w, after, rounding)


def _standing(block, u, w, after, rounding):
    """Return how far (u, w) is from Definition 3.2, where an inner run from w ends at `after`."""
    reach = np.maximum(1.0, spectral_norm(block.B) / block.mu)  # how much of a change of (u, w) an inner run hands on
    moved = units(norm(after - w), reach * rounding + EPS * block.kappa * block.reach(u, norm(w)))
    gradient = norm(matvec(transposed(block.J), matvec(block.P, w) + block.f))
    return np.maximum(moved, units(gradient, spectral_norm(block.J) * (spectral_norm(block.P) * rounding + _force(block, u, w))))


def _same_set(block):
    """The same point projected on both sets, and on that of the closed form."""
    (*full, rounding), (*partial, more) = (_fixed_point(block, inner) for inner in (ClosedForm(), _partial_run(block)))
    point, basis = equilibria.warm_start_set(block.problem)
    z = block.normal(3, point.shape[-1])
    ends = np.concatenate(full, -1), np.concatenate(partial, -1), point + matvec(basis, matvec(transposed(basis), z - point))
    return units(np.maximum(norm(ends[0] - ends[1]), norm(ends[0] - ends[2])), rounding + more)


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
              "20 steps of warm start, inner runs in C++ — of cold start from another w₀, in closed form", "κ(A)",
              _pair_by_pair, strongly_convex),
    Statement("000 Statement 3.2", "every partial warm-start equilibrium is a full one",
              "fixed points of E for t steps by gelsy — not moved by Ξ^∞ (gelsy); ∇F* by the SVD of A", "κ(E − I)",
              _partial_is_full, separate),
    Statement("000 Statement 3.2", "every full one is a partial one",
              "fixed points of E for t = ∞ by gelsy — not moved by t steps in C++; ∇F* by the SVD of A", "κ(E − I)",
              _full_is_partial, separate),
    Statement("000 Statement 3.2", "so both sets are the same",
              "a point projected on either set by gelsy, and on equilibria.warm_start_set", "κ(E − I)", _same_set, separate),
)
