"""Pictures of sketches, of numbers of clusters, fronts and supports: what the artists hold."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib import pyplot
from sklearn.exceptions import NotFittedError

from sketchlearn import CompressiveKMeans, EmptySketchError, Sketcher, count_clusters, load_model
from sketchlearn.factorization import check_supports
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.linear_maps import DenseMap
from sketchlearn.plotting import (
    FrontDisplay,
    NumberOfClustersDisplay,
    SketchDisplay,
    SupportsDisplay,
)


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2)) + 12.0 * rng.integers(0, 3, size=(4000, 1))
    sketch = Sketcher(120, n_clusters=3, random_state=0).fit(X).sketch(X)
    return CompressiveKMeans(3, random_state=0).fit_sketch(sketch)


def test_entries_lie_at_their_radius_and_size(model):
    sketch = model.sketch_
    display = SketchDisplay.from_sketch(sketch)
    radii, sizes = np.asarray(display.sizes_.get_offsets()).T
    operator = sketch.operator
    np.testing.assert_allclose(radii, np.linalg.norm(operator.frequencies, axis=0) * operator.scale)
    np.testing.assert_allclose(sizes, np.abs(sketch.mean), rtol=1e-9)
    assert display.residuals_ is None


@pytest.mark.slow
def test_the_band_holds_nineteen_of_twenty_entries_of_noise():
    # Waves so fast that their phases are uniform: an entry is the mean of n points of the circle.
    rng = np.random.default_rng(0)
    m, n = 4000, 500
    fast = DenseMap(rng.normal(scale=300.0, size=(3, m)))
    operator = FrequencyOperator(fast, Domain(np.zeros(3), 1.0, np.eye(3)))
    sketch = Sketcher.from_operator(operator).sketch(rng.normal(size=(n, 3)))
    display = SketchDisplay.from_sketch(sketch)
    share = np.mean(display.sizes <= display.band)
    assert abs(share - 0.95) < 4 * np.sqrt(0.05 * 0.95 / m)
    top = display.band_.get_y() + display.band_.get_height()
    assert (display.noise, top) == (pytest.approx(n**-0.5), pytest.approx(display.band))


def test_what_a_decode_leaves_adds_up_to_its_cost(model):
    display = SketchDisplay.from_estimator(model)
    residuals = np.asarray(display.residuals_.get_offsets())[:, 1]
    # Decoders compute in float32.
    assert np.sum(residuals**2) == pytest.approx(model.cost_, rel=1e-3)


def test_loaded_and_unfitted_models_have_no_residual_to_draw(model, tmp_path):
    model.save(tmp_path / "m.model")
    loaded = load_model(tmp_path / "m.model")
    with pytest.raises(ValueError, match="from a file has no mixture_"):
        SketchDisplay.from_estimator(loaded)
    again = SketchDisplay.from_sketch(loaded.sketch_)
    np.testing.assert_array_equal(again.sizes, SketchDisplay.from_sketch(model.sketch_).sizes)
    with pytest.raises(NotFittedError):
        SketchDisplay.from_estimator(CompressiveKMeans(2))


def test_a_sketch_without_rows_is_refused(model):
    nothing = model.sketch_ - model.sketch_
    with pytest.raises(EmptySketchError):
        SketchDisplay.from_sketch(nothing)
    with pytest.raises(TypeError, match="expected a sketch, got CompressiveKMeans"):
        SketchDisplay.from_sketch(model)
    assert pyplot.get_fignums() == []


@pytest.mark.slow
def test_the_curve_is_that_of_the_count(model):
    count = count_clusters(model.sketch_, [1, 2, 3, 4], random_state=0)
    display = NumberOfClustersDisplay.from_count(count)
    np.testing.assert_array_equal(display.line_.get_xdata(), [1, 2, 3, 4])
    costs = [count.mixtures[k].cost for k in (1, 2, 3, 4)]
    np.testing.assert_array_equal(display.line_.get_ydata(), costs)
    assert display.chosen_.get_xdata().tolist() == [count.n_clusters]
    # What lies in the grey is what the count takes for noise.
    explained = [count.mixtures[k].quality.is_noise for k in (1, 2, 3, 4)]
    np.testing.assert_array_equal(costs <= display.limit_.get_ydata(), explained)
    assert display.ax_.get_title() == "3 clusters explain the sketch"
    for line, column in ((display.stability_, "stability"), (display.silhouette_, "silhouette")):
        np.testing.assert_array_equal(line.get_ydata(), count.table[column])
        assert line.axes is display.right_
    with pytest.raises(TypeError, match="what count_clusters returns"):
        NumberOfClustersDisplay.from_count(model)


@pytest.mark.slow
def test_a_sketch_is_counted_and_drawn_in_one_call(model):
    display = NumberOfClustersDisplay.from_sketch(model.sketch_, [2, 3], random_state=0)
    assert display.line_.get_xdata().tolist() == [2, 3]


TABLE = {"kB": [4, 1, 2, 3], "error": [0.1, 0.5, 0.6, 0.1], "method": ["b", "a", "b", "a"]}


@pytest.mark.parametrize("table", [TABLE, pd.DataFrame(TABLE)])
def test_the_front_is_what_nothing_beats(table):
    display = FrontDisplay.from_table(table, cost="kB", error="error", method="method")
    np.testing.assert_array_equal(display.front_.get_xydata(), [[1, 0.5], [3, 0.1]])
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names == ["best so far", "b", "a"]
    # What is on the front is filled.
    faces = [one.get_facecolor()[:, 3] if len(one.get_facecolor()) else [] for one in
             display.scatters_]  # fmt: skip
    assert [list(map(bool, face)) for face in faces] == [[False, False], [True, True]]


def test_names_are_drawn_as_they_are():
    # Two dollar signs are a formula to matplotlib, and "_" leaves a legend.
    table = {"c $^$": [1, 2, 3], r"e \$": [3, 2, 1], "m": ["$^$", "_b", ""]}
    display = FrontDisplay.from_table(table, cost="c $^$", error=r"e \$", method="m")
    file = io.StringIO()
    with pyplot.rc_context({"svg.fonttype": "none"}):
        display.figure_.savefig(file, format="svg")
    drawn = re.findall(r"<text[^>]*>(.*?)</text>", file.getvalue())
    assert {"c $^$", r"e \$", "$^$"} <= set(drawn)
    names = [text.get_text().strip() for text in display.ax_.get_legend().get_texts()]
    assert names == ["best so far", r"\$^\$", "_b", ""]


@given(
    arrays(float, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(1, 5).map(float))
)
def test_what_is_off_the_front_is_beaten_and_what_is_on_it_is_not(points):
    costs, errors = points.T
    display = FrontDisplay(costs, errors, ("a",) * len(points), ("cost", "error"))
    for i, is_on in enumerate(display.is_on_front):
        is_beaten = any(
            (points[j] <= points[i]).all() and (points[j] < points[i]).any()
            for j in range(len(points))
        )
        assert is_on != is_beaten


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"error": [0.1, np.nan, 0.2, 0.3]}, "must be finite"),
        ({"error": [0.1]}, "of one length"),
        ({"kB": [], "error": [], "method": []}, "at least one"),
    ],
)
def test_tables_that_cannot_be_drawn_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        FrontDisplay.from_table({**TABLE, **change}, cost="kB", error="error", method="method")
    with pytest.raises(ValueError, match="no column 'time'; it has kB, error, method"):
        FrontDisplay.from_table(TABLE, cost="time", error="error", method="method")
    assert pyplot.get_fignums() == []


def test_supports_are_drawn_with_what_was_found():
    lower = np.tril(np.ones((3, 3)))
    display = SupportsDisplay.from_supports(lower, lower.T)
    np.testing.assert_array_equal(display.image_.get_array(), lower @ lower.T)
    witness, target = display.verdict.witness, display.verdict.target
    at = np.asarray(display.witness_.get_offsets(), int)
    assert {tuple(p) for p in at} == {(j, i) for i in witness.rows for j in witness.columns}
    is_large = display.witness_.get_sizes() == display.witness_.get_sizes().max()
    np.testing.assert_array_equal(is_large, target[at[:, 1], at[:, 0]] == 1)


def test_closed_supports_are_drawn_block_by_block():
    left = np.kron(np.eye(2), np.ones((2, 1)))
    display = SupportsDisplay.from_supports(left, left.T)
    assert check_supports(left, left.T).status == "closed"
    marked = np.concatenate([one.get_offsets() for one in display.blocks_]).astype(int)
    product = np.zeros((4, 4))
    product[marked[:, 1], marked[:, 0]] = 1
    np.testing.assert_array_equal(product, left @ left.T)
    assert display.witness_ is None
