"""Hypergradients against exact references: the first problems of the campaign, and the references themselves."""

import generate
import numpy as np
import pytest
from campaigns import exact
from flint import fmpq, fmpq_mat
from oracle import (
    BALL,
    Reference,
    Tally,
    cold_limit,
    cold_map,
    cold_verdict,
    error,
    group_inverse_times,
    numbers,
    precision,
    rational_matrix,
)

import pyblo

EPS = np.finfo(float).eps


@pytest.mark.parametrize("block", range(12))
def test_hypergradients_are_exact_to_their_condition(block):
    tally = Tally()
    for seed in range(20 * block, 20 * block + 20):
        exact.check(seed, tally)
    assert not tally.failures()


def unit_column(size, index=0):
    """A column of the identity."""
    return fmpq_mat(size, 1, [int(i == index) for i in range(size)])


def exact_point(case):
    """The reference of a case with u and w₀, in rationals."""
    return Reference.of(case), rational_matrix(case.u), rational_matrix(case.w0)


@pytest.mark.parametrize("seed", range(20))
def test_reference_inner_solution_is_optimal_and_nearest(seed):
    reference, u, w0 = exact_point(generate.quadratic(seed))
    w = reference.inner_solution(u, w0)
    zero = w * fmpq(0)
    assert reference.A * w + reference.force(u) == zero
    assert reference.on_range(w0 - w) == w0 - w


@pytest.mark.parametrize("seed", range(20))
def test_reference_gradients_are_exact_differences(seed):
    # F(u, w(u)) is quadratic in u, so a central difference of any width is its derivative.
    reference, u, w0 = exact_point(generate.quadratic(seed, largest=12))
    across = unit_column(reference.B.ncols())

    def slope(run):
        return (reference.value(run(u + across)) - reference.value(run(u - across))) / 2

    w = reference.inner_solution(u, w0)
    q = reference.pseudoinverse(reference.outer_gradient(w))
    assert slope(lambda v: reference.inner_solution(v, w0)) == reference.implicit(w, q)[0, 0]
    rng = np.random.default_rng(seed)
    for kind in ("gradient", "heavy", "nesterov"):
        rule = generate.descent(rng, generate.quadratic(seed, largest=12).top, kind, steps=8)
        w, W = reference.descend(u, w0, **rule)
        gradient = W.transpose() * reference.outer_gradient(w)
        assert slope(lambda v, rule=rule: reference.descend(v, w0, **rule)[0]) == gradient[0, 0]
        if kind == "gradient":
            terms = reference.neumann(reference.outer_gradient(w), rule["steps"], rule["step"])
            assert reference.implicit(w, terms) == gradient


@pytest.mark.parametrize("seed", range(10))
def test_balls_contain_the_rationals(seed):
    case = generate.quadratic(seed, largest=15)
    reference, u, w0 = exact_point(case)
    with precision():
        balls = Reference.of(case, BALL)
        inside = balls.inner_solution(BALL.matrix(case.u), BALL.matrix(case.w0))
        outside = reference.inner_solution(u, w0)
        assert all(inside[i, 0].contains(outside[i, 0]) for i in range(outside.nrows()))


class BiasedUnits:
    """What roundings of X may change, with K = [X; √β I]: the solution of min ‖Kw − [y; √β u]‖ and βH⁻¹ = J, by εκ(K) each."""

    def __init__(self, case, found):
        values = np.linalg.svd(case.augmented, compute_uv=False)
        kappa, across = values[0] / values[-1], np.linalg.norm(case.X_val, 2)
        rest = np.hypot(np.linalg.norm(case.X @ found.w - case.y), np.sqrt(case.beta) * np.linalg.norm(found.w - case.u))
        sizes = sum(map(np.linalg.norm, (found.w, case.u, case.w0))) + np.linalg.norm(case.y) / values[0]
        self.w = EPS * kappa * (sizes + kappa * rest / values[0])
        g = across * (across * np.linalg.norm(found.w) + np.linalg.norm(case.y_val))
        self.grad = EPS * kappa * g + across**2 * self.w
        self.value = across * self.w * (np.linalg.norm(case.X_val @ found.w - case.y_val) + across * self.w) + EPS * abs(found.value)
        self.value += EPS * across * np.linalg.norm(found.w) * np.linalg.norm(case.X_val @ found.w - case.y_val)


@pytest.mark.parametrize("block", range(5))
def test_biased_regularisation_loses_the_condition_of_its_data_and_no_more(block):
    # H has the square of the condition of [X; √β I]: up to 1e14
    for seed in range(20 * block, 20 * block + 20):
        case = generate.biased(seed)
        reference, u, w0 = Reference.of_biased(case), rational_matrix(case.u), rational_matrix(case.w0)
        w = reference.inner_solution(u, w0)
        g = reference.outer_gradient(w)
        found = pyblo.hypergradient(pyblo.BiasedRidge(**case.parts()), case.u, w0=case.w0)
        units = BiasedUnits(case, found)
        assert found.success and error(found.w, w) <= 10 * units.w
        assert error(found.grad, reference.implicit(w, reference.pseudoinverse(g))) <= 10 * units.grad
        assert error(found.value, reference.value(w)) <= 10 * units.value
        eps = generate.rounded(case.beta)
        damped = pyblo.hypergradient(pyblo.BiasedRidge(**case.parts()), case.u, w0=case.w0, method=pyblo.Damped(eps))
        assert error(damped.grad, reference.implicit(w, reference.damped(g, eps))) <= 10 * units.grad


