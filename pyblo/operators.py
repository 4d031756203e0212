"""Linear operators of a batch of problems."""
import math

import numpy as np

from ._namespace import matvec, transposed

__all__ = ["BatchedOperator"]


class BatchedOperator:
    """A linear operator for each problem of a batch, as `scipy.sparse.linalg.LinearOperator` is one for a single problem.

    Parameters
    ----------
    shape : tuple of int
        (..., n, m): the batch axes, and the shape of each operator.
    dtype : dtype
        Of the operators.
    apply, adjoint : callable
        x (..., m) -> A x (..., n) and y (..., n) -> Aᵀy (..., m), for any axes in front that broadcast against the batch.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.stack([np.eye(2), 2 * np.eye(2)]), B=np.ones((2, 1)), P=np.eye(2))
    >>> M = problem.cross(None, None)
    >>> M.shape, M @ np.ones(1), M.H @ np.ones((2, 2))
    ((2, 2, 1), array([[1., 1.], [1., 1.]]), array([[2.], [2.]]))
    """

    def __init__(self, shape, dtype, apply, adjoint):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self._apply, self._adjoint = apply, adjoint

    @classmethod
    def of_matrices(cls, A, batch):
        """Return the operators of matrices (..., n, m), with the batch axes given."""
        return cls((*batch, *A.shape[-2:]), A.dtype, lambda x: matvec(A, x), lambda y: matvec(transposed(A), y))

    @property
    def ndim(self):
        """The number of axes of the shape."""
        return len(self.shape)

    @property
    def H(self):
        """The adjoint operators, (..., m, n)."""
        return BatchedOperator((*self.shape[:-2], self.shape[-1], self.shape[-2]), self.dtype, self._adjoint, self._apply)

    T = H

    def matvec(self, x):
        """Return A x (..., n) of vectors x (..., m), whose axes in front broadcast against the batch."""
        x = np.asarray(x)
        if x.shape[-1:] != self.shape[-1:]:
            raise ValueError(f"x: shape {x.shape} does not fit operators of shape {self.shape}; expected (..., {self.shape[-1]})")
        try:
            shape = np.broadcast_shapes(x.shape[:-1], self.shape[:-2])
        except ValueError:
            raise ValueError(f"x: batch axes {x.shape[:-1]} do not broadcast against {self.shape[:-2]}, those of the operators") from None
        y = self._apply(x)
        return y if y.shape[:-1] == shape else np.array(np.broadcast_to(y, (*shape, self.shape[-2])))

    def rmatvec(self, y):
        """Return Aᵀy (..., m) of vectors y (..., n)."""
        return self.H.matvec(y)

    def matmat(self, X):
        """Return A X (..., n, k) of matrices X (..., m, k)."""
        X = np.asarray(X)
        if X.ndim < 2:
            raise ValueError(f"X: shape {X.shape} is not that of a matrix (..., {self.shape[-1]}, k); `@` takes vectors")
        ahead = max(len(self.shape) - X.ndim, 0)  # so that the columns stand in front of all batch axes
        columns = np.moveaxis(X.reshape((1,) * ahead + X.shape), -1, 0)
        return np.moveaxis(self.matvec(np.ascontiguousarray(columns)), 0, -1).copy()

    def __matmul__(self, x):
        return self.matvec(x)

    def todense(self):
        """Return the matrices, (..., n, m)."""
        n, m = self.shape[-2:]
        if math.prod(self.shape) == 0:
            return np.zeros(self.shape, self.dtype)
        columns = [self.matvec(unit) for unit in np.eye(m, dtype=self.dtype)]  # one by one: the bits of a single operator's
        return np.stack(columns, axis=-1)

    def __repr__(self):
        return f"<{' × '.join(map(str, self.shape))} BatchedOperator, {self.dtype}>"
