"""ΦᵀΦv with a dense Φ, float64, for one vector and for sixteen; and one vector beside merely reading Φ."""
import numpy as np
import reading
import rivals
import roofline
from case import Case

SHAPES = ((60000, 784), (200000, 100), (5000, 10000))


def reference(Phi, v):
    """Return ΦᵀΦv for the first vector, summed in longdouble."""
    v = (v if v.ndim == 1 else v[:, 0]).astype(np.longdouble)
    total = np.zeros(Phi.shape[1], np.longdouble)
    for start in range(0, len(Phi), 500):
        block = Phi[start : start + 500].astype(np.longdouble)
        total += block.T @ (block @ v)
    return total


def cases(scale):
    rng = np.random.default_rng(1)
    for rows, columns in SHAPES:
        rows = max(1000, int(rows * scale) // 1000 * 1000)
        Phi = rng.standard_normal((rows, columns))
        for vectors in (1, 16):
            v = rng.standard_normal(columns if vectors == 1 else (columns, vectors))
            yield Case(f"{rows} × {columns}, {vectors} vector{'s' * (vectors > 1)}", rivals.builders("gram", Phi, v),
                       {"rows": rows, "columns": columns, "vectors": vectors}, reference(Phi, v), roofline.gram(Phi.size, vectors, 8))
            if vectors == 1:
                alone = {"pyblo": rivals.builders("gram", Phi, v)["pyblo"], "reading Φ": lambda Phi=Phi: reading.entries(Phi)}
                yield Case(f"{rows} × {columns}, 1 vector, beside reading Φ", alone, {"rows": rows, "columns": columns, "what": "reading"})
