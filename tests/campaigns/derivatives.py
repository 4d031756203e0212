"""Derivatives of unrolled runs, and Hessians of reduced objectives, against differences and automatic differentiation.

The differences are central ones of objective values in balls of 1024 bits: with h = 2⁻²⁰⁰ (2⁻¹⁰⁰ for second
differences) both the truncation, of the order of h², and the rounding lie far below that of a float, so that what is
measured is the error of the library alone. The radius of the balls is part of it. Where JAX can be imported, its
automatic differentiation of the same recurrences and objectives, compiled and in float64, is a second judge; it takes
the gradient of the inner objective too. Every error is relative to the derivative itself; runs therefore end before
they have converged, where the derivatives with respect to start and step would be zero but for roundings.
"""

from importlib.util import find_spec
from typing import Any, NamedTuple

import generate
import numpy as np
from flint import arb, arb_mat
from oracle import Tally, bound, precision

import pyblo

LIMIT = 1e-9  # of the relative errors; a thousandth of what differences of floats could show
STEPS = 40
SHAPES = ((1, 1), (2, 1), (3, 6), (4, 3), (7, 7), (12, 5))  # n and m: few, since JAX compiles for each
RECURRENCES = ("gradient", "heavy", "nesterov")


# --- objectives, written once for arrays of floats, of balls and of JAX ----------------------------------------------


class Formulas:
    """The objectives of a problem; `np` is the array module and `solve` solves linear systems."""

    def __init__(self, data, np=np, solve=None):
        self.np, self.solve = np, solve
        for name, value in data.items():
            setattr(self, name, value)


class Quadratic(Formulas):
    """f = ½wᵀAw + wᵀBu + dᵀw, F = ½wᵀPw + fᵀw; a singular A is LLᵀ."""

    L = None

    def inner(self, u, w):
        return w @ (self.A @ w / 2 + self.B @ u + self.d)

    def gradient(self, u, w):
        return self.A @ w + self.B @ u + self.d

    def outer(self, u, w):
        return w @ (self.P @ w / 2 + self.f)

    def solution(self, u):
        force = self.B @ u + self.d
        return -self.solve(self.A, force) if self.L is None else -pseudoinverse(self.L, self.L.T, force, self.solve)


class Target(Formulas):
    """f = ½‖Φw − u‖², F = ½‖Φₒw − y‖²; Φ = LR."""

    def inner(self, u, w):
        residual = self.Phi @ w - u
        return residual @ residual / 2

    def gradient(self, u, w):
        return self.Phi.T @ (self.Phi @ w - u)

    def outer(self, u, w):
        residual = self.Phi_out @ w - self.y_out
        return residual @ residual / 2

    def solution(self, u):
        return pseudoinverse(self.L, self.R, u, self.solve)


class Biased(Formulas):
    """f = ½‖Xw − y‖² + ½β‖w − u‖², F = ½‖X′w − y′‖²."""

    def inner(self, u, w):
        residual, away = self.X @ w - self.y, w - u
        return (residual @ residual + self.beta * (away @ away)) / 2

    def gradient(self, u, w):
        return self.X.T @ (self.X @ w - self.y) + self.beta * (w - u)

    def outer(self, u, w):
        residual = self.X_val @ w - self.y_val
        return residual @ residual / 2

    def solution(self, u):
        unit = self.np.eye(self.X.shape[1], dtype=int)
        return self.solve(self.X.T @ self.X + unit * self.beta, self.X.T @ self.y + self.beta * u)


class Ridge(Formulas):
    """f = ½n⁻¹‖Xw − y‖² + ½wᵀdiag(λ)w, F = ½n′⁻¹‖X′w − y′‖²."""

    def penalties(self, u):
        return u

    def inner(self, u, w):
        residual = self.X @ w - self.y
        return (residual @ residual / len(self.y) + w @ (self.penalties(u) * w)) / 2

    def gradient(self, u, w):
        return self.X.T @ (self.X @ w - self.y) / len(self.y) + self.penalties(u) * w

    def outer(self, u, w):
        residual = self.X_val @ w - self.y_val
        return residual @ residual / (2 * len(self.y_val))

    def solution(self, u):
        unit = self.np.eye(self.X.shape[1], dtype=int)
        return self.solve(self.X.T @ self.X / len(self.y) + unit * self.penalties(u), self.X.T @ self.y / len(self.y))


