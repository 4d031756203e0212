"""Problems that the user writes: the same loops, the same numbers, exceptions as they were raised, bad answers by name."""

import runpy

import generate
import numpy as np
import pytest
from compiled import ROOT
from scipy.sparse.linalg import aslinearoperator

import pyblo

EPS = np.finfo(np.float64).eps
METHODS = [
    pyblo.Exact(), pyblo.Damped(0.3), pyblo.CG(), pyblo.CG(normal=True), pyblo.Neumann(7), pyblo.FixedPoint(4), pyblo.Identity(),
    pyblo.Unrolled(6), pyblo.Unrolled(6, mode="forward"), pyblo.Unrolled(9, momentum=0.5), pyblo.Unrolled(9, momentum=0.5, nesterov=True),
]


class Written(pyblo.Problem):
    """A quadratic problem as a user would write it; `spoil` may change what a method returns at its k-th call."""

    outer_shape = inner_shape = dtype = None

    def __init__(self, case, spoil=lambda name, call, value: value):
        self.case, self.spoil, self.calls = case, spoil, {}
        self.outer_shape, self.inner_shape, self.dtype = (case.B.shape[1],), (case.B.shape[0],), case.A.dtype

    def _say(self, name, value):
        self.calls[name] = self.calls.get(name, 0) + 1
        return self.spoil(name, self.calls[name], value)

    def inner_gradient(self, u, w):
        return self._say("inner_gradient", self.case.A @ w + self.case.B @ u + self.case.d)

    def hessian(self, u, w):
        return aslinearoperator(self._say("hessian", self.case.A))

    def cross(self, u, w):
        return aslinearoperator(self._say("cross", self.case.B))

    def outer_value(self, u, w):
        return self._say("outer_value", w @ (0.5 * (self.case.P @ w) + self.case.f))

    def outer_gradients(self, u, w):
        return np.zeros_like(u), self._say("outer_gradients", self.case.P @ w + self.case.f)

    def inner_solution(self, u, w0=None):
        return self._say("inner_solution", -np.linalg.solve(self.case.A, self.case.B @ u + self.case.d))


class Case:
    """A random well conditioned quadratic problem."""

    def __init__(self, seed, n=6, m=4, dtype=np.float64):
        rng = np.random.default_rng(seed)
        self.A = generate.with_spectrum(rng, generate.spread(rng, n, 20.0)).astype(dtype)
        self.B, self.d, self.f = (rng.standard_normal(shape).astype(dtype) for shape in ((n, m), n, n))
        root = rng.standard_normal((n, n))
        self.P = generate.symmetric(root @ root.T).astype(dtype)
        self.u, self.w0 = rng.standard_normal(m).astype(dtype), rng.standard_normal(n).astype(dtype)

    def built_in(self):
        """The same problem as a Quadratic."""
        return pyblo.Quadratic(self.A, self.B, self.P, d=self.d, f=self.f)


def inner_for(method):
    return None if isinstance(method, pyblo.Unrolled) else pyblo.GradientDescent(steps=12)


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_written_problem_gives_what_the_built_in_one_gives(method, dtype):
    # κ = 20, n = 6: each route loses a small multiple of εκ relative to ‖B‖‖R‖(‖P‖‖w‖ + ‖f‖); 1e3 covers that product here.
    case = Case(1, dtype=dtype)
    keywords = {"method": method, "inner": inner_for(method), "w0": case.w0}
    route = "auto" if isinstance(method, pyblo.Exact) else "iterate"
    expected = pyblo.hypergradient(case.built_in(), case.u, route=route, **keywords)
    found = pyblo.hypergradient(Written(case), case.u, **keywords)
    tolerance = 1e3 * np.finfo(dtype).eps * 20 * np.linalg.norm(expected.grad)
    if isinstance(method, pyblo.CG):
        tolerance += 10 * (1e-10 if dtype == np.float64 else 1e-5) * 20 * np.linalg.norm(expected.grad)
    assert found.success and found.grad.dtype == dtype
    assert np.linalg.norm(found.grad - expected.grad) <= tolerance
    assert abs(found.value - expected.value) <= 1e3 * np.finfo(dtype).eps * 20 * abs(expected.value)


