"""Clusters that are long along the same axes, and atoms that have a covariance in common."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import KMeans

from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import MeanShift, Problem
from sketchlearn.decoders.shared_covariance import share_covariance
from sketchlearn.sketches import Region


def draw_factors(n_features, k, n_factors, strength, seed, n=20_000):
    """Clusters that are round but for factors in common, and their labels."""
    rng = np.random.default_rng(seed)
    centers = 19.0 * rng.standard_normal((k, n_features)) / np.sqrt(2 * n_features)
    loadings = np.linalg.qr(rng.standard_normal((n_features, n_factors)))[0].T * strength
    labels = rng.integers(k, size=n)
    rows = centers[labels] + rng.standard_normal((n, n_features))
    return rows + rng.standard_normal((n, n_factors)) @ loadings, centers, loadings


def decode_round(rows, k, seed=0):
    sketch = Sketcher(n_clusters=k, random_state=seed).fit(rows).sketch(rows)
    region = Region.of(sketch)
    problem = Problem.of(sketch, SphericalGaussian(sketch.operator), k, region=region)
    return problem, MeanShift().solve(problem, np.random.default_rng(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_strong_factors_in_common_do_not_hide_clusters(seed):
    rows, *_ = draw_factors(32, 12, 10, 6.0, seed)
    sketch = Sketcher(n_clusters=12, random_state=seed).fit(rows).sketch(rows)
    model = CompressiveKMeans(12, random_state=seed).fit_sketch(sketch)
    best = KMeans(12, n_init=3, random_state=seed).fit(rows).inertia_
    assert -model.score(rows) < 1.03 * best
    assert model.mixture_.quality.is_noise
    assert model.quality_.verdict == "good"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_atoms_have_the_covariance_that_clusters_have(seed):
    rows, centers, loadings = draw_factors(12, 5, 4, 3.0, seed)
    problem, mixture = decode_round(rows, 5, seed)
    shared = share_covariance(problem, mixture, np.random.default_rng(0))
    assert not mixture.quality.is_noise
    assert shared.quality.is_noise
    found = shared.family.covariance_matrices(shared.parameters)
    expected = loadings.T @ loadings + np.eye(12)
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=0.7)

    def measure_error(atoms):
        apart = np.linalg.norm(atoms.locations[:, None] - centers, axis=2)
        return apart.min(axis=1).max()

    assert measure_error(shared) < 0.5
    assert measure_error(shared) < measure_error(mixture)
    np.testing.assert_allclose(shared.covariance, problem.region.covariance, atol=0.5)


def test_of_round_clusters_nothing_changes():
    rows, *_ = draw_factors(6, 4, 1, 0.0, 0)
    problem, mixture = decode_round(rows, 4)
    assert mixture.quality.is_noise
    assert share_covariance(problem, mixture, np.random.default_rng(0)) is mixture


def test_atoms_for_several_clusters_stay_round():
    """What they lack is no shape: as wide a covariance in common explains no more."""
    rows, *_ = draw_factors(2, 12, 1, 0.0, 1)
    problem, mixture = decode_round(rows, 4)
    assert not mixture.quality.is_noise
    assert share_covariance(problem, mixture, np.random.default_rng(0)) is mixture


def test_covariances_must_be_the_rows_own():
    rows, *_ = draw_factors(12, 5, 4, 3.0, 0)
    problem, mixture = decode_round(rows, 5)
    unsure = replace(problem, region=replace(problem.region, is_exact=False))
    assert share_covariance(unsure, mixture, np.random.default_rng(0)) is mixture


@pytest.mark.slow
def test_points_start_at_random_too_where_clusters_are_long():
    """A mixture that is right is no k-means: one long cluster may be worth two centroids."""
    rng = np.random.default_rng([83, 1085])
    centers, stretched = 6.0 * rng.normal(size=(5, 4)), np.array([1.0, 1.0, 8.0, 30.0])
    labels = rng.choice(5, 12_000, p=np.full(5, 0.2))
    rows = (centers[labels] + rng.normal(size=(12_000, 4))) * stretched
    best = KMeans(5, n_init=10, random_state=0).fit(rows).inertia_
    rows = rows[rng.permutation(len(rows))]
    for seed in range(83, 87):
        sketcher = Sketcher(400, n_clusters=5, keep_pilot=False, random_state=seed)
        model = CompressiveKMeans(5, random_state=seed)
        model.fit_sketch(sketcher.fit(rows).sketch(rows))
        assert -model.score(rows) < 1.03 * best
