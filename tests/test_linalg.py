"""linalg.cg, neumann and gradient_descent: every kind of A against exact arithmetic, limits of the step, batches, and what is refused."""

import enum
import itertools
import re
import sys
from functools import partial

import numpy as np
import pytest
import scipy.sparse
from generate import Case, low_rank, rounded, spread, with_spectrum
from oracle import RATIONAL, Reference, Symmetric, array, error, number, quadratic_form, rational_matrix, residual, squared_norm
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import pyblo
from pyblo import Status
from pyblo.linalg import cg, gradient_descent, neumann

DTYPES = (np.float64, np.float32)
CALLS = {
    "cg": lambda A, b, x0=None, **k: cg(A, b, x0, **k),
    "neumann": lambda A, b, x0=None, **k: neumann(A, b, **{"terms": 5, **k}),
    "gradient_descent": lambda A, b, x0=None, **k: gradient_descent(A, b, x0, **{"steps": 5, **k}),
}


def x_of(result):
    return result[0] if isinstance(result, tuple) else result


def system(seed, n, dtype=np.float64, kappa=10.0):
    """A symmetric matrix with that κ, and a right-hand side."""
    rng = np.random.default_rng((seed, n))
    A = with_spectrum(rng, spread(rng, n, kappa, 2.0)) if n else np.zeros((0, 0))
    return A.astype(dtype), rng.standard_normal(n).astype(dtype)


def norm(M):
    return float(np.linalg.norm(array(M)))


# --- what A may be ------------------------------------------------------------------------------------------------------


def long_indices(A):
    S = scipy.sparse.csr_array(A)
    S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
    return S


def shuffled(A):
    """Rows whose entries stand in any order, with the first split in two and an explicit zero."""
    S, rng = scipy.sparse.csr_array(A), np.random.default_rng(0)
    values, columns, starts = [], [], [0]
    for i in range(len(A)):
        row = slice(S.indptr[i], S.indptr[i + 1])
        order = rng.permutation(row.stop - row.start)
        v, c = S.data[row][order], S.indices[row][order]
        if len(v):
            half = v[:1] / 2
            v, c = np.r_[half, v[1:], half, v[:1] * 0], np.r_[c, c[:1], c[:1]]
        values, columns, starts = [*values, v], [*columns, c], [*starts, starts[-1] + len(v)]
    return scipy.sparse.csr_array((np.concatenate(values).astype(A.dtype), np.concatenate(columns), starts), shape=A.shape)


class Matvec:
    """No operator of SciPy's, but one that has a product."""

    def __init__(self, A):
        self.A = A

    def matvec(self, x):
        return self.A @ x


