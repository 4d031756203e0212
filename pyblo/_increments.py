"""Cold and warm start on a problem with a fixed Hessian, with the eigenvalue 1 of their affine maps taken out.

In exact arithmetic most of z = (u, w) never moves by itself: the part of u outside the range of the hypergradients, and the part x of w
outside the range of the inner Hessian. What moves is driven by few numbers v, and both algorithms are

    z⁺ = z + X v + J k₂,    v = Y z + y,    v⁺ = (I + S) v + Y J k₂,    S = Y X,

with X of full column and Y of full row rank, so that the eigenvalues of E = I + XY + … that are not 1 by structure are those of I + S.
v = (p, e) holds the hypergradient at the inner solution, Q p, in a basis Q of the range of K (MATH §4), and e = Vᵀ(w − w*(u)) on the range
of H. The drift k₂, the part of k outside the range of K, depends on x only and is constant. With K = Q Z, F = −DᵀVᵀPV, D = diag(r) VᵀM,

    u⁺ = u − β(Q p + F e − k₂),    e⁺ = (1 − aλ)(e + Λ⁻¹VᵀM (u⁺ − u)),

where 1 − aλ is what the inner run leaves of e; S = S₀ + β S₁ is affine in the outer step β.
"""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._namespace import matvec, norm, transposed
from ._reduced import between, length

__all__ = ["Increments", "block", "cold", "warm"]


