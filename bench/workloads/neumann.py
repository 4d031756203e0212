"""Batched Neumann series of 100 terms, float64; the step is 1 / (largest row sum of |A|), given to all."""
import numpy as np
import rivals
import roofline
from case import Case

from workloads.data import SIZES, batch_count, spd_batch

TERMS = 100


def reference(A, b, step):
    """Return the series of the first systems, summed in longdouble."""
    count = min(len(A), max(1, (1 << 14) // A.shape[-1] ** 2))
    A, b, step = (array[:count].astype(np.longdouble) for array in (A, b, step[:, None]))
    x = step * b
    for _ in range(TERMS - 1):
        x = x + step * (b - np.einsum("bij,bj->bi", A, x))
    return x


def cases(scale):
    for n in SIZES:
        count = batch_count(n, scale)
        A, b = spd_batch(count, n)
        step = 1 / np.abs(A).sum(-1).max(-1)
        yield Case(f"n = {n}, {TERMS} terms, {count} systems",
                   rivals.builders("neumann", A, b, TERMS, step, without=("np.linalg.solve",)),
                   {"n": n, "terms": TERMS, "count": count}, reference(A, b, step), roofline.neumann(count, n, TERMS, "float64"))
