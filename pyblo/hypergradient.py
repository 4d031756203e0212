"""One hypergradient at a time: dF/du = ∂F/∂u − MᵀR ∂F/∂w."""
import threading
import warnings

import numpy as np

from . import _plan
from ._evaluation import Evaluation, diagnose
from ._namespace import as_array
from ._second import outer_hessian
from .methods import Exact, Unrolled, require
from .result import HypergradientResult

__all__ = ["Prepared", "hypergradient", "prepare", "value_and_grad"]


def hypergradient(problem, u, w=None, *, method=Exact(), inner=None, w0=None, route="auto"):
    """Return the hypergradient at u: dF/du = ∂F/∂u − MᵀR ∂F/∂w  (paper 000, Eq. 3; paper 002, Algorithms 1 and 2).

    Parameters
    ----------
    problem : Problem
        The bilevel problem.
    u : array_like
        The outer variable, of the problem's outer_shape. Axes in front of it broadcast against those of the problem: a batch of
        hypergradients, of which each is what it is alone.
    w : array_like, optional
        The inner variable; computed by the inner solver from w0 where None.
    method : Exact, Damped, Neumann, FixedPoint, Identity, CG or Unrolled
        The approximation R of H⁺.
    inner : ClosedForm, GradientDescent or Proximal, optional
        The inner solver; None is ClosedForm(), except that Unrolled brings its own run.
    w0 : array_like, optional
        Where the inner solver starts; zero where None.
    route : {"auto", "spectral", "iterate"}
        Whether a filter goes through one eigendecomposition or is iterated; they agree to rounding.

    Returns
    -------
    HypergradientResult

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, a step beyond its limit, an indefinite A, an unbounded inner objective.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=2 * np.eye(1), B=-np.eye(1), P=np.eye(1))  # w* = u/2, F* = u²/8
    >>> result = pyblo.hypergradient(problem, [4.0])
    >>> result.value, result.grad, result.success
    (2.0, array([1.]), True)
    >>> pyblo.hypergradient(problem, [[4.0], [2.0]]).grad
    array([[1. ],
           [0.5]])
    """
    return prepare(problem, method=method, inner=inner, route=route).hypergradient(u, w, w0)


def prepare(problem, *, method=Exact(), inner=None, route="auto"):
    """Factor what can be factored once, for many hypergradients of one problem.

    Parameters are those of `hypergradient`. Where H depends on u, a step of None is fixed at the first u, in a batch
    for each problem at its own.

    Returns
    -------
    Prepared

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=2 * np.eye(1), B=-np.eye(1), P=np.eye(1))
    >>> prepared = pyblo.prepare(problem, method=pyblo.CG())
    >>> [float(prepared.hypergradient([u]).grad[0]) for u in (0.0, 4.0)]
    [0.0, 1.0]
    """
    return Prepared(problem, method, inner, route)


def value_and_grad(problem, *, method=Exact(), inner=None, w0=None):
    """Return a function u -> (F, dF/du) for `scipy.optimize.minimize(…, jac=True)`; it factors once where H is fixed.

    The value and an approximate gradient do not match exactly unless the method is Exact (or Unrolled, for its own truncated
    objective): a line search may then stop early. A failed hypergradient is reported by a RuntimeWarning.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> from scipy.optimize import minimize
    >>> problem = pyblo.Quadratic(A=np.eye(2), B=-np.eye(2), P=np.eye(2), f=[-1.0, -2.0])
    >>> minimize(pyblo.value_and_grad(problem), np.zeros(2), jac=True, method="L-BFGS-B").x.round(6)
    array([1., 2.])
    """
    return ValueAndGrad(prepare(problem, method=method, inner=inner), w0)


