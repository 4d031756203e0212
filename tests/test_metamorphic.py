"""What must not change, or changes in a known way, when a problem is written otherwise; and routes that must agree."""

import itertools

import generate
import numpy as np
import pytest
from flint import arb_mat
from hypothesis import given
from hypothesis import strategies as st
from oracle import BALL, Reference, precision
from test_properties import EPS, problem_of, properties, seeds, tame, unit

import pyblo

METHODS = [pyblo.Exact(), pyblo.Damped(0.25), pyblo.Neumann(6, step=2.0**-8), pyblo.CG(), pyblo.Unrolled(5, 2.0**-8)]
by_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
few = st.integers(-12, 12)


def regression(seed, rows=9, columns=4):
    """The arrays of Ridge: X, y, X_val, y_val, well conditioned."""
    rng = np.random.default_rng((seed, 21))
    X = rng.standard_normal((rows, columns)) + 2 * np.eye(rows, columns)
    return X, rng.standard_normal(rows), rng.standard_normal((6, columns)), rng.standard_normal(6)


def targets(seed, rows=4, columns=6):
    """The arrays of TargetLearning and u, w₀."""
    rng = np.random.default_rng((seed, 22))
    Phi = rng.standard_normal((rows, columns)) + 2 * np.eye(rows, columns)
    out = rng.standard_normal((3, columns)), rng.standard_normal(3)
    return (Phi, *out), rng.standard_normal(rows), rng.standard_normal(columns)


def ridge_unit(problem, u, w):
    """κ‖dλ/du‖‖w‖‖H⁻¹‖‖∂F/∂w‖, whose product with ε is what a rounding of the arrays may change."""
    X, rows = problem.X, len(problem.X)
    values = np.linalg.eigvalsh(X.T @ X / rows + np.diag(np.broadcast_to(np.exp(u), w.shape)))
    outer = np.linalg.norm(problem.X_val, 2) * (np.linalg.norm(problem.X_val @ w) + np.linalg.norm(problem.y_val))
    scale = max(1.0, np.exp(u).max()) * np.linalg.norm(w) / values[0]
    return EPS * values[-1] / values[0] * scale * outer / len(problem.X_val)


def target_unit(problem, w):
    """κ‖Φ‖‖H⁺‖‖∂F/∂w‖."""
    sigma, across = np.linalg.svd(problem.Phi, compute_uv=False), np.linalg.norm(problem.Phi_out, 2)
    outer = across * (across * np.linalg.norm(w) + np.linalg.norm(problem.y_out))
    return EPS * (sigma[0] / sigma[-1]) ** 3 / sigma[-1] * outer


def near(first, second, size):
    """Whether two gradients agree to 100 roundings."""
    return np.linalg.norm(np.subtract(first, second)) <= 100 * size


@by_method
@properties
@given(seed=seeds)
def test_ridge_does_not_see_the_order_or_the_basis_of_its_rows(method, seed):
    X, y, X_val, y_val = regression(seed)
    rng, u = np.random.default_rng(seed), np.random.default_rng(seed).uniform(-2, 1, 4)
    p, q, Q = rng.permutation(9), rng.permutation(6), generate.orthogonal(rng, 9)
    plain = pyblo.Ridge(X, y, X_val, y_val)
    found = pyblo.hypergradient(plain, u, method=method)
    size = ridge_unit(plain, u, found.w)
    for arrays in ((X[p], y[p], X_val, y_val), (X, y, X_val[q], y_val[q]), (Q @ X, Q @ y, X_val, y_val)):
        other = pyblo.hypergradient(pyblo.Ridge(*arrays), u, method=method)
        assert near(other.grad, found.grad, size)
        assert abs(other.value - found.value) <= 100 * size * (np.linalg.norm(found.w) + 1)


