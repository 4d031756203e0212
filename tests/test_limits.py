"""Limits of cold start: the first problems of the campaign, hand-made certificates, anti-distillation figures."""

import numpy as np
import pytest
from campaigns import cold_limits as campaign
from oracle import Tally

import pyblo
from pyblo import _stability


@pytest.mark.parametrize("block", range(6))
def test_limits_and_certificates_are_those_of_the_loop(block):
    tally = Tally()
    for seed in range(20 * block, 20 * block + 20):
        campaign.check(seed, tally, steps=20_000)
    assert not tally.failures()


def nilpotent():
    """K = xyᵀ with x = Bᵀp, y = BᵀA⁻¹p and yᵀx = −½ + ¼ + ¼ = 0, for R = I: the eigenvalue zero is defective."""
    return pyblo.Quadratic(
        np.diag([1.0, 4.0]), np.array([[1.0, 0.0, 0.0], [-2.0, 1.0, 1.0]]), np.ones((2, 2)), f=np.ones(2)
    )


def test_a_defective_zero_is_certified_and_the_loop_grows_linearly():
    found = pyblo.equilibria.cold_start(nilpotent(), np.arange(3.0), None, pyblo.Identity())
    assert not found.success and found.u is None and found.w is None
    assert "rank" in found.certificate and found.status == pyblo.Status.DIVERGED
    runs = [
        pyblo.cold_start(
            nilpotent(), np.arange(3.0), method=pyblo.Identity(), step=0.5, maxiter=count, tol=0.0, history=False
        )
        for count in (1000, 2000, 3000)
    ]
    moves = np.diff([run.u for run in runs], axis=0)
    assert np.linalg.norm(moves[0]) > 1.0 and np.array_equal(moves[0], moves[1])


def test_a_negative_eigenvalue_is_certified():
    # A = diag(1, ε) turns the exact response; R = I does not follow, and K = BᵀPA⁻¹B = 1 − 2/ε < 0 in one dimension.
    A, B, p = np.diag([1.0, 0.125]), np.array([[1.0], [1.0]]), np.array([[1.0], [-0.5]])
    problem = pyblo.Quadratic(A, B, p @ p.T)
    found = pyblo.equilibria.cold_start(problem, [1.0], None, pyblo.Identity())
    # pᵀB = ½ and pᵀA⁻¹B = 1 − 4 = −3
    assert not found.success and found.status == pyblo.Status.DIVERGED
    assert abs(found.certificate["eigenvalue"] + 1.5) < 1e-14
    run = pyblo.cold_start(problem, [1.0], method=pyblo.Identity(), step=0.1, maxiter=100_000, tol=1e-10, history=False)
    assert run.status == pyblo.Status.DIVERGED and not run.success


def test_a_rotation_is_certified():
    # K = BᵀPA⁻¹B is not symmetric, and its eigenvalues need not be real: a limit demands Re μ > 0.
    for seed in range(200):
        rng = np.random.default_rng(seed)
        A = np.diag(10 ** rng.uniform(-3, 0, 3))
        factor = rng.standard_normal((3, 2))
        problem = pyblo.Quadratic(A, rng.standard_normal((3, 2)), factor @ factor.T)
        K = problem.B.T @ problem.P @ np.linalg.solve(A, problem.B)
        eigenvalues = np.linalg.eigvals(K)
        found = pyblo.equilibria.cold_start(problem, np.ones(2), None, pyblo.Identity())
        assert found.success == (eigenvalues.real.min() > 0)
        if found.success:
            limit = np.min(2 * eigenvalues.real / np.abs(eigenvalues) ** 2)
            assert abs(found.max_step / limit - 1) < 1e-9


def test_drift_of_the_exact_method_is_an_unbounded_reduced_objective():
    # F = w₂ with w = −u: F* = −u₂ has no lower bound although F's quadratic part is fine.
    problem = pyblo.Quadratic(np.eye(2), np.eye(2), np.diag([1.0, 0.0]), f=[0.0, 1.0])
    found = pyblo.equilibria.cold_start(problem, np.zeros(2))
    assert found.status == pyblo.Status.UNBOUNDED and found.u is None
    assert abs(found.certificate["drift"] @ [0.0, 1.0]) == pytest.approx(1.0, abs=1e-15)
    run = pyblo.cold_start(problem, np.zeros(2), step=0.5, maxiter=50)
    assert run.status == pyblo.Status.UNBOUNDED and not run.success


