"""k-means on points that stand for the data."""

import naive
import numpy as np
import pytest
from planted import gaussian_clusters, largest_distance
from sklearn.cluster import KMeans, kmeans_plusplus

from sketchlearn._kernels.clustering import draw_centroids, move_centroids
from sketchlearn.points.kmeans import (
    MOST_IN_LOOPS,
    Clustering,
    cluster_points,
    estimate_standard_error,
)


def sum_of_squares(rows, centers):
    return sum(np.min(np.sum((row - centers) ** 2, axis=1)) for row in rows)


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_clustered_points_give_means_and_shares(unit):
    centers, points = gaussian_clusters(k=3, d=2, n=900, unit=unit)
    weights = np.repeat([1.0, 5.0, 2.0], 300)
    rng = np.random.default_rng(0)
    found, shares, labels = cluster_points(points, weights, centers, rng)
    np.testing.assert_allclose(shares, [0.625, 0.25, 0.125])
    expected = points.reshape(3, 300, 2).mean(axis=1)[[1, 2, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-9 * unit)
    np.testing.assert_array_equal(labels, np.repeat([2, 0, 1], 300))


def test_weights_of_points_equal_repetitions():
    rng = np.random.default_rng(0)
    points, times = rng.standard_normal((200, 2)), rng.integers(1, 4, size=200)
    start = points[:5]
    weighted, shares, _ = cluster_points(points, times, start, np.random.default_rng(0))
    repeated, same_shares, _ = cluster_points(
        np.repeat(points, times, axis=0), np.ones(times.sum()), start, np.random.default_rng(0)
    )
    weighted_cost = np.sum(times * [sum_of_squares([point], weighted) for point in points])
    repeated_cost = np.sum(times * [sum_of_squares([point], repeated) for point in points])
    # The random starts differ; a few of each come to the same cost, or nearly.
    assert weighted_cost == pytest.approx(repeated_cost, rel=0.02)
    assert shares.sum() == pytest.approx(same_shares.sum()) == pytest.approx(1.0)


def test_a_bad_start_does_not_decide():
    centers, points = gaussian_clusters(k=3, d=2, n=900)
    found, _, _ = cluster_points(
        points, np.ones(900), np.repeat(centers[:1], 3, axis=0), np.random.default_rng(0)
    )
    assert largest_distance(centers, found) < 0.3


@pytest.mark.slow
def test_a_good_start_is_never_worsened():
    # Without clusters, few starts come near the best of many.
    points = np.random.default_rng(0).uniform(size=(400, 2))
    best = KMeans(20, n_init=30, random_state=1).fit(points)
    found, _, _ = cluster_points(
        points, np.ones(400), best.cluster_centers_, np.random.default_rng(0)
    )
    assert sum_of_squares(points, found) <= best.inertia_ * (1 + 1e-9)


def test_one_far_row_of_a_sample_does_not_cost_a_cluster():
    rng = np.random.default_rng(4)
    centers = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    points = np.vstack([center + 0.3 * rng.standard_normal((300, 2)) for center in centers])
    points = np.vstack([points, [[60.0, 60.0]]])
    weights = np.ones(len(points))
    found, _, _ = cluster_points(points, weights, centers, rng, inclusion_probabilities=0.01)
    assert largest_distance(centers, found) < 0.5
    found, _, _ = cluster_points(points, weights, centers, rng)
    assert largest_distance(centers, found) > 1.0
    # The others are a sample, but this row was sure to be in it.
    probabilities = np.where(points[:, 0] > 50.0, 1.0, 0.01)
    found, _, _ = cluster_points(
        points, weights, centers, rng, inclusion_probabilities=probabilities
    )
    assert largest_distance(centers, found) > 1.0


def test_the_error_of_a_sampled_sum():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=2000)
    sums = [3.0 * rng.choice(values, 500, replace=False).sum() for _ in range(2000)]
    weighted = 3.0 * rng.choice(values, 500, replace=False)
    # A sample of a quarter: the classical formula, n (1 - f) var.
    assert estimate_standard_error(weighted, 0.25) == pytest.approx(np.std(sums), rel=0.15)
    assert estimate_standard_error(weighted, 1.0) == 0.0


@pytest.mark.parametrize(("n", "d", "k"), [(700, 1, 4), (1000, 5, 6), (256, 10, 3)])
def test_iterations_are_scikit_learns(n, d, k):
    rng = np.random.default_rng(d)
    points, weights = rng.standard_normal((n, d)), rng.random(n)
    model = KMeans(k, init=points[:k], n_init=1).fit(points, sample_weight=weights)
    found = Clustering(points, weights).start_from(points[:k])
    np.testing.assert_allclose(found.centroids, model.cluster_centers_, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.labels, model.labels_)
    squares = np.sum((points - found.centroids[found.labels]) ** 2, axis=1)
    np.testing.assert_allclose(found.squares, squares, rtol=1e-9)
    assert found.inertia == pytest.approx(model.inertia_) == pytest.approx(weights @ squares)


