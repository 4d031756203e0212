"""Where bilevel problems leave something open: set-valued responses, and outer solutions by the line (paper 000, Fig. 1).

Inner: one data point φ(s) = (cos s, sin s) with target y, f = ½(φ(s)ᵀw − y)². All of S(s) = {w: φ(s)ᵀw = y} is as good, and from w₀
gradient descent goes to the nearest of it, from 0 to yφ(s). Outer: F = ½(aᵀw − 1)² with w*(u) = u is the same along a line of w; F
= ½(w − 1)² with w*(u) = bᵀu/bᵀb sees the same w along a line of u. Either way all u on a line are outer solutions, and cold start
goes to the nearest. The paper draws sketches; the numbers are chosen here.
"""
from dataclasses import dataclass

import numpy as np

import pyblo

from . import Table, csv_text

__all__ = ["Descent", "Outer", "ResponseMaps", "csv", "figures", "run", "table"]

NAME = "response-maps"


@dataclass(frozen=True)
class Descent:
    """Gradient descent on the inner objective at one s, from several starts.

    Attributes
    ----------
    angle : float
        s.
    problem : TargetLearning
        f at s; its outer variable is y.
    paths : ndarray, shape (starts, steps + 1, 2)
        The iterates w_t.
    limits : ndarray, shape (starts, 2)
        The inner solutions nearest the starts, in closed form.
    """

    angle: float
    problem: pyblo.TargetLearning
    paths: np.ndarray
    limits: np.ndarray


@dataclass(frozen=True)
class Outer:
    """A problem with a line of outer solutions, and where cold start goes from several starts.

    Attributes
    ----------
    problem : TargetLearning
        The problem; its u has two components.
    cause : str
        What leaves the outer solution open.
    starts, limits, loops : ndarray, shape (starts, 2)
        u₀, the limits in closed form, and where the loop ended.
    outer_steps : int
        The most steps that a loop made.
    """

    problem: pyblo.TargetLearning
    cause: str
    starts: np.ndarray
    limits: np.ndarray
    loops: np.ndarray
    outer_steps: int


@dataclass(frozen=True)
class ResponseMaps:
    """The result.

    Attributes
    ----------
    angles : ndarray
        s.
    target, radius : float
        y, and the radius of the ball of w that the set-valued response is cut by.
    responses : ndarray, shape (starts, angles, 2)
        w*(s; w₀) for each start.
    starts : ndarray, shape (starts, 2)
        w₀; the first is 0.
    low, high : ndarray
        Between which w₂ lies for w in S(s), ‖w‖ ≤ radius.
    descent : Descent
        The slice at one s.
    outer : tuple of Outer
        Underspecified by F, and by the response.
    """

    angles: np.ndarray
    target: float
    radius: float
    responses: np.ndarray
    starts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    descent: Descent
    outer: tuple


def run(progress=None, *, target=1.0, radius=2.0, angles=241, starts=((0.0, 0.0), (-1.2, 1.2), (1.2, -1.2)), slice_at=0.6, inner_step=0.25,
        steps=40, a=(1.0, 0.5), b=(0.5, 1.0), outer_starts=((-1.0, -1.0), (-1.0, 1.5), (0.5, -1.5), (2.0, 1.0)), tol=1e-12):
    """Compute the response maps.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    target, radius : float
        y, and the radius of the ball that the set-valued response is cut by.
    angles : int
        The number of s, from −π to π.
    starts : sequence of (float, float)
        w₀ of the responses and of the descent; the first should be 0, the minimum-norm response.
    slice_at, inner_step, steps : float, float, int
        s, α and the number of steps of the descent.
    a, b : (float, float)
        The outer row of the first outer problem, and the feature column of the second.
    outer_starts : sequence of (float, float)
        u₀ of cold start.
    tol : float
        Of the loops.

    Returns
    -------
    ResponseMaps
    """
    starts, grid = np.array(starts), np.linspace(-np.pi, np.pi, angles)
    jobs = (
        ("responses", lambda: _responses(grid, starts, target, radius)),
        ("descent", lambda: _descent(slice_at, starts, target, inner_step, steps)),
        ("outer objective", lambda: _outer(np.eye(2), [a], "F is constant along a line of w", outer_starts, tol)),
        ("outer response", lambda: _outer(np.array(b)[:, None], [[1.0]], "a line of u has the same w", outer_starts, tol)),
    )
    parts = []
    for done, (text, compute) in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs), text)
        parts.append(compute())
    if progress is not None:
        progress(len(jobs), len(jobs), "done")
    responses, low, high = parts[0]
    return ResponseMaps(grid, target, radius, responses, starts, low, high, parts[1], tuple(parts[2:]))


