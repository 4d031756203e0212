"""Projections on solution sets, in closed form, and cyclic: Kaczmarz's and Dykstra's algorithms (paper 000, Fig. 8 and App. B.2).

Full warm start projects w on the solution set of each u that it visits: over a cycle of u's it is Kaczmarz's algorithm.
"""
import numpy as np

from .._namespace import as_array, broadcast, common_dtype, contiguous, fit_finite, lead, matvec, transposed
from ..methods import check_count, require
from ._cyclic import run
from ._walls import AffineSet, HalfSpaces, Walls, equations, orthonormal, unit_rows, walls_of

__all__ = ["AffineSet", "HalfSpaces", "cyclic_projections", "dykstra", "kaczmarz", "project"]


def project(w, X, y):
    """Return the point of the affine set {v : Xv = y} that is nearest to w, w − X⁺(Xw − y)  (paper 000, App. B.2).

    For one example x with target y it is w − (xᵀw − y)/(xᵀx) x, the end of gradient descent from w on ½(xᵀw − y)².

    Parameters
    ----------
    w : array_like, shape (..., n)
        The points. Axes in front broadcast against those of X and y and make a batch.
    X : array_like, shape (..., k, n)
        The equations; their rows may depend on each other.
    y : array_like, shape (..., k)
        The right-hand sides.

    Returns
    -------
    ndarray, shape (..., n)
        float32 where w, X and y are, else float64.

    Raises
    ------
    ValueError, TypeError
        For shapes or dtypes that do not fit, NaN or infinity, and where Xw = y has no solution.

    Examples
    --------
    >>> import pyblo
    >>> pyblo.equilibria.project([0.0, 0.0], X=[[1.0, 1.0]], y=[2.0])
    array([1., 1.])
    """
    X, y = equations(X, y)
    w, X, y = _points("w", w, X, y)
    shape = broadcast(("X", lead(X, 2)), ("y", lead(y, 1)), ("w", lead(w, 1)))
    V, b = orthonormal(X, y)
    moved = w - matvec(V, matvec(transposed(V), w) - b)
    return np.array(np.broadcast_to(moved, (*shape, w.shape[-1])), w.dtype)


def kaczmarz(w0, X, y, *, block=1, maxiter=1000, tol=None, history=False):
    """Project w on the solution sets of the rows of Xw = y in turn: Kaczmarz's algorithm, in the order of the rows.

    w ← w − (xᵢᵀw − yᵢ)/(xᵢᵀxᵢ) xᵢ,  or with blocks of rows w ← w − Xᵢ⁺(Xᵢw − yᵢ). Where Xw = y has solutions w tends to the one nearest
    w₀; where it has none, to a limit cycle.

    Parameters
    ----------
    w0 : array_like, shape (..., n)
        The start. Axes in front broadcast against those of X and y and make a batch.
    X : array_like, shape (..., k, n)
        The equations.
    y : array_like, shape (..., k)
        The right-hand sides.
    block : int
        The number of rows that make a set; the last set may have fewer.
    maxiter : int
        The most cycles through the sets.
    tol : float, optional
        Success is a w within tol·max(1, ‖w‖) of every set, at the end of a cycle whose steps together are not longer. None is 1e-10 in
        float64 and 1e-5 in float32.
    history : bool
        Whether to keep w at the end of every cycle.

    Returns
    -------
    ProjectionResult
        INCONSISTENT with the points of the limit cycle where there is no common point.

    Raises
    ------
    ValueError, TypeError
        For shapes or dtypes that do not fit, NaN or infinity, and a set that is empty by itself.

    References
    ----------
    Kaczmarz, Angenäherte Auflösung von Systemen linearer Gleichungen, 1937.

    Examples
    --------
    >>> import pyblo
    >>> found = pyblo.equilibria.kaczmarz([0.0, 0.0], X=[[1.0, 0.0], [1.0, 1.0]], y=[1.0, 3.0])
    >>> found.w.round(6), found.success
    (array([1., 2.]), True)
    >>> pyblo.equilibria.kaczmarz([5.0], X=[[1.0], [1.0]], y=[0.0, 1.0]).cycle  # two points cannot be one
    array([[0.],
           [1.]])
    """
    X, y = equations(X, y)
    w0, X, y = _points("w0", w0, X, y)
    block, k = check_count("block", block, 1), X.shape[-2]
    block = min(block, max(k, 1))  # which may not fit an int64
    owner = np.arange(k) // block
    if block == 1:
        a, b = unit_rows(X, np.broadcast_to(y, (*broadcast(("X", lead(X, 2)), ("y", lead(y, 1))), k)))
    else:
        parts = [orthonormal(X[..., i : i + block, :], y[..., i : i + block]) for i in range(0, k, block)]
        owner = np.repeat(np.arange(len(parts)), [V.shape[-1] for V, _ in parts])
        a = np.concatenate([transposed(V) for V, _ in parts], axis=-2) if parts else X
        b = np.concatenate([b for _, b in parts], axis=-1) if parts else y
    return run(w0, Walls(a, b, np.zeros(owner.size, bool), owner), False, maxiter, tol, history)


