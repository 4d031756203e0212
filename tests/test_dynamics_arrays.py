"""Affine maps: batches, float32, arrays of any kind, and bad input."""

import generate
import numpy as np
import pytest
import zoo
from campaigns import affine as campaign
from test_array_zoo import trials
from test_bad_input import names

import pyblo
from pyblo.dynamics import affine_map

EPS = np.finfo(float).eps
INNERS = [None, pyblo.GradientDescent(steps=2), pyblo.Proximal(1.0)]
METHODS = [pyblo.Exact(), pyblo.Neumann(2), pyblo.Identity()]
PAIRS = [(method, inner) for method in METHODS for inner in INNERS] + [(pyblo.Unrolled(4, momentum=0.5), None)]
by_pair = pytest.mark.parametrize(("method", "inner"), PAIRS, ids=str)
both = pytest.mark.parametrize("algorithm", ["cold", "warm"])


def stack(count=6):
    """Cases of one shape whose ranks differ, and the batch of their problems."""
    cases = (generate.quadratic(seed, largest=5, kappa=100.0) for seed in range(10_000))
    chosen = [case for case, _ in zip((case for case in cases if case.shape == (4, 3)), range(count), strict=False)]
    assert len({case.rank for case in chosen}) > 1
    arrays = {name: np.stack([getattr(case, name) for case in chosen]) for name in ("A", "B", "P", "d", "f")}
    return chosen, pyblo.Quadratic(**arrays)


@both
@by_pair
def test_a_map_of_a_batch_is_what_it_is_alone(algorithm, method, inner):
    cases, batch = stack()
    steps = np.array([[0.25], [1.0]]) * affine_map(batch, algorithm, method=method, inner=inner).step
    together = affine_map(batch, algorithm, method=method, inner=inner, step=steps, w0=cases[0].w0)
    assert together.batch_shape == (2, len(cases))
    w0 = [cases[1].w0] if algorithm == "warm" else []
    z0 = together.start(np.stack([case.u for case in cases]), *w0)
    ends, (points, bases) = together.iterate(z0, 1000), together.fixed_points
    rates, radii, verdicts, (low, high) = together.rate, together.spectral_radius, together.converges, together.stable_steps
    for index in np.ndindex(steps.shape):
        case = cases[index[1]]
        problem = pyblo.Quadratic(case.A, case.B, case.P, d=case.d, f=case.f)
        alone = affine_map(problem, algorithm, method=method, inner=inner, step=steps[index], w0=cases[0].w0)
        start = alone.start(case.u, *w0)
        trial = campaign.Trial(case._replace(w0=cases[0].w0), problem, algorithm, method, inner, 0, None)
        size = EPS * trial.condition(alone, [start], 1)
        assert np.linalg.norm(together.matrix[index] - alone.matrix) <= 30 * EPS * case.kappa * np.linalg.norm(alone.matrix) ** 2
        assert np.linalg.norm(together.offset[index] - alone.offset) <= 30 * size
        assert np.linalg.norm(z0[index[1]] - start) <= 30 * size
        end = alone.iterate(start, 1000)
        unit = EPS * trial.condition(alone, [start, end], 1000) * 1000
        assert np.isinf(ends[index]).all() if np.isinf(end).any() else np.linalg.norm(ends[index] - end) <= 100 * unit
        clusters = 10 * EPS ** (1 / 3) * (1 + alone.rate)  # of up to three eigenvalues
        assert abs(rates[index] - alone.rate) <= clusters and abs(radii[index] - alone.spectral_radius) <= clusters
        assert verdicts[index] == alone.converges
        assert low[index] == alone.stable_steps[0] == 0 and abs(high[index] / alone.stable_steps[1] - 1) <= 1e3 * EPS * case.kappa
        point, basis = alone.fixed_points
        assert np.isnan(points[index]).all() == (point is None)
        if point is not None:
            assert np.linalg.norm(points[index] - point) <= 1e3 * size * case.kappa
        assert np.linalg.norm(bases[index] @ bases[index].T - basis @ basis.T) <= 1e3 * EPS * case.kappa**2
        if alone.converges:
            rest = 100 * EPS * trial.condition(alone, [start, end], 1000) / (1 - alone.rate)
            assert np.linalg.norm(alone.limit(start) - alone.iterate(start, 10**15)) <= rest


