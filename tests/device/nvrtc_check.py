"""Compile every kernel of csrc/pyblo/device for three architectures with NVRTC: needs CuPy and NVRTC, but no GPU.

Run as ``python -P tests/device/nvrtc_check.py [file.cu]``; the options are those that CuPy passes.
"""

import re
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

from cupy.cuda import nvrtc

from pyblo._device import MEMORY, REGISTERS, SCALARS

ROOT = Path(__file__).parents[2]
ARCHITECTURES = ("sm_80", "sm_90", "sm_120")
OPTIONS = ("-std=c++20", "--device-as-default-execution-space", "-ftz=true", "-fmad=false", f"-I{ROOT / 'csrc'}", "--ptxas-options=-v")


def kernels(source):
    """The name expressions of all kernels, in both precisions and all forms."""
    names = re.findall(r"__global__\s+void\s+(?:__launch_bounds__\(.*\)\s+)?(\w+)\(", source)
    forms = [form for _, form, _ in REGISTERS] + [*MEMORY]
    return [f"pyblo::{name}<{scalar}, pyblo::{form}>" for name, scalar, form in product(names, SCALARS.values(), forms)]


def compiled(path, architecture):
    """How many kernels a file has, the bytes of their cubin and the most local memory; NVRTC's log as an error where there is none."""
    source = path.read_text()
    program = nvrtc.createProgram(source, path.name, [], [])
    names = kernels(source)
    for name in names:
        nvrtc.addNameExpression(program, name)
    try:
        nvrtc.compileProgram(program, [*OPTIONS, f"-arch={architecture}"])
    except nvrtc.NVRTCError as error:
        raise RuntimeError(f"{path.name} for {architecture}: {nvrtc.getProgramLog(program)}") from error
    cubin, log = nvrtc.getCUBIN(program), nvrtc.getProgramLog(program)
    missing = [name for name in names if nvrtc.getLoweredName(program, name).encode() not in cubin]
    if missing or not names:
        raise RuntimeError(f"{path.name} for {architecture}: no code for {missing or 'any kernel'}")
    stacks = [int(size) for size in re.findall(r"(\d+) bytes stack frame", log)]
    return len(names), len(cubin), max(stacks, default=0)


def main(paths):
    jobs = list(product(map(Path, paths or sorted((ROOT / "csrc/pyblo/device").glob("*.cu"))), ARCHITECTURES))
    with ProcessPoolExecutor() as pool:
        found = [(*job, pool.submit(compiled, *job)) for job in jobs]
        for path, architecture, future in found:
            try:
                count, size, stack = future.result()
            except RuntimeError as error:
                sys.exit(str(error))
            print(f"{path.name}: {count} kernels for {architecture}, {size} bytes, {stack} bytes of local memory at the most")


if __name__ == "__main__":
    main(sys.argv[1:])