class LogRidge(Ridge):
    """Ridge over u = log λ."""

    def penalties(self, u):
        return self.np.exp(u)


class Logistic(Formulas):
    """f = mean log(1 + exp(−Xw)) + ½wᵀdiag(exp u)w, F = mean log(1 + exp(−X′w)) + ‖u‖²/20."""

    def _loss(self, X, w):
        return self.np.sum(self.np.log(1 + self.np.exp(-(X @ w)))) / X.shape[0]

    def _loss_gradient(self, X, w):
        return -(X.T @ (1 / (1 + self.np.exp(X @ w)))) / X.shape[0]

    def inner(self, u, w):
        return self._loss(self.X, w) + w @ (self.np.exp(u) * w) / 2

    def gradient(self, u, w):
        return self._loss_gradient(self.X, w) + self.np.exp(u) * w

    def outer(self, u, w):
        return self._loss(self.X_val, w) + u @ u / 20

    def outer_gradients(self, u, w):
        return u / 10, self._loss_gradient(self.X_val, w)

    def hessian_product(self, u, w, v):
        s = 1 / (1 + self.np.exp(self.X @ w))
        return self.X.T @ (s * (1 - s) * (self.X @ v)) / self.X.shape[0] + self.np.exp(u) * v


def pseudoinverse(L, R, b, solve):
    """(LR)⁺b of a full-rank factorisation: Rᵀ(RRᵀ)⁻¹(LᵀL)⁻¹Lᵀb."""
    return R.T @ solve(R @ R.T, solve(L.T @ L, L.T @ b))


# --- random problems -------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A problem of the library, its formulas and numbers, and the point at which to differentiate."""

    kind: str
    formulas: type
    data: dict
    problem: Any
    u: np.ndarray
    w0: np.ndarray

    @property
    def eigenvalues(self):
        """Those of H at (u, w₀), ascending."""
        H = self.problem.hessian(self.u, 0 * self.w0) @ np.eye(self.w0.size, dtype=self.w0.dtype)
        return np.linalg.eigvalsh(H).astype(float)


def quadratic_case(rng, n, m, singular, dtype):
    """A Quadratic with κ(A) ≤ 1e3; where singular, of integers."""
    factor = rng.standard_normal((n, n))
    data = {"P": generate.symmetric(factor @ factor.T), "f": rng.standard_normal(n)}
    if singular and n > 1:
        while True:
            L = generate.low_rank(rng, n, int(rng.integers(1, n)))
            coefficients = rng.integers(-2, 3, (L.shape[1], m + 1))
            if coefficients[:, :-1].any() and np.linalg.cond(L) ** 2 <= 1e3:
                break
        B = L @ coefficients
        data |= {"A": L @ L.T, "B": B[:, :-1], "d": B[:, -1], "L": L}
    else:
        A = generate.with_spectrum(rng, generate.spread(rng, n, 10 ** rng.uniform(0.3, 2.9), 2.0 ** rng.integers(-3, 4)))
        data |= {"A": A, "B": rng.standard_normal((n, m)), "d": rng.standard_normal(n)}
    data = cast(data, dtype)
    problem = pyblo.Quadratic(data["A"], data["B"], data["P"], d=data["d"], f=data["f"])
    return Case("Quadratic singular" if "L" in data else "Quadratic", Quadratic, data, problem, *point(rng, n, m, dtype))


def target_case(rng, n, m, singular, dtype):
    """A TargetLearning with κ(Φ) ≤ 30; where singular, of integers."""
    rank = min(n, m)
    if singular and rank > 1:
        while True:
            L, R = generate.low_rank(rng, m, rank - 1), generate.low_rank(rng, n, rank - 1).T
            if max(np.linalg.cond(L), np.linalg.cond(R)) <= 30:
                break
        Phi = L @ R
    else:
        left, right = generate.orthogonal(rng, m)[:, :rank], generate.orthogonal(rng, n)[:, :rank]
        Phi = (left * generate.spread(rng, rank, 10 ** rng.uniform(0.2, 1.4), 3.0)) @ right.T
        L, R = (Phi, np.eye(n)) if m >= n else (np.eye(m), Phi)
    data = cast({"Phi": Phi, "Phi_out": rng.standard_normal((n + 1, n)), "y_out": rng.standard_normal(n + 1)}, dtype)
    problem = pyblo.TargetLearning(**data)
    # L or R is Φ itself where it has full rank: both must be the array that was rounded
    exact = cast({"L": L, "R": R}, dtype)
    return Case("TargetLearning", Target, data | exact, problem, *point(rng, n, m, dtype))


