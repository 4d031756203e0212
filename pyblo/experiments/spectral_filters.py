"""Spectral filters: what truncation and damping make of the inverse spectrum 1/λ (paper 000, Fig. 6 and Eq. 5).

Neumann(T, α) has r(λ) = [1 − (1−αλ)^T]/λ, Damped(ε) has r(λ) = 1/(λ+ε). With ε = 1/(αT) both are αT at λ = 0 and tend to 1/λ, yet
r_Neumann/r_Damped − 1 > 0 between: as T → ∞ its maximum tends to that of (1+s)(1−e^{−s})/s − 1 over s = αλT.
"""
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

import pyblo

from . import Table, csv_text

__all__ = ["Pair", "SpectralFilters", "csv", "figures", "run", "table"]


@dataclass(frozen=True)
class Pair:
    """Neumann(T, α) and Damped(1/(αT)), evaluated by their own filters.

    Attributes
    ----------
    neumann, damped : Neumann, Damped
        The two methods.
    neumann_filter, damped_filter : ndarray
        r(λ) at the result's values.
    unrolled_gap : float
        The largest |r_Unrolled/r_Neumann − 1| of Unrolled(T, α).
    deviation, at : float
        The largest |r_Neumann/r_Damped − 1|, and its λ.
    paper_deviation : float
        The same with the paper's ε = 1/(αK), K = T − 1; infinite for one term.
    """

    neumann: pyblo.Neumann
    damped: pyblo.Damped
    neumann_filter: np.ndarray
    damped_filter: np.ndarray
    unrolled_gap: float
    deviation: float
    at: float
    paper_deviation: float


@dataclass(frozen=True)
class SpectralFilters:
    """The result: eigenvalues λ up to 1/α, the step α, r(λ) = 1/λ of Exact, and the pairs."""

    values: np.ndarray
    step: float
    exact: np.ndarray
    pairs: tuple


def run(progress=None, *, terms=(2, 11, 101, 1001), step=1.0, lowest=1e-5, points=601):
    """Evaluate the filters.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    terms : sequence of int
        T of the pairs; Σ_{j=0}^{K} of the paper has K + 1 terms.
    step : float
        α; it only scales the axes.
    lowest, points : float, int
        λ runs from lowest/α to 1/α in so many values.

    Returns
    -------
    SpectralFilters
    """
    values = np.geomspace(lowest, 1.0, points) / step
    pairs = []
    for k, count in enumerate(terms):
        if progress is not None:
            progress(k, len(terms), f"T = {count}")
        pairs.append(_pair(int(count), step, values))
    if progress is not None:
        progress(len(terms), len(terms), "done")
    return SpectralFilters(values, step, pyblo.Exact(rcond=0.0).filter(values), tuple(pairs))


def _pair(terms, step, values):
    neumann, damped = pyblo.Neumann(terms, step), pyblo.Damped(1 / (step * terms))
    r = neumann.filter(values)
    gap = float(np.max(np.abs(pyblo.Unrolled(terms, step).filter(values) / r - 1)))
    at, deviation = largest_deviation(neumann, damped, values)
    paper = largest_deviation(neumann, pyblo.Damped(1 / (step * (terms - 1))), values)[1] if terms > 1 else np.inf
    return Pair(neumann, damped, r, damped.filter(values), gap, deviation, at, paper)


def largest_deviation(first, second, values):
    """Return (λ, |r_first/r_second − 1|) where that is largest between the ends of an increasing grid of λ.

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> from pyblo.experiments import spectral_filters
    >>> grid = np.linspace(0.1, 1.0, 50)
    >>> spectral_filters.largest_deviation(pyblo.Neumann(1, 1.0), pyblo.Damped(1.0), grid)  # r = 1 and 1/(λ + 1)
    (1.0, 1.0)
    """

    def deviation(at):
        return np.abs(first.filter(at) / second.filter(at) - 1)

    sampled = deviation(values)
    best = int(np.argmax(sampled))
    if 0 < best < values.size - 1:
        ends = np.log(values[[best - 1, best + 1]])
        found = minimize_scalar(lambda logarithm: -deviation(np.exp([logarithm]))[0], bounds=ends, method="bounded")
        if -found.fun > sampled[best]:
            return float(np.exp(found.x)), float(-found.fun)
    return float(values[best]), float(sampled[best])


def table(result):
    """Return how far the two filters are apart for each number of terms, as a Table."""
    columns = ("Neumann terms T", "ε = 1/(αT)", "r(0) of both", "largest deviation", "at αλT", "with ε = 1/(αK)",
               "Unrolled − Neumann")
    rows = []
    for pair in result.pairs:
        terms, eps = pair.neumann.terms, pair.damped.eps
        zeros = {f"{method.filter([0.0, result.values[-1]])[0]:.6g}" for method in (pair.neumann, pair.damped)}
        rows.append((f"{terms}", f"{eps:.3e}", " / ".join(sorted(zeros)), f"{pair.deviation:.2%}",
                     f"{pair.at * result.step * terms:.3f}", f"{pair.paper_deviation:.2%}", f"{pair.unrolled_gap:.0e}"))
    caption = (f"Deviation: |r_Neumann/r_Damped − 1|, its largest value over λ from {result.values[0]:.0e} to 1/α, "
               f"α = {result.step:g}. The paper's Eq. 5 has K + 1 = T terms and ε = 1/(αK). "
               "Unrolled: plain gradient descent, relative.")
    return Table("How truncation and damping filter the inverse spectrum", columns, tuple(rows), caption)


def csv(result):
    """Return CSV texts: the filters at each λ, and the largest deviations."""
    filters, deviations = [], []
    for pair in result.pairs:
        columns = (result.values, result.exact, pair.neumann_filter, pair.damped_filter)
        filters += [(pair.neumann.terms, *row) for row in zip(*columns, strict=True)]
        deviations.append((pair.neumann.terms, pair.damped.eps, pair.deviation, pair.at, pair.paper_deviation, pair.unrolled_gap))
    return {
        "spectral-filters": csv_text(("terms", "eigenvalue", "exact", "neumann", "damped"), filters),
        "spectral-filters-deviations": csv_text(
            ("terms", "eps", "largest_deviation", "at_eigenvalue", "largest_deviation_paper_eps", "unrolled_gap"), deviations),
    }


def figures(result):
    """Return the figure: the filters, the share of 1/λ that they let pass, and how far they are apart."""
    from ._spectral_filters_figure import draw

    return {"spectral-filters": draw(result)}
