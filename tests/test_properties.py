"""Properties of the public interface on random problems."""

import generate
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyblo

EPS = np.finfo(float).eps
seeds = st.integers(0, 2**32 - 1)
powers = st.integers(-30, 30)
properties = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# (method, route), each a linear map of the outer gradient
METHODS = [
    (pyblo.Exact(), "auto"),
    (pyblo.Damped(0.25), "auto"),
    (pyblo.Neumann(7), "spectral"),
    (pyblo.Neumann(7), "iterate"),
    (pyblo.FixedPoint(4), "iterate"),
    (pyblo.Identity(), "spectral"),
    (pyblo.Identity(), "iterate"),
    (pyblo.Unrolled(6), "spectral"),
    (pyblo.Unrolled(6, momentum=0.5), "iterate"),
    (pyblo.Unrolled(6, momentum=0.5, nesterov=True, mode="forward"), "iterate"),
]
by_method = pytest.mark.parametrize(("method", "route"), METHODS, ids=str)


def problem_of(case, **changes):
    """The library's problem of a case, with some arrays replaced."""
    case = case._replace(**changes)
    return pyblo.Quadratic(case.A, case.B, case.P, **case.parts())


def tame(seed, singular=None):
    """A well conditioned case."""
    return generate.quadratic(seed, largest=12, kappa=100.0, singular=singular)


def unit(case, w, response=None):
    """ε κ ‖B‖‖R‖(‖P‖‖w‖ + ‖f‖), R being the pseudoinverse unless its norm is given."""
    response = case.kappa / case.top if response is None else response
    return (
        EPS
        * case.kappa
        * np.linalg.norm(case.B, 2)
        * response
        * (np.linalg.norm(case.P, 2) * np.linalg.norm(w) + np.linalg.norm(case.f))
    )


def response_norm(case, method):
    """‖R‖ of a method that resolves a step of None as 1/λmax."""
    eigenvalues = np.linalg.eigvalsh(case.A)
    eigenvalues[: case.shape[0] - case.rank] = 0.0
    return max(
        np.max(np.abs(method.filter(eigenvalues))), case.kappa / case.top if isinstance(method, pyblo.Exact) else 0.0
    )


def gradient(problem, case, method=None, route="auto", **keywords):
    """One hypergradient at the point of the case."""
    method = pyblo.Exact() if method is None else method
    return pyblo.hypergradient(problem, case.u, method=method, w0=case.w0, route=route, **keywords)


@by_method
@properties
@given(seed=seeds)
def test_gradient_is_linear_in_the_outer_gradient(method, route, seed):
    # dF/du = −BᵀR(Pw + f), and w does not depend on P and f.
    case = tame(seed)
    n, rng = case.shape[0], np.random.default_rng(seed)
    factor, f, a = rng.standard_normal((n, n)), rng.standard_normal(n), 0.75
    P = generate.symmetric(factor @ factor.T)
    mixed = problem_of(case, P=a * case.P + 2 * P, f=a * case.f + 2 * f)
    parts = [gradient(problem_of(case, **changes), case, method, route) for changes in ({}, {"P": P, "f": f})]
    found = gradient(mixed, case, method, route)
    size = unit(case._replace(P=case.P + 2 * P, f=np.abs(case.f) + 2 * np.abs(f)), found.w, response_norm(case, method))
    assert np.linalg.norm(found.grad - (a * parts[0].grad + 2 * parts[1].grad)) <= 100 * size


@by_method
@properties
@given(seed=seeds, i=powers)
def test_outer_scaling_by_powers_of_two_changes_no_bit(method, route, seed, i):
    case = tame(seed)
    factor = 2.0**i
    plain = gradient(problem_of(case), case, method, route)
    scaled = gradient(problem_of(case, P=factor * case.P, f=factor * case.f, h=factor * case.h), case, method, route)
    assert scaled.grad.tobytes() == (factor * plain.grad).tobytes()
    assert scaled.value == factor * plain.value and scaled.w.tobytes() == plain.w.tobytes()


