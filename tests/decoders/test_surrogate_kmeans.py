"""The stand-in data set: its sketch is the data's, and k-means on it serves real data."""

import numpy as np
import pytest
from planted import dense_operator, gaussian_clusters, largest_distance, operator_of
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sketchlearn import Sketcher
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import MeanShift, Particles, cluster_points
from sketchlearn.decoders.point_clustering import standard_error
from sketchlearn.decoders.surrogates.kmeans import with_strays
from sketchlearn.decoders.surrogates.points import (
    BLUR,
    Cloud,
    blur_covariance,
    gaussian,
    gaussian_cloud,
    move,
    start_cloud,
)

N_SEEDS = 3


def decoded(decoder, sketch, n_atoms, seed=0):
    family = SphericalGaussian(sketch.operator)
    return decoder.decode(sketch, family, n_atoms, np.random.default_rng(seed))


def sum_of_squares(rows, centers):
    return sum(np.min(np.sum((row - centers) ** 2, axis=1)) for row in rows)


def blurred_sketch(operator, points, blur):
    """Centred sketch (m,) of equally weighted Gaussians, in float64, from the definition."""
    waves = np.exp(1j * operator.project(points - operator.center)).mean(axis=0)
    omega = operator.frequencies
    return waves * np.exp(-0.5 * np.sum(omega * (blur @ omega), axis=0))


@pytest.fixture(scope="module")
def digits():
    return PCA(10, random_state=0).fit_transform(load_digits().data)


@pytest.fixture(scope="module")
def digits_sketches(digits):
    sketchers = [Sketcher(n_clusters=10, random_state=seed).fit(digits) for seed in range(N_SEEDS)]
    return [sketcher.sketch(digits) for sketcher in sketchers]


@pytest.fixture(scope="module")
def digits_mixtures(digits_sketches):
    return [decoded(MeanShift(), sketch, 10) for sketch in digits_sketches]


@pytest.fixture(scope="module")
def clusters():
    """Centres, sketch and mixture of clusters that a mixture explains."""
    centers, rows = gaussian_clusters(k=4, d=3, n=8000)
    sketch = Sketcher(n_clusters=4, random_state=0).fit(rows).sketch(rows)
    return centers, sketch, decoded(MeanShift(), sketch, 4)


def test_particles_serve_real_data_better_than_the_mixture(
    digits, digits_sketches, digits_mixtures
):
    best = KMeans(10, n_init=10, random_state=0).fit(digits).inertia_
    bare = [sum_of_squares(digits, mixture.locations) / best for mixture in digits_mixtures]
    particles = [
        sum_of_squares(digits, decoded(Particles(MeanShift()), sketch, 10).locations) / best
        for sketch in digits_sketches
    ]
    assert np.median(particles) < np.median(bare) - 0.005
    assert np.median(particles) <= 1.02


def test_the_clouds_sketch_is_the_datas(digits_sketches, digits_mixtures):
    sketch, mixture = digits_sketches[0], digits_mixtures[0]
    moved = Particles(n_moves=60).cloud(sketch, mixture, np.random.default_rng(0))
    operator = sketch.operator
    difference = blurred_sketch(operator, moved.points, moved.blur) - sketch.centered_mean
    cost = np.sum(np.abs(difference) ** 2)
    assert cost == pytest.approx(moved.cost, rel=1e-2)
    assert cost < sketch.standard_error**2 < 0.5 * mixture.cost
    # And so is the sketch of what is drawn from the cloud, but for the noise of drawing.
    drawn = moved.draw(20_000, np.random.default_rng(1))
    drawn_sketch = Sketcher.from_operator(operator).sketch(drawn)
    distance = np.sum(np.abs(drawn_sketch.centered_mean - sketch.centered_mean) ** 2)
    assert distance < 1.5 * drawn_sketch.standard_error**2 + cost


def test_the_more_it_moves_the_nearer_it_comes(digits_sketches):
    sketch = digits_sketches[0]
    # From one Gaussian, since how near a decoded mixture is hangs on the last bits of a BLAS.
    blur = blur_covariance(sketch.operator)
    start = gaussian_cloud(sketch.operator, blur, 3000, np.random.default_rng(0))
    costs = [move(sketch, start, blur, n).cost for n in (1, 5, 25)]
    assert costs[0] > 1.5 * costs[1] > 6 * costs[2]


def test_a_mixture_that_explains_the_sketch_is_not_moved(clusters):
    centers, sketch, mixture = clusters
    unmoved = Particles().cloud(sketch, mixture, np.random.default_rng(0))
    assert mixture.explains_sketch
    assert unmoved.n_iter == 0
    nearest = np.linalg.norm(unmoved.points[:, None] - centers, axis=2).min(axis=1)
    assert np.all(nearest < 6.0)


