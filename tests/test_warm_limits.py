"""Limits and fixed points of warm start: against the loops, Statement 3.2, Remark 3.2, certificates; residuals of both loops."""

import generate
import numpy as np
import pytest
from concepts import integer_case, problem_of
from hypothesis import given, settings
from hypothesis import strategies as st

import pyblo
from pyblo.equilibria import cold_start, cold_start_residual, warm_start, warm_start_residual, warm_start_set

EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)
properties = settings(deadline=None, derandomize=True, database=None)
fewer = settings(properties, max_examples=25)


def inner_runs(top):
    """Full, proximal and partial inner runs; top is λmax."""
    alpha = generate.rounded(1 / top)
    return {
        "full": None,
        "proximal": pyblo.Proximal(generate.rounded(0.5 * top)),
        "gradient": pyblo.GradientDescent(steps=3, step=alpha),
        "heavy ball": pyblo.GradientDescent(steps=4, step=alpha, momentum=0.25),
        "nesterov": pyblo.GradientDescent(steps=4, step=alpha, momentum=0.25, nesterov=True),
    }


METHODS = [pyblo.Exact(), pyblo.Damped(0.5), pyblo.Neumann(6)]


def tame_case(seed):
    """A case with κ(A) ≤ 30."""
    for attempt in range(1000):
        case = integer_case(seed + 7919 * attempt, largest=5)
        if case.kappa <= 30:
            return case
    raise AssertionError(f"no case for seed {seed}")


@pytest.mark.parametrize("name", inner_runs(1.0))
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_the_limit_is_where_the_loop_arrives(name, method):
    tried = 0
    for seed in range(8):
        case = tame_case(seed)
        problem, inner = problem_of(case), inner_runs(case.top)[name]
        dynamics = pyblo.dynamics.affine_map(problem, "warm", method=method, inner=inner)
        if not dynamics.converges or dynamics.rate > 0.995:
            continue
        tried += 1
        found = warm_start(problem, case.u, case.w0, method=method, inner=inner)
        loop = pyblo.warm_start(problem, case.u, case.w0, method=method, inner=inner, tol=0.0, maxiter=8000, history=False)
        assert found.success and dynamics.step == pytest.approx(loop_step(problem, method), rel=1e-12)
        size = 1 + np.linalg.norm(loop.u) + np.linalg.norm(loop.w) + np.linalg.norm(case.u) + np.linalg.norm(case.w0)
        unit = EPS * case.kappa * size / (1 - dynamics.rate) ** 2  # of a sum of roundings that each die out at the rate
        assert np.linalg.norm(found.u - loop.u) + np.linalg.norm(found.w - loop.w) <= 1000 * unit
        assert abs(found.fun - problem.outer_value(found.u, found.w)) == 0
        assert warm_start_residual(problem, found.u, found.w, method=method, inner=inner) <= 1000 * EPS * case.kappa**2
    assert tried >= 2


def loop_step(problem, method):
    """1/ρ(K), as the loop chooses it."""
    return pyblo.dynamics.affine_map(problem, "cold", method=method).step


@properties
@given(seed=seeds)
def test_partial_and_full_fixed_points_are_one_set(seed):
    # Statement 3.2: for fixed-step gradient descent, any number of steps; and the proximal run has it too.
    case = tame_case(seed)
    problem = problem_of(case)
    sets = {name: warm_start_set(problem, inner=inner) for name, inner in inner_runs(case.top).items()}
    point, basis = sets["full"]
    for name, (other, span) in sets.items():
        if point is None:
            assert other is None
            continue
        assert span.shape == basis.shape, name
        size = 1e4 * EPS * case.kappa**2 * (1 + np.linalg.norm(point))
        assert np.linalg.norm(span - basis @ (basis.T @ span)) <= size
        assert np.linalg.norm(other - point) <= size


@fewer
@given(seed=seeds)
def test_every_point_of_the_set_is_an_equilibrium(seed):
    case = tame_case(seed)
    problem, rng = problem_of(case), np.random.default_rng(seed)
    point, basis = warm_start_set(problem)
    if point is None:
        return
    m = case.shape[1]
    for inner in inner_runs(case.top).values():
        z = point + basis @ rng.standard_normal(basis.shape[1])
        assert warm_start_residual(problem, z[:m], z[m:], inner=inner) <= 1000 * EPS * case.kappa**2
        step = 0.5 / (1e-3 + np.linalg.norm(case.P, 2) * (np.linalg.norm(case.B, 2) * case.kappa / case.top) ** 2)
        start = warm_start(problem, z[:m], z[m:], inner=inner, step=step)
        if start.success:  # from a fixed point the loop goes nowhere
            size = 1e4 * EPS * case.kappa**2 * (1 + np.linalg.norm(z))
            assert np.linalg.norm(start.u - z[:m]) + np.linalg.norm(start.w - z[m:]) <= size
    away = z + 0.1 * (1 + np.linalg.norm(z)) * rng.standard_normal(z.size)
    outside = away - point - basis @ (basis.T @ (away - point))
    if np.linalg.norm(outside) > 0.1:
        assert warm_start_residual(problem, away[:m], away[m:]) > 1e-6


