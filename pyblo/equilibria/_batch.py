"""Closed forms whose ranks and certificates are each problem's own: one problem of a batch after the other."""
import numpy as np

from .._ending import Ending
from .._namespace import where
from .._parts import rows_of
from .._plan import check_affine
from ..methods import Exact
from ..result import Equilibrium


def require_affine(problem):
    """Raise an error that names the problem, unless it is one whose Hessian is fixed and known."""
    check_affine(problem, Exact(), None)


def numbers(problem, prepare, solve, **vectors):
    """Return the number solve(prepare(problem), *vectors), of a batch an array of them."""
    with np.errstate(over="ignore", invalid="ignore"):
        shape, each = _each(problem, prepare, solve, vectors)
    if not np.isfinite(each).all():
        worst = max(vectors, key=lambda name: np.abs(vectors[name]).max(initial=0.0))
        raise ValueError(f"{worst}: is so large that the residual overflows{where(~np.isfinite(each).reshape(shape))}")
    return np.array(each, np.float64).reshape(shape) if shape else each[0]


def equilibria(problem, prepare, solve, **vectors):
    """Return the Equilibrium solve(prepare(problem), *vectors), of a batch the one that holds those of its problems."""
    shape, each = _each(problem, prepare, solve, vectors)
    return _together(problem, shape, each) if shape else each[0]


def _each(problem, prepare, solve, vectors):
    shape = problem._shape(**vectors)
    if not shape:
        return shape, [solve(prepare(problem), *vectors.values())]
    each, last = [], None
    for owner, *rows in zip(problem._owners(shape).tolist(), *(rows_of(vector, shape) for vector in vectors.values()), strict=True):
        if owner != last:
            prepared, last = prepare(problem._at(owner)), owner
        each.append(solve(prepared, *rows))
    return shape, each


def _together(problem, shape, each):
    """Return the Equilibrium of a batch from those of its problems."""
    def stacked(name, core):
        rows = [getattr(one, name) for one in each]
        rows = [np.full(core, np.nan, problem.dtype) if row is None else row for row in rows]
        return np.array(rows, problem.dtype).reshape(*shape, *core)

    ending = Ending(shape, np.array([one.status for one in each], np.int32), lambda k: each[k].message, str)
    indices = (index if len(index) > 1 else index[0] for index in np.ndindex(shape))
    certificate = {index: one.certificate for index, one in zip(indices, each, strict=True) if one.certificate}
    fun, max_step = (np.array([getattr(one, name) for one in each], np.float64).reshape(shape) for name in ("fun", "max_step"))
    u, w = stacked("u", problem.outer_shape), stacked("w", problem.inner_shape)
    return Equilibrium(u, w, fun, ending.status, ending.message, certificate, max_step)


def largest_ratio(parts):
    """Return the largest value/size of pairs (value, size), 0 where there is nothing to vanish."""
    return max(float(value / size) if size > 0 else 0.0 for value, size in parts)
