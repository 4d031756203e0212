"""Problems made of the user's functions."""

import math

import numpy as np

from .._namespace import answer
from ..methods import check_count
from ..problem import Problem

__all__ = ["FixedPointMap", "FunctionProblem"]


def _shape(name, shape):
    sizes = shape if isinstance(shape, tuple | list) else (shape,)
    return tuple(check_count(name, size) for size in sizes)


def _operator(shape, dtype, apply, adjoint):
    from scipy.sparse.linalg import LinearOperator

    return LinearOperator(shape, matvec=apply, rmatvec=adjoint, dtype=dtype)


class _Functions(Problem):
    def __init__(self, outer_shape, inner_shape, dtype, outer_value, outer_gradients, **functions):
        self._outer_shape, self._inner_shape = _shape("outer_shape", outer_shape), _shape("inner_shape", inner_shape)
        self._dtype = np.dtype(dtype)
        if self._dtype not in (np.float32, np.float64):
            raise TypeError(f"dtype: {self._dtype} is not supported; pass float32 or float64")
        self._functions = {"outer_value": outer_value, "outer_gradients": outer_gradients, **functions}
        for name, function in self._functions.items():
            if not callable(function) and not (function is None and name in self.optional):
                raise TypeError(f"{name}: {function!r} is not callable")

    optional = ()

    @property
    def outer_shape(self):
        return self._outer_shape

    @property
    def inner_shape(self):
        return self._inner_shape

    @property
    def dtype(self):
        return self._dtype

    def outer_value(self, u, w):
        return self._functions["outer_value"](u, w)

    def outer_gradients(self, u, w):
        return self._functions["outer_gradients"](u, w)

    def _answer(self, name, arguments, *shapes):
        """Return what the named function says, as floats in one of the shapes; complex only where an argument is."""
        function = self._functions[name]
        if function is None:
            raise ValueError(f"{name}: is needed here and was not given")
        kinds = "fiubc" if any(map(np.iscomplexobj, arguments)) else "fiub"  # check_problem makes complex steps
        array = answer(name, function(*arguments), *shapes, kinds=kinds)
        return array.astype(np.result_type(array, self.dtype), copy=False)  # unsigned integers would wrap when negated

    def _vector(self, name, u, w, v, given, returned):
        """Return what the named function says of the ravelled vector v, ravelled, from the shapes of its argument and answer."""
        flat = (math.prod(returned),)
        return self._answer(name, (u, w, v.reshape(given)), returned, flat).reshape(flat)


class FunctionProblem(_Functions):
    """A bilevel problem given by NumPy functions; they reach the same C++ loops as the built-in problems.

    Vectors have the shapes of u and w. The functions get read-only arrays.

    Parameters
    ----------
    outer_shape, inner_shape : tuple of int or int
        The shapes of u and w.
    outer_value : callable (u, w) -> float
        F.
    outer_gradients : callable (u, w) -> (array, array)
        ∂F/∂u and ∂F/∂w.
    inner_gradient : callable (u, w) -> array
        ∇_w f.
    hessian_product : callable (u, w, v) -> array
        H v, of the shape of w.
    cross_adjoint : callable (u, w, q) -> array
        Mᵀq, of the shape of u.
    cross_product : callable (u, w, v) -> array, optional
        M v, of the shape of w; needed by forward-mode unrolling.
    inner_value : callable (u, w) -> float, optional
        f.
    inner_gradient_u : callable (u, w) -> array, optional
        ∂f/∂u, of the shape of u, for `equilibria.penalty_descent`.
    inner_solution : callable (u, w0) -> array, optional
        The inner solution nearest w0; without it pass inner=GradientDescent(...).
    dtype : dtype
        float64 or float32.

    Raises
    ------
    TypeError, ValueError
        For a shape or function that does not fit; what a function returns is checked when it is called.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.FunctionProblem(  # f = ½(w − u)², F = ½(w − 3)²
    ...     1, 1, outer_value=lambda u, w: 0.5 * float((w - 3) @ (w - 3)), outer_gradients=lambda u, w: (0 * u, w - 3),
    ...     inner_gradient=lambda u, w: w - u, hessian_product=lambda u, w, v: v, cross_adjoint=lambda u, w, q: -q)
    >>> inner = pyblo.GradientDescent(step=1.0)
    >>> pyblo.hypergradient(problem, [1.0], method=pyblo.CG(), inner=inner).grad
    array([-2.])
    """

    optional = ("cross_product", "inner_value", "inner_gradient_u", "inner_solution")

    def __init__(self, outer_shape, inner_shape, *, outer_value, outer_gradients, inner_gradient, hessian_product, cross_adjoint,
                 cross_product=None, inner_value=None, inner_gradient_u=None, inner_solution=None, dtype=np.float64):
        super().__init__(outer_shape, inner_shape, dtype, outer_value, outer_gradients, inner_gradient=inner_gradient,
                         hessian_product=hessian_product, cross_adjoint=cross_adjoint, cross_product=cross_product,
                         inner_value=inner_value, inner_gradient_u=inner_gradient_u, inner_solution=inner_solution)

    def inner_value(self, u, w):
        if self._functions["inner_value"] is None:
            return super().inner_value(u, w)
        return self._functions["inner_value"](u, w)

    def inner_gradient_u(self, u, w):
        if self._functions["inner_gradient_u"] is None:
            return super().inner_gradient_u(u, w)
        return self._functions["inner_gradient_u"](u, w)

    @property
    def has_inner_value(self):
        return self._functions["inner_value"] is not None

    @property
    def has_inner_gradient_u(self):
        return self._functions["inner_gradient_u"] is not None

    def inner_gradient(self, u, w):
        return self._functions["inner_gradient"](u, w)

    def inner_solution(self, u, w0=None):
        if self._functions["inner_solution"] is None:
            return super().inner_solution(u, w0)
        return self._functions["inner_solution"](u, np.zeros(self.inner_shape, self.dtype) if w0 is None else w0)

    @property
    def has_inner_solution(self):
        return self._functions["inner_solution"] is not None

    def hessian(self, u, w):
        def apply(v):
            return self._vector("hessian_product", u, w, v, self.inner_shape, self.inner_shape)

        return _operator((self.inner_size, self.inner_size), self.dtype, apply, apply)

    def cross(self, u, w):
        return _operator((self.inner_size, self.outer_size), self.dtype,
                         lambda v: self._vector("cross_product", u, w, v, self.outer_shape, self.inner_shape),
                         lambda q: self._vector("cross_adjoint", u, w, q, self.inner_shape, self.outer_shape))


