"""From a sketch to a mixture: exact recovery, and what each stage of a decoder promises."""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from planted import (
    gaussian_clusters,
    largest_distance,
    matched,
    operator_of,
    repeated_points,
    separated_points,
)

from sketchlearn import Sketcher
from sketchlearn.atoms import Dirac, SphericalGaussian
from sketchlearn.decoders import (
    CLOMPR,
    BestOf,
    Decoder,
    Fit,
    MeanShift,
    Mixture,
    Problem,
    Splitting,
    SurrogateKMeans,
    adjust,
    solve_weights,
)
from sketchlearn.decoders.greedy.mean_shift import Decoding
from sketchlearn.decoders.greedy.mode_seeking import choose_widening, draw_starts, find_modes
from sketchlearn.decoders.greedy.pruning import (
    compute_importances,
    drop_least_important,
    merge_most_coherent,
    remove_atoms,
)
from sketchlearn.decoders.quality import THRESHOLDS
from sketchlearn.decoders.refinement import solve_nonnegative
from sketchlearn.frequencies.covariance import CovarianceMatrix
from sketchlearn.sketches import Region

GREEDY = [CLOMPR(), CLOMPR(starts="box"), MeanShift(), MeanShift(starts="box")]
# `Splitting` sees no cluster farther than five scales from all others; the clusters here are.
FAR_SIGHTED = [CLOMPR(), MeanShift(), BestOf(), SurrogateKMeans()]
DECODERS = [*FAR_SIGHTED, Splitting()]


def named(decoder):
    return type(decoder).__name__ + getattr(decoder, "starts", "").replace("gaussian", "")


def problem_of(sketch, n_atoms=1, kind=SphericalGaussian):
    return Problem.of(sketch, kind(sketch.operator), n_atoms)


def planted_problem(family, target):
    """A problem whose target is a sum of atoms, and no sketch of rows."""
    region = Region.of_operator(family.operator)
    return Problem(family, 1, target, noise=1.0, n_rows=1.0, region=region)


def decoding_of(sketch, decoder, n_atoms):
    return Decoding(decoder, problem_of(sketch, n_atoms), np.random.default_rng(0))


