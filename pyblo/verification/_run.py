"""The verification itself, and how it is shown."""
import numpy as np

from ..experiments import Table, csv_text
from ..methods import check_count
from . import _errors, _inner, _outer, _printed, _responses
from ._blocks import BLOCK, draw
from ._result import LIMIT, Tally, Verification

__all__ = ["csv", "instance", "tables", "verify"]

STATEMENTS = (*_inner.STATEMENTS, *_outer.STATEMENTS, *_responses.STATEMENTS, *_errors.STATEMENTS)
NAME = "verification"


def verify(problems=1000, *, seed=0, progress=None):
    """Check the claims of papers 000 and 002 on random problems: deviation ≤ 100·ε·κ times the size of the terms.

    Problems satisfy Assumption 3.1 of paper 000: n, m ≤ 8, half of them with a singular A, κ(A) up to 300, of a fifth up to 10⁶. Those of
    Theorems 2.1 to 2.4 are to a third ridge regressions. Problem k of a seed is the same for any number of problems.

    Parameters
    ----------
    problems : int
        How many, ≥ 1. A claim leaves out those that are none of its subject, as singular ones of Remark 3.2.
    seed : int
        ≥ 0.
    progress : callable, optional
        Called as progress(done, total, text).

    Returns
    -------
    Verification

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit.

    Examples
    --------
    >>> import pyblo
    >>> found = pyblo.verification.verify(problems=5)
    >>> found.success, found.violations, found.claims[0].source
    (True, 0, '000 Lemma C.1')
    """
    problems, seed = check_count("problems", problems, 1), check_count("seed", seed)
    checks = (*STATEMENTS, *_printed.MISPRINTS)
    tallies = [Tally() for _ in checks]
    for number in range(-(-problems // BLOCK)):
        if progress is not None:
            progress(number * BLOCK, problems, "")
        block = draw(seed, number).take(slice(problems - number * BLOCK))
        _measure(block, zip(checks, tallies, strict=True))
    if progress is not None:
        progress(problems, problems, "done")
    found = [tally.summary(check) for check, tally in zip(checks, tallies, strict=True)]
    return Verification(problems, seed, tuple(found[: len(STATEMENTS)]), tuple(found[len(STATEMENTS) :]))


def _measure(block, checks):
    """Add the deviations of a block; checks of the same subject share its block, and what is computed of it."""
    parts = {}
    for check, tally in checks:
        if check.subject not in parts:
            chosen = check.subject(block)
            parts[check.subject] = block if chosen.all() else block.take(chosen)
        part = parts[check.subject]
        if part.count:
            tally.add(part.number * BLOCK + part.members, check.measure(part))


def instance(number, seed=0):
    """Return one of the problems that `verify` tries.

    Parameters
    ----------
    number, seed : int
        As in `Claim.worst_problem` and `verify`.

    Returns
    -------
    Block
        Of this problem alone: .problem, .u0, .w0, and for Theorems 2.1 to 2.4 .ridge; arrays have one axis of length 1 in front.

    Examples
    --------
    >>> import pyblo
    >>> found = pyblo.verification.instance(101)
    >>> found.problem.batch_shape, found.rank < found.problem.inner_size
    ((1,), True)
    """
    number, seed = check_count("number", number), check_count("seed", seed)
    return draw(seed, number // BLOCK).take(slice(number % BLOCK, number % BLOCK + 1))


def tables(result):
    """Return what the terminal shows: the claims, and apart from them the formulas as printed.

    Parameters
    ----------
    result : Verification

    Returns
    -------
    tuple of Table

    Examples
    --------
    >>> import pyblo
    >>> [table.title for table in pyblo.verification.tables(pyblo.verification.verify(1))]
    ['Claims', 'As printed']
    """
    rows = tuple((row.source, row.text, row.compared, row.kappa, f"{row.problems}", f"{row.worst:.2g}", f"{row.violations}")
                 for row in result.claims)
    caption = (f"{result.problems} problems of seed {result.seed}, {result.violations} violations. worst: the largest deviation, in "
               f"units of ε·κ times the size of the terms; above {LIMIT:g} it is a violation. Of an error and its bound it is what is "
               "above the bound, in tenths of Constants.floor. gelsy: least squares by LAPACK's complete orthogonal factorisation.")
    claims = Table("Claims", ("source", "claim", "what was compared", "κ", "problems", "worst", "violations"), rows, caption, 4)
    rows = tuple((row.source, row.printed, row.instead, f"{row.problems}", _percent(row.median), _percent(row.worst))
                 for row in result.printed)
    caption = "off: the relative deviation of what is printed from what holds. These are errors of the papers, and no violations."
    printed = Table("As printed", ("source", "printed", "what holds", "problems", "median off", "worst off"), rows, caption, 3)
    return claims, printed


def _percent(value):
    return "0/0" if np.isinf(value) else f"{100 * value:.3g} %"


def csv(result):
    """Return CSV texts by file stem: the claims, and the formulas as printed.

    Parameters
    ----------
    result : Verification

    Returns
    -------
    dict of str

    Examples
    --------
    >>> import pyblo
    >>> list(pyblo.verification.csv(pyblo.verification.verify(1)))
    ['verification', 'verification-as-printed']
    """
    claims = [(c.source, c.text, c.compared, c.kappa, c.problems, c.worst, c.violations, c.worst_problem) for c in result.claims]
    printed = [(p.source, p.printed, p.instead, p.problems, p.median, p.worst) for p in result.printed]
    return {NAME: csv_text(("source", "claim", "compared", "kappa", "problems", "worst", "violations", "worst_problem"), claims),
            f"{NAME}-as-printed": csv_text(("source", "printed", "instead", "problems", "median", "worst"), printed)}
