"""Surrogate points: their sketch is the data's, and k-means on them serves real data."""

from dataclasses import replace

import numpy as np
import pytest
from planted import dense_operator, falling_clusters, gaussian_clusters, operator_of
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sketchlearn import CompressiveKMeans, Sketch, Sketcher
from sketchlearn.atoms import Dirac, SphericalGaussian
from sketchlearn.decoders import MeanShift, Problem, SurrogateKMeans
from sketchlearn.decoders.mixture import ClusteredPoints
from sketchlearn.decoders.surrogates.kmeans import add_outliers, locate_far_rows
from sketchlearn.decoders.surrogates.points import (
    POINTS,
    SurrogatePoints,
    choose_bandwidth,
    compute_blur,
    draw_gaussian,
    draw_mixture_points,
    draw_region_points,
    match_points,
)
from sketchlearn.decoders.surrogates.widths import are_alike, measure_widths
from sketchlearn.sketches import Region

N_SEEDS = 3


def decoded(decoder, sketch, n_atoms, seed=0):
    family = SphericalGaussian(sketch.operator)
    return decoder.decode(sketch, family, n_atoms, np.random.default_rng(seed))


def problem_of(sketch):
    return Problem.of(sketch, SphericalGaussian(sketch.operator), 1)


def sum_of_squares(rows, centers):
    return sum(np.min(np.sum((row - centers) ** 2, axis=1)) for row in rows)


def sketch_of_points(operator, points, bandwidth):
    """Centred sketch (m,) of equally weighted Gaussians, in float64, from the definition."""
    waves = np.exp(1j * operator.project(points - operator.center)).mean(axis=0)
    omega = operator.frequencies
    return waves * np.exp(-0.5 * np.sum(omega * (bandwidth @ omega), axis=0))


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


@pytest.mark.quality
@pytest.mark.slow
def test_surrogates_serve_real_data_better_than_the_mixture(
    digits, digits_sketches, digits_mixtures
):
    best = KMeans(10, n_init=10, random_state=0).fit(digits).inertia_
    bare = [sum_of_squares(digits, mixture.locations) / best for mixture in digits_mixtures]
    surrogates = [
        sum_of_squares(digits, decoded(SurrogateKMeans(MeanShift()), sketch, 10).locations) / best
        for sketch in digits_sketches
    ]
    assert np.median(surrogates) < np.median(bare) - 0.005
    assert np.median(surrogates) <= 1.02


@pytest.mark.slow
def test_their_sketch_is_the_datas(digits_sketches, digits_mixtures):
    sketch, mixture = digits_sketches[0], digits_mixtures[0]
    moved = SurrogateKMeans(n_moves=60).match(problem_of(sketch), mixture, np.random.default_rng(0))
    operator = sketch.operator
    difference = sketch_of_points(operator, moved.points, moved.bandwidth) - sketch.centered_mean
    cost = np.sum(np.abs(difference) ** 2)
    assert cost == pytest.approx(moved.cost, rel=1e-2)
    assert cost < sketch.standard_error**2 < 0.5 * mixture.cost
    # And so is the sketch of what is drawn from them, but for the noise of drawing.
    drawn = moved.draw(20_000, np.random.default_rng(1))
    drawn_sketch = Sketcher.from_operator(operator).sketch(drawn)
    distance = np.sum(np.abs(drawn_sketch.centered_mean - sketch.centered_mean) ** 2)
    assert distance < 1.5 * drawn_sketch.standard_error**2 + cost


@pytest.mark.slow
@pytest.mark.parametrize("n_sharpenings", [0, 2])
def test_kernels_are_as_sharp_as_is_asked_for(digits_sketches, digits_mixtures, n_sharpenings):
    problem, mixture = problem_of(digits_sketches[0]), digits_mixtures[0]
    decoder = SurrogateKMeans(n_moves=1, n_sharpenings=n_sharpenings)
    moved = decoder.match(problem, mixture, np.random.default_rng(0))
    assert (moved.n_iter, moved.n_sharpenings) == (1, n_sharpenings)
    narrower = POINTS.kernel_variance**n_sharpenings * choose_bandwidth(problem)
    np.testing.assert_allclose(moved.bandwidth, narrower)


