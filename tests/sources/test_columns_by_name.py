"""Columns with names are found by these: in any order, among others, of any type of numbers."""

import datetime

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from sketchlearn import CompressiveKMeans, Sketcher, SourceError, open_source
from sketchlearn.sources.frames import make_readable
from sketchlearn.sources.source import limit_chunk_rows

pytestmark = pytest.mark.slow

N = 3000
X = np.random.default_rng(0).normal(size=(N, 3))
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
NAMED = Sketcher(20, random_state=0).fit(FRAME)
WHOLE = NAMED.sketch(FRAME)
UNNAMED = Sketcher.from_operator(NAMED.operator_)

KINDS = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "table": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "batch": lambda frame: pa.RecordBatch.from_pandas(frame, preserve_index=False),
    "reader": lambda frame: pa.Table.from_pandas(frame, preserve_index=False).to_reader(700),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def small_chunks():
    """Several chunks an item."""
    with limit_chunk_rows(512):
        yield


def other_order(kind):
    """The rows in two items: the second with its columns in another order, and one more."""
    second = FRAME[["c", "a", "b"]].assign(text="x")[1000:]
    return [KINDS[kind](FRAME[:1000]), KINDS[kind](second)]


class TestOneRule:
    @each_kind
    @pytest.mark.parametrize("form", [iter, list, tuple])
    @pytest.mark.parametrize("sketcher", [NAMED, UNNAMED], ids=["named", "unnamed"])
    def test_items(self, kind, form, sketcher):
        assert sketcher.sketch(form(other_order(kind))) == WHOLE

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_files_without_names_among_others(self, place, tmp_path):
        np.save(tmp_path / "x.npy", X)
        FRAME[["c", "a", "b"]].to_parquet(tmp_path / "x.parquet", index=False)
        FRAME.assign(text="x").to_parquet(tmp_path / "y.parquet", index=False)
        paths = [tmp_path / name for name in ("x.parquet", "y.parquet")]
        paths.insert(place, tmp_path / "x.npy")
        assert NAMED.sketch(paths) == WHOLE + WHOLE + WHOLE
        # Without names from elsewhere, those of the first file that has any decide.
        paths = [tmp_path / name for name in ("y.parquet", "x.parquet")]
        paths.insert(place, tmp_path / "x.npy")
        FRAME.to_parquet(tmp_path / "y.parquet", index=False)
        assert UNNAMED.sketch(paths) == WHOLE + WHOLE + WHOLE

    @each_kind
    def test_a_missing_column_is_refused(self, kind):
        items = [KINDS[kind](FRAME[:1000]), KINDS[kind](FRAME[["a", "c"]][1000:])]
        with pytest.raises(SourceError, match="the stream has no column 'b'; its columns are"):
            UNNAMED.sketch(iter(items))

    @each_kind
    def test_fitting_learns_the_names(self, kind):
        stream = open_source(iter(other_order(kind)))
        fitted = Sketcher(20, random_state=0).fit(stream)
        assert list(fitted.feature_names_in_) == ["a", "b", "c"]
        assert fitted.sketch(stream).n_samples == N

    def test_chunks_of_csv(self, tmp_path):
        FRAME[["b", "c", "a"]].to_csv(tmp_path / "x.csv", index=False)
        with pd.read_csv(tmp_path / "x.csv", chunksize=700) as chunks:
            assert NAMED.sketch(chunks) == NAMED.sketch(
                open_source(pd.read_csv(tmp_path / "x.csv"))
            )

    def test_files(self, tmp_path):
        for i, frame in enumerate([FRAME[["c", "b", "a"]][:1000], FRAME.assign(d=1.0)[1000:]]):
            frame.to_parquet(tmp_path / f"{i}.parquet", index=False)
        assert NAMED.sketch(tmp_path) == WHOLE
        assert UNNAMED.sketch(tmp_path, columns=["a", "b", "c"]) == WHOLE

    @each_kind
    def test_one_table(self, kind):
        data = KINDS[kind](FRAME[["c", "b", "a"]].assign(t="x"))
        assert NAMED.sketch(open_source(data)) == WHOLE

    def test_filters_and_weights(self):
        items = [FRAME[:1000].assign(w=2.0), FRAME[["c", "b", "a"]][1000:].assign(w=1.0)]
        kept = X[:, 0] > 0
        weights = np.where(np.arange(N) < 1000, 2.0, 1.0)
        expected = NAMED.sketch(FRAME[kept], weights[kept])
        assert NAMED.sketch(iter(items), "w", filter=[("a", ">", 0)]) == expected

    def test_frames_beside_arrays_are_refused(self):
        with pytest.raises(SourceError, match="item 1 of the stream has columns without"):
            UNNAMED.sketch(iter([FRAME, X]))
        with pytest.raises(SourceError, match="item 1 of the stream has columns with names"):
            UNNAMED.sketch(iter([X, FRAME]))

    def test_columns_of_several_levels_are_taken_as_they_come(self):
        labels = pd.MultiIndex.from_tuples([("x", "a"), ("x", "b"), ("y", "c")])
        assert UNNAMED.sketch(iter([FRAME.set_axis(labels, axis=1)])) == WHOLE

    def test_duckdb_relations(self):
        items = [duckdb.from_df(FRAME[:1000]), duckdb.from_df(FRAME[["c", "a", "b"]][1000:])]
        assert UNNAMED.sketch(items) == WHOLE

    def test_two_columns_of_one_name(self):
        with pytest.raises(ValueError, match=r"[Dd]uplicate|more than one column 'a'"):
            UNNAMED.sketch(iter([FRAME.set_axis(["a", "a", "c"], axis=1)]))

    def test_a_list_can_be_read_again(self):
        fitted = Sketcher(20, random_state=0).fit(other_order("polars"))
        assert fitted.operator_.fingerprint == NAMED.operator_.fingerprint
        model = CompressiveKMeans(2, random_state=0).fit([X[:1000], X[1000:]])
        assert model.n_samples_seen_ == N