@pytest.mark.parametrize(("n", "d", "k"), [(700, 1, 4), (1000, 5, 12), (256, 10, 1), (500, 70, 4)])
def test_starts_are_scikit_learns(n, d, k):
    rng = np.random.default_rng(d)
    points, weights = rng.standard_normal((n, d)), rng.random(n)
    expected, _ = kmeans_plusplus(points, k, sample_weight=weights, random_state=3)
    found = Clustering(points, weights).draw_start(k, np.random.RandomState(3))
    np.testing.assert_array_equal(found, expected)


def test_starts_leave_least_of_what_candidates_leave():
    rng = np.random.default_rng(1)
    blocks, weights, uniform = rng.standard_normal((3, 4, 32)), rng.random(96), rng.random(13)
    centroids = np.empty((5, 4))
    draw_centroids(blocks, weights, uniform, centroids)
    points = blocks.swapaxes(1, 2).reshape(96, 4)
    np.testing.assert_array_equal(centroids, naive.draw_centroids(points, weights, uniform, 5))


def test_starts_of_fewer_distinct_points_than_centroids():
    points = np.repeat([[0.0, 0.0], [1.0, 1.0]], 50, axis=0)
    found = Clustering(points, np.ones(100)).draw_start(4, np.random.RandomState(0))
    assert {tuple(each) for each in found} == {(0.0, 0.0), (1.0, 1.0)}


def test_starts_compared_on_a_sample_do_as_well():
    centers, points = gaussian_clusters(k=12, d=4, n=6000)
    weights = np.ones(len(points))
    best = sum_of_squares(points, centers)
    for seed in range(3):
        found = Clustering(points, weights).start_on_sample(12, 20, seed, 1500)
        assert found.inertia == pytest.approx(sum_of_squares(points, found.centroids))
        assert found.inertia <= 1.01 * best


def test_a_sample_has_points_by_their_weight():
    points, weights = np.arange(1000.0)[:, None], np.ones(1000)
    weights[7] = 500.0
    sample = Clustering(points, weights).thin(300)
    assert np.mean(sample.points == 7.0) == pytest.approx(1 / 3, abs=0.01)
    assert len(np.unique(sample.points)) == pytest.approx(200, abs=2)
    np.testing.assert_array_equal(sample.weights, 1.0)


@pytest.mark.parametrize("n_moves", [1, 3])
def test_moves_are_to_means(n_moves):
    rng = np.random.default_rng(0)
    blocks, weights = rng.standard_normal((3, 4, 32)), rng.random(96)
    points = blocks.swapaxes(1, 2).reshape(96, 4)
    centroids, labels, squares = points[:5].copy(), np.full(96, -1, np.int32), np.empty(96)
    move_centroids(blocks, weights, 0.0, n_moves, centroids, labels, squares)
    expected = naive.move_centroids(points, weights, n_moves, points[:5])
    np.testing.assert_allclose(centroids, expected, rtol=1e-12)
    apart = np.sum((points[:, None] - expected) ** 2, axis=-1)
    np.testing.assert_array_equal(labels, np.argmin(apart, axis=1))
    np.testing.assert_allclose(squares, apart.min(axis=1), rtol=1e-12)


def test_columns_without_spread_change_no_cluster():
    # So many of them that products of matrices are what is used.
    points = np.random.default_rng(0).standard_normal((500, 3))
    wide, weights = np.hstack([points, np.zeros((500, MOST_IN_LOOPS))]), np.ones(500)
    few, many = (Clustering(each, weights).start_from(each[:4]) for each in (points, wide))
    moved = np.abs(few.centroids - many.centroids[:, :3])
    # Means of variances, which say where moves end, are not alike.
    assert moved.max() < 0.05
    assert few.inertia == pytest.approx(many.inertia, rel=1e-3)
    np.testing.assert_array_equal(many.centroids[:, 3:], 0.0)


def test_a_centroid_without_points_gets_some():
    centers, points = gaussian_clusters(k=3, d=2, n=900)
    weights = np.ones(900)
    weights[:300] = 0.0
    start = np.vstack([centers[1], centers[1] + 1e3, centers[1] - 1e3])
    found = Clustering(points, weights).start_from(start)
    assert (np.bincount(found.labels, weights=weights, minlength=3) > 0.0).all()
    assert found.inertia <= weights @ np.min(
        np.sum((points[:, None] - centers[1:]) ** 2, axis=-1), axis=1
    )
    same = Clustering(np.ones((10, 2)), np.ones(10)).start_from(np.ones((3, 2)))
    assert same.inertia == 0.0
