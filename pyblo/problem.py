"""What a bilevel problem is."""
import abc
import math

import numpy as np

from ._namespace import broadcast, fit_finite, lead

__all__ = ["Problem"]


class Problem(abc.ABC):
    """A bilevel problem: minimise F(u, w*(u)) over u, where w*(u) minimises f(u, ·).

    Operators act on C-order ravelled vectors. Problems are frozen: they keep references to the caller's arrays and never
    write to them.

    Attributes
    ----------
    outer_shape, inner_shape : tuple of int
        The shapes of u and w.
    dtype : numpy.dtype
        float32 or float64, of results too.
    batch_shape : tuple of int
        Leading axes of a batch of problems; () for one. Only built-in problems come in batches.
    fixed_hessian : bool
        Whether H depends on neither u nor w, so that it can be factored once.
    symmetric : bool
        Whether H is symmetric, as it is for a minimisation; False for the fixed point of a map w = Φ(u, w), whose "inner
        gradient" is w − Φ(u, w).

    A subclass gives outer_shape, inner_shape, dtype, inner_gradient, hessian, cross, outer_value and outer_gradients; inner_solution
    too where there is a closed form. It reaches the same C++ loops as the built-in problems.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.eye(2), B=np.eye(2), P=np.eye(2))
    >>> isinstance(problem, pyblo.Problem), problem.outer_shape
    (True, (2,))
    """

    fixed_hessian = False
    symmetric = True
    batch_shape = ()
    _takes_batches = False  # of u and w; True where the core has a copy of the problem, so that no function of the user is called
    _moving_gram = False  # whether H(u) is a fixed Gram matrix plus penalties, which _factory() factors at each u

    @property
    @abc.abstractmethod
    def outer_shape(self):
        """The shape of u."""

    @property
    @abc.abstractmethod
    def inner_shape(self):
        """The shape of w."""

    @property
    @abc.abstractmethod
    def dtype(self):
        """float32 or float64."""

    @property
    def outer_size(self):
        """The number of outer variables, m."""
        return math.prod(self.outer_shape)

    @property
    def inner_size(self):
        """The number of inner variables, n."""
        return math.prod(self.inner_shape)

    def inner_value(self, u, w):
        """Return f(u, w); no loop needs it."""
        raise NotImplementedError(f"{type(self).__name__} has no inner_value")

    def inner_gradient_u(self, u, w):
        """Return ∂f/∂u, of the shape of u; no loop needs it, and the value-function penalty takes differences of f without it."""
        raise NotImplementedError(f"{type(self).__name__} has no inner_gradient_u")

    @abc.abstractmethod
    def inner_gradient(self, u, w):
        """Return ∇_w f(u, w), of the shape of w."""

    @abc.abstractmethod
    def outer_value(self, u, w):
        """Return F(u, w)."""

    @abc.abstractmethod
    def outer_gradients(self, u, w):
        """Return (∂F/∂u, ∂F/∂w)."""

    @abc.abstractmethod
    def hessian(self, u, w):
        """Return H = ∂²f/∂w∂wᵀ as a LinearOperator of shape (n, n)."""

    @abc.abstractmethod
    def cross(self, u, w):
        """Return M = ∂(∇_w f)/∂u as a LinearOperator of shape (n, m); its .H gives Mᵀq."""

    def inner_solution(self, u, w0=None):
        """Return the inner solution at u that is nearest w0 (zero where None), where there is a closed form."""
        raise NotImplementedError(f"{type(self).__name__} has no inner_solution; pass inner=GradientDescent(...)")

    @property
    def has_inner_solution(self):
        """Whether inner_solution is given."""
        return type(self).inner_solution is not Problem.inner_solution

    @property
    def has_inner_value(self):
        """Whether inner_value is given."""
        return type(self).inner_value is not Problem.inner_value

    @property
    def has_inner_gradient_u(self):
        """Whether inner_gradient_u is given."""
        return type(self).inner_gradient_u is not Problem.inner_gradient_u

    @property
    def _affine(self):
        """Whether H is fixed and its factors are ours to see, as in Quadratic and BiasedRidge; a user's claim has no factors."""
        return self.fixed_hessian and hasattr(self, "_factored_shape")

    def _blame(self):
        """Return which arrays of the problem hold NaN, infinity, or numbers whose squares leave the range, or an empty string."""
        arrays = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray) and value.size}
        sizes = {name: float(np.abs(value).max()) for name, value in arrays.items()}
        limits = np.sqrt(np.finfo(self.dtype).tiny), np.sqrt(np.finfo(self.dtype).max)
        bad = [name for name, size in sizes.items() if not np.isfinite(size)]
        wide = [f"{name} ({size:.0e})" for name, size in sizes.items() if np.isfinite(size) and size and not limits[0] < size < limits[1]]
        return (f" {', '.join(bad)}: contains NaN or infinity." if bad else "") + (
            f" {', '.join(wide)}: so large or small that products leave the range of {self.dtype}; scale the data." if wide else "")

    def _u(self, u, name="u"):
        """Return u as a vector (*batch axes, m) of the problem's dtype, or raise an error that names it."""
        return self._ravelled(name, u, self.outer_shape)

    def _w(self, w, name="w"):
        """Return w as a vector (*batch axes, n) of the problem's dtype, zeros where None, or raise an error that names it."""
        if w is None:
            return np.zeros(self.inner_size, self.dtype)
        return self._ravelled(name, w, self.inner_shape)

    def _u0(self, u0):
        """Return u0 as _u does, zeros where None."""
        return np.zeros(self.outer_size, self.dtype) if u0 is None else self._u(u0, "u0")

    def _ravelled(self, name, value, shape):
        array = fit_finite(name, value, shape, self.dtype, self._takes_batches)
        if array.ndim == 1:
            return array
        return array.reshape(*lead(array, len(shape)), math.prod(shape))

    def _shape(self, **vectors):
        """Return the batch axes of the problem and of vectors together, or raise ValueError that names the vector that does not fit."""
        if not self.batch_shape and all(vector.ndim == 1 for vector in vectors.values()):
            return ()
        return broadcast(("problem", self.batch_shape), *((name, lead(vector, 1)) for name, vector in vectors.items()))

    def _owners(self, shape):
        """Return, for each item of a run with the batch axes `shape`, in C order, which problem it is of."""
        return np.broadcast_to(np.arange(math.prod(self.batch_shape)).reshape(self.batch_shape), shape).reshape(-1)

    def _at(self, k):
        """Return problem number k of the batch, in C order."""
        return self

    def _wide(self):
        """Return the problem in float64, where it is given by arrays."""
        return self
