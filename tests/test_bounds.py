"""Constants and error bounds of paper 002 against formulas, exact arithmetic and measured errors."""

import re

import generate
import numpy as np
import pytest
from campaigns import bounds as campaign
from hypothesis import given
from hypothesis import strategies as st
from oracle import RATIONAL, Reference, Tally, error, rational, squared_norm
from test_properties import properties, seeds
from test_user_problems import contraction

import pyblo
from pyblo import bounds

EPS = np.finfo(float).eps


def quadratic_of(case):
    """The library's problem of a case."""
    return pyblo.Quadratic(case.A, case.B, case.P, **case.parts())


def regular(seed, largest=10, kappa=1e3):
    """A positive definite case."""
    return generate.quadratic(seed, largest=largest, kappa=kappa, singular=False)


# --- measured errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "count"), [(seed, 20) for seed in range(16)] + [(61, 100), (182, 100)])
def test_no_measured_error_exceeds_its_bound(seed, count):
    # In the last two Xᵀy cancels to a thousandth: without the second part of constants.floor they fail.
    tally = Tally()
    trial = campaign.Trial(seed, tally, count, adjoints=10)
    trial.run()
    assert not tally.failures()


def test_the_campaign_counts_what_exceeds_the_first_part_of_the_floor_alone():
    tally = campaign.campaign(100, 61, adjoints=10)
    assert not tally.failures()
    assert re.match(r"problems with an error above bound \+ 10 ε κ \(c₁ \+ c₃\): [1-9]\d* of 100 \(", tally.notes[0])


def test_bounds_are_not_far_above_the_errors_where_the_hessian_is_diagonal():
    ratios = {}
    for seed in (0, 1, 8, 9, 16, 17, 24, 25):
        trial = campaign.Trial(seed, Tally(), 20, adjoints=10)
        trial.run()
        assert trial.kind.startswith("diagonal")
        for name, found in trial.tightness:
            ratios.setdefault(name, []).append(found)
    medians = {name: np.median(np.concatenate(found)) for name, found in ratios.items()}
    assert set(medians) == {"ITD", "AID-FP", "AID-CG"} and max(medians.values()) <= 100


@pytest.mark.parametrize("seed", range(20))
def test_bounds_hold_in_exact_arithmetic(seed):
    # Neumann's series and the recurrence in rational numbers: no rounding but that of the constants.
    case = regular(seed, largest=5, kappa=50.0 if seed < 10 else 1e9)
    c = bounds.constants(quadratic_of(case), case.u)
    exact, u = Reference.of(case), RATIONAL.matrix(case.u)
    zero = RATIONAL.matrix(np.zeros(case.shape[0]))
    w = exact.inner_solution(u, zero)
    truth = exact.implicit(w, exact.pseudoinverse(exact.outer_gradient(w)))
    for t in (0, 1, 2, 5, 12):
        w_t, W = exact.descend(u, zero, t, c.step)
        g = exact.outer_gradient(w_t)
        assert error(np.zeros(u.nrows()), W.transpose() * g - truth) <= bounds.itd(c, t)
        for k in (0, 1, 4, 12):
            fixed_point = exact.implicit(w_t, exact.neumann(g, k, c.step))
            assert error(np.zeros(u.nrows()), fixed_point - truth) <= bounds.aid_fixed_point(c, t, k)


@pytest.mark.parametrize("inner", ["heavy_ball", "nesterov"])
@pytest.mark.parametrize("kappa", [1.0, 3.0, 80.0])
def test_accelerated_inner_runs_stay_below_their_bound(inner, kappa):
    rng = np.random.default_rng(int(kappa))
    count, n, m, mu = 200, 6, 4, 0.5
    values = mu * kappa ** rng.random((count, n))
    values[:, 0], values[:, 1] = mu, mu * kappa
    Q = np.linalg.qr(rng.standard_normal((count, n, n)))[0]
    A = (Q * values[:, None]) @ np.swapaxes(Q, 1, 2)
    A, B, d = (A + np.swapaxes(A, 1, 2)) / 2, rng.standard_normal((count, n, m)), rng.standard_normal((count, n))
    problem = pyblo.Quadratic(A, B, np.eye(n), d=d)
    u = rng.standard_normal((count, m))
    _, truth = campaign.exact(problem, u)
    step, momentum = getattr(bounds, inner)(mu, mu * kappa)
    ahead = bounds.heavy_ball_rate(mu, mu * kappa, np.arange(200)).max()
    c = bounds.constants(problem, u, inner=inner, reach=1 + max(1, ahead))
    for t in (0, 1, 2, 3, 7, 20, 60):
        run = pyblo.GradientDescent(t, step=step, momentum=momentum, nesterov=inner == "nesterov")
        for k in (0, 3, 30):
            for method, bound in ((pyblo.CG(k, rtol=EPS), bounds.aid_cg), (pyblo.FixedPoint(k, step=1 / (mu * kappa)), None)):
                found = pyblo.hypergradient(problem, u, method=method, inner=run)
                if bound is None:
                    now = bounds.constants(problem, u, inner=inner, reach=c.reach[0], step=1 / (mu * kappa))
                    limit = bounds.aid_fixed_point(now, t, k) + now.floor
                else:
                    limit = bound(c, t, k) + c.floor
                assert np.all(np.isfinite(limit)) and np.all(np.linalg.norm(found.grad - truth, axis=-1) <= limit)


