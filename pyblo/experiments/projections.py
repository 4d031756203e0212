"""Warm and cold start as projections on solution sets (paper 000, Fig. 8 and App. B.2; MATH §5).

The outer variable is one data point (x, y), cycled through four fixed values; the model is w₁x + w₂, so S(x, y) = {w: w₁x + w₂ = y}
is a line. From w, full warm start goes to Π(w) = w − (xᵀw − y)/(xᵀx) x with x = [x, 1], and over a cycle it is Kaczmarz's
algorithm; partial warm start makes t gradient steps towards the line; cold start projects w₀ each time. Where the four lines meet
warm start goes there, and fits all four points. Where they do not it ends in a limit cycle. On half-spaces projections in turn
reach a common point, Dykstra's algorithm the nearest. The paper draws a sketch; the points are chosen here. Original data: the line
that the four points lie on, with noise.
"""
from dataclasses import dataclass

import numpy as np

import pyblo

from . import Table, csv_text

__all__ = ["Path", "Projections", "csv", "figures", "run", "table"]

NAME = "projections"


@dataclass(frozen=True)
class Path:
    """Inner variables along cycles through the points.

    Attributes
    ----------
    name : str
        The algorithm.
    points : ndarray, shape (cycles · points + 1, 2)
        w at the start, and after each inner run.
    gap : float
        How far the same by another route is: cyclic projections in the core, or the closed form of t steps.
    """

    name: str
    points: np.ndarray
    gap: float


@dataclass(frozen=True)
class Projections:
    """The result.

    Attributes
    ----------
    X, y, apart : ndarray, shapes (points, 2), (points,) and (points,)
        The rows [x, 1] and targets of the points, and targets whose lines do not meet.
    outer : TargetLearning
        Its F is the outer objective, of w alone.
    common : ndarray, shape (2,)
        Where the lines of y meet.
    full, partial, cold, lost : tuple of Path
        By start: full and partial warm start, cold start; and full warm start on the lines of `apart`.
    cycle : ndarray, shape (points, 2)
        The limit cycle of the last.
    walls : HalfSpaces
        Half-spaces of w.
    turns, corrected : ProjectionResult
        Projections on them in turn, and Dykstra's algorithm, both with their history.
    """

    X: np.ndarray
    y: np.ndarray
    apart: np.ndarray
    outer: pyblo.TargetLearning
    common: np.ndarray
    full: tuple
    partial: tuple
    cold: tuple
    lost: tuple
    cycle: np.ndarray
    walls: object
    turns: object
    corrected: object

    def error(self, w):
        """Return F of points (..., 2)."""
        return self.outer.outer_value(np.zeros(2), w)


def run(progress=None, *, x=(-2.0, -0.5, 0.5, 1.5), line=(1.0, 1.5), apart=(0.8, -0.8, 0.8, -0.8), starts=((0.0, 0.0), (2.5, -0.5)),
        steps=2, inner_step=0.1, cycles=12, wall=((1.0, 1.0, 0.0), (0.0, 1.0, -1.0)), wall_start=(2.0, 1.0), noise=0.5, seed=0):
    """Project in cycles.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    x : sequence of float
        Of the data points.
    line : (float, float)
        w at which all of them are fitted: y = w₁x + w₂.
    apart : sequence of float
        What is added to the targets so that their lines do not meet.
    starts : sequence of (float, float)
        w₀.
    steps, inner_step : int, float
        t and α of partial warm start.
    cycles : int
        Through the points.
    wall : sequence of (float, float, float)
        Half-spaces a₁w₁ + a₂w₂ ≤ b, as (a₁, a₂, b).
    wall_start : (float, float)
        What is projected on them.
    noise, seed : float, int
        Of the 20 original data points.

    Returns
    -------
    Projections
    """
    X, line, starts, wall = np.column_stack([x, np.ones(len(x))]), np.array(line), np.array(starts), np.array(wall)
    y, full, partial = X @ line, pyblo.ClosedForm(), pyblo.GradientDescent(steps, inner_step)
    walls = pyblo.equilibria.HalfSpaces(wall[:, :2], wall[:, 2])
    jobs = (
        ("full warm start", lambda: _paths("full warm start", X, y, starts, full, cycles)),
        ("partial warm start", lambda: _paths(f"partial warm start, t = {steps}", X, y, starts, partial, cycles)),
        ("cold start", lambda: _paths("cold start", X, y, starts, full, 1, warm=False)),
        ("lines that do not meet", lambda: _paths("full warm start, no common point", X, y + apart, starts, full, cycles)),
        ("half-spaces", lambda: [project(wall_start, [walls], maxiter=1000, history=True)
                                 for project in (pyblo.equilibria.cyclic_projections, pyblo.equilibria.dykstra)]),
    )
    parts = []
    for done, (text, compute) in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs), text)
        parts.append(compute())
    if progress is not None:
        progress(len(jobs), len(jobs), "done")
    cycle = pyblo.equilibria.kaczmarz(starts[0], X, y + apart).cycle
    return Projections(X, y, y + apart, _original(line, noise, seed), line, *map(tuple, parts[:4]), cycle, walls, *parts[4])


