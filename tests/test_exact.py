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
    group_inverse_times,
    numbers,
    precision,
    rational_matrix,
)


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