def test_float32_errors_stay_below_the_bound_and_its_floor():
    rng = np.random.default_rng(0)
    X, X_val = rng.standard_normal((50, 9, 4)), rng.standard_normal((50, 7, 4))
    arrays = [np.asarray(a, np.float32) for a in (X, rng.standard_normal((50, 9)), X_val, rng.standard_normal((50, 7)))]
    A = np.swapaxes(X, 1, 2) @ X
    single = [pyblo.Ridge(*arrays), pyblo.Quadratic(np.float32(A), np.float32(X[:, :4]), np.float32(np.eye(4)), f=np.float32(X[:, 0]))]
    for problem in single:
        u = np.float32(rng.standard_normal(problem.outer_shape))
        double = type(problem)(**{f: np.asarray(getattr(problem, f), float) for f in problem._cores if getattr(problem, f) is not None})
        truth, c = campaign.exact(double, u.astype(float))[1], bounds.constants(problem, u)
        for t in (0, 3, 30, 300):
            found = pyblo.hypergradient(problem, u, method=pyblo.FixedPoint(t), inner=pyblo.GradientDescent(t))
            c = bounds.constants(problem, u, step=1 / np.linalg.eigvalsh(problem.hessian(u, None).todense().astype(float))[..., -1])
            assert np.all(np.linalg.norm(found.grad - truth, axis=-1) <= bounds.aid_fixed_point(c, t, t) + c.floor)


# --- the constants -------------------------------------------------------------------------------------------------------


def definite(M):
    """Whether an exact symmetric matrix is positive semidefinite with no eigenvalue 0: all leading minors are positive."""
    return all(type(M)(k, k, [M[i, j] for i in range(k) for j in range(k)]).det() > 0 for k in range(1, M.nrows() + 1))


def encloses(c, H, w):
    """Whether μI < H < LI and ‖w‖ ≤ D in rational numbers, by less than a factor of 1 + 10⁻³."""
    eye = RATIONAL.matrix(np.eye(H.nrows()))
    low, high, wide = rational(c.mu), rational(c.L), rational(1.001)
    return (definite(H - eye * low) and definite(eye * high - H) and squared_norm(w) <= rational(c.D) ** 2
            and not definite(H - eye * (low * wide)) and squared_norm(w) * wide**2 >= rational(c.D) ** 2)


@pytest.mark.parametrize("seed", range(25))
def test_constants_are_bounds_in_exact_arithmetic(seed):
    case = regular(seed, largest=6, kappa=1e9)
    exact = Reference.of(case)
    w = exact.inner_solution(RATIONAL.matrix(case.u), RATIONAL.matrix(np.zeros(case.shape[0])))
    if case.shape[0] > 1:  # a diagonal A has the eigenvalues that it has
        assert encloses(bounds.constants(quadratic_of(case), case.u), exact.A, w)