def test_what_a_kernel_blurs_is_the_distance_to_blurred_rows(clusters):
    problem = problem_of(clusters[1])
    family = SphericalGaussian(problem.family.operator)
    center, d = family.operator.center, len(family.operator.center)
    blurred = family.sketch(family.from_moments(center[None], np.full((1, d), 0.4)))[0]
    points = Dirac(family.operator).sketch(center[None])[0]
    problem = replace(problem, target=points.astype(np.float64))
    expected = np.sum((problem.target - blurred) ** 2)
    assert compute_blur(problem, 0.4 * np.eye(d)) == pytest.approx(expected, rel=1e-4)
    assert compute_blur(problem, np.zeros((d, d))) == 0.0


@pytest.mark.slow
def test_the_more_it_moves_the_nearer_it_comes(digits_sketches):
    sketch = digits_sketches[0]
    # From one Gaussian, since how near a decoded mixture is hangs on the last bits of a BLAS.
    bandwidth = choose_bandwidth(problem_of(sketch))
    start = draw_region_points(Region.of(sketch), bandwidth, 3000, np.random.default_rng(0))
    costs = [match_points(problem_of(sketch), start, bandwidth, n).cost for n in (1, 5, 25)]
    assert costs[0] > 1.5 * costs[1] > 6 * costs[2]


def test_a_mixture_that_explains_the_sketch_is_not_moved(clusters):
    centers, sketch, mixture = clusters
    unmoved = SurrogateKMeans().match(problem_of(sketch), mixture, np.random.default_rng(0))
    assert mixture.quality.explains_sketch
    assert unmoved.n_iter == 0
    assert unmoved.n_sharpenings is None
    nearest = np.linalg.norm(unmoved.points[:, None] - centers, axis=2).min(axis=1)
    assert np.all(nearest < 6.0)


@pytest.mark.parametrize("widening", [1.0, 1.5])
def test_points_start_as_the_mixture(clusters, widening):
    _, sketch, mixture = clusters
    bandwidth = choose_bandwidth(problem_of(sketch))
    points = draw_mixture_points(
        mixture, bandwidth, 4001, np.random.default_rng(0), widening=widening
    )
    assert points.shape == (4001, 3)
    labels = np.linalg.norm(points[:, None] - mixture.locations, axis=2).argmin(axis=1)
    # Systematic sampling gives each atom its share up to one point.
    assert np.all(np.abs(np.bincount(labels) - 4001 * mixture.weights) <= 1.0)
    for i, variances in enumerate(mixture.covariances):
        whole = points[labels == i].var(axis=0) + np.diag(bandwidth)
        np.testing.assert_allclose(whole, widening**2 * variances, rtol=0.2)


def test_a_kernel_is_no_wider_than_the_data():
    turned, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))
    covariance = turned @ np.diag([1e-6, 4.0, 100.0]) @ turned.T
    square = operator_of(3, 20, scale=2.0).components()
    operator = dense_operator(**(square | {"covariance": covariance}))
    empty = Sketch.empty(operator, moments=None)
    problem = Problem(Dirac(operator), 1, np.zeros(40), 1.0, 1.0, Region.of(empty))
    bandwidth = choose_bandwidth(problem)
    expected = POINTS.kernel_variance * turned @ np.diag([1e-6, 4.0, 4.0]) @ turned.T
    np.testing.assert_allclose(bandwidth, expected, atol=1e-9)


def test_every_point_is_drawn_equally_often():
    points = 100.0 * np.arange(5.0)[:, None]
    drawn = SurrogatePoints(points, np.array([[1e-4]]), 0.0, 0).draw(13, np.random.default_rng(0))
    counts = np.bincount(np.rint(drawn[:, 0] / 100.0).astype(int), minlength=5)
    assert drawn.shape == (13, 1)
    assert sorted(counts) == [2, 2, 3, 3, 3]


def test_gaussian_points_have_the_positive_part_of_the_covariance():
    turned, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((2, 2)))
    indefinite = turned @ np.diag([-3.0, 2.0]) @ turned.T
    points = draw_gaussian(indefinite, 50_000, np.random.default_rng(0))
    expected = turned @ np.diag([0.0, 2.0]) @ turned.T
    np.testing.assert_allclose(np.cov(points.T), expected, atol=0.05)


# Rows that leave no trace in the sketch.


