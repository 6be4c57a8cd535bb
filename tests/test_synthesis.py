"""Synthetic rows whose sketch is the data's."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sketchlearn import EmptySketchError, Sketch, Sketcher, synthesize
from sketchlearn.sketching import make_moment_sketcher


@pytest.fixture(scope="module")
def digits():
    rows = PCA(10, random_state=0).fit_transform(load_digits().data)
    return rows, Sketcher(n_clusters=10, random_state=0).fit(rows)


def inertia(rows, model):
    return -model.score(rows)


@pytest.mark.slow
def test_their_sketch_is_the_datas_up_to_their_own_sampling_noise(digits):
    rows, sketcher = digits
    sketch = sketcher.sketch(rows)
    synthetic = sketcher.sketch(synthesize(sketch, 9000, random_state=0))
    distance = np.linalg.norm(synthetic.mean - sketch.mean)
    assert distance < 2.0 * synthetic.standard_error


@pytest.mark.quality
@pytest.mark.slow
def test_kmeans_on_them_is_nearly_kmeans_on_the_data(digits):
    rows, sketcher = digits
    ratios = []
    for seed in range(3):
        synthetic = synthesize(sketcher.sketch(rows), 9000, random_state=seed)
        own = KMeans(10, n_init=5, random_state=seed).fit(rows)
        other = KMeans(10, n_init=5, random_state=seed).fit(synthetic)
        ratios.append(inertia(rows, other) / inertia(rows, own))
    assert np.median(ratios) < 1.05


@pytest.mark.quality
@pytest.mark.slow
def test_moments_and_principal_axes_are_those_of_the_data(digits):
    rows, sketcher = digits
    synthetic = synthesize(sketcher.sketch(rows), 9000, random_state=0)
    spread = rows.std(axis=0)
    assert np.all(np.abs(synthetic.mean(axis=0) - rows.mean(axis=0)) < 0.1 * spread)
    np.testing.assert_allclose(synthetic.std(axis=0), spread, rtol=0.15)
    axes = [PCA(3).fit(points).components_ for points in (rows, synthetic)]
    cosines = np.linalg.svd(axes[0] @ axes[1].T, compute_uv=False)
    assert cosines.min() > 0.8


@pytest.mark.slow
def test_the_seed_decides(digits):
    rows, sketcher = digits
    sketch = sketcher.sketch(rows)
    first, again, other = (synthesize(sketch, 50, n_atoms=3, random_state=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (50, 10)
    assert not np.allclose(first, other)


def test_bad_input_is_refused(digits):
    rows, sketcher = digits
    sketch = sketcher.sketch(rows)
    with pytest.raises(
        TypeError, match="expected a Sketch, got ndarray: rows X become a sketch by"
    ):
        synthesize(rows)
    with pytest.raises(ValueError, match="n_samples must be at least 1, got 0"):
        synthesize(sketch, 0)
    with pytest.raises(ValueError, match="n_atoms must be at least 1, got 0"):
        synthesize(sketch, n_atoms=0)
    with pytest.raises(EmptySketchError):
        synthesize(Sketch.empty(sketch.operator))
    with pytest.raises(ValueError, match="a sketch of one frequency, as those of make_moment_sk"):
        synthesize(make_moment_sketcher(rows).sketch(rows))


def test_columns_in_different_units_keep_their_spread():
    rng = np.random.default_rng(2)
    centers = np.array([[0.0, 0.0, 0.0], [20.0, 3000.0, 5.0], [40.0, -2000.0, 0.0]])
    labels = rng.integers(3, size=20_000)
    rows = centers[labels] + rng.normal(size=(20_000, 3)) * [2.0, 300.0, 0.5]
    sketcher = Sketcher(n_clusters=3, scale="columns", random_state=0).fit(rows)
    synthetic = synthesize(sketcher.sketch(rows), 9000, random_state=0)
    nearest = np.linalg.norm((synthetic[:, None] - centers) / [2.0, 300.0, 0.5], axis=2).argmin(1)
    for i in range(3):
        np.testing.assert_allclose(
            synthetic[nearest == i].std(axis=0), [2.0, 300.0, 0.5], rtol=0.15
        )
