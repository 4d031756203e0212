"""What the same bits cost: the core's conjugate gradients in lanes beside the same text with sums of free shape; float64, one thread.

The other habits (ascending order in every output, one madd at a time, masks for branches) are the form of the fastest kernels too.
"""
import functools
import subprocess
from dataclasses import replace

import roofline
from case import Case
from compiled import HERE, program
from machine import instruction_sets
from measure import Entry

SIZES = (8, 16, 32, 64, 128)


@functools.cache
def binary():
    """Return the program for the widest instruction set, compiled with the options of the core's own kernels."""
    widest = instruction_sets()[-1][1]
    options = ["-mprefer-vector-width=512"] if widest == "x86-64-v4" else []
    return program("determinism.cpp", widest, "-ffp-contract=off", f"-I{HERE.parent / 'csrc'}", *options)


def entry(kind, n):
    """Return an Entry that starts the program, which tells the time of its own work."""
    command = [binary(), kind, str(n)]
    return [Entry(lambda: float(subprocess.run(command, capture_output=True, text=True, check=True).stdout), timed=True)]


def cases(scale):
    lanes = {"baseline": 2, "avx2": 4, "avx512": 8}.get(instruction_sets()[-1][0], 2)
    for n in SIZES:
        yield Case(f"n = {n}, {lanes} systems", {"fixed shape": lambda n=n: entry("fixed", n), "free shape": lambda n=n: entry("free", n)},
                   {"n": n}, None, replace(roofline.cg(lanes, n, min(n, 64), "float64"), threads=1), baseline="fixed shape", unit="µs")
