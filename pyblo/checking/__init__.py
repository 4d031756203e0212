"""check_problem: is a problem what it says it is?"""
import numpy as np

from .. import _namespace
from ..problem import Problem
from .examiner import Examiner
from .faults import said
from .report import Check, ProblemReport

__all__ = ["Check", "ProblemReport", "check_problem"]


def check_problem(problem, u, w, *, rng=None):
    """Check at (u, w) that the methods of a problem fit each other, and report which one does not, how and by how much.

    ∇_w f against f, ∂F against F, H and M against ∇_w f, by differences and, where they work, complex steps; H = Hᵀ ⪰ 0;
    qᵀ(Mv) = (Mᴴq)ᵀv; (I − HH⁺)∇_w f = 0 where f is quadratic in w; ∇_w f = 0 at the inner solution, which is nearest w;
    every method returns new, finite, reproducible values of the right shape and dtype, and writes nothing.

    Parameters
    ----------
    problem : Problem
        One problem, not a batch. Where its attribute `symmetric` is False, H need be neither symmetric nor semidefinite.
        `inner_value` and `inner_solution` may be absent: None, or raising NotImplementedError.
    u, w : array_like
        Where to check: a generic point, away from solutions and zeros, shows most.
    rng : int or numpy.random.Generator, optional
        For random directions; by default the same at every call.

    Returns
    -------
    ProblemReport
        With success, checks and failures; it prints. Whatever a method raises is reported, not raised.

    Raises
    ------
    TypeError, ValueError
        For a problem that is no `Problem` or is a batch, and for u, w or rng that do not fit.

    Examples
    --------
    >>> import pyblo
    >>> class Wrong(pyblo.TargetLearning):
    ...     def cross(self, u, w):
    ...         return -super().cross(u, w)
    >>> print(pyblo.check_problem(Wrong([[1.0, 2.0]], [[1.0, 1.0]], [1.0]), u=[1.0], w=[0.5, 1.0]))
    Wrong: 1 of ... checks failed
      FAILED: cross, derivative: along u[0], component 1: cross gives 2, differences of inner_gradient give -2;
      -1 times it would fit (deviation 2, tolerance ...)
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"problem: expected a pyblo.Problem, got {type(problem).__name__}")
    rng = np.random.default_rng(0 if rng is None else rng)
    try:
        batch, shapes = tuple(problem.batch_shape), (tuple(problem.outer_shape), tuple(problem.inner_shape))
        dtype = np.dtype(problem.dtype)
        if dtype not in _namespace.FLOATS or not np.ones(shapes[0]).size == problem.outer_size \
                or not np.ones(shapes[1]).size == problem.inner_size:
            raise ValueError(f"shapes {shapes} of sizes {problem.outer_size}, {problem.inner_size}, dtype {dtype}")
    except Exception as error:
        return ProblemReport(type(problem).__name__, (Check("runs", "attributes", False, message=said(error)),))
    if batch:
        raise TypeError(f"problem: has batch_shape {batch}; check one problem of the batch")
    u, w = (_namespace.fit_finite(*named, dtype) for named in (("u", u, shapes[0]), ("w", w, shapes[1])))
    examiner = Examiner(problem, u, w, dtype, rng)
    with np.errstate(all="ignore"):
        examiner.attempt("problem", examiner.examine)
    return ProblemReport(type(problem).__name__, tuple(examiner.checks), tuple(examiner.skipped))
