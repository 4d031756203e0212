"""Four solutions of one bilevel problem: optimistic, pessimistic, cold start, warm start (paper 000, Fig. 2).

Points of two classes on both sides of a sine are distilled into one point per class. The classifier is linear on polynomial
features, so two points are fitted by a whole plane of w: the optimistic w among them is the best for the original data, the
pessimistic the worst, within a ball round the least-norm w, which is what cold start trains. Warm start goes on from the last w, so
the w that it ends with has seen the points all along their way, and fits the original data better than what training anew on the
final points gives. How much better depends on where it starts and on its steps; so it is also run from starts drawn at random.

The paper draws a sketch; data, features and steps are chosen here. Both loops take H⁺ in the hypergradient (its canonical
Jacobian). Here the null space of H moves with u, which that Jacobian does not see: they end where this hypergradient vanishes.
"""
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

import pyblo

from . import Table, csv_text
from ._distillation_task import LABELS, Distillation, task

__all__ = ["Solution", "SolutionConcepts", "csv", "figures", "run", "table"]

NAME = "solution-concepts"


@dataclass(frozen=True)
class Solution:
    """One solution.

    Attributes
    ----------
    name : str
        Of the concept.
    u, w : ndarray, shapes (2, 2) and (n,)
        The pair; sin u are the positions of the learned points.
    fun : float
        F(u, w).
    loop : BilevelResult or None
        What led there, for cold and warm start.
    """

    name: str
    u: np.ndarray
    w: np.ndarray
    fun: float
    loop: object = None


@dataclass(frozen=True)
class SolutionConcepts:
    """The result.

    Attributes
    ----------
    task : Distillation
        The data, the features and the problem.
    solutions : tuple of Solution
        Optimistic, pessimistic, cold start, warm start.
    retrained : ndarray
        Of each solution, the w of least norm on its points.
    radius, outer_step : float
        Of the ball of the pessimistic w, and β.
    inner : GradientDescent
        The inner solver of warm start.
    trials : ndarray, shape (starts, 3)
        From random starts: F of cold start, of warm start, and of warm start trained anew; NaN where a loop did not converge.
    """

    task: Distillation
    solutions: tuple
    retrained: np.ndarray
    radius: float
    outer_step: float
    inner: pyblo.GradientDescent
    trials: np.ndarray


def run(progress=None, *, start=((0.2, 0.55), (-0.2, -0.55)), count=160, degree=3, amplitude=0.5, gap=0.1, radius=2.0, outer_step=1.0,
        steps=3, inner_step=0.005, tol=1e-6, maxiter=1000, samples=200, starts=6, seed=0):
    """Find the four solutions.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    start : sequence of (float, float)
        The first positions of the two points.
    count, degree, amplitude, gap
        The original data, the degree of the features, and the boundary.
    radius : float
        Of the ball of the pessimistic w.
    outer_step, tol, maxiter : float, float, int
        Of both loops.
    steps, inner_step : int, float
        t and α of the inner runs of warm start; those of cold start are exact.
    samples : int
        Positions among which the search of the pessimistic u begins with the best.
    starts, seed : int
        The number of random starts, and the seed of all that is drawn.

    Returns
    -------
    SolutionConcepts
    """
    data, rng = task(count, degree, amplitude, gap, seed), np.random.default_rng(seed + 1)
    u0, inner = np.arcsin(start), pyblo.GradientDescent(steps, inner_step)
    loops = {"step": outer_step, "tol": tol, "maxiter": maxiter}
    jobs = (
        ("optimistic", lambda: optimistic(data, u0)),
        ("pessimistic", lambda: pessimistic(data, radius, samples, rng)),
        ("cold start", lambda: _looped("cold start", pyblo.cold_start(data.problem, u0, **loops))),
        ("warm start", lambda: _looped("warm start", pyblo.warm_start(data.problem, u0, inner=inner, **loops))),
    )
    solutions, trials = [], []
    for done, (name, find) in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs) + starts, name)
        solutions.append(find())
    for done in range(starts):
        if progress is not None:
            progress(len(jobs) + done, len(jobs) + starts, f"random start {done + 1}")
        trials.append(_trial(data, np.arcsin(rng.uniform(-0.9, 0.9, (2, 2))), inner, loops))
    if progress is not None:
        progress(len(jobs) + starts, len(jobs) + starts, "done")
    retrained = np.array([data.problem.inner_solution(each.u) for each in solutions])
    return SolutionConcepts(data, tuple(solutions), retrained, radius, outer_step, inner, np.array(trials).reshape(-1, 3))