@properties
@given(seed=seeds, i=powers, j=powers)
def test_inner_and_variable_scaling_of_the_iterated_route_changes_no_bit(seed, i, j):
    # f → cf leaves w and dF/du with α → α/c;  u → u/s with B → sB gives dF/du → s dF/du.
    case, c, s = tame(seed), 2.0**i, 2.0**j
    step = generate.rounded(1 / case.top)
    plain = gradient(problem_of(case), case, pyblo.Unrolled(5, step, momentum=0.5), "iterate")
    inner = problem_of(case, A=c * case.A, B=c * case.B, d=c * case.d)
    found = gradient(inner, case, pyblo.Unrolled(5, step / c, momentum=0.5), "iterate")
    assert found.grad.tobytes() == plain.grad.tobytes() and found.w.tobytes() == plain.w.tobytes()
    outer = problem_of(case, B=s * case.B)
    found = gradient(outer, case._replace(u=case.u / s), pyblo.Unrolled(5, step, momentum=0.5), "iterate")
    assert found.grad.tobytes() == (s * plain.grad).tobytes()


@by_method
@properties
@given(seed=seeds)
def test_permutation_of_the_variables_permutes_the_result(method, route, seed):
    case = tame(seed)
    rng = np.random.default_rng(seed)
    p, q = rng.permutation(case.shape[0]), rng.permutation(case.shape[1])
    moved = case._replace(
        A=case.A[p][:, p], B=case.B[p][:, q], P=case.P[p][:, p], d=case.d[p], f=case.f[p], u=case.u[q], w0=case.w0[p]
    )
    plain, found = gradient(problem_of(case), case, method, route), gradient(problem_of(moved), moved, method, route)
    size = unit(case, plain.w, response_norm(case, method))
    assert np.linalg.norm(found.grad - plain.grad[q]) <= 60 * size
    assert np.linalg.norm(found.w - plain.w[p]) <= 60 * EPS * case.kappa * max(
        np.linalg.norm(plain.w), np.linalg.norm(case.w0)
    )


@properties
@given(seed=seeds)
def test_rotation_of_the_inner_variables_changes_nothing(seed):
    case = tame(seed, singular=False)
    Q = generate.orthogonal(np.random.default_rng(seed), case.shape[0])
    turned = case._replace(
        A=generate.symmetric(Q @ case.A @ Q.T),
        B=Q @ case.B,
        P=generate.symmetric(Q @ case.P @ Q.T),
        d=Q @ case.d,
        f=Q @ case.f,
        w0=Q @ case.w0,
    )
    plain, found = gradient(problem_of(case), case), gradient(problem_of(turned), turned)
    assert np.linalg.norm(found.grad - plain.grad) <= 100 * case.shape[0] * unit(case, plain.w)


@pytest.mark.parametrize("route", ["spectral", "iterate"])
@properties
@given(seed=seeds)
def test_one_term_is_its_step(route, seed):
    # Neumann(1, α) = α I, Identity = Neumann(1, 1): one product with Bᵀ and no other difference.
    case = tame(seed)
    problem = problem_of(case)
    identity = gradient(problem, case, pyblo.Identity(), route)
    for step in (1.0, 0.25):
        found = gradient(problem, case, pyblo.Neumann(1, step=step), route)
        if route == "iterate":
            assert found.grad.tobytes() == (step * identity.grad).tobytes()
        assert np.linalg.norm(found.grad - step * identity.grad) <= 30 * unit(case, found.w, step)


@properties
@given(seed=seeds)
def test_series_tends_to_the_inverse_and_damping_to_both_ends(seed):
    case = tame(seed, singular=False)
    problem = problem_of(case)
    exact = gradient(problem, case)
    size = unit(case, exact.w)
    many = gradient(problem, case, pyblo.Neumann(200 * int(np.ceil(case.kappa)), step=1 / case.top))
    assert np.linalg.norm(many.grad - exact.grad) <= 60 * size  # (1 − 1/κ)^(200κ) < e⁻²⁰⁰
    # 1/(λ+ε) = (1/λ)(1 − ε/(λ+ε)), and (1/ε)(1 − λ/(λ+ε)): the distance is at most the ratio of the sizes
    outer = np.linalg.norm(case.P, 2) * np.linalg.norm(exact.w) + np.linalg.norm(case.f)
    small, large = (gradient(problem, case, pyblo.Damped(eps)) for eps in (1e-9 * case.top, 1e9 * case.top))
    assert (
        np.linalg.norm(small.grad - exact.grad)
        <= 60 * size + 1e-9 * case.kappa**2 / case.top * np.linalg.norm(case.B, 2) * outer
    )
    identity = gradient(problem, case, pyblo.Identity())
    gap = np.linalg.norm(1e9 * case.top * large.grad - identity.grad)
    assert gap <= (1e-9 + 30 * EPS * case.kappa) * np.linalg.norm(case.B, 2) * outer


