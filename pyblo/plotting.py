"""The style that the figures share, and the few helpers that draw them; needs matplotlib.

Figures are matplotlib Figure objects of their own: no pyplot, no window, no backend to choose, and the caller's rcParams are
as they were.
"""
import numpy as np

from ._report import COLORS, styled
from .experiments import need

__all__ = ["COLORS", "figure", "legend", "save", "sequence", "styled"]


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
