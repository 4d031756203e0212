"""What stands between the C++ loops and a problem written by the user: every answer is checked, and named where it is wrong."""
import numpy as np

from ._namespace import answer

__all__ = ["Guard", "checked_pair", "guarded"]


def guarded(problem):
    """Return the problem as the core calls it."""
    return Own(problem) if problem._takes_batches else Guard(problem)


def checked_pair(gradients):
    """Return what outer_gradients returned, or raise TypeError where it is no pair."""
    if not isinstance(gradients, tuple) or len(gradients) != 2:
        raise TypeError(f"outer_gradients: returned {type(gradients).__name__}; expected the pair (∂F/∂u, ∂F/∂w)")
    return gradients


class Guard:
    """A problem as the core calls it: read-only copies go in, checked contiguous arrays come out.

    Attributes
    ----------
    first_bad : str
        Which method first returned NaN or infinity, and at which of its calls; empty where none has.
    """

    def __init__(self, problem):
        self.problem = problem
        self.outer_shape, self.inner_shape = problem.outer_shape, problem.inner_shape
        self.calls = {}
        self.first_bad = ""

    def gradient(self, u, w):
        """Return ∇_w f(u, w), or w − Φ(u, w)."""
        return self._checked("inner_gradient", self.problem.inner_gradient(*self._point(u, w)), self.inner_shape, w.dtype)

    def inner_solution(self, u, start):
        """Return the inner solution nearest start."""
        return self._checked("inner_solution", self.problem.inner_solution(*self._point(u, start)), self.inner_shape, start.dtype)

    def hessian(self, u, w):
        """Return (v -> Hv, v -> Hᵀv)."""
        operator = self.problem.hessian(*self._point(u, w))
        n = w.size
        self._operator("hessian", operator, (n, n))

        def product(apply, v):
            v.flags.writeable = False
            return self._checked("hessian", apply(v), (n,), v.dtype)

        return (lambda v: product(operator.matvec, v)), (lambda v: product(operator.rmatvec, v))

    def cross_adjoint(self, u, w, q):
        """Return Mᵀq."""
        q.flags.writeable = False
        return self._checked("cross", self._cross(u, w).rmatvec(q), (u.size,), u.dtype)

    def cross_column(self, u, w, j):
        """Return column j of M."""
        unit = np.zeros(u.size, u.dtype)
        unit[j] = 1
        unit.flags.writeable = False
        return self._checked("cross", self._cross(u, w).matvec(unit), (w.size,), w.dtype)

    def outer(self, u, w):
        """Return (F, ∂F/∂u, ∂F/∂w)."""
        u, w = self._point(u, w)
        value = self._checked("outer_value", self.problem.outer_value(u, w), (), np.float64)
        gradients = checked_pair(self.problem.outer_gradients(u, w))
        return (float(value[0]), self._checked("outer_gradients[0]", gradients[0], self.outer_shape, u.dtype),
                self._checked("outer_gradients[1]", gradients[1], self.inner_shape, w.dtype))

    def _cross(self, u, w):
        operator = self.problem.cross(*self._point(u, w))
        self._operator("cross", operator, (w.size, u.size))
        return operator

    def _point(self, u, w):
        u.flags.writeable = w.flags.writeable = False
        return u.reshape(self.outer_shape), w.reshape(self.inner_shape)

    @staticmethod
    def _operator(name, operator, shape):
        if getattr(operator, "shape", None) != shape or not hasattr(operator, "matvec") or not hasattr(operator, "rmatvec"):
            raise TypeError(f"{name}: returned {type(operator).__name__} of shape {getattr(operator, 'shape', None)}; expected a "
                            f"LinearOperator of shape {shape} (scipy.sparse.linalg.aslinearoperator makes one of a matrix)")

    def _checked(self, name, value, shape, dtype):
        array = self._seen(name, answer(name, value, shape))
        return np.array(array, dtype=dtype, order="C").reshape(-1)  # a copy: the core never sees the user's memory

    def _seen(self, name, value):
        """Return what a function returned, once it is counted and looked at."""
        self.calls[name] = self.calls.get(name, 0) + 1
        if not self.first_bad and not np.isfinite(value).all():
            self.first_bad = f" {name}: returned NaN or infinity at its call {self.calls[name]}."
        return value


class Own(Guard):
    """A built-in problem: its formulas in u and w, whose answers are arrays of the right kind."""

    def outer(self, u, w):
        value, grad_u, grad_w = self.problem._outer(u, w)
        return self._seen("outer_value", value), self._seen("outer_gradients[0]", grad_u), self._seen("outer_gradients[1]", grad_w)

    def cross_adjoint(self, u, w, q):
        return self._seen("cross", self.problem._cross_adjoint(u, w, q))
