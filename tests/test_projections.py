"""Projections: against least distance programs, textbook loops and closed forms; full warm start over solution sets is Kaczmarz."""

import generate
import numpy as np
import pytest
from campaigns import projections as campaign
from concepts import least_distance, polyhedron, sets_of
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Tally, error, rational_matrix

import pyblo
from pyblo import _dispatch
from pyblo.equilibria import AffineSet, HalfSpaces, cyclic_projections, dykstra, kaczmarz, project

EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)
properties = settings(deadline=None, derandomize=True, database=None)


def equations(seed, consistent=True):
    """A w0, X and y of small integers, with independent rows where they are to be consistent in any order."""
    rng = np.random.default_rng((seed, 21))
    n = int(rng.integers(2, 7))
    k = int(rng.integers(1, n + 1))
    X = generate.low_rank(rng, n, k).T
    if not consistent:
        X = np.vstack([X, X[:1]])
    y = rng.integers(-4, 5, len(X)).astype(float)
    if not consistent:
        y[-1] = y[0] + float(rng.integers(1, 5))
    return rng.standard_normal(n), X, y


def condition(X):
    """σmax/σmin."""
    sigma = np.linalg.svd(X, compute_uv=False)
    return sigma[0] / sigma[-1]


def sweep(w, X, y):
    """One cycle of Kaczmarz as the formula is printed: Π(w) = w − (xᵀw − y)/(xᵀx) x."""
    for x, target in zip(X, y, strict=True):
        w = w - (x @ w - target) / (x @ x) * x
    return w


# --- one projection -------------------------------------------------------------------------------------------------


@properties
@given(seed=seeds)
def test_projection_is_exact_and_moves_least(seed):
    w, X, y = equations(seed)
    found = project(w, X, y)
    A, start = rational_matrix(X), rational_matrix(w)
    exact = start - A.transpose() * (A * A.transpose()).solve(A * start - rational_matrix(y))
    assert error(found, exact) <= 20 * EPS * condition(X) * (np.linalg.norm(w) + np.linalg.norm(found) + 1)


@properties
@given(seed=seeds)
def test_projection_of_a_batch_is_that_of_each(seed):
    rng = np.random.default_rng(seed)
    X, y, w = rng.standard_normal((3, 1, 2, 4)), rng.standard_normal((5, 2)), rng.standard_normal(4)
    found = project(w, X, y)
    assert found.shape == (3, 5, 4)
    for i in range(3):
        for j in range(5):
            size = 100 * EPS * condition(X[i, 0]) * (1 + np.abs(found[i, j]).max())
            assert np.allclose(found[i, j], project(w, X[i, 0], y[j]), rtol=0, atol=size)


def test_projection_is_the_inner_solution_of_target_learning():
    w, X, y = equations(3)
    assert np.allclose(project(w, X, y), pyblo.TargetLearning(X, X, y).inner_solution(y, w), rtol=0, atol=20 * EPS * condition(X) * 10)


def test_dependent_rows_are_fine_where_they_agree_and_named_where_they_do_not():
    X = np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]])
    assert np.allclose(project(np.zeros(3), X, [5.0, 10.0]), [1.0, 2.0, 0.0], rtol=0, atol=10 * EPS * 5)
    with pytest.raises(ValueError, match=r"^y: .*Xw = y has no solution"):
        project(np.zeros(3), X, [5.0, 11.0])
    with pytest.raises(ValueError, match=r"^y: .*problem 1 of the batch"):
        project(np.zeros(3), X, [[5.0, 10.0], [5.0, 11.0]])
    with pytest.raises(ValueError, match="^y: "):
        AffineSet(X, [5.0, 11.0])


@pytest.mark.parametrize(("dtype", "small"), [(np.float32, 1e-5), (np.float64, 1e-14)])
def test_equations_without_a_solution_are_named_however_badly_conditioned(dtype, small):
    X, y, zero = np.array([[1, 0], [0, small], [0, 0]], dtype), np.array([0, 0, 1], dtype), np.zeros(2, dtype)
    for call in (lambda: project(zero, X, y), lambda: AffineSet(X, y), lambda: kaczmarz(zero, X, y, block=3)):
        with pytest.raises(ValueError, match=r"^y: has a relative part 1 .*Xw = y has no solution"):
            call()
    y = np.array([1, small, 0], dtype)
    assert np.allclose(project(zero, X, y), [1.0, 1.0], rtol=0, atol=10 * np.finfo(dtype).eps)


