"""Whatever rows come from, their sketch is the one of the same rows in memory."""

import io

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from sketchlearn import CompressiveKMeans, CompressivePCA, Sketcher
from sketchlearn.exceptions import SourceError
from sketchlearn.sketching import make_moment_sketcher
from sketchlearn.sources.opening import open_source
from sketchlearn.sources.source import RowSource, limit_chunk_rows

pytestmark = pytest.mark.slow

N = 5000
NAMES = ["a", "b", "c"]
X = np.random.default_rng(0).normal(size=(N, 3))
TABLE = pa.table({name: X[:, j] for j, name in enumerate(NAMES)})
# Fitted without names, so that arrays and tables both are its own.
SKETCHER = Sketcher(20, random_state=0).fit(X)
WHOLE = SKETCHER.sketch(X)


def write(path, table=TABLE):
    """Write a table in the format that the file's name tells."""
    writers = {
        ".parquet": lambda: pq.write_table(table, path, row_group_size=700),
        ".arrow": lambda: pyarrow.feather.write_feather(table, path, compression="lz4"),
        ".feather": lambda: pyarrow.feather.write_feather(table, path),
        ".csv": lambda: pyarrow.csv.write_csv(table, path),
    }
    writers[path.suffix]()
    return path


@pytest.fixture(autouse=True)
def small_chunks():
    """Several chunks a file, cut where no row group ends."""
    with limit_chunk_rows(512):
        yield


class TestSameBytes:
    @pytest.mark.parametrize("ending", [".parquet", ".arrow", ".feather", ".csv"])
    def test_files(self, ending, tmp_path):
        path = write(tmp_path / f"x{ending}")
        assert SKETCHER.sketch(path).to_bytes() == WHOLE.to_bytes()
        assert SKETCHER.sketch(str(path)) == WHOLE

    @pytest.mark.parametrize("kind", ["directory", "glob", "list"])
    def test_many_files_of_several_formats(self, kind, tmp_path):
        endings = [".parquet", ".csv", ".feather"]
        paths = [
            write(tmp_path / f"{i}{ending}", TABLE.slice(i * 2000, 2000))
            for i, ending in enumerate(endings)
        ]
        data = {"directory": tmp_path, "glob": str(tmp_path / "*"), "list": paths}[kind]
        assert SKETCHER.sketch(data) == WHOLE

    def test_compressed_csv(self, tmp_path):
        pd.DataFrame(X, columns=NAMES).to_csv(tmp_path / "x.csv.gz", index=False)
        assert SKETCHER.sketch(tmp_path / "x.csv.gz") == WHOLE

    @pytest.mark.parametrize(
        "data",
        [
            TABLE,
            TABLE.to_batches()[0],
            TABLE.to_reader(max_chunksize=300),
            ds.dataset(TABLE),
            [X[:100], X[100:101], X[101:101], X[101:]],
        ],
        ids=["table", "batch", "reader", "dataset", "list"],
    )
    def test_in_memory(self, data):
        assert SKETCHER.sketch(data) == WHOLE

    @pytest.mark.parametrize("data", [pl.from_arrow(TABLE), TABLE.to_pandas().set_index(X[:, 0])])
    def test_columns_of_frames(self, data):
        few = Sketcher(20, random_state=0).fit(X[:, [2, 0]])
        assert few.sketch(data, columns=["c", "a"]) == few.sketch(X[:, [2, 0]])

    def test_duckdb(self):
        relation = duckdb.from_arrow(TABLE)
        assert SKETCHER.sketch(relation) == WHOLE
        assert SKETCHER.sketch(pa.RecordBatchReader.from_stream(relation)) == WHOLE

    def test_generators_of_arrays_and_frames(self):
        assert SKETCHER.sketch(X[i : i + 1] for i in range(N)) == WHOLE
        assert SKETCHER.sketch(pd.DataFrame(X[i : i + 999]) for i in range(0, N, 999)) == WHOLE
        with pd.read_csv(
            io.BytesIO(pd.DataFrame(X).to_csv(index=False).encode()), chunksize=999
        ) as f:
            assert SKETCHER.sketch(f) == WHOLE

    def test_a_partitioned_dataset(self, tmp_path):
        table = TABLE.append_column("day", pa.array(np.arange(N) % 3))
        ds.write_dataset(table, tmp_path, format="parquet", partitioning=["day"])
        dataset = ds.dataset(tmp_path, partitioning=["day"])
        assert SKETCHER.sketch(dataset, columns=NAMES) == WHOLE
        second = SKETCHER.sketch(dataset, columns=NAMES, filter=ds.field("day") == 1)
        assert second == SKETCHER.sketch(X[1::3])

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_threads(self, n_jobs, tmp_path):
        path = write(tmp_path / "x.parquet")
        sketcher = Sketcher.from_operator(SKETCHER.operator_, n_jobs=n_jobs)
        assert sketcher.sketch(path) == WHOLE


