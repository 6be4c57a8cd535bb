"""How Arrow's columns become features: by name, in any order, of any type that holds numbers."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.arrow_values import (
    fixed_width,
    is_list,
    is_number,
    leaf_type,
    read_numbers,
)
from sketchlearn.sources.groups import regroup
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.shallow_json import parse_shallow
from sketchlearn.sources.source import GROUPS, Chunk, Layout, Query, count_chunk_rows

NUMBERS = "numbers, truth values or lists of as many numbers in each row"
# Where pandas and Dask keep an index without a name.
STORED_INDEX = re.compile(r"__index_level_\d+__|__null_dask_index__")
# What pandas writes, and pandas and polars read, as the name of an index in a CSV file.
UNNAMED = re.compile(r"|Unnamed: \d+|_duplicated_\d+")
ENTRY = re.compile(r"(.*)\[(\d+)\]", re.DOTALL)

# Some batches that have a column, to count the numbers in its first list.
FirstBatches = Callable[[str], Iterable[Any]]


def lay_out_columns(
    schema: Any,
    columns: Sequence[str | int] | None,
    query: Query,
    name: str,
    first_batches: FirstBatches,
    unasked: Collection[str] = (),
) -> Layout:
    """Look up columns in an Arrow schema; all but those beside and a stored index if None.

    Parameters
    ----------
    schema : pyarrow.Schema
        Where to look.
    columns : sequence of str, optional
        Names of columns, or of features: ``v[0]`` is the first of those that the lists in a column
        ``v`` make.
    query : Query
        Which columns lie beside the rows.
    name : str
        What messages call the data.
    first_batches : callable
        Batches that have a column, for the length of its lists where its type does not say.
    unasked : collection of str
        Columns that are read only if they are asked for.

    Raises
    ------
    SourceError
        If one is missing, there twice, or does not hold numbers.
    """
    found = _Columns(schema, name)
    if columns is None:
        left = _stored_index(schema).union(unasked, query.columns_beside)
        columns = [column for column in schema.names if column not in left]
        warn_of_unnamed(columns, name)
    if not columns:
        raise SourceError(f"{name} has no column to read")
    if query.keys:
        query.keys.require_types(schema, name)
    found.require([*columns, *query.side.values()])
    names = [n for column in columns for n in found.choose_features(str(column), first_batches)]
    if twice := [feature for feature, count in Counter(names).items() if count > 1]:
        raise SourceError(f"the columns {', '.join(map(repr, twice))} of {name} were chosen twice")
    return Layout(tuple(columns), tuple(names), len(names))


def find_stored_columns(schema: Any, columns: Sequence[str | int]) -> list[str]:
    """Columns of a schema that hold those that were asked for, each once."""
    found = _Columns(schema, "")
    return list(dict.fromkeys(found.place(str(column))[0] for column in columns))


def chunk_batches(
    batches: Iterable[Any], layout: Layout, query: Query, name: str, start: int = 0
) -> Iterator[Chunk]:
    """Turn record batches into chunks of rows and side columns, the first `start` rows left out.

    Columns are found by their names in each batch.

    Raises
    ------
    SourceError
        If a column is missing, a value is, or a list is of another length.
    """
    n_seen = start
    side, keys = query.side, query.keys
    plan, beside = _Plan(layout.names or (), name), _Plan(list(side.values()), name)
    remaining = skip_rows(batches, start)
    for pieces in regroup(remaining, count_chunk_rows(layout.n_features), _batch_rows):
        group = _join_batches(pieces)
        dtype = np.result_type(*(plan.dtype_of(batch.schema) for batch in group))
        rows = np.empty((layout.n_features, sum(map(len, group))), dtype=dtype)
        columns = np.empty((len(side), rows.shape[1]))
        groups = np.empty(rows.shape[1] if keys else 0, np.int64)
        stop = 0
        for batch in group:
            at, stop = stop, stop + len(batch)
            plan.fill(rows[:, at:stop], batch, n_seen)
            beside.fill(columns[:, at:stop], batch, n_seen)
            if keys:
                keys.require_types(batch.schema, name)
                groups[at:stop] = keys.number([batch.column(key) for key in keys.names], name)
            n_seen += len(batch)
        numbers = {GROUPS: groups} if keys else {}
        yield Chunk(rows.T, {**dict(zip(side, columns, strict=True)), **numbers})


def filter_batches(batches: Iterable[Any], expression: Any) -> Iterable[Any]:
    """Keep the rows of record batches for which an expression is true."""
    if expression is None:
        return batches
    return (part for batch in batches for part in _filter_batch(batch, expression))


def _filter_batch(batch: Any, expression: Any) -> list[Any]:
    """Keep the rows of a record batch for which an expression is true; SourceError if it fails."""
    pa = import_optional("pyarrow")
    try:
        kept: list[Any] = pa.Table.from_batches([batch]).filter(expression).to_batches()
    except pa.ArrowException as error:
        message = str(error).splitlines()[0]
        raise SourceError(
            f"cannot filter by {expression}: {message}; the columns are {batch.schema.names}"
        ) from error
    return kept


def find_filter_columns(expression: Any, schema: Any) -> list[str]:
    """Columns of a schema that a filter cannot do without; all where it fails with all."""

    def works_with(names: list[str]) -> bool:
        fields = [schema.field(name) for name in names]
        try:
            import_optional("pyarrow").schema(fields).empty_table().filter(expression)
        except import_optional("pyarrow").ArrowException:
            return False
        return True

    names = [name for name, count in Counter(schema.names).items() if count == 1]
    if not works_with(names):
        return list(schema.names)
    needed: list[str] = []
    groups = [names]
    while groups:
        group = groups.pop()
        if works_with([*needed, *(name for other in groups for name in other)]):
            continue
        if len(group) == 1:
            needed += group
        else:
            middle = len(group) // 2
            groups += [group[:middle], group[middle:]]
    return needed


def _stored_index(schema: Any) -> set[str]:
    """Columns that hold an index, as the metadata of pandas say or as they are called."""
    stored = {name for name in schema.names if STORED_INDEX.fullmatch(name)}
    try:
        index = parse_shallow((schema.metadata or {})[b"pandas"])["index_columns"]
    except (KeyError, TypeError, ValueError):
        return stored
    # What is not a name describes a range, which is not stored.
    return stored | {column for column in index if isinstance(column, str)}


def warn_of_unnamed(columns: Iterable[Any], name: str) -> None:
    """Warn of columns that nobody named: row numbers, nearly always."""
    if unnamed := [c for c in columns if isinstance(c, str) and UNNAMED.fullmatch(c)]:
        warnings.warn(
            f"{name} has columns without a name of their own, {', '.join(map(repr, unnamed))}: "
            "each may be a stored index, and is read as a feature; leave it out, for instance by "
            "open_source(..., columns=[...])",
            UserWarning,
            stacklevel=3,
        )


class _Columns:
    """The columns of a schema, by name.

    Parameters
    ----------
    schema : pyarrow.Schema
        The schema.
    name : str
        What messages call the data.
    """

    def __init__(self, schema: Any, name: str) -> None:
        self.schema, self._name = schema, name
        self._counts = Counter(schema.names)

    def place(self, feature: str) -> tuple[str, int]:
        """Column that holds a feature, and which number of a row's list it is, else 0."""
        match = None if feature in self._counts else ENTRY.fullmatch(feature)
        return (match[1], int(match[2])) if match and match[1] in self._counts else (feature, 0)

    def require(self, features: Sequence[str | int]) -> None:
        """Refuse columns that are not there once, or hold no numbers."""
        missing = []
        for feature in features:
            if not isinstance(feature, str):
                raise SourceError(
                    f"columns of {self._name} must be chosen by name, got {feature!r}"
                )
            if self._counts[self.place(feature)[0]] == 0:
                missing.append(feature)
        if missing:
            what = "column" if len(missing) == 1 else "columns"
            raise SourceError(
                f"{self._name} has no {what} {', '.join(map(repr, missing))}; its columns are "
                f"{self.schema.names}"
            )
        for column in dict.fromkeys(self.place(str(feature))[0] for feature in features):
            if self._counts[column] > 1:
                raise SourceError(
                    f"{self._name} has more than one column {column!r}; its columns are "
                    f"{self.schema.names}"
                )
            kind = self.schema.field(column).type
            if not is_number(leaf_type(kind)):
                raise SourceError(
                    f"column {column!r} of {self._name} is of type {kind}; expected {NUMBERS}. "
                    "Encode it as numbers, with decimal points, or choose the others by "
                    "open_source(..., columns=[...])"
                )

    def choose_features(self, column: str, first_batches: FirstBatches) -> list[str]:
        """Name the features that a column makes."""
        if column not in self._counts or not is_list(self.schema.field(column).type):
            return [column]
        size = fixed_width(self.schema.field(column).type)
        if not size and (batch := next(filter(len, first_batches(column)), None)) is not None:
            first = batch.column(batch.schema.get_field_index(column)).slice(0, 1)
            size = read_numbers(first, column, self._name, 0)[1]
        if not size:
            raise SourceError(f"column {column!r} of {self._name} has no list to count numbers in")
        return [f"{column}[{i}]" for i in range(size)]


