"""The picture of `pyblo.experiments.antidistillation_cg`: Figure 15 of paper 000, and what rounding does to it."""
from ..plotting import COLORS, figure, legend, sequence, styled
from ._antidistillation_figure import below, targets

__all__ = ["draw"]

SHOWN = (1, 2, 3, 4, 6)  # later ones lie on the pseudoinverse's line


@styled
def draw(result):
    """Return the figure."""
    chart, (left, middle, right) = figure(3, (11.0, 3.9), width_ratios=(1.3, 1, 1))
    shown = [each for each in result.runs if each.iterations in SHOWN]
    colors = sequence(len(shown))
    series = [(str(each.iterations), color, each.loop.u, each.fit) for each, color in zip(shown, colors, strict=True)]
    targets(left, result, [*series, ("pseudoinverse", COLORS["red"], result.exact.u, result.exact_fit)])
    below(left, "iterations k of CG, and the pseudoinverse")
    _norms(middle, result)
    _distances(right, result)
    for axes in (middle, right):
        axes.set(xlabel="iterations k of CG, terms T of Neumann")
        axes.xaxis.get_major_locator().set_params(integer=True)
    return chart


def _norms(axes, result):
    k = [each.iterations for each in result.runs]
    axes.plot(k, [each.neumann @ each.neumann for each in result.runs], color=COLORS["blue"], label="Neumann, T = k")
    axes.plot(k, [each.limit @ each.limit for each in result.runs], color=COLORS["purple"], label="CG, exact arithmetic")
    axes.plot(k, [each.loop.u @ each.loop.u for each in result.runs], "+", ms=7, mew=1.0, color=COLORS["black"], label="CG, loop")
    axes.axhline(result.exact.u @ result.exact.u, color=COLORS["red"], ls="--", lw=1.2, label="pseudoinverse")
    axes.set(title="Size of the learned targets", ylabel="‖u‖²")
    legend(axes, loc="center right", borderaxespad=0.0)


def _distances(axes, result):
    k = [each.iterations for each in result.runs]
    axes.plot(k, [result.distance(each.neumann) for each in result.runs], color=COLORS["blue"])
    axes.plot(k, [result.distance(each.limit) for each in result.runs], color=COLORS["purple"])
    axes.plot(k, [result.distance(each.loop.u) for each in result.runs], "+", ms=7, mew=1.0, color=COLORS["black"])
    axes.axvline(result.dimension, color=COLORS["grey"], ls=":", lw=1.2)
    axes.annotate(f"exact CG\nends at {result.dimension}", (result.dimension, 0.05), (-5, 0), xycoords=("data", "axes fraction"),
                  textcoords="offset points", ha="right", fontsize=8)
    axes.set(title="Distance from the pseudoinverse's u", ylabel="‖u − u_exact‖ / ‖u_exact‖", yscale="log")
