"""Anti-distillation of one point into two, in the plane of their targets u (paper 000, Fig. 11c and App. F.2).

The model is y = wx + b, the original point (1, 1), the learned ones stand at x = 0 and 2 and start at (0, 0), (2, 0). All u with
u₁ + u₂ = 2 are outer solutions. The paper gives neither step: here α = 0.1 (λmax of H is 3 + √5) and β = 0.5.
"""
from dataclasses import dataclass

import numpy as np

import pyblo

from . import Table, csv_text
from .antidistillation import Run, described

__all__ = ["Trajectories", "csv", "figures", "run", "table"]

NAME = "antidistillation-trajectories"


@dataclass(frozen=True)
class Trajectories:
    """The result: the points, the task, the runs with their histories, and the hypergradients at the start.

    Attributes
    ----------
    x, start : ndarray
        Where targets are learned, and the first targets.
    original : tuple of float
        The point (x, y) of the outer objective.
    problem : TargetLearning
        What was solved.
    grid : ndarray
        The ends of the lines that are fitted.
    runs : tuple of Run
        The pseudoinverse, then by number of terms; each has one loop, "auto", with its history.
    hypergradients : tuple of ndarray
        dF/du at the start, by method.
    """

    x: np.ndarray
    start: np.ndarray
    original: tuple
    problem: pyblo.TargetLearning
    grid: np.ndarray
    runs: tuple
    hypergradients: tuple

    def angle(self, k):
        """Return the angle in degrees between hypergradient k and the exact one."""
        exact, other = self.hypergradients[0], self.hypergradients[k]
        return float(np.degrees(np.arctan2(abs(exact[0] * other[1] - exact[1] * other[0]), exact @ other)))


def run(progress=None, *, terms=(2, 6, 11, 21), inner_step=0.1, outer_step=0.5, x=(0.0, 2.0), start=(0.0, 0.0),
        original=(1.0, 1.0), tol=1e-12, maxiter=10_000):
    """Run cold start from the same targets with every method.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    terms : sequence of int
        The Neumann series; Σ_{j=0}^{K} of the paper has K + 1 terms.
    inner_step, outer_step : float
        α and β.
    x, start, original : sequence of float
        The two learned points and their first targets, and the original point.
    tol, maxiter : float, int
        Of the loops.

    Returns
    -------
    Trajectories
    """
    x, start, grid = np.array(x), np.array(start), np.array(x) + [-0.25, 0.25]
    lines = [np.column_stack([at, np.ones_like(at)]) for at in (x, np.array(original[:1]), grid)]
    task = pyblo.TargetLearning(*lines[:2], [original[1]])
    methods = [pyblo.Exact(), *(pyblo.Neumann(int(t), inner_step) for t in terms)]
    runs = []
    for k, method in enumerate(methods):
        if progress is not None:
            progress(k, len(methods), str(method))
        limit = pyblo.equilibria.cold_start(task, start, method=method)
        loop = pyblo.cold_start(task, start, method=method, step=outer_step, tol=tol, maxiter=maxiter)
        runs.append(Run(method, limit, lines[2] @ limit.w, {"auto": loop}))
    if progress is not None:
        progress(len(methods), len(methods), "done")
    return Trajectories(x, start, tuple(original), task, grid, tuple(runs),
                        tuple(pyblo.hypergradient(task, start, method=method).grad for method in methods))


def table(result):
    """Return where each method leads, and how its hypergradient is turned, as a Table."""
    rows = []
    for k, each in enumerate(result.runs):
        u, loop = each.limit.u, each.loops["auto"]
        rows.append((described(each), f"({u[0]:.4f}, {u[1]:.4f})", f"{u @ u:.4f}", f"({loop.u[0]:.4f}, {loop.u[1]:.4f})",
                     f"{each.deviation('auto'):.0e}", f"{result.angle(k):.2f}°", f"{each.limit.fun:.0e}",
                     f"{loop.nit:,}" + ("" if loop.success else " (not converged)")))
    columns = ("method", "u", "‖u‖²", "loop", "Δ", "angle", "F", "outer steps")
    first = result.runs[0].loops["auto"]
    caption = (f"u in closed form and by the loop, Δ = ‖u_loop − u‖/‖u‖, and the angle between the method's hypergradient "
               f"and the exact one at u = {tuple(result.start.tolist())}, where F = {first.history.fun[0]:g}. "
               "T = K + 1 of the paper.")
    return Table("Anti-distillation of one point into two", columns, tuple(rows), caption)


def csv(result):
    """Return CSV texts: the limits with the hypergradients at the start, and the trajectories."""
    limits, paths = [], []
    for k, each in enumerate(result.runs):
        who = each.label, "" if each.parameter is None else each.parameter
        limits.append((*who, *each.limit.u, *each.loops["auto"].u, *result.hypergradients[k], result.angle(k)))
        history = each.loops["auto"].history
        paths += [(*who, step, *u, fun) for step, (u, fun) in enumerate(zip(history.u, history.fun, strict=True))]
    columns = ("method", "terms", "u1", "u2", "loop_u1", "loop_u2", "hypergradient1", "hypergradient2", "angle_degrees")
    return {NAME: csv_text(columns, limits), f"{NAME}-paths": csv_text(("method", "terms", "step", "u1", "u2", "F"), paths)}


def figures(result):
    """Return the figure: the plane of the targets, and the points with the lines fitted to them."""
    from ._antidistillation_trajectories_figure import draw

    return {NAME: draw(result)}
