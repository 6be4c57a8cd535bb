import datetime
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sketchlearn import Sketch, Sketcher, SketchMismatchError, SketchTable, SourceError
from sketchlearn.sources.source import limit_chunk_rows

RNG = np.random.default_rng(0)
N = 3_000
ROWS = 3.0 * RNG.normal(size=(N, 3)) + 1.0
DAYS = RNG.integers(0, 6, size=N)
CITIES = np.array(["Oslo", "Rome", None, "São Paulo"], dtype=object)[RNG.integers(0, 4, size=N)]
KEYS = {"day": DAYS, "city": CITIES}
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"]).assign(day=DAYS, city=CITIES)
SKETCHER = Sketcher(43, random_state=0).fit(ROWS)
NAMED = Sketcher(43, random_state=0).fit(FRAME[["a", "b", "c"]])
TABLE = SKETCHER.sketch_groups(ROWS, KEYS)
BY = ["day", "city"]


def is_of(key):
    return (key[0] == DAYS) & np.array([city is key[1] or city == key[1] for city in CITIES])


def test_each_group_has_the_sketch_of_its_rows():
    assert len(TABLE) == 24 == len({*TABLE})
    for key in TABLE:
        assert TABLE[key] == SKETCHER.sketch(ROWS[is_of(key)])
    assert TABLE.total() == SKETCHER.sketch(ROWS)
    assert sum(TABLE.values()) == SKETCHER.sketch(ROWS)
    assert next(iter(TABLE)) == (0, None)


@pytest.mark.parametrize("weights", [np.ones(N), RNG.integers(0, 4, size=N) * 0.37])
def test_weights(weights):
    table = SKETCHER.sketch_groups(ROWS, KEYS, weights)
    assert table.total() == SKETCHER.sketch(ROWS, weights)
    key = 3, "Oslo"
    assert table[key] == SKETCHER.sketch(ROWS[is_of(key)], weights[is_of(key)])


def test_a_group_of_weight_zero_is_none():
    weights = (DAYS != 2).astype(float)
    table = SKETCHER.sketch_groups(ROWS, {"day": DAYS}, weights)
    rest = DAYS != 2
    assert table == SKETCHER.sketch_groups(ROWS[rest], {"day": DAYS[rest]}, weights[rest])
    assert (2,) not in table
    with pytest.raises(ValueError, match="only zeros"):
        SKETCHER.sketch_groups(ROWS, KEYS, np.zeros(N))


@pytest.mark.parametrize("settings", [{"n_jobs": 2}, {"backend": "numpy"}])
def test_any_order_chunk_and_thread_gives_the_same_table(settings):
    sketcher = Sketcher(43, random_state=0, **settings).fit(ROWS)
    order = RNG.permutation(N)
    keys = {name: values[order] for name, values in KEYS.items()}
    with limit_chunk_rows(512):
        table = sketcher.sketch_groups(ROWS[order], keys)
    if "backend" in settings:
        assert all(table[key] == sketcher.sketch(ROWS[is_of(key)]) for key in list(table)[:5])
    else:
        assert table == TABLE


@pytest.mark.parametrize("kind", ["full", "diagonal", None])
def test_moments_of_each_kind(kind):
    sketcher = Sketcher(20, moments=kind, random_state=0).fit(ROWS)
    table = sketcher.sketch_groups(ROWS, {"day": DAYS})
    assert table[4,] == sketcher.sketch(ROWS[DAYS == 4])
    assert SketchTable.from_arrow(table.to_arrow()) == table


def test_rows_that_float32_is_too_coarse_for():
    rows = ROWS.copy()
    rows[::50] *= 1e4
    table = SKETCHER.sketch_groups(rows, {"day": DAYS})
    assert table[1,] == SKETCHER.sketch(rows[DAYS == 1])


def files_of(folder):
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    pq.write_table(table.slice(0, 1000), folder / "1.parquet", row_group_size=300)
    pq.write_table(table.slice(1000), folder / "2.parquet")
    return str(folder / "*.parquet")


@pytest.mark.parametrize(
    "source",
    [
        lambda _: FRAME,
        lambda _: FRAME.astype({"city": "category"}),
        lambda _: pl.from_pandas(FRAME),
        lambda _: pa.Table.from_pandas(FRAME),
        lambda _: pa.Table.from_pandas(FRAME).to_reader(100),
        lambda _: [FRAME[:700], FRAME[700:]],
        lambda _: (FRAME[i : i + 500] for i in range(0, N, 500)),
        files_of,
    ],
    ids=["pandas", "category", "polars", "arrow", "stream", "list", "iterable", "parquet"],
)
def test_every_source_of_columns(source, tmp_path):
    assert NAMED.sketch_groups(source(tmp_path), BY) == TABLE


