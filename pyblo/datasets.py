"""Data for examples and experiments: the packaged data set, and features that are computed. Nothing is downloaded."""
import csv
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from .methods import check_count, require

__all__ = ["Parkinsons", "fourier_features", "parkinsons"]


class Parkinsons(NamedTuple):
    """Voice recordings, one per row; the arrays are read-only.

    Attributes
    ----------
    X : ndarray, shape (195, 22)
        Acoustic features, not standardised.
    y : ndarray of int, shape (195,)
        1 for a subject with Parkinson's disease (147 recordings), 0 for a healthy one (48).
    subject : ndarray of str, shape (195,)
        Who was recorded: 32 subjects with 6 or 7 correlated recordings each.
    feature_names : tuple of str
        The columns of X.
    """

    X: np.ndarray
    y: np.ndarray
    subject: np.ndarray
    feature_names: tuple


def parkinsons():
    """Return the UCI Parkinsons data set (Little et al. 2007, doi 10.24432/C59C74, CC BY 4.0), which is packaged.

    Returns
    -------
    Parkinsons
        The tuple (X, y, subject, feature_names).

    Examples
    --------
    >>> import numpy as np, pyblo
    >>> X, y, subject, names = pyblo.datasets.parkinsons()
    >>> X.shape, int(y.sum()), len(np.unique(subject)), names[0]
    ((195, 22), 147, 32, 'MDVP:Fo(Hz)')
    """
    text = files(__package__).joinpath("data/parkinsons.csv").read_text(encoding="ascii")
    rows = list(csv.DictReader(text.splitlines()))
    features = tuple(name for name in rows[0] if name not in ("name", "status"))
    X = np.array([[float(row[name]) for name in features] for row in rows])
    y = np.array([int(row["status"]) for row in rows])
    subject = np.array([row["name"].split("_")[2] for row in rows])  # phon_R01_S01_1
    for array in (X, y, subject):
        array.setflags(write=False)
    return Parkinsons(X, y, subject, features)


def fourier_features(x, terms, amplitudes="exponential"):
    """Return φ(x) = [1, a_l cos(lx) (l = 1..L), a_l sin(lx) (l = 1..L)], a row per point  (paper 000, §4.2 and App. F.2).

    Parameters
    ----------
    x : array_like, shape (n,)
        The points.
    terms : int
        The number L of cosines, and of sines.
    amplitudes : {"exponential", "reciprocal"}
        a_l = 2^(L−l), or a_l = 1/l.

    Returns
    -------
    ndarray, shape (n, 2L + 1)

    Examples
    --------
    >>> import pyblo
    >>> pyblo.datasets.fourier_features([0.0], terms=2)
    array([[1., 2., 1., 0., 0.]])
    """
    x = np.asarray(x, dtype=np.float64)
    require(x.ndim == 1, f"x: expected one axis, got shape {x.shape}")
    L = check_count("terms", terms)
    kinds = {"exponential": lambda l: 2.0 ** (L - l), "reciprocal": lambda l: 1.0 / l}
    require(amplitudes in kinds, f"amplitudes: {amplitudes!r} is not known; expected one of {tuple(kinds)}")
    l = np.arange(1, L + 1)
    a, angle = kinds[amplitudes](l), x[:, None] * l
    return np.hstack([np.ones((x.size, 1)), a * np.cos(angle), a * np.sin(angle)])
