"""How many steps reach an accuracy: gradient descent, Nesterov's momentum and SGD on their worst cases (paper 003).

L = 1 and ‖w₀ − w*‖ = 1. An accuracy ε is E‖w_t − w*‖² ≤ ε where f is strongly convex, κ = L/μ, E[f(w_t) − f*] ≤ ε where it is
convex, and min_s E‖∇f(w_s)‖² ≤ ε where it is neither. On an eigenvector of H with eigenvalue λ the error of plain or
constant-momentum steps is p_t(λ) = 1 − λ r_t(λ), r_t of Unrolled(t); the worst case is the largest over λ in [1/κ, 1], or in (0,
1].

The slides name bounds and no problems. Chosen here: gradient noise of covariance σ²H, that of least squares with noisy labels (with
a covariance σ²I the strongly convex count of SGD would be κ²/ε); the last iterate of SGD, not an average; and f = ½log(1 + w²), the
negative log-likelihood of Cauchy errors, from the plateau where ‖∇f‖² = 2ε, for the row without convexity.
"""
from dataclasses import dataclass

import numpy as np

from ..methods import check_count, check_number, require
from . import Table, csv_text
from . import _iteration_counts as counts

__all__ = ["Course", "IterationComplexity", "csv", "figures", "run", "table"]

NAME = "iteration-complexity"
BOUNDS = {  # of the slides, with the exponents of κ, and of 1/ε or, where that is what counts, of log(1/ε)
    "strongly convex": {"GD": ("κ log(1/ε)", 1.0, 1.0), "Nesterov": ("√κ log(1/ε)", 0.5, 1.0), "SGD": ("κ/ε", 1.0, 1.0)},
    "convex": {"GD": ("1/ε", None, 1.0), "Nesterov": ("1/√ε", None, 0.5), "SGD": ("1/ε²", None, 2.0)},
    "non-convex": {"GD": ("1/ε", None, 1.0), "Nesterov": ("1/ε", None, 1.0), "SGD": ("1/ε²", None, 2.0)},
}


@dataclass(frozen=True)
class Course:
    """The steps that one algorithm needs as one quantity varies.

    Attributes
    ----------
    setting, algorithm : str
        A row and a column of the slides' table.
    variable : {"κ", "1/ε", "log(1/ε)"}
        What varies, and in what the exponent is.
    at, steps : ndarray
        Its values, and the least number of steps that reaches ε at each.
    expected : float
        The exponent of the slides' bound.
    """

    setting: str
    algorithm: str
    variable: str
    at: np.ndarray
    steps: np.ndarray
    expected: float

    @property
    def exponent(self):
        """The slope of log steps against log at, by least squares over the upper half of the values."""
        upper = slice(self.at.size // 2, None)
        return float(np.polyfit(np.log(self.at[upper]), np.log(self.steps[upper]), 1)[0])


@dataclass(frozen=True)
class IterationComplexity:
    """The result.

    Attributes
    ----------
    courses : tuple of Course
        By row, column and variable.
    accuracy, condition, variance : float
        ε where κ varies, κ where ε varies, and σ².
    core_gap : float
        How far the core's own runs are from 1 − λ r_t(λ), in units of ε: the largest over the plain and momentum counts found.
    """

    courses: tuple
    accuracy: float
    condition: float
    variance: float
    core_gap: float

    def of(self, setting, algorithm, variable=None):
        """Return the course of a row and a column; of the strongly convex row also by variable."""
        found, = (each for each in self.courses
                  if (each.setting, each.algorithm) == (setting, algorithm) and variable in (None, each.variable))
        return found


def run(progress=None, *, accuracy=1e-3, condition=100.0, conditions=(10.0, 1000.0, 9), accuracies=(1e-2, 1e-20, 13),
        stochastic=(1e-1, 1e-4, 13), convex=(1e-1, 1e-6, 16), nonconvex=(1e-2, 1e-5, 10), nonconvex_stochastic=(3e-2, 1e-3, 10),
        variance=0.1, momentum=0.9, chains=100, modes=300, seed=0):
    """Count the steps.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    accuracy, condition : float
        ε where κ varies, and κ where ε varies.
    conditions : tuple
        (first, last, number) of κ; geometric, as the next.
    accuracies, stochastic, convex, nonconvex, nonconvex_stochastic : tuple
        Of ε > 0: in the strongly convex row without and with noise, in the convex row, in the non-convex row without and with noise;
        there ε ≤ 1/8, for f′² is nowhere above 1/4, and starts from 2ε.
    variance : float
        σ² of the gradient noise, of covariance σ²H; in the non-convex row the variance itself.
    momentum : float
        Nesterov's in the non-convex row, in [0, 1); in the others it is the textbook's.
    chains, modes, seed : int
        Runs over which the non-convex E is taken, eigenvalues among which the worst is sought, and the seed.

    Returns
    -------
    IterationComplexity

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and accuracies that take more steps than can be counted.
    """
    _check_ranges(1.0, np.inf, conditions=conditions)
    _check_ranges(0.0, np.inf, accuracies=accuracies, stochastic=stochastic, convex=convex)
    _check_ranges(0.0, 1 / 8, nonconvex=nonconvex, nonconvex_stochastic=nonconvex_stochastic)
    accuracy, variance = (check_number(name, value, positive=True) for name, value in (("accuracy", accuracy), ("variance", variance)))
    momentum, condition = check_number("momentum", momentum, below=1.0), check_number("condition", condition)
    require(condition >= 1, f"condition: {condition:g} is not valid; expected κ ≥ 1")
    chains, modes = check_count("chains", chains, 1), check_count("modes", modes, 1)
    kappas, at_kappas = np.geomspace(*conditions), np.full(conditions[2], accuracy)
    exact, noisy, bowl, hill, shaken = (np.geomspace(*each) for each in (accuracies, stochastic, convex, nonconvex, nonconvex_stochastic))
    at_exact, at_noisy = np.full(exact.size, condition), np.full(noisy.size, condition)
    jobs = (
        ("strongly convex", "κ", kappas, lambda: counts.strongly_convex(kappas, at_kappas, modes)),
        ("strongly convex", "κ", kappas, lambda: counts.strongly_convex_stochastic(kappas, at_kappas, variance)),
        ("strongly convex", "log(1/ε)", np.log(1 / exact), lambda: counts.strongly_convex(at_exact, exact, modes)),
        ("strongly convex", "1/ε", 1 / noisy, lambda: counts.strongly_convex_stochastic(at_noisy, noisy, variance)),
        ("convex", "1/ε", 1 / bowl, lambda: counts.convex(bowl, variance, modes)),
        ("non-convex", "1/ε", 1 / hill, lambda: counts.nonconvex(hill, momentum)),
        ("non-convex", "1/ε", 1 / shaken,
         lambda: counts.nonconvex_stochastic(shaken, variance, chains, np.random.default_rng(seed))),
    )
    courses, gaps = [], []
    for done, (setting, variable, at, count) in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs), f"{setting}: steps against {variable}")
        found, gap = count()
        gaps.append(gap)
        courses += [Course(setting, name, variable, at, np.array(steps), BOUNDS[setting][name][1 if variable == "κ" else 2])
                    for name, steps in found.items()]
    if progress is not None:
        progress(len(jobs), len(jobs), "done")
    return IterationComplexity(tuple(courses), accuracy, condition, variance, max(gaps))


