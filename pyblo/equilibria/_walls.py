"""Affine sets and half-spaces as unit rows, which the core projects on one after the other."""
from dataclasses import dataclass

import numpy as np

from .. import spectral
from .._namespace import as_array, broadcast, common_dtype, lead, matrix, matvec, norm, transposed, vector, where
from ..methods import require

__all__ = ["AffineSet", "HalfSpaces"]


def orthonormal(X, y, rcond=None):
    """Return (V, b) with {w : Xw = y} = {w : Vᵀw = b} and orthonormal columns of V, zero beyond the rank of a batch's X.

    Singular values up to rcond·σmax are rounding; None is that of X's dtype.

    Raises ValueError where y has a part outside the range of X: then there is no such w.
    """
    rcond = spectral.default_rcond(X) if rcond is None else rcond
    s = spectral.of_gram(X, rcond, name="X")
    sigma = np.sqrt(s.values)
    U = transposed(s.cross) * -_inverse(sigma)[..., None, :]
    inside = matvec(transposed(U), y)
    rest, size = np.asarray(norm(y - matvec(U, inside))), np.asarray(norm(y))
    largest = sigma.max(axis=-1, initial=0.0)
    least = np.where(sigma > 0, sigma, np.inf).min(axis=-1, initial=np.inf)
    condition = np.where(largest > 0, largest / least, 1.0)
    bad = rest > np.minimum(0.5, 100 * rcond * condition) * size
    if bad.any():
        part = (rest / np.where(size > 0, size, 1.0))[np.unravel_index(int(np.argmax(bad)), bad.shape)]
        raise ValueError(f"y: has a relative part {part:.3g} outside the range of X, so Xw = y has no solution{where(bad)}")
    return s.vectors, inside * _inverse(sigma)


def _inverse(values):
    return np.where(values > 0, 1 / np.where(values > 0, values, 1.0), 0.0)


def unit_rows(X, y, half_space=False):
    """Return X and y over the norms of the rows; a row of zeros must hold for every w, and stays zero."""
    size = np.asarray(norm(X))
    empty = (size == 0) & ((y < 0) if half_space else (y != 0))
    if empty.any():
        raise ValueError(f"y: a row of zeros in X asks for 0 {'≤' if half_space else '='} {y[empty][0]:.3g}, which "
                         f"no w fulfils{where(empty, 1)}")
    factor = np.where(size > 0, 1 / np.where(size > 0, size, 1.0), 0.0)
    rows, sides = X * factor[..., None], y * factor
    require(np.isfinite(rows).all() and np.isfinite(sides).all(), "X: its rows over their norms are not finite; scale the data")
    return rows.astype(X.dtype), sides.astype(X.dtype)


def equations(X, y):
    """Return X and y as arrays of their common dtype that fit, or raise an error that names the argument."""
    X = matrix("X", X)
    y = as_array("y", y)
    require(y.shape[-1:] == X.shape[-2:-1], f"y: shape {y.shape} does not fit X of shape {X.shape}; expected {(X.shape[-2],)}")
    y = vector("y", y, X.shape[-2])
    spectral.require_finite(2, X=X)
    dtype = common_dtype(X, y)
    broadcast(("X", lead(X, 2)), ("y", lead(y, 1)))
    return X.astype(dtype, copy=False), y.astype(dtype, copy=False)


@dataclass(frozen=True, eq=False)
class Rows:
    """Sets that the rows of one matrix make; `rows` is (unit rows a, sides b, to which of these sets each row belongs).

    a and b are float64 also where X and y are float32: a run in float64 would solve the rounded equations exactly.
    """

    X: np.ndarray
    y: np.ndarray

    half_space = False

    def __post_init__(self):
        X = matrix("X", self.X)
        require(X.ndim == 2, f"X: has {X.ndim} axes; a set is given by one matrix")
        X, y = equations(X, self.y)
        require(y.ndim == 1, f"y: has {y.ndim} axes; a set is given by one vector")
        rows = self._rows(X.astype(np.float64), y.astype(np.float64), spectral.default_rcond(X))
        for name, value in (("X", X), ("y", y), ("rows", rows)):
            object.__setattr__(self, name, value)

    @property
    def size(self):
        """The number of variables, n."""
        return self.X.shape[1]


