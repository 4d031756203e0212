"""What a verification found."""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._report import Report

__all__ = ["LIMIT", "Claim", "Misprint", "Printed", "Statement", "Tally", "Verification"]

LIMIT = 100.0  # units of ε·κ, above which a deviation is no rounding


def every(block):
    """Return all problems of a block."""
    return np.ones(block.count, bool)


@dataclass(frozen=True)
class Statement:
    """A claim to check: measure(block) is the deviation of each problem in its units, subject(block) which problems it is of."""

    source: str
    text: str
    compared: str
    kappa: str
    measure: Callable
    subject: Callable = every


@dataclass(frozen=True)
class Misprint:
    """A formula as printed: measure(block) is its relative deviation from what holds, subject(block) which problems it is of."""

    source: str
    printed: str
    instead: str
    measure: Callable
    subject: Callable = every


@dataclass(frozen=True)
class Claim:
    """One claim, and how far the problems deviate from it.

    Attributes
    ----------
    source, text : str
        Where it stands, and what it says.
    compared : str
        What was compared with what.
    kappa : str
        The condition number κ of the unit.
    problems : int
        How many were tried.
    worst : float
        The largest deviation in units of ε·κ times the size of the terms; infinite where something was no number.
    worst_problem : int or None
        The problem that it is of.
    violations : int
        Problems that deviate by more than LIMIT units.
    """

    source: str
    text: str
    compared: str
    kappa: str
    problems: int
    worst: float
    worst_problem: int | None
    violations: int


@dataclass(frozen=True)
class Printed:
    """A formula as a paper prints it, and how far that is from what holds.

    Attributes
    ----------
    source, printed, instead : str
        Where it stands, what is printed, and what holds.
    problems : int
        How many were tried.
    median, worst : float
        The relative deviation.
    """

    source: str
    printed: str
    instead: str
    problems: int
    median: float
    worst: float


@dataclass(frozen=True)
class Verification(Report):
    """The claims on random problems.

    Attributes
    ----------
    problems, seed : int
        As given.
    claims : tuple of Claim
    printed : tuple of Printed
        The inaccuracies of the papers; they are no violations.
    """

    problems: int
    seed: int
    claims: tuple
    printed: tuple

    _title = "Verification of the claims of papers 000 and 002"

    @property
    def violations(self):
        """How often any of the claims is violated."""
        return sum(claim.violations for claim in self.claims)

    @property
    def success(self):
        """Whether no claim is violated."""
        return self.violations == 0

    def _rows(self):
        claims = [(claim.source, f"{claim.text}: {claim.problems} problems, worst {claim.worst:.3g} ε·κ, {claim.violations} violations")
                  for claim in self.claims]
        printed = [(row.source, f"as printed {row.printed}: off by {row.median:.3g} (median)") for row in self.printed]
        return [("problems", f"{self.problems} of seed {self.seed}"), *claims, *printed, ("violations", str(self.violations))]


class Tally:
    """Deviations of one claim or formula, gathered from block to block."""

    def __init__(self):
        self.numbers, self.deviations = [np.zeros(0, int)], [np.zeros(0)]

    def add(self, numbers, deviations):
        """Take the deviations of the problems with these numbers."""
        self.numbers.append(numbers)
        self.deviations.append(deviations)

    def summary(self, check):
        """Return the Claim of a Statement, or the Printed of a Misprint."""
        found, numbers = np.concatenate(self.deviations), np.concatenate(self.numbers)
        worst = float(found.max(initial=0.0))
        if isinstance(check, Misprint):
            return Printed(check.source, check.printed, check.instead, found.size, float(np.median(found)) if found.size else 0.0, worst)
        return Claim(check.source, check.text, check.compared, check.kappa, found.size, worst,
                     int(numbers[np.argmax(found)]) if found.size else None, int(np.count_nonzero(found > LIMIT)))