class ValueAndGrad:
    """A prepared problem as a function u -> (F, dF/du)."""

    def __init__(self, prepared, w0):
        self.prepared, self.start = prepared, prepared.problem._w(w0, "w0")

    def __call__(self, u):
        u = as_array("u", u)
        raw = self.prepared._evaluate_at(self.prepared.problem._u(self._shaped(u)), self.start)
        if not raw.ending.success.all():
            warnings.warn(raw.message, RuntimeWarning, stacklevel=2)
        return raw.value, raw.grad.reshape(u.shape) if not raw.shape else raw.grad

    def hessp(self, u, p):
        """Return ∇²F*(u) p, for `scipy.optimize.minimize(…, jac=True, hessp=…)`."""
        u, p = self._shaped(as_array("u", u)), self.prepared.problem._u(self._shaped(as_array("p", p)), "p")
        H = self.prepared.outer_hessian(u)
        return H @ p if len(H.shape) > 2 or p.ndim == 1 else H.matmat(p.reshape(-1, p.shape[-1]).T).T.reshape(p.shape)

    def _shaped(self, x):
        """Return x in the outer shape where it is flat, as SciPy's optimisers hand it over."""
        problem = self.prepared.problem
        return x.reshape(problem.outer_shape) if x.shape == (problem.outer_size,) else x


class Prepared:
    """A problem, a method and an inner solver, with what was factored for them; made by `prepare`.

    Attributes
    ----------
    problem, method, inner, route
        As given.
    run : ClosedForm, GradientDescent or Proximal
        The inner solver that is meant: Unrolled brings its own run.
    """

    def __init__(self, problem, method, inner, route):
        self.run = _plan.check(problem, method, inner, route)
        self.problem, self.method, self.inner, self.route = problem, method, inner, route
        self._lock = threading.Lock()
        self._made = _plan.make(problem, method, self.run, route) if problem._affine else None

    def __repr__(self):
        return f"Prepared({type(self.problem).__name__}, method={self.method}, inner={self.inner}, route={self.route!r})"

    def plan(self, u):
        """Return the Plan, made at this u if it is the first."""
        with self._lock:
            if self._made is None:
                self._made = _plan.make(self.problem, self.method, self.run, self.route, u)
            return self._made

    def hypergradient(self, u, w=None, w0=None):
        """Return the HypergradientResult at u; see `hypergradient`."""
        raw = self._evaluate(u, w, w0)
        residual, null_component = diagnose(raw)
        inner = (*raw.shape, *self.problem.inner_shape)
        grad_w0, grad_step = None, None
        if isinstance(self.method, Unrolled) and raw.ending.success.any():
            grad_w0, grad_step = self._run_derivatives(raw, w0)
        return HypergradientResult(
            value=raw.value, grad=raw.grad, w=raw.w.reshape(inner), adjoint=None if raw.adjoint is None else raw.adjoint.reshape(inner),
            residual=residual, null_component=null_component, status=raw.status, message=raw.message, nhvp=raw.nhvp, grad_w0=grad_w0,
            grad_step=grad_step, method=self.method, inner=self.run)

    def _run_derivatives(self, raw, w0):
        grad_w0, slope = raw.plan.run_derivatives(raw.shape, raw.u, self.problem._w(w0, "w0"), raw.grad_w)
        failed = ~raw.ending.success
        grad_w0[failed], slope[failed] = np.nan, np.nan
        return grad_w0.reshape(*raw.shape, *self.problem.inner_shape), raw.ending.shaped(slope)

    def outer_hessian(self, u):
        """Return the Hessian of F*(u) = F(u, w*(u)) as a LinearOperator (m, m), by the implicit function theorem; of a batch as a
        BatchedOperator (..., m, m).

        For Quadratic, TargetLearning, BiasedRidge and Ridge prepared with Exact(). With it SciPy's trust-ncg and Newton-CG work.

        Raises
        ------
        ValueError
            For another method, or a problem without second derivatives.

        Examples
        --------
        >>> import numpy as np, pyblo
        >>> problem = pyblo.Quadratic(A=2 * np.eye(1), B=-np.eye(1), P=np.eye(1))  # F* = u²/8
        >>> pyblo.prepare(problem).outer_hessian([4.0]) @ np.ones(1)
        array([0.25])
        """
        u = self.problem._u(u)
        return outer_hessian(self.plan(u), u)

    def _evaluate(self, u, w, w0):
        problem = self.problem
        require(w is None or not isinstance(self.method, Unrolled), "w: Unrolled computes w itself from w0; leave w out")
        return self._evaluate_at(problem._u(u), problem._w(w0, "w0"), None if w is None else problem._w(w))

    def _evaluate_at(self, u, start, w=None):
        """Return the Evaluation at checked vectors."""
        plan = self.plan(u)
        shape = plan.shape(u=u, w0=start) if w is None else plan.shape(u=u, w0=start, w=w)
        return Evaluation(plan, u, shape, plan.evaluate(shape, u, start, w))
