"""The data sets of the quality suite: shapes, seeds, and the difficulty that each is for."""

import numpy as np
import pytest

from datasets import suite as suite_module
from datasets.counted import CALIBRATION, REPORTED
from datasets.families import CHOOSING, JUDGING
from datasets.mnist import load_mnist
from datasets.suite import suite
from datasets.synthetic import SYNTHETIC
from datasets.tables import TABLES
from datasets.uncommon import PACKAGED, UNCOMMON

pytestmark = pytest.mark.slow

N = 4000


@pytest.mark.parametrize("name", SYNTHETIC)
def test_synthetic_sets_follow_their_seed(name):
    n_clusters, draw = SYNTHETIC[name]
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


@pytest.mark.parametrize("name", TABLES)
def test_tables_come_without_network(name):
    n_clusters, load = TABLES[name]
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


@pytest.mark.parametrize("name", UNCOMMON)
def test_uncommon_sets_follow_their_seed(name):
    n_clusters, draw = UNCOMMON[name]
    X = draw(7, N)
    assert X.shape[0] == N
    assert X.dtype == np.float64
    assert np.isfinite(X).all()
    assert len(np.unique(X, axis=0)) > n_clusters
    assert np.array_equal(X, draw(7, N))
    assert not np.array_equal(X, draw(8, N))


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_tables_come_without_network(name):
    n_clusters, load = PACKAGED[name]
    for package in ("palmerpenguins", "statsmodels", "vega_datasets"):
        pytest.importorskip(package)
    X = load()
    assert X.ndim == 2
    assert X.dtype == np.float64
    assert len(np.unique(X, axis=0)) > n_clusters
    assert np.isfinite(X).all()


@pytest.mark.parametrize("name", {**CALIBRATION, **REPORTED})
def test_counted_sets_have_their_clusters(name):
    one = {**CALIBRATION, **REPORTED}[name]
    X = one.draw(7)
    assert X.dtype == np.float64
    assert np.isfinite(X).all()
    assert len(X) > 50 * one.n_clusters
