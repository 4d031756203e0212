"""How wrong hypergradients are after t inner steps: ITD, AID-FP and AID-CG, each under its bound (paper 002, §3.1, Fig. 1).

Ridge: f = ½n⁻¹‖Xw − y‖² + ½wᵀdiag(u)w, one penalty per feature. Biased: f = ½‖Xw − y‖² + ½β‖w − u‖². w_t comes from t steps from 0,
of gradient descent with the step 2/(μ+L), or of the heavy ball with its best step and momentum; ITD differentiates these steps, FP
and CG make k steps on the adjoint system, FP with the map of gradient descent. Bounds: Thm 2.1 of ITD by gradient descent (the
heavy ball is no contraction, and the theorem says nothing of it), Thms 2.2 and 2.4 of AID with ρ(t) of the inner run.

The paper's sizes and ranges stand in an appendix that is not public. Chosen here: Gaussian data with 20 % noise, 40 examples of 30
features for ridge and 12 for biased (as few as tasks of meta-learning have), 30 for validation; u uniform in [0.05, 0.5], and in
[−1, 1] with β = 5: κ is some 12 to 20. The paper has logistic and kernel regression and hyper-representation too, which are not
quadratic in (u, w) or in w.
"""
from dataclasses import dataclass

import numpy as np

import pyblo

from . import Table, csv_text

__all__ = ["Errors", "HypergradientError", "csv", "figures", "run", "table"]

NAME = "hypergradient-error"
METHODS = ("ITD", "FP, k = t", "CG, k = t", "FP, k = {}", "CG, k = {}")
EPS = float(np.finfo(float).eps)
INNERS = {"gradient_descent": "gradient descent", "heavy_ball": "heavy ball"}


@dataclass(frozen=True)
class Errors:
    """The errors on one problem with one inner solver.

    Attributes
    ----------
    problem : Ridge or BiasedRidge
        The problem.
    name, inner : str
        Of the problem, and of the inner solver as `pyblo.bounds.constants` has it.
    draws : ndarray, shape (draws, m)
        u.
    error, bound : ndarray, shape (methods, draws, t)
        ‖approximate − exact hypergradient‖, and what bounds it; NaN where no theorem does, infinite where the heavy ball may still be
        outside the ball that the constants are for.
    floor : ndarray, shape (draws,)
        What rounding may add.
    condition : ndarray, shape (draws,)
        κ at each u.
    """

    problem: object
    name: str
    inner: str
    draws: np.ndarray
    error: np.ndarray
    bound: np.ndarray
    floor: np.ndarray
    condition: np.ndarray

    def violations(self):
        """Return by method how many errors lie above bound + floor; none where there is no bound."""
        return np.sum(self.error > self.bound + self.floor[:, None], axis=(1, 2))

    def tightness(self):
        """Return by method the median of bound/error, where the error is no rounding; NaN where there is no bound."""
        ratio = np.where(self.error > self.floor[:, None], self.bound / np.maximum(self.error, np.finfo(float).tiny), np.nan)
        return np.array([np.median(each[~np.isnan(each)]) if not np.isnan(each).all() else np.nan for each in ratio])


@dataclass(frozen=True)
class HypergradientError:
    """The result: the numbers t of inner steps, the names of the methods, and the panels of the figure."""

    counts: np.ndarray
    methods: tuple
    panels: tuple


def run(progress=None, *, counts=(1, 121, 31), draws=20, fixed=10, features=30, examples=(40, 12), validation=30, noise=0.2,
        penalties=(0.05, 0.5), targets=(-1.0, 1.0), beta=5.0, seed=0):
    """Measure the errors.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    counts : tuple
        (first, last, number) of t, evenly spaced and rounded.
    draws, fixed : int
        The number of u, and k of the methods whose k does not grow.
    features, validation : int
        Sizes of the data.
    examples : (int, int)
        Of training, for ridge and for biased regularisation.
    noise : float
        Its deviation in y, against that of the signal.
    penalties, targets : (float, float)
        Between which the entries of u are drawn, for ridge and for biased regularisation.
    beta : float
        β.
    seed : int
        Of data and draws.

    Returns
    -------
    HypergradientError
    """
    rng = np.random.default_rng(seed)
    t = np.unique(np.linspace(*counts).round().astype(int))
    ridge, biased = (_data(rng, n, features, validation, noise) for n in examples)
    tasks = (("ridge", pyblo.Ridge(*ridge, log=False), rng.uniform(*penalties, (draws, features))),
             ("biased", pyblo.BiasedRidge(*biased, beta=beta), rng.uniform(*targets, (draws, features))))
    panels = []
    for name, problem, us in tasks:
        for inner, text in INNERS.items():
            if progress is not None:
                progress(len(panels), 4, f"{name}, {text}")
            panels.append(_errors(name, problem, inner, us, t, fixed))
    if progress is not None:
        progress(4, 4, "done")
    return HypergradientError(t, tuple(name.format(fixed) for name in METHODS), tuple(panels))


