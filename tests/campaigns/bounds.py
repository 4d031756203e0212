"""Measured errors of hypergradients against the bounds of paper 002, Theorems 2.1, 2.2 and 2.4.

The error is the distance to a hypergradient by a pseudoinverse of NumPy, for every t ≤ 60 and, of AID, every k ≤ 60 (of
a few, where asked). A violation is an error above bound + constants.floor: 10 ε κ (c₁ + c₃), and more where terms
cancel. Errors above bound + 10 ε κ (c₁ + c₃) alone are no violations; the problems with one are counted, and the
number is printed. Problems come in batches of one shape, half of them with the step 1/L, half scaled so that the
optimal step is 1. Tightness is bound/error where the bound is above that floor, so that errors of rounding alone do
not count.
"""

import generate
import numpy as np
from oracle import Tally

import pyblo
from pyblo import bounds

EPS = np.finfo(float).eps
KINDS = ("diagonal", "diagonal throughout", "dense", "singular", "target", "ridge diagonal", "ridge scalar", "biased")
BLOCK = 100  # problems of a batch
LAST = 60  # steps


def spectra(rng, count, n, rank):
    """Eigenvalues of `count` matrices of one rank, κ up to 10⁴, of any scale."""
    values = np.stack([generate.spread(rng, rank, 10 ** rng.uniform(0, 4), 2.0 ** rng.integers(-3, 4)) for _ in range(count)])
    return np.concatenate([values, np.zeros((count, n - rank))], axis=1)


def products(rng, count, n, rows):
    """Random symmetric positive semidefinite matrices of a rank up to rows."""
    L = rng.standard_normal((count, n, rows))
    return L @ np.swapaxes(L, 1, 2)


def quadratic(rng, count, kind, scaled):
    """A batch of Quadratic, and of u."""
    n = int(rng.integers(1, 11))
    m, rank = int(rng.integers(1, n + 1)), int(rng.integers(1, n + 1)) if kind == "singular" else n
    values = spectra(rng, count, n, rank)
    if scaled:
        values = 2 * values / (values.max(1) + values[:, :rank].min(1))[:, None]
    Q = np.eye(n) if kind.startswith("diagonal") else np.linalg.qr(rng.standard_normal((count, n, n)))[0]
    A = (Q * values[:, None, :]) @ np.swapaxes(Q, -1, -2)
    A = (A + np.swapaxes(A, 1, 2)) / 2
    inside = Q @ (np.arange(n)[:, None] < rank) if kind == "singular" else None
    B, d = rng.standard_normal((count, n, m)), rng.standard_normal((count, n, 1))
    if inside is not None:
        B, d = A @ B, A @ d
    P = products(rng, count, n, int(rng.integers(1, n + 1)))
    if kind == "diagonal throughout":
        m = n
        B, P = np.eye(n) * rng.standard_normal((count, 1, n)), np.eye(n) * rng.random((count, 1, n))
    f, P = rng.standard_normal((count, n)), (P + np.swapaxes(P, 1, 2)) / 2
    return pyblo.Quadratic(A, B, P, d=d[..., 0], f=f), rng.standard_normal((count, m))


def target(rng, count, scaled):
    """A batch of TargetLearning, of any shape, and of u."""
    rows, n, p = (int(k) for k in rng.integers(1, 9, 3))
    Phi = rng.standard_normal((count, rows, n))
    if scaled:
        sigma = np.linalg.svd(Phi, compute_uv=False)
        Phi = Phi * np.sqrt(2 / (sigma.max(1) ** 2 + sigma.min(1) ** 2))[:, None, None]
    return (pyblo.TargetLearning(Phi, rng.standard_normal((count, p, n)), rng.standard_normal((count, p))),
            rng.standard_normal((count, rows)))


def ridge(rng, count, penalty, scaled):
    """A batch of Ridge, and of u."""
    rows, rows_val, p = (int(k) for k in rng.integers(1, 9, 3))
    log = bool(rng.random() < 0.5)
    X, u = rng.standard_normal((count, rows, p)), rng.uniform(-5, 2, (count, p if penalty == "diagonal" else 1))
    if scaled:
        H = np.swapaxes(X, 1, 2) @ X / rows + np.exp(u)[..., None] * np.eye(p)
        values = np.linalg.eigvalsh(H)
        factor = 2 / (values[:, -1] + values[:, 0])
        X, u = X * np.sqrt(factor)[:, None, None], u + np.log(factor)[:, None]
    problem = pyblo.Ridge(X, rng.standard_normal((count, rows)), rng.standard_normal((count, rows_val, p)),
                          rng.standard_normal((count, rows_val)), penalty=penalty, log=log)
    return problem, u if log else np.exp(u)


