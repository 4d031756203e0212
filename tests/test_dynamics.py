"""Affine maps of the algorithms: against exact arithmetic, against the loops, and what they say of convergence."""

import dataclasses
import re

import exact_maps
import generate
import numpy as np
import pytest
from campaigns import affine as campaign
from campaigns.cold_limits import approximate_inverse
from flint import fmpq_mat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import Reference, Tally, array, cold_map, cold_verdict, numbers, rational_matrix
from test_limits import nilpotent

import pyblo
from pyblo.dynamics import affine_map

EPS = np.finfo(float).eps
ALGORITHMS = pytest.mark.parametrize("algorithm", ["cold", "warm"])
properties = settings(
    deadline=None, derandomize=True, database=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)


def integers(seed, largest=4):
    """A case whose P is of small integers, so that every rank is the same in every arithmetic; every fifth has an f outside its range."""
    case, rng = generate.quadratic(seed, largest=largest, kappa=1e3), np.random.default_rng((seed, 5))
    n = len(case.A)
    factor = generate.low_rank(rng, n, int(rng.integers(1, n + 1)), 2)
    f = rng.integers(-2, 3, n).astype(float)
    return case._replace(P=factor @ factor.T, f=f if seed % 5 == 0 else factor @ (factor.T @ f))


def problem_of(case):
    """The library's problem of a case."""
    return pyblo.Quadratic(case.A, case.B, case.P, **case.parts())


def spelled_out(case, pair):
    """A method and the inner run that it goes with, every step given: what both arithmetics can follow."""
    step = generate.rounded(0.7 / case.top)
    method, inner = (
        dataclasses.replace(one, step=step) if getattr(one, "step", 0) is None else one for one in pair
    )
    if inner is not None:
        return method, inner, inner
    return method, None, pyblo.GradientDescent(method.steps, method.step, method.momentum, method.nesterov)


def drawn(seed, count=8):
    """Some algorithms on one problem, each with its exact E, c and z₀, at half its largest stable step where there is one."""
    case, rng = integers(seed), np.random.default_rng((seed, 3))
    pairs = list(campaign.pairs(rng, case.top))
    for k in rng.choice(len(pairs), count, replace=False):
        method, inner, run = spelled_out(case, pairs[k])
        for algorithm in ("cold", "warm"):
            trial = campaign.Trial(case, problem_of(case), algorithm, method, inner, seed, Tally())
            high = trial.map.stable_steps[1]
            step = generate.rounded(0.5 * high if 0 < high < np.inf else trial.map.step)
            apply = exact_maps.one_step(case, algorithm, method, run, step)
            E, c = exact_maps.affine(apply, trial.map.size)
            yield trial, trial.of(step), E, c, exact_maps.first_state(case, algorithm, run)


@pytest.mark.parametrize("seed", range(10))
def test_any_number_of_steps_is_that_of_exact_arithmetic(seed):
    for trial, affine, E, c, z0 in drawn(seed):
        for t in (0, 1, 10, 1000, 10**9, 10**15):
            exact, radius = exact_maps.iterate(E, c, z0, t)
            found = affine.iterate(trial.z0, t)
            if np.abs(exact).max() > 1e290:
                assert np.isinf(found).all() or np.abs(found).max() > 1e280
                continue
            # A rounding of a step lives for 1/(1 − rate) steps, and for ever where z grows or drifts.
            lasting = min(t, 1 / (1 - affine.rate)) if affine.rate < 1 else t
            unit = EPS * trial.condition(affine, [trial.z0, exact], min(t, 10**4)) * max(lasting, 1)
            assert np.linalg.norm(found - exact) <= 10 * unit + radius


