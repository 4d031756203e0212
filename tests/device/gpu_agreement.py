"""Run the kernels on a GPU and count the problems whose bits are those of one core.

Run as ``python -P tests/device/gpu_agreement.py [count]``. Needs CuPy, NVRTC, a GPU, a C++ compiler, a CPU with fma.
All data are small integers times powers of two. Exits 1 when a double differs; floats may, where subnormal numbers are
met: CuPy compiles with -ftz=true.
"""

import ctypes
import hashlib
import sys
from pathlib import Path

import numpy

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from compiled import built, levels  # noqa: E402

OUTCOME = numpy.dtype([("status", "i8"), ("steps", "i8"), ("residual", "f8"), ("products", "i8")])
STOP = numpy.dtype([("rtol", "f8"), ("atol", "f8"), ("max_steps", "i8")])
KERNELS = ("batch_cg", "batch_neumann", "batch_descend", "batch_descend_until", "scratch_bytes")
BLOCKS, THREADS = 1024, 128
I64, F64, BOOL = numpy.int64, numpy.float64, numpy.bool_


def problems(count, n, dtype, seed):
    """Symmetric A, in turn positive definite, singular with b in the range and without, indefinite; b; starts."""
    random = numpy.random.default_rng(seed)
    kind = numpy.arange(count) % 4
    factor = random.integers(-4, 5, (count, n, n))
    factor[:, :, n // 2 :] *= ((kind == 0) | (kind == 3))[:, None, None]
    signs = numpy.where((kind[:, None] == 3) & (numpy.arange(n) % 3 == 0), -1, 1)
    A = (factor * signs[:, None, :]) @ factor.swapaxes(1, 2) + (kind == 0)[:, None, None] * n * numpy.eye(n, dtype=int)
    b = random.integers(-8, 9, (count, n))
    b = numpy.where((kind == 1)[:, None], (A @ (b % 5 - 2)[..., None])[..., 0], b)
    scale = 2.0 ** -(3 + int(numpy.ceil(numpy.log2(n))))
    starts = random.integers(-8, 9, (count, n)) / 8
    return (A * scale).astype(dtype), (b * scale).astype(dtype), starts.astype(dtype)


def kernels(cupy, dtype):
    """The kernels of batch.cu by name; the digest, because CuPy's cache knows the source but not its headers."""
    paths = sorted(path for folder in ("core", "device") for path in (ROOT / "csrc/pyblo" / folder).rglob("*.hpp"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    scalar = {"float32": "float", "float64": "double"}[dtype]
    names = [f"pyblo::{name}<{scalar}>" for name in KERNELS]
    options = ("-std=c++20", f"-I{ROOT / 'csrc'}", f"-DPYBLO_HEADERS={digest}")
    source = (ROOT / "csrc/pyblo/device/batch.cu").read_text()
    module = cupy.RawModule(code=source, options=options, name_expressions=names)
    return {kernel: module.get_function(name) for kernel, name in zip(KERNELS, names, strict=True)}


def on_gpu(cupy, functions, name, data, arguments):
    """x and the outcomes; `arguments` stand between x and scratch."""
    A, b, x = (cupy.asarray(array) for array in data)
    count, n = b.shape
    need = cupy.zeros(2, I64)
    functions["scratch_bytes"]((1,), (1,), (I64(n), BOOL(True), need))
    scratch = cupy.empty(int(need.max()) * BLOCKS * THREADS // 32, numpy.uint8)
    out = cupy.zeros(count * OUTCOME.itemsize, numpy.uint8)
    on_device = [cupy.asarray(value) if isinstance(value, numpy.ndarray) else value for value in arguments]
    functions[name]((BLOCKS,), (THREADS,), (I64(count), I64(n), A, b, x, *on_device, scratch, out))
    return x.get(), out.get().view(OUTCOME)


def on_cpu(library, name, data, arguments):
    """The same by one core; `arguments` stand between x and out."""
    A, b, x = data[0], data[1], data[2].copy()
    out = numpy.zeros(len(b), OUTCOME)
    plain = [value.ctypes.data_as(ctypes.c_void_p) if isinstance(value, numpy.ndarray)
             else numpy.ctypeslib.as_ctypes_type(value.dtype)(value.item()) for value in arguments]
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (A, b, x)]
    function = library[f"{name}_{b.dtype.name}"]
    function.restype = None
    sizes = [ctypes.c_longlong(size) for size in b.shape]
    function(*sizes, *pointers, *plain, out.ctypes.data_as(ctypes.c_void_p))
    return x, out


def runs(count, n):
    """By name: the kernel and its arguments, the reference and its arguments."""
    steps = numpy.full(count, 0.25)
    for name, from_zero, normal, stop in (
        ("cg", True, False, (1e-6, 0, 3 * n)),
        ("cg fixed", True, False, (0, 0, 10)),
        ("cg from x0", False, False, (1e-5, 1e-7, 2 * n)),
        ("cg normal", True, True, (1e-4, 0, 2 * n)),
    ):
        limits = numpy.array(stop, STOP)
        flags = (BOOL(from_zero), BOOL(normal))
        yield name, "batch_cg", (*flags, limits[()]), "cg", (*flags, limits)
    yield "neumann", "batch_neumann", (steps, I64(17)), "neumann", (steps, I64(17))
    for name, momentum, nesterov in (("gradient", 0.0, False), ("heavy ball", 0.5, False), ("nesterov", 0.5, True)):
        rule = (steps, F64(momentum), BOOL(nesterov))
        yield name, "batch_descend", (*rule, I64(20)), "descend", (*rule, F64(-1), I64(20))
        limits = (F64(1e-2), I64(60))
        yield f"{name} until", "batch_descend_until", (*rule, *limits), "descend", (*rule, *limits)


def agreement(x, out, y, reference):
    """The problems of which every bit of the solution and of the report agrees; any NaN equals any NaN."""
    bits = x.view(f"u{x.itemsize}") == y.view(f"u{y.itemsize}")
    same = (bits | (numpy.isnan(x) & numpy.isnan(y))).all(axis=1)
    for field in OUTCOME.names:
        ours, theirs = out[field], reference[field]
        same &= (ours == theirs) | (numpy.isnan(ours) & numpy.isnan(theirs))
    return int(same.sum())


def main(count=100_000):
    import cupy

    library = ctypes.CDLL(str(built("device/reference.cpp", "-O3", "-shared", "-fPIC", *levels()["avx2"])))
    failed = False
    for dtype in ("float32", "float64"):
        functions = kernels(cupy, dtype)
        for n in (5, 24, 33):
            data = problems(count, n, dtype, seed=n)
            for label, kernel, arguments, reference, plain in runs(count, n):
                x, out = on_gpu(cupy, functions, kernel, data, arguments)
                same = agreement(x, out, *on_cpu(library, reference, data, plain))
                print(f"{dtype} n={n:3d} {label:16s} {same} of {count} agree to the bit", flush=True)
                failed |= same < count and dtype == "float64"
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
