"""Cold and warm start on a problem with a fixed Hessian, with the eigenvalue 1 of their affine maps taken out.

In exact arithmetic most of z = (u, w) never moves by itself: the part of u outside the range of the hypergradients, and the part x of w
outside the range of the inner Hessian. What moves is spanned by few columns X, orthonormal, and

    z⁺ = z + X v + J k₂,    v = Y z + y − XᵀJ k₂,    v⁺ = (I + S) v + Y J k₂,    S = Y X,    Y = Xᵀ(E − I),    y = Xᵀc,

so that the eigenvalues of E that are not 1 by structure are those of I + S, and ‖(I + S)ᵗ‖ ≤ ‖Eᵗ‖. The drift k₂, the part of k outside the
range of K (MATH §4), depends on x only and is constant. With D = diag(r) VᵀM and β the outer step,

    u⁺ = u + βDᵀVᵀ(Pw + f),    w⁺ = w − V a∘(λ∘Vᵀw + VᵀM u⁺ + δ),

u moves in the range of DᵀVᵀPV and w in that of V, and S is affine in β there. Where K = DᵀVᵀPVΛ⁻¹VᵀM has a smaller rank than DᵀVᵀPV,
X is a part of these ranges, which turns with β: the range of [−β(Q, F); −aλ((0, I) − βΛ⁻¹VᵀM(Q, F))], F = −DᵀVᵀPV, Q a basis of the range
of K: increments by the hypergradient at the inner solution, and by e = Vᵀ(w − w*(u)).
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._namespace import matvec, norm, transposed
from ._reduced import between, length, outer_gradient

__all__ = ["Increments", "block", "cold", "warm"]


@dataclass(frozen=True)
class Increments:
    """An affine map in the form above; axes in front are a batch, in which rows of v that a problem lacks are zero.

    Attributes
    ----------
    X, Y, y : ndarray, shapes (..., N, q), (..., q, N) and (..., q)
    fixed, linear : ndarray, shape (..., p, p)
        S₀ and S₁ of S₀ + βS₁ on the larger ranges; there p = q, unless `turning` is given.
    turning : (ndarray, ndarray), shape (..., p, q) each, or None
        X₀ and X₁, where X is the range of X₀ + βX₁ in them.
    full : (ndarray, ndarray, ndarray) or None
        S₀, S₁ and the moduli of the terms of S₁ for cold start, where inner runs are full: the other eigenvalues of I + S are zero.
    step, unit : ndarray
        β in the unit of `unit`: β itself is step / unit.
    J : ndarray, shape (..., N, m)
    drift : callable
        z -> k₂, zero where it is rounding.
    rows, right : ndarray, shapes (..., q, N) and (..., q)
        z is a fixed point where rows z + right = 0 and k₂ = 0; well scaled, and of full row rank.
    held : ndarray, shape (..., m, N)
        How k₂ depends on z; zero where that is rounding.
    held_rank, moving : int or ndarray of int
        The rank of `held`, and the number of rows of v that a problem has.
    """

    X: np.ndarray
    Y: np.ndarray
    y: np.ndarray
    fixed: np.ndarray
    linear: np.ndarray
    turning: tuple | None
    full: tuple | None
    step: np.ndarray
    unit: np.ndarray
    J: np.ndarray
    drift: Callable
    rows: np.ndarray
    right: np.ndarray
    held: np.ndarray
    held_rank: np.ndarray
    moving: np.ndarray

    @property
    def S(self):
        """S at the map's own step."""
        return self.at(self.step)

    def at(self, step):
        """Return S for an outer step, or an array of them, in the unit of `step`."""
        b = np.asarray(step)[..., None, None]
        S = self.fixed + b * self.linear
        if self.turning is None:
            return S
        turned, present = orthonormal(self.turning[0] + b * self.turning[1])
        absent = np.eye(turned.shape[-1]) * ~present[..., None, :]
        return transposed(turned) @ (S @ turned) - absent

    def modes(self, step):
        """Return a matrix with the eigenvalues of S for an outer step, except some that are −1."""
        return self.at(step) if self.full is None else self.full[0] + np.asarray(step)[..., None, None] * self.full[1]

    def start(self, z, k2):
        """Return v of a state with the drift k₂."""
        return matvec(self.Y, z) + self.y - matvec(transposed(self.X), matvec(self.J, k2))

    def standing(self, batch):
        """Return the point nearest 0 where rows z + right = 0 and k₂ = 0, as far as it can be, and an orthonormal basis of the null
        space of `rows` and `held`, whose ranks are known; in a batch with columns of zeros in front where it is smaller."""
        N = self.rows.shape[-1]
        rows = block([[self.rows], [self.held]])
        right = block([[-self.right[..., None]], [-self.drift(np.zeros(N))[..., None]]])[..., 0]
        size = np.asarray(norm(rows))
        size[..., self.rows.shape[-2] :] = size[..., self.rows.shape[-2] :].max(axis=-1, initial=0.0, keepdims=True)
        size = np.where(size > 0, size, 1.0)
        U, sigma, Vt = np.linalg.svd(rows / size[..., None])
        k = sigma.shape[-1]
        rank = np.broadcast_to(self.moving + self.held_rank, batch)[..., None]
        kept = np.arange(k) < rank
        inside = np.where(kept, matvec(transposed(U), right / size)[..., :k] / np.where(kept, sigma, 1.0), 0.0)
        V, least = transposed(Vt), int(rank.min(initial=N))
        return matvec(V[..., :k], inside), np.where((np.arange(least, N) >= rank)[..., None, :], V[..., least:], 0.0)

    def single(self, batch, index):
        """Return those of one map of the batch, without the rows that it lacks; k₂ is that of z = 0."""
        def one(array, core):
            array = np.asarray(array)
            return np.broadcast_to(array, batch + array.shape[array.ndim - core :])[index]

        X, turning = one(self.X, 2), self.turning
        own = np.any(X != 0, axis=0)
        inside = own
        if turning is not None:
            turning = tuple(one(part, 2) for part in turning)
            inside = np.any(turning[0] != 0, axis=1) | np.any(turning[1] != 0, axis=1)
            present = np.any(turning[0] != 0, axis=0) | np.any(turning[1] != 0, axis=0)
            turning = tuple(part[np.ix_(inside, present)] for part in turning)
        full = self.full
        if full is not None:
            kept = np.diagonal(one(full[0], 2)) == 0
            full = tuple(one(part, 2)[np.ix_(kept, kept)] for part in full)
        k2, square = one(self.drift(np.zeros(X.shape[0])), 1), np.ix_(inside, inside)
        return Increments(
            X[:, own], one(self.Y, 2)[own], one(self.y, 1)[own], one(self.fixed, 2)[square], one(self.linear, 2)[square], turning,
            full, one(self.step, 0), one(self.unit, 0), one(self.J, 2), lambda z: k2, one(self.rows, 2), one(self.right, 1),
            one(self.held, 2), int(one(self.held_rank, 0)), int(own.sum()))


