"""linalg.gram_hvp: against exact arithmetic, in units of its rounding; the same bits for every number of threads; bad input."""

import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
from oracle import array, rational_matrix

import pyblo
from pyblo import threads

gram_hvp = pyblo.linalg.gram_hvp
SHAPES = [(1, 1), (3, 2), (2, 9), (13, 21), (7, 33), (40, 8), (9, 130), (65, 17)]
COUNTS = [None, 1, 2, 3, 7, 8, 9, 15, 20, 33, 41]
LARGE = [(4000, 100), (700, 500), (40, 9000)]  # more than one shard


@pytest.fixture(autouse=True)
def default_threads():
    yield
    threads.set_num_threads(None)


def arrays(N, n, k, dtype, seed=0):
    rng = np.random.default_rng([seed, N, n, k or 0])
    shapes = [(N, n), (n,) if k is None else (n, k), (N,), (n,)]
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def forms(Phi):
    """A dense matrix, and a sparse one with zeros, unsorted rows and a duplicate where there is an entry."""
    rng = np.random.default_rng(Phi.shape)
    S = scipy.sparse.coo_array(Phi * (rng.random(Phi.shape) < 0.4))
    order = rng.permutation(S.nnz)
    rows, cols, values = S.row[order], S.col[order], S.data[order]
    if S.nnz:
        rows, cols, values = np.append(rows, rows[0]), np.append(cols, cols[0]), np.append(values, values[0])
    starts = np.append(0, np.cumsum(np.bincount(rows, minlength=Phi.shape[0])))
    by_row = np.argsort(rows, kind="stable")
    csr = scipy.sparse.csr_array((values[by_row], cols[by_row], starts), shape=Phi.shape)
    return {"dense": (Phi, Phi), "csr": (csr, csr.toarray().astype(np.float64))}


def exact(Phi, v, weights, shift):
    """The product in rationals, and Σ|φ||w||φ||v| + |d||v|, the size of what is rounded."""
    columns = v if v.ndim == 2 else v[:, None]
    P, V = rational_matrix(Phi), rational_matrix(columns)
    W = rational_matrix(np.diag(weights))
    D = rational_matrix(np.diag(shift))
    a = np.abs(Phi.astype(np.float64))
    size = a.T @ (np.abs(weights)[:, None] * (a @ np.abs(columns))) + np.abs(shift)[:, None] * np.abs(columns)
    return (array(P.transpose() * (W * (P * V)) + D * V)).reshape(v.shape), size.reshape(v.shape)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_against_exact_arithmetic(shape, dtype):
    for k in COUNTS:
        Phi, v, weights, shift = arrays(*shape, k, dtype)
        for form, dense in forms(Phi).values():
            y = gram_hvp(form, v, weights=weights, shift=shift)
            expected, size = exact(dense, v, weights.astype(np.float64), shift.astype(np.float64))
            assert y.shape == v.shape and y.dtype == dtype
            assert (np.abs(y - expected) <= (sum(shape) + 8) * np.finfo(dtype).eps * size).all(), (k, type(form))