def _moving(angles):
    """Return the problems of one data point at each angle; what is outer there is not used."""
    Phi = np.stack([np.cos(angles), np.sin(angles)], axis=-1)[..., None, :]
    return pyblo.TargetLearning(Phi, np.eye(2)[:1], [0.0])


def _responses(angles, starts, target, radius):
    problem = _moving(angles)
    responses = problem.inner_solution([target], starts[:, None, :])
    nearest = problem.inner_solution([target])
    along = problem.inner_solution([0.0], [0.0, 1.0])  # (I − Φ⁺Φ)e₂, whose second component is (Ne₂)²
    reach = np.sqrt(np.maximum(along[:, 1], 0.0) * np.maximum(radius**2 - np.sum(nearest**2, axis=-1), 0.0))
    return responses, nearest[:, 1] - reach, nearest[:, 1] + reach


def _descent(angle, starts, target, step, steps):
    problem = _moving(np.array(angle))
    paths = [pyblo.hypergradient(problem, np.full((len(starts), 1), target), w0=starts, inner=pyblo.GradientDescent(count, step)).w
             for count in range(steps + 1)]
    return Descent(angle, problem, np.stack(paths, axis=1), problem.inner_solution([target], starts))


def _outer(Phi, Phi_out, cause, starts, tol):
    problem, starts = pyblo.TargetLearning(Phi, Phi_out, [1.0]), np.array(starts)
    loop = pyblo.cold_start(problem, starts, step=0.5, tol=tol, maxiter=10_000, history=False)
    return Outer(problem, cause, starts, pyblo.equilibria.cold_start(problem, starts).u, loop.u, int(loop.nit.max()))


def table(result):
    """Return what each problem leaves open, and how far the loops end from the closed forms, as a Table."""
    descent = result.descent
    gap = np.abs(descent.paths[:, -1] - descent.limits).max()
    rows = [("inner, at one s", "1", "2", "w ∈ S(s): dimension 1", "the w nearest w₀", f"{gap:.0e}", str(descent.paths.shape[1] - 1))]
    for each in result.outer:
        gap = np.abs(each.loops - each.limits).max()
        sizes = str(each.problem.outer_size), str(each.problem.inner_size)
        rows.append((f"outer: {each.cause}", *sizes, "u: dimension 1", "the u nearest u₀", f"{gap:.0e}", str(each.outer_steps)))
    columns = "underspecified", "outer size", "inner size", "solutions", "descent goes to", "Δ", "steps"
    caption = (f"Δ: the largest difference between the end of the iteration and the closed form. w₂ of S(s) in the ball "
               f"‖w‖ ≤ {result.radius:g} spans up to {np.max(result.high - result.low):.4f}, and nothing at s = ±π/2.")
    return Table("What a bilevel problem leaves open", columns, tuple(rows), caption)


def csv(result):
    """Return CSV texts: the responses at each s, the descent, and the outer solutions."""
    responses = [(s, low, high, *w0, *w[k]) for w0, w in zip(result.starts, result.responses, strict=True)
                 for k, (s, low, high) in enumerate(zip(result.angles, result.low, result.high, strict=True))]
    paths = [(*start, t, *w) for start, path in zip(result.starts, result.descent.paths, strict=True) for t, w in enumerate(path)]
    outer = [(each.cause, *row[0], *row[1], *row[2]) for each in result.outer
             for row in zip(each.starts, each.limits, each.loops, strict=True)]
    return {NAME: csv_text(("s", "w2_low", "w2_high", "start1", "start2", "w1", "w2"), responses),
            f"{NAME}-descent": csv_text(("start1", "start2", "step", "w1", "w2"), paths),
            f"{NAME}-outer": csv_text(("cause", "start1", "start2", "u1", "u2", "loop_u1", "loop_u2"), outer)}


def figures(result):
    """Return the figure: a slice of f, the set-valued response, and two planes of outer variables."""
    from ._response_maps_figure import draw

    return {NAME: draw(result)}
