"""Anti-distillation: what approximate hypergradients choose where many outer solutions are as good (paper 000, Fig. 11a, 11b).

The targets u of 13 points are learned so that a Fourier model w = Φ⁺u fits one original point: f = ½‖Φw − u‖², F = ½‖Φₒw − y‖².
Many u do; from u₀ = 0 cold start goes to u* = −K^♯(−k) with K, k of the method (MATH §4), and the better a method approximates
H⁺, the smaller is ‖u*‖².
"""
from dataclasses import dataclass

import numpy as np

import pyblo

from . import Table, csv_text
from ._antidistillation_task import Task, problem, task

__all__ = ["Antidistillation", "Run", "Sweep", "csv", "figures", "problem", "run", "table"]

ROUTES = ("spectral", "iterate")


@dataclass(frozen=True)
class Run:
    """One method: its limit in closed form, the model fitted to the learned targets, and the loops that went there.

    Attributes
    ----------
    method : Exact, Neumann or Damped
        The approximation of H⁺.
    limit : Equilibrium
        The closed form.
    fit : ndarray
        φ(x)ᵀw on the result's grid.
    loops : dict of str to BilevelResult
        `pyblo.cold_start` by route.
    """

    method: object
    limit: object
    fit: np.ndarray
    loops: dict

    @property
    def label(self):
        """The method in a few words."""
        return {"Exact": "pseudoinverse", "Neumann": "Neumann", "Damped": "damped"}[type(self.method).__name__]

    @property
    def parameter(self):
        """The number of terms, or ε; None of the pseudoinverse."""
        return getattr(self.method, "terms", getattr(self.method, "eps", None))

    def deviation(self, route):
        """Return ‖u_loop − u*‖/‖u*‖, NaN where the route was not run."""
        loop = self.loops.get(route)
        return np.nan if loop is None else float(np.linalg.norm(loop.u - self.limit.u) / np.linalg.norm(self.limit.u))


@dataclass(frozen=True)
class Sweep:
    """‖u*‖² and ‖w*‖² in closed form against the parameter of a method; NaN where cold start diverges."""

    parameter: np.ndarray
    u: np.ndarray
    w: np.ndarray


@dataclass(frozen=True)
class Antidistillation(Task):
    """The result: the task, the runs, and two sweeps.

    Attributes
    ----------
    inner_step, outer_step : float
        α of the Neumann series and β of the loops.
    runs : tuple of Run
        The pseudoinverse, then by number of terms, then by ε.
    neumann, damped : Sweep
        Against the number of terms, and against ε.
    name, title : str
        Of the files, and of the table.
    """

    inner_step: float
    outer_step: float
    runs: tuple
    neumann: Sweep
    damped: Sweep
    name: str
    title: str

    def of(self, label):
        """Return the runs with a label: "pseudoinverse", "Neumann" or "damped"."""
        return tuple(each for each in self.runs if each.label == label)


def run(progress=None, *, terms=(2, 11, 101, 1001), eps=(1e4, 1e5, 1e6, 1e7), inner_step=1e-7, outer_step=1e-2, points=13,
        interval=(-2.0, 2.0), original=(0.0, 2.0), harmonics=10, amplitudes="exponential", sweep=240, terms_range=(1, 10**6),
        eps_range=(1e1, 1e9), tol=1e-12, maxiter=10**6, name="antidistillation", title="Anti-distillation"):
    """Solve the task with every method, in closed form and by the loops.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    terms, eps : sequence
        The methods that are also iterated; Σ_{j=0}^{K} of the paper has K + 1 terms.
    inner_step, outer_step : float
        α and β.
    points, interval, original, harmonics, amplitudes
        The task: so many points over an interval, one original point, and the features.
    sweep, terms_range, eps_range
        How many values the closed form is evaluated at, and between which.
    tol, maxiter : float, int
        Of the loops.
    name, title : str
        Of the files, and of the table.

    Returns
    -------
    Antidistillation
    """
    shared = task(points, interval, original, harmonics, amplitudes)
    methods = [pyblo.Exact(), *_neumann(terms, inner_step), *_damped(eps)]
    runs = []
    for k, method in enumerate(methods):
        if progress is not None:
            progress(k, len(methods), str(method))
        runs.append(_solve(shared, method, outer_step, tol, maxiter))
    counts = np.unique(np.geomspace(*terms_range, sweep).round().astype(int))
    dampings = np.geomspace(*eps_range, sweep)
    sweeps = (_sweep(shared.problem, counts, _neumann(counts, inner_step)), _sweep(shared.problem, dampings, _damped(dampings)))
    if progress is not None:
        progress(len(methods), len(methods), "done")
    return Antidistillation(**vars(shared), inner_step=inner_step, outer_step=outer_step, runs=tuple(runs),
                            neumann=sweeps[0], damped=sweeps[1], name=name, title=title)


