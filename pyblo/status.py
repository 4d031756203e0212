"""How a computation ended, as a value whose text gives the cause, the numbers and the remedy."""
import enum

__all__ = ["Status"]


class Status(enum.IntEnum):
    """How a solve, an inner run or an outer loop ended.

    The codes are those of the C++ core. ``success`` is true for CONVERGED (the true residual met the tolerance) and
    COMPLETED (a method without a tolerance, all values finite).

    Examples
    --------
    >>> from pyblo import Status
    >>> Status.CONVERGED.success, Status.NOT_CONVERGED.success
    (True, False)
    >>> Status.DIVERGED.cause
    'Diverged: a value is no longer a finite number'
    >>> Status.DIVERGED.remedy
    'use a smaller step, and look for NaN, infinity or very large values in the input'
    """

    RUNNING = 0
    CONVERGED = 1
    COMPLETED = 2
    NOT_CONVERGED = 3
    INDEFINITE = 4
    INCONSISTENT = 5
    DIVERGED = 6
    STOPPED = 7
    INTERRUPTED = 8
    UNBOUNDED = 9

    @property
    def success(self):
        """Whether the result may be used as what was asked for."""
        return self in (Status.CONVERGED, Status.COMPLETED)

    @property
    def cause(self):
        """What happened."""
        return _TEXT[self][0]

    @property
    def remedy(self):
        """What to do about it; empty where there is nothing to do."""
        return _TEXT[self][1]

    @property
    def text(self):
        """The cause and the remedy, one sentence."""
        return self.explain()

    def explain(self, numbers=""):
        """Return the cause, the numbers of one computation in brackets, and the remedy.

        Examples
        --------
        >>> from pyblo import Status
        >>> Status.CONVERGED.explain("residual 1e-11")
        'Converged: the true residual (of a loop, the gradient) met the tolerance (residual 1e-11).'
        >>> Status.STOPPED.explain("3 steps")
        'Stopped by the callback (3 steps); to go on, start again from this result.'
        """
        cause, remedy = _TEXT[self]
        numbers = f" ({numbers})" if numbers else ""
        return f"{cause}{numbers}; {remedy}." if remedy else f"{cause}{numbers}."


_TEXT = {  # cause, remedy; the numbers come between
    Status.RUNNING: (
        "Still running: this is a state between two steps",
        "wait for the end of the computation"),
    Status.CONVERGED: (
        "Converged: the true residual (of a loop, the gradient) met the tolerance",
        ""),
    Status.COMPLETED: (
        "Completed: the method has no tolerance to meet; it did all it was asked to do, and all values are finite",
        ""),
    Status.NOT_CONVERGED: (
        "Not converged: the tolerance was not met within the allowed steps, or lies below what rounding permits",
        "allow more steps, loosen the tolerance, scale the problem better, or use float64"),
    Status.INDEFINITE: (
        "Indefinite: along some direction the curvature is negative, so the matrix is not positive semidefinite",
        "check its sign and its entries; in a hypergradient, CG(normal=True) needs no definite Hessian"),
    Status.INCONSISTENT: (
        "Inconsistent: the matrix is singular to working precision, and the right-hand side has a part outside its range",
        "remove that part, or use Exact() or Damped(eps), which are defined for it"),
    Status.DIVERGED: (
        "Diverged: a value is no longer a finite number",
        "use a smaller step, and look for NaN, infinity or very large values in the input"),
    Status.STOPPED: (
        "Stopped by the callback",
        "to go on, start again from this result"),
    Status.INTERRUPTED: (
        "Interrupted before the end",
        "run it again for a complete result"),
    Status.UNBOUNDED: (
        "Unbounded: the reduced objective F*(u) falls for ever along some direction, so there is no minimum to find",
        "add a regulariser to the outer objective, or data that fix that direction"),
}
