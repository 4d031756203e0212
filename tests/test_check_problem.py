"""check_problem finds planted faults by name and method, and is silent on problems that are right."""

import dataclasses

import numpy as np
import pytest
import scipy.special
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import pyblo

N, M = 5, 4
NOISE = np.random.default_rng(0)


class Logistic(pyblo.Problem):
    """f = Σψ(y xᵀw) + ½wᵀdiag(eᵘ)w, F = Σψ(y′ x′ᵀw), ψ(s) = log(1 + e⁻ˢ)."""

    dtype = np.dtype(np.float64)

    def __init__(self, X, y, X_val, y_val):
        self.Z, self.Z_val = X * y[:, None], X_val * y_val[:, None]
        self.outer_shape = self.inner_shape = (X.shape[1],)

    outer_shape = inner_shape = None

    def inner_value(self, u, w):
        return float(np.logaddexp(0, -self.Z @ w).sum() + 0.5 * w @ (np.exp(u) * w))

    def inner_gradient(self, u, w):
        return -self.Z.T @ scipy.special.expit(-self.Z @ w) + np.exp(u) * w

    def outer_value(self, u, w):
        return float(np.logaddexp(0, -self.Z_val @ w).sum())

    def outer_gradients(self, u, w):
        return np.zeros_like(u), -self.Z_val.T @ scipy.special.expit(-self.Z_val @ w)

    def hessian(self, u, w):
        s = scipy.special.expit(self.Z @ w)
        return aslinearoperator(self.Z.T @ ((s * (1 - s))[:, None] * self.Z) + np.diag(np.exp(u)))

    def cross(self, u, w):
        return aslinearoperator(np.diag(np.exp(u) * w))


class Smooth(pyblo.Problem):
    """f = Σeʷ + wᵀBu + ½‖w‖² and F = ½uᵀu‖w‖², in NumPy that takes complex numbers, on arrays of any shape."""

    dtype = np.dtype(np.float64)
    outer_shape, inner_shape = (2, 2), (3, 1)
    B = np.random.default_rng(5).standard_normal((3, 4))

    def inner_value(self, u, w):
        return np.sum(np.exp(w) + 0.5 * w * w + w * (self.B @ u.reshape(4, 1)))

    def inner_gradient(self, u, w):
        return np.exp(w) + w + self.B @ u.reshape(4, 1)

    def outer_value(self, u, w):
        return 0.5 * np.sum(u * u) * np.sum(w * w)

    def outer_gradients(self, u, w):
        return u * np.sum(w * w), w * np.sum(u * u)

    def hessian(self, u, w):
        return aslinearoperator(np.diag(1 + np.exp(w.ravel())))

    def cross(self, u, w):
        return aslinearoperator(self.B)


class FixedPoint(pyblo.Problem):
    """w = tanh(Kw + u), with K not symmetric."""

    dtype = np.dtype(np.float64)
    symmetric = False
    outer_shape = inner_shape = (3,)
    K = 0.3 * np.random.default_rng(6).standard_normal((3, 3))
    inner_value = None

    def slope(self, u, w):
        return 1 - np.tanh(self.K @ w + u) ** 2

    def inner_gradient(self, u, w):
        return w - np.tanh(self.K @ w + u)

    def outer_value(self, u, w):
        return float(0.5 * w @ w)

    def outer_gradients(self, u, w):
        return np.zeros_like(u), w.copy()

    def hessian(self, u, w):
        return aslinearoperator(np.eye(3) - self.slope(u, w)[:, None] * self.K)

    def cross(self, u, w):
        return aslinearoperator(-np.diag(self.slope(u, w)))

    def inner_solution(self, u, w0=None):
        w = np.zeros(3)
        for _ in range(200):
            w = np.tanh(self.K @ w + u)
        return w


def logistic(seed=0):
    rng = np.random.default_rng(seed)
    X, X_val = rng.standard_normal((30, M)), rng.standard_normal((20, M))
    return Logistic(X, np.sign(rng.standard_normal(30)), X_val, np.sign(rng.standard_normal(20)))