@pytest.mark.parametrize("seed", range(10))
def test_matrix_offset_and_fixed_points_are_exact(seed):
    for trial, affine, E, c, _ in drawn(seed):
        size = affine.size
        norm = trial.condition(affine, [trial.z0], 1)
        assert np.linalg.norm(affine.matrix - array(E)) <= 30 * EPS * trial.case.kappa * (1 + np.linalg.norm(array(E))) ** 2
        assert np.linalg.norm(affine.offset - numbers(c)) <= 30 * EPS * norm
        change = E - fmpq_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])
        point, basis = affine.fixed_points
        assert basis.shape == (size, size - change.rank())
        assert np.allclose(basis.T @ basis, np.eye(basis.shape[1]), rtol=0, atol=30 * size * EPS)
        assert np.linalg.norm(array(change) @ basis) <= 100 * EPS * trial.case.kappa * np.linalg.norm(array(change))
        bordered = [[*(change[i, j] for j in range(size)), c[i, 0]] for i in range(size)]
        assert (point is not None) == (fmpq_mat(bordered).rank() == change.rank())
        if point is not None:
            rest = numbers(change * rational_matrix(point) + c)
            assert np.linalg.norm(rest) <= 100 * EPS * trial.condition(affine, [point], 1)
            assert np.linalg.norm(basis.T @ point) <= 100 * EPS * trial.case.kappa * np.linalg.norm(point)  # nearest 0


@pytest.mark.parametrize("seed", range(10))
def test_radius_and_verdict_are_those_of_the_exact_matrix(seed):
    for _, affine, E, c, _ in drawn(seed):
        values = np.linalg.eigvals(array(E))
        # Of a cluster of k eigenvalues LAPACK knows the k-th root of its rounding: here up to 4.
        assert abs(affine.spectral_radius - np.abs(values).max(initial=0.0)) <= 10 * EPS ** (1 / 4) * (1 + np.abs(values).max())
        size = affine.size
        change = E - fmpq_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])
        bordered = fmpq_mat([[*(change[i, j] for j in range(size)), c[i, 0]] for i in range(size)])
        semisimple = (change * change).rank() == change.rank() and bordered.rank() == change.rank()
        assert affine.converges == (semisimple and affine.rate < 1)


@pytest.mark.parametrize("block", range(4))
def test_cold_verdicts_are_exact(block):
    for seed in range(25 * block, 25 * block + 25):
        case, name, keywords = generate.descending(seed)
        reference = Reference.of(case)
        apply = approximate_inverse(reference, name, keywords)
        verdict = cold_verdict(*cold_map(reference, rational_matrix(case.w0), apply))
        affine = affine_map(problem_of(case), "cold", method=getattr(pyblo, name)(**keywords), w0=case.w0)
        low, high = affine.stable_steps
        if verdict == "eigenvalue":
            assert (low, high) == (0.0, 0.0) and not affine.converges
            continue
        half = 0.5 * high if high < np.inf else 1.0
        affine = affine_map(problem_of(case), "cold", method=getattr(pyblo, name)(**keywords), w0=case.w0, step=half)
        assert affine.converges == (verdict == "limit")
        assert ("drift" in affine.certificate) == (verdict == "drift")


@pytest.mark.parametrize("seed", [0, 16, 32])
def test_loops_make_the_same_steps_and_end_as_predicted(seed):
    tally = Tally()
    for number in range(2):
        campaign.check(seed + number, tally, largest=8, long=20_000)
    assert not tally.failures()


def defective(step):
    """u⁺ = u − βw, w⁺ = ¼w + ¾u⁺ in one dimension: trace 5/4 − ¾β, determinant ¼, a double eigenvalue −½ at β = 3."""
    problem = pyblo.Quadratic([[1.0]], [[-1.0]], [[1.0]], f=[-1.0])
    return affine_map(problem, "warm", inner=pyblo.GradientDescent(steps=2, step=0.5), step=step)


@pytest.mark.parametrize("offset", [0.0, 2.0**-50, 2.0**-30, -(2.0**-10)])
@pytest.mark.parametrize("t", [1, 10, 60, 10**9])
def test_defective_and_nearly_defective_spectra(offset, t):
    step = 3 + offset
    affine = defective(step)
    beta = rational_matrix([step])[0, 0]
    E = fmpq_mat([[1, -beta], [rational_matrix([0.75])[0, 0], (1 - 3 * beta) / 4]])
    c = fmpq_mat([[beta], [3 * beta / 4]])
    z0 = affine.start([7.0], [2.0])
    assert np.array_equal(z0, [7.0, 5.75])
    exact, _ = exact_maps.iterate(E, c, rational_matrix(z0), t)
    power = max(np.linalg.norm(np.linalg.matrix_power(affine.matrix, k)) for k in range(1, 8))
    assert np.linalg.norm(affine.iterate(z0, t) - exact) <= 10 * EPS * power * np.linalg.norm(z0)
    assert affine.converges and abs(affine.rate - 0.5) <= 2 * np.sqrt(abs(offset) + EPS)


