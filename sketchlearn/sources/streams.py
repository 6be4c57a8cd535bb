"""Streams, which can be read once."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, final

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.source import Chunk, Layout, Partition, Sampled


class StreamPartition(Partition):
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
        """One: it is the only partition."""
        return 1

    @final
    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Partition.read`; a second time is an error."""
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
        """Return the first piece, still to be read; None if there is none."""
        self._require_unread()
        if not self._held and (piece := next(self._pieces, None)) is not None:
            self._held.append(piece)
        return self._held[0] if self._held else None

    def _require_unread(self) -> None:
        if self._is_spent:
            raise SourceError(f"{self.name} was read before, and can be read once; open it again")

    def _all_pieces(self) -> Iterator[Any]:
        """Those held, each let go as it is read, then the rest."""
        while self._held:
            yield self._held.popleft()
        yield from self._pieces