def quadratic(rng, n=N, m=M, rank=N, dtype=np.float64, kappa=10.0, top=1.0, size=1.0):
    """A bounded Quadratic whose A has that rank, κ and largest eigenvalue, and linear terms of that size."""
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0][:, :rank]
    A = Q * (top * kappa ** -rng.uniform(0, 1, rank)) @ Q.T
    A = (A + A.T) / 2
    L = rng.standard_normal((n, int(rng.integers(1, n + 1))))
    arrays = [A, A @ rng.standard_normal((n, m)), L @ L.T, A @ rng.standard_normal(n) * size, rng.standard_normal(n) * size]
    A, B, P, d, f = (array.astype(dtype) for array in arrays)
    if rank < n and dtype == np.float32:  # rounding moved the range of A
        V = np.linalg.eigh(A.astype(np.float64))[1][:, n - rank:]
        B, d = ((V @ (V.T @ array)).astype(dtype) for array in (B, d))
    return pyblo.Quadratic(A, B, P, d=d, f=f)


def target(rng, N_=3, n=N, dtype=np.float64, kappa=10.0, top=1.0, size=1.0):
    U, _, V = np.linalg.svd(rng.standard_normal((N_, n)), full_matrices=False)
    Phi = (U * (top * kappa ** -rng.uniform(0, 1, min(N_, n)))) @ V
    arrays = Phi, rng.standard_normal((6, n)), rng.standard_normal(6) * size
    return pyblo.TargetLearning(*(array.astype(dtype) for array in arrays))


def ridge(rng, n=8, p=N, dtype=np.float64, top=1.0, size=1.0, **options):
    arrays = rng.standard_normal((n, p)) * top, rng.standard_normal(n) * size, rng.standard_normal((6, p)), rng.standard_normal(6)
    return pyblo.Ridge(*(array.astype(dtype) for array in arrays), **options)


def biased(rng, n=3, p=N, dtype=np.float64, top=1.0, size=1.0, beta=0.5):
    arrays = rng.standard_normal((n, p)) * top, rng.standard_normal(n) * size, rng.standard_normal((6, p)), rng.standard_normal(6) * size
    return pyblo.BiasedRidge(*(array.astype(dtype) for array in arrays), beta=beta * top**2)


def check(problem, seed=1, size=1.0):
    """The report at a random point; u is positive where it is a penalty itself."""
    rng = np.random.default_rng(seed)
    u, w = rng.standard_normal(problem.outer_shape), rng.standard_normal(problem.inner_shape) * size
    if isinstance(problem, pyblo.Ridge):
        u = u if problem.log else np.abs(u)
    else:
        u = u * size
    return pyblo.check_problem(problem, u.astype(problem.dtype), w.astype(problem.dtype))


def planted(method, change):
    """A Quadratic with one method of which `change(problem, original, *arguments)` is returned instead."""
    def replaced(self, *arguments):
        return change(self, getattr(pyblo.Quadratic, method).__get__(self), *arguments)

    base = quadratic(np.random.default_rng(3), rank=3)
    fields = {field.name: getattr(base, field.name) for field in dataclasses.fields(base)}
    return type("Planted", (pyblo.Quadratic,), {method: replaced})(**fields)


def dense(operator):
    return operator @ np.eye(operator.shape[1])


def wrote(problem, original, u, w):
    value = original(u, w)
    w[0] = 0.0
    return value


def one_adjoint(scale):
    def change(problem, original, u, w):
        X = dense(original(u, w))
        return LinearOperator(X.shape, matvec=lambda v: X @ v, rmatvec=lambda q: scale * (X.T @ q), dtype=X.dtype)
    return change


def affine(problem, original, u, w):
    X = dense(original(u, w))
    return LinearOperator(X.shape, matvec=lambda v: X @ v + 1, rmatvec=lambda q: X.T @ q, dtype=X.dtype)


def skewed(problem, original, u, w):
    X = dense(original(u, w))
    X[1, 3] += 0.25
    return aslinearoperator(X)


def random_noise(problem, original, u, w):
    return original(u, w) * (1 + 1e-6 * NOISE.random())


def raised(problem, original, u, w):
    raise ZeroDivisionError("no luck")


def buffered(problem, original, u, w):
    if not hasattr(type(problem), "buffer"):
        type(problem).buffer = np.empty(problem.inner_shape)
    problem.buffer[:] = original(u, w)
    return problem.buffer


def off(index):
    e = np.zeros(N)
    e[index] = 1e-3
    return e