def test_the_largest_stable_step_of_one_dimension():
    # z² − (5/4 − ¾β)z + ¼ is stable for |5/4 − ¾β| < 5/4 (Jury): β < 10/3.
    low, high = defective(1.0).stable_steps
    assert low == 0.0 and abs(high - 10 / 3) <= 4 * EPS * high
    assert defective(high * (1 - 1e-9)).converges and not defective(high * (1 + 1e-9)).converges


@pytest.mark.parametrize(("algorithm", "inner"), [("cold", None), ("warm", None), ("warm", pyblo.Proximal(0.5))])
def test_a_defective_eigenvalue_one_grows_linearly(algorithm, inner):
    affine = affine_map(nilpotent(), algorithm, method=pyblo.Identity(), inner=inner, step=0.5)
    z0 = affine.start(np.arange(3.0))
    assert not affine.converges and affine.stable_steps == (0.0, 0.0) and "defective" in affine.explain()
    assert abs(affine.certificate["eigenvalue"] - 1) <= 30 * EPS ** (1 / 2)
    with pytest.raises(ValueError, match="z0: there is no limit from here"):
        affine.limit(z0)
    late = [affine.iterate(z0, t) for t in (1000, 2000, 3000)]
    steps = np.diff(late, axis=0)
    assert np.linalg.norm(steps[0]) > 1
    assert np.linalg.norm(steps[1] - steps[0]) <= 100 * EPS * 3000 * np.linalg.norm(late[2])


def test_a_nilpotent_core_grows_quadratically():
    # K = XY with YX = 9 [[0, 1], [0, 0]]: K³ = 0. Rounding takes its double eigenvalue zero apart by the root of ε.
    S, T = np.eye(4)[:2], np.eye(4)[1:3]  # TSᵀ = [[0, 1], [0, 0]]
    L = np.vstack([np.eye(2), np.eye(2)])
    problem = pyblo.Quadratic(np.diag([1.0, 1, 4, 4]), np.vstack([4 * T - S, 4 * (S - T)]), L @ L.T, f=L @ [1.0, 2.0])
    for algorithm in ("cold", "warm"):
        affine = affine_map(problem, algorithm, method=pyblo.Identity(), step=0.125)
        assert not affine.converges and affine.stable_steps == (0.0, 0.0)
        assert "defective" in affine.explain() and abs(affine.rate - 1) <= 100 * np.sqrt(EPS)
        z0 = affine.start(np.arange(4.0))
        late = np.array([affine.iterate(z0, t) for t in (100, 200, 300, 400)])
        third, size = np.diff(late, n=3, axis=0), np.linalg.norm(late)
        assert np.linalg.norm(np.diff(late, n=2, axis=0)[0]) > 1 and np.linalg.norm(third) <= 100 * EPS * 400 * size


def test_a_response_that_the_outer_objective_does_not_see():
    # K = BᵀPA⁻¹B = 0 while BᵀP ≠ 0: u moves as long as w is not w*(u), and stands still at any u. E has to be exact for that.
    case = integers(1)._replace(
        A=np.diag([1.0, 4.0]), B=np.array([[1.0], [-4.0]]), P=np.ones((2, 2)), d=np.zeros(2), f=np.zeros(2),
        u=np.array([3.0]), w0=np.array([5.0, 1.0]), rank=2, kappa=4.0, top=4.0)
    for inner in (pyblo.GradientDescent(steps=2, step=0.125), pyblo.Proximal(0.5)):
        affine = affine_map(problem_of(case), "warm", method=pyblo.Identity(), inner=inner, step=0.0625)
        E, c = exact_maps.affine(exact_maps.one_step(case, "warm", pyblo.Identity(), inner, 0.0625), 3)
        z0 = affine.start(case.u, case.w0)
        assert affine.converges and affine.rate < 1 and affine.fixed_points[1].shape == (3, 1)
        for t in (1, 10, 10**9):
            exact, _ = exact_maps.iterate(E, c, exact_maps.first_state(case, "warm", inner), t)
            assert np.linalg.norm(affine.iterate(z0, t) - exact) <= 100 * EPS * np.linalg.norm(exact) / (1 - affine.rate)
        assert np.linalg.norm(affine.limit(z0) - exact) <= 100 * EPS * np.linalg.norm(exact) / (1 - affine.rate)
        assert abs(affine.rate - np.sort(np.abs(np.linalg.eigvals(array(E))))[-2]) <= 100 * EPS
    together = affine_map(problem_of(case), "warm", method=pyblo.Identity(), inner=inner, step=[0.0625, 0.125])
    assert abs(together.rate[0] - affine.rate) <= 100 * EPS and together.converges.all()