class AffineSet(Rows):
    """The affine set {w : Xw = y}, one set for `dykstra` and `cyclic_projections`.

    Parameters
    ----------
    X : array_like, shape (k, n)
        The equations; their rows may depend on each other.
    y : array_like, shape (k,)
        The right-hand sides.

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit, and where the equations contradict each other.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.equilibria.AffineSet(X=[[1.0, 1.0]], y=[2.0]).size
    2
    """

    def _rows(self, X, y, rcond):
        if len(y) == 1:
            a, b = unit_rows(X, y)
        else:
            V, b = orthonormal(X, y, rcond)
            a = V.T
        return a, b, np.zeros(b.size, np.int64)


class HalfSpaces(Rows):
    """The half-spaces {w : xᵢᵀw ≤ yᵢ}, a set for each row of X, for `dykstra` and `cyclic_projections`.

    Parameters
    ----------
    X : array_like, shape (k, n)
        The normals, outwards.
    y : array_like, shape (k,)
        The right-hand sides.

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit, and where a row of zeros asks for 0 ≤ yᵢ < 0.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.equilibria.HalfSpaces(X=[[1.0, 0.0], [0.0, 1.0]], y=[0.0, 0.0]).size  # the negative quadrant
    2
    """

    half_space = True

    def _rows(self, X, y, rcond):
        a, b = unit_rows(X, y, half_space=True)
        return a, b, np.arange(b.size)


@dataclass(frozen=True)
class Walls:
    """Unit rows of sets that are visited in turn.

    Attributes
    ----------
    a, b : ndarray, shapes (..., k, n) and (..., k)
        aᵢᵀw = bᵢ or ≤ bᵢ.
    half_space : ndarray of bool, shape (k,)
    owner : ndarray of int, shape (k,)
        The set that each row is of, ascending.
    """

    a: np.ndarray
    b: np.ndarray
    half_space: np.ndarray
    owner: np.ndarray

    @property
    def count(self):
        """The number of sets."""
        return int(self.owner[-1]) + 1 if self.owner.size else 0

    def distances(self, w):
        """Return the distance of each w (..., n) from each set, in float64."""
        over = matvec(self.a.astype(np.float64), w.astype(np.float64)) - self.b
        over = np.where(self.half_space, np.maximum(over, 0.0), over)
        lengths = np.zeros((*over.shape[:-1], self.count))
        np.hypot.at(lengths, (..., self.owner), over)
        return lengths

    def visited(self, w, moves):
        """Return the points (..., sets, n) after each set of the cycle that made the moves and ended at w."""
        steps = moves[..., None] * self.a
        after = w[..., None, :] + np.flip(np.cumsum(np.flip(steps, -2), -2), -2) - steps  # what the rows after row i subtracted
        last = np.flatnonzero(np.diff(self.owner, append=self.count))
        return after[..., last, :]


def walls_of(sets):
    """Return the Walls of a sequence of AffineSet and HalfSpaces, in float64, and the common dtype of the sets."""
    try:
        sets = list(sets)
    except TypeError:
        raise TypeError(f"sets: expected a sequence of AffineSet and HalfSpaces, got {type(sets).__name__}") from None
    require(bool(sets), "sets: is empty; expected a sequence of AffineSet and HalfSpaces")
    for one in sets:
        if not isinstance(one, AffineSet | HalfSpaces):
            raise TypeError(f"sets: {type(one).__name__} is not an AffineSet or HalfSpaces")
        require(one.size == sets[0].size, f"sets: one has {one.size} variables, another {sets[0].size}")
    owner, parts = 0, []
    for one in sets:
        a, b, owners = one.rows
        if b.size:
            parts.append((a, b, np.full(b.size, one.half_space), owner + owners))
            owner += int(owners[-1]) + 1
    if not parts:
        parts = [(np.zeros((0, sets[0].size)), np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64))]
    a, b, half_space, owner = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Walls(a, b, half_space, owner), common_dtype(*(one.X for one in sets))
