"""The bits of a result depend on its problem alone: not on threads, the run, the size of the batch, the place in it or the neighbours,
nor on whether an array is shared or repeated."""

import dataclasses
import itertools
from functools import partial

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

import pyblo
from pyblo import CG, Damped, Exact, GradientDescent, Identity, Neumann, Status, Unrolled, linalg, threads

DTYPES = (np.float64, np.float32)
THREADS = (1, 2, 3, 4, 7, 8)
BATCHES = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 40, 64, 97, 102)  # the last two as packs of two registers
SIZES = (*range(1, 19), 31, 32, 33, 40, 47, 55, 63, 64, 65, 70, 91, 130)
# Up to which packs of 64, 32 and 16 bytes fill one and a half MiB, and one more; nine are enough for packs beyond it too
LARGE = {219: 5, 220: 5, 260: 5, 311: 9, 312: 9, 441: 9, 442: 9}


@pytest.fixture(autouse=True)
def default_threads():
    yield
    threads.set_num_threads(None)


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread():
    """Small factorisations take many times as long on two threads of BLAS where another process has one of the cores."""
    with threadpool_limits(1, user_api="blas"):
        yield


def canonical(value):
    """The bits of a value, of one problem a Python number; a NaN is a NaN whatever its sign and payload."""
    array = np.asarray(value, np.float64)
    return np.where(np.isnan(array), np.nan, array).tobytes()


# --- linear systems -----------------------------------------------------------------------------------------------------


def symmetric(rng, values):
    """A symmetric matrix with about these eigenvalues: two reflections of their diagonal."""
    A = np.diag(values)
    for _ in range(2):
        v = rng.standard_normal(len(values))
        v /= np.linalg.norm(v)
        A = A - 2 * np.outer(v, v @ A)
        A = A - 2 * np.outer(A @ v, v)
    return (A + A.T) / 2


