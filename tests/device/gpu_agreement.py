"""Solve the same systems on a GPU and on the CPU, and count those of which every bit agrees: solution, status, iterations, residual.

Run as ``python -P tests/device/gpu_agreement.py [count]``. Needs CuPy, NVRTC, a GPU, a CPU with fma. All data are small integers times
powers of two. Exits 1 when a double differs; floats may, where subnormal numbers are met: CuPy compiles with -ftz=true.
"""

import sys

import cupy
import numpy as np

from pyblo import linalg

SIZES = (5, 8, 12, 24, 33, 64, 100, 200)  # every form of device/matrix.hpp, whole and not
ENTRIES = 1 << 26  # of a batch of matrices, at the most


def problems(count, n, dtype, seed):
    """Symmetric A, in turn positive definite, singular with b in the range and without, indefinite; b; starts."""
    random = np.random.default_rng(seed)
    kind = np.arange(count) % 4
    factor = random.integers(-4, 5, (count, n, n)).astype(np.float32)  # exact: all products and sums are small
    factor[:, :, n // 2 :] *= ((kind == 0) | (kind == 3))[:, None, None]
    signs = np.where((kind[:, None] == 3) & (np.arange(n) % 3 == 0), -1, 1).astype(np.float32)
    A = (factor * signs[:, None, :]) @ factor.swapaxes(1, 2) + ((kind == 0) * np.float32(n))[:, None, None] * np.eye(n, dtype=np.float32)
    b = random.integers(-8, 9, (count, n)).astype(np.float32)
    b = np.where((kind == 1)[:, None], (A @ (b % 5 - 2)[..., None])[..., 0], b)
    scale = np.float32(2.0 ** -(3 + int(np.ceil(np.log2(n)))))
    starts = random.integers(-8, 9, (count, n)) / 8
    return (A * scale).astype(dtype), (b * scale).astype(dtype), starts.astype(dtype)


def runs(n):
    """By name what is compared: a function of A, b and starts that returns x and, where there is one, the info."""
    for name, started, stop in (
        ("cg", False, dict(rtol=1e-6, maxiter=3 * n)),
        ("cg fixed", False, dict(rtol=0, maxiter=10)),
        ("cg from x0", True, dict(rtol=1e-5, atol=1e-7, maxiter=2 * n)),
    ):
        yield name, lambda A, b, x0, started=started, stop=stop: linalg.cg(A, b, x0 if started else None, **stop)
    yield "neumann", lambda A, b, x0: (linalg.neumann(A, b, terms=17, step=1 / 64), None)
    for name, momentum, nesterov in (("gradient", 0.0, False), ("heavy ball", 0.5, False), ("nesterov", 0.5, True)):
        rule = dict(step=1 / 64, momentum=momentum, nesterov=nesterov)
        yield name, lambda A, b, x0, rule=rule: linalg.gradient_descent(A, b, x0, steps=20, **rule)
        yield f"{name} until", lambda A, b, x0, rule=rule: linalg.gradient_descent(A, b, x0, tol=1e-2, maxiter=60, **rule)


def agreement(there, here):
    """The systems of which every bit of the solution and of the info agrees; any NaN equals any NaN."""
    (x, info), (y, reference) = there, here
    x = x.get()
    bits = x.view(f"u{x.itemsize}") == y.view(f"u{y.itemsize}")
    same = (bits | (np.isnan(x) & np.isnan(y))).all(axis=1)
    for field in ("status", "iterations", "residual") if info is not None else ():
        ours, theirs = getattr(info, field).get(), getattr(reference, field)
        same &= (ours == theirs) | ((ours != ours) & (theirs != theirs))
    if info is not None and reference.direction is not None:
        same &= (info.direction.get() == reference.direction).all(axis=1)
    return int(same.sum())


def main(most=100_000):
    failed = False
    for dtype in ("float32", "float64"):
        for n in SIZES:
            count = min(most, ENTRIES // n**2)
            data = problems(count, n, dtype, seed=n)
            on_gpu = [cupy.asarray(array) for array in data]
            for label, run in runs(n):
                same = agreement(run(*on_gpu), run(*data))
                print(f"{dtype} n={n:3d} {label:16s} {same} of {count} agree to the bit", flush=True)
                failed |= same < count and dtype == "float64"
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