def test_a_batch_of_starts_and_the_limits_of_a_batch():
    problem = pyblo.Quadratic(np.diag([1.0, 0.0]), [[-1.0], [0.0]], np.eye(2), f=[-1.0, 0.0])
    starts = np.array([[3.0, 3.0, 7.0], [0.0, 0.0, 1.0], [5.0, 2.0, -1.0]])
    affine = affine_map(problem, "warm", step=0.5)
    assert np.array_equal(affine.limit(starts), [[1, 1, 7], [1, 1, 1], [1, 1, -1]])
    assert np.array_equal(affine.iterate(starts, 3), [affine.iterate(z, 3) for z in starts])
    steps = affine_map(problem, "warm", step=[0.5, 1.0, 2.5])
    assert steps.converges.tolist() == [True, True, False] and steps.step.tolist() == [0.5, 1.0, 2.5]
    assert steps.iterate(starts[:, None], 2).shape == (3, 3, 3)
    with pytest.raises(ValueError, match=r"z0: there is no limit from here \(problem 2 of the batch\). Diverges"):
        steps.limit(starts[0])
    assert np.array_equal(steps.limit([1.0, 1.0, 4.0]), [[1.0, 1.0, 4.0]] * 3)
    assert steps.explain().startswith("2 of 3 maps converge. The first that does not, 2: Diverges: the eigenvalue -1.5")
    assert set(steps.certificate) == {2} and steps.certificate[2]["eigenvalue"] == -1.5
    assert affine_map(problem, "warm", step=[0.5, 1.0]).explain() == "All 2 maps converge from every start."


@both
def test_empty_batches_and_empty_variables(algorithm):
    nothing = affine_map(pyblo.Quadratic(np.zeros((0, 2, 2)), np.zeros((2, 3)), np.eye(2)), algorithm)
    size = nothing.size
    assert nothing.matrix.shape == (0, size, size) and nothing.converges.shape == nothing.rate.shape == (0,)
    assert nothing.iterate(np.zeros(size), 5).shape == nothing.limit(np.zeros(size)).shape == (0, size)
    for problem in (
        pyblo.Quadratic(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((0, 0))),
        pyblo.Quadratic(np.eye(2), np.zeros((2, 0)), np.eye(2)),
        pyblo.Quadratic(np.zeros((2, 2)), np.zeros((2, 3)), np.eye(2)),
    ):
        affine = affine_map(problem, algorithm)
        z = affine.start(np.ones(problem.outer_shape))
        assert affine.converges and affine.rate == 0 and np.array_equal(affine.limit(z), affine.iterate(z, 10))


@both
@pytest.mark.parametrize("kind", [kind for kind in zoo.ARRAYS if kind.fixed_hessian], ids=lambda kind: kind.__name__)
def test_every_affine_family_takes_the_steps_of_its_loop(algorithm, kind):
    problem = zoo.made(kind)
    (u, w), run = zoo.point(problem), getattr(pyblo, f"{algorithm}_start")
    kappa = np.linalg.cond(problem.hessian(u, w) @ np.eye(problem.inner_size)) if kind is not pyblo.TargetLearning else 100.0
    for method, inner in PAIRS:
        affine = affine_map(problem, algorithm, method=method, inner=inner, w0=w)
        z0 = affine.start(u, *([w] if algorithm == "warm" else []))
        for t in (1, 20):
            loop = run(problem, u, w, method=method, inner=inner, tol=0.0, maxiter=t, history=False)
            state = loop.u.ravel() if algorithm == "cold" else np.concatenate([loop.u.ravel(), loop.w.ravel()])
            growth = campaign.Trial.growth(affine.matrix, t)
            assert np.linalg.norm(affine.iterate(z0, t) - state) <= 100 * EPS * kappa**2 * t * growth * np.linalg.norm([*z0, *state])


@both
def test_float32_stays_float32(algorithm):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in ((3, 5), (2, 5), (2,))]
    problem = pyblo.TargetLearning(*arrays)
    affine = affine_map(problem, algorithm)
    z0 = affine.start(np.zeros(3, np.float32))
    wide = affine_map(pyblo.TargetLearning(*(array.astype(float) for array in arrays)), algorithm)
    assert {x.dtype for x in (affine.matrix, affine.offset, z0, affine.iterate(z0, 9), affine.limit(z0))} == {np.dtype(np.float32)}
    assert affine.fixed_points[1].shape == wide.fixed_points[1].shape and affine.converges
    narrow, kappa = np.finfo(np.float32).eps, np.linalg.cond(arrays[0]) ** 2
    for t in (1, 100):
        exact = wide.iterate(wide.start(np.zeros(3)), t)
        assert np.linalg.norm(affine.iterate(z0, t) - exact) <= 30 * narrow * kappa * np.linalg.norm(exact)


