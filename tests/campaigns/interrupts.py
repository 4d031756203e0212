"""Ctrl-C at random moments of the loops of the core: seconds until the call has returned, and whether the next is right.

Batches are shared out among four threads. One BLAS thread and small matrices: a factorisation, which no signal interrupts, is
over before the first signal.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from oracle import Tally
from test_bad_input import LONG, SCRIPT

import pyblo

LIMIT = 0.5  # seconds
LOOPS = {name: LONG[name] for name in ("cold_start", "warm_start", "Unrolled", "GradientDescent")}
LOOPS["linalg.cg"] = "pyblo.linalg.cg(A, b, rtol=0.0, atol=0.0, maxiter=10**9)"
LOOPS["linalg.cg of a batch"] = "pyblo.linalg.cg(A, np.tile(b, (1000, 1)), rtol=0.0, atol=0.0, maxiter=10**7)"
LOOPS |= {  # in lanes, many to a thread
    "cg of many systems": "pyblo.linalg.cg(many, ones, rtol=0.0, atol=0.0, maxiter=10**7)",
    "cg of short solves": "all(pyblo.linalg.cg(many, ones, rtol=0.0, atol=0.0, maxiter=9) for _ in range(10**7))",
    "neumann of many": "pyblo.linalg.neumann(many, ones, terms=10**8)",
    "gradient_descent of many": "pyblo.linalg.gradient_descent(many, ones, tol=0.0, maxiter=10**8)",
    "Unrolled of a batch": """pyblo.hypergradient(
        batch, points, method=pyblo.Unrolled(10**8, last=9), route="iterate")""",
    "warm_start of a batch": """pyblo.warm_start(
        batch, points, method=pyblo.Neumann(5), inner=pyblo.GradientDescent(steps=5), step=1e-9, tol=0.0, maxiter=10**8,
        history=False, route="iterate")""",
    "cold_start of a batch": "pyblo.cold_start(batch, points, step=1e-9, tol=0.0, maxiter=10**8, history=False)",
    "gram_hvp": "all(pyblo.linalg.gram_hvp(tall, tall.T @ tall).any() for _ in range(10**7))",
}

# Line by line: "ready", then after the signal "interrupted", then whether what is computed afterwards has the old bits
CHILD = (
    SCRIPT.split('print("ready"')[0]
    + """
many, ones, tall = rng.standard_normal((300, 20, 20)), np.ones((300, 20)), rng.standard_normal((20000, 60))
many = many @ np.swapaxes(many, 1, 2) + np.eye(20)
batch, points = pyblo.Quadratic(many, rng.standard_normal((300, 20, 5)), np.eye(20)), rng.standard_normal((300, 5))

def once():
    whole = pyblo.warm_start(batch, points, method=pyblo.Neumann(3), inner=pyblo.GradientDescent(steps=3), maxiter=4, route="iterate")
    found = pyblo.hypergradient(problem, u, method=pyblo.Neumann(50), route="iterate")
    limit = pyblo.cold_start(small, u[:2], maxiter=50)
    return [array.tobytes() for array in (pyblo.linalg.cg(A, b)[0], found.grad, limit.u, whole.u, pyblo.linalg.cg(many, ones)[0])]

expected = once()
for line in sys.stdin:
    try:
        print("ready", flush=True)
        CALL
        print("finished", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(once() == expected, flush=True)
"""
)


def child(name):
    """A process that runs one loop again and again."""
    environment = os.environ | {"PYTHONPATH": str(Path(pyblo.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1", "PYBLO_NUM_THREADS": "4"}
    command = [sys.executable, "-P", "-c", CHILD.replace("CALL", LOOPS[name])]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, bufsize=1
    )


def interrupt(process, delay):
    """Seconds from the signal to the return, what was returned, and whether the next call was right."""
    process.stdin.write("go\n")
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    sent = time.perf_counter()
    process.send_signal(signal.SIGINT)
    answer = process.stdout.readline().strip()
    return time.perf_counter() - sent, answer, process.stdout.readline() == "True\n"


def moments(name, rng, count, tally):
    """The seconds of `count` interrupts of one loop."""
    seconds = []
    with child(name) as process:
        try:
            for k in range(count):
                taken, answer, right = interrupt(process, rng.uniform(0.02, 0.5))
                seconds.append(taken)
                tally.require(f"{name}: interrupted", answer == "interrupted", k)
                tally.require(f"{name}: the next call is right", right, k)
                tally.add(f"{name}: seconds", taken, LIMIT, k)
        finally:
            process.kill()
    return seconds


def campaign(count=50, first=0):
    """The tally of `count` interrupts of each loop at moments drawn from the seed `first`."""
    tally, rng = Tally(), np.random.default_rng(first)
    for name in LOOPS:
        p50, p99 = np.percentile(moments(name, rng, count, tally), (50, 99))
        tally.notes.append(f"{name:26s} p50 {p50:.4f} s, p99 {p99:.4f} s")
    return tally