@pytest.mark.parametrize("seed", range(10))
def test_constants_of_other_problems_are_bounds_in_exact_arithmetic(seed):
    rng = np.random.default_rng(seed)
    X, y, u = rng.standard_normal((5, 3)), rng.standard_normal(5), rng.standard_normal(3)
    X[:, 2] = X[:, 1] + 10.0 ** -rng.uniform(0, 4) * X[:, 2]
    exact, moment = (RATIONAL.matrix(X).transpose() * RATIONAL.matrix(part) for part in (X, y))
    c = bounds.constants(pyblo.TargetLearning(X, X, y), y)
    assert encloses(c, exact, exact.solve(moment))
    beta, eye = 10.0 ** -rng.uniform(0, 12), RATIONAL.matrix(np.eye(3))
    H = exact + eye * rational(beta)
    c = bounds.constants(pyblo.BiasedRidge(X, y, X, y, beta=beta), u)
    assert encloses(c, H, H.solve(moment + RATIONAL.matrix(u) * rational(beta)))
    penalties = 10.0 ** rng.uniform(-6, 0, 3)
    c = bounds.constants(pyblo.Ridge(X[:4], y[:4], X, y, log=False), penalties)
    exact, moment = (RATIONAL.matrix(X[:4]).transpose() * RATIONAL.matrix(part) * rational(0.25) for part in (X[:4], y[:4]))
    H = exact + RATIONAL.matrix(np.diag(penalties))
    assert encloses(c, H, H.solve(moment))


@properties
@given(seed=seeds)
def test_constants_are_those_of_the_formulas(seed):
    case = regular(seed)
    c = bounds.constants(quadratic_of(case), case.u)
    values, n = np.linalg.eigvalsh(case.A), case.shape[0]
    w = -np.linalg.solve(case.A, case.B @ case.u + case.d)
    slack = 100 * n * EPS * case.kappa
    B, P = np.linalg.norm(case.B, 2), np.linalg.norm(case.P, 2)
    expected = {"mu": values[0], "L": values[-1], "kappa": values[-1] / values[0], "step": 2 / (values[0] + values[-1]),
                "L_Phi": B * c.step, "eta1": P}
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(c, name), value, rtol=slack)
    np.testing.assert_allclose(c.q, (c.kappa - 1) / (c.kappa + 1), atol=slack)
    force = B * np.linalg.norm(case.u) + np.linalg.norm(case.d)
    np.testing.assert_allclose(c.D, np.linalg.norm(w), atol=slack * (np.linalg.norm(w) + force / values[-1]))
    assert (c.eta2, c.nu1, c.nu2, c.c2) == (0, 0, 0, 0)
    np.testing.assert_allclose(c.c1, c.eta1 * c.L_Phi / (1 - c.q) * c.D, rtol=slack)
    np.testing.assert_allclose(c.c3, c.L_E * c.L_Phi / (1 - c.q), rtol=slack)


@properties
@given(seed=seeds)
def test_the_supremum_of_the_outer_gradient_is_attained(seed):
    case = regular(seed)
    c, rng = bounds.constants(quadratic_of(case), case.u), np.random.default_rng(seed)
    z = rng.standard_normal((64, case.shape[0]))
    for _ in range(600):  # of a convex function on a ball: w ← 2D ∇/‖∇‖ never descends
        z = z / np.linalg.norm(z, axis=1, keepdims=True)
        z = (2 * c.D * z @ case.P + case.f) @ case.P
    z = 2 * c.D * z / np.linalg.norm(z, axis=1, keepdims=True)
    reached = np.linalg.norm(z @ case.P + case.f, axis=1).max()
    assert reached <= c.L_E
    assert c.L_E <= reached * (1 + 1e-3)  # the ascent is slow near ties; a crude 2D‖P‖ + ‖f‖ is up to 41 % above


@pytest.mark.parametrize("penalty", ["diagonal", "scalar"])
@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("start", [False, True])
def test_constants_of_ridge(penalty, log, start):
    rng = np.random.default_rng(3)
    X, y, X_val, y_val = rng.standard_normal((8, 5)), rng.standard_normal(8), rng.standard_normal((6, 5)), rng.standard_normal(6)
    problem = pyblo.Ridge(X, y, X_val, y_val, penalty=penalty, log=log)
    u, w0 = rng.random(problem.outer_size), rng.standard_normal(5) if start else None
    c, center = bounds.constants(problem, u, w0, step=0.1), np.zeros(5) if w0 is None else w0
    penalties, slopes = problem.penalties(u)
    H = X.T @ X / 8 + np.diag(penalties)
    values, w = np.linalg.eigvalsh(H), np.linalg.solve(H, X.T @ y / 8)
    np.testing.assert_allclose([c.mu, c.L, c.D], [values[0], values[-1], np.linalg.norm(w - center)], rtol=1e3 * EPS * c.kappa)
    np.testing.assert_allclose(c.q, max(1 - 0.1 * values[0], abs(1 - 0.1 * values[-1])), rtol=1e3 * EPS)
    np.testing.assert_allclose([c.nu2, c.eta1], [0.1 * slopes.max(), np.linalg.norm(X_val, 2) ** 2 / 6], rtol=1e3 * EPS)
    largest = (slopes * (np.abs(center) + 2 * c.D)).max() if penalty == "diagonal" else slopes[0] * (np.linalg.norm(center) + 2 * c.D)
    np.testing.assert_allclose(c.L_Phi, 0.1 * largest, rtol=1e3 * EPS)
    np.testing.assert_allclose(c.c2, c.nu2 * c.L_E * c.D, rtol=1e3 * EPS)
    directions = rng.standard_normal((2000, 5))
    sphere = center + 2 * c.D * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    reached = np.linalg.norm((sphere @ X_val.T - y_val) @ X_val / 6, axis=1).max()
    assert 0.9 * c.L_E < reached <= c.L_E