@pytest.mark.parametrize("run", [pyblo.cold_start, pyblo.warm_start])
@pytest.mark.parametrize("method", [pyblo.Neumann(5), pyblo.Unrolled(5, momentum=0.4), pyblo.Exact()], ids=str)
def test_loops_of_a_written_problem_are_those_of_the_built_in_one(run, method):
    case = Case(2)
    keywords = {"method": method, "inner": inner_for(method), "step": 0.01, "maxiter": 25, "tol": 0.0}
    route = "auto" if isinstance(method, pyblo.Exact) else "iterate"
    expected, found = run(case.built_in(), case.u, case.w0, route=route, **keywords), run(Written(case), case.u, case.w0, **keywords)
    assert found.nit == expected.nit == 25
    assert np.allclose(found.history.u, expected.history.u, rtol=1e-11, atol=1e-11)
    assert np.allclose(found.history.w, expected.history.w, rtol=1e-11, atol=1e-11)


def test_closed_form_inner_solutions_are_the_users():
    case = Case(3)
    found = pyblo.hypergradient(Written(case), case.u)
    expected = pyblo.hypergradient(case.built_in(), case.u)
    assert np.allclose(found.grad, expected.grad, rtol=1e-12) and np.allclose(found.w, expected.w, rtol=1e-12)


def test_a_claim_that_the_hessian_is_fixed_changes_nothing():
    class Fixed(Written):
        fixed_hessian = True

    case = Case(14)
    for method in METHODS:
        keywords = {"method": method, "inner": inner_for(method), "w0": case.w0}
        found, expected = (pyblo.hypergradient(kind(case), case.u, **keywords) for kind in (Fixed, Written))
        assert np.array_equal(found.grad, expected.grad) and found.status == expected.status
    for run in (pyblo.cold_start, pyblo.warm_start):
        assert run(Fixed(case), case.u, step=0.01, maxiter=3).fun == run(Written(case), case.u, step=0.01, maxiter=3).fun
        with pytest.raises(ValueError, match="step"):
            run(Fixed(case), case.u)
    with pytest.raises(ValueError, match="problem"):
        pyblo.equilibria.cold_start(Fixed(case), case.u)
    with pytest.raises(ValueError, match="problem"):
        pyblo.prepare(Fixed(case)).outer_hessian(case.u)


def functions_of(case):
    return {
        "outer_value": lambda u, w: w @ (0.5 * (case.P @ w) + case.f),
        "outer_gradients": lambda u, w: (np.zeros_like(u), case.P @ w + case.f),
        "inner_gradient": lambda u, w: case.A @ w + case.B @ u + case.d,
        "hessian_product": lambda u, w, v: case.A @ v,
        "cross_adjoint": lambda u, w, q: case.B.T @ q,
        "cross_product": lambda u, w, v: case.B @ v,
    }


def test_functions_and_a_subclass_give_the_same_gradients():
    case = Case(4)
    problem = pyblo.FunctionProblem(4, (6,), **functions_of(case))
    for method in METHODS[2:]:
        keywords = {"method": method, "inner": inner_for(method), "w0": case.w0}
        found, expected = pyblo.hypergradient(problem, case.u, **keywords), pyblo.hypergradient(Written(case), case.u, **keywords)
        assert np.linalg.norm(found.grad - expected.grad) <= 1e3 * EPS * 20 * np.linalg.norm(expected.grad)


def test_matrices_as_variables():
    # u and w are 2 × 2: f = ½‖W − 2U‖², F = ½‖W‖², so dF/dU = 4U.
    problem = pyblo.FunctionProblem(
        (2, 2), (2, 2), outer_value=lambda U, W: 0.5 * np.sum(W**2), outer_gradients=lambda U, W: (0 * U, W),
        inner_gradient=lambda U, W: W - 2 * U, hessian_product=lambda U, W, V: V, cross_adjoint=lambda U, W, Q: -2 * Q)
    U = np.arange(4.0).reshape(2, 2)
    found = pyblo.hypergradient(problem, U, method=pyblo.CG(), inner=pyblo.GradientDescent(step=1.0))
    assert np.array_equal(found.grad, 4 * U) and found.w.shape == (2, 2)
    value, grad = pyblo.value_and_grad(problem, method=pyblo.CG(), inner=pyblo.GradientDescent(step=1.0))(U.ravel())
    assert value == 0.5 * np.sum(4 * U**2) and np.array_equal(grad, 4 * U.ravel())


