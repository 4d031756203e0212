"""The goals, each checked against the results of one run."""
import math

__all__ = ["check", "rows"]

BATCHED = (8, 16, 32, 64, 128, 256)


class Results:
    """The cases of a run, found by workload and parameters."""

    def __init__(self, results):
        self.results = results

    def case(self, workload, **parameters):
        """Return the one case that fits, None where it was not run."""
        fits = (case for case in self.results if case["workload"] == workload)
        return next((case for case in fits if parameters.items() <= case["parameters"].items()), None)

    def row(self, workload, name, **parameters):
        """Return the contestant's row where it was measured, else None."""
        case = self.case(workload, **parameters)
        return next((row for row in case["rows"] if row["name"] == name and row["seconds"]), None) if case else None

    def ratio(self, workload, names, **parameters):
        """Return the least median ratio of the named rivals that have one, None where none has."""
        found = (self.row(workload, name, **parameters) for name in names)
        return min((row["ratio"]["median"] for row in found if row and row["ratio"]), default=None)

    def seconds(self, workload, name="pyblo", **parameters):
        """Return the contestant's median time, None where it was not measured."""
        row = self.row(workload, name, **parameters)
        return row["seconds"]["median"] if row else None

    def fraction(self, workload, bound="roofline", **parameters):
        """Return pyblo's fraction of a bound, None where it was not measured."""
        row = self.row(workload, "pyblo", **parameters)
        return row["fraction"].get(bound) if row else None


def goal(workload, text, measured, least, roofline=None, *, at_most=False, unit=""):
    """Return a goal as plain data; `measured` may be None, or hold None where a part was not run."""
    met = None if measured is None else bool(measured <= least if at_most else measured >= least)
    return {"workload": workload, "goal": text, "measured": measured, "unit": unit, "met": met, "roofline": roofline}


def least(values):
    """Return the least, None where one is missing."""
    values = list(values)
    return None if not values or None in values else min(values)


def geometric_mean(values):
    """Return the geometric mean, None where one is missing."""
    values = list(values)
    return None if not values or None in values else math.exp(sum(map(math.log, values)) / len(values))


def batched(found, workload, title):
    """Yield the goals of batched conjugate gradients, which are those of the Neumann series too."""
    best = [found.ratio(workload, ("NumPy", "JAX"), n=n) for n in BATCHED]
    sizes = (16, 32, 64)
    fraction, aware = (least(found.fraction(workload, bound, n=n) for n in sizes) for bound in ("roofline", "cache_aware"))
    every = least(found.fraction(workload, n=n) for n in BATCHED)
    yield goal(title, "best of JAX and NumPy: geometric mean ≥ 8", geometric_mean(best), 8, every)
    yield goal(title, "best of JAX and NumPy: least ≥ 3", least(best), 3, every)
    if workload != "neumann":
        yield goal(title, "SciPy loop ≥ 100 for n ≤ 32", least(found.ratio(workload, ("SciPy",), n=n) for n in (8, 16, 32)), 100)
        yield goal(title, "np.linalg.solve ≥ 2", least(found.ratio(workload, ("np.linalg.solve",), n=n) for n in BATCHED), 2)
    yield goal(title, "≥ 50 % of the roofline, n = 16–64", fraction, 0.5, fraction)
    yield goal(title, "≥ 50 % of the cache-aware roofline, n = 16–64", aware, 0.5, aware)


def single(found):
    """Yield the goal of float32: throughput over that of float64."""
    pairs = [(found.seconds("cg", n=n), found.seconds("cg32", n=n)) for n in BATCHED]
    gains = [double / single if double and single else None for double, single in pairs]
    bound = least(found.fraction("cg32", n=n) for n in BATCHED)
    yield goal("the same in float32", "≥ 1.7× float64's throughput, geometric mean", geometric_mean(gains), 1.7, bound)
    yield goal("the same in float32", "≥ 1.7× float64's throughput, least", least(gains), 1.7, bound)


