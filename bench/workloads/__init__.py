"""One file per workload: a docstring that says what it is, and cases(scale), a generator of Cases.

`scale` shrinks the data for trying the benchmarks themselves: 1 is what is reported.
"""
import importlib

__all__ = ["NAMES", "load"]

NAMES = ("cg", "cg32", "cg_tolerance", "neumann", "gram_dense", "gram_sparse", "warm_start", "ridge", "threads", "determinism", "overhead")


def load(name):
    """Return the module of a workload."""
    return importlib.import_module(f"workloads.{name}")