def samples(rng, n, dtype, rows=None):
    """Training and validation data of n features."""
    rows, held_out = 2 * n + 3 if rows is None else rows, n + 4
    truth = rng.standard_normal(n)
    X, X_val = (rng.standard_normal((count, n)) for count in (rows, held_out))
    y, y_val = (Z @ truth + 0.5 * rng.standard_normal(len(Z)) for Z in (X, X_val))
    return cast({"X": X, "y": y, "X_val": X_val, "y_val": y_val}, dtype)


def biased_case(rng, n, dtype):
    """A BiasedRidge with more rows than features, or with fewer."""
    rows = 2 * n + 3 if rng.random() < 0.5 else (n + 1) // 2
    data = samples(rng, n, dtype, rows) | {"beta": np.array(generate.rounded(np.exp(rng.uniform(-2, 2))))}
    return Case("BiasedRidge", Biased, data, pyblo.BiasedRidge(**data), *point(rng, n, n, dtype))


def ridge_case(rng, n, penalty, log, dtype):
    """A Ridge with penalties between e⁻³ and e."""
    data = samples(rng, n, dtype)
    problem = pyblo.Ridge(*data.values(), penalty=penalty, log=log)
    u = rng.uniform(-3, 1, problem.outer_shape)
    u = (u if log else np.exp(u)).astype(dtype)
    kind = f"Ridge {penalty} {'log' if log else 'plain'}"
    return Case(kind, LogRidge if log else Ridge, data, problem, u, rng.standard_normal(n).astype(dtype))


def logistic_case(rng, n, dtype):
    """Logistic regression as a user writes it, with a direct term in u."""
    data = samples(rng, n, dtype)
    data = {name: np.sign(data["y" + name[1:]])[:, None] * data[name] for name in ("X", "X_val")}
    own = Logistic(data)
    problem = pyblo.FunctionProblem(
        n, n, outer_value=lambda u, w: float(own.outer(u, w)), outer_gradients=own.outer_gradients,
        inner_gradient=own.gradient, hessian_product=own.hessian_product,
        cross_adjoint=lambda u, w, q: np.exp(u) * w * q, cross_product=lambda u, w, v: np.exp(u) * w * v, dtype=dtype)
    u = rng.uniform(-3, 0, n).astype(dtype)
    return Case("logistic", Logistic, data, problem, u, rng.standard_normal(n).astype(dtype))


def cast(data, dtype):
    """The arrays in one dtype."""
    return {name: np.asarray(value).astype(dtype) for name, value in data.items()}


def point(rng, n, m, dtype):
    """Random u and w₀."""
    return rng.standard_normal(m).astype(dtype), rng.standard_normal(n).astype(dtype)


MAKERS = (
    lambda rng, n, m, dtype: quadratic_case(rng, n, m, False, dtype),
    lambda rng, n, m, dtype: quadratic_case(rng, n, m, True, dtype),
    lambda rng, n, m, dtype: target_case(rng, n, m, rng.random() < 0.4, dtype),
    lambda rng, n, m, dtype: ridge_case(rng, n, "diagonal", True, dtype),
    lambda rng, n, m, dtype: ridge_case(rng, n, "diagonal", False, dtype),
    lambda rng, n, m, dtype: ridge_case(rng, n, "scalar", True, dtype),
    lambda rng, n, m, dtype: ridge_case(rng, n, "scalar", False, dtype),
    lambda rng, n, m, dtype: biased_case(rng, n, dtype),
    lambda rng, n, m, dtype: logistic_case(rng, n, dtype),
)


def random_case(seed, dtype=np.float64, shapes=SHAPES):
    """The problem of a seed: its kind goes round, its size is drawn."""
    rng = np.random.default_rng((seed, 11))
    n, m = shapes[int(rng.integers(len(shapes)))]
    return MAKERS[seed % len(MAKERS)](rng, n, m, dtype), rng


