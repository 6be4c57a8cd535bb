"""Components of few rows, of which a sample lacks most, and far rows that have none."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from sketchlearn import CompressiveGaussianMixture
from sketchlearn.points.densities import compute_joint_log_densities
from sketchlearn.points.em import Moments, merge
from sketchlearn.points.far_components import find_cheapest_merger, settle_far_components
from sketchlearn.points.weighted_em import add_one_row, find_roots, run_weighted_em

TYPES = ["diag", "full"]


def blobs(seed, n=30_000, d=3, n_far=0, distance=200.0):
    """Rows about four places, the first few of them about a far one; the places."""
    rng = np.random.default_rng(seed)
    places = 8.0 * rng.standard_normal((5, d))
    places[4] *= distance / np.linalg.norm(places[4])
    labels = rng.integers(4, size=n)
    labels[:n_far] = 4
    return places[labels] + rng.standard_normal((n, d)), places


def fit_em(rows, k, kind, places):
    return GaussianMixture(k, covariance_type=kind, means_init=places).fit(rows)


@pytest.mark.parametrize("kind", TYPES)
def test_weights_equal_repetitions_and_em_is_scikit_learns(kind):
    rows, places = blobs(0, n=2000, d=2)
    counts = np.random.default_rng(1).integers(1, 4, len(rows)).astype(float)
    start = Moments(np.full(4, 0.25), places[:4], np.broadcast_to(9.0 * np.eye(2), (4, 2, 2)))
    weighted = run_weighted_em(rows, counts, start, kind, np.full(2, 1e-6))
    repeated = np.repeat(rows, counts.astype(int), axis=0)
    again = run_weighted_em(repeated, np.ones(len(repeated)), start, kind, np.full(2, 1e-6))
    for one, other in zip(weighted, again, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    roots = find_roots(weighted.covariances, kind, np.full(2, 1e-6))
    each = compute_joint_log_densities(repeated, weighted.weights, weighted.means, roots)
    oracle = fit_em(repeated, 4, kind, places[:4])
    assert logsumexp(each, axis=1).mean() > oracle.score(repeated) - 0.001


def test_one_row_more_keeps_a_density_off_the_rows():
    singular = np.diag([0.0, 1.0])
    covariances = add_one_row(np.array([2.0, 998.0]), np.stack([singular, np.eye(2)]))
    np.testing.assert_allclose(covariances[0], np.diag([0.998 / 3.0, 1.0]))
    np.testing.assert_allclose(covariances[1], np.eye(2), atol=1e-4)


def test_merged_components_have_the_moments_of_both():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(50, 3)), 2.0 + rng.normal(size=(30, 3))]
    means = np.stack([part.mean(axis=0) for part in parts])
    covariances = np.stack([np.cov(part.T, ddof=0) for part in parts])
    pair = Moments(np.array([50.0, 30.0]), means, covariances)
    total, mean, covariance = (part[0] for part in merge(pair, np.array([0]), np.array([1])))
    both = np.concatenate(parts)
    assert total == 80.0
    np.testing.assert_allclose(mean, both.mean(axis=0))
    np.testing.assert_allclose(covariance, np.cov(both.T, ddof=0))


def test_the_cheapest_merger_is_that_of_halves_of_one_cluster():
    means = np.array([[0.0, 0.0], [9.0, 0.0], [9.5, 0.0], [0.0, 9.0]])
    covariances = np.broadcast_to(np.eye(2), (4, 2, 2))
    counts = np.array([100.0, 60.0, 40.0, 100.0])
    assert set(find_cheapest_merger(Moments(counts, means, covariances))) == {1, 2}


@pytest.mark.parametrize("kind", TYPES)
def test_a_right_mixture_stays(kind):
    rows, places = blobs(1)
    em = fit_em(rows, 4, kind, places[:4])
    matrices = em.covariances_ if kind == "full" else em.covariances_[:, :, None] * np.eye(3)
    mixture = Moments(em.weights_, em.means_, matrices)
    ones, rng = np.ones(len(rows)), np.random.default_rng(0)
    assert settle_far_components(rows, ones, mixture, kind, 1e-6, rng) is None


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("n_far", [1, 3, 8])
def test_far_rows_get_the_component_that_another_cluster_had_too_many(kind, n_far):
    rows, places = blobs(2, n_far=n_far)
    means = places.copy()
    means[4] = places[0] + np.array([1.0, 0.0, 0.0])
    halved = Moments(
        np.array([0.125, 0.25, 0.25, 0.25, 0.125]), means, np.broadcast_to(np.eye(3), (5, 3, 3))
    )
    ones, rng = np.ones(len(rows)), np.random.default_rng(0)
    found = settle_far_components(rows, ones, halved, kind, 1e-6, rng)
    far = int(np.argmax(np.linalg.norm(found.means, axis=1)))
    np.testing.assert_allclose(found.means[far], rows[:n_far].mean(axis=0), atol=1e-6)
    assert found.weights[far] == pytest.approx(n_far / len(rows), rel=1e-6)
    # No direction is without width, however few the rows: all blobs have unit variances.
    assert np.linalg.eigvalsh(found.covariances[far])[0] > 0.05
    law = multivariate_normal(found.means[far], found.covariances[far])
    assert law.logpdf(places[4]) > -40.0


@pytest.mark.parametrize("kind", TYPES)
def test_components_without_rows_are_those_that_far_rows_get(kind):
    rows, places = blobs(3, n_far=4)
    means = np.concatenate([places[:4], places[:1], places[:1]])
    shares = np.array([0.25, 0.25, 0.25, 0.25, 0.0, 0.0])
    mixture = Moments(shares, means, np.broadcast_to(np.eye(3), (6, 3, 3)))
    ones, rng = np.ones(len(rows)), np.random.default_rng(0)
    found = settle_far_components(rows, ones, mixture, kind, 1e-6, rng)
    distances = np.linalg.norm(found.means - rows[:4].mean(axis=0), axis=1)
    assert distances.min() < 1e-6


@pytest.mark.slow
@pytest.mark.quality
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("distance", [100.0, 1000.0])
def test_fit_is_as_likely_as_em_from_the_true_places_with_far_rows(kind, distance):
    for seed in range(4):
        rows, places = blobs(seed, n=60_000, d=2 + seed, n_far=3 + seed, distance=distance)
        model = CompressiveGaussianMixture(5, covariance_type=kind, random_state=seed).fit(rows)
        assert model.score(rows) > fit_em(rows, 5, kind, places).score(rows) - 0.02
        assert model.quality_.verdict == "good"
