"""What rests on the constants: plans, the a-posteriori bound, inexact hypergradient descent, and problems of the user's own."""

import generate
import numpy as np
import pytest
from campaigns import bounds as campaign
from hypothesis import given
from hypothesis import strategies as st
from oracle import RATIONAL, Reference, error
from scipy.sparse.linalg import LinearOperator
from test_bounds import quadratic_of, regular
from test_properties import properties, seeds
from test_user_problems import contraction

import pyblo
from pyblo import bounds
from pyblo._namespace import spectral_norm

EPS = np.finfo(float).eps
BOUNDS = {"itd": bounds.itd, "aid_fixed_point": bounds.aid_fixed_point, "aid_cg": bounds.aid_cg}
I, ONES = np.eye(2), np.ones(2)


# --- plans ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["gradient_descent", "nesterov", "heavy_ball"])
@pytest.mark.parametrize("method", ["aid_cg", "aid_fixed_point"])
@pytest.mark.parametrize("seed", range(6))
def test_a_plan_is_the_least(method, inner, seed):
    case = regular(seed, kappa=12.0)
    problem, share = quadratic_of(case), 10 ** -np.random.default_rng(seed).uniform(0, 5)
    c = bounds.constants(problem, case.u, inner=inner)
    wanted = c.floor + share * (c.c1 + c.c3)
    plan = bounds.plan(problem, case.u, wanted, method=method, inner=inner)
    grid = np.arange(200)
    enough = BOUNDS[method](c, grid[:, None], grid) + c.floor <= wanted
    sums = (grid[:, None] + grid)[enough]
    assert enough[plan.t, plan.k] and plan.t + plan.k == sums.min()
    assert plan.bound <= wanted and plan.bound == BOUNDS[method](c, plan.t, plan.k) + c.floor


@properties
@given(seed=seeds, digits=st.floats(-1.0, 6.0))
def test_a_plan_of_iterative_differentiation_is_the_least(seed, digits):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((6, 3))
    problem, u = pyblo.Ridge(X, rng.standard_normal(6), X[:4], rng.standard_normal(4)), rng.uniform(-2, 1, 3)
    c = bounds.constants(problem, u)
    wanted = c.floor + 10**-digits * (c.c1 + c.c3)  # above the start too, and below the rise of c₂ t q^(t−1)
    plan = bounds.plan(problem, u, wanted, method="itd")
    assert np.flatnonzero(bounds.itd(c, np.arange(plan.t + 1)) + c.floor <= wanted).tolist() == [plan.t]


@pytest.mark.parametrize("method", BOUNDS)
@pytest.mark.parametrize("inner", ["gradient_descent", "nesterov", "heavy_ball"])
def test_a_plan_that_is_carried_out_keeps_its_word(method, inner):
    if method == "itd" and inner != "gradient_descent":
        with pytest.raises(ValueError, match="contraction"):
            bounds.plan(quadratic_of(regular(0)), regular(0).u, 1.0, method=method, inner=inner)
        return
    for seed in range(8):
        case = generate.quadratic(seed, largest=8, kappa=100.0)
        problem = quadratic_of(case)
        c = bounds.constants(problem, case.u)
        for wanted in (c.floor + 1e-2 * c.c3, c.floor + 1e-9 * c.c3):
            plan = bounds.plan(problem, case.u, wanted, method=method, inner=inner)
            found = pyblo.hypergradient(problem, case.u, **plan.arguments())
            assert np.linalg.norm(found.grad - pyblo.hypergradient(problem, case.u).grad) <= wanted


@pytest.mark.parametrize("method", BOUNDS)
def test_a_plan_starts_where_it_was_made_for(method):
    problem, u = pyblo.Quadratic(np.diag([1.0, 3.0]), np.eye(2), np.eye(2)), [3.0, 0.0]
    w0 = problem.inner_solution(u) + 1e-6
    plan, given = bounds.plan(problem, u, 1e-3, w0=w0, method=method), w0.copy()
    w0 += 1.0  # the caller's own
    assert np.array_equal(plan.arguments()["w0"], given) and plan.t < bounds.plan(problem, u, 1e-3, method=method).t
    found = pyblo.hypergradient(problem, u, **plan.arguments())
    assert np.linalg.norm(found.grad - pyblo.hypergradient(problem, u).grad) <= 1e-3
    assert "w0" not in bounds.plan(problem, u, 1e-3, method=method).arguments()


