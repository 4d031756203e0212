"""Approximations R of the pseudoinverse H⁺ in dF/du = ∂F/∂u − MᵀR ∂F/∂w, as frozen data.

Where a method is a function of H alone it is a spectral filter: on an eigenvector with eigenvalue λ it acts as r(λ).
"""
from dataclasses import dataclass

import numpy as np

__all__ = ["CG", "Damped", "Exact", "FixedPoint", "Identity", "Neumann", "Unrolled"]


def require(condition, message):
    """Raise ValueError with the message unless the condition holds."""
    if not condition:
        raise ValueError(message)


INT64 = 2**63 - 1  # the most that a count in the core may be


def check_count(name, value, least=0, most=np.inf):
    """Return value as an int between `least` and `most`, or raise an error that names the argument."""
    if type(value) is int and least <= value <= most:
        return value
    try:
        count = value.__index__()
    except (AttributeError, TypeError):  # arrays have the method and refuse
        raise TypeError(f"{name}: expected an integer, got {value!r}") from None
    upper = f" and ≤ {most}" if most < np.inf else ""
    require(least <= count <= most and not isinstance(value, bool | np.bool_),
            f"{name}: {value!r} is not valid; expected an integer ≥ {least}{upper}")
    return count


def check_number(name, value, *, positive=False, below=np.inf):
    """Return value as a float, finite and ≥ 0 (> 0 where positive, < below), or raise an error that names the argument."""
    if type(value) is float and (value > 0 if positive else value >= 0) and value < below:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected a real number, got {value!r}") from None
    low = number > 0 if positive else number >= 0
    bound = "> 0" if positive else "≥ 0"
    upper = f" and < {below:g}" if np.isfinite(below) else ", finite"
    require(low and number < below, f"{name}: {value!r} is not valid; expected a number {bound}{upper}")
    return number


def step_limit(largest, momentum=0.0, nesterov=False):
    """Return the least step at which the recurrence of MATH §2 no longer converges for eigenvalues up to `largest`."""
    factor = 2 * (1 + momentum) / ((1 + 2 * momentum) if nesterov else 1)
    return np.inf if largest <= 0 else factor / largest


def recurrence_filter(values, steps, step, momentum=0.0, nesterov=False):
    """Return r(λ) of `steps` inner steps: w_T = r(λ) where the gradient is λw − 1 and w starts from 0.

    Plain gradient descent: r(λ) = [1 − (1−αλ)^T]/λ, and αT at λ = 0. With momentum, the T-th power of the matrix of the
    recurrence y = w − αmκs, s₊ = ms + λy − 1, w₊ = w − αs₊ on (w, s, 1).
    """
    values = np.asarray(values, dtype=np.float64)
    if momentum == 0.0:
        return _geometric_sum(values, steps, step)
    ahead = step * momentum if nesterov else 0.0
    matrix = np.zeros((*values.shape, 3, 3))
    matrix[..., 1, 0], matrix[..., 1, 1], matrix[..., 1, 2] = values, momentum - ahead * values, -1.0
    matrix[..., 0, :] = -np.asarray(step)[..., None] * matrix[..., 1, :]
    matrix[..., 0, 0] += 1.0
    matrix[..., 2, 2] = 1.0
    return np.linalg.matrix_power(matrix, steps)[..., 0, 2]


def _geometric_sum(values, terms, step):
    # α Σ_{j<T} (1−αλ)^j without the cancellation of 1 − (1−αλ)^T at small λ
    x = step * values
    tame = x < 0.5
    small = -np.expm1(terms * np.log1p(-np.where(tame, x, 0.0)))
    with np.errstate(over="ignore", invalid="ignore"):
        large = 1.0 - (1.0 - np.where(tame, 1.0, x)) ** terms
    top = np.where(tame, small, large)
    return np.where(values == 0, step * terms, top / np.where(values == 0, 1.0, values))


class Filtered:
    """A method that is a function of H alone."""

    def filter(self, eigenvalues):
        """Return r(λ) for each eigenvalue; a step of None is 1/λmax of the given eigenvalues.

        Examples
        --------
        >>> import pyblo
        >>> pyblo.Exact().filter([0.0, 2.0])
        array([0. , 0.5])
        >>> pyblo.Neumann(terms=2, step=0.1).filter([0.0, 1.0])
        array([0.2 , 0.19])
        """
        values = np.asarray(eigenvalues, dtype=np.float64)
        largest = values.max(initial=0.0)
        nonzero = values > self._cut(values.shape[-1] if values.ndim else 1) * largest
        step = getattr(self, "step", None)
        if step is None:
            step = 1 / largest if largest > 0 else 1.0
        return self.response(values, nonzero, step)

    def _cut(self, size):
        return size * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Exact(Filtered):
    """The pseudoinverse: r(λ) = 1/λ, r(0) = 0 (paper 000, Eq. 3; J = −H⁺M of minimum norm).

    Parameters
    ----------
    rcond : float, optional
        Singular values of the array that is factored (A, Φ for TargetLearning, X for BiasedRidge) up to rcond times the
        largest count as zero; None is max(shape)·ε.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.Exact(rcond=0.5).filter([1.0, 4.0])
    array([0.  , 0.25])
    """

    rcond: float | None = None

    def __post_init__(self):
        if self.rcond is not None:
            check_number("rcond", self.rcond, below=1.0)

    def _cut(self, size):
        return super()._cut(size) if self.rcond is None else self.rcond

    def response(self, values, nonzero, step):
        return np.where(nonzero, 1 / np.where(nonzero, values, 1.0), 0.0)


