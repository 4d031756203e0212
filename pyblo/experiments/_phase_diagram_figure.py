"""The picture of `pyblo.experiments.phase_diagram`."""
import numpy as np

from ..plotting import COLORS, figure, legend, styled

__all__ = ["draw"]


@styled
def draw(result):
    """Return the figure."""
    chart, panels = figure(4, (15.5, 4.2), width_ratios=(1, 1, 1, 1.1))
    for axes, k in zip(panels, range(result.shown.size - 3, result.shown.size), strict=False):
        mesh = _rates(axes, result, k)
    panels[0].set_ylabel("outer step β")
    legend(panels[0], loc="lower right", handlelength=1.6)
    chart.colorbar(mesh, ax=list(panels[:3]), label="rate per outer step", pad=0.01, aspect=28)
    _products(chart, panels[3], result)
    return chart


def _rates(axes, result, k):
    """Draw the rate over (t, β) for one of the terms shown; above the black line it exceeds 1."""
    j = result.shown[k]
    rate = result.rate[:, j].T
    axes.set_facecolor("#E6E6E6")
    mesh = axes.pcolormesh(result.steps, result.outer_steps, np.where(rate < 1, rate, np.nan), vmin=0, vmax=1, cmap="viridis",
                           shading="nearest", rasterized=True)
    limits = np.where(result.limits[:, k] > 0, result.limits[:, k], np.nan)
    axes.plot(result.steps, limits, color=COLORS["black"], lw=1.6, label="stable up to here")
    full = result.full_limits[k] if result.full_limits[k] > 0 else np.nan
    axes.plot(result.steps, np.full(result.steps.size, full), color=COLORS["orange"], ls="--", lw=1.4, label="the same, cold start")
    good = result.best[:, j] < 1
    axes.plot(result.steps[good], result.outer_steps[np.argmin(result.rate[:, j], axis=-1)][good], ".", ms=6, color="white",
              mec=COLORS["black"], mew=0.5, label="best β")
    axes.set(xscale="log", yscale="log", title=f"T = {result.terms[j]} terms (grey: diverges)", xlabel="inner steps t")
    axes.set_xlim(result.steps[0], result.steps[-1])
    axes.set_ylim(result.outer_steps[0], result.outer_steps[-1])
    axes.grid(False)
    return mesh


def _products(chart, axes, result):
    """Draw the products with H per digit over (t, T)."""
    from matplotlib.colors import LogNorm

    axes.set_facecolor("#E6E6E6")
    products = np.where(np.isfinite(result.products), result.products, np.nan).T
    low = np.nanmin(products)
    mesh = axes.pcolormesh(result.steps, result.terms, products, norm=LogNorm(low, 100 * low), cmap="magma_r", shading="nearest",
                           rasterized=True)
    j, i = np.unravel_index(np.nanargmin(products), products.shape)
    axes.plot(result.steps[i], result.terms[j], "*", ms=14, color=COLORS["sky"], mec="white", label=f"least: {low:.0f}")
    axes.set(xscale="log", yscale="log", title="Products with H per digit, best β", xlabel="inner steps t", ylabel="Neumann terms T")
    axes.set_xlim(result.steps[0], result.steps[-1])
    axes.set_ylim(result.terms[0], result.terms[-1])
    axes.grid(False)
    axes.annotate("the approximate hypergradient\nascends: no β converges", (0.04, 0.06), xycoords="axes fraction", fontsize=8)
    legend(axes, loc="upper left", handlelength=1.0)
    chart.colorbar(mesh, ax=axes, label="products with H per digit", pad=0.02, extend="max")