FAULTS = {
    "sign of cross": ("cross", "derivative", lambda p, o, u, w: aslinearoperator(-p.B)),
    "cross transposed": ("cross", "runs", lambda p, o, u, w: aslinearoperator(p.B.T.copy())),
    "an entry of cross": ("cross", "derivative", lambda p, o, u, w: aslinearoperator(p.B + np.outer(off(2), np.eye(M)[1]))),
    "factor of the Hessian": ("hessian", "derivative", lambda p, o, u, w: aslinearoperator(2 * p.A)),
    "asymmetric H": ("hessian", "symmetric", skewed),
    "adjoint of cross": ("cross", "adjoint", one_adjoint(-1.0)),
    "adjoint of H": ("hessian", "adjoint", one_adjoint(1.001)),
    "affine H": ("hessian", "linear", affine),
    "H is an array": ("hessian", "runs", lambda p, o, u, w: p.A),
    "H is not fixed": ("hessian", "fixed", lambda p, o, u, w: aslinearoperator(p.A * (1 + w[0] ** 2))),
    "outer gradient in u": ("outer_gradients", "derivative in u", lambda p, o, u, w: (u.copy(), o(u, w)[1])),
    "outer gradient in w": ("outer_gradients", "derivative in w", lambda p, o, u, w: (o(u, w)[0], o(u, w)[1] + off(3))),
    "sign of an outer gradient": ("outer_gradients", "derivative in w", lambda p, o, u, w: (o(u, w)[0], -o(u, w)[1])),
    "one outer gradient": ("outer_gradients", "shape", lambda p, o, u, w: o(u, w)[1]),
    "inner gradient": ("inner_gradient", "derivative", lambda p, o, u, w: o(u, w) + off(0)),
    "factor of the inner gradient": ("inner_gradient", "derivative", lambda p, o, u, w: 2 * o(u, w)),
    "a view of its input": ("inner_gradient", "fresh", lambda p, o, u, w: w[:]),
    "a buffer": ("inner_gradient", "fresh", buffered),
    "writes into its input": ("inner_gradient", "inputs", wrote),
    "an outer value that writes": ("outer_value", "inputs", wrote),
    "shape": ("inner_gradient", "shape", lambda p, o, u, w: o(u, w)[:, None]),
    "a list": ("inner_gradient", "shape", lambda p, o, u, w: list(o(u, w))),
    "a vector for a value": ("outer_value", "shape", lambda p, o, u, w: np.array([o(u, w)])),
    "float32": ("inner_gradient", "dtype", lambda p, o, u, w: o(u, w).astype(np.float32)),
    "complex": ("inner_gradient", "dtype", lambda p, o, u, w: o(u, w) + 0j),
    "complex value": ("outer_value", "dtype", lambda p, o, u, w: o(u, w) + 0j),
    "NaN": ("inner_gradient", "finite", lambda p, o, u, w: o(u, w) * np.array([1, 1, np.nan, 1, 1])),
    "infinite value": ("inner_value", "finite", lambda p, o, u, w: np.inf),
    "NaN in H": ("hessian", "finite", lambda p, o, u, w: aslinearoperator(p.A * np.nan)),
    "not deterministic": ("inner_gradient", "deterministic", random_noise),
    "a random value": ("outer_value", "deterministic", random_noise),
    "raises": ("outer_gradients", "runs", raised),
    "solution not stationary": ("inner_solution", "stationary", lambda p, o, u, w: o(u, w) + p.A[0]),
    "solution not nearest": ("inner_solution", "nearest", lambda p, o, u, w: o(u, None)),
    "solution half nearest": ("inner_solution", "nearest", lambda p, o, u, w: 0.5 * (o(u, w) + o(u, None))),
    "solution drifts": ("inner_solution", "nearest", lambda p, o, u, w: o(u, w) + o(0 * u, off(1)) - o(0 * u, None)),
    "solution is its start": ("inner_solution", "fresh", lambda p, o, u, w: w),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name):
    method, kind, change = FAULTS[name]
    report = check(planted(method, change))
    assert not report and not report.success
    assert {check.method for check in report.failures} == {method}, str(report)
    assert kind in {check.name for check in report.failures}, str(report)
    found = next(check for check in report.failures if check.name == kind)
    assert found.error > found.tolerance and found.message
    assert found.message in str(report) and "failed" in report._repr_html_()


