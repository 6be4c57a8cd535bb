"""Arrow's tables and streams, and how their columns become rows of numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sketching.sources.source import (
    IDENTIFYING_ROWS,
    Chunk,
    Layout,
    Part,
    chunk_rows,
    in_groups,
)
from sketchlearn.sketching.sources.streams import StreamPart

NUMBERS = "numbers, truth values or lists of numbers of one fixed size"


def arrow_package() -> Any:
    """Import pyarrow, or say how to get it.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError(
            "pyarrow is needed for tables, Parquet, Arrow and CSV: install sketchlearn[arrow]"
        ) from error
    return pyarrow


def arrow_layout(
    schema: Any, columns: Sequence[str | int] | None, weight: str | None, name: str
) -> Layout:
    """Look up columns in an Arrow schema; all but the weights if None.

    Raises
    ------
    SourceError
        If one is missing, there twice, or does not hold numbers.
    """
    if columns is None:
        columns = [column for column in schema.names if column != weight]
    if not columns:
        raise SourceError(f"{name} has no column to read")
    features = [feature for column in columns for feature in _features_of(schema, column, name)]
    if weight is not None:
        _features_of(schema, weight, name)
    return Layout(tuple(columns), tuple(features), len(features))


def arrow_chunks(
    batches: Iterable[Any], layout: Layout, weight: str | None, name: str, start: int = 0
) -> Iterator[Chunk]:
    """Turn record batches into chunks of rows, the first `start` rows left out.

    Raises
    ------
    SourceError
        If a value is missing.
    """
    n_seen = start
    remaining = _without_first(batches, start)
    for group in in_groups(remaining, chunk_rows(layout.n_features), _batch_rows):
        rows = np.empty((layout.n_features, sum(map(len, group))), dtype=_dtype_of(group, layout))
        weights = np.empty((1, rows.shape[1]))
        stop = 0
        for batch in group:
            start, stop = stop, stop + len(batch)
            _fill(rows[:, start:stop], batch, layout.columns or (), name, n_seen)
            if weight is not None:
                _fill(weights[:, start:stop], batch, [weight], name, n_seen)
            n_seen += len(batch)
        yield Chunk(rows.T, None if weight is None else weights[0])


