"""Batched conjugate gradients until ‖b − Ax‖ ≤ 1e-10 ‖b‖, float64."""
import rivals
from case import Case

from workloads.data import SIZES, batch_count, exact_solutions, spd_batch

RTOL = 1e-10


def cases(scale):
    for n in SIZES:
        count = batch_count(n, scale, 1 << 23)
        A, b = spd_batch(count, n)
        yield Case(f"n = {n}, {count} systems", rivals.builders("batched_cg_to", A, b, RTOL, 10 * n),
                   {"n": n, "count": count, "rtol": RTOL}, exact_solutions(A, b))
