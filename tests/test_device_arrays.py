"""CuPy arrays in linalg: solved where they lie, with the bits of the CPU, and refused by name where they do not fit. Needs a GPU."""

import numpy as np
import pytest
from test_device import needs_gpu

from pyblo import Quadratic, Status, linalg

pytestmark = pytest.mark.gpu
SIZES = (1, 5, 8, 13, 16, 30, 32, 47, 64, 65, 120, 260)


@pytest.fixture(scope="module")
def cp():
    needs_gpu()
    import cupy

    return cupy


def spd(*shape, dtype="float64", seed=0):
    """Positive definite matrices (…, n, n) and right-hand sides (…, n)."""
    random = np.random.default_rng(seed)
    G = random.standard_normal((*shape, 2 * shape[-1]))
    A = G @ G.swapaxes(-1, -2) / shape[-1] + 0.1 * np.eye(shape[-1])
    return ((A + A.swapaxes(-1, -2)) / 2).astype(dtype), random.standard_normal(shape).astype(dtype)


def assert_same(cp, there, here):
    assert isinstance(there, cp.ndarray)
    assert there.dtype == here.dtype
    np.testing.assert_array_equal(there.get(), here, strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", SIZES)
def test_the_bits_of_the_cpu(cp, n, dtype):
    A, b = spd(21, n, dtype=dtype, seed=n)
    x0 = np.random.default_rng(1).standard_normal((21, n)).astype(dtype)
    At, bt, xt = cp.asarray(A), cp.asarray(b), cp.asarray(x0)
    for start, start_there in ((None, None), (x0, xt)):
        x, info = linalg.cg(A, b, start)
        y, told = linalg.cg(At, bt, start_there)
        assert_same(cp, y, x)
        for field in ("success", "status", "iterations", "residual"):
            assert_same(cp, getattr(told, field), getattr(info, field))
        assert told.message == info.message
        assert told.summary() == info.summary()
        y, told = linalg.gradient_descent(At, bt, start_there, steps=9, step=0.1, momentum=0.5, nesterov=True)
        assert_same(cp, y, linalg.gradient_descent(A, b, start, steps=9, step=0.1, momentum=0.5, nesterov=True)[0])
        y, told = linalg.gradient_descent(At, bt, start_there, step=0.1, tol=1e-3)
        x, info = linalg.gradient_descent(A, b, start, step=0.1, tol=1e-3)
        assert_same(cp, y, x)
        assert_same(cp, told.residual, info.residual)
    assert_same(cp, linalg.neumann(At, bt, terms=30, step=0.1), linalg.neumann(A, b, terms=30, step=0.1))
    np.testing.assert_array_equal(At.get(), A)  # nothing is written in place
    np.testing.assert_array_equal(bt.get(), b)
    np.testing.assert_array_equal(xt.get(), x0)


def test_batches_broadcast_and_one_matrix_is_shared(cp):
    A, b = spd(3, 1, 9)[0], spd(4, 9)[1]
    x, info = linalg.cg(A, b)
    y, told = linalg.cg(cp.asarray(A), cp.asarray(b))
    assert_same(cp, y, x)
    assert told.success.shape == (3, 4)
    A, b = spd(40)[0], spd(6, 40)[1]
    assert_same(cp, linalg.cg(cp.asarray(A), cp.asarray(b))[0], linalg.cg(A, b)[0])


def test_one_system_has_plain_values(cp):
    A, b = spd(7)
    x, info = linalg.cg(A, b)
    y, told = linalg.cg(cp.asarray(A), cp.asarray(b))
    assert_same(cp, y, x)
    assert (told.success, told.status, told.iterations, told.residual, told.message) == (
        info.success, info.status, info.iterations, info.residual, info.message)


def test_layouts_and_dtypes(cp):
    A, b = spd(5, 12)
    expected = linalg.cg(A, b)[0]
    At, bt = cp.asarray(A), cp.asarray(b)
    wide = cp.zeros((5, 24, 24))
    wide[:, ::2, ::2] = At
    for matrix in (cp.asfortranarray(At), wide[:, ::2, ::2], At.swapaxes(1, 2)):
        assert_same(cp, linalg.cg(matrix, bt)[0], expected)
    whole = np.diag([2, 3, 4])
    assert_same(cp, linalg.cg(cp.asarray(whole), cp.asarray([1, 1, 1]))[0], linalg.cg(whole, [1, 1, 1])[0])
    assert linalg.cg(At.astype("float32"), bt)[0].dtype == np.float64
    with pytest.raises(TypeError, match="A: complex"):
        linalg.cg(At + 0j, bt)
    with pytest.raises(TypeError, match="b: dtype float16"):
        linalg.cg(At, bt.astype("float16"))


def test_the_empty_and_the_smallest(cp):
    x, info = linalg.cg(cp.empty((0, 3, 3)), cp.empty((0, 3)))
    assert x.shape == (0, 3) and info.message == "No systems."
    x, info = linalg.cg(cp.empty((2, 0, 0)), cp.empty((2, 0)))
    assert x.shape == (2, 0) and info.success.all()
    assert linalg.neumann(cp.empty((0, 3, 3)), cp.empty((0, 3)), terms=3).shape == (0, 3)
    assert linalg.neumann(cp.empty((0, 0)), cp.empty((3, 0)), terms=2).shape == (3, 0)


def test_mixed_homes_are_refused_by_name(cp):
    A, b = spd(4)
    with pytest.raises(TypeError, match="b: is no CuPy array, and the others are CuPy's"):
        linalg.cg(cp.asarray(A), b)
    with pytest.raises(TypeError, match="b: is a CuPy array, and the others are NumPy's"):
        linalg.cg(A, cp.asarray(b))
    with pytest.raises(TypeError, match="x0: is no CuPy array"):
        linalg.cg(cp.asarray(A), cp.asarray(b), b)
    with pytest.raises(TypeError, match="x0: is a CuPy array"):
        linalg.cg(A, b, cp.asarray(b))
    with pytest.raises(TypeError, match="Phi: got cupy.ndarray; pass a NumPy array"):
        linalg.gram_hvp(cp.asarray(A), cp.asarray(b))
    with pytest.raises(TypeError, match="A: got cupy.ndarray; pass a NumPy array"):
        Quadratic(cp.asarray(A), A, A)


@pytest.mark.parametrize("n", [6, 40, 90])
def test_what_is_not_symmetric_is_refused_with_the_number(cp, n):
    A, b = spd(5, n)
    A[3, 0, n - 1] += 0.5
    with pytest.raises(ValueError, match="A: is not symmetric") as here:
        linalg.cg(A, b)
    with pytest.raises(ValueError, match="A: is not symmetric") as there:
        linalg.cg(cp.asarray(A), cp.asarray(b))
    assert str(here.value) == str(there.value)
    A, b = spd(5, n)
    A[3, 0, n - 1] *= 1 + 4 * np.finfo(float).eps  # rounding: the lower triangle counts
    assert_same(cp, linalg.cg(cp.asarray(A), cp.asarray(b))[0], linalg.cg(A, b)[0])


@pytest.mark.parametrize("n", [6, 40, 90])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_nan_shows_wherever_it_lies(cp, n, dtype):
    for place in ((0, n - 1), (n - 1, 0), (2, 2)):
        A, b = spd(3, n, dtype=dtype)
        A[1][place] = np.nan
        x, info = linalg.cg(A, b)
        y, told = linalg.cg(cp.asarray(A), cp.asarray(b))
        assert_same(cp, told.status, info.status)
        assert told.status.get().tolist() == [Status.CONVERGED, Status.DIVERGED, Status.CONVERGED]
        np.testing.assert_array_equal(y.get()[[0, 2]], x[[0, 2]])


def test_failures_are_told_as_on_the_cpu(cp):
    A, b = spd(4, 10)
    A[1] -= 3 * np.eye(10)  # indefinite
    A[2] = np.diag([1.0] * 9 + [0.0])  # inconsistent
    x, info = linalg.cg(A, b, maxiter=50)
    y, told = linalg.cg(cp.asarray(A), cp.asarray(b), maxiter=50)
    assert_same(cp, y, x)
    assert_same(cp, told.status, info.status)
    assert_same(cp, told.direction, info.direction)
    assert told.message == info.message
    assert told.status.get().tolist() == [Status.CONVERGED, Status.INDEFINITE, Status.INCONSISTENT, Status.CONVERGED]


def test_steps(cp):
    A, b = spd(6, 11)
    At, bt = cp.asarray(A), cp.asarray(b)
    largest = np.linalg.eigvalsh(A).max(-1)
    steps = 1.9 / largest  # beyond what the row sums promise, below the limit
    assert_same(cp, linalg.neumann(At, bt, terms=9, step=cp.asarray(steps)), linalg.neumann(A, b, terms=9, step=steps))
    x, y = linalg.neumann(A, b, terms=9), linalg.neumann(At, bt, terms=9)  # 1/λmax, each by its own LAPACK
    np.testing.assert_allclose(y.get(), x, rtol=0, atol=9 * 11 * np.finfo(float).eps * abs(x).max() * 8)
    with pytest.raises(ValueError, match="step: .* is beyond the limit"):
        linalg.neumann(At, bt, terms=9, step=cp.asarray(2.1 / largest))
    with pytest.raises(ValueError, match="step: must be positive"):
        linalg.neumann(At, bt, terms=9, step=-1.0)
    with pytest.raises(ValueError, match="b: contains NaN"):
        linalg.neumann(At, bt * cp.nan, terms=9)
    with pytest.raises(TypeError, match="step: is no CuPy array"):
        linalg.neumann(At, bt, terms=9, step=steps)


def test_more_systems_than_a_grid_holds_in_global_memory(cp):
    A, b = spd(1, 300)
    b = np.random.default_rng(3).standard_normal((700, 300))
    assert_same(cp, linalg.cg(cp.asarray(A[0]), cp.asarray(b), rtol=0, maxiter=3)[0], linalg.cg(A[0], b, rtol=0, maxiter=3)[0])


def test_any_stream_and_any_thread(cp):
    from concurrent.futures import ThreadPoolExecutor

    A, b = spd(50, 20)
    expected = linalg.cg(A, b)[0]

    def solve(_):
        with cp.cuda.Stream(non_blocking=True) as stream:
            At, bt = cp.asarray(A), cp.asarray(b)
            x = linalg.cg(At, bt)[0]
            stream.synchronize()
            return x.get()

    with ThreadPoolExecutor(8) as pool:
        for x in pool.map(solve, range(40)):
            np.testing.assert_array_equal(x, expected)