class TablePart(Part):
    """A table in memory: of pyarrow, or whatever gives an Arrow stream as often as it is asked.

    Parameters
    ----------
    data : object with ``__arrow_c_stream__`` and a length
        For instance a table of pyarrow, a data frame, or a relation of duckdb.
    weight : str, optional
        The column of weights.
    filter : pyarrow.compute.Expression, optional
        Which rows to read.
    """

    is_file = False

    def __init__(self, data: Any, weight: str | None, filter: Any) -> None:  # noqa: A002
        self.name = f"the {type(data).__name__}"
        self._data, self._weight, self._filter = data, weight, filter

    def size(self) -> int:
        """Rows."""
        return len(self._data)

    def identity(self) -> str:
        """Digest of the schema and of the first rows, and how many there are."""
        reader = self._reader()
        digest = hashlib.blake2b(str(reader.schema).encode(), digest_size=16)
        for batch in reader:
            digest.update(str(batch.slice(0, IDENTIFYING_ROWS).to_pylist()).encode())
            break
        return f"{self.name} of {len(self._data)} rows, {digest.hexdigest()}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Part.layout`."""
        return arrow_layout(self._reader().schema, columns, self._weight, self.name)

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Part.read`."""
        batches = filtered(self._reader(), self._filter)
        return arrow_chunks(batches, layout, self._weight, self.name, start)

    def n_rows(self) -> int | None:
        """Rows, where none are filtered out."""
        return len(self._data) if self._filter is None else None

    def _reader(self) -> Any:
        """Start a new stream of record batches."""
        return arrow_package().RecordBatchReader.from_stream(self._data)


class ArrowStreamPart(StreamPart):
    """An Arrow stream, which can be read once.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
        The stream.
    weight : str, optional
        The column of weights.
    filter : pyarrow.compute.Expression, optional
        Which rows to read.
    """

    def __init__(self, reader: Any, weight: str | None, filter: Any) -> None:  # noqa: A002
        super().__init__("the Arrow stream", filtered(reader, filter))
        self._schema, self._weight = reader.schema, weight

    def identity(self) -> str:
        """Digest of the schema: nothing else of a stream can be told beforehand."""
        digest = hashlib.blake2b(str(self._schema).encode(), digest_size=16)
        return f"{self.name}, {digest.hexdigest()}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Part.layout`."""
        return arrow_layout(self._schema, columns, self._weight, self.name)

    def chunks(self, pieces: Iterable[Any], layout: Layout, start: int) -> Iterator[Chunk]:
        """See `StreamPart.chunks`."""
        return arrow_chunks(pieces, layout, self._weight, self.name, start)


def filtered(batches: Iterable[Any], expression: Any) -> Iterable[Any]:
    """Keep the rows of record batches for which an expression is true."""
    if expression is None:
        return batches
    table = arrow_package().Table
    return (
        part
        for batch in batches
        for part in table.from_batches([batch]).filter(expression).to_batches()
    )


def _features_of(schema: Any, column: str | int, name: str) -> list[str]:
    """Name the features that a column makes, or refuse it."""
    types = arrow_package().types
    if not isinstance(column, str):
        raise SourceError(f"columns of {name} must be chosen by name, got {column!r}")
    found = schema.get_all_field_indices(column)
    if len(found) != 1:
        what = "more than one column" if found else "no column"
        raise SourceError(f"{name} has {what} {column!r}; its columns are {schema.names}")
    kind = schema.field(found[0]).type
    if types.is_fixed_size_list(kind) and _is_number(kind.value_type):
        return [f"{column}[{i}]" for i in range(kind.list_size)]
    if _is_number(kind):
        return [column]
    raise SourceError(f"column {column!r} of {name} is of type {kind}; expected {NUMBERS}")


def _is_number(kind: Any) -> bool:
    """Whether values of an Arrow type are real numbers."""
    types = arrow_package().types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
    )


def _dtype_of(batches: list[Any], layout: Layout) -> type[np.floating[Any]]:
    """Give float32 where that holds every value of the columns, else float64."""
    types = arrow_package().types
    for batch in batches:
        for column in layout.columns or ():
            kind = batch.schema.field(column).type
            kind = kind.value_type if types.is_fixed_size_list(kind) else kind
            if not (types.is_float32(kind) or types.is_float16(kind)):
                return np.float64
    return np.float32


def _fill(
    out: np.ndarray, batch: Any, columns: Sequence[str | int], name: str, first_row: int
) -> None:
    """Write a batch's columns to the rows of `out`, (n_features, n)."""
    at = 0
    for column in columns:
        values = _flat_values(batch.column(column), f"column {column!r} of {name}", first_row)
        width = values.size // max(1, out.shape[1])
        out[at : at + width] = values.reshape(-1, width).T
        at += width


def _flat_values(column: Any, what: str, first_row: int) -> np.ndarray:
    """Values of a column, those of lists one after the other, without a copy where possible."""
    pa = arrow_package()
    flat = column.flatten() if pa.types.is_fixed_size_list(column.type) else column
    if column.null_count or flat.null_count:
        width = max(1, len(flat) // max(1, len(column) - column.null_count))
        bad = column if column.null_count else flat
        row = bad.is_null().to_numpy(zero_copy_only=False).argmax() // (
            1 if column.null_count else width
        )
        raise SourceError(
            f"{what} has no value (null) in row {first_row + row}; leave such rows out with a "
            "filter, or fill them in"
        )
    if pa.types.is_decimal(flat.type):
        flat = flat.cast(pa.float64())
    return np.asarray(flat.to_numpy(zero_copy_only=False))


def _without_first(batches: Iterable[Any], n: int) -> Iterator[Any]:
    """Leave out the first n rows."""
    for batch in batches:
        if n < len(batch):
            yield batch.slice(n) if n else batch
        n = max(0, n - len(batch))


def _batch_rows(batch: Any, start: int, stop: int) -> Any:
    """Rows of a batch, without a copy."""
    return batch.slice(start, stop - start)
