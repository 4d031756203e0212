"""Derivatives of unrolled runs, truncated ones, and Hessians of reduced objectives, against balls and rationals."""

import numpy as np
import pytest
from campaigns import derivatives as campaign
from campaigns.exact import responses
from flint import fmpq, fmpq_mat
from oracle import BALL, Reference, Symmetric, Tally, error, precision, rational_matrix
from scipy.optimize import minimize

import pyblo

KINDS = range(len(campaign.MAKERS))
LOGISTIC = KINDS[-1]
RECURRENCES = campaign.RECURRENCES
SHAPES = ((4, 3), (3, 5))
RULES = {
    "gradient": {"momentum": 0.0, "nesterov": False},
    "heavy": {"momentum": 0.625, "nesterov": False},
    "nesterov": {"momentum": 0.625, "nesterov": True},
}


def case_of(kind, seed=0, dtype=np.float64, shapes=SHAPES):
    """A small random problem of a kind."""
    return campaign.random_case(kind + len(campaign.MAKERS) * seed, dtype, shapes)


def combinations(case):
    """The routes and modes that a problem has."""
    routes = ("spectral", "iterate") if case.problem.fixed_hessian else ("auto", "iterate")
    return [(route, mode) for route in routes for mode in ("reverse", "forward")]


def unrolled(case, rule, route="auto", mode="reverse", last=None):
    """The hypergradient of one run."""
    method = pyblo.Unrolled(**rule, mode=mode, last=last)
    return pyblo.hypergradient(case.problem, case.u, method=method, w0=case.w0, route=route)


class Sizes:
    """Upper bounds of what a run multiplies, from the same run in float64.

    A state of the run is w and w₋ with errors of nε times what was added, at most W or αG; T steps carry them on, each
    enlarged by the growth of the recurrence at most. The adjoint goes the same way back from g. So dF/dw₀ is wrong by
    nεT·growth²·g, dF/dα by T·G times that (each of the T moves is at most G), dF/du by ‖M‖ max|r_t| times it, with r_t
    the response of t steps.
    """

    def __init__(self, case, rule):
        data = {name: value.astype(float) for name, value in case.data.items()}
        own, u, w0 = case.formulas(data), case.u.astype(float), case.w0.astype(float)
        path = [w for w, _ in campaign.states(lambda w: own.gradient(u, w), w0, **rule)]
        grid = np.linspace(0, case.eigenvalues[-1], 200)
        growth = max(np.abs(w).max() for w, _ in campaign.states(lambda w: grid * w, np.ones(200), **rule))
        W, (P, f) = max(np.linalg.norm(w) for w in path), outer_part(case)
        self.moves = grid[-1] * W + np.linalg.norm(own.gradient(u, 0 * w0))
        eps = np.finfo(case.problem.dtype).eps
        self.start = w0.size * eps * max(1, rule["steps"]) * growth**2 * (P * W + f)
        self.step = self.start * rule["steps"] * self.moves
        cross = max(np.linalg.norm(cross_matrix(case, w), 2) for w in path)
        self.outer = self.start * cross * responses(grid, **rule).max()
        self.outer += 4 * eps * np.linalg.norm(case.problem.outer_gradients(case.u, case.w0)[0])


def outer_part(case):
    """‖∂²F/∂w²‖ and ‖∂F/∂w‖ at w = 0; the former is that of a quadratic with the values of F."""
    gradient = lambda w: case.problem.outer_gradients(case.u, w.astype(case.w0.dtype))[1].astype(float)
    origin = gradient(0 * case.w0)
    P = np.array([gradient(e) - origin for e in np.eye(case.w0.size)])
    return np.linalg.norm(P, 2), np.linalg.norm(origin)


def cross_matrix(case, w):
    """M at w."""
    return case.problem.cross(case.u, w.astype(case.u.dtype)) @ np.eye(case.u.size, dtype=case.u.dtype)


def within(found, exact, unit):
    """Whether an error is at most three times its unit; the roundings of a product are counted once in it."""
    return campaign.distance(found, exact) <= 3 * unit


