"""Seeded random problems for the exact references."""

from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """A quadratic problem with a point at which to differentiate, the rank of A and its κ = λmax/λmin⁺."""

    A: np.ndarray
    B: np.ndarray
    P: np.ndarray
    d: np.ndarray
    f: np.ndarray
    h: float
    u: np.ndarray
    w0: np.ndarray
    rank: int
    kappa: float
    top: float

    @property
    def shape(self):
        """n and m."""
        return self.B.shape

    def parts(self):
        """What Quadratic takes by keyword."""
        return {"d": self.d, "f": self.f, "h": self.h}


def symmetric(M):
    """The symmetric part of M."""
    return (M + M.T) / 2


def orthogonal(rng, n):
    """A random orthogonal matrix."""
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def with_spectrum(rng, eigenvalues):
    """A symmetric matrix with about these eigenvalues and random eigenvectors."""
    Q = orthogonal(rng, len(eigenvalues))
    return symmetric((Q * eigenvalues) @ Q.T)


def spread(rng, n, kappa, top=1.0):
    """n positive numbers with largest over smallest kappa, log-uniform between."""
    exponents = rng.uniform(0, 1, n)
    exponents[: min(2, n)] = np.array([0.0, 1.0])[: min(2, n)]
    return top * kappa**-exponents


def low_rank(rng, n, rank, size=3):
    """An integer factor L, n × rank, of full column rank."""
    while True:
        L = rng.integers(-size, size + 1, (n, rank)).astype(float)
        if np.linalg.matrix_rank(L) == rank:
            return L


def quadratic(seed, largest=30, kappa=1e6, singular=None):
    """A quadratic problem of random size and rank whose κ is at most kappa."""
    for attempt in range(100):
        rng = np.random.default_rng((seed, attempt))
        n = int(rng.integers(1, largest + 1))
        drawn = rng.random() < 0.5
        below = drawn if singular is None else singular
        case = singular_quadratic(rng, max(n, 2)) if below else regular_quadratic(rng, n, kappa)
        if case.kappa <= kappa:
            return case
    raise AssertionError(f"no case for seed {seed}")


def regular_quadratic(rng, n, kappa):
    """A positive definite A = Q diag(λ) Qᵀ, and everything else of any kind."""
    m = int(rng.integers(1, n + 1))
    chosen = 10 ** rng.uniform(0, np.log10(kappa) - 0.01)
    A = with_spectrum(rng, spread(rng, n, chosen, 2.0 ** rng.integers(-4, 5)))
    return complete(rng, A, rng.standard_normal((n, m)), rng.standard_normal(n), n)


def singular_quadratic(rng, n):
    """A = LLᵀ of rank below n, with B and d in its range: all are integers, so every arithmetic sees the same rank."""
    rank, m = int(rng.integers(1, n)), int(rng.integers(1, n + 1))
    L = low_rank(rng, n, rank)
    A = L @ L.T
    B = A @ rng.integers(-2, 3, (n, m))
    return complete(rng, A, B, A @ rng.integers(-2, 3, n), rank)


def complete(rng, A, B, d, rank):
    """The outer problem and the point, for a given inner one."""
    n, m = B.shape
    factor = rng.standard_normal((n, int(rng.integers(1, n + 1))))
    P = symmetric(factor @ factor.T)
    eigenvalues = np.linalg.eigvalsh(A)
    start = rng.standard_normal(n) if rng.random() < 0.7 else np.zeros(n)
    return Case(
        A,
        B,
        P,
        d,
        P @ rng.standard_normal(n),
        float(rng.standard_normal()),
        rng.standard_normal(m),
        start,
        rank,
        float(eigenvalues[-1] / eigenvalues[-rank]),
        float(eigenvalues[-1]),
    )


class Regression(NamedTuple):
    """The arrays of biased regularisation, and a point."""

    X: np.ndarray
    y: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    beta: float
    u: np.ndarray
    w0: np.ndarray

    def parts(self):
        """What BiasedRidge takes by keyword."""
        return {name: getattr(self, name) for name in ("X", "y", "X_val", "y_val", "beta")}

    @property
    def augmented(self):
        """[X; √β I], whose least-squares problem the inner one is."""
        return np.vstack([self.X, np.sqrt(self.beta) * np.eye(self.w0.size)])


def biased(seed, largest=12, kappa=1e7):
    """Biased regularisation of random size and scale; κ([X; √β I]) is up to kappa, and that of H its square.

    X has the singular values of its κ, fewer rows than columns in about half of all, and the rank of its smaller side or less.
    """
    rng = np.random.default_rng((seed, 23))
    n, rows, held_out = (int(rng.integers(1, largest + 1)) for _ in range(3))
    rank = int(rng.integers(0, min(rows, n) + 1)) if rng.random() < 0.3 else min(rows, n)
    values = spread(rng, rank, 10 ** rng.uniform(0, np.log10(kappa)), 2.0 ** rng.integers(-4, 5))
    X = (orthogonal(rng, rows)[:, :rank] * values) @ orthogonal(rng, n)[:, :rank].T
    top = np.max(values, initial=1.0)
    y, y_val, u, w0 = (rng.standard_normal(size) for size in (rows, held_out, n, n))
    return Regression(X, y, rng.standard_normal((held_out, n)), y_val, float((top * 10 ** -rng.uniform(0, np.log10(kappa))) ** 2), u, w0)