def decoded(decoder, sketch, n_atoms, *, kind=SphericalGaussian, seed=0):
    return decoder.decode(sketch, kind(sketch.operator), n_atoms, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def clusters():
    """Centres and the sketch of equally wide clusters that are drawn at random."""
    centers, rows = gaussian_clusters(k=5, d=4, n=10_000, seed=3)
    sketcher = Sketcher(n_clusters=5, random_state=0).fit(rows)
    return centers, sketcher.sketch(rows)


# What can be recovered.


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decoder", GREEDY, ids=named)
def test_separated_diracs_are_recovered_exactly(decoder, seed):
    points, shares, sketch = repeated_points(seed=seed)
    mixture = decoded(decoder, sketch, 4, kind=Dirac)
    order = matched(points, mixture.locations)
    np.testing.assert_allclose(mixture.locations[order], points, rtol=0, atol=5e-6)
    np.testing.assert_allclose(mixture.weights[order], shares, rtol=0, atol=1e-6)
    assert mixture.cost < 1e-10
    assert mixture.converged


@pytest.mark.parametrize(("k", "d"), [(1, 1), (2, 1), (12, 2), (10, 8)])
def test_clompr_recovers_any_number_of_diracs(k, d):
    points, _, sketch = repeated_points(k, d, max(20, 5 * k * d), seed=k)
    mixture = decoded(CLOMPR(), sketch, k, kind=Dirac)
    assert largest_distance(points, mixture.locations) < 1e-5


@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_exact_recovery_knows_no_unit(unit):
    points, _, sketch = repeated_points(unit=unit)
    for decoder in (CLOMPR(), MeanShift()):
        mixture = decoded(decoder, sketch, 4, kind=Dirac)
        assert largest_distance(points, mixture.locations) < 5e-6 * unit


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("decoder", FAR_SIGHTED, ids=named)
def test_gaussian_clusters_are_recovered(decoder, clusters):
    centers, sketch = clusters
    mixture = decoded(decoder, sketch, 5)
    # A centre's standard error is 0.045 in four dimensions; particles add a little.
    assert largest_distance(centers, mixture.locations) < 0.2
    np.testing.assert_allclose(mixture.weights, 0.2, atol=0.02)
    np.testing.assert_allclose(mixture.covariances, 1.0, atol=0.1)
    assert mixture.quality.explains_sketch
    assert not mixture.quality.seems_incomplete


@pytest.mark.slow
@pytest.mark.parametrize("unit", [1e-4, 1e4])
@pytest.mark.parametrize("decoder", FAR_SIGHTED, ids=named)
def test_decoding_scales_with_the_data(decoder, unit):
    centers, rows = gaussian_clusters(k=4, d=3, n=4000, unit=unit)
    sketch = Sketcher(n_clusters=4, scale=unit, random_state=0).fit(rows).sketch(rows)
    mixture = decoded(decoder, sketch, 4)
    assert largest_distance(centers, mixture.locations) < 0.25 * unit
    np.testing.assert_allclose(mixture.covariances, unit**2, rtol=0.15)


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("decoder", [CLOMPR(), MeanShift(shapes="shared")], ids=named)
@pytest.mark.parametrize("scale", [0.7, 1.5])
def test_a_scale_that_is_off_is_mended_by_a_shared_width(decoder, scale):
    centers, rows = gaussian_clusters(k=4, d=3, n=8000)
    sketch = Sketcher(n_clusters=4, scale=scale, random_state=0).fit(rows).sketch(rows)
    mixture = decoded(decoder, sketch, 4)
    assert np.ptp(mixture.covariances) == 0.0
    np.testing.assert_allclose(mixture.covariances, 1.0, rtol=0.05)
    assert largest_distance(centers, mixture.locations) < 0.2


@pytest.mark.quality
@pytest.mark.slow
def test_clusters_of_unequal_width_need_free_shapes():
    centers = separated_points(3, 2, 0, distance=12.0)
    widths = np.array([0.5, 1.0, 2.0])
    rng = np.random.default_rng(0)
    rows = np.vstack(
        [c + w * rng.standard_normal((4000, 2)) for c, w in zip(centers, widths, strict=True)]
    )
    sketch = Sketcher(n_clusters=3, random_state=0).fit(rows).sketch(rows)
    free, shared, fixed = (
        decoded(MeanShift(shapes=shapes), sketch, 3) for shapes in ("free", "shared", "fixed")
    )
    found = free.covariances[matched(centers, free.locations), 0]
    np.testing.assert_allclose(np.sqrt(found), widths, rtol=0.1)
    assert np.ptp(shared.covariances) == 0.0
    np.testing.assert_array_equal(fixed.covariances, fixed.covariances[0, 0])
    assert fixed.covariances[0, 0] == pytest.approx(sketch.operator.scale**2)
    assert free.cost < shared.cost < fixed.cost


# How well it went.


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_goodness_of_fit_is_at_most_about_one_where_the_model_is_right(seed):
    rng = np.random.default_rng(seed)
    centers = separated_points(4, 3, seed, distance=8.0)
    rows = centers[rng.integers(4, size=20_000)] + rng.standard_normal((20_000, 3))
    sketch = Sketcher(400, n_clusters=4, random_state=seed).fit(rows).sketch(rows)
    complete, lacking = decoded(MeanShift(), sketch, 4), decoded(MeanShift(), sketch, 3)
    # Below one, as the fitted parameters take along the noise that looks like them.
    assert 0.1 < complete.goodness_of_fit <= 1.5
    assert complete.quality.explains_sketch
    assert lacking.goodness_of_fit > 50
    assert lacking.misfit > 0.05
    assert lacking.quality.seems_incomplete
    assert not lacking.quality.explains_sketch


@pytest.mark.quality
@pytest.mark.slow
def test_a_missed_cluster_of_ten_is_told_from_flat_clusters():
    rng = np.random.default_rng(0)
    centers = separated_points(10, 5, 0, distance=8.0)
    rows = centers[rng.integers(10, size=20_000)] + rng.standard_normal((20_000, 5))
    sketch = Sketcher(500, n_clusters=10, random_state=0).fit(rows).sketch(rows)
    assert decoded(MeanShift(), sketch, 9).quality.misses_clusters
    assert not decoded(MeanShift(), sketch, 10).quality.misses_clusters
    # As in columns of different units: most directions are narrower than the scale.
    flat = rows * [1.0, 1.0, 0.01, 0.01, 0.01]
    sketch = Sketcher(500, n_clusters=10, random_state=0).fit(flat).sketch(flat)
    mixture = decoded(MeanShift(), sketch, 10)
    assert mixture.misfit > 0.01
    assert not replace(mixture.quality, cost=5.0 * mixture.cost).misses_clusters
    assert replace(mixture.quality, spread_ratio=1.5).misses_clusters


@pytest.mark.slow
def test_the_cost_is_what_the_best_weights_leave(clusters):
    _, sketch = clusters
    problem = problem_of(sketch)
    for decoder in (CLOMPR(), MeanShift()):
        mixture = decoded(decoder, sketch, 4)
        best = solve_weights(problem, mixture.parameters)
        assert mixture.cost == pytest.approx(best.cost, rel=1e-3)
        # Of 400 numbers, 4 locations, 4 widths and 3 weights take up 23.
        noise = sketch.standard_error**2 * (1 - 23 / 400)
        assert mixture.goodness_of_fit == pytest.approx(mixture.cost / noise)
        assert mixture.misfit == pytest.approx((mixture.cost - noise) / problem.power)


def test_nothing_can_be_said_of_a_fit_where_no_number_is_to_spare():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2000, 5))
    # 30 numbers for 6 locations, 6 widths and 5 weights: 41.
    sketch = Sketcher(15, n_clusters=6, random_state=0).fit(rows).sketch(rows)
    mixture = decoded(MeanShift(), sketch, 6)
    assert mixture.goodness_of_fit == np.inf