@properties
@given(seed=seeds)
def test_conjugate_gradients_are_exact_on_the_range(seed):
    # g is in general not in the range of a singular H: CG works on its part there, as the pseudoinverse does.
    case = tame(seed)
    problem = problem_of(case)
    exact, found = gradient(problem, case), gradient(problem, case, pyblo.CG(rtol=1e-13))
    assert found.success and found.nhvp <= 10 * case.shape[0] + 10
    slack = 1e-13 * case.kappa / case.top * np.linalg.norm(case.B, 2) * np.linalg.norm(case.P @ found.w + case.f)
    assert np.linalg.norm(found.grad - exact.grad) <= 100 * unit(case, exact.w) + slack
    assert found.null_component == pytest.approx(exact.null_component, abs=100 * EPS * case.kappa)


@properties
@given(rank=st.integers(1, 6), extra=st.integers(0, 4), seed=seeds)
def test_rank_steps_of_conjugate_gradients_are_exact(rank, extra, seed):
    # Eigenvalues 1 … rank on unit vectors: in exact arithmetic CG ends after rank steps.
    rng, n = np.random.default_rng(seed), rank + extra
    A = np.diag(np.r_[np.arange(1.0, rank + 1), np.zeros(extra)])
    problem = pyblo.Quadratic(A, A @ rng.standard_normal((n, n)), np.eye(n), f=rng.standard_normal(n))
    u = rng.standard_normal(n)
    exact, found = (
        pyblo.hypergradient(problem, u, method=method) for method in (pyblo.Exact(), pyblo.CG(maxiter=rank))
    )
    # Every one of the rank steps loses a factor κ = rank at most.
    size = np.linalg.norm(problem.B, 2) * (np.linalg.norm(found.w) + np.linalg.norm(problem.f))
    assert found.nhvp <= rank + 2
    assert np.linalg.norm(found.grad - exact.grad) <= 1000 * EPS * rank**3 * size


@properties
@given(seed=seeds, steps=st.integers(1, 40))
def test_unrolling_gradient_descent_is_the_series(seed, steps):
    case = tame(seed)
    problem, step = problem_of(case), generate.rounded(1.5 / case.top)
    inner = pyblo.GradientDescent(steps=steps, step=step)
    found = [
        gradient(problem, case, pyblo.Unrolled(steps, step, mode=mode), route)
        for mode, route in (("reverse", "iterate"), ("forward", "iterate"), ("reverse", "spectral"))
    ]
    found += [
        gradient(problem, case, method, route, inner=inner)
        for route in ("iterate", "spectral")
        for method in (pyblo.Neumann(steps, step=step), pyblo.FixedPoint(steps, step=step))
    ]
    size = unit(case, found[0].w, response_norm(case, pyblo.Neumann(steps, step=step)))
    for other in found[1:]:
        assert np.linalg.norm(other.grad - found[0].grad) <= 100 * size
    assert found[0].w.tobytes() == found[3].w.tobytes()


@by_method
@properties
@given(seed=seeds)
def test_value_is_the_outer_objective(method, route, seed):
    case = tame(seed)
    problem = problem_of(case)
    found = gradient(problem, case, method, route)
    size = EPS * (
        np.linalg.norm(case.P, 2) * np.linalg.norm(found.w) ** 2
        + np.linalg.norm(case.f) * np.linalg.norm(found.w)
        + abs(case.h)
    )
    assert abs(found.value - problem.outer_value(case.u, found.w)) <= 30 * size
    assert abs(found.value - (found.w @ case.P @ found.w / 2 + case.f @ found.w + case.h)) <= 30 * size
    value, grad = pyblo.value_and_grad(problem, method=method, w0=case.w0)(case.u)
    assert abs(value - found.value) <= 100 * case.kappa * size and np.shape(grad) == case.u.shape


