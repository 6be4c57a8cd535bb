"""Moments as sketches have them: a group like their waves, exact, and right beside long doubles."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from planted import dense_operator, small_operator

from sketchlearn import (
    Checkpoint,
    CompressiveKMeans,
    EmptySketchError,
    Sketch,
    Sketcher,
    SketchMismatchError,
)
from sketchlearn.features.moments import MomentSums

pytestmark = pytest.mark.slow

OPERATOR = small_operator(2, 3)
SKETCHER = Sketcher.from_operator(OPERATOR)
UNIT = 2**20
coordinates = st.floats(-(2.0**20), 2.0**20)
some_rows = st.integers(0, 40).flatmap(lambda n: arrays(np.float64, (n, 2), elements=coordinates))


def weights_for(draw, rows):
    return draw(arrays(np.int64, len(rows), elements=st.integers(0, 5)).filter(np.any))


@given(some_rows, st.data())
def test_order_and_split_do_not_matter(rows, data):
    whole = SKETCHER.sketch(rows)
    order = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(0, len(rows)))
    shuffled = rows[np.array(order, int)]
    parts = SKETCHER.sketch(shuffled[:cut]) + SKETCHER.sketch(shuffled[cut:])
    assert parts.to_bytes() == whole.to_bytes()
    assert whole - SKETCHER.sketch(shuffled[:cut]) == SKETCHER.sketch(shuffled[cut:])
    assert whole - whole == Sketch.empty(OPERATOR)


@given(some_rows.filter(len), st.data())
def test_a_weight_is_a_number_of_repetitions(rows, data):
    weights = weights_for(data.draw, rows)
    repeated = SKETCHER.sketch(np.repeat(rows, weights, axis=0))
    weighted = SKETCHER.sketch(rows, weights)
    assert weighted.sums.moments == repeated.sums.moments
    assert weighted.moments.mean.tolist() == repeated.moments.mean.tolist()
    heavier = SKETCHER.sketch(rows, 3 * weights)
    assert weighted.reweighted(3).to_bytes() == heavier.to_bytes()
    np.testing.assert_array_equal(weighted.moments.covariance, heavier.moments.covariance)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("weighted", [False, True])
def test_threads_layouts_and_sources_do_not_matter(kind, weighted, tmp_path):
    rng = np.random.default_rng(0)
    rows = np.asarray(rng.normal(3.0, 2.0, size=(20_011, 3)), np.float32)
    weights = rng.integers(0, 2**22, 20_011) / UNIT if weighted else None
    sketcher = Sketcher(20, moments=kind, random_state=0).fit(rows)
    whole = sketcher.sketch(rows, weights).to_bytes()
    for n_jobs in (2, 3):
        assert sketcher.set_params(n_jobs=n_jobs).sketch(rows, weights).to_bytes() == whole
    assert sketcher.sketch(np.asfortranarray(rows), weights).to_bytes() == whole
    assert sketcher.sketch(rows.astype(np.float64), weights).to_bytes() == whole
    frame = pd.DataFrame(rows.astype(np.float64), columns=list("abc"))
    if weighted:
        frame["w"] = weights
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=1_000)
    read = sketcher.sketch(
        tmp_path / "rows.parquet", "w" if weighted else None, columns=list("abc")
    )
    assert read.to_bytes() == whole


@pytest.mark.parametrize("offset", [0.0, 1e9])
@pytest.mark.parametrize("weighted", [False, True])
def test_they_are_right_beside_long_doubles(offset, weighted):
    rng = np.random.default_rng(1)
    rows = offset + rng.normal(size=(5_000, 4)) @ rng.normal(size=(4, 4))
    weights = rng.integers(1, 2**21, 5_000) / UNIT if weighted else np.ones(5_000)
    moments = Sketcher(20, random_state=0).fit(rows).sketch(rows, weights).moments
    exact, w = rows.astype(np.longdouble), weights.astype(np.longdouble)[:, None]
    mean = (w * exact).sum(axis=0) / w.sum()
    centered = exact - mean
    covariance = (w * centered).T @ centered / w.sum()
    spread = np.sqrt(np.diagonal(covariance))
    assert np.all(np.abs(moments.mean - mean) <= 5e-7 * spread + np.spacing(offset))
    assert np.all(np.abs(moments.standard_deviation - spread) <= 5e-7 * spread)
    np.testing.assert_allclose(moments.variance, np.diagonal(covariance), rtol=1e-6)
    assert np.all(np.abs(moments.covariance - covariance) <= 1e-6 * np.outer(spread, spread))


def test_the_wildest_rows_leave_nothing_behind():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(1_000, 2))
    wild = rng.standard_cauchy((1_000, 2)) * 1e6
    sketcher = Sketcher(20, random_state=0).fit(rows)
    plain = sketcher.sketch(rows)
    assert (sketcher.sketch(np.vstack([wild, rows])) - sketcher.sketch(wild)) == plain
    assert plain.moments.variance.max() < 1.2


def test_columns_divided_by_units_have_the_moments_divided():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(3_000, 2)) * [1.0, 1000.0]
    sketch = Sketcher(40, scale="columns", random_state=0).fit(rows).sketch(rows)
    units = sketch.operator.units
    assert units.max() > 1
    divided = sketch.standardised()
    assert divided.sums == sketch.sums
    np.testing.assert_array_equal(divided.moments.mean, sketch.moments.mean / units)
    np.testing.assert_array_equal(divided.moments.variance, sketch.moments.variance / units**2)
    # Frequencies made by hand, which have units once more after they were divided.
    turns = [[1.0, 1.0], [0.36, 0.36], [0.35, 0.35]]
    by_hand = dense_operator(turns, np.zeros(3), 1.0, -np.ones(3), np.ones(3), 1e4 * np.eye(3))
    odd = Sketcher.from_operator(by_hand).sketch(np.zeros((2, 3)))
    assert np.any(odd.standardised().operator.units != 1.0)
    assert odd.standardised().sums == odd.sums.without_moments()


class TestWithout:
    rows = np.random.default_rng(4).normal(size=(50, 2))
    without = Sketcher.from_operator(OPERATOR).set_params(moments=None).sketch(rows)
    having = SKETCHER.sketch(rows)

    def test_it_is_said_how_to_get_them(self):
        with pytest.raises(ValueError, match=r"Sketcher\(moments='auto'\)"):
            _ = self.without.moments
        diagonal = SKETCHER.from_operator(OPERATOR).set_params(moments="diagonal")
        with pytest.raises(ValueError, match="moments='full'"):
            _ = diagonal.sketch(self.rows).moments.covariance
        with pytest.raises(EmptySketchError, match="moments"):
            _ = Sketch.empty(OPERATOR).moments

    def test_they_do_not_mix(self):
        for combine in (Sketch.__add__, Sketch.__sub__):
            with pytest.raises(SketchMismatchError, match="moments='full', the other None"):
                combine(self.having, self.without)
        assert self.having != self.without
        assert self.having.without_moments() == self.without
        assert self.having.without_moments().to_bytes() == self.without.to_bytes()
        assert self.without + Sketch.empty(OPERATOR, None) == self.without

    @pytest.mark.parametrize("moments", ["full", "diagonal", None])
    def test_a_sketcher_of_a_sketch_makes_more_of_its_kind(self, moments):
        rows = np.vstack([self.rows, self.rows + 30.0])
        one = Sketcher(40, n_clusters=2, moments=moments, random_state=0).fit(rows).sketch(rows)
        other = Sketcher.from_sketch(one).sketch(rows)
        assert one + other == one + one
        model = CompressiveKMeans(2, random_state=0).fit_sketch(one).partial_fit(rows)
        assert model.sketch_ == one + one

    def test_what_is_no_kind_is_refused(self):
        with pytest.raises(ValueError, match="moments must be 'auto', 'full', 'diagonal' or None"):
            Sketcher(moments="some").fit(self.rows)
        with pytest.raises(ValueError, match="moments must be 'auto'"):
            Sketch.empty(OPERATOR, "some")

    def test_many_columns_have_variances_alone(self):
        wide = np.random.default_rng(0).normal(size=(80, 65))
        sketch = Sketcher(20, random_state=0).fit(wide).sketch(wide)
        assert sketch.sums.moments.kind == "diagonal"
        np.testing.assert_allclose(sketch.moments.variance, wide.var(axis=0), rtol=1e-6)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_row_beyond_the_grid_is_refused_by_name(n_jobs):
    # No frequency sees the second column, so that its waves are known however far a row is.
    turns = [[0.1, 0.2], [0.0, 0.0]]
    blind = dense_operator(turns, np.zeros(2), 1.0, -np.ones(2), np.ones(2), np.eye(2))
    rows = np.zeros((600, 2))
    rows[517, 1] = 1e300
    sketcher = Sketcher.from_operator(blind, n_jobs=n_jobs)
    with pytest.raises(
        ValueError, match=r"too large for exact moments: 1e\+300 at row 517, column 1"
    ):
        sketcher.sketch(rows)
    assert sketcher.set_params(moments=None).sketch(rows).n_samples == 600


def test_impossible_moments_are_refused():
    sketch = SKETCHER.sketch(np.ones((3, 2)))
    words = sketch.sums.moments.words.copy()
    words[0, 0] += np.uint64(2**50)
    sums = type(sketch.sums)(
        sketch.feature_sum, *sketch.sums.counts, moments=MomentSums("full", 2, words)
    )
    with pytest.raises(ValueError, match="no rows have these sums"):
        Sketch(OPERATOR, sums)
    with pytest.raises(ValueError, match="moments must be of 2 features, got 1"):
        Sketch(
            OPERATOR,
            type(sums)(sums.feature_sum, *sums.counts, moments=MomentSums.empty(1, "full")),
        )


@pytest.mark.parametrize("moments", ["full", "diagonal", None])
def test_a_checkpoint_keeps_them(tmp_path, moments):
    rng = np.random.default_rng(5)
    pieces = [rng.normal(size=(700, 2)) for _ in range(4)]
    for i, piece in enumerate(pieces):
        pd.DataFrame(piece, columns=["a", "b"]).to_parquet(tmp_path / f"{i}.parquet")
    sketcher = Sketcher.from_operator(OPERATOR).set_params(moments=moments)
    sketcher.feature_names_in_ = np.array(["a", "b"], dtype=object)
    checkpoint = Checkpoint(tmp_path / "job", seconds=1e-9)

    def stop(n_rows, _):
        if n_rows > 1_000:
            raise KeyboardInterrupt

    files = sorted(tmp_path.glob("*.parquet"))
    whole = sketcher.sketch(files)
    with pytest.raises(KeyboardInterrupt):
        sketcher.sketch(files, checkpoint=checkpoint, progress=stop)
    so_far = checkpoint.load()
    assert 0 < so_far.n_rows < 2_800
    assert so_far.sketch.feature_names == ("a", "b")
    other = Sketcher.from_operator(OPERATOR).set_params(moments=None if moments else "full")
    with pytest.raises(SketchMismatchError, match=r"checkpoint .* was made with moments="):
        other.sketch(files, checkpoint=checkpoint)
    resumed = Sketcher.from_sketch(so_far.sketch).sketch(files, checkpoint=checkpoint)
    assert resumed.to_bytes() == whole.to_bytes()
    assert checkpoint.load().sketch.to_bytes() == whole.to_bytes()
