"""Which approximate responses are claimed to be the same: unrolling and Neumann series, proximal inner problems and damping."""
import numpy as np

from .._namespace import dot, matvec, norm, spectral_norm
from ..hypergradient import hypergradient
from ..inner import Proximal
from ..methods import Damped, Neumann, Unrolled
from ._blocks import EPS, units
from ._result import Statement

__all__ = ["STATEMENTS", "neumann_at", "unrolled"]


def unrolled(block, steps, mode="reverse"):
    """Return the HypergradientResult of differentiating `steps` steps of gradient descent, step by step."""
    return hypergradient(block.problem, block.u0, w0=block.w0, method=Unrolled(steps, block.step, mode=mode), route="iterate")


def neumann_at(block, w, terms, step=None):
    """Return −Mᵀ times the sum of `terms` terms of the Neumann series times g(w), term by term."""
    step = block.step if step is None else step
    return hypergradient(block.problem, block.u0, w, method=Neumann(terms, step), route="iterate").grad


def _unrolling(mode):
    def measure(block):
        found = unrolled(block, block.steps, mode)
        error = norm(found.grad - neumann_at(block, found.w, block.steps))
        return units(error, EPS * block.steps * _response_size(block, norm(found.w)))

    return measure


def _stationary(block):
    """Unrolling from a solution w*, as App. E has it."""
    w = block.problem.inner_solution(block.u0, block.w0)
    method = Unrolled(block.steps, block.step)
    found = hypergradient(block.problem, block.u0, w0=w, method=method, route="iterate")
    error = norm(found.grad - neumann_at(block, w, block.steps))
    return units(error, EPS * block.kappa * block.steps * _response_size(block, block.reach(block.u0, norm(block.w0))))


def _response_size(block, length):
    """‖B‖ times the largest r(λ), αT, times the terms of g."""
    return block.step * block.steps * spectral_norm(block.B) * block.force(length)


def _proximal(block):
    """(∂w/∂u)ᵀg by differences of minimisers of f + ½ε‖w − w′‖², which are affine in u, against the damped hypergradient at one."""
    w, m = _minimiser(block, block.u0), block.B.shape[-1]
    columns = [_minimiser(block, block.u0 + unit) - w for unit in np.eye(m)]
    g = matvec(block.P, w) + block.f
    expected = np.stack([dot(column, g) for column in columns], axis=-1)
    found = hypergradient(block.problem, block.u0, w, method=Damped(block.damping)).grad
    low, size = _least(block) + block.damping, _proximal_size(block)
    return units(norm(found - expected), EPS * (block.L + block.damping) / low * size * block.force(size))


def _proximal_solution(block):
    """The library's proximal inner solution against the solution of its normal equations."""
    found = hypergradient(block.problem, block.u0, w0=block.w0, method=Damped(block.damping), inner=Proximal(block.damping)).w
    low = _least(block) + block.damping
    return units(norm(found - _minimiser(block, block.u0)), EPS * (block.L + block.damping) / low * _proximal_size(block))


def _minimiser(block, u):
    """Return the solution of (A + εI)w = εw′ − Bu − d, by LU."""
    damped = block.A + block.damping * np.eye(block.A.shape[-1])
    force = block.damping * block.w0 - matvec(block.B, u) - block.d
    return np.linalg.solve(damped, force[..., None])[..., 0]


def _least(block):
    return block.mu if block.rank == block.A.shape[-1] else 0.0


def _proximal_size(block):
    force = block.damping * norm(block.w0) + spectral_norm(block.B) * (norm(block.u0) + 1) + norm(block.d)
    return force / (_least(block) + block.damping)


STATEMENTS = (
    Statement("000 §3.3.1", "T steps of unrolling are T terms of the Neumann series",
              "Unrolled, reverse mode in C++ — Neumann series in C++, both at w_T", "T", _unrolling("reverse")),
    Statement("000 §3.3.1", "in forward mode too",
              "Unrolled, tangents in C++ — Neumann series in C++, both at w_T", "T", _unrolling("forward")),
    Statement("000 App. E", "from a stationary point, at that point",
              "Unrolled from w* in C++ — Neumann series at w* in C++", "κ(A)·T", _stationary),
    Statement("000 App. D, Eq. 55", "the proximal response is −(H + εI)⁻¹M",
              "differences of proximal minimisers by LU — Damped hypergradient", "κ(A + εI)", _proximal),
    Statement("000 App. D, Eq. 51", "the proximal minimiser solves (H + εI)w = εw′ − Bu − d",
              "Proximal (eigenvectors) — LU", "κ(A + εI)", _proximal_solution),
)
