"""Spark data frames to sketches, by Arrow batches on the executors.

Every partition is sketched where it is (`DataFrame.mapInArrow`); the integer sums, 16 bytes a
frequency, are added by a few tasks and then here. Integers have no order, so the result is the same
bytes as in memory, however the frame is partitioned and whichever tasks are run again.

Only the DataFrame interface is used, no RDD.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sketchlearn.distributed.features import (
    choose_features,
    find_column,
    find_filtered_columns,
    require_columns,
)
from sketchlearn.distributed.groups import GroupKind, PartitionGroups
from sketchlearn.distributed.rows import KeyedRows, Query, Rows, naming
from sketchlearn.distributed.sample import Sample, count_candidates, plan
from sketchlearn.distributed.sums import PartitionSums, require_features
from sketchlearn.features.moments import MomentKind
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching import Sketcher
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.row_keys import KeyIndex
from sketchlearn.tables import SketchTable
from sketchlearn.tables.columns import check_key_names

# Tasks that add the partitions' sums; their results are added here.
N_MERGES = 8
# Rows that are sampled for each one that is wanted, so that enough come.
OVERSAMPLING = 1.1

# From Arrow record batches to Arrow record batches.
Mapped = Callable[[Iterable[Any]], Iterator[Any]]


def sketch(
    sketcher: Sketcher,
    dataframe: Any,
    columns: Sequence[str] | None = None,
    *,
    sample_weight: Any = None,
    filter: Any = None,  # noqa: A002
) -> Sketch:
    """Sketch all rows of a Spark data frame.

    Parameters
    ----------
    sketcher : Sketcher
        A fitted one, from `fit` here or from anywhere else.
    dataframe : pyspark.sql.DataFrame
        Rows. Columns of numbers or truth values are features; an array of numbers, or a vector of
        `pyspark.ml.linalg`, dense or sparse, makes one feature an entry. The executors need
        sketchlearn.
    columns : sequence of str, optional
        The features, in this order. By default those that the sketcher was fitted on, which are
        found by their names in any order, or if it was fitted on an array all columns.
    sample_weight : str, pyspark.sql.Column or number, optional
        Weights, as in `Sketcher.sketch`: the name of a column, which is no feature then, an
        expression, or the weight of every row.
    filter : pyarrow.compute.Expression, list of tuples, str or pyspark.sql.Column, optional
        Which rows: as in `open_source`, for instance ``[("price", ">", 0)]``, or what
        `DataFrame.where` takes.

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
        If columns are missing or of another number than the sketcher's features, rows have nulls
        or are not finite, or weights are out of range.
    """
    check_is_fitted(sketcher, "operator_")
    operator = sketcher.operator_
    fitted = getattr(sketcher, "feature_names_in_", None)
    chosen = _select_columns(dataframe, columns, fitted, sample_weight, filter)
    if not chosen.holds_lists:
        require_features(len(chosen.query.columns or ()), operator.n_features)
    moments, names = sketcher.moment_kind, sketcher.feature_names
    sums_of = _to_sums(operator, moments, chosen)
    sums = chosen.frame.mapInArrow(sums_of, "partition long, sums binary")
    merged = sums.repartition(N_MERGES, "partition").mapInArrow(_add_task_sums, "sums binary")
    parts = [PartitionSums.from_bytes(data) for data in _collect_arrow(merged)["sums"].to_pylist()]
    none = PartitionSums.empty(operator, moments)
    return PartitionSums.total([none, *parts]).sketch(operator, names)


def sketch_groups(
    sketcher: Sketcher,
    dataframe: Any,
    by: str | Sequence[str],
    columns: Sequence[str] | None = None,
    *,
    sample_weight: Any = None,
    filter: Any = None,  # noqa: A002
    max_memory: int = 2**31,
) -> SketchTable:
    """Sketch all rows of a Spark data frame by key.

    Every partition's rows are summed by key where they are; Spark brings the sums of each key
    together, a few tasks add them, and their results are put together here.

    Parameters
    ----------
    sketcher : Sketcher
        A fitted one, from `fit` here or from anywhere else.
    dataframe : pyspark.sql.DataFrame
        Rows.
    by : str or sequence of str
        Columns that make a key, as in `Sketcher.sketch_groups`; none of them is a feature.
    columns, sample_weight, filter
        As in `sketch`.
    max_memory : int, default=2**31
        Bytes that the sums may take, in each task and here.

    Returns
    -------
    SketchTable
        The same bytes as `Sketcher.sketch_groups` gives of the same rows in memory, for any
        partitioning.

    Raises
    ------
    ImportError, TypeError, ValueError
        As `sketch` and `Sketcher.sketch_groups`.
    """
    check_is_fitted(sketcher, "operator_")
    names = KeyIndex([by] if isinstance(by, str) else by).names
    check_key_names(names)
    fitted = getattr(sketcher, "feature_names_in_", None)
    chosen = _select_columns(dataframe, columns, fitted, sample_weight, filter, names)
    kind = GroupKind(sketcher.operator_, names, sketcher.moment_kind, max_memory)
    if not chosen.holds_lists:
        require_features(len(chosen.query.columns or ()), kind.operator.n_features)
    groups = chosen.frame.mapInArrow(_to_groups(kind, chosen), "shard long, groups binary")
    merged = groups.repartition(N_MERGES, "shard").mapInArrow(
        _add_task_groups(kind), "groups binary"
    )
    found = _collect_arrow(merged)["groups"].to_pylist()
    parts = [PartitionGroups.from_bytes(data, kind) for data in found]
    parts.append(PartitionGroups.of_rows(kind, None))
    return PartitionGroups.total(parts, max_memory).table(kind, sketcher.feature_names)


def fit(
    sketcher: Sketcher,
    dataframe: Any,
    columns: Sequence[str] | None = None,
    *,
    sample_weight: Any = None,
    filter: Any = None,  # noqa: A002
) -> Sketcher:
    """Fit a sketcher on rows of a Spark data frame, brought here as a bounded sample.

    The sample has 20 max(5000, 50 n_clusters) rows of positive weight, as many as `Sketcher.fit`
    chooses its pilot among, or as fit into 32 MB, or all; uniform among all. It takes two jobs: the
    rows are counted, then sampled; with columns of arrays a third one, which looks at one row.

    Parameters
    ----------
    sketcher : Sketcher
        It is fitted in place and given back.
    dataframe, columns, sample_weight, filter
        As in `sketch`; by default all columns are features, but for those of weights and of an
        index that pandas or Dask stored.

    Raises
    ------
    ImportError, TypeError, ValueError
        As `sketch`; and as `Sketcher.fit`, for instance if there is no row.
    """
    n_pilot, seed = plan(sketcher)
    chosen = _select_columns(dataframe, columns, None, sample_weight, filter)
    from pyspark.sql.functions import col, rand

    n_features = len(chosen.query.columns or ())
    if chosen.holds_lists:
        first = chosen.rows_in(_collect_arrow(chosen.frame.limit(1)).to_batches())
        n_features = max([n_features, *(chunk.rows.shape[1] for chunk in first.chunks)])
    size = count_candidates(n_pilot, n_features)
    rows = chosen.frame
    if chosen.query.weight is not None:
        weight = col(chosen.labels[chosen.names.index(chosen.query.weight)])
        # A weight that is missing or negative stays, to be refused.
        rows = rows.where(weight.isNull() | (weight != 0))
    n_rows = rows.count()
    if n_rows > OVERSAMPLING * size:
        rows = rows.sample(fraction=OVERSAMPLING * size / n_rows, seed=seed)
    if n_rows > size:
        rows = rows.orderBy(rand(seed)).limit(size)
    drawn = chosen.rows_in(_collect_arrow(rows).to_batches())
    with naming("a sample of the data frame"):
        sample = Sample.of_rows(drawn, n_pilot, np.random.default_rng(seed))
    if sample.n_rows == 0:
        # Refused in scikit-learn's words.
        sample = Sample(np.empty(0), np.empty((0, n_features)))
    return sample.fit(sketcher, share=min(1.0, sample.n_rows / max(1, n_rows)))


@dataclass(frozen=True)
class _Selection:
    """Columns that are read, under labels that no name can spoil.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame, optional
        These columns alone; None on the executors.
    names, labels : list of str
        What they are called in the user's frame, and in this one.
    query : Query
        What is read of them.
    holds_lists : bool
        Whether one of them makes several features.
    """

    frame: Any
    names: list[str]
    labels: list[str]
    query: Query
    holds_lists: bool

    def rows_in(self, batches: Iterable[Any]) -> Rows:
        """Read Arrow batches of these columns."""
        reader = self._reader_of(batches)
        return Rows(None, iter(())) if reader is None else self.query.of_table(reader)

    def groups_in(self, batches: Iterable[Any]) -> KeyedRows | None:
        """Open Arrow batches of these columns with the keys of their rows; None if no batch is."""
        reader = self._reader_of(batches)
        return None if reader is None else self.query.groups_of_table(reader)

    def _reader_of(self, batches: Iterable[Any]) -> Any:
        """Return a reader of batches with the user's names, or None."""
        import pyarrow

        named = (batch.rename_columns(self.names) for batch in batches)
        for first in named:
            every = itertools.chain([first], named)
            return pyarrow.RecordBatchReader.from_batches(first.schema, every)
        return None


