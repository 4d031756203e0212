"""C++ test programs: built with the compiler of the package, run once, their lines of counts read."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLAGS = ("-std=c++20", "-ffp-contract=off", "-Wall", "-Wextra", "-Wno-psabi", f"-I{ROOT / 'csrc'}")
COUNTS = ("problems", "compared", "identical", "same_steps", "measured", "truthful")
LINE = re.compile(r"(\w+) \| ([\w ]+) \| " + " ".join(rf"{name} (\d+)" for name in COUNTS) + r" hash (\w+)")
LEVELS = {"baseline": ([], set()),
          "avx2": (["-march=x86-64-v3"], {"avx2", "bmi2", "f16c", "fma", "movbe"}),
          "avx512": (["-march=x86-64-v4", "-mprefer-vector-width=512"],
                     {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})}


def levels():
    """The instruction sets of this CPU, by name, and the flags that ask for them."""
    cpu = Path("/proc/cpuinfo")
    found = re.search(r"^flags\s*:(.*)$", cpu.read_text(), re.MULTILINE) if cpu.exists() else None
    features = set(found[1].split()) if found else set()
    return {name: flags for name, (flags, needs) in LEVELS.items() if needs <= features}


def compiler():
    named = shlex.split(os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "c++")
    found = named if shutil.which(named[0]) else ["c++"]
    if not shutil.which(found[0]):
        pytest.skip("no C++ compiler")
    return found


def built(source, *flags, options=()):
    """The program of tests/`source`, kept under build/tests until a source, a flag or the compiler changes."""
    command = [*compiler(), *FLAGS, *flags, *options]
    version = subprocess.run([command[0], "--version"], capture_output=True, text=True, check=True).stdout
    digest = hashlib.sha256("\0".join([version, source, *command]).encode())
    for folder in ("csrc/pyblo/core", "csrc/pyblo/device", "tests/core", "tests/device"):
        for path in sorted((ROOT / folder).rglob("*.[hc]*")):
            digest.update(path.read_bytes())
    program = ROOT / "build/tests" / f"{Path(source).stem}-{digest.hexdigest()[:16]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        made = program.with_suffix(f".{os.getpid()}")
        command += [str(ROOT / "tests" / source), "-o", str(made)]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        made.rename(program)
    return program


def counts(program, *arguments):
    """What a program gave: its return code, the counts by (scalar, algorithm), and all that it printed."""
    result = subprocess.run([program, *arguments], capture_output=True, text=True)
    lines = {}
    for scalar, name, *numbers, digest in LINE.findall(result.stdout):
        lines[scalar, name] = dict(zip(COUNTS, map(int, numbers), strict=True)) | {"hash": digest}
    return result.returncode, lines, result.stdout + result.stderr


def built_and_run(jobs):
    """``{name: (source, flags)}`` to ``{name: counts}``, on all cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(jobs, pool.map(lambda job: counts(built(job[0], *job[1])), jobs.values()), strict=True))


def assert_complete(lines, output):
    """Every comparison of every algorithm was made, and none differed."""
    assert lines, output
    for line in lines.values():
        assert line["compared"] > line["problems"] > 0, output
        assert line["identical"] == line["same_steps"] == line["compared"], output
        assert line["truthful"] == line["measured"], output
