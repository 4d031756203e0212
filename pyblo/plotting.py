"""The style that the figures share, and the few helpers that draw them; needs matplotlib.

Figures are matplotlib Figure objects of their own: no pyplot, no window, no backend to choose, and the caller's rcParams are
as they were.
"""
import functools

import numpy as np

from .experiments import need

__all__ = ["COLORS", "figure", "legend", "save", "sequence", "styled"]

# Okabe and Ito's palette, which the colour-blind can tell apart
COLORS = {"blue": "#0072B2", "orange": "#E69F00", "green": "#009E73", "red": "#D55E00", "purple": "#CC79A7", "sky": "#56B4E9",
          "black": "#000000", "grey": "#7F7F7F"}

STYLE = {
    "font.family": "DejaVu Sans", "font.size": 9, "mathtext.fontset": "dejavusans", "text.usetex": False,
    "axes.titlesize": 10, "axes.titlelocation": "left", "axes.edgecolor": "#444444", "axes.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.color": "#444444", "ytick.color": "#444444",
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.6,
    "legend.frameon": False, "legend.fontsize": 8, "legend.title_fontsize": 8, "lines.linewidth": 1.8, "lines.markersize": 5,
    "figure.facecolor": "white", "savefig.facecolor": "white", "figure.dpi": 100, "savefig.dpi": 140,
}


def styled(function):
    """Run a function that draws under the shared style, and leave the caller's rcParams alone."""

    @functools.wraps(function)
    def run(*arguments, **keywords):
        matplotlib = need("matplotlib")
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            return function(*arguments, **keywords)

    return run


@styled
def figure(columns, size, **keywords):
    """Return (figure, axes) with panels beside each other.

    Parameters
    ----------
    columns : int
        The number of panels.
    size : tuple of float
        Width and height in inches.
    **keywords
        For `matplotlib.figure.Figure.subplots`.

    Examples
    --------
    >>> from pyblo import plotting
    >>> chart, axes = plotting.figure(2, (6, 3))
    >>> len(chart.axes)
    2
    """
    chart = need("matplotlib.figure").Figure(figsize=size, layout="constrained")
    return chart, chart.subplots(1, columns, squeeze=False, **keywords)[0]


def sequence(count):
    """Return colours for an ordered parameter, from dark to light but never pale."""
    viridis = need("matplotlib").colormaps["viridis"]
    return [viridis(position) for position in np.linspace(0.0, 0.82, count)]


def legend(axes, **keywords):
    """Draw a legend on a white ground, so that the grid does not run through its text."""
    drawn = axes.legend(frameon=True, framealpha=0.9, edgecolor="none", **keywords)
    drawn.set_zorder(10)
    return drawn


@styled
def save(chart, path):
    """Write a figure to a file, whose suffix names the format."""
    chart.savefig(path)