@dataclass(frozen=True)
class Increments:
    """An affine map in the form above; axes in front are a batch, in which rows of v that a problem lacks are zero.

    Attributes
    ----------
    X, Y : ndarray, shapes (..., N, q) and (..., q, N)
    y : ndarray, shape (..., q)
    fixed, linear : ndarray, shapes (..., q) and (..., q, q)
        S₀, a diagonal, and S₁.
    step : ndarray
        β in the unit of `unit`: β itself is step / unit.
    unit : ndarray
    J : ndarray, shape (..., N, m)
    drift : callable
        z -> k₂, zero where it is rounding.
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
    step: np.ndarray
    unit: np.ndarray
    J: np.ndarray
    drift: Callable
    held: np.ndarray
    held_rank: np.ndarray
    moving: np.ndarray

    @property
    def S(self):
        """S₀ + β S₁."""
        return self.at(self.step)

    def at(self, step):
        """Return S for another outer step, or an array of them, in the unit of `step`."""
        return np.eye(self.fixed.shape[-1]) * self.fixed[..., None, :] + np.asarray(step)[..., None, None] * self.linear

    def start(self, z):
        """Return v of a state."""
        return matvec(self.Y, z) + self.y

    def single(self, batch, index):
        """Return those of one map of the batch, without the rows of v that it lacks; k₂ is that of z = 0."""
        def one(array, core):
            return np.broadcast_to(array, batch + array.shape[array.ndim - core :])[index]

        fixed, linear, X = one(self.fixed, 1), one(self.linear, 2), one(self.X, 2)
        own = np.any(one(self.Y, 2) != 0, axis=-1)
        k2 = one(self.drift(np.zeros(X.shape[-2])), 1)
        return Increments(
            X[:, own], one(self.Y, 2)[own], one(self.y, 1)[own], fixed[own], linear[np.ix_(own, own)], one(self.step, 0), one(self.unit, 0),
            one(self.J, 2), lambda z: k2, one(self.held, 2), int(one(np.asarray(self.held_rank), 0)), int(own.sum()))


def cold(reduced, step):
    """Return the Increments of u⁺ = u − β(Ku − k)."""
    Q, Z = reduced.basis, reduced.reach
    present = np.any(Q != 0, axis=-2)
    b = (step * reduced.unit)[..., None, None]
    eye = np.eye(Q.shape[-2])
    return Increments(
        X=-b * Q, Y=Z, y=-matvec(transposed(Q), reduced.k), fixed=np.where(present, 0.0, -1.0), linear=-(Z @ Q), step=b[..., 0, 0],
        unit=reduced.unit, J=b * eye, drift=lambda z: reduced.outside(), held=np.zeros_like(eye), held_rank=0, moving=present.sum(-1))


def warm(problem, spectrum, response, moved, step):
    """Return the Increments of warm start; `moved` is aλ of the inner run, on the range of H."""
    active = (moved != 0) & (spectrum.values > 0)  # where the inner run does nothing, w belongs to x
    inverse = np.where(active, 1 / np.where(active, spectrum.values.astype(np.float64), 1.0), 0.0)
    reduced = between(problem, spectrum, response, inverse, np.zeros(problem.inner_size, problem.dtype))
    V, rows = spectrum.vectors.astype(np.float64) * active[..., None, :], active[..., None] * reduced.rows
    moved, left = np.where(active, moved, 0.0)[..., None], np.where(active, 1 - moved, 0.0)[..., None]
    answer = inverse[..., None] * spectrum.cross  # Λ⁻¹VᵀM
    idle = transposed(reduced.root) - transposed(rows) @ transposed(V)  # Lᵀ on x
    idle = np.where((active.sum(-1) < V.shape[-2])[..., None, None], idle, 0.0)
    F, present = -reduced.X @ transposed(rows), np.any(reduced.basis != 0, axis=-2)
    scale = _scale(left * (answer @ reduced.basis), reduced.reach @ F)[..., None, None]  # p and e in like units
    Q, Z, across = reduced.basis / scale, scale * reduced.reach, scale * transposed(reduced.basis)
    b = (step * reduced.unit)[..., None, None]
    QF, e = block([[Q, F]]), block([[np.zeros((F.shape[-1], Q.shape[-1])), np.eye(F.shape[-1])]])
    drift, held, held_rank = _drift(reduced, idle)
    return Increments(
        X=block([[-b * QF], [-V @ (moved * (e - b * (answer @ QF)))]]),
        Y=block([[Z, -across @ (reduced.X @ idle)], [answer, transposed(V)]]),
        y=block([[-across @ reduced.k[..., None]], [(inverse * spectrum.offset)[..., None]]])[..., 0],
        fixed=block([[np.where(present, 0.0, -1.0)[..., None]], [np.where(active[..., None], -moved, -1.0)]])[..., 0],
        linear=block([[-(Z @ QF)], [-left * (answer @ QF)]]), step=b[..., 0, 0], unit=reduced.unit,
        J=block([[b * np.eye(Q.shape[-2])], [-b * (V @ (moved * answer))]]), drift=drift, held=held,
        held_rank=held_rank, moving=present.sum(-1) + active.sum(-1))


def _drift(reduced, idle):
    """Return z -> k₂, `held` and its rank: k and ∂F/∂w, at the inner solution for u = 0, have the parts X Lᵀx and L Lᵀx of x."""
    m, basis = reduced.X.shape[-2], reduced.basis
    through = reduced.X @ idle
    outside = through - basis @ (transposed(basis) @ through)
    noise = np.asarray(reduced.noise * length(reduced.adjoint) * length(reduced.root) ** 2)
    if np.all(length(outside) <= noise):
        return lambda z: reduced.outside(), np.zeros((m, m + idle.shape[-1])), 0
    U, sigma, Vt = np.linalg.svd(outside, full_matrices=False)
    sigma = np.where(sigma > noise[..., None], sigma, 0.0)
    rank = np.count_nonzero(sigma, axis=-1)

    def drift(z):
        x = matvec(idle, z[..., m:])
        size = reduced.size + length(reduced.adjoint) * norm(matvec(reduced.root, x))
        own = reduced.outside(reduced.k + matvec(reduced.X, x), size)
        return np.where(np.asarray(rank > 0)[..., None], own, reduced.outside())

    return drift, block([[np.zeros((m, m)), U @ (sigma[..., None] * Vt)]]), rank


def _scale(down, up):
    """Return the power of two s that makes ‖down‖/s and s‖up‖ most alike; 1 where one of them is zero."""
    down, up = np.asarray(length(down)), np.asarray(length(up))
    both = (down > 0) & (up > 0)
    return np.exp2(np.round(0.5 * np.log2(np.where(both, down, 1.0) / np.where(both, up, 1.0))))


def block(parts):
    """Return np.block of matrices whose batch axes broadcast."""
    batch = np.broadcast_shapes(*(part.shape[:-2] for row in parts for part in row))
    rows = [np.concatenate([np.broadcast_to(part, batch + part.shape[-2:]) for part in row], axis=-1) for row in parts]
    return np.concatenate(rows, axis=-2)
