"""Pieces of any length, cut and gathered into groups of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

Piece = TypeVar("Piece", bound=Sized)


def regroup(
    pieces: Iterable[Piece], size: int, rows_of: Callable[[Piece, int, int], Piece]
) -> Iterator[list[Piece]]:
    """Cut and gather pieces into lists of exactly `size` rows, but for the last.

    Parameters
    ----------
    pieces : iterable
        Whatever has a length, in rows.
    size : int
        Rows of a group.
    rows_of : callable
        ``rows_of(piece, start, stop)`` gives a piece's rows between two, without a copy.
    """
    group: list[Piece] = []
    missing = size
    for piece in pieces:
        length, start = len(piece), 0
        while start < length:
            stop = min(length, start + missing)
            group.append(rows_of(piece, start, stop))
            missing -= stop - start
            start = stop
            if missing == 0:
                yield group
                group, missing = [], size
    if group:
        yield group
