"""Anti-distillation with damped inverse Hessians beside Neumann series of T = 1/(αε) terms (paper 000, App. F.2, Fig. 14).

The paper says that the two behave similarly, since Eq. 5 calls them about equal; here is the distance of their learned targets.
"""
from dataclasses import dataclass

import numpy as np

from . import Table, antidistillation, csv_text

__all__ = ["Damping", "csv", "figures", "run", "table"]

NAME = "antidistillation-damped"


@dataclass(frozen=True)
class Damping:
    """The result: the runs with every method, and those of them that Eq. 5 pairs.

    Attributes
    ----------
    task : Antidistillation
        All runs: the pseudoinverse, Neumann and damped.
    pairs : tuple of (Run, Run)
        The damped run, and that of Neumann with T = 1/(αε) terms.
    """

    task: antidistillation.Antidistillation
    pairs: tuple

    def distance(self, pair):
        """Return ‖u_damped − u_Neumann‖/‖u_Neumann‖ of a pair."""
        damped, neumann = (run.limit.u for run in pair)
        return float(np.linalg.norm(damped - neumann) / np.linalg.norm(neumann))


def run(progress=None, *, eps=(1e4, 1e5, 1e6, 1e7), inner_step=1e-7, **settings):
    """Solve the task with each damping and with its Neumann series.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    eps : sequence of float
        The dampings ε ≤ 1/α.
    inner_step : float
        α of the Neumann series.
    **settings
        The others of `antidistillation.run`.

    Returns
    -------
    Damping
    """
    terms = [max(1, round(1 / (inner_step * e))) for e in eps]
    task = antidistillation.run(progress, terms=terms, eps=eps, inner_step=inner_step, name=NAME,
                                title="Anti-distillation, damped", **settings)
    return Damping(task, tuple(zip(task.of("damped"), task.of("Neumann"), strict=True)))


def table(result):
    """Return ‖u‖² of each damping, by closed form and loop, and how far its Neumann series is from it, as a Table."""
    rows = []
    for pair in result.pairs:
        damped, neumann = pair
        loop = damped.loops["iterate"]
        rows.append((f"{damped.parameter:.0e}", f"{damped.limit.u @ damped.limit.u:.4f}", f"{loop.u @ loop.u:.4f}",
                     f"{damped.deviation('iterate'):.0e}", f"{neumann.parameter}", f"{neumann.limit.u @ neumann.limit.u:.4f}",
                     f"{result.distance(pair):.2%}"))
    columns = ("damping ε", "‖u‖²", "iterated loop", "Δ iterated", "Neumann T = 1/(αε)", "‖u‖² of Neumann", "distance of u")
    best, = result.task.of("pseudoinverse")
    caption = (f"‖u‖² in closed form and by the iterated loop, Δ = ‖u_loop − u‖/‖u‖. Distance: ‖u_damped − u_Neumann‖/"
               f"‖u_Neumann‖. The pseudoinverse reaches ‖u‖² = {best.limit.u @ best.limit.u:.4f}; "
               f"α = {result.task.inner_step:g}.")
    title = "Anti-distillation with damping, and with the Neumann series that Eq. 5 calls about equal"
    return Table(title, columns, tuple(rows), caption)


def csv(result):
    """Return the CSV texts of `antidistillation`, and the pairs."""
    pairs = [(damped.parameter, neumann.parameter, damped.limit.u @ damped.limit.u, neumann.limit.u @ neumann.limit.u,
              result.distance((damped, neumann))) for damped, neumann in result.pairs]
    columns = ("eps", "terms", "u_norm_squared_damped", "u_norm_squared_neumann", "distance")
    return {**antidistillation.csv(result.task), f"{NAME}-pairs": csv_text(columns, pairs)}


def figures(result):
    """Return the figure: targets and fits with damping, the same with Neumann series, and ‖u‖²."""
    from ._antidistillation_figure import draw_damped

    return {NAME: draw_damped(result)}
