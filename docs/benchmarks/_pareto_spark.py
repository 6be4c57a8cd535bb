"""k-means of Spark MLlib on two cores of this machine, for `pareto.py`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from docs.benchmarks._pareto_problem import (
    FLOAT_BITS,
    FLOAT_BYTES,
    N_SITES,
    Outcome,
    Problem,
    read_megabytes,
)

# Rows of a first run, by which Java compiles what is to be timed.
FIRST_ROWS = 3000


def open_session() -> Any:
    """Return the session of this process, started if need be."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "4g",
        "spark.sql.shuffle.partitions": "2",
    }
    builder: Any = SparkSession.builder
    return builder.master("local[2]").config(map=settings).getOrCreate()


def write_table(problem: Problem) -> Path:
    """Return the Parquet file of a problem's rows, a column each, written unless it is there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = problem.path.with_suffix(".parquet")
    if not path.exists():
        names = [f"x{j}" for j in range(problem.d)]
        begun = path.with_suffix(".begun")
        schema = pa.schema([(name, pa.float32()) for name in names])
        with pq.ParquetWriter(begun, schema) as file:
            for block in problem.blocks():
                columns = np.ascontiguousarray(block.T)
                file.write_table(pa.table(dict(zip(names, columns, strict=True)), schema))
        begun.rename(path)
    return path


def prepare(problem: Problem) -> None:
    """Start Spark and write the rows as Parquet; cluster a few of them, which compiles."""
    path = write_table(problem)
    open_session().sparkContext.setLogLevel("ERROR")
    train(problem, path, FIRST_ROWS)


def train(problem: Problem, path: Path, most_rows: int | None = None) -> Any:
    """Return MLlib's model of a file's rows, its parameters the defaults."""
    from pyspark.ml.clustering import KMeans
    from pyspark.ml.feature import VectorAssembler

    table = open_session().read.parquet(str(path))
    if most_rows is not None:
        table = table.limit(most_rows)
    assembler = VectorAssembler(inputCols=table.columns, outputCol="features")
    rows = assembler.transform(table).select("features").persist()
    model = KMeans(k=problem.n_clusters, seed=problem.seed).fit(rows)
    rows.unpersist()
    return model


def cluster(problem: Problem) -> Outcome:
    """MLlib's k-means on all rows; its Java process counts, from a start when it is warm."""
    from pyspark import SparkContext

    path = write_table(problem)
    gateway: Any = SparkContext._gateway
    java = Path(f"/proc/{gateway.proc.pid}")
    (java / "clear_refs").write_text("5")
    seconds, memory = read_seconds(java), read_megabytes(java, "VmRSS")
    model = train(problem, path)
    n_iterations = int(model.summary.numIter)
    size = float(problem.n) * problem.d
    sums = n_iterations * problem.n_clusters * (problem.d + 1)
    return Outcome(
        np.array(model.clusterCenters()),
        FLOAT_BYTES * size,
        FLOAT_BITS * min(size / N_SITES, sums),
        # Starts are drawn in two passes, and weighed in a third.
        n_iterations + 3,
        size * problem.n_clusters * (n_iterations + 3),
        beside_seconds=read_seconds(java) - seconds,
        beside_memory=read_megabytes(java, "VmHWM") - memory,
    )


def read_seconds(process: Path) -> float:
    """Return the processor seconds of a process, by Linux."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