def rounded(value, bits=8):
    """A float with few bits, so that powers of it stay short."""
    mantissa, exponent = np.frexp(value)
    return float(np.ldexp(np.round(mantissa * 2**bits) / 2**bits, exponent))


def descent(rng, top, kind="gradient", steps=40):
    """steps, step, momentum and nesterov of a convergent inner run; top is λmax."""
    momentum = 0.0 if kind == "gradient" else float(rng.integers(0, 16)) / 16
    limit = 2 * (1 + momentum) / ((1 + 2 * momentum) if kind == "nesterov" else 1) / top
    return {
        "steps": int(np.ceil(np.exp(rng.uniform(0, np.log(steps))))),
        "step": rounded(limit * rng.uniform(0.05, 0.95)),
        "momentum": momentum,
        "nesterov": kind == "nesterov",
    }


class System(NamedTuple):
    """A linear system for conjugate gradients: its matrix, right-hand side, kind and κ of the nonzero spectrum."""

    A: np.ndarray
    b: np.ndarray
    kind: str
    kappa: float


KINDS = ("definite", "definite", "definite", "diagonal", "indefinite", "consistent", "inconsistent")


def system(seed, dtype=np.float64, largest=40, kappa=1e12):
    """A linear system of random size, kind, κ and power-of-two scale."""
    rng = np.random.default_rng((seed, 7))
    kind = KINDS[int(rng.integers(len(KINDS)))]
    n = int(rng.integers(1, largest + 1))
    chosen = 10 ** rng.uniform(0, np.log10(kappa))
    if kind in ("consistent", "inconsistent"):
        A, b, chosen = singular_system(rng, max(n, 2), kind)
    else:
        values = spread(rng, n, chosen)
        if kind == "indefinite":
            values = values * np.where(rng.random(n) < 0.3, -1.0, 1.0)
        A = np.diag(values) if kind == "diagonal" else with_spectrum(rng, values)
        b = A @ rng.standard_normal(n) if rng.random() < 0.5 else rng.standard_normal(n)
    a_scale, b_scale = (float(2.0 ** rng.integers(-20, 21)) for _ in range(2))
    return System((A * a_scale).astype(dtype), (b * b_scale).astype(dtype), kind, float(chosen))


def singular_system(rng, n, kind):
    """A = LLᵀ and b of small integers, b in the range of A or not; exact in float32 too."""
    while True:
        rank = int(rng.integers(1, n))
        L = low_rank(rng, n, rank, 1)
        A = L @ L.T
        b = A @ rng.integers(-2, 3, n) if kind == "consistent" else rng.integers(-3, 4, n).astype(float)
        inside = np.linalg.matrix_rank(np.column_stack([L, b])) == rank
        if np.any(b) and inside == (kind == "consistent"):
            eigenvalues = np.linalg.eigvalsh(A)
            return A, b, eigenvalues[-1] / eigenvalues[-rank]


def tolerances(seed, dtype):
    """The keywords of one solve: the default tolerance, a relative one or an absolute one."""
    rng = np.random.default_rng((seed, 8))
    tight = 12 if np.dtype(dtype) == np.float64 else 6
    drawn = rng.random()
    if drawn < 0.5:
        return {}
    rtol = 10.0 ** -rng.uniform(1, tight)
    return {"rtol": rtol} if drawn < 0.85 else {"rtol": 0.0, "atol": rtol}


def descending(seed):
    """A small problem and a filter method, by name and keywords, whose cold start is oblique: K is not symmetric.

    P and f are small integers, so that k lies in the range of K in every arithmetic or in none.
    """
    rng = np.random.default_rng((seed, 9))
    n = int(rng.integers(2, 8))
    case = singular_quadratic(rng, n) if rng.random() < 0.3 else regular_quadratic(rng, n, 300.0)
    factor = low_rank(rng, n, int(rng.integers(1, n + 1)), 2)
    case = case._replace(P=factor @ factor.T, f=factor @ (factor.T @ rng.integers(-2, 3, n)))
    if rng.random() < 0.25:
        case = drifting(rng, case)
    name = ("Neumann", "Damped", "Identity")[int(rng.integers(3))]
    settings = {
        "Neumann": {"terms": int(rng.integers(1, 4)), "step": rounded(rng.uniform(0.2, 1.8) / case.top)},
        "Damped": {"eps": rounded(case.top * 10 ** rng.uniform(-2, 1))},
        "Identity": {},
    }
    return case, name, settings[name]


def drifting(rng, case):
    """The case with an outer linear part that the exact response does not see, and an approximate one may.

    f = Px + y with y ⟂ A⁺B leaves the reduced objective bounded; k = BᵀR(Pw̄ + f) need not lie in the range of K.
    """
    n, m = case.shape
    response = np.linalg.pinv(case.A, rcond=1e-10) @ case.B
    basis = np.linalg.svd(response)[0][:, np.linalg.matrix_rank(response) :]
    factor = low_rank(rng, n, max(1, m - 1), 2)
    return case._replace(
        P=factor @ factor.T,
        f=factor @ rng.integers(-2, 3, factor.shape[1]) + basis @ rng.standard_normal(basis.shape[1]),
    )