class _Plan:
    """Which features come from where, for batches of one schema after another.

    Parameters
    ----------
    features : sequence of str
        What to read.
    name : str
        What messages call the data.
    """

    def __init__(self, features: Sequence[str], name: str) -> None:
        self._features, self._name = features, name
        self._schema: Any = None
        # Of each column its index, its name, and which of its numbers is which feature.
        self._columns: list[tuple[int, str, list[tuple[int, int]]]] = []

    def dtype_of(self, schema: Any) -> type[np.floating[Any]]:
        """Return float32 where that holds every value of the columns, else float64."""
        types = import_optional("pyarrow").types
        self._follow_schema(schema)
        for index, _, _ in self._columns:
            kind = leaf_type(schema.field(index).type)
            if not (types.is_float32(kind) or types.is_float16(kind)):
                return np.float64
        return np.float32

    def fill(self, out: np.ndarray, batch: Any, first_row: int) -> None:
        """Write a batch's features to the rows of `out`, (n_features, n)."""
        self._follow_schema(batch.schema)
        lacking = [name for index, name, _ in self._columns if batch.column(index).null_count]
        for index, column, rows in self._columns:
            values, width = read_numbers(
                batch.column(index), column, self._name, first_row, lacking
            )
            expected = {entry for entry, _ in rows}
            if len(batch) and expected != set(range(width)):
                raise SourceError(
                    f"column {column!r} of {self._name} has {width} numbers a row, from row "
                    f"{first_row} on, where {len(expected)} are expected"
                )
            for entry, row in rows:
                out[row] = values[entry::width]

    def _follow_schema(self, schema: Any) -> None:
        """Find the features in a schema, unless it is the one before."""
        if self._schema is not None and (schema is self._schema or schema.equals(self._schema)):
            return
        found = _Columns(schema, self._name)
        found.require(self._features)
        rows_of: dict[str, list[tuple[int, int]]] = {}
        for row, feature in enumerate(self._features):
            column, entry = found.place(feature)
            rows_of.setdefault(column, []).append((entry, row))
        self._columns = [(schema.get_field_index(name), name, rows_of[name]) for name in rows_of]
        self._schema = schema


def skip_rows(batches: Iterable[Any], n: int) -> Iterator[Any]:
    """Leave out the first n rows."""
    for batch in batches:
        if n < len(batch):
            yield batch.slice(n) if n else batch
        n = max(0, n - len(batch))


def _join_batches(group: list[Any]) -> list[Any]:
    """Make one batch of several, if they have the same columns: each column has its costs."""
    schema = group[0].schema
    if len(group) == 1 or not all(batch.schema.equals(schema) for batch in group[1:]):
        return group
    joined: list[Any] = (
        import_optional("pyarrow").Table.from_batches(group).combine_chunks().to_batches()
    )
    return joined


def _batch_rows(batch: Any, start: int, stop: int) -> Any:
    is_whole = start == 0 and stop == len(batch)
    return batch if is_whole else batch.slice(start, stop - start)