def biased(rng, count, scaled):
    """A batch of BiasedRidge, and of u."""
    rows, rows_val, p = (int(k) for k in rng.integers(1, 9, 3))
    X, beta = rng.standard_normal((count, rows, p)), 10 ** rng.uniform(-3, 1, count)
    if scaled:
        values = np.linalg.eigvalsh(np.swapaxes(X, 1, 2) @ X) + beta[:, None]
        factor = 2 / (values[:, -1] + values[:, 0])
        X, beta = X * np.sqrt(factor)[:, None, None], beta * factor
    return (pyblo.BiasedRidge(X, rng.standard_normal((count, rows)), rng.standard_normal((count, rows_val, p)),
                              rng.standard_normal((count, rows_val)), beta=beta), rng.standard_normal((count, p)))


def draw(seed, count=BLOCK):
    """A batch of one kind, with its u and whether its optimal step is 1."""
    rng = np.random.default_rng((seed, 11))
    kind, scaled = KINDS[seed % len(KINDS)], bool(seed // len(KINDS) % 2)
    if kind in ("target", "biased"):
        return kind, *(target if kind == "target" else biased)(rng, count, scaled), scaled
    if kind.startswith("ridge"):
        return kind, *ridge(rng, count, kind.split()[1], scaled), scaled
    return kind, *quadratic(rng, count, kind, scaled), scaled


def exact(problem, u):
    """H, and the hypergradient −MᵀH⁺g at w = −H⁺∇f(u, 0), by a symmetric pseudoinverse of NumPy."""
    H = problem.hessian(u, None).todense()
    inverse = np.linalg.pinv(H, rcond=1e-10, hermitian=True)
    w = -(inverse @ problem.inner_gradient(u, None)[..., None])[..., 0]
    g = problem.outer_gradients(u, w)[1]
    M = problem.cross(u, w).todense()
    return H, -(np.swapaxes(M, -1, -2) @ (inverse @ g[..., None]))[..., 0]


class Trial:
    """One batch: its constants, and the measured errors of each method."""

    def __init__(self, seed, tally, count=BLOCK, adjoints=LAST + 1):
        self.seed, self.tally = seed, tally
        self.adjoints = np.random.default_rng((seed, 12)).choice(LAST + 1, adjoints, replace=False).tolist()
        self.kind, self.problem, self.u, scaled = draw(seed, count)
        self.hessians, self.exact = exact(self.problem, self.u)
        self.step = 1.0 if scaled else None
        largest = np.linalg.eigvalsh(self.hessians)[:, -1]
        self.constants = bounds.constants(self.problem, self.u, step=self.step or 1 / largest)
        self.tightness, self.beyond = [], np.zeros(count, bool)

    def judge(self, name, gradient, bound):
        """Compare gradients (..., count, m) with the bounds (..., count)."""
        error = np.linalg.norm(gradient - self.exact, axis=-1)
        c, floor = self.constants, self.constants.floor
        ratio = error / (bound + floor)
        self.beyond = self.beyond | (error > bound + 10 * EPS * c.kappa * (c.c1 + c.c3)).any(axis=0)
        self.tally.add(f"{name}, {self.kind}", ratio.max(), 1.0, self.seed)
        seen = (bound > floor) & (error > 0)
        self.tightness.append((name, (bound / np.where(seen, error, 1))[seen]))

    def run(self):
        """Iterative differentiation for every t, AID for every t with each k."""
        c, points, t = self.constants, [], np.arange(LAST + 1)
        itd = []
        for steps in t:
            found = pyblo.hypergradient(self.problem, self.u, method=pyblo.Unrolled(int(steps), self.step))
            itd.append(found.grad)
            points.append(found.w)
        self.judge("ITD", np.stack(itd), bounds.itd(c, t[:, None]))
        w = np.stack(points)
        for k in self.adjoints:
            for name, method, bound in (("AID-FP", pyblo.FixedPoint(k, self.step), bounds.aid_fixed_point),
                                        ("AID-CG", pyblo.CG(maxiter=k, rtol=EPS), bounds.aid_cg)):
                found = pyblo.hypergradient(self.problem, self.u, w, method=method)
                self.judge(name, found.grad, bound(c, t[:, None], k))


def campaign(count=10_000, first=0, adjoints=LAST + 1):
    """The tally of `count` problems, a hundred to a seed, with the median tightness of each kind, and how many exceed 10 ε κ (c₁ + c₃)."""
    tally, tightness, beyond, tried = Tally(), {}, {}, 0
    for seed in range(first, first + -(-count // BLOCK)):
        trial = Trial(seed, tally, min(BLOCK, count), adjoints)
        trial.run()
        tried += len(trial.beyond)
        beyond[trial.kind] = beyond.get(trial.kind, 0) + int(trial.beyond.sum())
        for name, ratios in trial.tightness:
            tightness.setdefault((name, trial.kind), []).append(ratios)
    tally.notes = [f"problems with an error above bound + 10 ε κ (c₁ + c₃): {sum(beyond.values())} of {tried} ("
                   + ", ".join(f"{kind} {n}" for kind, n in beyond.items()) + ")"]
    tally.notes += ["bound / error, where the bound exceeds the floor of rounding:"] + [
        f"{name:8s}{kind:22s}median {np.median(np.concatenate(found)):9.3g}" for (name, kind), found in sorted(tightness.items())]
    return tally
