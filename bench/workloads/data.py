"""Data that several workloads share, from fixed seeds."""
import numpy as np

__all__ = ["SIZES", "batch_count", "exact_solutions", "spd_batch"]

SIZES = (8, 16, 32, 64, 128, 256)
ENTRIES = 1 << 24  # of a batch of matrices: 128 MiB of float64
DISTINCT = 1024  # matrices that differ; the batch repeats them


def batch_count(n, scale, entries=ENTRIES):
    """Return how many n×n matrices make a batch."""
    return max(16, int(entries * scale) // n**2 // 16 * 16)


def spd_batch(count, n, dtype="float64", seed=0):
    """Return `count` symmetric positive definite matrices GGᵀ/2n + 0.01 I, G of shape (n, 2n), and right-hand sides.

    Their condition numbers are about 30 (for small n up to a few hundred), so that min(n, 64) iterations neither stall nor
    underflow, also in float32.
    """
    rng = np.random.default_rng(seed)
    distinct = min(count, max(16, DISTINCT * 16 // n))
    G = rng.standard_normal((distinct, n, 2 * n))
    A = G @ np.swapaxes(G, -1, -2) / (2 * n) + 0.01 * np.eye(n)
    A = (0.5 * (A + np.swapaxes(A, -1, -2))).astype(dtype)
    chosen = np.arange(count) % distinct
    return A[chosen], rng.standard_normal((distinct, n)).astype(dtype)[chosen]


def exact_solutions(A, b):
    """Return the solutions of the first systems in float64, refined once with a longdouble residual."""
    A, b = A[:256].astype(float), b[:256].astype(float)
    x = np.linalg.solve(A, b[..., None])[..., 0]
    r = b - np.einsum("bij,bj->bi", A.astype(np.longdouble), x.astype(np.longdouble))
    return x + np.linalg.solve(A, r.astype(float)[..., None])[..., 0]