def contraction(seed):
    """w = Cw + Du + c with ‖C‖ < 1, not symmetric; F = ½‖w‖²."""
    rng = np.random.default_rng(seed)
    C, D, c = rng.standard_normal((5, 5)), rng.standard_normal((5, 3)), rng.standard_normal(5)
    C *= 0.6 / np.linalg.norm(C, 2)
    problem = pyblo.FixedPointMap(
        3, 5, outer_value=lambda u, w: 0.5 * w @ w, outer_gradients=lambda u, w: (np.zeros(3), w),
        map=lambda u, w: C @ w + D @ u + c, jvp_w=lambda u, w, v: C @ v, vjp_w=lambda u, w, v: C.T @ v,
        vjp_u=lambda u, w, q: D.T @ q, jvp_u=lambda u, w, v: D @ v)
    u = rng.standard_normal(3)
    w = np.linalg.solve(np.eye(5) - C, D @ u + c)
    return problem, u, w, D.T @ np.linalg.solve(np.eye(5) - C.T, w), C, D, c


@pytest.mark.parametrize("method", [pyblo.Exact(), pyblo.FixedPoint(120), pyblo.Neumann(120), pyblo.CG(normal=True), pyblo.Unrolled(120),
                                    pyblo.Unrolled(120, mode="forward")], ids=str)
def test_fixed_point_maps(method):
    # q = 0.6: 0.6^120 is below ε; κ(I − C) ≤ 4.
    problem, u, w, expected, *_ = contraction(5)
    inner = None if isinstance(method, pyblo.Unrolled) else pyblo.GradientDescent(tol=1e-15, maxiter=200)
    found = pyblo.hypergradient(problem, u, method=method, inner=inner)
    assert np.linalg.norm(found.w - w) <= 1e-13 * np.linalg.norm(w)
    assert np.linalg.norm(found.grad - expected) <= (1e-8 if isinstance(method, pyblo.CG) else 1e-12) * np.linalg.norm(expected)


def test_a_few_steps_of_a_fixed_point_map_are_those_of_the_map():
    problem, u, _, _, C, D, c = contraction(6)
    w, J = np.zeros(5), np.zeros((5, 3))
    for _ in range(4):
        w, J = C @ w + D @ u + c, C @ J + D
    for mode in ("reverse", "forward"):
        found = pyblo.hypergradient(problem, u, method=pyblo.Unrolled(4, mode=mode))
        assert np.allclose(found.w, w, rtol=1e-14) and np.allclose(found.grad, J.T @ w, rtol=1e-13)


class Mine(Exception):
    """The user's own."""


def run_everything(problem, case):
    pyblo.hypergradient(problem, case.u, method=pyblo.CG(maxiter=4), inner=pyblo.GradientDescent(steps=3, step=0.1))
    pyblo.hypergradient(problem, case.u, method=pyblo.Unrolled(3, step=0.1))
    pyblo.hypergradient(problem, case.u, method=pyblo.Unrolled(2, step=0.1, mode="forward"))
    pyblo.warm_start(problem, case.u, method=pyblo.Neumann(2, step=0.1), inner=pyblo.GradientDescent(steps=2, step=0.1), step=0.01,
                     maxiter=2)
    pyblo.hypergradient(problem, case.u)


NAMES = ("inner_gradient", "hessian", "cross", "outer_value", "outer_gradients", "inner_solution")


@pytest.mark.parametrize("name", NAMES)
def test_an_exception_at_the_kth_call_is_raised_as_it_was(name):
    case = Case(7)
    quiet = Written(case)
    run_everything(quiet, case)
    for k in range(1, quiet.calls[name] + 1):
        error = Mine(f"{name} {k}")

        def spoil(which, call, value, k=k, error=error):
            if which == name and call == k:
                raise error
            return value

        with pytest.raises(Mine) as raised:
            run_everything(Written(case, spoil), case)
        assert raised.value is error
    assert pyblo.hypergradient(quiet, case.u).success  # and the next call is right


BAD = {
    "shape": (lambda value: np.concatenate([np.atleast_1d(value)] * 2), (ValueError, TypeError)),
    "dtype": (lambda value: value + 1j, TypeError),
    "nothing": (lambda value: None, (TypeError, ValueError)),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("name", ["inner_gradient", "outer_value", "outer_gradients", "inner_solution"])
def test_a_bad_answer_is_named(name, kind):
    case = Case(8)
    change, errors = BAD[kind]
    problem = Written(case, lambda which, call, value: change(value) if which == name else value)
    with pytest.raises(errors, match=name):
        run_everything(problem, case)


@pytest.mark.parametrize("name", ["hessian", "cross"])
def test_a_bad_operator_is_named(name):
    case = Case(9)
    problem = Written(case, lambda which, call, value: value[:-1] if which == name else value)
    with pytest.raises((TypeError, ValueError), match=name):
        run_everything(problem, case)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [1, 2])