@pytest.mark.parametrize("seed", range(8))
def test_without_inner_steps_w_stands_still(seed):
    case, method, inner = integers(seed), pyblo.Identity(), pyblo.GradientDescent(steps=0, step=1.0)
    affine = affine_map(problem_of(case), "warm", method=method, inner=inner, step=0.25)
    E, c = exact_maps.affine(exact_maps.one_step(case, "warm", method, inner, 0.25), affine.size)
    size = affine.size
    change = E - fmpq_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])
    point, basis = affine.fixed_points
    assert basis.shape == (size, size - change.rank()) and not affine.converges
    bordered = fmpq_mat([[*(change[i, j] for j in range(size)), c[i, 0]] for i in range(size)])
    assert (point is None) == (bordered.rank() > change.rank())
    z0 = affine.start(case.u, case.w0)
    end, exact = affine.iterate(z0, 10**6), exact_maps.iterate(E, c, exact_maps.first_state(case, "warm", inner), 10**6)[0]
    assert np.linalg.norm(end - exact) <= 100 * EPS * np.linalg.norm(exact)


def test_slow_full_warm_start_converges():
    # K = diag(1, 10⁻⁷), β = 1: the eigenvalue 0 of full warm start is defective; 1 − 10⁻⁷ is simple.
    problem = pyblo.Quadratic(np.eye(2), -np.eye(2), np.diag([1.0, 1e-7]), f=[-1.0, -1e-7])
    affine = affine_map(problem, "warm", step=1.0)
    assert affine.converges and affine.rate == pytest.approx(1 - 1e-7, abs=4 * EPS)
    assert np.linalg.norm(affine.limit(affine.start([5.0, 3.0])) - 1) <= 30 * EPS * 1e7


def test_what_is_not_excited_does_not_overflow():
    # K = diag(1, 16), β = ½: u₂ is multiplied by −7 at every step, and starts where it stands still.
    problem = pyblo.Quadratic(np.eye(2), np.diag([-1.0, -4.0]), np.eye(2), f=[-1.0, 0.0])
    for algorithm in ("cold", "warm"):
        affine = affine_map(problem, algorithm, step=0.5)
        assert affine.rate == 7.0
        assert np.array_equal(affine.iterate(affine.start([5.0, 0.0]), 10**9)[:2], [1.0, 0.0])
        assert np.isinf(affine.iterate(affine.start([5.0, 1e-300]), 10**9)).all()
        assert np.linalg.norm(affine.iterate(affine.start([5.0, 2.0**-840]), 300)[:2] - [1.0, 7.0**300 * 2.0**-840]) <= 3e3 * EPS


@ALGORITHMS
def test_the_unit_circle_apart_from_one_is_bounded_and_has_no_limit(algorithm):
    # K = 1, β = 2: u alternates about 1.
    problem = pyblo.Quadratic(np.eye(2), -np.eye(2), np.eye(2), f=[-1.0, -1.0])
    affine = affine_map(problem, algorithm, step=2.0)
    z0 = affine.start([3.0, 1.0])
    assert not affine.converges and affine.rate == 1.0
    assert abs(affine.certificate["eigenvalue"] + 1) <= 10 * EPS and "unit circle" in affine.explain()
    assert np.array_equal(affine.iterate(z0, 10**9)[:2], [3.0, 1.0])
    assert np.array_equal(affine.iterate(z0, 10**9 + 1)[:2], [-1.0, 1.0])
    assert affine.stable_steps == (0.0, 2.0)
    still = affine.start([1.0, 1.0])  # what does not excite the eigenvalue −1 has a limit
    assert np.array_equal(affine.limit(still), still)