class FixedPointMap(_Functions):
    """A bilevel problem whose inner variable is the fixed point w = Φ(u, w) of a contraction  (paper 002, Eq. 2).

    The core iterates G(u, w) = w − Φ(u, w): H = I − ∂_wΦ, which need not be symmetric, and M = −∂_uΦ. Inner steps default to 1, which
    is w ← Φ(u, w). CG needs normal=True.

    Parameters
    ----------
    outer_shape, inner_shape : tuple of int or int
        The shapes of u and w.
    outer_value, outer_gradients : callable
        As in FunctionProblem.
    map : callable (u, w) -> array
        Φ(u, w).
    jvp_w, vjp_w : callable (u, w, v) -> array
        ∂_wΦ v and ∂_wΦᵀ v.
    vjp_u : callable (u, w, q) -> array
        ∂_uΦᵀ q, of the shape of u.
    jvp_u : callable (u, w, v) -> array, optional
        ∂_uΦ v; needed by forward-mode unrolling.
    dtype : dtype
        float64 or float32.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.FixedPointMap(  # Φ = (w + u)/2, so w = u; F = w²/2
    ...     1, 1, outer_value=lambda u, w: 0.5 * float(w @ w), outer_gradients=lambda u, w: (0 * u, 1 * w),
    ...     map=lambda u, w: 0.5 * (w + u), jvp_w=lambda u, w, v: 0.5 * v, vjp_w=lambda u, w, v: 0.5 * v,
    ...     vjp_u=lambda u, w, q: 0.5 * q)
    >>> result = pyblo.hypergradient(problem, [2.0], method=pyblo.FixedPoint(60), inner=pyblo.GradientDescent())
    >>> result.grad.round(6)
    array([2.])
    """

    optional = ("jvp_u",)
    symmetric = False

    def __init__(self, outer_shape, inner_shape, *, outer_value, outer_gradients, map, jvp_w, vjp_w, vjp_u, jvp_u=None,
                 dtype=np.float64):
        super().__init__(outer_shape, inner_shape, dtype, outer_value, outer_gradients, map=map, jvp_w=jvp_w, vjp_w=vjp_w,
                         vjp_u=vjp_u, jvp_u=jvp_u)

    def inner_gradient(self, u, w):
        """Return w − Φ(u, w)."""
        return w - self._answer("map", (u, w), self.inner_shape)

    def hessian(self, u, w):
        def apply(name):
            return lambda v: np.ravel(v) - self._vector(name, u, w, v, self.inner_shape, self.inner_shape)

        return _operator((self.inner_size, self.inner_size), self.dtype, apply("jvp_w"), apply("vjp_w"))

    def cross(self, u, w):
        return _operator((self.inner_size, self.outer_size), self.dtype,
                         lambda v: -self._vector("jvp_u", u, w, v, self.outer_shape, self.inner_shape),
                         lambda q: -self._vector("vjp_u", u, w, q, self.inner_shape, self.outer_shape))