@pytest.mark.parametrize(("A", "d", "method", "kind", "words"), [
    (np.diag([1.0, -0.5]), [1.0, 1.0], "hessian", "semidefinite", "vᵀHv = -0.5"),
    (np.diag([1.0, 0.0]), [1.0, 0.5], "inner_gradient", "bounded", "unbounded below"),
])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_problem_without_inner_solution_is_named(A, d, method, kind, words, dtype):
    A, B, P, d = (np.asarray(array, dtype) for array in (A, [[1.0], [0.0]], np.eye(2), d))
    report = pyblo.check_problem(pyblo.Quadratic(A, B, P, d=d), [0.5], [0.3, 0.7])
    (failure,) = report.failures
    assert (failure.method, failure.name) == (method, kind) and words in failure.message


def attributes(**changes):
    """A Quadratic with other attributes."""
    base = quadratic(np.random.default_rng(3))
    fields = {field.name: getattr(base, field.name) for field in dataclasses.fields(base)}
    properties = {name: property(lambda self, value=value: value) for name, value in changes.items()}
    return type("Changed", (pyblo.Quadratic,), properties)(**fields)


@pytest.mark.parametrize("changes", [{"dtype": np.dtype(int)}, {"outer_size": 3}, {"inner_size": 2}, {"inner_shape": None}])
def test_attributes_that_do_not_fit_are_a_finding(changes):
    report = pyblo.check_problem(attributes(**changes), np.ones(M), np.ones(N))
    assert [(check.method, check.name) for check in report.checks] == [("attributes", "runs")] and not report.success


def test_a_batch_is_refused():
    with pytest.raises(TypeError, match="problem: has batch_shape .* one problem"):
        base = quadratic(np.random.default_rng(3))
        pyblo.check_problem(dataclasses.replace(base, A=np.stack([base.A, base.A])), np.ones(M), np.ones(N))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_cross_product_that_is_not_given_is_judged_by_its_adjoint(sign):
    base = quadratic(np.random.default_rng(3))
    A, B, P, d, f = (getattr(base, name) for name in "ABPdf")
    problem = pyblo.FunctionProblem(
        M, N, outer_value=lambda u, w: w @ (0.5 * (P @ w) + f), outer_gradients=lambda u, w: (0 * u, P @ w + f),
        inner_gradient=lambda u, w: A @ w + B @ u + d, hessian_product=lambda u, w, v: A @ v,
        cross_adjoint=lambda u, w, q: sign * (B.T @ q))
    report = check(problem)
    assert any("products with cross" in what for what in report.skipped)
    assert [(check.method, check.name) for check in report.checks if "cross" in check.method][-1] == ("cross", "derivative")
    assert report.success == (sign == 1)
    assert {(check.method, check.name) for check in report.failures} == (set() if sign == 1 else {("cross", "derivative")})


def test_a_symmetric_hessian_needs_no_adjoint_and_cross_does():
    def one_way(problem, original, u, w):
        operator = original(u, w)
        return LinearOperator(operator.shape, matvec=operator.matvec, dtype=operator.dtype)

    report = check(planted("hessian", one_way))
    assert report.success and any("hessian.H" in what for what in report.skipped)
    assert {check.method for check in check(planted("cross", one_way)).failures} == {"cross"}


def test_an_adjoint_that_gives_up_later_is_a_finding():
    calls = []

    def tired(problem, original, u, w):
        operator = original(u, w)

        def adjoint(q):
            calls.append(q)
            if len(calls) > 3:  # those of its contract
                raise NotImplementedError("tired")
            return operator.rmatvec(q)

        return LinearOperator(operator.shape, matvec=operator.matvec, rmatvec=adjoint, dtype=operator.dtype)

    (failure,) = check(planted("cross", tired)).failures
    assert (failure.method, failure.name) == ("cross", "runs") and "tired" in failure.message


def only_at(point, method):
    """A Quadratic of which a method is known at one w only, and elsewhere raises."""
    def narrow(problem, original, u, w):
        if not np.array_equal(w, point):
            raise ValueError("outside the domain")
        return original(u, w)

    return planted(method, narrow)


def test_a_domain_of_one_point_shows():
    w = np.arange(1.0, N + 1)
    report = pyblo.check_problem(only_at(w, "inner_gradient"), np.ones(M), w)
    found = [failure for failure in report.failures if "cannot be evaluated near" in failure.message]
    assert found and {failure.method for failure in found} == {"inner_gradient"} and "outside the domain" in found[0].message
    report = pyblo.check_problem(only_at(w, "hessian"), np.ones(M), w)
    assert ("hessian", "fixed") in {(failure.method, failure.name) for failure in report.failures}