class TestColumns:
    def test_order_and_choice(self, tmp_path):
        path = write(tmp_path / "x.parquet")
        some = Sketcher(20, random_state=0).fit(path, columns=["c", "a"])
        assert list(some.feature_names_in_) == ["c", "a"]
        expected = Sketcher.from_operator(some.operator_).sketch(X[:, [2, 0]])
        assert some.sketch(path, columns=["c", "a"]) == expected
        assert some.sketch(path) == expected, "the columns it was fitted on are the default"
        assert some.sketch(path, columns=["a", "c"]) == expected, "names, not places, count"
        assert some.sketch(path, columns=["b", "a", "c"]) == expected
        with pytest.raises(SourceError, match=r"features of .* are b, a, without c, which the"):
            some.sketch(path, columns=["b", "a"])

    def test_columns_of_arrays_are_indices(self):
        some = Sketcher(20, random_state=0).fit(X, columns=[2, 0])
        assert some.sketch(X, columns=[2, 0]) == some.sketch(X[:, [2, 0]])
        with pytest.raises(SourceError, match="the array has no column 3: it has 3 columns"):
            some.sketch(X, columns=[3, 0])
        with pytest.raises(SourceError, match="have no names, choose by index; got 'a'"):
            some.sketch(X, columns=["a"])

    def test_the_same_columns_in_another_order_are_the_same(self, tmp_path):
        first = write(tmp_path / "1.parquet", TABLE.slice(0, 2000))
        second = write(tmp_path / "2.parquet", TABLE.select(["b", "c", "a"]).slice(2000))
        assert SKETCHER.sketch([first, second]) == WHOLE

    @pytest.mark.parametrize(
        "type_", [pa.float16(), pa.float32(), pa.int8(), pa.uint64(), pa.bool_(), pa.decimal128(9)]
    )
    def test_types(self, type_, tmp_path):
        values = pa.array((np.arange(N) % 2).astype(float)).cast(pa.int8()).cast(type_)
        table = TABLE.set_column(1, "b", values)
        rows = np.column_stack([X[:, 0], np.arange(N) % 2, X[:, 2]])
        assert SKETCHER.sketch(table) == SKETCHER.sketch(rows)
        only = Sketcher(20, random_state=0).fit(rows[:, 1:2])
        assert only.sketch(table, columns="b") == only.sketch(rows[:, 1:2])

    def test_lists_of_fixed_size_are_as_many_features(self, tmp_path):
        table = pa.table(
            {"a": X[:, 0], "v": pa.FixedSizeListArray.from_arrays(X[:, 1:].ravel(), 2)}
        )
        path = write(tmp_path / "x.parquet", table)
        assert SKETCHER.sketch(path) == WHOLE
        assert open_source(path).layout.names == ("a", "v[0]", "v[1]")

    def test_fractions_may_come_late_in_a_csv_file(self, tmp_path):
        rows = np.arange(600_000.0)[:, None]
        rows[-1] = 0.5
        path = tmp_path / "x.csv"
        path.write_text("a\n" + "\n".join(f"{v:g}" for v in rows[:-1, 0].astype(int)) + "\n0.5\n")
        rows = pd.read_csv(path).to_numpy()
        sketcher = Sketcher(5, random_state=0).fit(rows)
        assert sketcher.sketch(path) == sketcher.sketch(rows)

    @pytest.mark.parametrize("ending", [".parquet", ".csv", ".feather"])
    def test_a_file_without_rows_adds_none(self, ending, tmp_path):
        empty = write(tmp_path / f"0{ending}", TABLE.slice(0, 0))
        assert SKETCHER.sketch(empty).n_samples == 0
        assert SKETCHER.sketch([empty, write(tmp_path / f"1{ending}"), empty]) == WHOLE

    def test_filters(self, tmp_path):
        path = write(tmp_path / "x.parquet")
        expected = SKETCHER.sketch(X[(X[:, 0] > 0) & (X[:, 1] < 1)])
        assert SKETCHER.sketch(path, filter=[("a", ">", 0), ("b", "<", 1)]) == expected
        expression = (ds.field("a") > 0) & (ds.field("b") < 1)
        for data in (path, TABLE, TABLE.to_reader(), ds.dataset(path)):
            assert SKETCHER.sketch(data, filter=expression) == expected
        nothing = SKETCHER.sketch(path, filter=[("a", ">", 99)])
        assert nothing.n_samples == 0

    def test_weights_are_a_column(self, tmp_path):
        weights = np.random.default_rng(1).uniform(0, 3, size=N)
        weights[:600] = 0
        path = write(tmp_path / "x.parquet", TABLE.append_column("w", pa.array(weights)))
        assert SKETCHER.sketch(path, "w") == SKETCHER.sketch(X, weights)
        with pytest.raises(TypeError, match="must be the name of the column"):
            SKETCHER.sketch(path, weights)


