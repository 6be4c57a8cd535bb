"""A few rows from all over a source, by a bounded number of reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.source import Chunk, Partition, RowSource, describe_not_finite

# Strata of a source that are read at most: enough to see data that is sorted.
MOST_READS = 100
# What the drawn rows may take, where rows are wide.
MOST_BYTES = 2**25


@dataclass(frozen=True)
class SampledPartition:
    """A partition, or a stratum of one, to read.

    Parameters
    ----------
    index : int
        Which.
    n_reads : int
        How many of its strata are to be read.
    factor : float
        How likely its rows are to be kept beside those of others.
    """

    index: int
    n_reads: int
    factor: float


def sample_systematically(
    sizes: Sequence[int], n_reads: int, rng: np.random.Generator
) -> list[SampledPartition]:
    r"""Choose pieces at even distances, the larger ones more often, or all if they are few.

    Systematic sampling: with S the sum of the sizes, those that hold one of `n_reads` points
    S / n_reads apart, the first of them random. One of size s that holds t points has the factor
    :math:`t S / (s \, n_{reads})`, of mean one: keeping its rows that much likelier makes every row
    of all equally likely.
    """
    weights = np.maximum(np.asarray(sizes, dtype=np.float64), 1.0)
    total = weights.sum()
    if len(sizes) <= n_reads:
        reads = np.maximum(1, np.rint(n_reads * weights / total)).astype(int)
        return [SampledPartition(i, int(n), 1.0) for i, n in enumerate(reads)]
    points = (np.arange(n_reads) + rng.random()) * (total / n_reads)
    held = np.searchsorted(np.cumsum(weights), points, side="right")
    held, times = np.unique(np.minimum(held, len(sizes) - 1), return_counts=True)
    return [
        SampledPartition(int(i), int(n), float(n * total / (weights[i] * n_reads)))
        for i, n in zip(held, times, strict=True)
    ]


def draw_rows(
    source: RowSource,
    size: int,
    least: int,
    rng: np.random.Generator,
    on_error: Callable[[str, SourceError], None],
) -> tuple[Chunk, float]:
    """Draw rows of positive weight from all over a source; the first ones of a stream.

    Parameters
    ----------
    source : RowSource
        Where they come from.
    size : int
        How many to draw, or as many as there are, or as fit into 32 MiB.
    least : int
        If a hundred strata hold fewer rows, more are read.
    rng : numpy.random.Generator
        Decides which.
    on_error : callable
        Called with the name and the error of a partition that cannot be read.

    Returns
    -------
    drawn : Chunk
        Rows, float64, at most `size`, with what lies beside them.
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
    if drawn is None or len(drawn.chunk) == 0:
        raise SourceError("no row of positive weight was found to fit on")
    chunk, n_rows = drawn.chunk, source.n_rows()
    is_everything = is_all and len(chunk) < _fit_in_memory(size, chunk.rows.shape[1])
    share = 1.0 if is_everything else min(1.0, len(chunk) / n_rows) if n_rows else 0.0
    return chunk, share


def _drawn_by(
    source: RowSource,
    size: int,
    n_reads: int,
    rng: np.random.Generator,
    on_error: Callable[[str, SourceError], None],
) -> tuple[_Drawn | None, bool]:
    """Draw rows by about `n_reads` reads; tell whether they reached every stratum."""
    drawn: _Drawn | None = None
    largest = 1.0
    chosen = sample_systematically([each.size() for each in source.partitions], n_reads, rng)
    is_all = len(chosen) == len(source.partitions)
    for each in chosen:
        partition = source.partitions[each.index]
        try:
            fitting = _fit_in_memory(size, source.look_up_layout(partition).n_features)
            reaches_all = each.n_reads >= partition.n_strata()
            own: _Drawn | None = None
            for chunk, keys, factor in source.sample(partition, fitting, each.n_reads, rng):
                factor *= each.factor
                largest = max(largest, factor)
                limit = np.inf if own is None or len(own.keys) < fitting else own.keys.max()
                own = _keep_smallest_keys(
                    own, _take_small_keys(source, partition, chunk, keys / factor, limit), fitting
                )
            is_all &= reaches_all
        except SourceError as error:
            on_error(partition.name, error)
            continue
        if own is not None:
            drawn = _keep_smallest_keys(drawn, own, fitting)
    if drawn is not None:
        # Beyond this key there are no more rows of the strata with the largest factor.
        drawn = _take_rows(drawn, drawn.keys <= 1.0 / largest)
    return drawn, is_all


def _fit_in_memory(size: int, n_features: int) -> int:
    """How many rows to draw, if they must fit."""
    return min(size, max(1, MOST_BYTES // (8 * n_features)))


class _Drawn(NamedTuple):
    """Rows, and the keys that decide which of them stay."""

    keys: np.ndarray
    chunk: Chunk


def _take_small_keys(
    source: RowSource, partition: Partition, chunk: Chunk, keys: np.ndarray, limit: float
) -> _Drawn:
    """Take the rows of a chunk whose keys are below a limit, and check them."""
    candidates = keys < limit
    if chunk.weights is not None:
        candidates &= chunk.weights > 0
    drawn = chunk[candidates]
    rows = np.array(drawn.rows, dtype=np.float64, order="C")
    if not (finite := np.isfinite(rows).all(axis=0)).all():
        where = describe_not_finite(source.layout.names, int(finite.argmin()))
        raise SourceError(f"{partition.name} contains NaN or infinity in {where}")
    if drawn.weights is not None and not np.isfinite(drawn.weights).all():
        raise SourceError(f"the weights of {partition.name} must be finite")
    return _Drawn(keys[candidates], replace(drawn, rows=rows))


def _keep_smallest_keys(one: _Drawn | None, other: _Drawn, size: int) -> _Drawn:
    """Keep the rows of smallest key of both."""
    if one is not None:
        both = one.chunk, other.chunk
        names = set(one.chunk.columns) & set(other.chunk.columns)
        columns = {name: np.concatenate([c.columns[name] for c in both]) for name in names}
        rows = np.concatenate([c.rows for c in both])
        other = _Drawn(np.concatenate([one.keys, other.keys]), Chunk(rows, columns))
    if len(other.keys) <= size:
        return other
    return _take_rows(other, np.argpartition(other.keys, size - 1)[:size])


def _take_rows(drawn: _Drawn, kept: np.ndarray) -> _Drawn:
    """Return some of the rows, by index or by a mask."""
    return _Drawn(drawn.keys[kept], drawn.chunk[kept])
