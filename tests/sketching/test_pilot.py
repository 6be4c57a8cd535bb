"""The few rows that a sketcher learns from, and keeps for the estimators."""

import numpy as np
import pytest

from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn.estimators.shared_values import is_unbounded
from sketchlearn.sketching.pilot import (
    CANDIDATES_A_ROW,
    count_pilot_rows_for_columns,
    draw_pilot,
    find_shared_values,
    shares_values,
)


def drawn(X, size, weights=None, seed=0):
    return draw_pilot(X, weights, size, np.random.default_rng(seed))


def with_outliers(n=4000, n_far=20, d=3, seed=0):
    """Rows of one cluster, the last few of them moved out to a distance of a hundred."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X[-n_far:] *= 100.0 / np.linalg.norm(X[-n_far:], axis=1, keepdims=True)
    return X


def test_all_rows_of_few_are_in():
    X = with_outliers(100)
    rows, weights, chances = drawn(X, 100)
    assert {tuple(row) for row in rows} == {tuple(row) for row in X}
    np.testing.assert_array_equal(weights, 1.0)
    np.testing.assert_array_equal(chances, 1.0)


def test_far_rows_are_never_left_out():
    X = with_outliers()
    for seed in range(20):
        rows, _, chances = drawn(X, 200, seed=seed)
        is_far = np.linalg.norm(rows, axis=1) > 50.0
        assert is_far.sum() == 20
        np.testing.assert_array_equal(chances[is_far], 1.0)


@pytest.mark.slow
def test_as_many_are_drawn_as_were_asked_for_and_each_has_its_chance():
    X = with_outliers()
    seen = np.zeros(len(X))
    position = {tuple(row): i for i, row in enumerate(X)}
    chance_of = np.zeros(len(X))
    for seed in range(400):
        rows, _, chances = drawn(X, 200, seed=seed)
        assert len(rows) == 200
        which = [position[tuple(row)] for row in rows]
        seen[which] += 1
        chance_of[which] = chances
    np.testing.assert_allclose(seen.sum(), 400 * chance_of.sum(), rtol=0.02)
    is_known = chance_of > 0
    z = (seen - 400 * chance_of)[is_known] / np.sqrt(400 * chance_of)[is_known]
    assert np.abs(z).max() < 5.0


def test_weighted_sums_estimate_those_of_all_rows():
    X = with_outliers()
    weights = np.random.default_rng(1).integers(1, 4, len(X)).astype(float)
    estimates = []
    for seed in range(200):
        rows, row_weights, _ = drawn(X, 400, weights, seed)
        assert row_weights.sum() == pytest.approx(400 * weights.mean())
        estimates.append(np.average(np.square(rows).sum(axis=1), weights=row_weights))
    truth = np.average(np.square(X).sum(axis=1), weights=weights)
    assert np.mean(estimates) == pytest.approx(truth, rel=0.02)
    # Uniform rows, of which two are far: more than a half.
    assert np.std(estimates) < 0.15 * truth


def test_of_very_many_rows_only_some_are_candidates():
    X = np.zeros((CANDIDATES_A_ROW * 50 * 4, 2))
    X[:, 0] = np.arange(len(X))
    rows, _, chances = drawn(X, 50)
    assert len(rows) == 50
    assert np.all(chances <= 0.25)


def test_equal_rows_share_a_weight():
    X = np.repeat([[0.0, 0.0], [1.0, 5.0]], [300, 700], axis=0)
    rows, weights, chances = drawn(X, 100)
    np.testing.assert_array_equal(np.sort(rows, axis=0), [[0.0, 0.0], [1.0, 5.0]])
    assert weights[rows[:, 0] == 1.0] / weights.sum() == pytest.approx(0.7, abs=0.05)
    assert np.all((chances > 0.0) & (chances < 0.5))


def test_rows_without_weight_are_out():
    X = with_outliers()
    weights = np.zeros(len(X))
    weights[:1000] = 1.0
    rows, _, _ = drawn(X, 200, weights)
    assert {tuple(row) for row in rows} <= {tuple(row) for row in X[:1000]}


def test_what_must_not_travel_stays():
    import pickle

    sketcher = Sketcher(30, random_state=0).fit(with_outliers(6000))
    assert (
        len(sketcher.pilot_)
        == len(sketcher.pilot_weight_)
        == len(sketcher.pilot_inclusion_probability_)
    )
    there = pickle.loads(pickle.dumps(sketcher))
    assert there.pilot_ is there.pilot_weight_ is there.pilot_inclusion_probability_ is None


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_far_outliers_are_clustered_as_k_means_clusters_them(seed):
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(seed)
    X = 4.0 * rng.standard_normal((6, 4))[rng.integers(6, size=20_000)]
    X += rng.standard_normal(X.shape)
    X[:60] = rng.uniform(-150.0, 150.0, size=(60, 4))
    best = KMeans(6, n_init=10, random_state=seed).fit(X).inertia_
    assert CompressiveKMeans(6, random_state=seed).fit(X).inertia_ < 1.05 * best


@pytest.mark.slow
def test_where_columns_are_told_apart_the_pilot_grows_with_the_parameters():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40_000, 30))
    for n_clusters, size in ((2, 5000), (10, 20 * 10 * 61)):
        sketcher = Sketcher(30, n_clusters=n_clusters, scale="columns", random_state=0)
        assert len(sketcher.fit(X).pilot_) == size
        assert len(sketcher.set_params(scale="auto").fit(X).pilot_) == 5000
    # Up to 32 MiB.
    assert count_pilot_rows_for_columns(np.empty((1_000_000, 512)), 10, rng) == 2**25 // (8 * 512)
    assert count_pilot_rows_for_columns(np.empty((1_000_000, 2048)), 10, rng) == 5000


def test_and_where_many_rows_share_a_value():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40_000, 3))
    X[:, 1] = rng.random(40_000) < 0.01
    assert count_pilot_rows_for_columns(X, 4, rng) == 20_000
    X[:, 1] = 1.0
    assert count_pilot_rows_for_columns(X, 4, rng) == 5000


def test_shared_values_are_of_several_rows_whether_weighted_or_repeated():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 2))
    ones = np.ones(100)
    assert not shares_values(X, ones, 3, 100)
    assert not shares_values(np.c_[X, ones], ones, 3, 100)
    X[:10, 1] = 0.5
    assert shares_values(X, ones, 3, 100)
    assert not shares_values(X, ones, 2, 100)
    assert shares_values(X[9:], np.r_[10.0, np.ones(90)], 3, 100)
    # One of ten rows is a tenth of them.
    assert not shares_values(X[10:20], np.ones(10), 3, 10)


def test_spherical_components_close_in_on_whole_rows_only():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal(300), rng.integers(2, size=300)])
    for weights, is_of_rows in ((np.ones(300), False), (np.r_[100.0, np.ones(299)], True)):
        n_rows = weights.sum()
        assert is_unbounded(X, weights, n_rows, 3, "diag")
        assert is_unbounded(X, weights, n_rows, 3, "spherical") == is_of_rows
    # A column that others make up; a constant one is no such thing.
    Y = rng.standard_normal((300, 2))
    assert is_unbounded(np.c_[Y, Y.sum(axis=1)], np.ones(300), 300, 3, "full")
    assert not is_unbounded(np.c_[Y, Y.sum(axis=1)], np.ones(300), 300, 3, "diag")
    assert not is_unbounded(np.c_[Y, np.ones(300)], np.ones(300), 300, 3, "full")


@pytest.mark.parametrize("away", [1e4, 1e6, 1e9])
def test_a_single_far_row_does_not_hide_the_width_of_clusters(away):
    rng = np.random.default_rng(0)
    rows = 8.0 * rng.integers(4, size=(1500, 1)) + rng.standard_normal((1500, 3))
    rows = np.vstack([rows, np.full((1, 3), away)])
    for scale in ("auto", "columns"):
        sketcher = Sketcher(100, n_clusters=5, scale=scale, random_state=0).fit(rows)
        assert 0.5 < sketcher.scale_ < 3.0


def test_values_that_rows_share_are_found_with_the_shares_below_and_up_to_them():
    rows = np.column_stack([np.arange(8.0), [3, 1, 1, 1, 2, 2, 5, 3], np.full(8, 7.0)])
    weights = np.ones(8)
    expected = [[1, 1, 0, 0.375], [1, 2, 0.375, 0.625], [1, 3, 0.625, 0.875]]
    # One in four of a cluster's rows, and three rows at least.
    found = find_shared_values(rows, weights, 1)
    np.testing.assert_array_equal(found, expected[:1])
    found = find_shared_values(np.tile(rows, (2, 1)), weights=np.ones(16), n_clusters=1)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(find_shared_values(rows, 4.0 * weights, 1), expected[:1])
    assert find_shared_values(rows[:, [0, 2]], weights, 1).shape == (0, 4)