def cold(reduced, step):
    """Return the Increments of u⁺ = u − β(Ku − k), E − I and c."""
    Q, Z = reduced.basis, reduced.reach
    b = (step * reduced.unit)[..., None, None]
    eye = np.eye(Q.shape[-2])
    k = matvec(transposed(Q), reduced.k)
    within = _within(Q, Z)
    increments = Increments(
        X=Q, Y=-b * Z, y=b[..., 0] * k, fixed=within[0], linear=within[1], turning=None, full=within,
        step=b[..., 0, 0], unit=reduced.unit, J=b * eye, drift=lambda z: reduced.outside(), rows=Z, right=-k, held=np.zeros_like(eye),
        held_rank=0, moving=np.any(Q != 0, axis=-2).sum(-1))
    return increments, -b * (reduced.X @ reduced.Y), b[..., 0] * reduced.k


def warm(problem, spectrum, response, a, moved, step):
    """Return the Increments of warm start, E − I and c; a is the filter of the inner run and `moved` aλ, on the range of H."""
    active = (moved != 0) & (spectrum.values > 0)  # where the inner run does nothing, w belongs to x
    inverse = np.where(active, 1 / np.where(active, spectrum.values.astype(np.float64), 1.0), 0.0)
    reduced = between(problem, spectrum, response, inverse, np.zeros(problem.inner_size, problem.dtype))
    b, (m, n) = (step * reduced.unit)[..., None, None], (problem.outer_size, problem.inner_size)
    V, rows = spectrum.vectors.astype(np.float64) * active[..., None, :], active[..., None] * reduced.rows
    a, moved = (np.where(active, x, 0.0)[..., None] for x in (a, moved))
    cross, offset = active[..., None] * spectrum.cross.astype(np.float64), np.where(active, spectrum.offset, 0.0).astype(np.float64)
    answer = inverse[..., None] * cross  # Λ⁻¹VᵀM
    F, outer = -reduced.X @ transposed(rows), transposed(reduced.adjoint) @ transposed(spectrum.vectors.astype(np.float64))
    own = np.any(reduced.basis != 0, axis=-2).sum(-1)
    U, present = _range(F, reduced, own)
    F = U @ (transposed(U) @ F)
    force = matvec(outer, outer_gradient(problem, np.zeros(n, problem.dtype)))  # DᵀVᵀf
    follow, pull = V @ (a * cross), b * (reduced.X @ transposed(reduced.root))  # R_in M, βMᵀRP
    change = block([[np.zeros((m, m)), pull], [-follow, -(V @ (moved * transposed(V))) - follow @ pull]])
    c = block([[b * force[..., None]], [-(V @ (a * offset[..., None])) - follow @ (b * force[..., None])]])[..., 0]
    fixed = block([[-np.eye(U.shape[-1]) * ~present[..., None, :], np.zeros((U.shape[-1], F.shape[-1]))],
                   [-(a * cross) @ U, -np.eye(F.shape[-1]) * np.where(active[..., None], moved, 1.0)]])
    linear = block([[np.zeros((U.shape[-1],) * 2), -transposed(U) @ F], [np.zeros((F.shape[-1], U.shape[-1])), (a * cross) @ F]])
    X, Q = block([[U, np.zeros((m, F.shape[-1]))], [np.zeros((n, U.shape[-1])), V]]), reduced.basis
    turning = None
    if np.any(own < present.sum(-1)):
        QF, e = block([[Q, F]]), block([[np.zeros((F.shape[-1], Q.shape[-1])), np.eye(F.shape[-1])]])
        turning = (block([[np.zeros((U.shape[-1], e.shape[-1]))], [-moved * e]]),
                   block([[-transposed(U) @ QF], [moved * (answer @ QF)]]))
        X = X @ orthonormal(turning[0] + b * turning[1])[0]
    drift, held, held_rank, idle = _drift(reduced, rows, V, active)
    increments = Increments(
        X=X, Y=transposed(X) @ change, y=matvec(transposed(X), c), fixed=fixed, linear=linear, turning=turning,
        full=_within(Q, reduced.reach) if np.all(moved == active[..., None]) else None, step=b[..., 0, 0],
        unit=reduced.unit, J=block([[b * np.eye(m)], [-b * follow]]), drift=drift, held=held, held_rank=held_rank,
        rows=block([[reduced.reach, -transposed(Q) @ (reduced.X @ idle)], [answer, transposed(V)]]),
        right=block([[-transposed(Q) @ reduced.k[..., None]], [inverse[..., None] * offset[..., None]]])[..., 0],
        moving=own + active.sum(-1))
    return increments, change, c


