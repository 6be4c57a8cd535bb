"""Wide data: what is decoded along a few axes is what the sketch says, and what k-means finds."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from planted import largest_distance, operator_of
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from sketchlearn import CompressiveKMeans, Sketcher, count_clusters, synthesize
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import (
    BestOf,
    GivenAtoms,
    MeanShift,
    Problem,
    SurrogateKMeans,
)
from sketchlearn.decoders.off_axes import free_widths_off_axes
from sketchlearn.decoders.principal import find_principal_part
from sketchlearn.decoders.surrogates.matching import PointMatching
from sketchlearn.decoders.surrogates.points import choose_bandwidth
from sketchlearn.estimators.doubts import name_excess
from sketchlearn.frequencies.covariance import CovarianceMatrix, FactoredCovariance
from sketchlearn.points.kmeans import find_clusters
from sketchlearn.sketches import Region
from sketchlearn.sketching.tuning import FARTHEST_IF_WIDE, n_principal

pytestmark = pytest.mark.slow

D, K = 150, 4


def wide_clusters(seed=0, *, d=D, k=K, n=3000, noise=0.4):
    """Centres and rows around them: orthogonal directions, noise that differs by direction."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((d, d)))[0]
    centers = 3.0 + 6.0 * axes[:k]
    widths = noise * np.geomspace(2.0, 0.5, d)
    labels = rng.integers(k, size=n)
    return centers, centers[labels] + (rng.standard_normal((n, d)) * widths) @ axes, labels


@pytest.fixture(scope="module")
def wide():
    centers, rows, labels = wide_clusters()
    sketcher = Sketcher(600, n_clusters=K, random_state=0).fit(rows)
    return centers, rows, labels, sketcher.sketch(rows)


@pytest.fixture(scope="module")
def part(wide):
    return find_principal_part(wide[3], K, Region.of(wide[3]))


def test_the_axes_are_the_widest_of_the_rows(part, wide):
    covariance = Region.of(wide[3]).covariance
    q = part.axes.shape[1]
    assert q == n_principal(D, K) == K + 20
    np.testing.assert_allclose(part.axes.T @ part.axes, np.eye(q), atol=1e-12)
    along = part.axes.T @ covariance @ part.axes
    np.testing.assert_allclose(np.diag(part.region.covariance), np.diag(along), rtol=1e-9)
    assert np.trace(along) == pytest.approx(np.sort(np.linalg.eigvalsh(covariance))[-q:].sum())


def test_axes_of_many_columns_are_the_widest_too():
    # So many that they are sought by products with the covariance.
    _, rows, _ = wide_clusters(d=300, k=3, n=1500)
    sketch = Sketcher(300, n_clusters=3, random_state=0).fit(rows).sketch(rows)
    region = Region.of(sketch)
    part = find_principal_part(sketch, 3, region)
    q = part.axes.shape[1]
    values = np.sort(np.linalg.eigvalsh(region.covariance))
    assert q == n_principal(300, 3)
    assert part.region.variance == pytest.approx(values[-q:].sum())
    off_axes = np.eye(300) - part.axes @ part.axes.T
    off = off_axes @ region.covariance @ off_axes
    blur = -0.5 * np.einsum("lj,lk,kj->j", *[part.whole.frequencies, off, part.whole.frequencies])
    np.testing.assert_allclose(part.family.common_log_envelope, blur, rtol=1e-5, atol=1e-7)


def test_nothing_is_left_out_of_the_sums(part, wide):
    np.testing.assert_array_equal(part.sketch.feature_sum, wide[3].feature_sum)
    assert part.sketch.n_samples == wide[3].n_samples
    np.testing.assert_allclose(
        part.sketch.operator.frequencies, part.axes.T @ part.whole.frequencies, rtol=1e-5, atol=1e-7
    )