@pytest.mark.slow
def test_figures_of_clustered_points_are_those_of_the_atoms_that_come(clusters):
    _, sketch = clusters
    mixture = decoded(SurrogateKMeans(), sketch, 3)
    problem = replace(problem_of(sketch), family=mixture.family)
    own = problem.evaluate(mixture.weights, mixture.parameters)
    assert mixture.cost == pytest.approx(own.cost)
    assert mixture.matched is not None
    assert mixture.matched.cost < mixture.cost


# Selecting.


@pytest.mark.parametrize("starts", ["gaussian", "box"])
def test_starts_lie_in_the_box(starts):
    operator = operator_of(3, 10, center=7.0)
    region = Region.of_operator(operator)
    points = draw_starts(region, starts, 4000, np.random.default_rng(0))
    assert np.all((region.lower <= points) & (points <= region.upper))
    middle, spread = points.mean(axis=0), points.std(axis=0)
    np.testing.assert_allclose(middle, operator.center, atol=0.25)
    # Gaussian of deviation 2.5, its tails beyond the box folded to its walls; or more of them.
    np.testing.assert_allclose(spread, 4.0 if starts == "box" else 2.45, rtol=0.05)


@pytest.mark.parametrize("kind", [Dirac, SphericalGaussian])
def test_selection_finds_the_best_correlated_location(kind):
    family = kind(operator_of(2, 60, seed=3))
    operator = family.operator
    rng = np.random.default_rng(1)
    shape = family.default_shape()
    lower, upper = operator.domain.box
    atoms = family.sketch(family.at(rng.uniform(lower, upper, (5, 2))))
    residual = np.array([1.0, 0.8, 0.9, -1.0, 0.7]) @ atoms.astype(np.float64)

    def correlations(locations):
        return family.sketch(family.at(locations)) @ residual

    axes = [np.linspace(*ends, 150) for ends in zip(lower, upper, strict=True)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    problem = planted_problem(family, residual)
    starts = rng.uniform(lower, upper, (200, 2))
    found = find_modes(problem, shape, residual, starts, 32)
    assert correlations(found)[0] >= correlations(grid).max() * (1 - 1e-5)


def test_a_start_that_is_ahead_at_first_need_not_win():
    family = Dirac(operator_of(2, 200))
    strong, weak = family.operator.center + np.array([[-3.0, 0.0], [3.0, 0.0]])
    residual = np.array([1.0, 0.8]) @ family.sketch(np.stack([strong, weak])).astype(np.float64)
    starts = np.stack([weak, strong + 0.5])
    assert np.argmax(family.sketch(starts) @ residual) == 0
    problem = planted_problem(family, residual)
    found = find_modes(problem, family.default_shape(), residual, starts, 2)
    np.testing.assert_allclose(found, strong[None], atol=0.1)


def test_modes_that_stand_apart_are_found_together():
    family = SphericalGaussian(operator_of(2, 400))
    places = family.operator.center + np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    atoms = family.sketch(family.at(places)).astype(np.float64)
    residual = np.array([1.0, 0.9, 0.4]) @ atoms
    problem = planted_problem(family, residual)
    starts = np.random.default_rng(0).uniform(*family.operator.domain.box, (100, 2))
    found = find_modes(problem, family.default_shape(), residual, starts, 100, most=3)
    np.testing.assert_allclose(found[:2], places[:2], atol=0.2)
    # The third has the tails of both.
    np.testing.assert_allclose(found[2:], places[2:], atol=0.4)
    alone = find_modes(problem, family.default_shape(), residual, starts, 100)
    np.testing.assert_array_equal(alone, found[:1])


def test_a_coarse_search_arrives_from_far_away():
    family = SphericalGaussian(operator_of(3, 400, seed=2))
    place = family.operator.center + np.array([[5.0, 0.0, 0.0]])
    residual = family.sketch(family.at(place))[0].astype(np.float64)
    problem, shape = planted_problem(family, residual), family.default_shape()
    # Ten scales away, where the kernel of one scale is next to nothing.
    starts = place - [10.0, 0.0, 0.0] + np.random.default_rng(0).uniform(-1.0, 1.0, (50, 3))
    found = find_modes(problem, shape, residual, starts, 16, widening=8.0)
    np.testing.assert_allclose(found, place, atol=0.05)


def test_searches_widen_only_where_there_is_room_and_narrow_with_each_failure():
    family = Dirac(operator_of(3, 10))
    problem = planted_problem(family, np.zeros(20))
    room = np.sqrt(problem.region.variance / 3) / family.operator.scale
    widenings = [choose_widening(problem, n) for n in range(6)]
    assert widenings[0] == 1.0
    assert 1.0 <= widenings[1] <= max(room, 1.0)
    assert all(b == max(a / 2.0, 1.0) for a, b in itertools.pairwise(widenings[1:]))
    wide = replace(
        problem.region, stored_covariance=CovarianceMatrix(1e4 * problem.region.covariance)
    )
    assert choose_widening(replace(problem, region=wide), 1) > widenings[1]


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [3, 4, 6])
def test_small_clusters_far_apart_are_all_found(dimension):
    sizes = [3500, 3300, 1700, 450, 250, 200, 200, 160]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        centers = 30.0 * rng.normal(size=(8, dimension))
        rows = np.repeat(centers, sizes, axis=0)
        rows += rng.uniform(-1.0, 1.0, rows.shape)
        sketch = Sketcher(n_clusters=8, random_state=seed).fit(rows).sketch(rows)
        assert largest_distance(decoded(BestOf(), sketch, 8).locations, centers) < 1.0


