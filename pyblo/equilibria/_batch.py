"""Closed forms whose ranks and certificates are each problem's own: one problem of a batch after the other."""
import numpy as np

from .._ending import Ending
from .._namespace import plain_index, where
from .._parts import rows_of
from .._plan import check_affine
from ..methods import Exact
from ..result import Equilibrium
from ..status import Status


def require_affine(problem):
    """Raise an error that names the problem, unless it is one whose Hessian is fixed and known."""
    check_affine(problem, Exact(), None)


def numbers(problem, prepare, solve, parameters=(), **vectors):
    """Return the number solve(prepare(problem), *vectors), of a batch an array of them; parameters are the numbers in solve, by name."""
    shape, each = _each(problem, prepare, solve, vectors)
    require_no_overflow(np.isfinite(each).reshape(shape), **vectors, **dict(parameters))
    return np.array(each, np.float64).reshape(shape) if shape else each[0]


def require_no_overflow(good, **arrays):
    """Raise ValueError where a residual is not good, naming the largest of the arrays."""
    if not np.all(good):
        worst = max(arrays, key=lambda name: np.abs(arrays[name]).max(initial=0.0))
        raise ValueError(f"{worst}: is so large that the residual overflows{where(~np.asarray(good))}")


def equilibria(problem, prepare, solve, **vectors):
    """Return the Equilibrium solve(prepare(problem), *vectors), of a batch the one that holds those of its problems."""
    shape, each = _each(problem, prepare, solve, vectors)
    good = np.array([one.status is not Status.CONVERGED or np.isfinite(one.fun) for one in each], bool)
    if not good.all():
        most = np.sqrt(np.finfo(problem.dtype).max)
        whose = next((name for name, vector in vectors.items() if np.abs(vector).max(initial=0.0) > most), None)
        blame = f"{whose}: is so large that F overflows" if whose else f"problem: its value overflows.{problem._blame()}"
        raise ValueError(blame + where(~good.reshape(shape)))
    return _together(problem, shape, each) if shape else each[0]


@np.errstate(over="ignore", invalid="ignore")  # each result is looked at instead
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
    certificate = {plain_index(index): one.certificate for index, one in zip(np.ndindex(shape), each, strict=True) if one.certificate}
    fun, max_step = (np.array([getattr(one, name) for one in each], np.float64).reshape(shape) for name in ("fun", "max_step"))
    u, w = stacked("u", problem.outer_shape), stacked("w", problem.inner_shape)
    return Equilibrium(u, w, fun, ending.status, ending.message, certificate, max_step)


def largest_ratio(parts):
    """Return the largest value/size of pairs (value, size), 0 where there is nothing to vanish, and NaN where one of them overflows."""
    ratios = [0.0 if size == 0 else value / size if size < np.inf else np.nan for value, size in parts]
    return float(np.max(ratios, initial=0.0))
