"""One file per rival, each with a function per workload that it can do.

A function takes the workload's data and returns a list of Entries, whose `run` gives the result as an array. A rival that lacks
a function does not compete there; one that cannot be imported is a line of the report.

    batched_cg(A, b, steps)                 `steps` iterations of conjugate gradients from zero, A (count, n, n)
    batched_cg_to(A, b, rtol, maxiter)      until ‖b − Ax‖ ≤ rtol ‖b‖
    neumann(A, b, terms, step)              step Σ_{j<terms} (I − step A)^j b, step (count,)
    gram(Phi, v)                            Φᵀ(Φv), v (n,) or (n, k)
    gram_sparse(Phi, v)                     the same for a SciPy CSR array
    warm_start(target, u0, loop)            workloads/warm_start.py says what the loop is; u0 (13,) or (count, 13)
    ridge_hypergradient(problem, u, w, rtol)
    one_cg(A, b)                            one small system to 1e-10
"""
import importlib

__all__ = ["NAMES", "builders"]

NAMES = {"pyblo": "ours", "NumPy": "numpy", "np.linalg.solve": "solve", "SciPy": "scipy", "JAX": "jax", "jaxopt": "jaxopt",
         "PyTorch": "torch"}


def builders(operation, *arguments, without=()):
    """Return {rival: build} of all that can do the operation, pyblo first."""
    found = {}
    for name, module in NAMES.items():
        if name in without:
            continue
        try:
            function = getattr(importlib.import_module(f"rivals.{module}"), operation, None)
        except ImportError:
            continue  # not installed: machine.describe() lists what is
        if function:
            found[name] = lambda function=function: function(*arguments)
    return found