@dataclasses.dataclass
class Systems:
    """Easy systems among hard, indefinite, inconsistent and non-finite ones, with what each solver takes besides."""

    A: np.ndarray
    b: np.ndarray
    x0: np.ndarray
    step: np.ndarray

    @classmethod
    def random(cls, n, count, dtype, finite):
        rng = np.random.default_rng((n, count))
        systems = [cls._one(rng, n, k % 8, dtype) for k in range(count)]
        A, b = (np.stack([s[part] for s in systems]).astype(dtype) for part in (0, 1))
        rows = np.abs(A).sum(-1).max(-1).astype(float)  # bound λmax
        step = rng.uniform(0.4, 1.4, count) / np.where(rows > 0, rows, 1)
        if not finite:
            A[2::8, n // 2, n // 2] = np.nan
            A[3::16, 0, 0] = np.inf
        return cls(A, b, rng.standard_normal((count, n)).astype(dtype), step)

    @staticmethod
    def _one(rng, n, kind, dtype):
        decades = {0: 0.1, 1: 4 if dtype == np.float64 else 2}.get(kind, 1.5)
        values, b = np.logspace(-decades, 0, n), rng.standard_normal(n)
        if kind == 4:
            values[0] = -0.3
        if kind == 5:
            values[: (n + 1) // 2] = 0
        if kind == 6:
            b[:] = 0
        if kind == 7:
            b[-1] = np.inf
        return symmetric(rng, values), b

    def __getitem__(self, index):
        step = self.step[index]
        return Systems(self.A[index], self.b[index], self.x0[index], step if step.ndim else float(step))


def descent(**keywords):
    return lambda s: linalg.gradient_descent(s.A, s.b, s.x0, step=s.step, **keywords)


def series(s):
    """Neumann with the infinite right-hand sides, which it refuses, made finite."""
    return linalg.neumann(s.A, np.where(np.isfinite(s.b), s.b, 1).astype(s.b.dtype), terms=6, step=s.step), None


SOLVERS = {  # and whether A must be finite
    "cg": (lambda s: linalg.cg(s.A, s.b, maxiter=12), False),
    "cg from x0": (lambda s: linalg.cg(s.A, s.b, s.x0, rtol=1e-3, maxiter=12), False),
    "cg, fixed": (lambda s: linalg.cg(s.A, s.b, rtol=0.0, maxiter=5), False),
    "neumann": (series, True),
    "gradient": (descent(steps=7), True),
    "heavy ball": (descent(momentum=0.5, tol=1e-2, maxiter=15), True),
    "nesterov": (descent(momentum=0.5, nesterov=True, tol=1e-1, maxiter=15), True),
}


def solutions(solver, systems):
    """The bits of each system of a batch, or of one alone."""
    x, info = SOLVERS[solver][0](systems)
    one = x.ndim == 1
    columns = [x] if info is None else [x, info.success, info.status, info.iterations, info.residual]
    if info is not None:
        columns.append(np.zeros_like(x) if info.direction is None else info.direction)
    columns = [np.asarray(column)[None] if one else column for column in columns]
    return [b"".join(canonical(column[k]) for column in columns) for k in range(1 if one else len(x))]


def batches(count, rng):
    """Sizes of batches, which systems each has in random order, and a number of threads, each in turn."""
    for size, number in zip((s for s in BATCHES if s <= count), itertools.cycle(THREADS), strict=False):
        yield rng.choice(count, size, replace=False), number


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_system_of_a_batch_has_the_bits_that_it_has_alone(solver, dtype):
    assert_same_systems(solver, dtype, [(n, 102 if n < 17 else 40 if n < 41 else 17) for n in SIZES] + list(LARGE.items()))


def assert_same_systems(solver, dtype, shapes):
    """Systems of n numbers, so many of each n, have the same bits alone and in batches."""
    for n, count in shapes:
        systems, rng = Systems.random(n, count, dtype, finite=SOLVERS[solver][1]), np.random.default_rng(n)
        threads.set_num_threads(1)
        alone = [solutions(solver, systems[k])[0] for k in range(count)]
        for chosen, number in batches(count, rng):
            threads.set_num_threads(number)
            found = solutions(solver, systems[chosen])
            assert [k for k, bits in zip(chosen, found, strict=True) if bits != alone[k]] == [], (n, len(chosen))


def test_neighbours_of_every_kind_were_there():
    systems = Systems.random(20, 40, np.float64, finite=False)
    status = set(linalg.cg(systems.A, systems.b, maxiter=12)[1].status.tolist())
    assert status >= {Status.CONVERGED, Status.NOT_CONVERGED, Status.INDEFINITE, Status.INCONSISTENT, Status.DIVERGED}
    iterations = linalg.cg(systems.A, systems.b, rtol=1e-3, maxiter=12)[1].iterations
    assert len(set(iterations.tolist())) >= 5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 5, 16, 33, 64, 130])
def test_shared_arrays_have_the_bits_of_repeated_ones(n, dtype):
    s, count = Systems.random(n, 19, dtype, finite=True), 19
    calls = {
        "cg": lambda A, b, x0, step: linalg.cg(A, b, x0, maxiter=20)[0],
        "neumann": lambda A, b, x0, step: linalg.neumann(A, b, terms=5, step=step),
        "gradient": lambda A, b, x0, step: linalg.gradient_descent(A, b, x0, steps=5, step=step, momentum=0.5)[0],
    }
    full = s.A, np.where(np.isfinite(s.b), s.b, 1).astype(dtype), s.x0, np.full(count, s.step.min())
    for call in calls.values():
        for shared in itertools.product([False, True], repeat=4):
            if not (set(shared[:2]) - {True}):
                continue  # then there is no batch
            one = [array[0].tolist() if share and array.ndim == 1 else array[0] if share else array
                   for array, share in zip(full, shared, strict=True)]
            repeated = [np.repeat(array[:1], count, 0) if share else array for array, share in zip(full, shared, strict=True)]
            stride0 = [np.broadcast_to(array[0], array.shape) if share else array for array, share in zip(full, shared, strict=True)]
            assert canonical(call(*one)) == canonical(call(*repeated)) == canonical(call(*stride0)), shared


# --- problems -----------------------------------------------------------------------------------------------------------


def quadratic(rng, count, dtype, n, m):
    """Quadratic problems of which some are much harder than others."""
    M, L = rng.standard_normal((2, count, n, n))
    hardness = np.logspace(0, -3, count)[:, None, None]
    A = M @ np.swapaxes(M, 1, 2) / (4 * n) + hardness * np.eye(n)
    arrays = A, rng.standard_normal((count, n, m)) / n, L @ np.swapaxes(L, 1, 2) / n + np.eye(n)
    vectors = {"d": rng.standard_normal((count, n)), "f": rng.standard_normal((count, n)), "h": rng.standard_normal(count)}
    return pyblo.Quadratic(*(symmetrised(a).astype(dtype) for a in arrays), **{name: v.astype(dtype) for name, v in vectors.items()})