def test_outliers_restore_the_rows_spread():
    rng = np.random.default_rng(0)
    rows = np.vstack([rng.standard_normal((5000, 3)), rng.uniform(-60.0, 60.0, size=(25, 3))])
    region = Region.of(Sketcher(100, n_clusters=2, random_state=0).fit(rows).sketch(rows))
    points, weights = add_outliers(region, rows[:5000], 0.005, 2000, rng)
    assert len(points) == 7000
    assert weights[:5000].sum() == pytest.approx(0.995 * 5000, rel=2e-3)
    mean = np.average(points, axis=0, weights=weights)
    variances = np.average((points - mean) ** 2, axis=0, weights=weights)
    assert variances.sum() == pytest.approx(region.variance, rel=0.03)
    assert 50.0 < np.abs(points).max() < 80.0


def mixture_beside_far_rows(far, n=20_000):
    """The problem of one round Gaussian and far rows (n_far, d), and the Gaussian."""
    rng = np.random.default_rng(0)
    near = rng.standard_normal((n - len(far), far.shape[1]))
    sketch = Sketcher(200, scale=1.0, random_state=0).fit(near).sketch(np.vstack([near, far]))
    problem = problem_of(sketch)
    atoms = problem.family.from_moments(near.mean(axis=0)[None], near.var(axis=0)[None])
    return problem, problem.make_mixture(problem.evaluate(np.ones(1), atoms))


@pytest.mark.parametrize("n_far", [3, 8, 15])
def test_the_moments_tell_where_a_far_cluster_of_few_rows_is(n_far):
    place = np.array([300.0, -500.0, 100.0])
    noise = np.random.default_rng(1).standard_normal((n_far, 3))
    problem, mixture = mixture_beside_far_rows(place + noise)
    share, found = locate_far_rows(problem, mixture, 0.01)
    assert share == pytest.approx(n_far / 20_000, rel=1e-9)
    np.testing.assert_allclose(found, place, atol=5.0)
    # Farther than one row in a thousand could be; a box that was declared is kept to.
    assert np.any(found < problem.region.lower)
    lower, upper = np.full(3, -150.0), np.full(3, 1000.0)
    cut = replace(problem, region=problem.region.cut(lower, upper))
    np.testing.assert_allclose(locate_far_rows(cut, mixture, 0.01)[1], np.maximum(found, lower))


@pytest.mark.parametrize(
    "far",
    [
        300.0 * np.random.default_rng(2).standard_normal((12, 3)),
        np.array([[300.0, -500.0, 100.0]] * 2),
        np.array([[300.0, -500.0, 100.0], [-300.0, 500.0, -100.0]] * 8),
        np.array([[300.0, -500.0, 100.0]] * 8 + [[500.0, 100.0, 0.0]] * 8),
    ],
    ids=["all around", "too few", "two opposite", "two elsewhere"],
)
def test_the_moments_tell_no_place_of_far_rows_that_are_not_together(far):
    assert locate_far_rows(*mixture_beside_far_rows(far), 0.01) is None


@pytest.mark.quality
@pytest.mark.slow
def test_few_rows_far_away_get_a_centroid_of_their_own_or_a_warning():
    n_found = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        _, rows = gaussian_clusters(k=5, d=5, n=20_000, seed=seed)
        rows[:8] = 400.0 * np.array([1.0, -1.0, 1.0, 0.5, -0.5]) + rng.standard_normal((8, 5))
        sketch = Sketcher(n_clusters=6, keep_pilot=False, random_state=seed).fit(rows).sketch(rows)
        mixture = decoded(SurrogateKMeans(), sketch, 6, seed)
        best = KMeans(6, n_init=10, random_state=0).fit(rows).inertia_
        is_found = sum_of_squares(rows, mixture.locations) < 1.05 * best
        assert is_found or mixture.quality.verdict != "good"
        n_found += is_found
    assert n_found >= 3


