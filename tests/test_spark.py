"""Spark data frames on a real `local[2]`, tasks that die included: the bytes that memory gives."""

import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sketchlearn import Sketcher
from sketchlearn.distributed import spark as sketched

sql = pytest.importorskip("pyspark.sql")
pa = pytest.importorskip("pyarrow")

# pyspark's own: it warns of pandas 3, and its older versions leave sockets to be collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
    pytest.mark.filterwarnings("ignore:unclosed .*socket:ResourceWarning"),
]

ROWS = np.random.default_rng(0).normal(size=(2_000, 3))
NAMES = ["a", "b", "c"]
SKETCHER = Sketcher(n_frequencies=60, random_state=0).fit(ROWS)
WHOLE = SKETCHER.sketch(ROWS).to_bytes()


@pytest.fixture(scope="module")
def spark():
    """Two threads, every task tried twice if need be, and as little of a JVM as will do."""
    environment = pytest.MonkeyPatch()
    environment.setenv("PYSPARK_PYTHON", sys.executable)
    environment.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    environment.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
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
    assert sketched.sketch(SKETCHER, frame.repartition(n)).to_bytes() == WHOLE


def test_from_parquet_by_a_query(spark, frame, tmp_path):
    frame.repartition(3).write.parquet(str(tmp_path / "rows"))
    kept = spark.read.parquet(str(tmp_path / "rows")).where("a > 0")
    assert sketched.sketch(SKETCHER, kept) == SKETCHER.sketch(ROWS[ROWS[:, 0] > 0])


def test_columns_are_chosen_by_name_and_order(spark, frame):
    shuffled = frame.selectExpr("c", "'x' as text", "b as `b`", "a as `a.first`")
    got = sketched.sketch(SKETCHER, shuffled, columns=["a.first", "b", "c"])
    assert got.to_bytes() == WHOLE


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
    assert sketched.sketch(SKETCHER, flaky).to_bytes() == WHOLE
    assert marker.exists()


def test_fit_on_few_rows_takes_all_of_them(frame):
    sketcher = Sketcher(n_frequencies=60, random_state=0)
    assert sketched.fit(sketcher, frame.repartition(3)) is sketcher
    assert list(sketcher.feature_names_in_) == NAMES
    assert sketcher.operator_.fingerprint == SKETCHER.operator_.fingerprint
    assert sketched.sketch(sketcher, frame.select("c", "b", "a")).to_bytes() == WHOLE


def test_fit_on_many_rows_takes_a_uniform_sample(spark):
    frame = spark.range(0, 400_000, 1, 20).selectExpr("id / 400000 as x")
    sketcher = sketched.fit(Sketcher(n_frequencies=10, random_state=0), frame)
    assert sketcher.pilot_.shape == (5_000, 1)
    assert len(np.unique(sketcher.pilot_)) == 5_000
    # Six standard deviations of the mean of 5,000 uniform numbers.
    assert abs(sketcher.center_[0] - 0.5) < 6 / np.sqrt(12 * 5_000)


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
    page = Path(__file__).parents[1] / "docs" / "guide" / "distributed.md"
    (code,) = re.findall(r"^```py\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(code, page.name, "exec"), names)
    assert np.ptp(names["model"].cluster_centers_[:, 0]) == pytest.approx(40, abs=0.5)