class TestPilot:
    def test_few_rows_are_all_taken_and_give_the_operator_of_memory(self, tmp_path):
        path = write(tmp_path / "x.parquet")
        fitted = Sketcher(20, random_state=0).fit(path)
        assert fitted.operator_.fingerprint == SKETCHER.operator_.fingerprint
        assert fitted.n_features_in_ == 3
        assert list(fitted.feature_names_in_) == NAMES

    @pytest.mark.parametrize("kind", ["file", "files", "table", "array"])
    def test_a_sorted_source_is_seen_whole(self, kind, tmp_path):
        rows = np.sort(np.random.default_rng(0).uniform(size=60_000))[:, None]
        table = pa.table({"a": rows[:, 0]})
        if kind == "file":
            data = tmp_path / "x.parquet"
            pq.write_table(table, data, row_group_size=250)
        elif kind == "files":
            data = tmp_path
            for i in range(120):
                write(tmp_path / f"{i:03}.parquet", table.slice(i * 500, 500))
        else:
            data = table if kind == "table" else rows
        columns = [0] if kind == "array" else None
        fitted = Sketcher(20, random_state=0).fit(data, columns=columns)
        assert len(fitted.pilot_) == 5000
        # What stands for a tenth of the range weighs a tenth, but for places that were not read.
        shares, _ = np.histogram(
            fitted.pilot_[:, 0], bins=10, range=(0, 1), weights=fitted.pilot_weight_ / 5000
        )
        assert np.abs(shares - 0.1).max() < 0.03

    def test_rows_of_small_and_large_row_groups_are_equally_likely(self, tmp_path):
        # A third of the rows in 300 small groups, two thirds in 10 large ones.
        with pq.ParquetWriter(tmp_path / "x.parquet", pa.schema([("a", pa.float64())])) as writer:
            for _ in range(300):
                writer.write_table(pa.table({"a": np.zeros(100)}))
            for _ in range(10):
                writer.write_table(pa.table({"a": np.ones(6000)}))
        sketcher = Sketcher(20, random_state=0).fit(tmp_path / "x.parquet")
        share = np.average(sketcher.pilot_[:, 0], weights=sketcher.pilot_weight_)
        assert abs(share - 2 / 3) < 0.05

    def test_more_is_read_where_little_was_found(self, tmp_path):
        path = tmp_path / "x.parquet"
        pq.write_table(pa.table({"a": np.arange(20_000.0)}), path, row_group_size=20)
        pilot = Sketcher(20, random_state=0).fit(path).pilot_
        assert len(pilot) == 5000
        few = Sketcher(20, random_state=0).fit(path, filter=[("a", "<", 700)])
        assert len(few.pilot_) == 700
        assert (few.pilot_inclusion_probability_ == 1).all()

    def test_chances_are_of_all_rows(self, tmp_path):
        path = tmp_path / "x.parquet"
        pq.write_table(pa.table({"a": np.arange(200_000.0)}), path, row_group_size=10_000)
        fitted = Sketcher(20, random_state=0).fit(path)
        assert 1 / fitted.pilot_inclusion_probability_.mean() == pytest.approx(40, rel=0.3)

    def test_a_stream_holds_back_what_fit_looked_at(self):
        for stream in ((X[i : i + 50] for i in range(0, N, 50)), TABLE.to_reader()):
            opened = open_source(stream)
            sketcher = Sketcher(20, n_clusters=5, random_state=0).fit(opened)
            expected = Sketcher.from_operator(sketcher.operator_).sketch(X)
            assert sketcher.sketch(opened) == expected
            with pytest.raises(SourceError, match="was read before"):
                sketcher.sketch(opened)

    def test_a_bare_stream_is_not_used_up(self):
        stream = iter([X])
        with pytest.raises(ValueError, match="give it to open_source"):
            Sketcher(20).fit(stream)
        assert next(stream) is X

    def test_weights_of_zero_are_left_out(self):
        weighted = TABLE.append_column("w", pa.array((X[:, 0] > 0).astype(float)))
        sketcher = Sketcher(20, random_state=0).fit(weighted, sample_weight="w")
        assert sketcher.pilot_[:, 0].min() > 0
        in_memory = Sketcher(20, random_state=0).fit(X, sample_weight=(X[:, 0] > 0) * 1.0)
        assert sketcher.operator_.fingerprint == in_memory.operator_.fingerprint


