"""Where warm start converges, and where fastest: its rate over outer step β × inner steps t × Neumann terms T (MATH §4).

f = ½wᵀAw + wᵀBu and F = ½wᵀPw − 1ᵀw have three weights and two outer variables; κ(A) = 25. With few terms the approximate
hypergradient ascends: some eigenvalue of K = BᵀRPA⁺B is negative, and cold start diverges for every β. Each cell is the largest
modulus of the eigenvalues of the affine map z⁺ = Ez + c that are not a semisimple 1. E is affine in β, so all β of a pair (t, T)
are one batch of small matrices.
"""
from dataclasses import dataclass

import numpy as np

import pyblo

from . import Table, csv_text

__all__ = ["PhaseDiagram", "csv", "figures", "problem", "run", "table"]

NAME = "phase-diagram"


@dataclass(frozen=True)
class PhaseDiagram:
    """The result.

    Attributes
    ----------
    problem : Quadratic
        What is solved.
    steps, terms : ndarray of int
        t of the inner runs of gradient descent, and T of the Neumann series, both with the step 1/λmax.
    outer_steps : ndarray
        β.
    rate : ndarray, shape (steps, terms, outer_steps)
        Of partial warm start; it converges where this is below 1.
    full_rate : ndarray, shape (terms, outer_steps)
        Of full warm start; H is invertible here, so it is that of cold start too.
    shown : ndarray of int
        The indices of four of the terms, from the least to the most.
    limits, full_limits : ndarray, shapes (steps, 4) and (4,)
        Of these, the end of the first interval of β at which it converges, 0 where there is none.
    """

    problem: pyblo.Quadratic
    steps: np.ndarray
    terms: np.ndarray
    outer_steps: np.ndarray
    rate: np.ndarray
    full_rate: np.ndarray
    shown: np.ndarray
    limits: np.ndarray
    full_limits: np.ndarray

    @property
    def best(self):
        """The least rate over β for each (t, T)."""
        return self.rate.min(axis=-1)

    @property
    def products(self):
        """The products with H in which the error falls tenfold, (t + T)/(−log₁₀ rate) at the best β; infinite where none converges."""
        cost = self.steps[:, None] + self.terms
        with np.errstate(divide="ignore"):
            return np.where(self.best < 1, cost / -np.log10(np.minimum(self.best, 1.0)), np.inf)


def problem():
    """Return the problem; its Neumann hypergradients ascend up to four terms.

    Examples
    --------
    >>> from pyblo.experiments import phase_diagram
    >>> phase_diagram.problem().outer_size
    2
    """
    L = np.array([[-1.0, 1.0], [-1.0, -1.0], [0.0, 1.0]])
    return pyblo.Quadratic(np.diag([25.0, 5.0, 1.0]), np.array([[1.0, 2.0], [-2.0, 2.0], [-1.0, 0.0]]), L @ L.T, f=-L @ np.ones(2))


def run(progress=None, *, steps=(1, 300, 26), terms=(1, 300, 26), outer_steps=(1e-2, 1e2, 400)):
    """Compute the rates.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    steps, terms, outer_steps : tuple
        (first, last, number) of t, T and β, geometric; t and T are rounded, and equal ones are one.

    Returns
    -------
    PhaseDiagram
    """
    task, betas = problem(), np.geomspace(*outer_steps)
    t, T = (np.unique(np.geomspace(*each).round().astype(int)) for each in (steps, terms))
    shown = np.unique(np.linspace(0, T.size - 1, 4).round().astype(int))
    rate, limits = np.empty((t.size + 1, T.size, betas.size)), np.empty((t.size + 1, shown.size))
    for j, count in enumerate(T.tolist()):
        if progress is not None:
            progress(j, T.size, f"T = {count}")
        for i, inner in enumerate((*map(pyblo.GradientDescent, t.tolist()), pyblo.ClosedForm())):
            settings = {"method": pyblo.Neumann(count), "inner": inner}
            rate[i, j] = pyblo.dynamics.affine_map(task, "warm", step=betas, **settings).rate
            if j in shown:
                limits[i, shown == j] = pyblo.dynamics.affine_map(task, "warm", step=1.0, **settings).stable_steps[1]
    if progress is not None:
        progress(T.size, T.size, "done")
    return PhaseDiagram(task, t, T, betas, rate[:-1], rate[-1], shown, limits[:-1], limits[-1])


def table(result):
    """Return limits and best rates for some t and T, as a Table."""
    rows, chosen = [], np.unique(np.linspace(0, result.steps.size - 1, 4).round().astype(int))
    for k, j in enumerate(result.shown):
        cells = [(f"{result.steps[i]}", result.rate[i, j], result.limits[i, k], f"{result.products[i, j]:.1f}") for i in chosen]
        for t, rate, limit, products in (*cells, ("∞", result.full_rate[j], result.full_limits[k], "—")):
            who, best = f"T = {result.terms[j]}, t = {t}", int(np.argmin(rate))
            if limit > 0:
                rows.append((who, f"{limit:.4g}", f"{result.outer_steps[best]:.3g}", f"{rate[best]:.4f}", products))
            else:
                rows.append((who, "none", "—", f"{rate[best]:.4f}", "—"))
    i, j = np.unravel_index(np.argmin(result.products), result.products.shape)
    caption = (f"{result.rate.size:,} cells, of which {np.mean(result.rate < 1):.1%} converge. Fewest products with H per digit: "
               f"{result.products[i, j]:.1f}, with t = {result.steps[i]}, T = {result.terms[j]}. t = ∞ is full warm start; H is "
               "invertible, so it goes the way of cold start.")
    columns = "terms, inner steps", "converges to β", "best β", "rate", "products/digit"
    return Table("Warm start: up to which outer step it is stable, and its best rate", columns, tuple(rows), caption)


def csv(result):
    """Return CSV texts: the best rate for each (t, T), the rates of the terms shown, and their limits."""
    t, T, betas = result.steps, result.terms, result.outer_steps
    best = [(t[i], T[j], betas[np.argmin(result.rate[i, j])], result.best[i, j], result.products[i, j])
            for i in range(t.size) for j in range(T.size)]
    rates = [(t[i], T[j], *pair) for i in range(t.size) for j in result.shown for pair in zip(betas, result.rate[i, j], strict=True)]
    limits = [(t[i], T[j], result.limits[i, k]) for i in range(t.size) for k, j in enumerate(result.shown)]
    return {NAME: csv_text(("inner_steps", "terms", "best_step", "best_rate", "products_per_digit"), best),
            f"{NAME}-rates": csv_text(("inner_steps", "terms", "outer_step", "rate"), rates),
            f"{NAME}-limits": csv_text(("inner_steps", "terms", "end_of_stable_steps"), limits)}


def figures(result):
    """Return the figure: rates over (t, β) for three T, and products per digit over (t, T)."""
    from ._phase_diagram_figure import draw

    return {NAME: draw(result)}
