"""The grid of LAPACK's own tests (TESTING/LIN/dchksy.f, dlatb4.f): sizes, right-hand sides, ten types of matrix.

As there, b = Ax for a random x, and the ratio ‖b − Ax‖₁/(n ε‖A‖₁‖x‖₁) with ε = 2⁻⁵³ or 2⁻²⁴ may not exceed 30. Singular
matrices are no error here: the solution is that of the pseudoinverse.
"""

import generate
import numpy as np
import pytest
from oracle import Tally
from test_cg import DTYPES, layouts
from threadpoolctl import threadpool_limits

import pyblo

SIZES = (0, 1, 2, 3, 5, 10, 50, 257)
COLUMNS = (0, 1, 2, 15)
THRESHOLD = 30.0


@pytest.fixture(autouse=True)
def one_thread():
    """One BLAS thread: two that wait for each other on a busy machine take ten times as long."""
    with threadpool_limits(1):
        yield


def rounding(dtype):
    """LAPACK's ε, half the distance from 1 to the next number."""
    return float(np.finfo(dtype).eps) / 2


def small(dtype):
    """dlatb4: a quarter of the least normal number over ε."""
    return float(np.finfo(dtype).tiny) / rounding(dtype) / 4


def without(A, start, stop):
    """The matrix with these rows and columns zero."""
    A[start:stop] = A[:, start:stop] = 0.0
    return A


def dense(rng, n, kappa=2.0, top=1.0):
    """Eigenvalues from top down to top/κ in geometric progression (dlatms, mode 3), and random eigenvectors."""
    return generate.with_spectrum(rng, kappa ** -np.linspace(0, 1, n) if n > 1 else np.ones(n)) * top


TYPES = {
    "diagonal": lambda rng, n, dtype: np.diag(rng.permutation(2.0 ** -np.linspace(0, 1, n))),
    "kappa 2": lambda rng, n, dtype: dense(rng, n),
    "first row and column zero": lambda rng, n, dtype: without(dense(rng, n), 0, 1),
    "last row and column zero": lambda rng, n, dtype: without(dense(rng, n), n - 1, n),
    "middle row and column zero": lambda rng, n, dtype: without(dense(rng, n), n // 2, n // 2 + 1),
    "last n/2 rows and columns zero": lambda rng, n, dtype: without(dense(rng, n), n // 2, n),
    "kappa sqrt(0.1/eps)": lambda rng, n, dtype: dense(rng, n, (0.1 / rounding(dtype)) ** 0.5),
    "kappa 0.1/eps": lambda rng, n, dtype: dense(rng, n, 0.1 / rounding(dtype)),
    "near underflow": lambda rng, n, dtype: dense(rng, n, top=small(dtype)),
    "near overflow": lambda rng, n, dtype: dense(rng, n, top=1 / small(dtype)),
}
EASY = {name for name in TYPES if not name.startswith("kappa ") or name == "kappa 2"}  # κ = 2 on the range


def wide(array):
    """The numbers with more bits and a larger range."""
    return np.asarray(array, np.longdouble)


def system(kind, n, columns, dtype):
    """A matrix of one type and the right-hand sides of random solutions, as rows."""
    rng = np.random.default_rng((n, columns, list(TYPES).index(kind)))
    A = TYPES[kind](rng, n, dtype).astype(dtype)
    X = rng.uniform(-1, 1, (columns, n))
    return A, (wide(X) @ wide(A)).astype(dtype)


def size(array):
    """‖x‖₁ of each row, or ‖A‖₁."""
    return np.abs(wide(array)).sum(-1)


def ratios(A, X, b):
    """LAPACK's ratio for each row of X; where A or x is zero, b = 0 is solved exactly."""
    error = size(wide(b) - wide(X) @ wide(A))
    unit = len(A) * rounding(A.dtype) * size(A).max(initial=0) * size(X)
    return np.where(error == 0, 0.0, error / np.where(unit > 0, unit, np.finfo(np.longdouble).tiny))


def conjugate_gradients(kind, A, b, tally, seed):
    """linalg.cg with the default tolerance and to the last digits."""
    tight = max(4, len(A)) * 2 * rounding(A.dtype)
    for rtol in (1e-10 if A.dtype == np.float64 else 1e-5, tight):
        x, info = pyblo.linalg.cg(A, b, rtol=rtol, maxiter=600)
        residual = np.sqrt(np.square(wide(b) - wide(x) @ wide(A)).sum(-1))
        limit = rtol * np.sqrt(np.square(wide(b)).sum(-1))
        tally.require("cg: success is true", np.all(residual[info.success] <= (1 + 1e-6) * limit[info.success]), seed)
        noise = len(A) * np.finfo(float).eps * size(A).max(initial=0) * size(x)
        tally.require("cg: residual is the true one", np.all(np.abs(residual - info.residual) <= noise), seed)
        if kind in EASY:
            tally.require("cg: kappa 2 is solved", np.all(info.success), seed)
    for ratio in ratios(A, x, b)[info.success]:
        tally.add("cg: ratio", ratio, THRESHOLD, seed)


def bilevel(A, b):
    """A problem whose inner solutions at the unit vectors are those of the rows of b; its outer Hessian is A too."""
    f = b.sum(0) if len(b) else A.sum(0)
    return pyblo.Quadratic(A, -b.T, A, f=f)


def closed_forms(kind, A, b, tally, seed):
    """inner_solution at every unit vector, and the adjoint of hypergradient(Exact)."""
    problem = bilevel(A, b)
    points = np.eye(len(b), dtype=A.dtype)
    found = np.array([problem.inner_solution(u) for u in points], A.dtype).reshape(b.shape)
    for ratio in ratios(A, found, b):
        tally.add("inner_solution: ratio", ratio, THRESHOLD, seed)
    result = pyblo.hypergradient(problem, np.ones(len(b), A.dtype))
    tally.require("hypergradient: success", result.success and np.isfinite(result.grad).all(), seed)
    g = wide(problem.outer_gradients(np.ones(len(b)), result.w)[1])
    if kind in EASY:  # g in the range of A
        tally.add("hypergradient: ratio of the adjoint", ratios(A, result.adjoint, g).item(), THRESHOLD, seed)
    gap = size(wide(result.grad) - wide(result.adjoint) @ wide(b.T))
    unit = (len(A) + 1) * rounding(A.dtype) * size(b).max(initial=0) * size(result.adjoint) * max(1, len(b))
    tally.require("hypergradient: grad is −Bᵀq", gap <= THRESHOLD * unit, seed)


def on_the_grid(test):
    """The test for every size, dtype and type of matrix."""
    for name, values in (("n", SIZES), ("dtype", DTYPES), ("kind", TYPES)):
        test = pytest.mark.parametrize(name, values)(test)
    return test


@on_the_grid
def test_ratios(n, dtype, kind):
    tally = Tally()
    for columns in COLUMNS:
        A, b = system(kind, n, columns, dtype)
        for check in (conjugate_gradients, closed_forms):
            check(kind, A, b, tally, columns)
    assert not tally.failures()


def everything(A, b):
    """The bits of all three functions."""
    x, info = pyblo.linalg.cg(A, b, maxiter=300)
    problem = bilevel(A, b)
    result = pyblo.hypergradient(problem, np.ones(len(b)))
    return [array.tobytes() for array in (x, info.residual, problem.inner_solution(np.ones(len(b))), result.grad)]


@on_the_grid
def test_layouts(n, dtype, kind):
    A, b = system(kind, n, 2, dtype)
    plain = everything(A, b)
    for held, other in zip(layouts(A).values(), layouts(b).values(), strict=True):
        assert everything(held, other) == plain
