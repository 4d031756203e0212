"""How cost grows: with the size of a system, with the batch, with the terms of a series, with the rows of a matrix."""
import time

import numpy as np
import rivals
from measure import Entry, compete, quartiles
from workloads import warm_start
from workloads.data import batch_count, spd_batch

import pyblo

__all__ = ["PANELS", "draw", "measure"]

ROUNDS, BUDGET = 5, 3.0


def per_size(scale):
    """Batched CG, min(n, 64) iterations: microseconds per system against n."""
    for n in (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512):
        count = batch_count(n, scale, 1 << 22)
        A, b = spd_batch(count, n)
        yield n, count, rivals.builders("batched_cg", A, b, min(n, 64), without=("SciPy",))


def per_batch(scale):
    """Batched CG, n = 16, 16 iterations: microseconds per system against the size of the batch."""
    for count in (1, 2, 4, 8, 16, 64, 256, 1024, 4096, 16384, 65536):
        if count <= max(16, 65536 * scale):
            A, b = spd_batch(count, 16)
            yield count, count, rivals.builders("batched_cg", A, b, 16)


def per_term(scale):
    """Hypergradient of anti-distillation by a Neumann series: microseconds against its terms."""
    target = warm_start.target()
    problem, u = pyblo.TargetLearning(*target), np.zeros(13)
    for terms in (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000):
        if terms > max(100, 100_000 * scale):
            continue
        builders = {}
        for route in ("spectral", "iterate"):
            run = lambda route=route, terms=terms: pyblo.hypergradient(problem, u, method=pyblo.Neumann(terms, 1e-7), route=route).grad
            builders[f"pyblo, route='{route}'"] = lambda run=run: [Entry(run)]
        yield terms, 1, builders


def per_row(scale):
    """ΦᵀΦv with 100 columns: microseconds against the rows."""
    rng = np.random.default_rng(6)
    for rows in (300, 1000, 3000, 10_000, 30_000, 100_000, 300_000):
        if rows <= max(1000, 300_000 * scale):
            yield rows, 1, rivals.builders("gram", rng.standard_normal((rows, 100)), rng.standard_normal(100))


PANELS = {"n": per_size, "batch": per_batch, "terms": per_term, "rows": per_row}


def measure(scale, say=print):
    """Return {panel: {contestant: [(x, {median, low, high} in µs)]}}."""
    found = {}
    for panel, points in PANELS.items():
        start, curves = time.perf_counter(), {}
        for x, count, builders in points(scale):
            for one in compete(builders, "pyblo", ROUNDS, BUDGET):
                if one.seconds:
                    curves.setdefault(one.name, []).append((x, {key: 1e6 * s / count for key, s in quartiles(one.seconds).items()}))
        found[panel] = curves
        say(f"growth with {panel}: {time.perf_counter() - start:.0f} s")
    return found


def draw(found, path):
    """Draw the curves, a panel each, with their quartiles."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(11, 8), layout="constrained")
    for axis, (panel, curves) in zip(axes.flat, found.items(), strict=True):
        for name, points in curves.items():
            x = [point[0] for point in points]
            median, low, high = ([point[1][key] for point in points] for key in ("median", "low", "high"))
            line, = axis.plot(x, median, marker=".", label=name, linewidth=2.5 if name.startswith("pyblo") else 1.2)
            axis.fill_between(x, low, high, color=line.get_color(), alpha=0.2)
        axis.set(xscale="log", yscale="log", xlabel=panel, ylabel="µs", title=PANELS[panel].__doc__.split(":")[0])
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    figure.savefig(path, dpi=120)