@by_method
@properties
@given(seed=seeds)
def test_ridge_counts_a_row_twice_as_one_row_times_root_two(method, seed):
    # (n + 1)⁻¹(Σ‖xᵢᵀw − yᵢ‖² + ‖x₀ᵀw − y₀‖²) is the mean over n rows times n/(n + 1), the first row times √2
    X, y, X_val, y_val = regression(seed)
    u = np.random.default_rng(seed).uniform(-2, 1, 4)
    weight = np.sqrt(np.r_[2.0, np.ones(8)] * 9 / 10)
    twice = pyblo.Ridge(np.vstack([X, X[:1]]), np.append(y, y[0]), X_val, y_val)
    scaled = pyblo.Ridge(weight[:, None] * X, weight * y, X_val, y_val)
    all_twice = pyblo.Ridge(np.vstack([X, X]), np.tile(y, 2), np.vstack([X_val] * 2), np.tile(y_val, 2))
    pairs = (twice, scaled), (all_twice, pyblo.Ridge(X, y, X_val, y_val))
    for first, second in pairs:
        found, other = (pyblo.hypergradient(problem, u, method=method) for problem in (first, second))
        assert near(found.grad, other.grad, ridge_unit(first, u, found.w))


@by_method
@properties
@given(seed=seeds, i=few, j=few)
def test_ridge_scales_by_powers_of_two_without_a_rounding(method, seed, i, j):
    # y → cy: w → cw, F → c²F. X → sX with λ → s²λ: w → w/s, dF/dλ → s⁻²dF/dλ, R → s⁻²R
    c, s = 2.0**i, 2.0**j
    X, y, X_val, y_val = regression(seed)
    u = np.random.default_rng(seed).uniform(0.1, 1, 4)
    rule = {"log": False}
    plain = pyblo.hypergradient(pyblo.Ridge(X, y, X_val, y_val, **rule), u, method=method)
    found = pyblo.hypergradient(pyblo.Ridge(X, c * y, X_val, c * y_val, **rule), u, method=method)
    assert found.grad.tobytes() == (c * c * plain.grad).tobytes() and found.w.tobytes() == (c * plain.w).tobytes()
    turned = in_units(method, s * s)
    found = pyblo.hypergradient(pyblo.Ridge(s * X, y, s * X_val, y_val, **rule), s * s * u, method=turned)
    assert found.grad.tobytes() == (plain.grad / (s * s)).tobytes() and found.w.tobytes() == (plain.w / s).tobytes()
    assert found.value == plain.value


def in_units(method, unit):
    """The method for a Hessian that is `unit` times as large."""
    if isinstance(method, pyblo.Damped):
        return pyblo.Damped(method.eps * unit)
    if isinstance(method, pyblo.Neumann):
        return pyblo.Neumann(method.terms, step=method.step / unit)
    return pyblo.Unrolled(method.steps, method.step / unit) if isinstance(method, pyblo.Unrolled) else method


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@by_method
@properties
@given(seed=seeds, i=few, j=few)
def test_targets_scale_by_powers_of_two_without_a_rounding(method, dtype, seed, i, j):
    # u, y → cu, cy: w → cw. Φ, Φₒ → sΦ, sΦₒ: w → w/s, and dF/du stays
    c, s = dtype(2.0**i), dtype(2.0**j)
    (Phi, out, y), u, _ = targets(seed)
    Phi, out, y, u = (array.astype(dtype) for array in (Phi, out, y, u))
    plain = pyblo.hypergradient(pyblo.TargetLearning(Phi, out, y), u, method=method)
    found = pyblo.hypergradient(pyblo.TargetLearning(Phi, out, c * y), c * u, method=method)
    assert found.grad.tobytes() == (c * plain.grad).tobytes() and found.value == plain.value * float(c) ** 2
    turned = in_units(method, float(s) ** 2)
    found = pyblo.hypergradient(pyblo.TargetLearning(s * Phi, s * out, y), u, method=turned)
    assert found.grad.tobytes() == plain.grad.tobytes() and found.w.tobytes() == (plain.w / s).tobytes()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@by_method
