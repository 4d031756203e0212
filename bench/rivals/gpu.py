"""The contestants of `bench gpu`: pyblo on CuPy arrays, the NumPy rival's own loops in CuPy, its factorisations, JAX and PyTorch."""
import importlib

import cupy
import numpy as np
from measure import Entry

import pyblo
from rivals import numpy as loops

__all__ = ["builders"]


def builders(operation, *arguments):
    """Return {contestant: build} as rivals.builders does; the arrays are copied to the device first."""
    there = [cupy.asarray(argument) if isinstance(argument, np.ndarray) else argument for argument in arguments]
    names = {"pyblo": ours, "CuPy": eager} | ({"cupy.linalg.solve": factorised} if operation == "batched_cg" else {})
    found = {name: lambda make=make: make(operation, *there) for name, make in names.items()}
    return found | {"JAX": lambda: imported("jax", operation, *arguments), "PyTorch": lambda: imported("torch", operation, *arguments)}


def waiting(function, *arguments):
    """A run that ends when the result is there."""
    def run():
        result = function(*arguments)
        cupy.cuda.get_current_stream().synchronize()
        return result

    return run


def ours(operation, A, b, *rest):
    if operation == "batched_cg":
        return [Entry(waiting(lambda: pyblo.linalg.cg(A, b, rtol=0.0, atol=0.0, maxiter=rest[0])[0]))]
    return [Entry(waiting(lambda: pyblo.linalg.neumann(A, b, terms=rest[0], step=rest[1])))]


def eager(operation, A, b, *rest):
    """The loop of NumPy, each operation a kernel of CuPy."""
    products = {"matmul": lambda A, x: cupy.matmul(A, x[..., None])[..., 0], "einsum": lambda A, x: cupy.einsum("bij,bj->bi", A, x)}
    if operation == "batched_cg":
        return [Entry(waiting(loops.cg_steps, multiply, A, b, rest[0]), name) for name, multiply in products.items()]
    terms, alpha = rest[0], rest[1][:, None].astype(b.dtype)
    return [Entry(waiting(loops.neumann_terms, multiply, A, b, terms, alpha), name) for name, multiply in products.items()]


def factorised(operation, A, b, *_):
    return [Entry(waiting(lambda: cupy.linalg.solve(A, b[..., None])[..., 0]))]


def imported(module, operation, *arguments):
    return getattr(importlib.import_module(f"rivals.{module}"), operation)(*arguments)
