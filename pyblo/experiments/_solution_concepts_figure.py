"""The picture of `pyblo.experiments.solution_concepts`: Figure 2 of paper 000."""
import numpy as np

from ..plotting import COLORS, figure, styled

__all__ = ["draw"]

CLASSES = ((1.0, "green", "^", "#E9F6F1"), (-1.0, "red", "o", "#FCF0E8"))  # label, colour, marker, ground


@styled
def draw(result):
    """Return the figure."""
    chart, panels = figure(4, (14.5, 4.6), sharey=True)
    grid = np.linspace(-1.05, 1.05, 301)
    phi = result.task.features(np.stack(np.meshgrid(grid, grid), axis=-1))
    for axes, each, again in zip(panels, result.solutions, result.retrained, strict=True):
        _ground(axes, result, grid, phi @ each.w)
        if each.name == "warm start":
            axes.contour(grid, grid, phi @ again, levels=[0], colors=[COLORS["black"]], linewidths=1.3, linestyles="dashed")
        _points(axes, each)
        title = f"{each.name.capitalize()}: F = {each.fun:.3f}"
        axes.set(title=f"{title}, {result.task.accuracy(each.w):.0%} right", xlabel="x₁", xlim=grid[[0, -1]], ylim=grid[[0, -1]])
        axes.set_aspect("equal")
        axes.grid(False)
    panels[0].set_ylabel("x₂")
    _legend(chart, panels[0])
    return chart


def _ground(axes, result, grid, decision):
    """Draw what is predicted where, the decision boundary, and the original data."""
    axes.contourf(grid, grid, decision, levels=[-np.inf, 0, np.inf], colors=[ground for *_, ground in CLASSES][::-1])
    axes.contour(grid, grid, decision, levels=[0], colors=[COLORS["blue"]], linewidths=2.0)
    for label, color, marker, _ in CLASSES:
        axes.plot(*result.task.x[result.task.y == label].T, marker, color=COLORS[color], ms=3.2, mew=0, alpha=0.75)


def _points(axes, each):
    """Draw the learned points, and the way that a loop brought them."""
    if each.loop is not None:
        way = np.sin(each.loop.history.u)
        for k, (_, color, _, _) in enumerate(CLASSES):
            axes.plot(*way[:, k].T, color=COLORS[color], lw=1.6)
            axes.plot(*way[0, k], "s", ms=6, mfc="white", mec=COLORS[color], mew=1.5)
    for x, (_, color, _, _) in zip(np.sin(each.u), CLASSES, strict=True):
        axes.plot(*x, "X", ms=11, color=COLORS[color], mec="black", mew=0.9, zorder=6, clip_on=False)


def _legend(chart, axes):
    plus, minus = COLORS["green"], COLORS["red"]
    looks = (
        ("original data, +1", {"marker": "^", "color": plus, "ls": "", "ms": 5, "mew": 0}),
        ("original data, −1", {"marker": "o", "color": minus, "ls": "", "ms": 5, "mew": 0}),
        ("learned points", {"marker": "X", "color": "white", "mec": "black", "ls": "", "ms": 9}),
        ("their start", {"marker": "s", "color": "white", "mec": "black", "ls": "", "ms": 6}),
        ("their way", {"color": COLORS["grey"], "lw": 1.6}),
        ("decision boundary", {"color": COLORS["blue"], "lw": 2.0}),
        ("the same, trained anew", {"color": COLORS["black"], "lw": 1.3, "ls": "--"}),
    )
    handles = [axes.plot([], [], label=label, **look)[0] for label, look in looks]
    chart.legend(handles=handles, loc="outside lower center", ncols=len(looks), columnspacing=1.6, handlelength=1.5)