def test_a_plan_of_a_batch_is_that_of_each_problem():
    problem = pyblo.Quadratic(np.stack([np.diag([1.0, k]) for k in (2.0, 30.0)]), np.eye(2), np.eye(2))
    plan = bounds.plan(problem, np.ones(2), np.array([[1e-2], [1e-6]]))
    assert plan.t.shape == plan.bound.shape == (2, 2)
    for i, j in np.ndindex(2, 2):
        one = bounds.plan(problem._at(j), np.ones(2), (1e-2, 1e-6)[i])
        assert (plan.t[i, j], plan.k[i, j]) == (one.t, one.k)
    with pytest.raises(ValueError, match="plan: is of a batch of shape"):
        plan.arguments()
    assert "problems" in plan.summary() and "adjoint iterations" in plan.summary()


def test_a_plan_for_a_hard_problem_is_near_the_analytic_one():
    # k + t with c₁q^t + c₃q^k = error is least where both terms are halves: t ≈ log(2c₁/error)/log(1/q).
    problem = pyblo.Quadratic(np.diag([1.0, 1e7]), np.eye(2), np.eye(2))
    plan = bounds.plan(problem, [3.0, 1.0], 1e-3, method="aid_fixed_point")
    c = plan.constants
    room = 1e-3 - c.floor
    expected = np.log(np.array([c.c1, c.c3]) * 2 / room) / -np.log(c.q)
    np.testing.assert_allclose([plan.t, plan.k], expected, rtol=1e-3)
    assert plan.t + plan.k <= np.ceil(expected).sum()


def test_what_cannot_be_planned_is_named():
    problem = pyblo.Quadratic(np.diag([1.0, 1e7]), np.eye(2), np.eye(2))
    with pytest.raises(ValueError, match="error: 1e-20 is not above"):
        bounds.plan(problem, [3.0, 1.0], 1e-20)
    with pytest.raises(ValueError, match="method: 'newton' is not known"):
        bounds.plan(problem, [3.0, 1.0], 1.0, method="newton")
    with pytest.raises(ValueError, match="error: batch axes"):
        bounds.plan(problem, np.ones((3, 2)), [1.0, 1.0])


# --- from residuals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(24))
def test_the_a_posteriori_bound_holds_for_any_pair(seed):
    kind, problem, u, _ = campaign.draw(seed, 50)
    _, truth = campaign.exact(problem, u)
    best, rng = pyblo.hypergradient(problem, u), np.random.default_rng(seed)
    project = bounds.smoothness(problem, u).range_part or (lambda x: x)
    for size in (1e-12, 1e-6, 1e-2, 1.0, 30.0):
        # beside a singular H w may move along the range of H, and q anywhere
        w = best.w + size * project(rng.standard_normal(best.w.shape))
        q = best.adjoint + size * rng.standard_normal(best.w.shape)
        found = -(np.swapaxes(problem.cross(u, w).todense(), -1, -2) @ q[..., None])[..., 0]
        assert np.all(np.linalg.norm(found - truth, axis=-1) <= bounds.a_posteriori(problem, u, w, q)), (kind, size)


@pytest.mark.parametrize("seed", range(15))
def test_the_a_posteriori_bound_holds_in_exact_arithmetic(seed):
    case = regular(seed, largest=6, kappa=1e4)
    problem, exact, u = quadratic_of(case), Reference.of(case), RATIONAL.matrix(case.u)
    w = exact.inner_solution(u, RATIONAL.matrix(np.zeros(case.shape[0])))
    truth = exact.implicit(w, exact.pseudoinverse(exact.outer_gradient(w)))
    for terms in (1, 20, 4000):
        found = pyblo.hypergradient(problem, case.u, method=pyblo.Neumann(terms), inner=pyblo.GradientDescent(terms))
        bound = bounds.a_posteriori(problem, case.u, found.w, found.adjoint)
        assert error(found.grad, truth) <= bound


def test_the_a_posteriori_bound_is_exact_in_one_dimension():
    # H = 2, M = −1, P = 3: dF/du = q with 2q = 3w and 2w = u; at (w, q) = (1, 1) and u = 4 the error is |1 − 3|.
    problem = pyblo.Quadratic(2 * np.eye(1), -np.eye(1), 3 * np.eye(1))
    bound = bounds.a_posteriori(problem, [4.0], [1.0], [1.0])
    assert bound == pytest.approx((abs(2 * 1 - 3 * 1) + 3 * abs(2 * 1 - 4) / 2) / 2, rel=100 * EPS) == pytest.approx(2.0)


def test_rounding_of_the_residuals_is_counted():
    # P = 0: q = f/λ, which one division makes, and fl(λq) is mostly f: the residual that is measured is zero, the error is not.
    rng, seen = np.random.default_rng(4), 0
    for _ in range(50):
        values, f = rng.random(3) + 0.5, rng.standard_normal(3)
        problem = pyblo.Quadratic(np.diag(values), np.eye(3), np.zeros((3, 3)), f=f)
        q = f / values
        away = error(-q, -RATIONAL.matrix(np.diag(values)).solve(RATIONAL.matrix(f)))
        assert away <= bounds.a_posteriori(problem, np.ones(3), -1 / values, q)
        seen += away > 0 and not np.any(values * q - f)
    assert seen > 5


