"""What the machine is: processor, cores, instruction set, versions. No host names and no paths."""
import importlib.metadata
import os
import platform
from pathlib import Path

from compiled import compiler_version
from settings import available

__all__ = ["cache_sizes", "describe", "instruction_sets", "machine_class", "stolen"]

PACKAGES = ("pyblo", "numpy", "scipy", "jax", "jaxlib", "jaxopt", "torch")


def cpu_fields():
    """Return the fields of the first processor in /proc/cpuinfo, {} elsewhere."""
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def instruction_sets():
    """Return [(name, -march)] of what this processor has, the widest last."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return [("native", "native")]
    flags = set(cpu_fields().get("flags", "").split())
    found = [("baseline", "x86-64")]
    if {"avx2", "fma", "bmi2"} <= flags:
        found.append(("avx2", "x86-64-v3"))
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"} <= flags:
        found.append(("avx512", "x86-64-v4"))
    return found


def cache_sizes():
    """Return the bytes of L1 (data) and L2 of one core; 32 KiB and 1 MiB where the system does not say."""
    folder = Path("/sys/devices/system/cpu/cpu0/cache")
    sizes = {1: 32 << 10, 2: 1 << 20}
    for index in folder.glob("index*"):
        try:
            level, kind, size = (index.joinpath(name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction" and int(level) in sizes:
            sizes[int(level)] = int(size.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(size[-1], 0)
    return sizes[1], sizes[2]


def machine_class():
    """Return a short name: cores and the widest instruction set."""
    widest = instruction_sets()[-1][0]
    return f"{len(available())}core-{platform.machine() if widest == 'native' else widest}"


def version(package):
    """Return the installed version of a package, None where it is absent."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def blas():
    """Return the BLAS libraries loaded, their versions and kernels."""
    from threadpoolctl import threadpool_info

    pools = (pool for pool in threadpool_info() if pool["user_api"] == "blas")
    return sorted({f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip() for pool in pools})


def describe(cores):
    """Return the machine as plain data."""
    fields = cpu_fields()
    level1, level2 = cache_sizes()
    return {
        "class": f"{cores}core-{machine_class().split('-', 1)[1]}", "processor": fields.get("model name", platform.processor()),
        "family": fields.get("cpu family"), "model": fields.get("model"), "cores": cores, "architecture": platform.machine(),
        "instruction_sets": [name for name, _ in instruction_sets()], "cache_L1": level1, "cache_L2": level2,
        "memory_GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30), "system": platform.system(),
        "virtual": "hypervisor" in fields.get("flags", ""), "python": platform.python_version(), "compiler": compiler_version(),
        "blas": blas(), "versions": {name: version(name) for name in PACKAGES if version(name)},
    }


def stolen():
    """Return (stolen, all) clock ticks since boot: what a virtual machine's neighbours took."""
    try:
        ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError):
        return 0, 0
    return ticks[7] if len(ticks) > 7 else 0, sum(ticks)