def _within(Q, Z):
    """Return `full` of u⁺ = u − βQZu + … on the range of Q; −1 in S₀ stands for the columns that a problem lacks."""
    return -np.eye(Q.shape[-1]) * ~np.any(Q != 0, axis=-2)[..., None, :], -(Z @ Q), np.abs(Z) @ np.abs(Q)


def _range(F, reduced, least):
    """Return an orthonormal basis of the range of F, in a batch padded with zeros, and which columns are there, at least so many."""
    U, sigma, _ = np.linalg.svd(F, full_matrices=False)
    tolerance = 4 * max(*F.shape[-2:], 1) * reduced.eps * length(reduced.X) * length(reduced.rows)
    kept = (sigma > np.asarray(tolerance)[..., None]) | (np.arange(sigma.shape[-1]) < np.asarray(least)[..., None])
    if F.ndim == 2:
        U, kept = U[:, kept], kept[kept]
    return U * kept[..., None, :], kept


def orthonormal(A):
    """Return an orthonormal basis of the range of A, of full rank but for columns of zeros, and which columns of the basis are there."""
    present = np.any(A != 0, axis=-2)
    order = np.argsort(~present, axis=-1, stable=True)
    Q = np.linalg.qr(np.take_along_axis(A, order[..., None, :], axis=-1))[0]
    present = np.take_along_axis(present, order, axis=-1)[..., : Q.shape[-1]]
    return Q * present[..., None, :], present


def _drift(reduced, rows, V, active):
    """Return z -> k₂, `held` and its rank, and Lᵀ on x: k and ∂F/∂w, at the inner solution for u = 0, have the parts X Lᵀx and L Lᵀx."""
    m, basis = reduced.X.shape[-2], reduced.basis
    idle = transposed(reduced.root) - transposed(rows) @ transposed(V)
    idle = np.where((active.sum(-1) < V.shape[-2])[..., None, None], idle, 0.0)
    through = reduced.X @ idle
    outside = through - basis @ (transposed(basis) @ through)
    noise = np.asarray(reduced.noise * length(reduced.adjoint) * length(reduced.root) ** 2)
    if np.all(length(outside) <= noise):
        return lambda z: reduced.outside(), np.zeros((m, m + idle.shape[-1])), 0, idle
    U, sigma, Vt = np.linalg.svd(outside, full_matrices=False)
    sigma = np.where(sigma > noise[..., None], sigma, 0.0)
    rank = np.count_nonzero(sigma, axis=-1)

    def drift(z):
        x = matvec(idle, z[..., m:])
        size = reduced.size + length(reduced.adjoint) * norm(matvec(reduced.root, x))
        own = reduced.outside(reduced.k + matvec(reduced.X, x), size)
        return np.where(np.asarray(rank > 0)[..., None], own, reduced.outside())

    return drift, block([[np.zeros((m, m)), U @ (sigma[..., None] * Vt)]]), rank, idle


def block(parts):
    """Return np.block of matrices whose batch axes broadcast."""
    batch = np.broadcast_shapes(*(part.shape[:-2] for row in parts for part in row))
    rows = [np.concatenate([np.broadcast_to(part, batch + part.shape[-2:]) for part in row], axis=-1) for row in parts]
    return np.concatenate(rows, axis=-2)