@properties
@given(seed=seeds, i=few, j=few)
def test_biased_regularisation_scales_by_powers_of_two_without_a_rounding(method, dtype, seed, i, j):
    # y, y′, u → cy, cy′, cu: w → cw. X, X′, β → sX, sX′, s²β and u → u/s: w → w/s
    c, s = dtype(2.0**i), dtype(2.0**j)
    X, y, X_val, y_val = (array.astype(dtype) for array in regression(seed))
    u, w0, beta = np.ones(4, dtype), np.arange(4, dtype=dtype), 0.3
    plain = pyblo.hypergradient(pyblo.BiasedRidge(X, y, X_val, y_val, beta=beta), u, w0=w0, method=method)
    found = pyblo.hypergradient(pyblo.BiasedRidge(X, c * y, X_val, c * y_val, beta=beta), c * u, w0=c * w0, method=method)
    assert found.grad.tobytes() == (c * plain.grad).tobytes() and found.value == plain.value * float(c) ** 2
    scaled = pyblo.BiasedRidge(s * X, y, s * X_val, y_val, beta=beta * float(s) ** 2)
    found = pyblo.hypergradient(scaled, u / s, w0=w0 / s, method=in_units(method, float(s) ** 2))
    assert found.grad.tobytes() == (s * plain.grad).tobytes() and found.w.tobytes() == (plain.w / s).tobytes()


@by_method
@properties
@given(seed=seeds, i=few, j=few)
def test_quadratics_scale_by_powers_of_two_without_a_rounding(method, seed, i, j):
    # f → cf with the method in units of c;  u → u/s with B → sB
    case, c, s = tame(seed), 2.0**i, 2.0**j
    method = in_units(method, 2.0 ** np.ceil(np.log2(case.top)))
    plain = pyblo.hypergradient(problem_of(case), case.u, method=method)
    inner = problem_of(case, A=c * case.A, B=c * case.B, d=c * case.d)
    found = pyblo.hypergradient(inner, case.u, method=in_units(method, c))
    assert found.grad.tobytes() == plain.grad.tobytes() and found.w.tobytes() == plain.w.tobytes()
    found = pyblo.hypergradient(problem_of(case, B=s * case.B), case.u / s, method=method)
    assert found.grad.tobytes() == (s * plain.grad).tobytes() and found.w.tobytes() == plain.w.tobytes()


@by_method
@properties
@given(seed=seeds)
def test_targets_turn_with_their_rows_and_their_features(method, seed):
    # Φ → QΦ, u → Qu: dF/du → Q dF/du, a permutation being one Q. Φ, Φₒ → ΦV, ΦₒV: nothing but w → Vᵀw
    (Phi, out, y), u, w0 = targets(seed)
    rng = np.random.default_rng(seed)
    Q, V, p = generate.orthogonal(rng, 4), generate.orthogonal(rng, 6), np.eye(4)[rng.permutation(4)]
    plain = pyblo.TargetLearning(Phi, out, y)
    found = pyblo.hypergradient(plain, u, w0=w0, method=method)
    size = 4 * target_unit(plain, found.w)
    for turn in (Q, p):
        other = pyblo.hypergradient(pyblo.TargetLearning(turn @ Phi, out, y), turn @ u, w0=w0, method=method)
        assert near(other.grad, turn @ found.grad, size)
    other = pyblo.hypergradient(pyblo.TargetLearning(Phi @ V, out @ V, y), u, w0=V.T @ w0, method=method)
    assert near(other.grad, found.grad, size)
    order = rng.permutation(3)
    other = pyblo.hypergradient(pyblo.TargetLearning(Phi, out[order], y[order]), u, w0=w0, method=method)
    assert near(other.grad, found.grad, size)


@by_method
@properties
@given(seed=seeds)
def test_a_target_twice_is_one_target_times_root_two(method, seed):
    # The row and its target times √2; the two derivatives add up to √2 times the one
    (Phi, out, y), u, w0 = targets(seed)
    weight = np.sqrt(np.r_[2.0, 1.0, 1.0, 1.0])
    twice = pyblo.TargetLearning(np.vstack([Phi, Phi[:1]]), out, y)
    scaled = pyblo.TargetLearning(weight[:, None] * Phi, out, y)
    found = pyblo.hypergradient(twice, np.append(u, u[0]), w0=w0, method=method)
    other = pyblo.hypergradient(scaled, weight * u, w0=w0, method=method)
    size = 4 * target_unit(scaled, found.w)
    assert near(np.r_[found.grad[0] + found.grad[4], found.grad[1:4]], weight * other.grad, size)


