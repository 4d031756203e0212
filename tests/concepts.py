"""Independent references for solution concepts and projections: exact numbers, duals, least distance programs."""

import generate
import numpy as np
import scipy.linalg
import scipy.optimize
from oracle import Symmetric, columns, rational_matrix
from oracle import rows as rows_of

import pyblo


def integer_case(seed, largest=8):
    """A quadratic case of small integers, A singular or regular: every arithmetic sees the same ranks, and F is bounded below."""
    rng = np.random.default_rng((seed, 11))
    n = int(rng.integers(2, largest + 1))
    case = generate.singular_quadratic(rng, n)
    if rng.random() < 0.2:
        L = generate.low_rank(rng, n, n, 2)
        B = rng.integers(-2, 3, case.B.shape).astype(float)
        A, d = L @ L.T, rng.integers(-3, 4, n).astype(float)
        values = np.linalg.eigvalsh(A)
        case = case._replace(A=A, B=B, d=d, rank=n, kappa=values[-1] / values[0], top=values[-1])
    factor = generate.low_rank(rng, n, int(rng.integers(1, n + 1)), 2)
    f = factor @ (factor.T @ rng.integers(-2, 3, n)) if rng.random() < 0.8 else np.zeros(n)
    return case._replace(P=factor @ factor.T, f=f.astype(float), u=rng.integers(-3, 4, case.shape[1]).astype(float))


def problem_of(case):
    """The library's problem of a case."""
    return pyblo.Quadratic(case.A, case.B, case.P, **case.parts())


def exact_symmetric(M):
    """The rational M, symmetric PSD, with its rank factorisation."""
    reduced, rank = M.rref()
    found = [next(j for j in range(M.ncols()) if reduced[i, j] != 0) for i in range(rank)]
    if rank == M.nrows():
        return Symmetric(M)
    C = columns(M, found, type(M))
    return Symmetric(M, C, rows_of(C, found, type(M)))


class Exact:
    """S(u) and F of a case in rationals: J = −A⁺B, w̄ = −A⁺d, Q = I − AA⁺."""

    def __init__(self, case):
        self.A, self.B, self.P, self.d, self.f = (rational_matrix(a) for a in (case.A, case.B, case.P, case.d, case.f))
        hessian = Symmetric.of(case.A)
        self.identity = rational_matrix(np.eye(case.shape[0]))
        self.J, self.w_bar = hessian.pseudoinverse(self.B) * -1, hessian.pseudoinverse(self.d) * -1
        self.Q = self.identity - hessian.on_range(self.identity)
        self.h = case.h

    def gradient(self, w):
        """∂F/∂w."""
        return self.P * w + self.f

    def optimistic(self, u0):
        """The u nearest u₀ of min F over the graph of S, and the w ∈ S(u) nearest w*(u; 0) that attains it."""
        P, f, inner = self.seen(self.P, self.f)
        Z, u = exact_symmetric(self.J.transpose() * P * self.J), rational_matrix(u0)
        u = u - Z.pseudoinverse(self.J.transpose() * (P * (self.w_bar + self.J * u) + f))
        w = self.w_bar + self.J * u
        return u, w - inner.pseudoinverse(self.Q * self.gradient(w))

    def seen(self, P, f):
        """What v ∈ null(A) leaves of P and f, P − PQ(QPQ)⁺QP and f − PQ(QPQ)⁺Qf."""
        inner = exact_symmetric(self.Q * P * self.Q)
        across = self.Q * P
        return P - across.transpose() * inner.pseudoinverse(across), f - across.transpose() * inner.pseudoinverse(self.Q * f), inner


def null_basis(A):
    """An orthonormal basis of null(A)."""
    return scipy.linalg.null_space(A, rcond=1e-10)


class Ball:
    """φ(u) = max F(w*(u) + Nz) on ‖z‖ ≤ ρ in floats, as the minimum of its dual over the logarithm of the multiplier's distance to λmax."""

    def __init__(self, case, radius):
        self.case, self.radius = case, radius
        inverse = np.linalg.pinv(case.A, rcond=1e-10, hermitian=True)
        self.J, self.w_bar = -inverse @ case.B, -inverse @ case.d
        self.N = null_basis(case.A)
        self.values, self.vectors = np.linalg.eigh(self.N.T @ case.P @ self.N)

    def value(self, w):
        """F at rows of w."""
        c = self.case
        return 0.5 * np.einsum("...i,ij,...j->...", w, c.P, w) + w @ c.f + c.h

    def nearest(self, u):
        """w*(u; 0) of rows of u."""
        return self.w_bar + u @ self.J.T

    def __call__(self, u):
        """φ(u): an error of the multiplier enters squared."""
        w = self.nearest(u)
        if not self.values.size:
            return self.value(w)
        squares = (self.vectors.T @ (self.N.T @ (self.case.P @ w + self.case.f))) ** 2
        gaps, scale = self.values[-1] - self.values, 1 + self.values[-1]

        def dual(x):
            t = np.exp(x)
            return 0.5 * np.sum(squares / (gaps + t)) + 0.5 * (self.values[-1] + t) * self.radius**2

        ends = np.log(1e-20 * scale), np.log(1e3 * (scale + np.sqrt(squares.sum()) / self.radius))
        best = scipy.optimize.minimize_scalar(dual, bounds=ends, method="bounded", options={"xatol": 1e-9, "maxiter": 500})
        return self.value(w) + min(best.fun, dual(ends[0]))


def least_distance(w0, G, h, E=None, e=None):
    """The point nearest w₀ with Gw ≤ h and Ew = e, or None where there is none: Lawson and Hanson's LDP by nonnegative least squares.

    With x = w − w₀, (−G)x ≥ Gw₀ − h: nnls of [(−G)ᵀ; (Gw₀ − h)ᵀ] against the last unit vector; equations are two inequalities each.
    """
    if E is not None:
        G, h = np.vstack([G, E, -E]), np.concatenate([h, e, -e])
    right = G @ w0 - h
    size = np.linalg.norm(np.column_stack([G, right]), axis=1)
    M = np.vstack([-G.T / size, right / size])
    target = np.zeros(w0.size + 1)
    target[-1] = 1.0
    y, rest = scipy.optimize.nnls(M, target, maxiter=100 * G.shape[0])
    if rest < 1e-9:
        return None
    r = M @ y - target
    return w0 - r[:-1] / r[-1]


def polyhedron(seed):
    """A w₀ and half-spaces xᵢᵀw ≤ yᵢ, with equations for some seeds; a common point may be missing."""
    rng = np.random.default_rng((seed, 22))
    n = int(rng.integers(1, 6))
    X = rng.standard_normal((int(rng.integers(1, 7)), n))
    y = rng.standard_normal(len(X))
    E = rng.standard_normal((int(rng.integers(0, n)), n))
    return 2 * rng.standard_normal(n), X, y, E, rng.standard_normal(len(E))


def sets_of(X, y, E, e):
    """The sets of a polyhedron."""
    return [pyblo.equilibria.HalfSpaces(X, y)] + ([pyblo.equilibria.AffineSet(E, e)] if len(E) else [])