def described(problem):
    """The arrays of both maps of a problem."""
    maps = [affine_map(problem, algorithm, inner=inner, step=zoo.STEP) for algorithm in ("cold", "warm") for inner in INNERS]
    return [[one.matrix, one.offset, one.iterate(np.ones(one.size), 3), one.rate] for one in maps]


def entries():
    """Every array argument."""
    for kind in (kind for kind in zoo.ARRAYS if kind.fixed_hessian):
        for argument, value in zoo.ARRAYS[kind].items():
            yield zoo.Entry(
                f"{kind.__name__}.dynamics.evaluated", argument, value,
                lambda given, kind=kind, argument=argument: described(zoo.made(kind, **{argument: given})))
        problem = zoo.made(kind)
        u, w = zoo.point(problem)
        cold, warm = affine_map(problem, "cold", step=zoo.STEP), affine_map(problem, "warm", step=zoo.STEP)
        for argument, value, call in (
            ("w0", w, lambda v, problem=problem: affine_map(problem, "cold", step=zoo.STEP, w0=v).offset),
            ("u0", u, cold.start),
            ("u0", u, warm.start),
            ("w0", w, lambda v, warm=warm, u=u: warm.start(u, v)),
            ("z", warm.start(u, w), warm.split),
            ("z0", warm.start(u, w), lambda v, warm=warm: warm.iterate(v, 3)),
            ("z0", cold.start(u), cold.limit),
        ):
            yield zoo.Entry(f"{kind.__name__}.dynamics.evaluated", argument, np.round(value), call)


@pytest.mark.parametrize("entry", list(entries()), ids=lambda entry: f"{entry.name}({entry.argument})")
def test_every_kind_of_array(entry):
    found = {name: judge(entry, make(entry.value.copy())) for name, make, judge in trials(entry)}
    wrong = {name: text for name, text in found.items() if text}
    assert not wrong, f"{len(wrong)} of {len(found)} kinds"


PROBLEM = pyblo.Quadratic(np.diag([1.0, 2.0]), np.eye(2), np.eye(2), f=[1.0, 1.0])
RIDGE = pyblo.Ridge(np.eye(2), np.ones(2), np.eye(2), np.ones(2))
MAP = affine_map(PROBLEM, "warm")


@pytest.mark.parametrize(("argument", "call", "words"), [
    ("problem", lambda: affine_map(RIDGE), "not known to be affine"),
    ("problem", lambda: affine_map(3), "not a pyblo.Problem"),
    ("algorithm", lambda: affine_map(PROBLEM, "hot"), "expected 'cold' or 'warm'"),
    ("method", lambda: affine_map(PROBLEM, method=pyblo.CG()), "CG is not affine"),
    ("method", lambda: affine_map(PROBLEM, method="Exact"), "not a method"),
    ("method", lambda: affine_map(PROBLEM, method=pyblo.Neumann(2000, step=1e3)), "overflows; take fewer terms"),
    ("inner", lambda: affine_map(PROBLEM, inner=pyblo.GradientDescent()), "give it steps"),
    ("inner", lambda: affine_map(PROBLEM, inner=pyblo.ClosedForm), "not an inner solver"),
    ("inner", lambda: affine_map(PROBLEM, method=pyblo.Unrolled(3), inner=pyblo.ClosedForm()), "its own inner run"),
    ("inner", lambda: affine_map(PROBLEM, inner=pyblo.GradientDescent(2000, step=1e3)), "overflows; take fewer steps"),
    ("P", lambda: affine_map(pyblo.Quadratic(np.eye(2), np.eye(2), np.diag([1.0, -1.0]))), "indefinite"),
    ("A", lambda: affine_map(pyblo.Quadratic(np.diag([1.0, -1.0]), np.eye(2), np.eye(2))), "indefinite"),
    ("step", lambda: affine_map(PROBLEM, step=0.0), "> 0"),
    ("step", lambda: affine_map(PROBLEM, step=[1.0, -1.0]), "problem 1 of the batch"),
    ("step", lambda: affine_map(PROBLEM, step=[[1.0, 2.0], [1.0]]), "not an array"),
    ("step", lambda: affine_map(PROBLEM, step=[1.0, 1j]), "complex"),
    ("step", lambda: pyblo.cold_start(PROBLEM, np.ones(2), step=[[1.0, 2.0], [1.0]]), "not an array"),
    ("w0", lambda: affine_map(PROBLEM, w0=np.ones(3)), "does not fit"),
    ("w0", lambda: affine_map(PROBLEM, w0=[1.0, np.nan]), "NaN"),
    ("w0", lambda: affine_map(PROBLEM, "cold").start(np.ones(2), np.ones(2)), "pass it to affine_map"),
    ("u0", lambda: MAP.start(np.ones(3)), "does not fit"),
    ("z0", lambda: MAP.iterate(np.ones(3), 1), "does not fit"),
    ("z0", lambda: MAP.limit([1.0, np.inf, 0.0, 0.0]), "NaN or infinity"),
    ("z0", lambda: affine_map(PROBLEM, step=[1.0, 2.0]).iterate(np.ones((3, 2)), 1), "do not broadcast"),
    ("t", lambda: MAP.iterate(np.ones(4), -1), "≥ 0"),
    ("t", lambda: MAP.iterate(np.ones(4), 1.5), "expected an integer"),
    ("z", lambda: MAP.split(np.ones(3)), "does not fit"),
])
def test_bad_input_is_named(argument, call, words):
    with pytest.raises((ValueError, TypeError), match=words) as found:
        call()
    assert names(found.value, argument)