# CL-OMPR's five steps.


@pytest.fixture
def diracs():
    """Points, shares, and the problem of finding them."""
    points, shares, sketch = repeated_points(4, 3, 200, seed=1)
    return points, shares, problem_of(sketch, 4, Dirac)


def fit_at(problem, locations):
    return solve_weights(problem, problem.family.at(locations), n_iter=11)


def test_select_finds_what_is_missing(diracs):
    points, shares, problem = diracs
    rng = np.random.default_rng(0)
    for missing in range(4):
        others = np.delete(np.arange(4), missing)
        fit = Fit(shares[others], points[others], 0.0)
        location = CLOMPR().select(problem, fit, rng)
        np.testing.assert_allclose(location, points[missing], atol=0.05)


def test_select_begins_with_the_heaviest(diracs):
    points, _, problem = diracs
    location = CLOMPR().select(problem, problem.start_empty(), np.random.default_rng(0))
    assert np.argmin(np.linalg.norm(points - location, axis=1)) == 3


def test_expand_appends_an_atom_of_the_default_shape():
    family = SphericalGaussian(operator_of())
    parameters = np.arange(8.0).reshape(2, 4)
    location = np.array([7.0, 8.0, 9.0])
    expanded = CLOMPR().expand(family, Fit(np.ones(2), parameters, 0.0), location)
    np.testing.assert_array_equal(expanded[:2], parameters)
    np.testing.assert_array_equal(expanded[2:], family.at(location[None]))


