"""Bad input is refused by the name of its argument or ends in a status; inputs are left alone; Ctrl-C works."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import pyblo

NAN, INF = np.nan, np.inf


def quadratic(**changes):
    """A small problem with some of its arrays replaced; A has λmax = 2."""
    arrays = {
        "A": np.diag([2.0, 1.0, 0.0]),
        "B": np.eye(3)[:, :2],
        "P": np.eye(3),
        "d": np.array([1.0, 2.0, 0.0]),
        "f": np.ones(3),
    }
    arrays.update(changes)
    return pyblo.Quadratic(arrays.pop("A"), arrays.pop("B"), arrays.pop("P"), **arrays)


def target(**changes):
    """A small target-learning problem with some of its arrays replaced."""
    return pyblo.TargetLearning(**({"Phi": np.eye(2, 3), "Phi_out": np.ones((1, 3)), "y_out": np.ones(1)} | changes))


def ridge(**changes):
    """A small ridge problem with some of its arguments replaced."""
    X = np.arange(8.0).reshape(4, 2) % 3
    return pyblo.Ridge(**({"X": X, "y": np.ones(4), "X_val": X[:2], "y_val": np.ones(2)} | changes))


def biased(**changes):
    """A small problem of biased regularisation with some of its arguments replaced."""
    X = np.arange(8.0).reshape(4, 2) % 3
    return pyblo.BiasedRidge(**({"X": X, "y": np.ones(4), "X_val": X[:2], "y_val": np.ones(2), "beta": 0.5} | changes))


def gradient(problem=None, u=(1.0, 2.0), w=None, **keywords):
    """One hypergradient."""
    return pyblo.hypergradient(quadratic() if problem is None else problem, u, w, **keywords)


def put(array, value):
    """The array with one entry replaced, on both sides of the diagonal where it is square."""
    array = np.array(array)
    array[(0,) * array.ndim] = value
    return array


def loop(**keywords):
    """One cold start of the small problem."""
    arguments = {"u0": np.ones(2), "maxiter": 3} | keywords
    return pyblo.cold_start(quadratic(), arguments.pop("u0"), **arguments)


ONE = np.ones(2)
TWO = np.array([[2.0, 1.0], [1.0, 2.0]])
ROTATED = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
SYSTEM = pyblo.linalg

SHAPES = {
    "A": [
        lambda: quadratic(A=np.ones((3, 2))),
        lambda: quadratic(A=np.ones(3)),
        lambda: quadratic(A=2.0),
        lambda: SYSTEM.cg(np.ones((2, 3)), ONE),
        lambda: SYSTEM.cg(ONE, ONE),
        lambda: SYSTEM.neumann(np.ones((2, 3)), ONE, terms=1),
    ],
    "B": [lambda: quadratic(B=np.eye(2)), lambda: quadratic(B=np.ones(3))],
    "P": [lambda: quadratic(P=np.eye(2)), lambda: quadratic(P=np.ones(3))],
    "C": [lambda: quadratic(C=np.eye(3)), lambda: quadratic(C=ONE)],
    "d": [lambda: quadratic(d=ONE), lambda: quadratic(d=np.ones((3, 1)))],
    "f": [lambda: quadratic(f=ONE), lambda: quadratic(f=1.0)],
    "e": [lambda: quadratic(e=np.ones(3))],
    "u": [
        lambda: gradient(u=np.ones(3)),
        lambda: gradient(u=1.0),
        lambda: gradient(u=np.ones((2, 1))),
        lambda: pyblo.value_and_grad(quadratic())(np.ones(3)),
    ],
    "w": [lambda: gradient(w=ONE)],
    "w0": [
        lambda: gradient(w0=ONE),
        lambda: loop(w0=ONE),
        lambda: pyblo.value_and_grad(quadratic(), w0=ONE),
        lambda: pyblo.equilibria.cold_start(quadratic(), ONE, ONE),
        lambda: pyblo.warm_start(quadratic(), ONE, ONE),
    ],
    "u0": [
        lambda: loop(u0=np.ones(3)),
        lambda: pyblo.warm_start(quadratic(), np.ones(3)),
        lambda: pyblo.equilibria.cold_start(quadratic(), np.ones(3)),
    ],
    "Phi": [lambda: target(Phi=np.ones(3))],
    "Phi_out": [lambda: target(Phi_out=np.ones((1, 2))), lambda: target(Phi_out=np.ones(3))],
    "y_out": [lambda: target(y_out=ONE), lambda: target(y_out=1.0)],
    "X": [lambda: ridge(X=ONE), lambda: ridge(X=np.ones((0, 2)), y=np.ones(0)), lambda: biased(X=ONE)],
    "y": [lambda: ridge(y=ONE), lambda: biased(y=ONE)],
    "X_val": [
        lambda: ridge(X_val=np.ones((2, 3))),
        lambda: ridge(X_val=np.ones((0, 2)), y_val=np.ones(0)),
        lambda: biased(X_val=np.ones((2, 3))),
    ],
    "y_val": [lambda: ridge(y_val=np.ones(3)), lambda: biased(y_val=1.0)],
    "b": [
        lambda: SYSTEM.cg(TWO, np.ones(3)),
        lambda: SYSTEM.cg(TWO, 1.0),
        lambda: SYSTEM.neumann(TWO, np.ones(3), terms=1),
        lambda: SYSTEM.cg(np.stack([TWO, TWO]), np.ones((3, 2))),
    ],
    "x0": [lambda: SYSTEM.cg(TWO, ONE, np.ones(3))],
}

STRANGE = [
    np.ones(3) * 1j,
    np.array(["a", "b", "c"]),
    np.array([1, None, 2], dtype=object),
    np.ones(3, np.longdouble),
    np.ones(3, np.float16),
    np.ma.masked_array(np.ones(3), [0, 1, 0]),
    np.zeros(3, "M8[s]"),
    [1.0, [2.0], 3.0],
]


def stacked(value, rows):
    """A strange vector as the rows of a matrix, where it can be."""
    return (
        [value] * rows
        if isinstance(value, list)
        else np.ma.stack([value] * rows)
        if np.ma.isMA(value)
        else np.stack([value] * rows)
    )


TYPES = {
    "A": lambda v: quadratic(A=stacked(v, 3)),
    "B": lambda v: quadratic(B=stacked(v, 3)),
    "P": lambda v: quadratic(P=stacked(v, 3)),
    "d": lambda v: quadratic(d=v),
    "f": lambda v: quadratic(f=v),
    "u": lambda v: gradient(quadratic(B=np.diag([1.0, 1.0, 0.0])), u=v),
    "w": lambda v: gradient(w=v),
    "w0": lambda v: gradient(w0=v),
    "u0": lambda v: pyblo.cold_start(quadratic(B=np.diag([1.0, 1.0, 0.0])), v),
    "Phi": lambda v: target(Phi=stacked(v, 2)),
    "Phi_out": lambda v: target(Phi_out=stacked(v, 1)),
    "y_out": lambda v: target(Phi_out=np.ones((3, 3)), y_out=v),
    "X": lambda v: ridge(X=stacked(v, 4), X_val=np.ones((2, 3))),
    "X_val": lambda v: ridge(X=np.ones((4, 3)), X_val=stacked(v, 2)),
    "y": lambda v: ridge(X=np.ones((3, 2)), y=v),
    "y_val": lambda v: ridge(X_val=np.ones((3, 2)), y_val=v),
    "beta": lambda v: biased(beta=v),
    "b": lambda v: SYSTEM.cg(np.eye(3), v),
    "x0": lambda v: SYSTEM.cg(np.eye(3), np.ones(3), v),
}

VALUES = {
    "A": [
        lambda: quadratic(A=ROTATED),
        lambda: SYSTEM.cg(ROTATED, np.ones(3)),
        lambda: SYSTEM.neumann(ROTATED, np.ones(3), terms=1),
        lambda: gradient(quadratic(A=np.diag([2.0, 1.0, -0.5]))),
        lambda: loop_of(quadratic(A=np.diag([2.0, 1.0, -0.5]))),
        lambda: gradient(quadratic(A=-np.eye(3))),
        lambda: gradient(quadratic(A=put(np.eye(3), NAN))),
        lambda: gradient(quadratic(A=put(np.eye(3), INF))),
        lambda: SYSTEM.neumann(put(np.eye(3), NAN), np.ones(3), terms=1),
    ],
    "P": [
        lambda: quadratic(P=ROTATED),
        lambda: loop_of(quadratic(P=np.diag([1.0, -1.0, 0.0]))),
        lambda: pyblo.equilibria.cold_start(quadratic(P=np.diag([1.0, -1.0, 0.0])), ONE),
    ],
    "C": [lambda: quadratic(C=np.array([[1.0, 1.0], [0.0, 1.0]]))],
    "B": [
        lambda: gradient(quadratic(B=np.ones((3, 2)))),
        lambda: loop_of(quadratic(B=np.ones((3, 2)))),
        lambda: pyblo.equilibria.cold_start(quadratic(B=np.ones((3, 2))), ONE),
        lambda: quadratic(B=np.ones((3, 2))).inner_solution(ONE),
        lambda: gradient(quadratic(B=put(np.eye(3)[:, :2], NAN))),
    ],
    "d": [
        lambda: gradient(quadratic(d=np.ones(3))),
        lambda: loop_of(quadratic(d=np.ones(3))),
        lambda: gradient(quadratic(d=put(np.zeros(3), INF))),
    ],
    "h": [lambda: quadratic(h=NAN), lambda: quadratic(h=INF)],
    "c": [lambda: quadratic(c=NAN)],
    "u": [
        lambda: gradient(u=[NAN, 1.0]),
        lambda: gradient(u=[1.0, -INF]),
        lambda: pyblo.value_and_grad(quadratic())([NAN, 1.0]),
    ],
    "w": [lambda: gradient(w=[NAN, 1.0, 1.0])],
    "w0": [lambda: gradient(w0=[NAN, 1.0, 1.0]), lambda: loop(w0=[INF, 1.0, 1.0])],
    "u0": [lambda: loop(u0=[NAN, 1.0]), lambda: pyblo.equilibria.cold_start(quadratic(), [INF, 1.0])],
    "Phi": [lambda: gradient(target(Phi=put(np.eye(2, 3), NAN)))],
    "X": [lambda: gradient(ridge(X=put(np.ones((4, 2)), NAN)))],
    "y": [lambda: gradient(ridge(y=put(np.ones(4), INF)))],
    "penalty": [lambda: ridge(penalty="both")],
    "beta": [
        lambda: biased(beta=-1e-300),
        lambda: biased(beta=NAN),
        lambda: biased(beta=INF),
        lambda: biased(beta=[1.0, NAN]),
        lambda: biased(beta=5e-324),  # 1/β overflows
        lambda: pyblo.BiasedRidge(*(np.ones(shape, np.float32) for shape in ((1, 1), 1, (1, 1), 1)), beta=1e-40),
    ],
    "terms": [
        lambda: pyblo.Neumann(-1),
        lambda: pyblo.Neumann(np.int64(-5)),
        lambda: SYSTEM.neumann(TWO, ONE, terms=-1),
    ],
    "steps": [lambda: pyblo.Unrolled(-1), lambda: pyblo.GradientDescent(steps=-1)],
    "maxiter": [
        lambda: pyblo.CG(maxiter=-1),
        lambda: pyblo.FixedPoint(-1),
        lambda: pyblo.GradientDescent(maxiter=-1),
        lambda: loop(maxiter=-1),
        lambda: SYSTEM.cg(TWO, ONE, maxiter=-1),
    ],
    "eps": [
        lambda: pyblo.Damped(0.0),
        lambda: pyblo.Damped(-1.0),
        lambda: pyblo.Damped(NAN),
        lambda: pyblo.Damped(INF),
        lambda: pyblo.Proximal(0.0),
        lambda: pyblo.Proximal(NAN),
    ],
    "rcond": [lambda: pyblo.Exact(rcond=-1e-3), lambda: pyblo.Exact(rcond=NAN)],
    "momentum": [
        lambda: pyblo.Unrolled(3, momentum=1.0),
        lambda: pyblo.Unrolled(3, momentum=-0.1),
        lambda: pyblo.GradientDescent(steps=3, momentum=NAN),
        lambda: pyblo.GradientDescent(steps=3, momentum=1.5),
    ],
    "mode": [lambda: pyblo.Unrolled(3, mode="sideways")],
    "rtol": [
        lambda: pyblo.CG(rtol=-1.0),
        lambda: pyblo.CG(rtol=NAN),
        lambda: SYSTEM.cg(TWO, ONE, rtol=-1.0),
        lambda: SYSTEM.cg(TWO, ONE, rtol=NAN),
    ],
    "atol": [lambda: pyblo.CG(atol=-1.0), lambda: SYSTEM.cg(TWO, ONE, atol=NAN)],
    "tol": [lambda: loop(tol=-1.0), lambda: loop(tol=NAN), lambda: pyblo.GradientDescent(tol=-1.0)],
    "route": [lambda: gradient(route="fast"), lambda: gradient(method=pyblo.CG(), route="spectral")],
    "inner": [lambda: gradient(method=pyblo.Unrolled(3), inner=pyblo.ClosedForm())],
    "step": [
        lambda: pyblo.Neumann(3, step=0.0),
        lambda: pyblo.Neumann(3, step=-1.0),
        lambda: pyblo.Neumann(3, step=NAN),
        lambda: pyblo.Unrolled(3, step=INF),
        lambda: loop(step=0.0),
        lambda: loop(step=-1.0),
        lambda: loop(step=NAN),
        lambda: loop(step=INF),
        lambda: SYSTEM.neumann(TWO, ONE, terms=3, step=-0.1),
        lambda: SYSTEM.neumann(np.stack([TWO, TWO]), ONE, terms=1, step=[0.1, 0.1, 0.1]),
        lambda: pyblo.cold_start(ridge(), ONE),
        lambda: pyblo.warm_start(ridge(), ONE),
    ],
    "problem": [lambda: pyblo.equilibria.cold_start(ridge(), ONE)],
    "method": [lambda: pyblo.equilibria.cold_start(quadratic(), ONE, None, pyblo.CG())],
}

KINDS = {
    "problem": [lambda: gradient(3), lambda: pyblo.cold_start("problem", ONE)],
    "method": [lambda: gradient(method="Exact"), lambda: gradient(method=pyblo.Exact), lambda: loop(method=None)],
    "inner": [lambda: gradient(inner=pyblo.ClosedForm), lambda: gradient(inner="gd")],
    "terms": [lambda: pyblo.Neumann(1.5), lambda: pyblo.Neumann("3"), lambda: pyblo.Neumann(None)],
    "eps": [lambda: pyblo.Damped("small"), lambda: pyblo.Damped(1j)],
    "maxiter": [lambda: loop(maxiter=2.5)],
    "callback": [lambda: loop(callback=3)],
    "h": [lambda: quadratic(h="zero")],
    "beta": [lambda: biased(beta="much"), lambda: biased(beta=None), lambda: biased(beta=1j), lambda: biased(beta=[1.0, None])],
    "log": [lambda: ridge(log="yes"), lambda: ridge(log=1)],
    "dtype": [lambda: user_problem(dtype=np.float16), lambda: user_problem(dtype=complex)],
    "outer_shape": [lambda: user_problem(np.array([2, 2])), lambda: user_problem(2.0), lambda: user_problem(("2",))],
    "outer_gradients": [lambda: gradient_of_user(lambda u, w: w), lambda: gradient_of_user(lambda u, w: [u, w])],
    "steps": [lambda: pyblo.Unrolled(2.0), lambda: pyblo.Unrolled(np.array([1, 2]))],
}


def user_problem(shape=1, outer_gradients=lambda u, w: (0 * u, w), **keywords):
    """f = ½(w − u)², F = ½w², by functions."""
    return pyblo.FunctionProblem(
        shape, shape, outer_value=lambda u, w: 0.5 * np.sum(w * w), outer_gradients=outer_gradients,
        inner_gradient=lambda u, w: w - u, hessian_product=lambda u, w, v: v, cross_adjoint=lambda u, w, q: -q, **keywords)


def gradient_of_user(outer_gradients):
    """The hypergradient of a problem with these outer gradients."""
    inner = pyblo.GradientDescent(steps=1, step=1.0)
    return gradient(user_problem(outer_gradients=outer_gradients), [1.0], method=pyblo.Identity(), inner=inner)


def loop_of(problem):
    """A cold start of a problem."""
    return pyblo.cold_start(problem, ONE, maxiter=3)


def cases(table):
    """(name, call) pairs with readable ids."""
    return [pytest.param(name, call, id=f"{name}-{k}") for name, calls in table.items() for k, call in enumerate(calls)]


def names(error, argument):
    """Whether the message of an error has the name of the argument as a word."""
    return re.search(rf"(?<!\w){re.escape(argument)}(?!\w)", str(error)) is not None


@pytest.mark.parametrize(("argument", "call"), cases(SHAPES) + cases(VALUES))
def test_a_bad_value_is_named(argument, call):
    with pytest.raises(ValueError) as refused:
        call()
    assert names(refused.value, argument)


@pytest.mark.parametrize(("argument", "call"), cases(KINDS))
def test_a_bad_kind_is_named(argument, call):
    with pytest.raises(TypeError) as refused:
        call()
    assert names(refused.value, argument)


@pytest.mark.parametrize("argument", TYPES)
@pytest.mark.parametrize("k", range(len(STRANGE)))
def test_a_bad_dtype_is_named(argument, k):
    with pytest.raises(TypeError) as refused:
        TYPES[argument](STRANGE[k])
    assert names(refused.value, argument)


RULES = [(momentum, nesterov) for momentum in (0.0, 0.5, 0.9) for nesterov in (False, True)]


@pytest.mark.parametrize(("momentum", "nesterov"), RULES)
@pytest.mark.parametrize("route", ["auto", "spectral", "iterate"])
def test_step_beyond_the_limit_of_its_recurrence_is_refused(momentum, nesterov, route):
    limit = 2 * (1 + momentum) / ((1 + 2 * momentum) if nesterov else 1) / 2.0
    rule = {"momentum": momentum, "nesterov": nesterov}
    for step in (limit, 1.01 * limit, 100.0):
        for keywords in (
            {"method": pyblo.Unrolled(5, step, **rule)},
            {"method": pyblo.Identity(), "inner": pyblo.GradientDescent(steps=5, step=step, **rule)},
        ):
            with pytest.raises(ValueError, match="step") as refused:
                gradient(route=route, **keywords)
            assert f"{limit:.4g}" in str(refused.value) or f"{limit:g}" in str(refused.value)
    assert gradient(method=pyblo.Unrolled(5, 0.99 * limit, **rule), route=route).success


@pytest.mark.parametrize("route", ["auto", "spectral", "iterate"])
def test_series_beyond_its_limit_is_refused_and_one_term_is_not(route):
    for method in (pyblo.Neumann(2, step=1.0), pyblo.FixedPoint(2, step=1.5)):
        with pytest.raises(ValueError, match="step"):
            gradient(method=method, route=route)
    assert gradient(method=pyblo.Neumann(1, step=10.0), route=route).success
    assert gradient(method=pyblo.Unrolled(1, step=10.0), route=route).success
    with pytest.raises(ValueError, match="step"):
        SYSTEM.neumann(TWO, ONE, terms=2, step=0.7)
    assert np.array_equal(SYSTEM.neumann(TWO, ONE, terms=1, step=10.0), 10 * ONE)


def test_no_terms_and_no_steps_are_nothing():
    assert not np.any(gradient(method=pyblo.Neumann(0, step=0.1)).grad)
    assert not np.any(gradient(method=pyblo.Neumann(0, step=0.1), route="iterate").grad)
    found = gradient(method=pyblo.Unrolled(0, step=0.1), w0=[1.0, 2.0, 3.0], route="iterate")
    assert not np.any(found.grad) and np.array_equal(found.w, [1.0, 2.0, 3.0])
    assert not np.any(SYSTEM.neumann(TWO, ONE, terms=0))


NOT_FINITE = {
    "P": lambda: gradient(quadratic(P=put(np.eye(3), NAN))),
    "f": lambda: gradient(quadratic(f=put(np.zeros(3), INF))),
    "P in a loop": lambda: loop_of(quadratic(P=put(np.eye(3), INF))),
    "f in a loop": lambda: loop_of(quadratic(f=put(np.zeros(3), NAN))),
    "Phi_out": lambda: gradient(target(Phi_out=put(np.ones((1, 3)), NAN))),
    "y_out": lambda: gradient(target(y_out=np.array([INF]))),
    "X_val": lambda: gradient(ridge(X_val=put(np.ones((2, 2)), NAN))),
    "y_val": lambda: gradient(ridge(y_val=np.array([NAN, 1.0]))),
    "X_val of a biased one": lambda: gradient(biased(X_val=put(np.ones((2, 2)), NAN))),
    "X_val in a loop": lambda: loop_of(biased(X_val=put(np.ones((2, 2)), INF))),
    "y of a biased one": lambda: gradient(biased(y=np.full(4, 1e308), X=1e9 * np.ones((4, 2)))),
    "u too large": lambda: gradient(ridge(), u=[800.0, 800.0]),
    "u negative": lambda: gradient(ridge(log=False), u=[-50.0, -50.0]),
    "A overflows": lambda: gradient(quadratic(A=np.diag([1e300, 1e300, 0.0]), P=1e300 * np.eye(3)), u=[1e300, 1e300]),
}


@pytest.mark.parametrize("name", NOT_FINITE)
def test_nothing_is_silently_not_finite(name):
    try:
        found = NOT_FINITE[name]()
    except ValueError as refused:
        assert names(refused, name.split()[0])
    else:
        finite = np.isfinite(getattr(found, "grad", getattr(found, "jac", None))).all()
        assert finite or not found.success
        assert finite or found.status in (pyblo.Status.DIVERGED, pyblo.Status.INDEFINITE)
        assert found.message


def test_an_array_of_another_library_is_named():
    class Foreign:
        """As CuPy's or Torch's arrays say what they are."""

        def __array_namespace__(self):
            return np

    for name, call in (("u", lambda a: gradient(u=a)), ("A", lambda a: quadratic(A=a)), ("b", lambda a: SYSTEM.cg(TWO, a))):
        with pytest.raises(TypeError, match=rf"{name}: got .*Foreign"):
            call(Foreign())


def test_what_cannot_be_allocated_is_named_with_its_bytes(monkeypatch):
    def refuse(*arguments):
        raise MemoryError

    wide = np.broadcast_to(np.float32(1), (3, 3))
    monkeypatch.setattr(np, "require", refuse)
    with pytest.raises(MemoryError, match=r"A would take 36 bytes"):
        SYSTEM.cg(wide, np.ones(3, np.float32))


def test_what_cannot_fit_is_refused_before_it_is_tried(monkeypatch):
    monkeypatch.setattr(os, "sysconf", lambda name: 4)  # a machine of 16 bytes
    with pytest.raises(MemoryError, match="history.* would take .* bytes, and this machine has 16"):
        pyblo.cold_start(user_problem(), ONE[:1], method=pyblo.Identity(), inner=pyblo.GradientDescent(steps=1), step=1.0, maxiter=9)


def test_negative_penalties_have_no_inner_solution():
    with pytest.raises(ValueError, match="u: with the penalties"):
        ridge(log=False).inner_solution([-50.0, -50.0])


def test_a_singular_ridge_problem_has_no_outer_hessian():
    problem = ridge(X=np.ones((4, 2)), log=False)
    with pytest.raises(ValueError, match="u: F.* singular"):
        pyblo.prepare(problem).outer_hessian([0.0, 0.0])


def test_a_problem_whose_eigenvalues_leave_the_range_is_named():
    with pytest.raises(ValueError, match="Phi: singular values"):
        gradient(target(Phi=1e-170 * np.eye(2, 3)))
    for scale, beta in ((1e-170, 0.0), (1e170, 0.0), (1e170, 1.0)):
        with pytest.raises(ValueError, match="X: singular values"):
            gradient(biased(X=scale * np.eye(4, 2), beta=beta))
    assert gradient(biased(X=1e-170 * np.eye(4, 2))).success  # H = βI


EMPTY = {
    "no inner variables": (
        "A",
        lambda: gradient(pyblo.Quadratic(np.zeros((0, 0)), np.zeros((0, 2)), np.zeros((0, 0)))),
    ),
    "no outer variables": ("B", lambda: gradient(quadratic(B=np.zeros((3, 0))), u=[])),
    "no outer variables in a loop": ("B", lambda: pyblo.cold_start(quadratic(B=np.zeros((3, 0))), [])),
    "no outer variables at the limit": ("B", lambda: pyblo.equilibria.cold_start(quadratic(B=np.zeros((3, 0))), [])),
    "no targets": ("Phi", lambda: gradient(target(Phi=np.zeros((0, 3))), u=[])),
    "no original points": ("Phi_out", lambda: gradient(target(Phi_out=np.zeros((0, 3)), y_out=np.zeros(0)))),
    "no features": ("X", lambda: gradient(ridge(X=np.zeros((4, 0)), X_val=np.zeros((2, 0))), u=[])),
    "no training data": ("X", lambda: gradient(biased(X=np.zeros((0, 2)), y=np.zeros(0)))),
    "no training data in a loop": ("X", lambda: pyblo.warm_start(biased(X=np.zeros((0, 2)), y=np.zeros(0)), ONE, method=pyblo.CG())),
    "no features of a biased one": ("X", lambda: gradient(biased(X=np.zeros((4, 0)), X_val=np.zeros((2, 0))), u=[])),
    "no validation data": ("X_val", lambda: gradient(biased(X_val=np.zeros((0, 2)), y_val=np.zeros(0)))),
    "no equations": ("A", lambda: SYSTEM.cg(np.zeros((0, 0)), np.zeros(0))[1]),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_arrays_are_named_or_have_the_empty_answer(name):
    argument, call = EMPTY[name]
    try:
        found = call()
    except ValueError as refused:
        assert names(refused, argument)
    else:
        assert found.success
        for key in ("grad", "w", "u", "jac"):
            assert np.isfinite(getattr(found, key, 0.0)).all()


def digests(arrays):
    """A hash of the bytes of each array."""
    return [hashlib.sha256(array.tobytes()).hexdigest() for array in arrays]


METHODS = [
    pyblo.Exact(),
    pyblo.Damped(0.1),
    pyblo.Neumann(5),
    pyblo.Identity(),
    pyblo.CG(),
    pyblo.FixedPoint(5),
    pyblo.Unrolled(5),
    pyblo.Unrolled(5, momentum=0.5, mode="forward"),
    pyblo.Unrolled(5, momentum=0.5, nesterov=True),
]


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("make", [quadratic, target, biased, ridge])
def test_inputs_are_left_alone_and_outputs_are_fresh(method, make):
    problem, u = make(), np.ones(2)
    w0 = np.ones(problem.inner_shape)
    arrays = [value for value in vars(problem).values() if isinstance(value, np.ndarray)] + [u, w0]
    before = digests(arrays)
    step = 0.01 if make is ridge else None
    results = [pyblo.hypergradient(problem, u, method=method, w0=w0)]
    results += [
        run(problem, u, w0, method=method, maxiter=4, step=step) for run in (pyblo.cold_start, pyblo.warm_start)
    ]
    outputs = [
        value
        for result in results
        for value in (result.w, getattr(result, "grad", None), result.get("u") if isinstance(result, dict) else None)
        if value is not None
    ]
    outputs.append(pyblo.value_and_grad(problem, method=method, w0=w0)(u)[1])
    outputs.append(problem.inner_solution(u, w0))
    assert digests(arrays) == before
    assert not any(np.shares_memory(output, array) for output in outputs for array in arrays)


@pytest.mark.parametrize("make", [quadratic, target, biased, ridge])
def test_frozen_inputs_are_enough(make):
    problem, u = make(), np.ones(2)
    for value in vars(problem).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    u.flags.writeable = False
    assert pyblo.hypergradient(problem, u).success
    assert np.isfinite(pyblo.cold_start(problem, u, maxiter=3, step=0.1).u).all()


LONG = {
    "linalg.cg": "pyblo.linalg.cg(large @ large.T, large[0], rtol=0.0, atol=0.0, maxiter=10**9)",
    "linalg.neumann": "pyblo.linalg.neumann(A, b, terms=10**9)",
    "GradientDescent": "pyblo.hypergradient(problem, u, inner=pyblo.GradientDescent(tol=0.0, maxiter=10**9))",
    "GradientDescent of many steps": """pyblo.hypergradient(
        problem, u, inner=pyblo.GradientDescent(steps=10**9), method=pyblo.Identity(), route='iterate')""",
    "Unrolled": "pyblo.hypergradient(problem, u, method=pyblo.Unrolled(10**9), route='iterate')",
    "cold_start": "pyblo.cold_start(small, u[:2], step=1e-9, tol=0.0, maxiter=10**12, history=False)",
    "warm_start": """pyblo.warm_start(
        problem, u, method=pyblo.Neumann(5), inner=pyblo.GradientDescent(steps=5), step=1e-9, tol=0.0, maxiter=10**9,
        history=False, route='iterate')""",
}

SCRIPT = """
import signal
import sys
import numpy as np
import pyblo

