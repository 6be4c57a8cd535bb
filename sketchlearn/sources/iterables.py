"""Iterables of arrays, of data frames, or of Arrow's tables and batches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.arrays import array_layout, as_rows, selected
from sketchlearn.sources.arrow_columns import arrow_chunks, arrow_layout, filtered, list_width
from sketchlearn.sources.arrow_values import arrow_package
from sketchlearn.sources.frames import frame_rows, is_frame, is_named, stream_of
from sketchlearn.sources.groups import in_groups
from sketchlearn.sources.source import (
    IDENTIFYING_ROWS,
    Chunk,
    Layout,
    Part,
    chunk_rows,
    require_exact_rows,
)
from sketchlearn.sources.streams import StreamPart


class PiecesPart(StreamPart):
    """An iterable, read once, whose items are arrays or have columns with names.

    Columns with names are found by these in every item; others are taken as they come.

    Parameters
    ----------
    items : iterable
        Two-dimensional arrays, data frames, tables or record batches.
    weight : str, optional
        The column of weights.
    filter : pyarrow.compute.Expression, optional
        Which rows to read.
    """

    def __init__(self, items: Iterable[Any], weight: str | None, filter: Any) -> None:  # noqa: A002
        super().__init__("the stream", _pieces(items, filter, "the stream"))
        self._weight, self._filter = weight, filter

    @property
    def is_named(self) -> bool:  # type: ignore[override]
        """Whether the first item has columns with names."""
        return not isinstance(self.peek(), np.ndarray | None)

    def identity(self) -> str:
        """Digest of the first rows."""
        return f"{self.name} {_digest(self.peek())}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Part.layout`."""
        return _layout(self.peek(), columns, self._weight, self._filter, self.name)

    def chunks(self, pieces: Iterable[Any], layout: Layout, start: int) -> Iterator[Chunk]:
        """See `StreamPart.chunks`."""
        return _chunks(pieces, layout, self._weight, self.name, start)


class ListPart(Part):
    """A list of such items, which can be read again.

    Parameters
    ----------
    items, weight, filter
        As of `PiecesPart`.
    """

    is_file = False

    def __init__(self, items: Sequence[Any], weight: str | None, filter: Any) -> None:  # noqa: A002
        self.name = "the list"
        self._items, self._weight, self._filter = items, weight, filter

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
        """See `Part.layout`."""
        return _layout(self._first(), columns, self._weight, self._filter, self.name)

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Part.read`."""
        pieces = _pieces(self._items, self._filter, self.name)
        return _chunks(pieces, layout, self._weight, self.name, start)

    def _first(self) -> Any:
        """Return the first piece."""
        return next(_pieces(self._items, self._filter, self.name), None)


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
        yield arrow_package().RecordBatch.from_pylist([], reader.schema)


def _layout(
    first: Any, columns: Sequence[str | int] | None, weight: str | None, expression: Any, name: str
) -> Layout:
    """Look up columns in the first piece."""
    if first is None:
        raise SourceError(f"{name} is empty, so it has no columns")
    if isinstance(first, np.ndarray):
        if expression is not None or weight is not None:
            raise SourceError(f"{name} has no named columns to filter or weigh rows by")
        return array_layout(first.shape[1], columns, name)
    return arrow_layout(
        first.schema, columns, weight, name, lambda column: list_width([first], column, name)
    )


def _chunks(
    pieces: Iterable[Any], layout: Layout, weight: str | None, name: str, start: int
) -> Iterator[Chunk]:
    """Turn pieces into chunks of rows, the first `start` rows left out."""
    if layout.names is not None:
        yield from arrow_chunks(pieces, layout, weight, name, start)
        return
    for group in in_groups(pieces, chunk_rows(layout.n_features), _array_rows):
        rows = group[0] if len(group) == 1 else np.concatenate(group)
        skipped = min(start, len(rows))
        start -= skipped
        if skipped < len(rows):
            yield Chunk(selected(rows[skipped:], layout), None)


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
