"""The picture of `pyblo.experiments.response_maps`: Figure 1 of paper 000."""
import numpy as np

from ..plotting import COLORS, figure, legend, styled

__all__ = ["draw"]

STARTS = ("green", "orange", "purple", "sky")  # green: from 0, as in the paper


@styled
def draw(result):
    """Return the figure."""
    chart, panels = figure(4, (15.0, 4.3))
    _slice(panels[0], result)
    _response(panels[1], result)
    titles = "(c) F cannot tell some w apart; lines: √F*", "(d) some u have the same w; lines: √F*"
    for axes, each, tag in zip(panels[2:], result.outer, titles, strict=True):
        _outer(axes, each)
        axes.set(title=tag, xlabel="u₁", ylabel="u₂")
    return chart


def _colors(count):
    return [COLORS[STARTS[k % len(STARTS)]] for k in range(count)]


def _slice(axes, result):
    """Draw f over w at one s, its valley floor S(s), and descent from each start."""
    at, size = result.descent.problem, 2.1
    grid = np.linspace(-size, size, 121)
    w = np.stack(np.meshgrid(grid, grid), axis=-1)
    values = at.inner_value([result.target], w)
    axes.contour(grid, grid, np.sqrt(values), levels=14, cmap="Blues", linewidths=1.1)
    line = result.descent.limits[0] + np.multiply.outer([-9.0, 9.0], _along(result.descent.angle))
    axes.plot(*line.T, color=COLORS["red"], lw=2.4, label="S(s)")
    for path, color in zip(result.descent.paths, _colors(len(result.starts)), strict=True):
        axes.plot(*path.T, "-", color=color, lw=1.2)
        axes.plot(*path.T, "o", color=color, ms=2.8, mew=0)
        axes.plot(*path[0], "s", ms=6, mfc="white", mec=color, mew=1.4)
        axes.plot(*path[-1], "*", ms=12, color=color, mec="white", mew=0.6, zorder=5)
    axes.plot([], [], "s", ms=6, mfc="white", mec=COLORS["black"], label="w₀")
    axes.plot([], [], "*", ms=10, color=COLORS["black"], mec="white", label="descent ends")
    axes.set(title=f"(a) √f over w at s = {result.descent.angle:g}, by lines", xlabel="w₁", ylabel="w₂")
    axes.set(xlim=(-size, size), ylim=(-size, size), aspect="equal")
    axes.grid(False)
    legend(axes, loc="lower left", handlelength=1.4)


def _along(angle):
    return np.array([-np.sin(angle), np.cos(angle)])


def _response(axes, result):
    axes.fill_between(result.angles, result.low, result.high, color="#BDBDBD", alpha=0.7, lw=0, label=f"S(s), ‖w‖ ≤ {result.radius:g}")
    for w0, w, color in zip(result.starts, result.responses, _colors(len(result.starts)), strict=True):
        minimum = not w0.any()
        text = "minimum norm, w₀ = 0" if minimum else f"w₀ = ({w0[0]:g}, {w0[1]:g})".replace("-", "−")
        axes.plot(result.angles, w[:, 1], color=color, lw=2.2 if minimum else 1.4, ls="-" if minimum else "--", label=text)
    axes.axvline(result.descent.angle, color=COLORS["black"], ls=":", lw=1.0)
    axes.annotate("slice (a)", (result.descent.angle, 0.02), (3, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
                  fontsize=8)
    axes.set(title="(b) The set-valued response to s", xlabel="s, angle of the data point, in radians", ylabel="w₂")
    axes.set_ylim(-3.1 * result.radius / 2, 4.6 * result.radius / 2)
    legend(axes, loc="upper left", handlelength=1.6)


def _outer(axes, each):
    """Draw F* over u, the line of outer solutions, and cold start from each u₀."""
    size = 2.6
    grid = np.linspace(-size, size, 121)
    u = np.stack(np.meshgrid(grid, grid), axis=-1)
    values = each.problem.outer_value(u, each.problem.inner_solution(u))
    axes.contour(grid, grid, np.sqrt(values), levels=14, cmap="Blues", linewidths=1.1)
    first, last = each.limits[0], each.limits[np.argmax(np.linalg.norm(each.limits - each.limits[0], axis=1))]
    line = first + np.multiply.outer([-9.0, 9.0], (last - first) / np.linalg.norm(last - first))
    axes.plot(*line.T, color=COLORS["red"], lw=2.4, label="outer solutions")
    for start, limit in zip(each.starts, each.limits, strict=True):
        axes.annotate("", limit, start, arrowprops={"arrowstyle": "-|>", "color": COLORS["black"], "lw": 1.2, "shrinkA": 3, "shrinkB": 0})
    axes.plot(*each.starts.T, "s", ms=6, mfc="white", mec=COLORS["black"], label="u₀")
    axes.plot(*each.loops.T, "*", ms=12, color=COLORS["green"], mec="white", mew=0.6, zorder=5, label="cold start ends")
    axes.set(xlim=(-size, size), ylim=(-size, size), aspect="equal")
    axes.grid(False)
    legend(axes, loc="lower left", handlelength=1.4)
