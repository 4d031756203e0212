"""pyblo with two threads against pyblo with one, in turn; float64."""
import numpy as np
import rivals
import settings
from case import Case
from measure import Entry

import pyblo
from workloads import warm_start
from workloads.data import batch_count, spd_batch


def pair(operation, *arguments):
    """Return builders of pyblo's own entry with one thread and with all."""
    def build(threads):
        entry = rivals.builders(operation, *arguments)["pyblo"]()[0]
        pyblo.set_num_threads(threads)
        return [Entry(entry.run, before=lambda: pyblo.set_num_threads(threads))]

    return {f"{threads} thread{'s' * (threads > 1)}": lambda threads=threads: build(threads) for threads in (settings.threads(), 1)}


def contests(scale):
    """Yield (label, builders, kind)."""
    for n in (8, 16, 64, 256):
        A, b = spd_batch(batch_count(n, scale), n)
        yield f"batched CG, n = {n}", pair("batched_cg", A, b, min(n, 64)), "batch"
    yield "512 warm starts", pair("warm_start", warm_start.target(), np.zeros((512, 13)),
                                  warm_start.Loop(outer_steps=max(20, int(2000 * scale)))), "batch"
    rng = np.random.default_rng(5)
    Phi = rng.standard_normal((max(1000, int(60000 * scale)), 784))
    yield "gram_hvp, dense", pair("gram", Phi, rng.standard_normal(784)), "one"


def cases(scale):
    if settings.threads() < 2:
        return
    for label, builders, kind in contests(scale):
        yield Case(label, builders, {"kind": kind}, baseline=f"{settings.threads()} threads")
    if hasattr(pyblo, "set_num_threads"):
        pyblo.set_num_threads(settings.threads())
