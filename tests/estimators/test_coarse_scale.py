"""Sketches whose scale is wider than the rows are: nearly any centroids explain them."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketcher
from sketchlearn.privacy import release

pytestmark = pytest.mark.slow

SAID = "times the rows' own standard deviation"


def blobs(seed, n=20_000, d=3, k=5):
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-10.0, 10.0, size=(k, d))
    return centers[rng.integers(k, size=n)] + rng.standard_normal((n, d))


def ratio(X, model):
    distances = ((X[:, None] - model.cluster_centers_) ** 2).sum(axis=2).min(axis=1)
    return distances.sum() / KMeans(5, n_init=5, random_state=0).fit(X).inertia_


def bad_rows(X):
    pilot = X[:5000].copy()
    pilot[:20] *= 1000.0
    return Sketcher(n_clusters=5, random_state=0).fit(pilot)


def wide_box(X):
    d = X.shape[1]
    return Sketcher.from_domain([-3000.0] * d, [3000.0] * d, n_clusters=5, random_state=1)


@pytest.mark.parametrize("fit_sketcher", [bad_rows, wide_box])
def test_a_scale_wider_than_the_rows_is_a_doubt(fit_sketcher):
    X = blobs(3)
    sketch = fit_sketcher(X).sketch(X)
    with pytest.warns(ConvergenceWarning, match=SAID):
        model = CompressiveKMeans(5, random_state=0).fit_sketch(sketch)
    assert model.quality_.is_coarse
    assert model.quality_.verdict != "good"
    assert model.report().verdict != "good"
    assert "Fit the sketcher on rows like these" in model.report().remedy
    # What the remedy gives.
    again = Sketcher(n_clusters=5, random_state=0).fit(X).sketch(X)
    model = CompressiveKMeans(5, random_state=0).fit_sketch(again)
    assert model.report().verdict == "good"
    assert ratio(X, model) < 1.01


@pytest.mark.parametrize("seed", range(3))
def test_a_scale_as_wide_as_the_rows_is_a_doubt_where_clusters_are_many(seed):
    """One row of a hundred of the pilot is bad, which makes the scale 1.1 deviations or more."""
    X = blobs(seed, k=30)
    pilot = X[:5000].copy()
    pilot[:50] = 300.0 * np.random.default_rng(seed).normal(size=(50, 3))
    sketch = Sketcher(n_clusters=30, random_state=seed).fit(pilot).sketch(X)
    with pytest.warns(ConvergenceWarning, match=SAID):
        model = CompressiveKMeans(30, random_state=seed).fit_sketch(sketch)
    assert model.quality_.verdict != "good"


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_a_release_from_a_box_far_too_wide_is_a_doubt(seed):
    rng = np.random.default_rng(seed)
    centers = 5.0 * rng.normal(size=(4, 3))
    X = centers[rng.integers(4, size=30_000)] + rng.normal(size=(30_000, 3))
    models = []
    for half in (180.0, 20.0):
        box = [-half] * 3, [half] * 3
        sketcher = Sketcher.from_domain(*box, n_clusters=4, clip=True, random_state=seed)
        released = release(sketcher.sketch(X), epsilon=100.0, delta=1e-6)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            models.append(CompressiveKMeans(4, random_state=0).fit_sketch(released))
        assert bool(caught) == (half == 180.0)
    assert models[0].quality_.is_coarse
    assert models[0].report().verdict != "good"
    assert "Ask for a release from a box" in models[0].report().remedy
    # What the remedy gives.
    assert models[1].report().verdict == "good"
    assert models[1].score(X) > models[0].score(X)


def test_of_wide_rows_and_of_mixtures_too():
    X = blobs(4, d=150)
    sketch = Sketcher(n_clusters=5, random_state=0).fit(30.0 * X).sketch(X)
    with pytest.warns(ConvergenceWarning, match=SAID):
        CompressiveKMeans(5, random_state=0).fit_sketch(sketch)
    X = blobs(4)
    sketch = Sketcher(n_clusters=5, random_state=0).fit(30.0 * X).sketch(X)
    with pytest.warns(ConvergenceWarning, match=SAID):
        model = CompressiveGaussianMixture(5, random_state=0).fit_sketch(sketch)
    assert model.quality_.verdict != "good"


@pytest.mark.filterwarnings("ignore:the sketch hardly determines:UserWarning")
@pytest.mark.parametrize("d", [1, 3, 30, 150])
def test_rows_without_clusters_are_as_wide_as_their_scale(d):
    X = np.random.default_rng(d).standard_normal((5000, d))
    sketch = Sketcher(n_clusters=5, random_state=0).fit(X).sketch(X)
    model = CompressiveKMeans(5, random_state=0).fit_sketch(sketch)
    assert not model.quality_.is_coarse


def test_rows_that_were_kept_settle_centroids_whatever_the_scale():
    X = blobs(5)
    model = CompressiveKMeans(5, scale=100.0, random_state=0).fit(X)
    assert not model.quality_.is_coarse
    assert ratio(X, model) < 1.01


@pytest.mark.parametrize(("times", "is_coarse"), [(3.0, False), (30.0, True)])
def test_boxes_far_too_wide_are_a_doubt_and_somewhat_too_wide_ones_are_not(times, is_coarse):
    rng = np.random.default_rng(5)
    X = 5.0 * rng.normal(size=(7, 4))[rng.integers(7, size=4000)] + rng.normal(size=(4000, 4))
    half = np.ptp(X, axis=0) / 2.0
    middle = X.min(axis=0) + half
    box = middle - times * half, middle + times * half
    sketch = Sketcher.from_domain(*box, n_clusters=7, random_state=0).sketch(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = CompressiveKMeans(7, random_state=0).fit_sketch(sketch)
    assert model.quality_.is_coarse == is_coarse
    assert (model.quality_.verdict == "good") != is_coarse


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [CompressiveKMeans, CompressiveGaussianMixture])
@pytest.mark.parametrize("scale", [0.05, 0.1])
def test_a_scale_far_narrower_than_clusters_is_named_and_another_helps(estimator, scale):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = 8.0 * rng.normal(size=(6, 4))[rng.integers(6, size=20_000)]
        X += rng.normal(size=X.shape)
        narrow, wide = (
            Sketcher(n_clusters=6, scale=each, random_state=seed).fit(X).sketch(X)
            for each in (scale, "auto")
        )
        with pytest.warns(ConvergenceWarning) as caught:
            model = estimator(6, random_state=seed).fit_sketch(narrow)
        assert len(caught) == 1
        assert "waves cancel" in str(caught[0].message)
        assert model.quality_.verdict == model.report().verdict == "wrong"
        assert model.report().remedy == "Sketch with scale='auto'."
        assert estimator(6, random_state=seed).fit_sketch(wide).report().verdict == "good"