@pytest.mark.parametrize("beta", [1e-300, 1e-20, 1e-14, 1.0])
def test_what_the_data_do_not_see_has_the_eigenvalue_beta_itself(beta):
    # On the null space of X, J = βH⁻¹ is the identity and H⁻¹ = 1/β: exactly, whatever rounding the singular values have.
    X = generate.low_rank(np.random.default_rng(0), 6, 3).T
    problem = pyblo.BiasedRidge(X, [1.0, 2.0, 3.0], np.eye(6), np.arange(6.0), beta=beta)
    values = problem._spectrum().values
    assert np.count_nonzero(values == beta) == 3
    u = np.arange(6.0)[::-1] ** 2
    found, null = pyblo.hypergradient(problem, u), np.linalg.svd(X)[2][3:]
    assert found.success and np.linalg.norm(null @ (found.w - u)) <= 10 * EPS * np.linalg.norm(u)
    assert np.linalg.norm(null @ (found.grad - (found.w - np.arange(6.0)))) <= 100 * EPS * np.linalg.norm(u)


@pytest.mark.parametrize("seed", range(10))
def test_limits_of_biased_regularisation(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    X, X_val = (generate.low_rank(rng, n, int(rng.integers(1, n + 1)), 2).T for _ in range(2))
    y, y_val, u0, w0 = (rng.integers(-3, 4, size).astype(float) for size in (len(X), len(X_val), n, n))
    case = generate.Regression(X, y, X_val, y_val, float(rng.integers(1, 4)), u0, w0)
    reference, exact_w0 = Reference.of_biased(case), rational_matrix(w0)
    problem = pyblo.BiasedRidge(**case.parts())
    step = generate.rounded(0.5 / np.linalg.norm(case.augmented, 2) ** 2)
    for method, apply in ((pyblo.Exact(), reference.pseudoinverse), (pyblo.Damped(0.5), lambda g: reference.damped(g, 0.5)),
                          (pyblo.Neumann(3, step), lambda g: reference.neumann(g, 3, step))):
        K, k = cold_map(reference, exact_w0, apply)
        limit, verdict = cold_limit(K, k, rational_matrix(u0)), cold_verdict(K, k)
        found = pyblo.equilibria.cold_start(problem, u0, w0, method)
        assert found.success == (verdict == "limit")
        if verdict == "limit":
            values = np.linalg.svd(np.array([float(x) for x in numbers(K)]).reshape(n, n), compute_uv=False)
            kappa = values[0] / values[values > 1e-9 * values[0]][-1]
            assert error(found.u, limit) <= 100 * EPS * kappa**2 * (np.linalg.norm(numbers(limit)) + np.linalg.norm(u0))
            run = pyblo.cold_start(problem, u0, w0, method=method, maxiter=5, tol=0.0)
            assert np.isfinite(run.u).all() and run.history.grad_norm[-1] <= run.history.grad_norm[0] * 10


def test_without_a_pull_nothing_depends_on_u():
    # β = 0: w is the least-squares solution nearest w₀, H may be singular, and M = 0
    rng = np.random.default_rng(1)
    X, w0 = generate.low_rank(rng, 5, 2).T, rng.standard_normal(5)
    problem = pyblo.BiasedRidge(X, [1.0, -2.0], rng.standard_normal((3, 5)), np.ones(3), beta=0)
    nearest = np.linalg.pinv(X) @ [1.0, -2.0] + w0 - np.linalg.pinv(X) @ (X @ w0)
    for method in (pyblo.Exact(), pyblo.CG(), pyblo.Damped(0.1), pyblo.Neumann(5), pyblo.Identity()):
        for route in ("auto", "iterate")[: 1 if isinstance(method, pyblo.Exact) else 2]:
            found = pyblo.hypergradient(problem, np.ones(5), w0=w0, method=method, route=route)
            assert found.success and not found.grad.any()
            assert np.linalg.norm(found.w - nearest) <= 100 * EPS * np.linalg.cond(X) * np.linalg.norm(w0)
    assert pyblo.hypergradient(problem, np.ones(5), w0=w0, method=pyblo.CG()).null_component > 0.1
    run = pyblo.cold_start(problem, np.ones(5), w0)
    assert run.success and run.nit == 0 and np.array_equal(run.u, np.ones(5))
    assert np.array_equal(pyblo.equilibria.cold_start(problem, np.ones(5), w0).u, np.ones(5))


def test_group_inverse_of_an_oblique_matrix():
    K = fmpq_mat([[2, 1, 3], [0, 1, 1], [2, 2, 4]])
    columns = [group_inverse_times(K, unit_column(3, j)) for j in range(3)]
    G = fmpq_mat(3, 3, [columns[j][i, 0] for i in range(3) for j in range(3)])
    assert K * G == G * K and K * G * K == K and G * K * G == G
    assert group_inverse_times(fmpq_mat([[0, 1], [0, 0]]), unit_column(2)) is None


@pytest.mark.parametrize("seed", range(10))
def test_reference_cold_limit_is_a_zero_of_the_hypergradient(seed):
    case = generate.descending(seed)[0]
    reference, u0, w0 = exact_point(case._replace(f=case.P @ np.ones(case.shape[0])))
    K, k = cold_map(reference, w0, reference.pseudoinverse)
    limit = cold_limit(K, k, u0)
    assert cold_verdict(K, k) == "limit"
    w = reference.inner_solution(limit, w0)
    gradient = reference.implicit(w, reference.pseudoinverse(reference.outer_gradient(w)))
    assert not np.any(numbers(gradient))