@properties
@given(seed=seeds)
def test_gradient_is_the_slope_of_the_reduced_objective(seed):
    # F*(u) is quadratic: a central difference of width one has no truncation error.
    case = tame(seed)
    problem, m = problem_of(case), case.shape[1]
    exact = gradient(problem, case)
    for direction in np.eye(m)[: min(m, 3)]:
        up, down = (pyblo.hypergradient(problem, case.u + sign * direction, w0=case.w0) for sign in (1, -1))
        size = max(np.linalg.norm(found.w) for found in (up, down))
        slack = EPS * case.kappa * size * (np.linalg.norm(case.P, 2) * size + np.linalg.norm(case.f)) + EPS * abs(
            case.h
        )
        assert abs((up.value - down.value) / 2 - exact.grad @ direction) <= 30 * slack + 30 * unit(case, exact.w)


@properties
@given(seed=seeds)
def test_null_component_of_the_start_is_carried(seed):
    # w − w₀ lies in the range of A: the part of w₀ in its null space stays, in closed form and along every run.
    case = tame(seed, singular=True)
    problem = problem_of(case)
    vectors = np.linalg.eigh(case.A)[1]
    null = vectors[:, : case.shape[0] - case.rank]
    runs = [gradient(problem, case).w, problem.inner_solution(case.u, case.w0)]
    runs += [
        gradient(problem, case, pyblo.Unrolled(9, momentum=0.5, nesterov=nesterov), route).w
        for nesterov in (False, True)
        for route in ("iterate", "spectral")
    ]
    for w in runs:
        size = max(np.linalg.norm(w), np.linalg.norm(case.w0))
        assert np.linalg.norm(null.T @ (w - case.w0)) <= 100 * EPS * case.kappa * size
    assert np.linalg.norm(problem.inner_gradient(case.u, runs[0])) <= 100 * EPS * case.kappa * case.top * max(
        np.linalg.norm(runs[0]), np.linalg.norm(case.w0)
    )


@properties
@given(seed=seeds)
def test_null_component_of_the_gradient_is_reported(seed):
    case = tame(seed, singular=True)
    found = gradient(problem_of(case), case)
    g = case.P @ found.w + case.f
    vectors = np.linalg.eigh(case.A)[1]
    null = vectors[:, : case.shape[0] - case.rank]
    if np.linalg.norm(g) > 0:
        expected = np.linalg.norm(null.T @ g) / np.linalg.norm(g)
        assert abs(found.null_component - expected) <= 100 * EPS * case.kappa
    assert np.linalg.norm(
        case.A @ found.adjoint - (g - null @ (null.T @ g))
    ) <= 100 * EPS * case.kappa * np.linalg.norm(g)


@properties
@given(seed=seeds)
def test_target_learning_is_the_quadratic_of_its_gram_matrix(seed):
    rng = np.random.default_rng(seed)
    N, n, p = (int(rng.integers(1, 8)) for _ in range(3))
    Phi, out, y, u = (rng.integers(-3, 4, shape).astype(float) for shape in ((N, n), (p, n), (p,), (N,)))
    if not Phi.any():
        return
    target = pyblo.TargetLearning(Phi, out, y)
    gram = pyblo.Quadratic(Phi.T @ Phi, -Phi.T, out.T @ out, f=-out.T @ y, h=y @ y / 2)
    w0 = rng.standard_normal(n)
    sigma = np.linalg.svd(Phi, compute_uv=False)
    smallest = sigma[sigma > 1e-10 * sigma[0]][-1]
    step = generate.rounded(1 / sigma[0] ** 2)
    for method in (
        pyblo.Exact(),
        pyblo.Damped(0.5),
        pyblo.Neumann(6, step=step),
        pyblo.Identity(),
        pyblo.Unrolled(6, step),
    ):
        first, second = (pyblo.hypergradient(problem, u, method=method, w0=w0) for problem in (target, gram))
        kappa = (
            sigma[0] / smallest
        ) ** 2  # of the Gram matrix: the reference, not the problem under test, pays the square
        reach = np.linalg.norm(out, 2) ** 2 * np.linalg.norm(first.w) + np.linalg.norm(out.T @ y)
        size = EPS * kappa * sigma[0] * max(1 / smallest**2, np.max(method.filter(np.r_[0.0, sigma**2]))) * reach
        assert np.linalg.norm(first.grad - second.grad) <= 100 * size
        slack = 100 * EPS * kappa * max(np.linalg.norm(first.w), np.linalg.norm(w0))
        assert np.linalg.norm(first.w - second.w) <= slack
        assert (
            abs(first.value - second.value)
            <= slack * (reach + np.linalg.norm(y) ** 2) + 100 * EPS * np.linalg.norm(y) ** 2
        )