def optimistic(data, u0):
    """Return the optimistic Solution with positions nearest those of u₀.

    The best w of all, that of `pyblo.equilibria.optimistic` with labels that are free, is in S(u) where both points have their labels:
    each goes to the nearest place of φ(x)ᵀw = ±1.
    """
    w = pyblo.equilibria.optimistic(data.at(u0)).w
    places = []
    for x0, label in zip(np.sin(u0), LABELS, strict=True):
        on = {"type": "eq", "fun": lambda x, label=label: data.features(x) @ w - label, "jac": lambda x: data.slopes(x).T @ w}
        found = minimize(lambda x, x0=x0: 0.5 * np.sum((x - x0) ** 2), x0, jac=lambda x, x0=x0: x - x0, constraints=on,
                         bounds=[(-1, 1)] * 2, method="SLSQP", options={"ftol": 1e-15, "maxiter": 200})
        places.append(found.x)
    u = np.arcsin(np.clip(places, -1, 1))
    return Solution("optimistic", u, w, data.problem.outer_value(u, w))


def pessimistic(data, radius, samples, rng):
    """Return the pessimistic Solution: the positions whose worst w is the least bad, by Nelder and Mead from the best of random ones."""
    def worst(u):
        return pyblo.equilibria.worst_case(data.at(u), LABELS, radius)

    u = rng.uniform(-np.pi / 2, np.pi / 2, (samples, 2, 2))
    first = u[np.argmin(worst(u).fun)]
    found = minimize(lambda flat: worst(flat.reshape(2, 2)).fun, first.ravel(), method="Nelder-Mead",
                     options={"maxfev": 1500, "xatol": 1e-6, "fatol": 1e-9})
    u = found.x.reshape(2, 2)
    return Solution("pessimistic", u, worst(u).w, float(found.fun))


def _looped(name, loop):
    return Solution(name, loop.u, loop.w, float(loop.fun), loop)


def _trial(data, u0, inner, loops):
    cold, warm = pyblo.cold_start(data.problem, u0, **loops), pyblo.warm_start(data.problem, u0, inner=inner, **loops)
    again = data.problem.outer_value(warm.u, data.problem.inner_solution(warm.u)) if warm.success else np.nan
    return cold.fun if cold.success else np.nan, warm.fun if warm.success else np.nan, again


def table(result):
    """Return what each solution is worth on the original data, and what training anew on its points is, as a Table."""
    rows, problem = [], result.task.problem
    for each, again in zip(result.solutions, result.retrained, strict=True):
        places = "; ".join("({:.2f}, {:.2f})".format(*x).replace("-", "−") for x in np.sin(each.u))
        here, anew = result.task.accuracy(each.w), result.task.accuracy(again)
        rows.append((each.name, places, f"{each.fun:.4f}", f"{here:.1%}", f"{problem.outer_value(each.u, again):.4f}", f"{anew:.1%}",
                     f"{np.linalg.norm(each.w):.3f}", _steps(each.loop)))
    columns = "solution", "learned points", "F", "accuracy", "F anew", "accuracy anew", "‖w‖", "outer steps"
    settled = result.trials[~np.isnan(result.trials).any(axis=1)]
    caption = (f"All w give both learned points their labels ±1. anew: w of least norm on the same points. The pessimistic w lies within "
               f"{result.radius:g} of that. Of {len(result.trials)} random starts both loops converge from {len(settled)}: F of warm start "
               f"is then below that of training anew on its points in {np.sum(settled[:, 1] < settled[:, 2])}, below that of cold start in "
               f"{np.sum(settled[:, 1] < settled[:, 0])}.")
    return Table("Four solutions of one bilevel problem", columns, tuple(rows), caption)


def _steps(loop):
    return "—" if loop is None else f"{loop.nit:,}" + ("" if loop.success else " (not converged)")


def csv(result):
    """Return CSV texts: the solutions, the original data, the ways of the loops, and the random starts."""
    task, problem = result.task, result.task.problem
    solutions = [(each.name, *np.sin(each.u).ravel(), each.fun, task.accuracy(each.w), problem.outer_value(each.u, again),
                  task.accuracy(again), *each.w) for each, again in zip(result.solutions, result.retrained, strict=True)]
    weights = tuple(f"w{k + 1}" for k in range(result.retrained.shape[1]))
    places = "x11", "x12", "x21", "x22"
    paths = [(each.name, k, *np.sin(u).ravel(), fun) for each in result.solutions if each.loop is not None
             for k, (u, fun) in enumerate(zip(each.loop.history.u, each.loop.history.fun, strict=True))]
    return {NAME: csv_text(("solution", *places, "F", "accuracy", "F_anew", "accuracy_anew", *weights), solutions),
            f"{NAME}-data": csv_text(("x1", "x2", "y"), [(*x, y) for x, y in zip(task.x, task.y, strict=True)]),
            f"{NAME}-paths": csv_text(("solution", "step", *places, "F"), paths),
            f"{NAME}-starts": csv_text(("start", "F_cold", "F_warm", "F_anew"), [(k, *row) for k, row in enumerate(result.trials)])}


def figures(result):
    """Return the figure: data, learned points and decision boundary of each solution."""
    from ._solution_concepts_figure import draw

    return {NAME: draw(result)}
