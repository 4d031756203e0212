"""The picture of `pyblo.experiments.spectral_filters`: Figure 6 of paper 000, and how loose its Eq. 5 is."""
from ..plotting import COLORS, figure, legend, sequence, styled

__all__ = ["draw"]


@styled
def draw(result):
    """Return the figure."""
    chart, (left, middle, right) = figure(3, (11.0, 3.9))
    values = result.step * result.values
    left.plot(values, result.exact / result.step, color=COLORS["red"], lw=1.4, label="1/λ")
    middle.axhline(1.0, color=COLORS["red"], lw=1.4)
    for pair, color in zip(result.pairs, sequence(len(result.pairs)), strict=True):
        label = f"T = {pair.neumann.terms}"
        for response, style, name in ((pair.neumann_filter, "-", label), (pair.damped_filter, "--", None)):
            left.plot(values, response / result.step, style, color=color, label=name)
            middle.plot(values, response * result.values, style, color=color)
        right.plot(values, 100 * (pair.neumann_filter / pair.damped_filter - 1), color=color)
        right.plot(result.step * pair.at, 100 * pair.deviation, "o", color=color, label=f"{label}: {pair.deviation:.1%}")
    left.set(title="Spectrum of the approximate inverse", yscale="log", ylabel="r(λ)/α")
    middle.set(title="Share of 1/λ that passes", ylabel="λ r(λ)")
    right.set(title="How far Neumann lies above damped", ylabel="ratio of the two r(λ), minus 1, in %")
    for axes in (left, middle, right):
        axes.set(xscale="log", xlabel="αλ")
        axes.minorticks_off()
    right.set_ylim(0, 1.45 * max(100 * pair.deviation for pair in result.pairs))
    legend(right, title="largest, at the dots", alignment="left", loc="upper left", ncols=2, columnspacing=1.2, handlelength=0.8)
    title = "T terms of Neumann and steps of unrolling (solid); damped with ε = 1/(αT) (dashed)"
    chart.legend(*left.get_legend_handles_labels(), title=title, loc="outside lower left", ncols=1 + len(result.pairs),
                 handlelength=1.4)
    return chart