@properties
@given(seed=seeds)
def test_with_a_regular_hessian_full_warm_start_is_cold_start(seed):
    # Remark 3.2: w*(u) is one point, and w₀ is forgotten.
    rng = np.random.default_rng(seed)
    case = generate.regular_quadratic(rng, int(rng.integers(1, 6)), 30.0)
    problem = problem_of(case)
    cold, warm = cold_start(problem, case.u), warm_start(problem, case.u, case.w0)
    assert cold.success and warm.success
    K = case.B.T @ np.linalg.solve(case.A, case.P @ np.linalg.solve(case.A, case.B))
    values = np.linalg.eigvalsh((K + K.T) / 2)
    spread = values[-1] / values[values > 1e-10 * values[-1]].min() if values[-1] > 0 else 1.0
    size = 1000 * EPS * case.kappa * spread * (1 + np.linalg.norm(case.u) + np.linalg.norm(cold.u) + np.linalg.norm(cold.w))
    assert np.linalg.norm(cold.u - warm.u) <= size * case.kappa and np.linalg.norm(cold.w - warm.w) <= size * case.kappa**2
    assert warm_start_residual(problem, cold.u, cold.w) <= 1000 * EPS * case.kappa * spread
    assert cold_start_residual(problem, warm.u, warm.w) <= 1000 * EPS * case.kappa * spread


@fewer
@given(seed=seeds)
def test_cold_limits_have_no_residual_and_other_points_have(seed):
    case = tame_case(seed)
    problem, rng = problem_of(case), np.random.default_rng(seed)
    for method in METHODS:
        for inner in inner_runs(case.top).values():
            found = cold_start(problem, case.u, case.w0, method, inner=inner)
            if not found.success:
                continue
            arguments = {"method": method, "inner": inner}
            assert cold_start_residual(problem, found.u, found.w, case.w0, **arguments) <= 1e4 * EPS * case.kappa**2
            away = found.w + 0.1 * (1 + np.linalg.norm(found.w) + np.linalg.norm(found.u)) * rng.standard_normal(found.w.size)
            assert 1e-6 < cold_start_residual(problem, found.u, away, case.w0, **arguments) <= 1


def free():
    """w₂ is seen by F and by no u: A = diag(1, 0), w₁ = u."""
    return pyblo.Quadratic(np.diag([1.0, 0.0]), [[-1.0], [0.0]], np.array([[1.0, 0.5], [0.5, 1.0]]), f=[-1.0, 0.0])


def test_warm_start_remembers_and_cold_start_forgets():
    # 0 = u + w₂/2 − 1 with w₂ as it was.
    for w2 in (0.0, 3.0, -7.0):
        warm = warm_start(free(), [5.0], [1.0, w2], step=0.3)
        assert np.allclose(warm.u, 1 - w2 / 2, rtol=0, atol=10 * EPS * 10) and np.array_equal(warm.w[1], w2)
        assert np.allclose(cold_start(free(), [5.0], [1.0, w2]).u, warm.u, rtol=0, atol=100 * EPS)  # for the same w₀
    point, basis = warm_start_set(free())
    assert basis.shape == (3, 1) and np.allclose(basis[:, 0] / basis[2, 0], [-0.5, -0.5, 1.0], rtol=0, atol=100 * EPS)
    assert abs(point @ basis[:, 0]) <= 10 * EPS


def test_steps_that_diverge_are_named():
    found = warm_start(free(), [5.0], step=3.0)  # E has the eigenvalue 1 − 3
    assert found.status == pyblo.Status.DIVERGED and found.u is None and np.isnan(found.fun)
    assert abs(found.certificate["multiplier"] + 2.0) <= 100 * EPS and "eigenvector" in found.certificate
    assert "-2" in found.message or "−2" in found.message
    assert "multiplies" in found.summary()
    limit = warm_start(free(), [5.0], step=0.5).max_step
    assert abs(limit - 2.0) <= 1e-6
    assert warm_start(free(), [5.0], step=0.99 * limit).success and not warm_start(free(), [5.0], step=1.01 * limit).success
    inner = pyblo.GradientDescent(steps=2, step=2.5)  # beyond 2/λmax
    found = warm_start(free(), [5.0], inner=inner)
    assert found.status == pyblo.Status.DIVERGED and found.message


