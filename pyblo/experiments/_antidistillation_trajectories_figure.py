"""The picture of `pyblo.experiments.antidistillation_trajectories`: Figure 11c of paper 000."""
import numpy as np

from ..plotting import COLORS, figure, sequence, styled

__all__ = ["draw"]


@styled
def draw(result):
    """Return the figure."""
    chart, (left, right) = figure(2, (9.6, 5.2))
    colors = [COLORS["red"], *sequence(len(result.runs) - 1)]
    _solutions(left, result)
    for each, grad, color in zip(result.runs, result.hypergradients, colors, strict=True):
        _trajectory(left, result, each, grad, color)
        right.plot(result.grid, each.fit, color=color, lw=1.6)
        right.plot(result.x, each.limit.u, "o", color=color)
    left.plot(*result.start, "s", ms=7, mfc="white", mec=COLORS["black"], zorder=6)
    left.annotate("start", result.start, (-8, -12), textcoords="offset points", ha="right", fontsize=8)
    chart.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2 + len(result.runs), handlelength=1.4,
                 columnspacing=1.6, title="arrows: direction of −dF/du at the start;  dots: outer steps;  stars: converged")
    left.set(title="The plane of the learned targets", xlabel=f"u₁, target at x = {result.x[0]:g}",
             ylabel=f"u₂, target at x = {result.x[1]:g}", aspect="equal", anchor="NW")
    _points(right, result)
    return chart


def _solutions(axes, result):
    """Draw the line of outer solutions, φₒᵀΦ⁺u = y, across the panel."""
    everything = np.concatenate([each.loops["auto"].history.u for each in result.runs] + [[result.start]])
    low, high = everything.min() - 0.35, everything.max() + 0.35
    a, y = np.linalg.pinv(result.problem.Phi).T @ result.problem.Phi_out[0], result.original[1]
    first = np.array([low, high])
    axes.plot(first, (y - a[0] * first) / a[1], color=COLORS["grey"], lw=3.5, alpha=0.55, label="outer solutions, F = 0")
    radius, turn = np.linalg.norm(result.runs[0].limit.u - result.start), np.linspace(0, 2 * np.pi, 400)
    circle = result.start[0] + radius * np.cos(turn), result.start[1] + radius * np.sin(turn)
    axes.plot(*circle, ":", color=COLORS["black"], lw=1.0, label="as far from the start as the pseudoinverse's u")
    axes.set(xlim=(low, high), ylim=(low, high))


def _trajectory(axes, result, each, grad, color):
    path = each.loops["auto"].history.u
    label = f"T = {each.parameter}" if each.parameter else "pseudoinverse"
    axes.plot(*path.T, "-", color=color, lw=1.1, label=label)
    axes.plot(*path.T, "o", color=color, ms=2.6, mew=0)
    axes.plot(*path[-1], "*", color=color, ms=13, mec="white", mew=0.7, zorder=5)
    tip = result.start - 0.45 * grad / np.linalg.norm(grad)
    axes.annotate("", tip, result.start, arrowprops={"arrowstyle": "-|>", "color": color, "lw": 2.0, "shrinkA": 0, "shrinkB": 0})


def _points(axes, result):
    axes.plot(result.x, result.start, "s", ms=7, mfc="white", mec=COLORS["black"], zorder=6)
    axes.plot(*result.original, "o", ms=10, mfc="none", mec=COLORS["black"], mew=1.4, zorder=5)
    axes.annotate("original point", result.original, (-8, 20), textcoords="offset points", ha="right", fontsize=8)
    axes.annotate("start", (result.x[0], result.start[0]), (9, -3), textcoords="offset points", fontsize=8)
    axes.annotate("start", (result.x[1], result.start[1]), (-9, -3), textcoords="offset points", ha="right", fontsize=8)
    axes.set(title="Learned points and the lines fitted to them", xlabel="x", ylabel="y")