class TestStoredIndex:
    @pytest.mark.parametrize("index", [None, "time", "__null_dask_index__", ["one", "two"]])
    @pytest.mark.parametrize("ending", ["parquet", "feather", "table"])
    def test_it_is_no_feature(self, index, ending, tmp_path):
        frame = FRAME.sample(frac=1.0, random_state=0)
        if isinstance(index, list):
            frame.index = pd.MultiIndex.from_arrays([frame.index, frame.index], names=index)
        else:
            frame.index.name = index
        data = pa.Table.from_pandas(frame)
        assert data.num_columns > 3
        if ending != "table":
            path = tmp_path / f"x.{ending}"
            (pq.write_table if ending == "parquet" else pyarrow.feather.write_feather)(data, path)
            data = path
        fitted = Sketcher(20, random_state=0).fit(data)
        assert list(fitted.feature_names_in_) == ["a", "b", "c"]
        assert UNNAMED.sketch(data) == WHOLE

    def test_without_the_metadata_of_pandas(self):
        table = pa.Table.from_pandas(FRAME.sample(frac=1.0)).replace_schema_metadata(None)
        assert table.column_names[-1] == "__index_level_0__"
        assert UNNAMED.sketch(table) == WHOLE
        asked = open_source(table, columns=["a", "__index_level_0__"])
        assert asked.layout.names == ("a", "__index_level_0__")

    @pytest.mark.parametrize("again", [False, True])
    def test_a_csv_column_without_a_name_is_warned_of(self, again, tmp_path):
        path = tmp_path / "x.csv"
        FRAME.sample(frac=0.5, random_state=0).to_csv(path)
        if again:
            pd.read_csv(path).to_csv(path, index=False)
        with pytest.warns(UserWarning, match="without a name of their own.*may be a stored index"):
            fitted = Sketcher(20, random_state=0).fit(path)
        assert fitted.n_features_in_ == 4
        # Not where columns are chosen, by the remedy or by the names of a fit.
        assert UNNAMED.sketch(path, columns=["a", "b", "c"]) == NAMED.sketch(path)


