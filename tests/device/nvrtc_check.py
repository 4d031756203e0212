"""Compile every kernel of csrc/pyblo/device for three architectures with NVRTC: needs CuPy and NVRTC, but no GPU.

Run as ``python -P tests/device/nvrtc_check.py [file.cu]``; the options are those that CuPy passes.
"""

import re
import sys
from pathlib import Path

from cupy.cuda import nvrtc

ROOT = Path(__file__).parents[2]
ARCHITECTURES = ("sm_80", "sm_90", "sm_120")
OPTIONS = ("-std=c++20", "--device-as-default-execution-space", "-ftz=true", f"-I{ROOT / 'csrc'}")


def kernels(source):
    """The name expressions of all kernels, in both precisions."""
    names = re.findall(r"__global__\s+void\s+(\w+)\(", source)
    return [f"pyblo::{name}<{scalar}>" for name in names for scalar in ("float", "double")]


def compiled(path, architecture):
    """The cubin of all kernels of a file; NVRTC's log as an error where there is none."""
    source = path.read_text()
    program = nvrtc.createProgram(source, path.name, [], [])
    names = kernels(source)
    for name in names:
        nvrtc.addNameExpression(program, name)
    try:
        nvrtc.compileProgram(program, [*OPTIONS, f"-arch={architecture}"])
    except nvrtc.NVRTCError as error:
        raise RuntimeError(f"{path.name} for {architecture}: {nvrtc.getProgramLog(program)}") from error
    cubin = nvrtc.getCUBIN(program)
    missing = [name for name in names if nvrtc.getLoweredName(program, name).encode() not in cubin]
    if missing or not names:
        raise RuntimeError(f"{path.name} for {architecture}: no code for {missing or 'any kernel'}")
    return cubin, len(names)


def main(paths):
    for path in map(Path, paths or sorted((ROOT / "csrc/pyblo/device").glob("*.cu"))):
        for architecture in ARCHITECTURES:
            try:
                cubin, count = compiled(path, architecture)
            except RuntimeError as error:
                sys.exit(str(error))
            print(f"{path.name}: {count} kernels for {architecture}, {len(cubin)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