@pytest.mark.parametrize("kind", ["quadratic", "target", "ridge"])
def test_a_batch_has_the_constants_of_its_problems(kind):
    from test_batch_problems import KINDS

    problem = KINDS[kind](np.random.default_rng(1), (2, 3))
    u = np.random.default_rng(2).standard_normal((3, problem.outer_size))
    many, names = bounds.constants(problem, u), ("q", "D", "L_E", "L_Phi", "c1", "c2", "c3", "floor")
    assert many.q.shape == many.floor.shape == (2, 3)
    for index in np.ndindex(2, 3):
        one = bounds.constants(problem._at(3 * index[0] + index[1]), u[index[1]])
        np.testing.assert_allclose([getattr(many, name)[index] for name in names], [getattr(one, name) for name in names],
                                   rtol=1e3 * EPS * one.kappa)
    assert bounds.itd(many, np.arange(4)[:, None, None]).shape == (4, 2, 3)


def test_one_problem_at_many_points_is_a_batch():
    problem = pyblo.Ridge(np.eye(3), np.ones(3), np.eye(3), np.ones(3), penalty="scalar")
    many = bounds.constants(problem, np.linspace(-2, 1, 4)[:, None])
    assert [bounds.constants(problem, [u]).c3 for u in np.linspace(-2, 1, 4)] == pytest.approx(many.c3, rel=1e3 * EPS)


def test_a_start_moves_the_problem():
    # w = w₀ + z: with d + Aw₀ and f + Pw₀ the run of z starts at zero.
    case = regular(5)
    moved = case._replace(d=case.d + case.A @ case.w0, f=case.f + case.P @ case.w0)
    a, b = bounds.constants(quadratic_of(case), case.u, case.w0), bounds.constants(quadratic_of(moved), case.u)
    np.testing.assert_allclose([a.D, a.L_E, a.c1, a.c3], [b.D, b.L_E, b.c1, b.c3], rtol=1e4 * EPS * a.kappa)


def test_at_q_zero_there_is_no_zero_over_zero():
    problem = pyblo.Quadratic(3 * np.eye(2), np.eye(2), np.eye(2), f=[1.0, 0.0])
    c = bounds.constants(problem, [1.0, 1.0])
    assert (c.q, c.kappa) == (0.0, 1.0)
    assert bounds.itd(c, [0, 1, 2]).tolist() == [c.c1 + c.c3, 0.0, 0.0]
    assert bounds.aid_fixed_point(c, [0, 1, 5], [0, 1, 5]).tolist() == [c.c1 + c.c3, 0.0, 0.0]
    ridge = bounds.constants(pyblo.Ridge(np.zeros((1, 1)), [1.0], [[1.0]], [1.0], penalty="scalar"), [0.0])
    assert np.isfinite(bounds.itd(ridge, [0, 1, 2])).all()


def test_on_the_range_of_a_singular_hessian_the_bounds_hold():
    A, B = np.diag([1.0, 4.0, 0.0]), np.array([[1.0], [1.0], [0.0]])
    problem = pyblo.Quadratic(A, B, np.ones((3, 3)), f=[0.0, 0.0, 50.0])
    c = bounds.constants(problem, [1.0])
    small = bounds.constants(pyblo.Quadratic(A[:2, :2], B[:2], np.ones((2, 2))), [1.0])
    assert c.singular and not small.singular
    assert (c.mu, c.kappa, c.q) == (small.mu, small.kappa, small.q)
    np.testing.assert_allclose([c.L_E, c.c1, c.c3], [small.L_E, small.c1, small.c3], rtol=100 * EPS)  # f along the null space is not seen
    assert "singular" in c.summary() and "singular" not in small.summary()