def arrays_of(values, kind):
    """Values (n, d) as Arrow's lists."""
    if kind == "tensor":
        return pa.FixedShapeTensorArray.from_numpy_ndarray(
            np.ascontiguousarray(values).reshape(len(values), 2, -1)
        )
    if kind == "nested":
        lists = values.reshape(len(values), 2, -1).tolist()
        return pa.array(lists, pa.list_(pa.list_(pa.float64())))
    kinds = {
        "list": pa.list_(pa.float64()),
        "large": pa.large_list(pa.float64()),
        "fixed": pa.list_(pa.float64(), values.shape[1]),
        "floats": pa.list_(pa.float32()),
    }
    return pa.array(values.tolist(), kinds[kind])


class TestLists:
    V = np.random.default_rng(1).normal(size=(N, 4)).astype(np.float32).astype(np.float64)
    ROWS = np.column_stack([X[:, 0], V])
    SKETCHER = Sketcher(20, random_state=0).fit(ROWS)

    @pytest.mark.parametrize("kind", ["list", "large", "fixed", "floats", "tensor", "nested"])
    @pytest.mark.parametrize("form", ["parquet", "feather", "table", "reader", "batches"])
    def test_they_are_as_many_features(self, kind, form, tmp_path):
        table = pa.table({"a": X[:, 0], "v": arrays_of(self.V, kind)})
        path = tmp_path / f"x.{form}"
        if form == "parquet":
            pq.write_table(table, path, row_group_size=700)
        elif form == "feather":
            pyarrow.feather.write_feather(table, path, chunksize=700)
        data = {
            "table": lambda: table,
            "reader": lambda: table.to_reader(700),
            "batches": lambda: iter(table.to_batches(700)),
        }.get(form, lambda: path)
        assert self.SKETCHER.sketch(data()) == self.SKETCHER.sketch(self.ROWS)
        fitted = Sketcher(20, random_state=0).fit(open_source(data()))
        assert list(fitted.feature_names_in_) == ["a", "v[0]", "v[1]", "v[2]", "v[3]"]
        swapped = table.select(["v", "a"]).append_column("t", pa.array(["x"] * N))
        expected = Sketcher.from_operator(fitted.operator_).sketch(self.ROWS)
        assert fitted.sketch(swapped) == expected

    def test_a_column_of_that_name_comes_first(self):
        table = pa.table({"v": [[1.0, 2.0]], "v[0]": [3.0]})
        rows = next(open_source(table, columns=["v[0]"]).chunks()).rows
        assert rows.tolist() == [[3.0]]

    @pytest.mark.parametrize(
        ("second", "message"),
        [
            ([[1.0, 2.0], [1.0]], "column 'v' of the stream has a list of 1 in row 2 where there"),
            ([[1.0, 2.0, 3.0]], "has a list of 3 in row 1 where there are 2 in row 0"),
            ([[1.0, None]], r"column 'v' of the stream has no value \(null\) in row 1"),
            ([[1.0, 2.0], None], r"column 'v' of the stream has no value \(null\) in row 2"),
            ([[]], "has a list of 0 in row 1 where there are 2 in row 0"),
            ([["x", "y"]], "is of type list<.*string>; expected numbers"),
        ],
    )
    def test_other_lists_are_refused(self, second, message):
        kind = pa.list_(pa.string() if second[0] == ["x", "y"] else pa.float64())
        items = [pa.table({"v": [[1.0, 2.0]]}), pa.table({"v": pa.array(second, kind)})]
        with pytest.raises(SourceError, match=message):
            list(open_source(iter(items)).chunks())

    def test_lists_of_another_length_than_fitted(self):
        fitted = Sketcher(20, random_state=0).fit(pa.table({"v": self.V.tolist()}))
        with pytest.raises(SourceError, match="has 3 numbers a row, from row 0 on, where 4 are"):
            fitted.sketch(pa.table({"v": self.V[:, :3].tolist()}))
        with pytest.raises(SourceError, match="has a list of 0 in row 0 where there are 1"):
            fitted.sketch(pa.table({"v": pa.array([[]] * 5, pa.list_(pa.float64()))}))

    def test_a_file_without_rows_among_others(self, tmp_path):
        table = pa.table({"a": X[:, 0], "v": arrays_of(self.V, "list")})
        pq.write_table(table, tmp_path / "0.parquet")
        pq.write_table(table.slice(0, 0), tmp_path / "1.parquet")
        assert self.SKETCHER.sketch(tmp_path) == self.SKETCHER.sketch(self.ROWS)

    @pytest.mark.parametrize("kind", ["polars array", "polars list", "pandas", "pandas arrays"])
    def test_frames_in_memory(self, kind):
        if kind.startswith("polars"):
            dtype = pl.Array(pl.Float64, 4) if kind == "polars array" else pl.List(pl.Float64)
            frame = pl.DataFrame({"a": X[:, 0], "v": pl.Series(self.V.tolist(), dtype=dtype)})
        else:
            lists = self.V.tolist() if kind == "pandas" else list(self.V)
            frame = pd.DataFrame({"a": X[:, 0], "v": lists}, index=np.arange(N)[::-1])
        fitted = Sketcher(20, random_state=0).fit(frame)
        assert list(fitted.feature_names_in_) == ["a", "v[0]", "v[1]", "v[2]", "v[3]"]
        assert fitted.operator_.fingerprint == self.SKETCHER.operator_.fingerprint
        assert fitted.sketch(frame) == self.SKETCHER.sketch(self.ROWS)
        assert type(make_readable(frame)) is type(frame)
        assert self.SKETCHER.sketch(iter([frame, frame])).n_samples == 2 * N


