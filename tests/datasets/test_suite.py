"""The data sets of the quality suite: shapes, seeds, and the difficulty that each is for."""

import numpy as np
import pytest

from datasets import suite as suite_module
from datasets.counted import (
    CALIBRATION,
    REPORTED,
    ball,
    draw_apart,
    draw_around,
    gaussian,
    laplace,
)
from datasets.families import CHOOSING, JUDGING
from datasets.mnist import load_mnist
from datasets.suite import suite
from datasets.synthetic import SYNTHETIC
from datasets.tables import TABLES
from datasets.uncommon import PACKAGED, UNCOMMON

pytestmark = pytest.mark.slow

N = 4000
# What tables come from, where that is no package that tests need anyway.
PACKAGES = {
    "penguins": ("palmerpenguins",),
    **dict.fromkeys(["cars", "airports", "Seattle's weather"], ("vega_datasets",)),
    **dict.fromkeys(["affairs", "health insurance"], ("statsmodels",)),
}


@pytest.mark.parametrize("name", {**SYNTHETIC, **UNCOMMON})
def test_synthetic_sets_follow_their_seed(name):
    n_clusters, draw = {**SYNTHETIC, **UNCOMMON}[name]
    X = draw(7, N)
    assert X.shape[0] == N
    assert X.dtype == np.float64
    assert np.isfinite(X).all()
    assert len(np.unique(X, axis=0)) > n_clusters
    assert np.array_equal(X, draw(7, N))
    assert not np.array_equal(X, draw(8, N))


def test_rows_are_in_random_order():
    _, draw = SYNTHETIC["separated Gaussians"]
    first, second = np.array_split(draw(0, N), 2)
    difference = np.linalg.norm(first.mean(axis=0) - second.mean(axis=0))
    assert difference < 0.1 * np.linalg.norm(first.std(axis=0))


def test_rare_clusters_are_a_hundred_times_rarer():
    counts = np.bincount(labels_by_center("unbalanced 1:100", 0, 40_000), minlength=10)
    assert 50 < counts[:5].sum() / counts[5:].sum() < 200


def labels_by_center(name, seed, n_samples):
    """Nearest centre of each row; the centres are the first that the generator draws."""
    n_clusters, draw = SYNTHETIC[name]
    X = draw(seed, n_samples)
    centers = 5.0 * np.random.default_rng(seed).standard_normal((n_clusters, X.shape[1]))
    return np.linalg.norm(X[:, None] - centers[None], axis=2).argmin(axis=1)


def test_duplicates_are_few_distinct_rows():
    assert len(np.unique(SYNTHETIC["duplicate rows"].draw(0, 10_000), axis=0)) <= 2000


def test_outliers_are_few_and_far():
    X = SYNTHETIC["far outliers"].draw(0, N)
    distances = np.linalg.norm(X - np.median(X, axis=0), axis=1)
    is_far = distances > 3 * np.median(distances)
    assert 0 < is_far.sum() <= 20
    assert distances.max() > 10 * np.median(distances)


def test_columns_are_badly_scaled():
    spreads = SYNTHETIC["badly scaled columns"].draw(0, N).std(axis=0)
    assert spreads.max() > 1000 * spreads.min()


@pytest.mark.parametrize("name", {**TABLES, **PACKAGED})
def test_tables_come_without_network(name):
    for package in PACKAGES.get(name, ()):
        pytest.importorskip(package)
    n_clusters, load = {**TABLES, **PACKAGED}[name]
    X = load()
    assert X.ndim == 2
    assert X.dtype == np.float64
    assert len(np.unique(X, axis=0)) > n_clusters
    assert np.isfinite(X).all()


@pytest.mark.slow
def test_suite_names_every_set_once(monkeypatch, tmp_path):
    few = load_mnist("embedded")
    few = few._replace(images=few.images[::20])
    monkeypatch.setattr(suite_module, "mnist", lambda: few)
    monkeypatch.setenv("SKETCHLEARN_CACHE", str(tmp_path))
    monkeypatch.setattr(suite_module, "mnist_pca", suite_module.mnist_pca.__wrapped__)
    monkeypatch.setattr(suite_module, "mnist_spectral", suite_module.mnist_spectral.__wrapped__)
    sets = suite(n_synthetic=500)
    assert set(SYNTHETIC) | set(TABLES) < set(sets)
    shapes = {name: sets[name].rows(0).shape for name in sets if name.startswith("MNIST")}
    assert shapes == {
        "MNIST PCA-10": (250, 10),
        "MNIST PCA-20": (250, 20),
        "MNIST spectral": (250, 10),
    }
    assert sets["10 x 10 grid"].rows(3).shape == (500, 2)


def test_families_for_choosing_and_judging_share_nothing():
    assert not set(CHOOSING) & set(JUDGING)
    assert not {each.draw for each in CHOOSING.values()} & {each.draw for each in JUDGING.values()}
    assert not {*CHOOSING, *JUDGING} & set(suite())


@pytest.mark.parametrize("name", [*CHOOSING, *JUDGING])
def test_families_follow_their_seed(name):
    one = (CHOOSING | JUDGING)[name]
    rows = one.draw(3, 400)
    assert len(rows) == 400
    assert np.isfinite(rows).all()
    assert len(np.unique(rows, axis=0)) > one.n_clusters
    np.testing.assert_array_equal(rows, one.draw(3, 400))
    assert not np.array_equal(rows, one.draw(4, 400))


@pytest.mark.parametrize("name", {**CALIBRATION, **REPORTED})
def test_counted_sets_follow_their_seed(name):
    one = {**CALIBRATION, **REPORTED}[name]
    X = one.draw(7)
    assert X.dtype == np.float64
    assert np.isfinite(X).all()
    assert len(X) > 50 * one.n_clusters
    assert np.array_equal(X, one.draw(7))
    assert not np.array_equal(X, one.draw(8))


@pytest.mark.parametrize(("k", "d", "least"), [(2, 1, 3.0), (12, 3, 7.0), (35, 2, 7.0)])
def test_centres_are_as_far_apart_as_asked_for(k, d, least):
    centers = draw_apart(k, d, least, np.random.default_rng(0))
    distances = np.linalg.norm(centers[:, None] - centers, axis=2)
    assert distances[~np.eye(k, dtype=bool)].min() == pytest.approx(least)


def test_rows_lie_around_their_centres_as_far_as_asked_for():
    centers, rng = np.array([[0.0, 0.0], [50.0, 0.0]]), np.random.default_rng(0)
    for noise in (gaussian, laplace, ball):
        rows = draw_around(
            centers, 40_000, rng, shares=np.array([0.8, 0.2]), spreads=np.array([1.0, 2.0]),
            stretch=4.0, noise=noise,
        )  # fmt: skip
        is_far = rows[:, 0] > 25.0
        assert is_far.mean() == pytest.approx(0.2, abs=0.01)
        for own, spread in ((rows[~is_far], 1.0), (rows[is_far], 2.0)):
            widths = np.sqrt(np.linalg.eigvalsh(np.cov(own.T))[::-1])
            assert widths[0] / widths[1] == pytest.approx(4.0, rel=0.1)
            assert np.sqrt(widths[0] * widths[1]) == pytest.approx(spread, rel=0.05)