def test_nan_at_the_kth_call_is_a_status_that_names_it(name, k):
    case = Case(10)
    keywords = {"step": 0.01, "maxiter": 5}
    if name != "inner_solution":
        keywords |= {"method": pyblo.CG(), "inner": pyblo.GradientDescent(steps=2, step=0.1)}
    problem = Written(case, lambda which, call, value: value * np.nan if which == name and call >= k else value)
    try:
        found = pyblo.warm_start(problem, case.u, **keywords)
    except ValueError as refused:  # λmax, which the limit of a step needs, is computed before the loop
        assert name == "hessian" and k == 1 and name in str(refused)
    else:
        assert not found.success and name in found.message and np.isfinite(found.u).all()


def test_a_view_of_the_input_is_copied_and_inputs_cannot_be_written():
    case = Case(11, n=4, m=4)
    case.A, case.B, case.d = np.eye(4), np.zeros((4, 4)), np.zeros(4)
    problem = Written(case)
    problem.inner_gradient = lambda u, w: w  # the very array that it was given
    inner = pyblo.GradientDescent(steps=1, step=0.5)
    found = pyblo.hypergradient(problem, case.u, method=pyblo.Identity(), inner=inner, w0=case.w0)
    assert np.array_equal(found.w, 0.5 * case.w0)

    def write(u, w):
        w[0] = 1.0
        return w

    problem.inner_gradient = write
    with pytest.raises(ValueError, match="read-only"):
        pyblo.hypergradient(problem, case.u, method=pyblo.Identity(), inner=inner, w0=case.w0)


def test_what_is_missing_is_named():
    case = Case(12)
    problem = pyblo.FunctionProblem(4, 6, **{name: f for name, f in functions_of(case).items() if name != "cross_product"})
    with pytest.raises(ValueError, match="inner"):
        pyblo.hypergradient(problem, case.u)
    with pytest.raises(ValueError, match="cross_product"):
        pyblo.hypergradient(problem, case.u, method=pyblo.Unrolled(2, step=0.1, mode="forward"))
    with pytest.raises(TypeError, match="hessian_product"):
        pyblo.FunctionProblem(4, 6, **{**functions_of(case), "hessian_product": 3})
    with pytest.raises(ValueError, match="normal"):
        pyblo.hypergradient(contraction(1)[0], np.zeros(3), method=pyblo.CG(), inner=pyblo.GradientDescent())


def test_without_an_inner_value_it_says_so():
    problem = pyblo.FunctionProblem(4, 6, **functions_of(Case(12)))
    for unfinished in (problem, Written(Case(12))):
        with pytest.raises(NotImplementedError, match="inner_value"):
            unfinished.inner_value(np.zeros(4), np.zeros(6))
    given = pyblo.FunctionProblem(4, 6, **functions_of(Case(12)), inner_value=lambda u, w: 2.5)
    assert given.inner_value(np.zeros(4), np.zeros(6)) == 2.5


@pytest.mark.parametrize("w0", [None, np.ones(6)])
def test_an_inner_solution_by_a_function_gets_the_start(w0):
    seen = []

    def solution(u, start):
        seen.append(start.copy())
        return start + u[0]

    problem = pyblo.FunctionProblem(4, 6, **functions_of(Case(12)), inner_solution=solution)
    start = np.zeros(6) if w0 is None else w0
    assert np.array_equal(problem.inner_solution(np.full(4, 3.0), w0), start + 3) and np.array_equal(seen[-1], start)
    found = pyblo.hypergradient(problem, np.full(4, 3.0), w0=w0, method=pyblo.Identity())
    assert np.array_equal(found.w, start + 3)
    with pytest.raises(NotImplementedError, match="GradientDescent"):
        contraction(1)[0].inner_solution(np.zeros(3))


def test_a_hessian_that_is_not_finite_is_a_status():
    case = Case(15)
    problem = Written(case, lambda which, call, value: value * np.nan if which == "hessian" else value)
    found = pyblo.hypergradient(problem, case.u)
    assert found.status == pyblo.Status.DIVERGED and "hessian: returned NaN" in found.message


def test_products_of_a_map_with_columns_and_matrices():
    problem, u, w, _, C, D, _ = contraction(3)
    V = np.random.default_rng(0).standard_normal((5, 4))
    H, M = problem.hessian(u, w), problem.cross(u, w)
    assert np.allclose(H @ V, V - C @ V, atol=1e-15) and np.allclose(H.H @ V, V - C.T @ V, atol=1e-15)
    assert np.allclose(M @ V[:3], -D @ V[:3], atol=1e-15) and np.allclose(M.H @ V, -D.T @ V, atol=1e-15)
    assert np.array_equal(H @ V[:, :1], (H @ V[:, 0])[:, None])
    # (its outer gradient is w itself)
    assert {failure.method for failure in pyblo.check_problem(problem, u, w).failures} == {"outer_gradients"}


