"""One hypergradient at a time: dF/du = ∂F/∂u − MᵀR ∂F/∂w."""
import threading
import warnings

import numpy as np
from scipy.linalg import norm  # scaled: it does not overflow

from . import _plan
from ._namespace import as_array
from ._second import outer_hessian
from .methods import CG, Damped, Exact, Unrolled, require
from .result import HypergradientResult
from .status import Status

__all__ = ["Prepared", "hypergradient", "prepare", "value_and_grad"]


def hypergradient(problem, u, w=None, *, method=Exact(), inner=None, w0=None, route="auto"):
    """Return the hypergradient at u: dF/du = ∂F/∂u − MᵀR ∂F/∂w  (paper 000, Eq. 3; paper 002, Algorithms 1 and 2).

    Parameters
    ----------
    problem : Problem
        The bilevel problem.
    u : array_like
        The outer variable, of the problem's outer_shape.
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
    """
    return prepare(problem, method=method, inner=inner, route=route).hypergradient(u, w, w0)


def prepare(problem, *, method=Exact(), inner=None, route="auto"):
    """Factor what can be factored once, for many hypergradients of one problem.

    Parameters are those of `hypergradient`. Where H depends on u, a step of None is fixed at the first u.

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
        self.prepared = prepared
        self.w0 = prepared.problem._w(w0, "w0").reshape(prepared.problem.inner_shape)

    def __call__(self, u):
        u = as_array("u", u)
        shape = self.prepared.problem.outer_shape
        flat = u.ndim == 1 and u.size == self.prepared.problem.outer_size  # as SciPy's optimisers hand it over
        raw = self.prepared._evaluate(u.reshape(shape) if flat else u, None, self.w0)
        if not raw.status.success:
            warnings.warn(raw.message, RuntimeWarning, stacklevel=2)
        return raw.value, raw.grad.reshape(u.shape)

    def hessp(self, u, p):
        """Return ∇²F*(u) p, for `scipy.optimize.minimize(…, jac=True, hessp=…)`."""
        problem = self.prepared.problem
        u, p = as_array("u", u), as_array("p", p)
        for name, array in (("u", u), ("p", p)):
            if array.size != problem.outer_size:
                raise ValueError(f"{name}: shape {array.shape} does not fit; expected {problem.outer_shape}")
        return self.prepared.outer_hessian(u.reshape(problem.outer_shape)) @ p.ravel()


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
        self._made = _plan.make(problem, method, inner, route) if problem.fixed_hessian else None

    def __repr__(self):
        return f"Prepared({type(self.problem).__name__}, method={self.method}, inner={self.inner}, route={self.route!r})"

    def plan(self, u):
        """Return the Plan, made at this u if it is the first."""
        with self._lock:
            if self._made is None:
                self._made = _plan.make(self.problem, self.method, self.inner, self.route, u)
            return self._made

    def hypergradient(self, u, w=None, w0=None):
        """Return the HypergradientResult at u; see `hypergradient`."""
        raw = self._evaluate(u, w, w0)
        residual, null_component = self._diagnose(raw) if np.isfinite(raw.grad_w).all() and np.isfinite(raw.w).all() else (None, None)
        adjoint = None if raw.adjoint is None else raw.adjoint.reshape(self.problem.inner_shape)
        grad_w0, grad_step = None, None
        if isinstance(self.method, Unrolled) and raw.status.success:
            grad_w0, grad_step = raw.plan.run_derivatives(raw.u, self.problem._w(w0, "w0"), raw.grad_w)
        return HypergradientResult(
            value=raw.value, grad=raw.grad, w=raw.w.reshape(self.problem.inner_shape), adjoint=adjoint, residual=residual,
            null_component=null_component, status=raw.status, message=raw.message, nhvp=raw.nhvp, grad_w0=grad_w0, grad_step=grad_step,
            method=self.method, inner=self.run)

    def outer_hessian(self, u):
        """Return the Hessian of F*(u) = F(u, w*(u)) as a LinearOperator (m, m), by the implicit function theorem.

        For Quadratic, TargetLearning and Ridge prepared with Exact(). With it SciPy's trust-ncg and Newton-CG work.

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
        u = problem._u(u)
        start = problem._w(w0, "w0")
        at = None if w is None else problem._w(w)
        return Evaluation(self.plan(u), u, self.plan(u).step.evaluate(u, start, at))

    def _diagnose(self, raw):
        """Return (true residual of the adjoint system, relative part of g outside the range of H)."""
        plan, g = raw.plan, raw.grad_w.astype(np.float64)
        size = norm(g)
        inside = g if plan.spectrum is None else plan.spectrum.range_part(raw.grad_w).astype(np.float64)
        definite = hasattr(self.problem, "_factory") and not isinstance(self.method, Unrolled)  # H of Ridge
        null = None if plan.spectrum is None and not definite else float(norm(g - inside) / size) if size else 0.0
        if raw.adjoint is None or isinstance(self.method, Unrolled) or not np.isfinite(raw.adjoint).all():
            return None, null
        q = raw.adjoint.astype(np.float64)
        problem = self.problem
        Hq = problem.hessian(raw.u.reshape(problem.outer_shape), raw.w.reshape(problem.inner_shape)).rmatvec(q)
        if isinstance(self.method, Damped):
            return float(norm(Hq + self.method.eps * q - g)), null
        rest = float(norm(Hq - g))
        if isinstance(self.method, CG) and plan.spectrum is None and raw.status.success and rest > 2 * raw.residual:
            return raw.residual, rest / size  # CG went on with the part of g in the range of H
        return float(norm(Hq - (inside if isinstance(self.method, Exact | CG) else g))), null


class Evaluation:
    """What the core said of one pair (u, w)."""

    def __init__(self, plan, u, raw):
        (self.w, inner, inner_steps, inner_residual, self.value, grad, self.grad_w, adjoint, status, residual, products) = raw
        self.plan, self.u, self.residual = plan, u, float(residual)
        self.grad = grad.reshape(plan.problem.outer_shape)
        self.nhvp = int(products)
        self.inner_status, adjoint_status = Status(inner), Status(status)
        self.adjoint = self._complete_adjoint(adjoint)
        if not np.isfinite(self.value) or not np.isfinite(self.grad).all():
            adjoint_status = adjoint_status if not adjoint_status.success else Status.DIVERGED
        if self.inner_status.success:
            self.status = adjoint_status
            self.message = adjoint_status.explain(self._numbers(residual))
        else:
            self.status = self.inner_status
            self.message = "Inner run: " + self.inner_status.explain(f"{int(inner_steps)} steps, ‖∇_w f‖ = {inner_residual:.3g}")

        if self.status == Status.DIVERGED:
            self.message += plan.blame()

    def _numbers(self, residual):
        return f"‖Hq − g‖ = {residual:.3g} after {self.nhvp} products" if isinstance(self.plan.method, CG) else ""

    def _complete_adjoint(self, adjoint):
        # the spectral route never forms q: here it is, R g with its part in the null space
        plan, method = self.plan, self.plan.method
        if isinstance(method, Unrolled) and method.mode == "forward":
            return None
        if self.nhvp or plan.spectrum is None or isinstance(method, CG) or not np.isfinite(self.grad_w).all():
            return adjoint
        response = plan.spectrum.response(method, plan.method_step)
        return plan.spectrum.apply(response, plan.spectrum.null_response(method, plan.method_step), self.grad_w)