def cyclic_projections(w0, sets, *, maxiter=1000, tol=None, history=False):
    """Project w on affine sets and half-spaces in turn: alternating projections, to some common point where there is one.

    Parameters
    ----------
    w0 : array_like, shape (..., n)
        The start; axes in front make a batch.
    sets : sequence of AffineSet and HalfSpaces
        In the order in which they are visited; each row of HalfSpaces is a set.
    maxiter, tol, history
        As in `kaczmarz`.

    Returns
    -------
    ProjectionResult

    Raises
    ------
    ValueError, TypeError
        For sets or starts that do not fit.

    References
    ----------
    Bregman, The method of successive projection for finding a common point of convex sets, 1965.

    Examples
    --------
    >>> from pyblo.equilibria import HalfSpaces, cyclic_projections, dykstra
    >>> sets = [HalfSpaces([[1.0, 1.0], [0.0, 1.0]], [0.0, -1.0])]
    >>> cyclic_projections([2.0, 2.0], sets).w.round(6), dykstra([2.0, 2.0], sets).w.round(6)  # the second is the nearest common point
    (array([ 0., -1.]), array([ 1., -1.]))
    """
    return run(*_start(w0, sets), False, maxiter, tol, history)


def dykstra(w0, sets, *, maxiter=1000, tol=None, history=False):
    """Project w₀ on the intersection of affine sets and half-spaces by Dykstra's algorithm: to the common point nearest w₀.

    x = w + pᵢ,  w ← Πᵢ(x),  pᵢ ← x − w, the corrections pᵢ being zero at first. On affine sets they change nothing, and the iterates
    are those of `cyclic_projections`; on half-spaces they are multiples of the normals, which tend to the multipliers.

    Parameters
    ----------
    w0 : array_like, shape (..., n)
        What is projected; axes in front make a batch.
    sets : sequence of AffineSet and HalfSpaces
        In the order in which they are visited; each row of HalfSpaces is a set.
    maxiter : int
        The most cycles through the sets.
    tol : float, optional
        Success is a w within tol·max(1, ‖w‖) of every set, at the end of a cycle in which corrections and w together move by no more.
        None is 1e-10 in float64 and 1e-5 in float32.
    history : bool
        Whether to keep w at the end of every cycle.

    Returns
    -------
    ProjectionResult
        INCONSISTENT with the points of the limit cycle where there is no common point.

    Raises
    ------
    ValueError, TypeError
        For sets or starts that do not fit.

    References
    ----------
    Boyle and Dykstra, A method for finding projections onto the intersection of convex sets in Hilbert spaces, 1986.
    Hildreth, A quadratic programming procedure, 1957.

    Examples
    --------
    >>> from pyblo.equilibria import AffineSet, HalfSpaces, dykstra
    >>> found = dykstra([3.0, 0.0], [HalfSpaces([[1.0, 0.0]], [1.0]), AffineSet([[1.0, -1.0]], [0.0])])  # w₁ ≤ 1, w₁ = w₂
    >>> found.w.round(6), found.success
    (array([1., 1.]), True)
    >>> dykstra([0.5], [HalfSpaces([[1.0], [-1.0]], [0.0, -1.0])]).cycle  # w ≤ 0 and w ≥ 1
    array([[0.],
           [1.]])
    """
    return run(*_start(w0, sets), True, maxiter, tol, history)


def _points(name, w, X, y):
    """Return w, X and y in their common dtype, or raise an error that names w."""
    dtype = common_dtype(as_array(name, w), X)
    return fit_finite(name, w, (X.shape[-1],), dtype, batch=True), X.astype(dtype, copy=False), y.astype(dtype, copy=False)


def _start(w0, sets):
    """Return w0 and the Walls of the sets in their common dtype, or raise an error that names w0 or sets."""
    walls, dtype = walls_of(sets)
    dtype = common_dtype(as_array("w0", w0), dtype)
    w0 = fit_finite("w0", w0, walls.a.shape[-1:], dtype, batch=True)
    with np.errstate(over="ignore"):
        a, b = contiguous(walls.a, dtype, "X"), contiguous(walls.b, dtype, "y")
    require(np.isfinite(b).all(), f"sets: a right-hand side over the norm of its row overflows {dtype}; scale the data")
    return w0, Walls(a, b, walls.half_space, walls.owner)
