"""Arrays of every kind, and every array argument of the public callables that they are given to."""

import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse.linalg import LinearOperator
from test_bad_input import put
from test_cg import layouts

import pyblo


class Tagged(np.ndarray):
    """A subclass that changes nothing."""


class Frame:
    """A table that is no array and can become one, as those of pandas."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype)


def padded(array):
    """A window of a larger array."""
    wide = np.full(tuple(size + 2 for size in array.shape), 7, array.dtype)
    window = wide[(slice(1, -1),) * array.ndim]
    window[...] = array
    return window


def mapped(array):
    """A file as memory."""
    with tempfile.TemporaryFile() as file:
        array.tofile(file)
        file.flush()
        return np.memmap(file, array.dtype, "r+", shape=array.shape)


def overlapping(array):
    """Entries that share memory: one number again and again, or a definite Hankel matrix, of Σ xᵏ with x = 0 … n−1."""
    size = max(array.shape)
    moments = np.array([sum(float(x) ** k for x in range(size)) for k in range(2 * size)], array.dtype)
    stride = 0 if array.ndim == 1 else array.itemsize
    strides = (array.nbytes // len(array),) * (array.ndim - 2) + (stride,) * min(array.ndim, 2)
    if array.ndim == 3:
        moments = np.concatenate([np.r_[moments, np.zeros(array[0].size, array.dtype)]] * len(array))
    return np.lib.stride_tricks.as_strided(moments, array.shape, strides)


def layout(name, dtype):
    """What makes one of the layouts that other tests know."""
    return lambda array: layouts(array.astype(dtype))[name]


WIDTHS = (np.dtype(np.float32), np.dtype(np.float64))
# The same numbers held another way, in float32 and float64
SAME = {f"{name} {dtype}": layout(name, dtype) for name in layouts(np.eye(2)) for dtype in WIDTHS} | {
    f"{make.__name__} {dtype}": lambda array, make=make, dtype=dtype: make(array.astype(dtype))
    for make in (padded, mapped, overlapping)
    for dtype in WIDTHS
}
SAME |= {
    "transposed": lambda array: array.T.copy().T,
    "subclass": lambda array: array.view(Tagged),
    "byteswapped and unaligned": lambda array: layouts(layouts(array)["byteswapped"])["unaligned"],
    "backward and read-only": lambda array: locked(layouts(array)["backward"]),
    "list": lambda array: array.tolist(),
    "tuple of arrays": lambda array: tuple(array),
    "list of Python integers": lambda array: array.astype(int).tolist(),
    "table": Frame,
    "buffer": lambda array: memoryview(array),
    "bool": lambda array: array > 1,
    **{
        f"{sign}int{bits}": lambda array, name=f"{sign}int{bits}": array.astype(name)
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
    "strided byteswapped int32": lambda array: layouts(layouts(array.astype(np.int32))["byteswapped"])["strided"],
}


def locked(array):
    """The array, read-only."""
    array.flags.writeable = False
    return array


def as_objects(array, last):
    """An array of Python objects, one of them chosen."""
    return put(array.astype(object), last)


# What has no single meaning, or another shape
REFUSED = {
    **{
        name: lambda array, name=name: array.astype(name)
        for name in ("complex64", "complex128", "float16", "longdouble", "U", "S", "m8[s]", "M8[s]")
        if np.dtype(name) not in WIDTHS  # longdouble where it is double
    },
    "objects": lambda array: as_objects(array, 1.0),
    "objects with None": lambda array: as_objects(array, None),
    "structured": lambda array: array.view([("x", "f8")]),
    "masked": lambda array: np.ma.masked_array(array, array > 1),
    "masked nowhere": np.ma.masked_array,
    "ragged": lambda array: [*array.tolist(), [1.0, [2.0]]],
    "list with None": lambda array: [*array.tolist()[1:], None],
    "list of strings": lambda array: array.astype("U").tolist(),
    "text": str,
    "dictionary": lambda array: {"values": array},
    "0-d": lambda array: np.array(2.0),
    "Python number": lambda array: 2.0,
    "empty": lambda array: array[:0],
    "empty list": lambda array: [],
    "one axis more": lambda array: array[..., None],
    "one row more": lambda array: np.concatenate([array, array[:1]]),
}
ROWS = ("empty", "one row more")
NUMBERS = ("0-d", "Python number")

# Numbers at the end of the line: one entry, or the scale of all
VALUES = {
    f"one {value:g}": lambda array, value=value: put(array, value)
    for value in (np.nan, np.inf, -np.inf, 5e-324, -5e-324, 1e300, -1e300, 1e-300, -1e-300)
} | {f"all times {scale:g}": lambda array, scale=scale: array * scale for scale in (1e300, -1e300, 1e-300, -1e-300)}


SETTING_ROWS = ("Phi", "Phi_out", "X", "X_val")


class Entry(NamedTuple):
    """One array argument of one public callable: a call with any value of it, and a value that is right."""

    name: str
    argument: str
    value: np.ndarray
    call: Callable[[Any], Any]

    def may_be(self, kind):
        """Whether a kind that is refused elsewhere is right here: any number of rows, one step for a whole batch."""
        allowed = {"step": NUMBERS, "beta": ("one axis more", *ROWS, "empty list", *NUMBERS), "v": SHAPE}
        return kind in allowed.get(self.argument, ROWS if self.argument in SETTING_ROWS else ())


# Small numbers that every integer type holds; "> 1" of the square ones is the identity
SQUARE = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 4.0]])
ARRAYS = {
    pyblo.Quadratic: {
        "A": SQUARE,
        "B": np.array([[1.0, 2.0], [3.0, 0.0], [1.0, 1.0]]),
        "P": SQUARE[::-1, ::-1],
        "d": np.array([1.0, 0.0, 2.0]),
        "f": np.array([2.0, 1.0, 3.0]),
        "C": SQUARE[:2, :2],
        "e": np.array([1.0, 3.0]),
    },
    pyblo.TargetLearning: {
        "Phi": np.array([[1.0, 2.0, 0.0], [2.0, 0.0, 3.0]]),
        "Phi_out": np.array([[1.0, 1.0, 2.0], [0.0, 3.0, 1.0]]),
        "y_out": np.array([2.0, 1.0]),
    },
    pyblo.Ridge: {
        "X": np.array([[1.0, 2.0], [0.0, 3.0], [2.0, 2.0], [1.0, 0.0]]),
        "y": np.array([1.0, 3.0, 2.0, 0.0]),
        "X_val": np.array([[2.0, 1.0], [1.0, 3.0], [0.0, 2.0]]),
        "y_val": np.array([2.0, 0.0, 1.0]),
    },
    pyblo.BiasedRidge: {
        "X": np.array([[1.0, 2.0, 0.0], [2.0, 0.0, 3.0]]),
        "y": np.array([1.0, 3.0]),
        "X_val": np.array([[1.0, 1.0, 2.0], [0.0, 3.0, 1.0]]),
        "y_val": np.array([2.0, 1.0]),
    },
}
SETTINGS = {pyblo.BiasedRidge: {"beta": 0.5}}
STEP = 0.0625  # below the limit of every problem here


def made(kind, **changes):
    """A problem of a kind, with some of its arrays replaced."""
    return kind(**SETTINGS.get(kind, {}) | ARRAYS[kind] | changes)


def point(problem):
    """u and w for a problem."""
    u, w = np.arange(1.0, 1 + problem.outer_size), np.arange(2.0, 2 + problem.inner_size)
    return u.reshape(problem.outer_shape), w.reshape(problem.inner_shape)


def loop(run, problem):
    """Two steps of a loop."""
    return run(problem, point(problem)[0], step=STEP, maxiter=2)


def gradient(method, problem):
    """One hypergradient."""
    return pyblo.hypergradient(problem, point(problem)[0], method=method)


def limit(problem):
    """The limit of cold start, where the Hessian is fixed."""
    return pyblo.equilibria.cold_start(problem, point(problem)[0]) if problem.fixed_hessian else None


def solution(problem):
    """The inner solution."""
    return problem.inner_solution(*point(problem))


SHAPE = ("ragged", "dictionary", "text", "empty", "empty list", "one axis more", "one row more", *NUMBERS)  # SciPy's to refuse
EVALUATED = ("inner_value", "inner_gradient", "outer_value", "outer_gradients", "hessian", "cross")
FORMULAS = (*EVALUATED, "evaluated", "outer_hessian")


def evaluated(problem):
    """All functions of the problem that are formulas."""
    return [getattr(problem, name)(*point(problem)) for name in EVALUATED]


def curvature(problem):
    """The Hessian of the reduced objective."""
    return pyblo.prepare(problem).outer_hessian(point(problem)[0])


def constants(problem):
    """The constants of its bounds."""
    return pyblo.bounds.constants(problem, point(problem)[0])


ACTIONS = {
    "constants": constants,
    "cold_start": partial(loop, pyblo.cold_start),
    "warm_start": partial(loop, pyblo.warm_start),
    "Exact": partial(gradient, pyblo.Exact()),
    "CG": partial(gradient, pyblo.CG()),
    "Neumann": partial(gradient, pyblo.Neumann(3)),
    "Unrolled": partial(gradient, pyblo.Unrolled(3)),
    "outer_hessian": curvature,
    "equilibria": limit,
    "inner_solution": solution,
    "evaluated": evaluated,
}


def constructed():
    """Arrays of problems, and what is then done with the problem."""
    for kind, arrays in ARRAYS.items():
        for argument, value in arrays.items():
            for action, do in ACTIONS.items():

                def call(given, kind=kind, argument=argument, do=do):
                    return do(made(kind, **{argument: given}))

                yield Entry(f"{kind.__name__}.{action}", argument, value, call)


def of_problem(kind):
    """u, w, w0 and u0 of everything that takes a problem and a point."""
    problem = made(kind)
    u, w = point(problem)
    step = {"step": STEP, "maxiter": 2}
    prepared = pyblo.prepare(problem, method=pyblo.CG())
    calls = {
        "hypergradient": {
            "u": lambda v: pyblo.hypergradient(problem, v, w),
            "w": lambda v: pyblo.hypergradient(problem, u, v),
            "w0": lambda v: pyblo.hypergradient(problem, u, w0=v, method=pyblo.Unrolled(3, STEP)),
        },
        "Prepared": {
            "u": prepared.hypergradient,
            "w": lambda v: prepared.hypergradient(u, v),
            "w0": lambda v: prepared.hypergradient(u, w0=v),
        },
        "value_and_grad": {
            "u": pyblo.value_and_grad(problem),
            "w0": lambda v: pyblo.value_and_grad(problem, w0=v)(u),
        },
        "inner_solution": {"u": problem.inner_solution, "w0": lambda v: problem.inner_solution(u, v)},
    }
    calls |= {
        "constants": {"u": lambda v: pyblo.bounds.constants(problem, v), "w0": lambda v: pyblo.bounds.constants(problem, u, v)},
        "a_posteriori": {
            "u": lambda v: pyblo.bounds.a_posteriori(problem, v, w, w),
            "w": lambda v: pyblo.bounds.a_posteriori(problem, u, v, w),
            "adjoint": lambda v: pyblo.bounds.a_posteriori(problem, u, w, v),
        },
    }
    for run in (pyblo.cold_start, pyblo.warm_start):
        calls[run.__name__] = {
            "u0": lambda v, run=run: run(problem, v, **step),
            "w0": lambda v, run=run: run(problem, u, v, **step),
        }
    for name in EVALUATED:
        evaluate = getattr(problem, name)
        calls[name] = {"u": lambda v, f=evaluate: f(v, w), "w": lambda v, f=evaluate: f(u, v)}
    calls |= derivatives(problem, u)
    if problem.fixed_hessian:
        calls |= concepts(problem, u, w)
    yield from named(kind.__name__, calls, u, w)


def concepts(problem, u, w):
    """u, w, u0 and w0 of the solution concepts and of their residuals."""
    e = pyblo.equilibria
    return {
        "equilibria": {"u0": lambda v: e.cold_start(problem, v), "w0": lambda v: e.cold_start(problem, u, v)},
        "optimistic": {"u0": lambda v: e.optimistic(problem, v)},
        "pessimistic": {"u0": lambda v: e.pessimistic(problem, 2.0, v)},
        "worst_case": {"u": lambda v: e.worst_case(problem, v, 2.0)},
        "penalty": {"u0": lambda v: e.value_function_penalty(problem, 2.0, v)},
        "warm limit": {
            "u0": lambda v: e.warm_start(problem, v, step=STEP),
            "w0": lambda v: e.warm_start(problem, u, v, step=STEP),
        },
        "cold_start_residual": {
            "u": lambda v: e.cold_start_residual(problem, v, w),
            "w": lambda v: e.cold_start_residual(problem, u, v),
            "w0": lambda v: e.cold_start_residual(problem, u, w, v),
        },
        "warm_start_residual": {
            "u": lambda v: e.warm_start_residual(problem, v, w), "w": lambda v: e.warm_start_residual(problem, u, v)},
        "optimistic_residual": {
            "u": lambda v: e.optimistic_residual(problem, v, w), "w": lambda v: e.optimistic_residual(problem, u, v)},
        "pessimistic_residual": {
            "u": lambda v: e.pessimistic_residual(problem, v, w, 2.0), "w": lambda v: e.pessimistic_residual(problem, u, v, 2.0)},
        "penalty_residual": {
            "u": lambda v: e.value_function_penalty_residual(problem, v, w, 2.0),
            "w": lambda v: e.value_function_penalty_residual(problem, u, v, 2.0)},
    }


def projected():
    """Arguments of the projections."""
    e = pyblo.equilibria
    w, X, y = np.array([1.0, 2.0, 5.0]), SQUARE[:2], np.array([1.0, 3.0])
    calls = {
        "project": (e.project, {"w": w, "X": X, "y": y}),
        "kaczmarz": (partial(e.kaczmarz, maxiter=3, history=True), {"w0": w, "X": X, "y": y}),
        "kaczmarz of a block": (partial(e.kaczmarz, maxiter=3, block=2), {"w0": w, "X": X, "y": y}),
        "half-spaces": (lambda X, y: e.dykstra(w, [e.HalfSpaces(X, y)], maxiter=3), {"X": X, "y": y}),
        "affine set": (lambda X, y: e.dykstra(w, [e.AffineSet(X, y)], maxiter=3), {"X": X, "y": y}),
        "dykstra": (lambda w0: e.dykstra(w0, [e.HalfSpaces(X, y), e.AffineSet(X[:1], y[:1])], maxiter=3), {"w0": w}),
    }
    for name, (call, right) in calls.items():
        for argument, value in right.items():
            yield Entry(name, argument, value, lambda v, call=call, right=right, argument=argument: call(**right | {argument: v}))


def derivatives(problem, u):
    """u, w0 and the vectors of the derivatives with respect to the start, the step and the reduced objective."""
    prepared, objective = pyblo.prepare(problem), pyblo.value_and_grad(problem)
    operator = prepared.outer_hessian(u)
    rules = {
        "heavy ball": pyblo.Unrolled(3, STEP, momentum=0.5),
        "nesterov": pyblo.Unrolled(3, STEP, momentum=0.5, nesterov=True),
        "forward": pyblo.Unrolled(3, STEP, mode="forward"),
        "last": pyblo.Unrolled(3, STEP, last=2),
    }
    calls = {
        f"Unrolled {name}": {
            "u": lambda v, method=method: pyblo.hypergradient(problem, v, method=method, route="iterate"),
            "w0": lambda v, method=method: pyblo.hypergradient(problem, u, w0=v, method=method, route="iterate"),
        }
        for name, method in rules.items()
    }
    return calls | {
        "outer_hessian": {"u": prepared.outer_hessian},
        "product of outer_hessian": {"v": operator.matvec},
        "adjoint product of outer_hessian": {"v": operator.rmatvec},
        "hessp": {"u": lambda v: objective.hessp(v, u), "p": lambda v: objective.hessp(u, v)},
    }


def named(kind, calls, u, w):
    """Entries of a table of calls by name and argument."""
    right = {"u": u, "u0": u, "p": u, "v": u, "w": w, "w0": w, "adjoint": w}
    for name, arguments in calls.items():
        for argument, call in arguments.items():
            yield Entry(f"{kind}.{name}", argument, right[argument], call)


# --- problems that the user writes -----------------------------------------------------------------------------------


def quadratic_functions(A, B, P, d, f):
    """The functions of a FunctionProblem."""
    return {
        "outer_value": lambda u, w: w @ (0.5 * (P @ w) + f),
        "outer_gradients": lambda u, w: (np.zeros_like(u), P @ w + f),
        "inner_value": lambda u, w: w @ (0.5 * (A @ w) + B @ u + d),
        "inner_gradient": lambda u, w: A @ w + B @ u + d,
        "inner_solution": lambda u, w0: -np.linalg.solve(A, B @ u + d),
        "hessian_product": lambda u, w, v: A @ v,
        "cross_adjoint": lambda u, w, q: B.T @ q,
        "cross_product": lambda u, w, v: B @ v,
    }


def matrix_functions(A, B, P, d, f):
    """The functions of a FunctionProblem whose u and w are matrices, one problem in each row."""
    return {
        "outer_value": lambda U, W: np.sum(W * (0.5 * (W @ P) + f)),
        "outer_gradients": lambda U, W: (np.zeros_like(U), W @ P + f),
        "inner_value": lambda U, W: np.sum(W * (0.5 * (W @ A) + U @ B.T + d)),
        "inner_gradient": lambda U, W: W @ A + U @ B.T + d,
        "inner_solution": lambda U, W0: -np.linalg.solve(A, (U @ B.T + d).T).T,
        "hessian_product": lambda U, W, V: V @ A,
        "cross_adjoint": lambda U, W, Q: Q @ B,
        "cross_product": lambda U, W, V: V @ B.T,
    }


def map_functions(A, B, P, d, f):
    """The functions of a FixedPointMap, w = w − (Aw + Bu + d)/8."""
    quadratic = quadratic_functions(A, B, P, d, f)
    return {
        "outer_value": quadratic["outer_value"],
        "outer_gradients": quadratic["outer_gradients"],
        "map": lambda u, w: w - (A @ w + B @ u + d) / 8,
        "jvp_w": lambda u, w, v: v - A @ v / 8,
        "vjp_w": lambda u, w, v: v - A.T @ v / 8,
        "vjp_u": lambda u, w, q: B.T @ q / -8,
        "jvp_u": lambda u, w, v: B @ v / -8,
    }


class Written(pyblo.Problem):
    """A quadratic problem as a subclass, made of functions."""

    outer_shape, inner_shape, dtype = (2,), (3,), np.dtype(np.float64)

    def __init__(self, **functions):
        self.functions = functions

    def inner_gradient(self, u, w):
        return self.functions["inner_gradient"](u, w)

    def inner_solution(self, u, w0=None):
        return self.functions["inner_solution"](u, w0)

    def outer_value(self, u, w):
        return self.functions["outer_value"](u, w)

    def outer_gradients(self, u, w):
        return self.functions["outer_gradients"](u, w)

    def hessian(self, u, w):
        apply = lambda v: self.functions["hessian"](u, w, v)
        return LinearOperator((3, 3), matvec=apply, rmatvec=apply, dtype=self.dtype)

    def cross(self, u, w):
        product, adjoint = (lambda v, name=name: self.functions[name](u, w, v) for name in ("cross", "cross.H"))
        return LinearOperator((3, 2), matvec=product, rmatvec=adjoint, dtype=self.dtype)


def written_functions(A, B, P, d, f):
    """What a Written problem is made of, by what an error calls it."""
    functions = quadratic_functions(A, B, P, d, f)
    for old, new in (("hessian_product", "hessian"), ("cross_product", "cross"), ("cross_adjoint", "cross.H")):
        functions[new] = functions.pop(old)
    del functions["inner_value"]
    return functions


DATA = {name: ARRAYS[pyblo.Quadratic][name] for name in ("A", "B", "P", "d", "f")}
USERS = {
    "FunctionProblem": (partial(pyblo.FunctionProblem, 2, 3), quadratic_functions(**DATA)),
    "FunctionProblem of matrices": (partial(pyblo.FunctionProblem, (2, 2), (2, 3)), matrix_functions(**DATA)),
    "FixedPointMap": (partial(pyblo.FixedPointMap, 2, 3), map_functions(**DATA)),
    "Written": (Written, written_functions(**DATA)),
}
DESCENT = {"inner": pyblo.GradientDescent(steps=3, step=STEP)}


def of_user(name):
    """u, w, w0 and u0 of everything that takes a problem of the user."""
    make, functions = USERS[name]
    problem = make(**functions)
    u, w = point(problem)
    solve = DESCENT | {"method": pyblo.CG(maxiter=3, normal=True)}
    settings = {"step": STEP, "maxiter": 2, "method": pyblo.Neumann(3, STEP)} | DESCENT
    closed = {} if problem.has_inner_solution else DESCENT
    prepared = pyblo.prepare(problem, **solve)
    calls = {
        "hypergradient": {
            "u": lambda v: pyblo.hypergradient(problem, v, w, **solve),
            "w": lambda v: pyblo.hypergradient(problem, u, v, **solve),
            "w0": lambda v: pyblo.hypergradient(problem, u, w0=v, **solve),
        },
        "Exact": {
            "u": lambda v: pyblo.hypergradient(problem, v, **closed),
            "w0": lambda v: pyblo.hypergradient(problem, u, w0=v, **closed),
        },
        "Prepared": {
            "u": prepared.hypergradient,
            "w": lambda v: prepared.hypergradient(u, v),
            "w0": lambda v: prepared.hypergradient(u, w0=v),
        },
        "value_and_grad": {
            "u": pyblo.value_and_grad(problem, **solve),
            "w0": lambda v: pyblo.value_and_grad(problem, w0=v, **solve)(u),
        },
    }
    for mode in ("reverse", "forward"):
        method = pyblo.Unrolled(3, STEP, momentum=0.5, mode=mode)
        calls[f"Unrolled {mode}"] = {
            "u": lambda v, method=method: pyblo.hypergradient(problem, v, method=method),
            "w0": lambda v, method=method: pyblo.hypergradient(problem, u, w0=v, method=method),
        }
    for run in (pyblo.cold_start, pyblo.warm_start):
        calls[run.__name__] = {
            "u0": lambda v, run=run: run(problem, v, **settings),
            "w0": lambda v, run=run: run(problem, u, v, **settings),
        }
    yield from named(name, calls, u, w)


def checked():
    """u and w of check_problem; and of a problem that writes into what it is given."""
    problems = {kind.__name__: made(kind) for kind in ARRAYS}
    problems |= {name: make(**functions) for name, (make, functions) in USERS.items()}
    problems["a problem that writes"] = Written(**written_functions(**DATA) | {"outer_value": wipe})
    for name, problem in problems.items():
        u, w = point(problem)
        check = {
            "u": lambda v, problem=problem, w=w: pyblo.check_problem(problem, v, w),
            "w": lambda v, problem=problem, u=u: pyblo.check_problem(problem, u, v),
        }
        yield from named(name, {"check_problem": check}, u, w)


def wipe(u, w):
    """An outer value that writes."""
    u[...], w[...] = 0, 0
    return 0.0


def linear():
    """Arguments of pyblo.linalg, for one system and for a batch."""
    A, b = SQUARE, np.array([1.0, 2.0, 5.0])
    cg, neumann = pyblo.linalg.cg, partial(pyblo.linalg.neumann, terms=4)
    many = {"A": np.stack([A, 2 * A]), "b": np.stack([b, b[::-1]]), "x0": np.stack([b, b])}
    for name, at in (("linalg", {"A": A, "b": b, "x0": b}), ("linalg batch", many)):
        yield Entry(f"{name}.cg", "A", at["A"], lambda v, at=at: cg(v, at["b"]))
        yield Entry(f"{name}.cg", "b", at["b"], lambda v, at=at: cg(at["A"], v))
        yield Entry(f"{name}.cg", "x0", at["x0"], lambda v, at=at: cg(at["A"], at["b"], v))
        yield Entry(f"{name}.neumann", "A", at["A"], lambda v, at=at: neumann(v, at["b"]))
        yield Entry(f"{name}.neumann", "b", at["b"], lambda v, at=at: neumann(at["A"], v))
    strength = partial(pyblo.BiasedRidge, **ARRAYS[pyblo.BiasedRidge])
    yield Entry("BiasedRidge batch.hypergradient", "beta", np.array([2.0, 3.0]),
                lambda v: pyblo.hypergradient(strength(beta=v), np.ones(3), method=pyblo.CG()))
    small = many["A"] / 32  # whole numbers are steps too
    yield Entry("linalg batch.neumann", "step", np.array([2.0, 3.0]), lambda v: neumann(small, many["b"], step=v))


def entries():
    """All of them."""
    yield from constructed()
    for kind in ARRAYS:
        yield from of_problem(kind)
    for name in USERS:
        yield from of_user(name)
    yield from checked()
    yield from linear()
    yield from projected()
