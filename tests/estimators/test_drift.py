"""Clusters that move away from the rows that the operator was chosen on are found all the same."""

import numpy as np
import pytest
from planted import largest_distance
from sklearn.exceptions import ConvergenceWarning

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketch, Sketcher

K, D = 5, 3


class Stream:
    """Days of rows around centres, of which the first move by a distance after day 0."""

    def __init__(self, seed, away, share=0.2, n_moved=1):
        rng = np.random.default_rng(seed)
        self.centers = 6.0 * rng.normal(size=(K, D))
        self.before = self.draw(rng, 10_000, np.full(K, 1 / K))
        steps = rng.normal(size=(n_moved, D))
        self.centers[:n_moved] += away * steps / np.linalg.norm(steps, axis=1)[:, None]
        shares = np.r_[share, np.full(K - 1, (1 - share) / (K - 1))]
        self.after = self.draw(rng, 20_000, shares)
        self.sketcher = Sketcher(800, n_clusters=K, random_state=seed).fit(self.before)

    def draw(self, rng, n, shares):
        return self.centers[rng.choice(K, size=n, p=shares)] + rng.normal(size=(n, D))


MODELS = {
    "k-means": (CompressiveKMeans(K, random_state=0), "cluster_centers_"),
    **{
        kind: (CompressiveGaussianMixture(K, covariance_type=kind, random_state=0), "means_")
        for kind in ("spherical", "diag", "full")
    },
}


@pytest.mark.quality
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("away", [40.0, 300.0])
@pytest.mark.parametrize("seed", range(2))
def test_a_cluster_that_moved_is_found_within_its_width(kind, away, seed):
    stream, (model, name) = Stream(seed, away), MODELS[kind]
    model.fit_sketch(stream.sketcher.sketch(stream.after))
    assert largest_distance(stream.centers, getattr(model, name)) < 1.0


@pytest.mark.quality
@pytest.mark.parametrize("seed", range(3))
def test_so_is_one_of_a_hundredth_of_the_rows(seed):
    stream = Stream(seed, 100.0, share=0.01)
    model = CompressiveKMeans(K, random_state=0).fit_sketch(stream.sketcher.sketch(stream.after))
    assert largest_distance(stream.centers, model.cluster_centers_) < 1.0


@pytest.mark.quality
@pytest.mark.parametrize("kind", ["k-means", "spherical", "diag"])
@pytest.mark.parametrize(("n_moved", "away"), [(2, 300.0), (2, 3000.0), (3, 150.0)])
def test_so_are_several_that_move_at_once(kind, n_moved, away):
    stream, (model, name) = Stream(1, away, n_moved=n_moved), MODELS[kind]
    model.fit_sketch(stream.sketcher.sketch(stream.after))
    assert largest_distance(stream.centers, getattr(model, name)) < 1.0


def test_in_a_window_that_was_subtracted_and_in_a_file(tmp_path):
    stream = Stream(5, 60.0)
    old, new = stream.sketcher.sketch(stream.before), stream.sketcher.sketch(stream.after)
    window = (old + new) - old
    window.save(tmp_path / "window.sketch")
    again = Sketch.load(tmp_path / "window.sketch")
    model = CompressiveKMeans(K, random_state=0).fit_sketch(again)
    assert largest_distance(stream.centers, model.cluster_centers_) < 1.0
    assert model.mixture_.spread_ratio == pytest.approx(1.0, abs=0.05)


def test_by_batches():
    stream = Stream(6, 60.0)
    model = CompressiveKMeans(K, sketcher=stream.sketcher, random_state=0)
    for batch in np.array_split(stream.after, 7):
        model.partial_fit(batch)
    model.partial_fit()
    assert largest_distance(stream.centers, model.cluster_centers_) < 1.0


def test_bounds_hold_for_centroids_and_are_kept_in_a_file(tmp_path):
    stream = Stream(7, 0.0)
    sketch = stream.sketcher.sketch(stream.after)
    lower, upper = stream.after.min(axis=0), stream.after.max(axis=0)
    upper[0] = np.inf
    model = CompressiveKMeans(K, bounds=(lower, upper), random_state=0).fit_sketch(sketch)
    assert np.all((lower <= model.cluster_centers_) & (model.cluster_centers_ <= upper))
    model.save(tmp_path / "bounded.model")
    again = CompressiveKMeans.load(tmp_path / "bounded.model")
    np.testing.assert_array_equal(again.bounds, [lower, upper])
    again.fit_sketch(sketch)
    np.testing.assert_array_equal(again.cluster_centers_, model.cluster_centers_)


@pytest.mark.parametrize("kind", [CompressiveKMeans, CompressiveGaussianMixture])
def test_bounds_that_fit_no_rows_are_refused(kind):
    with pytest.raises(ValueError, match="one for each feature"):
        kind(2, bounds=([0.0, 0.0], 1.0)).fit(np.random.default_rng(0).normal(size=(50, D)))
    with pytest.raises(TypeError, match="a pair"):
        kind(2, bounds=7).fit(np.zeros((10, D)))


@pytest.mark.quality
@pytest.mark.parametrize(("kind", "seed"), [("k-means", 0), ("spherical", 1)])
@pytest.mark.slow
def test_what_moved_too_far_to_be_found_is_warned_of(kind, seed):
    """Whatever spread was decoded; else four clusters of five would be lost without a word."""
    stream, (model, _) = Stream(seed, 2000.0, n_moved=4), MODELS[kind]
    with pytest.warns(ConvergenceWarning, match=r"variance was decoded|power is left unexplained"):
        model.fit_sketch(stream.sketcher.sketch(stream.after))
    assert model.mixture_.quality.loses_moved


@pytest.mark.quality
@pytest.mark.filterwarnings("ignore:only .* of the rows' variance was decoded")
def test_wide_rows_that_left_the_directions_of_before_need_full_moments():
    rng = np.random.default_rng(0)
    before = 2.0 * rng.normal(size=(3, 120))
    after = before + np.array([[16.0], [0.0], [0.0]]) * rng.normal(size=(3, 120))
    first, rows = (
        np.repeat(centers, 1500, axis=0) + rng.normal(size=(4500, 120))
        for centers in (before, after)
    )
    # Of few frequencies, so that the decode that goes wrong is soon over.
    model = CompressiveKMeans(3, random_state=0)
    known, unknown = (
        Sketcher(400, n_clusters=3, moments=moments, random_state=0).fit(first).sketch(rows)
        for moments in ("full", "auto")
    )
    assert largest_distance(after, model.fit_sketch(known).cluster_centers_) < 1.5
    with pytest.warns(ConvergenceWarning, match="120 columns .* sketch with moments='full'"):
        model.fit_sketch(unknown)


@pytest.mark.slow
def test_nothing_is_placed_outside_bounds_that_rows_leave():
    """Those rows are missing to the decode, and points that stand for them stay inside."""
    rng = np.random.default_rng(0)
    centers = np.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [9.0, 77.0, 0.0]])
    rows = centers[rng.integers(4, size=8000)] + rng.normal(size=(8000, 3))
    sketch = Sketcher(n_clusters=4, random_state=0).fit(rows).sketch(rows)
    model = CompressiveKMeans(4, bounds=(-30.0, 60.0), random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit_sketch(sketch)
    assert np.all((model.cluster_centers_ >= -30.0) & (model.cluster_centers_ <= 60.0))
