"""Batched conjugate gradients, a fixed number of iterations, float64."""
import rivals
import roofline
from case import Case

from workloads.data import ENTRIES, SIZES, batch_count, exact_solutions, spd_batch


def cases(scale, dtype="float64"):
    for n in SIZES:
        count, steps = batch_count(n, scale, ENTRIES * (2 if n < 64 else 1)), min(n, 64)
        A, b = spd_batch(count, n, dtype)
        yield Case(f"n = {n}, {steps} iterations, {count} systems", rivals.builders("batched_cg", A, b, steps),
                   {"n": n, "steps": steps, "count": count, "dtype": dtype}, exact_solutions(A, b), roofline.cg(count, n, steps, dtype))
