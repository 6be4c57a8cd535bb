"""Iterables of arrays, of data frames, or of Arrow's tables and batches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.arrays import array_layout, as_rows, selected
from sketchlearn.sources.arrow_columns import arrow_chunks, arrow_layout, filtered, list_width
from sketchlearn.sources.frames import frame_rows, is_frame, is_named, stream_of
from sketchlearn.sources.groups import in_groups
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.source import (
    IDENTIFYING_ROWS,
    Chunk,
    Layout,
    Partition,
    Query,
    chunk_rows,
    require_exact_rows,
)
from sketchlearn.sources.streams import StreamPartition


class PiecesPartition(StreamPartition):
    """An iterable, read once, whose items are arrays or have columns with names.

    Columns with names are found by these in every item; others are taken as they come.

    Parameters
    ----------
    items : iterable
        Two-dimensional arrays, data frames, tables or record batches.
    query : Query
        Side columns, and which rows to read.
    """

    def __init__(self, items: Iterable[Any], query: Query) -> None:
        super().__init__("the stream", _pieces(items, query.expression, "the stream"))
        self._query = query

    @property
    def is_named(self) -> bool:  # type: ignore[override]
        """Whether the first item has columns with names."""
        return not isinstance(self.peek(), np.ndarray | None)

    def identity(self) -> str:
        """Digest of the first rows."""
        return f"{self.name} {_digest(self.peek())}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Partition.layout`."""
        return _layout(self.peek(), columns, self._query, self.name)

    def chunks(self, pieces: Iterable[Any], layout: Layout, start: int) -> Iterator[Chunk]:
        """See `StreamPartition.chunks`."""
        return _chunks(pieces, layout, self._query.side, self.name, start)


class ListPartition(Partition):
    """A list of such items, which can be read again.

    Parameters
    ----------
    items, query
        As of `PiecesPartition`.
    """

    is_file = False

    def __init__(self, items: Sequence[Any], query: Query) -> None:
        self.name = "the list"
        self._items, self._query = items, query

    @property
    def is_named(self) -> bool:  # type: ignore[override]
        """Whether the first item has columns with names."""
        return not isinstance(self._first(), np.ndarray | None)

    def size(self) -> int:
        """One: it is the only part."""
        return 1

    def identity(self) -> str:
        """Digest of the first rows, and how many items there are."""
        return f"{self.name} of {len(self._items)}, {_digest(self._first())}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Partition.layout`."""
        return _layout(self._first(), columns, self._query, self.name)

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Partition.read`."""
        pieces = _pieces(self._items, self._query.expression, self.name)
        return _chunks(pieces, layout, self._query.side, self.name, start)

    def _first(self) -> Any:
        """Return the first piece."""
        return next(_pieces(self._items, self._query.expression, self.name), None)


def _pieces(items: Iterable[Any], expression: Any, name: str) -> Iterator[Any]:
    """Turn items into arrays, or where columns have names into record batches."""
    first: tuple[int | None, bool] | None = None
    for i, item in enumerate(items):
        what = f"item {i} of {name}"
        if isinstance(item, str | os.PathLike):
            raise SourceError(f"{what} is a path, {os.fspath(item)!r}: give paths in a list")
        named = is_frame(item) and is_named(item)
        rows = None if named else frame_rows(item, what) if is_frame(item) else as_rows(item, what)
        width = None if rows is None else rows.shape[1]
        if first is None:
            first = width, named
        if named != first[1]:
            kinds = ["columns with names", "columns without"]
            raise SourceError(f"{what} has {kinds[not named]} where item 0 has {kinds[named]}")
        if width != first[0]:
            raise SourceError(f"{what} has {width} columns where item 0 has {first[0]}")
        if rows is not None:
            # Before they lie beside fractions in one array.
            require_exact_rows(rows, what, 0)
            yield rows
        else:
            yield from _batches(stream_of(item), expression)


def _batches(reader: Any, expression: Any) -> Iterator[Any]:
    """Return a stream's batches; an empty one where there are no rows, as it has columns still."""
    n_batches = 0
    for batch in filtered(reader, expression):
        n_batches += len(batch) > 0
        yield batch
    if n_batches == 0:
        yield import_optional("pyarrow").RecordBatch.from_pylist([], reader.schema)


def _layout(first: Any, columns: Sequence[str | int] | None, query: Query, name: str) -> Layout:
    """Look up columns in the first piece."""
    if first is None:
        raise SourceError(f"{name} is empty, so it has no columns")
    if isinstance(first, np.ndarray):
        if not query.is_empty:
            raise SourceError(f"{name} has no named columns to filter or weigh rows by")
        return array_layout(first.shape[1], columns, name)
    return arrow_layout(
        first.schema,
        columns,
        query.side.values(),
        name,
        lambda column: list_width([first], column, name),
    )


def _chunks(
    pieces: Iterable[Any], layout: Layout, side: Mapping[str, str], name: str, start: int
) -> Iterator[Chunk]:
    """Turn pieces into chunks of rows, the first `start` rows left out."""
    if layout.names is not None:
        yield from arrow_chunks(pieces, layout, side, name, start)
        return
    for group in in_groups(pieces, chunk_rows(layout.n_features), _array_rows):
        rows = group[0] if len(group) == 1 else np.concatenate(group)
        skipped = min(start, len(rows))
        start -= skipped
        if skipped < len(rows):
            yield Chunk(selected(rows[skipped:], layout))


def _digest(first: Any) -> str:
    """Digest of the first rows."""
    digest = hashlib.blake2b(digest_size=16)
    if isinstance(first, np.ndarray):
        digest.update(np.ascontiguousarray(first[:IDENTIFYING_ROWS]).tobytes())
    elif first is not None:
        digest.update(str(first.slice(0, IDENTIFYING_ROWS).to_pydict()).encode())
    return digest.hexdigest()


def _array_rows(rows: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Rows of an array, without a copy."""
    return rows[start:stop]
