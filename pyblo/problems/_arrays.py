"""What problems that are given by arrays share: axes in front of the arrays' own are the batch."""
import copy
from dataclasses import replace

import numpy as np

from .._namespace import as_array, broadcast, collapsed, common_dtype, lead, stacked
from ..operators import BatchedOperator
from ..problem import Problem


class ArrayProblem(Problem):
    """A problem given by arrays, a frozen dataclass; _cores says how many axes of each belong to one problem."""

    _takes_batches = True
    _cores = {}
    # Of a fixed H: the array that is factored, and whether H is its Gram matrix (plus βI), whose condition number is then the square
    _factored = None

    def _store(self, arrays, given=None):
        """Keep checked arrays in their common dtype, where given says which of them decide it, and the batch that they make."""
        dtype = common_dtype(*(array for name, array in arrays.items() if given is None or name in given))
        for name, array in arrays.items():
            if isinstance(array, np.ndarray):
                array = stacked(name, array, self._cores[name], dtype)
            object.__setattr__(self, name, array)
        axes = ((name, lead(array, self._cores[name])) for name, array in arrays.items() if isinstance(array, np.ndarray))
        object.__setattr__(self, "batch_shape", broadcast(*axes))

    def _at(self, k):
        if not self.batch_shape:
            return self
        one, index = copy.copy(self), np.unravel_index(k, self.batch_shape)
        for name, core in self._cores.items():
            array = getattr(self, name)
            if isinstance(array, np.ndarray):
                array = np.broadcast_to(array, self.batch_shape + array.shape[array.ndim - core :])[index]
                object.__setattr__(one, name, array if core else float(array))
        object.__setattr__(one, "batch_shape", ())
        return one

    def _wide(self):
        if self.dtype == np.float64:
            return self
        arrays = {name: getattr(self, name) for name in self._cores}
        return replace(self, **{name: array.astype(np.float64) for name, array in arrays.items() if isinstance(array, np.ndarray)})

    def _small(self, name):
        """Return an array without the repetitions of a stride of zero."""
        return collapsed(getattr(self, name), self._cores[name])

    def _flat(self, rows, **arrays):
        """Yield arrays, those named by True as they are kept, as the rows of a batch that the core takes."""
        for name, array in arrays.items():
            yield rows(name, getattr(self, name) if array is True else array, self._cores[name])

    def _axes_of(self, u, w):
        """Return the batch axes of an operator at (u, w), where either may be None."""
        vectors = {name: np.zeros((*np.shape(x)[:-1], 0)) for name, x in (("u", u), ("w", w)) if x is not None}
        return self._shape(**vectors)

    def _point(self, u, w):
        """Return u and w as vectors, and the batch axes of the problem and of both."""
        u, w = self._u(u), self._w(w)
        return u, w, self._shape(u=u, w=w)

    def _number(self, value, shape):
        """Return a value for each problem: a float for a single one, else an array of the batch's shape."""
        return float(value) if shape == () else np.array(np.broadcast_to(value, shape), self.dtype)


class FixedHessian(ArrayProblem):
    """A problem whose H depends on neither u nor w: _spectrum(rcond) factors it, from an array of the shape _factored_shape()."""

    fixed_hessian = True

    def inner_solution(self, u, w0=None):
        u, w0 = self._u(u), self._w(w0, "w0")
        shape, s = self._shape(u=u, w0=w0), self._spectrum()
        return spread(s.inner_run(s.inverse(), u, w0), shape)


def symmetric_operator(n, batch, dtype, columns, vectors):
    """Return a symmetric operator: columns(V) is its product with a vector or a matrix, vectors(v) that of a batch with (..., n)."""
    from scipy.sparse.linalg import LinearOperator

    if batch:
        return BatchedOperator((*batch, n, n), dtype, vectors, vectors)
    return LinearOperator((n, n), matvec=columns, rmatvec=columns, matmat=columns, rmatmat=columns, dtype=dtype)


def spread(x, shape):
    """Return vectors x (..., n) as (*shape, n), in memory of their own where axes were missing."""
    return x if x.shape[:-1] == shape else np.array(np.broadcast_to(x, (*shape, x.shape[-1])))


def numbers(name, value):
    """Return value as a finite float, or as a float64 array where it has axes; raises an error that names the argument."""
    if isinstance(value, list | tuple) or np.ndim(value):
        array = stacked(name, as_array(name, value), 0, np.float64)
    else:
        try:
            array = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{name}: expected a real number, got {value!r}") from None
    if not np.isfinite(collapsed(np.asarray(array), 0)).all():
        raise ValueError(f"{name}: {value!r} is not finite")
    return array