class Walled(Smooth):
    """With a wall: f is NaN where the first w is above 1."""

    def inner_value(self, u, w):
        return super().inner_value(u, w) * (1.0 if w.real[0, 0] <= 1 else np.nan)

    def inner_gradient(self, u, w):
        return super().inner_gradient(u, w) * (1.0 if w.real[0, 0] <= 1 else np.nan)


def test_differences_keep_away_from_a_wall():
    w = np.array([[0.999], [3.0], [-2.0]])
    report = pyblo.check_problem(Walled(), np.ones((2, 2)), w)
    assert report.success and ("hessian", "derivative") in {(check.method, check.name) for check in report.checks}


class Slope(pyblo.Problem):
    """f = ¼w₁⁴ + w₂ + uw₁, F = ½‖w‖²: no lower bound, and not quadratic."""

    outer_shape, inner_shape, dtype = (1,), (2,), np.dtype(np.float64)

    def inner_value(self, u, w):
        return w[0] ** 4 / 4 + w[1] + u[0] * w[0]

    def inner_gradient(self, u, w):
        return np.array([w[0] ** 3 + u[0], 1.0])

    def outer_value(self, u, w):
        return 0.5 * w @ w

    def outer_gradients(self, u, w):
        return 0 * u, w.copy()

    def hessian(self, u, w):
        return aslinearoperator(np.diag([3 * w[0] ** 2, 0.0]))

    def cross(self, u, w):
        return aslinearoperator(np.array([[1.0], [0.0]]))


def test_a_slope_without_curvature_is_information_where_f_is_not_quadratic():
    report = check(Slope())
    notes = [check for check in report.checks if check.name == "bounded"]
    assert report.success and len(notes) == 1 and "for information, ∇f has a part of length 1 " in notes[0].message


def test_lanczos_that_does_not_converge_raises_no_alarm():
    n = 450
    problem = pyblo.Quadratic(np.diag(np.logspace(-12, 0, n)), np.eye(n, 3), np.eye(n))
    report = pyblo.check_problem(problem, np.ones(3), np.ones(n))
    assert report.success and ("hessian", "semidefinite") in {(check.method, check.name) for check in report.checks}


def test_large_operators_are_judged_by_lanczos_and_random_vectors():
    n = 450
    values = np.linspace(1, 2, n)
    assert pyblo.check_problem(pyblo.Quadratic(np.diag(values), np.eye(n, 3), np.eye(n)), np.ones(3), np.ones(n)).success
    values[7] = -1e-3
    report = pyblo.check_problem(pyblo.Quadratic(np.diag(values), np.eye(n, 3), np.eye(n)), np.ones(3), np.ones(n))
    assert [(check.method, check.name) for check in report.failures] == [("hessian", "semidefinite")]
    assert "at [7]" in report.failures[0].message
    values[7] = 0.0
    report = pyblo.check_problem(pyblo.Quadratic(np.diag(values), np.eye(n, 3), np.eye(n), d=np.ones(n)), np.ones(3), np.ones(n))
    assert [(check.method, check.name) for check in report.failures] == [("inner_gradient", "bounded")]