def test_atoms_have_the_datas_covariance_off_the_axes(part):
    """The sketch of an atom, from the characteristic function of the whole Gaussian."""
    rng = np.random.default_rng(1)
    q = part.axes.shape[1]
    coordinates = rng.standard_normal((3, q))
    shapes = rng.uniform(-1.0, 1.0, size=(3, 1))
    along = part.axes @ part.axes.T
    off = np.eye(D) - along
    omega = part.whole.frequencies
    expected = []
    for y, shape in zip(coordinates, shapes[:, 0], strict=True):
        variance = part.sketch.operator.scale**2 * np.exp(shape)
        covariance = variance * along + off @ (part.covariance @ off)
        wave = np.exp(1j * ((part.axes @ y) @ omega))
        wave *= np.exp(-0.5 * np.sum(omega * (covariance @ omega), axis=0))
        expected.append(np.concatenate([wave.real, wave.imag]))
    found = part.family.sketch(np.hstack([coordinates, shapes]))
    np.testing.assert_allclose(found, expected, atol=3e-6)


def test_points_too(part):
    """The sketch of surrogate points has the same factor off the axes."""
    rng = np.random.default_rng(2)
    operator = part.sketch.operator
    problem = Problem.of(part.sketch, part.family, 1, region=part.region)
    bandwidth = choose_bandwidth(problem)
    points = rng.standard_normal((300, operator.n_features))
    bare = PointMatching(replace(problem, family=SphericalGaussian(operator)), bandwidth)
    whole = PointMatching(problem, bandwidth)
    factor = np.tile(np.exp(part.family.common_log_envelope), 2)
    lacking, lacking_whole = (
        one.compute_residual(one.to_units(points))[: len(factor)] for one in (bare, whole)
    )
    expected = bare.target - factor * (bare.target - lacking)
    np.testing.assert_allclose(lacking_whole, expected, atol=1e-6)


def test_coordinates_and_points_are_inverse(part, wide):
    coordinates = part.to_coordinates(wide[1][:20])
    again = part.to_coordinates(part.to_points(coordinates))
    np.testing.assert_allclose(again, coordinates, atol=1e-10)
    off = part.to_points(coordinates) - part.whole.center
    np.testing.assert_allclose(off - off @ part.axes @ part.axes.T, 0.0, atol=1e-10)


def test_a_lifted_mixture_keeps_its_figures_and_its_variance(part, wide):
    mixture = MeanShift().decode(part.sketch, part.family, K, np.random.default_rng(0))
    lifted = part.lift(mixture)
    np.testing.assert_array_equal(lifted.weights, mixture.weights)
    assert (lifted.cost, lifted.misfit) == (mixture.cost, mixture.misfit)
    assert lifted.family.operator is wide[3].operator
    np.testing.assert_allclose(part.to_coordinates(lifted.locations), mixture.locations, atol=1e-9)
    whole = part.covariance.variances.sum() - part.region.variance
    np.testing.assert_allclose(
        lifted.covariances.sum(axis=1), mixture.covariances.sum(axis=1) + whole, rtol=1e-9
    )
    assert mixture.goodness_of_fit < 1.2
    assert largest_distance(wide[0], lifted.locations) < 1.0


@pytest.mark.parametrize("d", [1, 3, 64, 100])
def test_rows_that_are_not_wide_are_decoded_whole(d):
    assert n_principal(d, 1) == d
    sketcher = Sketcher.from_operator(operator_of(d, 50))
    sketch = sketcher.sketch(np.zeros((2, d)))
    assert find_principal_part(sketch, 1, Region.of(sketch)) is None


def test_many_clusters_are_decoded_whole_in_few_more_dimensions():
    assert n_principal(128, 64) == 128
    assert n_principal(784, 64) == 84


def test_a_flat_covariance_has_no_axes():
    """Made without a pilot: all directions are as wide, and far wider than a cluster."""
    sketch = Sketcher.from_operator(operator_of(D, 50, reach=20.0)).set_params(moments=None)
    sketch = sketch.sketch(np.zeros((2, D)))
    assert find_principal_part(sketch, 3, Region.of(sketch)) is None


