"""The physical limits of this machine: FMA rate and read bandwidth."""
import subprocess

from compiled import program
from machine import cache_sizes, instruction_sets

__all__ = ["best", "measure", "rows"]

LARGE = (16 << 20, 160_000_000, 384_000_000, 1 << 30)  # beyond L2: the middle two are the sizes of the dense matrices


def measure(threads, scale=1.0):
    """Return the limits as a list of dicts with what, value, threads and, by kind, isa and dtype, or level, bytes and capacity."""
    level1, level2 = cache_sizes()
    sizes = [level1 // 2, level2 // 2, *(max(int(size * min(scale, 1.0)), 16 << 20) for size in LARGE)]
    found = []
    sets = instruction_sets()
    for name, march in sets:
        arguments = [str(size) for size in dict.fromkeys(sizes)] if name == sets[-1][0] else []
        run = subprocess.run([program("limits.cpp", march), name, str(threads), *arguments], capture_output=True, text=True, check=True)
        found += [parse(line.split(), level1, level2) for line in run.stdout.splitlines()]
    return found


def parse(words, level1, level2):
    """Return one line of the program as a dict."""
    what, first, second, threads, value = words
    if what != "read":
        return {"what": what, "isa": first, "dtype": second, "threads": int(threads), "value": float(value)}
    size = int(first)
    level, capacity = ("L1", level1) if size <= level1 else ("L2", level2) if size <= level2 else ("memory", None)
    return {"what": what, "level": level, "bytes": size, "capacity": capacity, "register": int(second), "threads": int(threads),
            "value": float(value)}


def best(before, after):
    """Return the better of two measurements of each limit."""
    return [one | {"value": max(one["value"], two["value"])} for one, two in zip(before, after, strict=True)]


def rows(limits):
    """Return table rows: limit, threads, value."""
    clock = max((row["value"] for row in limits if row["what"] == "clock"), default=0.0)
    table = [("limit", "threads", "value"), ("clock", "1", f"{clock:.2f} GHz")]
    for row in limits:
        if row["what"] == "fma":
            table.append((f"FMA, {row['isa']}, {row['dtype']}", str(row["threads"]), f"{row['value']:.1f} GFLOP/s"))
        elif row["what"] == "read":
            loads = row["value"] / row["register"] / clock / row["threads"] if clock else 0.0
            per_cycle = f", {loads:.2f} loads of {row['register']} B per cycle" if row["level"] in ("L1", "L2") else ""
            size = f"{row['bytes'] / 2**20:.3g} MiB"
            table.append((f"read, {row['level']}, {size}", str(row["threads"]), f"{row['value']:.1f} GB/s{per_cycle}"))
    return table