# --- Kaczmarz -------------------------------------------------------------------------------------------------------


@properties
@given(seed=seeds)
def test_kaczmarz_visits_what_the_formula_says(seed):
    w, X, y = equations(seed)
    found = kaczmarz(w, X, y, maxiter=5, tol=0.0, history=True)
    for k in range(len(found.history) - 1):
        size = np.linalg.norm(w) + np.max(np.abs(y) / np.linalg.norm(X, axis=1))
        w = sweep(w, X, y)
        assert np.linalg.norm(found.history[k + 1] - w) <= 20 * len(X) * (k + 1) * EPS * size
    assert np.array_equal(found.history[-1], found.w)


@properties
@given(seed=seeds)
def test_kaczmarz_tends_to_the_projection_where_the_sets_meet(seed):
    w, X, y = equations(seed)
    found = kaczmarz(w, X, y, maxiter=100_000, tol=1e-13)
    target = project(w, X, y)
    assert found.success and found.cycle is None
    # w − target is in the row space, and every row is met to tol·max(1, ‖w‖).
    unit = X / np.linalg.norm(X, axis=1)[:, None]
    bound = np.sqrt(len(X)) * 1e-13 * max(1.0, np.linalg.norm(found.w)) / np.linalg.svd(unit, compute_uv=False)[-1]
    assert np.linalg.norm(found.w - target) <= bound + 100 * EPS * condition(X) * (np.linalg.norm(w) + np.linalg.norm(target))


@properties
@given(seed=seeds)
def test_limit_cycle_of_kaczmarz_is_the_fixed_point_of_the_affine_map(seed):
    w, X, y = equations(seed, consistent=False)
    found = kaczmarz(w, X, y, maxiter=200_000, tol=1e-10)
    assert found.status == pyblo.Status.INCONSISTENT and not found.success
    # The cycle is w ↦ Mw + c; its limit is w₀ − (I − M)^♯((I − M)w₀ − c), and null(I − M) is orthogonal to its range.
    n = w.size
    c = sweep(np.zeros(n), X, y)
    M = np.column_stack([sweep(e, X, 0 * y) for e in np.eye(n)])
    V = np.linalg.svd(X)[2][: np.linalg.matrix_rank(X)].T
    core = V.T @ (np.eye(n) - M) @ V
    limit = w - V @ np.linalg.solve(core, V.T @ ((np.eye(n) - M) @ w - c))
    size = 1 + np.linalg.norm(w) + np.linalg.norm(limit)
    slow = np.linalg.norm(np.linalg.inv(core), 2)
    moved = np.sum(np.linalg.norm(np.diff(np.vstack([found.cycle[-1:], found.cycle]), axis=0), axis=1))
    # The loop ends where a cycle changes w by tol·moved·max(1, ‖w‖) at the most.
    assert np.linalg.norm(found.w - limit) <= slow * (2e-10 * moved * size + 100 * len(X) * EPS * size)
    points, at = [], limit
    for x, target in zip(X, y, strict=True):
        at = at - (x @ at - target) / (x @ x) * x
        points.append(at)
    assert np.allclose(found.cycle, points, rtol=0, atol=slow * (2e-10 * moved * size + 100 * len(X) * EPS * size))
    assert found.separation >= 1e10


@properties
@given(seed=seeds)
def test_blocks_are_projections_on_their_sets(seed):
    w, X, y = equations(seed)
    found = kaczmarz(w, X, y, block=2, maxiter=1, tol=0.0)
    for k in range(0, len(X), 2):
        w = project(w, X[k : k + 2], y[k : k + 2])
    assert np.linalg.norm(found.w - w) <= 100 * EPS * condition(X) * (1 + np.linalg.norm(w) + np.linalg.norm(y))
    assert kaczmarz(w, X, y, block=len(X), maxiter=2, tol=1e-10).success


