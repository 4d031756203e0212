"""The callback of a loop, in both of SciPy's forms."""

import numpy as np
import pytest

import pyblo


def problem():
    """F* = ½‖u‖² with w* = u."""
    return pyblo.Quadratic(np.eye(2), -np.eye(2), np.eye(2))


def run(loop, callback, **keywords):
    return loop(problem(), [4.0, -2.0], callback=callback, **{"step": 0.5, "maxiter": 5, "tol": 0.0} | keywords)


LOOPS = pytest.mark.parametrize("loop", [pyblo.cold_start, pyblo.warm_start])


@LOOPS
def test_by_name_it_sees_the_start_and_every_step(loop):
    seen = []
    result = run(loop, lambda intermediate_result: seen.append(intermediate_result))
    assert [step.nit for step in seen] == list(range(6)) and result.nit == 5
    for step in seen:  # u ← u/2 from u₀, with w = u, F = ½‖w‖² and dF/du = u
        u = np.array([4.0, -2.0]) / 2**step.nit
        assert np.array_equal(step.u, u) and step.x is step.u and np.array_equal(step.w, u)
        assert step.fun == 0.5 * u @ u and np.array_equal(step.jac, u)
    assert np.array_equal(result.history.u, [step.u for step in seen])


@LOOPS
def test_by_position_it_gets_u(loop):
    seen = []
    run(loop, seen.append)
    assert np.array_equal(seen, [np.array([4.0, -2.0]) / 2**k for k in range(6)])


def test_a_callable_without_a_signature_gets_u(monkeypatch):
    def refuse(function):
        raise ValueError("no signature found")

    monkeypatch.setattr(pyblo.algorithms.inspect, "signature", refuse)
    seen = []
    run(pyblo.cold_start, seen.append, maxiter=1)
    assert np.array_equal(seen, [[4.0, -2.0], [2.0, -1.0]])


@LOOPS
@pytest.mark.parametrize("last", [1, 3])
def test_stop_iteration_ends_the_loop(loop, last):
    def stop(intermediate_result):
        if intermediate_result.nit == last:
            raise StopIteration

    result = run(loop, stop)
    assert result.nit == last and not result.success and result.status == pyblo.Status.STOPPED
    assert np.array_equal(result.u, np.array([4.0, -2.0]) / 2**last) and len(result.history.u) == last + 1


@LOOPS
def test_an_exception_is_raised_as_it_was(loop):
    error = KeyError("mine")

    def fail(u):
        raise error

    with pytest.raises(KeyError) as raised:
        run(loop, fail)
    assert raised.value is error


@LOOPS
def test_what_it_writes_changes_nothing(loop):
    def write(intermediate_result):
        for name in ("u", "w", "jac"):
            intermediate_result[name][...] = np.nan

    found, expected = run(loop, write), run(loop, None)
    assert np.array_equal(found.u, expected.u) and np.array_equal(found.history.w, expected.history.w)


def test_shapes_are_those_of_the_problem():
    problem = pyblo.FunctionProblem(
        (2, 2), (2, 2), outer_value=lambda U, W: 0.5 * np.sum(W**2), outer_gradients=lambda U, W: (0 * U, W),
        inner_gradient=lambda U, W: W - U, hessian_product=lambda U, W, V: V, cross_adjoint=lambda U, W, Q: -Q)
    seen = []
    keywords = {"method": pyblo.Identity(), "inner": pyblo.GradientDescent(steps=1, step=1.0), "step": 0.5, "maxiter": 1}
    pyblo.cold_start(problem, np.ones((2, 2)), callback=lambda intermediate_result: seen.append(intermediate_result), **keywords)
    assert {seen[0][name].shape for name in ("u", "w", "jac")} == {(2, 2)}
