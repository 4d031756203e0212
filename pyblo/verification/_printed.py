"""Formulas as the papers print them, where they are off, and by how much (MATH §9)."""
import numpy as np

from .._namespace import matvec, spectral_norm, transposed
from ..algorithms import warm_start
from ..bounds import constants
from ..hypergradient import hypergradient
from ..inner import GradientDescent
from ..methods import Damped, Identity
from ..problems.regression import Ridge
from ..problems.target import TargetLearning
from ._blocks import units
from ._outer import strongly_convex
from ._responses import neumann_at, unrolled
from ._result import Misprint

__all__ = ["MISPRINTS"]


def _few(block):
    """Return K: few terms, for with many any two approximations agree."""
    return 1 + block.number % 5


def _off(printed, right, axes=(-1,)):
    """Return ‖printed − right‖/‖right‖."""
    size = lambda x: np.sqrt(np.sum(np.square(x), axis=axes))
    return units(size(printed - right), size(right))


def _response_sign(block):
    """H⁺M against the differences of inner_solution, which is affine in u."""
    solve = block.problem.inner_solution
    J = np.stack([solve(unit) - solve(np.zeros_like(unit)) for unit in np.eye(block.B.shape[-1])], axis=-1)
    return _off(block.inverse @ block.B, J, (-2, -1))


def _target_sign(block):
    """∂(∇_w f)/∂u of f = ½‖Φw − u‖² by differences, Φ = Lᵀ."""
    Phi = transposed(block.root)
    problem, w = TargetLearning(Phi, Phi, block.target), block.w0
    at = lambda u: problem.inner_gradient(u, w)
    u = np.zeros(Phi.shape[-2])
    M = np.stack([at(unit) - at(u) for unit in np.eye(Phi.shape[-2])], axis=-1)
    return _off(block.root, M, (-2, -1))


def _one_more_term(block):
    """K + 1 terms, Σ_{j=0}^{K}, in place of the K that K steps of unrolling are."""
    found = unrolled(block, _few(block))
    return _off(neumann_at(block, found.w, _few(block) + 1), found.grad)


def _damped_for_truncated(block):
    """Eq. 5 on hypergradients: (H + εI)⁻¹ with ε = 1/(αK) in place of the K + 1 terms."""
    w = block.problem.inner_solution(block.u0, block.w0)
    damped = hypergradient(block.problem, block.u0, w, method=Damped(1 / (block.step * _few(block)))).grad
    return _off(damped, neumann_at(block, w, _few(block) + 1))


def _convergence_condition(block):
    """The largest eigenvalue of I − αH is below 1 for every α > 0: α = 2.5/λmax, 40 terms, H regular."""
    scaled = 2.5 / block.L * block.A
    power = total = np.broadcast_to(np.eye(block.A.shape[-1]), block.A.shape)
    for _ in range(39):
        power = power - scaled @ power
        total = total + power
    return _off(2.5 / block.L * total, block.inverse, (-2, -1))


def _power(block):
    """(I − αA)^k in w_{k+1}, against k + 1 steps of gradient descent."""
    run = GradientDescent(_few(block), step=block.step)
    settings = {"method": Identity(), "route": "iterate", "w0": block.w0}
    w = hypergradient(block.problem, block.u0, inner=run, **settings).w
    b = matvec(block.B, block.u0) + block.d
    solution, power = -matvec(block.inverse, b), np.eye(block.A.shape[-1]) - block.step * block.A
    printed = solution + matvec(np.linalg.matrix_power(power, _few(block) - 1), block.w0 - solution)
    return _off(printed, w)


def _second_run(block):
    """The way of u in three steps of partial warm start where HypergradApprox(u_t, w_t, T) makes an inner run of its own."""
    run = GradientDescent(_few(block), step=block.step)
    end = warm_start(block.problem, block.u0, block.w0, inner=run, step=_outer_step(block), maxiter=3, tol=0.0, history=False)
    u, w = block.u0, hypergradient(block.problem, block.u0, w0=block.w0, inner=run).w
    for _ in range(3):
        u = u - _outer_step(block)[:, None] * hypergradient(block.problem, u, w0=w, inner=run).grad
        w = hypergradient(block.problem, u, w0=w, inner=run).w
    return _off(u - block.u0, end.u - block.u0)


