"""A batch of problems is a loop over its problems: every result has the bits, or within rounding the numbers, of each alone."""

import dataclasses
import warnings

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator

import pyblo
from pyblo import CG, ClosedForm, Damped, Exact, FixedPoint, GradientDescent, Identity, Neumann, Proximal, Status, Unrolled

METHODS = {
    "exact": Exact(), "damped": Damped(0.1), "neumann": Neumann(4), "neumann, step": Neumann(4, 1e-3), "identity": Identity(), "cg": CG(),
    "cg, normal": CG(normal=True), "fixed point": FixedPoint(3), "unrolled": Unrolled(5), "heavy ball": Unrolled(5, momentum=0.4),
    "nesterov": Unrolled(5, 1e-3, momentum=0.4, nesterov=True), "truncated": Unrolled(5, 1e-3, last=2),
    "forward": Unrolled(4, 1e-3, mode="forward"),
}
INNERS = {
    "default": None, "closed": ClosedForm(), "descent": GradientDescent(), "steps": GradientDescent(steps=4),
    "steps, momentum": GradientDescent(steps=4, momentum=0.3, nesterov=True), "proximal": Proximal(0.3),
    "steps, step": GradientDescent(steps=4, step=1e-3, momentum=0.3), "descent, step": GradientDescent(step=1e-2, maxiter=50),
}
CORE = ("neumann, step", "identity", "cg", "cg, normal", "nesterov", "truncated", "forward", "steps, step", "descent, step")  # no LAPACK
ROUTES = ("auto", "spectral", "iterate")


def quadratic(rng, batch=(), dtype=np.float64, n=5, m=3, rank=None, shared=()):
    """A random Quadratic whose A has the rank; arrays named in shared have no batch axes."""
    def draw(name, *shape):
        return rng.standard_normal((() if name in shared else batch) + shape)

    W = draw("A", n, n if rank is None else rank)
    A = W @ np.swapaxes(W, -1, -2) / n + (np.eye(n) if rank is None else 0)
    L, half = draw("P", n, n), np.broadcast_to(A, batch + (n, n)) if "A" not in shared else A
    B, d = draw("B", n, m), draw("d", n)
    if rank is not None:
        B, d = half @ B, (half @ d[..., None])[..., 0]
    P = L @ np.swapaxes(L, -1, -2) / n
    arrays = {"d": d, "f": draw("f", n), "h": draw("h"), "C": np.eye(m), "e": draw("e", m), "c": draw("c")}
    arrays = {name: np.asarray(array, dtype) for name, array in arrays.items()}
    return pyblo.Quadratic(np.asarray(A, dtype), np.asarray(B, dtype), np.asarray((P + np.swapaxes(P, -1, -2)) / 2, dtype), **arrays)


def target(rng, batch=(), dtype=np.float64, rows=4, n=6, shared=()):
    """A random TargetLearning."""
    arrays = [rng.standard_normal((() if name in shared else batch) + shape).astype(dtype)
              for name, shape in (("Phi", (rows, n)), ("Phi_out", (3, n)), ("y_out", (3,)))]
    return pyblo.TargetLearning(*arrays)


def ridge(rng, batch=(), dtype=np.float64, shared=(), kind=pyblo.Ridge, **keywords):
    """A random Ridge, or another kind of regression."""
    arrays = [rng.standard_normal((() if name in shared else batch) + shape).astype(dtype)
              for name, shape in (("X", (7, 4)), ("y", (7,)), ("X_val", (5, 4)), ("y_val", (5,)))]
    return kind(*arrays, **keywords)


def biased(rng, batch=(), dtype=np.float64, **keywords):
    """A random BiasedRidge."""
    return ridge(rng, batch, dtype, kind=pyblo.BiasedRidge, **{"beta": rng.uniform(0.1, 3, batch)} | keywords)


KINDS = {
    "quadratic": quadratic,
    "target": target,
    "biased": biased,
    "ridge": ridge,
    "ridge, scalar": lambda rng, batch=(), dtype=np.float64: ridge(rng, batch, dtype, penalty="scalar"),
}


def point(rng, problem, batch=None):
    """(u, w) with batch axes, those of the problem where None."""
    batch = problem.batch_shape if batch is None else batch
    return (rng.standard_normal(batch + problem.outer_shape).astype(problem.dtype),
            rng.standard_normal(batch + problem.inner_shape).astype(problem.dtype))


def alone(problem, index):
    """The problem at an index of the batch, built from copies of its arrays."""
    parts = {}
    for field in dataclasses.fields(problem):
        value = getattr(problem, field.name)
        if isinstance(value, np.ndarray):
            core = type(problem)._cores[field.name]
            wide = np.broadcast_to(value, problem.batch_shape + value.shape[value.ndim - core :])
            value = wide[index].copy() if core else float(wide[index])
        parts[field.name] = value
    return type(problem)(**parts)