def test_a_drift_is_named():
    # F = w₂ with w = u: it falls for ever.
    problem = pyblo.Quadratic(np.eye(2), -np.eye(2), np.diag([1.0, 0.0]), f=[0.0, 1.0])
    found = warm_start(problem, np.zeros(2), step=0.5)
    assert found.status == pyblo.Status.UNBOUNDED and found.fun == -np.inf and "drift" in found.certificate
    assert warm_start_set(problem)[0] is None
    found = warm_start(problem, np.zeros(2), step=0.5, method=pyblo.Damped(1.0))
    assert not found.success and "drift" in found.certificate


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batches_are_what_each_problem_is_alone(dtype):
    rng = np.random.default_rng(3)
    A = np.stack([np.diag([1.0, 0.5, 0.0]), np.diag([2.0, 1.0, 1.0])]).astype(dtype)
    B = (A @ rng.standard_normal((2, 3, 2))).astype(dtype)
    problem, u0, steps = pyblo.Quadratic(A, B, np.eye(3, dtype=dtype)), rng.standard_normal((3, 1, 2)).astype(dtype), np.array([0.1, 50.0])
    found = warm_start(problem, u0, step=steps)
    assert found.u.shape == (3, 2, 2) and found.success.tolist() == [[True, False]] * 3 and np.isnan(found.u[:, 1]).all()
    assert set(found.certificate) == {(i, 1) for i in range(3)}
    for i in range(3):
        one = warm_start(pyblo.Quadratic(A[0], B[0], np.eye(3, dtype=dtype)), u0[i, 0], step=0.1)
        assert one.u.dtype == dtype and one.u.tobytes() == found.u[i, 0].tobytes() and one.w.tobytes() == found.w[i, 0].tobytes()
    residual = warm_start_residual(problem, found.u[:, :1], found.w[:, :1])
    assert residual.shape == (3, 2) and residual[:, 0].max() <= 1000 * np.finfo(dtype).eps
    assert cold_start_residual(problem, u0, np.zeros(3)).shape == (3, 2)


QUADRATIC = free()
RIDGE = pyblo.Ridge(np.eye(2), np.ones(2), np.eye(2), np.ones(2))
CALLS = {
    "warm_start": lambda p, **k: warm_start(p, np.zeros(p.outer_size), **k),
    "warm_start_set": lambda p, **k: warm_start_set(p, **k),
    "warm_start_residual": lambda p, **k: warm_start_residual(p, np.zeros(p.outer_size), np.zeros(p.inner_size), **k),
    "cold_start_residual": lambda p, **k: cold_start_residual(p, np.zeros(p.outer_size), np.zeros(p.inner_size), **k),
}


@pytest.mark.parametrize("name", CALLS)
def test_bad_input_is_named(name):
    call = CALLS[name]
    for argument, refused in {
        "method": {"method": pyblo.CG()},
        "inner": {"inner": pyblo.GradientDescent()},
    }.items():
        with pytest.raises((TypeError, ValueError), match=f"^{argument}: "):
            call(QUADRATIC, **refused)
    with pytest.raises(TypeError, match="^method: "):
        call(QUADRATIC, method="exact")
    with pytest.raises(ValueError, match="^problem: .*Ridge"):
        call(RIDGE)
    with pytest.raises(ValueError, match="^P: is indefinite"):
        call(pyblo.Quadratic(np.eye(2), np.eye(2), np.diag([1.0, -1.0])))


def test_bad_points_and_steps_are_named():
    for name, call in {
        "u0": lambda: warm_start(QUADRATIC, np.zeros(2)),
        "w0": lambda: warm_start(QUADRATIC, np.zeros(1), np.zeros(3)),
        "step": lambda: warm_start(QUADRATIC, np.zeros(1), step=-1.0),
        "u": lambda: warm_start_residual(QUADRATIC, np.zeros(2), np.zeros(2)),
        "w": lambda: cold_start_residual(QUADRATIC, np.zeros(1), np.zeros(3)),
    }.items():
        with pytest.raises(ValueError, match=f"^{name}: "):
            call()
    with pytest.raises(TypeError, match="^problem: "):
        warm_start("problem", np.zeros(1))
    with pytest.raises(ValueError, match="^w0: "):
        cold_start_residual(QUADRATIC, np.zeros(1), np.zeros(2), np.zeros(3))


def test_an_error_is_no_divergence(monkeypatch):
    # u = w = 1e40 is the limit, beyond float32.
    one = np.eye(1, dtype=np.float32)
    far = pyblo.Quadratic(one, -one, P=np.float32(1e-20) * one, f=np.array([-1e20], np.float32))
    for call in (cold_start, lambda *start: warm_start(*start, step=1e10)):
        with pytest.raises(ValueError, match="^problem: its limit overflows"):
            call(far, [0.0])
    with pytest.raises(ValueError, match="^problem: its affine map overflows"):
        warm_start(far, [0.0])
    with pytest.raises(ValueError, match="^problem: its limit overflows"):  # by its first inner solution
        warm_start(pyblo.Quadratic(one, np.float32(-1e38) * one, P=one * 0), [1e20])

    def fails(*arguments):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(pyblo._verdict.Verdict, "limit", fails)
    with pytest.raises(np.linalg.LinAlgError, match="SVD did not converge"):
        warm_start(pyblo.Quadratic(np.eye(1), -np.eye(1), np.eye(1)), [1.0], step=3.0)