class TestTypes:
    @pytest.mark.parametrize("form", [iter, list])
    def test_nullable_and_truth_values_in_frames(self, form):
        mixed = pd.DataFrame({"a": X[:, 0], "b": X[:, 1] > 0, "c": np.arange(N)})
        rows = mixed.astype(float).to_numpy()
        expected = UNNAMED.sketch(rows)
        assert UNNAMED.sketch(form([mixed])) == expected
        assert UNNAMED.sketch(form([mixed.convert_dtypes()])) == expected
        numbered = mixed.set_axis([0, 1, 2], axis=1)
        assert UNNAMED.sketch(form([numbered[:9], numbered[9:].convert_dtypes()])) == expected
        arrow = mixed.astype({"a": "double[pyarrow]", "c": "int64[pyarrow]"})
        assert UNNAMED.sketch(form([arrow])) == expected

    @pytest.mark.parametrize("kind", [float, np.float32, int])
    def test_dictionaries_and_run_ends(self, kind):
        values = (np.arange(N) // 10 % 7).astype(kind)
        rows = np.column_stack([X[:, 0], values, X[:, 2]])
        plain = pa.array(values)
        for column in (plain.dictionary_encode(), pa.compute.run_end_encode(plain)):
            table = pa.table({"a": X[:, 0], "b": column, "c": X[:, 2]})
            assert UNNAMED.sketch(table) == UNNAMED.sketch(rows)
        frame = FRAME.assign(b=pd.Categorical(values))
        assert UNNAMED.sketch(open_source(frame)) == UNNAMED.sketch(rows)

    @pytest.mark.parametrize("form", ["memory", "iterator", "table", "polars"])
    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            (pd.Categorical(["x"] * N), "dictionary|Categorical"),
            (pd.Timestamp("2026-01-01"), "timestamp"),
            (pd.Series([pd.NaT] * N, dtype="datetime64[ns]"), "timestamp"),
            (pd.Timedelta(1, "D"), "duration"),
            ("x", "string"),
            (datetime.date(2026, 1, 1), "date"),
        ],
    )
    def test_the_column_without_numbers_is_named(self, form, values, kind):
        frame = FRAME.assign(b=values)
        data = {
            "memory": lambda: frame,
            "iterator": lambda: iter([frame]),
            "table": lambda: pa.Table.from_pandas(frame),
            "polars": lambda: pl.from_pandas(frame),
        }[form]
        for sketch in (NAMED.sketch, Sketcher(20).fit):
            with pytest.raises(ValueError, match=f"column 'b' of .* is of type .*({kind})"):
                sketch(open_source(data()) if form == "iterator" else data())