@ALGORITHMS
def test_a_drift_is_told_with_its_speed(algorithm):
    # F = w₂ with w = −u: u₂ falls by β per step for ever, u₁ tends to 0.
    problem = pyblo.Quadratic(np.eye(2), np.eye(2), np.diag([1.0, 0.0]), f=[0.0, 1.0])
    affine = affine_map(problem, algorithm, step=0.5)
    z0 = affine.start([4.0, 1.0])
    assert not affine.converges and affine.rate == 0.5 and affine.fixed_points[0] is None
    facts = affine.certificate
    speed = 0.5 if algorithm == "cold" else 0.5 * np.sqrt(2)
    assert facts["speed"] == pytest.approx(speed, rel=4 * EPS) and abs(facts["drift"][1]) == pytest.approx(0.5 / speed, rel=4 * EPS)
    assert "for every outer step" in affine.explain()
    assert np.allclose(affine.iterate(z0, 10**9)[:2], [0.0, 1.0 + 0.5e9], rtol=4 * EPS, atol=0)
    with pytest.raises(ValueError, match="z0: there is no limit from here: z moves for ever by"):
        affine.limit(z0)


def test_the_start_decides_where_the_eigenvalue_one_is_defective():
    # No inner step: w stays, and u moves by −βw₁ for ever, unless w₁ = 0.
    problem = pyblo.Quadratic(np.diag([1.0, 0.0]), [[1.0], [0.0]], np.eye(2))
    affine = affine_map(problem, "warm", inner=pyblo.GradientDescent(steps=0), step=0.5)
    assert not affine.converges and affine.rate == 1.0 and affine.stable_steps[1] == np.inf
    facts = affine.certificate
    assert facts["eigenvalue"] == 1
    assert np.allclose(np.abs(facts["start"]), [0, 1, 0]) and np.allclose(np.abs(facts["eigenvector"]), [1, 0, 0])
    assert np.array_equal(affine.iterate([1.0, 2.0, 3.0], 10**6), [1.0 + 10**6, 2.0, 3.0])
    assert np.array_equal(affine.limit([1.0, 0.0, 3.0]), [1.0, 0.0, 3.0])
    with pytest.raises(ValueError, match="z0"):
        affine.limit([1.0, 2.0, 3.0])
    point, basis = affine.fixed_points
    assert np.array_equal(point, np.zeros(3)) and basis.shape == (3, 2)


def test_an_inner_run_beyond_its_limit_is_allowed_and_diverges():
    # One step of 3 on A = 1 takes w − w* to −2(w − w*); the loops refuse more than one such step.
    problem = pyblo.Quadratic(np.eye(2), -np.eye(2), np.eye(2))
    inner = pyblo.GradientDescent(steps=2, step=3.0)
    with pytest.raises(ValueError, match="beyond the limit"):
        pyblo.warm_start(problem, np.ones(2), inner=inner)
    affine = affine_map(problem, "warm", inner=inner, step=0.25)
    # u⁺ = u − ¼w, w⁺ = 4w − 3u⁺: trace 1 + 4 + ¾, determinant 4
    assert abs(affine.rate - np.abs(np.roots([1, -5.75, 4])).max()) <= 30 * EPS
    assert affine.stable_steps == (0.0, 0.0) and "the inner run alone multiplies an error of w by 4" in affine.explain()
    assert np.isinf(affine.iterate(affine.start(np.ones(2)), 10**9)).all()
    series = affine_map(problem, "cold", method=pyblo.Neumann(3, step=3.0), step=0.25)  # r(1) = 3(1 − 2 + 4) = 9
    assert series.rate == abs(1 - 0.25 * 9)


