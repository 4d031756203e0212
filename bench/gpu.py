"""pyblo on a GPU beside what else solves batches there, with the limits of the device measured in the same run: `python -P bench gpu`.

The arrays lie on the device beforehand, compilation is not counted, and a run ends when its result is there. The bandwidth is that of a
copy, which reads and writes. JAX competes where it has its CUDA plug-in (`pip install 'jax[cuda13]'`), PyTorch where it is installed.
"""
import datetime
import json
import platform
from dataclasses import replace

import cupy
import machine
import rivals.gpu as contestants
import roofline
from case import Case, play
from tables import case_rows, markdown, notes, plain
from workloads.data import SIZES, batch_count, exact_solutions, spd_batch
from workloads.neumann import TERMS, reference

__all__ = ["run"]

ENTRIES, MOST = 1 << 26, 200_000  # of a batch of matrices, and how many of them
FMA = """
extern "C" __global__ void rate(SCALAR* out, int steps) {
  SCALAR a[8];
  for (int k = 0; k < 8; ++k) a[k] = threadIdx.x + k;
  const SCALAR b = SCALAR(1) - SCALAR(1) / (1 << 20), c = SCALAR(1) / (1 << 20);
  for (int s = 0; s < steps; ++s)
    for (int k = 0; k < 8; ++k) a[k] = a[k] * b + c;
  SCALAR sum = 0;
  for (int k = 0; k < 8; ++k) sum += a[k];
  out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}"""


def seconds(call, repeat=7):
    """Return the least time of a call on the device."""
    call()
    found = []
    for _ in range(repeat):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        call()
        end.record()
        end.synchronize()
        found.append(cupy.cuda.get_elapsed_time(start, end) * 1e-3)
    return min(found)


def limits():
    """Return the FMA rate of the ordinary units in both precisions, and the bandwidth of a copy, read and written bytes together."""
    blocks, threads, steps = 16 * cupy.cuda.Device().attributes["MultiProcessorCount"], 256, 4096
    found = []
    for name, dtype in (("float", "float32"), ("double", "float64")):
        kernel = cupy.RawKernel(FMA, "rate", options=(f"-DSCALAR={name}",))
        out = cupy.empty(blocks * threads, dtype)
        taken = seconds(lambda kernel=kernel, out=out: kernel((blocks,), (threads,), (out, steps)))
        found.append({"what": "fma", "isa": "CUDA", "dtype": dtype, "threads": 1, "value": 16 * blocks * threads * steps / taken / 1e9})
    source = cupy.ones(1 << 27)
    target = cupy.empty_like(source)
    taken = seconds(lambda: cupy.copyto(target, source))
    return [*found, {"what": "read", "level": "memory", "bytes": 2 * source.nbytes, "capacity": None, "register": 16, "threads": 1,
                     "value": 2 * source.nbytes / taken / 1e9}]


def cases(scale):
    """Return the Cases: batched conjugate gradients in both precisions, and Neumann series."""
    for dtype in ("float64", "float32"):
        for n in SIZES:
            count, steps = min(MOST, batch_count(n, scale, ENTRIES)), min(n, 64)
            A, b = spd_batch(count, n, dtype)
            yield Case(f"conjugate gradients, {dtype}, n = {n}, {steps} iterations, {count} systems",
                       contestants.builders("batched_cg", A, b, steps), {"n": n, "steps": steps, "count": count, "dtype": dtype},
                       exact_solutions(A, b), once(roofline.cg(count, n, steps, dtype)))
    for n in (16, 64):
        count = min(MOST, batch_count(n, scale, ENTRIES))
        A, b = spd_batch(count, n)
        step = 1 / abs(A).sum(-1).max(-1)
        yield Case(f"Neumann series, float64, n = {n}, {TERMS} terms, {count} systems", contestants.builders("neumann", A, b, TERMS, step),
                   {"n": n, "terms": TERMS, "count": count}, reference(A, b, step), once(roofline.neumann(count, n, TERMS, "float64")))


def once(work):
    """Return a Work without what a CPU streams from its caches."""
    return replace(work, streamed=0.0)


def describe():
    """Return table rows that say what ran where."""
    device, runtime = cupy.cuda.Device(), cupy.cuda.runtime
    name = runtime.getDeviceProperties(device.id)["name"].decode()
    driver, own = (f"{number // 1000}.{number % 1000 // 10}" for number in (runtime.driverGetVersion(), runtime.runtimeGetVersion()))
    versions = {package: machine.version(package) for package in (*machine.PACKAGES, "cupy-cuda12x", "cupy-cuda13x")}
    return [("what", "value"), ("date", datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")), ("device", name),
            ("multiprocessors", str(device.attributes["MultiProcessorCount"])), ("CUDA of the driver, of CuPy", f"{driver}, {own}"),
            ("Python", platform.python_version()), ("versions", ", ".join(f"{key} {value}" for key, value in versions.items() if value))]


def run(options):
    """Measure all cases and write the report, JSON and Markdown."""
    told, found = describe(), limits()
    rows = [("limit", "value"), *((f"FMA, {row['dtype']}", f"{row['value'] / 1e3:.1f} TFLOP/s") for row in found[:2]),
            ("copy, bytes read and written", f"{found[2]['value']:.0f} GB/s")]
    print(plain(told), plain(rows), sep="\n\n", flush=True)
    results = []
    for case in cases(options.scale):
        results.append(play(case, found, 1, options.rounds, options.budget))
        print("\n".join(["", results[-1]["label"], plain(case_rows(results[-1])), *notes(results[-1])]), flush=True)
        cupy.get_default_memory_pool().free_all_blocks()
    options.out.mkdir(parents=True, exist_ok=True)
    name = "-".join(part for part in (datetime.date.today().isoformat(), told[2][1].replace(" ", "-").lower(), options.tag) if part)
    (options.out / f"{name}.json").write_text(json.dumps({"device": dict(told[1:]), "limits": found, "results": results}, indent=1))
    parts = [f"# pyblo on a GPU\n\n{__doc__.strip()}", markdown(told), markdown(rows)]
    for case in results:
        parts += [f"**{case['label']}**", markdown(case_rows(case)), *notes(case)]
    (options.out / f"{name}.md").write_text("\n\n".join([*parts, ""]))
    print(f"\n{name}.json, {name}.md")
