"""More than 2³¹ elements, of which one is in memory: a right answer, or a refusal with the name and the number of bytes.

The calls are made by this file run as a program, in a process that may take one GiB more than it has.
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zoo
from test_bad_input import names

import pyblo

LONG = 2**31 + 1
GIB = 2**30


def big(shape, dtype=float):
    """An array of ones whose elements are one element."""
    return np.broadcast_to(np.ones((), dtype), shape)


def lengthened(array):
    """The shape with a long first axis; a square matrix stays one, and has 2³³ elements or more."""
    if array.ndim == 2 and array.shape[0] == array.shape[1]:
        return (10**5, 10**5)
    return (LONG, *array.shape[1:])


def read_by_pyblo():
    """The entries of the zoo without those whose argument SciPy looks at first, as at the vectors of an operator, or makes a batch of
    any length."""
    return [entry for entry in zoo.entries() if entry.argument not in ("v", "beta")]


def of_everything():
    """Every argument of the zoo, long in float64, float32, int8 and in the wrong byte order: mostly the wrong shape."""
    for entry in read_by_pyblo():
        for dtype in (">f8", "f8", "f4", "i1"):
            yield f"{entry.name} {dtype}", entry.argument, entry.call, big(lengthened(entry.value), dtype)


def fitting():
    """Long arrays of the right shape."""
    one, quadratic = np.ones((1, 1)), pyblo.Quadratic
    batch = big((LONG, 1))
    yield "outer variables", "B", lambda v: quadratic(one, v, one), big((1, LONG))
    yield "inner variables", "A", lambda v: quadratic(v, big((10**5, 1)), v), big((10**5, 10**5))
    yield "targets", "Phi", lambda v: pyblo.TargetLearning(v, one, [1.0]), batch
    yield "originals", "Phi_out", lambda v: pyblo.TargetLearning(one, v, big(LONG)), batch
    yield "rows", "X", lambda v: pyblo.Ridge(v, big(LONG), one, [1.0]), batch
    yield "validation rows", "X_val", lambda v: pyblo.Ridge(one, [1.0], v, big(LONG)), batch
    yield "biased rows", "X", lambda v: pyblo.BiasedRidge(v, big(LONG), one, [1.0], beta=1.0), batch
    biased = lambda v: pyblo.hypergradient(pyblo.BiasedRidge(one, [1.0], one, [1.0], beta=v), [1.0])
    yield "strengths", "a vector of each problem", biased, big(LONG)
    yield "a batch of b", "b", lambda v: pyblo.linalg.cg(one, v), batch
    yield "a batch of A", "A", lambda v: pyblo.linalg.cg(v, [1.0]), big((LONG, 1, 1))
    yield "a batch of x0", "b", lambda v: pyblo.linalg.cg(one, batch, v), batch
    yield "a batch of series", "b", lambda v: pyblo.linalg.neumann(one, v, terms=2), batch
    yield "a batch of steps", "b", lambda v: pyblo.linalg.neumann(one, batch, terms=2, step=v), big(LONG)


def trial(name, argument, call, value):
    """What happened, as numbers and text."""
    start, peak = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        call(value)
        error = None
    except Exception as caught:  # whatever it is, the test says that it is wrong
        error = caught
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024
    told = None if error is None else [isinstance(error, MemoryError), isinstance(error, ValueError), str(error)]
    return {"name": name, "argument": argument, "error": told, "seconds": time.perf_counter() - start, "bytes": grown}


def run_all():
    """Print one line for each call, with little memory to be had."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + GIB, taken + GIB))
    for group, cases in (("everything", of_everything()), ("fitting", fitting())):
        for case in cases:
            print(json.dumps({"group": group} | trial(*case)), flush=True)


@pytest.fixture(scope="module")
def lines():
    """What the program printed."""
    paths = os.pathsep.join([str(Path(pyblo.__file__).parents[1]), str(Path(__file__).parent)])
    environment = os.environ | {"PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-P", __file__], capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def wrong(line):
    """What is wrong with one answer: neither refusal nor the answer of a call that does not read its argument."""
    if line["seconds"] > 0.5 or line["bytes"] > GIB // 4:
        return f"{line['seconds']:.1f} s, {line['bytes']} bytes"
    if line["error"] is None:
        return "" if line["name"].startswith(UNREAD) else "accepted"
    memory, value, text = line["error"]
    fits = value or (memory and re.search(r"\d{9,} bytes", text))
    return "" if fits and names(text, line["argument"]) else text


# F of a quadratic problem is no function of u, its H and M of nothing
UNREAD = ("Quadratic.outer_value", "Quadratic.hessian", "Quadratic.cross", "TargetLearning.hessian")
UNREAD += ("TargetLearning.cross", "TargetLearning.outer_value", "Ridge.outer_value", "Ridge.hessian")
UNREAD += ("BiasedRidge.outer_value", "BiasedRidge.hessian", "BiasedRidge.cross")


@pytest.mark.parametrize("group", ["everything", "fitting"])
def test_long_arrays_are_refused_by_name(lines, group):
    judged = {f"{line['name']}({line['argument']})": wrong(line) for line in lines if line["group"] == group}
    assert len(judged) == {"everything": 4 * len(read_by_pyblo()), "fitting": 13}[group]
    assert not {name: text for name, text in judged.items() if text}


if __name__ == "__main__":
    run_all()
