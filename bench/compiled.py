"""The small C++ programs of this folder, compiled into build/bench when they are first needed."""
import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["compiler_version", "program"]

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "bench"


def compiler():
    """Return the path of a C++ compiler."""
    found = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("c++")
    if not found:
        raise RuntimeError("no C++ compiler: set CXX")
    return found


def compiler_version():
    """Return the compiler's own first line, or "none"."""
    try:
        run = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True)
    except (RuntimeError, OSError, subprocess.CalledProcessError):
        return "none"
    return run.stdout.splitlines()[0]


def program(source, march, *options):
    """Return the path of `source` compiled for an instruction set; raises RuntimeError with the compiler's first complaint."""
    BUILD.mkdir(parents=True, exist_ok=True)
    target = BUILD / f"{Path(source).stem}-{march}"
    command = [compiler(), "-std=c++20", "-O3", f"-march={march}", "-pthread", *options, str(HERE / source), "-o", str(target)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        complaint = next((line for line in run.stderr.splitlines() if "error" in line), "unknown error")
        raise RuntimeError(f"{source} does not compile: {complaint.split('error', 1)[-1].lstrip(': ')}")
    return target