def _check_ranges(least, most, **ranges):
    for name, (first, last, number) in ranges.items():
        check_count(f"{name}[2]", number, 1)
        for value in (first, last):
            value = check_number(name, value, positive=True)
            require(least <= value <= most, f"{name}: {value:g} is not valid; expected numbers in [{least:g}, {most:g}]")


def table(result):
    """Return the slides' table with measured exponents beside the bounds, as a Table."""
    rows = []
    for setting, algorithms in BOUNDS.items():
        for algorithm, (bound, _, _) in algorithms.items():
            found = [each for each in result.courses if (each.setting, each.algorithm) == (setting, algorithm)]
            exponents = [f"{each.variable}^{each.exponent:.3f} ({each.expected:g})" for each in found]
            last = found[-1]
            rows.append((f"{setting}, {algorithm}", f"O({bound})", exponents[0] if len(found) == 2 else "—", exponents[-1],
                         f"{last.steps[0]:,} … {last.steps[-1]:,}"))
    columns = "setting, algorithm", "slides", "in κ (bound)", "in ε (bound)", "steps as ε falls"
    caption = (f"Measured exponents of the worst cases, and of the bounds in brackets. κ varies at ε = {result.accuracy:g}, ε at "
               f"κ = {result.condition:g}; noise of covariance σ²H, σ² = {result.variance:g}. The core's runs agree with the filters that "
               f"were counted by to {result.core_gap:.0e} ε. Nesterov's momentum: (√κ−1)/(√κ+1), (t−1)/(t+2), constant.")
    return Table("Steps that reach an accuracy ε", columns, tuple(rows), caption)


def csv(result):
    """Return CSV texts: every count, and the exponents."""
    counts = [(each.setting, each.algorithm, each.variable, *pair) for each in result.courses
              for pair in zip(each.at, each.steps, strict=True)]
    exponents = [(each.setting, each.algorithm, each.variable, each.exponent, each.expected) for each in result.courses]
    return {NAME: csv_text(("setting", "algorithm", "variable", "value", "steps"), counts),
            f"{NAME}-exponents": csv_text(("setting", "algorithm", "variable", "exponent", "exponent_of_bound"), exponents)}


def figures(result):
    """Return the figure: steps against κ, and against 1/ε in the three settings."""
    from ._iteration_complexity_figure import draw

    return {NAME: draw(result)}
