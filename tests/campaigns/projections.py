"""Dykstra on random polyhedra against least distance programs: the nearest point, its optimality conditions, or that there is none."""

import numpy as np
import scipy.optimize
from concepts import least_distance, polyhedron, sets_of
from oracle import Tally

import pyblo

EPS = np.finfo(float).eps
TOL = 1e-12


def check(seed, tally):
    """Everything for one polyhedron."""
    w0, X, y, E, e = polyhedron(seed)
    found = pyblo.equilibria.dykstra(w0, sets_of(X, y, E, e), maxiter=200_000, tol=TOL)
    expected = least_distance(w0, X, y, E, e)
    if expected is None:
        tally.require("no common point: none is claimed", not found.success, seed)
        tally.add("share of limit cycles not certified", float(found.status != pyblo.Status.INCONSISTENT), 1.0, seed)
        if found.status == pyblo.Status.INCONSISTENT:
            closes(found, X, y, E, e, tally, seed)
        return
    tally.require("a common point: no limit cycle is claimed", found.status != pyblo.Status.INCONSISTENT, seed)
    tally.add("share of runs too slow to end", float(not found.success), 1.0, seed)
    if found.success:
        optimality(found, w0, np.vstack([X, E]), np.concatenate([y, e]), len(X), expected, tally, seed)


def optimality(found, w0, rows, sides, half, expected, tally, seed):
    """w₀ − w is a sum of active normals, with multipliers ≥ 0 of half-spaces; ‖w − p‖² ≤ tol (Σθ + Σθ*), p the nearest point."""
    size = np.linalg.norm(rows, axis=1)
    rows, sides, length = rows / size[:, None], sides / size, max(1.0, np.linalg.norm(found.w))
    over = rows @ found.w - sides
    over[half:] = np.abs(over[half:])
    tally.compare("distance from the sets", max(0.0, over.max()), TOL * length + 10 * EPS * (length + np.abs(sides).max()), 1.0, seed)
    active = np.vstack([rows[:half][np.abs(over[:half]) <= 10 * TOL * length], rows[half:], -rows[half:]])
    kappa = np.linalg.cond(rows[half:]) if len(rows) > half else 1.0
    unit = EPS * (len(rows) * (1 + found.cycles) + 10 * kappa) * (length + np.linalg.norm(w0))  # a sum of as many steps
    theta, rest = scipy.optimize.nnls(active.T, w0 - found.w) if len(active) else (np.zeros(0), np.linalg.norm(w0 - found.w))
    tally.compare("w₀ − w outside the normal cone", rest, unit, 1.0, seed)
    other = scipy.optimize.nnls(active.T, w0 - expected)[0] if len(active) else np.zeros(0)
    apart = np.sqrt(TOL * length * (theta.sum() + other.sum())) + TOL * length
    tally.compare("w and the nearest point", np.linalg.norm(found.w - expected), apart, 1.0, seed)


def closes(found, X, y, E, e, tally, seed):
    """The points of the cycle are projections of each other but for corrections: each lies in its set, and the certificate is Farkas'."""
    over = [max(0.0, (x @ w - side) / np.linalg.norm(x)) for x, side, w in zip(X, y, found.cycle, strict=False)]
    over += list(np.abs(E @ found.cycle[-1] - e)) if len(E) else []
    size = 1 + np.abs(found.cycle).max()
    kappa = np.linalg.cond(E) if len(E) else 1.0
    tally.compare("points of a limit cycle in their sets", max(over), 100 * EPS * kappa * size * len(over), 1.0, seed)
    length = max(1.0, np.linalg.norm(found.w))
    tally.require("the separation of a limit cycle is large", found.separation >= (1 - 1e-9) * length / TOL, seed)


def campaign(count=2000, first=0):
    """The tally of `count` polyhedra."""
    tally = Tally()
    for seed in range(first, first + count):
        check(seed, tally)
    return tally
