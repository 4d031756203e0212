"""The ways to choose ridge penalties that `pyblo.experiments.ridge_parkinson` compares, each a function of a split."""
import time
from dataclasses import dataclass

import numpy as np

import pyblo

from . import need

__all__ = ["METHODS", "Part", "Settings", "Split", "Trial"]


@dataclass(frozen=True)
class Settings:
    """The settings of a run: `penalties` is the grid of λ; the others as in `ridge_parkinson.run`."""

    splits: int
    seed: int
    penalties: np.ndarray
    limits: tuple
    folds: int
    step: float
    maxiter: int
    tol: float


@dataclass(frozen=True)
class Part:
    """A third of the data: standardised features, centred targets, and the subject of each row."""

    X: np.ndarray
    y: np.ndarray
    subject: np.ndarray


@dataclass(frozen=True)
class Split:
    """Three parts, and the mean of the training targets, which was subtracted."""

    train: Part
    validation: Part
    test: Part
    offset: float

    def problem(self, penalty):
        """Return the Ridge problem: weights from the training part, u = log λ from the validation part."""
        return pyblo.Ridge(self.train.X, self.train.y, self.validation.X, self.validation.y, penalty=penalty)

    def errors(self, part, w):
        """Return (mean squared error, share of recordings given the wrong sign) of a part."""
        prediction = part.X @ w
        wrong = (prediction + self.offset > 0) != (part.y + self.offset > 0)
        return float(np.mean((prediction - part.y) ** 2)), float(np.mean(wrong))


@dataclass(frozen=True)
class Trial:
    """What a method chose on one split, what it cost, and how good it is.

    Attributes
    ----------
    penalties : ndarray or None
        λ of each feature.
    objective : tuple of float
        F at each evaluation.
    evaluations : int
        Ridge fits; one hypergradient is one fit and one more solve with its factor.
    seconds : float
        Wall time of the choice.
    converged : bool or None
        What the optimiser said, where there is one.
    validation_mse, test_mse, validation_error, test_error : float
        Mean squared errors and shares of wrong signs; NaN where the validation part was trained on.
    """

    penalties: np.ndarray | None
    objective: tuple
    evaluations: int
    seconds: float
    converged: bool | None
    validation_mse: float
    test_mse: float
    validation_error: float
    test_error: float


def _trial(split, w, penalties, objective, evaluations, seconds, converged=None, held_out=True):
    validation = split.errors(split.validation, w) if held_out else (np.nan, np.nan)
    test = split.errors(split.test, w)
    if penalties is not None:
        penalties = np.broadcast_to(penalties, w.shape).copy()
    return Trial(penalties, tuple(objective), evaluations, seconds, converged, validation[0], test[0], validation[1], test[1])


def mean_only(split, settings):
    """Predict the mean of the training targets, whatever the features."""
    return _trial(split, np.zeros(split.train.X.shape[1]), None, (), 0, 0.0)


def grid(split, settings):
    """One penalty: the value of the grid with the least F."""
    start = time.perf_counter()
    problem = split.problem("scalar")
    value_and_grad = pyblo.value_and_grad(problem)
    objective = [value_and_grad(np.log([penalty]))[0] for penalty in settings.penalties]
    best = settings.penalties[int(np.argmin(objective))]
    seconds = time.perf_counter() - start
    return _trial(split, problem.inner_solution(np.log([best])), best, objective, len(objective), seconds)


def lbfgs(split, settings, penalty):
    """Minimise F over u = log λ by L-BFGS-B from λ = 1."""
    from scipy.optimize import minimize

    start = time.perf_counter()
    problem = split.problem(penalty)
    value_and_grad = pyblo.value_and_grad(problem)
    objective = []

    def recorded(u):
        value, grad = value_and_grad(u)
        objective.append(value)
        return value, grad

    bounds = [tuple(np.log(settings.limits))] * problem.outer_size
    options = {"maxiter": settings.maxiter}
    found = minimize(recorded, np.zeros(problem.outer_shape), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    seconds = time.perf_counter() - start
    return _trial(split, problem.inner_solution(found.x), np.exp(found.x), objective, len(objective), seconds, bool(found.success))


def descent(split, settings):
    """Minimise F over u = log λ, one per feature, by gradient descent with a fixed step from λ = 1."""
    start = time.perf_counter()
    problem = split.problem("diagonal")
    found = pyblo.cold_start(problem, np.zeros(problem.outer_shape), step=settings.step, maxiter=settings.maxiter, tol=settings.tol)
    seconds = time.perf_counter() - start
    return _trial(split, found.w, np.exp(found.u), found.history.fun.tolist(), found.nit + 1, seconds, bool(found.success))


def ridge_cv(split, settings, both):
    """One penalty by scikit-learn's RidgeCV, which cross-validates by subject over the training part, or over both it may see."""
    linear_model, model_selection = need("sklearn.linear_model"), need("sklearn.model_selection")
    parts = (split.train, split.validation) if both else (split.train,)
    X, y, subject = (np.concatenate([getattr(part, name) for part in parts]) for name in ("X", "y", "subject"))
    start = time.perf_counter()
    folds = list(model_selection.GroupKFold(settings.folds).split(X, y, subject))
    alphas = settings.penalties * len(y)  # of all rows: RidgeCV fits folds with the same alpha
    model = linear_model.RidgeCV(alphas, cv=folds, scoring="neg_mean_squared_error", fit_intercept=False).fit(X, y)
    seconds = time.perf_counter() - start
    return _trial(split, model.coef_, model.alpha_ / len(y), (), len(alphas) * settings.folds + 1, seconds, held_out=not both)


METHODS = {
    "training mean": mean_only,
    "RidgeCV on training": lambda split, settings: ridge_cv(split, settings, both=False),
    "RidgeCV on training + validation": lambda split, settings: ridge_cv(split, settings, both=True),
    "grid on validation": grid,
    "L-BFGS-B, one penalty": lambda split, settings: lbfgs(split, settings, "scalar"),
    "L-BFGS-B, per feature": lambda split, settings: lbfgs(split, settings, "diagonal"),
    "cold start, per feature": descent,
}