@pytest.mark.parametrize("seed", [13, 71, *range(6)])
def test_steps_are_stable_exactly_where_no_eigenvalue_is_outside(seed):
    # Of seeds 13 and 71 some map is stable for small steps, unstable for larger ones, and stable again.
    case, rng = generate.quadratic(seed, largest=6, kappa=1e3), np.random.default_rng((seed, 11))
    pairs = list(campaign.pairs(rng, case.top))
    for k in rng.choice(len(pairs), 3):
        method, inner = pairs[k]
        affine = affine_map(problem_of(case), "warm", method=method, inner=inner)
        low, high = affine.stable_steps
        steps = affine.step * np.geomspace(1e-5, 1e5, 300)
        radius = np.abs(np.linalg.eigvals(affine_map(problem_of(case), "warm", method=method, inner=inner, step=steps).matrix)).max(-1)
        spans = [(low, high)] + [tuple(map(float, pair)) for pair in re.findall(r"and those between (\S+) and (\S+)", affine.explain())]
        inside = np.any([(steps > first) & (steps < last) for first, last in spans], axis=0)
        assert np.all(radius[inside] < 1 + 1e-6)
        assert np.all(radius[~inside] > 1)
        assert (seed in (13, 71)) or len(spans) == 1


@pytest.mark.parametrize("inner", [None, pyblo.GradientDescent(steps=2), pyblo.Proximal(0.5)], ids=str)
def test_an_objective_that_u_cannot_move_is_stable_for_every_step(inner):
    # F sees w₁ − w₂ and u moves w₁ + w₂ on the range of A, or the two do not meet at all.
    ones = np.ones((2, 2))
    for problem in (pyblo.Quadratic(ones, ones, np.array([[1.0, -1.0], [-1.0, 1.0]]), f=[-0.1, 0.1]),
                    pyblo.Quadratic(np.eye(2), [[1.0], [0.0]], np.diag([0.0, 1.0]))):
        for algorithm in ("cold", "warm"):
            affine = affine_map(problem, algorithm, inner=inner, step=1e6)
            assert affine.converges and affine.stable_steps == (0.0, np.inf) and "every step is stable" in affine.explain()
            z0 = affine.start(np.ones(problem.outer_shape))
            assert np.array_equal(affine.limit(z0)[: problem.outer_size], np.ones(problem.outer_size))


def test_a_fixed_point_of_a_diverging_map_is_its_limit():
    problem = pyblo.Quadratic(np.diag([1.0, 2.0]), np.eye(2), np.eye(2), f=[1.0, 1.0])
    affine = affine_map(problem, "warm", step=8.0, inner=pyblo.GradientDescent(steps=2))
    assert not affine.converges
    point, _ = affine.fixed_points
    assert np.linalg.norm(affine.limit(point) - point) <= 100 * EPS * np.linalg.norm(point)
    values, vectors = np.linalg.eig(affine.matrix)
    stable = point + vectors[:, np.argmin(np.abs(values))].real  # on the stable manifold
    assert np.linalg.norm(affine.limit(stable) - point) <= 100 * EPS * np.linalg.norm(stable)
    with pytest.raises(ValueError, match="z0: there is no limit from here. Diverges: the eigenvalue"):
        affine.limit(point + 1)
    value, vector = affine.certificate["eigenvalue"], affine.certificate["eigenvector"]
    assert np.linalg.norm(affine.matrix @ vector - value * vector) <= 30 * EPS * np.linalg.norm(affine.matrix)
    assert abs(value) == pytest.approx(affine.rate, rel=30 * EPS)


@properties
@given(seed=st.integers(0, 2**32 - 1), s=st.integers(0, 50), t=st.integers(0, 50))
def test_steps_add_up_and_keep_affine_combinations(seed, s, t):
    case = generate.quadratic(seed, largest=6, kappa=100.0)
    rng = np.random.default_rng(seed)
    method, inner = list(campaign.pairs(rng, case.top))[int(rng.integers(28))]
    algorithm = ("cold", "warm")[seed % 2]
    trial = campaign.Trial(case, problem_of(case), algorithm, method, inner, seed, Tally())
    affine, z = trial.map, rng.standard_normal((2, trial.map.size))
    middle, end = affine.iterate(z, s), affine.iterate(z, s + t)
    unit = EPS * trial.condition(affine, [*z, *middle, *end], s + t) * (s + t + 1) * trial.growth(affine.matrix, s + t)
    assert np.linalg.norm(affine.iterate(middle, t) - end) <= 100 * unit
    assert np.linalg.norm(affine.iterate(z.mean(0), s) - middle.mean(0)) <= 100 * unit
    assert np.linalg.norm(affine.iterate(z, 1) - z @ affine.matrix.T - affine.offset) <= 100 * unit