def _original(line, noise, seed):
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.uniform(-2, 2, 20), np.ones(20)])
    return pyblo.TargetLearning(np.eye(2), rows, rows @ line + noise * rng.standard_normal(20))


def _paths(name, X, y, starts, inner, cycles, warm=True):
    """Return the Path of each start: at every visit the inner run of pyblo on the problem of that one point."""
    problems = [pyblo.TargetLearning(row[None], np.eye(2)[:1], [0.0]) for row in X]
    w, visits = starts, []
    for k in range(cycles * len(X)):
        at = k % len(X)
        u = np.broadcast_to(y[at : at + 1], (len(starts), 1))
        w = pyblo.hypergradient(problems[at], u, w0=w if warm else starts, inner=inner).w
        visits.append(w)
    return [Path(name, np.concatenate([[start], points]), _gap(X, y, start, points, inner, warm))
            for start, points in zip(starts, np.stack(visits, axis=1), strict=True)]


def _gap(X, y, start, points, inner, warm):
    """Return the largest difference from projections by themselves: in the core over cycles, else one by one."""
    if warm and isinstance(inner, pyblo.ClosedForm):
        kept = pyblo.equilibria.kaczmarz(start, X, y, maxiter=len(points) // len(X), tol=0.0, history=True).history
        return float(np.abs(kept[1:] - points[len(X) - 1 :: len(X)][: len(kept) - 1]).max())
    before = np.concatenate([[start], points[:-1]]) if warm else np.tile(start, (len(points), 1))
    at = np.arange(len(points)) % len(X)
    nearest = pyblo.equilibria.project(before, X[at, None], y[at, None])
    share = 1.0
    if isinstance(inner, pyblo.GradientDescent):
        share = 1 - (1 - inner.step * np.sum(X[at] ** 2, axis=1, keepdims=True)) ** inner.steps
    return float(np.abs(before + share * (nearest - before) - points).max())


def table(result):
    """Return where each algorithm ends, and how well its w fits all points, as a Table."""
    rows = []
    meeting = (*result.full, *result.partial, *result.cold)
    for path, targets in [(path, result.y) for path in meeting] + [(path, result.apart) for path in result.lost]:
        w = path.points[-1]
        rows.append((f"{path.name}, from {_pair(path.points[0])}", str(len(path.points) - 1), _pair(w, 4),
                     f"{np.abs(result.X @ w - targets).max():.1e}", f"{result.error(w):.3f}", f"{path.gap:.0e}"))
    for name, found in (("in turn", result.turns), ("Dykstra", result.corrected)):
        rows.append((f"half-spaces, {name}, from {_pair(found.history[0])}", str(found.cycles), _pair(found.w, 4),
                     f"{found.residual:.1e}", "—", "—"))
    caption = (f"Worst misfit: max |w₁x + w₂ − y| over the four points; of half-spaces the distance from the farthest. F: the error on the "
               f"original data, {result.error(result.common):.3f} where the lines meet, {_pair(result.common)}. Δ: the largest "
               "difference from projections that know nothing of bilevel problems.")
    columns = "algorithm", "runs, cycles", "ends at", "worst misfit", "F", "Δ"
    return Table("Warm and cold start as projections", columns, tuple(rows), caption)


def _pair(w, digits=None):
    return "({}, {})".format(*(f"{each:g}" if digits is None else f"{each:.{digits}f}" for each in w)).replace("-", "−")


def csv(result):
    """Return CSV texts: the paths, and the points of half-spaces."""
    paths = [(path.name, *path.points[0], k, *w) for path in (*result.full, *result.partial, *result.cold, *result.lost)
             for k, w in enumerate(path.points)]
    cycles = [(name, k, *w) for name, found in (("in turn", result.turns), ("Dykstra", result.corrected))
              for k, w in enumerate(found.history)]
    return {NAME: csv_text(("algorithm", "start1", "start2", "run", "w1", "w2"), paths),
            f"{NAME}-half-spaces": csv_text(("algorithm", "cycle", "w1", "w2"), cycles)}


def figures(result):
    """Return the figure: warm start, partial and cold start on lines that meet; lines that do not; half-spaces."""
    from ._projections_figure import draw

    return {NAME: draw(result)}
