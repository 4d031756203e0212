"""np.linalg.solve: a factorisation for every system."""
import numpy as np
from measure import Entry

from rivals.blas import and_single


def batched_cg(A, b, steps):
    return and_single([Entry(lambda: np.linalg.solve(A, b[..., None])[..., 0])], A.shape[-1])


def batched_cg_to(A, b, rtol, maxiter):
    return batched_cg(A, b, maxiter)


def neumann(A, b, terms, step):
    return batched_cg(A, b, terms)


def one_cg(A, b):
    return [Entry(lambda: np.linalg.solve(A, b))]