@pytest.mark.parametrize("name", ["map", "jvp_w", "vjp_w", "vjp_u"])
@pytest.mark.parametrize("change", [lambda x: x.sum(), lambda x: x[:1], lambda x: np.ones((2, x.size)), lambda x: x.tolist() + [0.0]])
def test_a_map_that_would_broadcast_is_named(name, change):
    problem, u, *_ = contraction(4)
    functions = dict(problem._functions)
    right = functions[name]
    functions[name] = lambda *arguments: change(right(*arguments))
    wrong = pyblo.FixedPointMap(3, 5, **functions)
    with pytest.raises(ValueError, match=f"^{name}: returned shape"):
        pyblo.hypergradient(wrong, u, method=pyblo.Unrolled(3))


def test_unsigned_integers_do_not_wrap():
    # Φ = u, so dF/du = Φ_uᵀ1 = 1; the negative of an unsigned one is 255
    keywords = {"outer_value": lambda u, w: w.sum(), "outer_gradients": lambda u, w: (0 * u, np.ones(1)), "map": lambda u, w: u.copy(),
                "jvp_w": lambda u, w, v: 0 * v, "vjp_w": lambda u, w, v: 0 * v}
    for one in (np.ones(1, np.uint8), np.ones(1, bool), [1]):
        problem = pyblo.FixedPointMap(1, 1, **keywords, vjp_u=lambda u, w, q, one=one: one)
        found = pyblo.hypergradient(problem, [2.0], method=pyblo.Identity(), inner=pyblo.GradientDescent(steps=1))
        assert found.grad[0] == 1.0


def test_a_transposed_answer_is_named():
    def gradient(product):
        problem = pyblo.FunctionProblem(
            (2, 3), (2, 3), outer_value=lambda U, W: np.sum(W), outer_gradients=lambda U, W: (0 * U, W),
            inner_gradient=lambda U, W: W - U, hessian_product=product, cross_adjoint=lambda U, W, Q: -Q)
        return pyblo.hypergradient(problem, np.ones((2, 3)), method=pyblo.CG(), inner=pyblo.GradientDescent(steps=1, step=1.0)).grad

    with pytest.raises(ValueError, match="hessian_product"):
        gradient(lambda U, W, V: V.T)
    assert np.array_equal(gradient(lambda U, W, V: V.ravel()), np.ones((2, 3)))  # a ravelled one has one meaning


def test_asymmetric_and_indefinite_hessians_are_named():
    case = Case(13)
    case.A = case.A + np.triu(np.ones((6, 6)))
    with pytest.raises(ValueError, match="hessian"):
        pyblo.hypergradient(Written(case), case.u)
    case = Case(13)
    case.A = -case.A
    assert pyblo.hypergradient(Written(case), case.u).status == pyblo.Status.INDEFINITE
    inner = pyblo.GradientDescent(steps=1, step=0.1)
    assert pyblo.hypergradient(Written(case), case.u, method=pyblo.CG(), inner=inner).status == pyblo.Status.INDEFINITE


def test_the_logistic_example_has_the_slope_of_its_objective():
    logistic = runpy.run_path(str(ROOT / "examples/logistic.py"))["Logistic"]
    rng = np.random.default_rng(0)
    X, X_val = rng.standard_normal((30, 4)), rng.standard_normal((20, 4))
    problem = logistic(X, np.sign(rng.standard_normal(30)), X_val, np.sign(rng.standard_normal(20)))
    u, inner = rng.standard_normal(4), pyblo.GradientDescent(tol=1e-14, momentum=0.8, nesterov=True)
    objective = pyblo.value_and_grad(problem, method=pyblo.CG(rtol=1e-13), inner=inner)
    # central differences: h² for the truncation and ε/h for the rounding of F, both about 1e-10 at h = 1e-5
    slope = [(objective(u + 1e-5 * e)[0] - objective(u - 1e-5 * e)[0]) / 2e-5 for e in np.eye(4)]
    for method in (pyblo.CG(rtol=1e-13), pyblo.Exact(), pyblo.Unrolled(4000), pyblo.Neumann(4000)):
        keywords = {} if isinstance(method, pyblo.Unrolled) else {"inner": inner}
        assert np.allclose(pyblo.hypergradient(problem, u, method=method, **keywords).grad, slope, rtol=0, atol=3e-10)
