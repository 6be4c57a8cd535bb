"""Spark data frames to sketches, by Arrow batches on the executors.

Every partition is sketched where it is (`DataFrame.mapInArrow`); the integer sums, 16 bytes a
frequency, are added by a few tasks and then here. Integers have no order, so the result is the same
bytes as in memory, however the frame is partitioned and whichever tasks are run again.

Only the DataFrame interface is used, no RDD.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sketchlearn.distributed.sample import candidates
from sketchlearn.distributed.sums import Sums, require_finite
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketching import Sketch, Sketcher, pilot_size

# Tasks that add the partitions' sums; their results are added here.
N_MERGES = 8
# Rows that are sampled for each one that is wanted, so that enough come.
OVERSAMPLING = 1.1

# From Arrow record batches to Arrow record batches.
Mapped = Callable[[Iterable[Any]], Iterator[Any]]


def sketch(sketcher: Sketcher, dataframe: Any, columns: Sequence[str] | None = None) -> Sketch:
    """Sketch all rows of a Spark data frame.

    Parameters
    ----------
    sketcher : Sketcher
        A fitted one, from `fit` here or from anywhere else.
    dataframe : pyspark.sql.DataFrame
        Rows, with numeric or boolean columns for features. The executors need sketchlearn.
    columns : sequence of str, optional
        The features, in this order. By default those that the sketcher was fitted on, or if it was
        fitted on an array all columns.

    Returns
    -------
    Sketch
        The same bytes as `Sketcher.sketch` gives of the same rows in memory, for any partitioning.

    Raises
    ------
    ImportError
        If pyspark is not installed.
    TypeError
        If this is no Spark data frame, or a column is not numeric.
    ValueError
        If columns are missing or of another number than the sketcher's features, or rows have nulls
        or are not finite.
    """
    check_is_fitted(sketcher, "operator_")
    names = getattr(sketcher, "feature_names_in_", None) if columns is None else columns
    selected, names = _selected(dataframe, names)
    operator = sketcher.operator_
    if len(names) != operator.n_features:
        raise ValueError(
            f"the sketcher has {operator.n_features} features, got {len(names)} columns: "
            f"{', '.join(names)}"
        )
    sums = selected.mapInArrow(_to_sums(operator, names), "partition long, sums binary")
    merged = sums.repartition(N_MERGES, "partition").mapInArrow(_merged, "sums binary")
    parts = [Sums.from_bytes(data) for data in _collected(merged)["sums"].to_pylist()]
    return Sums.total(parts).sketch(operator) if parts else Sketch.empty(operator)


def fit(sketcher: Sketcher, dataframe: Any, columns: Sequence[str] | None = None) -> Sketcher:
    """Fit a sketcher on rows of a Spark data frame, brought here as a bounded sample.

    The sample has 20 max(5000, 50 n_clusters) rows, as many as `Sketcher.fit` chooses its pilot
    among, or as fit into 32 MB, or all; uniform among all. It takes two jobs: the rows are counted,
    then sampled.

    Parameters
    ----------
    sketcher : Sketcher
        It is fitted in place and given back.
    dataframe, columns
        As in `sketch`.

    Raises
    ------
    ImportError, TypeError, ValueError
        As `sketch`; and as `Sketcher.fit`, for instance if there is no row.
    """
    selected, names = _selected(dataframe, columns)
    from pyspark.sql.functions import rand

    size = candidates(pilot_size(sketcher.n_clusters), len(names))
    seed = int(check_random_state(sketcher.random_state).randint(np.iinfo(np.int32).max))
    n_rows = selected.count()
    rows = selected
    if n_rows > OVERSAMPLING * size:
        rows = rows.sample(fraction=OVERSAMPLING * size / n_rows, seed=seed)
    if n_rows > size:
        rows = rows.orderBy(rand(seed)).limit(size)
    return sketcher.fit(_named(_numbers(_collected(rows), names), names))


def _selected(dataframe: Any, columns: Sequence[str] | None) -> tuple[Any, list[str]]:
    """Give a frame of the features alone, single or double precision, and their names.

    Raises
    ------
    ImportError, TypeError, ValueError
        See `sketch`.
    """
    try:
        from pyspark.sql import DataFrame, types
    except ImportError as error:
        raise ImportError("Spark data frames need pyspark: install sketchlearn[spark]") from error
    if not isinstance(dataframe, DataFrame):
        raise TypeError(
            "expected a Spark data frame, got "
            f"{type(dataframe).__module__}.{type(dataframe).__qualname__}"
        )
    wanted = [columns] if isinstance(columns, str) else columns
    names = dataframe.columns if wanted is None else [str(name) for name in wanted]
    if missing := [name for name in names if name not in dataframe.columns]:
        raise ValueError(
            f"the columns {', '.join(map(repr, missing))} are missing; the data frame has "
            f"{', '.join(map(repr, dataframe.columns))}"
        )
    kinds = {field.name: field.dataType for field in dataframe.schema.fields}
    for name in names:
        if not isinstance(kinds[name], types.NumericType | types.BooleanType):
            raise TypeError(
                f"column {name!r} must be numeric, got {kinds[name].simpleString()}; name the "
                "features by columns=[...]"
            )
    # Quoted, since a dot in a name would mean a field of a structure; numbered for the same reason.
    quoted = [dataframe["`" + name.replace("`", "``") + "`"] for name in names]
    numbers = [
        column if isinstance(kinds[name], types.FloatType) else column.cast("double")
        for name, column in zip(names, quoted, strict=True)
    ]
    return dataframe.select(*(numbers[i].alias(f"c{i}") for i in range(len(names)))), names


def _to_sums(operator: FrequencyOperator, names: list[str]) -> Mapped:
    """Give what turns a partition's rows into one row: its number and its sums."""

    def sums_of(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow
        from pyspark import TaskContext

        number = TaskContext.get().partitionId()
        try:
            sums = Sums.of_rows(operator, (_numbers(batch, names) for batch in batches))
        except ValueError as error:
            raise ValueError(f"partition {number} of the data frame: {error}") from error
        yield pyarrow.record_batch({"partition": [number], "sums": [sums.to_bytes()]})

    return sums_of


def _merged(batches: Iterable[Any]) -> Iterator[Any]:
    """Add the sums that came to one task, if any."""
    import pyarrow

    parts = (Sums.from_bytes(data.as_py()) for batch in batches for data in batch.column("sums"))
    for first in parts:
        total = Sums.total(itertools.chain([first], parts))
        yield pyarrow.record_batch({"sums": [total.to_bytes()]})


def _numbers(batch: Any, names: list[str]) -> np.ndarray:
    """Rows (n, n_features) of an Arrow batch or table of floating columns.

    Raises
    ------
    ValueError
        If a column has nulls, NaN or infinity.
    """
    columns = []
    for name, column in zip(names, batch.columns, strict=True):
        if column.null_count:
            raise ValueError(f"column {name!r} has {column.null_count} nulls; fill or filter them")
        columns.append(column.to_numpy(zero_copy_only=False))
    return require_finite(np.stack(columns, axis=1), names)


def _named(rows: np.ndarray, names: Sequence[str]) -> Any:
    """Give rows with their features' names."""
    import pandas

    return pandas.DataFrame(rows, columns=list(names))


def _collected(dataframe: Any) -> Any:
    """Give a frame's rows as an Arrow table; errors of ours on the executors as they were.

    Raises
    ------
    ValueError
        What an executor found wrong with the rows.
    """
    from pyspark.errors import PySparkException

    try:
        return dataframe.toArrow()
    except PySparkException as error:
        if found := re.search(r"ValueError: (partition \d+ of the data frame: .*)", str(error)):
            raise ValueError(found[1]) from error
        raise