def random_rule(rng, case, recurrence, steps=STEPS):
    """steps, step, momentum and nesterov of a run that has not converged: it still moves by a hundredth of its first move."""
    rule = generate.descent(rng, case.eigenvalues[-1], recurrence, steps)
    own = case.formulas(cast(case.data, float))
    path = [w for w, _ in states(lambda w: own.gradient(case.u, w), case.w0.astype(float), **rule)]
    moves = np.linalg.norm(np.diff(path, axis=0), axis=1)
    while rule["steps"] > 1 and moves[rule["steps"] - 1] < 1e-2 * moves[0]:
        rule["steps"] //= 2
    return rule


# --- the recurrences and their central differences -------------------------------------------------------------------


def states(gradient, w, steps, step, momentum, nesterov, before=None):
    """Yield (w, w₋) at the start of a run and after each step; from rest where w₋ is None."""
    before = w if before is None else before
    yield w, before
    for _ in range(steps):
        ahead = w + momentum * (w - before)
        w, before = ahead - step * gradient(ahead if nesterov else w), w
        yield w, before


def final(*run, **rule):
    """(w, w₋) at the end of a run."""
    *_, last = states(*run, **rule)
    return last


def balls(values):
    """An array of floats as an array of balls of radius zero."""
    values = np.asarray(values, dtype=float)
    return np.array([arb(value) for value in values.ravel().tolist()] + [None], object)[:-1].reshape(values.shape)


def solve_balls(A, b):
    """A⁻¹b in balls."""
    n = len(b)
    return np.array(arb_mat(n, n, list(A.ravel())).solve(arb_mat(n, 1, list(b))).entries() + [None], object)[:-1]


def width(bits):
    """2^−bits as a ball."""
    return arb(2) ** -bits


def units(count, h):
    """h times each unit vector."""
    return h * np.eye(count, dtype=int).astype(object)


def slopes(value, x, h):
    """The central differences of value at x, one for each component."""
    return np.array([(value(x + e) - value(x - e)) / (2 * h) for e in units(len(x), h)], object)


class Exact:
    """A case in balls: its objectives and their differences."""

    def __init__(self, case):
        data = {name: balls(value) for name, value in case.data.items()}
        self.formulas = case.formulas(data, np, solve_balls)
        self.u, self.w0 = balls(case.u), balls(case.w0)

    def run(self, u, w0, rule, before=None):
        """F at the end of a run."""
        return self.formulas.outer(u, final(lambda w: self.formulas.gradient(u, w), w0, before=before, **rule)[0])

    def start_slope(self, rule):
        """dF/dw₀."""
        return slopes(lambda w: self.run(self.u, w, rule), self.w0, width(200))

    def step_slope(self, rule):
        """dF/dα."""
        step = np.array([arb(rule["step"])], object)
        return slopes(lambda x: self.run(self.u, self.w0, rule | {"step": x[0]}), step, width(200))

    def outer_slope(self, rule, last):
        """dF/du of a run whose last steps alone depend on u."""
        first, short = rule | {"steps": rule["steps"] - last}, rule | {"steps": last}
        w, before = final(lambda w: self.formulas.gradient(self.u, w), self.w0, **first)
        return slopes(lambda u: self.run(u, w, short, before), self.u, width(200))

    def curvature(self, v):
        """∇²F*(u)v."""
        h, v = width(100), balls(v)
        value = lambda u: self.formulas.outer(u, self.formulas.solution(u))
        along = lambda u: (value(u + h * v) - value(u - h * v)) / (2 * h)
        return slopes(along, self.u, h)


def distance(found, exact):
    """‖found − exact‖, an upper bound that counts the radii."""
    return float(np.linalg.norm([bound(value) for value in balls(found).ravel() - np.ravel(exact)]))


def length(exact):
    """‖exact‖ as a float."""
    return float(np.linalg.norm([float(value) for value in np.ravel(exact)]))


# --- automatic differentiation -----------------------------------------------------------------------------------------


