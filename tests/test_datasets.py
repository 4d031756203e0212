"""The packaged data, and features that are computed."""

from importlib.resources import files

import numpy as np
import pytest

import pyblo
from pyblo.datasets import fourier_features, parkinsons


def test_parkinsons():
    X, y, subject, names = parkinsons()
    assert X.shape == (195, 22) and X.dtype == np.float64 and np.isfinite(X).all()
    assert np.bincount(y).tolist() == [48, 147]
    people, first, counts = np.unique(subject, return_index=True, return_counts=True)
    assert people.size == 32 and set(counts) == {6, 7} and y[first].sum() == 24
    assert all(np.ptp(y[subject == who]) == 0 for who in people)
    assert len(set(names)) == 22 and (names[0], names[15], names[-1]) == ("MDVP:Fo(Hz)", "HNR", "PPE")
    assert (X[0, 0], X[0, 15], X[0, 16], X[-1, -1]) == (119.992, 21.033, 0.414783, 0.148569)


def test_parkinsons_cannot_be_changed():
    first = parkinsons()
    for array in first[:3]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    assert not np.shares_memory(first.X, parkinsons().X)


def test_attribution_is_packaged():
    text = files(pyblo).joinpath("data/README.md").read_text(encoding="utf-8")
    assert all(word in text for word in ("Little", "2007", "10.24432/C59C74", "CC BY 4.0"))


@pytest.mark.parametrize(("kind", "amplitude"), [("exponential", lambda l, L: 2.0 ** (L - l)), ("reciprocal", lambda l, L: 1 / l)])
def test_fourier_features(kind, amplitude):
    x, L = np.linspace(-2, 2, 13), 10
    features = fourier_features(x, L, kind)
    expected = np.ones((13, 21))
    for l in range(1, L + 1):
        expected[:, l], expected[:, L + l] = amplitude(l, L) * np.cos(l * x), amplitude(l, L) * np.sin(l * x)
    np.testing.assert_allclose(features, expected, rtol=1e-15)


def test_fourier_features_of_little():
    assert fourier_features([1.0, 2.0], 0).tolist() == [[1.0], [1.0]]
    assert fourier_features([], 3).shape == (0, 7)


@pytest.mark.parametrize(("arguments", "error", "name"), [
    (([[0.0]], 2), ValueError, "x"), ((0.0, 2), ValueError, "x"), (([0.0], -1), ValueError, "terms"),
    (([0.0], 2.0), TypeError, "terms"), (([0.0], 2, "linear"), ValueError, "amplitudes"),
])
def test_bad_arguments_are_named(arguments, error, name):
    with pytest.raises(error, match=f"^{name}: "):
        fourier_features(*arguments)
