"""The error of a hypergradient from residuals that were measured, whatever found w and q."""
import numpy as np

from .._namespace import lead, norm
from ._smoothness import check_problem, smoothness

__all__ = ["a_posteriori"]


def a_posteriori(problem, u, w, adjoint):
    """Return a bound of ‖∂F/∂u − Mᵀq − dF/du‖ at any approximate (w, q), from ‖∇_w f(u, w)‖ and ‖Hq − ∂F/∂w‖.

    With e = ‖∇_w f‖/μ ≥ ‖w − w(u)‖, since H(w(u))(q − q(u)) = (Hq − g) + (g − g(u)) + (H(w(u)) − H)q,

        error ≤ η₂e + Λ_M e‖q‖ + sup‖M‖ (‖Hq − g‖ + (η₁ + Λ_H‖q‖)e)/μ,

    where Λ_H and Λ_M are the Lipschitz constants of H and M in w, the supremum is on ‖· − w‖ ≤ e, and H, M, g are those at (u, w).
    What rounding may have taken from the residuals, and from Mᵀq, is added: it is a bound of what was computed.

    Parameters
    ----------
    problem : Quadratic, TargetLearning, Ridge, BiasedRidge, or a problem with a method smoothness(u, w0)
        The problem.
    u, w, adjoint : array_like
        The outer variable, and the w and q of an approximate hypergradient, as ``HypergradientResult`` has them. Axes in front are a batch.

    Returns
    -------
    float or ndarray
        The bound. Where H is singular, of the distance to the hypergradient at the inner solution nearest w; the residuals are those on
        the range of H.

    Raises
    ------
    ValueError, TypeError
        As `smoothness`.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 3.0]), B=np.eye(2), P=np.eye(2))
    >>> found = pyblo.hypergradient(problem, [3.0, 0.0], method=pyblo.Neumann(terms=10), inner=pyblo.GradientDescent(steps=10))
    >>> bound = pyblo.bounds.a_posteriori(problem, [3.0, 0.0], found.w, found.adjoint)
    >>> error = np.linalg.norm(found.grad - pyblo.hypergradient(problem, [3.0, 0.0]).grad)
    >>> round(bound, 6), round(float(error), 6)
    (0.103147, 0.103147)
    """
    check_problem(problem)
    u, w, q = problem._u(u), problem._w(w), problem._ravelled("adjoint", adjoint, problem.inner_shape)
    problem._shape(u=u, w=w, adjoint=q)
    at = u.reshape(*lead(u, 1), *problem.outer_shape), w.reshape(*lead(w, 1), *problem.inner_shape)
    s = smoothness(problem, *at)
    slope, g = (_vectors(problem, x) for x in (problem.inner_gradient(*at), problem.outer_gradients(*at)[1]))
    H = problem.hessian(*at)
    rest = (H if problem.symmetric else H.H) @ q - g
    size, away = np.asarray(norm(q.astype(np.float64))), (np.asarray(norm(slope.astype(np.float64))) + s.noise) / s.mu
    rest = np.asarray(norm((rest if s.range_part is None else s.range_part(rest)).astype(np.float64)))
    rest = rest + s.outer_noise + s.unit * (s.L * size + np.asarray(norm(g.astype(np.float64))))
    rest = rest + (s.eta1 + s.hessian_lipschitz * size) * away  # the unit in it, times ‖M‖/μ, is no less than the rounding of Mᵀq
    bound = (s.eta2 + s.cross_lipschitz * size) * away + s.cross(away) * rest / s.mu
    return float(bound) if np.ndim(bound) == 0 else bound


def _vectors(problem, x):
    x = np.asarray(x)
    return x.reshape(*lead(x, len(problem.inner_shape)), problem.inner_size)