def _outer_step(block):
    return 0.5 / spectral_norm(block.Z)


def _transposed_basis(block):
    """Uᵀ(D + εI)⁻¹U in place of U(D + εI)⁻¹Uᵀ."""
    values, U = np.linalg.eigh(block.A)
    inverse = np.linalg.inv(block.A + block.damping * np.eye(values.shape[-1]))
    return _off(transposed(U) @ (U / (values + block.damping)[..., None]), inverse, (-2, -1))


def _poster_exponent(block):
    """Σ_{j=0}^{K} (I − H)^{−1} in place of Σ_{j=0}^{K} (I − H)^j; H scaled to λmax = ½, K = 10."""
    H = block.A / (2 * block.L)
    rest, identity = np.eye(H.shape[-1]) - H, np.eye(H.shape[-1])
    total = identity
    for _ in range(10):
        total = identity + rest @ total
    return _off(11 * np.linalg.inv(rest), total, (-2, -1))


def _ridge_scale(block):
    """n(XᵀX/n + λI)⁻¹Xᵀy in place of n⁻¹(XᵀX/n + λI)⁻¹Xᵀy."""
    problem, u = block.ridge
    rows, p = problem.X.shape[-2:]
    H = transposed(problem.X) @ problem.X / rows + np.exp(u)[..., None] * np.eye(p)
    printed = rows * np.linalg.solve(H, transposed(problem.X) @ problem.y[..., None])[..., 0]
    return _off(printed, Ridge.inner_solution(problem, u))


def _no_contraction(block):
    """(c₁ + c₂t/q + c₃)q^t at q = 0: H = LI and α = 1/L."""
    problem = type(block.problem)(block.L * np.eye(block.A.shape[-1]), block.B, block.P, d=block.d, f=block.f)
    c = constants(problem, block.u0, step=1 / block.L)
    with np.errstate(invalid="ignore", divide="ignore"):
        printed = (c.c1 + c.c2 * 1 / c.q + c.c3) * c.q
    return units(printed, np.ones(block.count))


MISPRINTS = (
    Misprint("000 §2, §4.2, Alg. 5", "J = H⁺M", "J = −H⁺M", _response_sign),
    Misprint("000 App. B.1", "∂²f/∂u∂w = Φᵀ of ½‖Φw − u‖²", "−Φᵀ", _target_sign),
    Misprint("000 §2, Eq. 2", "the series converges where λmax(I − αH) < 1", "where ‖I − αH‖ < 1; here α = 2.5/λmax, 40 terms",
             _convergence_condition, strongly_convex),
    Misprint("000 Alg. 2", "hypergradient at Ξ(u_t, w_t), a second inner run", "at (u_t, w_t), as in Table 2; here three outer steps",
             _second_run),
    Misprint("000 §3.3.1, Eq. 5", "K steps of unrolling are Σ_{j=0}^K, K + 1 terms", "K terms", _one_more_term),
    Misprint("000 Eq. 5", "Σ_{j=0}^K ≈ (H + εI)⁻¹, ε = 1/(αK)", "for αλ ≤ 1 equal at λ = 0 only, with ε = 1/(α(K+1)); both → 1/λ as K → ∞",
             _damped_for_truncated),
    Misprint("000 §3.3.1", "(H + εI)⁻¹ = Uᵀ(D + εI)⁻¹U", "U(D + εI)⁻¹Uᵀ", _transposed_basis),
    Misprint("000 Eqs. 31–34", "w_{k+1} has the power (I − αA)^k", "(I − αA)^(k+1)", _power),
    Misprint("001", "Σ_{j=0}^K (I − H)^(−1)", "(I − H)^j", _poster_exponent),
    Misprint("002 Eq. 8", "(c₁ + c₂t/q + c₃)q^t at q = 0", "(c₁ + c₃)q^t + c₂tq^(t−1); 0/0 as printed", _no_contraction),
    Misprint("003", "ridge: w = n(XᵀX/n + λI)⁻¹Xᵀy", "n⁻¹(XᵀX/n + λI)⁻¹Xᵀy", _ridge_scale),
)
