"""What inner solutions are claimed to be: Lemmas C.1 and C.2 of paper 000; and solutions by least squares, to hold claims to."""
import numpy as np
import scipy.linalg

from .._namespace import dot, matvec, norm, spectral_norm
from ..hypergradient import hypergradient
from ..inner import GradientDescent
from ..methods import Identity
from ._blocks import EPS, units
from ._result import Statement

__all__ = ["STATEMENTS", "converged_steps", "least_squares", "nearest_solution"]



def gentle(block):
    """Return where gradient descent converges in some ten thousand steps."""
    return block.kappa <= 300.0


def least_squares(A, b, cuts):
    """Return the shortest minimiser of ‖Ax − b‖ of each problem, by a complete orthogonal factorisation (LAPACK's gelsy)."""
    found = [scipy.linalg.lstsq(M, y, cond=cut, lapack_driver="gelsy")[0] for M, y, cut in zip(A, b, cuts, strict=True)]
    return np.array(found).reshape(len(A), A.shape[-1])


def nearest_solution(block, u, w0):
    """Return the solution of Aw = −(Bu + d) nearest w₀: w₀ and the shortest x with Ax = −(Aw₀ + Bu + d)."""
    force = matvec(block.A, w0) + matvec(block.B, u) + block.d
    return w0 + least_squares(block.A, -force, np.sqrt(EPS / block.kappa))


def converged_steps(step, mu, L):
    """Return a number of steps after which q^t < ε/8 for all eigenvalues in [μ, L]."""
    q = np.max(np.maximum(np.abs(1 - step * mu), np.abs(1 - step * L)), initial=0.0)
    return 1 if q < EPS else int(np.ceil(np.log(EPS / 8) / np.log(q)))


def _descent(block):
    steps = converged_steps(block.step, block.mu, block.L)  # of the worst problem of the block
    run = GradientDescent(steps, step=block.step)
    w = hypergradient(block.problem, block.u0, w0=block.w0, method=Identity(), inner=run, route="iterate").w
    return _away(block, w, steps)  # each step rounds, and on the null space of A nothing forgets it


def _closed_form(block):
    return _away(block, block.problem.inner_solution(block.u0, block.w0), block.kappa)


def _away(block, w, kappa):
    return units(norm(w - nearest_solution(block, block.u0, block.w0)), EPS * kappa * block.reach(block.u0, norm(block.w0)))


def _values(block):
    """F*(u) at random u against ½uᵀZu + zᵀu + const."""
    w_bar = matvec(block.inverse, -block.d)
    slope = matvec(np.swapaxes(block.J, -1, -2), matvec(block.P, w_bar) + block.f)
    const = dot(w_bar, matvec(block.P, w_bar) / 2 + block.f)
    u = block.normal(2, block.B.shape[-1])
    claimed = dot(u, matvec(block.Z, u) / 2 + slope) + const
    return units(np.abs(_reduced(block, u) - claimed), _value_unit(block, u))


def _curvature(block):
    """Z by differences of F*, against BᵀA⁺PA⁺B, and its least eigenvalue against 0."""
    m = block.B.shape[-1]
    units_of_u = np.eye(m)
    pairs = units_of_u[:, None] + units_of_u[None, :]
    none = np.zeros((1, m))
    double, single, zero = (_reduced(block, u[..., None, :]) for u in (pairs, units_of_u, none))
    Z = np.moveaxis(double - single[:, None] - single[None, :] + zero, -1, 0)
    error = np.maximum(np.linalg.norm(Z - block.Z, axis=(-2, -1)), -np.linalg.eigvalsh((Z + np.swapaxes(Z, -1, -2)) / 2)[:, 0])
    return units(np.maximum(error, 0.0), m * _value_unit(block, np.full((block.count, m), 2 / np.sqrt(m))))


def _reduced(block, u):
    """Return F*(u) = F(u, w*(u; 0)), as the library evaluates it."""
    problem = block.problem
    return problem.outer_value(u, problem.inner_solution(u))


def _value_unit(block, u):
    length = spectral_norm(block.J) * norm(u) + norm(block.d) / block.mu
    return EPS * block.kappa * block.force(length) * length


STATEMENTS = (
    Statement("000 Lemma C.1", "gradient descent ends at the solution nearest w₀",
              "C++ gradient descent until q^t < ε/8 — gelsy: w₀ + shortest x, Ax = −∇f(w₀)", "steps", _descent, gentle),
    Statement("000 Lemma C.1, Eq. 35", "which is −A⁺b + (I − A⁺A)w₀",
              "inner_solution (eigenvectors) — the same by gelsy", "κ(A)", _closed_form),
    Statement("000 Lemma C.2", "F* is the quadratic ½uᵀZu + zᵀu + const",
              "outer_value at inner_solution — Z, z by the SVD of A, at random u", "κ(A)", _values),
    Statement("000 Lemma C.2", "with Z = BᵀA⁺PA⁺B positive semidefinite",
              "second differences of outer_value — Z by the SVD of A, and their λmin — 0", "κ(A)", _curvature),
)
