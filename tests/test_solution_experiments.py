"""The experiments on solution sets: their numbers in rational arithmetic, by geometry, and by optimality conditions."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg

import pyblo
from pyblo.experiments import projections, response_maps, solution_concepts
from pyblo.experiments._distillation_task import LABELS, task

EPS = np.finfo(float).eps


@pytest.fixture(scope="module")
def maps():
    return response_maps.run()


@pytest.fixture(scope="module")
def cycles():
    return projections.run()


@pytest.fixture(scope="module")
def concepts():
    return solution_concepts.run(starts=1, samples=60)


# --- response-maps ---------------------------------------------------------------------------------------------------------


def test_responses_are_projections_on_the_line_of_each_angle(maps):
    phi = np.stack([np.cos(maps.angles), np.sin(maps.angles)], axis=-1)
    for w0, w in zip(maps.starts, maps.responses, strict=True):
        np.testing.assert_allclose(w, w0 + (1 - phi @ w0)[:, None] * phi, rtol=0, atol=20 * EPS)
    np.testing.assert_allclose(maps.responses[0], phi, rtol=0, atol=20 * EPS)  # y = 1: the least norm lies on the unit circle
    reach = np.abs(np.cos(maps.angles)) * np.sqrt(3)  # ‖w‖ ≤ 2 leaves √(2² − 1²) along (−sin s, cos s)
    for end, sign in ((maps.low, -1), (maps.high, 1)):  # (cos s)² is a difference from 1: its root is good to √ε near 0
        np.testing.assert_allclose(end, np.sin(maps.angles) + sign * reach, rtol=0, atol=4 * np.sqrt(EPS))
        np.testing.assert_allclose(end[20:40], (np.sin(maps.angles) + sign * reach)[20:40], rtol=0, atol=40 * EPS)


def test_descent_towards_the_line_is_geometric(maps):
    descent = maps.descent
    phi = np.array([np.cos(descent.angle), np.sin(descent.angle)])  # of length 1, so H has the eigenvalues 1 and 0
    for w0, path, limit in zip(maps.starts, descent.paths, descent.limits, strict=True):
        left = 0.75 ** np.arange(41)
        np.testing.assert_allclose(path, w0 + ((1 - left) * (1 - phi @ w0))[:, None] * phi, rtol=0, atol=100 * EPS)
        np.testing.assert_allclose(limit, w0 + (1 - phi @ w0) * phi, rtol=0, atol=20 * EPS)


def test_cold_start_goes_to_the_nearest_of_a_line_of_solutions(maps):
    rows = (Fraction(1), Fraction(1, 2), Fraction(1)), (Fraction(1, 2), Fraction(1), Fraction(5, 4))  # aᵀu = 1;  bᵀu = bᵀb
    for each, (a, b, right) in zip(maps.outer, rows, strict=True):
        for u0, limit, loop in zip(each.starts, each.limits, each.loops, strict=True):
            x, y = map(Fraction, u0)
            share = (right - a * x - b * y) / (a * a + b * b)
            nearest = [float(x + share * a), float(y + share * b)]
            np.testing.assert_allclose(limit, nearest, rtol=0, atol=50 * EPS)
            np.testing.assert_allclose(loop, nearest, rtol=0, atol=1e-11)  # the loop's tol is 1e-12, on the gradient


# --- projections -----------------------------------------------------------------------------------------------------------


def rational(X, y):
    return [(Fraction(x), Fraction(target)) for (x, _), target in zip(X, y, strict=True)]


def towards(w, x, y, steps=None):
    """Π(w) on w₁x + w₂ = y, or `steps` gradient steps of 1/10 towards it."""
    size = x * x + 1
    share = Fraction(1) if steps is None else 1 - (1 - Fraction(1, 10) * size) ** steps
    move = share * (x * w[0] + w[1] - y) / size
    return w[0] - move * x, w[1] - move


def test_paths_in_rational_numbers(cycles):
    for paths, steps, warm in ((cycles.full, None, True), (cycles.partial, 2, True), (cycles.cold, None, False)):
        for path in paths:
            start = w = tuple(map(Fraction, path.points[0]))
            points = rational(cycles.X, cycles.y)
            for k, found in enumerate(path.points[1:13]):
                w = towards(w if warm else start, *points[k % 4], steps)
                np.testing.assert_allclose(found, [float(each) for each in w], rtol=0, atol=100 * EPS)
            assert path.gap < 100 * EPS


def test_warm_start_reaches_the_common_point_and_cold_start_does_not(cycles):
    np.testing.assert_allclose(cycles.X @ cycles.common, cycles.y, rtol=0, atol=4 * EPS)
    for path in cycles.full:  # per cycle the distance shrinks by the product of the cosines between successive lines, at least
        normals = cycles.X / np.linalg.norm(cycles.X, axis=1, keepdims=True)
        shrink = np.prod(np.abs(np.sum(normals * np.roll(normals, -1, axis=0), axis=1)))
        first, last = (np.linalg.norm(point - cycles.common) for point in path.points[[4, -1]])
        assert last <= first * shrink**11 * (1 + 1e3 * EPS) + 100 * EPS
    assert all(np.abs(cycles.X @ path.points[-1] - cycles.y).max() > 0.5 for path in cycles.cold)


def test_the_limit_cycle_in_rational_numbers(cycles):
    points = rational(cycles.X, cycles.apart)
    ends = []
    for start in ((0, 0), (1, 0), (0, 1)):
        w = tuple(map(Fraction, start))
        for point in points:
            w = towards(w, *point)
        ends.append(w)
    c, e1, e2 = ends  # one cycle is affine: w → c + (e1 − c) w₁ + (e2 − c) w₂
    a, b, d, e = 1 - (e1[0] - c[0]), -(e2[0] - c[0]), -(e1[1] - c[1]), 1 - (e2[1] - c[1])
    w = (c[0] * e - b * c[1]) / (a * e - b * d), (a * c[1] - c[0] * d) / (a * e - b * d)
    for found, point in zip(cycles.cycle, points, strict=True):
        w = towards(w, *point)
        np.testing.assert_allclose(found, [float(each) for each in w], rtol=0, atol=1e-9)  # ten times the default tol of the cycles
    assert all(np.linalg.norm(path.points[-1] - cycles.cycle[-1]) < 1e-6 for path in cycles.lost)


def test_half_spaces_tell_dykstra_from_projections_in_turn(cycles):
    np.testing.assert_allclose(cycles.turns.w, [0.5, -1.0], rtol=0, atol=1e-9)  # (2, 1) → (½, −½) → (½, −1)
    np.testing.assert_allclose(cycles.corrected.w, [1.0, -1.0], rtol=0, atol=1e-9)  # both hold with equality: multipliers 1 and 1
    assert cycles.turns.success and cycles.corrected.success


# --- solution-concepts -----------------------------------------------------------------------------------------------------


def test_the_task_is_what_it_says():
    data = task(40, 3, 0.5, 0.1, 3)
    rng = np.random.default_rng(0)
    x, z = rng.uniform(-1, 1, (2, 5, 2))
    np.testing.assert_allclose(np.sum(data.features(x) * data.features(z), axis=1), (1 + np.sum(x * z, axis=1)) ** 3, rtol=1e-13)
    above = data.x[:, 1] - 0.5 * np.sin(np.pi * data.x[:, 0])
    assert len(data.y) == 40 and (np.sign(above) == data.y).all() and np.abs(above).min() > 0.1
    report = pyblo.check_problem(data.problem, rng.uniform(-1, 1, (2, 2)), rng.standard_normal(10))
    assert report.success, report
    u, w = rng.uniform(-1, 1, (2, 2)), rng.standard_normal(10)
    np.testing.assert_allclose(data.at(u).outer_value(LABELS, w), data.problem.outer_value(u, w), rtol=1e-13)


def test_the_optimistic_solution(concepts):
    found, data = concepts.solutions[0], concepts.task
    Phi, out = data.features(np.sin(found.u)), data.features(data.x)
    best, *_ = np.linalg.lstsq(out, data.y)
    np.testing.assert_allclose(found.w, best, rtol=0, atol=100 * EPS * np.linalg.cond(out) * np.linalg.norm(best))
    np.testing.assert_allclose(Phi @ found.w, LABELS, rtol=0, atol=1e-9)  # SLSQP's constraints
    for x, x0, slope in zip(np.sin(found.u), ((0.2, 0.55), (-0.2, -0.55)), data.slopes(np.sin(found.u)), strict=True):
        gradient, move = slope.T @ found.w, x - np.array(x0)
        assert abs(gradient[0] * move[1] - gradient[1] * move[0]) < 1e-6 * np.linalg.norm(gradient)  # √ of SLSQP's ftol, and more


def test_the_pessimistic_w_is_the_worst_on_the_ball(concepts):
    found, data, rng = concepts.solutions[1], concepts.task, np.random.default_rng(0)
    Phi, out = data.features(np.sin(found.u)), data.features(data.x)
    nearest, N = np.linalg.pinv(Phi) @ LABELS, scipy.linalg.null_space(Phi)
    z, scale = N.T @ (found.w - nearest), 1000 * EPS * np.linalg.cond(out) ** 2  # u is at a kink: two worst cases, equal up to rounding
    np.testing.assert_allclose(nearest + N @ z, found.w, rtol=0, atol=scale)
    assert np.linalg.norm(z) == pytest.approx(2.0, rel=scale)
    slope, W = N.T @ out.T @ (out @ found.w - data.y) / data.y.size, N.T @ out.T @ out @ N / data.y.size
    nu = slope @ z / (z @ z)  # the multiplier of the ball
    np.testing.assert_allclose(slope, nu * z, rtol=0, atol=scale * np.linalg.norm(slope))
    assert nu >= np.linalg.eigvalsh(W)[-1] * (1 - scale)
    others = rng.standard_normal((2000, z.size))
    others *= 2 / np.linalg.norm(others, axis=1, keepdims=True)
    values = 0.5 * np.mean(((nearest + others @ N.T) @ out.T - data.y) ** 2, axis=1)
    assert values.max() <= found.fun * (1 + scale)


def test_no_other_points_have_a_smaller_worst_case(concepts):
    found, data, rng = concepts.solutions[1], concepts.task, np.random.default_rng(0)
    near = found.u + 0.05 * rng.standard_normal((40, 2, 2))
    worst = pyblo.equilibria.worst_case(data.at(np.concatenate([near, rng.uniform(-1.5, 1.5, (60, 2, 2))])), LABELS, 2.0)
    assert worst.fun.min() >= found.fun * (1 - 1e-6)  # xatol of the search


def canonical(data, u, w):
    """−MᵀH⁺ ∂F/∂w, by pseudoinverses and differences of features."""
    Phi, out = data.features(np.sin(u)), data.features(data.x)
    q = np.linalg.pinv(Phi.T @ Phi, rcond=1e-10) @ out.T @ (out @ w - data.y) / data.y.size
    r, h, grad = Phi @ w - LABELS, 1e-5, np.empty((2, 2))
    for k in range(2):
        for j in range(2):
            ahead, back = (data.features(np.sin(u[k] + sign * h * np.eye(2)[j])) for sign in (1, -1))
            slope = (ahead - back) / (2 * h)
            grad[k, j] = -(r[k] * (slope @ q) + (Phi[k] @ q) * (slope @ w))
    return grad


def test_cold_and_warm_start_end_where_their_hypergradient_vanishes(concepts):
    data = concepts.task
    for each in concepts.solutions[2:]:
        assert each.loop.success and np.linalg.norm(canonical(data, each.u, each.w)) < 1e-6 + 1e-8  # tol, and the differences' h²
    cold, warm = concepts.solutions[2:]
    Phi = data.features(np.sin(cold.u))
    np.testing.assert_allclose(cold.w, np.linalg.pinv(Phi) @ LABELS, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(concepts.retrained[2], cold.w)
    assert np.abs(data.features(np.sin(warm.u)) @ warm.w - LABELS).max() < 1e-3  # t steps leave little where w stands still


def test_warm_start_remembers(concepts):
    optimistic, pessimistic, cold, warm = concepts.solutions
    again = concepts.task.problem.outer_value(warm.u, concepts.retrained[3])
    assert optimistic.fun < warm.fun < 0.5 * again and warm.fun < 0.5 * cold.fun and pessimistic.fun > 1.0
    right = [concepts.task.accuracy(each.w) for each in (optimistic, warm, cold)]
    assert right == sorted(right, reverse=True) and right[1] > concepts.task.accuracy(concepts.retrained[3])
    assert concepts.trials.shape == (1, 3)