LARGE = 2**53 + 1


class TestValuesThatFloat64DoesNotHold:
    @pytest.mark.parametrize("form", ["memory", "list", "iterator", "columns"])
    @pytest.mark.parametrize("value", [LARGE, -LARGE, 2**62])
    def test_arrays(self, form, value):
        rows = np.ones((N, 3), dtype=np.int64)
        rows[1234, 1] = value
        data = {
            "memory": rows,
            "list": rows.tolist(),
            "iterator": iter([rows[:9] / 2, rows[9:]]),
            "columns": open_source(rows, columns=[0, 1, 2]),
        }[form]
        with pytest.raises(ValueError, match=rf"in row 12(34|25), column 1, holds {value}: int"):
            UNNAMED.sketch(data)
        if form in ("memory", "list"):
            with pytest.raises(ValueError, match="above 2"):
                Sketcher(20).fit(data)

    def test_arrays_of_python_integers(self):
        with pytest.raises(ValueError, match=r"above 2\*\*53"):
            UNNAMED.sketch([[2**70, 1, 2]])

    @pytest.mark.parametrize(
        "kind", [pa.int64(), pa.uint64(), pa.list_(pa.int64()), pa.decimal128(38)]
    )
    def test_columns(self, kind, tmp_path):
        large = LARGE + 1  # As a decimal, it is even in float64.
        values = [[1] if pa.types.is_list(kind) else 1] * N
        values[1234] = [large] if pa.types.is_list(kind) else large
        table = pa.table({"a": X[:, 0], "b": pa.array(values, kind), "c": X[:, 2]})
        pq.write_table(table, tmp_path / "x.parquet")
        for data in (table, tmp_path / "x.parquet", iter([table])):
            with pytest.raises(SourceError, match=r"column 'b' of .*, in row \d+, holds 90"):
                UNNAMED.sketch(data)

    @pytest.mark.parametrize("kind", [lambda f: f, pl.from_pandas])
    @pytest.mark.parametrize("dtype", ["int64", "Int64", "uint64"])
    def test_frames(self, kind, dtype):
        frame = FRAME.assign(b=pd.Series([1] * (N - 1) + [LARGE], dtype=dtype))
        for fit in (NAMED.sketch, Sketcher(20).fit):
            with pytest.raises(ValueError, match=f"column 'b' of .*in row {N - 1}, holds 90"):
                fit(kind(frame))

    @pytest.mark.parametrize("ending", ["csv", "jsonl"])
    def test_text(self, ending, tmp_path):
        path = tmp_path / f"x.{ending}"
        frame = FRAME.assign(b=[1] * (N - 1) + [LARGE])
        if ending == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_json(path, orient="records", lines=True)
        with pytest.raises(SourceError, match=r"column 'b' of .*holds 90"):
            UNNAMED.sketch(path)

    def test_numbers_with_a_meaning_of_their_own(self):
        frame = FRAME.assign(b=pd.Period("2026-01-01", "D"))
        for data in (frame, iter([frame]), pa.Table.from_pandas(frame)):
            with pytest.raises(SourceError, match=r"column 'b' of .* expected numbers"):
                NAMED.sketch(data)

    def test_the_largest_that_it_holds(self):
        rows = np.array([[2**53], [-(2**53)]])
        sketcher = Sketcher(5, scale=2.0**53, random_state=0).fit(rows)
        assert sketcher.sketch(rows) == sketcher.sketch(rows.astype(float))