def test_an_adjoint_of_another_shape_is_named():
    with pytest.raises(ValueError, match="adjoint: shape"):
        bounds.a_posteriori(pyblo.Quadratic(np.eye(2), np.eye(2), np.eye(2)), np.ones(2), np.ones(2), np.ones(3))


# --- inexact hypergradient descent ---------------------------------------------------------------------------------------


def squares(problem, u):
    """‖∇F*‖² at each u."""
    return np.sum(pyblo.hypergradient(problem, u).grad ** 2, axis=-1)


def means(values):
    """The means of the first 1, 2, … values."""
    return np.cumsum(values) / np.arange(1, len(values) + 1)


def ridge(seed):
    """A small ridge problem."""
    rng = np.random.default_rng(seed)
    arrays = (rng.standard_normal(shape) for shape in ((9, 4), (9,), (6, 4), (6,)))
    return pyblo.Ridge(*arrays, log=bool(seed % 2), penalty=("diagonal", "scalar")[seed // 2 % 2])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("t", [1, 3, 10])
def test_inexact_descent_on_quadratics(seed, t):
    case = generate.quadratic(seed, largest=8, kappa=100.0)
    problem = quadratic_of(case)
    smooth = bounds.lipschitz(problem, case.u[None])
    J = np.linalg.pinv(case.A, rcond=1e-10, hermitian=True) @ case.B
    np.testing.assert_allclose(smooth, np.linalg.norm(J.T @ case.P @ J, 2), rtol=1e3 * EPS * case.kappa)
    step = 1 / smooth
    run = pyblo.cold_start(problem, case.u, method=pyblo.FixedPoint(t), inner=pyblo.GradientDescent(t), step=step, maxiter=30, tol=0.0)
    u = run.history.u
    c = bounds.constants(problem, u, step=1 / np.linalg.eigvalsh(case.A)[-1])
    bound = bounds.inexact_descent(problem, run, step, bounds.aid_fixed_point(c, t, t) + c.floor)
    assert np.all(means(squares(problem, u)[:-1]) <= bound)
    measured = np.linalg.norm(approximate(problem, u, t) - pyblo.hypergradient(problem, u).grad, axis=1)
    assert np.all(means(squares(problem, u)[:-1]) <= bounds.inexact_descent(problem, u, step, measured) * (1 + 1e3 * EPS * case.kappa))


def approximate(problem, u, t):
    """The hypergradients of the runs above."""
    return pyblo.hypergradient(problem, u, method=pyblo.FixedPoint(t), inner=pyblo.GradientDescent(t)).grad


def test_the_bound_of_inexact_descent_is_its_formula():
    problem = pyblo.Quadratic(np.eye(1), -np.eye(1), np.eye(1))  # F* = u²/2
    found = bounds.inexact_descent(problem, [[4.0], [2.0], [1.0]], 0.5, [1.0, 2.0])
    np.testing.assert_allclose(found, [2 * (8 - 2) / 0.5 + 1, (2 * (8 - 0.5) / 0.5 + 5) / 2], rtol=100 * EPS)
    many = bounds.inexact_descent(problem, np.array([[[4.0], [2.0], [1.0]], [[1.0], [1.0], [1.0]]]), 0.5, 0.0)
    np.testing.assert_allclose(many, [[24, 15], [np.inf, np.inf]], rtol=100 * EPS)
    with pytest.raises(ValueError, match="step: 1.5 is beyond 1/L = 1 of F"):
        bounds.inexact_descent(problem, [[4.0], [2.0]], 1.5, 0.0)
    with pytest.raises(ValueError, match="errors: has"):
        bounds.inexact_descent(problem, [[4.0], [2.0], [1.0]], 0.5, [1.0])
    with pytest.raises(ValueError, match="errors: expected numbers ≥ 0"):
        bounds.inexact_descent(problem, [[4.0], [2.0]], 0.5, -1.0)
    with pytest.raises(ValueError, match="u: this loop kept no history"):
        bounds.inexact_descent(problem, pyblo.cold_start(problem, [4.0], history=False), 0.5, 0.0)
    with pytest.raises(ValueError, match="u: shape .1,. is not that of iterates"):
        bounds.inexact_descent(problem, [4.0], 0.5, 0.0)


def test_a_run_that_ended_before_others_has_no_bound_beyond():
    problem = pyblo.Quadratic(np.stack([np.eye(1)] * 3), -np.eye(1), np.eye(1))  # F* = u²/2
    run = pyblo.cold_start(problem, [[0.04], [0.3], [1000.0]], step=0.5, maxiter=300, tol=0.05)
    counts, u = run.nit, run.history.u
    assert counts[0] < counts[2] and u.shape[1] == counts.max() + 1
    found = bounds.inexact_descent(problem, run, 0.5, 0.0)
    for rows in (run.history, u):
        np.testing.assert_array_equal(bounds.inexact_descent(problem, rows, 0.5, 0.0), found)
    for k in range(3):
        assert np.all(np.isfinite(found[k]) == (np.arange(1, counts.max() + 1) <= counts[k]))
        assert np.all(means(u[k, :-1, 0] ** 2) <= found[k])


def test_the_rounding_of_the_reduced_objective_is_counted():
    one = np.eye(1)
    high = pyblo.Quadratic(one, -one, one, h=1e8)  # F* = u²/2 + h, whose differences are below the rounding of h
    u = np.array([[1e-5], [5e-6], [2.5e-6]])
    found = bounds.inexact_descent(high, u, 0.5, 0.0)
    noise = 2 * (2 * 4 * EPS * 1e8) / 0.5  # 4ε|h| at both ends
    assert np.all(means(u[:-1, 0] ** 2) <= found)
    np.testing.assert_allclose(found, [noise, noise / 2], rtol=1e-2)
    flat = pyblo.Quadratic(*(x.astype(np.float32) for x in (one, -one, one)), f=np.float32([-1]))  # F* = u²/2 − u, in float32
    run = pyblo.cold_start(flat, np.float32([1 + 1e-4]), step=0.5, maxiter=4, tol=0.0)
    found = bounds.inexact_descent(flat, run, 0.5, 0.0)
    exact = means((run.history.u[:-1, 0].astype(float) - 1) ** 2)
    assert np.all(exact <= found) and found[0] <= 2 * exact[0]


@pytest.mark.parametrize("seed", range(12))
def test_the_noise_of_the_reduced_objective_bounds_its_rounding(seed):
    # F* = ½wᵀPw + fᵀw + h at w = −A⁻¹(Bu + d), in rational numbers.
    case = regular(seed, largest=6, kappa=1e6)
    problem, exact, u = quadratic_of(case), Reference.of(case), RATIONAL.matrix(case.u)
    value, noise = bounds._descent._reduced(problem, case.u, None)
    w = exact.inner_solution(u, RATIONAL.matrix(np.zeros(case.shape[0])))
    assert error(float(value), exact.value(w)) <= noise


def test_a_step_that_moves_nothing_is_a_step_of_a_result():
    problem = pyblo.Quadratic(np.eye(1), -np.eye(1), np.eye(1), f=[1e-3])
    run = pyblo.cold_start(problem, [1.0], step=0.3, maxiter=200, tol=0.0)
    assert run.nit == 200 and np.array_equal(run.history.u[-2], run.u)  # rounding: the gradient is less than a unit of u
    found = bounds.inexact_descent(problem, run, 0.3, 0.0)
    assert np.all(means(squares(problem, run.history.u[:-1])) <= found) and np.isfinite(found[-1])
    assert np.isinf(bounds.inexact_descent(problem, run.history.u, 0.3, 0.0)[-1])


@pytest.mark.parametrize("seed", range(8))
def test_projected_inexact_descent(seed):
    # Random errors of size δ in the box [low, high]; the gradient mapping of the exact gradient is what is bounded.
    problem, rng = ridge(seed), np.random.default_rng((seed, 1))
    m = problem.outer_size
    low = rng.uniform(0.2, 0.6, m)
    high, u = low + 1.0, low + rng.random(m)
    step, project = 1 / bounds.lipschitz(problem, np.stack([low, high])), lambda u: np.clip(u, low, high)
    iterates, errors, mappings = [u], [], []
    for _ in range(40):
        gradient, delta = pyblo.hypergradient(problem, u).grad, rng.standard_normal(m) * 0.1
        mappings.append(bounds.gradient_mapping(u, gradient, step, project))
        errors.append(np.linalg.norm(delta))
        u = project(u - step * (gradient + delta))
        iterates.append(u)
    found = bounds.inexact_descent(problem, np.stack(iterates), step, errors, smooth=1 / step)
    assert np.all(means(np.sum(np.square(mappings), axis=1)) <= found * (1 + 1e3 * EPS))


@pytest.mark.parametrize("seed", range(12))
def test_the_constant_of_ridge_bounds_its_second_derivatives(seed):
    problem, rng = ridge(seed), np.random.default_rng((seed, 2))
    m = problem.outer_size
    low = rng.uniform(-2, 1, m) if problem.log else rng.uniform(0.05, 1, m)
    high = low + rng.random(m) * 2
    bound, prepared, worst = bounds.lipschitz(problem, np.stack([low, high])), pyblo.prepare(problem), 0.0
    for _ in range(60):
        H = prepared.outer_hessian(low + rng.random(m) * (high - low))
        worst = max(worst, np.abs(np.linalg.eigvalsh(H @ np.eye(m))).max())
    assert worst <= bound
    H = prepared.outer_hessian(low)
    point = np.abs(np.linalg.eigvalsh(H @ np.eye(m))).max()
    assert point <= bounds.lipschitz(problem, low[None]) <= bound


@pytest.mark.parametrize("log", [False, True])
def test_the_constant_of_ridge_is_its_formula(log):
    # One feature: w = m/μ, ∂F/∂w = ηw + o > 0, q = (ηw + o)/μ; without log the bound is |F*″| itself.
    problem = pyblo.Ridge([[2.0]], [3.0], [[1.0]], [-1.0], log=log)
    penalty = np.e if log else 1.0
    mu, eta, o, m = 4 + penalty, 1.0, 1.0, 6.0
    w = m / mu
    q = (eta * w + o) / mu
    a, b = (min(penalty * w, m + 4 * w), min(penalty * q, q * mu + 4 * q)) if log else (w, q)
    expected = (min(a * q, b * w) if log else 0) + 2 * a * b / mu + eta * a**2 / mu**2
    np.testing.assert_allclose(bounds.lipschitz(problem, [[1.0]]), expected, rtol=1e3 * EPS)
    curvature = pyblo.prepare(problem).outer_hessian([1.0]) @ np.ones(1)
    assert abs(curvature) <= expected and (log or abs(curvature) == pytest.approx(expected, rel=1e3 * EPS))


def test_a_batch_of_runs_is_bounded_as_each():
    problem = pyblo.Ridge(np.stack([np.eye(3), 2 * np.eye(3)]), np.ones(3), np.eye(3), 2 * np.ones(3), penalty="scalar")
    u = np.linspace([[1.0], [0.0]], [[0.5], [-1.0]], 5, axis=1)  # (problem, s, 1)
    found = bounds.inexact_descent(problem, u, 0.05, 0.1)
    for k in range(2):
        np.testing.assert_allclose(found[k], bounds.inexact_descent(problem._at(k), u[k], 0.05, 0.1), rtol=1e3 * EPS)


def test_the_constants_of_a_batch_may_be_given_back():
    problem = pyblo.Quadratic(np.stack([I, 2 * I]), I, I)
    run = pyblo.cold_start(problem, [[1.0, 2.0], [2.0, 3.0]], step=0.5, maxiter=4, tol=0.0)
    found = bounds.inexact_descent(problem, run, 0.5, 0.1, smooth=bounds.lipschitz(problem, run))
    np.testing.assert_array_equal(found, bounds.inexact_descent(problem, run, 0.5, 0.1))
    with pytest.raises(ValueError, match=r"step: 1 is beyond 1/L = 0.666667 of F.*problem 0 of the batch"):
        bounds.inexact_descent(problem, run, 1.0, 0.1, smooth=[1.5, 0.25])
    for smooth, kind, message in (([1.0, 2.0, 3.0], ValueError, "batch axes"), (-1.0, ValueError, "expected numbers ≥ 0"),
                                  (np.nan, ValueError, "expected numbers ≥ 0"), ("a", TypeError, "dtype")):
        with pytest.raises(kind, match=f"smooth: {message}"):
            bounds.inexact_descent(problem, run, 0.5, 0.1, smooth=smooth)


def test_functions_of_the_user_get_u_in_its_own_shape():
    problem = pyblo.FunctionProblem(
        (2, 2), 4, outer_value=lambda u, w: 0.5 * (w @ w) + 0 * u[1, 1], outer_gradients=lambda u, w: (0 * u, w),
        inner_gradient=lambda u, w: w - u.ravel(), hessian_product=lambda u, w, v: v, cross_adjoint=lambda u, w, q: -q.reshape(2, 2),
        inner_solution=lambda u, w0: u.ravel() + 0 * u[1, 1])
    u = np.array([1.0, 0.5, 0.25])[:, None, None] * np.ones((2, 2))  # F* = ½‖u‖²
    found = bounds.inexact_descent(problem, u, 0.5, 0.0, smooth=1.0)
    np.testing.assert_allclose(found, [2 * (2 - 0.5) / 0.5, (2 - 0.125) / 0.5], rtol=100 * EPS)


def test_spectral_norm():
    A = np.array([[3.0, 0.0, 0.0], [0.0, 0.0, -4.0]])
    assert spectral_norm(A) == 4.0 and type(spectral_norm(A)) is float and spectral_norm(np.zeros((0, 3))) == 0.0
    np.testing.assert_array_equal(spectral_norm(np.stack([A, 2 * A])), [4.0, 8.0])
    np.testing.assert_array_equal(spectral_norm(np.zeros((2, 3, 0))), [0.0, 0.0])


def test_what_does_not_fit_is_named():
    problem = pyblo.Quadratic(np.diag([1.0, 3.0]), I, I)
    with pytest.raises(TypeError, match="constants: expected the Constants"):
        bounds.rate(3, 1)
    with pytest.raises(ValueError, match="method: .'itd'. is not known"):
        bounds.plan(problem, ONES, 1.0, method=["itd"])
    with pytest.raises(TypeError, match="project: None is not callable"):
        bounds.gradient_mapping([1.0], [1.0], 0.5, None)
    empty = pyblo.Ridge(np.zeros((3, 0)), np.ones(3), np.zeros((2, 0)), ONES)
    with pytest.raises(ValueError, match="problem: X has no columns"):
        bounds.constants(empty, np.zeros(0))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [2.0**530, 2.0**-560])
def test_constants_of_any_scale(scale):
    plain, scaled = (bounds.constants(pyblo.Quadratic(np.diag([1.0, 3.0]), I, s * I, f=s * ONES), ONES) for s in (1.0, scale))
    for name in ("L_E", "eta1", "c1", "c3"):  # F enters linearly
        assert getattr(scaled, name) == pytest.approx(scale * getattr(plain, name), rel=100 * EPS)
    with pytest.raises(ValueError, match=r"the constants of the problem overflow there\. A \(3e-170\)"):
        bounds.constants(pyblo.Quadratic(1e-170 * np.diag([1.0, 3.0]), I, I), ONES)


@pytest.mark.parametrize(("inner", "step", "momentum"), [
    ("gradient_descent", 2 / 10, 0.0), ("heavy_ball", 4 / 16, (2 / 4) ** 2), ("nesterov", 1 / 9, 2 / 4)])
def test_the_run_of_the_constants(inner, step, momentum):
    run = bounds.constants(pyblo.Quadratic(np.diag([1.0, 9.0]), I, I), ONES, inner=inner).run(4)
    assert (run.steps, run.nesterov) == (4, inner == "nesterov")
    assert (run.step, run.momentum) == pytest.approx((step, momentum), rel=100 * EPS)
    with pytest.raises(ValueError, match="constants: are of a batch of shape"):
        bounds.constants(pyblo.Quadratic(I, I, I), np.ones((3, 2)), inner=inner).run(4)


@pytest.mark.filterwarnings("error")
def test_the_constant_of_ridge_is_refused_where_its_data_overflow():
    for arrays in ((1e200 * I, ONES, I, ONES), (I, ONES, 1e200 * I, ONES)):
        with pytest.raises(ValueError, match="u, w0: the constants of the problem overflow there"):
            bounds.lipschitz(pyblo.Ridge(*arrays), np.zeros((2, 2)))


def test_schedule():
    assert bounds.schedule(0.9, 0) == 0 and bounds.schedule(0.9, 99) == int(np.ceil(np.log(100) / 0.1))
    with pytest.raises(ValueError, match="q: 1 is not valid"):
        bounds.schedule(1.0, 3)


@pytest.mark.parametrize("problem", [
    pyblo.Quadratic(I, I, I), pyblo.TargetLearning(I, I, ONES), pyblo.Ridge(I, ONES, I, ONES),
    pyblo.BiasedRidge(I, ONES, I, ONES, beta=1.0),
], ids=lambda problem: type(problem).__name__)
def test_a_batch_of_none_has_bounds_of_none(problem):
    none, runs = np.zeros((0, 2)), np.zeros((0, 3, 2))
    for inner in ("gradient_descent", "heavy_ball", "nesterov"):
        c = bounds.constants(problem, none, inner=inner)
        assert c.q.shape == c.floor.shape == (0,) and bounds.aid_cg(c, [[1], [2]], 3).shape == (2, 0)
        plan = bounds.plan(problem, none, 1e-3, inner=inner)
        assert plan.t.shape == plan.bound.shape == (0,) and "problems" in plan.summary() + c.summary()
    assert bounds.plan(problem, none, np.zeros(0), method="itd").t.shape == (0,)
    assert bounds.constants(problem, none, step=np.zeros(0)).step.shape == (0,)
    assert bounds.a_posteriori(problem, none, none, none).shape == bounds.lipschitz(problem, runs).shape == (0,)
    assert bounds.inexact_descent(problem, runs, 0.1, 0.0).shape == (0, 2)


# --- the protocol --------------------------------------------------------------------------------------------------------


class Logistic(pyblo.Problem):
    """f = Σψ(y x·w) + ½wᵀdiag(eᵘ)w, F = Σψ(y′x′·w), with safe upper bounds of its constants."""

    outer_shape = inner_shape = (3,)
    dtype = np.dtype(float)

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.Z, self.Z_val = (rng.standard_normal((rows, 3)) * 0.6 for rows in (6, 5))

    def inner_gradient(self, u, w):
        return -self.Z.T @ expit(-self.Z @ w) + np.exp(u) * w

    def hessian(self, u, w):
        weights, penalties = expit(self.Z @ w) * expit(-self.Z @ w), np.exp(u)

        def apply(v):
            return self.Z.T @ (weights * (self.Z @ v.ravel())) + penalties * v.ravel()

        return LinearOperator((3, 3), matvec=apply, rmatvec=apply, dtype=float)

    def cross(self, u, w):
        def apply(v):
            return np.exp(u) * w * v.ravel()

        return LinearOperator((3, 3), matvec=apply, rmatvec=apply, dtype=float)

    def outer_value(self, u, w):
        return float(np.sum(np.log1p(np.exp(-self.Z_val @ w))))

    def outer_gradients(self, u, w):
        return np.zeros(3), -self.Z_val.T @ expit(-self.Z_val @ w)

    def smoothness(self, u, w0):
        size, size_val = np.linalg.norm(self.Z, 2) ** 2, np.linalg.norm(self.Z_val, 2) ** 2
        slope, mu, eta = np.exp(u).max(), np.exp(u).min(), size_val / 4
        g = np.linalg.norm(self.outer_gradients(u, w0)[1])
        return bounds.Smoothness(
            mu=mu, L=size / 4 + slope, D=np.linalg.norm(self.inner_gradient(u, w0)) / mu, gradient=lambda radius: g + eta * radius,
            cross=lambda radius: slope * (np.linalg.norm(w0) + radius), eta1=eta, cross_lipschitz=slope,
            hessian_lipschitz=size * np.linalg.norm(self.Z, axis=1).max() / (6 * np.sqrt(3)))  # |σ″| ≤ 1/(6√3)


def expit(x):
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def solved(problem, u):
    """w(u) and q(u) by Newton's method."""
    w, eye = np.zeros(3), np.eye(3)
    for _ in range(60):
        w = w - np.linalg.solve(problem.hessian(u, w) @ eye, problem.inner_gradient(u, w))
    return w, np.linalg.solve(problem.hessian(u, w) @ eye, problem.outer_gradients(u, w)[1])


def test_constants_of_a_problem_of_the_users_own_are_the_formulas():
    problem, u = Logistic(0), np.array([0.5, -1.0, 0.25])
    s, c = problem.smoothness(u, np.zeros(3)), bounds.constants(problem, u, step=0.25)
    margin = 0.25 * s.mu
    expected = {"D": s.D, "L_E": s.gradient(2 * s.D), "L_Phi": 0.25 * s.cross(2 * s.D), "nu1": 0.25 * s.hessian_lipschitz,
                "nu2": 0.25 * s.cross_lipschitz, "q": 1 - margin}
    for name, value in expected.items():
        assert getattr(c, name) == pytest.approx(value, rel=100 * EPS)
    assert c.c1 == pytest.approx(s.eta1 * c.L_Phi / margin * s.D, rel=100 * EPS)
    assert c.c2 == pytest.approx((c.nu2 + c.nu1 * c.L_Phi / margin) * c.L_E * s.D, rel=100 * EPS)
    w, q = np.array([1.0, 0.0, -1.0]), np.array([0.5, 2.0, 1.0])
    s = problem.smoothness(u, w)
    away = np.linalg.norm(problem.inner_gradient(u, w)) / s.mu
    rest = np.linalg.norm(problem.hessian(u, w) @ q - problem.outer_gradients(u, w)[1])
    size = np.linalg.norm(q)
    bound = s.cross_lipschitz * size * away + s.cross(away) * (rest + (s.eta1 + s.hessian_lipschitz * size) * away) / s.mu
    assert bounds.a_posteriori(problem, u, w, q) == pytest.approx(bound, rel=100 * EPS)


@pytest.mark.parametrize("seed", range(4))
def test_a_problem_of_the_users_own(seed):
    problem, u = Logistic(seed), np.random.default_rng(seed).uniform(-1, 1, 3)
    w, q = solved(problem, u)
    truth, c = -(problem.cross(u, w).H @ q), bounds.constants(problem, u)
    assert c.nu1 > 0 and c.nu2 > 0 and c.c2 > 0
    for t in (0, 1, 4, 30, 120):
        run = pyblo.GradientDescent(t, step=c.step)
        found = pyblo.hypergradient(problem, u, method=pyblo.Unrolled(t, step=c.step))
        assert np.linalg.norm(found.grad - truth) <= bounds.itd(c, t) + c.floor
        for k in (0, 1, 3, 40):
            for method, bound in ((pyblo.FixedPoint(k, step=c.step), bounds.aid_fixed_point), (pyblo.CG(k, rtol=EPS), bounds.aid_cg)):
                found = pyblo.hypergradient(problem, u, method=method, inner=run)
                away = np.linalg.norm(found.grad - truth)
                assert away <= bound(c, t, k) + c.floor
                assert away <= bounds.a_posteriori(problem, u, found.w, found.adjoint) + c.floor
    plan = bounds.plan(problem, u, 1e-4)
    assert np.linalg.norm(pyblo.hypergradient(problem, u, **plan.arguments()).grad - truth) <= 1e-4


def test_a_fixed_point_map_has_the_contraction_for_its_constants():
    problem, u, w, truth, C, D, _ = contraction(3)
    q, B = np.linalg.norm(C, 2), np.linalg.norm(D, 2)

    def smoothness(u, w0):
        return bounds.Smoothness(mu=1 - q, L=1 + q, D=np.linalg.norm(w - w0), gradient=lambda radius: np.linalg.norm(w0) + radius,
                                 cross=lambda radius: B, eta1=1.0)

    object.__setattr__(problem, "smoothness", smoothness)
    c = bounds.constants(problem, u)
    assert c.step == 1.0 and c.q == pytest.approx(q, rel=10 * EPS)
    for t in (0, 1, 5, 30):
        found = pyblo.hypergradient(problem, u, method=pyblo.Unrolled(t))
        assert np.linalg.norm(found.grad - truth) <= bounds.itd(c, t) + c.floor
        found = pyblo.hypergradient(problem, u, method=pyblo.FixedPoint(2), inner=pyblo.GradientDescent(t))
        away = np.linalg.norm(found.grad - truth)
        assert away <= bounds.aid_fixed_point(c, t, 2) + c.floor
        assert away <= bounds.a_posteriori(problem, u, found.w, found.adjoint) + c.floor


def rotation():
    """w = 0.9 Rw + u with R a quarter turn, and its smoothness; F = ½‖w‖²."""
    C = 0.9 * np.array([[0.0, 1.0], [-1.0, 0.0]])
    problem = pyblo.FixedPointMap(
        2, 2, outer_value=lambda u, w: 0.5 * w @ w, outer_gradients=lambda u, w: (np.zeros(2), w), map=lambda u, w: C @ w + u,
        jvp_w=lambda u, w, v: C @ v, vjp_w=lambda u, w, v: C.T @ v, vjp_u=lambda u, w, q: q, jvp_u=lambda u, w, v: v)

    def smoothness(u, w0):
        D = np.linalg.norm(np.linalg.solve(np.eye(2) - C, u) - w0)
        return bounds.Smoothness(mu=0.1, L=1.9, D=D, gradient=lambda radius: np.linalg.norm(w0) + radius, cross=lambda radius: 1.0,
                                 eta1=1.0)

    object.__setattr__(problem, "smoothness", smoothness)
    return problem, C


def test_what_needs_a_symmetric_or_constant_hessian_is_refused():
    (problem, C), u = rotation(), np.array([1.0, 2.0])
    for inner in ("heavy_ball", "nesterov"):
        for chosen, at in ((problem, u), (Logistic(0), np.zeros(3))):
            with pytest.raises(ValueError, match=f"inner: {inner} has a rate only where"):
                bounds.plan(chosen, at, 1e-3, method="aid_fixed_point", inner=inner)
    with pytest.raises(ValueError, match="method: aid_cg needs a symmetric H"):
        bounds.plan(problem, u, 1e-3)
    c = bounds.constants(problem, u)
    assert c.symmetric is False and bounds.constants(Logistic(0), np.zeros(3)).symmetric is True
    with pytest.raises(ValueError, match="constants: are of an H that is not symmetric"):
        bounds.aid_cg(c, 3, 3)
    with pytest.raises(TypeError, match="problem: str is not"):
        bounds.plan("a", u, 1e-3)
    truth = np.linalg.solve(np.eye(2) - C.T, np.linalg.solve(np.eye(2) - C, u))
    for method in ("aid_fixed_point", "itd"):
        plan = bounds.plan(problem, u, 1e-3, method=method)
        assert np.linalg.norm(pyblo.hypergradient(problem, u, **plan.arguments()).grad - truth) <= 1e-3


def test_a_smoothness_that_says_nothing_is_named():
    problem = Logistic(0)
    problem.smoothness = lambda u, w0: None
    with pytest.raises(TypeError, match="smoothness: returned NoneType"):
        bounds.constants(problem, np.zeros(3))
    problem.smoothness = lambda u, w0: bounds.Smoothness(0.0, 1.0, 1.0, abs, abs, 1.0)
    with pytest.raises(ValueError, match="smoothness: returned mu = 0.0"):
        bounds.constants(problem, np.zeros(3))
    with pytest.raises(ValueError, match="problem: the constant of F. is not known for Logistic"):
        bounds.lipschitz(Logistic(0), np.zeros((2, 3)))
