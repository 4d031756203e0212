"""The picture of `pyblo.experiments.antidistillation`, Figures 11a and 11b of paper 000, and the panels that its kin share."""
import itertools

import numpy as np

from ..plotting import COLORS, figure, legend, sequence, styled
from . import need

__all__ = ["below", "draw", "draw_damped", "draw_setup", "norms", "targets"]


@styled
def draw(result):
    """Return the figure."""
    chart, (left, middle, right) = figure(3, (11.0, 3.9), width_ratios=(1.3, 1, 1))
    shown = (*result.of("Neumann"), *result.of("pseudoinverse"))
    colors = [*sequence(len(shown) - 1), COLORS["red"]]
    targets(left, result, [(str(run.parameter or "pseudoinverse"), color, run.limit.u, run.fit)
                           for run, color in zip(shown, colors, strict=True)])
    below(left, "Neumann terms T = K + 1 of the paper, and the pseudoinverse")
    panels = (middle, "u", "Size of the learned targets"), (right, "w", "Size of the weights fitted to them")
    for axes, variable, title in panels:
        norms(axes, result, variable)
        axes.set(title=title, ylabel=f"‖{variable}‖²")
    right.set_yscale("log")
    if np.divide(*right.get_ylim()) > 1e-2:  # less than two decades
        _plain_ticks(right.yaxis)
    legend(middle, title="lines: closed form", alignment="left", loc="upper right", handlelength=1.4, borderaxespad=0.0)
    return chart


@styled
def draw_damped(result):
    """Return the figure of `antidistillation_damped`: Figure 14, and what it is said to resemble."""
    chart, panels = figure(3, (11.6, 3.9), width_ratios=(1.2, 1.2, 1))
    colors = sequence(len(result.pairs))[::-1]  # the more terms, the lighter
    best, = result.task.of("pseudoinverse")
    for k, (axes, title, legend_title, write) in enumerate((
            (panels[0], "Damped: targets (dots), fits (lines)", "damping ε, and the pseudoinverse", _power),
            (panels[1], "Neumann: targets (dots), fits (lines)", "Neumann terms T = 1/(αε), and the pseudoinverse", str))):
        series = [(write(pair[k].parameter), color, pair[k].limit.u, pair[k].fit)
                  for pair, color in zip(result.pairs, colors, strict=True)]
        targets(axes, result.task, [*series, ("exact", COLORS["red"], best.limit.u, best.fit)], title)
        below(axes, legend_title)
    panels[1].sharey(panels[0])
    norms(panels[2], result.task, "u")
    panels[2].set(title="Size of the learned targets", ylabel="‖u‖²")
    legend(panels[2], title="lines: closed form", alignment="left", loc="upper right", handlelength=1.4, borderaxespad=0.0)
    return chart


@styled
def draw_setup(result, names):
    """Return the figure of `antidistillation_setup`: Figure 10, and outer solutions under the names of their starts."""
    chart, (left, right) = figure(2, (9.6, 4.2))
    colors = itertools.cycle(COLORS[key] for key in ("red", "blue", "green", "purple"))
    series = [(name, next(colors), each.limit.u, each.fit) for name, each in zip(names, result.answers, strict=True)]
    targets(right, result, series, "Some of the solutions")
    below(right, "the solution nearest to the targets u₀ =")
    first = result.answers[0]
    free = {"arrowstyle": "<|-|>", "color": COLORS["blue"], "alpha": 0.55, "lw": 1.1, "shrinkA": 0, "shrinkB": 0}
    for x, y in zip(result.x, first.start, strict=True):
        left.annotate("", (x, y - 0.45), (x, y + 0.45), arrowprops=free)
    learned = f"{result.x.size} learned points: x is fixed, y = u is learned"
    left.plot(result.x, first.start, "o", color=COLORS["blue"], label=learned)
    left.plot(*result.original, "o", ms=10, mfc="none", mec=COLORS["black"], mew=1.4, ls="none", label="the original point")
    left.plot(result.grid, first.fit, "--", color=COLORS["grey"], lw=1.4, label="a model that solves the task: φ(x)ᵀw")
    left.sharey(right)
    left.set(title="The task, at its start", xlabel="x", ylabel="y")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15))
    return chart


def _plain_ticks(axis):
    """Label a logarithmic axis of few decades at 1, 2 and 5 times the powers of ten, in plain numbers."""
    ticker = need("matplotlib.ticker")
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(ticker.NullLocator())


def _power(eps):
    exponent = np.log10(eps)
    return f"$10^{{{exponent:.0f}}}$" if exponent == round(exponent) else f"{eps:g}"


def targets(axes, result, series, title="Learned targets (dots), model fits (lines)"):
    """Draw learned targets and the fits to them: series holds (label, colour, targets, fit)."""
    for label, color, u, fit in series:
        axes.plot(result.grid, fit, color=color, lw=1.6, label=label)
        axes.plot(result.x, u, "o", color=color, ms=4.5)
    axes.plot(*result.original, "o", ms=10, mfc="none", mec=COLORS["black"], mew=1.4, zorder=5)
    axes.annotate("original point", result.original, (9, 7), textcoords="offset points", fontsize=8)
    axes.margins(y=0.1)
    axes.set(title=title, xlabel="x", ylabel="y")


def below(axes, title):
    """Draw the legend of a panel of targets below it, in one row."""
    axes.legend(title=title, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=len(axes.get_legend_handles_labels()[0]),
                handlelength=1.2, columnspacing=1.4)


def norms(axes, result, variable):
    """Draw ‖u‖² or ‖w‖² against T and ε: closed forms as lines, loops as marks."""
    alpha = result.inner_step
    # a damping ε stands at T = 1/(αε), where both methods have the same filter on the null space of H
    series = (("Neumann", result.neumann, COLORS["blue"], lambda terms: terms),
              ("damped", result.damped, COLORS["orange"], lambda eps: 1 / (alpha * eps)))
    for label, sweep, color, place in series:
        axes.plot(place(sweep.parameter), getattr(sweep, variable), color=color, label=label)
    for route, marker, name in (("spectral", "o", "eigenbasis loop"), ("iterate", "+", "iterated loop")):
        runs = [(place(run.parameter), run.loops[route]) for label, _, _, place in series for run in result.of(label)]
        sizes = [np.sum(loop[variable] ** 2) for _, loop in runs]
        axes.plot([where for where, _ in runs], sizes, marker, ms=7, mfc="none", mew=1.0, color=COLORS["black"], label=name)
    for run in result.of("pseudoinverse"):
        axes.axhline(np.sum(getattr(run.limit, variable) ** 2), color=COLORS["red"], ls="--", lw=1.2, label="pseudoinverse")
    axes.set(xscale="log", xlabel="Neumann terms T")
    axes.set_xticks([t for t in (1, 1e2, 1e4, 1e6, 1e8) if t <= result.neumann.parameter.max()])
    axes.minorticks_off()
    _damping_axis(axes, alpha)


def _damping_axis(axes, alpha):
    """Add the axis of ε = 1/(αT) below the panel."""

    def swap(value):
        with np.errstate(divide="ignore"):
            return 1 / (alpha * np.asarray(value, float))

    below = axes.secondary_xaxis(-0.22, functions=(swap, swap))
    below.set_xlabel("damping ε = 1/(αT)")
    below.minorticks_off()
