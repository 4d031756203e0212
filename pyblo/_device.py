"""The door to CUDA: kernels of include/pyblo/device, compiled by CuPy when first wanted, and what they say of each system."""
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import cupy
import numpy as np

from .status import Status

INCLUDE = Path(__file__).parent / "include"
SCALARS = {4: "float", 8: "double"}
THREADS = 64  # of a block, where the matrix lies in registers
REGISTERS = ((8, "InRegisters<8, 4>", 4), (16, "InRegisters<16, 8>", 8), (32, "InRegisters<32, 16>", 16), (64, "InRegisters<64, 64>", 64))
"""The most columns, the form of matrix.hpp, and how many threads share a system."""
MEMORY = ("InShared", "InGlobal")
BATCH = np.dtype([("a", "u8"), ("b", "u8"), ("x", "u8"), ("count", "i8"), ("n", "i8"), ("stride", "i8"), ("max_asymmetry", "f8"),
                  ("memory", "u8"), ("bytes", "i8"), ("status", "u8"), ("steps", "u8"), ("residual", "u8"), ("asymmetry", "u8")])
"""Batch of batch.cu."""
STOP = np.dtype([("rtol", "f8"), ("atol", "f8"), ("max_steps", "i8")])


@dataclass(frozen=True)
class Form:
    """Where a matrix lies while its system is solved (matrix.hpp): threads of a block, the systems that they solve side by side, bytes of
    working memory for each, and whether that is shared memory."""

    kernel: object
    threads: int
    systems: int
    bytes: int
    shared: bool


def cg(A, b, x0, rtol, atol, max_steps, max_asymmetry):
    """As _dispatch.cg, for CuPy arrays."""
    with b.device:
        evidence = cupy.empty_like(b)
        stop = np.array((rtol, atol, max_steps), STOP)[()]
        *report, worst = _run("batch_cg", A, b, x0, max_asymmetry, np.bool_(x0 is None), stop, evidence)
        found = (report[1] == int(Status.INDEFINITE))[:, None]
        return *report, cupy.where(found, evidence, 0) if found.any() else None, worst


def neumann(A, b, terms, step, limit, max_asymmetry):
    """As _dispatch.neumann, for CuPy arrays."""
    with b.device:
        *report, worst = _run("batch_neumann", A, b, None, max_asymmetry, step, np.int64(terms), np.float64(limit))
        return *report, None, worst


def gradient_descent(A, b, x0, step, momentum, nesterov, steps, tol, limit, max_asymmetry):
    """As _dispatch.gradient_descent, for CuPy arrays."""
    with b.device:
        start = cupy.zeros_like(b) if x0 is None else x0
        rule = step, np.float64(momentum), np.bool_(nesterov), np.int64(steps), np.float64(tol), np.float64(limit)
        *report, worst = _run("batch_descend", A, b, start, max_asymmetry, *rule)
        return *report, None, worst


def _run(name, A, b, x0, max_asymmetry, *arguments):
    """Launch a kernel; return x, status, steps, residual, and the largest asymmetry of those that were refused, else 0."""
    count, n = b.shape
    x = cupy.empty_like(b) if x0 is None else x0.copy()
    status, steps, residual, asymmetry = (cupy.empty(count, dtype) for dtype in (np.int32, np.int64, np.float64, np.float64))
    if count == 0:
        return x, status, steps, residual, 0.0
    form = _form(name, b.device.id, n, b.itemsize)
    blocks = -(-count // form.systems)
    if not form.shared:
        blocks = min(blocks, _room(form.bytes))
    memory = cupy.empty(0 if form.shared else blocks * form.bytes, np.uint8)
    inputs, outputs = ([array.data.ptr for array in arrays] for arrays in ((A, b, x), (status, steps, residual, asymmetry)))
    stride = n * n if A.ndim == 3 else 0
    batch = np.array((*inputs, count, n, stride, max_asymmetry, memory.data.ptr, form.bytes, *outputs), BATCH)[()]
    form.kernel((blocks,), (form.threads,), (batch, *arguments), shared_mem=form.bytes * form.systems if form.shared else 0)
    return x, status, steps, residual, float(cupy.where(asymmetry > max_asymmetry, asymmetry, 0).max())


def _room(size):
    """Return how many blocks of `size` bytes of working memory to launch: two for each multiprocessor where half the memory has room."""
    free = cupy.cuda.Device().mem_info[0] + cupy.get_default_memory_pool().free_bytes()
    return max(1, min(2 * cupy.cuda.Device().attributes["MultiProcessorCount"], free // 2 // max(size, 1)))


@functools.cache
def _form(name, device, n, itemsize):
    """Return the Form for matrices of that size: in registers up to 64 columns, in shared memory while they fit, else in global memory."""
    for columns, form, width in REGISTERS:
        if n <= columns:
            return _loaded(name, form, n, itemsize, THREADS, THREADS // width, True)
    in_shared, in_global = MEMORY
    threads = min(-(-n // 32) * 32, 256)
    return _loaded(name, in_shared, n, itemsize, threads, 1, True) or _loaded(name, in_global, n, itemsize, threads, 1, False)


def _loaded(name, form, n, itemsize, threads, systems, shared):
    """Return a Form with its kernel, or None where shared memory has too little room."""
    kernel, sizes = _kernels(name, form, itemsize)
    found = cupy.empty(2, np.int64)
    sizes((1,), (1,), (np.int64(n), found))
    size = int(found[0 if name == "batch_cg" else 1])
    if shared:
        room = cupy.cuda.Device().attributes["MaxSharedMemoryPerBlockOptin"]
        if size * systems > room:
            return None
        kernel.max_dynamic_shared_size_bytes = room  # a permission, the same for every n
    return Form(kernel, threads, systems, size, shared)


@functools.cache
def _kernels(name, form, itemsize):
    """Return a kernel and its working_bytes. The digest is an option because CuPy's cache knows the source but not the headers."""
    scalar = SCALARS[itemsize]
    names = [f"pyblo::{kernel}<{scalar}, pyblo::{form}>" for kernel in (name, "working_bytes")]
    options = ("-std=c++20", "-fmad=false", f"-I{INCLUDE}", f"-DPYBLO_HEADERS={_digest()}")
    source = (INCLUDE / "pyblo/device/batch.cu").read_text()
    module = cupy.RawModule(code=source, options=options, name_expressions=names)
    return [module.get_function(kernel) for kernel in names]


@functools.cache
def _digest():
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(INCLUDE.rglob("*.hpp")))).hexdigest()