def test_threshold_keeps_the_heaviest_in_their_order(diracs):
    points, _, problem = diracs
    spurious = points.mean(axis=0, keepdims=True)
    crowd = np.vstack([points[:2], spurious, points[2:]])
    kept = CLOMPR().threshold(problem, crowd)
    np.testing.assert_array_equal(kept, points)
    # The shares grow with the index.
    for n_atoms, expected in ((2, points[2:]), (5, crowd)):
        kept = CLOMPR().threshold(replace(problem, n_atoms=n_atoms), crowd)
        np.testing.assert_array_equal(kept, expected)


def test_threshold_weighs_normalised_atoms():
    family = SphericalGaussian(operator_of(2, 200))
    # A wide atom has a sketch of small norm: its weight alone would say that it matters most.
    wide, narrow = family.at(family.operator.center + np.array([[-4.0, 0.0], [4.0, 0.0]]))
    wide[2], narrow[2] = np.log(20.0), np.log(0.02)
    parameters = np.stack([wide, narrow])
    target = np.array([0.7, 0.3]) @ family.sketch(parameters).astype(np.float64)
    assert solve_nonnegative(target, family.sketch(parameters)).argmax() == 0
    kept = CLOMPR().threshold(planted_problem(family, target), parameters)
    np.testing.assert_array_equal(kept, [narrow])


def test_reweight_moves_nothing(diracs):
    points, shares, problem = diracs
    fit = solve_weights(problem, points, n_iter=11)
    np.testing.assert_array_equal(fit.parameters, points)
    np.testing.assert_allclose(fit.weights, shares, atol=1e-5)
    assert fit.n_iter == 11


def test_adjust_moves_locations_and_weights_but_no_shape(clusters):
    centers, sketch = clusters
    problem = problem_of(sketch)
    before = fit_at(problem, centers + 0.3)
    after = CLOMPR(n_adjustments=50).adjust(problem, before)
    assert after.cost < 0.5 * before.cost
    assert largest_distance(centers, after.parameters[:, :4]) < 0.2
    np.testing.assert_array_equal(after.parameters[:, 4], before.parameters[:, 4])
    assert 11 < after.n_iter <= 61


# Mode seeking and swaps.


@pytest.mark.quality
def test_greedy_gives_an_atom_for_each_cluster(clusters):
    centers, sketch = clusters
    decoding = decoding_of(sketch, MeanShift(), 5)
    fit = decoding.fill(decoding.problem.start_empty())
    assert largest_distance(centers, fit.parameters[:, :4]) < 0.3


@pytest.mark.quality
def test_swaps_mend_a_missed_cluster(clusters):
    centers, sketch = clusters
    problem = problem_of(sketch)
    astray = centers.copy()
    astray[0] = centers[1] + 0.5
    start = fit_at(problem, astray)
    noise = sketch.standard_error**2
    fit = decoding_of(sketch, MeanShift(), 5).swap(start, "fixed")
    assert start.cost > 50 * noise
    assert fit.cost <= noise
    assert len(fit.weights) == 5
    assert fit.n_iter > start.n_iter
    assert largest_distance(centers, fit.parameters[:, :4]) < 0.2


def test_swaps_stop_where_noise_is_left_and_never_lose(clusters):
    centers, sketch = clusters
    problem = problem_of(sketch)
    start = fit_at(problem, centers)
    start = adjust(problem, start, shapes="shared", max_iter=100)
    after = decoding_of(sketch, MeanShift(), 5).swap(start, "shared")
    assert after.cost == start.cost
    np.testing.assert_array_equal(after.parameters, start.parameters)
    decoding = decoding_of(sketch, MeanShift(), 5)
    noiseless = replace(decoding, problem=replace(decoding.problem, noise=0.0))
    assert noiseless.swap(start, "shared").cost <= start.cost


@pytest.mark.quality
@pytest.mark.slow
def test_many_clusters_far_apart_are_all_found_in_one_decode():
    rng = np.random.default_rng(0)
    centers = 6.0 * rng.standard_normal((40, 8))
    rows = np.repeat(centers, 500, axis=0) + rng.standard_normal((20_000, 8))
    sketch = Sketcher(1600, n_clusters=40, scale=1.0, random_state=0).fit(rows).sketch(rows)
    mixture = decoded(MeanShift(), sketch, 40)
    assert mixture.goodness_of_fit < 1.0
    assert largest_distance(centers, mixture.locations) < 1.0


