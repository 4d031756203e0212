"""How many threads the C++ core may use. The bits of a result do not depend on it."""
import operator

from . import _dispatch

__all__ = ["get_num_threads", "set_num_threads"]


def get_num_threads():
    """Return how many threads the core may use.

    Without a call of :func:`set_num_threads` it is PYBLO_NUM_THREADS, else the first number of OMP_NUM_THREADS, else the number of
    processors that the process may use: the least of its affinity and of its control group's quota, rounded up.

    Returns
    -------
    n : int

    Raises
    ------
    ValueError
        Where PYBLO_NUM_THREADS is not a positive whole number.

    Examples
    --------
    >>> import pyblo.threads
    >>> pyblo.threads.get_num_threads() >= 1
    True
    """
    return _dispatch.num_threads()


def set_num_threads(n):
    """Let the core use n threads, in this process and for every Python thread of it.

    The threads are made when a call first has work for them, and sleep between calls. A call that begins while another has them,
    from a second Python thread say, runs on its own thread alone.

    Parameters
    ----------
    n : int or None
        At least 1; None is the default again (see :func:`get_num_threads`).

    Raises
    ------
    ValueError, TypeError
        For an n that is not a positive whole number.

    Examples
    --------
    >>> import pyblo.threads
    >>> pyblo.threads.set_num_threads(2)
    >>> pyblo.threads.get_num_threads()
    2
    >>> pyblo.threads.set_num_threads(None)
    """
    if n is None:
        _dispatch.set_num_threads(0)
        return
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"n: {n!r} is not a whole number of threads") from None
    if isinstance(n, bool) or not 1 <= count < 2**31:
        raise ValueError(f"n: {n!r} is not a positive number of threads; pass 1 or more, or None for the default")
    _dispatch.set_num_threads(count)