FORMS = {
    "array": np.asarray, "list": lambda A: A.tolist(), "csr": scipy.sparse.csr_array, "csr matrix": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_array, "coo": scipy.sparse.coo_array, "bsr": scipy.sparse.bsr_array, "lil": scipy.sparse.lil_array,
    "int64": long_indices, "shuffled": shuffled, "operator": aslinearoperator,
    "operator with a function": lambda A: LinearOperator(A.shape, matvec=lambda x: A @ x, dtype=A.dtype),
    "operator of columns": lambda A: LinearOperator(A.shape, matvec=lambda x: (A @ x).reshape(-1, 1), dtype=A.dtype),
    "function": lambda A: lambda x: A @ x, "object": Matvec,
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_cg_solves_whatever_a_is(form, dtype):
    for n in (1, 2, 3, 7, 20, 33):
        A, b = system(1, n, dtype)
        rtol = 64 * float(np.finfo(dtype).eps)
        x, info = cg(FORMS[form](A), b, rtol=rtol)
        assert info.success and info.direction is None and info.iterations <= 4 * n + 10
        assert x.dtype == (np.float64 if form == "list" else dtype) and x.shape == (n,)
        exact = Symmetric.of(A).pseudoinverse(rational_matrix(b))
        # ‖x − A⁻¹b‖ ≤ ‖b − Ax‖/λmin ≤ rtol κ ‖A⁻¹b‖
        assert error(x, exact) <= 1.01 * rtol * np.linalg.cond(A.astype(float)) * norm(exact)
        true = float(squared_norm(residual(A, x, b)).p) and number(squared_norm(residual(A, x, b))) ** 0.5
        assert abs(info.residual - true) <= 4 * n * np.finfo(float).eps * np.linalg.norm(b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_neumann_and_gradient_descent_take_whatever_a_is(form, dtype):
    for n in (1, 3, 20, 33):
        A, b = system(2, n, dtype)
        x0, eps = np.ones(n, dtype), np.finfo(dtype).eps
        keywords = {"step": 0.5, "momentum": 0.5}
        reference = linear(A, b)
        for found, exact in (
                (neumann(FORMS[form](A), b, terms=6, step=0.75), reference.neumann(rational_matrix(b), 6, 0.75)),
                (gradient_descent(FORMS[form](A), b, x0, steps=6, **keywords)[0], descended(reference, x0, 6, **keywords))):
            assert error(found, exact) <= 100 * eps * (np.linalg.norm(b) + np.linalg.norm(x0))


@pytest.mark.parametrize("form", [name for name in FORMS if name not in ("array", "list")])
def test_one_operator_for_many_right_hand_sides(form):
    A, _ = system(3, 9)
    rng = np.random.default_rng(0)
    B, X0, steps = rng.standard_normal((2, 3, 9)), rng.standard_normal((3, 9)), np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    operator = FORMS[form](A)
    x, info = cg(operator, B, X0, maxiter=4)
    assert x.shape == B.shape and info.status.shape == info.success.shape == info.iterations.shape == info.residual.shape == (2, 3)
    descent = gradient_descent(operator, B, X0, step=steps, tol=1e-3)
    series = neumann(operator, B, terms=4, step=steps)
    for i, j in np.ndindex(2, 3):
        one, single = cg(operator, B[i, j], X0[j], maxiter=4)
        assert np.array_equal(x[i, j], one) and info.residual[i, j] == single.residual and info.iterations[i, j] == single.iterations
        one, single = gradient_descent(operator, B[i, j], X0[j], step=steps[i, j], tol=1e-3)
        assert np.array_equal(descent[0][i, j], one) and descent[1].iterations[i, j] == single.iterations
        assert np.array_equal(series[i, j], neumann(operator, B[i, j], terms=4, step=steps[i, j]))
    assert len(set(descent[1].iterations.ravel().tolist())) > 3


@pytest.mark.parametrize("form", FORMS)
def test_an_indefinite_a_comes_with_its_direction(form):
    for n, place in ((2, 0), (7, 3), (20, 19)):
        values = np.linspace(1, 2, n)
        values[place] = -0.5
        A = with_spectrum(np.random.default_rng(n), values)
        x, info = cg(FORMS[form](A), np.stack([np.ones(n), np.zeros(n)]))
        assert info.status.tolist() == [Status.INDEFINITE, Status.CONVERGED] and np.isfinite(x).all()
        assert quadratic_form(A, info.direction[0]) < 0 and not info.direction[1].any()
        assert "First failure, 0: Indefinite" in info.message


def test_dtypes_of_operators():
    A, b = system(4, 5, np.float32)
    wide = A.astype(float)
    for operator in (A, scipy.sparse.csr_array(A), aslinearoperator(A)):
        assert x_of(cg(operator, b)).dtype == np.float32
        assert x_of(cg(operator, b.astype(float))).dtype == np.float64
    for operator in (wide, scipy.sparse.csr_array(wide), aslinearoperator(wide), scipy.sparse.csr_array(np.eye(5) > 0)):
        assert x_of(cg(operator, b)).dtype == np.float64
    assert cg(lambda x: A @ x, b)[0].dtype == np.float32 and cg(lambda x: A @ x, b.astype(int))[0].dtype == np.float64
    assert cg(scipy.sparse.csr_array(np.array([[2, 1], [1, 2]])), [3, 3])[0].tolist() == [1, 1]


class Spoiled(Exception):
    """Not one of NumPy's."""


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("at", [1, 3])
def test_an_exception_of_a_function_is_raised_as_it_was(call, at):
    raised, calls = Spoiled("at", at), itertools.count(1)

    def A(x):
        if next(calls) == at:
            raise raised
        return 2 * x + x.sum()

    for form in (A, LinearOperator((6, 6), matvec=A, dtype=float)):
        calls = itertools.count(1)
        with pytest.raises(Spoiled) as found:
            CALLS[call](form, np.arange(6.0), **({} if call == "cg" else {"step": 0.1}))
        assert found.value is raised
        calls = itertools.count(1)
        if call != "cg":
            with pytest.raises(Spoiled):  # where the step is looked for
                CALLS[call](form, np.arange(6.0))
    assert cg(lambda x: 2 * x, np.ones(3))[1].success


@pytest.mark.parametrize("call", CALLS)
def test_what_a_function_returns_is_looked_at(call):
    keywords = {} if call == "cg" else {"step": 0.1}
    for answer, kind in ((np.ones(4), ValueError), (1.0, ValueError), (np.ones(3) + 1j, TypeError), (None, TypeError), ("abc", TypeError)):
        with pytest.raises(kind, match="^A: "):
            CALLS[call](lambda x, answer=answer: answer, np.ones(3), **keywords)


def test_a_function_that_keeps_its_argument_or_its_answer_changes_nothing():
    A, b = system(5, 12)
    expected, seen, answer = cg(A.copy(), b)[0], [], np.empty(12)

    def product(x):
        seen.append(x)
        answer[:] = A @ x
        x[:] = np.nan  # it is the function's own
        return answer

    x, info = cg(product, b)
    assert info.success and np.abs(x - expected).max() <= 1e-8 and b.tobytes() == system(5, 12)[1].tobytes()
    assert not any(np.shares_memory(x, one) for one in seen)


def test_functions_that_return_nan_are_flagged():
    x, info = cg(lambda x: x * np.nan, np.ones(3))
    assert info.status == Status.DIVERGED
    for call in (neumann, gradient_descent):  # the largest eigenvalue is wanted
        with pytest.raises(ValueError, match="^A: "):
            call(lambda x: x * np.nan, np.ones(3), **({"terms": 3} if call is neumann else {}))


# --- what is refused ----------------------------------------------------------------------------------------------------


E3, ONES = np.eye(3), np.ones(3)
REFUSED = [
    ("A", np.ones((3, 2)), ONES, {}), ("A", ONES, ONES, {}), ("A", 2.0, ONES, {}), ("A", np.ones((2, 3, 2)), ONES, {}),
    ("b", E3, np.ones(4), {}), ("b", E3, 1.0, {}), ("b", E3, np.ones((3, 2)), {}), ("b", np.stack([E3] * 2), np.ones((3, 3)), {}),
    ("A", scipy.sparse.csr_array(np.ones((3, 2))), ONES, {}), ("b", scipy.sparse.csr_array(E3), np.ones(4), {}),
    ("A", aslinearoperator(np.ones((3, 2))), ONES, {}), ("b", aslinearoperator(E3), np.ones(4), {}), ("b", lambda x: x, 1.0, {}),
    ("A", np.triu(np.ones((3, 3))), ONES, {}), ("A", scipy.sparse.csr_array(np.triu(np.ones((3, 3)))), ONES, {}),
    ("A", np.stack([E3, np.triu(np.ones((3, 3)))]), ONES, {}),
    ("x0", E3, ONES, {"x0": np.ones(4)}), ("x0", E3, ONES, {"x0": np.ones((2, 3))}), ("x0", E3, np.ones((2, 3)), {"x0": np.ones((3, 3))}),
    ("x0", scipy.sparse.csr_array(E3), ONES, {"x0": np.ones((2, 3))}),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("name", "A", "b", "keywords"), REFUSED)
def test_what_does_not_fit_is_named(call, name, A, b, keywords):
    if call == "neumann" and name == "x0":
        return
    with pytest.raises(ValueError, match=f"^{name}: "):
        CALLS[call](A, b, **keywords)


@pytest.mark.parametrize("call", CALLS)
def test_complex_numbers_are_refused_by_name(call):
    complex_A = E3 + 0j
    for name, A, b, keywords in (("A", complex_A, ONES, {}), ("b", E3, ONES + 0j, {}), ("x0", E3, ONES, {"x0": ONES + 0j}),
                                 ("A", scipy.sparse.csr_array(complex_A), ONES, {}), ("A", aslinearoperator(complex_A), ONES, {}),
                                 ("A", lambda x: x + 0j, ONES, {}), ("b", lambda x: x, ONES + 0j, {}),
                                 ("b", scipy.sparse.csr_array(E3), ONES + 0j, {})):
        if call == "neumann" and name == "x0":
            continue
        with pytest.raises(TypeError, match=f"^{name}: .*complex"):
            CALLS[call](A, b, **keywords)


@pytest.mark.parametrize(("call", "name", "value", "kind"), [
    (cg, "rtol", -1.0, ValueError), (cg, "rtol", np.nan, ValueError), (cg, "atol", -1e-3, ValueError), (cg, "atol", np.inf, ValueError),
    (cg, "maxiter", -1, ValueError), (cg, "maxiter", 1.5, (TypeError, ValueError)), (cg, "maxiter", True, (TypeError, ValueError)),
    (cg, "rtol", "a", (TypeError, ValueError)), (neumann, "terms", -1, ValueError), (neumann, "terms", 2.5, (TypeError, ValueError)),
    (gradient_descent, "steps", -1, ValueError), (gradient_descent, "maxiter", -1, ValueError), (gradient_descent, "tol", -1.0, ValueError),
    (gradient_descent, "momentum", 1.0, ValueError), (gradient_descent, "momentum", -0.1, ValueError),
    *((call, "step", value, ValueError) for call in (neumann, gradient_descent) for value in (0.0, -1.0, np.nan, np.inf, [0.1, 0.2])),
    *((call, "step", value, TypeError) for call in (neumann, gradient_descent) for value in (1j, "a")),
])
def test_bad_numbers_are_named(call, name, value, kind):
    for A in (E3, scipy.sparse.csr_array(E3)):
        with pytest.raises(kind, match=f"^{name}: "):
            call(A, ONES, **({"terms": 3} if call is neumann else {}) | {name: value})


def test_numbers_of_numpy_are_numbers():
    A, b = system(6, 5)
    step, largest = np.float64(0.25), np.linalg.eigvalsh(A).max()
    assert np.array_equal(neumann(A, b, terms=np.int64(3), step=step), neumann(A, b, terms=3, step=0.25))
    assert np.array_equal(neumann(A, b, terms=3, step=1 / largest), neumann(A, b, terms=3, step=float(1 / largest)))
    expected = gradient_descent(A, b, steps=3, step=0.25, momentum=0.5)[0]
    for step in (np.float32(0.25), np.array(0.25)):
        assert np.array_equal(gradient_descent(A, b, steps=np.int32(3), step=step, momentum=np.float64(0.5))[0], expected)
    assert np.array_equal(cg(A, b, rtol=np.float64(1e-3), maxiter=np.int64(2))[0], cg(A, b, rtol=1e-3, maxiter=2)[0])


# --- the lower triangle -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS)
def test_asymmetry_by_rounding_changes_nothing_and_more_is_refused(call, dtype):
    eps = np.finfo(dtype).eps
    for n, count in ((2, 1), (3, 5), (9, 1), (9, 17), (18, 6), (33, 3), (66, 1), (130, 3)):
        rng = np.random.default_rng((n, count))
        A = np.stack([system(k, n, dtype)[0] for k in range(count)])
        b, size = rng.standard_normal((count, n)).astype(dtype), np.abs(A).max((-2, -1))
        above = np.triu(np.ones((n, n)), 1)
        near = A + (40 * eps * size[:, None, None] * above * rng.choice([-1, 1], A.shape)).astype(dtype)
        assert np.array_equal(x_of(CALLS[call](near, b, **quick(call))), x_of(CALLS[call](A, b, **quick(call))))
        k, j = int(rng.integers(count)), int(rng.integers(1, n))
        i = int(rng.integers(j))
        for change, above_it in ((200 * eps, True), (200 * eps, False), (0.5, True)):
            far = A.copy()
            far[(k, i, j) if above_it else (k, j, i)] += dtype(change * size[k])
            with pytest.raises(ValueError, match="^A: "):
                CALLS[call](far, b, **quick(call))


def quick(call):
    return {"maxiter": 5} if call == "cg" else {"step": 0.1}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [(0, 2), (2, 0), (1, 1)])
def test_what_is_not_finite_anywhere_in_a_shows(place, value, call):
    for n in (3, 9, 20, 66):
        A = 2 * np.eye(n)
        A[place] = value
        for batch in (A, np.stack([np.eye(n)] * 8 + [A])):
            try:
                _, info = CALLS[call](batch, np.ones(n), **quick(call))
            except ValueError as refused:
                assert str(refused).startswith("A: ")
            else:
                assert np.ravel(info.status)[-1] == Status.DIVERGED
                assert np.ravel(info.success).tolist() == [True] * (np.size(info.status) - 1) + [False]


def test_unsorted_integers_are_read_in_their_order_and_a_sparse_matrix_is_never_written():
    starts, columns = np.array([0, 2, 5, 7]), np.array([1, 0, 2, 1, 0, 2, 1])
    expected = cg(np.array([[4.0, 1, 0], [1, 5, 2], [0, 2, 6]]), ONES)[0]
    for dtype in (np.int64, np.int32, np.uint8, ">f8", np.float32, np.float64):
        S = scipy.sparse.csr_array((np.array([1, 4, 2, 5, 1, 6, 2]).astype(dtype), columns.copy(), starts.copy()), shape=(3, 3))
        parts = S.data, S.indices, S.indptr
        before = [part.tobytes() for part in parts]
        for locked in (False, True):
            for part in parts:
                part.flags.writeable = not locked
            assert np.abs(cg(S, ONES)[0] - expected).max() <= 1e-9
            neumann(S, ONES, terms=3), gradient_descent(S, ONES, steps=3, step=0.1)
            assert before == [part.tobytes() for part in (S.data, S.indices, S.indptr)]


def test_the_lower_triangle_is_the_one_that_is_used():
    A, b = system(7, 6)
    tilt = np.triu(np.full((6, 6), 1e-15), 1)
    assert np.array_equal(cg(A + tilt, b)[0], cg(A, b)[0]) and not np.array_equal(cg(A + tilt.T, b)[0], cg(A, b)[0])


# --- gradient descent ---------------------------------------------------------------------------------------------------


def linear(A, b):
    """The exact reference whose inner gradient is Aw − b."""
    n = len(b)
    zeros = np.zeros((n, 1))
    return Reference.of(Case(A, zeros, np.eye(n), -b, np.zeros(n), 0.0, np.zeros(1), np.zeros(n), n, 1.0, 1.0), RATIONAL)


def descended(reference, x0, steps, step, momentum=0.0, nesterov=False):
    return reference.descend(rational_matrix(np.zeros(1)), rational_matrix(x0), steps, step, momentum, nesterov)[0]


def short(rng, n):
    """A positive definite matrix, b and x₀ of few bits, so that exact iterates stay short."""
    L = low_rank(rng, n, n, 2)
    return L @ L.T + np.eye(n), *rng.integers(-4, 5, (2, n)).astype(float)


RULES = {"plain": (0.0, False), "heavy ball": (0.5, False), "nesterov": (0.5, True), "nesterov, more": (0.875, True)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
def test_so_many_steps_are_those_of_exact_arithmetic(rule, dtype):
    momentum, nesterov = RULES[rule]
    limit = 2 * (1 + momentum) / ((1 + 2 * momentum) if nesterov else 1)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        n, steps = int(rng.integers(1, 7)), int(rng.integers(0, 20))
        A, b, x0 = short(rng, n)
        step = rounded(rng.uniform(0.1, 0.95) * limit / np.linalg.eigvalsh(A).max())
        reference = linear(A, b)
        exact = [descended(reference, x0, t, step, momentum, nesterov) for t in range(steps + 1)]
        arrays = (A.astype(dtype), b.astype(dtype), x0.astype(dtype))
        x, info = gradient_descent(*arrays, steps=steps, step=step, momentum=momentum, nesterov=nesterov)
        assert info.iterations == steps and info.status == Status.COMPLETED and info.success and x.dtype == dtype
        size = max(norm(x) for x in exact) + step * np.linalg.norm(b)
        assert error(x, exact[-1]) <= 20 * (steps + 1) * np.finfo(dtype).eps * size / (1 - momentum)
        if not x0.any():
            assert np.array_equal(x, gradient_descent(A, b, steps=steps, step=step, momentum=momentum, nesterov=nesterov)[0])


def points(reference, x0, step, momentum, nesterov):
    """The exact points at which the gradient is taken, of a run without end; the last is what a run until a tolerance returns."""
    alpha, m = reference.field.scalar(step), reference.field.scalar(momentum)
    x = before = rational_matrix(x0)
    while True:
        ahead = x + (x - before) * m
        y = ahead if nesterov else x
        yield y
        x, before = ahead - (reference.A * y + reference.d) * alpha, x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
def test_a_run_until_a_tolerance_ends_at_the_first_point_that_meets_it(rule, dtype):
    momentum, nesterov = RULES[rule]
    for seed in range(8):
        rng = np.random.default_rng((seed, 1))
        A, b, x0 = short(rng, int(rng.integers(1, 5)))
        x0, tol, step = x0 * (seed % 2), 2.0**-4, rounded(0.9 / np.linalg.eigvalsh(A).max())
        reference = linear(A, b)
        sizes, size = [], None
        for y in itertools.islice(points(reference, x0, step, momentum, nesterov), 25):
            sizes.append(number(squared_norm(reference.A * y + reference.d)) ** 0.5)
            size = y
            if sizes[-1] <= tol * max(1.0, sizes[0]):
                break
        arrays = (A.astype(dtype), b.astype(dtype), x0.astype(dtype))
        x, info = gradient_descent(*arrays, step=step, momentum=momentum, nesterov=nesterov, tol=tol, maxiter=24)
        assert info.iterations == len(sizes) - 1
        assert info.status == (Status.CONVERGED if sizes[-1] <= tol * max(1.0, sizes[0]) else Status.NOT_CONVERGED)
        assert error(x, size) <= 1e3 * np.finfo(dtype).eps * (norm(size) + np.linalg.norm(x0) + np.linalg.norm(b))
        true = number(squared_norm(residual(A, x, b))) ** 0.5
        assert abs(info.residual - true) <= 20 * np.finfo(float).eps * (np.linalg.norm(b) + np.abs(A).sum() * np.abs(x).max())


def test_no_step_leaves_the_start():
    A, b = system(8, 5)
    x0 = np.arange(5.0)
    for keywords in ({"steps": 0}, {"maxiter": 0}, {"tol": 1e9}):
        x, info = gradient_descent(A, b, x0, **keywords)
        assert np.array_equal(x, x0) and not np.shares_memory(x, x0) and info.iterations == 0
    assert gradient_descent(A, b, x0, maxiter=0)[1].status == Status.NOT_CONVERGED
    assert gradient_descent(A, b, x0, tol=1e9)[1].status == Status.CONVERGED
    assert not neumann(A, b, terms=0).any()


def test_no_iteration_of_cg_leaves_the_start():
    A, b = system(9, 5)
    x0 = np.arange(5.0)
    for start in (None, x0):
        x, info = cg(A, b, start, maxiter=0)
        assert np.array_equal(x, np.zeros(5) if start is None else x0) and info.iterations == 0 and info.status == Status.NOT_CONVERGED
        assert abs(info.residual - number(squared_norm(residual(A, x, b))) ** 0.5) <= 1e-14
    assert cg(A, A @ x0, x0, maxiter=0)[1].success and cg(A, 0 * b, maxiter=0)[1].success


# --- steps and their limits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["array", "csr", "operator", "function"])
@pytest.mark.parametrize("rule", RULES)
def test_a_step_is_refused_exactly_beyond_its_limit(rule, form, dtype):
    momentum, nesterov = RULES[rule]
    factor = 2 * (1 + momentum) / ((1 + 2 * momentum) if nesterov else 1)
    for seed, n in itertools.product(range(3), (1, 2, 3, 6, 25)):
        A, b = system(seed, n, dtype, kappa=1e3)
        largest = float(np.linalg.eigvalsh(A.astype(float)).max())
        descend = partial(gradient_descent, FORMS[form](A), b, momentum=momentum, nesterov=nesterov)
        calls = [partial(descend, steps=2), partial(descend, maxiter=3)]
        calls += [partial(neumann, FORMS[form](A), b, terms=2)] if rule == "plain" else []
        for call in calls:
            call(step=0.995 * factor / largest)
            for beyond in (1.005, 1e3):
                with pytest.raises(ValueError, match=r"^step: .* is beyond the limit .* of the recurrence for λmax = "):
                    call(step=beyond * factor / largest)
        descend(steps=1, step=1e3 / largest)  # of one step or term nothing is amplified
        neumann(FORMS[form](A), b, terms=1, step=1e3 / largest)


def test_the_limit_itself_is_refused():
    A = np.diag([1.0, 2.0, 4.0])
    for call in (neumann, lambda A, b, terms, step: gradient_descent(A, b, steps=terms, step=step)):
        call(A, ONES, terms=3, step=np.nextafter(0.5, 0) * (1 - 1e-12))
        with pytest.raises(ValueError, match="step: 0.5 is beyond the limit 0.5 of the recurrence for λmax = 4;"):
            call(A, ONES, terms=3, step=0.5)


def test_an_a_without_positive_eigenvalues_has_no_limit():
    assert np.array_equal(neumann(np.zeros((3, 3)), ONES, terms=4, step=10.0), 40 * ONES)
    assert np.array_equal(neumann(np.zeros((3, 3)), ONES, terms=4), 4 * ONES)  # the step is 1
    x, info = gradient_descent(-E3, ONES, steps=3, step=1.0)
    assert np.array_equal(x, 7 * ONES) and info.success


def test_each_system_has_its_own_step():
    rng = np.random.default_rng(0)
    A = np.stack([system(k, 6)[0] * 2.0**k for k in range(9)])
    b, steps = rng.standard_normal((9, 6)), 2.0 ** -np.arange(1, 10)
    series, (run, _) = neumann(A, b, terms=5, step=steps), gradient_descent(A, b, steps=5, step=steps, momentum=0.25)
    for k in range(9):
        reference = linear(A[k], b[k])
        size = steps[k] * 10 * np.linalg.norm(b[k])
        assert error(series[k], reference.neumann(rational_matrix(b[k]), 5, steps[k])) <= 100 * np.finfo(float).eps * size
        assert error(run[k], descended(reference, np.zeros(6), 5, steps[k], 0.25)) <= 100 * np.finfo(float).eps * size
    wide = neumann(A[:2], b[:1], terms=5, step=steps[:2])
    assert all(np.array_equal(wide[k], neumann(A[k], b[0], terms=5, step=steps[k])) for k in range(2))
    steps[7] = 2.1 / np.linalg.eigvalsh(A[7]).max()
    with pytest.raises(ValueError, match=f"^step: {steps[7]:g} is beyond the limit"):
        neumann(A, b, terms=5, step=steps)
    with pytest.raises(ValueError, match=r"^step: shape \(3,\) does not broadcast to \(9,\)"):
        gradient_descent(A, b, steps=5, step=[0.1, 0.1, 0.1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_step_of_none_is_one_over_the_largest_eigenvalue(dtype):
    for n in (1, 4, 17):
        A = np.stack([system(k, n, dtype)[0] * dtype(3**k) for k in range(3)])
        b = np.random.default_rng(n).standard_normal((3, n)).astype(dtype)
        largest = np.linalg.eigvalsh(A.astype(float)).max(-1)
        for found, expected in ((neumann(A, b, terms=4), neumann(A, b, terms=4, step=1 / largest)),
                                (gradient_descent(A, b, steps=4)[0], gradient_descent(A, b, steps=4, step=1 / largest)[0])):
            assert np.abs(found - expected).max() <= 100 * n * np.finfo(dtype).eps * np.abs(expected).max()


# --- batches ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("axes", [((), (4,)), ((4,), ()), ((3, 1), (4,)), ((3, 1), (1, 4)), ((2, 1, 3), (4, 1)), ((1,), ()), ((), (1, 1))])
def test_leading_axes_broadcast_as_in_numpy(call, axes):
    n, rng = 5, np.random.default_rng(1)
    A = rng.standard_normal((*axes[0], n, n))
    A, b = A @ np.swapaxes(A, -1, -2) / n + np.eye(n), rng.standard_normal((*axes[1], n))
    expected = np.linalg.solve(A, b[..., None])[..., 0]
    result = CALLS[call](A, b)
    x, shape = x_of(result), np.broadcast_shapes(*axes)
    assert x.shape == expected.shape == (*shape, n)
    if call == "cg":
        assert np.abs(x - expected).max() <= 1e-7 and result[1].success.shape == shape and result[1].success.all()
    every_A, every_b = np.broadcast_to(A, (*shape, n, n)), np.broadcast_to(b, (*shape, n))
    for index in np.ndindex(shape):
        one = CALLS[call](every_A[index], every_b[index])
        assert np.array_equal(x[index], x_of(one)) or (call != "cg" and np.allclose(x[index], x_of(one), rtol=1e-13, atol=0))
        if call == "cg":
            found = (result[1].iterations[index], result[1].status[index], result[1].residual[index])
            assert found == (one[1].iterations, one[1].status, one[1].residual)


@pytest.mark.parametrize("call", CALLS)
def test_no_systems_and_no_unknowns(call):
    for A, b, shape in ((np.zeros((0, 4, 4)), np.zeros((0, 4)), (0, 4)), (np.eye(4), np.zeros((0, 4)), (0, 4)),
                        (np.zeros((3, 0, 4, 4)), np.zeros(4), (3, 0, 4)), (np.zeros((0, 0)), np.zeros(0), (0,)),
                        (np.zeros((3, 0, 0)), np.zeros(0), (3, 0)), (np.zeros((0, 0, 0)), np.zeros((0, 0)), (0, 0)),
                        (scipy.sparse.csr_array(np.eye(4)), np.zeros((2, 0, 4)), (2, 0, 4)), (lambda x: x, np.zeros((0, 4)), (0, 4))):
        result = CALLS[call](A, b, **quick(call))
        assert x_of(result).shape == shape and x_of(result).dtype == np.float64
        if call != "neumann":
            assert np.shape(result[1].success) == shape[:-1] and np.all(result[1].success) and np.shape(result[1].residual) == shape[:-1]
            assert isinstance(result[1].message, str) and result[1].summary()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_bad_neighbour_changes_no_bit_of_the_others(call, dtype):
    for n, count in ((3, 5), (9, 20), (40, 9), (130, 5)):
        A = np.stack([system(k, n, dtype)[0] for k in range(count)])
        b = np.stack([system(k, n, dtype)[1] for k in range(count)])
        keywords = {} if call == "cg" else {"step": 0.1}
        expected, bad = CALLS[call](A, b, **keywords), count // 2
        spoiled = b.copy()
        spoiled[bad, n // 2] = np.nan
        if call == "neumann":
            with pytest.raises(ValueError, match="^b: contains NaN"):
                neumann(A, spoiled, terms=3)
            continue
        x, info = CALLS[call](A, spoiled, **keywords)
        others = np.arange(count) != bad
        assert np.array_equal(x[others], expected[0][others]) and np.array_equal(info.iterations[others], expected[1].iterations[others])
        assert info.status[bad] == Status.DIVERGED and info.success[others].all()
        assert info.message.startswith(f"{count - 1} of {count} systems succeeded. First failure, {bad}: Diverged")


def test_the_message_names_the_first_failure_by_its_index():
    A = np.broadcast_to(np.diag([1.0, 2.0, 3.0]), (2, 3, 3, 3)).copy()
    A[1, 1] = -E3
    info = cg(A, ONES)[1]
    assert info.message.startswith("5 of 6 systems succeeded. First failure, 1, 1: Indefinite")
    assert info.direction.shape == (2, 3, 3) and not info.direction[0].any() and quadratic_form(A[1, 1], info.direction[1, 1]) < 0
    assert cg(A[0], ONES)[1].message == "3 of 3 systems succeeded."
    with pytest.raises(TypeError, match=re.escape("use info.success")):
        bool(info)


def test_inputs_are_never_written_and_outputs_never_shared():
    A, b, x0 = np.stack([system(k, 9)[0] for k in range(5)]), np.ones((5, 9)), np.zeros((5, 9))
    before = [a.tobytes() for a in (A, b, x0)]
    for a in (A, b, x0):
        a.flags.writeable = False
    for call in CALLS.values():
        x = x_of(call(A, b, x0))
        assert before == [a.tobytes() for a in (A, b, x0)]
        assert x.flags.writeable and x.flags.c_contiguous and not any(np.shares_memory(x, a) for a in (A, b, x0))


def test_status_of_a_batch_is_that_of_a_loop_over_pyblo():
    assert pyblo.linalg.cg is cg
    values = {"CONVERGED": E3, "INDEFINITE": -E3, "INCONSISTENT": np.diag([1.0, 0.0, 1.0]), "DIVERGED": np.diag([1.0, np.inf, 1.0])}
    info = cg(np.stack(list(values.values())), ONES)[1]
    assert [Status(int(code)).name for code in info.status] == list(values)
    assert [cg(A, ONES)[1].status.name for A in values.values()] == list(values)


def test_a_ctrl_c_has_no_place_where_numpy_would_swallow_it():
    # Where an array meets an enum, NumPy looks for attributes on its class and clears what that raises, a KeyboardInterrupt too;
    # and the lookup is Python code, in which one may be raised.
    seen = []

    def watch(frame, event, _):
        if event == "call" and frame.f_code.co_filename == enum.__file__ and frame.f_code.co_name == "__getattr__":
            seen.append(frame.f_back.f_code.co_qualname)

    A, b = np.stack([E3, -E3, 2 * E3]), np.ones((3, 3))
    problem = pyblo.Quadratic(A[::2], np.ones((2, 3, 2)), E3)
    descent = pyblo.GradientDescent(steps=3, step=0.1)
    calls = [lambda: cg(A, b), lambda: neumann(A[::2], b[:2], terms=3, step=0.7), lambda: gradient_descent(A, b, steps=3, step=0.7),
             lambda: cg(E3, ONES), lambda: cg(scipy.sparse.csr_array(E3), b),
             lambda: pyblo.hypergradient(problem, np.ones(2), method=pyblo.CG(), inner=descent),
             lambda: pyblo.cold_start(problem, np.ones(2), method=pyblo.Neumann(2, 0.1), inner=descent, step=0.1, maxiter=3),
             lambda: pyblo.warm_start(problem, np.ones(2), maxiter=3), lambda: pyblo.value_and_grad(problem)(np.ones(2))]
    for call in calls:
        call()  # imports are over
        sys.setprofile(watch)
        try:
            call()
        finally:
            sys.setprofile(None)
    assert seen == []
