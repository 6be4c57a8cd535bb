"""Spark data frames on a real `local[2]`, tasks that die included: the bytes that memory gives."""

import os
import re
import signal
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyspark.sql as sql
import pytest

from sketchlearn import Sketcher, SketchTable
from sketchlearn.distributed import spark as sketched

# pyspark's own: it warns of pandas 3, and its older versions leave sockets to be collected.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
    pytest.mark.filterwarnings("ignore:unclosed .*socket:ResourceWarning"),
]

ROWS = np.random.default_rng(0).normal(size=(2_000, 3))
NAMES = ["a", "b", "c"]
SKETCHER = Sketcher(n_frequencies=60, random_state=0).fit(ROWS)
WHOLE = SKETCHER.sketch(ROWS)
NAMED = Sketcher(n_frequencies=60, random_state=0).fit(pd.DataFrame(ROWS, columns=NAMES))
WEIGHTS = np.random.default_rng(1).integers(0, 5, size=2_000) / 4
WEIGHTED = SKETCHER.sketch(ROWS, WEIGHTS)
POSITIVE = ROWS[:, 0] > 0


@pytest.fixture(scope="module")
def spark():
    """Two threads, every task tried twice if need be, and as little of a JVM as will do."""
    environment = pytest.MonkeyPatch()
    environment.setenv("PYSPARK_PYTHON", sys.executable)
    environment.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    environment.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    settings = {
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.driver.memory": "512m",
        "spark.log.level": "OFF",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = sql.SparkSession.builder.master("local[2, 2]").appName("tests")
    session = builder.config(map=settings).getOrCreate()
    yield session
    session.stop()
    environment.undo()


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame(pa.table(dict(zip(NAMES, ROWS.T, strict=True))))


@pytest.mark.parametrize("n", [1, 13, 40])
def test_any_partitioning(frame, n):
    assert sketched.sketch(SKETCHER, frame.repartition(n)) == WHOLE


def test_groups_have_the_bytes_that_memory_gives(spark):
    i = np.arange(len(ROWS))
    keys = {"day": i % 5, "city": np.array(["Oslo", "Rome", None])[i % 3]}
    frame = pa.table({**dict(zip(NAMES, ROWS.T, strict=True)), **keys, "w": WEIGHTS})
    rows = spark.createDataFrame(frame).repartition(3)
    by = ["day", "city"]
    table = sketched.sketch_groups(NAMED, rows, by, sample_weight="w", filter=[("day", "<", 4)])
    some = frame.filter(pc.field("day") < 4)
    assert table == NAMED.sketch_groups(some, by, "w")
    assert table.feature_names == tuple(NAMES)
    assert len(sketched.sketch_groups(NAMED, rows.where("day > 9"), "day")) == 0
    with pytest.raises(ValueError, match="is of type double, which rows are not grouped by"):
        sketched.sketch_groups(NAMED, rows, "w")
    with pytest.raises(ValueError, match="'a', which is a feature"):
        sketched.sketch_groups(NAMED, rows, "a")


def test_plain_sql_adds_tables_of_sketches(spark, tmp_path):
    keys = {
        "day": np.arange(2_000) % 5,
        "city": np.array(["Oslo", "Rome", None])[np.arange(2_000) % 3],
    }
    table = SKETCHER.sketch_groups(ROWS, keys, WEIGHTS)
    table.to_parquet(tmp_path / "cube.parquet")
    cube = spark.read.parquet(str(tmp_path / "cube.parquet"))
    cube.createOrReplaceTempView("cube")
    sums = ", ".join(f"SUM({name}) AS {name}" for name in cube.columns if name[:3] == "sk_")
    merged = spark.sql(f"SELECT city, {sums} FROM cube GROUP BY city")
    merged.write.parquet(str(tmp_path / "merged"))
    again = SketchTable.from_parquet(tmp_path / "merged", operator=SKETCHER.operator_)
    assert again == table.rollup(["city"])


def test_from_parquet_by_a_query(spark, frame, tmp_path):
    frame.repartition(3).write.parquet(str(tmp_path / "rows"))
    kept = spark.read.parquet(str(tmp_path / "rows")).where("a > 0")
    assert sketched.sketch(SKETCHER, kept) == SKETCHER.sketch(ROWS[ROWS[:, 0] > 0])


def test_columns_are_chosen_by_name_and_order(spark, frame):
    shuffled = frame.selectExpr("c", "'x' as text", "b as `b`", "a as `a.first`")
    got = sketched.sketch(SKETCHER, shuffled, columns=["a.first", "b", "c"])
    assert got == WHOLE


def test_types_of_numbers(spark):
    frame = (
        spark.range(40)
        .selectExpr(
            "cast(id as tinyint) t",
            "cast(id as decimal(9, 2)) / 4 as d",
            "id % 2 = 0 as flag",
            "id",
            "cast(id as float) / 3 as f",
        )
        .withColumn("f", sql.functions.col("f").cast("float"))
    )
    i = np.arange(40.0)
    rows = np.stack([i, i / 4, i % 2 == 0, i, (i / 3).astype(np.float32)], axis=1)
    sketcher = Sketcher(n_frequencies=20, random_state=0).fit(rows)
    assert sketched.sketch(sketcher, frame) == sketcher.sketch(rows)


def test_no_rows_give_the_empty_sketch(frame):
    assert sketched.sketch(SKETCHER, frame.where("a > 99")) == SKETCHER.sketch(ROWS[:0])


def failing_once(how, marker):
    """Give rows on, except that the second partition dies the first time."""

    def give_on(batches):
        from pyspark import TaskContext

        if TaskContext.get().partitionId() == 1 and not Path(marker).exists():
            Path(marker).touch()
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError("the disk was away")
        yield from batches

    return give_on


@pytest.mark.parametrize("how", ["killed", "raises"])
def test_a_task_that_dies_is_run_again(frame, tmp_path, how):
    marker = tmp_path / "died"
    flaky = frame.repartition(4).mapInArrow(failing_once(how, str(marker)), frame.schema)
    assert sketched.sketch(SKETCHER, flaky) == WHOLE
    assert marker.exists()


def test_fit_on_few_rows_takes_all_of_them(frame):
    sketcher = Sketcher(n_frequencies=60, random_state=0)
    assert sketched.fit(sketcher, frame.repartition(3)) is sketcher
    assert list(sketcher.feature_names_in_) == NAMES
    assert sketcher.operator_.fingerprint == SKETCHER.operator_.fingerprint
    assert sketched.sketch(sketcher, frame.select("c", "b", "a")) == WHOLE


def test_fit_on_many_rows_takes_a_uniform_sample(spark):
    frame = spark.range(0, 400_000, 1, 20).selectExpr("id / 400000 as x")
    sketcher = sketched.fit(Sketcher(n_frequencies=10, random_state=0), frame)
    assert sketcher.pilot_.shape == (5_000, 1)
    assert len(np.unique(sketcher.pilot_)) == 5_000
    # Six standard deviations of the mean of 5,000 uniform numbers.
    assert abs(sketcher.center_[0] - 0.5) < 6 / np.sqrt(12 * 5_000)


@pytest.fixture(scope="module")
def weighed(spark):
    """Rows with weights, a text, and the index that pandas stores."""
    table = dict(zip(["c", "a", "b"], ROWS.T[[2, 0, 1]], strict=True))
    stored = {"w": WEIGHTS, "text": ["x"] * len(ROWS), "__index_level_0__": np.arange(len(ROWS))}
    return spark.createDataFrame(pa.table({**table, **stored}))


def test_weights_by_name_or_by_an_expression(weighed):
    assert sketched.sketch(NAMED, weighed, sample_weight="w") == WEIGHTED
    numbers = weighed.select("w", "a", "b", "c", "__index_level_0__")
    assert sketched.sketch(SKETCHER, numbers, sample_weight="w") == WEIGHTED
    halves = sketched.sketch(NAMED, weighed, sample_weight=sql.functions.col("w") / 2)
    assert halves == SKETCHER.sketch(ROWS, WEIGHTS / 2)
    assert sketched.sketch(NAMED, weighed, sample_weight=2) == SKETCHER.sketch(ROWS, 2.0)


@pytest.mark.parametrize(
    "chosen",
    [
        [("a", ">", 0)],
        [[("a", ">", 0), ("text", "==", "x")]],
        pc.field("a") > 0,
        "a > 0",
        sql.functions.expr,
    ],
)
def test_filters_of_pyarrow_and_of_spark(weighed, chosen):
    chosen = chosen("a > 0") if callable(chosen) else chosen
    got = sketched.sketch(NAMED, weighed, filter=chosen, sample_weight="w")
    assert got == SKETCHER.sketch(ROWS[POSITIVE], WEIGHTS[POSITIVE])


def test_fit_with_weights_and_a_filter(weighed):
    few = weighed.repartition(3)
    fitted = sketched.fit(
        Sketcher(60, random_state=0), few, NAMES, sample_weight="w", filter=[("a", ">", 0)]
    )
    expected = Sketcher(60, random_state=0).fit(ROWS[POSITIVE], sample_weight=WEIGHTS[POSITIVE])
    assert fitted.operator_.fingerprint == expected.operator_.fingerprint
    assert (fitted.pilot_inclusion_probability_ == 1.0).all()


def test_the_names_of_a_sketcher_are_found_in_any_order(weighed):
    assert sketched.sketch(NAMED, weighed) == WHOLE
    assert sketched.sketch(NAMED, weighed, ["c", "b", "a"]) == WHOLE


def test_vectors_and_arrays_make_features(spark):
    from pyspark.ml.linalg import Vectors

    few = ROWS[:40]
    vectors = [
        (Vectors.dense(row) if i % 2 else Vectors.sparse(3, [0, 1, 2], row), row.tolist())
        for i, row in enumerate(few)
    ]
    frame = spark.createDataFrame(vectors, ["v", "list"]).repartition(3)
    expected = SKETCHER.sketch(few)
    for column in ("v", "list"):
        assert sketched.sketch(SKETCHER, frame, column) == expected
    fitted = sketched.fit(Sketcher(60, random_state=0), frame, "v")
    assert list(fitted.feature_names_in_) == ["v[0]", "v[1]", "v[2]"]
    assert (
        fitted.operator_.fingerprint == Sketcher(60, random_state=0).fit(few).operator_.fingerprint
    )
    named = pd.DataFrame(few, columns=fitted.feature_names_in_)
    assert sketched.sketch(fitted, frame) == fitted.sketch(named)


def test_the_advice_for_missing_values_works(spark):
    rows = "explode(array(cast(null as double), double('nan'), 1d)) a, 2d b, 3d c"
    frame = spark.sql(f"select {rows}")
    expected = SKETCHER.sketch([[1.0, 2.0, 3.0]])
    there = pc.field("a").is_valid() & ~pc.field("a").is_nan()
    assert sketched.sketch(SKETCHER, frame, filter=there) == expected
    assert sketched.sketch(SKETCHER, frame.dropna(subset=["a"])) == expected


def test_a_chance_counts_all_rows(spark):
    frame = spark.range(0, 300_000, 1, 4).selectExpr("id / 300000 as x", "id % 2 as w")
    fitted = sketched.fit(Sketcher(10, random_state=0), frame, sample_weight="w")
    assert list(fitted.feature_names_in_) == ["x"]
    assert (1 / fitted.pilot_inclusion_probability_).sum() == pytest.approx(150_000, rel=0.1)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"sample_weight": "z"}, ValueError, "the columns 'z' are missing"),
        ({"sample_weight": "text"}, TypeError, "column 'text' must be numeric, got string"),
        (
            {"sample_weight": WEIGHTS},
            TypeError,
            "name of a column, a column or a number, got numpy",
        ),
        ({"sample_weight": "c"}, ValueError, r"partition \d of the .* must not be negative, got -"),
        ({"filter": 3}, TypeError, "filter must be an expression of pyarrow.compute or a list"),
        ({"filter": [("z", ">", 0)]}, ValueError, "the columns 'z' are missing"),
        ({"filter": pc.field("z") > 0}, ValueError, r"partition \d of the .* No match for .*z"),
        ({"filtre": "a > 0"}, TypeError, "unexpected keyword argument 'filtre'"),
        ({"columns": ["a", "b"]}, ValueError, "all that the sketcher was fitted on; 'c' are miss"),
    ],
)
def test_bad_choices_are_named(weighed, words, error, message):
    with pytest.raises(error, match=message):
        sketched.sketch(NAMED, weighed, **words)


