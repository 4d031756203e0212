"""The picture of `pyblo.experiments.antidistillation`: Figures 11a and 11b of paper 000."""
import numpy as np

from ..plotting import COLORS, figure, legend, sequence, styled

__all__ = ["draw"]


@styled
def draw(result):
    """Return the figure."""
    chart, (left, middle, right) = figure(3, (11.0, 3.9), width_ratios=(1.3, 1, 1))
    _targets(left, result)
    for axes, variable, title in ((middle, "u", "Size of the learned targets"), (right, "w", "Size of the weights fitted to them")):
        _norms(axes, result, variable)
        axes.set(title=title, ylabel=f"‖{variable}‖²")
    right.set_yscale("log")
    legend(middle, title="lines: closed form", alignment="left", loc="upper right", handlelength=1.4, borderaxespad=0.0)
    return chart


def _targets(axes, result):
    shown = (*result.of("Neumann"), *result.of("pseudoinverse"))
    for run, color in zip(shown, [*sequence(len(shown) - 1), COLORS["red"]], strict=True):
        axes.plot(result.grid, run.fit, color=color, lw=1.6, label=str(run.parameter or "pseudoinverse"))
        axes.plot(result.x, run.limit.u, "o", color=color, ms=4.5)
    axes.plot(*result.original, "o", ms=10, mfc="none", mec=COLORS["black"], mew=1.4, zorder=5)
    axes.annotate("original point", result.original, (9, 7), textcoords="offset points", fontsize=8)
    axes.margins(y=0.1)
    axes.set(title="Learned targets (dots), model fits (lines)", xlabel="x", ylabel="y")
    axes.legend(title="Neumann terms T = K + 1 of the paper, and the pseudoinverse", loc="upper center", bbox_to_anchor=(0.5, -0.2),
                ncols=len(shown), handlelength=1.2, columnspacing=1.4)


def _norms(axes, result, variable):
    alpha = result.inner_step
    # a damping ε stands at T = 1/(αε), where both methods have the same filter on the null space of H
    series = (("Neumann", result.neumann, COLORS["blue"], lambda terms: terms),
              ("damped", result.damped, COLORS["orange"], lambda eps: 1 / (alpha * eps)))
    for label, sweep, color, place in series:
        axes.plot(place(sweep.parameter), getattr(sweep, variable), color=color, label=label)
    for route, marker, name in (("spectral", "o", "eigenbasis loop"), ("iterate", "+", "iterated loop")):
        runs = [(place(run.parameter), run.loops[route]) for label, _, _, place in series for run in result.of(label)]
        norms = [np.sum(loop[variable] ** 2) for _, loop in runs]
        axes.plot([where for where, _ in runs], norms, marker, ms=7, mfc="none", mew=1.0, color=COLORS["black"], label=name)
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