# --- the whole run ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", range(4))
def test_relative_errors_of_the_first_problems_of_the_campaign(block):
    tally = Tally()
    for seed in range(16 * block, 16 * block + 16):
        campaign.check(seed, tally, shapes=campaign.SHAPES[:-2])
    assert not tally.failures() and len(tally.ratios) == 5


@pytest.mark.parametrize("recurrence", RECURRENCES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_start_and_step(kind, recurrence, dtype):
    with precision():
        case, rng = case_of(kind, dtype=dtype)
        rule, exact = campaign.random_rule(rng, case, recurrence, 15), campaign.Exact(case)
        start, step, sizes = exact.start_slope(rule), exact.step_slope(rule), Sizes(case, rule)
        for route, mode in combinations(case):
            found = unrolled(case, rule, route, mode)
            assert found.success and isinstance(found.grad_step, float)
            assert found.grad_w0.dtype == dtype and found.grad_w0.shape == case.problem.inner_shape
            assert within(found.grad_w0, start, sizes.start)
            assert within(found.grad_step, step, sizes.step)


def test_of_one_step_by_hand():
    # w₁ = w₀ − α(aw₀ + bu), F = ½w₁²: dF/dw₀ = w₁(1 − αa), dF/dα = −w₁(aw₀ + bu)
    problem = pyblo.Quadratic([[2.0]], [[1.0]], [[1.0]])
    for rule in RULES.values():
        found = pyblo.hypergradient(problem, [4.0], w0=[3.0], method=pyblo.Unrolled(1, step=0.25, **rule))
        assert (found.w[0], found.grad_w0[0], found.grad_step) == (0.5, 0.25, -5.0)


def test_no_steps_leave_the_start():
    problem = pyblo.Quadratic(np.eye(2), np.eye(2), np.eye(2), f=[1.0, 0.0])
    found = pyblo.hypergradient(problem, [5.0, 6.0], w0=[3.0, 4.0], method=pyblo.Unrolled(0, step=0.5))
    assert np.array_equal(found.grad_w0, [4.0, 4.0]) and found.grad_step == 0.0


def test_other_methods_have_neither():
    problem = pyblo.Quadratic(np.eye(2), np.eye(2), np.eye(2))
    for method in (pyblo.Exact(), pyblo.CG(), pyblo.Neumann(3), pyblo.FixedPoint(3), pyblo.Identity(), pyblo.Damped(0.1)):
        found = pyblo.hypergradient(problem, [1.0, 2.0], method=method)
        assert found.grad_w0 is None and found.grad_step is None


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_run_that_diverges_has_neither():
    problem = pyblo.Quadratic(np.eye(1), np.eye(1), np.eye(1))
    found = pyblo.hypergradient(problem, [1e300], w0=[1e300], method=pyblo.Unrolled(1, step=1e200))
    assert not found.success and found.grad_w0 is None and found.grad_step is None


def test_a_matrix_as_start():
    # f = ½‖W − U‖², F = ½‖W‖², one step of ½ from W₀: W₁ = ½(W₀ + U)
    problem = pyblo.FunctionProblem(
        (2, 2), (2, 2), outer_value=lambda U, W: 0.5 * np.sum(W**2), outer_gradients=lambda U, W: (0 * U, W),
        inner_gradient=lambda U, W: W - U, hessian_product=lambda U, W, V: V, cross_adjoint=lambda U, W, Q: -Q)
    U, W = np.arange(4.0).reshape(2, 2), np.ones((2, 2))
    found = pyblo.hypergradient(problem, U, w0=W, method=pyblo.Unrolled(1, step=0.5))
    assert np.array_equal(found.grad_w0, (W + U) / 4) and found.grad_step == np.sum((W + U) / 2 * (U - W))


@pytest.mark.parametrize("recurrence", RECURRENCES)
def test_a_map_that_is_not_symmetric(recurrence):
    rng = np.random.default_rng(5)
    C, D, w0, u = rng.standard_normal((4, 4)) / 4, rng.standard_normal((4, 2)), rng.standard_normal(4), np.ones(2)
    problem = pyblo.FixedPointMap(
        2, 4, outer_value=lambda u, w: 0.5 * w @ w, outer_gradients=lambda u, w: (0 * u, w),
        map=lambda u, w: C @ w + D @ u, jvp_w=lambda u, w, v: C @ v, vjp_w=lambda u, w, v: C.T @ v,
        vjp_u=lambda u, w, q: D.T @ q)
    rule = {"steps": 7, "step": 0.75} | RULES[recurrence]
    found = pyblo.hypergradient(problem, u, w0=w0, method=pyblo.Unrolled(**rule))
    with precision():
        H, M, v, start = (campaign.balls(x) for x in (np.eye(4) - C, -D, u, w0))

        def value(w, step):
            w, _ = campaign.final(lambda w: H @ w + M @ v, w, **rule | {"step": step})
            return w @ w / 2

        h = campaign.width(200)
        expected = campaign.slopes(lambda w: value(w, rule["step"]), start, h)
        slope = campaign.slopes(lambda x: value(start, x[0]), campaign.balls([rule["step"]]), h)
        # a handful of products of norms near one: the sums of 7 steps of 4 terms
        assert campaign.distance(found.grad_w0, expected) <= 1e-13 * campaign.length(expected)
        assert campaign.distance(found.grad_step, slope) <= 1e-13 * campaign.length(slope)


# --- the last steps only -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recurrence", RECURRENCES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_last_steps_only(kind, recurrence):
    # The differences of a run whose first steps do not know of u.
    with precision():
        case, rng = case_of(kind, 1)
        rule, exact = campaign.random_rule(rng, case, recurrence, 12), campaign.Exact(case)
        sizes = Sizes(case, rule)
        for last in {0, 1, rule["steps"] // 2, rule["steps"]}:
            expected = exact.outer_slope(rule, last)
            for route, mode in combinations(case):
                found = unrolled(case, rule, route, mode, last)
                assert found.success and within(found.grad, expected, sizes.outer)


@pytest.mark.parametrize("recurrence", RECURRENCES)
@pytest.mark.parametrize("kind", KINDS[:2])
def test_on_quadratics_the_last_steps_are_the_reverse_recursion_of_as_many(kind, recurrence):
    # H is fixed: dw/du of the last k steps is that of any k steps, whatever w; the outer gradient is taken at w_T.
    with precision():
        case = case_of(kind, 2, shapes=((7, 4),))[0]
        parts = BALL.matrix(case.data["B"]), BALL.matrix(case.data["P"]), BALL.matrix(case.data["d"]), BALL.matrix(case.data["f"])
        reference = Reference(BALL, Symmetric(BALL.matrix(case.data["A"])), *parts, BALL.scalar(0.0))
        u, w0 = BALL.matrix(case.u), BALL.matrix(case.w0)
        rule = {"steps": 9, "step": 1 / case.eigenvalues[-1]} | RULES[recurrence]
        w, _ = reference.descend(u, w0, **rule)
        for last in range(10):
            W = reference.descend(u, w0, **rule | {"steps": last})[1]
            for route, mode in combinations(case):
                found = unrolled(case, rule, route, mode, last)
                assert error(found.grad, W.transpose() * reference.outer_gradient(w)) <= 3 * Sizes(case, rule).outer


def ridge_by_hand(case, steps, step, momentum, nesterov, last):
    """dF/du of the last steps of a run on Ridge in extended precision, by the tangents dw/du."""
    wide = {name: value.astype(np.longdouble) for name, value in case.data.items()}
    own, u, w = case.formulas(wide), case.u.astype(np.longdouble), case.w0.astype(np.longdouble)
    penalties = np.broadcast_to(own.penalties(u), w.shape)
    slope = penalties if case.formulas is campaign.LogRidge else np.ones_like(penalties)
    H = own.X.T @ own.X / len(own.y) + np.diag(penalties)
    across = np.eye(w.size, dtype=w.dtype) if u.size > 1 else np.ones((w.size, 1), w.dtype)
    before, W = w, 0 * across
    W_before = W
    for t in range(steps):
        y, Y = w + momentum * (w - before), W + momentum * (W - W_before)
        at, At = (y, Y) if nesterov else (w, W)
        before, W_before = w, W
        w = y - step * own.gradient(u, at)
        if t >= steps - last:
            W = Y - step * (H @ At + (slope * at)[:, None] * across)
    return W.T @ (own.X_val.T @ (own.X_val @ w - own.y_val) / len(own.y_val))


@pytest.mark.parametrize("recurrence", RECURRENCES)
@pytest.mark.parametrize("kind", KINDS[3:7])
def test_the_last_steps_on_ridge_by_hand(kind, recurrence):
    case = case_of(kind, 3, shapes=((6, 6),))[0]
    rule = {"steps": 11, "step": 0.9 / case.eigenvalues[-1]} | RULES[recurrence]
    unit = Sizes(case, rule).outer
    for last in (0, 1, 4, 10, 11):
        expected = ridge_by_hand(case, **rule, last=last)
        for route, mode in combinations(case):
            assert np.linalg.norm(unrolled(case, rule, route, mode, last).grad - expected) <= 3 * unit


@pytest.mark.parametrize("kind", KINDS)
def test_all_steps_are_none_and_none_are_the_direct_gradient(kind):
    case, _ = case_of(kind, 4)
    for settings in RULES.values():
        rule = {"steps": 10, "step": 0.5 / case.eigenvalues[-1]} | settings
        for route, mode in combinations(case):
            whole, same = (unrolled(case, rule, route, mode, last) for last in (None, 10))
            for name in ("value", "grad", "w", "grad_w0", "grad_step"):
                assert np.array_equal(getattr(whole, name), getattr(same, name))
            direct = case.problem.outer_gradients(case.u, whole.w)[0]
            assert np.array_equal(unrolled(case, rule, route, mode, 0).grad, direct)


@pytest.mark.parametrize("kind", [0, 3, 7, LOGISTIC])
def test_start_and_step_are_those_of_the_whole_run(kind):
    case, _ = case_of(kind, 5)
    rule = {"steps": 8, "step": 0.5 / case.eigenvalues[-1]} | RULES["heavy"]
    whole, cut = unrolled(case, rule), unrolled(case, rule, last=3)
    assert np.array_equal(whole.w, cut.w) and whole.value == cut.value and not np.array_equal(whole.grad, cut.grad)
    assert np.array_equal(whole.grad_w0, cut.grad_w0) and whole.grad_step == cut.grad_step


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 9, 10, 16, 17])
def test_every_stretch_between_checkpoints(steps):
    # Where H moves, reverse mode keeps √T checkpoints of the last steps; forward mode keeps none.
    case = case_of(LOGISTIC, 6)[0]
    rule = {"steps": steps, "step": 1 / case.eigenvalues[-1]} | RULES["nesterov"]
    unit = Sizes(case, rule).outer
    for last in range(steps + 1):
        back, ahead = (unrolled(case, rule, mode=mode, last=last).grad for mode in ("reverse", "forward"))
        assert np.linalg.norm(back - ahead) <= 3 * unit