def test_importance_is_what_an_atoms_absence_costs(clusters):
    centers, sketch = clusters
    problem = problem_of(sketch)
    near = centers.copy()
    near[1] = near[0] + 1.5
    fit = fit_at(problem, near)
    for i, importance in enumerate(compute_importances(problem, fit)):
        without = solve_weights(problem, np.delete(fit.parameters, i, axis=0))
        assert importance == pytest.approx(without.cost - fit.cost, rel=1e-2, abs=1e-6)


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_cluster_smaller_than_all_noise_is_found(seed):
    rng = np.random.default_rng(seed)
    centers = separated_points(6, 4, seed, distance=9.0)
    labels = rng.choice(6, size=40_000, p=[0.2485] * 4 + [0.003] * 2)
    rows = centers[labels] + rng.standard_normal((40_000, 4))
    sketch = Sketcher(240, n_clusters=6, scale=1.0, random_state=seed).fit(rows).sketch(rows)
    large = decoded(MeanShift(), sketch, 4)
    # Without the two there is little more than noise, so noise alone is no reason to end.
    assert large.goodness_of_fit < 2.0
    assert largest_distance(centers, decoded(MeanShift(), sketch, 6).locations) < 2.0


@pytest.mark.quality
def test_two_atoms_in_one_cluster_are_merged_rather_than_a_small_cluster_lost():
    rng = np.random.default_rng(0)
    centers = separated_points(4, 4, 0, distance=9.0)
    labels = rng.choice(4, size=40_000, p=[0.3, 0.3, 0.395, 0.005])
    rows = centers[labels] + rng.standard_normal((40_000, 4))
    sketch = Sketcher(240, n_clusters=4, scale=1.0, random_state=0).fit(rows).sketch(rows)
    problem = problem_of(sketch)
    aside = np.array([1.0, 0.0, 0.0, 0.0])
    doubled = np.vstack([centers[[0, 1, 3]], centers[2] - aside, centers[2] + aside])
    start = fit_at(problem, doubled)
    # Weighed alone, each of the two is worth far more than the small cluster.
    assert np.argmin(compute_importances(problem, start)) == 2
    for keeps_shapes in (False, True):
        fit, _ = remove_atoms(problem, start, "shared", keeps_shapes=keeps_shapes)
        assert len(fit.weights) == 4
        assert fit.cost < drop_least_important(problem, start).cost
        assert largest_distance(centers, fit.parameters[:, :4]) < 1.0


def test_atoms_that_are_left_are_named(clusters):
    centers, sketch = clusters
    problem = problem_of(sketch)
    k, aside = len(centers), centers[:2] + 0.5
    start = fit_at(problem, np.vstack([centers, aside, centers.mean(axis=0)[None]]))
    fit, left = remove_atoms(problem, start, "fixed", n=3, keeps_shapes=True)
    assert len(fit.weights) == k
    # The one where nothing is was dropped, and of each two in one cluster there is one, or both
    # were merged.
    assert k + 2 not in left
    assert set(range(2, k)) <= set(left)


@pytest.mark.parametrize("is_missing", [False, True])
def test_what_takes_away_the_atom_that_it_added_is_no_swap(clusters, is_missing):
    centers, sketch = clusters
    problem = problem_of(sketch, len(centers))
    start = centers.copy()
    if is_missing:
        start[0] = start[1] + 0.3
    decoding = Decoding(MeanShift(), problem, np.random.default_rng(0))
    tried = fit_at(problem, np.vstack([start, centers[:1] + 0.3]))
    fit, is_swap = decoding.contract(tried, "fixed", np.inf, 20)
    assert len(fit.weights) == len(centers)
    assert largest_distance(centers, fit.parameters[:, : centers.shape[1]]) < 1.0
    assert is_swap == is_missing


def test_atoms_that_are_not_coherent_are_not_merged(clusters):
    centers, sketch = clusters
    problem = problem_of(sketch)
    assert merge_most_coherent(problem, fit_at(problem, centers), keeps_shapes=False) is None