@properties
@given(seed=seeds)
def test_biased_regularisation_is_the_quadratic_of_its_gram_matrix(seed):
    # Of integers, so that the arrays of the quadratic are exact; its κ is that of H
    rng = np.random.default_rng(seed)
    N, n, p = (int(rng.integers(1, 8)) for _ in range(3))
    X, out, y, y_val = (rng.integers(-3, 4, shape).astype(float) for shape in ((N, n), (p, n), (N,), (p,)))
    beta, u, w0 = float(rng.integers(1, 5)), rng.standard_normal(n), rng.standard_normal(n)
    A = X.T @ X + beta * np.eye(n)
    problems = (
        pyblo.BiasedRidge(X, y, out, y_val, beta=beta),
        pyblo.Quadratic(A, -beta * np.eye(n), out.T @ out, d=-X.T @ y, f=-out.T @ y_val, h=y_val @ y_val / 2,
                        C=beta * np.eye(n), c=y @ y / 2))
    top = np.linalg.norm(A, 2)
    for method, route in METHODS + [(pyblo.CG(rtol=1e-14), "auto"), (pyblo.CG(normal=True, rtol=1e-14), "auto")]:
        first, second = (pyblo.hypergradient(problem, u, w0=w0, method=method, route=route) for problem in problems)
        reach = np.linalg.norm(out, 2) ** 2 * np.linalg.norm(first.w) + np.linalg.norm(out.T @ y_val)
        size = EPS * (top / beta) * np.max(getattr(method, "filter", lambda x: 1 / x)(np.linalg.eigvalsh(A))) * beta * reach
        w_size = EPS * (top / beta) ** 1.5 * (np.linalg.norm(first.w) + np.linalg.norm(w0) + np.linalg.norm(u) + np.linalg.norm(y))
        size += w_size * np.linalg.norm(out, 2) ** 2
        assert first.success and np.linalg.norm(first.grad - second.grad) <= 100 * size
        assert np.linalg.norm(first.w - second.w) <= 100 * w_size
        assert abs(first.value - second.value) <= 100 * (w_size * reach + EPS * (y_val @ y_val + reach * np.linalg.norm(first.w)))
        for run in (pyblo.cold_start, pyblo.warm_start):
            inner = None if isinstance(method, pyblo.Unrolled) else pyblo.GradientDescent(steps=5, momentum=0.25)
            step = 0.5 / max(1.0, np.linalg.norm(out, 2) ** 2 * beta)
            loops = [run(problem, u, w0, method=method, inner=inner, route=route, step=step, maxiter=4, tol=0.0) for problem in problems]
            growth = max(np.linalg.norm(loops[0].history.u), np.linalg.norm(u)) / np.linalg.norm(u)
            assert np.linalg.norm(loops[0].u - loops[1].u) <= 400 * growth * (step * size + EPS * np.linalg.norm(loops[0].history.u))
    assert [problem.inner_value(u, w0) for problem in problems] == pytest.approx([problems[1].inner_value(u, w0)] * 2, rel=1e-13)
    assert np.allclose(problems[0].inner_gradient(u, w0), problems[1].inner_gradient(u, w0), rtol=0, atol=100 * EPS * top * 10)
    assert np.array_equal(problems[0].cross(u, w0) @ np.eye(n), -beta * np.eye(n))
    assert np.array_equal(problems[0].hessian(u, w0) @ np.eye(n), A)


