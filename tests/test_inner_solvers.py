"""Inner solvers in closed form, against their definitions in NumPy."""

import numpy as np
import pytest

import pyblo

RNG = np.random.default_rng(8)
X, X_VAL, W0 = RNG.standard_normal((9, 4)), RNG.standard_normal((7, 4)), RNG.standard_normal(4)
Y, Y_VAL, U = RNG.standard_normal(9), RNG.standard_normal(7), RNG.uniform(0.1, 1.0, 4)


def ridge():
    """The problem, H and ∇f over u = λ."""
    problem = pyblo.Ridge(X, Y, X_VAL, Y_VAL, log=False)
    H = X.T @ X / 9 + np.diag(U)
    return problem, H, lambda w: H @ w - X.T @ Y / 9


def quadratic():
    """The problem, H and ∇f."""
    A, B, d = X.T @ X, X_VAL[:4], Y[:4]
    return pyblo.Quadratic(A, B, np.eye(4), d=d, f=Y_VAL[:4]), A, lambda w: A @ w + B @ U + d


PROBLEMS = pytest.mark.parametrize("make", [ridge, quadratic])


@PROBLEMS
@pytest.mark.parametrize("eps", [1e-3, 0.5, 40.0])
def test_proximal_is_one_damped_newton_step(make, eps):
    problem, H, gradient = make()
    found = pyblo.hypergradient(problem, U, w0=W0, inner=pyblo.Proximal(eps))
    w = W0 - np.linalg.solve(H + eps * np.eye(4), gradient(W0))
    assert found.success and np.allclose(found.w, w, rtol=1e-12)
    # which minimises f + ½ε‖w − w₀‖²
    assert np.linalg.norm(gradient(found.w) + eps * (found.w - W0)) <= 1e-12 * np.linalg.norm(gradient(W0))


@PROBLEMS
@pytest.mark.parametrize("route", ["spectral", "iterate"])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.5, False), (0.5, True)])
def test_descent_by_either_route_is_the_recurrence(make, route, momentum, nesterov):
    problem, H, gradient = make()
    step, w, before = 0.7 / np.linalg.eigvalsh(H)[-1], W0, W0
    for _ in range(6):
        y = w + momentum * (w - before)
        before, w = w, y - step * gradient(y if nesterov else w)
    inner = pyblo.GradientDescent(steps=6, step=step, momentum=momentum, nesterov=nesterov)
    found = pyblo.hypergradient(problem, U, w0=W0, method=pyblo.Identity(), inner=inner, route=route)
    assert found.success and np.allclose(found.w, w, rtol=1e-12)


def in_float32(kind):
    """A float32 problem, by the library or by functions, and its ∇f in float64."""
    A, B, d = (array.astype(np.float32) for array in (X.T @ X, X_VAL[:4], Y[:4]))
    wide = [array.astype(np.float64) for array in (A, B, d, U.astype(np.float32))]
    gradient = lambda w: wide[0] @ w + wide[1] @ wide[3] + wide[2]
    if kind == "Quadratic":
        return pyblo.Quadratic(A, B, np.eye(4, dtype=np.float32), d=d), gradient
    if kind == "Ridge":
        arrays = [array.astype(np.float32) for array in (X, Y, X_VAL, Y_VAL)]
        Z, z = arrays[0].astype(float), arrays[1].astype(float)
        return pyblo.Ridge(*arrays, log=False), lambda w: Z.T @ (Z @ w - z) / 9 + wide[3] * w
    functions = {
        "outer_value": lambda u, w: 0.5 * w @ w, "outer_gradients": lambda u, w: (0 * u, 1 * w),
        "inner_gradient": lambda u, w: A @ w + B @ u + d, "hessian_product": lambda u, w, v: A @ v,
        "cross_adjoint": lambda u, w, q: B.T @ q}
    return pyblo.FunctionProblem(4, 4, **functions, dtype=np.float32), gradient


@pytest.mark.parametrize("kind", ["Quadratic", "Ridge", "FunctionProblem"])
@pytest.mark.parametrize("tol", [1e-3, 1e-5, 1e-12])
def test_float32_runs_are_judged_by_the_gradient_in_float64(kind, tol):
    problem, gradient = in_float32(kind)
    inner = pyblo.GradientDescent(tol=tol, maxiter=3000)
    found = pyblo.hypergradient(problem, U.astype(np.float32), method=pyblo.Identity(), inner=inner, route="iterate")
    reached = np.linalg.norm(gradient(found.w.astype(float))) <= tol * max(1.0, np.linalg.norm(gradient(np.zeros(4)))) * (1 + 1e-6)
    assert found.w.dtype == np.float32 and found.success == reached == (tol > 1e-8)
    assert found.success or found.status == pyblo.Status.NOT_CONVERGED


def test_a_penalty_that_makes_h_indefinite_is_a_status():
    problem = pyblo.Ridge(X, Y, X_VAL, Y_VAL, log=False)
    for inner in (None, pyblo.Proximal(1e-3)):
        found = pyblo.hypergradient(problem, np.full(4, -50.0), inner=inner)
        assert found.status == pyblo.Status.INDEFINITE and not found.success


def test_prepared_says_what_was_prepared():
    method, inner = pyblo.Damped(0.5), pyblo.Proximal(2.0)
    prepared = pyblo.prepare(ridge()[0], method=method, inner=inner, route="auto")
    assert repr(prepared) == f"Prepared(Ridge, method={method!r}, inner={inner!r}, route='auto')"
    assert pyblo.hypergradient(ridge()[0], U, method=method, inner=inner).value == prepared.hypergradient(U).value


def test_a_given_step_needs_no_lower_bound_where_f_is_zero():
    problem = pyblo.Quadratic(np.eye(2), -np.eye(2), np.diag([1.0, 0.0]))  # F* = ½u₁²
    assert np.array_equal(pyblo.cold_start(problem, [4.0, 3.0], step=0.5, maxiter=2, tol=0.0).u, [1.0, 3.0])


@pytest.mark.parametrize("arrays", [
    {"A": [[1e-200]], "B": [[1e150]], "P": [[1e-300]]}, {"A": [[1e-200]], "B": [[1.0]], "P": [[1.0]], "d": [1e200]}])
def test_a_reduced_iteration_that_overflows_is_named_with_its_arrays(arrays):
    problem = pyblo.Quadratic(**arrays)
    for run in (pyblo.equilibria.cold_start, pyblo.cold_start):
        with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"problem: its .* overflows.*A \(1e-200\)"):
            run(problem, [1e300])


def test_a_limit_that_overflows_is_named():
    # F does not see u₂ = 1e300, which stays where it is, nor w₂ = −1e13 u₂
    problem = pyblo.Quadratic(np.diag([1.0, 1e-13]), np.eye(2), np.diag([1.0, 0.0]))
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="problem: its limit overflows"):
        pyblo.equilibria.cold_start(problem, [1.0, 1e300])