def test_a_merged_atom_has_the_moments_of_two_or_their_shape_where_shapes_stay(clusters):
    centers, sketch = clusters
    problem = problem_of(sketch, 2)
    family, pair = problem.family, centers[0] + [[-0.5, 0, 0, 0], [0.5, 0, 0, 0]]
    start = fit_at(problem, pair)
    kept, wider = (merge_most_coherent(problem, start, keeps_shapes=keep) for keep in (True, False))
    shares = start.weights / start.weights.sum()
    for one in (kept, wider):
        np.testing.assert_allclose(one.parameters[0, :4], shares @ pair, rtol=1e-6)
    np.testing.assert_array_equal(kept.parameters[0, 4:], start.parameters[0, 4:])
    # Two points one apart, in four dimensions, add the product of their shares over four.
    widened = family.covariances(wider.parameters) - family.covariances(start.parameters)[:1]
    np.testing.assert_allclose(widened, shares.prod() / 4, rtol=1e-4)


# Splitting.


@pytest.mark.quality
def test_splitting_finds_close_clusters_without_draw_starts():
    rng = np.random.default_rng(3)
    centers = rng.uniform(-4.0, 4.0, size=(12, 6))
    rows = centers[rng.integers(12, size=20_000)] + 0.8 * rng.standard_normal((20_000, 6))
    sketch = Sketcher(5 * 12 * 6, n_clusters=12, random_state=0).fit(rows).sketch(rows)
    mixture = decoded(Splitting(), sketch, 12)
    assert largest_distance(centers, mixture.locations) < 0.3
    assert mixture.quality.explains_sketch


# The best of several.


def test_several_decoders_are_tried_cyclically(clusters):
    _, sketch = clusters
    mixture = decoded(MeanShift(), sketch, 5)
    first, second = (Scripted(mixture, (2.0, 1.0), (0.1, 0.1)) for _ in range(2))
    decoded(BestOf((first, second), 3), sketch, 5)
    assert (len(first.draws), len(second.draws)) == (2, 1)


# Misfits of which an atom seems to be missing, and clusters certainly are.
SOME = (THRESHOLDS.large_misfit + THRESHOLDS.very_large_misfit) / 2
MUCH = 5 * THRESHOLDS.very_large_misfit


@dataclass(frozen=True)
class Scripted(Decoder):
    """Gives mixtures of the costs that it was told, and notes what it was asked."""

    mixture: Mixture
    costs: tuple[float, ...]
    misfits: tuple[float, ...]
    draws: list[float] = field(default_factory=list)

    def _decode(self, problem, rng):
        attempt = len(self.draws)
        self.draws.append(rng.random())
        cost, misfit = self.costs[attempt], self.misfits[attempt]
        # A hundredth of the cost is noise, and the rest so large a share of the sketch.
        power = 0.99 * cost / max(misfit, 1e-9)
        quality = replace(self.mixture.quality, cost=cost, noise=0.01 * cost, power=power)
        quality = replace(quality, n_parameters=0)
        return replace(self.mixture, quality=quality, n_iter=attempt)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_init", "costs", "misfits", "n_decodes", "kept"),
    [
        (1, (3.0,), (0.1,), 1, 0),
        (4, (3.0, 1.0, 2.0, 1.5), (0.0, 0.1, 0.1, 0.1), 4, 1),
        ("auto", (3.0,), (1e-3,), 1, 0),
        ("auto", (3.0, 1.0), (SOME, 1e-3), 2, 1),
        ("auto", (3.0, 4.0, 2.0), (SOME, SOME, SOME), 3, 2),
        # The first stays the best, so that something still seems to be missing.
        ("auto", (1.0, 2.0, 3.0), (SOME, 1e-3, 1e-3), 3, 0),
        ("auto", (9.0, 8.0, 7.0), (MUCH, MUCH, MUCH), 3, 2),
    ],
)
def test_the_cheapest_of_several_is_kept(clusters, n_init, costs, misfits, n_decodes, kept):
    _, sketch = clusters
    scripted = Scripted(decoded(MeanShift(), sketch, 5), costs, misfits)
    mixture = decoded(BestOf((scripted,), n_init), sketch, 5)
    assert (mixture.cost, mixture.n_iter) == (costs[kept], kept)
    assert len(scripted.draws) == n_decodes
    # Every try has randomness of its own.
    assert len(set(scripted.draws)) == n_decodes