def ridge_value(problem, u):
    """F*(u) of a ridge problem in any arithmetic NumPy has, complex included."""
    penalties = np.exp(u) if problem.log else u
    rows, columns = problem.X.shape
    H = problem.X.T @ problem.X / rows + np.diag(np.broadcast_to(penalties, (columns,)))
    w = np.linalg.solve(H, problem.X.T @ problem.y / rows)
    residual = problem.X_val @ w - problem.y_val
    return 0.5 * residual @ residual / len(residual)


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("penalty", ["diagonal", "scalar"])
@properties
@given(seed=seeds)
def test_ridge_gradient_is_the_complex_step(log, penalty, seed):
    # Im F*(u + ih)/h has no cancellation: exact to the condition of H.
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(2, 12)), int(rng.integers(1, 8))
    X, y, X_val, y_val = (rng.standard_normal(shape) for shape in ((rows, columns), rows, (5, columns), 5))
    problem = pyblo.Ridge(X, y, X_val, y_val, penalty=penalty, log=log)
    u = rng.uniform(-3, 1, problem.outer_shape) if log else rng.uniform(0.05, 2, problem.outer_shape)
    found = pyblo.hypergradient(problem, u)
    slopes = [ridge_value(problem, u + 1e-30j * direction).imag / 1e-30 for direction in np.eye(u.size)]
    H = X.T @ X / rows + np.diag(np.broadcast_to(np.exp(u) if log else u, (columns,)))
    eigenvalues = np.linalg.eigvalsh(H)
    outer = np.linalg.norm(X_val, 2) * (np.linalg.norm(X_val @ found.w - y_val) + np.linalg.norm(y_val)) / 5
    scale = max(np.exp(u).max() if log else 1.0, 1.0)
    size = EPS * eigenvalues[-1] / eigenvalues[0] * scale * np.linalg.norm(found.w) / eigenvalues[0] * outer
    assert found.success and np.linalg.norm(found.grad - slopes) <= 100 * size
    assert abs(found.value - ridge_value(problem, u)) <= 100 * EPS * eigenvalues[-1] / eigenvalues[0] * (
        found.value + y_val @ y_val
    )


@properties
@given(seed=seeds)
def test_ridge_with_one_penalty_is_the_sum_of_the_diagonal_ones(seed):
    rng = np.random.default_rng(seed)
    X, y, X_val, y_val = (rng.standard_normal(shape) for shape in ((9, 4), 9, (5, 4), 5))
    u = float(rng.uniform(-2, 1))
    one, each = (
        pyblo.hypergradient(pyblo.Ridge(X, y, X_val, y_val, penalty=penalty), np.full(size, u))
        for penalty, size in (("scalar", 1), ("diagonal", 4))
    )
    assert one.value == pytest.approx(each.value, rel=1e-13)
    assert one.grad[0] == pytest.approx(
        each.grad.sum(), rel=0, abs=100 * EPS * np.linalg.norm(each.grad) * np.linalg.cond(X) ** 2
    )


@properties
@given(seed=seeds)
def test_operators_are_what_the_problem_says(seed):
    case = tame(seed)
    problem, rng = problem_of(case), np.random.default_rng(seed)
    n, m = case.shape
    w, v, s = rng.standard_normal(n), rng.standard_normal(n), rng.standard_normal(m)
    H, M = problem.hessian(case.u, w), problem.cross(case.u, w)
    assert H.shape == (n, n) and M.shape == (n, m)
    size = (
        EPS
        * np.linalg.norm(w)
        * (np.linalg.norm(case.A, 2) + np.linalg.norm(case.B, 2))
        * (1 + np.linalg.norm(v) + np.linalg.norm(s))
    )
    assert abs(v @ (H @ w) - w @ (H @ v)) <= 30 * n * size * (1 + np.linalg.norm(v))
    assert abs(w @ (M @ s) - s @ (M.H @ w)) <= 30 * n * size
    # ∇_w f is affine: its differences are products with H and M, to the rounding of the gradients that are subtracted.
    change = problem.inner_gradient(case.u + s, w + v) - problem.inner_gradient(case.u, w)
    rounding = EPS * (
        np.linalg.norm(case.A, 2) * (np.linalg.norm(w) + np.linalg.norm(v))
        + np.linalg.norm(case.B, 2) * (np.linalg.norm(case.u) + np.linalg.norm(s))
        + np.linalg.norm(case.d)
    )
    assert np.linalg.norm(change - (H @ v + M @ s)) <= 30 * n * rounding


