"""Engines that know nothing of sketches add them up, by plain SQL, to the bytes of `rollup`."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from sketchlearn import Sketcher, SketchFormatError, SketchMismatchError, SketchTable
from sketchlearn.sketching import make_moment_sketcher

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
N = 2_000
ROWS = 5.0 * RNG.standard_t(3, size=(N, 3)) - 40.0
KEYS = {"day": RNG.integers(0, 5, size=N), "city": RNG.choice(["Oslo", "Rome", ""], size=N)}
SKETCHER = Sketcher(31, random_state=0).fit(ROWS)
TABLE = SKETCHER.sketch_groups(ROWS, KEYS, RNG.integers(1, 2**21, size=N) / 2.0**20)
OPERATOR = SKETCHER.operator_
MERGE = "SELECT {0}, SUM(COLUMNS('^sk_'))::BIGINT FROM {1} GROUP BY {0}"


@pytest.fixture
def cube(tmp_path):
    TABLE.to_parquet(tmp_path / "cube.parquet")
    return tmp_path / "cube.parquet"


@pytest.mark.parametrize("by", [["city"], ["day"], ["day", "city"]])
def test_duckdb_adds_tables(cube, by):
    merged = duckdb.sql(MERGE.format(", ".join(by), f"'{cube}'")).to_arrow_table()
    assert SketchTable.from_arrow(merged, operator=OPERATOR) == TABLE.rollup(by)


def test_duckdb_adds_slices_of_files_to_a_file(cube, tmp_path):
    half = SKETCHER.sketch_groups(ROWS[:900], {name: keys[:900] for name, keys in KEYS.items()})
    half.to_parquet(tmp_path / "half.parquet")
    query = MERGE.format("city", f"read_parquet('{tmp_path}/*.parquet')")
    duckdb.sql(f"COPY ({query}) TO '{tmp_path / 'merged'}' (FORMAT parquet)")
    merged = SketchTable.from_parquet(tmp_path / "merged", operator=OPERATOR)
    assert merged == (TABLE + half).rollup(["city"])
    # What SQL would add is added by whoever reads several files.
    assert SketchTable.from_parquet([cube, tmp_path / "half.parquet"]) == TABLE + half


def test_sums_that_are_wider_than_64_bits_come_back_if_they_fit(cube):
    by = "SELECT city, SUM(COLUMNS('^sk_')) FROM '{}' GROUP BY city"
    merged = duckdb.sql(by.format(cube)).to_arrow_table()
    names = [name.removeprefix("sum(").removesuffix(")") for name in merged.schema.names]
    merged = merged.rename_columns(names)
    assert pa.types.is_decimal(merged.schema.field("sk_rows").type)
    assert SketchTable.from_arrow(merged, operator=OPERATOR) == TABLE.rollup(["city"])


def changed(column, values):
    table = TABLE.to_arrow()
    place = table.schema.get_field_index(column)
    return table.set_column(place, column, pa.chunked_array([values]))


ARROW = TABLE.to_arrow()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            ARROW.select(["city"]),
            "no column's name begins with 'sk_': if these are rows, sketch them first",
        ),
        (ARROW.drop_columns(["sk_sin_7"]), "lacks 1 columns of sketches, 'sk_sin_7'"),
        (ARROW.drop_columns(["sk_operator_1"]), "lacks 1 columns of sketches, 'sk_operator_1'"),
        (ARROW.drop_columns(["city"]), "lacks 1 columns of sketches, 'city'"),
        (ARROW.append_column("sk_cos_31", ARROW["sk_cos_0"]), "none of its sketches': sk_cos_31"),
        (ARROW.append_column("sk_cos_3", ARROW["sk_cos_0"]), "more than one column 'sk_cos_3'"),
        (
            changed("sk_cos_3", ARROW["sk_cos_3"].cast(pa.float64()).combine_chunks()),
            r"'sk_cos_3' was summed in floating point.*CAST\(SUM\(sk_cos_3\) AS BIGINT\)",
        ),
        (
            changed("sk_rows", ARROW["sk_rows"].cast(pa.decimal128(38, 2)).combine_chunks()),
            "'sk_rows' is of type decimal.*digits after the point",
        ),
        (
            changed("sk_rows", ARROW["sk_rows"].cast(pa.string()).combine_chunks()),
            "'sk_rows' must hold integers, got string",
        ),
        (
            changed("sk_weight", pa.array([None] * len(TABLE), pa.int64())),
            r"'sk_weight' has no value \(null\) in row 0",
        ),
        (
            changed("sk_rows", pa.array([2**63] * len(TABLE), pa.uint64())),
            "'sk_rows' goes beyond 64 bits",
        ),
        (
            changed("sk_cos_0", pa.array([2**60] * len(TABLE), pa.int64())),
            "no rows have the sums of the group",
        ),
        (
            changed("sk_product_0_0_6", pa.array([2**63 - 1] * len(TABLE), pa.int64())),
            "beyond what limbs add up to",
        ),
    ],
    ids=range(13),
)
def test_what_was_not_summed_exactly_is_refused(table, message):
    with pytest.raises(SketchFormatError, match=message):
        SketchTable.from_arrow(table)


def test_tables_are_read_with_the_operator_that_they_were_made_with(cube, tmp_path):
    bare = ARROW.replace_schema_metadata(None)
    with pytest.raises(SketchFormatError, match="engines drop metadata"):
        SketchTable.from_arrow(bare)
    assert SketchTable.from_arrow(bare, operator=OPERATOR) == TABLE
    OPERATOR.save(tmp_path / "operator")
    assert SketchTable.from_arrow(bare, operator=tmp_path / "operator") == TABLE
    other = Sketcher(31, random_state=1).fit(ROWS)
    with pytest.raises(SketchMismatchError, match="taken with the operator"):
        SketchTable.from_arrow(ARROW, operator=other.operator_)
    other.sketch_groups(ROWS, KEYS).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(SketchMismatchError, match="with another operator"):
        SketchTable.from_parquet([cube, tmp_path / "other.parquet"])
    damaged = {b"sketchlearn.table": b"{}"}
    with pytest.raises(SketchFormatError, match="damaged"):
        SketchTable.from_arrow(ARROW.replace_schema_metadata(damaged))


OTHERS = (
    Sketcher(31, random_state=1).fit(ROWS).operator_,
    # The same frequencies, with another grid of moments.
    Sketcher(31, random_state=0).fit(2.0 * ROWS).operator_,
)


@pytest.mark.parametrize("other", OTHERS, ids=["frequencies", "scale"])
def test_sums_of_sql_tell_that_another_operator_of_equal_size_is_not_theirs(cube, other, tmp_path):
    merged = duckdb.sql(MERGE.format("city", f"'{cube}'")).to_arrow_table()
    with pytest.raises(SketchMismatchError, match="not taken with the operator"):
        SketchTable.from_arrow(merged, operator=other)
    # Nor are sums of both any sketch.
    table = Sketcher.from_operator(other).sketch_groups(ROWS, KEYS)
    table.to_parquet(tmp_path / "other.parquet")
    both = duckdb.sql(MERGE.format("city", f"read_parquet('{tmp_path}/*.parquet')"))
    for operator in (OPERATOR, other):
        with pytest.raises(SketchMismatchError, match="not taken with the operator"):
            SketchTable.from_arrow(both.to_arrow_table(), operator=operator)


def test_sums_of_moments_alone_tell_their_grid():
    sketchers = make_moment_sketcher(ROWS), make_moment_sketcher(10.0 * ROWS)
    bare = sketchers[0].sketch_groups(ROWS, KEYS).to_arrow().replace_schema_metadata(None)
    assert len(SketchTable.from_arrow(bare, operator=sketchers[0].operator_)) == len(TABLE)
    with pytest.raises(SketchMismatchError, match="not taken with the operator"):
        SketchTable.from_arrow(bare, operator=sketchers[1].operator_)


def test_files_of_version_1_are_read_forever(tmp_path):
    """They had nothing in their sums that tells the operator."""
    golden = Path(__file__).parents[1] / "golden" / "table_v1.parquet"
    i = np.arange(40)
    rows = np.stack([i % 7, i * i % 11], axis=1).astype(float)
    days, weights = i % 3, 1.0 + i % 2
    cities = np.array(["Oslo", "Rome", None, "Nice"], dtype=object)[i % 4]
    table = SketchTable.from_parquet(golden)
    assert list(table) == sorted(
        {*zip(days.tolist(), cities, strict=True)}, key=lambda key: (key[0], key[1] or "")
    )
    for (day, city), sketch in table.items():
        own = (days == day) & (cities == city if city else np.equal(cities, None))
        waves = np.exp(1j * (rows[own] - table.operator.center) @ table.operator.frequencies)
        mean = np.average(waves, axis=0, weights=weights[own])
        np.testing.assert_allclose(sketch.centered_mean, mean, atol=2e-6)
        covariance = np.cov(rows[own].T, aweights=weights[own], ddof=0)
        np.testing.assert_allclose(sketch.moments.covariance, covariance, atol=1e-5)
        assert sketch.weight_sum == weights[own].sum()
    merged = duckdb.sql(MERGE.format("city", f"'{golden}'")).to_arrow_table()
    assert "sk_operator_0" not in merged.schema.names
    by_city = SketchTable.from_arrow(merged, operator=table.operator)
    assert by_city == table.rollup(["city"])
    table.to_parquet(tmp_path / "new.parquet")
    assert SketchTable.from_parquet([golden, tmp_path / "new.parquet"]) == table + table


def test_a_file_holds_the_operator_once_and_names(cube):
    metadata = pq.read_metadata(cube).metadata
    assert metadata[b"sketchlearn.table"].count(OPERATOR.fingerprint.encode()) == 1
    assert b"sketchlearn.operator" in metadata
    assert set(pq.read_schema(cube).types[2:]) == {pa.int64()}
    digits = OPERATOR.fingerprint
    for mark, eight in (("sk_operator_0", digits[:8]), ("sk_operator_1", digits[8:16])):
        expected = (int(eight, 16) % 8191 + 1) * TABLE.n_samples
        np.testing.assert_array_equal(ARROW[mark], expected)
    named = Sketcher.from_domain([-50] * 3, [50] * 3, feature_names=["a", "b", "c"], random_state=0)
    frame = pa.table({**dict(zip("abc", ROWS.clip(-50, 50).T, strict=True)), **KEYS})
    table = named.sketch_groups(frame, ["day", "city"])
    table.to_parquet(cube)
    assert SketchTable.from_parquet(cube).feature_names == ("a", "b", "c")
    bare = table.to_arrow().replace_schema_metadata(None)
    again = SketchTable.from_arrow(bare, operator=named.operator_, feature_names=["a", "b", "c"])
    assert again.total().feature_names == ("a", "b", "c")


def test_nothing_is_left_behind_where_a_file_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError):
        TABLE.to_parquet(tmp_path / "missing" / "cube.parquet")
    assert list(tmp_path.iterdir()) == []


def rewritten(table, path, **columns):
    """Write columns of a table with others in their place, as an engine does, without metadata."""
    arrow = table.to_arrow()
    given = [columns.get(name, arrow[name]) for name in arrow.schema.names]
    pq.write_table(pa.table(given, names=arrow.schema.names), path)


def test_several_files_are_held_to_what_one_is(cube, tmp_path):
    """No type of one file is made that of another: fractions, keys and moments stay what they are.

    Arrow by itself casts a file's columns to the types of the first.
    """
    first, other = TABLE.rollup(["day"]), tmp_path / "other.parquet"
    first.to_parquet(cube)
    floats = first.to_arrow()["sk_cos_3"].cast(pa.float64())
    rewritten(first, other, sk_cos_3=floats)
    for files in ([cube, other], [other, cube]):
        with pytest.raises(
            SketchFormatError, match=r"other.parquet: .*'sk_cos_3' was summed in fl"
        ):
            SketchTable.from_parquet(files, operator=OPERATOR)
    rewritten(first, other, sk_rows=first.to_arrow()["sk_rows"].cast(pa.int32()))
    for files in ([cube, other], [other, cube]):
        assert SketchTable.from_parquet(files, operator=OPERATOR) == first + first
    with pytest.raises(SketchFormatError, match=r"other.parquet says nothing of the operator"):
        SketchTable.from_parquet([cube, other])


@pytest.mark.parametrize(
    ("keys", "by", "message"),
    [
        (["0", "1"], "day", "integers, those of the other strings"),
        ([True, False], "day", "integers, those of the other truth values"),
        ([0, 1], "hour", "by day, the other by hour"),
    ],
)
def test_several_files_are_of_the_same_keys(cube, tmp_path, keys, by, message):
    TABLE.rollup(["day"]).to_parquet(cube)
    SKETCHER.sketch_groups(ROWS[:2], {by: keys}).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(SketchMismatchError, match=f"b.parquet: .*{message}"):
        SketchTable.from_parquet([cube, tmp_path / "b.parquet"])


def test_several_files_are_of_the_same_columns(cube, tmp_path):
    path = tmp_path / "b.parquet"
    TABLE.rollup(["day"]).to_parquet(path)
    for files in ([cube, path], [path, cube]):
        with pytest.raises(SketchMismatchError, match="one table is by"):
            SketchTable.from_parquet(files)
    keys = {name: values[:9] for name, values in KEYS.items()}
    bare = Sketcher.from_operator(OPERATOR).set_params(moments=None)
    bare.sketch_groups(ROWS[:9], keys).to_parquet(path)
    for files in ([cube, path], [path, cube]):
        with pytest.raises(SketchMismatchError, match="moments"):
            SketchTable.from_parquet(files)
    again = SketchTable.from_arrow(ARROW, feature_names=["a", "x", "y"])
    with pytest.raises(SketchMismatchError, match="the table's features are a, x, y"):
        SketchTable.from_arrow(again.to_arrow(), feature_names=["x", "a", "y"])
    with pytest.raises(ValueError, match="feature_names must be 3 names, got 1"):
        SketchTable.from_parquet(cube, feature_names=["a"])
    again.to_parquet(path)
    other = SketchTable.from_arrow(ARROW, feature_names=["b", "x", "y"])
    other.to_parquet(tmp_path / "names.parquet")
    with pytest.raises(SketchMismatchError, match=r"names.parquet: .*different features"):
        SketchTable.from_parquet([path, tmp_path / "names.parquet"])
    assert SketchTable.from_parquet([cube, path]).feature_names == ("a", "x", "y")
    bare = again.to_arrow().select([*ARROW.schema.names[1::-1], *ARROW.schema.names[2:]])
    pq.write_table(bare.replace_schema_metadata(None), path)
    assert SketchTable.from_parquet([cube, path], operator=OPERATOR) == TABLE + TABLE


def test_a_key_that_is_always_null_goes_with_any_other(cube, tmp_path):
    null = SKETCHER.sketch_groups(ROWS[:2], {"day": [None, None]})
    days = TABLE.rollup(["day"])
    null.to_parquet(tmp_path / "null.parquet")
    days.to_parquet(cube)
    assert SketchTable.from_parquet(tmp_path / "null.parquet") + days == null + days
    for files in ([tmp_path / "null.parquet", cube], [cube, tmp_path / "null.parquet"]):
        assert SketchTable.from_parquet(files) == null + days


def test_a_key_in_the_names_of_folders_is_not_lost(cube, tmp_path):
    folder = tmp_path / "by_city"
    duckdb.sql(f"COPY (FROM '{cube}') TO '{folder}' (FORMAT parquet, PARTITION_BY (city))")
    with pytest.raises(SketchFormatError, match=r"the key 'city' is in the name of the folder"):
        SketchTable.from_parquet(folder, operator=OPERATOR)
    whole = pa.dataset.dataset(folder, partitioning="hive").to_table()
    # DuckDB has no other name for an empty text in a path.
    assert SketchTable.from_arrow(whole, operator=OPERATOR).rollup(["day"]) == TABLE.rollup(["day"])
    # A folder that tells nothing of a table which knows its keys.
    (tmp_path / "year=2024").mkdir()
    TABLE.to_parquet(tmp_path / "year=2024" / "cube.parquet")
    assert SketchTable.from_parquet(tmp_path / "year=2024") == TABLE


def test_what_is_no_parquet_is_said_to_be_none(tmp_path):
    (tmp_path / "a").write_bytes(b"PAR1 but not for long")
    with pytest.raises(SketchFormatError, match="not a Parquet file"):
        SketchTable.from_parquet(tmp_path / "a")
    (tmp_path / "folder").mkdir()
    for place in ([], tmp_path / "folder"):
        with pytest.raises(ValueError, match="at least one Parquet file, got none"):
            SketchTable.from_parquet(place)
