"""The picture of `pyblo.experiments.hypergradient_error`: Figure 1 of paper 002."""
import numpy as np

from ..plotting import COLORS, figure, styled

__all__ = ["draw"]

LOOKS = (("red", "-"), ("blue", "-"), ("green", "-"), ("sky", "-."), ("purple", "-."))
TITLES = {"gradient_descent": "gradient descent", "heavy_ball": "heavy ball"}


@styled
def draw(result):
    """Return the figure."""
    chart, panels = figure(4, (15.0, 4.3), sharey=True)
    for axes, panel in zip(panels, result.panels, strict=True):
        for k, (color, style) in enumerate(LOOKS):
            _errors(axes, result.counts, panel.error[k], COLORS[color], style, result.methods[k])
            if k < 3:  # with k fixed the bound is a constant far above
                bound = panel.bound[k] + panel.floor[:, None]
                axes.plot(result.counts, bound.mean(axis=0), ":", color=COLORS[color], lw=1.6)
        axes.set(title=f"{panel.name.capitalize()}, {TITLES[panel.inner]}", xlabel="inner steps t", yscale="log")
    panels[0].set_ylabel("‖approximate − exact hypergradient‖")
    bounded = panels[0].plot([], [], ":", color=COLORS["black"], lw=1.5)[0]
    handles, labels = panels[0].get_legend_handles_labels()
    title = f"mean over {len(result.panels[0].draws)} draws of u; shaded: ± one standard deviation"
    chart.legend([*handles, bounded], [*labels, "bounds + floor (rounding), means"], title=title, loc="outside lower center",
                 ncols=len(labels) + 1, handlelength=1.8)
    return chart


def _errors(axes, counts, error, color, style, label):
    mean, spread = error.mean(axis=0), error.std(axis=0, ddof=1) if len(error) > 1 else 0.0
    axes.plot(counts, mean, style, color=color, label=label)
    low = np.maximum(mean - spread, error.min(axis=0))  # a logarithmic axis has no room for less than nothing
    axes.fill_between(counts, low, mean + spread, color=color, alpha=0.2, lw=0)