@properties
@given(seed=seeds)
def test_prepared_and_loops_give_the_bits_of_one_hypergradient(seed):
    case = tame(seed)
    problem = problem_of(case)
    for method in (pyblo.Exact(), pyblo.Neumann(5), pyblo.Unrolled(4)):
        once = gradient(problem, case, method)
        prepared = pyblo.prepare(problem, method=method)
        prepared.hypergradient(case.u + 1.0)  # nothing is remembered
        again = prepared.hypergradient(case.u, w0=case.w0)
        stopped = pyblo.cold_start(problem, case.u, case.w0, method=method, maxiter=0, step=1.0)
        for other in (again.grad, stopped.jac, pyblo.value_and_grad(problem, method=method, w0=case.w0)(case.u)[1]):
            assert other.tobytes() == once.grad.tobytes()
        assert stopped.nit == 0 and stopped.fun == once.value and stopped.u.tobytes() == case.u.tobytes()


@properties
@given(seed=seeds, steps=st.integers(1, 12), power=st.integers(3, 8))
def test_outer_steps_are_gradient_steps(seed, steps, power):
    # u₊ = u − β dF/du(u, w(u; w₀)), and warm start: the hypergradient at (u, w), then w from the last w.
    case = tame(seed)
    problem, method, inner = problem_of(case), pyblo.Neumann(4), pyblo.GradientDescent(steps=3)
    beta = 2.0**-power / max(
        1.0, np.linalg.norm(case.B, 2) ** 2 * np.linalg.norm(case.P, 2) * 4 / case.top * case.kappa / case.top
    )
    u, v, w = case.u, case.u, pyblo.hypergradient(problem, case.u, method=method, inner=inner, w0=case.w0).w
    for _ in range(steps):
        u = u - beta * pyblo.hypergradient(problem, u, method=method, inner=inner, w0=case.w0).grad
        v = v - beta * pyblo.hypergradient(problem, v, w, method=method).grad
        w = pyblo.hypergradient(problem, v, method=method, inner=inner, w0=w).w
    common = {"method": method, "inner": inner, "step": beta, "maxiter": steps, "tol": 0.0}
    cold, warm = (run(problem, case.u, case.w0, **common) for run in (pyblo.cold_start, pyblo.warm_start))
    size = 100 * EPS * case.kappa * steps * (1 + np.linalg.norm(case.u))
    assert cold.nit == warm.nit == steps
    assert np.linalg.norm(cold.u - u) <= size and np.linalg.norm(warm.u - v) <= size
    assert np.linalg.norm(warm.w - w) <= size * max(1.0, np.linalg.norm(w))
    assert cold.history.u.shape == (steps + 1, case.shape[1]) and np.array_equal(cold.history.u[-1], cold.u)


@properties
@given(seed=seeds)
def test_float32_stays_float32_and_is_near(seed):
    case = generate.quadratic(seed, largest=10, kappa=20.0, singular=False)
    narrow = problem_of(case, **{name: getattr(case, name).astype(np.float32) for name in ("A", "B", "P", "d", "f")})
    wide = problem_of(
        case, **{name: getattr(case, name).astype(np.float32).astype(float) for name in ("A", "B", "P", "d", "f")}
    )
    at = case._replace(u=case.u.astype(np.float32), w0=case.w0.astype(np.float32))
    for method, route in METHODS:
        found, exact = gradient(narrow, at, method, route), gradient(wide, at, method, route)
        assert narrow.dtype == found.grad.dtype == found.w.dtype == np.float32 and exact.grad.dtype == np.float64
        size = unit(case, exact.w, response_norm(case, method)) / EPS * np.finfo(np.float32).eps
        assert np.linalg.norm(found.grad - exact.grad) <= 100 * size