def test_the_message_says_how():
    report = check(planted("cross", FAULTS["sign of cross"][2]))
    assert "-1 times it would fit" in str(report)
    report = check(planted("hessian", FAULTS["factor of the Hessian"][2]))
    assert "0.5 times it would fit" in str(report)
    assert "ZeroDivisionError: no luck" in str(check(planted("outer_gradients", raised)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [
    quadratic, lambda rng, dtype: quadratic(rng, rank=3, dtype=dtype),
    lambda rng, dtype: quadratic(rng, n=40, m=35, rank=20, dtype=dtype),
    target, lambda rng, dtype: target(rng, 9, dtype=dtype),
    biased, lambda rng, dtype: biased(rng, 9, dtype=dtype), lambda rng, dtype: biased(rng, dtype=dtype, beta=0.0),
    *(lambda rng, dtype, penalty=penalty, log=log: ridge(rng, dtype=dtype, penalty=penalty, log=log)
      for penalty in ("diagonal", "scalar") for log in (True, False)),
])
def test_silence_on_built_in_problems(make, dtype):
    for seed in range(4):
        report = check(make(np.random.default_rng(seed), dtype=dtype), seed)
        assert report.success and not report.skipped, str(report)
        assert str(report).endswith("checks passed")


@pytest.mark.parametrize("problem", [logistic(), Smooth(), FixedPoint()])
def test_silence_on_problems_of_the_user(problem):
    report = check(problem)
    assert report.success and "note" not in str(report), str(report)
    names = {(check.method, check.name) for check in report.checks}
    assert {("hessian", "derivative"), ("cross", "derivative"), ("outer_gradients", "derivative in w")} <= names
    assert (("hessian", "symmetric") in names) == problem.symmetric


def test_complex_steps_sharpen_the_tolerance():
    tolerance = {check.method: check.tolerance for check in check(Smooth()).checks if check.name == "derivative"}
    assert max(tolerance.values()) < 1e-12


def test_a_fault_in_a_nonlinear_problem_is_found():
    class Wrong(Logistic):
        def hessian(self, u, w):
            return aslinearoperator(dense(super().hessian(u, w)) - np.diag(np.exp(u)))

    right = logistic()
    wrong = Wrong.__new__(Wrong)
    wrong.__dict__.update(vars(right))
    (failure,) = check(wrong).failures
    assert (failure.method, failure.name) == ("hessian", "derivative")


def random_problem(seed):
    """A built-in problem of random family, sizes, dtype, κ ≤ 1e8 and scales 1e±8, and the scale of its point."""
    rng = np.random.default_rng((77, seed))
    dtype = (np.float64, np.float64, np.float32)[seed % 3]
    n, m, kappa = int(rng.integers(1, 13)), int(rng.integers(1, 13)), 10 ** rng.uniform(0, 8)
    top, size = 10 ** rng.uniform(-8, 8, 2) if dtype == np.float64 else 10 ** rng.uniform(-4, 4, 2)
    kappa = kappa if dtype == np.float64 else kappa**0.5
    kind = seed // 3 % 4
    if kind == 0:
        return quadratic(rng, n, m, int(rng.integers(1, n + 1)), dtype, kappa, top, size), size
    if kind == 1:
        return target(rng, m, n, dtype, kappa, top, size), size
    if kind == 2:
        return biased(rng, m, n, dtype, top, size, 1 / kappa), size
    options = {"penalty": ("diagonal", "scalar")[seed // 12 % 2], "log": bool(seed // 24 % 2)}
    return ridge(rng, m, n, dtype, top, size, **options), size


def test_no_false_alarms():
    for seed in range(300):
        problem, size = random_problem(seed)
        report = check(problem, seed, size)
        assert report.success, f"{seed}: {report}"


def test_the_same_report_twice_and_another_with_another_rng():
    problem, u, w = quadratic(np.random.default_rng(0)), np.ones(M), np.ones(N)
    assert pyblo.check_problem(problem, u, w) == pyblo.check_problem(problem, u, w)
    assert pyblo.check_problem(problem, u, w, rng=np.random.default_rng(1)).success


def test_wrong_arguments_are_refused_by_name():
    problem = quadratic(np.random.default_rng(0))
    with pytest.raises(TypeError, match="problem: expected a pyblo.Problem, got int"):
        pyblo.check_problem(3, np.ones(M), np.ones(N))
    with pytest.raises(ValueError, match=r"u: shape \(2,\) does not fit"):
        pyblo.check_problem(problem, np.ones(2), np.ones(N))
    with pytest.raises(TypeError, match="w: complex"):
        pyblo.check_problem(problem, np.ones(M), 1j * np.ones(N))


@pytest.mark.parametrize("attribute", ["outer_shape", "dtype", "inner_size"])
def test_a_faulty_attribute_is_reported(attribute):
    class Faulty(Smooth):
        pass

    setattr(Faulty, attribute, property(raised))
    (failure,) = pyblo.check_problem(Faulty(), np.ones((2, 2)), np.ones((3, 1))).failures
    assert failure.method == "attributes" and "raised TypeError" in failure.message


@pytest.mark.parametrize("method", ["inner_value", "inner_gradient", "outer_value", "outer_gradients", "hessian", "cross"])
@pytest.mark.parametrize("call", [1, 2, 3, 4, 7, 20])
def test_whatever_a_method_raises_is_reported(method, call):
    calls = iter(range(1, 10**9))

    def late(problem, original, u, w):
        if next(calls) == call:
            raise OSError("late")
        return original(u, w)

    report = check(planted(method, late))
    if not report.success:
        assert {check.method for check in report.failures} == {method}
    if call <= 2:
        assert "late" in str(report)


def test_empty_problems():
    problem = pyblo.Quadratic(np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0)))
    assert isinstance(str(pyblo.check_problem(problem, [], [])), str)