def test_only_the_reduced_objective_must_be_bounded():
    # F = −w₂ is unbounded in w, but no u moves w₂.
    problem = pyblo.Quadratic(np.eye(2), np.array([[1.0], [0.0]]), np.diag([1.0, 0.0]), f=[0.0, -1.0])
    assert pyblo.equilibria.cold_start(problem, [3.0]).success
    assert pyblo.cold_start(problem, [3.0]).success


@pytest.mark.parametrize("method", [pyblo.Exact(), pyblo.Neumann(3, step=0.4), pyblo.Damped(0.3)], ids=str)
@pytest.mark.parametrize("a", [0.1, 0.58213268, 3e7])
def test_an_objective_that_u_cannot_move_is_bounded(method, a):
    # F sees w₁ − w₂ and u moves w₁ + w₂: K = 0 and k = 0, but for roundings of terms of the size of f.
    ones = np.ones((2, 2))
    problem = pyblo.Quadratic(ones, ones, np.array([[1.0, -1.0], [-1.0, 1.0]]), f=[-a, a])
    found = pyblo.equilibria.cold_start(problem, [1.0, 2.0], [0.403, 1.523], method)
    run = pyblo.cold_start(problem, [1.0, 2.0], [0.403, 1.523], method=method)
    assert found.success and np.array_equal(found.u, [1.0, 2.0])
    assert run.success and np.linalg.norm(run.jac) <= 1e-14 * a


@pytest.mark.parametrize("method", [pyblo.Exact(), pyblo.Neumann(3, step=0.4), pyblo.Damped(0.3)], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_an_objective_that_sees_the_null_space_alone_is_bounded(method, seed):
    # F = ½(lᵀw)² with l in null(A): K = 0, but for the rounding of the eigenvectors, of which no step is to be made.
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]
    A, l = (Q * [1.0, 2.0, 0.0]) @ Q.T, Q[:, 2:]
    A, P = (A + A.T) / 2, l @ l.T
    problem = pyblo.Quadratic(A, A @ np.ones((3, 1)), (P + P.T) / 2)
    found = pyblo.equilibria.cold_start(problem, [1.0], [1.0, 2.0, 3.0], method)
    runs = [run(problem, [1.0], [1.0, 2.0, 3.0], method=method, maxiter=20) for run in (pyblo.cold_start, pyblo.warm_start)]
    assert found.success and np.array_equal(found.u, [1.0]) and found.max_step == np.inf
    assert pyblo.dynamics.affine_map(problem, "warm", method=method).step == 1.0
    for run in runs:
        assert run.success and abs(run.u[0] - 1.0) <= 1e-14


def test_the_start_outside_the_range_is_kept():
    # u₂ is not seen by F and w₂ not by f: both stay where they started (implicit bias of the cold start).
    problem = pyblo.Quadratic(np.diag([2.0, 0.0]), np.array([[2.0, 0.0], [0.0, 0.0]]), np.eye(2), f=[-1.0, 0.0])
    found = pyblo.equilibria.cold_start(problem, [5.0, 7.0], [3.0, -4.0])
    run = pyblo.cold_start(problem, [5.0, 7.0], [3.0, -4.0], tol=1e-14)
    for u, w in ((found.u, found.w), (run.u, run.w)):
        assert np.allclose(u, [-1.0, 7.0], atol=1e-13) and np.allclose(w, [1.0, -4.0], atol=1e-13)


TERMS = 10  # L: 21 weights


def features(x):
    """[1, 2^(L−l) cos lx, 2^(L−l) sin lx], l = 1 … L."""
    l = np.arange(1, TERMS + 1)
    x = np.atleast_1d(x)[:, None]
    return np.hstack([np.ones_like(x), 2.0 ** (TERMS - l) * np.cos(l * x), 2.0 ** (TERMS - l) * np.sin(l * x)])


def antidistillation():
    """13 learned targets on [−2, 2], one original point (0, 2), 21 weights."""
    return pyblo.TargetLearning(features(np.linspace(-2, 2, 13)), features(0.0), np.array([2.0]))


# ‖u‖² of the limits from 0, in exact balls from the formula of the ray below.
FIGURES = {
    "Exact": (pyblo.Exact(), 4.0),
    **{
        f"{terms} terms": (pyblo.Neumann(terms, step=1e-7), figure)
        for terms, figure in ((2, 15.2400465020), (11, 13.7599442043), (101, 8.63629341634), (1001, 6.38107604798))
    },
    **{
        f"eps {eps:g}": (pyblo.Damped(eps), figure)
        for eps, figure in ((1e4, 6.49484819510), (1e5, 8.87544951429), (1e6, 13.1943251174), (1e7, 15.1079122229))
    },
}