def gram(found):
    """Yield the goals of the one-pass products, dense and sparse."""
    for rows, columns in ((60000, 784), (200000, 100), (5000, 10000)):
        title = f"gram_hvp dense {rows}×{columns}"
        one, many = (dict(rows=rows, columns=columns, vectors=vectors) for vectors in (1, 16))
        part = found.ratio("gram_dense", ("reading Φ",), rows=rows, columns=columns, what="reading")
        bound = found.fraction("gram_dense", **one)
        yield goal(title, "≥ 1.5× NumPy", found.ratio("gram_dense", ("NumPy",), **one), 1.5, bound)
        yield goal(title, "≥ 85 % of the read bandwidth, read in turn", part, 0.85, bound)
        yield goal(title, "16 vectors ≥ 1× the two GEMMs", found.ratio("gram_dense", ("NumPy",), **many), 1.0,
                   found.fraction("gram_dense", **many))
    for vectors in (1, 20):
        yield goal(f"gram_hvp CSR, {vectors} vector{'s' * (vectors > 1)}", "≥ 1.5× SciPy",
                   found.ratio("gram_sparse", ("SciPy",), vectors=vectors), 1.5, found.fraction("gram_sparse", vectors=vectors))


def loops(found):
    """Yield the goals of warm start and of the hypergradient."""
    yield goal("warm start", "one run ≥ 1.5× a compiled JAX scan", found.ratio("warm_start", ("JAX",), runs=1), 1.5)
    yield goal("warm start", "one run ≥ 20× NumPy", found.ratio("warm_start", ("NumPy",), runs=1), 20)
    yield goal("warm start", "512 runs ≥ 4× JAX vmap", found.ratio("warm_start", ("JAX",), runs=512), 4)
    yield goal("hypergradient of ridge", "≥ 2× jaxopt and compiled JAX", found.ratio("ridge", ("jaxopt", "JAX")), 2)


def the_rest(found):
    """Yield the goals of threads, of the same bits, and of call and import."""
    batches = [case for case in found.results if case["workload"] == "threads" and case["parameters"]["kind"] == "batch"]
    singles = [row for case in batches for row in case["rows"] if row["name"] != case["baseline"]]
    gains = [row["ratio"]["median"] if row["ratio"] else None for row in singles]
    yield goal("2 threads over 1", "≥ 1.8× on batches, geometric mean", geometric_mean(gains), 1.8)
    yield goal("2 threads over 1", "≥ 1.8× on batches, least", least(gains), 1.8)
    free = [found.ratio("determinism", ("free shape",), n=n) for n in (8, 16, 32, 64, 128)]
    cost = None if None in free else 1 / min(free) - 1
    yield goal("determinism", "costs ≤ 15 %, the worst size", cost, 0.15, at_most=True)
    call = found.seconds("overhead", what="call")
    yield goal("one 10 × 10 linalg.cg", "single microseconds", call and 1e6 * call, 10, at_most=True, unit="µs")
    times = [found.seconds("overhead", name, what="import") for name in ("pyblo", "nothing")]
    yield goal("import pyblo", "under 0.2 s, without Python's own start", None if None in times else times[0] - times[1], 0.2,
               at_most=True, unit="s")


def check(results):
    """Return every goal as plain data."""
    found = Results(results)
    return [*batched(found, "cg", "batched CG"), *single(found), *batched(found, "neumann", "batched Neumann"), *gram(found), *loops(found),
            *the_rest(found)]


def shown(one):
    """Return what was measured, as text."""
    if one["measured"] is None:
        return "not measured"
    if "%" in one["goal"]:
        return f"{one['measured']:.0%}"
    return f"{one['measured']:.2g} {one['unit']}" if one["unit"] else f"{one['measured']:.3g}"


def rows(runs):
    """Return table rows of the goals of one run or several: workload, goal, measured, met, the fraction of the roofline."""
    measured = ["measured"] if len(runs) == 1 else [f"run {k + 1}" for k in range(len(runs))]
    table = [("workload", "goal", *measured, "met", "of the roofline")]
    for several in zip(*runs, strict=True):
        first = several[0]
        met = {None: "–", True: "yes", False: "**no**"}
        fraction = "" if first["roofline"] is None else f"{first['roofline']:.0%}"
        verdict = "/".join(dict.fromkeys(met[one["met"]] for one in several))
        table.append((first["workload"], first["goal"], *(shown(one) for one in several), verdict, fraction))
    return table