@dataclass(frozen=True)
class Damped(Filtered):
    """The damped inverse (H + εI)⁻¹: r(λ) = 1/(λ+ε) (paper 000, §3.3.1).

    Parameters
    ----------
    eps : float
        The damping ε > 0, in units of H.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.Damped(eps=1.0).filter([0.0, 1.0])
    array([1. , 0.5])
    """

    eps: float

    def __post_init__(self):
        check_number("eps", self.eps, positive=True)

    def response(self, values, nonzero, step):
        return 1 / (values + self.eps)


@dataclass(frozen=True)
class Neumann(Filtered):
    """The truncated Neumann series α Σ_{j<terms} (I − αH)^j: r(λ) = [1 − (1−αλ)^T]/λ, r(0) = αT (paper 000, Eq. 5).

    Parameters
    ----------
    terms : int
        The number T of terms; the paper's Σ_{j=0}^{K} has K+1.
    step : float, optional
        The step α; None is 1/λmax(H). With two terms or more, α < 2/λmax.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.Neumann(terms=1, step=0.5).filter([0.0, 1.0])
    array([0.5, 0.5])
    """

    terms: int
    step: float | None = None

    def __post_init__(self):
        check_count("terms", self.terms, most=INT64)
        if self.step is not None:
            check_number("step", self.step, positive=True)

    def response(self, values, nonzero, step):
        return recurrence_filter(values, self.terms, step)


@dataclass(frozen=True)
class FixedPoint(Filtered):
    """AID with the fixed-point iteration v_k = ∂_wΦᵀv_{k−1} + g, v₀ = 0 (paper 002, Eq. 19): Neumann with maxiter terms.

    Parameters
    ----------
    maxiter : int
        The number k of iterations.
    step : float, optional
        The step α of the map Φ = w − α∇f; None is 1/λmax(H).

    Examples
    --------
    >>> import pyblo
    >>> pyblo.FixedPoint(maxiter=2, step=0.1).filter([0.0, 1.0])
    array([0.2 , 0.19])
    """

    maxiter: int
    step: float | None = None

    def __post_init__(self):
        check_count("maxiter", self.maxiter, most=INT64)
        if self.step is not None:
            check_number("step", self.step, positive=True)

    @property
    def terms(self):
        """The number of terms of the same Neumann series."""
        return self.maxiter

    def response(self, values, nonzero, step):
        return recurrence_filter(values, self.maxiter, step)


@dataclass(frozen=True)
class Identity(Filtered):
    """R = I, the T1–T2 method: Neumann(terms=1, step=1).

    Examples
    --------
    >>> import pyblo
    >>> pyblo.Identity().filter([0.0, 3.0])
    array([1., 1.])
    """

    def response(self, values, nonzero, step):
        return np.ones_like(values)


@dataclass(frozen=True)
class CG:
    """Conjugate gradients on H q = g, from q = 0 (paper 002, AID-CG): a polynomial in H that depends on g.

    Where H is singular, g is first projected on its range.

    Parameters
    ----------
    maxiter : int, optional
        The most iterations; None is max(100, 10 n).
    rtol, atol : float, optional
        Success is ‖g − Hq‖ ≤ max(rtol·‖g‖, atol) for the true residual. rtol of None is 1e-10 in float64 and 1e-5 in float32;
        rtol = atol = 0 makes maxiter iterations.
    normal : bool
        Iterate on the normal equations: H need not be symmetric or definite.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.CG(maxiter=20)
    CG(maxiter=20, rtol=None, atol=0.0, normal=False)
    """

    maxiter: int | None = None
    rtol: float | None = None
    atol: float = 0.0
    normal: bool = False

    def __post_init__(self):
        if self.maxiter is not None:
            check_count("maxiter", self.maxiter, most=INT64)
        if self.rtol is not None:
            check_number("rtol", self.rtol)
        check_number("atol", self.atol)


@dataclass(frozen=True)
class Unrolled(Filtered):
    """Iterative differentiation of its own inner run of `steps` steps from w₀ (paper 002, ITD).

    The Jacobian is that of the run, −r(H)M with r the polynomial of the recurrence; the outer gradient is taken at w_T.

    Parameters
    ----------
    steps : int
        The number T of inner steps.
    step : float, optional
        The inner step α; None is 1/λmax(H).
    momentum : float
        In [0, 1): heavy ball, or Nesterov's with nesterov=True.
    nesterov : bool
        Evaluate the gradient at the extrapolated point.
    last : int, optional
        Differentiate only the last steps of the run (truncated iterative differentiation); None is all of them.
    mode : {"reverse", "forward"}
        Reverse costs one run backwards (nothing is stored where H is constant, √T checkpoints elsewhere); forward carries
        one tangent per outer variable.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.Unrolled(steps=2, step=0.1).filter([0.0, 1.0])
    array([0.2 , 0.19])
    """

    steps: int
    step: float | None = None
    momentum: float = 0.0
    nesterov: bool = False
    mode: str = "reverse"
    last: int | None = None

    def __post_init__(self):
        check_count("steps", self.steps, most=INT64)
        if self.last is not None:
            require(check_count("last", self.last) <= self.steps, f"last: {self.last} is more than the {self.steps} steps of the run")
        if self.step is not None:
            check_number("step", self.step, positive=True)
        check_number("momentum", self.momentum, below=1.0)
        require(self.mode in ("reverse", "forward"), f"mode: {self.mode!r} is not known; expected 'reverse' or 'forward'")

    def response(self, values, nonzero, step):
        return recurrence_filter(values, self.differentiated, step, self.momentum, self.nesterov)

    @property
    def differentiated(self):
        """The number of steps that are differentiated."""
        return self.steps if self.last is None else self.last