class TestMasksAndTimes:
    @pytest.mark.parametrize("form", ["memory", "iterator", "list", "source"])
    def test_masked_entries_are_refused(self, form):
        masked = np.ma.array(X, mask=False)
        forms = {
            "memory": lambda x: x,
            "iterator": lambda x: iter([X[:5], x]),
            "list": lambda x: [x],
            "source": open_source,
        }
        assert UNNAMED.sketch(forms["memory"](masked)) == WHOLE
        masked[77, 2] = np.ma.masked
        with pytest.raises(ValueError, match=r"no value \(masked\) in row 77, column 2"):
            UNNAMED.sketch(forms[form](masked))
        with pytest.raises(ValueError, match=r"no value \(masked\) in row 77"):
            Sketcher(20).fit(masked)

    def test_masked_weights(self):
        weights = np.ma.array(np.ones(N), mask=np.arange(N) == 5)
        with pytest.raises(ValueError, match=r"sample_weight has no value \(masked\) in row 5"):
            UNNAMED.sketch(X, weights)

    @pytest.mark.parametrize("dtype", ["datetime64[ns]", "timedelta64[s]", "T"])
    def test_other_types(self, dtype):
        kind = np.dtypes.StringDType() if dtype == "T" else dtype
        rows = np.array([["1", "NaT", "2"]], dtype=kind) if dtype == "T" else X.astype(dtype)
        for use in (UNNAMED.sketch, UNNAMED.transform, Sketcher(20).fit):
            with pytest.raises(TypeError, match="the array must hold real numbers, got"):
                use(rows)
        with pytest.raises(SourceError, match="item 0 of the stream must hold real numbers"):
            UNNAMED.sketch(iter([rows]))


class TestWhatIsRefusedInOneLine:
    def test_lazy_frames_are_collected(self):
        lazy = pl.from_pandas(FRAME[["c", "a", "b"]]).lazy().filter(pl.col("a") > 0)
        assert NAMED.sketch(lazy) == NAMED.sketch(FRAME[X[:, 0] > 0])
        assert list(Sketcher(20).fit(lazy).feature_names_in_) == ["c", "a", "b"]

    def test_open_files(self, tmp_path):
        FRAME.to_parquet(tmp_path / "x.parquet")
        with (
            open(tmp_path / "x.parquet", "rb") as file,
            pytest.raises(TypeError, match="open files are not read, got BufferedReader: give"),
        ):
            NAMED.sketch(file)
        # The remedy that the message names.
        with open(tmp_path / "x.parquet", "rb") as file:
            assert NAMED.sketch(pq.ParquetFile(file).iter_batches(700)) == WHOLE

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    @pytest.mark.parametrize("use", ["sketch", "fit", "chunks"])
    def test_entries_that_are_not_finite_name_the_filter_that_helps(self, bad, use):
        values = np.where(X[:, 1] > 0, X[:, 1], bad)
        table = pa.table({"a": X[:, 0], "b": values, "c": X[:, 2]})
        uses = {
            "sketch": NAMED.sketch,
            "fit": Sketcher(20, random_state=0).fit,
            "chunks": lambda table: list(open_source(table).chunks()),
        }
        with pytest.raises(SourceError, match=r"column 'b'; leave such rows out by") as caught:
            uses[use](table)
        remedy = str(caught.value).split(" by ")[1].split(", or")[0].replace("...", "table")
        chosen = eval(remedy, {"pyarrow": pa, "table": table, "open_source": open_source})
        assert NAMED.sketch(chosen) == NAMED.sketch(FRAME[X[:, 1] > 0])
        # What has no filter of its own takes it as well.
        assert (
            CompressiveKMeans(2, random_state=0).fit(chosen).n_samples_seen_ == (X[:, 1] > 0).sum()
        )

    def test_missing_values_of_arrays_name_an_imputer(self):
        bad = X.copy()
        bad[3, 1] = np.nan
        for rows in (bad, iter([bad]), pd.DataFrame({"v": list(bad)})):
            with pytest.raises(ValueError, match=r"SimpleImputer"):
                UNNAMED.sketch(rows)

    def test_missing_values_name_the_filter_that_helps(self):
        frame = FRAME.assign(b=np.where(X[:, 1] > 0, X[:, 1], np.nan))
        with pytest.raises(SourceError, match=r"field\('b'\).is_valid\(\)") as caught:
            NAMED.sketch(pa.Table.from_pandas(frame))
        assert "SimpleImputer" in str(caught.value)
        filter_ = pa.compute.field("b").is_valid()
        kept = NAMED.sketch(pa.Table.from_pandas(frame), filter=filter_)
        assert kept == NAMED.sketch(FRAME[X[:, 1] > 0])