@pytest.mark.parametrize(
    ("query", "columns", "error", "message"),
    [
        ("1.0 as a, 'x' as b, 1.0 as c", None, TypeError, "column 'b' must be numeric, got string"),
        ("1.0 as a", NAMES, ValueError, "the columns 'b', 'c' are missing; the data frame has 'a'"),
        ("1.0 as a, 2.0 as b", None, ValueError, "X has 2 features, but Sketcher is expecting 3"),
        (
            "1.0 a, 2.0 b, cast(null as int) c",
            None,
            ValueError,
            "partition 0 of the .* 'c' of .* no value .*filter",
        ),
        ("1 a, 2 b, 9007199254740993 c", None, ValueError, r"partition 0 .* 'c' .* above 2\*\*53"),
        ("1 a, 2 b, 9007199254740993bd c", None, ValueError, r"partition 0 .* above 2\*\*53"),
        ("1 a, 2 b, current_date() c", None, TypeError, "column 'c' must be numeric, got date"),
        ("1 a, 1 a, 2 c", None, ValueError, "the data frame has more than one column 'a'"),
        ("array(1d, 2d) v", None, ValueError, "partition 0 of .* X has 2 features"),
        ("array(1d, null, 2d) v", None, ValueError, "partition 0 of .* 'v' .* has no value"),
        ("array('a') v", None, TypeError, "column 'v' must be numeric, got array<string>"),
        ("1.0 a, 2.0 b, double('nan') c", None, ValueError, "partition 0 .* NaN .* column 'c'"),
    ],
)
def test_bad_input_is_named(spark, query, columns, error, message):
    with pytest.raises(error, match=message):
        sketched.sketch(SKETCHER, spark.sql(f"select {query}"), columns)