def _select_columns(
    dataframe: Any,
    columns: Sequence[str] | None,
    fitted: Sequence[str] | None,
    sample_weight: Any,
    filter: Any,  # noqa: A002
    by: tuple[str, ...] = (),
) -> _Selection:
    """Choose the columns that are needed, and the rows; errors as `sketch`."""
    sql = import_optional("pyspark.sql", "pyspark.sql.functions")
    if not isinstance(dataframe, sql.DataFrame):
        raise TypeError(
            "expected a Spark data frame, got "
            f"{type(dataframe).__module__}.{type(dataframe).__qualname__}"
        )
    predicate = filter
    if isinstance(filter, str | sql.Column):
        dataframe, predicate = dataframe.where(filter), None
    if isinstance(sample_weight, Real):
        sample_weight = sql.functions.lit(float(sample_weight))
    weight = sample_weight
    if isinstance(sample_weight, sql.Column):
        weight = "sample_weight"
        while weight in dataframe.columns:
            weight += "_"
        dataframe = dataframe.withColumn(weight, sample_weight)
    elif sample_weight is not None and not isinstance(sample_weight, str):
        raise TypeError(
            "sample_weight of a Spark data frame must be the name of a column, a column or a "
            "number, got "
            f"{type(sample_weight).__module__}.{type(sample_weight).__qualname__}"
        )
    if columns is not None:
        columns = [columns] if isinstance(columns, str) else list(columns)
    available = dataframe.columns
    names = choose_features(available, columns, fitted, weight, by)
    require_columns(available, by)
    kinds = {field.name: field.dataType for field in dataframe.schema.fields}
    read = list(dict.fromkeys(find_column(name, available) for name in names))
    numbers = {
        name: _cast_to_numbers(_quote_column(dataframe, name), kinds[name], name) for name in read
    }
    holds_lists = any(_is_list(kinds[name]) for name in read)
    if weight is not None:
        if _is_list(kinds[weight]):
            raise TypeError(f"the weights in {weight!r} must be numbers, got lists")
        numbers[weight] = _cast_to_numbers(_quote_column(dataframe, weight), kinds[weight], weight)
    if both := [name for name in by if name in numbers]:
        raise ValueError(
            f"rows cannot be grouped by {', '.join(map(repr, both))}, which is a feature or their "
            "weight: add a copy of the column by another name"
        )
    numbers |= {name: _quote_column(dataframe, name) for name in by}
    others = _only_filtered_by(predicate, kinds, available, list(numbers))
    numbers_and_others = [*numbers.values(), *(_quote_column(dataframe, name) for name in others)]
    labels = [f"c{i}" for i in range(len(numbers_and_others))]
    frame = dataframe.select(
        *(column.alias(c) for column, c in zip(numbers_and_others, labels, strict=True))
    )
    kept = labels[: len(numbers)]
    if predicate is not None:
        to_kept = _to_kept(predicate, [*numbers, *others], kept)
        frame = frame.mapInArrow(to_kept, frame.select(*kept).schema)
    query = Query(tuple(names), None, weight, by=by)
    return _Selection(frame, list(numbers), kept, query, holds_lists)