class TestBadInput:
    def test_columns_that_are_not_there(self, tmp_path):
        path = write(tmp_path / "x.parquet")
        with pytest.raises(SourceError, match=r"x\.parquet has no column 'z'; its columns are"):
            SKETCHER.sketch(path, columns=["a", "b", "z"])
        with pytest.raises(SourceError, match="has 2 features, but the sketcher is expecting 3"):
            SKETCHER.sketch(path, columns=["a", "b"])

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            (
                pa.array(["x"] * N),
                r"column 'b' of .*x\.parquet is of type string; expected numbers",
            ),
            (pa.array([0] * N, pa.timestamp("s")), r"column 'b' of .* is of type timestamp"),
            (pa.nulls(N), r"column 'b' of .* is of type null"),
            (
                pa.array([1.0] * 700 + [None] + [1.0] * (N - 701)),
                r"column 'b' of .*x\.parquet has no value \(null\) in row 700",
            ),
            (
                pa.array([1.0] * 700 + [np.nan] + [1.0] * (N - 701)),
                r"x\.parquet contains NaN .* at row 700, column 'b'",
            ),
            (
                pa.FixedSizeListArray.from_arrays(pa.array([1.0] * 1401 + [None] * 8599), 2),
                r"column 'b' of .*x\.parquet has no value \(null\) in row 700",
            ),
        ],
    )
    def test_columns_of_text_and_missing_values(self, values, message, tmp_path):
        path = write(tmp_path / "x.parquet", TABLE.set_column(1, "b", values))
        sketcher = SKETCHER
        if pa.types.is_fixed_size_list(values.type):
            sketcher = Sketcher(20, random_state=0).fit(X[:, [0, 0, 1, 2]])
        with pytest.raises(SourceError, match=message):
            sketcher.sketch(path)

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (TABLE.drop(["b"]), r"2\.parquet has no column 'b'; its columns are \['a', 'c'\]"),
            (TABLE.rename_columns(["a", "d", "e"]), r"2\.parquet has no columns 'b', 'c'; its"),
        ],
    )
    def test_files_of_different_schemas(self, table, message, tmp_path):
        paths = [write(tmp_path / "1.parquet"), write(tmp_path / "2.parquet", table)]
        with pytest.raises(SourceError, match=message):
            SKETCHER.sketch(paths)

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_bad_files_are_named_or_skipped_whole(self, n_jobs, tmp_path):
        for i in range(5):
            write(tmp_path / f"{i}.parquet", TABLE.slice(i * 1000, 1000))
        (tmp_path / "1.parquet").write_bytes(b"PAR1 no such thing")
        nan = TABLE["b"].to_numpy().copy()
        nan[3900] = np.inf
        write(tmp_path / "3.parquet", TABLE.set_column(1, "b", pa.array(nan)).slice(3000, 1000))
        sketcher = Sketcher.from_operator(SKETCHER.operator_, n_jobs=n_jobs)
        with pytest.raises(SourceError, match=r"cannot read .*1\.parquet"):
            sketcher.sketch(tmp_path)
        with pytest.warns(UserWarning, match="left out") as warnings:
            sketch = sketcher.sketch(tmp_path, on_error="skip")
        assert ["1.parquet" in str(w.message) for w in warnings] == [True, False]
        assert "infinity" in str(warnings[1].message)
        good = np.concatenate([X[:1000], X[2000:3000], X[4000:]])
        assert sketch == sketcher.sketch(good)
        names = []
        sketcher.sketch(tmp_path, on_error=lambda name, error: names.append(name[-9:]))
        assert names == ["1.parquet", "3.parquet"]

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_the_row_and_the_column_of_what_is_missing_in_memory(self, value):
        frame = TABLE.to_pandas()[:300]
        model = CompressiveKMeans(2, random_state=0).fit(frame)
        named = Sketcher(20, random_state=0).fit(frame)
        bad = frame.copy()
        bad.iloc[7, 1] = value
        what = "NaN" if np.isnan(value) else "infinity"
        learners = (CompressiveKMeans(2).fit, CompressiveKMeans(2).partial_fit, Sketcher(20).fit)
        for door in (*learners, CompressivePCA(1).fit, make_moment_sketcher):
            with pytest.raises(ValueError, match=f"X contains {what} at row 7, column 1; leave"):
                door(bad.to_numpy())
        askers = (model.predict, model.score, named.transform)
        for door in (*learners, *askers, CompressivePCA(1).fit, make_moment_sketcher):
            with pytest.raises(ValueError, match=f"X contains {what} at row 7, column 'b'; leave"):
                door(bad)

    @pytest.mark.parametrize("on_error", ["raise", "skip", lambda name, error: None])
    def test_an_array_is_not_left_out(self, on_error):
        bad = X.copy()
        bad[7, 1] = np.nan
        with pytest.raises(ValueError, match="Input X contains NaN"):
            SKETCHER.sketch(bad, on_error=on_error)

    def test_a_truncated_file(self, tmp_path):
        path = write(tmp_path / "x.csv")
        path.write_bytes(path.read_bytes()[:-30] + b"\n1,2\n")
        with pytest.raises(SourceError, match=r"cannot read .*x\.csv: .*[Cc]olumns"):
            SKETCHER.sketch(path)

    def test_it_is_an_error_if_nothing_could_be_read(self, tmp_path):
        write(tmp_path / "x.parquet")
        with pytest.raises(SourceError, match=r"none of 1 parts could be read.*no column 'z'"):
            SKETCHER.sketch(tmp_path, columns=["z"], on_error=lambda name, error: None)

    def test_paths(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere\.parquet"):
            SKETCHER.sketch(tmp_path / "nowhere.parquet")
        with pytest.raises(FileNotFoundError, match=r"no file matches .*\*\.parquet"):
            SKETCHER.sketch(str(tmp_path / "*.parquet"))
        with pytest.raises(FileNotFoundError, match="holds no file of rows"):
            SKETCHER.sketch(tmp_path)
        (tmp_path / "x.xyz").touch()
        with pytest.raises(SourceError, match=r"cannot tell the format of .*x\.xyz; expected"):
            SKETCHER.sketch(tmp_path / "x.xyz")

    def test_a_csv_column_without_values(self, tmp_path):
        (tmp_path / "x.csv").write_text("a,b,c\n1,,2\n3,,4\n")
        with pytest.raises(SourceError, match=r"column 'b' of .*x\.csv has no value .* in row 0"):
            SKETCHER.sketch(tmp_path / "x.csv")

    def test_a_csv_file_without_a_header(self, tmp_path):
        np.savetxt(tmp_path / "x.csv", X, delimiter=",")
        with pytest.raises(SourceError, match="no line of column names: it starts with"):
            SKETCHER.sketch(tmp_path / "x.csv")

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ([X, X[:, :2]], "item 1 of the stream has 2 columns where item 0 has 3"),
            ([X, X[0]], r"item 1 of the stream must be two-dimensional, .* got shape \(3,\)"),
            ([X, X.astype(str)], "item 1 of the stream must hold real numbers, got <U"),
            ([], "the stream is empty"),
        ],
    )
    def test_streams(self, arrays, message):
        with pytest.raises(SourceError, match=message):
            SKETCHER.sketch(iter(arrays))

    def test_an_error_of_the_callers_own_stream_is_passed_on(self):
        def stream():
            yield X
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            SKETCHER.sketch(stream(), on_error="skip")

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            ([1.0, -1.0], "must not be negative, got -1"),
            ([1.0, np.nan], "must be finite"),
            ([1.0, 2.0**21], "must not exceed"),
            ([0.0, 0.0], "must have a positive entry"),
            ([1e-4, 1e-4], "at least 2\\*\\*-10 on average"),
        ],
    )
    def test_weights(self, weights, message):
        table = pa.table({"a": [1.0, 2.0], "w": weights})
        sketcher = Sketcher(5, random_state=0).fit(np.arange(9.0)[:, None])
        with pytest.raises(ValueError, match=message):
            sketcher.sketch(table, "w")

    def test_options(self):
        with pytest.raises(ValueError, match='on_error must be "raise", "skip" or a callable'):
            SKETCHER.sketch(TABLE, on_error="ignore")
        with pytest.raises(SourceError, match="has no named columns to filter"):
            SKETCHER.sketch(X, filter=[("a", ">", 0)])
        with pytest.raises(SourceError, match="chosen when a source is opened"):
            SKETCHER.sketch(open_source(TABLE), columns=["a"])
        for wrong in ([("a", "is", "finite")], [("a", "~", 3)], [("a",)]):
            with pytest.raises(ValueError, match=r"'not in'; got .*leave missing.*is_valid\(\)"):
                SKETCHER.sketch(pa.table({"a": [1.0]}), filter=wrong)
        with pytest.raises(TypeError, match=r"filter must be an expression .* got 'a > 0'"):
            SKETCHER.sketch(TABLE, filter="a > 0")
        with pytest.raises(TypeError, match=r"expected rows: .* got int"):
            open_source(3)