def test_the_count_of_last_steps_is_checked():
    for last, kind in ((4, ValueError), (-1, ValueError), (1.0, TypeError), (True, ValueError)):
        with pytest.raises(kind, match="last"):
            pyblo.Unrolled(3, last=last)


def test_the_filter_is_that_of_the_last_steps():
    values = np.linspace(0, 1.5, 7)
    for rule in RULES.values():
        assert np.array_equal(pyblo.Unrolled(9, 0.5, **rule, last=4).filter(values), pyblo.Unrolled(4, 0.5, **rule).filter(values))


# --- the Hessian of the reduced objective ----------------------------------------------------------------------------


def outer_hessian(case):
    """The library's, dense."""
    operator = pyblo.prepare(case.problem).outer_hessian(case.u)
    m = case.u.size
    assert operator.shape == (m, m) and operator.dtype == case.problem.dtype
    return operator @ np.eye(m, dtype=case.problem.dtype)


def factored_and_cross(case):
    """The array that is factored, and what its pseudoinverse is multiplied by to make J or −J."""
    data, unit = case.data, np.eye(case.u.size, dtype=case.u.dtype)
    if "Phi" in data:
        return data["Phi"], unit
    if "beta" in data:  # f = ½‖[X; √β]w − [y; √β u]‖²
        root = np.sqrt(data["beta"]).astype(unit.dtype) * unit
        return np.vstack([data["X"], root]), np.vstack([0 * data["X"], root])
    return data["A"], data["B"]