def symmetrised(a):
    return (a + np.swapaxes(a, -1, -2)) / 2 if a.shape[-1] == a.shape[-2] else a


def target(rng, count, dtype, n, m):
    shapes = (count, n + m, n), (count, 3, n), (count, 3)
    Phi, Phi_out, y_out = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return pyblo.TargetLearning(Phi / dtype(2 * (n + m) ** 0.5), Phi_out, y_out)


def ridge(rng, count, dtype, n, m, penalty="diagonal"):
    shapes = (count, 2 * n + m, n), (count, 2 * n + m), (count, n + 1, n), (count, n + 1)
    return pyblo.Ridge(*(rng.standard_normal(shape).astype(dtype) for shape in shapes), penalty=penalty)


def scalar_ridge(rng, count, dtype, n, m):
    return ridge(rng, count, dtype, n, m, "scalar")


def biased(rng, count, dtype, n, m):
    """Of n features and n + m rows, or fewer rows than features."""
    rows = n + m if m > 3 else (n + 1) // 2
    shapes = (count, rows, n), (count, rows), (count, 3, n), (count, 3)
    X, y, X_val, y_val = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return pyblo.BiasedRidge(X / dtype(2 * (n + m) ** 0.5), y, X_val, y_val, beta=rng.uniform(0.01, 2, count))


KINDS = {"quadratic": quadratic, "target": target, "biased": biased, "ridge": ridge, "scalar ridge": scalar_ridge}
STEP = 0.05
STEPS = GradientDescent(steps=4, step=STEP, momentum=0.3)
UNTIL = GradientDescent(step=STEP, tol=0.3, maxiter=12)
ITERATED = {
    "neumann": (Neumann(5, STEP), STEPS), "identity": (Identity(), UNTIL), "cg": (CG(maxiter=9), STEPS),
    "cg, normal": (CG(maxiter=4, normal=True), UNTIL), "damped": (Damped(0.1), STEPS), "truncated": (Unrolled(5, STEP, last=2), None),
    "heavy ball": (Unrolled(4, STEP, momentum=0.3), None), "nesterov": (Unrolled(4, STEP, momentum=0.3, nesterov=True), None),
    "forward": (Unrolled(3, STEP, mode="forward"), None),
}
SPECTRAL = {"exact": (Exact(), None), "neumann": (Neumann(5, STEP), None), "damped": (Damped(0.1), STEPS),
            "unrolled": (Unrolled(4, STEP), None)}
FORMS = [("iterate", name) for name in ITERATED] + [("spectral", name) for name in SPECTRAL]
CASES = [(kind, route, name) for kind in KINDS for route, name in FORMS if route == "iterate" or not kind.endswith("ridge")]
FIELDS = ("value", "grad", "w", "adjoint", "status", "nhvp", "grad_w0", "grad_step")
ENDS = ("u", "w", "fun", "jac", "nit", "nhvp", "status", "inner_status", "adjoint_status")


def some(problem, chosen):
    """The problems of a batch at the given places; one alone where that is a number."""
    parts = {field.name: getattr(problem, field.name) for field in dataclasses.fields(problem)}
    return type(problem)(**{name: value[chosen] if isinstance(value, np.ndarray) and value.ndim > type(problem)._cores[name] else value
                            for name, value in parts.items()})


def keywords(route, name):
    method, inner = (ITERATED if route == "iterate" else SPECTRAL)[name]
    return {"method": method, "inner": inner, "route": route}


def each(result, names):
    """The bits of each problem of a result, those of its history up to its end."""
    batch = np.ndim(result.status) > 0
    values = {name: getattr(result, name) for name in names}
    if "grad_w0" in values and values["grad_w0"] is None:  # of one problem where there is none; of a batch NaN
        values |= {"grad_w0": np.full_like(result.w, np.nan), "grad_step": np.full_like(result.value, np.nan)}
    columns = [np.asarray(value) for value in values.values() if value is not None]
    ends = np.atleast_1d(getattr(result, "nit", 0))
    history = getattr(result, "history", None)
    if history is not None:
        columns += [getattr(history, name) for name in ("fun", "grad_norm", "u", "w")]
    if not batch:
        columns = [column[None] for column in columns]
    kept = len(columns) - (4 if history is not None else 0)
    return [b"".join(canonical(c[k] if i < kept else c[k][: ends[k] + 1]) for i, c in enumerate(columns)) for k in range(len(columns[0]))]