def test_a_batch_of_kaczmarz_has_the_bits_of_each():
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((4, 3, 5)), rng.standard_normal((2, 1, 3)), rng.standard_normal((4, 5))
    found = kaczmarz(w, X, y, maxiter=50, history=True)
    assert found.w.shape == (2, 4, 5) and found.residual.shape == found.status.shape == (2, 4)
    for i in range(2):
        for j in range(4):
            one = kaczmarz(w[j], X[j], y[i, 0], maxiter=50, history=True)
            assert found.w[i, j].tobytes() == one.w.tobytes() and found.cycles[i, j] == one.cycles
            assert found.history[i, j, : one.cycles + 1].tobytes() == one.history.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_full_warm_start_over_a_cycle_of_solution_sets_is_kaczmarz(dtype):
    # Paper 000, Fig. 8: for each u the inner problem is ½(xᵀw − u)²; warm start begins each inner run at the last w.
    rng = np.random.default_rng(5)
    X, u = rng.standard_normal((4, 6)).astype(dtype), rng.standard_normal(4).astype(dtype)
    w = np.zeros(6, dtype)
    found = kaczmarz(w, X, u, maxiter=30, tol=0.0, history=True)
    eps = np.finfo(dtype).eps
    for cycle in range(30):
        for x, target in zip(X, u, strict=True):
            problem = pyblo.TargetLearning(x[None], np.eye(6, dtype=dtype), np.zeros(6, dtype))
            w = pyblo.warm_start(problem, [target], w, maxiter=0).w
        assert np.linalg.norm(found.history[cycle + 1] - w) <= 30 * (cycle + 1) * eps * (1 + np.linalg.norm(w))
    cold = pyblo.cold_start(problem, [u[-1]], np.zeros(6, dtype), maxiter=0).w  # which forgets: the projection of w₀ on the last set
    assert np.allclose(cold, project(np.zeros(6, dtype), X[-1:], u[-1:]), rtol=0, atol=10 * eps)
    assert np.linalg.norm(cold - found.w) > 0.1


# --- Dykstra --------------------------------------------------------------------------------------------------------


def textbook(w, X, y, E, e, cycles):
    """Dykstra with a correction vector for every set, the affine one included."""
    history, corrections = [w], np.zeros((len(X) + 1, w.size))
    for _ in range(cycles):
        for i in range(len(X) + (len(E) > 0)):
            x = w + corrections[i]
            if i < len(X):
                w = x - max(0.0, X[i] @ x - y[i]) / (X[i] @ X[i]) * X[i]
            else:
                w = x - np.linalg.pinv(E) @ (E @ x - e)
            corrections[i] = x - w
        history.append(w)
    return np.array(history)


@properties
@given(seed=seeds)
def test_dykstra_visits_what_the_textbook_says(seed):
    w, X, y, E, e = polyhedron(seed)
    found = dykstra(w, sets_of(X, y, E, e), maxiter=8, tol=0.0, history=True)
    expected = textbook(w, X, y, E, e, 8)[: len(found.history)]
    size = 1 + np.abs(expected).max() + (np.linalg.norm(e) * condition(E) / np.linalg.norm(E, 2) if len(E) else 0.0)
    kappa = condition(E) if len(E) else 1.0
    assert np.abs(found.history - expected).max() <= 200 * len(X) * EPS * kappa * size


@pytest.mark.parametrize("block", range(4))
def test_dykstra_ends_at_the_least_distance_or_says_that_there_is_none(block):
    tally = Tally()
    for seed in range(50 * block, 50 * block + 50):
        campaign.check(seed, tally)
    assert not tally.failures()


@properties
@given(seed=seeds)
def test_on_affine_sets_dykstra_is_cyclic_projection(seed):
    w, X, y = equations(seed, consistent=seed % 2 == 0)
    sets = [AffineSet(X[i : i + 1], y[i : i + 1]) for i in range(len(X))]
    found = dykstra(w, sets, maxiter=20, tol=0.0, history=True)
    plain = cyclic_projections(w, sets, maxiter=20, tol=0.0, history=True)
    rows = kaczmarz(w, X, y, maxiter=20, tol=0.0, history=True)
    assert found.history.tobytes() == plain.history.tobytes() == rows.history.tobytes()
    corrected = textbook(w, np.zeros((0, w.size)), np.zeros(0), X[:1], y[:1], 1)  # and so says the textbook, of one set
    assert np.allclose(corrected[-1], project(w, X[:1], y[:1]), rtol=0, atol=100 * EPS * (1 + np.abs(corrected).max()))