def test_a_smaller_scale_asks_for_more_axes(wide):
    operator = wide[3].operator
    numbers = []
    for share in (1.0, 0.6):
        finer = replace(operator, domain=replace(operator.domain, scale=share * operator.scale))
        sketch = Sketcher.from_operator(finer).sketch(wide[1])
        part = find_principal_part(sketch, K, Region.of(sketch))
        numbers.append(part.axes.shape[1])
        off = part.covariance.variances.sum() - part.region.variance
        assert off <= D * finer.scale**2
    assert numbers[0] < numbers[1] <= D // 2


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, -1e6 / 3.0])
@pytest.mark.parametrize("k", [1, 3])
def test_equal_rows_have_few_axes(value, k):
    """Any are as good as others: all coordinates of each cluster would take long, and be off."""
    rows = np.full((5, D), value)
    sketch = Sketcher(200, n_clusters=k, random_state=0).fit(rows).sketch(rows)
    part = find_principal_part(sketch, k, Region.of(sketch))
    assert part.axes.shape[1] == n_principal(D, k)
    model = CompressiveKMeans(k, random_state=0).fit_sketch(sketch)
    np.testing.assert_allclose(model.cluster_centers_, value, rtol=1e-9, atol=1e-12)
    assert model.quality_.verdict == "good"


def test_equal_rows_of_an_operator_for_others_have_few_axes(wide):
    rows = np.repeat(wide[1][:1], 5000, axis=0)
    sketch = Sketcher(600, n_clusters=K, random_state=0).fit(wide[1]).sketch(rows)
    part = find_principal_part(sketch, 1, Region.of(sketch))
    assert part.axes.shape[1] <= n_principal(D, 1) + 1
    model = CompressiveKMeans(1, random_state=0).fit_sketch(sketch)
    np.testing.assert_allclose(model.cluster_centers_, rows[:1], atol=0.01)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("far", [30.0, 1e4])
def test_a_far_row_does_not_ask_for_more_axes(wide, far):
    """Variances alone do not tell along which directions it makes rows wider."""
    sketcher = Sketcher(600, n_clusters=K, random_state=0).fit(wide[1])
    rows = np.vstack([wide[1], np.full(D, far)])
    sketch = sketcher.sketch(rows)
    part = find_principal_part(sketch, K, Region.of(sketch))
    assert part.axes.shape[1] <= n_principal(D, K) + 1
    assert part.variance_off_axes < D * sketcher.scale_**2
    mixture = MeanShift().decode(
        part.sketch, part.family, K, np.random.default_rng(0), region=part.region
    )
    assert mixture.misfit < 0.05
    assert largest_distance(wide[0], part.to_points(mixture.locations)) < 1.0
    assert CompressiveKMeans(K, random_state=0).fit_sketch(sketch).quality_.verdict != "good"


@pytest.mark.filterwarnings("ignore")
def test_columns_in_units_of_their_own_do_not_ask_for_more_axes(wide):
    """What is off the axes is little, or not, beside clusters as wide as each column's unit."""
    units = np.where(np.arange(D) % 2, 64.0, 1.0)
    sketcher = Sketcher(600, n_clusters=K, scale="columns", random_state=0).fit(wide[1] * units)
    sketch = sketcher.sketch(wide[1] * units)
    assert sketch.operator.units.max() >= 16.0
    part = find_principal_part(sketch, K, Region.of(sketch))
    assert part.axes.shape[1] == n_principal(D, K)
    model = CompressiveKMeans(K, random_state=0).fit_sketch(sketch)
    best = KMeans(K, n_init=5, random_state=0).fit(wide[1] * units)
    assert -model.score(wide[1] * units) <= 1.01 * best.inertia_


@pytest.mark.quality
@pytest.mark.parametrize("keep_pilot", [True, False])
def test_k_means_finds_wide_clusters(wide, keep_pilot):
    centers, rows, labels, _ = wide
    best = KMeans(K, n_init=10, random_state=0).fit(rows)
    model = CompressiveKMeans(K, keep_pilot=keep_pilot, random_state=0).fit(rows)
    assert model.cluster_centers_.shape == (K, D)
    assert adjusted_rand_score(labels, model.labels_) > 0.999
    assert model.inertia_ <= (1.0001 if keep_pilot else 1.01) * best.inertia_
    assert largest_distance(centers, model.cluster_centers_) < 1.0