signal.signal(signal.SIGINT, signal.default_int_handler)  # the background jobs of a shell inherit an ignored one
rng = np.random.default_rng(0)
factor = rng.standard_normal((150, 150))
A, b, u = factor @ factor.T, rng.standard_normal(150), np.ones(150)
problem = pyblo.Quadratic(A, np.eye(150), np.eye(150), f=b)
large = rng.standard_normal((1500, 1500)) * np.logspace(-5, 0, 1500)[:, None]
small = pyblo.Quadratic(A[:9, :9], np.eye(9)[:, :2], np.eye(9), f=b[:9])
print("ready", flush=True)
try:
    CALL
except KeyboardInterrupt:
    print("interrupted", flush=True)
    print(pyblo.linalg.cg(np.eye(2), np.ones(2))[1].success, flush=True)
else:
    print("finished", flush=True)
"""


@pytest.mark.parametrize("name", LONG)
def test_interrupt_returns_within_half_a_second(name):
    # -P and the folder of the package that is tested here: the child runs the same one. With one BLAS thread and a
    # small matrix the factorisation, which no signal interrupts, is over long before the signal comes.
    environment = os.environ | {"PYTHONPATH": str(Path(pyblo.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-P", "-c", SCRIPT.replace("CALL", LONG[name])],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as child:
        end = threading.Timer(60, child.kill)  # else a signal that is lost would be waited for without end
        end.start()
        try:
            assert child.stdout.readline() == "ready\n"
            time.sleep(0.7)
            sent = time.monotonic()
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
            assert time.monotonic() - sent < 0.5
            assert child.stdout.readline() == "True\n"
        finally:
            end.cancel()
            child.kill()


HUGE = {
    "GradientDescent, steps": lambda n: pyblo.GradientDescent(steps=n),
    "GradientDescent, maxiter": lambda n: pyblo.GradientDescent(maxiter=n),
    "Neumann": lambda n: pyblo.Neumann(n),
    "FixedPoint": lambda n: pyblo.FixedPoint(n),
    "Unrolled": lambda n: pyblo.Unrolled(n),
    "CG": lambda n: pyblo.CG(maxiter=n),
    "cold_start": lambda n: pyblo.cold_start(SMALL, [0.0], maxiter=n, history=False),
    "warm_start": lambda n: pyblo.warm_start(SMALL, [0.0], maxiter=n, history=False),
    "kaczmarz": lambda n: pyblo.equilibria.kaczmarz([0.0], [[1.0]], [1.0], maxiter=n),
    "linalg.cg": lambda n: pyblo.linalg.cg(np.eye(1), [1.0], maxiter=n),
    "linalg.neumann": lambda n: pyblo.linalg.neumann(np.eye(1), [1.0], terms=n),
    "linalg.gradient_descent": lambda n: pyblo.linalg.gradient_descent(np.eye(1), [1.0], maxiter=n),
}
SMALL = pyblo.Quadratic(A=np.eye(1), B=[[-1.0]], P=np.eye(1), f=[-1.0])


@pytest.mark.parametrize("name", HUGE)
def test_counts_beyond_an_int64_are_named(name):
    with pytest.raises(ValueError, match=r"^(steps|maxiter|terms): 9223372036854775808 is not valid; expected .* ≤ 9223372036854775807$"):
        HUGE[name](2**63)


def test_integers_that_need_no_core_may_be_of_any_size():
    assert np.array_equal(pyblo.equilibria.kaczmarz([0.0, 0.0], np.eye(2), [1.0, 2.0], block=10**30).w, [1.0, 2.0])
    drifts = pyblo.Quadratic(A=np.eye(2), B=-np.eye(2), P=np.zeros((2, 2)), f=[-1.0, 0.0])  # by step·(1, 0) per step
    for t in (2**1022, 10**400):
        for step in (0.5, 1.0):
            found = pyblo.dynamics.affine_map(drifts, step=step).iterate([0.0, 0.0], t)
            assert np.array_equal(found, [step * 2.0**1022, 0.0] if t == 2**1022 else [np.inf, np.inf])
    assert np.array_equal(pyblo.dynamics.affine_map(SMALL, step=0.5).iterate([0.0], 10**400), [1.0])
