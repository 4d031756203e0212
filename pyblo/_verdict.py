"""What one affine map does in the end, and why: its limit from a start, its certificate, and both in words."""
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from . import _stability
from ._increments import Increments
from ._namespace import norm

__all__ = ["NoLimit", "Verdict"]


class NoLimit(ValueError):
    """There is no limit from a start, for a reason that the map's certificate holds."""


@dataclass(frozen=True)
class Verdict:
    """Of a single map: `known` without the rows that it lacks; eps is that of the problem's dtype, outer_size m."""

    known: Increments
    eps: float
    outer_size: int

    @cached_property
    def mode(self):
        """The eigenvalue of I + S that decides, as a Mode; None where there are none."""
        known = self.known
        return _stability.worst(known.modes(known.step), self.eps, self._terms if known.full is None else known.step * known.full[2])

    @property
    def _terms(self):
        return np.abs(self.known.Y) @ np.abs(self.known.X)

    @property
    def inside(self):
        """Whether every eigenvalue that is not 1 by structure is inside the unit circle."""
        return self.mode is None or self.mode.kind == "inside"

    @cached_property
    def stable_steps(self):
        """The intervals (low, high) of outer steps for which `inside` holds."""
        unit = float(self.known.unit)
        return [(low / unit, high / unit) for low, high in _stability.stable_steps(self.known)]

    @property
    def cause(self):
        """What decides: "outside", "held", "drift", "one", "circle" or "inside"."""
        kind = "inside" if self.mode is None else self.mode.kind
        if kind == "outside":
            return kind
        if self.known.held.any():
            return "held"
        return "drift" if self.known.drift(0).any() else kind

    @property
    def certificate(self):
        """The eigenvalue and its eigenvector, or the direction of the drift and its speed, in coordinates of z."""
        cause, known = self.cause, self.known
        if cause == "inside":
            return {}
        if cause == "drift":
            move = known.J @ known.drift(0)
            return {"drift": move / norm(move), "speed": norm(move)}
        if cause == "held":  # E − I takes the start x to the direction, and that to zero
            U, _, Vt = np.linalg.svd(known.held)
            move = known.J @ U[:, 0]
            return {"eigenvalue": 1.0 + 0.0j, "eigenvector": move / norm(move), "start": Vt[0]}
        vector = known.X @ (self.mode.vector if known.full is None else _stability.eigenvector(known.S, self.mode.value - 1))
        vector = vector.real if not np.any(vector.imag) else vector
        return {"eigenvalue": self.mode.value, "eigenvector": vector / np.linalg.norm(vector)}

    @property
    def text(self):
        """The verdict in words: what happens, the numbers, the remedy."""
        facts, cause = self.certificate, self.cause
        if cause == "inside":
            rate = float(_stability.growth(self.known.modes(self.known.step)))
            return f"Converges from every start: what moves shrinks in the end by a factor of {rate:.6g} per step. {self._steps()}"
        if cause == "drift":
            return (f"Diverges: c has a part outside the range of I − E, so z moves for ever by {facts['speed']:.3g} per step, "
                    f"{self._along(facts['drift'])}, for every outer step; add a regulariser to the outer objective, or use Exact().")
        value, place = facts["eigenvalue"], self._along(facts["eigenvector"])
        if cause == "held":
            return (f"Diverges from most starts: the eigenvalue 1 is defective for every outer step, and z moves for ever {place} where "
                    f"w0 has a part {self._along(facts['start'])}; use Exact() with ClosedForm(), or a w0 without that part.")
        if cause == "one":
            return (f"Diverges: the eigenvalue 1 is defective up to rounding, so z moves for ever, or too slowly to tell, {place}. "
                    f"{self._steps()}")
        if cause == "circle":
            return (f"Has no limit: the eigenvalue {_number(value)} lies on the unit circle, so z goes round for ever {place}. "
                    f"{self._steps()}")
        return (f"Diverges: the eigenvalue {_number(value)} has a modulus above 1, {abs(value):.6g}: by this factor z grows at every step, "
                f"{place}. {self._steps()}")

    def _along(self, vector):
        k = int(np.argmax(np.abs(vector)))
        name = f"u[{k}]" if k < self.outer_size else f"w[{k - self.outer_size}]"
        return f"mostly along {name}"

    def _steps(self):
        known = self.known
        now = float(known.step) / float(known.unit)
        spans = [f"those between {low:.6g} and {high:.6g}" if low else f"those below {high:.6g}" for low, high in self.stable_steps]
        if self.stable_steps == [(0.0, np.inf)]:
            return f"The outer step is {now:.6g}; every step is stable."
        if spans:
            return f"The outer step is {now:.6g}; {', and '.join(spans)} are stable."
        rest = float(_stability.growth(known.modes(0.0)))
        inner = f", for the inner run alone multiplies an error of w by {rest:.6g}" if rest > 1 else ""
        return (f"The outer step is {now:.6g}; no step is stable{inner}. Use more terms, less damping, Exact(), or more inner steps of a "
                "length within the limit of their recurrence.")

    def limit(self, z, k2, place=""):
        """Return the limit from z, or raise NoLimit with the reason."""
        known = self.known
        if k2.any():
            move = known.J @ k2
            raise NoLimit(f"z0: there is no limit from here{place}: z moves for ever by {norm(move):.3g} per step, {self._along(move)}, "
                          "for every outer step; add a regulariser to the outer objective, or use Exact()")
        free, S = np.eye(len(known.S)), known.S
        if not self.inside:
            bound, free, S = _stability.unstable_projector(known.S, self.eps, self._terms)
            noise = 100 * len(known.S) * self.eps * norm(np.abs(known.Y) @ np.abs(z) + np.abs(known.y))
            if np.linalg.norm(bound.T @ known.start(z, k2)) > noise:
                raise NoLimit(f"z0: there is no limit from here{place}. {self.text}")
        for _ in range(2):
            z = z - known.X @ (free @ np.linalg.solve(S, free.conj().T @ known.start(z, k2))).real
        return z


def _number(value):
    return f"{value.real:.6g}" if value.imag == 0 else f"{value:.6g}"
