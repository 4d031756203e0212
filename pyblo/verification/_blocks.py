"""Random problems in blocks of one shape: problem k of a seed is the same however many are asked for."""
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from .._namespace import matvec, norm, spectral_norm, transposed
from ..problems.quadratic import Quadratic
from ..problems.regression import Ridge

__all__ = ["BLOCK", "EPS", "Block", "draw", "units"]

BLOCK = 100
EPS = float(np.finfo(np.float64).eps)
LARGEST = 8  # n, m ≤ 8: what the claims say does not depend on size, and thousands of problems do on time


@dataclass(frozen=True, eq=False)
class Block:
    """Problems of one shape that satisfy Assumption 3.1 of paper 000, with what is known of them by construction.

    Attributes
    ----------
    seed, number : int
        Of the block.
    members : ndarray of int
        Which of its problems are here.
    A, B, P, d, f : ndarray, shapes (count, n, n), (count, n, m), (count, n, n), (count, n) and (count, n)
        Of f = ½wᵀAw + wᵀBu + dᵀw and F = ½wᵀPw + fᵀw.
    root, target : ndarray, shapes (count, n, p) and (count, p)
        L and c with F = ½‖Lᵀw − c‖² + const: P = LLᵀ, f = −Lc.
    rank : int
        Of every A.
    mu : ndarray
        The least positive eigenvalue of each A.
    L : float
        The largest one of all A.
    u0, w0 : ndarray
        A point.
    step : float
        A step α < 2/L.
    steps : int
        A number of steps or terms.
    damping : float
        An ε > 0.
    """

    seed: int
    number: int
    members: np.ndarray
    A: np.ndarray
    B: np.ndarray
    P: np.ndarray
    d: np.ndarray
    f: np.ndarray
    root: np.ndarray
    target: np.ndarray
    rank: int
    mu: np.ndarray
    L: float
    u0: np.ndarray
    w0: np.ndarray
    step: float
    steps: int
    damping: float

    @cached_property
    def problem(self):
        """The Quadratic."""
        return Quadratic(self.A, self.B, self.P, d=self.d, f=self.f)

    def rng(self, purpose):
        """Return a generator of the block's own for one purpose, a small integer."""
        return np.random.default_rng((self.seed, self.number, 31, purpose))

    def normal(self, purpose, *shape):
        """Return normal numbers (count, *shape)."""
        return self.rng(purpose).standard_normal((BLOCK, *shape))[self.members]

    @property
    def count(self):
        """The number of problems."""
        return len(self.A)

    @property
    def kappa(self):
        """κ(A) on its range."""
        return self.L / self.mu

    @cached_property
    def inverse(self):
        """A⁺, from singular values."""
        return np.linalg.pinv(self.A, rcond=np.sqrt(EPS * self.mu / self.L))

    @cached_property
    def J(self):
        """−A⁺B."""
        return -self.inverse @ self.B

    @cached_property
    def w_bar(self):
        """w*(0; w₀) = −A⁺d + (I − A⁺A)w₀."""
        return self.w0 - matvec(self.inverse, self.d + matvec(self.A, self.w0))

    @cached_property
    def Z(self):
        """JᵀPJ."""
        return transposed(self.J) @ self.P @ self.J

    @cached_property
    def sensitivity(self):
        """1/λ of the least positive eigenvalue of Z, whose rank is the least of those of A, P and the number of outer variables."""
        rank = min(self.rank, self.root.shape[-1], self.B.shape[-1])
        return 1 / np.linalg.svd(transposed(self.root) @ self.J, compute_uv=False)[:, rank - 1] ** 2

    @cached_property
    def kappa_Z(self):
        """κ(Z) on its range."""
        return spectral_norm(self.Z) * self.sensitivity

    def force(self, length):
        """Return ‖P‖·length + ‖f‖, of the terms of ∂F/∂w."""
        return spectral_norm(self.P) * length + norm(self.f)

    def reach(self, u, w0=0.0):
        """Return ‖w₀‖ + (‖B‖‖u‖ + ‖d‖)/μ, of the terms of an inner solution."""
        return w0 + (spectral_norm(self.B) * norm(u) + norm(self.d)) / self.mu

    @cached_property
    def slope(self):
        """‖J‖(‖P‖(‖J‖‖u₀‖ + ‖d‖/μ + ‖w₀‖) + ‖f‖), of the terms of ∇F*(u₀)."""
        J = spectral_norm(self.J)
        return J * self.force(J * norm(self.u0) + norm(self.d) / self.mu + norm(self.w0))

    def take(self, chosen):
        """Return the block of the chosen problems alone."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return replace(self, **{name: value[chosen] for name, value in values if isinstance(value, np.ndarray)})

    @cached_property
    def ridge(self):
        """As many Ridge with their u, scaled to λmax(H) = L: H depends on u, and M on w."""
        rng = self.rng(1)
        rows, held_out, p = (int(k) for k in rng.integers(1, LARGEST + 1, 3))
        X, y = rng.standard_normal((BLOCK, rows, p)), rng.standard_normal((BLOCK, rows))
        u = rng.uniform(-4, 1, (BLOCK, p))
        H = transposed(X) @ X / rows + np.exp(u)[..., None] * np.eye(p)
        scale = self.L / np.linalg.eigvalsh(H)[:, -1]
        X, u = X * np.sqrt(scale)[:, None, None], u + np.log(scale)[:, None]
        X_val, y_val = rng.standard_normal((BLOCK, held_out, p)), rng.standard_normal((BLOCK, held_out))
        return Ridge(*(array[self.members] for array in (X, y, X_val, y_val))), u[self.members]


def draw(seed, number):
    """Return a Block: every second one has singular A, every third one is diagonal, and every fifth one has κ(A) up to 10⁶, else 300."""
    rng = np.random.default_rng((seed, number, 30))
    singular, diagonal, steep = number % 2 == 1, number % 3 == 2, number % 5 == 4
    n, m = int(rng.integers(1 + singular, LARGEST + 1)), int(rng.integers(1, LARGEST + 1))
    rank, p = int(rng.integers(1, n)) if singular else n, int(rng.integers(1, n + 1))
    L, most = float(2.0 ** rng.integers(-3, 4)), 10 ** (rng.uniform(3, 6) if steep else rng.uniform(0, 2.5))
    values = _spread(rng, rank, most, L)
    V = _orthogonal(rng, n, diagonal)[..., :rank]
    A = (V * values[:, None, :]) @ transposed(V)
    root = _orthogonal(rng, n, diagonal)[..., :p] * np.sqrt(_spread(rng, p, 10.0, 1.0))[:, None, :]
    B, d = rng.standard_normal((BLOCK, n, m)), rng.standard_normal((BLOCK, n))
    if singular:  # B and d in the range of A, without cancellation: f is bounded below
        B, d = V @ (values[..., None] * B[:, :rank]), matvec(V, values * d[:, :rank])
    target = rng.standard_normal((BLOCK, p)) * 10 ** rng.uniform(-1, 2, (BLOCK, 1))
    P = root @ transposed(root)
    A, P = (A + transposed(A)) / 2, (P + transposed(P)) / 2
    return Block(
        seed, number, np.arange(BLOCK), A, B, P, d, -matvec(root, target), root, target, rank, values.min(-1), L,
        rng.standard_normal((BLOCK, m)), rng.standard_normal((BLOCK, n)), float(rng.uniform(0.3, 1.7) / L), int(rng.integers(1, 41)),
        float(L * 10 ** rng.uniform(-3, 0.5)))


def _spread(rng, size, most, top):
    """Return positive numbers, the largest top and the least top/κ with κ ≤ most, log-uniform between."""
    exponents = rng.random((BLOCK, size))
    exponents[:, :2] = [0.0, 1.0][:size]
    return top * most ** -(exponents * rng.random((BLOCK, 1)))


def _orthogonal(rng, n, diagonal):
    return np.broadcast_to(np.eye(n), (BLOCK, n, n)) if diagonal else np.linalg.qr(rng.standard_normal((BLOCK, n, n)))[0]


def units(error, unit):
    """Return error/unit of each problem, infinite where it is no number; no error is none in any unit."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(error == 0, 0.0, error / unit)
    return np.where(np.isnan(ratio), np.inf, ratio)