class TestProgress:
    def test_a_callable_hears_of_rows_and_their_total(self, tmp_path):
        path = write(tmp_path / "x.parquet")
        heard = []
        SKETCHER.sketch([path, path], progress=lambda *counts: heard.append(counts))
        assert [total for _, total in heard] == [2 * N] * len(heard)
        rows = [n for n, _ in heard]
        assert rows == sorted(set(rows))
        assert rows[-1] == 2 * N
        SKETCHER.sketch(path, filter=[("a", ">", 0)], progress=lambda n, total: heard.append(total))
        assert heard[-1] is None

    def test_arrays_report_too(self):
        heard = []
        weights = np.full(N, 2.0)
        sketch = SKETCHER.sketch(X, weights, progress=lambda *counts: heard.append(counts))
        assert heard[-1] == (N, N)
        assert sketch == SKETCHER.sketch(X, weights)


def test_reading_stops_while_summing_is_behind():
    taken = []

    def stream():
        for i in range(100):
            taken.append(i)
            yield X[:512]

    SKETCHER.sketch(
        stream(), progress=lambda n, _: taken.append(f"{len(taken)} of {n}") if n == 512 else None
    )
    reported = next(entry for entry in taken if isinstance(entry, str))
    assert int(reported.split()[0]) <= 5


