"""A few rows from all over a source, by a bounded number of reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.source import Chunk, Part, RowSource, not_finite

# Places of a source that are read at most: enough to see data that is sorted.
MOST_READS = 100
# What the drawn rows may take, where rows are wide.
MOST_BYTES = 2**25


@dataclass(frozen=True)
class Pick:
    """A piece to read: which, from how many places, and how likely its rows should be kept."""

    index: int
    n_reads: int
    factor: float


def spread_picks(sizes: Sequence[int], n_reads: int, rng: np.random.Generator) -> list[Pick]:
    r"""Choose pieces at even distances, the larger ones more often, or all if they are few.

    Systematic sampling: with S the sum of the sizes, the pieces that hold one of `n_reads` points
    S / n_reads apart, the first of them random. A piece of size s that holds t points has the
    factor :math:`t S / (s \, n_{reads})`, of mean one: keeping its rows that much likelier makes
    every row of every piece equally likely.
    """
    weights = np.maximum(np.asarray(sizes, dtype=np.float64), 1.0)
    total = weights.sum()
    if len(sizes) <= n_reads:
        reads = np.maximum(1, np.rint(n_reads * weights / total)).astype(int)
        return [Pick(i, int(n), 1.0) for i, n in enumerate(reads)]
    points = (np.arange(n_reads) + rng.random()) * (total / n_reads)
    held = np.searchsorted(np.cumsum(weights), points, side="right")
    held, times = np.unique(np.minimum(held, len(sizes) - 1), return_counts=True)
    return [
        Pick(int(i), int(n), float(n * total / (weights[i] * n_reads)))
        for i, n in zip(held, times, strict=True)
    ]


def spread_rows(
    source: RowSource,
    size: int,
    least: int,
    rng: np.random.Generator,
    on_error: Callable[[str, SourceError], None],
) -> tuple[np.ndarray, np.ndarray | None, float]:
    """Draw rows of positive weight from all over a source; the first ones of a stream.

    Parameters
    ----------
    source : RowSource
        Where they come from.
    size : int
        How many to draw, or as many as there are, or as fit into 32 MiB.
    least : int
        If a hundred places hold fewer rows, more are read.
    rng : numpy.random.Generator
        Decides which.
    on_error : callable
        Called with the name and the error of a part that cannot be read.

    Returns
    -------
    rows : ndarray of shape (at most size, n_features) float64
        Rows.
    weights : ndarray or None
        Their weights.
    share : float
        Which share of all rows they are; 0 if that is not known.

    Raises
    ------
    SourceError
        If there is no row, or one that was drawn is not finite.
    """
    n_reads = MOST_READS
    while True:
        drawn, is_all = _drawn_by(source, size, n_reads, rng, on_error)
        if is_all or (drawn is not None and len(drawn.keys) >= min(least, size)):
            break
        n_reads *= 4
    if drawn is None or len(drawn.rows) == 0:
        raise SourceError("no row of positive weight was found to fit on")
    is_everything = is_all and len(drawn.rows) < _fitting(size, drawn.rows.shape[1])
    n_rows = source.n_rows()
    share = 1.0 if is_everything else min(1.0, len(drawn.rows) / n_rows) if n_rows else 0.0
    return drawn.rows, drawn.weights, share


def _drawn_by(
    source: RowSource,
    size: int,
    n_reads: int,
    rng: np.random.Generator,
    on_error: Callable[[str, SourceError], None],
) -> tuple[_Drawn | None, bool]:
    """Draw rows by about `n_reads` reads; tell whether they reached every place."""
    drawn: _Drawn | None = None
    largest = 1.0
    picks = spread_picks([part.size() for part in source.parts], n_reads, rng)
    is_all = len(picks) == len(source.parts)
    for pick in picks:
        part = source.parts[pick.index]
        try:
            fitting = _fitting(size, source.layout_of(part).n_features)
            own: _Drawn | None = None
            for chunk, keys, factor in source.sample(part, fitting, pick.n_reads, rng):
                factor *= pick.factor
                largest = max(largest, factor)
                limit = np.inf if own is None or len(own.keys) < fitting else own.keys.max()
                own = _smallest(own, _checked(source, part, chunk, keys / factor, limit), fitting)
            is_all &= pick.n_reads >= part.n_places()
        except SourceError as error:
            on_error(part.name, error)
            continue
        if own is not None:
            drawn = _smallest(drawn, own, fitting)
    if drawn is not None:
        # Beyond this key there are no more rows of the places with the largest factor.
        drawn = _those(drawn, drawn.keys <= 1.0 / largest)
    return drawn, is_all


def _fitting(size: int, n_features: int) -> int:
    """How many rows to draw, if they must fit."""
    return min(size, max(1, MOST_BYTES // (8 * n_features)))


class _Drawn(NamedTuple):
    """Rows with the keys that decide which of them stay."""

    keys: np.ndarray
    rows: np.ndarray
    weights: np.ndarray | None


def _checked(source: RowSource, part: Part, chunk: Chunk, keys: np.ndarray, limit: float) -> _Drawn:
    """Take the rows of a chunk whose keys are below a limit, and check them."""
    candidates = keys < limit
    if chunk.weights is not None:
        candidates &= chunk.weights > 0
    rows = np.array(chunk.rows[candidates], dtype=np.float64, order="C")
    if not (finite := np.isfinite(rows).all(axis=0)).all():
        where = not_finite(source.layout.names, int(finite.argmin()))
        raise SourceError(f"{part.name} contains NaN or infinity in {where}")
    weights = None if chunk.weights is None else chunk.weights[candidates]
    if weights is not None and not np.isfinite(weights).all():
        raise SourceError(f"the weights of {part.name} must be finite")
    return _Drawn(keys[candidates], rows, weights)


def _smallest(one: _Drawn | None, other: _Drawn, size: int) -> _Drawn:
    """Keep the rows of smallest key of both."""
    if one is not None:
        weights = None
        if one.weights is not None and other.weights is not None:
            weights = np.concatenate([one.weights, other.weights])
        other = _Drawn(
            np.concatenate([one.keys, other.keys]),
            np.concatenate([one.rows, other.rows]),
            weights,
        )
    if len(other.keys) <= size:
        return other
    return _those(other, np.argpartition(other.keys, size - 1)[:size])


def _those(drawn: _Drawn, kept: np.ndarray) -> _Drawn:
    """Some of the rows, by index or by a mask."""
    weights = None if drawn.weights is None else drawn.weights[kept]
    return _Drawn(drawn.keys[kept], drawn.rows[kept], weights)
