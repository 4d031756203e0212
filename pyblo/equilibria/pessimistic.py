"""The pessimistic solution: u against the worst of its inner solutions, within a ball."""
import numpy as np

from ..methods import check_number
from ._batch import equilibria, numbers, require_affine
from ._worst import worst_cases

__all__ = ["pessimistic", "pessimistic_residual", "worst_case"]

def pessimistic(problem, radius, u0=None):
    """Return the pessimistic solution: min over u of the largest F(u, w), w ∈ S(u), ‖w − w*(u; 0)‖ ≤ radius (paper 000, Def. 2.1; MATH §5).

    φ(u) = max F is convex, with kinks. The minimum over u and the multiplier of the ball is one secular equation; no descent is made.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    radius : float
        ρ > 0, how far an inner solution may lie from the one of least norm; infinity where None. Then φ is +∞ unless F is constant
        along null(A).
    u0 : array_like, optional
        Of the minimisers, u is the nearest to u0; zero where None. Axes in front broadcast against those of the problem and
        make a batch.

    Returns
    -------
    Equilibrium
        w is a worst case at u and fun is φ(u). With the status UNBOUNDED, fun is +∞ where F has no upper bound on any S(u), and −∞
        where φ has no lower bound; certificate["direction"] says along which (du, dw).

    Raises
    ------
    ValueError, TypeError
        For a Hessian that is not fixed, an indefinite A or P, a radius that is not positive, arguments that do not fit.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.TargetLearning(Phi=[[1.0, 0.0]], Phi_out=[[1.0, 0.0], [1.0, 1.0]], y_out=[0.0, 0.0])  # Φ does not see w₂
    >>> worst = pyblo.equilibria.pessimistic(problem, radius=2.0)  # F = ½w₁² + ½(w₁ + w₂)², w₁ = u
    >>> worst.u.round(6), abs(worst.w).round(6), round(worst.fun, 12)
    (array([0.]), array([0., 2.]), 2.0)
    """
    require_affine(problem)
    radius = _checked(radius)
    return equilibria(problem, worst_cases, lambda worst, u0: worst.solve(radius, u0.astype(float)), u0=problem._u0(u0))


def worst_case(problem, u, radius):
    """Return the pair (u, w) with the largest F(u, w) among the inner solutions with ‖w − w*(u; 0)‖ ≤ radius.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    u : array_like
        The outer variable. Axes in front broadcast against those of the problem and make a batch.
    radius : float
        ρ > 0; infinity where None.

    Returns
    -------
    Equilibrium
        fun is φ(u); UNBOUNDED where it is +∞.

    Raises
    ------
    ValueError, TypeError
        As `pessimistic`.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.TargetLearning(Phi=[[1.0, 0.0]], Phi_out=[[1.0, 0.0], [1.0, 1.0]], y_out=[0.0, 0.0])
    >>> pyblo.equilibria.worst_case(problem, [1.0], radius=2.0).w
    array([1., 2.])
    """
    require_affine(problem)
    radius = _checked(radius)
    return equilibria(problem, worst_cases, lambda worst, u: worst.at(radius, u.astype(float)), u=problem._u(u))


def pessimistic_residual(problem, u, w, radius):
    """Return how far (u, w) is from a pessimistic solution: w a worst case at u, and 0 a subgradient of φ at u.

    The largest of

    - ‖AA⁺w − w*(u; 0)‖ and what ‖w − w*(u; 0)‖ exceeds radius by, over ‖w‖ + ‖J‖‖u‖ + ‖A⁺d‖ + radius;
    - φ(u) − F(u, w), over (‖P‖‖w‖ + ‖f‖)‖w‖ of both of its terms;
    - the distance of 0 from ∂φ(u), over ‖J‖(‖P‖‖w‖ + ‖f‖): by Danskin's theorem ∂φ(u) is the convex hull of Jᵀ(Pw + f)
      over the worst cases w, a point or the image of a ball. Cases within rounding of the worst count as such.

    ‖w‖ counts as 1 at least. It lies between 0 and about 1; rounding leaves a small multiple of ε·κ.
    At a kink of φ only u within rounding of it makes it small.

    Parameters
    ----------
    problem : Quadratic, TargetLearning or BiasedRidge
        A problem with a fixed Hessian.
    u, w : array_like
        The pair. Axes in front broadcast against those of the problem and make a batch.
    radius : float
        ρ > 0, finite.

    Returns
    -------
    float or ndarray

    Raises
    ------
    ValueError, TypeError
        As `pessimistic`, and for an infinite radius.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.TargetLearning(Phi=[[1.0, 0.0]], Phi_out=[[1.0, 0.0], [1.0, 1.0]], y_out=[0.0, 0.0])
    >>> pyblo.equilibria.pessimistic_residual(problem, [0.0], [0.0, -2.0], radius=2.0)
    0.0
    >>> pyblo.equilibria.pessimistic_residual(problem, [0.5], [0.5, 2.0], radius=2.0) > 0.1
    True
    """
    require_affine(problem)
    radius = check_number("radius", radius, positive=True)
    return numbers(problem, worst_cases, lambda worst, u, w: worst.residual(radius, u.astype(float), w.astype(float)),
                   {"radius": radius}, u=problem._u(u), w=problem._w(w))


def _checked(radius):
    if radius is None:
        return np.inf
    if not isinstance(radius, str) and np.ndim(radius) == 0 and radius == np.inf:
        return np.inf
    return check_number("radius", radius, positive=True)
