"""From a source of rows to its sketch, with all that `Sketcher.sketch` offers on the way."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketching.checkpoint import Checkpoint, CheckpointWriter
from sketchlearn.sketching.passes import Pass, Progress
from sketchlearn.sketching.pilot import CANDIDATES_A_ROW, pilot_size
from sketchlearn.sketching.progress import ProgressLine
from sketchlearn.sketching.sketch import Sketch
from sketchlearn.sketching.sources import RowSource, spread_rows

OnError = Literal["raise", "skip"] | Callable[[str, SourceError], None]
OnProgress = Callable[[int, int | None], None]
Handler = Callable[[str, SourceError], None]


def candidates(
    source: RowSource, n_clusters: int | None, seed: int, on_error: Handler
) -> tuple[np.ndarray, np.ndarray | None, float]:
    """Draw the rows of a source that a pilot is chosen among, and the share of all they are."""
    size = pilot_size(n_clusters)
    # Not one of the two children that the pilot and the frequencies of that seed come from.
    rng = np.random.default_rng(seed).spawn(3)[2]
    return spread_rows(source, CANDIDATES_A_ROW * size, size, rng, on_error)


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


def error_handler(on_error: OnError) -> Handler:
    """Give what is called with a part's name and its error, and returns if it is left out.

    Raises
    ------
    ValueError
        If `on_error` is neither "raise" nor "skip" nor a callable.
    """

    def raised(name: str, error: SourceError) -> None:
        raise error

    def skipped(name: str, error: SourceError) -> None:
        warnings.warn(f"left out: {error}", UserWarning, stacklevel=2)

    if callable(on_error):
        return on_error
    handlers = {"raise": raised, "skip": skipped}
    if on_error not in handlers:
        raise ValueError(f'on_error must be "raise", "skip" or a callable, got {on_error!r}')
    return handlers[on_error]