def test_on_half_spaces_they_differ():
    sets = [HalfSpaces([[1.0, 1.0], [0.0, 1.0]], [0.0, -1.0])]
    plain, corrected = cyclic_projections([2.0, 2.0], sets), dykstra([2.0, 2.0], sets)
    assert plain.success and corrected.success
    assert np.allclose(plain.w, [0.0, -1.0], rtol=0, atol=1e-10) and np.allclose(corrected.w, [1.0, -1.0], rtol=0, atol=1e-9)


def test_dykstra_that_stalls_is_not_a_limit_cycle():
    # Bauschke and Borwein: from far along the boundary of both, w stands still for many cycles until a correction has run out.
    sets = [HalfSpaces([[-1.0, 0.0]], [0.0]), HalfSpaces([[1.0, 0.01]], [0.0]), HalfSpaces([[0.0, -1.0]], [1.0])]
    w = np.array([-50.0, 1.0])
    found = dykstra(w, sets, maxiter=1_000_000, tol=1e-9)
    expected = least_distance(w, *(np.vstack([s.X for s in sets]), np.concatenate([s.y for s in sets])))
    assert found.success
    assert np.allclose(found.w, expected, rtol=0, atol=1e-5)


def test_two_half_spaces_without_a_common_point():
    found = dykstra([0.5, 3.0], [HalfSpaces([[2.0, 0.0], [-1.0, 0.0]], [0.0, -1.0])])
    assert found.status == pyblo.Status.INCONSISTENT and found.separation == np.inf
    assert np.array_equal(found.cycle, [[0.0, 3.0], [1.0, 3.0]])
    assert "no common point" in found.message


def test_nearly_parallel_lines_that_meet_far_away_are_no_limit_cycle():
    # They meet at (1e6, 0): w creeps there, and the certificate knows no separation beyond it.
    found = kaczmarz([0.0, 0.0], X=[[0.0, 1.0], [1e-6, 1.0]], y=[0.0, 1.0], maxiter=2000, tol=1e-9)
    assert found.status == pyblo.Status.NOT_CONVERGED


def test_limits_of_the_arguments():
    walls = [HalfSpaces(np.zeros((1, 2)), [1.0]), AffineSet(np.zeros((1, 2)), [0.0])]  # all of the plane
    found = dykstra([3.0, 4.0], walls)
    assert found.success and np.array_equal(found.w, [3.0, 4.0])
    assert kaczmarz(np.zeros(2), np.zeros((0, 2)), np.zeros(0)).success
    assert kaczmarz(np.zeros((0, 2)), np.eye(2), np.ones(2)).w.shape == (0, 2)
    assert kaczmarz([1.0, 1.0], np.eye(2), np.zeros(2), maxiter=0).status == pyblo.Status.NOT_CONVERGED
    far = kaczmarz([1e300, 1e300], [[1.0, 1.0]], [0.0])
    assert far.status == pyblo.Status.CONVERGED or not far.success


BAD = {
    "X": [
        lambda: project(np.zeros(2), np.zeros(2), np.zeros(1)),
        lambda: kaczmarz(np.zeros(2), [[np.nan, 1.0]], [0.0]),
        lambda: AffineSet(np.zeros((2, 1, 2)), np.zeros(1)),
        lambda: HalfSpaces([[1j, 0.0]], [0.0]),
    ],
    "y": [
        lambda: project(np.zeros(2), np.eye(2), np.zeros(3)),
        lambda: kaczmarz(np.zeros(2), np.zeros((1, 2)), [1.0]),
        lambda: HalfSpaces(np.zeros((1, 2)), [-1.0]),
        lambda: HalfSpaces(np.eye(2), [np.inf, 0.0]),
    ],
    "w": [lambda: project(np.zeros(3), np.eye(2), np.zeros(2)), lambda: project([np.nan, 0.0], np.eye(2), np.zeros(2))],
    "w0": [
        lambda: kaczmarz(np.zeros(3), np.eye(2), np.zeros(2)),
        lambda: dykstra(np.zeros(3), [HalfSpaces(np.eye(2), np.zeros(2))]),
        lambda: kaczmarz(np.zeros((3, 2)), np.ones((2, 2, 2)), np.zeros((2, 2))),
    ],
    "sets": [
        lambda: dykstra(np.zeros(2), []),
        lambda: dykstra(np.zeros(2), 3),
        lambda: dykstra(np.zeros(2), [np.eye(2)]),
        lambda: dykstra(np.zeros(2), [HalfSpaces(np.eye(2), np.zeros(2)), AffineSet(np.eye(3), np.zeros(3))]),
    ],
    "block": [lambda: kaczmarz(np.zeros(2), np.eye(2), np.zeros(2), block=0)],
    "maxiter": [lambda: kaczmarz(np.zeros(2), np.eye(2), np.zeros(2), maxiter=-1)],
    "tol": [lambda: kaczmarz(np.zeros(2), np.eye(2), np.zeros(2), tol=-1.0)],
}


