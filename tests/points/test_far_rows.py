"""A centroid goes to far rows where that lowers the sum of squares, and nowhere else."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans

from sketchlearn import CompressiveKMeans
from sketchlearn.points.far_rows import move_to_far_rows, refine_on_rows, settle_far_rows
from sketchlearn.points.kmeans import find_nearest


def sum_squares(rows, weights, centroids):
    distances = ((rows[:, None] - centroids) ** 2).sum(axis=2)
    return weights @ distances.min(axis=1)


def draw_rows_and_centroids(seed):
    """Rows with heavy tails, their weights, and centroids anywhere."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_t(2, size=(300, 2))
    return rows, rng.integers(0, 3, 300).astype(float), rng.normal(size=(5, 2))


@pytest.mark.parametrize("seed", range(5))
def test_the_sum_of_squares_never_rises_and_labels_are_the_nearest(seed):
    rows, weights, centroids = draw_rows_and_centroids(seed)
    found = settle_far_rows(rows, weights, centroids)
    after = sum_squares(rows, weights, found.centroids)
    assert after <= sum_squares(rows, weights, centroids)
    assert weights @ found.squares == pytest.approx(after)
    own = ((rows - found.centroids[found.labels]) ** 2).sum(axis=1)
    np.testing.assert_allclose(own, found.squares)
    if found.shares is not None:
        totals = np.bincount(found.labels, weights=weights, minlength=5)
        np.testing.assert_allclose(found.shares, totals / weights.sum())
        assert np.all(np.diff(found.shares) <= 0.0)


def test_the_best_centroids_stay():
    rng = np.random.default_rng(0)
    rows = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], 100, axis=0) + rng.normal(size=(300, 2))
    best = KMeans(3, n_init=5, random_state=0).fit(rows).cluster_centers_
    assert move_to_far_rows(rows, np.ones(300), best, *find_nearest(rows, best)) is None
    # Nor is there anywhere to go for one, or where all rows are on centroids.
    one = rows.mean(axis=0, keepdims=True)
    assert move_to_far_rows(rows, np.ones(300), one, *find_nearest(rows, one)) is None
    assert move_to_far_rows(best, np.ones(3), best, *find_nearest(best, best)) is None


def test_rows_without_weight_draw_no_centroid():
    rows = np.array([[0.0], [1.0], [2.0], [1000.0]])
    centroids, weights = np.array([[0.0], [1.5]]), np.array([1.0, 1.0, 1.0, 0.0])
    found = settle_far_rows(rows, weights, centroids)
    assert found.centroids.max() < 3.0


@pytest.mark.slow
@pytest.mark.parametrize("how_far", [50.0, 90.0])
def test_fit_finds_a_few_far_rows_in_a_hundred_thousand(how_far):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        centers, n_far = 8.0 * rng.normal(size=(5, 3)), 5 + 2 * seed
        rows = centers[rng.integers(5, size=120_000)] + rng.normal(size=(120_000, 3))
        rows[:n_far] += how_far * np.array([1.0, -1.0, 0.3]) - rows[:n_far].round()
        model = CompressiveKMeans(6, random_state=seed).fit(rows)
        assert model.weights_[-1] * len(rows) == pytest.approx(n_far, abs=0.5 * n_far + 10)
        far = rows[:n_far].mean(axis=0)
        given = KMeans(6, init=np.vstack([centers, far]), n_init=1).fit(rows).inertia_
        assert model.inertia_ <= 1.005 * given
        assert model.inertia_ == pytest.approx(-model.score(rows))
        assert len(model.mixture_.weights) == 6


@pytest.mark.parametrize("seed", range(5))
def test_rows_refine_what_a_sample_left(seed):
    rows, weights, centroids = draw_rows_and_centroids(seed)
    found = settle_far_rows(rows, weights, centroids)
    refined, is_settled = refine_on_rows(rows, weights, found)
    assert is_settled
    assert weights @ refined.squares <= weights @ found.squares
    assert weights @ refined.squares == pytest.approx(sum_squares(rows, weights, refined.centroids))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 4])
def test_few_far_rows_of_many_leave_neither_loss_nor_doubt(seed):
    rng = np.random.default_rng(seed)
    n = 150_000
    rows = 6.0 * rng.normal(size=(5, 3))[rng.integers(5, size=n)] + rng.normal(size=(n, 3))
    spread = np.sqrt(rng.uniform(0.3, 3.0) * np.sum((rows - rows.mean(axis=0)) ** 2) / 12.0)
    rows[[17, 170, 1700, 17000]] = rows.mean(axis=0) + spread * rng.normal(size=(4, 3))
    best = KMeans(5, n_init=3, random_state=seed).fit(rows).inertia_
    with warnings.catch_warnings():
        # That there are more clusters is so.
        warnings.filterwarnings("ignore", message="5 clusters leave")
        model = CompressiveKMeans(5, random_state=seed).fit(rows)
    assert model.inertia_ < 1.03 * best
    assert model.quality_.figures_verdict == "good"
    assert np.array_equal(model.labels_, model.predict(rows))
    totals = np.bincount(model.labels_, minlength=5)
    np.testing.assert_allclose(model.weights_, totals / n)
