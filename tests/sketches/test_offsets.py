"""Distances and densities are as exact far from the origin as near it."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
CENTERS = np.array([[0.0, 0.0, 0.0], [12.0, 0.0, 0.0], [0.0, 12.0, 0.0], [0.0, 0.0, 12.0]])
ROWS = CENTERS[np.arange(3000) % 4] + RNG.normal(size=(3000, 3))
OFFSETS = [0.0, 1e8, -1.7e9, 1e12]


def by_differences(rows, centers):
    """Squared distances, computed the long way."""
    rows = np.asarray(rows, dtype=np.float64)
    return np.square(rows[:, None, :] - centers[None, :, :]).sum(axis=2)


@pytest.mark.parametrize("offset", OFFSETS)
def test_kmeans(offset):
    rows = ROWS + offset
    model = CompressiveKMeans(4, random_state=0).fit(rows)
    squares = by_differences(rows, model.cluster_centers_)
    nearest = squares.min(axis=1)
    np.testing.assert_array_equal(model.labels_, squares.argmin(axis=1))
    np.testing.assert_array_equal(model.predict(rows), model.labels_)
    np.testing.assert_allclose(model.transform(rows), np.sqrt(squares), rtol=1e-12)
    assert model.inertia_ == pytest.approx(nearest.sum(), rel=1e-12)
    assert model.score(rows) == pytest.approx(-nearest.sum(), rel=1e-12)
    # Three degrees of freedom a row; were digits lost, it would be another.
    assert model.inertia_ / len(rows) == pytest.approx(3.0, rel=0.1)
    assert len(set(zip(np.arange(3000) % 4, model.labels_, strict=True))) == 4


def test_clusters_far_from_each_other():
    rows = np.concatenate([ROWS - 1e9, ROWS + 1e9])
    model = CompressiveKMeans(2, random_state=0).fit(rows)
    nearest = by_differences(rows, model.cluster_centers_).min(axis=1)
    assert model.inertia_ == pytest.approx(nearest.sum(), rel=1e-12)


def test_single_precision():
    rows = (ROWS + 1e4).astype(np.float32)
    model = CompressiveKMeans(4, random_state=0).fit(rows)
    squares = by_differences(rows, model.cluster_centers_)
    assert model.inertia_ == pytest.approx(squares.min(axis=1).sum(), rel=1e-12)
    np.testing.assert_allclose(model.transform(rows), np.sqrt(squares), rtol=1e-12)


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_mixtures(offset, covariance_type):
    rows = ROWS + offset
    model = CompressiveGaussianMixture(4, covariance_type=covariance_type, random_state=0)
    model.fit(rows)
    # Density of the differences, which are exact: scipy's, about the origin.
    joint = np.empty((len(rows), 4))
    for k, (weight, mean, some) in enumerate(
        zip(model.weights_, model.means_, model.covariances_, strict=True)
    ):
        covariance = some if np.ndim(some) == 2 else np.diag(np.broadcast_to(some, 3))
        density = multivariate_normal(np.zeros(3), covariance)
        joint[:, k] = np.log(weight) + density.logpdf(rows - mean)
    expected = logsumexp(joint, axis=1)
    np.testing.assert_allclose(model.score_samples(rows), expected, rtol=1e-9)
    np.testing.assert_array_equal(model.predict(rows), joint.argmax(axis=1))
    probabilities = np.exp(joint - expected[:, None])
    np.testing.assert_allclose(model.predict_proba(rows), probabilities, rtol=1e-7, atol=1e-12)
    assert model.score(rows) == pytest.approx(expected.mean())
    # What this mixture says of rows that it was fitted on: near the truth's entropy.
    assert model.score(rows) == pytest.approx(-3 * 1.4189 - np.log(4), abs=0.1)


def test_information_criteria_are_scikit_learns():
    for covariance_type in ("full", "diag", "spherical"):
        model = CompressiveGaussianMixture(2, covariance_type=covariance_type, random_state=0)
        model.fit(ROWS)
        theirs = model.to_sklearn()
        assert model.aic(ROWS) == pytest.approx(theirs.aic(ROWS))
        assert model.bic(ROWS) == pytest.approx(theirs.bic(ROWS))
        assert model.score(ROWS) == pytest.approx(theirs.score(ROWS))
        np.testing.assert_allclose(model.score_samples(ROWS), theirs.score_samples(ROWS))
        np.testing.assert_allclose(model.predict_proba(ROWS), theirs.predict_proba(ROWS), atol=1e-9)
