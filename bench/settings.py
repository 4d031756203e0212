"""Threads and devices, fixed before NumPy, JAX or pyblo are imported. Standard library only."""
import os

__all__ = ["fix_threads", "on_gpu", "threads", "use_gpu"]

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "PYBLO_NUM_THREADS")


def available():
    """Return the CPUs that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def fix_threads(count):
    """Give every contestant `count` threads: by the variables each library reads, and by the CPUs this process may use."""
    cpus = available()
    if not 1 <= count <= len(cpus):
        raise SystemExit(f"--threads {count}: this process may use {len(cpus)} CPUs")
    for name in VARIABLES:
        os.environ[name] = str(count)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # an idle pool does not disturb whose turn is next
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["JAX_ENABLE_X64"] = "1"
    # as many devices as threads, so that JAX may also split a batch by sharding; its pool takes its size from the CPUs allowed
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={count}"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus[:count])


def threads():
    """Return the number of threads that fix_threads chose."""
    return int(os.environ.get("PYBLO_NUM_THREADS", "1"))


def use_gpu():
    """Let JAX and PyTorch work on the GPU, with products in full precision."""
    os.environ |= {"PYBLO_BENCH_DEVICE": "cuda", "JAX_PLATFORMS": "cuda", "JAX_ENABLE_X64": "1",
                   "JAX_DEFAULT_MATMUL_PRECISION": "highest", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def on_gpu():
    """Return whether use_gpu was called."""
    return os.environ.get("PYBLO_BENCH_DEVICE") == "cuda"
