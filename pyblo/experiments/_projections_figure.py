"""The picture of `pyblo.experiments.projections`: Figure 8 of paper 000."""
import numpy as np

from ..plotting import COLORS, figure, legend, sequence, styled

__all__ = ["draw"]

STARTS = ("blue", "purple")


@styled
def draw(result):
    """Return the figure."""
    chart, panels = figure(5, (17.5, 4.0))
    titles = "Full warm start", "Partial warm start", "Cold start", "No common point: a limit cycle"
    for axes, title, paths, targets in zip(panels, titles, (result.full, result.partial, result.cold, result.lost),
                                           (*(result.y,) * 3, result.apart), strict=False):
        _lines(axes, result, targets)
        for path, color in zip(paths, STARTS, strict=True):
            points = path.points[: 2 * len(result.X) + 1] if paths is result.lost else path.points  # then it is on the cycle, almost
            _path(axes, points, COLORS[color], fan=paths is result.cold)
        axes.set(title=title, xlabel="w₁")
    closed = np.concatenate([result.cycle, result.cycle[:1]])
    panels[3].plot(*closed.T, color=COLORS["black"], lw=2.2, label="limit cycle", zorder=5)
    panels[0].plot(*result.common, "*", ms=13, color=COLORS["green"], mec="white", mew=0.7, zorder=6, label="common point")
    panels[0].set_ylabel("w₂")
    for axes in (panels[0], panels[3]):
        legend(axes, loc="lower right", handlelength=1.3)
    _half_spaces(panels[4], result)
    title = "squares: starts;  dark lines: solution sets S(uᵢ), numbered;  rings: outer objective F"
    chart.supxlabel(title, fontsize=9)
    return chart


def _lines(axes, result, targets):
    low, high = np.array([-0.9, -1.4]), np.array([3.3, 2.8])
    grid = [np.linspace(*ends, 121) for ends in zip(low, high, strict=True)]
    values = result.error(np.stack(np.meshgrid(*grid), axis=-1))
    axes.contour(*grid, np.sqrt(values), levels=12, cmap="Oranges", linewidths=0.9)
    w1 = np.array([low[0], high[0]])
    for number, ((x, _), y) in enumerate(zip(result.X, targets, strict=True), start=1):
        axes.plot(w1, y - x * w1, color="#444444", lw=1.3)
        at = np.clip((y - np.array([low[1] + 0.25, high[1] - 0.25])) / x, low[0] + 0.2, high[0] - 0.2)
        place = at[np.argmax(np.abs(at - result.common[0]))]
        axes.annotate(str(number), (place, y - x * place), fontsize=8, ha="center", va="center",
                      bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": "#444444", "lw": 0.7})
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    axes.grid(False)


def _path(axes, points, color, fan):
    if fan:
        for point in points[1:]:
            axes.annotate("", point, points[0], arrowprops={"arrowstyle": "-|>", "color": color, "lw": 1.3, "shrinkA": 0, "shrinkB": 0})
    else:
        axes.plot(*points.T, color=color, lw=1.2, zorder=4)
        axes.plot(*points[1:].T, "o", color=color, ms=2.6, mew=0, zorder=4)
    axes.plot(*points[0], "s", ms=6, mfc="white", mec=color, mew=1.5, zorder=6)


def _half_spaces(axes, result):
    """Draw the half-spaces, projections on them in turn, and Dykstra's algorithm; nearest is the closest common point."""
    grid = np.linspace(-1.8, 2.8, 401)
    w = np.stack(np.meshgrid(grid, grid), axis=-1)
    inside = (w @ result.walls.X.T <= result.walls.y).all(axis=-1)
    axes.contourf(grid, grid, inside, levels=[0.5, 1.5], colors=["#CFE8DD"])
    for x, y in zip(result.walls.X, result.walls.y, strict=True):
        axes.contour(grid, grid, w @ x, levels=[y], colors=["#444444"], linewidths=[1.3], linestyles=["solid"])
    colors = [COLORS["orange"], sequence(3)[0]]
    for found, color, label in zip((result.turns, result.corrected), colors, ("in turn", "Dykstra, by cycles"), strict=True):
        axes.plot(*found.history.T, "o-", color=color, ms=3, lw=1.2, label=label)
        axes.plot(*found.w, "*", ms=12, color=color, mec="white", mew=0.6, zorder=5)
    start = result.corrected.history[0]
    turn = np.linspace(0, 2 * np.pi, 200)
    radius = np.linalg.norm(result.corrected.w - start)
    circle = start[:, None] + radius * np.stack([np.cos(turn), np.sin(turn)])
    axes.plot(*circle, ":", color=COLORS["grey"], lw=1.1, label="as far as Dykstra's")
    axes.plot(*start, "s", ms=6, mfc="white", mec=COLORS["black"], mew=1.5, zorder=6)
    axes.set(title="Half-spaces", xlabel="w₁", xlim=(-1.8, 2.8), ylim=(-1.8, 2.8), aspect="equal")
    axes.grid(False)
    legend(axes, loc="upper left", handlelength=1.3, borderaxespad=0.2)
