"""The experiments on rates and bounds: their numbers by textbook loops, rational arithmetic, and eigenvalues of matrices written out."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

import pyblo
from pyblo.experiments import _iteration_counts as counts
from pyblo.experiments import hypergradient_error, iteration_complexity, phase_diagram

EPS = np.finfo(float).eps


@pytest.fixture(scope="module")
def complexity():
    return iteration_complexity.run()


@pytest.fixture(scope="module")
def errors():
    return hypergradient_error.run(draws=3, counts=(1, 101, 11))


@pytest.fixture(scope="module")
def phases():
    return phase_diagram.run(steps=(1, 60, 7), terms=(1, 40, 9), outer_steps=(1e-1, 1e1, 15))


# --- iteration-complexity ----------------------------------------------------------------------------------------------------


def test_counts_of_gradient_descent_in_closed_form(complexity):
    kappa = complexity.of("strongly convex", "GD", "κ")
    least = [math.ceil(math.log(1e-3) / (2 * math.log((k - 1) / (k + 1)))) for k in kappa.at]  # q^{2t} ≤ ε
    np.testing.assert_array_equal(kappa.steps, least)
    convex = complexity.of("convex", "GD")
    for eps, found in zip(1 / convex.at, convex.steps, strict=True):
        worst = lambda t: 0.5 / (2 * t + 1) * (2 * t / (2 * t + 1)) ** (2 * t)  # of ½λ(1 − λ)^{2t}, at λ = 1/(2t + 1)
        least = next(t for t in range(int(1 / eps)) if worst(t) <= eps)
        assert 0 <= least - found <= 1 + least * (math.log(1e9) / 299) ** 2 / 8  # 300 λ over nine decades miss so much of the worst


@pytest.mark.parametrize(("arguments", "message"), [
    ({"accuracy": 0.0}, "accuracy: 0.0 is not valid"), ({"accuracies": (1e-2, 0.0, 3)}, "accuracies: 0.0 is not valid"),
    ({"stochastic": (-1.0, 1e-2, 3)}, "stochastic: -1.0 is not valid"), ({"convex": (np.nan, 1e-2, 3)}, "convex: nan is not valid"),
    ({"nonconvex": (0.2, 1e-2, 3)}, r"nonconvex: 0.2 is not valid; expected numbers in \[0, 0.125\]"),
    ({"nonconvex_stochastic": (0.126, 1e-2, 3)}, "nonconvex_stochastic: 0.126 is not valid"),
    ({"momentum": 1.0}, "momentum: 1.0 is not valid"), ({"variance": 0.0}, "variance: 0.0 is not valid"),
    ({"conditions": (0.5, 10.0, 3)}, "conditions: 0.5 is not valid"), ({"condition": 0.5}, "condition: 0.5 is not valid"),
    ({"conditions": (2.0, 10.0, 0)}, r"conditions\[2\]: 0 is not valid"), ({"chains": 0}, "chains: 0 is not valid"),
    ({"modes": 0}, "modes: 0 is not valid"),
])
def test_what_has_no_count_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        iteration_complexity.run(**arguments)


def test_the_least_convex_accuracy_that_has_a_plateau():
    found, _ = counts.nonconvex(np.array([1 / 8]), 0.9)  # f′(1)² = 1/4 is the largest
    assert found["GD"][0] > 0 and counts._plateau(np.array([1 / 8]))[0] == 1.0


def test_no_search_goes_on_for_ever(monkeypatch):
    monkeypatch.setattr(counts, "MOST_MADE", 1000)
    searches = (lambda: counts._least(lambda t: False), lambda: counts._first(iter(lambda: 1.0, None), np.array([0.1, 0.0])),
                lambda: counts._decreasing_steps(np.array([0.01, 1.0]), 0.1, 1e-300))
    monkeypatch.setattr(counts, "MOST_SUMMED", 2**14)
    for search in searches:
        with pytest.raises(ValueError, match="accuracies: one is not reached in"):
            search()


@pytest.mark.parametrize(("kappa", "eps"), [(4.0, 1e-3), (50.0, 1e-5)])
def test_counts_of_constant_momentum_by_the_textbook_loop(kappa, eps):
    found, gap = counts.strongly_convex([kappa], [eps], 200)
    values, root = np.geomspace(1 / kappa, 1.0, 200), math.sqrt(kappa)
    w, before, t = np.ones(200), np.ones(200), 0
    while np.max(w**2) > eps:
        ahead = w + (root - 1) / (root + 1) * (w - before)
        w, before, t = ahead - values * ahead, w, t + 1
    assert found["Nesterov"] == [t] and gap * eps < 1e4 * EPS  # the core's runs: 3×3 powers against steps


def test_counts_of_sgd_in_rational_numbers():
    kappa, eps, variance = 4, Fraction(1, 10), Fraction(1, 10)
    v, t = {value: Fraction(1) for value in (Fraction(1, 4), Fraction(1, 2), Fraction(1))}, 0
    while max(v.values()) > eps:
        step = Fraction(2 * kappa, 4 * kappa + t)
        v, t = {value: (1 - step * value) ** 2 * each + step**2 * variance * value for value, each in v.items()}, t + 1
    assert counts.strongly_convex_stochastic([4.0], [0.1], 0.1)[0] == {"SGD": [t]}


def test_the_constant_step_of_sgd_by_its_recurrence():
    eps, variance, values, least = 1e-2, 0.1, np.geomspace(1e-5, 1.0, 80), []
    for step in np.minimum(np.linspace(0.05, 0.95, 19) * 4 * eps / (variance + 2 * eps), 1.0):
        v, t = np.ones(80), 0
        while np.max(0.5 * values * v) > eps:
            v, t = (1 - step * values) ** 2 * v + step**2 * variance * values, t + 1
        least.append(t)
    assert counts.convex(np.array([eps]), variance, 80)[0]["SGD"] == [min(least)]


def test_theorems_bound_the_counts(complexity):
    nesterov = complexity.of("convex", "Nesterov")
    assert (nesterov.steps <= np.ceil(np.sqrt(2 * nesterov.at))).all()  # f − f* ≤ 2L‖w₀ − w*‖²/(t + 1)²
    descent = complexity.of("non-convex", "GD")
    slope = np.sqrt(2 / descent.at)
    start = (1 + np.sqrt(1 - 4 * slope**2)) / (2 * slope)
    assert (descent.steps <= 2 * 0.5 * np.log1p(start**2) * descent.at).all()  # min‖∇f‖² ≤ 2L(f(w₀) − f*)/t
    w, t = start[0], 0
    while (w / (1 + w * w)) ** 2 > 1 / descent.at[0]:
        w, t = w - w / (1 + w * w), t + 1
    assert descent.steps[0] == t


def test_the_exponents_are_those_of_the_bounds(complexity):
    for each in complexity.courses:
        room = 0.12 if (each.algorithm, each.variable) == ("Nesterov", "log(1/ε)") else 0.08  # whose √κ·log t adds to log(1/ε)
        assert abs(each.exponent - each.expected) < room, each
    assert complexity.core_gap < 1e-3  # at ε = 1e-20, where w − w* is 1e-10


def test_other_draws_count_the_same(complexity):
    found = complexity.of("non-convex", "SGD")
    other = counts.nonconvex_stochastic(1 / found.at[:6], 0.1, 100, np.random.default_rng(5))[0]["SGD"]
    assert np.abs(np.log(other / found.steps[:6])).max() < 3 / np.sqrt(100)  # three standard errors of a mean over 100 chains


# --- hypergradient-error ---------------------------------------------------------------------------------------------------


def by_hand(problem, u, step, momentum, adjoint_step, t, ks):
    """The gradients of ITD and of FP and CG with each k, by textbook loops, and the exact one."""
    n, ridge = u.size, isinstance(problem, pyblo.Ridge)
    X, y, Xv, yv = problem.X, problem.y, problem.X_val, problem.y_val
    H = X.T @ X / len(y) + np.diag(u) if ridge else X.T @ X + problem.beta * np.eye(n)
    right = X.T @ y / len(y) if ridge else X.T @ y + problem.beta * u
    M = (lambda w: np.diag(w)) if ridge else (lambda w: -problem.beta * np.eye(n))
    g = lambda w: Xv.T @ (Xv @ w - yv) / (len(yv) if ridge else 1)
    w, before, T, T_before = np.zeros(n), np.zeros(n), np.zeros((n, n)), np.zeros((n, n))
    for _ in range(t):  # T = dw/du
        w, before, T, T_before = (w - step * (H @ w - right) + momentum * (w - before), w,
                                  T - step * (H @ T + M(w)) + momentum * (T - T_before), T)
    found = [T.T @ g(w)]
    for k in ks:
        v = np.zeros(n)
        for _ in range(k):
            v = v + adjoint_step * (g(w) - H @ v)
        q, r = np.zeros(n), g(w)
        p = r
        for _ in range(min(k, n)):
            a = (r @ r) / (p @ H @ p)
            q, r, old = q + a * p, r - a * (H @ p), r @ r
            p = r + (r @ r) / old * p
        found += [-M(w).T @ v, -M(w).T @ q]
    best = np.linalg.solve(H, right)
    return found, -M(best).T @ np.linalg.solve(H, g(best))


def test_errors_by_textbook_loops(errors):
    for panel in errors.panels:
        u = panel.draws[1]
        c = pyblo.bounds.constants(panel.problem, u, inner=panel.inner)
        kappa, mu, L = c.kappa, c.mu, c.L
        step, momentum = 2 / (mu + L), 0.0
        if panel.inner == "heavy_ball":
            step, momentum = 4 / (math.sqrt(L) + math.sqrt(mu)) ** 2, ((math.sqrt(kappa) - 1) / (math.sqrt(kappa) + 1)) ** 2
        for j, t in enumerate(errors.counts[:3]):
            found, exact = by_hand(panel.problem, u, step, momentum, 2 / (mu + L), int(t), (int(t), 10))
            expected = [np.linalg.norm(each - exact) for each in found]
            np.testing.assert_allclose(panel.error[:, 1, j], expected, rtol=0, atol=panel.floor[1])


def test_no_error_is_above_its_bound(errors):
    assert [panel.name for panel in errors.panels] == ["ridge", "ridge", "biased", "biased"]
    for panel in errors.panels:
        bounded = ~np.isnan(panel.bound).any(axis=(1, 2))
        assert bounded.tolist() == [panel.inner == "gradient_descent", True, True, True, True]
        assert not panel.violations()[bounded].any() and (panel.tightness()[bounded] >= 1).all()


def test_the_order_of_the_methods(errors):
    for panel in errors.panels:
        itd, fp, cg, fp_short, cg_short = panel.error.mean(axis=1)[:, 4]  # at t = 41
        assert cg < fp < fp_short and cg_short < fp_short and cg <= itd
        if panel.inner == "gradient_descent":
            assert fp <= itd + panel.floor.max()
        else:  # the inner error no longer hides that of the adjoint
            assert cg < cg_short and itd < fp  # FP has the map of gradient descent
    biased = errors.panels[2]  # one fixed H and M: ITD of plain gradient descent is AID-FP
    np.testing.assert_allclose(biased.error[0], biased.error[1], rtol=0, atol=biased.floor.max())


def test_what_is_drawn_and_counted_is_the_bound_and_the_floor(errors):
    panel = errors.panels[0]
    assert "errors above bound + floor" in hypergradient_error.table(errors).caption
    chart = hypergradient_error.figures(errors)["hypergradient-error"]
    assert "bounds + floor (rounding), means" in [text.get_text() for text in chart.legends[0].get_texts()]
    drawn = [line.get_ydata() for line in chart.axes[0].lines if line.get_linestyle() == ":"]
    means = (panel.bound + panel.floor[:, None]).mean(axis=1)
    assert len(drawn[0]) == errors.counts.size
    assert all(any(np.array_equal(each, mean) for each in drawn) for mean in means[:3])  # those with k = t
    above = dataclasses.replace(panel, error=panel.bound + 1.01 * panel.floor[:, None])
    assert not panel.violations().any() and above.violations().tolist() == [panel.error[0].size] * len(panel.error)


# --- phase-diagram ---------------------------------------------------------------------------------------------------------


def test_terms_that_ascend_in_rational_numbers(phases):
    A, B = [Fraction(25), Fraction(5), Fraction(1)], [[1, 2], [-2, 2], [-1, 0]]
    L = [[-1, 1], [-1, -1], [0, 1]]
    P = [[sum(a * b for a, b in zip(p, q, strict=True)) for q in L] for p in L]
    for T, best in zip(phases.terms.tolist(), phases.best.T, strict=True):
        r = [(1 - (1 - a / 25) ** T) / a for a in A]
        K = [[sum(B[i][k] * r[i] * P[i][j] / A[j] * B[j][l] for i in range(3) for j in range(3)) for l in range(2)] for k in range(2)]
        determinant, trace = K[0][0] * K[1][1] - K[0][1] * K[1][0], K[0][0] + K[1][1]
        descends = determinant > 0 and trace > 0
        assert descends == (T > 4) == bool((best < 1).all()) == bool((best < 1).any())


def test_rates_are_eigenvalues_of_the_joint_matrix(phases):
    A, B, P = phases.problem.A, phases.problem.B, phases.problem.P
    for i, t in enumerate(phases.steps):
        for j, T in enumerate(phases.terms):
            R = sum(np.linalg.matrix_power(np.eye(3) - A / 25, k) for k in range(T)) / 25
            G, S = np.linalg.matrix_power(np.eye(3) - A / 25, t), sum(np.linalg.matrix_power(np.eye(3) - A / 25, k) for k in range(t)) / 25
            for k in (0, 7, 14):
                beta = phases.outer_steps[k]
                E = np.block([[np.eye(2), beta * B.T @ R @ P], [-S @ B, G - beta * S @ B @ B.T @ R @ P]])
                values, vectors = np.linalg.eig(E)
                room = 100 * EPS * np.linalg.norm(E) * np.linalg.cond(vectors)
                assert phases.rate[i, j, k] == pytest.approx(np.abs(values).max(), abs=room)


@pytest.mark.parametrize(("share", "converges"), [(0.95, True), (1.05, False)])
def test_loops_converge_up_to_the_limits(phases, share, converges):
    for i in (0, 3, 6):
        for k in (2, 3):
            method, inner = pyblo.Neumann(int(phases.terms[phases.shown[k]])), pyblo.GradientDescent(int(phases.steps[i]))
            loop = pyblo.warm_start(phases.problem, [1.0, -1.0], method=method, inner=inner, step=share * phases.limits[i, k],
                                    maxiter=50_000, tol=1e-10, history=False)
            assert loop.success == converges


def test_products_per_digit(phases):
    i, j = 3, 8
    digits = -math.log10(phases.rate[i, j].min())
    assert phases.products[i, j] == pytest.approx((phases.steps[i] + phases.terms[j]) / digits)
    assert np.isinf(phases.products[:, 0]).all()
