"""Pictures of clusters: what the artists hold, against the rows and the model."""

import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure
from scipy.stats import chi2
from sklearn.exceptions import NotFittedError

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketcher
from sketchlearn.plotting import ClustersDisplay

NAMES = ["price", "weight", "size"]


def rows(d, n=900):
    rng = np.random.default_rng(0)
    places = 12.0 * np.eye(d)[:3] if d > 2 else 12.0 * np.array([[0, 0], [1, 0], [0, 1.0]])
    return places[np.arange(n) % 3] + rng.normal(size=(n, d)) * np.linspace(1, 2, d)


@pytest.fixture(scope="module")
def plane():
    X = rows(2)
    return X, CompressiveKMeans(3, random_state=0).fit(X)


@pytest.fixture(scope="module")
def named():
    frame = pd.DataFrame(rows(3), columns=NAMES)
    return frame, CompressiveKMeans(3, random_state=0).fit(frame)


def offsets(display):
    return [np.asarray(one.get_offsets()) for one in display.scatters_]


def test_every_row_is_drawn_with_its_cluster(plane):
    X, model = plane
    display = ClustersDisplay.from_estimator(model, X)
    for k, drawn in enumerate(offsets(display)):
        expected = X[model.labels_ == k]
        np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(expected, axis=0))
    np.testing.assert_allclose(display.centers_.get_offsets(), model.cluster_centers_)
    numbers = [text.get_text() for text in display.ax_.texts]
    assert numbers == ["0", "1", "2"]
    assert display.figure_ is display.ax_.figure


def test_no_more_rows_are_drawn_than_were_asked_for(plane):
    X, model = plane
    display = ClustersDisplay.from_estimator(model, X, n_points=50)
    drawn = np.concatenate(offsets(display))
    assert len(drawn) == 50
    assert {*map(tuple, drawn)} <= {*map(tuple, X)}


def test_no_two_clusters_look_alike():
    model = CompressiveKMeans(12, random_state=0)
    X = 40.0 * np.random.default_rng(1).random((1200, 2))
    display = ClustersDisplay.from_estimator(model.fit(X), X)
    looks = {
        (tuple(one.get_facecolor()[0]), one.get_paths()[0].vertices.tobytes())
        for one in display.scatters_
    }
    assert len(looks) == 12


@pytest.mark.slow
def test_without_rows_synthetic_ones_are_drawn(plane):
    _, model = plane
    display = ClustersDisplay.from_estimator(model, n_points=300)
    assert display.is_synthetic
    assert "synthetic" in display.ax_.get_title()
    drawn = np.concatenate(offsets(display))
    assert len(drawn) == 300
    # Their clusters are those of the rows, whose spread is 1 and 2.
    for center, points in zip(model.cluster_centers_, offsets(display), strict=True):
        assert np.linalg.norm(points.mean(axis=0) - center) < 1.0


@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", ["spherical", "diag", "full"])
def test_an_ellipse_holds_nine_tenths_of_a_component(covariance_type, plane):
    X, _ = plane
    model = CompressiveGaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(X)
    display = ClustersDisplay.from_estimator(model, X)
    matrices = model.to_sklearn().covariances_
    assert len(display.ellipses_) == 3
    for k, ellipse in enumerate(display.ellipses_):
        matrix = matrices[k] * np.eye(2) if np.ndim(matrices[k]) == 0 else matrices[k]
        matrix = np.diag(matrix) if np.ndim(matrix) == 1 else matrix
        # Points of the ellipse are so many standard deviations from the mean.
        edge = ellipse.get_patch_transform().transform(
            [[np.cos(t), np.sin(t)] for t in np.linspace(0, 6, 20)]
        )
        away = edge - model.means_[k]
        squares = np.einsum("ij,jk,ik->i", away, np.linalg.inv(matrix), away)
        np.testing.assert_allclose(squares, chi2(2).ppf(0.9), rtol=1e-6)


def test_two_columns_are_chosen_by_name_or_by_number(named):
    frame, model = named
    for columns in (["size", "price"], (2, 0), (-1, 0)):
        display = ClustersDisplay.from_estimator(model, frame[NAMES[::-1]], columns=columns)
        assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("size", "price")
        drawn = np.concatenate(offsets(display))
        expected = frame[["size", "price"]].to_numpy()
        np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(expected, axis=0))


def test_more_columns_are_drawn_along_the_directions_of_most_variance(named):
    frame, model = named
    display = ClustersDisplay.from_estimator(model, frame)
    drawn = np.concatenate(offsets(display))
    values = np.linalg.eigvalsh(np.cov(frame.to_numpy().T, ddof=0))
    np.testing.assert_allclose(drawn.var(axis=0), values[[2, 1]], rtol=1e-4)
    share = f"{values[2] / values.sum():.0%}"
    assert display.ax_.get_xlabel() == f"1st direction of the rows, {share}"


@pytest.mark.slow
def test_without_covariances_the_directions_are_those_of_the_centroids():
    X = rows(3)
    sketch = Sketcher(60, random_state=0, moments="diagonal").fit(X).sketch(X)
    model = CompressiveKMeans(3, random_state=0).fit_sketch(sketch)
    display = ClustersDisplay.from_estimator(model, X)
    assert "of the centroids" in display.ax_.get_xlabel()
    # Three centroids lie in one plane: their distances show.
    drawn, places = np.asarray(display.centers_.get_offsets()), model.cluster_centers_
    for a, b in ((0, 1), (1, 2)):
        distance = np.linalg.norm(drawn[a] - drawn[b])
        np.testing.assert_allclose(distance, np.linalg.norm(places[a] - places[b]))


def test_it_is_drawn_on_given_axes_and_again(plane):
    X, model = plane
    one, other = Figure().subplots(1, 2)
    display = ClustersDisplay.from_estimator(model, X, ax=one)
    assert display.ax_ is one
    before = offsets(display)
    assert display.plot(other).ax_ is other
    for a, b in zip(before, offsets(display), strict=True):
        np.testing.assert_array_equal(a, b)


def test_models_that_are_not_fitted_are_refused():
    with pytest.raises(NotFittedError, match="fit"):
        ClustersDisplay.from_estimator(CompressiveKMeans(3))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("price", "'auto' or 'principal', got 'price'"),
        (["price"], "must be two columns"),
        (["price", "colour"], "no column 'colour'; the columns are price, weight, size"),
        ((0, 3), "no column 3 among 3"),
        ((1, 1), "two different columns"),
        (7, "must be two columns"),
    ],
)
def test_columns_that_are_none_are_refused(named, columns, message):
    frame, model = named
    with pytest.raises(ValueError, match=message):
        ClustersDisplay.from_estimator(model, frame, columns=columns)


def test_a_single_column_is_no_picture():
    X = rows(2)[:, :1]
    model = CompressiveKMeans(2, random_state=0).fit(X)
    with pytest.raises(ValueError, match="needs two columns"):
        ClustersDisplay.from_estimator(model, X)


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match=r"expected a CompressiveKMeans or .* got Sketcher"):
        ClustersDisplay.from_estimator(Sketcher())
    assert pyplot.get_fignums() == []


def test_a_single_cluster_is_called_one():
    X = rows(2)
    display = ClustersDisplay.from_estimator(CompressiveKMeans(1, random_state=0).fit(X), X)
    assert display.ax_.get_title() == "1 cluster, over 900 rows"


def test_without_matplotlib_the_error_names_the_extra(monkeypatch, plane):
    X, model = plane
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"install sketchlearn\[plot\]"):
        ClustersDisplay.from_estimator(model, X)
