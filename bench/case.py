"""A case: one size of one workload, with its contestants, its reference and the work that it is."""
from dataclasses import asdict, dataclass, field

import numpy as np
import roofline
from measure import compete, quartiles

__all__ = ["Case", "play", "relative_error"]


@dataclass
class Case:
    """One size of one workload.

    `builders` maps a contestant's name to a function that returns its Entries, `baseline` is the one that ratios refer to,
    `reference` the trusted result (or its first rows), and `unit` how times are shown.
    """

    label: str
    builders: dict
    parameters: dict = field(default_factory=dict)
    reference: np.ndarray | None = None
    work: roofline.Work | None = None
    baseline: str = "pyblo"
    unit: str = "ms"


def relative_error(result, reference):
    """Return the worst ‖x − reference‖ / ‖reference‖ over the leading axes, of as many rows as both have."""
    if reference is None:
        return None
    result = next((getattr(result, home)() for home in ("get", "cpu") if hasattr(result, home)), result)  # from a GPU
    x, exact = np.asarray(result, np.longdouble), np.asarray(reference, np.longdouble)
    if x.ndim == exact.ndim + 1:  # several vectors, of which the reference has the first
        x = x[..., 0]
    if x.ndim > 1:
        count = min(len(x), len(exact))
        x, exact = x[:count], exact[:count]
    return float(np.max(np.linalg.norm(np.asarray(x - exact, float), axis=-1) / np.linalg.norm(np.asarray(exact, float), axis=-1)))


def play(case, limits, threads, rounds, budget):
    """Measure a case; return it as plain data."""
    rows = []
    for one in compete(case.builders, case.baseline, rounds, budget):
        row = {"name": one.name, "note": one.note, "variant": "", "runs": len(one.seconds), "seconds": None, "ratio": None, "error": None}
        if one.seconds:
            row |= {"variant": one.entry.variant, "share": one.entry.share, "seconds": quartiles(one.seconds),
                    "error": relative_error(one.result, case.reference), "processors": quartiles(one.processors)}
            row["ratio"] = quartiles(one.ratios) if one.ratios else None
            row["fraction"] = roofline.fractions(case.work, limits, threads, row["seconds"]["median"])
        rows.append(row)
    return {"label": case.label, "baseline": case.baseline, "unit": case.unit, "parameters": case.parameters, "rows": rows,
            "work": asdict(case.work) if case.work else None, "bounds": roofline.bounds(case.work, limits, threads)}