class TestChunks:
    def test_all_rows_in_order(self, tmp_path):
        write(tmp_path / "0.parquet", TABLE.slice(0, 2000))
        write(tmp_path / "1.feather", TABLE.slice(2000))
        chunks = list(open_source(tmp_path, weight="a", columns=["b", "c"]).chunks())
        assert max(map(len, chunks)) <= 512
        np.testing.assert_array_equal(np.concatenate([chunk.rows for chunk in chunks]), X[:, 1:])
        np.testing.assert_array_equal(np.concatenate([chunk.weights for chunk in chunks]), X[:, 0])

    @pytest.mark.parametrize(("dtype", "expected"), [("f2", "f4"), (">f4", "f4"), ("?", "f8")])
    def test_types(self, dtype, expected):
        rows = (X > 0).astype(dtype)
        chunks = list(open_source(iter([rows])).chunks())
        assert chunks[0].rows.dtype == expected
        np.testing.assert_array_equal(np.concatenate([c.rows for c in chunks]), X > 0)

    def test_the_bad_entry_is_named(self):
        bad = X[:, 1].copy()
        bad[700] = np.inf
        source_ = open_source(TABLE.set_column(1, "b", pa.array(bad)))
        with pytest.raises(SourceError, match="the Table contains inf at row 700, column 'b'"):
            list(source_.chunks())


