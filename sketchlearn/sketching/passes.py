"""One pass over a source: reading and summing at the same time, part by part."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sketchlearn._progress import ProgressLine
from sketchlearn.exceptions import SourceError
from sketchlearn.features.accumulator import Accumulator
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.fixed_point import (
    LARGEST_TOTAL_UNITS,
    WEIGHT_UNIT,
    require_mean_weight,
    total_and_square,
    weight_units,
)
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching.accumulation import LONGEST_WAIT, BadEntryError, added_features
from sketchlearn.sketching.checkpoint import Checkpoint, CheckpointWriter
from sketchlearn.sketching.pass_state import Progress
from sketchlearn.sources.error_handling import Handler
from sketchlearn.sources.source import Chunk, RowSource, not_finite

# Chunks, beyond one a thread, that wait to be summed while the next one is read.
DEPTH = 2

OnProgress = Callable[[int, int | None], None]


def sketch_of(
    operator: FrequencyOperator,
    X: np.ndarray,
    units: np.ndarray | None,
    n_threads: int,
    accumulators: list[Accumulator] | None = None,
) -> Sketch:
    """Sketch rows of an array, with fixed-point weights or none.

    Raises
    ------
    BadEntryError
        If an entry is not finite, or too large for the operator.
    ValueError
        If the total weight is 2^40 or more.
    """
    if units is None:
        n, total, square = len(X), len(X) << 20, len(X) << 40
    else:
        n = int(np.count_nonzero(units))
        total, square = total_and_square(units)
    if n == 0:
        return Sketch.empty(operator)
    if total >= LARGEST_TOTAL_UNITS:
        raise ValueError(
            f"the total weight must stay below 2**40, got {total * WEIGHT_UNIT:.6g}; divide all "
            "weights by a constant"
        )
    added = added_features(operator, X, units, n_threads, accumulators)
    return Sketch(operator, operator.features.feature_sum(added, total), n, total, square)


class _Step(NamedTuple):
    """What the reader came by in a part: rows being summed, an error, or, with neither, its end."""

    part: int
    row: int
    result: Future[Sketch] | None = None
    error: SourceError | None = None


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
    on_error : callable
        Called with the name and the error of a part that cannot be read; if it returns, the part
        is left out whole.
    on_progress : callable
        Called with a `Progress` whenever some rows were added.
    on_part : callable, optional
        Called with the index of a part before it is read.
    """

    def __init__(
        self,
        operator: FrequencyOperator,
        source: RowSource,
        n_threads: int,
        on_error: Callable[[str, SourceError], None],
        on_progress: Callable[[Progress], None],
        on_part: Callable[[int], None] | None = None,
    ) -> None:
        self._operator, self._source, self._n_threads = operator, source, n_threads
        self._on_error, self._on_progress, self._on_part = on_error, on_progress, on_part
        self._own = threading.local()
        empty = Sketch.empty(operator)
        self.progress = Progress(empty, empty)

    def run(self) -> Sketch:
        """Read what is left, and give the sketch of all.

        Raises
        ------
        SourceError
            If no part could be read.
        ValueError
            If a row or the weights cannot be sketched.
        """
        steps: deque[_Step] = deque()
        with ThreadPoolExecutor(self._n_threads) as workers:
            try:
                for step in self._read(workers):
                    steps.append(step)
                    if len(steps) >= DEPTH + self._n_threads:
                        self._settle(steps.popleft())
                while steps:
                    self._settle(steps.popleft())
            finally:
                for step in steps:
                    if step.result is not None:
                        step.result.cancel()
        self._require_some()
        return self.progress.sketch

    def _read(self, workers: ThreadPoolExecutor) -> Iterator[_Step]:
        """Read the parts that are left, and hand their rows to the workers."""
        start = self.progress.row
        for index in range(self.progress.part, len(self._source.parts)):
            row = start
            if self._on_part:
                self._on_part(index)
            try:
                for chunk in self._source.read(self._source.parts[index], start):
                    row += len(chunk.rows)
                    result = workers.submit(self._summed, chunk)
                    yield _Step(index, row, result=result)
                    if self.progress.part > index:  # Given up meanwhile.
                        break
                else:
                    yield _Step(index, row)
            except SourceError as error:
                yield _Step(index, row, error=error)
            start = 0

    def _summed(self, chunk: Chunk) -> Sketch:
        """Sketch a chunk, in a worker's thread with an accumulator of its own."""
        units = None if chunk.weights is None else _chunk_units(chunk.weights)
        accumulators: list[Accumulator] = self._own.__dict__.setdefault("accumulators", [])
        return sketch_of(self._operator, chunk.rows, units, 1, accumulators)

    def _settle(self, step: _Step) -> None:
        """Add what a step brought; steps of a part that was given up bring nothing."""
        before = self.progress
        if step.part < before.part:
            return
        error = step.error
        if step.result is not None:
            # In short waits, since not every system wakes a waiting thread for an interrupt.
            while wait([step.result], timeout=LONGEST_WAIT).not_done:
                pass
            try:
                current = before.current + step.result.result()
            except ValueError as bad:
                error = self._located(bad, before)
            else:
                n_rows = before.n_rows + step.row - before.row
                self.progress = replace(before, current=current, row=step.row, n_rows=n_rows)
                self._on_progress(self.progress)
                return
        empty = Sketch.empty(self._operator)
        if error is None:
            self.progress = replace(
                before, finished=before.sketch, current=empty, part=step.part + 1, row=0
            )
            return
        name = self._source.parts[step.part].name
        self._on_error(name, error)
        skipped = (*before.skipped, (name, str(error)))
        self.progress = replace(before, current=empty, part=step.part + 1, row=0, skipped=skipped)

    def _located(self, error: ValueError, progress: Progress) -> SourceError:
        """Say in which part, row and column an entry is that cannot be sketched."""
        name = self._source.parts[progress.part].name
        if not isinstance(error, BadEntryError):
            return SourceError(f"{name}: {error}")
        names = self._source.layout.names
        row, column = progress.row + error.row, error.column
        where = f"column {column if names is None else repr(names[column])}{error.advice}"
        if not error.is_finite:
            where = not_finite(names, column)
        return SourceError(f"{name} contains {error.problem} at row {row}, {where}")

    def _require_some(self) -> None:
        """Refuse to give a sketch of parts none of which could be read, or of bad weights."""
        progress, sketch = self.progress, self.progress.sketch
        if progress.skipped and len(progress.skipped) == len(self._source.parts):
            raise SourceError(
                f"none of {len(progress.skipped)} parts could be read: {progress.skipped[0][1]}"
            )
        if sketch.n_samples == 0 and progress.n_rows > 0:
            raise ValueError("the weights must have a positive entry, got only zeros")
        if sketch.n_samples:
            require_mean_weight(sketch.weight_units * WEIGHT_UNIT / sketch.n_samples)


def _chunk_units(weights: np.ndarray) -> np.ndarray:
    """Check weights and round them to fixed point."""
    if not np.isfinite(weights).all():
        raise ValueError("weights must be finite, got NaN or infinity")
    if weights.min(initial=0.0) < 0:
        raise ValueError(f"weights must not be negative, got {weights.min()}")
    return weight_units(weights)


def sketch_source(
    operator: FrequencyOperator,
    source: RowSource,
    n_threads: int,
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

    on_part = writer.begin if writer else None
    rows = Pass(operator, source, n_threads, on_error, on_progress, on_part)
    try:
        if writer:
            rows.progress = writer.start(rows.progress)
            for name, reason in rows.progress.skipped:
                on_error(name, SourceError(reason))
        return _run(rows, writer)
    finally:
        if line:
            line.close()


def _run(rows: Pass, writer: CheckpointWriter | None) -> Sketch:
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
