"""What the machine allows: the least time for a given work under the limits measured in the same run.

arithmetic   every operation a fused multiply-add in the widest registers, on all threads
memory       every input read once, at the bandwidth measured for an array of that size
stream       one triangle of the symmetric matrix is read again in every iteration, from the cache that holds one problem

roofline = max(arithmetic, memory);  cache-aware roofline = max(arithmetic, memory, stream).
"""
from dataclasses import dataclass

__all__ = ["Work", "bandwidth", "bounds", "cg", "fractions", "gram", "neumann", "peak"]


@dataclass(frozen=True)
class Work:
    """Operations, bytes read once, and bytes streamed again from a working set of one problem."""

    flops: float
    bytes: float
    dtype: str
    working_set: float = 0.0
    streamed: float = 0.0
    threads: int = 0  # that do it, 0 for those of the run


def cg(count, n, steps, dtype):
    """`count` runs of conjugate gradients: a product, two dots and three updates per step, of a dense n×n matrix."""
    size = 8 if dtype == "float64" else 4
    triangle = n * (n + 1) / 2 * size
    return Work(count * steps * (2 * n**2 + 10 * n), count * (n**2 + 2 * n) * size, dtype, triangle, count * steps * triangle)


def neumann(count, n, terms, dtype):
    """`count` series of `terms` terms: terms − 1 products and updates of a dense n×n matrix."""
    size = 8 if dtype == "float64" else 4
    products, triangle = count * (terms - 1), n * (n + 1) / 2 * size
    return Work(products * (2 * n**2 + 3 * n), count * (n**2 + 2 * n) * size, dtype, triangle, products * triangle)


def gram(entries, vectors, entry_bytes, dtype="float64"):
    """ΦᵀΦv: two multiply-adds per entry and vector, each entry read once."""
    return Work(4.0 * entries * vectors, float(entries * entry_bytes), dtype)


def peak(limits, dtype, threads):
    """Return the highest FMA rate measured, in FLOP/s, over the instruction sets."""
    rates = [row["value"] for row in limits if row["what"] == "fma" and row["dtype"] == dtype and row["threads"] == threads]
    return 1e9 * max(rates, default=0.0)


def bandwidth(limits, size, threads):
    """Return the read bandwidth in B/s where `size` bytes are at home: in L1, in L2, or in an array of about that size."""
    rows = [row for row in limits if row["what"] == "read" and row["threads"] == threads]
    if not rows:
        return 0.0
    for level in ("L1", "L2"):
        for row in rows:
            if row["level"] == level and size <= row["capacity"]:
                return 1e9 * row["value"]
    beyond = [row for row in rows if row["level"] not in ("L1", "L2")] or rows
    nearest = min(beyond, key=lambda row: abs(row["bytes"] - size))
    return 1e9 * nearest["value"]


def bounds(work, limits, threads):
    """Return the least seconds by each bound, {} where nothing is known."""
    threads = work.threads or threads if work else 0
    if not threads or not limits or not peak(limits, work.dtype, threads):
        return {}
    found = {"arithmetic": work.flops / peak(limits, work.dtype, threads), "memory": work.bytes / bandwidth(limits, work.bytes, threads)}
    found["roofline"] = max(found.values())
    if work.streamed:
        found["stream"] = work.streamed / bandwidth(limits, work.working_set, threads)
        found["cache_aware"] = max(found["roofline"], found["stream"])
    return found


def fractions(work, limits, threads, seconds):
    """Return bound / seconds for each bound: 1 is what the machine can do."""
    return {name: bound / seconds for name, bound in bounds(work, limits, threads).items()}
