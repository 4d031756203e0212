"""Ridge penalties on real data: one per feature by exact hypergradients, against one for all from a grid (paper 003; MATH §6).

Subjects are split in thirds. Weights are fitted on the first, f = ½n⁻¹‖Xw − y‖² + ½wᵀdiag(exp u)w; u is tuned on the second,
F = ½n′⁻¹‖X′w − y′‖²; the third is only looked at in the end. There are 22 penalties and some 11 subjects to tune them on, so F
falls much further than the error on the third: the table says by how much, over many splits.
"""
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from pyblo.datasets import parkinsons

from . import Table, csv_text, need
from ._ridge_methods import METHODS, Part, Settings, Split

__all__ = ["RidgeParkinson", "csv", "figures", "run", "split", "table"]


@dataclass(frozen=True)
class RidgeParkinson:
    """The result: what every method did on every split.

    Attributes
    ----------
    methods : tuple of str
        In the order of the table.
    feature_names : tuple of str
        The columns of the data.
    trials : dict of str to tuple of Trial
        By method, one per split.
    settings : Settings
        As used.
    """

    methods: tuple
    feature_names: tuple
    trials: dict
    settings: Settings

    def values(self, method, name):
        """Return an attribute of the trials of a method, as an array over splits."""
        return np.array([getattr(trial, name) for trial in self.trials[method]])

    def paired(self, method, against, name="test_mse"):
        """Return (mean, standard error, splits in which it is lower) of the difference to another method."""
        gap = self.values(method, name) - self.values(against, name)
        return float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(gap.size)) if gap.size > 1 else np.nan, int(np.sum(gap < 0))


def split(y, subject, seed):
    """Return the masks (train, validation, test): the subjects of each label, shuffled and dealt in thirds.

    Where they are not a multiple of three, it is drawn which parts get one more.
    """
    rng = np.random.default_rng(seed)
    parts = [[], [], []]
    for label in np.unique(y):
        people = rng.permutation(np.unique(subject[y == label]))
        for part, chosen in zip(rng.permutation(3), np.array_split(people, 3), strict=True):
            parts[part] += list(chosen)
    return tuple(np.isin(subject, part) for part in parts)


def standardised(data, masks):
    """Return the Split: features standardised and labels ±1 centred, by means and deviations of the training part."""
    train = masks[0]
    Z = (data.X - data.X[train].mean(axis=0)) / data.X[train].std(axis=0)
    target = 2.0 * data.y - 1.0
    offset = target[train].mean()
    return Split(*(Part(Z[mask], target[mask] - offset, data.subject[mask]) for mask in masks), offset)


def run(progress=None, *, splits=20, seed=0, penalties=(1e-4, 1e3, 29), limits=(1e-5, 1e5), folds=5, step=10.0, maxiter=2000,
        tol=1e-3):
    """Tune the penalties by every method on every split.

    Parameters
    ----------
    progress : callable, optional
        Called as progress(done, total, text).
    splits, seed : int
        The number of splits, and the seed of the first; the next ones follow.
    penalties : tuple
        (least, largest, number) of the grid of λ, evenly spaced in log λ; λ = alpha/n of scikit-learn.
    limits : tuple of float
        Bounds of λ for L-BFGS-B.
    folds : int
        Of the cross-validation, by subject, with which RidgeCV chooses.
    step, maxiter, tol : float, int, float
        Of `pyblo.cold_start`.

    Returns
    -------
    RidgeParkinson
    """
    need("sklearn")
    settings = Settings(splits, seed, np.geomspace(*penalties), tuple(limits), folds, step, maxiter, tol)
    data = parkinsons()
    trials = {name: [] for name in METHODS}
    for k in range(splits):
        part = standardised(data, split(data.y, data.subject, seed + k))
        for done, (name, tune) in enumerate(METHODS.items()):
            if progress is not None:
                progress(k * len(METHODS) + done, splits * len(METHODS), f"split {k + 1}: {name}")
            with threadpool_limits(1):  # on matrices this small, threads would be what is timed
                trials[name].append(tune(part, settings))
    if progress is not None:
        progress(splits * len(METHODS), splits * len(METHODS), "done")
    return RidgeParkinson(tuple(METHODS), data.feature_names, {name: tuple(done) for name, done in trials.items()}, settings)


