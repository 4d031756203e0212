"""Descent on the value-function penalty: an optimistic solution, but for O(1/β), without second derivatives (`penalty`, MATH §8)."""
import numpy as np

from .. import algorithms
from .._callbacks import checked_pair
from .._namespace import answer, spectral_norm
from ..inner import ClosedForm, GradientDescent
from ..methods import Identity, check_number, require
from ..problem import Problem
from ..result import BilevelResult, History
from ._sets import solution_sets

__all__ = ["penalty_descent"]


def penalty_descent(problem, u0, w0=None, *, beta, inner=None, step=None, maxiter=1000, tol=1e-8, history=True):
    """Minimise L_β(u, w) by gradient descent on (u, w) with an inner run for v ∈ argmin f(u, ·) at every step, from its last value.

    No second derivative of f is used, by any problem: hessian and cross are never called. It is `pyblo.warm_start` with the outer
    variable (u, w), the inner variable v and a response of zero.

    Parameters
    ----------
    problem : Problem
        Any problem with inner_value and inner_gradient. Where it has inner_gradient_u that is ∂f/∂u; else central differences of
        f(·, w) − f(·, v) are taken, two for each outer variable.
    u0, w0 : array_like
        The start; w0, zero where None, is that of w and of v.
    beta : float
        β > 0. The steps, and the number of them, grow with it as the condition number of L_β does.
    inner : ClosedForm or GradientDescent, optional
        How v is found. None is ClosedForm() where the problem has an inner_solution; GradientDescent needs its step, except for a
        problem whose Hessian is fixed and known.
    step : float, optional
        The step on (u, w). None is 1/(‖P‖ + β‖∂²(f − min f)‖) where the Hessian is fixed and known; else it is required.
    maxiter, tol, history
        As in `pyblo.warm_start`.

    Returns
    -------
    BilevelResult
        u and w, with fun = L_β(u, w), jac its gradient in u, grad_w that in w, and v.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, a problem without inner_value, and answers of its functions that do not fit; a batch of problems
        is refused.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.eye(1), B=[[-1.0]], P=np.eye(1), f=[-2.0])
    >>> found = pyblo.equilibria.penalty_descent(problem, [0.0], beta=1.0)
    >>> found.u.round(6), found.w.round(6), found.success
    (array([2.]), array([2.]), True)
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: {type(problem).__name__} is not a pyblo.Problem")
    require(problem.batch_shape == (), f"problem: its batch_shape is {problem.batch_shape}, but the descent is of one problem")
    require(problem.has_inner_value, f"problem: {type(problem).__name__} has no inner_value, of which the penalty is made")
    beta = check_number("beta", beta, positive=True)
    inner, step = _runs(problem, beta, inner, step)
    u, w = problem._u(u0, "u0"), problem._w(w0, "w0")
    for name, start in (("u0", u), ("w0", w)):
        require(start.ndim == 1, f"{name}: the descent is of one problem, and this is a batch")
    found = algorithms.warm_start(Penalised(problem, beta), np.concatenate([u, w]), w.reshape(problem.inner_shape), method=Identity(),
                                  inner=inner, step=step, maxiter=maxiter, tol=tol, history=history)
    return _split(problem, found)


def _runs(problem, beta, inner, step):
    """Return the inner solver and the step that are meant, or raise an error that names the argument."""
    name = type(problem).__name__
    if inner is None:
        require(problem.has_inner_solution, f"inner: {name} has no inner_solution; pass inner=GradientDescent(steps=..., step=...)")
        inner = ClosedForm()
    require(isinstance(inner, ClosedForm | GradientDescent),
            f"inner: {inner!r} finds no minimiser; expected ClosedForm() or GradientDescent(...)")
    if isinstance(inner, GradientDescent) and inner.step is None:
        require(problem._affine, f"inner: H of {name} is not known, so GradientDescent needs its step")
        largest = problem._spectrum().largest
        inner = GradientDescent(inner.steps, 1 / largest if largest > 0 else 1.0, inner.momentum, inner.nesterov, inner.tol, inner.maxiter)
    if step is not None:
        step = check_number("step", step, positive=True)
    else:
        require(problem._affine, f"step: {name} is not known to be quadratic, so there is no default step; pass one")
        sets = solution_sets(problem)
        leaving = np.sqrt(sets.values)[:, None] * (sets.V.T @ np.hstack([-sets.J, np.eye(problem.inner_size)]))
        step = 1 / (spectral_norm(sets.L) ** 2 + beta * spectral_norm(leaving) ** 2 or 1.0)
    return inner, step


class Penalised(Problem):
    """L_β as a bilevel problem with outer variable x = (u, w) and inner variable v, whose response the envelope theorem leaves out."""

    symmetric = False  # its Hessian, that of f, is never asked for: no limit of steps is judged by it

    def __init__(self, problem, beta):
        self.problem, self.beta = problem, beta

    @property
    def outer_shape(self):
        return (self.problem.outer_size + self.problem.inner_size,)

    @property
    def inner_shape(self):
        return self.problem.inner_shape

    @property
    def dtype(self):
        return self.problem.dtype

    @property
    def has_inner_solution(self):
        return self.problem.has_inner_solution

    def split(self, x):
        """Return u and w, in their shapes."""
        m = self.problem.outer_size
        return x[:m].reshape(self.problem.outer_shape), x[m:].reshape(self.problem.inner_shape)

    def inner_gradient(self, x, v):
        return self.problem.inner_gradient(self.split(x)[0], v)

    def inner_solution(self, x, w0=None):
        return self.problem.inner_solution(self.split(x)[0], w0)

    def outer_value(self, x, v):
        u, w = self.split(x)
        return self._asked("outer_value", u, w, ()) + self.beta * self._above(u, w, v)

    def outer_gradients(self, x, v):
        u, w = self.split(x)
        grad_u, grad_w = checked_pair(self.problem.outer_gradients(u, w))
        grad_u = self._float("outer_gradients[0]", grad_u, u.shape) + self.beta * self._slope(u, w, v)
        grad_w = self._float("outer_gradients[1]", grad_w, w.shape) + self.beta * self._asked("inner_gradient", u, w, w.shape)
        return np.concatenate([np.ravel(grad_u), np.ravel(grad_w)]), -self.beta * self._asked("inner_gradient", u, v, w.shape)

    def _asked(self, name, u, w, shape):
        """Return what the problem's method says, which must have that shape."""
        return self._float(name, getattr(self.problem, name)(u, w), shape)

    def _float(self, name, value, shape):
        array = answer(name, value, shape)
        return array.astype(np.result_type(array, self.dtype), copy=False)  # unsigned integers would wrap in differences

    def _above(self, u, w, v):
        """Return f(u, w) − f(u, v)."""
        return self._asked("inner_value", u, w, ()) - self._asked("inner_value", u, v, ())

    def _slope(self, u, w, v):
        """Return ∂f/∂u(u, w) − ∂f/∂u(u, v)."""
        if self.problem.has_inner_gradient_u:
            return self._asked("inner_gradient_u", u, w, u.shape) - self._asked("inner_gradient_u", u, v, u.shape)
        slope = np.empty(u.size, self.dtype)
        for i, at in enumerate(u.flat):  # central differences of f(·, w) − f(·, v), exact for quadratics but for rounding
            h = np.cbrt(np.finfo(self.dtype).eps) * max(1.0, abs(at))
            ends = []
            for side in (at + h, at - h):
                moved = u.copy()
                moved.flat[i] = side
                ends.append((moved.flat[i], self._above(moved, w, v)))
            slope[i] = (ends[0][1] - ends[1][1]) / (ends[0][0] - ends[1][0])
        return slope.reshape(u.shape)

    def hessian(self, x, v):
        """Return an operator that is never applied."""
        from scipy.sparse.linalg import LinearOperator

        def apply(q):
            raise NotImplementedError("the value-function penalty takes no second derivatives")

        return LinearOperator((self.inner_size, self.inner_size), matvec=apply, rmatvec=apply, dtype=self.dtype)

    def cross(self, x, v):
        """Return zero: the response of v drops out."""
        from scipy.sparse.linalg import LinearOperator

        m, n = self.outer_size, self.inner_size
        return LinearOperator((n, m), matvec=lambda x: np.zeros(n, self.dtype), rmatvec=lambda q: np.zeros(m, self.dtype), dtype=self.dtype)


def _split(problem, found):
    """Return the result of the loop over ((u, w), v) as one over u and w."""
    m = problem.outer_size

    def parts(x):
        return (x[..., :m].reshape(*x.shape[:-1], *problem.outer_shape).copy(),
                x[..., m:].reshape(*x.shape[:-1], *problem.inner_shape).copy())

    (u, w), (jac, grad_w), kept = parts(found.u), parts(found.jac), found.history
    history = None if kept is None else History(kept.fun, kept.grad_norm, *parts(kept.u))
    return BilevelResult({**found, "u": u, "x": u, "w": w, "v": found.w, "jac": jac, "grad_w": grad_w, "history": history,
                          "method": None})
