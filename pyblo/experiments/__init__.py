"""Experiments: one module per figure or table of the papers; figures in their descriptions are those of paper 000.

Each module has ``run(progress=None, **settings)``, which returns a frozen dataclass of what was computed, and three views of
that: ``table(result)`` a Table, ``csv(result)`` a dict of file stems and texts, ``figures(result)`` a dict of file stems and
matplotlib figures. The settings of the source are the defaults. ``progress(done, total, text)`` is called as work goes on.
"""
import csv
import importlib
import io
from dataclasses import dataclass

__all__ = ["EXPERIMENTS", "Experiment", "Table", "csv_text", "need"]


@dataclass(frozen=True)
class Experiment:
    """An experiment by name: its module, and what it shows in one line."""

    name: str
    module: str
    description: str

    def load(self):
        """Return the module.

        Examples
        --------
        >>> from pyblo.experiments import EXPERIMENTS
        >>> EXPERIMENTS["antidistillation"].load().__name__
        'pyblo.experiments.antidistillation'
        """
        return importlib.import_module(f"{__name__}.{self.module}")


EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        Experiment("antidistillation", "antidistillation",
                   "what approximate hypergradients choose among equally good outer solutions (Fig. 11a, 11b)"),
        Experiment("antidistillation-damped", "antidistillation_damped",
                   "the same with damped inverse Hessians, beside Neumann series (Fig. 14)"),
        Experiment("antidistillation-cg", "antidistillation_cg",
                   "the same with truncated conjugate gradients (Fig. 15)"),
        Experiment("antidistillation-reciprocal", "antidistillation_reciprocal",
                   "the same with amplitudes 1/l of the features (Fig. 16)"),
        Experiment("antidistillation-underparameterized", "antidistillation_underparameterized",
                   "the same with fewer weights than points: the inner Hessian is invertible (Fig. 17)"),
        Experiment("antidistillation-trajectories", "antidistillation_trajectories",
                   "two learned targets in their plane: where approximate hypergradients lead (Fig. 11c)"),
        Experiment("antidistillation-setup", "antidistillation_setup",
                   "the task of antidistillation itself, and some of its many solutions (Fig. 10)"),
        Experiment("spectral-filters", "spectral_filters",
                   "how truncation and damping filter the inverse spectrum, how alike they are (Fig. 6, Eq. 5)"),
        Experiment("ridge-parkinson", "ridge_parkinson",
                   "one ridge penalty per feature, tuned by exact hypergradients, against one from a grid"),
        Experiment("response-maps", "response_maps",
                   "what bilevel problems leave open: set-valued responses, lines of outer solutions (Fig. 1)"),
        Experiment("solution-concepts", "solution_concepts",
                   "optimistic, pessimistic, cold-start and warm-start solutions of one distillation (Fig. 2)"),
        Experiment("projections", "projections",
                   "warm and cold start as projections on solution sets, limit cycles, half-spaces (Fig. 8)"),
        Experiment("phase-diagram", "phase_diagram",
                   "where warm start converges, and where fastest: outer step × inner steps × Neumann terms"),
        Experiment("hypergradient-error", "hypergradient_error",
                   "errors of hypergradients after t inner steps, under their bounds (paper 002, Fig. 1)"),
        Experiment("iteration-complexity", "iteration_complexity",
                   "steps to an accuracy on worst cases: gradient descent, Nesterov, SGD (paper 003)"),
    )
}


@dataclass(frozen=True)
class Table:
    """What the terminal shows: rows of text under columns, of which the first `words` hold words and no numbers, and a caption below."""

    title: str
    columns: tuple
    rows: tuple
    caption: str = ""
    words: int = 1


def csv_text(columns, rows):
    """Return a table as CSV text, with every digit of its numbers.

    Examples
    --------
    >>> from pyblo.experiments import csv_text
    >>> csv_text(("x", "y"), [(1, 0.5)])
    'x,y\\n1,0.5\\n'
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([value.item() if hasattr(value, "item") else value for value in row] for row in rows)
    return out.getvalue()


def need(module):
    """Return an optional module, or raise ModuleNotFoundError that says how to install it.

    Examples
    --------
    >>> from pyblo.experiments import need
    >>> need("no_such_module")
    Traceback (most recent call last):
    ModuleNotFoundError: no_such_module is not installed; it comes with: pip install 'pyblo[plot,cli,data]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        first = module.split(".")[0]
        if error.name is None or error.name.split(".")[0] != first:
            raise  # the module is there, and something that it imports is not
        message = f"{first} is not installed; it comes with: pip install 'pyblo[plot,cli,data]'"
        raise ModuleNotFoundError(message, name=first) from None