@pytest.mark.parametrize("name", FIGURES)
def test_antidistillation_figures(name):
    method, figure = FIGURES[name]
    problem = antidistillation()
    assert problem.inner_size == 21 and problem.outer_size == 13
    limit = pyblo.equilibria.cold_start(problem, np.zeros(13), None, method)
    runs = [
        pyblo.cold_start(problem, np.zeros(13), method=method, tol=1e-13, maxiter=10_000, route=route)
        for route in ("auto",) + (("iterate",) if name.endswith("terms") else ())
    ]
    for found in (limit, *runs):
        assert found.success
        assert abs(found.u @ found.u - figure) <= 1e-9 * figure
        assert np.allclose(found.u, limit.u, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", FIGURES)
def test_antidistillation_limit_is_on_its_ray(name):
    # P = φ₀φ₀ᵀ has rank one: u moves along v = ΦRφ₀ only, until φ₀ᵀΦ⁺u = 2.
    method, _ = FIGURES[name]
    Phi, original = features(np.linspace(-2, 2, 13)), features(0.0)[0]
    U, sigma, Vt = np.linalg.svd(Phi, full_matrices=False)
    ray = U @ (sigma * method.filter(sigma**2) * (Vt @ original))
    reached = original @ (Vt.T @ (U.T @ ray / sigma))
    found = pyblo.equilibria.cold_start(antidistillation(), np.zeros(13), None, method)
    assert np.allclose(found.u, 2 * ray / reached, rtol=0, atol=1e-10)
    assert np.allclose(Phi @ found.w, found.u, rtol=0, atol=1e-10)
    assert abs(original @ found.w - 2) < 1e-10 and found.fun < 1e-20
    assert np.allclose(Vt.T @ (Vt @ found.w), found.w, rtol=0, atol=1e-12)  # least norm: no part in null(Φ)


def test_antidistillation_by_gradient_steps():
    # The inner run of the paper, 10⁵ steps of 1e-7 from 0, instead of the closed form: the same as its filter.
    problem, inner = antidistillation(), pyblo.GradientDescent(steps=100_000, step=1e-7)
    method = pyblo.Neumann(11, step=1e-7)
    runs = [
        pyblo.cold_start(problem, np.zeros(13), method=method, inner=inner, step=1.0, maxiter=3, route=route, tol=1e-13)
        for route in ("spectral", "iterate")
    ]
    assert np.allclose(runs[0].u, runs[1].u, rtol=0, atol=1e-9 * np.linalg.norm(runs[0].u))


@pytest.mark.parametrize("power", [0, 20, -140, -160, -280])
@pytest.mark.parametrize("matrix", [[[1.0]], [[2.0, 1.0], [0.5, 1.0]]])
def test_curvatures_of_any_size_have_their_steps(power, matrix):
    # With A = I and B = −I it is K = P; the loop's step is 1/ρ(K), and the largest stable one 2/ρ(K).
    L, size = np.array(matrix), 10.0**power
    P = size * (L.T @ L)
    one, radius = np.eye(len(L)), np.linalg.eigvalsh(L.T @ L)[-1] * size
    problem = pyblo.Quadratic(A=one, B=-one, P=P)
    limit = pyblo.equilibria.cold_start(problem, np.ones(len(L)))
    close = {"rtol": 100 * np.finfo(float).eps, "atol": 0}
    assert limit.success and np.allclose(limit.max_step, 2 / radius, **close)
    for algorithm in ("cold", "warm"):
        found = pyblo.dynamics.affine_map(problem, algorithm)
        assert np.allclose(found.step, 1 / radius, **close) and np.allclose(found.stable_steps, (0.0, 2 / radius), **close)
    batch = pyblo.dynamics.affine_map(pyblo.Quadratic(A=one, B=-one, P=np.stack([P, P])))
    assert np.allclose(batch.step, 1 / radius, **close)


def test_a_tiny_eigenvalue_outside_is_told_as_it_is():
    # pᵀB = ½ and pᵀA⁻¹B = −3, as in test_a_negative_eigenvalue_is_certified, times 1e-160.
    problem = pyblo.Quadratic(np.diag([1.0, 0.125]), [[1.0], [1.0]], 1e-160 * np.array([[1.0, -0.5], [-0.5, 0.25]]))
    found = pyblo.equilibria.cold_start(problem, [1.0], None, pyblo.Identity())
    assert abs(found.certificate["eigenvalue"] / 1e-160 + 1.5) < 1e-14
    values = _stability._eigen(np.diag([1e-160, 2e-160]), np.finfo(float).eps, np.diag([1e-160, 2e-160]))[0]
    assert np.allclose(np.sort(values.real) / 1e-160, [1.0, 2.0], rtol=4 * np.finfo(float).eps, atol=0)