def fixed_unit(case):
    """εκ‖J‖²‖P‖: J is wrong by εκ‖J‖, with κ that of the array that is factored."""
    factored, cross = factored_and_cross(case)
    values = np.linalg.svd(factored, compute_uv=False)
    values = values[values > 1e-5 * values[0]]
    J = np.linalg.pinv(factored.astype(float), rcond=1e-5) @ cross
    return np.finfo(factored.dtype).eps * values[0] / values[-1] * np.linalg.norm(J, 2) ** 2 * outer_part(case)[0]


def ridge_unit(case):
    """εκ(H) times bounds of the three products of δ(dF*/du), of which each has a solve with H or two."""
    own = case.formulas(case.data)
    w = np.linalg.norm(case.problem.inner_solution(case.u))
    least, most, (P, f) = case.eigenvalues[0], case.eigenvalues[-1], outer_part(case)
    slope = np.max(own.penalties(case.u)) if case.formulas is campaign.LogRidge else 1.0
    q, root = (P * w + f) / least, np.sqrt(case.w0.size)
    dw = slope * w / least
    dq = (P * dw + slope * q) / least
    return np.finfo(case.problem.dtype).eps * most / least * root * slope * (w * q + dw * q + w * dq)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS[:LOGISTIC])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_outer_hessian(kind, seed, dtype):
    with precision():
        case, _ = case_of(kind, seed, dtype)
        found, exact = outer_hessian(case), campaign.Exact(case)
        unit = fixed_unit(case) if case.problem.fixed_hessian else ridge_unit(case)
        assert found.any()
        for j, v in enumerate(np.eye(case.u.size)):
            assert campaign.distance(found[:, j], exact.curvature(v)) <= 30 * unit
        assert np.linalg.norm(found - found.T) <= 30 * unit


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS[:2])
def test_outer_hessian_of_a_quadratic_in_rationals(kind, seed):
    # Z = JᵀPJ with J = −A⁺B in rational numbers; it does not depend on u.
    case, _ = case_of(kind, seed, shapes=((8, 5),))
    J = Symmetric.of(case.data["A"]).pseudoinverse(rational_matrix(case.data["B"]))
    exact = J.transpose() * rational_matrix(case.data["P"]) * J
    assert error(outer_hessian(case), exact) <= 30 * np.sqrt(5) * fixed_unit(case)
    assert np.array_equal(outer_hessian(case), outer_hessian(case._replace(u=case.u + 1)))