def routes(kappa, top):
    """The methods that all tend to the exact one: (1 − 1/κ)^60κ < e⁻⁶⁰."""
    count, step = 60 * int(np.ceil(kappa)), 1 / top
    yield pyblo.Exact(), "auto"
    yield pyblo.CG(rtol=1e-14), "auto"
    for route in ("spectral", "iterate"):
        yield pyblo.Neumann(count, step=step), route
    for mode in ("reverse", "forward"):
        yield pyblo.Unrolled(count, step, mode=mode), "iterate"


def agree(found, size):
    """Every pair of gradients agrees to 100 roundings."""
    assert all(near(first, second, size) for first, second in itertools.combinations(found, 2))


def slopes(value, u):
    """Central differences of a function of a column of balls, with a width whose square is below every rounding."""
    width = BALL.scalar(2.0**-300)
    across = [arb_mat(u.nrows(), 1, [width * (i == k) for i in range(u.nrows())]) for k in range(u.nrows())]
    return [float((value(u + step) - value(u - step)) / (2 * width)) for step in across]


@properties
@given(seed=seeds)
def test_five_routes_to_the_gradient_of_a_quadratic(seed):
    case = generate.quadratic(seed, largest=12, kappa=30.0)
    problem = problem_of(case)
    found = [
        pyblo.hypergradient(problem, case.u, w0=case.w0, method=method, route=route)
        for method, route in routes(case.kappa, case.top)
    ]
    with precision():
        exact = Reference.of(case, BALL)
        w0 = BALL.matrix(case.w0)
        difference = slopes(lambda u: exact.value(exact.inner_solution(u, w0)), BALL.matrix(case.u))
    # a singular H keeps its null part of ∂F/∂w from all of them: M is in the range of H
    agree([result.grad for result in found] + [difference], unit(case, found[0].w))


def ridge_objective(problem):
    """F*(u) of a ridge problem with log penalties as a function of a column of balls."""
    X, y, X_val, y_val = (BALL.matrix(array) for array in (problem.X, problem.y, problem.X_val, problem.y_val))
    rows, across = BALL.scalar(X.nrows()), X.transpose()

    def value(u):
        n = u.nrows()
        penalties = arb_mat(n, n, [u[i, 0].exp() if i == j else 0 for i in range(n) for j in range(n)])
        w = (across * X * (1 / rows) + penalties).solve(across * y * (1 / rows))
        rest = X_val * w - y_val
        return (rest.transpose() * rest)[0, 0] / (2 * X_val.nrows())

    return value


@properties
@given(seed=seeds)
def test_five_routes_to_the_gradient_of_a_ridge_problem(seed):
    problem = pyblo.Ridge(*regression(seed))
    u = np.random.default_rng(seed).uniform(-1, 1, 4)
    values = np.linalg.eigvalsh(problem.X.T @ problem.X / 9 + np.diag(np.exp(u)))
    found = [
        pyblo.hypergradient(problem, u, method=method, route=route)
        for method, route in routes(values[-1] / values[0], values[-1])
    ]
    with precision():
        difference = slopes(ridge_objective(problem), BALL.matrix(u))
    agree([result.grad for result in found] + [difference], ridge_unit(problem, u, found[0].w))


@properties
@given(seed=seeds)
def test_four_routes_to_the_gradient_of_target_learning(seed):
    arrays, u, w0 = targets(seed)
    problem = pyblo.TargetLearning(*arrays)
    sigma = np.linalg.svd(problem.Phi, compute_uv=False)
    found = [
        pyblo.hypergradient(problem, u, w0=w0, method=method, route=route).grad
        for method, route in routes((sigma[0] / sigma[-1]) ** 2, 1.0001 * sigma[0] ** 2)
    ]
    w = problem.inner_solution(u, w0)
    exact = np.linalg.pinv(problem.Phi).T @ (problem.Phi_out.T @ (problem.Phi_out @ w - problem.y_out))
    agree([*found, exact], 4 * target_unit(problem, w))
