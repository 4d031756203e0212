"""Affine maps that know which part of their state never moves by itself."""
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from . import _parts, _stability
from ._increments import Increments
from ._namespace import broadcast, first_index, fit_finite, lead, matvec, plain_index, where
from ._powers import advance
from ._verdict import Verdict
from .inner import ClosedForm
from .methods import check_count, require

__all__ = ["AffineMap", "Origin"]


@dataclass(frozen=True)
class Origin:
    """What a map was made of."""

    problem: object
    spectrum: object
    run: object
    w0: np.ndarray

    @cached_property
    def response(self):
        """The filter a(λ) of the inner run on the range of H."""
        return _parts.inner_response(self.spectrum, self.run, self.spectrum.largest, limited=False)

    @cached_property
    def moved(self):
        """aλ: the part of w − w*(u) that an inner run takes away."""
        values = self.spectrum.values.astype(np.float64)
        return np.where(values > 0, 1.0, 0.0) if isinstance(self.run, ClosedForm) else self.response * values


@dataclass(frozen=True, eq=False)
class AffineMap:
    """The affine map z⁺ = E z + c of an algorithm, z = u (cold start) or concatenate([u, w]) (warm start); axes in front are a batch.

    It knows which part of z never moves by itself: eigenvalues 1 that are there by structure are exact, and take no part in powers,
    limits and verdicts.

    Attributes
    ----------
    matrix : ndarray, shape (..., N, N)
        E.
    offset : ndarray, shape (..., N)
        c.
    outer_size : int
        m, the size of u.
    step : float or ndarray of the batch's shape
        The outer step β.
    algorithm : {"cold", "warm"}

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> problem = pyblo.Quadratic(A=np.diag([1.0, 0.0]), B=[[-1.0], [0.0]], P=np.eye(2), f=[-1.0, 0.0])
    >>> warm = pyblo.dynamics.affine_map(problem, "warm", step=0.5)
    >>> z0 = warm.start([3.0], [0.0, 7.0])
    >>> z0, warm.iterate(z0, 1), warm.limit(z0)
    (array([3., 3., 7.]), array([2., 2., 7.]), array([1., 1., 7.]))
    """

    matrix: np.ndarray
    offset: np.ndarray
    outer_size: int
    step: float | np.ndarray
    algorithm: str
    _moves: Increments = field(repr=False)
    _origin: Origin = field(repr=False)

    @property
    def size(self):
        """N, the size of z."""
        return self.matrix.shape[-1]

    @property
    def batch_shape(self):
        """The axes in front of the map's own."""
        return self.matrix.shape[:-2]

    def start(self, u0, w0=None):
        """Return the state from which the loop starts: u₀, and for warm start the first pair (u₀, Ξ(u₀, w₀)).

        Parameters
        ----------
        u0, w0 : array_like
            As in `pyblo.cold_start`; w0 is that of the map where None. Cold start has its own w0, and takes no other.

        Returns
        -------
        ndarray, shape (..., N)
        """
        problem, spectrum = self._origin.problem, self._origin.spectrum
        u = problem._u(u0, "u0")
        if self.algorithm == "cold":
            require(w0 is None, "w0: is part of the map of cold start; pass it to affine_map")
            return u.copy()
        w = self._origin.w0 if w0 is None else problem._w(w0, "w0")
        w = spectrum.inner_run(self._origin.response, u, w)
        batch = np.broadcast_shapes(u.shape[:-1], w.shape[:-1])
        return np.concatenate([np.broadcast_to(x, (*batch, x.shape[-1])) for x in (u, w)], axis=-1)

    def split(self, z):
        """Return (u, w) of states of warm start, (u,) of cold start, as vectors (..., m) and (..., n)."""
        z, m = self._state("z", z), self.outer_size
        return (z.copy(),) if self.algorithm == "cold" else (z[..., :m].copy(), z[..., m:].copy())

    def iterate(self, z0, t):
        """Return z after t steps, at the cost of 2 log₂ t products of small matrices (`_powers`).

        Parameters
        ----------
        z0 : array_like, shape (..., N)
        t : int
            ≥ 0, and as large as you like.

        Returns
        -------
        ndarray, shape (..., N)
            All entries of a problem are inf where its iterate overflows.
        """
        t, z = check_count("t", t), self._spread(z0)
        if t == 0:
            return z
        known, start = self._moves, z.astype(np.float64)
        k2 = known.drift(start)
        v, d = known.start(start, k2), matvec(known.J, k2)
        times = float(t) if t < 2**1023 else np.inf
        with np.errstate(over="ignore", invalid="ignore"):
            moved = matvec(known.X, advance(known.S, v, matvec(known.Y, d), t)) + np.where(d != 0, times * d, 0.0)
            end = (start + moved).astype(self.matrix.dtype)
        return np.where(np.isfinite(end).all(-1)[..., None], end, np.inf).astype(self.matrix.dtype)

    def limit(self, z0):
        """Return the limit of z from z₀: z₀ − X S⁻¹v₀ (`_increments`), once corrected by what is left of v.

        Parameters
        ----------
        z0 : array_like, shape (..., N)

        Returns
        -------
        ndarray, shape (..., N)

        Raises
        ------
        ValueError
            Where there is none, with the reason; of a batch for the first problem without one. And where it overflows the dtype.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            z = self._end(self._spread(z0)).astype(self.matrix.dtype)
        _require_none("z0: the limit overflows", ~np.isfinite(z), z.dtype)
        return z

    def _end(self, z):
        """Return the limit from finite z, in the batch's shape, in float64."""
        z = z.astype(np.float64)
        known, k2 = self._moves, self._moves.drift(z)
        if np.all(self._inside) and not k2.any():
            for _ in range(2):
                z = z - matvec(known.X, np.linalg.solve(known.S, known.start(z, k2)[..., None])[..., 0])
        else:
            k2 = np.broadcast_to(k2, (*z.shape[:-1], k2.shape[-1]))
            for index in np.ndindex(z.shape[:-1]):
                own = index[len(index) - len(self.batch_shape) :]  # the map's axes are the last ones
                own = tuple(k if size > 1 else 0 for k, size in zip(own, self.batch_shape, strict=True))
                place = f" (problem {plain_index(index)} of the batch)" if index else ""
                z[index] = self._verdicts(own).limit(z[index], k2[index], place)
        return z

    @cached_property
    def _growth(self):
        return np.broadcast_to(_stability.growth(self._moves.modes(self._moves.step)), self.batch_shape)

    @cached_property
    def _inside(self):
        """Whether every eigenvalue that is not 1 by structure is inside the unit circle; those near it are judged one by one."""
        S, eps = self._moves.S, np.finfo(self.matrix.dtype).eps
        inside = np.array(self._growth < 1)
        doubtful = np.abs(self._growth - 1) <= np.cbrt(eps) * (1 + np.broadcast_to(np.linalg.norm(S, axis=(-2, -1)), self.batch_shape))
        for index in np.argwhere(doubtful):
            inside[tuple(index)] = self._verdicts(tuple(index)).inside
        return inside

    def _verdicts(self, index):
        return Verdict(self._moves.single(self.batch_shape, index), float(np.finfo(self.matrix.dtype).eps), self.outer_size)

    @property
    def _defective(self):
        """Whether the eigenvalue 1 that is there by structure is defective: some part of w makes u drift."""
        return np.broadcast_to(self._moves.held.any((-2, -1)), self.batch_shape)

    @property
    def rate(self):
        """The largest modulus of the eigenvalues of E that are not a semisimple 1; 0 where there are none: a float, or an array."""
        return self._number(np.where(self._defective, np.maximum(self._growth, 1.0), self._growth))

    @property
    def spectral_radius(self):
        """ρ(E): a float, or an array of the batch's shape."""
        standing = np.broadcast_to(self._moves.moving < self.size, self.batch_shape)
        return self._number(np.where(standing, np.maximum(self._growth, 1.0), self._growth))

    @property
    def converges(self):
        """Whether z tends to a limit from every start: a bool, or an array of the batch's shape.

        So it is where every eigenvalue lies inside the unit circle, or is a semisimple 1, and c lies in the range of I − E.
        """
        steady = ~self._moves.drift(np.zeros(self.size)).any(-1)
        found = self._inside & ~self._defective & np.broadcast_to(steady, self.batch_shape)
        return np.array(found) if self.batch_shape else bool(found)

    @property
    def fixed_points(self):
        """The fixed points z = Ez + c, as (point, basis): the one nearest 0, (..., N), and orthonormal columns (..., N, r).

        Where there are none, point is None, and NaN in a batch; basis then spans the null space of I − E still. In a batch, whose problems
        may differ in r, columns of zeros fill it up.
        """
        dtype = self.matrix.dtype
        point, basis = self._moves.standing(self.batch_shape)
        found = ~self._moves.drift(point).any(-1)
        found = np.broadcast_to(found, self.batch_shape)[..., None]
        with np.errstate(over="ignore"):
            point = np.where(found, point, np.nan).astype(dtype)
        _require_none("problem: its fixed point overflows", found & ~np.isfinite(point), dtype)
        return point if self.batch_shape or found.all() else None, basis.astype(dtype)

    def explain(self):
        """Return in words whether z converges, and if not why: the eigenvalue and its direction, or the drift; and for which outer
        steps it does. Of a batch how many converge, and the first that does not."""
        good = np.asarray(self.converges)
        if not good.ndim:
            return self._verdicts(()).text
        if good.all():
            return f"All {good.size} maps converge from every start."
        text = self._verdicts(np.unravel_index(int(np.argmin(good)), good.shape)).text
        return f"{int(good.sum())} of {good.size} maps converge. The first that does not, {first_index(~good)}: {text}"

    @property
    def certificate(self):
        """Why z has no limit, as a dict: "eigenvalue" and "eigenvector", or "drift" (a direction) and "speed" per step; empty where it
        converges. Of a batch a dict of these by index, an int or a tuple of them, of the problems that do not converge."""
        good = np.asarray(self.converges)
        if not good.ndim:
            return {} if good else self._verdicts(()).certificate
        return {plain_index(index): self._verdicts(tuple(index)).certificate for index in np.argwhere(~good)}

    @property
    def stable_steps(self):
        """(low, high): between these outer steps E has no eigenvalue outside the unit circle, and on it the semisimple 1 alone.

        The first such interval, where low = 0 unless small steps are unstable and larger ones are not; (0, 0) where no step is stable.
        `explain` names intervals further up too, which partial warm start may have. Floats, or arrays of the batch's shape.
        """
        found = [(self._verdicts(index).stable_steps or [(0.0, 0.0)])[0] for index in np.ndindex(self.batch_shape)]
        if not self.batch_shape:
            return found[0]
        low, high = np.array(found, np.float64).reshape(-1, 2).T
        return low.reshape(self.batch_shape).copy(), high.reshape(self.batch_shape).copy()

    def _number(self, value):
        return np.array(value) if self.batch_shape else float(value)

    def _state(self, name, z):
        return fit_finite(name, z, (self.size,), self.matrix.dtype, batch=True)

    def _spread(self, z0):
        """Return z₀ in the batch's shape, in memory of its own."""
        z = self._state("z0", z0)
        shape = broadcast(("the map", self.batch_shape), ("z0", lead(z, 1)))
        return np.array(np.broadcast_to(z, (*shape, self.size)))


def _require_none(message, bad, dtype):
    if bad.any():
        raise ValueError(f"{message} {dtype}{where(bad, 1)}")
