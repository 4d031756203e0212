"""Steps, and how fast inner runs and adjoint solves converge: ρ(t) with ‖w_t − w(u)‖ ≤ ρ(t)‖w₀ − w(u)‖, σ(k) likewise."""
import numpy as np

from .._namespace import as_array
from ..methods import require

__all__ = ["cg_rate", "counts", "gradient_rate", "heavy_ball", "heavy_ball_rate", "nesterov", "nesterov_rate", "optimal_step"]


def optimal_step(mu, L):
    """Return the step 2/(μ+L) of gradient descent, whose q = (κ−1)/(κ+1) is the least (paper 002, Eq. 6).

    Parameters
    ----------
    mu, L : float or array_like
        0 < μ ≤ L, bounds of the eigenvalues of H.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.bounds.optimal_step(1.0, 3.0)
    0.5
    """
    mu, L = _interval(mu, L)
    return _plain(2 / (mu + L))


def heavy_ball(mu, L):
    """Return the step 4/(√L+√μ)² and the momentum ((√κ−1)/(√κ+1))² of the optimal heavy ball (MATH §7; Polyak).

    Parameters and sources are those of `optimal_step`.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.bounds.heavy_ball(1.0, 9.0)
    (0.25, 0.25)
    """
    mu, L = _interval(mu, L)
    a, b = np.sqrt(L), np.sqrt(mu)
    return _plain(4 / (a + b) ** 2), _plain(((a - b) / (a + b)) ** 2)


def nesterov(mu, L):
    """Return the step 1/L and the momentum (√κ−1)/(√κ+1) of Nesterov's method for strong convexity.

    Parameters are those of `optimal_step`.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.bounds.nesterov(1.0, 4.0)
    (0.25, 0.3333333333333333)
    """
    mu, L = _interval(mu, L)
    a, b = np.sqrt(L), np.sqrt(mu)
    return _plain(1 / L), _plain((a - b) / (a + b))


def gradient_rate(q, t):
    """Return ρ(t) = q^t of gradient descent, whose map contracts by q (paper 002, Assumption B).

    Parameters
    ----------
    q : float or array_like
        In [0, 1).
    t : int or array_like of int
        Steps; broadcasts against q.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.bounds.gradient_rate(0.5, [0, 1, 2])
    array([1.  , 0.5 , 0.25])
    """
    return _plain(_factor("q", q) ** counts("t", t))


def heavy_ball_rate(mu, L, t):
    """Return ρ(t) = r^t (1 + t(1+r)), r = (√κ−1)/(√κ+1), of the optimal heavy ball on a quadratic f(u, ·).

    Of an error in the eigenvector of λ ∈ [μ, L] there remains p_t(λ) = r^t [U_t(x) − r U_{t−1}(x)] with 2rx = 1 + r² − αλ ∈ [−2r, 2r] and
    Chebyshev's polynomials U of the second kind, |U_t| ≤ t + 1 on [−1, 1]. At λ = L, x = −1 and the bound is attained. The factor
    1 + t(1+r) is no weakness of the proof: the iteration is no contraction in the Euclidean norm, and ρ exceeds 1 at first.

    Parameters
    ----------
    mu, L : float or array_like
        Bounds of the eigenvalues of H.
    t : int or array_like of int
        Steps; broadcasts against mu and L.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.bounds.heavy_ball_rate(1.0, 9.0, [0, 1, 10]).round(6)
    array([1.      , 1.25    , 0.015625])
    """
    mu, L = _interval(mu, L)
    r, t = _ratio(mu, L), counts("t", t)
    return _plain(r**t * (1 + t * (1 + r)))


def nesterov_rate(mu, L, t):
    """Return ρ(t) = r^t (1 + t(1−r)), r = 1 − 1/√κ, of Nesterov's method (see `nesterov`) on a quadratic f(u, ·).

    With c = 1 − λ/L ∈ [0, 1 − 1/κ] and momentum m, there remains p_t = s^t [T_t(x) + (x − s) U_{t−1}(x)], s² = cm,
    x = √c(1+m)/(2√m) ∈ [0, 1]; x − s and s grow with c up to 1 − r and r at λ = μ, where x = 1 and the bound is attained. It never
    exceeds 1.

    Parameters are those of `heavy_ball_rate`.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.bounds.nesterov_rate(1.0, 4.0, [0, 1, 2])
    array([1.  , 0.75, 0.5 ])
    """
    mu, L = _interval(mu, L)
    root, t = np.sqrt(mu / L), counts("t", t)
    return _plain((1 - root) ** t * (1 + t * root))


def cg_rate(kappa, k):
    """Return σ(k) = min(1, 2√κ ((√κ−1)/(√κ+1))^k) of conjugate gradients from zero (paper 002, Eq. 17).

    1, because the Euclidean error of conjugate gradients never grows (Hestenes and Stiefel 1952, Thm 6:3).

    Parameters
    ----------
    kappa : float or array_like
        κ ≥ 1.
    k : int or array_like of int
        Iterations; broadcasts against kappa.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.bounds.cg_rate(9.0, [0, 2, 4])
    array([1.   , 1.   , 0.375])
    """
    kappa = _numbers("kappa", kappa)
    require(np.all(kappa >= 1), f"kappa: {np.min(kappa, initial=np.inf):g} is not valid; expected κ ≥ 1")
    return _plain(np.minimum(1.0, 2 * np.sqrt(kappa) * _ratio(1.0, kappa) ** counts("k", k)))


def counts(name, value):
    """Return numbers of steps as float64, or raise an error that names the argument."""
    array = as_array(name, value).astype(np.float64)
    bad = ~((array >= 0) & (array == np.floor(array)) & np.isfinite(array))
    require(not bad.any(), f"{name}: {array[bad].flat[0] if bad.any() else 0:g} is not valid; expected integers ≥ 0")
    return array


def _ratio(mu, L):
    a, b = np.sqrt(L), np.sqrt(mu)
    return (a - b) / (a + b)


def _numbers(name, value):
    array = as_array(name, value).astype(np.float64)
    require(np.isfinite(array).all(), f"{name}: contains NaN or infinity")
    return array


def _factor(name, value):
    array = _numbers(name, value)
    require(np.all((array >= 0) & (array < 1)), f"{name}: {array.max(initial=0):g} is not valid; expected numbers in [0, 1)")
    return array


def _interval(mu, L):
    mu, L = _numbers("mu", mu), _numbers("L", L)
    require(np.all(mu > 0), f"mu: {mu.min(initial=np.inf):g} is not valid; expected numbers > 0")
    require(np.all(mu <= L), "L: is less than mu; expected mu ≤ L")
    return mu, L


def _plain(value):
    """Return an array, or a float where it has no axes."""
    return float(value) if np.ndim(value) == 0 else value