@pytest.mark.parametrize("penalty", ["diagonal", "scalar"])
def test_outer_hessian_of_ridge_by_rational_differences(penalty):
    # Over u = λ all is rational, F* too: with h = 2⁻¹⁰⁰ a mixed difference is its second derivative to h².
    case, _ = case_of(4 if penalty == "diagonal" else 6, 5, shapes=((3, 3),))
    X, y, X_val, y_val = (rational_matrix(value) for value in case.data.values())
    p, m, h = X.ncols(), case.u.size, fmpq(1, 2**100)
    u = [rational_matrix([value])[0, 0] for value in case.u]

    def value(i, j, a, b):
        at = [x + h * (a * (k == i) + b * (k == j)) for k, x in enumerate(u)]
        shift = fmpq_mat(p, p, [at[r if m > 1 else 0] if r == c else 0 for r in range(p) for c in range(p)])
        rows = fmpq(1, X.nrows())
        w = (X.transpose() * X * rows + shift).solve(X.transpose() * y * rows)
        rest = X_val * w - y_val
        return (rest.transpose() * rest)[0, 0] * fmpq(1, 2 * X_val.nrows())

    found = outer_hessian(case)
    for i in range(m):
        for j in range(m):
            mixed = value(i, j, 1, 1) - value(i, j, 1, -1) - value(i, j, -1, 1) + value(i, j, -1, -1)
            exact = mixed / (4 * h * h)
            assert abs(found[i, j] - int(exact.p) / int(exact.q)) <= 30 * ridge_unit(case)


