"""ΦᵀΦv with a CSR Φ of 11314 × 101631, density 0.126 %, float64: random, with columns as unequal as words (a power law)."""
import numpy as np
import rivals
import roofline
import scipy.sparse
from case import Case

ROWS, COLUMNS, DENSITY = 11314, 101631, 0.00126


def word_counts(rows, columns, entries, rng):
    """Return a random CSR array: rows of unequal length, column j drawn with weight (j + 10)^-0.9, in random order."""
    weights = np.cumsum((np.arange(columns) + 10.0) ** -0.9)
    lengths = rng.lognormal(0.0, 0.8, rows)
    found = np.empty(0, np.int64)
    while len(found) < entries:  # equal draws are one entry
        row = rng.choice(rows, entries, p=lengths / lengths.sum())
        column = np.searchsorted(weights, rng.random(entries) * weights[-1])
        found = np.unique(np.concatenate([found, row * columns + column]))
    found = np.sort(rng.permutation(found)[:entries])
    column = rng.permutation(columns)[found % columns]
    matrix = scipy.sparse.csr_array((rng.standard_normal(entries), (found // columns, column)), shape=(rows, columns))
    matrix.sort_indices()
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)  # what SciPy's users have
    return matrix


def cases(scale):
    rng = np.random.default_rng(2)
    rows, columns = max(100, int(ROWS * scale)), max(1000, int(COLUMNS * scale))
    Phi = word_counts(rows, columns, int(rows * columns * DENSITY), rng)
    for vectors in (1, 20):
        v = rng.standard_normal(columns if vectors == 1 else (columns, vectors))
        first = (v if vectors == 1 else v[:, 0]).astype(np.longdouble)
        exact = np.zeros(columns, np.longdouble)
        row = np.repeat(np.arange(rows), np.diff(Phi.indptr))
        product = np.zeros(rows, np.longdouble)
        np.add.at(product, row, Phi.data * first[Phi.indices])
        np.add.at(exact, Phi.indices, Phi.data * product[row])
        yield Case(f"{rows} × {columns}, {Phi.nnz} entries, {vectors} vector{'s' * (vectors > 1)}",
                   rivals.builders("gram_sparse", Phi, v), {"rows": rows, "columns": columns, "entries": Phi.nnz, "vectors": vectors},
                   exact, roofline.gram(Phi.nnz, vectors, Phi.data.itemsize + Phi.indices.itemsize))
