"""Results as people read them: a table, in plain text or HTML, and a chart; only the chart needs matplotlib."""
import functools
import html
import importlib
import math
import textwrap

import numpy as np
import scipy.linalg

from .status import Status

WIDTH = 100  # of a summary, in characters

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


class Report:
    """A result that shows itself: a subclass names its title and gives its rows, pairs of a label and what stands beside it."""

    _title = ""

    def _rows(self):
        raise NotImplementedError

    def summary(self):
        """Return a table of plain text: sizes, values, how it ended, and the remedy where it failed; the unknown is left out.

        Examples
        --------
        >>> import numpy as np, pyblo
        >>> problem = pyblo.Quadratic(A=2 * np.eye(1), B=-np.eye(1), P=np.eye(1))
        >>> print(pyblo.hypergradient(problem, [4.0]).summary().splitlines()[0])
        Hypergradient
        """
        rows = [(label, text) for label, text in self._rows() if text is not None]
        margin = 2 + max((len(label) for label, _ in rows), default=0)
        lines = [self._title, "─" * len(self._title)]
        for label, text in rows:
            wrapped = textwrap.wrap(text, WIDTH - margin, break_on_hyphens=False) or [""]
            lines.append(f"{label:{margin}}{wrapped[0]}")
            lines += [" " * margin + line for line in wrapped[1:]]
        return "\n".join(lines)

    def _repr_html_(self):
        left, row = 'style="text-align:left;vertical-align:top"', '<tr><th scope="row" {0}>{1}</th><td {0}>{2}</td></tr>'
        rows = (row.format(left, html.escape(label), html.escape(text)) for label, text in self._rows() if text is not None)
        return f'<table><caption {left}>{html.escape(self._title)}</caption><tbody>{"".join(rows)}</tbody></table>'


class Chart(Report):
    """A report that can be drawn too: a subclass says how, on axes or on None."""

    def plot(self, ax=None):
        """Draw the components of a hypergradient; of a loop, the objective (left scale) and the gradient norm (right scale).

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; None makes a figure of its own, which pyplot does not know: ``result.plot().figure.savefig(path)``.

        Returns
        -------
        matplotlib.axes.Axes
            Of a loop those of the objective; ``ax.figure.axes[-1]`` are those of the norm.

        Raises
        ------
        ModuleNotFoundError, ValueError
            Without matplotlib; for a loop that kept no history.
        """
        return self._draw(ax)


# --- what stands in a row; None where there is nothing to say -----------------------------------------------------------


def number(value):
    """Return a number in six digits, or the range of an array of numbers.

    Examples
    --------
    >>> from pyblo._report import number
    >>> number(1 / 3), number([1.0, 2.5, float("nan")]), number(None)
    ('0.333333', '1 … 2.5 (3 values, 1 not finite)', None)
    """
    values = np.asarray(value)
    if value is None:
        return None
    if values.ndim == 0:
        return f"{values[()]:.6g}" if values.dtype.kind == "f" else str(values[()])
    finite = values[np.isfinite(values)]
    lost = values.size - finite.size
    extent = f"{finite.min():.6g} … {finite.max():.6g} " if finite.size else ""
    return f"{extent}({values.size} value{'s' * (values.size != 1)}{f', {lost} not finite' if lost else ''})"


def axes(batch):
    """Return the axes of a batch as text, None where there are none.

    Examples
    --------
    >>> from pyblo._report import axes
    >>> axes((2, 3)), axes(())
    ('2 × 3', None)
    """
    return " × ".join(map(str, batch)) or None


def size(array):
    """Return the shape and the dtype of an array: 3 × 4 numbers, float64."""
    if array is None:
        return None
    shape = axes(np.shape(array)) or "1"
    return f"{shape} number{'s' * (shape != '1')}, {np.asarray(array).dtype}"


def length(vector, batch=()):
    """Return the Euclidean length of an array as text; of a batch of them the range of their lengths."""
    if vector is None:
        return None
    if not batch:
        return number(scipy.linalg.norm(np.ravel(vector), check_finite=False))
    rows = np.reshape(vector, (math.prod(batch), -1)) if np.size(vector) else np.zeros((math.prod(batch), 1))
    return number(np.array([scipy.linalg.norm(row, check_finite=False) for row in rows]))


def course(values):
    """Return the first and the last number of a history, of a batch as ranges."""
    values = np.asarray(values)
    if values.shape[-1] < 2:
        return number(values[..., -1]) if values.shape[-1] else None
    return f"{number(values[..., 0])} → {number(values[..., -1])}"