@pytest.mark.parametrize("shape", LARGE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_many_threads_have_the_bits_of_one(shape, dtype):
    for k in (None, 2, 20):
        Phi, v, weights, shift = arrays(*shape, k, dtype)
        for form, dense in forms(Phi).values():
            results = []
            for n in (1, 2, 3, 4, 7, 8):
                threads.set_num_threads(n)
                results.append(gram_hvp(form, v, weights=weights, shift=shift))
            assert len({y.tobytes() for y in results}) == 1
            wide = [a.astype(np.float64) for a in (dense, v, weights, shift)]
            scale = (wide[2][:, None], wide[3][:, None]) if k else (wide[2], wide[3])
            expected = wide[0].T @ (scale[0] * (wide[0] @ wide[1])) + scale[1] * wide[1]
            assert np.abs(results[0] - expected).max() <= 200 * np.finfo(dtype).eps * np.abs(expected).max()


def test_a_batch_is_its_problems():
    rng = np.random.default_rng(1)
    Phi, v = rng.standard_normal((3, 1, 10, 5)), rng.standard_normal((4, 5))
    weights, shift = rng.standard_normal((3, 1, 10)), rng.standard_normal(5)
    y = gram_hvp(Phi, v, weights=weights, shift=shift)
    assert y.shape == (3, 4, 5)
    for i in range(3):
        for j in range(4):
            assert np.array_equal(y[i, j], gram_hvp(Phi[i, 0], v[j], weights=weights[i, 0], shift=shift))
    assert np.array_equal(gram_hvp(Phi, v, weights=2.0, shift=0.5)[1, 2], gram_hvp(Phi[1, 0], v[2], weights=2.0, shift=0.5))
    assert gram_hvp(np.ones((0, 3, 2)), np.ones(2)).shape == (0, 2)


@pytest.mark.parametrize("form", ["dense", "csr"])
def test_properties(form):
    Phi, V, weights, shift = arrays(60, 40, 40, np.float64)
    Phi = forms(Phi)[form][0]
    H = gram_hvp(Phi, np.eye(40), weights=np.abs(weights), shift=np.abs(shift))
    assert np.abs(H - H.T).max() <= 1e-13 * np.abs(H).max()
    assert np.linalg.eigvalsh(H).min() > 0
    y = gram_hvp(Phi, V, weights=weights, shift=shift)
    assert np.array_equal(gram_hvp(Phi, 8 * V, weights=weights, shift=shift), 8 * y)
    assert np.array_equal(gram_hvp(2 * Phi, V, weights=weights / 4, shift=shift), y)
    assert np.array_equal(gram_hvp(Phi, V, weights=-weights, shift=-shift), -y)
    assert np.array_equal(gram_hvp(Phi, V, weights=np.ones(60)), gram_hvp(Phi, V))
    for c in range(40):  # a column has the same bits among whichever others
        assert np.array_equal(gram_hvp(Phi, V[:, c : c + 2] if c < 39 else V[:, 38:])[:, 0 if c < 39 else 1], gram_hvp(Phi, V)[:, c])


def test_empty_and_layouts():
    assert np.array_equal(gram_hvp(np.ones((0, 3)), np.ones(3), shift=2.0), np.full(3, 2.0))
    assert gram_hvp(np.ones((3, 0)), np.ones(0)).shape == (0,)
    assert gram_hvp(np.ones((3, 2)), np.ones((2, 0))).shape == (2, 0)
    assert np.array_equal(gram_hvp(scipy.sparse.csr_array((4, 3)), np.ones((3, 2)), shift=1.0), np.ones((3, 2)))
    Phi, v, weights, shift = arrays(30, 20, None, np.float64)
    y = gram_hvp(Phi, v, weights=weights, shift=shift)
    wide = np.zeros((60, 40))
    wide[::2, ::2] = Phi
    for layout in (np.asfortranarray(Phi), wide[::2, ::2], Phi.astype(">f8"), np.broadcast_to(Phi, (1, 30, 20))[0]):
        before = layout.copy()
        assert np.array_equal(gram_hvp(layout, v, weights=weights, shift=shift), y)
        assert np.array_equal(layout, before)
    for kind in ("csc", "coo", "bsr", "lil", "dia"):
        assert np.allclose(gram_hvp(scipy.sparse.coo_array(Phi).asformat(kind), v, weights=weights, shift=shift), y, rtol=0, atol=1e-12)
    assert np.allclose(gram_hvp(scipy.sparse.csr_matrix(Phi), v), gram_hvp(Phi, v), rtol=0, atol=1e-12)
    long = scipy.sparse.csr_array(Phi)
    long.indices, long.indptr = long.indices.astype(np.int64), long.indptr.astype(np.int64)
    assert np.array_equal(gram_hvp(long, v), gram_hvp(scipy.sparse.csr_array(Phi), v))


def test_what_is_not_finite_propagates():
    Phi = np.ones((5, 3))
    Phi[2, 1] = np.nan
    for form in (Phi, scipy.sparse.csr_array(Phi)):
        assert np.isnan(gram_hvp(form, np.ones(3))).all()
    Phi[2, 1] = 0.0
    assert np.isfinite(gram_hvp(Phi, np.ones(3))).all()


ONE = np.ones((4, 3))
BAD = [
    ("Phi", np.ones(3), np.ones(3), {}, ValueError),
    ("Phi", ONE + 1j, np.ones(3), {}, TypeError),
    ("Phi", scipy.sparse.csr_array(ONE + 1j), np.ones(3), {}, TypeError),
    ("v", ONE, np.ones(4), {}, ValueError),
    ("v", ONE, 1.0, {}, ValueError),
    ("v", ONE, np.ones((3, 2, 2)), {}, ValueError),
    ("v", ONE[None], np.ones((3, 1)), {}, ValueError),
    ("v", ONE, ["a", "b", "c"], {}, TypeError),
    ("weights", ONE, np.ones(3), {"weights": np.ones(3)}, ValueError),
    ("shift", ONE, np.ones(3), {"shift": np.ones(4)}, ValueError),
    ("weights", ONE[None], np.ones(3), {"weights": np.ones(3)}, ValueError),
    ("shift", np.ones((2, 4, 3)), np.ones(3), {"shift": np.ones((3, 3))}, ValueError),
]


@pytest.mark.parametrize(("name", "Phi", "v", "extra", "kind"), BAD)
def test_bad_input_is_named(name, Phi, v, extra, kind):
    with pytest.raises(kind, match=f"^{name}:"):
        gram_hvp(Phi, v, **extra)


@pytest.mark.parametrize("change", ["column", "negative", "start"])
def test_a_corrupt_sparse_matrix_is_refused(change):
    S = scipy.sparse.csr_array(np.ones((40, 30)))
    if change == "start":
        S.indptr[3] = 10**6
    else:
        S.indices[77] = 30 if change == "column" else -1
    for v in (np.ones(30), np.ones((30, 3))):
        with pytest.raises(ValueError, match=r"^Phi: .*check_format"):
            gram_hvp(S, v)


def test_more_elements_than_memory_are_refused_with_their_bytes():
    one = np.ones(())
    with pytest.raises(MemoryError, match=re.escape(f"Phi would take {8 * 10**12} bytes")):
        gram_hvp(np.broadcast_to(one, (10**6, 10**6)), np.ones(10**6))
    with pytest.raises(MemoryError, match=f"{8 * 10**12} bytes"):
        gram_hvp(np.ones((10**6, 1)).T, np.broadcast_to(one, (10**6, 10**6)))


CTRL_C = """
import os, signal, threading, time
import numpy as np, pyblo
Phi, V = np.ones((4000, 1000)), np.ones((1000, 2000))
signal.signal(signal.SIGINT, signal.default_int_handler)  # the background jobs of a shell inherit an ignored one
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    while True:
        pyblo.linalg.gram_hvp(Phi, V)
except KeyboardInterrupt:
    print("stopped")
"""


def test_ctrl_c():
    result = subprocess.run([sys.executable, "-P", "-c", CTRL_C], capture_output=True, text=True, timeout=60)
    assert result.stdout == "stopped\n", result.stderr