def table(result):
    """Return errors, evaluations and seconds by method, mean ± standard deviation over the splits, as a Table."""
    rows = []
    for name in result.methods:
        error = [_spread(result.values(name, key)) for key in ("validation_mse", "test_mse", "validation_error", "test_error")]
        converged = [trial.converged for trial in result.trials[name]]
        cost = f"{result.values(name, 'evaluations').mean():.0f}", f"{result.values(name, 'seconds').mean():.3f}"
        rows.append((name, *error, *cost, "—" if None in converged else f"{sum(converged)}/{len(converged)}"))
    columns = ("method", "val. MSE", "test MSE", "val. errors", "test errors", "evaluations", "seconds", "converged")
    return Table("Ridge penalties for the Parkinson data", columns, tuple(rows), caption(result))


def _spread(values):
    if np.isnan(values).any():
        return "—"
    deviation = values.std(ddof=1) if values.size > 1 else 0.0
    return f"{values.mean():.3f}±{deviation:.3f}"


def caption(result):
    """Return how the rows came about, and what they say about penalties per feature."""
    best = min(result.methods, key=lambda name: result.values(name, "test_mse").mean())
    return (f"Mean ± standard deviation over {result.settings.splits} splits of the subjects in thirds. Targets are ±1; errors are "
            "shares of recordings given the wrong sign. Weights are fitted on the training third, by RidgeCV on training + validation on "
            f"both. {verdict(result)} The least test MSE has: {best}.")


def verdict(result, method="L-BFGS-B, per feature", against="grid on validation"):
    """Return whether penalties per feature win, on validation and on test, in words and in the numbers of the result."""
    down, _, wins = result.paired(method, against, "validation_mse")
    gap, error, better = result.paired(method, against)
    n = result.settings.splits
    clear = n > 1 and abs(gap) > 2 * error
    judged = "They win on the test error too."
    if not clear or gap > 0:
        judged = (f"They {'lose' if clear else 'do not win'} on the test error: {len(result.feature_names)} penalties overfit the few "
                  "validation subjects.")
    return (f"Penalties per feature against one penalty from the grid, both tuned on validation: validation MSE {down:+.3f}, lower in "
            f"{wins} of {n} splits; test MSE {gap:+.3f} ± {error:.3f} (standard error), lower in {better} of {n}. {judged}")


def csv(result):
    """Return CSV texts: every trial, every learned penalty, and the objective along the evaluations."""
    keys = ("validation_mse", "test_mse", "validation_error", "test_error", "evaluations", "seconds", "converged")
    trials, penalties, objective = [], [], []
    for name in result.methods:
        for seed, trial in enumerate(result.trials[name], result.settings.seed):
            trials.append((seed, name, *(getattr(trial, key) for key in keys)))
            if trial.penalties is not None:
                penalties += [(seed, name, *pair) for pair in zip(result.feature_names, trial.penalties, strict=True)]
            objective += [(seed, name, i, value) for i, value in enumerate(trial.objective, 1)]
    return {
        "ridge-parkinson": csv_text(("split", "method", *keys), trials),
        "ridge-parkinson-penalties": csv_text(("split", "method", "feature", "penalty"), penalties),
        "ridge-parkinson-objective": csv_text(("split", "method", "evaluation", "objective"), objective),
    }


def figures(result):
    """Return the figure: errors by method, the penalty of each feature, the objective along the evaluations."""
    from ._ridge_figure import draw

    return {"ridge-parkinson": draw(result)}