def test_csv_has_empty_texts_and_the_types_that_it_shows(tmp_path):
    frame = FRAME.assign(city=FRAME["city"].fillna(""), a=np.rint(FRAME["a"]))
    frame.loc[N - 1, "a"] += 0.5
    frame.to_csv(tmp_path / "rows.csv", index=False)
    expected = NAMED.sketch_groups(frame, BY)
    assert NAMED.sketch_groups(str(tmp_path / "rows.csv"), BY) == expected


def test_folders_that_are_called_by_keys(tmp_path):
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    pq.write_to_dataset(table, tmp_path, partition_cols=["day"])
    assert NAMED.sketch_groups(str(tmp_path), BY) == TABLE


def test_filter_and_weight_columns():
    frame = FRAME.assign(w=RNG.integers(1, 3, size=N))
    table = NAMED.sketch_groups(frame, "city", "w", filter=[("day", ">", 2)])
    some = frame[frame["day"] > 2]
    assert table.total() == NAMED.sketch(some[["a", "b", "c"]], some["w"].to_numpy())
    assert table.by == ("city",)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([True, None, False], [None, False, True]),
        ([datetime.date(2024, 2, 29), datetime.date(1969, 12, 31)] * 2, None),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ["a", "b"]),
        ([2**63 - 1, -(2**63)], [-(2**63), 2**63 - 1]),
        ([None, None], [None]),
        (pa.array([3, 1], pa.uint8()), [1, 3]),
    ],
)
def test_types_of_keys(values, expected):
    table = SKETCHER.sketch_groups(ROWS[: len(values)], {"k": values})
    expected = sorted({*values}) if expected is None else expected
    assert [key for (key,) in table] == expected
    assert all(type(key) is type(other) for (key,), other in zip(table, expected, strict=True))
    again = SketchTable.from_arrow(table.to_arrow())
    assert again == table
    assert list(again) == list(table)


def test_tables_add_and_subtract_as_sets_of_rows_do():
    first, second = (
        SKETCHER.sketch_groups(ROWS[part], {name: v[part] for name, v in KEYS.items()})
        for part in (slice(0, 1700), slice(1700, None))
    )
    assert first + second == second + first == sum([first, second]) == TABLE
    assert TABLE - first == second
    assert len(TABLE - TABLE) == 0
    monday = TABLE.select(day=1)
    rest = DAYS != 1
    never = SKETCHER.sketch_groups(ROWS[rest], {name: v[rest] for name, v in KEYS.items()})
    assert (TABLE - monday).to_arrow().equals(never.to_arrow())


def test_more_rows_than_a_group_has_cannot_be_taken():
    with pytest.raises(ValueError, match=r"the group \(1, Oslo\) that it does not contain"):
        TABLE.select(day=1, city="Oslo") - (TABLE + TABLE).select(day=1, city="Oslo")
    with pytest.raises(ValueError, match="no group"):
        TABLE.select(day=1) - TABLE.select(day=2)
    # As many rows, but others.
    other = SKETCHER.sketch_groups(ROWS[:1] + 1.0, {"k": [1]})
    with pytest.raises(ValueError, match="does not contain"):
        SKETCHER.sketch_groups(ROWS[:1], {"k": [1]}) - other


