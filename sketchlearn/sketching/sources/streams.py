"""Streams, which can be read once, and any iterable of arrays."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sketching.sources.arrays import array_layout, as_rows, selected
from sketchlearn.sketching.sources.source import (
    IDENTIFYING_ROWS,
    Chunk,
    Layout,
    Part,
    Sampled,
    chunk_rows,
    in_groups,
)


class StreamPart(Part):
    """Pieces that come once; those that `sample` looked at are held back for `read`.

    Parameters
    ----------
    name : str
        What messages call it.
    pieces : iterable
        Whatever has a length, in rows.
    """

    is_file = False
    can_be_read_again = False

    def __init__(self, name: str, pieces: Iterable[Any]) -> None:
        self.name = name
        self._pieces = iter(pieces)
        self._held: deque[Any] = deque()
        self._is_spent = False

    @abstractmethod
    def chunks(self, pieces: Iterable[Any], layout: Layout, start: int) -> Iterator[Chunk]:
        """Turn pieces into chunks of rows, the first `start` rows left out."""

    def size(self) -> int:
        """One: it is the only part."""
        return 1

    @final
    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Part.read`; a second time is an error."""
        self._require_unread()
        self._is_spent = True
        return self.chunks(self._all_pieces(), layout, start)

    @final
    def sample(
        self, layout: Layout, size: int, n_reads: int, rng: np.random.Generator
    ) -> Iterator[Sampled]:
        """Yield the first rows, at least `size` of them, and hold them back for `read`."""
        self._require_unread()
        while sum(map(len, self._held)) < size and (piece := next(self._pieces, None)) is not None:
            self._held.append(piece)
        for chunk in self.chunks(self._held, layout, 0):
            yield Sampled(chunk, rng.random(len(chunk.rows)))

    def peek(self) -> Any:
        """Give the first piece, still to be read; None if there is none."""
        self._require_unread()
        if not self._held and (piece := next(self._pieces, None)) is not None:
            self._held.append(piece)
        return self._held[0] if self._held else None

    def _require_unread(self) -> None:
        """Refuse to read again what is gone."""
        if self._is_spent:
            raise SourceError(f"{self.name} was read before, and can be read once; open it again")

    def _all_pieces(self) -> Iterator[Any]:
        """Those held, each let go as it is read, then the rest."""
        while self._held:
            yield self._held.popleft()
        yield from self._pieces


class ArrayStreamPart(StreamPart):
    """An iterable of two-dimensional arrays.

    Parameters
    ----------
    arrays : iterable of array-likes of shape (any, n_features)
        Read once, even where it could be read again.
    """

    def __init__(self, arrays: Iterable[Any]) -> None:
        super().__init__("the stream of arrays", _as_arrays(arrays))

    def identity(self) -> str:
        """Digest of the first rows."""
        first = self.peek()
        start = b"" if first is None else np.ascontiguousarray(first[:IDENTIFYING_ROWS]).tobytes()
        return f"{self.name} {hashlib.blake2b(start, digest_size=16).hexdigest()}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Part.layout`."""
        first = self.peek()
        if first is None:
            raise SourceError(f"{self.name} is empty, so it has no columns")
        return array_layout(first.shape[1], columns, self.name)

    def chunks(self, pieces: Iterable[Any], layout: Layout, start: int) -> Iterator[Chunk]:
        """See `StreamPart.chunks`."""
        for group in in_groups(pieces, chunk_rows(layout.n_features), _array_rows):
            rows = group[0] if len(group) == 1 else np.concatenate(group)
            skipped = min(start, len(rows))
            start -= skipped
            if skipped < len(rows):
                yield Chunk(selected(rows[skipped:], layout), None)


def _as_arrays(items: Iterable[Any]) -> Iterator[np.ndarray]:
    """Check that each item is rows of numbers, as many columns in each."""
    width: int | None = None
    for i, item in enumerate(items):
        rows = as_rows(item, f"array {i} of the stream")
        width = rows.shape[1] if width is None else width
        if rows.shape[1] != width:
            raise SourceError(
                f"array {i} of the stream has {rows.shape[1]} columns where array 0 has {width}"
            )
        yield rows


def _array_rows(rows: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Rows of an array, without a copy."""
    return rows[start:stop]