def blobs_in_unknown_directions(seed, *, d, k, apart, n=6000):
    """Rows of variance about one around centres as far apart as that, or several times."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(scale=apart / np.sqrt(d), size=(k, d))
    return centers[rng.integers(k, size=n)] + rng.normal(size=(n, d)) / np.sqrt(d)


@pytest.mark.quality
@pytest.mark.parametrize("operator", ["dense", "fast"])
@pytest.mark.parametrize("moments", ["full", "diagonal"])
def test_rows_much_wider_than_the_pilot_are_decoded_along_few_axes(moments, operator):
    """Waves as fine as the pilot hardly show them, along all directions not at all."""
    rows = blobs_in_unknown_directions(3, d=150, k=5, apart=6.0)
    best = KMeans(5, n_init=5, random_state=0).fit(rows)
    sketcher = Sketcher(n_clusters=5, moments=moments, operator=operator, random_state=3)
    sketch = sketcher.fit(rows[:3000] / 10.0).sketch(rows)
    part = find_principal_part(sketch, 5, Region.of(sketch))
    assert part.axes.shape[1] <= n_principal(150, 5) + 1
    # What clusters vary by off the axes is known of all rows, not of the pilot.
    np.testing.assert_allclose(part.variance_off_axes, 125.0 / 150.0, rtol=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = CompressiveKMeans(5, random_state=0).fit_sketch(sketch)
    assert -model.score(rows) <= (1.002 if moments == "full" else 1.01) * best.inertia_
    assert model.quality_.verdict != "wrong"
    assert moments == "diagonal" or model.quality_.verdict == "good"


@pytest.mark.quality
@pytest.mark.parametrize("moments", ["diagonal", None])
def test_too_fine_a_scale_does_not_ask_for_all_directions(moments):
    rows = blobs_in_unknown_directions(1, d=300, k=8, apart=3.0)
    best = KMeans(8, n_init=5, random_state=0).fit(rows)
    auto = Sketcher(n_clusters=8, random_state=1).fit(rows).scale_
    sketcher = Sketcher(n_clusters=8, scale=0.4 * auto, moments=moments, random_state=1)
    model = CompressiveKMeans(8, random_state=0).fit_sketch(sketcher.fit(rows).sketch(rows))
    assert -model.score(rows) <= 1.01 * best.inertia_
    assert model.quality_.verdict == "good"


@pytest.mark.quality
@pytest.mark.filterwarnings("ignore")
def test_one_far_wider_column_does_not_hide_the_others():
    rows = blobs_in_unknown_directions(1, d=200, k=6, apart=8.0)
    rows[:, 0] *= 100.0
    best = KMeans(6, n_init=5, random_state=0).fit(rows)
    sketcher = Sketcher(n_clusters=6, operator="fast", random_state=1).fit(rows)
    model = CompressiveKMeans(6, random_state=1).fit_sketch(sketcher.sketch(rows))
    assert -model.score(rows) <= 1.02 * best.inertia_


def test_of_a_declared_box_no_directions_are_known():
    box = -np.ones(D), np.ones(D)
    sketcher = Sketcher.from_domain(*box, n_clusters=K, random_state=0)
    sketcher.set_params(moments="diagonal")
    sketch = sketcher.sketch(np.random.default_rng(0).uniform(-1.0, 1.0, size=(500, D)))
    assert find_principal_part(sketch, K, Region.of(sketch)) is None


@pytest.mark.quality
def test_it_does_not_matter_how_wide_data_lies(wide):
    """Turned, moved and in other units, they have the same clusters."""
    _, rows, labels, _ = wide
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((D, D)))[0]
    sketcher = Sketcher(n_clusters=K, random_state=1).fit(1e3 * (rows @ turn) - 5e4)
    model = CompressiveKMeans(K, random_state=1)
    model.fit_sketch(sketcher.sketch(1e3 * (rows @ turn) - 5e4))
    found = model.predict(1e3 * (rows @ turn) - 5e4)
    assert adjusted_rand_score(labels, found) > 0.999


@pytest.mark.quality
@pytest.mark.parametrize("noise", [0.2, 0.02, 0.002])
def test_tight_clusters_far_apart_are_found_too(noise):
    """Where gaps are many times as wide as clusters, the sketch is taken at a scale of the gaps."""
    _, rows, labels = wide_clusters(7, k=8, n=2000, noise=noise)
    sketcher = Sketcher(n_clusters=8, random_state=0).fit(rows)
    # Two of the centres are 6 sqrt(2) apart.
    assert sketcher.scale_ >= 0.99 * 6.0 * np.sqrt(2.0 / D) / FARTHEST_IF_WIDE
    model = CompressiveKMeans(8, random_state=0).fit_sketch(sketcher.sketch(rows))
    assert adjusted_rand_score(labels, model.predict(rows)) == 1.0


def test_a_scale_that_was_asked_for_stays(wide):
    assert Sketcher(50, n_clusters=K, scale=0.01, random_state=0).fit(wide[1]).scale_ == 0.01


@pytest.mark.quality
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n_points", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_rows_of_few_distinct_points_are_decoded(n_points, seed):
    """They have few axes, and one more from the centre to their mean, along which none vary."""
    rng = np.random.default_rng(seed)
    rows = 5.0 * rng.normal(size=(20_000, 6))
    sketcher = Sketcher(n_clusters=4, keep_pilot=False, random_state=seed).fit(rows)
    points = rows[:n_points]
    for few in (points, points[rng.integers(n_points, size=1000)]):
        model = CompressiveKMeans(n_points, random_state=0).fit_sketch(sketcher.sketch(few))
        assert np.isfinite(model.cluster_centers_).all()


def test_more_columns_than_rows():
    _, rows, labels = wide_clusters(4, d=600, k=3, n=80)
    for keep_pilot in (True, False):
        model = CompressiveKMeans(3, keep_pilot=keep_pilot, random_state=0).fit(rows)
        assert adjusted_rand_score(labels, model.labels_) > 0.99


@pytest.mark.quality
def test_columns_that_never_vary(wide):
    rows = np.hstack([wide[1], np.full((len(wide[1]), 50), 7.0)])
    model = CompressiveKMeans(K, random_state=0).fit(rows)
    np.testing.assert_allclose(model.cluster_centers_[:, D:], 7.0, atol=1e-9)
    assert adjusted_rand_score(wide[2], model.labels_) > 0.999


@pytest.mark.quality
def test_they_can_be_counted(wide):
    """Their number is found; that it is all there is, where they are round as components are.

    Those of ``wide`` vary more along some directions, which leaves about as much as noise does: a
    little more or less, by the frequencies and by last bits.
    """
    centers, rows, labels, sketch = wide
    numbers = [2, 3, 4, 5, 6]
    count = count_clusters(sketch, numbers, random_state=0)
    assert count.n_clusters == K
    assert count.mixtures[K].locations.shape == (K, D)
    spheres = centers[labels] + 0.4 * np.random.default_rng(1).standard_normal(rows.shape)
    sketcher = Sketcher(600, n_clusters=K, random_state=0).fit(spheres)
    count = count_clusters(sketcher.sketch(spheres), numbers, random_state=0)
    assert (count.n_clusters, count.is_resolved) == (K, True)


@pytest.mark.quality
def test_rows_like_them_can_be_drawn(wide):
    rows = synthesize(wide[3], 4000, n_atoms=K, random_state=0)
    assert rows.shape == (4000, D)
    real = np.cov(wide[1].T)
    np.testing.assert_allclose(np.cov(rows.T), real, atol=0.2 * np.abs(real).max())
    assert np.trace(np.cov(rows.T)) == pytest.approx(np.trace(real), rel=0.05)


def test_given_atoms_are_matched_to_the_sketch(part, wide):
    start = part.to_coordinates(wide[0])
    variances = np.full(start.shape, part.sketch.operator.scale**2)
    rng = np.random.default_rng(0)
    mixture = GivenAtoms(start, variances).decode(part.sketch, part.family, K, rng)
    assert mixture.goodness_of_fit < 1.2
    assert largest_distance(start, mixture.locations) < 1.0
    # From wrong ones, the figures say that they are wrong, and others find the right ones.
    wrong = GivenAtoms(np.repeat(start[:1], K, axis=0), variances)
    assert wrong.decode(part.sketch, part.family, K, rng).quality.seems_incomplete
    both = BestOf((wrong, MeanShift())).decode(part.sketch, part.family, K, rng)
    assert both.goodness_of_fit < 1.2


def test_another_number_of_given_atoms_is_refused(part):
    given = GivenAtoms(np.zeros((3, part.family.n_features)), np.ones((3, part.family.n_features)))
    with pytest.raises(ValueError, match="n_atoms=4 atoms, got 3"):
        given.decode(part.sketch, part.family, 4, np.random.default_rng(0))


def test_clusters_of_points_have_their_moments():
    rng = np.random.default_rng(5)
    points = np.repeat([[0.0, 0.0], [9.0, 5.0]], [40, 60], axis=0) + rng.standard_normal((100, 2))
    weights = rng.uniform(0.5, 2.0, size=100)
    centroids, variances = find_clusters(points, weights, 2, seed=0)
    order = np.argsort(centroids[:, 0])
    for i, members in zip(order, (slice(0, 40), slice(40, 100)), strict=True):
        mean = np.average(points[members], axis=0, weights=weights[members])
        np.testing.assert_allclose(centroids[i], mean, rtol=1e-9)
        squares = np.average((points[members] - mean) ** 2, axis=0, weights=weights[members])
        np.testing.assert_allclose(variances[i], squares, rtol=1e-9)


@pytest.mark.quality
def test_a_cloud_matches_the_whole_sketch_along_the_axes(part, wide):
    """Surrogate points along the axes serve rows that a mixture does not describe."""
    rng = np.random.default_rng(6)
    rows = np.hstack([rng.exponential(2.0, size=(4000, 3)), 0.3 * rng.standard_normal((4000, 147))])
    sketch = Sketcher(800, n_clusters=5, random_state=0).fit(rows).sketch(rows)
    part = find_principal_part(sketch, 5, Region.of(sketch))
    mixture = SurrogateKMeans().decode(part.sketch, part.family, 5, rng)
    best = KMeans(5, n_init=5, random_state=0).fit(rows)
    found = part.lift(mixture).locations
    distances = np.square(rows[:, None] - found).sum(axis=2).min(axis=1)
    assert distances.sum() <= 1.1 * best.inertia_


def test_a_family_without_one_has_no_common_envelope():
    family = SphericalGaussian(operator_of(3, 20))
    assert np.all(np.asarray(family.common_log_envelope) == 0.0)


def test_factors_of_a_covariance_stand_for_its_matrix():
    """Of wide rows no matrix of d^2 numbers is made: all that it is for comes of its factors."""
    rng = np.random.default_rng(5)
    d, k = 300, 4
    X = rng.normal(size=(2000, d)) * np.r_[np.zeros(3), rng.uniform(0.5, 2.0, d - 3)]
    X[:, 3:] += 6.0 * rng.normal(size=(k, d - 3))[rng.integers(k, size=2000)]
    sketcher = Sketcher(400, n_clusters=k, operator="fast", moments="diagonal", random_state=0)
    sketch = sketcher.fit(X).sketch(X)
    region = Region.of(sketch)
    assert isinstance(region.stored_covariance, FactoredCovariance)
    of_matrix = replace(region, stored_covariance=CovarianceMatrix(region.covariance))
    np.testing.assert_array_equal(region.variances, of_matrix.variances)
    parts = [find_principal_part(sketch, k, one) for one in (region, of_matrix)]
    assert all(part is not None for part in parts)
    factored, whole = parts
    np.testing.assert_allclose(np.abs(factored.axes.T @ whole.axes).max(axis=0), 1.0, atol=1e-6)
    np.testing.assert_allclose(factored.variance_off_axes, whole.variance_off_axes, rtol=1e-9)
    # In float32, as families keep it.
    blurs = [part.family.common_log_envelope for part in parts]
    np.testing.assert_allclose(blurs[0], blurs[1], rtol=1e-5)
    zeros = np.zeros((20_000, factored.axes.shape[1]))
    rows = factored.draw_rows(zeros, rng) - factored.to_points(zeros)
    off_axes = np.eye(d) - factored.axes @ factored.axes.T
    expected = off_axes @ region.covariance @ off_axes
    np.testing.assert_allclose(np.abs(rows @ factored.axes).max(), 0.0, atol=1e-9)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(np.cov(rows.T, bias=True), expected, atol=0.05 * scale)


@pytest.mark.quality
@pytest.mark.parametrize("seed", [1, 3])
def test_what_is_lost_is_told_of_the_whole_sum_of_squares(seed):
    rng = np.random.default_rng(seed)
    centers = np.repeat(rng.normal(size=(5, 300)) * 4.0, 2, axis=0)
    centers[1::2] += rng.normal(size=(5, 300)) * 6.0 / np.sqrt(300.0)
    rows = centers[rng.integers(10, size=6000)] + rng.normal(size=(6000, 300))
    sketch = Sketcher(n_clusters=10, operator="fast", random_state=seed).fit(rows).sketch(rows)
    with pytest.warns(ConvergenceWarning, match="hardly determines") as caught:
        model = CompressiveKMeans(10, random_state=seed).fit_sketch(sketch)
    quality = model.quality_
    # What is off the directions that are decoded is in every cluster.
    within = -model.score(rows) / len(rows)
    assert quality.share_decoded == pytest.approx(1.0 - 270.0 / within, abs=0.05)
    excess = quality.instability
    whole, along = (name_excess(excess * share) for share in (quality.share_decoded, 1.0))
    assert f"is {whole} in all columns, and {along} along" in str(caught[-1].message)
    assert quality.verdict != "good"


def test_all_is_decoded_of_few_columns():
    rows = blobs_in_unknown_directions(0, d=3, k=2, apart=9.0, n=500)
    sketch = Sketcher(100, n_clusters=2, random_state=0).fit(rows).sketch(rows)
    assert CompressiveKMeans(2, random_state=0).fit_sketch(sketch).quality_.share_decoded == 1.0


def unequal_clusters(seed):
    """Clusters of one to four times a width, and their rows' means."""
    rng = np.random.default_rng(seed)
    centers, widths = 2.0 * rng.normal(size=(6, 200)), np.geomspace(1.0, 4.0, 6)
    labels = rng.integers(6, size=6000)
    rows = centers[labels] + widths[labels, None] * rng.normal(size=(6000, 200))
    return rows, np.stack([rows[labels == i].mean(axis=0) for i in range(6)])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clusters_of_unlike_widths_are_wide_off_the_axes_too(seed):
    rows, means = unequal_clusters(seed)
    sketch = Sketcher(n_clusters=6, random_state=seed).fit(rows).sketch(rows)
    model = CompressiveKMeans(6, random_state=seed).fit_sketch(sketch)
    assert model.quality_.verdict == "good"
    best = CompressiveKMeans(6, random_state=seed).fit(rows)
    best.cluster_centers_ = means
    assert model.score(rows) > 1.01 * best.score(rows)
    widths = np.sqrt(model.mixture_.covariances.mean(axis=1))
    found = widths[np.argmin(model.transform(means), axis=1)]
    np.testing.assert_allclose(found, np.geomspace(1.0, 4.0, 6), rtol=0.1)


def test_atoms_are_as_wide_off_the_axes_only_where_that_explains_more(part, wide):
    problem = Problem.of(part.sketch, part.family, K, region=part.region)
    rng = np.random.default_rng(0)
    mixture = MeanShift().solve(problem, rng)
    assert mixture.quality.is_noise
    assert free_widths_off_axes(problem, mixture, rng) is mixture
