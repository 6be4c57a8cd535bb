"""One pass over a source: reading and summing at the same time, partition by partition."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from sketchlearn._progress import ProgressLine
from sketchlearn.exceptions import SourceError
from sketchlearn.features.moments import MomentKind
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.fixed_point import WEIGHT_UNIT, fix_weights, require_mean_weight
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sums import Sums
from sketchlearn.sketching.accumulation import BadEntryError, RowSummer
from sketchlearn.sketching.checkpoint import Checkpoint, CheckpointWriter
from sketchlearn.sketching.cutting import add_cuts, warn_of_cut
from sketchlearn.sketching.pass_state import Progress
from sketchlearn.sources.arrays import MemoryPartition
from sketchlearn.sources.error_handling import Handler, make_error_handler
from sketchlearn.sources.source import (
    GROUPS,
    Chunk,
    RowSource,
    describe_not_finite,
    name_weights,
)

# Seconds after which an interrupt is noticed.
LONGEST_WAIT = 0.1
# Chunks, beyond one a thread, that wait to be summed while the next one is read.
DEPTH = 2
# Pieces for each thread that a chunk is cut into, where there are several threads, so that all end
# at about the same time; and the rows that a piece is a multiple of, a block of the kernels'.
PIECES_A_THREAD, PIECE_ROWS = 2, 256

OnProgress = Callable[[int, int | None], None]
Result = TypeVar("Result")


class _Step(NamedTuple):
    """What the reader came by in a partition: rows being summed, an error, or its end with neither.

    The rows are in pieces, each with how many rows come before it in the chunk.
    """

    partition: int
    row: int
    pieces: tuple[tuple[int, Future[Sums]], ...] = ()
    error: SourceError | None = None


class InlineExecutor:
    """Runs what is submitted at once: where nothing is gained, no other thread is waited for."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Callable[..., Result], *args: Any) -> Future[Result]:
        """Return what the function returns, or raises."""
        future: Future[Result] = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class Pass:
    """Sum a source's rows in other threads, a chunk each, while the caller's own reads ahead.

    The caller's thread reads, since streams may belong to the thread that made them, and since
    interrupts come there. What was summed is settled in the order it was read.

    Parameters
    ----------
    operator : FrequencyOperator
        What to project with.
    source : RowSource
        What to read.
    n_threads : int
        Threads that sum chunks.
    moments : {"full", "diagonal"} or None
        Which moments are summed as well.
    feature_names : tuple of str or None
        Names that the sketch gets.
    on_error : callable
        Called with the name and the error of a partition that cannot be read; if it returns, the
        partition is left out whole.
    on_progress : callable, optional
        Called with a `Progress` whenever some rows were added.
    on_partition : callable, optional
        Called with the index of a partition before it is read.
    """

    def __init__(
        self,
        operator: FrequencyOperator,
        source: RowSource,
        n_threads: int,
        moments: MomentKind | None,
        feature_names: tuple[str, ...] | None,
        on_error: Callable[[str, SourceError], None],
        on_progress: Callable[[Progress], None] | None = None,
        on_partition: Callable[[int], None] | None = None,
    ) -> None:
        self._operator, self._source, self._n_threads = operator, source, n_threads
        self._on_error, self._on_progress = on_error, on_progress
        self._on_partition = on_partition
        self._own, self._summers = threading.local(), list[RowSummer]()
        self._empty = Sketch.empty(operator, moments).sums
        self.progress = Progress(operator, self._empty, self._empty, feature_names=feature_names)

    def run(self) -> Sketch:
        """Read what is left, and return the sketch of all.

        Raises
        ------
        SourceError
            If no partition could be read.
        ValueError
            If a row or the weights cannot be sketched.
        """
        steps: deque[_Step] = deque()
        n_before = self.progress.n_rows
        is_ahead = self._n_threads > 1 or any(each.takes_time for each in self._source.partitions)
        with ThreadPoolExecutor(self._n_threads) if is_ahead else InlineExecutor() as workers:
            try:
                for step in self._read_partitions(workers):
                    steps.append(step)
                    if len(steps) >= DEPTH + self._n_threads:
                        self._add_step(steps.popleft())
                while steps:
                    self._add_step(steps.popleft())
            finally:
                for step in steps:
                    for _, result in step.pieces:
                        result.cancel()
        sketch = self.progress.sketch
        self._require_some(sketch)
        n_cut = add_cuts(self._operator.domain, (one.n_cut for one in self._summers))
        n_read = self.progress.n_rows - n_before
        warn_of_cut(self._operator.domain, n_cut, n_read, sketch.feature_names)
        return sketch

    def _read_partitions(self, workers: ThreadPoolExecutor | InlineExecutor) -> Iterator[_Step]:
        """Read the partitions that are left, and hand their rows to the workers."""
        start = self.progress.row
        for index in range(self.progress.partition, len(self._source.partitions)):
            row = start
            if self._on_partition:
                self._on_partition(index)
            try:
                for chunk in self._source.read(self._source.partitions[index], start):
                    row += len(chunk)
                    pieces = [
                        (at, workers.submit(self._sum_piece, piece))
                        for at, piece in self._cut_into_pieces(chunk)
                    ]
                    yield _Step(index, row, tuple(pieces))
                    if self.progress.partition > index:  # Given up meanwhile.
                        break
                else:
                    yield _Step(index, row)
            except SourceError as error:
                yield _Step(index, row, error=error)
            start = 0

    def _cut_into_pieces(self, chunk: Chunk) -> list[tuple[int, Chunk]]:
        """Cut a chunk into pieces for several threads, each with how many rows come before it."""
        n_pieces = PIECES_A_THREAD * self._n_threads if self._n_threads > 1 else 1
        n_rows = -(-len(chunk) // (n_pieces * PIECE_ROWS)) * PIECE_ROWS
        if n_rows >= len(chunk):
            return [(0, chunk)]
        return [(at, chunk[at : at + n_rows]) for at in range(0, len(chunk), n_rows)]

    def _sum_piece(self, chunk: Chunk) -> Sums:
        """Add a chunk's rows, in a worker's thread with scratch memory of its own."""
        weights = None if chunk.weights is None else fix_chunk_weights(chunk.weights)
        if not hasattr(self._own, "summer"):
            self._own.summer = RowSummer(self._operator, self._empty)
            self._summers.append(self._own.summer)
        sums: Sums = self._own.summer.sum(chunk.rows, weights)
        return sums

    def _add_step(self, step: _Step) -> None:
        """Add what a step brought; steps of a partition that was given up bring nothing."""
        before = self.progress
        if step.partition < before.partition:
            return
        sums, error = before.sums, step.error
        # In short waits, since not every system wakes a waiting thread for an interrupt.
        while any(not result.done() for _, result in step.pieces):
            wait([result for _, result in step.pieces], timeout=LONGEST_WAIT)
        for at, result in step.pieces:
            try:
                sums += result.result()
            except ValueError as bad:
                error = locate_bad_entry(self._source, step.partition, bad, before.row + at)
                break
        if error is not None:
            name = self._source.partitions[step.partition].name
            self._on_error(name, error)
            skipped = (*before.skipped, (name, str(error)))
            self._begin(step.partition + 1, before.finished, skipped)
        elif step.pieces:
            n_rows = before.n_rows + step.row - before.row
            self.progress = replace(before, sums=sums, row=step.row, n_rows=n_rows)
            if self._on_progress:
                self._on_progress(self.progress)
        else:
            self._begin(step.partition + 1, sums, before.skipped)

    def _begin(self, partition: int, finished: Sums, skipped: tuple[tuple[str, str], ...]) -> None:
        """Go to the beginning of a partition."""
        self.progress = replace(
            self.progress,
            finished=finished,
            sums=finished,
            partition=partition,
            row=0,
            skipped=skipped,
        )

    def _require_some(self, sketch: Sketch) -> None:
        """Refuse the sketch of partitions none of which could be read, or of bad weights."""
        progress = self.progress
        if progress.skipped and len(progress.skipped) == len(self._source.partitions):
            raise SourceError(
                f"none of {len(progress.skipped)} parts could be read: {progress.skipped[0][1]}"
            )
        if sketch.n_samples == 0 and progress.n_rows > 0:
            raise ValueError("the weights must have a positive entry, got only zeros")
        if sketch.n_samples:
            require_mean_weight(sketch.weight_units * WEIGHT_UNIT / sketch.n_samples)


def locate_bad_entry(
    source: RowSource, partition: int, error: ValueError, first_row: int
) -> SourceError:
    """Say in which partition, row and column an entry is that cannot be sketched."""
    name, names = source.partitions[partition].name, source.layout.names
    if not isinstance(error, BadEntryError):
        return SourceError(f"{name}: {error}")
    row, column = first_row + error.row, error.column
    where = f"column {column if names is None else repr(names[column])}{error.advice}"
    if not error.is_finite:
        where = describe_not_finite(names, column)
    return SourceError(f"{name} contains {error.problem} at row {row}, {where}")


def fix_chunk_weights(weights: np.ndarray) -> np.ndarray:
    """Check weights and round them to fixed point."""
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite, got NaN or infinity")
    if weights.min(initial=0.0) < 0:
        raise ValueError(f"weights must not be negative, got {weights.min()}")
    return fix_weights(weights)


def sketch_rows(
    operator: FrequencyOperator,
    rows: np.ndarray,
    weights: np.ndarray | None,
    n_threads: int,
    moments: MomentKind | None,
    feature_names: tuple[str, ...] | None,
) -> Sketch:
    """Sketch rows in memory that were checked before: here they are read once, where they lie.

    Parameters
    ----------
    operator : FrequencyOperator
        What the rows are projected with.
    rows : ndarray of shape (n, n_features)
        Of any real type and layout, as many features as the operator has.
    weights : ndarray of shape (n,) float64, optional
        Not negative, and as `require_fixed_point` has them.
    n_threads : int
        Threads that add rows; the result does not depend on it.
    moments, feature_names
        As of `Pass`.

    Raises
    ------
    SourceError
        If a row is not finite, or too far from the operator's centre.
    """
    source, on_error = source_of_rows(rows, weights), make_error_handler("raise")
    return Pass(operator, source, n_threads, moments, feature_names, on_error).run()


def source_of_rows(
    rows: np.ndarray, weights: np.ndarray | None, groups: np.ndarray | None = None
) -> RowSource:
    """Return rows in memory as a source, which messages call as scikit-learn does."""
    columns = name_weights(weights) | ({} if groups is None else {GROUPS: groups})
    return RowSource([MemoryPartition(rows, columns, "Input X")])


def sketch_source(
    operator: FrequencyOperator,
    source: RowSource,
    n_threads: int,
    moments: MomentKind | None,
    feature_names: tuple[str, ...] | None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None,
    progress: bool | OnProgress,
    on_error: Handler,
) -> Sketch:
    """Sketch a source's rows, from its beginning or from a checkpoint; see `Sketcher.sketch`."""
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint)
    writer = None if checkpoint is None else CheckpointWriter(checkpoint, source)
    line = ProgressLine() if progress is True else None
    report: OnProgress | None = progress if callable(progress) else line
    total = source.n_rows() if report else None

    def on_progress(progress: Progress) -> None:
        if writer:
            writer.update(progress)
        if report:
            report(progress.n_rows, total)

    on_partition = writer.begin if writer else None
    rows = Pass(
        operator, source, n_threads, moments, feature_names, on_error, on_progress, on_partition
    )
    try:
        if writer:
            rows.progress = writer.start(rows.progress)
            for name, reason in rows.progress.skipped:
                on_error(name, SourceError(reason))
        return _run_and_checkpoint(rows, writer)
    finally:
        if line:
            line.close()


def _run_and_checkpoint(rows: Pass, writer: CheckpointWriter | None) -> Sketch:
    """Run a pass, and keep what it came to, however it ends."""
    if writer is None:
        return rows.run()
    try:
        sketch = rows.run()
    except BaseException:
        # That the disk is full must not hide why it ended.
        with suppress(OSError):
            writer.write(rows.progress)
        raise
    writer.write(rows.progress)
    return sketch
