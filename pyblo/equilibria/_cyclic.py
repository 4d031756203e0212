"""Cyclic projections as the core runs them, and what is said of their end."""
import math

import numpy as np

from .. import _dispatch
from .._ending import Ending
from .._namespace import broadcast, contiguous, flat, lead, norm, require_memory
from .._parts import default_rtol, rows_of
from ..methods import INT64, check_count, check_number
from ..result import ProjectionResult
from ..status import Status
from ._walls import Walls


def run(w0, walls, corrected, maxiter, tol, history):
    """Return the ProjectionResult of cyclic projections from w₀ (..., n) on Walls, with Dykstra's corrections or without."""
    maxiter, dtype, n = check_count("maxiter", maxiter, most=INT64), w0.dtype, w0.shape[-1]
    tol = default_rtol(dtype) if tol is None else check_number("tol", tol)
    shape = broadcast(("X", lead(walls.a, 2)), ("y", lead(walls.b, 1)), ("w0", lead(w0, 1)))
    count = math.prod(shape)
    a, b = flat("X", walls.a.astype(dtype, copy=False), 2, shape), flat("y", walls.b.astype(dtype, copy=False), 1, shape)
    if a.ndim - b.ndim != 1:  # one of them is shared, the other is not
        a = contiguous(np.broadcast_to(a, (count, *a.shape[-2:])), dtype, "X")
        b = contiguous(np.broadcast_to(b, (count, b.shape[-1])), dtype, "y")
    kept = None
    if history:
        require_memory("history (pass history=False)", count * (maxiter + 1) * n * dtype.itemsize)
        kept = np.empty((count, maxiter + 1, n), dtype)
    w, moves, status, cycles, moved, apart = _dispatch.cyclic_projections(
        a, b, walls.half_space.astype(np.uint8), rows_of(w0, shape), corrected, tol, maxiter, kept)
    flat_walls = Walls(a, b, walls.half_space, walls.owner)
    residual = flat_walls.distances(w).max(axis=-1, initial=0.0)
    status = np.where((status == Status.CONVERGED) & ~(residual <= tol * np.maximum(1.0, norm(w))), int(Status.NOT_CONVERGED), status)
    ending = Ending(shape, status, lambda k: _message(status[k], cycles[k], residual[k], moved[k], apart[k], tol), str)
    met_again = status == Status.INCONSISTENT
    return ProjectionResult(
        w=w.reshape(*shape, n), residual=ending.shaped(residual), cycles=ending.shaped(cycles), status=ending.status,
        message=ending.message,
        cycle=_where(met_again, flat_walls.visited(w, moves), shape) if met_again.any() else None,
        separation=ending.shaped(np.where(met_again, apart, 0.0)), history=None if kept is None else _trimmed(kept, cycles, shape))


def _where(chosen, arrays, shape):
    """Return arrays (count, ...) in the batch's shape, NaN where not chosen."""
    arrays = np.where(chosen[:, None, None], arrays, np.nan).astype(arrays.dtype)
    return arrays.reshape(*shape, *arrays.shape[1:])


def _message(status, cycles, residual, moved, apart, tol):
    if status == Status.INCONSISTENT:
        return (f"Limit cycle: the sets have no common point within {apart:.3g} of w, and w has run through the same points, "
                f"{moved:.3g} of way, since the cycle before the last of {cycles}; they are in the result's cycle.")
    return Status(int(status)).explain(f"{cycles} cycles, the last {moved:.3g} of way, farthest set {residual:.3g}, tol = {tol:g}")


def _trimmed(kept, cycles, shape):
    """Return the rows that were written; where a run ended before the longest one, its last row is repeated."""
    length = int(cycles.max(initial=0)) + 1
    row = np.minimum(np.arange(length), cycles[:, None])
    return np.take_along_axis(kept, row[..., None], 1).reshape(*shape, length, kept.shape[-1])