@pytest.mark.parametrize("widening", [1.0, 1.5])
def test_a_cloud_starts_as_the_mixture(clusters, widening):
    _, sketch, mixture = clusters
    blur = blur_covariance(sketch.operator)
    points = start_cloud(mixture, blur, 4001, widening, np.random.default_rng(0))
    assert points.shape == (4001, 3)
    labels = np.linalg.norm(points[:, None] - mixture.locations, axis=2).argmin(axis=1)
    # Systematic sampling gives each atom its share up to one point.
    assert np.all(np.abs(np.bincount(labels) - 4001 * mixture.weights) <= 1.0)
    for i, variances in enumerate(mixture.covariances):
        whole = points[labels == i].var(axis=0) + np.diag(blur)
        np.testing.assert_allclose(whole, widening**2 * variances, rtol=0.2)


def test_the_blur_is_no_wider_than_the_data():
    turned, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))
    covariance = turned @ np.diag([1e-6, 4.0, 100.0]) @ turned.T
    square = operator_of(3, 20, scale=2.0).components()
    blur = blur_covariance(dense_operator(**(square | {"covariance": covariance})))
    expected = BLUR * turned @ np.diag([1e-6, 4.0, 4.0]) @ turned.T
    np.testing.assert_allclose(blur, expected, atol=1e-9)


def test_a_cloud_draws_every_particle_equally_often():
    points = 100.0 * np.arange(5.0)[:, None]
    drawn = Cloud(points, np.array([[1e-4]]), 0.0, 0).draw(13, np.random.default_rng(0))
    counts = np.bincount(np.rint(drawn[:, 0] / 100.0).astype(int), minlength=5)
    assert drawn.shape == (13, 1)
    assert sorted(counts) == [2, 2, 3, 3, 3]


def test_gaussian_points_have_the_positive_part_of_the_covariance():
    turned, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((2, 2)))
    indefinite = turned @ np.diag([-3.0, 2.0]) @ turned.T
    points = gaussian(indefinite, 50_000, np.random.default_rng(0))
    expected = turned @ np.diag([0.0, 2.0]) @ turned.T
    np.testing.assert_allclose(np.cov(points.T), expected, atol=0.05)


# k-means on points that stand for the data.


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
    found, _, _ = cluster_points(points, weights, centers, rng, chances=0.01)
    assert largest_distance(centers, found) < 0.5
    found, _, _ = cluster_points(points, weights, centers, rng)
    assert largest_distance(centers, found) > 1.0
    # The others are a sample, but this row was sure to be in it.
    chances = np.where(points[:, 0] > 50.0, 1.0, 0.01)
    found, _, _ = cluster_points(points, weights, centers, rng, chances=chances)
    assert largest_distance(centers, found) > 1.0


def test_the_error_of_a_sampled_sum():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=2000)
    sums = [3.0 * rng.choice(values, 500, replace=False).sum() for _ in range(2000)]
    weighted = 3.0 * rng.choice(values, 500, replace=False)
    # A sample of a quarter: the classical formula, n (1 - f) var.
    assert standard_error(weighted, 0.25) == pytest.approx(np.std(sums), rel=0.15)
    assert standard_error(weighted, 1.0) == 0.0


# Rows that leave no trace in the sketch.


def test_strays_restore_the_pilots_spread():
    rng = np.random.default_rng(0)
    rows = np.vstack([rng.standard_normal((5000, 3)), rng.uniform(-60.0, 60.0, size=(25, 3))])
    operator = Sketcher(100, n_clusters=2, random_state=0).fit(rows).operator_
    points, weights = with_strays(operator, rows[:5000], 2000, rng)
    assert len(points) == 7000
    assert weights[:5000].sum() == pytest.approx(0.995 * 5000, rel=2e-3)
    mean = np.average(points, axis=0, weights=weights)
    variances = np.average((points - mean) ** 2, axis=0, weights=weights)
    assert variances.sum() == pytest.approx(np.trace(operator.covariance), rel=0.03)
    assert np.all((operator.lower < points) & (points < operator.upper))


@pytest.mark.parametrize("seed", range(3))
def test_far_outliers_are_clustered_nearly_as_k_means_clusters_them(seed):
    rng = np.random.default_rng(seed)
    rows = 4.0 * rng.standard_normal((8, 5))[rng.integers(8, size=20_000)]
    rows += rng.standard_normal(rows.shape)
    rows[:100] = rng.uniform(-150.0, 150.0, size=(100, 5))
    best = KMeans(8, n_init=10, random_state=seed).fit(rows).inertia_
    sketch = Sketcher(200, n_clusters=8, random_state=seed).fit(rows).sketch(rows)
    mixture = decoded(Particles(), sketch, 8)
    # A hundred rows, unseen but for their spread, carry nearly all of the sum.
    found = sum_of_squares(rows, mixture.locations)
    assert found < 1.25 * best
    # The mixture itself stays with the many.
    many = rows[100:]
    within = decoded(MeanShift(), sketch, 8).locations
    assert sum_of_squares(rows, within) > 1.1 * found
    assert sum_of_squares(many, within) < 0.5 * sum_of_squares(many, mixture.locations)
    assert mixture.lacks_spread
