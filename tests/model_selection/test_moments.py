"""Moments of mixtures that were matched to waves, and clusters of few rows that only these show."""

import numpy as np
import pytest

from sketchlearn import Sketcher, count_clusters
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.model_selection.components import Setting
from sketchlearn.model_selection.moments import compute_moments_chance, compute_sums
from sketchlearn.model_selection.noise import ChosenWaves, WhitenedSketch
from sketchlearn.model_selection.refinement import Shapes, refine
from sketchlearn.points.em import Moments
from sketchlearn.sketches.region import Region

MIXTURE = Moments(
    np.array([0.5, 0.3, 0.2]),
    np.array([[0.0, 0.0], [4.0, 1.0], [-3.0, 5.0]]),
    np.array([[[1.0, 0.3], [0.3, 0.5]], [[0.4, 0.0], [0.0, 2.0]], [[1.0, -0.8], [-0.8, 1.0]]]),
)


def draw(n, seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=n, p=MIXTURE.weights)
    factors = np.linalg.cholesky(MIXTURE.covariances)
    noise = rng.standard_normal((n, 2))
    return MIXTURE.means[labels] + np.einsum("nde,ne->nd", factors[labels], noise)


def whiten(rows, mixture, m=40):
    """The rows' sketch by a mixture's noise, and where they lie."""
    sketch = Sketcher(m, scale=1.0, random_state=3).fit(rows[:500]).sketch(rows)
    waves = ChosenWaves(sketch.operator.linear_map.project(np.eye(2)), sketch.operator.center)
    return WhitenedSketch.of(sketch, waves, np.arange(m), mixture), Region.of(sketch)


def count(rows, most, seed):
    sketch = Sketcher(n_clusters=most, keep_pilot=False, random_state=seed).fit(rows).sketch(rows)
    return count_clusters(sketch, range(1, most + 1), n_draws=0, random_state=seed)


def draw_with_rare(seed, d, shares):
    """Round clusters eight deviations apart, of which the first are of few rows."""
    rng = np.random.default_rng([seed, d])
    k, centers = len(shares), np.empty((0, d))
    while len(centers) < k:
        center = rng.uniform(0.0, 30.0, d)
        if np.all(np.linalg.norm(centers - center, axis=1) >= 8.0):
            centers = np.vstack([centers, center])
    labels = rng.choice(k, size=20_000, p=shares)
    return centers[labels] + rng.standard_normal((20_000, d))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "spherical"])
def test_moments_vary_as_rows_do_and_with_their_waves(kind):
    rows = draw(400_000, 0)
    whitened, _ = whiten(rows, MIXTURE)
    shapes = Shapes.of(kind, 2, 1e-3)
    sums = compute_sums(whitened, MIXTURE, shapes)
    away = rows - whitened.waves.center
    squares = np.einsum("nd,sde,ne->ns", away, shapes.tangents, away)
    each = np.hstack([away, squares])
    turns = away @ whitened.waves.vectors
    waves = np.hstack([np.cos(turns), np.sin(turns)])
    np.testing.assert_allclose(sums.mean, each.mean(axis=0), rtol=0.02)
    np.testing.assert_allclose(sums.covariance, np.cov(each.T), rtol=0.05, atol=0.5)
    together = np.cov(np.hstack([waves, each]).T)[: len(waves.T), len(waves.T) :]
    np.testing.assert_allclose(sums.with_waves, together, atol=0.15)


@pytest.mark.parametrize("kind", ["full", "spherical"])
def test_derivatives_of_moments_are_differences(kind):
    shapes, step = Shapes.of(kind, 2, 1e-3), 1e-5
    whitened, _ = whiten(draw(2_000, 0), MIXTURE)
    sums, columns = compute_sums(whitened, MIXTURE, shapes), []
    for j in range(3):
        for i in range(3 + len(shapes.tangents)):
            moved = Moments(*(each.copy() for each in MIXTURE))
            if i == 0:
                moved.weights[j] += step
            elif i < 3:
                moved.means[j, i - 1] += step
            else:
                moved.covariances[j] += step * shapes.tangents[i - 3]
            columns.append((compute_sums(whitened, moved, shapes).mean - sums.mean) / step)
    np.testing.assert_allclose(sums.tangents, np.transpose(columns), atol=1e-3)


def test_moments_tell_a_mixture_that_lacks_a_few_rows_from_the_right_one():
    shapes, right, lacking = Shapes.of("full", 2, 1e-3), [], []
    for seed in range(10):
        rows = draw(20_000, seed)
        for few, chances in ((0, right), (20, lacking)):
            # A thousandth of the rows, which the waves' noise hides.
            rows[:few] = [10.0, -8.0] + 0.5 * rows[:few]
            found, _ = refine(whiten(rows, MIXTURE)[0], MIXTURE, shapes, np.arange(3), 10)
            whitened, region = whiten(rows, found)
            chances.append(compute_moments_chance(whitened, found, shapes, region))
    assert min(right) > 1e-3
    assert max(lacking) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(("d", "share"), [(3, 0.002), (3, 0.005), (8, 0.002), (8, 0.01)])
def test_clusters_of_few_rows_are_counted_or_not_resolved(d, share):
    for seed in range(60, 64):
        shares = np.append([share, share], np.full(4, (1.0 - 2.0 * share) / 4.0))
        found = count(draw_with_rare(seed, d, shares), 12, seed)
        assert not found.is_resolved or found.n_clusters == 6


@pytest.mark.slow
def test_clusters_that_only_moments_show_are_counted():
    shares = np.append([0.015], np.full(4, 0.985 / 4.0))
    found = [count(draw_with_rare(seed, 8, shares), 10, seed) for seed in range(60, 66)]
    assert sum(each.is_resolved and each.n_clusters == 5 for each in found) >= 3
    assert all(each.n_clusters == 5 or not each.is_resolved for each in found)


@pytest.mark.slow
def test_only_exact_moments_of_all_products_have_a_say():
    rows = draw_with_rare(60, 8, np.append([0.015], np.full(4, 0.985 / 4.0)))
    sketcher = Sketcher(n_clusters=10, moments="diagonal", keep_pilot=False, random_state=0)
    sketch = sketcher.fit(rows).sketch(rows)
    setting = Setting.of(sketch, 10, None, Region.of(sketch))
    path = setting.find_path(range(1, 11), MeanShift(), np.random.default_rng(0))
    assert path.with_moments == path.best
