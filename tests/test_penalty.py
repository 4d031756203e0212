"""The value-function penalty: rate 1/β, descent without second derivatives, and ∂f/∂u of every problem."""

import numpy as np
import pytest
import scipy.optimize
from concepts import integer_case, problem_of
from hypothesis import given, settings
from hypothesis import strategies as st

import pyblo
from pyblo.equilibria import optimistic, penalty_descent, value_function_penalty, value_function_penalty_residual

EPS = np.finfo(float).eps
properties = settings(deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("seed", range(12))
def test_the_error_falls_as_one_over_beta(seed):
    # w_β − w_opt = c/β + O(1/β²): with β from 2¹⁰ to 2¹⁴ times ‖P‖‖A⁺‖, doubling halves it but for O(1/β).
    case = integer_case(seed)
    problem = problem_of(case)
    limit = optimistic(problem, case.u)
    weight = np.linalg.norm(case.P, 2) * case.kappa / case.top
    errors = []
    for power in range(10, 15):
        found = value_function_penalty(problem, weight * 2.0**power, case.u)
        errors.append(np.linalg.norm(np.concatenate([found.u - limit.u, found.w - limit.w])))
        assert found.fun <= limit.fun + 1e-9 * (1 + abs(limit.fun))  # the penalty relaxes the optimistic problem
    size = 1 + np.linalg.norm(limit.u) + np.linalg.norm(limit.w)
    for k, (one, two) in enumerate(zip(errors, errors[1:], strict=False)):
        assert one <= 1e6 * EPS * size or abs(2 * two / one - 1) <= 2.0 ** (-8 - k) * 4 + 1e6 * EPS * size / one


def test_it_is_the_minimum_of_its_objective():
    # A general minimiser on L_β over (u, w), with the minimum over v in closed form.
    case = integer_case(7, largest=5)
    problem, beta, m = problem_of(case), 3.0, case.shape[1]

    def penalised(z):
        u, w = z[:m], z[m:]
        return problem.outer_value(u, w) + beta * (problem.inner_value(u, w) - problem.inner_value(u, problem.inner_solution(u)))

    found = value_function_penalty(problem, beta, case.u)
    best = scipy.optimize.minimize(penalised, np.zeros(sum(case.shape)), method="BFGS", options={"gtol": 1e-9})
    value = penalised(np.concatenate([found.u, found.w]))
    assert value <= best.fun + 1e-12 * (1 + abs(best.fun)) and best.fun - value <= 1e-8 * (1 + abs(best.fun))


def small():
    """A quadratic with κ(L_β) of a few tens for β = 2; A is singular."""
    A, B = np.diag([2.0, 1.0, 0.0]), np.array([[1.0, -1.0], [0.5, 1.0], [0.0, 0.0]])
    return pyblo.Quadratic(A, B, np.diag([1.0, 2.0, 0.5]), d=[1.0, 0.0, 0.0], f=[1.0, -1.0, 0.5], C=np.eye(2), e=[1.0, 2.0])


class FirstOrder(pyblo.Problem):
    """A problem that has f, F and their first derivatives, and no more."""

    outer_shape, inner_shape, dtype = (1, 2), (3, 1), np.dtype(np.float64)

    def __init__(self, problem):
        self.problem = problem

    def inner_value(self, u, w):
        return self.problem.inner_value(u[0], w[:, 0])

    def inner_gradient(self, u, w):
        return self.problem.inner_gradient(u[0], w[:, 0])[:, None]

    def outer_value(self, u, w):
        return self.problem.outer_value(u[0], w[:, 0])

    def outer_gradients(self, u, w):
        grad_u, grad_w = self.problem.outer_gradients(u[0], w[:, 0])
        return grad_u[None], grad_w[:, None]

    def hessian(self, u, w):
        raise AssertionError("a second derivative was asked for")

    cross = hessian


def test_descent_reaches_the_closed_form():
    problem = small()
    limit = value_function_penalty(problem, 2.0)
    found = penalty_descent(problem, np.zeros(2), beta=2.0, maxiter=20_000, tol=1e-11)
    assert found.success and np.linalg.norm(found.u - limit.u) + np.linalg.norm(found.w - limit.w) <= 1e-9
    assert value_function_penalty_residual(problem, found.u, found.w, 2.0) <= 1e-10
    leaving = problem.inner_value(found.u, found.w) - problem.inner_value(found.u, found.v)
    assert abs(found.fun - (problem.outer_value(found.u, found.w) + 2.0 * leaving)) <= 1e-13
    assert np.hypot(np.linalg.norm(found.jac), np.linalg.norm(found.grad_w)) <= 1e-11 * max(1.0, found.history.grad_norm[0])
    assert found.history.u.shape == (found.nit + 1, 2) and found.history.w.shape == (found.nit + 1, 3)
    assert np.all(np.diff(found.history.fun) <= 1e-14)  # it descends, step by step


@pytest.mark.parametrize("inner", [pyblo.GradientDescent(steps=5, step=0.5), pyblo.GradientDescent(step=0.5, tol=1e-13)], ids=str)
def test_descent_takes_no_second_derivatives(inner):
    problem, step = small(), 0.05
    limit = value_function_penalty(problem, 2.0)
    found = penalty_descent(FirstOrder(problem), np.zeros((1, 2)), beta=2.0, inner=inner, step=step, maxiter=20_000, tol=1e-9)
    assert found.success and found.u.shape == (1, 2) and found.w.shape == (3, 1)
    assert np.linalg.norm(found.u[0] - limit.u) + np.linalg.norm(found.w[:, 0] - limit.w) <= 1e-7


def test_descent_on_an_affine_problem_with_gradient_descent_inside():
    problem = small()
    limit = value_function_penalty(problem, 2.0)
    found = penalty_descent(problem, np.zeros(2), beta=2.0, inner=pyblo.GradientDescent(steps=3), maxiter=20_000, tol=1e-11, history=False)
    assert found.success and found.history is None
    assert np.linalg.norm(found.u - limit.u) + np.linalg.norm(found.w - limit.w) <= 1e-9


def test_descent_on_ridge_follows_the_gradient_of_the_penalty():
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((12, 3)), np.array([1.0, -2.0, 0.5])
    problem = pyblo.Ridge(X, X @ w + 0.3 * rng.standard_normal(12), X[:6], X[:6] @ w)
    found = penalty_descent(problem, np.zeros(3), beta=4.0, step=0.05, maxiter=100)
    assert np.all(np.diff(found.history.fun) < 0)

    def penalised(z):
        u, w = z[:3], z[3:]
        return problem.outer_value(u, w) + 4.0 * (problem.inner_value(u, w) - problem.inner_value(u, problem.inner_solution(u)))

    z = np.concatenate([found.u, found.w])
    slopes = [(penalised(z + h) - penalised(z - h)) / 2e-5 for h in 1e-5 * np.eye(6)]
    assert abs(penalised(z) - found.fun) <= 1e-14
    assert np.allclose(np.concatenate([found.jac, found.grad_w]), slopes, rtol=0, atol=1e-8)  # differences of 1e-5, squared, and ε/1e-5


PROBLEMS = {
    "Quadratic": (small(), np.array([0.3, -0.7]), np.array([1.0, 2.0, 3.0])),
    "TargetLearning": (pyblo.TargetLearning(np.arange(6.0).reshape(2, 3), np.eye(3), np.ones(3)), np.array([0.3, 0.7]), np.ones(3)),
    "BiasedRidge": (
        pyblo.BiasedRidge(np.arange(6.0).reshape(2, 3), np.ones(2), np.eye(3), np.ones(3), beta=0.5), np.ones(3), np.array([0.3, -1, 2])),
    "Ridge": (pyblo.Ridge(np.eye(3, 2), np.ones(3), np.eye(2), np.ones(2)), np.array([0.3, -0.7]), np.array([1.0, 2.0])),
    "Ridge, scalar": (pyblo.Ridge(np.eye(3, 2), np.ones(3), np.eye(2), np.ones(2), penalty="scalar"), np.array([0.3]), np.ones(2)),
    "Ridge, λ": (pyblo.Ridge(np.eye(3, 2), np.ones(3), np.eye(2), np.ones(2), log=False), np.array([0.3, 0.7]), np.ones(2)),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_inner_gradient_u_is_the_derivative_of_f(name):
    problem, u, w = PROBLEMS[name]
    steps = 1e-5 * np.eye(u.size)
    slopes = [(problem.inner_value(u + h, w) - problem.inner_value(u - h, w)) / 2e-5 for h in steps]
    assert np.allclose(problem.inner_gradient_u(u, w), slopes, rtol=0, atol=1e-9) and problem.has_inner_gradient_u
    batch = problem.inner_gradient_u(np.stack([u, 2 * u]), w)
    assert np.array_equal(batch, [problem.inner_gradient_u(u, w), problem.inner_gradient_u(2 * u, w)])


def test_a_function_problem_may_give_it():
    problem = small()
    keywords = dict(
        outer_value=problem.outer_value, outer_gradients=problem.outer_gradients, inner_gradient=problem.inner_gradient,
        hessian_product=lambda u, w, v: problem.A @ v, cross_adjoint=lambda u, w, q: problem.B.T @ q, inner_value=problem.inner_value)
    without = pyblo.FunctionProblem(2, 3, **keywords)
    given = pyblo.FunctionProblem(2, 3, inner_gradient_u=problem.inner_gradient_u, **keywords)
    assert given.has_inner_gradient_u and not without.has_inner_gradient_u
    with pytest.raises(NotImplementedError, match="inner_gradient_u"):
        without.inner_gradient_u(np.zeros(2), np.zeros(3))
    settings = {"beta": 2.0, "inner": pyblo.GradientDescent(steps=5, step=0.5), "step": 0.05, "maxiter": 40, "tol": 0.0}
    one, other = (penalty_descent(p, np.zeros(2), **settings) for p in (given, without))
    assert np.allclose(one.u, other.u, rtol=0, atol=1e-9) and not np.array_equal(one.u, np.zeros(2))


@properties
@given(seed=st.integers(0, 2**32 - 1), power=st.integers(-20, 20))
def test_scaling_beta_is_scaling_f(seed, power):
    case, s = integer_case(seed), 2.0**power
    plain = value_function_penalty(problem_of(case), 3.0 * s, case.u)
    scaled = value_function_penalty(problem_of(case._replace(A=s * case.A, B=s * case.B, d=s * case.d)), 3.0, case.u)
    size = 1e5 * EPS * case.kappa * (1 + np.linalg.norm(plain.u) + np.linalg.norm(plain.w)) * max(1.0, s, 1 / s)
    assert np.linalg.norm(plain.w - scaled.w) <= size


GD = pyblo.GradientDescent(steps=2, step=0.1)
BAD = {
    "beta": [
        lambda: value_function_penalty(small(), 0.0),
        lambda: value_function_penalty(small(), np.inf),
        lambda: value_function_penalty_residual(small(), np.zeros(2), np.zeros(3), -1.0),
        lambda: penalty_descent(small(), np.zeros(2), beta="much"),
    ],
    "problem": [
        lambda: penalty_descent("problem", np.zeros(2), beta=1.0),
        lambda: penalty_descent(pyblo.Quadratic(np.stack([np.eye(2)] * 2), np.eye(2), np.eye(2)), np.zeros(2), beta=1.0),
        lambda: value_function_penalty(PROBLEMS["Ridge"][0], 1.0),
    ],
    "u0": [lambda: penalty_descent(small(), np.zeros(3), beta=1.0), lambda: penalty_descent(small(), np.zeros((2, 2)), beta=1.0)],
    "w0": [
        lambda: penalty_descent(small(), np.zeros(2), np.zeros(2), beta=1.0),
        lambda: penalty_descent(small(), np.zeros(2), np.zeros((2, 3)), beta=1.0),
    ],
    "inner": [
        lambda: penalty_descent(small(), np.zeros(2), beta=1.0, inner=pyblo.Proximal(1.0)),
        lambda: penalty_descent(FirstOrder(small()), np.zeros((1, 2)), beta=1.0, step=0.1),
        lambda: penalty_descent(FirstOrder(small()), np.zeros((1, 2)), beta=1.0, step=0.1, inner=pyblo.GradientDescent(steps=2)),
    ],
    "step": [
        lambda: penalty_descent(FirstOrder(small()), np.zeros((1, 2)), beta=1.0, inner=GD),
        lambda: penalty_descent(small(), np.zeros(2), beta=1.0, step=-1.0),
        lambda: penalty_descent(small(), np.zeros(2), beta=1.0, step=[0.1, 0.2]),
    ],
    "tol": [lambda: penalty_descent(small(), np.zeros(2), beta=1.0, tol=-1.0)],
}


@pytest.mark.parametrize(("name", "call"), [(name, call) for name, calls in BAD.items() for call in calls])
def test_bad_input_is_named(name, call):
    with pytest.raises((ValueError, TypeError), match=f"^{name}: "):
        call()


def test_a_penalty_without_a_lower_bound_is_certified():
    found = value_function_penalty(pyblo.Quadratic(np.eye(1), -np.eye(1), np.zeros((1, 1)), f=[1.0]), 5.0)
    assert found.status == pyblo.Status.UNBOUNDED and found.fun == -np.inf


def test_a_beta_that_rounding_hides_is_refused_and_every_other_has_its_minimiser():
    # u = 1, w = (1, −3) fulfils both objectives, whatever β.
    problem = pyblo.TargetLearning([[1.0, 0.0]], [[1.0, 0.0], [1.0, 1.0]], [1.0, -2.0])
    refused = []
    for power in range(-320, 300, 5):
        beta = float(f"1e{power}")
        try:
            found = value_function_penalty(problem, beta)
        except ValueError as error:
            assert str(error).startswith(f"beta: {beta:g} is so small")
            refused.append(power)
        else:
            assert value_function_penalty_residual(problem, found.u, found.w, beta) <= np.sqrt(EPS)
            assert power < -2 or np.allclose(np.concatenate([found.u, found.w]), [1.0, 1.0, -3.0], rtol=0, atol=1e3 * EPS * (1 + 1 / beta))
    assert refused and max(refused) <= -10 and -15 in refused and -25 in refused and -320 in refused


def three(**wrong):
    """f = ½‖w − u‖², F = ½‖w − (1, 2, 3)‖²."""
    target = np.array([1.0, 2.0, 3.0])
    right = dict(
        outer_value=lambda u, w: 0.5 * float((w - target) @ (w - target)), outer_gradients=lambda u, w: (0 * u, w - target),
        inner_gradient=lambda u, w: w - u, hessian_product=lambda u, w, v: v, cross_adjoint=lambda u, w, q: -q,
        inner_value=lambda u, w: 0.5 * float((w - u) @ (w - u)), inner_gradient_u=lambda u, w: u - w)
    return pyblo.FunctionProblem((3,), (3,), **{**right, **wrong})


def descend(problem):
    return penalty_descent(problem, np.zeros(3), beta=1.0, step=0.2, inner=pyblo.GradientDescent(steps=1, step=1.0))


@pytest.mark.parametrize(
    ("name", "function", "error"),
    [("inner_gradient_u", lambda u, w: np.sum(u - w), ValueError), ("inner_gradient_u", lambda u, w: (u - w)[:2], ValueError),
     ("inner_gradient_u", lambda u, w: (u - w) * 1j, TypeError), ("inner_gradient", lambda u, w: np.sum(w - u), ValueError),
     ("inner_value", lambda u, w: w - u, ValueError), ("inner_value", lambda u, w: 1j, TypeError),
     ("outer_value", lambda u, w: w, ValueError), ("outer_gradients", lambda u, w: w, TypeError),
     ("outer_gradients", lambda u, w: (0.0, w), ValueError), ("outer_gradients", lambda u, w: (0 * u, w[:1]), ValueError)])
def test_an_answer_of_the_wrong_kind_is_named(name, function, error):
    assert np.allclose(descend(three()).u, [1.0, 2.0, 3.0], rtol=0, atol=1e-7)
    with pytest.raises(error, match=rf"^{name}(\[\d\])?: returned"):
        descend(three(**{name: function}))


def test_a_problem_without_inner_value_is_refused_at_once():
    calls = []
    with pytest.raises(ValueError, match="^problem: FunctionProblem has no inner_value"):
        descend(three(inner_value=None, outer_value=lambda u, w: calls.append(u)))
    assert not calls
    fixed = pyblo.FixedPointMap(1, 1, outer_value=lambda u, w: 0.0, outer_gradients=lambda u, w: (u, w), map=lambda u, w: u,
                                jvp_w=lambda u, w, v: 0 * v, vjp_w=lambda u, w, v: 0 * v, vjp_u=lambda u, w, q: q)
    with pytest.raises(ValueError, match="^problem: FixedPointMap has no inner_value"):
        penalty_descent(fixed, np.zeros(1), beta=1.0, step=0.2, inner=pyblo.GradientDescent(steps=1, step=1.0))