@pytest.mark.quality
@pytest.mark.slow
def test_a_rare_far_cluster_beside_elongated_ones_is_found():
    """Waves say next to nothing of it: less than elongated clusters differ from round atoms."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        means = np.array([[0.0, 0.0, 0.0], [5.0, 5.0, 5.0], [10.0, 0.0, 10.0], [60.0, 60.0, -60.0]])
        labels = rng.choice(4, 50_000, p=[0.5, 0.3, 0.199, 0.001])
        rows = means[labels] + rng.normal(size=(50_000, 3))
        rows = np.column_stack([rows, 10.0 - rows.sum(axis=1)])
        sketch = Sketcher(n_clusters=4, keep_pilot=False, random_state=seed).fit(rows).sketch(rows)
        model = CompressiveKMeans(4, random_state=seed).fit_sketch(sketch)
        best = KMeans(4, n_init=10, random_state=0).fit(rows).inertia_
        assert -model.score(rows) < 1.15 * best


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_far_outliers_are_clustered_nearly_as_k_means_clusters_them(seed):
    rng = np.random.default_rng(seed)
    rows = 4.0 * rng.standard_normal((8, 5))[rng.integers(8, size=20_000)]
    rows += rng.standard_normal(rows.shape)
    rows[:100] = rng.uniform(-150.0, 150.0, size=(100, 5))
    best = KMeans(8, n_init=10, random_state=seed).fit(rows).inertia_
    sketch = Sketcher(200, n_clusters=8, random_state=seed).fit(rows).sketch(rows)
    mixture = decoded(SurrogateKMeans(), sketch, 8)
    # A hundred rows, unseen but for their spread, carry nearly all of the sum.
    found = sum_of_squares(rows, mixture.locations)
    assert found < 1.25 * best
    # The mixture itself stays with the many.
    many = rows[100:]
    within = decoded(MeanShift(), sketch, 8).locations
    assert sum_of_squares(rows, within) > 1.1 * found
    assert sum_of_squares(many, within) < 0.5 * sum_of_squares(many, mixture.locations)
    assert mixture.quality.lacks_spread


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_clusters_of_unlike_sizes_the_large_ones_are_split_as_k_means_splits_them(seed):
    """From 40 to 20,000 rows: k-means has no centroid for the smallest."""
    rows = falling_clusters([seed, 7])
    sketcher = Sketcher(150, n_clusters=10, keep_pilot=False, random_state=seed).fit(rows)
    model = CompressiveKMeans(10, random_state=seed).fit_sketch(sketcher.sketch(rows))
    best = KMeans(10, n_init=10, random_state=0).fit(rows).inertia_
    assert -model.score(rows) <= 1.03 * best


def boxes_in_unlike_units(seed):
    """Rows that are uniform in eight boxes, of columns from a tenth to a hundred wide."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(8, size=10_000)
    centers, widths = rng.uniform(-3, 3, (8, 4)), np.exp(rng.uniform(-1.5, 0.3, (8, 4)))
    boxes = centers[labels] + widths[labels] * rng.uniform(-1, 1, (10_000, 4))
    return boxes * [1.0, 10.0, 100.0, 0.1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 5])
def test_clusters_in_unlike_units_are_decoded_by_atoms_as_wide_as_they_are(seed):
    rows = boxes_in_unlike_units(seed)
    sketch = Sketcher(128, n_clusters=8, keep_pilot=False, random_state=seed).fit(rows).sketch(rows)
    model = CompressiveKMeans(8, random_state=seed).fit_sketch(sketch)
    best = KMeans(8, n_init=10, random_state=0).fit(rows).inertia_
    # 1.33 and 1.02 times the best, and both doubtful, with round atoms.
    assert -model.score(rows) <= 1.02 * best
    assert model.quality_.verdict == "good"
    widths = model.mixture_.family.widths
    assert widths[2] > 1.5 * max(widths[0], widths[3])


def test_widths_are_deviations_within_clusters():
    rng = np.random.default_rng(0)
    centroids = np.array([[0.0, 0.0], [0.0, 50.0]])
    places = rng.normal(size=(20_000, 2)) * [4.0, 1.0] + centroids[rng.integers(2, size=20_000)]
    units = np.array([1.0, 2.0])
    points = ClusteredPoints(places * units, np.ones(len(places)), units)
    widths = measure_widths(points, centroids, scale=2.0)
    np.testing.assert_allclose(widths, [2.0, 0.5], rtol=0.05)
    assert are_alike(widths, 0.1 * widths)
    assert are_alike(widths, np.array([2.0, 0.6]))
    assert not are_alike(widths, 1.0)


def test_a_kernel_has_the_widths_of_atoms(clusters):
    problem = problem_of(clusters[1])
    widths = np.geomspace(0.1, 1.0, len(problem.region.mean))
    kernel = choose_bandwidth(problem.with_widths(widths))
    scale = problem.family.operator.scale
    np.testing.assert_allclose(kernel, np.diag(0.3 * (scale * widths) ** 2), atol=1e-12)
