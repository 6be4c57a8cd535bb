"""What float64 would misrepresent is refused in whatever holds it: lists, objects, other arrays."""

import datetime
from decimal import Decimal

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

from sketchlearn import CompressiveKMeans, Sketcher, open_source

X = np.random.default_rng(0).normal(size=(60, 2))
SKETCHER = Sketcher(20, random_state=0).fit(X)
WHOLE = SKETCHER.sketch(X)
LARGE = 2**53 + 1


def objects(value):
    """An array of objects with one other value."""
    rows = X.astype(object)
    rows[7, 1] = value
    return rows


def masked_rows():
    """A list of rows, one of them with a masked entry."""
    return [np.ma.array(row, mask=[i == 7, False]) for i, row in enumerate(X)]


class Other:
    """An array of another package: all that is known of it is how it becomes one of numpy's."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __len__(self):
        return len(self.rows)

    def __array__(self, dtype=None, copy=None):
        return self.rows if dtype is None else self.rows.astype(dtype)


def doors():
    """What takes rows in memory."""
    model = CompressiveKMeans(2, n_frequencies=20, random_state=0).fit(X)
    fit = Sketcher(20, random_state=0).fit
    return [SKETCHER.sketch, SKETCHER.transform, fit, model.predict, model.partial_fit]


class TestLargeIntegers:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "rows",
        [
            objects(LARGE),
            objects(-LARGE),
            objects(np.int64(LARGE)),
            objects(np.uint64(LARGE)),
            objects(Decimal(LARGE)),
            objects(np.int64(LARGE)).tolist(),
            [[LARGE, 0.5]] * 9,
            [[np.int64(LARGE), np.float32(0.5)]] * 9,
            [(0.5, LARGE), [1, 2]],
            Other(np.full((9, 2), LARGE)),
        ],
        ids=range(10),
    )
    def test_they_are_refused(self, rows):
        for door in doors():
            with pytest.raises(ValueError, match=r"above 2\*\*53"):
                door(rows)

    def test_fractions_of_that_size_are_read(self):
        rows = [[1e30, -1e20], [float(2**60), 1.0]]
        listed, stored = (Sketcher(20, random_state=0).fit(X) for X in (rows, np.array(rows)))
        assert listed.sketch(rows) == stored.sketch(np.array(rows))
        assert SKETCHER.sketch(objects(Decimal("0.5"))) == SKETCHER.sketch(objects(0.5))

    def test_in_items(self):
        with pytest.raises(ValueError, match=r"above 2\*\*53"):
            SKETCHER.sketch(iter([Other(np.full((9, 2), LARGE))]))
        stream = open_source(iter([[[LARGE, 0.5]]]))
        with pytest.raises(ValueError, match=r"above 2\*\*53"):
            SKETCHER.sketch(stream)


class TestNoNumbers:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "rows",
        [
            objects(np.timedelta64(3, "s")),
            objects(np.datetime64("2020-01-01")),
            objects(datetime.timedelta(1)),
            objects(pd.Timestamp("2020-01-01")),
            objects("1.5"),
            objects(1j),
            [[np.timedelta64(1, "s"), 1.5]] * 9,
            Other(np.zeros((9, 2), dtype="datetime64[s]")),
            Other(np.zeros((9, 2), dtype="timedelta64[s]")),
        ],
        ids=range(9),
    )
    def test_they_are_refused(self, rows):
        for door in doors():
            with pytest.raises(TypeError):
                door(rows)

    def test_masked_rows_in_a_list(self):
        for door in doors():
            with pytest.raises(ValueError, match=r"no value \(masked\) in row 7, column 0"):
                door(masked_rows())

    def test_plain_ones_are_read(self):
        assert SKETCHER.sketch(Other(X)) == SKETCHER.sketch(X.astype(object)) == WHOLE
        assert SKETCHER.sketch([np.ma.array(row) for row in X]) == WHOLE


class TestDask:
    """In place of an array they are computed: so are masks, and names."""

    def test_masks(self):
        rows = da.ma.masked_array(da.from_array(X, chunks=20), mask=da.from_array(X > 1, chunks=20))
        for door in doors():
            with pytest.raises(ValueError, match=r"no value \(masked\)"):
                door(rows)
        assert SKETCHER.sketch(da.from_array(X, chunks=20)) == WHOLE

    @pytest.mark.slow
    def test_names(self):
        frame = pd.DataFrame(X, columns=["a", "b"])
        fitted = Sketcher(20, random_state=0).fit(dd.from_pandas(frame, npartitions=2))
        assert list(fitted.feature_names_in_) == ["a", "b"]
        other = dd.from_pandas(frame[["b", "a"]].assign(text="x"), npartitions=2)
        assert fitted.sketch(other) == fitted.sketch(frame)


class TestWeights:
    @pytest.mark.parametrize(
        "weights",
        [
            np.arange(1, 61).astype("timedelta64[s]"),
            np.arange(1, 61).astype("datetime64[s]"),
            np.arange(1, 61).astype(str),
            np.arange(1, 61).astype(str).astype(object),
            np.arange(1, 61) + 1j,
            pd.Series(pd.to_timedelta(np.arange(1, 61), unit="s")),
            [datetime.timedelta(1)] * 60,
        ],
        ids=range(7),
    )
    def test_what_is_no_number_is_refused(self, weights):
        for call in (SKETCHER.sketch, Sketcher(20).fit, CompressiveKMeans(2).fit):
            with pytest.raises(TypeError, match="sample_weight must hold real numbers, got"):
                call(X, sample_weight=weights)

    def test_every_kind_of_number(self):
        numbers = np.arange(1, 61)
        expected = SKETCHER.sketch(X, numbers.astype(float))
        for weights in (numbers, list(numbers), pd.Series(numbers, dtype="Int64")):
            assert SKETCHER.sketch(X, weights) == expected
        assert SKETCHER.sketch(X, numbers.astype(object)) == expected
        assert SKETCHER.sketch(X, numbers > 0) == WHOLE

    def test_a_name_is_for_sources(self):
        frame = pd.DataFrame(X, columns=["a", "b"]).assign(w=2.0)
        named = Sketcher(20, random_state=0).fit(frame[["a", "b"]])
        with pytest.raises(TypeError, match=r"is a column's name, 'w', .*open_source\(X, weight="):
            named.sketch(frame, sample_weight="w")
        expected = named.sketch(frame[["a", "b"]], np.full(60, 2.0))
        assert named.sketch(open_source(frame, weight="w")) == expected


class TestLists:
    """Columns of lists, embeddings for instance, in frames in memory."""

    FRAME = pd.DataFrame({"v": X.tolist(), "z": X[:, 0]})

    @pytest.mark.parametrize("form", [lambda f: f, lambda f: [f], lambda f: open_source([f])])
    def test_longer_ones_than_were_fitted_are_refused(self, form):
        model = CompressiveKMeans(2, n_frequencies=20, random_state=0).fit(self.FRAME)
        named = Sketcher(20, random_state=0).fit(self.FRAME)
        longer = self.FRAME.assign(v=np.c_[X, X].tolist())
        for door in (model.predict, named.sketch, named.transform):
            with pytest.raises(ValueError, match=r"(more than the 2 numbers|has 4 numbers a row)"):
                door(form(longer))
            door(form(self.FRAME))
        flat = pd.DataFrame(np.c_[X, X], columns=["v[0]", "v[1]", "z", "v[2]"])
        flat["z"] = X[:, 0]
        assert named.sketch(flat) == named.sketch(self.FRAME)

    def test_masked_ones_are_refused(self):
        frame = pd.DataFrame({"v": masked_rows()})
        for door in (Sketcher(20).fit, Sketcher(20).fit(X).sketch):
            with pytest.raises(ValueError, match=r"column 'v' of .* has masked entries"):
                door(frame)

    def test_names_for_some_columns_only(self):
        frame = pd.DataFrame(X, columns=["a", 1])
        for rows in (frame, [frame], open_source([frame])):
            with pytest.raises(TypeError, match=r"[nN]ames"):
                Sketcher(20).fit(rows)