def lone(count, route, dtype):
    """Indices that take out one problem each: by a number, or where LAPACK's bits are others for a batch, as a batch of one."""
    return list(np.arange(count)[:, None]) if route == "spectral" and dtype == np.float32 else range(count)


def gradients(problem, u, w0, form):
    return each(pyblo.hypergradient(problem, u, w0=w0, **form), FIELDS)


def prepared_gradient(prepared, u, w0):
    return each(prepared.hypergradient(u, w0=w0), FIELDS)


def loops(algorithm):
    def run(problem, u, w0, form, step):
        return each(algorithm(problem, u, w0, step=step, maxiter=7, tol=0.5, **form), ENDS)
    return run


def points(rng, problem):
    """(u, w0) for each problem; of a batch the second start is so large that its run overflows."""
    u, w = (rng.standard_normal(problem.batch_shape + shape).astype(problem.dtype) for shape in (problem.outer_shape, problem.inner_shape))
    if problem.batch_shape:
        w[1] *= np.finfo(problem.dtype).max / 8
    return u, w


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")  # of the residuals of runs that overflow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "route", "name"), CASES)
def test_a_problem_of_a_batch_has_the_bits_that_it_has_alone(kind, route, name, dtype):
    assert_same_problems(kind, route, name, dtype, ((1, 1, 5), (5, 3, 19), (17, 9, 9), (34, 9, 9), (66, 10, 5)))


