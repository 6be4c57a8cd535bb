"""Iterables of arrays, of data frames, or of Arrow's tables and batches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.arrays import as_rows, lay_out_array, selected
from sketchlearn.sources.arrow_columns import (
    chunk_batches,
    filter_batches,
    lay_out_columns,
)
from sketchlearn.sources.frames import is_frame, is_named, open_stream, read_frame
from sketchlearn.sources.groups import regroup
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.source import (
    IDENTIFYING_ROWS,
    Chunk,
    Layout,
    Partition,
    Query,
    count_chunk_rows,
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
        super().__init__("the stream", _convert_items(items, query.expression, "the stream"))
        self._query = query

    @property
    def is_named(self) -> bool:  # type: ignore[override]
        """Whether the first item has columns with names."""
        return not isinstance(self.peek(), np.ndarray | None)

    def identity(self) -> str:
        """Digest of the first rows."""
        return f"{self.name} {_digest_rows(self.peek())}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Partition.layout`."""
        return _infer_layout(self.peek(), columns, self._query, self.name)

    def chunks(self, pieces: Iterable[Any], layout: Layout, start: int) -> Iterator[Chunk]:
        """See `StreamPartition.chunks`."""
        return _chunks(pieces, layout, self._query, self.name, start)


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
        return not isinstance(self._read_first(), np.ndarray | None)

    def size(self) -> int:
        """One: it is the only partition."""
        return 1

    def identity(self) -> str:
        """Digest of the first rows, and how many items there are."""
        return f"{self.name} of {len(self._items)}, {_digest_rows(self._read_first())}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Partition.layout`."""
        return _infer_layout(self._read_first(), columns, self._query, self.name)

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Partition.read`."""
        pieces = _convert_items(self._items, self._query.expression, self.name)
        return _chunks(pieces, layout, self._query, self.name, start)

    def _read_first(self) -> Any:
        return next(_convert_items(self._items, self._query.expression, self.name), None)


def _convert_items(items: Iterable[Any], expression: Any, name: str) -> Iterator[Any]:
    """Turn items into arrays, or where columns have names into record batches."""
    first: tuple[int | None, bool] | None = None
    for i, item in enumerate(items):
        what = f"item {i} of {name}"
        if isinstance(item, str | os.PathLike):
            raise SourceError(f"{what} is a path, {os.fspath(item)!r}: give paths in a list")
        named = is_frame(item) and is_named(item)
        rows = None if named else read_frame(item, what) if is_frame(item) else as_rows(item, what)
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
            yield from _batches(open_stream(item), expression)


def _batches(reader: Any, expression: Any) -> Iterator[Any]:
    """Return a stream's batches; an empty one where there are no rows, as it has columns still."""
    n_batches = 0
    for batch in filter_batches(reader, expression):
        n_batches += len(batch) > 0
        yield batch
    if n_batches == 0:
        yield import_optional("pyarrow").RecordBatch.from_pylist([], reader.schema)


def _infer_layout(
    first: Any, columns: Sequence[str | int] | None, query: Query, name: str
) -> Layout:
    if first is None:
        raise SourceError(f"{name} is empty, so it has no columns")
    if isinstance(first, np.ndarray):
        if not query.is_empty:
            raise SourceError(f"{name} has no named columns to filter, weigh or group rows by")
        return lay_out_array(first.shape[1], columns, name)
    return lay_out_columns(first.schema, columns, query, name, lambda _: [first])


def _chunks(
    pieces: Iterable[Any], layout: Layout, query: Query, name: str, start: int
) -> Iterator[Chunk]:
    """Turn pieces into chunks of rows, the first `start` rows left out."""
    if layout.names is not None:
        yield from chunk_batches(pieces, layout, query, name, start)
        return
    n_rows = count_chunk_rows(layout.n_features)
    for group in regroup(pieces, n_rows, lambda rows, start, stop: rows[start:stop]):
        rows = group[0] if len(group) == 1 else np.concatenate(group)
        skipped = min(start, len(rows))
        start -= skipped
        if skipped < len(rows):
            yield Chunk(selected(rows[skipped:], layout))


def _digest_rows(first: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    if isinstance(first, np.ndarray):
        digest.update(np.ascontiguousarray(first[:IDENTIFYING_ROWS]).tobytes())
    elif first is not None:
        digest.update(str(first.slice(0, IDENTIFYING_ROWS).to_pydict()).encode())
    return digest.hexdigest()