def _only_filtered_by(
    predicate: Any, kinds: dict[str, Any], available: Sequence[str], read: Sequence[str]
) -> list[str]:
    """Name the columns that a filter of pyarrow's may need besides those that are read."""
    from pyspark.sql.types import AtomicType

    needed = find_filtered_columns(predicate)
    if needed is None:
        counts = Counter(available)
        needed = [n for n in available if counts[n] == 1 and isinstance(kinds[n], AtomicType)]
    require_columns(available, needed)
    return [name for name in needed if name not in read]


def _to_kept(predicate: Any, names: list[str], labels: list[str]) -> Mapped:
    """Return what leaves out rows for which a filter of pyarrow's is not true, by its own rules."""
    if isinstance(predicate, list):
        from pyarrow.parquet import filters_to_expression

        predicate = filters_to_expression(predicate)

    def kept(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow

        with _naming_partition():
            for batch in batches:
                table = pyarrow.Table.from_batches([batch]).rename_columns(names).filter(predicate)
                yield from table.select(names[: len(labels)]).rename_columns(labels).to_batches()

    return kept


def _quote_column(dataframe: Any, name: str) -> Any:
    """Return a column by its name, in which a dot would mean a field of a structure."""
    return dataframe["`" + name.replace("`", "``") + "`"]


def _is_list(kind: Any) -> bool:
    """Whether a type makes several features of a column."""
    from pyspark.sql import types

    return isinstance(kind, types.ArrayType) or kind.typeName() == "vectorudt"


def _cast_to_numbers(column: Any, kind: Any, name: str) -> Any:
    """Return a column as numbers, or arrays of them, that Arrow and float64 hold as they are."""
    from pyspark.sql import types

    if kind.typeName() == "vectorudt":
        from pyspark.ml.functions import vector_to_array

        return vector_to_array(column)
    element, shape = kind, "{}"
    while isinstance(element, types.ArrayType):
        element, shape = element.elementType, shape.format("array<{}>")
    if not isinstance(element, types.NumericType | types.BooleanType):
        raise TypeError(
            f"column {name!r} must be numeric, got {kind.simpleString()}; name the features by "
            "columns=[...]"
        )
    if isinstance(element, types.FloatType | types.DoubleType | types.LongType):
        return column
    # Whether float64 holds long integers is seen where they are.
    is_integer = isinstance(element, types.DecimalType) and element.scale == 0
    return column.cast(shape.format("bigint" if is_integer else "double"))


def _to_sums(operator: FrequencyOperator, moments: MomentKind | None, chosen: _Selection) -> Mapped:
    """Return what turns a partition's rows into one row: its number and its sums."""
    chosen = replace(chosen, frame=None)

    def sums_of(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow

        with _naming_partition() as number:
            sums = PartitionSums.of_rows(operator, moments, chosen.rows_in(batches))
        yield pyarrow.record_batch({"partition": [number], "sums": [sums.to_bytes()]})

    return sums_of


def _to_groups(kind: GroupKind, chosen: _Selection) -> Mapped:
    """Return what turns a partition's rows into one row a shard: its number, and sums by key."""
    chosen = replace(chosen, frame=None)

    def groups_of(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow

        with _naming_partition():
            part = PartitionGroups.of_rows(kind, chosen.groups_in(batches))
        for shard, some in part.split(N_MERGES):
            data = [some.to_bytes(kind)]
            yield pyarrow.record_batch({"shard": [shard], "groups": pyarrow.array(data)})

    return groups_of


def _add_task_groups(kind: GroupKind) -> Mapped:
    """Return what adds the sums by key that came to one task, if any."""

    def added(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow

        parts = (
            PartitionGroups.from_bytes(data.as_py(), kind)
            for batch in batches
            for data in batch.column("groups")
        )
        for first in parts:
            total = PartitionGroups.total(itertools.chain([first], parts), kind.max_memory)
            yield pyarrow.record_batch({"groups": pyarrow.array([total.to_bytes(kind)])})

    return added


@contextmanager
def _naming_partition() -> Iterator[int]:
    """Say in which partition of the data frame something was wrong."""
    from pyspark import TaskContext

    number = TaskContext.get().partitionId()
    with naming(f"partition {number} of the data frame"):
        yield number


def _add_task_sums(batches: Iterable[Any]) -> Iterator[Any]:
    """Add the sums that came to one task, if any."""
    import pyarrow

    parts = (
        PartitionSums.from_bytes(data.as_py()) for batch in batches for data in batch.column("sums")
    )
    for first in parts:
        total = PartitionSums.total(itertools.chain([first], parts))
        yield pyarrow.record_batch({"sums": [total.to_bytes()]})


def _collect_arrow(dataframe: Any) -> Any:
    """Return a frame's rows as an Arrow table; errors of ours on the executors as they were."""
    from pyspark.errors import PySparkException

    try:
        return dataframe.toArrow()
    except PySparkException as error:
        pattern = r"(Value|Type)Error: (partition \d+ of the data frame: .*)"
        if found := re.search(pattern, str(error)):
            kind = ValueError if found[1] == "Value" else TypeError
            raise kind(found[2]) from error
        raise