def test_bounds_are_the_printed_formulas():
    case = regular(11)
    quadratic, t, k = bounds.constants(quadratic_of(case), case.u), np.arange(1, 40), np.arange(39, 0, -1)
    ridge = bounds.constants(pyblo.Ridge(np.eye(3), [1.0, 2.0, 3.0], np.eye(3), np.ones(3)), np.zeros(3), step=0.5)
    for c in (quadratic, ridge):
        np.testing.assert_allclose(bounds.itd(c, t), (c.c1 + c.c2 * t / c.q + c.c3) * c.q**t, rtol=1e3 * EPS)
        power = c.q**k
        expected = (c.c1 + c.c2 * (1 - power) / (1 - c.q)) * c.q**t + c.c3 * power
        np.testing.assert_allclose(bounds.aid_fixed_point(c, t, k), expected, rtol=1e3 * EPS)
        root = np.sqrt(c.kappa)
        sigma = np.minimum(1, 2 * root * ((root - 1) / (root + 1)) ** k)
        np.testing.assert_allclose(bounds.aid_cg(c, t, k), (c.c1 + c.c2 / (1 - c.q)) * c.q**t + c.c3 * sigma, rtol=1e3 * EPS)
        assert bounds.aid(c, c.q**t, sigma) == pytest.approx(bounds.aid_cg(c, t, k), rel=1e3 * EPS)
        assert np.isinf(bounds.aid(c, 1.5, 0.0))


# --- rates ---------------------------------------------------------------------------------------------------------------


def errors_of(values, steps, step, momentum, nesterov):
    """What is left on each eigenvector of an error of one, after each step."""
    now = before = np.ones_like(values)
    out = [now]
    for _ in range(steps):
        ahead = now + momentum * (now - before)
        now, before = ahead - step * values * (ahead if nesterov else now), now
        out.append(now)
    return np.abs(out)


@pytest.mark.parametrize("kappa", [1.0, 1.5, 30.0, 1e4])
@pytest.mark.parametrize("name", ["heavy_ball", "nesterov", "gradient"])
def test_rates_are_attained_and_never_exceeded(kappa, name):
    mu, L, t = 0.25, 0.25 * kappa, np.arange(121)
    values = np.linspace(mu, L, 2001)
    if name == "gradient":
        step, momentum, found = bounds.optimal_step(mu, L), 0.0, bounds.gradient_rate((kappa - 1) / (kappa + 1), t)
    else:
        step, momentum = getattr(bounds, name)(mu, L)
        found = getattr(bounds, name + "_rate")(mu, L, t)
    worst = errors_of(values, 120, step, momentum, name == "nesterov").max(axis=1)
    noise = 1e3 * EPS * t
    assert np.all(worst <= found * (1 + noise) + noise * EPS)
    np.testing.assert_allclose(worst, found, rtol=1e-9, atol=1e3 * EPS)


def test_inner_run_of_the_constants_decides_the_rate():
    problem = pyblo.Quadratic(np.diag([1.0, 9.0]), np.eye(2), np.eye(2))
    for inner in ("heavy_ball", "nesterov"):
        c = bounds.constants(problem, [1.0, 1.0], inner=inner)
        assert bounds.rate(c, 5) == getattr(bounds, inner + "_rate")(c.mu, c.L, 5)
    wide = bounds.constants(problem, [1.0, 1.0], inner="heavy_ball", reach=2.25)
    close = bounds.constants(problem, [1.0, 1.0], inner="heavy_ball")
    assert np.isinf(bounds.aid_cg(close, 1, 5)) and np.isfinite(bounds.aid_cg(wide, 1, 5))  # ρ(1) = 1.25
    assert bounds.aid_cg(close, 9, 5) < bounds.aid_cg(wide, 9, 5)


@given(kappa=st.floats(1.0, 1e6), k=st.integers(0, 200))
@properties
def test_rate_of_conjugate_gradients_bounds_them(kappa, k):
    rng = np.random.default_rng(k)
    n = int(rng.integers(1, 12))
    values, b = generate.spread(rng, n, kappa), rng.standard_normal(n)
    x, _ = pyblo.linalg.cg(np.diag(values), b, rtol=EPS, maxiter=k)
    truth = b / values
    left = np.linalg.norm(x - truth) / np.linalg.norm(truth)
    assert left <= bounds.cg_rate(values.max() / values.min(), k) * (1 + 1e-12) + 100 * EPS * kappa