class Automatic:
    """The same derivatives by JAX, compiled once for each kind and shape: a run has STEPS steps, the last ones idle."""

    def __init__(self):
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax = jax
        self._run = jax.jit(jax.grad(self._value, argnums=(2, 3, 4)), static_argnums=0)
        self._product = jax.jit(self._curvature, static_argnums=0)

    def _value(self, formulas, data, u, w0, step, momentum, nesterov, steps, last):
        jax, jnp = self.jax, self.jax.numpy
        own = formulas(data, jnp)
        gradient = jax.grad(own.inner, argnums=1)

        def advance(state, t):
            w, before = state
            ahead = w + momentum * (w - before)
            moved = ahead - step * gradient(u, jnp.where(nesterov, ahead, w)), w
            cut = jax.lax.stop_gradient(moved)
            moved = [jnp.where(t < steps - last, *pair) for pair in zip(cut, moved, strict=True)]
            return tuple(jnp.where(t < steps, *pair) for pair in zip(moved, state, strict=True)), None

        (w, _), _ = jax.lax.scan(advance, (w0, w0), jnp.arange(STEPS))
        return own.outer(u, w)

    def _curvature(self, formulas, data, u, v):
        own = formulas(data, self.jax.numpy, self.jax.numpy.linalg.solve)
        slope = self.jax.grad(lambda u: own.outer(u, own.solution(u)))
        return self.jax.jvp(slope, (u,), (v,))[1]

    def run(self, case, rule, last):
        """dF/du, dF/dw₀ and dF/dα, the last steps alone being differentiated."""
        rest = rule["momentum"], rule["nesterov"], rule["steps"], last
        return [np.asarray(x) for x in self._run(case.formulas, case.data, case.u, case.w0, rule["step"], *rest)]

    def curvature(self, case, v):
        """∇²F*(u)v."""
        return np.asarray(self._product(case.formulas, case.data, case.u, v))


# --- the campaign ----------------------------------------------------------------------------------------------------


class Trial:
    """One problem and where its errors go."""

    def __init__(self, case, rng, seed, tally, automatic):
        self.case, self.rng, self.seed, self.tally, self.automatic = case, rng, seed, tally, automatic
        self.exact = Exact(case)

    def judge(self, name, found, exact, automatic):
        """Compare with the differences, and with JAX where it is there."""
        self.tally.compare(f"{name}, differences", distance(found, exact), length(exact), LIMIT, self.seed)
        if automatic is not None:
            gap = np.linalg.norm(np.ravel(found) - np.ravel(automatic))
            self.tally.compare(f"{name}, JAX", gap, np.linalg.norm(automatic), LIMIT, self.seed)

    def settings(self):
        """A route and a mode that the problem has."""
        routes = ("spectral", "iterate") if self.case.problem.fixed_hessian else ("auto", "iterate")
        return {"route": str(self.rng.choice(routes))}, {"mode": str(self.rng.choice(["reverse", "forward"]))}

    def run(self, recurrence):
        """Start, step and the last steps of one run."""
        case, rule = self.case, random_rule(self.rng, self.case, recurrence)
        route, mode = self.settings()
        whole, last = rule["steps"], int(self.rng.integers(1, rule["steps"] + 1))
        found = pyblo.hypergradient(case.problem, case.u, w0=case.w0, method=pyblo.Unrolled(**rule, **mode), **route)
        short = pyblo.Unrolled(**rule, **mode, last=last)
        truncated = pyblo.hypergradient(case.problem, case.u, w0=case.w0, method=short, **route)
        self.tally.require("success", found.success and truncated.success, self.seed)
        whole = self.automatic.run(case, rule, whole) if self.automatic else [None] * 3
        part = self.automatic.run(case, rule, last) if self.automatic else [None]
        self.judge("grad_w0", found.grad_w0, self.exact.start_slope(rule), whole[1])
        self.judge("grad_step", found.grad_step, self.exact.step_slope(rule), whole[2])
        self.judge("grad of the last steps", truncated.grad, self.exact.outer_slope(rule, last), part[0])

    def curvature(self):
        """A product with the Hessian of the reduced objective."""
        v = self.rng.standard_normal(self.case.u.size)
        found = pyblo.prepare(self.case.problem).outer_hessian(self.case.u) @ v
        automatic = self.automatic.curvature(self.case, v) if self.automatic else None
        self.judge("outer_hessian", found, self.exact.curvature(v), automatic)


def check(seed, tally, automatic=None, shapes=SHAPES):
    """Everything for one random problem."""
    with precision():
        case, rng = random_case(seed, shapes=shapes)
        trial = Trial(case, rng, seed, tally, automatic)
        for recurrence in RECURRENCES:
            trial.run(recurrence)
        if case.formulas is not Logistic:
            trial.curvature()


def campaign(count=500, first=0):
    """The tally of `count` problems."""
    tally, automatic = Tally(), Automatic() if find_spec("jax") else None
    for seed in range(first, first + count):
        check(seed, tally, automatic)
    if automatic is None:
        tally.notes = ["JAX is not installed: only the differences were compared."]
    return tally