def test_other_things_are_refused(spark, frame):
    with pytest.raises(TypeError, match=r"expected a Spark data frame, got pandas\."):
        sketched.sketch(SKETCHER, pd.DataFrame(ROWS))
    with pytest.raises(ValueError, match="not fitted"):
        sketched.sketch(Sketcher(), frame)
    with pytest.raises(ValueError, match="0 sample"):
        sketched.fit(Sketcher(), frame.where("a > 99"))


def test_the_guide_s_example_runs(spark):
    page = Path(__file__).parents[2] / "docs" / "guide" / "distributed.md"
    (code,) = re.findall(r"^```py\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(code, page.name, "exec"), names)
    assert np.ptp(names["model"].cluster_centers_[:, 0]) == pytest.approx(40, abs=0.5)


@pytest.mark.parametrize("moments", ["diagonal", None])
def test_other_moments(frame, moments):
    sketcher = Sketcher.from_operator(NAMED.operator_).set_params(moments=moments)
    whole = sketcher.sketch(ROWS)
    got = sketched.sketch(sketcher, frame.repartition(5))
    assert got.to_bytes() == whole.to_bytes()
    assert sketched.sketch(sketcher, frame.where("a > 1e9")) == whole - whole


@pytest.mark.parametrize("way", ["rows", "groups"])
def test_a_box_that_cuts_many_rows_is_told_once_and_here(frame, way):
    def run(half):
        sketcher = Sketcher.from_domain(
            [-half] * 3, [half] * 3, feature_names=NAMES, n_frequencies=20, clip=True,
            random_state=0,
        )  # fmt: skip
        if way == "rows":
            return sketched.sketch(sketcher, frame.repartition(5))
        days = frame.selectExpr("*", "cast(a > 0 as int) as day").repartition(5)
        return sketched.sketch_groups(sketcher, days, "day")

    share = np.mean(np.abs(ROWS) > 1.0, axis=0).max()
    with pytest.warns(UserWarning, match=f"clipped to cut {share:.0%} of the numbers") as caught:
        run(1.0)
    ours = [one for one in caught if "clipped" in str(one.message)]
    assert [one.filename for one in ours] == [__file__]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*clipped to cut")
        run(9.0)