def test_an_opened_source_is_a_source():
    assert isinstance(open_source(X), RowSource)
    assert SKETCHER.sketch(open_source(X)) == WHOLE


def test_columns_of_text_do_not_matter_where_the_features_are_known_by_name(tmp_path):
    path = write(tmp_path / "x.parquet", TABLE.append_column("t", pa.array(["x"] * N)))
    named = Sketcher(20, random_state=0).fit(TABLE.to_pandas())
    assert named.sketch(path) == named.sketch(TABLE)
    with pytest.raises(SourceError, match="column 't' of"):
        SKETCHER.sketch(path)


def test_the_total_of_an_unreadable_file_is_unknown_and_the_file_is_skipped(tmp_path):
    write(tmp_path / "0.parquet")
    (tmp_path / "1.parquet").write_bytes(b"PAR1 and nothing more")
    told, left_out = [], []
    sketch = SKETCHER.sketch(
        tmp_path,
        progress=lambda n_rows, total: told.append((n_rows, total)),
        on_error=lambda name, error: left_out.append(name),
    )
    assert sketch == WHOLE
    assert left_out == [str(tmp_path / "1.parquet")]
    assert told[-1] == (N, None)
    named = str(tmp_path / "*")
    fitted = Sketcher(20, random_state=0).fit(named, on_error=lambda name, _: left_out.append(name))
    assert fitted.operator_.fingerprint == WHOLE.fingerprint
    assert set(left_out) == {str(tmp_path / "1.parquet")}
