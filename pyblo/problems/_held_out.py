"""The outer objective of problems that fit a linear model: the squared error on data held out."""
import numpy as np

from .. import spectral
from .._namespace import matvec, transposed
from ._arrays import FixedHessian, spread


class SquaredError(FixedHessian):
    """A problem with F = ½‖X′w − y′‖², where _held_out names X′ and y′."""

    _held_out = "X_val", "y_val"

    @property
    def _rows(self):
        return getattr(self, self._held_out[0])

    def _rest(self, w):
        return matvec(self._rows, w) - getattr(self, self._held_out[1])

    def outer_value(self, u, w):
        u, w, shape = self._point(u, w)
        return self._number(0.5 * np.sum(self._rest(w) ** 2, axis=-1), shape)

    def outer_gradients(self, u, w):
        u, w, shape = self._point(u, w)
        return np.zeros((*shape, *self.outer_shape), self.dtype), spread(matvec(transposed(self._rows), self._rest(w)), shape)

    def _outer_root(self):
        """Return L with LLᵀ = X′ᵀX′."""
        spectral.require_finite(2, **{self._held_out[0]: self._rows})
        return transposed(self._rows)

    def _outer_product(self, v):
        """Return ∂²F/∂w² v."""
        return matvec(transposed(self._rows), matvec(self._rows, v))

    def _outer_bounded(self):
        """Return, for each problem, whether F has a lower bound in w: a sum of squares has."""
        return np.ones(self.batch_shape, bool)
