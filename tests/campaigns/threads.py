"""Threads: many Python threads at once, fork and spawn after a threaded call, and runs without end that must have the same bits.

Ctrl-C in threaded calls is the campaign `interrupts`. What hangs for so long counts as a hang, and is killed.
"""

import multiprocessing
import os
import signal
import threading
import time
import warnings
from functools import cache

from oracle import Tally
from test_determinism import DTYPES, differing, workloads
from threadpoolctl import threadpool_limits

from pyblo import threads

CALLERS, ROUNDS, CHILDREN, PATIENCE = 8, 20, 200, 120  # seconds
NAMES = ("cg, n = 12", "cg from x0, n = 130", "gram_hvp, dense, (100,)", "gram_hvp, csr, (500, 20)", "hypergradients of quadratic, iterate",
         "warm_start of ridge, iterate", "cold_start of target, iterate")


@cache
def calls():
    """The calls that are made again and again, in both dtypes."""
    return {f"{name}, {dtype.__name__}": call for dtype in DTYPES for name, call in workloads(dtype).items() if name in NAMES}


def bits():
    """What all of them give."""
    return [call() for call in calls().values()]


def together(tally, expected):
    """Python threads that call at once, the number of threads changing meanwhile."""

    def work(seed):
        for k in range(ROUNDS):
            threads.set_num_threads(1 + (seed + k) % 5)
            tally.require("Python threads at once: same bits", bits() == expected, (seed, k))

    callers = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(CALLERS)]
    for caller in callers:
        caller.start()
    for seed, caller in enumerate(callers):
        caller.join(PATIENCE)
        tally.require("Python threads at once: no hang", not caller.is_alive(), seed)


def forked(expected):
    """0 or 1 from a child of fork, whether its bits are right; None where it hangs."""
    child = os.fork()
    if child == 0:
        os._exit(0 if bits() == expected else 1)
    deadline = time.monotonic() + PATIENCE
    while (found := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.001)
    return os.waitstatus_to_exitcode(found[1])


def child_of_spawn(expected):
    """What a process of spawn does."""
    raise SystemExit(0 if bits() == expected else 1)


def spawned(expected):
    """As forked."""
    child = multiprocessing.get_context("spawn").Process(target=child_of_spawn, args=(expected,), daemon=True)
    child.start()
    child.join(PATIENCE)
    if child.exitcode is None:
        child.kill()
    return child.exitcode


def children(tally, expected):
    """A child of each kind after a threaded call, again and again."""
    for name, start in (("fork", forked), ("spawn", spawned)):
        for k in range(CHILDREN):
            threads.set_num_threads(2 + k % 3)
            code = start(expected)
            tally.require(f"{name} after a threaded call: no hang", code is not None, k)
            tally.require(f"{name} after a threaded call: same bits", code == 0, k)
            tally.require(f"{name}: the parent's next call is right", bits() == expected, k)


def campaign(count=100, first=0):
    """The tally of `count` runs with each number of threads, and of all else."""
    tally = Tally()
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of runs that overflow, and of fork in a process with threads: that is the subject
        threads.set_num_threads(4)
        expected = bits()
        together(tally, expected)
        children(tally, expected)
        for dtype in DTYPES:
            for run in range(first, first + count):
                wrong = differing(workloads_of(dtype), 1)
                tally.require(f"same bits for every number of threads, {dtype.__name__}", not wrong, (run, *wrong))
        threads.set_num_threads(None)
    tally.notes.append(f"{len(calls())} calls by threads and children, {len(workloads_of(DTYPES[0]))} by {count} runs in each dtype")
    return tally


workloads_of = cache(workloads)