def test_more_than_memory_holds_is_refused_with_the_number_of_bytes():
    wide = pyblo.TargetLearning(np.ones((1, 10**6)), np.ones((1, 10**6)), [1.0])
    with pytest.raises(MemoryError, match=f"the affine map would take {32 * (10**6 + 1) ** 2} bytes"):
        affine_map(wide, "warm")


def test_maps_limits_and_fixed_points_beyond_float32_are_named():
    one = np.eye(2, dtype=np.float32)
    with pytest.raises(ValueError, match="^problem: its affine map overflows"):
        affine_map(pyblo.Quadratic(A=one, B=-one, P=one), step=1e39)
    far = affine_map(pyblo.Quadratic(A=one, B=-one, P=np.float32(1e-20) * one, f=np.array([-1e20, 0], np.float32)), step=1e10)
    with pytest.raises(ValueError, match="^z0: the limit overflows float32$"):
        far.limit([0.0, 0.0])
    with pytest.raises(ValueError, match=r"^z0: the limit overflows float32 \(problem 0 of the batch\)"):
        far.limit(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="^problem: its fixed point overflows float32$"):
        _ = far.fixed_points


@pytest.mark.parametrize("algorithm", ["cold", "warm"])
def test_a_map_keeps_its_own_w0(algorithm):
    problem = pyblo.Quadratic(A=np.diag([1.0, 0.0]), B=[[-1.0], [0.0]], P=np.eye(2), f=[-1.0, 0.0])
    w0 = np.array([0.0, 7.0])
    found = affine_map(problem, algorithm, w0=w0)
    before = found.start([3.0])
    w0[:] = 99.0
    assert np.array_equal(found.start([3.0]), before) and np.array_equal(found._origin.w0, [0.0, 7.0])


def test_problems_of_a_batch_are_told_by_an_int_where_it_has_one_axis():
    P = np.stack([np.zeros((1, 1)), np.eye(1), np.zeros((1, 1))])  # the first and the last drift
    problem = pyblo.Quadratic(A=np.eye(1), B=-np.eye(1), P=P, f=[1.0])
    found = affine_map(problem, "warm", step=0.5)
    assert list(found.certificate) == list(pyblo.equilibria.warm_start(problem, [0.0], step=0.5).certificate) == [0, 2]
    with pytest.raises(ValueError, match=r"^z0: .*\(problem 0 of the batch\)"):
        found.limit([0.0, 0.0])
    square = pyblo.Quadratic(A=np.eye(1), B=-np.eye(1), P=P[None, 1:], f=[1.0])
    found = affine_map(square, "warm", step=0.5)
    assert list(found.certificate) == list(pyblo.equilibria.warm_start(square, [0.0], step=0.5).certificate) == [(0, 1)]
    with pytest.raises(ValueError, match=r"^z0: .*\(problem \(0, 1\) of the batch\)"):
        found.limit([0.0, 0.0])