def outcome(status):
    """Return the name of a status and whether it is a success, or how often an array of statuses holds each.

    Examples
    --------
    >>> from pyblo import Status
    >>> from pyblo._report import outcome
    >>> outcome(Status.CONVERGED), outcome([1, 3, 1])
    ('CONVERGED: success', '2 CONVERGED (success), 1 NOT_CONVERGED (failure)')
    """
    if status is None:
        return None
    word = {True: "success", False: "failure"}
    if np.ndim(status) == 0:
        return f"{Status(status).name}: {word[Status(status).success]}"
    codes, counts = np.unique(np.asarray(status), return_counts=True)
    return ", ".join(f"{count} {Status(code).name} ({word[Status(code).success]})"
                     for code, count in zip(codes.tolist(), counts.tolist(), strict=True)) or "none"


def variables(u, w, method=None, inner=None):
    """Return the rows of the variables, and of what is known of the computation."""
    known = [(label, value and str(value)) for label, value in (("method", method), ("inner solver", inner))]
    return [("outer variable u", size(u)), ("inner variable w", size(w)), *known]


def ending(status, message):
    """Return the last rows: how it ended."""
    return [("status", outcome(status)), ("message", None if message is None else str(message))]


# --- charts -------------------------------------------------------------------------------------------------------------


def need(module="matplotlib"):
    """Return matplotlib or a module of it, or raise ModuleNotFoundError that says how to install it."""
    try:
        importlib.import_module("matplotlib")
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise  # matplotlib is there, and something that it imports is not
        message = "matplotlib is not installed; it comes with: pip install 'pyblo[plot]'"
        raise ModuleNotFoundError(message, name="matplotlib") from None
    return importlib.import_module(module)


def styled(function):
    """Run a function that draws under the shared style, and leave the caller's rcParams alone."""

    @functools.wraps(function)
    def run(*arguments, **keywords):
        matplotlib = need()
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            return function(*arguments, **keywords)

    return run


def on_axes(draw):
    """Let a function draw on given axes as they are, or, where they are None, on styled ones that pyplot does not know."""

    @functools.wraps(draw)
    def run(*values, ax=None):
        if ax is None:
            ax = need("matplotlib.figure").Figure(figsize=(6, 3.5), layout="constrained").subplots
            return styled(lambda: draw(*values, ax()))()
        return draw(*values, ax)

    return run


@on_axes
def draw_history(fun, grad_norm, ax):
    """Draw the objective (left scale) and the gradient norm (right scale, logarithmic) along a loop; return the left axes.

    The loops of a batch are thin lines, up to a hundred of them, evenly chosen.
    """
    right = ax.twinx()
    right.grid(False)
    right.spines["right"].set_visible(True)
    sides = (ax, fun, "objective F(u, w)", "blue"), (right, grad_norm, "gradient norm ‖dF/du‖", "red")
    for axes, values, label, color in sides:
        values = _drawable(values).reshape(np.shape(values))
        _draw_runs(axes, values, label, COLORS[color])
        axes.set_ylabel(label, color=COLORS[color])
        if _logarithmic(values.ravel(), spread=100.0 if axes is ax else 1.0):
            axes.set_yscale("log", nonpositive="mask")
    _number_steps(ax, "outer step")
    return ax


def _draw_runs(ax, values, label, color):
    if values.ndim == 1:
        ax.plot(values, color=color, marker="o" if values.size <= 30 else None, markersize=3.5, label=label)
        return
    runs = values.reshape(-1, values.shape[-1])
    for run in runs[np.unique(np.linspace(0, len(runs) - 1, min(len(runs), 100)).round().astype(int))]:
        ax.plot(run, color=color, linewidth=0.6, alpha=0.5)


@on_axes
def draw_components(values, label, ax):
    """Draw the components of an array, numbered in C order, and return the axes."""
    values = _drawable(values)
    few = values.size <= 200
    ax.plot(values, color=COLORS["blue"], marker="o" if few else None, linestyle="none" if few else "-")
    if few:
        ax.vlines(np.arange(values.size), 0.0, values, color=COLORS["blue"], linewidth=1.0)
    ax.axhline(0.0, color=COLORS["grey"], linewidth=0.8)
    ax.set_ylabel(label)
    _number_steps(ax, "component")
    return ax


def _number_steps(ax, label):
    ax.set_xlabel(label)
    ax.xaxis.set_major_locator(need("matplotlib.ticker").MaxNLocator(integer=True))


def _drawable(values):
    # a chart has no room for infinity, and matplotlib's margins overflow near the end of the numbers
    values = np.array(values, np.float64).reshape(-1)
    values[~(np.abs(values) < 1e150)] = np.nan
    return values


def _logarithmic(values, spread):
    """Whether a logarithmic scale shows more: no value is negative, and the positive ones reach over a factor `spread`."""
    seen = values[values != 0][np.isfinite(values[values != 0])]
    return seen.size > 0 and seen.min() > 0 and seen.max() >= spread * seen.min()