def _data(rng, examples, features, validation, noise):
    """Return (X, y, X_val, y_val) with y = Xw + noise of so large a part of the signal, ‖w‖ = 1."""
    w = rng.standard_normal(features)
    w /= np.linalg.norm(w)
    rows = [rng.standard_normal((n, features)) for n in (examples, validation)]
    return [part for X in rows for part in (X, X @ w + noise * rng.standard_normal(len(X)))]


def _errors(name, problem, inner, us, counts, fixed):
    constants = [pyblo.bounds.constants(problem, u, inner=inner) for u in us]
    together = [us] if problem.fixed_hessian else us[:, None]  # those that have the same steps are a batch
    error = np.concatenate([_measured(problem, batch, c, counts, fixed) for batch, c in zip(together, constants, strict=False)], axis=1)
    bound = np.stack([_bounds(c, counts, fixed) for c in constants], axis=1)
    return Errors(problem, name, inner, us, error, bound, np.array([c.floor for c in constants]), np.array([c.kappa for c in constants]))


def _measured(problem, us, c, counts, fixed):
    """Return the errors, shape (methods, draws, t)."""
    exact = pyblo.hypergradient(problem, us).grad
    error = np.empty((len(METHODS), len(us), counts.size))
    for j, t in enumerate(counts.tolist()):
        inner = c.run(t)
        found = [pyblo.hypergradient(problem, us, method=pyblo.Unrolled(t, inner.step, inner.momentum))]  # its w is that of the run
        found += [pyblo.hypergradient(problem, us, found[0].w, method=method)
                  for k in (t, fixed) for method in (pyblo.FixedPoint(k, c.step), pyblo.CG(k, rtol=EPS))]
        error[:, :, j] = [np.linalg.norm(each.grad - exact, axis=-1) for each in found]
    return error


def _bounds(c, t, fixed):
    itd = pyblo.bounds.itd(c, t) if c.inner == "gradient_descent" else np.full(t.size, np.nan)
    return [itd, *(bound(c, t, k) for k in (t, fixed) for bound in (pyblo.bounds.aid_fixed_point, pyblo.bounds.aid_cg))]


def table(result):
    """Return mean errors after few, some and many steps, and how far the bounds lie above, as a Table."""
    rows, at = [], [0, result.counts.size // 4, result.counts.size - 1]
    for panel in result.panels:
        for k, method in enumerate(result.methods):
            errors = (f"{panel.error[k, :, j].mean():.1e}" for j in at)
            tight, bounded = panel.tightness()[k], not np.isnan(panel.bound[k]).all()
            rows.append((f"{panel.name}, {INNERS[panel.inner]}: {method}", *errors, f"{tight:.3g}" if bounded else "—",
                         f"{panel.violations()[k]} of {panel.error[k].size}" if bounded else "no bound"))
    columns = ("problem, inner solver: method", *(f"error, t = {result.counts[j]}" for j in at), "bound/error", "above")
    kappas = "; ".join(f"{panel.name} {panel.condition.min():.3g} to {panel.condition.max():.3g}" for panel in result.panels[::2])
    caption = (f"Errors: mean of ‖approximate − exact hypergradient‖ over {len(result.panels[0].draws)} draws of u. bound/error: its "
               f"median where the error is no rounding. above: errors above bound + floor, the rounding. κ: {kappas}.")
    return Table("Errors of approximate hypergradients", columns, tuple(rows), caption)


def csv(result):
    """Return CSV texts: every error with its bound, and their means and deviations."""
    each, means = [], []
    for panel in result.panels:
        for k, method in enumerate(result.methods):
            who = panel.name, panel.inner, method
            for j, t in enumerate(result.counts):
                error, bound = panel.error[k, :, j], panel.bound[k, :, j]
                means.append((*who, t, error.mean(), error.std(ddof=1) if error.size > 1 else 0.0, bound.mean()))
                each += [(*who, t, draw, *pair) for draw, pair in enumerate(zip(error, bound, strict=True))]
    columns = "problem", "inner", "method", "t"
    return {NAME: csv_text((*columns, "error_mean", "error_deviation", "bound_mean"), means),
            f"{NAME}-draws": csv_text((*columns, "draw", "error", "bound"), each)}


def figures(result):
    """Return the figure: mean error ± deviation against t, and the bounds."""
    from ._hypergradient_error_figure import draw

    return {NAME: draw(result)}