def test_products_take_columns_matrices_and_both_sides():
    for kind in KINDS[:LOGISTIC]:
        case, rng = case_of(kind, 6)
        operator, v = pyblo.prepare(case.problem).outer_hessian(case.u), rng.standard_normal(case.u.size)
        product = operator @ v
        assert product.shape == v.shape and np.array_equal(operator @ v[:, None], product[:, None])
        assert np.array_equal(operator.T @ v, product) and np.array_equal(operator.rmatvec(v), product)
        objective = pyblo.value_and_grad(case.problem)
        assert np.array_equal(objective.hessp(case.u, v), product) and not np.shares_memory(product, v)


def test_the_hessian_is_the_slope_of_the_gradient():
    # Central differences of the library's own gradient: h² and ε/h of the third derivatives balance at h = 6e-6.
    for kind in KINDS[3:LOGISTIC]:
        case, rng = case_of(kind, 7)
        prepared, v, h = pyblo.prepare(case.problem), rng.standard_normal(case.u.size), 6e-6
        slope = (prepared.hypergradient(case.u + h * v).grad - prepared.hypergradient(case.u - h * v).grad) / (2 * h)
        product = prepared.outer_hessian(case.u) @ v
        assert np.linalg.norm(product - slope) <= 1e-8 * max(1.0, np.linalg.norm(product))


@pytest.mark.parametrize("method", [pyblo.Damped(0.1), pyblo.CG(), pyblo.Neumann(3), pyblo.FixedPoint(3), pyblo.Identity(),
                                    pyblo.Unrolled(3)], ids=str)
@pytest.mark.parametrize("kind", [0, 2, 3, 7])
def test_only_exact_has_an_outer_hessian(kind, method):
    case, _ = case_of(kind)
    with pytest.raises(ValueError, match="method"):
        pyblo.prepare(case.problem, method=method).outer_hessian(case.u)
    with pytest.raises(ValueError, match="method"):
        pyblo.value_and_grad(case.problem, method=method).hessp(case.u, case.u)


def test_a_problem_without_second_derivatives_is_named():
    case, _ = case_of(LOGISTIC)
    with pytest.raises(ValueError, match="problem: FunctionProblem"):
        pyblo.prepare(case.problem, inner=pyblo.GradientDescent()).outer_hessian(case.u)


@pytest.mark.parametrize("kind", [0, 2, 3])
def test_a_bad_u_is_named(kind):
    case, _ = case_of(kind)
    for bad in (np.ones(case.u.size + 1), np.full(case.u.size, np.nan)):
        with pytest.raises(ValueError, match="u"):
            pyblo.prepare(case.problem).outer_hessian(bad)


# --- SciPy's second-order methods ------------------------------------------------------------------------------------


GTOL = 1e-7  # these methods compare values: below √(εF‖∇²F‖), about 1e-8 here, a step changes F by less than its rounding


def tuned(penalty, method, **options):
    """Ridge tuned over u = log λ, by a method of SciPy from λ = 1, and the objective."""
    rng = np.random.default_rng(3)
    truth, (X, X_val) = rng.standard_normal(5), (rng.standard_normal((count, 5)) for count in (12, 200))
    y, y_val = (Z @ truth + 1.5 * rng.standard_normal(len(Z)) for Z in (X, X_val))
    problem = pyblo.Ridge(X, y, X_val, y_val, penalty=penalty)
    objective = pyblo.value_and_grad(problem)
    keywords = {} if method == "L-BFGS-B" else {"hessp": objective.hessp}
    return minimize(objective, np.zeros(problem.outer_shape), jac=True, method=method, options=options, **keywords), objective


@pytest.mark.parametrize("method, options", [
    # SciPy's inexact steps of trust-krylov stop at ‖∇F‖ = 5e-7 here, with a Hessian from exact differences too
    ("trust-ncg", {"gtol": GTOL}), ("trust-krylov", {"gtol": GTOL, "inexact": False}), ("Newton-CG", {"xtol": 1e-9})])
@pytest.mark.parametrize("penalty", ["diagonal", "scalar"])
def test_newton_methods_reach_the_gradient_tolerance(penalty, method, options):
    found, objective = tuned(penalty, method, **options)
    value, gradient = objective(found.x)
    assert found.success and found.nhev > 0 and found.nit <= 60
    assert np.linalg.norm(gradient) <= GTOL
    first, _ = tuned(penalty, "L-BFGS-B", gtol=GTOL, ftol=0.0)
    assert value <= first.fun + 1e-12
