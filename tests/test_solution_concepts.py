"""Optimistic and pessimistic solutions and their residuals: the campaign's first problems, general solvers, hand-made kinks."""

import generate
import numpy as np
import pytest
import scipy.optimize
from campaigns import solution_concepts as campaign
from concepts import Ball, integer_case, null_basis, problem_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Tally

import pyblo
from pyblo.equilibria import (
    cold_start,
    optimistic,
    optimistic_residual,
    pessimistic,
    pessimistic_residual,
    worst_case,
)
from pyblo.equilibria._sets import solution_sets

EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)
properties = settings(deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("block", range(4))
def test_solutions_are_those_of_exact_arithmetic(block):
    tally = Tally()
    for seed in range(25 * block, 25 * block + 25):
        campaign.check(seed, tally)
    assert not tally.failures()


# --- against general solvers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_optimistic_against_a_general_qp_solver(seed):
    case = integer_case(seed, largest=5)
    n, m = case.shape
    rng = np.random.default_rng(seed)

    def value(z):
        return 0.5 * z[m:] @ case.P @ z[m:] + case.f @ z[m:] + case.h

    rows = np.linalg.svd(case.A)[2][: case.rank] @ np.column_stack([case.B, case.A])  # SLSQP wants independent equations
    right = -np.linalg.svd(case.A)[2][: case.rank] @ case.d
    found = scipy.optimize.minimize(
        value, rng.standard_normal(m + n), jac=lambda z: np.concatenate([np.zeros(m), case.P @ z[m:] + case.f]), method="SLSQP",
        constraints={"type": "eq", "fun": lambda z: rows @ z - right, "jac": lambda z: rows}, options={"ftol": 1e-15, "maxiter": 1000})
    best = optimistic(problem_of(case))
    # SLSQP stops where F changes by ftol; both are feasible, and F is convex.
    assert best.fun <= found.fun + 1e-9 * (1 + abs(found.fun)) and found.fun - best.fun <= 1e-6 * (1 + abs(found.fun))


def search(case, radius, u, count):
    """The largest F over points of the sphere (one or two dimensions of null(A)), for rows of u; and a bound of what it misses."""
    ball = Ball(case, radius)
    k = ball.N.shape[1]
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    z = radius * (np.array([[1.0], [-1.0]]) if k == 1 else np.column_stack([np.cos(angle), np.sin(angle)]))
    w = ball.nearest(u)[:, None] + z @ ball.N.T
    missed = 0.0 if k == 1 else 0.5 * (np.pi / count * radius) ** 2 * (
        2 * np.linalg.norm(case.P, 2) + np.linalg.norm(ball.nearest(u) @ case.P + case.f, axis=-1).max() / radius)
    return ball.value(w).max(axis=1), missed


def flat_case(seed):
    """One outer variable, and one or two dimensions of null(A)."""
    rng = np.random.default_rng((seed, 31))
    n = int(rng.integers(2, 5))
    k = int(rng.integers(1, min(n - 1, 2) + 1))
    case = generate.singular_quadratic(rng, n)
    L = generate.low_rank(rng, n, n - k)
    A = L @ L.T
    factor = generate.low_rank(rng, n, int(rng.integers(1, n + 1)), 2)
    symmetric = rng.random() < 0.5  # F(w) = F(−w): kinks
    d = np.zeros(n) if symmetric else A @ rng.integers(-2, 3, n)
    f = np.zeros(n) if symmetric else factor @ (factor.T @ rng.integers(-2, 3, n))
    values = np.linalg.eigvalsh(A)
    return case._replace(A=A, B=A @ rng.integers(-2, 3, (n, 1)), d=d, f=f, P=factor @ factor.T, rank=n - k, u=np.zeros(1),
                         kappa=values[-1] / values[k], top=values[-1])


@pytest.mark.parametrize("seed", range(40))
def test_pessimistic_against_a_fine_search(seed):
    case, radius = flat_case(seed), 0.5 + seed % 5
    found = pessimistic(problem_of(case), radius)
    at_found, missed = search(case, radius, found.u[None], 20_000)
    scale = EPS * 1e4 * (1 + abs(found.fun))
    assert at_found[0] - scale <= found.fun <= at_found[0] + missed + scale
    width = 1.0 + 10 * np.abs(found.u[0])
    for _ in range(6):  # φ on ever finer grids round the best point of the last, starting far out
        grid = found.u[0] + width * np.linspace(-1, 1, 41)
        values, missed = search(case, radius, grid[:, None], 2000)
        assert values.min() >= found.fun - missed - scale
        width /= 20


@properties
@given(seed=seeds)
def test_a_worst_case_is_no_better_than_points_of_the_ball(seed):
    case, rng = integer_case(seed), np.random.default_rng(seed)
    radius = float(10 ** rng.uniform(-1, 1))
    N, u = null_basis(case.A), rng.standard_normal(case.shape[1])
    found = worst_case(problem_of(case), u, radius)
    z = rng.standard_normal((300, N.shape[1]))
    z *= radius * rng.random((300, 1)) ** 0.2 / np.maximum(np.linalg.norm(z, axis=1), 1e-300)[:, None]
    w = problem_of(case).inner_solution(u) + z @ N.T
    ball = Ball(case, radius)
    size = 1 + np.abs(ball.value(w)).max() + np.linalg.norm(case.P, 2) * np.linalg.norm(w, axis=1).max() ** 2
    assert found.fun >= ball.value(w).max() - 100 * EPS * case.kappa * size
    assert abs(ball.value(found.w) - found.fun) <= 100 * EPS * case.kappa * size


@properties
@given(seed=seeds)
def test_the_concepts_are_ordered(seed):
    case = integer_case(seed)
    problem, radius = problem_of(case), 0.1 + np.random.default_rng(seed).random()
    low, middle, high = optimistic(problem, case.u), cold_start(problem, case.u), pessimistic(problem, radius, case.u)
    size = 1e5 * EPS * (1 + abs(low.fun) + abs(high.fun))
    assert low.fun <= middle.fun + size and middle.fun <= high.fun + size
    assert pessimistic(problem, 2 * radius, case.u).fun >= high.fun - size
    if case.rank == case.shape[0]:  # one inner solution: they are the same
        assert abs(low.fun - high.fun) <= size
        assert np.allclose(low.u, high.u, rtol=0, atol=size * case.kappa * (1 + np.linalg.norm(low.u)))


# --- kinks by hand --------------------------------------------------------------------------------------------------


def sees(P, f=None, u=1):
    """f = ½Σ(w_i − u_i)² over the first u variables; the others are free."""
    n = len(P)
    A, B = np.diag([1.0] * u + [0.0] * (n - u)), -np.eye(n)[:, :u]
    return pyblo.Quadratic(A, B, np.array(P, float), f=f)


def test_a_kink_where_two_worst_cases_balance():
    # F = ½u² + ½(u + w₂)²: φ(u) = ½u² + ½(|u| + ρ)² has its kink at 0, where w₂ = ρ and w₂ = −ρ are as bad.
    problem = sees([[2.0, 1.0], [1.0, 1.0]])
    found = pessimistic(problem, 3.0)
    assert abs(found.u[0]) <= EPS and abs(found.fun - 4.5) <= 10 * EPS and abs(abs(found.w[1]) - 3.0) <= 10 * EPS
    for w in ([0.0, 3.0], [0.0, -3.0]):
        assert pessimistic_residual(problem, [0.0], w, 3.0) == 0.0
    assert pessimistic_residual(problem, [0.0], [0.0, 2.0], 3.0) > 0.05  # not a worst case
    assert pessimistic_residual(problem, [0.1], [0.1, 3.0], 3.0) > 0.1  # the slope is 0.1 + 3.1
    for u in (0.5, -2.0):
        assert abs(worst_case(problem, [u], 3.0).fun - (0.5 * u**2 + 0.5 * (abs(u) + 3) ** 2)) <= 100 * EPS


def test_a_kink_away_from_the_middle_of_the_ball():
    # F = ½(u + w₂)² + w₃ − u/10: w₃ and w₂ share the ball, and the worst case of w₂ flips at u = 0; z̄ = E q with 0 < |q| < τ.
    # φ(u) = max ½(u + z₂)² + z₃ − u/10: at u = 0 the worst z has z₃ = 1, z₂ = ±√(ρ² − 1) where λmax(W) = 1.
    problem = sees(np.diag([0.0, 1.0, 0.0]) + np.array([[1.0, 1, 0], [1, 0, 0], [0, 0, 0]]), f=[-0.1, 0.0, 1.0])
    found = pessimistic(problem, 2.0)
    # the derivative of ½u² + ... along u with mean q: u + q − 1/10 = 0 at u = 0
    assert abs(found.u[0]) <= 100 * EPS
    assert abs(found.w[2] - 1.0) <= 100 * EPS and abs(abs(found.w[1]) - np.sqrt(3.0)) <= 100 * EPS
    assert abs(found.fun - 2.5) <= 100 * EPS
    assert pessimistic_residual(problem, found.u, found.w, 2.0) <= 100 * EPS


def test_a_kink_with_a_sphere_of_worst_cases():
    # F = ½‖w₁₂ + w₃₄‖², w₁₂ = u: at u = 0 every w₃₄ on the circle is as bad.
    M = np.kron([[1.0, 1.0], [1.0, 1.0]], np.eye(2))
    problem = sees(M, u=2)
    found = pessimistic(problem, 2.0, u0=[5.0, -7.0])
    assert np.linalg.norm(found.u) <= 100 * EPS and abs(found.fun - 2.0) <= 100 * EPS
    assert pessimistic_residual(problem, found.u, found.w, 2.0) <= 100 * EPS
    assert pessimistic_residual(problem, [0.0, 0.0], [0.0, 0.0, 1.2, -1.6], 2.0) <= 100 * EPS


def test_a_smooth_minimum():
    # F = ½(w₂ − 3u)² + ½·10(u − 1)² + w₂: near u = 1 the worst case is w₂ = −ρ, and φ is a parabola there.
    P, f = np.array([[19.0, -3.0], [-3.0, 1.0]]), np.array([-10.0, 0.0])
    problem, radius = sees(P, f), 1.0
    u = (10 - 3) / 19  # of ½·19u² − 10u + 3u + ½: w₂ = −1
    found = pessimistic(problem, radius)
    assert np.allclose(found.u, u, rtol=0, atol=100 * EPS) and np.allclose(found.w, [u, -1.0], rtol=0, atol=100 * EPS)
    assert pessimistic_residual(problem, found.u, found.w, radius) <= 100 * EPS


@pytest.mark.parametrize("radius", [1e-12, 1e-6, 1e6])
def test_very_small_and_very_large_balls(radius):
    case = integer_case(1)
    problem = problem_of(case)
    found = pessimistic(problem, radius, case.u)
    assert found.success and pessimistic_residual(problem, found.u, found.w, radius) <= 1e5 * EPS
    if radius < 1:
        assert np.linalg.norm(found.u - cold_start(problem, case.u).u) <= 1e6 * (radius + EPS)


# --- no bound -------------------------------------------------------------------------------------------------------


def test_an_infinite_ball():
    for radius in (None, np.inf):
        found = pessimistic(sees(np.diag([1.0, 2.0])), radius)
        assert found.fun == np.inf and found.u is None and found.status == pyblo.Status.UNBOUNDED and "null(A)" in found.message
        assert np.allclose(np.abs(found.certificate["direction"][1]), [0.0, 1.0], rtol=0, atol=EPS)
        found = worst_case(sees(np.diag([1.0, 0.0]), f=[0.0, -2.0]), [1.0], radius)  # linear along null(A)
        assert found.fun == np.inf and np.allclose(found.certificate["direction"][1], [0.0, -1.0], rtol=0, atol=EPS)
        constant = sees(np.diag([1.0, 0.0]), f=[-2.0, 0.0])
        found = pessimistic(constant, radius)
        assert found.success and np.array_equal(found.u, [2.0]) and np.array_equal(found.w, [2.0, 0.0])
        assert worst_case(constant, [1.0], radius).fun == -1.5


@properties
@given(seed=seeds)
def test_certificates_of_no_lower_bound(seed):
    case = integer_case(seed)
    rng = np.random.default_rng(seed)
    n = case.shape[0]
    f = rng.integers(-2, 3, n).astype(float)
    problem = pyblo.Quadratic(case.A, case.B, case.P, d=case.d, f=f)
    found = optimistic(problem, case.u)
    N = null_basis(case.A)
    graph = np.column_stack([-np.linalg.pinv(case.A, rcond=1e-10, hermitian=True) @ case.B, N])  # all directions of w
    flat = graph @ np.linalg.svd(case.P @ graph)[2][np.linalg.matrix_rank(case.P @ graph, tol=1e-8) :].T
    falls = np.linalg.norm(f @ flat) > 1e-8
    assert found.success == (not falls)
    if falls:
        du, dw = found.certificate["direction"]
        size = EPS * 1e3 * case.kappa
        assert found.fun == -np.inf and abs(du @ du + dw @ dw - 1) <= 100 * EPS
        assert np.linalg.norm(case.A @ dw + case.B @ du) <= size * (case.top + np.linalg.norm(case.B))
        assert np.linalg.norm(case.P @ dw) <= 10 * size * np.linalg.norm(case.P) and f @ dw < 0


def test_pessimistic_without_a_lower_bound():
    found = pessimistic(sees(np.diag([0.0, 1.0]), f=[1.0, 0.0]), 1.0)
    assert found.fun == -np.inf and found.status == pyblo.Status.UNBOUNDED
    du, dw = found.certificate["direction"]
    assert np.allclose(du, dw[:1], rtol=0, atol=EPS) and du[0] < 0


# --- batches, dtypes, forms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batches_are_what_each_problem_is_alone(dtype):
    rng = np.random.default_rng(2)
    L = rng.standard_normal((3, 4, 2)).astype(dtype)
    A = L @ np.swapaxes(L, 1, 2)
    A = (A + np.swapaxes(A, 1, 2)) / 2
    B, P = (A @ rng.standard_normal((3, 4, 2)).astype(dtype)), np.eye(4, dtype=dtype)
    problem, u0 = pyblo.Quadratic(A, B, P), rng.standard_normal((2, 1, 2)).astype(dtype)
    ones = [pyblo.Quadratic(A[j], B[j], P) for j in range(3)]
    for run in (optimistic, lambda p, u: pessimistic(p, 1.5, u), lambda p, u: worst_case(p, u, 1.5),
                lambda p, u: pyblo.equilibria.value_function_penalty(p, 7.0, u)):
        found = run(problem, u0)
        assert found.u.shape == (2, 3, 2) and found.w.shape == (2, 3, 4) and found.fun.shape == (2, 3) and found.u.dtype == dtype
        for i in range(2):
            for j in range(3):
                one = run(ones[j], u0[i, 0])
                assert found.u[i, j].tobytes() == one.u.tobytes() and found.w[i, j].tobytes() == one.w.tobytes()
    found = pessimistic(problem, 1.5, u0)
    assert pessimistic_residual(problem, found.u, found.w, 1.5).shape == (2, 3)
    assert pessimistic_residual(problem, found.u, found.w, 1.5).max() <= 2e3 * np.finfo(dtype).eps
    found = optimistic(problem, u0)
    assert optimistic_residual(problem, found.u, found.w).max() <= 2e3 * np.finfo(dtype).eps


def test_target_learning_is_the_quadratic_of_its_gram_matrices():
    rng = np.random.default_rng(4)
    Phi, Phi_out, y = rng.standard_normal((3, 6)), rng.standard_normal((5, 6)), rng.standard_normal(5)
    target = pyblo.TargetLearning(Phi, Phi_out, y)
    quadratic = pyblo.Quadratic(Phi.T @ Phi, -Phi.T, Phi_out.T @ Phi_out, f=-Phi_out.T @ y, h=0.5 * y @ y)
    kappa = np.linalg.cond(Phi) ** 2 * np.linalg.cond(Phi_out) ** 2
    for run in (optimistic, lambda p: pessimistic(p, 2.0)):
        one, other = run(target), run(quadratic)
        assert np.allclose(one.u, other.u, rtol=0, atol=100 * EPS * kappa) and abs(one.fun - other.fun) <= 100 * EPS * kappa
    assert abs(optimistic(target).fun) <= 100 * EPS * kappa  # six weights fit five points


def test_conditioning_is_that_of_the_features_and_not_of_their_gram_matrix():
    # κ(Φ) = 10⁸, whose square leaves nothing in double precision: F = ½‖w − y‖² with w = Φ⁺u + v.
    rng = np.random.default_rng(6)
    Phi = (np.linalg.qr(rng.standard_normal((4, 4)))[0] * [1e8, 1e4, 1e2, 1.0]) @ np.linalg.qr(rng.standard_normal((6, 4)))[0].T
    y = rng.standard_normal(6)
    problem = pyblo.TargetLearning(Phi, np.eye(6), y)
    found = optimistic(problem)
    assert np.linalg.norm(found.w - y) <= 100 * EPS * 1e8 and np.linalg.norm(found.u - Phi @ y) <= 100 * EPS * 1e8 * 1e8
    found = pessimistic(problem, 1.0)  # w₀ = AA⁺y is matched, and the worst v is away from the rest of y
    rest = y - np.linalg.pinv(Phi, rcond=1e-12) @ (Phi @ y)
    assert abs(found.fun - 0.5 * (np.linalg.norm(rest) + 1.0) ** 2) <= 1000 * EPS * 1e8


def test_nothing_to_choose_nothing_that_bends_and_nothing_at_all():
    value_function_penalty = pyblo.equilibria.value_function_penalty
    idle = pyblo.Quadratic(np.diag([1.0, 0.0]), np.zeros((2, 0)), np.eye(2), f=np.ones(2))  # no u: w₁ = 0, w₂ is free
    assert np.array_equal(optimistic(idle).w, [0.0, -1.0]) and np.array_equal(pessimistic(idle, 1.0).w, [0.0, 1.0])
    assert np.allclose(value_function_penalty(idle, 2.0).w, [-1 / 3, -1.0], rtol=0, atol=10 * EPS)
    flat = pyblo.Quadratic(np.zeros((2, 2)), np.zeros((2, 1)), np.eye(2), f=np.ones(2))  # f = 0: every w is an inner solution
    assert np.allclose(optimistic(flat, [3.0]).w, [-1.0, -1.0], rtol=0, atol=10 * EPS) and optimistic(flat, [3.0]).u == 3.0
    assert np.allclose(pessimistic(flat, 1.0).w, [np.sqrt(0.5)] * 2, rtol=0, atol=10 * EPS)
    for n in (0, 2):
        blind = pyblo.Quadratic(np.diag([1.0, 0.0])[:n, :n], np.zeros((n, 1)), np.zeros((n, n)))  # F = 0
        for found in (optimistic(blind), pessimistic(blind, 1.0), pessimistic(blind, None), value_function_penalty(blind, 1.0)):
            assert found.success and found.fun == 0.0 and not found.u.any() and not found.w.any()
    none = pyblo.Quadratic(np.zeros((0, 2, 2)), np.zeros((2, 1)), np.eye(2))
    assert optimistic(none).u.shape == pessimistic(none, 1.0).u.shape == (0, 1) and optimistic(none).message


# --- bad input ------------------------------------------------------------------------------------------------------

GOOD = sees(np.diag([1.0, 2.0]))
RIDGE = pyblo.Ridge(np.eye(2), np.ones(2), np.eye(2), np.ones(2))
CONCEPTS = {
    "optimistic": lambda p, u=None: optimistic(p, u),
    "pessimistic": lambda p, u=None: pessimistic(p, 1.0, u),
    "worst_case": lambda p, u=np.zeros(1): worst_case(p, u, 1.0),
    "penalty": lambda p, u=None: pyblo.equilibria.value_function_penalty(p, 1.0, u),
    "optimistic_residual": lambda p, u=np.zeros(1): optimistic_residual(p, u, np.zeros(2)),
    "pessimistic_residual": lambda p, u=np.zeros(1): pessimistic_residual(p, u, np.zeros(2), 1.0),
}


@pytest.mark.parametrize("name", CONCEPTS)
def test_bad_problems_and_points_are_named(name):
    call = CONCEPTS[name]
    with pytest.raises(TypeError, match="^problem: "):
        call("a problem")
    with pytest.raises(ValueError, match="^problem: .*Ridge"):
        call(RIDGE)
    with pytest.raises(ValueError, match="^P: is indefinite"):
        call(sees(np.diag([1.0, -1.0])))
    with pytest.raises(ValueError, match="^A: is indefinite"):
        call(pyblo.Quadratic(np.diag([1.0, -1.0]), np.ones((2, 1)), np.eye(2)))
    with pytest.raises(ValueError, match="^B: .*unbounded below"):
        call(pyblo.Quadratic(np.diag([1.0, 0.0]), np.ones((2, 1)), np.eye(2)))
    for u in (np.zeros(3), [np.nan]):
        with pytest.raises(ValueError, match="^u0?: "):
            call(GOOD, u)


@pytest.mark.parametrize("radius", [0.0, -1.0, np.nan, -np.inf, "wide", [1.0, 2.0]])
def test_bad_radii_are_named(radius):
    for call in (lambda: pessimistic(GOOD, radius), lambda: worst_case(GOOD, [0.0], radius),
                 lambda: pessimistic_residual(GOOD, [0.0], [0.0, 0.0], radius)):
        with pytest.raises((ValueError, TypeError), match="^radius: "):
            call()
    with pytest.raises(ValueError, match="^radius: "):
        pessimistic_residual(GOOD, [0.0], [0.0, 0.0], np.inf)


def test_what_is_unbounded_is_seen_beside_a_large_condition():
    # f falls for ever along w₃, though the least curvature that is kept is nearly rounding.
    with pytest.raises(ValueError, match=r"^B: column 0 has a relative part 1 in the null space of A"):
        cold_start(pyblo.Quadratic(A=np.diag([1.0, 1e-14, 0.0]), B=[[0.0], [0.0], [1.0]], P=np.eye(3)), [0.0])


def test_what_p_does_not_see_of_f_stays_however_large_its_condition():
    n = 1000  # in float32 a P of this size has singular values of L that are 1 % rounding
    e = np.eye(n, 3, dtype=np.float32)
    P = np.diag(e[:, 0] + np.float32(1.3e-4) * e[:, 1])
    assert np.array_equal(solution_sets(pyblo.Quadratic(A=np.outer(e[:, 2], e[:, 2]), B=-e[:, 2:], P=P, f=e[:, 2])).f_rest, e[:, 2])


def test_residuals_that_overflow_are_named_and_are_not_zero():
    stiff = pyblo.Quadratic(A=np.eye(1), B=[[-1.0]], P=[[1e200]], f=[-1.0])
    point, stands = ([1e120], [1e120]), pyblo.Quadratic(A=np.diag([1.0, 0.0]), B=[[-1.0], [0.0]], P=np.eye(2), f=[-1.0, 0.0])
    calls = {
        "optimistic": lambda: optimistic_residual(stiff, *point),
        "pessimistic": lambda: pessimistic_residual(stiff, *point, 1.0),
        "penalty": lambda: pyblo.equilibria.value_function_penalty_residual(stiff, *point, 1.0),
        "cold": lambda: pyblo.equilibria.cold_start_residual(stiff, *point),
        "warm": lambda: pyblo.equilibria.warm_start_residual(stiff, *point),
        "denominator": lambda: pyblo.equilibria.cold_start_residual(stands, [1.7e308], [1.7e308, 0.0]),
        "worst case": lambda: worst_case(stiff, [1e120], 1.0),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=r"^[uw]: is so large that"):
            call()
            pytest.fail(name)
    with pytest.raises(ValueError, match=r"^radius: is so large that"):
        pessimistic_residual(stands, [1.0], [1.0, 1.0], 1e155)
    with pytest.raises(ValueError, match=r"^w: .*\(problem 1 of the batch\)"):
        pyblo.equilibria.warm_start_residual(stiff, [0.0], [[0.0], [1e120]])
    assert pyblo.equilibria.value_function_penalty_residual(stands, [1.0], [1.0, 0.0], 1e308) == 0.0
    assert np.allclose(pyblo.equilibria.value_function_penalty(stands, 1e308).w, [1.0, 0.0], rtol=0, atol=4 * EPS)


def test_radii_and_problems_whose_value_overflows_are_named():
    stands = pyblo.Quadratic(A=np.diag([1.0, 0.0]), B=[[-1.0], [0.0]], P=np.eye(2), f=[-1.0, 0.0])
    learning = pyblo.TargetLearning([[1.0, 0.0]], [[1.0, 0.0], [1.0, 1.0]], [1.0, -2.0])
    for radius in (1e155, 1e308):
        with pytest.raises(ValueError, match="^radius: .* is so large that F overflows"):
            pessimistic(stands, radius)
        with pytest.raises(ValueError, match="^radius: .* is so large that F overflows"):
            worst_case(stands, [1.0], radius)
    one = np.eye(2, dtype=np.float32)
    with pytest.raises(ValueError, match=r"^radius: 1e\+39 overflows float32"):
        worst_case(pyblo.Quadratic(A=np.diag(one[0]), B=-one[:, :1], P=one, f=-one[0]), np.zeros(1, np.float32), 1e39)
    with pytest.raises(ValueError, match="^radius: .* is too small beside ∂F/∂w"):
        pessimistic(learning, 1e-320)
    for power in range(-300, 150, 50):  # and what lies between has its worst case, at the border of the ball
        found = pessimistic(stands, 10.0**power)
        assert abs(found.w[1]) == 10.0**power and found.u == found.w[0] == 1.0
    with pytest.raises(ValueError, match="^u: is so large that F overflows"):
        worst_case(stands, [1e200], 1.0)
    with pytest.raises(ValueError, match="^problem: its value overflows"):
        optimistic(pyblo.Quadratic(A=np.eye(1), B=np.zeros((1, 1)), P=np.eye(1), d=[-1e200]))
