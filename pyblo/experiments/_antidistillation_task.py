"""The task that the experiments of anti-distillation share."""
from dataclasses import dataclass

import numpy as np

import pyblo
from pyblo.datasets import fourier_features

__all__ = ["Task", "problem", "task"]


@dataclass(frozen=True)
class Task:
    """Points whose targets are learned, a finer grid, the original point (x, y), and the problem.

    Attributes
    ----------
    x, grid : ndarray
        Where targets are learned, and where the fits are drawn.
    features : ndarray
        φ on the grid, a row per point.
    original : tuple of float
        The point (x, y) of the outer objective.
    problem : TargetLearning
        The bilevel problem.
    """

    x: np.ndarray
    grid: np.ndarray
    features: np.ndarray
    original: tuple
    problem: pyblo.TargetLearning


def problem(x, original=(0.0, 2.0), harmonics=10, amplitudes="exponential"):
    """Return the TargetLearning problem for points x and one original point."""
    Phi, Phi_out = (fourier_features(at, harmonics, amplitudes) for at in (x, [original[0]]))
    return pyblo.TargetLearning(Phi, Phi_out, [original[1]])


def task(points, interval, original, harmonics, amplitudes):
    """Return the Task with so many points over an interval."""
    x, grid = np.linspace(*interval, points), np.linspace(*interval, 401)
    features = fourier_features(grid, harmonics, amplitudes)
    return Task(x, grid, features, tuple(original), problem(x, original, harmonics, amplitudes))
