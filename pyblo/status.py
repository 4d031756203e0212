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
    >>> Status.STOPPED.text
    'Stopped by the callback.'
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
    def text(self):
        """The cause and the remedy, one or two sentences."""
        return _TEXT[self]

    def explain(self, numbers=""):
        """Return the text, with the numbers of one computation behind it.

        Examples
        --------
        >>> from pyblo import Status
        >>> Status.CONVERGED.explain("residual 1e-11")
        'Converged: the true residual met the tolerance (residual 1e-11).'
        """
        return f"{self.text[:-1]} ({numbers})." if numbers else self.text


_TEXT = {
    Status.RUNNING: "Still running.",
    Status.CONVERGED: "Converged: the true residual met the tolerance.",
    Status.COMPLETED: "Completed: all steps were made and all values are finite.",
    Status.NOT_CONVERGED: (
        "Not converged: the step limit, or the accuracy attainable in this dtype, came before the tolerance; "
        "allow more steps, loosen the tolerance, use float64, or a better conditioned problem."
    ),
    Status.INDEFINITE: (
        "Indefinite: a direction of negative curvature was met, so the matrix is not positive semidefinite; "
        "check the matrix, or use CG(normal=True)."
    ),
    Status.INCONSISTENT: (
        "Inconsistent: the matrix is singular to working precision and the right-hand side has a part outside its range; "
        "project the right-hand side, use Exact(), or damp with Damped(eps)."
    ),
    Status.DIVERGED: (
        "Diverged: a value left the finite numbers; use a smaller step, and look for NaN or infinity in the input."
    ),
    Status.STOPPED: "Stopped by the callback.",
    Status.INTERRUPTED: "Interrupted.",
    Status.UNBOUNDED: (
        "Unbounded: the reduced objective has no lower bound, so the iterates drift away for ever; "
        "add a regulariser to the outer objective."
    ),
}
