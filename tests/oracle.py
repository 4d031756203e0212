"""Exact references for quadratic bilevel problems, in rational numbers or in balls of Arb.

Every float is a dyadic rational, so the reference sees the very numbers that were handed to the library. A solve is
done in rationals; a long recurrence, whose rationals would grow by some hundred bits a step, is done in balls of 1024
bits (a step may widen them by the norm of |I − αA|, up to √n), whose radius is part of every error that is reported.
Both fields run the same code. The notation is f = ½wᵀAw + wᵀBu + dᵀw, F = ½wᵀPw + fᵀw + h; nothing here knows how
the library computes.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

BITS = 1024


def rational(value):
    """The exact value of a float."""
    return fmpq(*float(value).as_integer_ratio())


def shape(values):
    """The rows and columns of an array; a vector is a column."""
    return values.shape if values.ndim == 2 else (values.size, 1)


def rational_matrix(values):
    """The exact matrix of an array of floats; a vector becomes a column."""
    values = np.asarray(values)
    return fmpq_mat(*shape(values), [rational(value) for value in values.ravel().tolist()])


def ball_matrix(values):
    """The same in balls of radius zero: 53 bits fit in any of them."""
    values = np.asarray(values, dtype=float)
    return arb_mat(*shape(values), values.ravel().tolist())


@dataclass(frozen=True)
class Field:
    """A kind of exact number: how floats enter it."""

    scalar: Any
    matrix: Any


RATIONAL = Field(rational, rational_matrix)
BALL = Field(lambda value: arb(float(value)), ball_matrix)


class precision:
    """A context in which balls have BITS bits."""

    def __enter__(self):
        self.before, ctx.prec = ctx.prec, BITS

    def __exit__(self, *_):
        ctx.prec = self.before


def pivots(A):
    """The columns of a float matrix that carry its rank, found in rational arithmetic."""
    reduced, rank = rational_matrix(A).rref()
    found, column = [], 0
    for row in range(rank):
        while reduced[row, column] == 0:
            column += 1
        found.append(column)
    return found


def columns(M, chosen, kind):
    """Some columns of an exact matrix."""
    return kind(M.nrows(), len(chosen), [M[i, j] for i in range(M.nrows()) for j in chosen])


def rows(M, chosen, kind):
    """Some rows of an exact matrix."""
    return kind(len(chosen), M.ncols(), [M[i, j] for i in chosen for j in range(M.ncols())])


@dataclass(frozen=True)
class Symmetric:
    """A symmetric positive semidefinite A, with the rank factorisation A = C A_pp⁻¹ Cᵀ where it is singular."""

    A: Any
    C: Any = None
    core: Any = None

    @classmethod
    def of(cls, values, field=RATIONAL):
        """The exact matrix of an array."""
        A, found = field.matrix(values), pivots(values)
        if len(found) == A.nrows():
            return cls(A)
        C = columns(A, found, type(A))
        return cls(A, C, rows(C, found, type(A)))

    def pseudoinverse(self, Y):
        """A⁺Y: with A = C A_pp⁻¹ Cᵀ it is C (CᵀC)⁻¹ A_pp (CᵀC)⁻¹ Cᵀ Y."""
        if self.C is None:
            return self.A.solve(Y)
        across = self.C.transpose()
        gram = across * self.C
        return self.C * gram.solve(self.core * gram.solve(across * Y))

    def on_range(self, Y):
        """AA⁺Y, the orthogonal projection on the range of A."""
        if self.C is None:
            return Y
        across = self.C.transpose()
        return self.C * (across * self.C).solve(across * Y)


@dataclass(frozen=True)
class Reference:
    """A quadratic problem in exact numbers."""

    field: Field
    hessian: Symmetric
    B: Any
    P: Any
    d: Any
    f: Any
    h: Any

    @classmethod
    def of(cls, case, field=RATIONAL):
        """The reference of a case of arrays."""
        parts = [field.matrix(a) for a in (case.B, case.P, case.d, case.f)]
        return cls(field, Symmetric.of(case.A, field), *parts, field.scalar(case.h))

    @classmethod
    def of_biased(cls, case):
        """The reference of biased regularisation of arrays: A = XᵀX + βI, B = −βI, d = −Xᵀy and so on, in rational numbers."""
        X, y, X_val, y_val = (rational_matrix(array) for array in (case.X, case.y, case.X_val, case.y_val))
        n, beta, across, across_val = X.ncols(), rational(case.beta), X.transpose(), X_val.transpose()
        shift = fmpq_mat(n, n, [beta if i == j else 0 for i in range(n) for j in range(n)])
        h = (y_val.transpose() * y_val)[0, 0] / 2
        return cls(RATIONAL, Symmetric(across * X + shift), -shift, across_val * X_val, -(across * y), -(across_val * y_val), h)

    @property
    def A(self):
        """The inner Hessian."""
        return self.hessian.A

    def pseudoinverse(self, Y):
        """A⁺Y."""
        return self.hessian.pseudoinverse(Y)

    def on_range(self, Y):
        """AA⁺Y."""
        return self.hessian.on_range(Y)

    def force(self, u):
        """Bu + d."""
        return self.B * u + self.d

    def inner_solution(self, u, w0):
        """The minimiser of f(u, ·) nearest w₀: −A⁺(Bu + d) + (I − A⁺A)w₀."""
        return w0 - self.on_range(w0) - self.pseudoinverse(self.force(u))

    def outer_gradient(self, w):
        """∂F/∂w = Pw + f."""
        return self.P * w + self.f

    def value(self, w):
        """F = ½wᵀPw + fᵀw + h."""
        return (w.transpose() * (self.P * w + self.f * self.field.scalar(2)))[0, 0] * self.field.scalar(0.5) + self.h

    def damped(self, g, eps):
        """(A + εI)⁻¹g."""
        n, shift = self.A.nrows(), self.field.scalar(eps)
        identity = type(self.A)(n, n, [1 if i == j else 0 for i in range(n) for j in range(n)])
        return (self.A + identity * shift).solve(g)

    def neumann(self, g, terms, step):
        """α Σ_{j<T} (I − αA)ʲ g, the sum of its terms."""
        alpha = self.field.scalar(step)
        scaled, total, power = self.A * alpha, g * self.field.scalar(0), g
        for _ in range(terms):
            total = total + power
            power = power - scaled * power
        return total * alpha

    def descend(self, u, w0, steps, step, momentum=0.0, nesterov=False):
        """The last iterate w_T and its derivative dw_T/du, by the differentiated recurrence."""
        alpha, m = self.field.scalar(step), self.field.scalar(momentum)
        force, zero = self.force(u), self.B * self.field.scalar(0)
        w, before, W, W_before = w0, w0, zero, zero
        for _ in range(steps):
            y, Y = w + (w - before) * m, W + (W - W_before) * m
            at, At = (y, Y) if nesterov else (w, W)
            before, W_before = w, W
            w = y - (self.A * at + force) * alpha
            W = Y - (self.A * At + self.B) * alpha
        return w, W

    def implicit(self, w, q):
        """The hypergradient −Bᵀq, where q = R(Pw + f)."""
        return -(self.B.transpose() * q)


def group_factors(K):
    """X, Y and the r × r matrix YX of a rank factorisation K = XY; YX has the nonzero eigenvalues of K."""
    reduced, rank = K.rref()
    found = [next(j for j in range(K.ncols()) if reduced[i, j] != 0) for i in range(rank)]
    X, Y = columns(K, found, fmpq_mat), rows(reduced, range(rank), fmpq_mat)
    return X, Y, Y * X


def group_inverse_times(K, y):
    """K^♯y = X(YX)⁻²Yy; None where rank K² < rank K."""
    X, Y, core = group_factors(K)
    if core.nrows() == 0:
        return y * fmpq(0)
    try:
        return X * core.solve(core.solve(Y * y))
    except ZeroDivisionError:
        return None


def cold_map(reference, w0, apply):
    """K and k of cold start u₊ = u − β(Ku − k): K = BᵀRPA⁺B and k = BᵀR(Pw̄ + f), where apply is R."""
    mean = w0 - reference.on_range(w0) - reference.pseudoinverse(reference.d)
    across = reference.B.transpose()
    K = across * apply(reference.P * reference.pseudoinverse(reference.B))
    return K, across * apply(reference.outer_gradient(mean))


def cold_limit(K, k, u0):
    """The limit u₀ − K^♯(Ku₀ − k) of cold start, or None where k is not in the range of K or K has no group inverse."""
    move = group_inverse_times(K, K * u0 - k)
    if move is None or K * move != K * u0 - k:
        return None
    return u0 - move


def cold_verdict(K, k):
    """What cold start does: "limit", "drift" (k outside range K), "defect" (rank K² < rank K) or "eigenvalue"."""
    core = group_factors(K)[2]
    if core.nrows() and core.det() == 0:
        return "defect"
    if core.nrows() and np.linalg.eigvals(array(core)).real.min() <= 0:
        return "eigenvalue"
    return "limit" if cold_limit(K, k, k) is not None else "drift"


def number(value):
    """An exact number as the nearest float, a ball as the float nearest its middle."""
    if isinstance(value, arb):
        return float(value)
    return float(Fraction(int(value.p), int(value.q)))


def array(M):
    """An exact matrix as an array of floats."""
    return np.array([number(value) for value in M.entries()]).reshape(M.nrows(), M.ncols())


def numbers(M):
    """An exact column as an array of floats."""
    return np.array([number(value) for value in M.entries()])


def bound(value):
    """An upper bound of |value|, the radius of a ball included."""
    return float(value.abs_upper()) if isinstance(value, arb) else abs(number(value))


def error(values, M):
    """‖values − M‖, the subtraction being exact; M is a matrix or a number."""
    if isinstance(M, fmpq):
        return bound(rational(values) - M)
    field = BALL if isinstance(M, arb_mat) else RATIONAL
    return float(np.linalg.norm([bound(value) for value in (field.matrix(values) - M).entries()]))


def squared_norm(M):
    """The exact ‖M‖² of a rational column."""
    return sum((value * value for value in M.entries()), fmpq(0))


def residual(A, x, b):
    """The exact b − Ax of arrays of floats."""
    return rational_matrix(b) - rational_matrix(A) * rational_matrix(x)


def quadratic_form(A, p):
    """The exact pᵀAp of arrays of floats."""
    column = rational_matrix(p)
    return (column.transpose() * (rational_matrix(A) * column))[0, 0]


class Tally:
    """Ratios of errors to their bounds, by the name of the check; above the limit of its check one is a violation."""

    def __init__(self):
        self.ratios, self.limits, self.worst, self.notes = {}, {}, {}, []

    def add(self, name, ratio, limit, seed):
        """Record one ratio; NaN counts as infinite."""
        ratio = np.inf if np.isnan(ratio) else float(ratio)
        self.limits[name] = limit
        self.ratios.setdefault(name, []).append(ratio)
        if ratio >= self.worst.get(name, (-1.0, None))[0]:
            self.worst[name] = ratio, seed

    def compare(self, name, error, unit, limit, seed):
        """Record error / unit; no error is no violation where the unit is zero too (B = 0, or w = 0 from w₀ = 0)."""
        self.add(name, error / unit if unit else (np.inf if error else 0.0), limit, seed)

    def require(self, name, holds, seed):
        """Record a statement that must hold: a ratio of 0 or 1 against the limit 0."""
        self.add(name, 0.0 if holds else 1.0, 0.0, seed)

    def violations(self):
        """The number of ratios above their limit, by check."""
        return {name: sum(ratio > self.limits[name] for ratio in found) for name, found in self.ratios.items()}

    def failures(self):
        """One line for each violated check, empty where all hold."""
        return [
            f"{name}: {count} of {len(self.ratios[name])} above {self.limits[name]:g}, worst {self.worst[name]}"
            for name, count in self.violations().items()
            if count
        ]

    def table(self):
        """The figures as lines of text."""
        lines = [f"{'check':46s}{'count':>8s}{'limit':>9s}{'max':>12s}{'median':>12s}{'violated':>10s}  worst seed"]
        for name, found in self.ratios.items():
            figures = f"{len(found):8d}{self.limits[name]:9g}{max(found):12.4g}{np.median(found):12.4g}"
            lines.append(f"{name:46s}{figures}{self.violations()[name]:10d}  {self.worst[name][1]}")
        return lines + self.notes
