"""Inner solvers, as frozen data: how w is found for a given u."""
from dataclasses import dataclass

from .methods import INT64, Filtered, check_count, check_number, require

__all__ = ["ClosedForm", "GradientDescent", "Proximal"]


@dataclass(frozen=True)
class ClosedForm:
    """The inner solution nearest w₀, w = −A⁺(Bu+d) + (I−A⁺A)w₀: full inner optimisation (paper 000, Lemma C.1).

    Examples
    --------
    >>> import pyblo
    >>> pyblo.ClosedForm()
    ClosedForm()
    """


@dataclass(frozen=True)
class Proximal:
    """The proximal inner solution argmin_w f(u, w) + (ε/2)‖w − w₀‖² (paper 000, App. D).

    Parameters
    ----------
    eps : float
        ε > 0.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.Proximal(eps=0.1)
    Proximal(eps=0.1)
    """

    eps: float

    def __post_init__(self):
        check_number("eps", self.eps, positive=True)


@dataclass(frozen=True)
class GradientDescent:
    """Gradient descent, heavy ball or Nesterov from w₀: `steps` steps, or until the inner gradient is small.

    y = w + m(w − w₋) for Nesterov, else w;  w₊ = w + m(w − w₋) − α∇_w f(u, y);  w₋ = w at the start of every run.

    Parameters
    ----------
    steps : int, optional
        The number of steps; None runs until ‖∇_w f(u, w)‖ ≤ tol·max(1, ‖∇_w f(u, w₀)‖), at most maxiter steps.
    step : float, optional
        α; None is 1/λmax(H). It must lie below the limit of the recurrence.
    momentum : float
        m in [0, 1).
    nesterov : bool
        Evaluate the gradient at the extrapolated point.
    tol : float
        See steps. In float32 the default is below what rounding allows: pass 1e-5 or more.
    maxiter : int
        See steps.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.GradientDescent(steps=5, step=0.1)
    GradientDescent(steps=5, step=0.1, momentum=0.0, nesterov=False, tol=1e-10, maxiter=100000)
    """

    steps: int | None = None
    step: float | None = None
    momentum: float = 0.0
    nesterov: bool = False
    tol: float = 1e-10
    maxiter: int = 100_000

    def __post_init__(self):
        if self.steps is not None:
            check_count("steps", self.steps, most=INT64)
        if self.step is not None:
            check_number("step", self.step, positive=True)
        check_number("momentum", self.momentum, below=1.0)
        check_number("tol", self.tol)
        check_count("maxiter", self.maxiter, most=INT64)


def check_pair(method, inner):
    """Raise an error that names `method` or `inner` unless they are a method and an inner solver that go together."""
    from .methods import CG, Unrolled

    if not isinstance(method, Filtered | CG):
        raise TypeError(f"method: {method!r} is not a method; expected Exact(), Damped(eps), Neumann(terms), FixedPoint(maxiter), "
                        "Identity(), CG() or Unrolled(steps)")
    if inner is not None and not isinstance(inner, ClosedForm | Proximal | GradientDescent):
        raise TypeError(f"inner: {inner!r} is not an inner solver; expected ClosedForm(), GradientDescent(...) or Proximal(eps)")
    require(inner is None or not isinstance(method, Unrolled),
            "inner: Unrolled differentiates its own inner run; leave inner out, or choose another method")
