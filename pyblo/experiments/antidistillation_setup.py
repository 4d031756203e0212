"""The task of anti-distillation: what is given, what is learned, and how many answers are right (paper 000, §4.2, Fig. 10)."""
from dataclasses import dataclass

import numpy as np

import pyblo

from . import Table, csv_text
from ._antidistillation_task import Task, task

__all__ = ["Answer", "Setup", "csv", "figures", "run", "table"]

NAME = "antidistillation-setup"


@dataclass(frozen=True)
class Answer:
    """An outer solution: the nearest one to first targets on a line, c + dx.

    Attributes
    ----------
    line : tuple of float
        (c, d).
    start : ndarray
        The first targets.
    limit : Equilibrium
        Where cold start with the pseudoinverse leads from there.
    fit : ndarray
        φ(x)ᵀw on the result's grid.
    """

    line: tuple
    start: np.ndarray
    limit: object
    fit: np.ndarray


@dataclass(frozen=True)
class Setup(Task):
    """The result: the task, and some of its outer solutions.

    Attributes
    ----------
    inner_rank, outer_rank : int
        The ranks of H = ΦᵀΦ and of Z = JᵀPJ, J = Φ⁺.
    answers : tuple of Answer
        One for each line; the first starts from 0.
    """

    inner_rank: int
    outer_rank: int
    answers: tuple


def run(progress=None, *, lines=((0.0, 0.0), (2.0, 0.0), (0.0, 1.0), (-1.0, -0.5)), points=13, interval=(-2.0, 2.0),
        original=(0.0, 2.0), harmonics=10, amplitudes="exponential"):
    """Describe the task, and find the outer solution nearest to each line of first targets.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    lines : sequence of (float, float)
        First targets c + dx.
    points, interval, original, harmonics, amplitudes
        As in `antidistillation.run`.

    Returns
    -------
    Setup
    """
    shared, answers = task(points, interval, original, harmonics, amplitudes), []
    for k, (c, d) in enumerate(lines):
        if progress is not None:
            progress(k, len(lines), f"start {c:g} + {d:g} x")
        start = c + d * shared.x
        limit = pyblo.equilibria.cold_start(shared.problem, start)
        answers.append(Answer((c, d), start, limit, shared.features @ limit.w))
    if progress is not None:
        progress(len(lines), len(lines), "done")
    Phi, Phi_out = shared.problem.Phi, shared.problem.Phi_out
    inner_rank, outer_rank = (int(np.linalg.matrix_rank(each)) for each in (Phi, Phi_out @ np.linalg.pinv(Phi)))
    return Setup(**vars(shared), inner_rank=inner_rank, outer_rank=outer_rank, answers=tuple(answers))


def table(result):
    """Return the outer solutions found, as a Table; its caption counts the unknowns."""
    rows = []
    for each in result.answers:
        u, away = each.limit.u, each.limit.u - each.start
        rows.append((_line(each), f"{u @ u:.4f}", f"{each.limit.w @ each.limit.w:.3e}", f"{away @ away:.4f}",
                     f"{each.limit.fun:.0e}"))
    m, n = result.problem.outer_size, result.problem.inner_size
    caption = (f"Each u is the outer solution nearest its start. {m} targets are learned so that a model of {n} weights, fitted "
               f"to them, goes through {result.original}. H has rank {result.inner_rank}: for each u, the best weights form "
               f"a space of dimension {n - result.inner_rank}. Z has rank {result.outer_rank}: the outer solutions form one of dimension "
               f"{m - result.outer_rank}.")
    columns = "start", "‖u‖²", "‖w‖²", "‖u − start‖²", "F"
    return Table("The task of anti-distillation, and some of its solutions", columns, tuple(rows), caption)


def _line(each):
    c, d = each.line
    slope = f"{'' if abs(d) == 1 else f'{abs(d):g}'}x"
    text = f"{c:g}" if d == 0 else "-" * (d < 0) + slope if c == 0 else f"{c:g} {'+' if d > 0 else '-'} {slope}"
    return text.replace("-", "−")


def csv(result):
    """Return CSV texts: first and learned targets, and the fits."""
    targets, fits = [], []
    for each in result.answers:
        targets += [(*each.line, *row) for row in zip(result.x, each.start, each.limit.u, strict=True)]
        fits += [(*each.line, *row) for row in zip(result.grid, each.fit, strict=True)]
    return {f"{NAME}-targets": csv_text(("c", "d", "x", "start", "target"), targets),
            f"{NAME}-fits": csv_text(("c", "d", "x", "model"), fits)}


def figures(result):
    """Return the figure: the task, and some of its solutions."""
    from ._antidistillation_figure import draw_setup

    return {NAME: draw_setup(result, [_line(each) for each in result.answers])}