def assert_same_problems(kind, route, name, dtype, shapes):
    """Problems of n inner and m outer numbers, so many of each, have the same bits alone and in batches."""
    form = keywords(route, name)
    for n, m, count in shapes:
        rng = np.random.default_rng((n, count))
        problem = KINDS[kind](rng, count, dtype, n, m)
        u, w0 = points(rng, problem)
        threads.set_num_threads(1)
        alone = [gradients(some(problem, k), u[k], w0[k], form)[0] for k in lone(count, route, dtype)]
        for size, number in ((count, 4), (3, 2), (count // 2, 3)):
            chosen = rng.choice(count, size, replace=False)
            threads.set_num_threads(number)
            found = gradients(some(problem, chosen), u[chosen], w0[chosen], form)
            assert [k for k, bits in zip(chosen, found, strict=True) if bits != alone[k]] == [], (n, size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("algorithm", [pyblo.cold_start, pyblo.warm_start])
@pytest.mark.parametrize(("kind", "route", "name"), [case for case in CASES if case[2] not in ("truncated", "damped")])
def test_a_run_of_a_batch_has_the_bits_that_it_has_alone(kind, route, name, algorithm, dtype):
    assert_same_runs(kind, route, name, algorithm, dtype, ((5, 3, 19), (34, 9, 9)))


def assert_same_runs(kind, route, name, algorithm, dtype, shapes):
    """As assert_same_problems, of whole loops."""
    form, run = keywords(route, name), loops(algorithm)
    for n, m, count in shapes:
        rng = np.random.default_rng((n, count))
        problem = KINDS[kind](rng, count, dtype, n, m)
        u, w0 = points(rng, problem)
        step = 10 ** rng.uniform(-2, 0, count)
        step[1] = 1e200  # a run that diverges
        threads.set_num_threads(1)
        alone = [run(some(problem, k), u[k], w0[k], form, step[k].tolist())[0] for k in lone(count, route, dtype)]
        for size, number in ((count, 4), (3, 2), (count // 2, 3)):
            chosen = rng.choice(count, size, replace=False)
            threads.set_num_threads(number)
            found = run(some(problem, chosen), u[chosen], w0[chosen], form, step[chosen])
            assert [k for k, bits in zip(chosen, found, strict=True) if bits != alone[k]] == [], (n, size)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("kind", ["quadratic", "target", "biased", "ridge"])
@pytest.mark.parametrize("route", ["iterate", "spectral"])
def test_shared_arrays_of_a_problem_have_the_bits_of_repeated_ones(kind, route):
    if route == "spectral" and kind == "ridge":
        return
    count, form = 11, keywords(route, "neumann")
    for n in (4, 33):
        rng = np.random.default_rng(n)
        problem = KINDS[kind](rng, count, np.float64, n, 3)
        u, w0 = points(rng, problem)
        names = [field.name for field in dataclasses.fields(problem) if isinstance(getattr(problem, field.name), np.ndarray)
                 and getattr(problem, field.name).ndim > type(problem)._cores[field.name]]
        for shared in [(name,) for name in names] + [tuple(names)]:
            first = {name: getattr(problem, name)[0] for name in shared}
            one = dataclasses.replace(problem, **first)
            repeated = dataclasses.replace(problem, **{name: np.repeat(a[None], count, 0) for name, a in first.items()})
            stride0 = dataclasses.replace(problem, **{name: np.broadcast_to(a, (count, *a.shape)) for name, a in first.items()})
            expected = gradients(repeated, u, w0, form)
            assert gradients(one, u, w0, form) == gradients(stride0, u, w0, form) == expected, shared


# --- threads and runs ---------------------------------------------------------------------------------------------------


def product(Phi, v, **keywords):
    """The bits of one product."""
    return [linalg.gram_hvp(Phi, v, **keywords).tobytes()]


def products(rng, dtype):
    """Calls of gram_hvp, of more than one shard."""
    Phi = rng.standard_normal((4000, 100)).astype(dtype)
    lengths = np.arange(3000) % 101  # of rows: registers that they fill, and what is left over
    columns = np.concatenate([rng.permutation(500)[:length] for length in lengths]).astype(np.int32)
    starts = np.append(0, np.cumsum(lengths)).astype(np.int32)
    sparse = scipy.sparse.csr_array((rng.standard_normal(len(columns)).astype(dtype), columns, starts), shape=(3000, 500))
    for name, matrix in (("dense", Phi), ("csr", sparse)):
        rows, n = matrix.shape
        weights, shift, V = (rng.standard_normal(shape).astype(dtype) for shape in (rows, n, (n, 20)))
        for v in (V[:, 0], V[:, :3], V):
            yield f"gram_hvp, {name}, {v.shape}", partial(product, matrix, v, weights=weights, shift=shift)


def computations(rng, dtype):
    """Hypergradients and loops of batches, and hypergradients of problems with one large matrix."""
    for kind, make in KINDS.items():
        batch, large = make(rng, 60, dtype, 9, 3), some(make(rng, 1, dtype, 100, 20 if kind == "quadratic" else 2600), 0)
        for route in ("iterate",) if kind.endswith("ridge") else ("iterate", "spectral"):
            form = keywords(route, "neumann")
            u, w0 = points(rng, batch)
            yield f"hypergradients of {kind}, {route}", partial(gradients, batch, u, w0, form)
            for algorithm in (pyblo.cold_start, pyblo.warm_start):
                yield f"{algorithm.__name__} of {kind}, {route}", partial(loops(algorithm), batch, u, w0, form, 0.1)
        prepared = pyblo.prepare(large, **keywords("iterate", "cg"))
        yield f"hypergradient of one large {kind}", partial(prepared_gradient, prepared, *points(rng, large))


def workloads(dtype=np.float64):
    """Calls by name that share their work out among threads; each returns a list of bytes."""
    rng = np.random.default_rng(1)
    systems = [Systems.random(n, count, dtype, finite=True) for n, count in ((12, 200), (130, 17))]
    solves = {f"{solver}, n = {s.A.shape[-1]}": partial(solutions, solver, s) for solver in SOLVERS for s in systems}
    return solves | dict(products(rng, dtype)) | dict(computations(rng, dtype))


def differing(calls, runs, numbers=THREADS):
    """The names of calls whose bits were not those of one thread, in any of so many runs with each number of threads."""
    threads.set_num_threads(1)
    expected = {name: call() for name, call in calls.items()}
    wrong = set()
    for number, _ in itertools.product(numbers, range(runs)):
        threads.set_num_threads(number)
        wrong |= {name for name, call in calls.items() if call() != expected[name]}
    return sorted(wrong)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_and_runs_change_no_bit(dtype):
    assert differing(workloads(dtype), 3) == []