@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in BAD.items() for call in calls])
def test_bad_input_is_named(name, call):
    with pytest.raises((ValueError, TypeError), match=f"^{name}: "):
        call()


def test_every_instruction_set_and_number_of_threads_gives_the_same_bits():
    rng = np.random.default_rng(9)
    X, y, w = rng.standard_normal((40, 5, 33)), rng.standard_normal((40, 5)), rng.standard_normal((40, 33))
    walls = [HalfSpaces(X[0], y[0]), AffineSet(X[1], y[1])]
    found, threads = {}, pyblo.get_num_threads()
    try:
        for name in _dispatch.instruction_sets()[1:] or _dispatch.instruction_sets():  # the baseline has no fma
            _dispatch.select_instruction_set(name)
            for count in (1, 2):
                pyblo.set_num_threads(count)
                runs = kaczmarz(w, X, y, maxiter=20, tol=0.0), dykstra(w, walls, maxiter=20, tol=0.0)
                found[name, count] = [run.w.tobytes() + run.cycles.tobytes() for run in runs]
    finally:
        _dispatch.select_instruction_set("")
        pyblo.set_num_threads(threads)
    assert len({tuple(bits) for bits in found.values()}) == 1


@pytest.mark.parametrize("blocks", [[1, 1], [2], [1, 2]])
def test_float32_sets_from_a_float64_start_meet_the_equations_as_given(blocks):
    rng = np.random.default_rng(4)
    X, y = rng.standard_normal((sum(blocks), 4)).astype(np.float32), rng.standard_normal(sum(blocks)).astype(np.float32)
    ends = np.cumsum([0, *blocks])
    sets = [AffineSet(X[i:j], y[i:j]) for i, j in zip(ends, ends[1:], strict=False)] + [HalfSpaces(X[:1], y[:1])]
    assert all(one.X.dtype == one.y.dtype == np.float32 for one in sets)
    for algorithm in (cyclic_projections, dykstra):
        found = algorithm(np.zeros(4), sets, maxiter=100_000, tol=1e-13)
        assert found.success and found.w.dtype == np.float64
        rows = X.astype(float)
        away = np.abs(rows @ found.w - y) / np.linalg.norm(rows, axis=1)
        assert away.max() <= (1e-13 + 20 * EPS) * condition(rows) * (1 + np.linalg.norm(found.w))
        assert algorithm(np.zeros(4, np.float32), sets).w.dtype == np.float32


def test_float32_rows_that_depend_up_to_its_rounding_depend():
    X = np.array([[1, 2, 3], [0.1, 0.2, 0.3]], np.float32)  # to 1e-8 multiples of each other
    assert len(AffineSet(X, np.array([1, 0.1], np.float32)).rows[1]) == 1
    assert len(AffineSet(X.astype(float), [1.0, 0.1]).rows[1]) == 2
    with pytest.raises(ValueError, match="^sets: .*overflows float32"):
        dykstra(np.zeros(1, np.float32), [HalfSpaces(np.array([[1e-30]], np.float32), np.array([1e20], np.float32))])
    assert dykstra(np.zeros(1), [HalfSpaces(np.array([[1e-30]], np.float32), np.array([1e20], np.float32))]).success
