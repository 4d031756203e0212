"""How the problems of a batch ended, and one message for all."""
import numpy as np

from ._namespace import first_index
from .result import succeeded
from .status import Status

__all__ = ["Ending"]


class Ending:
    """The statuses of the problems of a batch of the given axes, () for a single one.

    Attributes
    ----------
    codes, success : ndarray, shape (count,)
        The status of each, and whether it is a success.
    status : Status or ndarray of int
        One status, or codes in the batch's shape.
    """

    def __init__(self, shape, codes, explain, blame):
        self.shape, self.codes = shape, np.asarray(codes)
        self.success = succeeded(self.codes)
        self.status = self.codes.reshape(shape) if shape else Status(int(self.codes[0]))
        self._explain, self._blame = explain, blame

    @property
    def message(self):
        """Of a batch how many succeeded, and why the first that did not failed."""
        explain, blame = self._explain, self._blame
        if not self.shape:
            return explain(0) + (blame() if int(self.status) == int(Status.DIVERGED) else "")
        count, failed = self.codes.size, int((~self.success).sum())
        if not failed:
            return f"All {count} problems succeeded." if count != 1 else "The one problem succeeded."
        k = int(np.argmin(self.success))
        text = explain(k) + (blame() if int(self.codes[k]) == int(Status.DIVERGED) else "")
        return f"{count - failed} of {count} problems succeeded. First failure, {first_index((~self.success).reshape(self.shape))}: {text}"

    def shaped(self, values):
        """Return numbers (count,) in the batch's shape, a plain one for a single problem."""
        return values.reshape(self.shape) if self.shape else values[0].item()

    def known(self, values, known):
        """Return numbers in the batch's shape, NaN where they are not known; of a single problem a float, or None."""
        if values is None or (not self.shape and not known):
            return None
        return np.where(known, values, np.nan) if self.shape else float(values)