def test_slices_and_rollups():
    assert TABLE.total(city="Rome") == SKETCHER.sketch(ROWS[CITIES == "Rome"])
    assert TABLE.total(city=None, day=[1, 2]) == TABLE[1, None] + TABLE[2, None]
    late = TABLE.select(day=lambda day: day > 3)
    assert late.total() == SKETCHER.sketch(ROWS[DAYS > 3])
    assert TABLE.rollup(["city"]) == SKETCHER.sketch_groups(ROWS, {"city": CITIES})
    assert TABLE.rollup(["city", "day"]).rollup(BY) == TABLE
    assert TABLE.rollup("day")[3] == TABLE.total(day=3)
    with pytest.warns(UserWarning, match="no group is chosen by city='Ulm'; 'city' has .*'Rome'"):
        assert TABLE.total(city="Ulm") == Sketch.empty(SKETCHER.operator_)
    with pytest.raises(ValueError, match="no key 'month'; its keys are day, city"):
        TABLE.total(month=3)
    with pytest.raises(ValueError, match="each named once"):
        TABLE.rollup(["day", "day"])


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ((3, "Olso"), r"no group has the key \(3, 'Olso'\); of the \d+ groups by day, city the "
                      r"nearest in order are .*\(3, 'Oslo'\)"),
        ((99, "Oslo"), r"nearest in order are .*\(5, 'S.o Paulo'\)"),
        (("3", "Oslo"), r"the keys of the \d+ groups by day, city are integers in 'day' and str"),
        ("Oslo", "a key has a value of each of day, city"),
        ((None, None), "the nearest in order are"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_there_is_told_with_the_nearest(key, said):
    with pytest.raises(KeyError, match=said):
        TABLE[key]
    assert key not in TABLE
    assert TABLE.get(key) is None


def test_what_is_no_key_is_refused():
    with pytest.raises(TypeError, match=r"a tuple of values of day, city, got \['Oslo'\]"):
        TABLE[["Oslo"]]
    with pytest.raises(KeyError, match="the table has none"):
        (TABLE - TABLE)[1, "Oslo"]


def test_it_is_a_mapping():
    assert TABLE[2, "Oslo"] == dict(TABLE.items())[2, "Oslo"]
    assert (2, "Ulm") not in TABLE
    assert TABLE.get((2, "Ulm")) is None
    assert pickle.loads(pickle.dumps(TABLE)) == TABLE
    assert "24 groups by day, city, 3000 rows" in repr(TABLE)
    assert TABLE.n_samples.sum() == N
    assert TABLE.rollup(["city", "day"]) != TABLE
    assert TABLE != 3


def test_no_rows_make_no_groups():
    none = NAMED.sketch_groups(FRAME[:0], BY)
    assert len(none) == 0
    assert none == SketchTable.empty(NAMED.operator_, BY)
    assert none + TABLE == TABLE == TABLE - none
    assert SketchTable.from_arrow(none.to_arrow()) == none


def test_tables_of_other_kinds_are_not_added():
    other = Sketcher(43, random_state=1).fit(ROWS)
    with pytest.raises(SketchMismatchError, match="different operators"):
        TABLE + other.sketch_groups(ROWS, KEYS)
    with pytest.raises(SketchMismatchError, match="by day, city, the other by day"):
        TABLE + TABLE.rollup(["day"])
    with pytest.raises(SketchMismatchError, match=r"integers.* strings"):
        TABLE.rollup(["day"]) + SKETCHER.sketch_groups(ROWS, {"day": DAYS.astype(str)})


@pytest.mark.parametrize(
    ("by", "error", "message"),
    [
        ("a", SourceError, "'a' of the Table is of type double"),
        ("month", SourceError, "no column 'month' to group rows by"),
        ([], ValueError, "names of columns"),
        (["day", "day"], ValueError, "named twice"),
        ("sk_day", ValueError, "begin with 'sk_'"),
        ({"day": DAYS}, TypeError, "names of columns where X is a source"),
    ],
)
def test_keys_that_are_refused(by, error, message):
    with pytest.raises(error, match=message):
        NAMED.sketch_groups(pa.Table.from_pandas(FRAME), by)


def test_key_values_that_are_refused():
    with pytest.raises(SourceError, match="'day' of by is of type double"):
        SKETCHER.sketch_groups(ROWS, {"day": DAYS + 0.5})
    with pytest.raises(SourceError, match="timestamp"):
        SKETCHER.sketch_groups(ROWS[:1], {"day": [datetime.datetime(2024, 1, 1)]})
    with pytest.raises(ValueError, match="must be 3000, one a row, got 2999"):
        SKETCHER.sketch_groups(ROWS, {"day": DAYS[1:]})
    with pytest.raises(SourceError, match="'day' of by has a key that int64 does not hold"):
        SKETCHER.sketch_groups(ROWS[:1], {"day": np.array([2**63], np.uint64)})
    with pytest.raises(SourceError, match=r"'day' of by has a key that date32.* does not hold"):
        SKETCHER.sketch_groups(ROWS[:1], {"day": pa.array([86_400_001], pa.date64())})
    with pytest.raises(SourceError, match="strings where integers came before"):
        NAMED.sketch_groups([FRAME[:9], FRAME[9:].assign(day="Monday")], BY)
    with pytest.raises(SourceError, match="no named columns to filter, weigh or group"):
        SKETCHER.sketch_groups(ROWS, "day")


@pytest.mark.filterwarnings("ignore:.* have a single row, and the sums take:UserWarning")
def test_too_many_groups_are_refused_before_memory_is_full():
    sketcher = Sketcher(43, moments=None, random_state=0).fit(ROWS)
    # 16 bytes a frequency, 32 for the squared weights and 16 for counts.
    most, size = {"i": np.arange(N)}, 16 * 43 + 32 + 16
    with pytest.raises(ValueError, match=r"more than 135 groups .* max_memory=100,000 bytes"):
        sketcher.sketch_groups(ROWS, most, max_memory=100_000)
    assert len(sketcher.sketch_groups(ROWS, most, max_memory=N * size)) == N


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_bad_row_is_named(n_jobs):
    frame = FRAME.copy()
    frame.loc[2345, "b"] = np.inf
    sketcher = Sketcher.from_sketch(NAMED.sketch(FRAME[["a", "b", "c"]]), n_jobs=n_jobs)
    with (
        pytest.raises(SourceError, match=r"infinity.* at row 2345, column 'b'"),
        limit_chunk_rows(512),
    ):
        sketcher.sketch_groups([frame[:100], frame[100:]], BY)
    rows = ROWS.copy()
    rows[77, 2] = 1e300
    with pytest.raises(SourceError, match=r"too large.* at row 77, column 2"):
        SKETCHER.sketch_groups(rows, KEYS)


def test_progress_is_told():
    heard = []
    SKETCHER.sketch_groups(ROWS, KEYS, progress=lambda n, total: heard.append((n, total)))
    assert heard[-1] == (N, N)


@pytest.mark.parametrize(
    "values", [["\ud800", "a"], [2**70, 1], None, 3, [1, "a"]], ids=["half", "huge", "0", "1", "2"]
)
def test_values_that_are_no_keys_are_refused_by_name(values):
    with pytest.raises(SourceError, match="the keys 'day' must be"):
        SKETCHER.sketch_groups(ROWS[:2], {"day": values})


def test_groups_are_chosen_by_any_iterable_and_any_name():
    assert TABLE.select(day=(day for day in (1, 2))) == TABLE.select(day=[1, 2])
    assert TABLE.select(day=filter(None, [0, 1])) == TABLE.select(day=1)
    table = SKETCHER.sketch_groups(ROWS[:4], {"self": [1, 1, 2, 3]})
    assert table.select(**{"self": [1, 2]}).total() == table.total(**{"self": [1, 2]})
    assert table.total(**{"self": 1}).n_samples == 2


DATED = SKETCHER.sketch_groups(ROWS[:3], {"day": [datetime.date(2024, 2, d) for d in (1, 2, 2)]})
FLAGGED = SKETCHER.sketch_groups(ROWS[:3], {"day": [True, False, True]})


@pytest.mark.parametrize(
    ("table", "choice", "n_rows"),
    [
        (TABLE, np.int64(1), (DAYS == 1).sum()),
        (TABLE, np.array([0, 1]), (DAYS < 2).sum()),
        (TABLE, [], 0),
        (DATED, np.datetime64("2024-02-02"), 2),
        (DATED, {datetime.date(2024, 2, 1), None}, 1),
        (FLAGGED, np.True_, 2),
    ],
)
def test_a_value_is_chosen_as_it_is_read_of_rows(table, choice, n_rows):
    assert table.total(day=choice).n_samples == n_rows


@pytest.mark.parametrize(
    ("table", "choice", "message"),
    [
        (TABLE, "1", r"the keys 'day' are integers.* by strings, got \['1'\]"),
        (TABLE, True, "integers.* by truth values"),
        (DATED, "2024-02-02", "dates.* by strings"),
        (DATED, [2, 3], "dates.* by integers"),
        (FLAGGED, 1, "truth values.* by integers"),
        (TABLE, 1.0, "'day' of the choice is of type double"),
        (DATED, datetime.datetime(2024, 2, 2), "'day' of the choice is of type timestamp"),
        (TABLE, [1, "a"], "the keys 'day' must be"),
    ],
)
def test_a_value_of_another_type_than_the_keys_is_refused(table, choice, message):
    with pytest.raises(ValueError, match=message):
        table.select(day=choice)


def test_tables_by_truth_values_are_none_by_integers():
    assert SKETCHER.sketch_groups(ROWS[:3], {"day": [1, 0, 1]}) != FLAGGED


@pytest.mark.parametrize("values", [["a", "b"] * 500, np.arange(1000)])
def test_values_that_are_taken_for_names_of_keys_are_refused_in_few_words(values):
    rows = np.random.default_rng(0).normal(size=(1000, 2))
    with pytest.raises(ValueError, match="995 more; to group by values") as error:
        Sketcher(9, random_state=0).fit(rows).sketch_groups(rows, by=values)
    assert len(str(error.value)) < 200