# --- what is refused -----------------------------------------------------------------------------------------------------

PROBLEM = pyblo.Quadratic(np.diag([1.0, 4.0]), np.eye(2), np.eye(2))
ONE = np.ones(2)
NOWHERE = pyblo.Ridge(np.ones((1, 2)), [1.0], np.ones((1, 2)), [1.0], log=False)
REFUSED = {
    "step: 0.5 is beyond the limit 0.5 = 2/L": lambda: bounds.constants(PROBLEM, ONE, step=0.5),
    "step: -1": lambda: bounds.constants(PROBLEM, ONE, step=-1.0),
    "step: expected numbers > 0": lambda: bounds.constants(PROBLEM, ONE, step=[0.1, -0.1]),
    "step: batch axes": lambda: bounds.constants(PROBLEM, np.ones((3, 2)), step=[0.1, 0.1]),
    "u: shape": lambda: bounds.constants(PROBLEM, np.ones(3)),
    "w0: shape": lambda: bounds.constants(PROBLEM, ONE, np.ones(3)),
    "w0: contains NaN": lambda: bounds.constants(PROBLEM, ONE, [np.nan, 0]),
    "inner: 'adam' is not known": lambda: bounds.constants(PROBLEM, ONE, inner="adam"),
    "reach: 1 is not valid": lambda: bounds.constants(PROBLEM, ONE, reach=1),
    "problem: H has no positive eigenvalue": lambda: bounds.constants(pyblo.Quadratic(np.zeros((2, 2)), np.zeros((2, 2)), np.eye(2)), ONE),
    "u: H.u. is singular to working precision": lambda: bounds.constants(NOWHERE, np.zeros(2)),
    "u: the penalties that it gives are not finite": lambda: bounds.constants(
        pyblo.Ridge(np.eye(2), ONE, np.eye(2), ONE), 800 * ONE),
    "A: is indefinite": lambda: bounds.constants(pyblo.Quadratic(np.diag([1.0, -1.0]), np.eye(2), np.eye(2)), ONE),
    "P: is indefinite": lambda: bounds.constants(pyblo.Quadratic(np.eye(2), np.eye(2), np.diag([1.0, -1.0])), ONE),
    "B: column 0 has": lambda: bounds.constants(pyblo.Quadratic(np.diag([1.0, 0.0]), np.eye(2)[:, 1:], np.eye(2)), [1.0]),
    "t: -1 is not valid": lambda: bounds.itd(bounds.constants(PROBLEM, ONE), -1),
    "t: 0.5 is not valid": lambda: bounds.itd(bounds.constants(PROBLEM, ONE), [1, 0.5]),
    "k: -2 is not valid": lambda: bounds.aid_cg(bounds.constants(PROBLEM, ONE), 1, -2),
    "rho: -1 is not valid": lambda: bounds.aid(bounds.constants(PROBLEM, ONE), -1, 0),
    "sigma: -1 is not valid": lambda: bounds.aid(bounds.constants(PROBLEM, ONE), 0, -1),
    "constants: Thm 2.1 is of a contraction": lambda: bounds.itd(bounds.constants(PROBLEM, ONE, inner="heavy_ball"), 3),
    "mu: 0 is not valid": lambda: bounds.optimal_step(0.0, 1.0),
    "L: is less than mu": lambda: bounds.heavy_ball(2.0, 1.0),
    "kappa: 0.5 is not valid": lambda: bounds.cg_rate(0.5, 1),
    "q: 1 is not valid": lambda: bounds.gradient_rate(1.0, 1),
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_other_types_are_named():
    with pytest.raises(TypeError, match="constants: expected the Constants"):
        bounds.itd(PROBLEM, 3)
    with pytest.raises(TypeError, match="problem: int is not"):
        bounds.constants(3, ONE)
    with pytest.raises(TypeError, match="t: complex"):
        bounds.itd(bounds.constants(PROBLEM, ONE), 1j)
    with pytest.raises(ValueError, match="problem: FixedPointMap says nothing of its constants; give it a method smoothness"):
        bounds.constants(contraction(0)[0], np.ones(3))
