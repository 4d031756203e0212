"""BLAS with one thread, tried beside BLAS with all: for small matrices its threads cost more than they give."""
import functools
from dataclasses import replace

from threadpoolctl import ThreadpoolController

__all__ = ["and_single"]


@functools.cache
def controller():
    """Return a controller of the libraries that are loaded by now."""
    return ThreadpoolController()


def single(run):
    """Return `run` under one BLAS thread."""
    def limited():
        with controller().limit(limits=1, user_api="blas"):
            return run()

    return limited


def and_single(entries, n):
    """Return the entries and, where matrices are large enough for BLAS to use threads (n ≥ 64), the same with one."""
    if n < 64:
        return entries
    return entries + [replace(one, run=single(one.run), variant=", ".join(filter(None, (one.variant, "1 BLAS thread")))) for one in entries]