def outcome(call):
    """What a call returns, or the text of its ValueError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return call()
    except ValueError as error:
        return str(error)


def close(found, expected, slack=1e-11):
    """Whether a part of a batch is what it is alone: the same bits where slack is 0."""
    if expected is None or found is None:
        return found is None or np.isnan(found).all()
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        return False
    if slack == 0:
        return np.array_equal(found, expected, equal_nan=True)
    size = np.nanmax(np.abs(expected), initial=1.0)
    return np.allclose(found, expected, rtol=0, atol=slack * size, equal_nan=True)


NORMS = ("residual", "null_component")  # sums of squares, which a batch rounds in another order


def differences(found, expected, index, slack):
    """The fields of a HypergradientResult of a batch that differ from those of the problem alone."""
    fields = ("value", "grad", "w", "adjoint", "residual", "null_component", "grad_w0", "grad_step")
    wrong = [name for name in fields
             if getattr(found, name) is not None
             and not close(getattr(found, name)[index], getattr(expected, name), slack=slack if name not in NORMS else 1e-9)]
    wrong += [name for name in fields if getattr(found, name) is None and getattr(expected, name) is not None]
    wrong += [name for name in ("status", "nhvp") if getattr(found, name)[index] != getattr(expected, name)]
    return wrong if found.success[index] == expected.success else [*wrong, "success"]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("inner", INNERS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_hypergradient_of_a_batch_is_a_loop_of_them(kind, method, inner, route):
    rng = np.random.default_rng(1)
    problem = KINDS[kind](rng, (2, 3))
    u, w0 = point(rng, problem)
    keywords = {"method": METHODS[method], "inner": INNERS[inner], "route": route}
    singles = {index: alone(problem, index) for index in np.ndindex(2, 3)}
    one = outcome(lambda: pyblo.hypergradient(singles[0, 0], u[0, 0], w0=w0[0, 0], **keywords))
    result = outcome(lambda: pyblo.hypergradient(problem, u, w0=w0, **keywords))
    if isinstance(one, str):
        assert result == one
        return
    assert result.grad.shape == (2, 3, *problem.outer_shape) and result.status.shape == (2, 3)
    slack = 0 if kind != "target" and route == "iterate" and method in CORE and inner in CORE else 1e-11
    for index, single in singles.items():
        expected = pyblo.hypergradient(single, u[index], w0=w0[index], **keywords)
        assert differences(result, expected, index, slack) == []


# --- loops --------------------------------------------------------------------------------------------------------------


LOOPS = [(Exact(), None, "auto"), (CG(), None, "auto"), (Neumann(5), ClosedForm(), "iterate"), (Damped(0.3), Proximal(0.5), "auto"),
         (Neumann(3, 1e-2), GradientDescent(steps=3, step=1e-2), "iterate"), (Unrolled(6), None, "auto"),
         (Identity(), GradientDescent(steps=4, momentum=0.5), "auto"), (Unrolled(3, 1e-2, mode="forward"), None, "iterate")]


def assert_same_run(found, expected, index, slack=1e-9):
    """A run of a batch is the run of its problem alone; its history goes on with its last row."""
    nit = expected.nit
    assert found.nit[index] == nit and found.nhvp[index] == expected.nhvp
    assert (found.status[index], found.inner_status[index], found.adjoint_status[index]) == (
        expected.status, expected.inner_status, expected.adjoint_status)
    assert bool(found.success[index]) is expected.success
    for name in ("u", "w", "fun", "jac", "x"):
        assert close(found[name][index], expected[name], slack=slack), name
    for name in ("fun", "grad_norm", "u", "w"):
        rows = getattr(found.history, name)[index]
        assert len(rows) == found.nit.max() + 1
        assert close(rows[: nit + 1], getattr(expected.history, name), slack=slack), name
        assert all(np.array_equal(row, rows[nit], equal_nan=True) for row in rows[nit:])


@pytest.mark.parametrize("algorithm", [pyblo.cold_start, pyblo.warm_start])
@pytest.mark.parametrize("loop", LOOPS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_over_a_batch_is_a_loop_of_loops(kind, loop, algorithm):
    rng = np.random.default_rng(2)
    problem = KINDS[kind](rng, (2, 2))
    u, w0 = point(rng, problem)
    method, inner, route = loop
    steps = None if problem.fixed_hessian else np.array([[0.5, 0.1], [0.3, 0.7]])
    tol = [1e-8, 1e-1][kind.startswith("ridge")]
    keywords = {"method": method, "inner": inner, "route": route, "maxiter": 12, "tol": tol}
    result = algorithm(problem, u, w0, step=steps, **keywords)
    assert result.u.shape == result.x.shape == (2, 2, *problem.outer_shape) and result.fun.shape == result.nit.shape == (2, 2)
    exact = kind.startswith("ridge") and route == "iterate" and isinstance(inner, GradientDescent)
    for index in np.ndindex(2, 2):
        step = None if steps is None else steps[index]
        expected = algorithm(alone(problem, index), u[index], w0[index], step=step, **keywords)
        assert_same_run(result, expected, index, 0 if exact else 1e-9)


def test_every_run_of_a_batch_ends_by_itself():
    problem = pyblo.Quadratic(np.eye(1), -np.eye(1), np.eye(1))  # F* = u²/2
    result = pyblo.cold_start(problem, [[1.0], [1.0], [0.0]], step=np.array([0.5, 0.9, 0.1]), tol=1e-3)
    assert result.nit.tolist() == [10, 3, 0] and result.success.all()
    assert result.history.u.shape == (3, 11, 1)
    assert result.history.u[1, :, 0] == pytest.approx([1, 0.1, 0.01, *[0.001] * 8])
    assert not result.history.u[2].any()


def test_the_outer_step_is_one_for_all_or_one_for_each():
    rng = np.random.default_rng(3)
    problem = quadratic(rng, (3,))
    u, _ = point(rng, problem)
    for step in (0.1, np.array([0.1, 0.2, 0.05])):
        result = pyblo.warm_start(problem, u, step=step, maxiter=5)
        for k in range(3):
            assert_same_run(result, pyblo.warm_start(alone(problem, k), u[k], step=np.broadcast_to(step, 3)[k].item(), maxiter=5), k)
    more = pyblo.cold_start(problem, u, step=np.array([[0.1], [0.2]]), maxiter=3)
    assert more.u.shape == (2, 3, 3)
    with pytest.raises(ValueError, match=r"step: batch axes \(2,\) do not broadcast against \(3,\)"):
        pyblo.cold_start(problem, u, step=np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match=r"step: .*problem 1 of the batch"):
        pyblo.cold_start(problem, u, step=np.array([0.1, -0.2, np.nan]))


def test_only_unbounded_problems_of_a_batch_stand_still():
    P = np.stack([np.eye(2), np.diag([1.0, 0.0])])
    problem = pyblo.Quadratic(np.eye(2), -np.eye(2), P, f=[1.0, 1.0])
    result = pyblo.cold_start(problem, np.ones((3, 2, 2)), maxiter=50)
    assert result.status[:, 1].tolist() == [Status.UNBOUNDED] * 3 and result.success[:, 0].all() and not result.success[:, 1].any()
    assert result.nit[:, 1].tolist() == [0] * 3 and np.all(result.history.u[:, 1] == 1)
    assert result.message.startswith("3 of 6 problems succeeded. First failure, (0, 1): Unbounded") and "drift of 1 per" in result.message
    alone_ = pyblo.cold_start(alone(problem, (1,)), np.ones(2))
    assert alone_.status == Status.UNBOUNDED and alone_.message in result.message
    nothing = pyblo.warm_start(pyblo.Quadratic(np.eye(2), -np.eye(2), P[1], f=[1.0, 1.0]), np.ones((2, 2)))
    assert nothing.history.u.shape == (2, 1, 2) and (nothing.status == Status.UNBOUNDED).all()


def test_a_diverging_problem_leaves_the_others_alone():
    problem = pyblo.Quadratic(np.eye(1), -np.eye(1), np.array([1.0, 2.0])[:, None, None])
    result = pyblo.cold_start(problem, np.ones((2, 1)), step=[0.9, 1e200], maxiter=20)
    assert result.status.tolist() == [Status.CONVERGED, Status.DIVERGED]
    assert "First failure, 1: Diverged" in result.message


def test_a_batch_has_no_callback():
    problem = quadratic(np.random.default_rng(0), (2,))
    with pytest.raises(ValueError, match=r"callback: .*batch of shape \(2,\)"):
        pyblo.cold_start(problem, np.zeros(3), callback=print)


def test_history_may_be_left_out_and_is_refused_where_it_does_not_fit():
    problem = quadratic(np.random.default_rng(0), (2,))
    assert pyblo.cold_start(problem, np.zeros(3), history=False).history is None
    with pytest.raises(MemoryError, match="history"):
        pyblo.cold_start(problem, np.zeros((10**5, 1, 3)), maxiter=10**9)


# --- axes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [("A",), ("B", "P"), ("A", "B", "P", "C"), ("d", "f", "h", "e", "c")])
def test_shared_arrays_of_a_quadratic(shared):
    rng = np.random.default_rng(4)
    problem = quadratic(rng, (3,), shared=shared)
    u, w = point(rng, problem)
    for method in (Exact(), CG(), Neumann(3)):
        result = pyblo.hypergradient(problem, u, w0=w, method=method)
        for k in range(3):
            assert differences(result, pyblo.hypergradient(alone(problem, k), u[k], w0=w[k], method=method), k, 1e-11) == []
    loop = pyblo.cold_start(problem, u, w, maxiter=6)
    for k in range(3):
        assert_same_run(loop, pyblo.cold_start(alone(problem, k), u[k], w[k], maxiter=6), k)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_u_over_one_problem_is_a_batch(kind):
    rng = np.random.default_rng(5)
    problem = KINDS[kind](rng)
    u, w0 = point(rng, problem, (4, 1))[0], point(rng, problem, (3,))[1]
    for method, inner in ((Exact(), None), (CG(), GradientDescent(steps=4, step=1e-3)), (Unrolled(3, 1e-3), None)):
        result = pyblo.hypergradient(problem, u, w0=w0, method=method, inner=inner)
        assert result.value.shape == (4, 3)
        for i, j in np.ndindex(4, 3):
            expected = pyblo.hypergradient(problem, u[i, 0], w0=w0[j], method=method, inner=inner)
            assert differences(result, expected, (i, j), 1e-11) == []
    given = pyblo.hypergradient(problem, u, w0, method=CG())
    for i, j in np.ndindex(4, 3):
        assert differences(given, pyblo.hypergradient(problem, u[i, 0], w0[j], method=CG()), (i, j), 1e-11) == []


@pytest.mark.parametrize("kind", KINDS)
def test_axes_broadcast_as_in_numpy(kind):
    rng = np.random.default_rng(6)
    problem = KINDS[kind](rng, (2, 1))
    u = rng.standard_normal((3, *problem.outer_shape))
    prepared = pyblo.prepare(problem, method=Neumann(3))
    result = prepared.hypergradient(u)
    assert result.grad.shape == (2, 3, *problem.outer_shape)
    for i, j in np.ndindex(2, 3):
        single = pyblo.prepare(alone(problem, (i, 0)), method=Neumann(3)).hypergradient(u[j])
        assert differences(result, single, (i, j), 1e-11) == []
    again = prepared.hypergradient(u[0])  # where H depends on u, a step was fixed at each first u
    assert again.grad.shape == (2, 1 if problem.fixed_hessian else 3, *problem.outer_shape) and close(again.grad[:, 0], result.grad[:, 0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [(0,), (3, 0), (1,), (1, 1)])
def test_batches_of_none_and_of_one(kind, batch):
    rng = np.random.default_rng(7)
    problem = KINDS[kind](rng, batch)
    u, w0 = point(rng, problem)
    for method, inner in ((Exact(), None), (CG(), None), (Neumann(3), GradientDescent(steps=3)), (Unrolled(3), None)):
        result = pyblo.hypergradient(problem, u, w0=w0, method=method, inner=inner)
        assert result.grad.shape == batch + problem.outer_shape and result.success.shape == batch
        loop = pyblo.cold_start(problem, u, w0, method=method, inner=inner, step=1e-2, maxiter=3)
        assert loop.history.w.shape == (*batch, loop.nit.max(initial=0) + 1, *problem.inner_shape)
        for index in np.ndindex(batch):
            expected = pyblo.hypergradient(alone(problem, index), u[index], w0=w0[index], method=method, inner=inner)
            assert differences(result, expected, index, 1e-11) == []
        assert result.summary() and loop.summary()
    if problem.fixed_hessian:
        assert pyblo.cold_start(problem, u, w0, maxiter=3).u.shape == batch + problem.outer_shape
        assert pyblo.equilibria.cold_start(problem, u, w0).u.shape == batch + problem.outer_shape
    assert pyblo.prepare(problem).outer_hessian(u).todense().shape == batch + 2 * problem.outer_shape


def test_ranks_may_differ_in_a_batch():
    rng = np.random.default_rng(8)
    singles = [quadratic(rng, rank=rank) for rank in (2, None, 4, 1)]
    singles.append(pyblo.Quadratic(np.zeros((5, 5)), np.zeros((5, 3)), np.eye(5)))
    names = "ABPdfhec"
    arrays = {name: np.stack([getattr(single, name) for single in singles]) for name in names}
    problem = pyblo.Quadratic(arrays.pop("A"), arrays.pop("B"), arrays.pop("P"), **arrays)
    u, w0 = point(rng, problem)
    for method in (*METHODS.values(), Exact(rcond=1e-6)):
        for route in ("auto", "iterate"):
            if route == "iterate" and isinstance(method, Exact):
                continue
            result = pyblo.hypergradient(problem, u, w0=w0, method=method, route=route)
            for k, single in enumerate(singles):
                expected = pyblo.hypergradient(single, u[k], w0=w0[k], method=method, route=route)
                assert differences(result, expected, k, 1e-11) == []
    for method in (Exact(), CG(), Neumann(3)):
        loop = pyblo.cold_start(problem, u, w0, method=method, maxiter=5)
        for k, single in enumerate(singles):
            assert_same_run(loop, pyblo.cold_start(single, u[k], w0[k], method=method, maxiter=5), k, 1e-8)


@pytest.mark.parametrize("batch", [(3,), ()])
def test_strengths_may_differ_in_a_batch_and_be_zero(batch):
    rng, beta = np.random.default_rng(18), np.array([0.5, 0.0, 1e-9])
    problem = biased(rng, batch, beta=beta) if batch else biased(rng, beta=beta)
    short = pyblo.BiasedRidge(problem.X[..., :2, :], problem.y[..., :2], problem.X_val, problem.y_val, beta=beta)  # H is singular at β = 0
    for one in (problem, short):
        u, w0 = point(rng, one)
        for method in METHODS.values():
            result = pyblo.hypergradient(one, u, w0=w0, method=method)
            for k in range(3):
                expected = pyblo.hypergradient(alone(one, (k,)), u[k], w0=w0[k], method=method)
                assert differences(result, expected, k, 1e-11) == []
        loop = pyblo.warm_start(one, u, w0, method=CG(), maxiter=4)
        for k in range(3):
            assert_same_run(loop, pyblo.warm_start(alone(one, (k,)), u[k], w0[k], method=CG(), maxiter=4), k)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_float32(kind):
    rng = np.random.default_rng(9)
    problem = KINDS[kind](rng, (3,), np.float32)
    u, w0 = point(rng, problem)
    for method, inner in ((Exact(), None), (CG(), None), (Neumann(3), GradientDescent(steps=3)), (Unrolled(3), None)):
        result = pyblo.hypergradient(problem, u, w0=w0, method=method, inner=inner)
        assert {result.value.dtype, result.grad.dtype, result.w.dtype} == {np.dtype(np.float32)}
        loop = pyblo.cold_start(problem, u, w0, method=method, inner=inner, step=1e-2, maxiter=3)
        assert {loop.u.dtype, loop.w.dtype, loop.fun.dtype, loop.history.fun.dtype} == {np.dtype(np.float32)}
        for k in range(3):
            expected = pyblo.hypergradient(alone(problem, k), u[k], w0=w0[k], method=method, inner=inner)
            assert close(result.grad[k], expected.grad, slack=1e-3) and result.status[k] == expected.status


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_depend_on_neither_the_size_of_the_batch_nor_the_place_in_it(kind, dtype):
    rng = np.random.default_rng(10)
    if kind == "quadratic":
        problem = quadratic(rng, (9,), dtype, rank=3)
    else:
        problem = KINDS[kind](rng, (9,), dtype)
    u, w0 = point(rng, problem)
    order = np.array([5, 0, 3])
    parts = {field.name: getattr(problem, field.name) for field in dataclasses.fields(problem)}
    some = type(problem)(**{name: value[order] if isinstance(value, np.ndarray) and value.ndim > type(problem)._cores[name] else value
                            for name, value in parts.items()})
    for method in (Exact(), CG(), Neumann(3), Unrolled(4, momentum=0.2)):
        whole, part = (pyblo.hypergradient(p, x, w0=y, method=method) for p, x, y in ((problem, u, w0), (some, u[order], w0[order])))
        assert np.array_equal(whole.grad[order], part.grad) and np.array_equal(whole.value[order], part.value)
        whole, part = (pyblo.warm_start(p, x, y, method=method, step=1e-2, maxiter=4)
                       for p, x, y in ((problem, u, w0), (some, u[order], w0[order])))
        assert np.array_equal(whole.u[order], part.u) and np.array_equal(whole.w[order], part.w)


# --- problems -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axes", [((2, 3), (2, 3), (2, 3)), ((2, 1), (3,), ()), ((), (2, 3), (3,)), ((3,), (), (2, 1))])
def test_methods_of_a_problem_broadcast(kind, axes):
    rng = np.random.default_rng(11)
    problem = KINDS[kind](rng, axes[0])
    u = rng.standard_normal(axes[1] + problem.outer_shape)
    w = rng.standard_normal(axes[2] + problem.inner_shape)
    shape = np.broadcast_shapes(*axes)
    us, ws = (np.broadcast_to(x, shape + x.shape[-1:]) for x in (u, w))
    values = {name: getattr(problem, name)(u, w) for name in ("inner_value", "inner_gradient", "outer_value", "inner_solution")}
    values["outer 0"], values["outer 1"] = problem.outer_gradients(u, w)
    H, M = problem.hessian(u, w), problem.cross(u, w)
    n, m = problem.inner_size, problem.outer_size
    assert isinstance(H, pyblo.BatchedOperator) and H.shape == (*shape, n, n) and M.shape == (*shape, n, m) and M.H.shape == (*shape, m, n)
    x, y = rng.standard_normal(m), rng.standard_normal((*shape, n))
    for index in np.ndindex(shape):
        place = tuple(np.broadcast_to(np.arange(np.prod(axes[0], dtype=int)).reshape(axes[0]), shape)[index].reshape(-1))
        one = alone(problem, np.unravel_index(place[0], axes[0])) if axes[0] else problem
        at = us[index], ws[index]
        for name in ("inner_value", "inner_gradient", "outer_value", "inner_solution"):
            assert close(values[name][index], getattr(one, name)(*at)), name
        assert all(close(values[f"outer {k}"][index], part) for k, part in enumerate(one.outer_gradients(*at)))
        single_H, single_M = one.hessian(*at), one.cross(*at)
        assert isinstance(single_H, LinearOperator)
        assert close((H @ y)[index], single_H @ y[index]) and close((M @ x)[index], single_M @ x)
        assert close((M.H @ y)[index], single_M.H @ y[index])
        assert close(M.todense()[index], single_M @ np.eye(m)) and close(M.T.todense()[index], (single_M @ np.eye(m)).T)
        assert close(H.matmat(np.eye(n))[index], single_H @ np.eye(n)) and close(M.rmatvec(y)[index], single_M.rmatvec(y[index]))


def test_operators_refuse_what_does_not_fit():
    M = quadratic(np.random.default_rng(0), (2, 3)).cross(None, None)
    assert (M @ np.ones((4, 1, 1, 3))).shape == (4, 2, 3, 5) and M.matmat(np.ones((3, 3, 7))).shape == (2, 3, 5, 7)
    assert M.ndim == 4 and "2 × 3 × 5 × 3" in repr(M) and M.dtype == np.float64
    with pytest.raises(ValueError, match=r"x: shape \(5,\) does not fit"):
        M @ np.ones(5)
    with pytest.raises(ValueError, match=r"x: batch axes \(4,\) do not broadcast against \(2, 3\)"):
        M @ np.ones((4, 3))
    with pytest.raises(ValueError, match="X: shape"):
        M.matmat(np.ones(3))


def test_arrays_are_kept_as_they_are():
    A = np.broadcast_to(2 * np.eye(3), (10**6, 10**4, 3, 3))  # 720 GB, were it copied
    B, P = np.ones((3, 2)), np.eye(3)
    problem = pyblo.Quadratic(A, B, P)
    assert problem.batch_shape == (10**6, 10**4)
    assert np.shares_memory(problem.A, A) and np.shares_memory(problem.B, B) and np.shares_memory(problem.P, P)
    small = pyblo.Quadratic(np.broadcast_to(2 * np.eye(3), (4, 3, 3)), np.arange(24.0).reshape(4, 3, 2), P)
    result = pyblo.hypergradient(small, np.ones(2))
    for k in range(4):
        assert differences(result, pyblo.hypergradient(alone(small, (k,)), np.ones(2)), k, 1e-13) == []
    stretched = np.broadcast_to(np.arange(18.0).reshape(2, 3, 3), (5, 2, 3, 3))
    stretched = stretched + 0  # the same, of its own
    before = stretched.copy()
    pyblo.hypergradient(pyblo.TargetLearning(stretched, np.eye(3), np.ones(3)), np.ones(3))
    assert np.array_equal(stretched, before)


@pytest.mark.parametrize("make", [
    lambda: ("B", pyblo.Quadratic(np.stack([np.eye(2)] * 3), np.ones((2, 2, 1)), np.eye(2))),
    lambda: ("f", pyblo.Quadratic(np.stack([np.eye(2)] * 3), np.ones((2, 1)), np.eye(2), f=np.ones((4, 2)))),
    lambda: ("h", pyblo.Quadratic(np.stack([np.eye(2)] * 3), np.ones((2, 1)), np.eye(2), h=np.ones(4))),
    lambda: ("y_out", pyblo.TargetLearning(np.ones((2, 2, 3)), np.ones((1, 3)), np.ones((3, 1)))),
    lambda: ("X_val", pyblo.Ridge(np.ones((2, 2, 3)), np.ones(2), np.ones((3, 1, 3)), np.ones(1))),
    lambda: ("beta", biased(np.random.default_rng(0), (2,), beta=np.ones(3))),
    lambda: ("u", pyblo.hypergradient(quadratic(np.random.default_rng(0), (2,)), np.ones((3, 3)))),
    lambda: ("w0", pyblo.hypergradient(quadratic(np.random.default_rng(0), (2,)), np.ones(3), w0=np.ones((3, 5)))),
    lambda: ("w", pyblo.hypergradient(quadratic(np.random.default_rng(0), (2,)), np.ones(3), np.ones((3, 5)))),
    lambda: ("u0", pyblo.cold_start(quadratic(np.random.default_rng(0), (2,)), np.ones((3, 3)))),
    lambda: ("w", quadratic(np.random.default_rng(0), (2,)).inner_gradient(np.ones(3), np.ones((3, 5)))),
    lambda: ("w0", quadratic(np.random.default_rng(0), (2,)).inner_solution(np.ones(3), np.ones((3, 5)))),
])
def test_axes_that_do_not_broadcast_are_named(make, monkeypatch):
    with pytest.raises(ValueError, match=r"batch axes \(\d+,\) do not broadcast against \(\d+,\)") as refused:
        make()
    name = make.__code__.co_consts[1]
    assert str(refused.value).startswith(f"{name}: ")


def with_bad(name, value):
    """A batch of (2, 2) quadratics with A = diag(1, 0), where one array is bad in problem (1, 0)."""
    arrays = {"A": np.diag([1.0, 0.0]), "B": np.array([[1.0], [0.0]]), "P": np.eye(2), "d": np.zeros(2), "f": np.ones(2)}
    array = np.array(np.broadcast_to(arrays[name], (2, 2, *arrays[name].shape)))
    array[1, 0] = value
    arrays[name] = array
    return pyblo.Quadratic(arrays.pop("A"), arrays.pop("B"), arrays.pop("P"), **arrays)


@pytest.mark.parametrize(("name", "value", "text"), [
    ("A", np.nan, "A: contains NaN"), ("A", np.diag([1.0, -1.0]), "A: is indefinite"), ("A", [[1, 1], [0, 1]], "A: is not symmetric"),
    ("P", [[1, 1], [0, 1]], "P: is not symmetric"), ("B", np.inf, "B: contains NaN"), ("B", [[0.0], [1.0]], "B: column 0"),
    ("d", [0.0, 1.0], "d: column 0"), ("d", np.nan, "d: contains NaN"), ("f", [np.inf, 0], "f: contains NaN"),
])
def test_a_bad_problem_of_a_batch_is_named_with_its_index(name, value, text):
    with pytest.raises(ValueError) as refused:
        pyblo.hypergradient(with_bad(name, value), np.ones(1))
    assert str(refused.value).startswith(text) and "(problem (1, 0) of the batch)" in str(refused.value)


def test_an_indefinite_outer_objective_is_named_with_its_index():
    with pytest.raises(ValueError, match=r"P: is indefinite.*problem \(1, 0\) of the batch"):
        pyblo.cold_start(with_bad("P", np.diag([1.0, -1.0])), np.ones(1))


def test_other_bad_problems_are_named_with_their_index():
    X = np.ones((3, 4, 2))
    X[2, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"X: contains NaN or infinity \(problem 2 of the batch\)"):
        pyblo.hypergradient(pyblo.Ridge(X, np.ones(4), np.ones((1, 2)), np.ones(1)), np.zeros(2))
    with pytest.raises(ValueError, match=r"Phi: contains NaN or infinity \(problem 2 of the batch\)"):
        pyblo.hypergradient(pyblo.TargetLearning(X, np.ones((1, 2)), np.ones(1)), np.zeros(4))
    with pytest.raises(ValueError, match=r"X: contains NaN or infinity \(problem 2 of the batch\)"):
        pyblo.hypergradient(pyblo.BiasedRidge(X, np.ones(4), np.ones((1, 2)), np.ones(1), beta=1.0), np.zeros(2))
    with pytest.raises(ValueError, match=r"beta: -1 is not valid \(problem \(1, 0\) of the batch\); expected a number ≥ 0"):
        biased(np.random.default_rng(0), beta=[[1.0, 2.0], [-1.0, -2.0]])
    with pytest.raises(ValueError, match=r"u: contains NaN or infinity .*\(problem 1 of the batch\)"):
        pyblo.hypergradient(quadratic(np.random.default_rng(0)), [[0.0] * 3, [np.nan, 0, 0]])
    with pytest.raises(ValueError, match=r"u: .*\(problem \(1,\) of the batch\); choose others"):
        ridge(np.random.default_rng(0), log=False).inner_solution([[1.0] * 4, [-100.0] * 4])


@pytest.mark.parametrize("method", [Neumann(3, 1.5), Unrolled(3, 1.5)])
@pytest.mark.parametrize("route", ROUTES)
def test_steps_are_checked_against_the_limit_of_each_problem(method, route):
    problem = pyblo.Quadratic(np.array([1.0, 2.0, 1.0, 4.0])[:, None, None] * np.eye(2), np.ones((2, 1)), np.eye(2))
    with pytest.raises(ValueError, match=r"step: 1.5 is beyond the limit 1 .*λmax = 2; .*\(problem 1 of the batch\)"):
        pyblo.hypergradient(problem, np.ones(1), method=method, route=route)


def test_functions_of_the_user_take_one_point_at_a_time():
    problem = pyblo.FunctionProblem(
        2, 2, outer_value=lambda u, w: 0.5 * float(w @ w), outer_gradients=lambda u, w: (0 * u, w), inner_gradient=lambda u, w: w - u,
        hessian_product=lambda u, w, v: v, cross_adjoint=lambda u, w, q: -q)
    for call in (lambda: pyblo.hypergradient(problem, np.ones((3, 2)), method=CG(), inner=GradientDescent()),
                 lambda: pyblo.value_and_grad(problem, method=CG(), inner=GradientDescent())(np.ones((3, 2)))):
        with pytest.raises(ValueError, match=r"u: shape \(3, 2\) does not fit; expected \(2,\); .*one u and w at a time"):
            call()
    problem.batch_shape = (3,)
    with pytest.raises(ValueError, match="problem: its batch_shape"):
        pyblo.hypergradient(problem, np.ones(2), method=CG(), inner=GradientDescent())


# --- what is built on them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_value_and_grad_and_the_outer_hessian_of_a_batch(kind):
    rng = np.random.default_rng(12)
    problem = KINDS[kind](rng, (2, 3))
    u, _ = point(rng, problem)
    function = pyblo.value_and_grad(problem)
    value, grad = function(u)
    assert value.shape == (2, 3) and grad.shape == u.shape
    H = pyblo.prepare(problem).outer_hessian(u)
    m = problem.outer_size
    assert isinstance(H, pyblo.BatchedOperator) and H.shape == (2, 3, m, m)
    v = rng.standard_normal(u.shape)
    assert close(function.hessp(u, v), H @ v)
    for index in np.ndindex(2, 3):
        single = alone(problem, index)
        one = pyblo.value_and_grad(single)(u[index])
        assert close(value[index], one[0]) and close(grad[index], one[1])
        assert close(H.todense()[index], pyblo.prepare(single).outer_hessian(u[index]) @ np.eye(m), slack=1e-10)
        assert close(function.hessp(u, v)[index], pyblo.value_and_grad(single).hessp(u[index], v[index]), slack=1e-10)
    first = function(u[0, 0])
    assert first[0].shape == (2, 3) and first[1].shape == u.shape
    if problem.fixed_hessian:
        one = pyblo.prepare(alone(problem, (0, 0)))
        assert close(one.outer_hessian(u).todense()[1, 2], one.outer_hessian(u[1, 2]) @ np.eye(m))


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_of_an_outer_hessian_are_arrays_of_any_kind(kind):
    rng = np.random.default_rng(16)
    problem = KINDS[kind](rng, (2,))
    u, m = point(rng, problem)[0], problem.outer_size
    H, wide = pyblo.prepare(problem).outer_hessian(u), rng.standard_normal((2, 2 * m))
    v = wide[:, ::2]
    assert np.array_equal(H @ v, H @ v.copy()) and np.array_equal(H @ v.astype(v.dtype.newbyteorder()), H @ v.copy())
    for bad in (v * 1j, v.astype(np.float16)):
        with pytest.raises(TypeError, match="v: .*dtype"):
            H @ bad


@pytest.mark.parametrize("kind", KINDS)
def test_products_of_one_outer_hessian_with_a_batch_of_vectors(kind):
    rng = np.random.default_rng(17)
    function = pyblo.value_and_grad(KINDS[kind](rng))
    u, p = rng.standard_normal(function.prepared.problem.outer_shape), rng.standard_normal((2, 3, *function.prepared.problem.outer_shape))
    products = function.hessp(u, p)
    assert products.shape == (2, 3, function.prepared.problem.outer_size)
    assert all(np.array_equal(products[index], function.hessp(u, p[index])) for index in np.ndindex(2, 3))
    with pytest.raises(ValueError, match=r"p: shape .* does not fit"):
        function.hessp(u, np.append(u, 1.0))


def test_a_problem_of_a_batch_without_an_outer_hessian_is_named():
    prepared = pyblo.prepare(pyblo.Ridge(np.ones((4, 2)), np.ones(4), np.eye(2), np.ones(2), log=False))
    with pytest.raises(ValueError, match=r"u: F.* singular \(problem 1 of the batch\); raise the penalties"):
        prepared.outer_hessian([[1.0, 1.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match=r"u: F.* below zero \(problem 1 of the batch\)\.$"):
        prepared.outer_hessian([[1.0, 1.0], [-50.0, 0.0]])


def test_an_overflow_in_a_batch_of_limits_is_an_error():
    problem = pyblo.Quadratic(np.stack([np.eye(2), 1e-200 * np.eye(2)]), -np.eye(2), np.eye(2), d=[1e200, 0.0])
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="problem: its reduced iteration overflows.* d .*scale the data"):
        pyblo.cold_start(problem, np.ones(2))


def test_a_failure_in_a_batch_is_told_and_warned_of():
    A = np.stack([np.eye(40), np.diag(np.logspace(-8, 0, 40)), np.eye(40)])
    problem = pyblo.Quadratic(A, np.eye(40), np.eye(40))
    function = pyblo.value_and_grad(problem, method=CG(maxiter=3))
    with pytest.warns(RuntimeWarning, match="2 of 3 problems succeeded. First failure, 1: Not converged"):
        value, _ = function(np.ones(40))
    assert value.shape == (3,)
    result = pyblo.hypergradient(problem, np.ones(40), method=CG(maxiter=3))
    assert result.success.tolist() == [True, False, True] and result.status.tolist() == [1, 3, 1]
    assert result.message == function.prepared.hypergradient(np.ones(40)).message
    single = pyblo.hypergradient(alone(problem, (1,)), np.ones(40), method=CG(maxiter=3))
    assert result.message == f"2 of 3 problems succeeded. First failure, 1: {single.message}"


def test_limits_of_a_batch():
    rng = np.random.default_rng(13)
    P = np.stack([np.eye(2), np.diag([1.0, 0.0])])
    problem = pyblo.Quadratic(np.eye(2), -np.eye(2), P, f=[1.0, 1.0])
    u = rng.standard_normal((3, 1, 2))
    limits = pyblo.equilibria.cold_start(problem, u)
    assert limits.u.shape == limits.w.shape == (3, 2, 2) and limits.fun.shape == limits.max_step.shape == (3, 2)
    assert limits.success.tolist() == [[True, False]] * 3 and set(limits.certificate) == {(0, 1), (1, 1), (2, 1)}
    for i, j in np.ndindex(3, 2):
        one = pyblo.equilibria.cold_start(alone(problem, (j,)), u[i, 0])
        assert limits.status[i, j] == one.status and limits.fun[i, j] == one.fun and limits.max_step[i, j] == one.max_step
        assert np.array_equal(limits.u[i, j], one.u) if one.success else np.isnan(limits.u[i, j]).all()
    assert "First failure, (0, 1): Unbounded" in limits.message and "of 3 problems" in limits.summary()


@pytest.mark.parametrize("kind", KINDS)
def test_results_of_a_batch_can_be_read(kind):
    rng = np.random.default_rng(14)
    problem = KINDS[kind](rng, (2, 3))
    u, _ = point(rng, problem)
    result = pyblo.hypergradient(problem, u)
    assert "problems" in result.summary() and "2 × 3" in result.summary() and "(6 values)" in result.summary()
    assert "grad=array" in repr(result) and "<table>" in result._repr_html_()
    loop = pyblo.cold_start(problem, u, step=1e-3, maxiter=3)
    for one in (loop, loop.history):
        assert "2 × 3" in one.summary() and "→" in one.summary()
    assert "history" in repr(loop)


def test_charts_of_a_batch():
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(15)
    problem = quadratic(rng, (2, 3))
    loop = pyblo.cold_start(problem, point(rng, problem)[0], maxiter=5)
    axes = loop.plot()
    assert len(axes.lines) == len(axes.figure.axes[-1].lines) == 6
    assert len(pyblo.History(*(np.zeros((500, 3)),) * 4).plot().lines) == 100
    with pytest.raises(ValueError, match="grad: a batch"):
        pyblo.hypergradient(problem, np.ones(3)).plot()
