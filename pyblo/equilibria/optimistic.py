"""The optimistic solution: of all inner solutions the one that is best for the outer objective."""
import scipy.linalg

from .._namespace import norm, spectral_norm
from ._batch import equilibria, largest_ratio, numbers, require_affine
from ._sets import least_squares, length, solution_sets, unbounded

__all__ = ["optimistic", "optimistic_residual"]


def optimistic(problem, u0=None):
    """Return the optimistic solution: min over u and over w ∈ S(u) of F(u, w), u nearest u₀ (paper 000, Def. 2.1; MATH §5).

    With S(u) = {w̄ + Ju + v : v ∈ null(A)} it is one quadratic program in (u, v). For a given u,
    v = −(NᵀPN)⁺Nᵀ(P w*(u; 0) + f), N an orthonormal basis of null(A), of least norm; what is left is a quadratic in u, whose
    minimisers are an affine set.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    u0 : array_like, optional
        Of the minimisers, u is the nearest to u0; zero where None. Axes in front broadcast against those of the problem and
        make a batch.

    Returns
    -------
    Equilibrium
        With the status UNBOUNDED and certificate["direction"] = (du, dw) where F falls for ever along some direction in the graph of S.

    Raises
    ------
    ValueError, TypeError
        For a Hessian that is not fixed, an indefinite A or P, an inner objective without lower bound, arguments that do not fit.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.TargetLearning(Phi=[[1.0, 0.0]], Phi_out=np.eye(2), y_out=[3.0, 4.0])  # Φ does not see w₂
    >>> best = pyblo.equilibria.optimistic(problem)
    >>> best.u.round(6), best.w.round(6), round(best.fun, 12)
    (array([3.]), array([3., 4.]), 0.0)
    """
    require_affine(problem)
    return equilibria(problem, solution_sets, _solve, u0=problem._u0(u0))


def optimistic_residual(problem, u, w):
    """Return how far (u, w) is from an optimistic solution: w ∈ S(u), and ∂F/∂w orthogonal to null(A) and to the range of J.

    The largest of ‖AA⁺w − w*(u; 0)‖, ‖(I − AA⁺)g‖ and ‖Jᵀg‖, g = Pw + f, each over the norms of the terms that cancel in it:
    ‖w‖ + ‖J‖‖u‖ + ‖A⁺d‖, G = ‖P‖‖w‖ + ‖f‖, and ‖J‖G, where ‖w‖ counts as 1 at least. It lies between 0 and 1; rounding leaves a small
    multiple of ε·κ.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    u, w : array_like
        The pair. Axes in front broadcast against those of the problem and make a batch.

    Returns
    -------
    float or ndarray

    Raises
    ------
    ValueError, TypeError
        As `optimistic`.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.TargetLearning(Phi=[[1.0, 0.0]], Phi_out=np.eye(2), y_out=[3.0, 4.0])
    >>> bool(pyblo.equilibria.optimistic_residual(problem, [3.0], [3.0, 4.0]) < 1e-15)
    True
    """
    require_affine(problem)
    return numbers(problem, solution_sets, _residual, u=problem._u(u), w=problem._w(w))


def _solve(sets, u0):
    found = joint(sets, sets.L, sets.c, u0.astype(float))
    if not isinstance(found, tuple):
        return found
    return sets.equilibrium(*found, "The optimistic solution: no inner solution of any u has a smaller F.")


def joint(sets, L, c, u0):
    """Return the (u, w) that minimises ½‖Lᵀw − c‖² + f⊥ᵀw over w ∈ S(u), u nearest u₀ and w nearest w*(u; 0); or why there is none.

    Over v ∈ null(A) first: with T = LᵀQ, Q = I − AA⁺, the rest of y = Lᵀw − c is (I − TT⁺)y, and of f⊥ it is f⊥ − L(T⁺)ᵀf⊥.
    """
    f, size = sets.f_rest, spectral_norm(L)
    inner = least_squares(sets.null(L).T, 10 * sets.rounding * size)
    direction = inner.unseen(sets.null(f), 100 * sets.rounding * norm(f))
    if direction is not None:
        return unbounded(0 * u0, -direction)
    f_seen = f - L @ inner.lift(f)
    across, slope = L.T @ sets.J, sets.J.T @ f_seen

    def noise(Z):
        return 10 * size * sets.response_noise(Z) + inner.blur * scipy.linalg.norm(across @ Z, axis=0)

    outer = least_squares(inner.outside(across), noise)
    direction = outer.unseen(slope, 10 * (10 * sets.rounding + inner.blur) * spectral_norm(sets.J) * norm(f))
    if direction is not None:
        dw = sets.J @ -direction
        return unbounded(-direction, dw + inner.move(L.T @ dw, 0 * f))
    u = u0 + outer.move(inner.outside(L.T @ sets.nearest(u0) - c), slope)
    w = sets.nearest(u)
    return u, w + inner.move(L.T @ w - c, f)


def _residual(sets, u, w):
    u, w = u.astype(float), w.astype(float)
    g, force = sets.outer_gradient(w), sets.force(length(w))
    parts = (
        (norm(w - sets.null(w) - sets.nearest(u)), sets.span(u, w)),
        (norm(sets.null(g)), force),
        (norm(sets.J.T @ g), spectral_norm(sets.J) * force))
    return largest_ratio(parts)