def _neumann(terms, step):
    return [pyblo.Neumann(int(count), step) for count in terms]


def _damped(eps):
    return [pyblo.Damped(float(each)) for each in eps]


def _solve(shared, method, step, tol, maxiter):
    start = np.zeros(shared.x.size)
    limit = pyblo.equilibria.cold_start(shared.problem, start, method=method)
    if not limit.success:
        raise ValueError(f"{method}: {limit.message}")
    routes = ROUTES[:1] if isinstance(method, pyblo.Exact) else ROUTES  # the pseudoinverse has no iteration
    settings = {"method": method, "step": step, "tol": tol, "maxiter": maxiter, "history": False}
    loops = {route: pyblo.cold_start(shared.problem, start, route=route, **settings) for route in routes}
    return Run(method, limit, shared.features @ limit.w, loops)


def _sweep(bilevel, parameter, methods):
    norms = np.full((2, len(methods)), np.nan)
    for k, method in enumerate(methods):
        limit = pyblo.equilibria.cold_start(bilevel, np.zeros(bilevel.outer_size), method=method)
        if limit.success:
            norms[:, k] = limit.u @ limit.u, limit.w @ limit.w
    return Sweep(np.asarray(parameter, float), *norms)


def table(result):
    """Return the squared norms of every run, by closed form and by loops, as a Table."""
    rows = []
    for each in result.runs:
        loops = [each.loops.get(route) for route in ROUTES]
        norms = (f"{each.limit.u @ each.limit.u:.4f}", *("—" if loop is None else f"{loop.u @ loop.u:.4f}" for loop in loops))
        deviations = ("—" if loop is None else f"{each.deviation(route):.0e}" for route, loop in zip(ROUTES, loops, strict=True))
        steps = f"{loops[0].nit:,}" + ("" if all(loop is None or loop.success for loop in loops) else " (not converged)")
        rows.append((described(each), *norms, *deviations, f"{each.limit.w @ each.limit.w:.3e}", steps))
    columns = ("method", "‖u‖²", "spectral loop", "iterated loop", "Δ spectral", "Δ iterated", "‖w‖²", "outer steps")
    return Table(f"{result.title}: the targets u that cold start reaches from 0", columns, tuple(rows), caption(result))


def caption(result):
    """Return how the rows are to be read."""
    worst = max(each.limit.fun for each in result.runs)
    return (f"‖u‖² and ‖w‖² in closed form, ‖u‖² by both loops, and Δ = ‖u_loop − u‖/‖u‖. {result.x.size} learned targets, "
            f"original point {result.original}, inner step {result.inner_step:g}, outer step {result.outer_step:g}. T counts the "
            f"terms of the Neumann series; the paper's sum up to K has K + 1 terms, so T = K + 1. All limits are outer "
            f"solutions: F is at most {worst:.0e}.")


def described(each):
    """Return the name of a run's method, with its parameter."""
    words = {"Neumann": "Neumann, T = {}", "damped": "damped, ε = {:.0e}"}
    return words.get(each.label, each.label).format(each.parameter)


def csv(result):
    """Return CSV texts: the norms of runs and sweeps, the learned targets, and the fits."""
    norms, targets, fits = [], [], []
    for each in result.runs:
        who = each.label, "" if each.parameter is None else each.parameter
        pairs = {"closed form": each.limit, **{f"{route} loop": loop for route, loop in each.loops.items()}}
        norms += [(*who, source, pair.u @ pair.u, pair.w @ pair.w) for source, pair in pairs.items()]
        targets += [(*who, *pair) for pair in zip(result.x, each.limit.u, strict=True)]
        fits += [(*who, *pair) for pair in zip(result.grid, each.fit, strict=True)]
    for label, sweep in (("Neumann", result.neumann), ("damped", result.damped)):
        norms += [(label, at, "closed form, sweep", u, w) for at, u, w in zip(sweep.parameter, sweep.u, sweep.w, strict=True)]
    return {
        f"{result.name}-norms": csv_text(("method", "parameter", "source", "u_norm_squared", "w_norm_squared"), norms),
        f"{result.name}-targets": csv_text(("method", "parameter", "x", "target"), targets),
        f"{result.name}-fits": csv_text(("method", "parameter", "x", "model"), fits),
    }


def figures(result):
    """Return the figure: learned targets and fits; ‖u‖² and ‖w‖² against the number of terms and ε."""
    from ._antidistillation_figure import draw

    return {result.name: draw(result)}
