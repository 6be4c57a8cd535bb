"""Checkpoints: how far a pass has come, in a file that it can go on from."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sketchlearn._validation import check_positive
from sketchlearn.exceptions import SketchFormatError, SketchMismatchError
from sketchlearn.sketching.container import FileKind, write_atomically
from sketchlearn.sketching.passes import Progress
from sketchlearn.sketching.serialization import COUNTS
from sketchlearn.sketching.sketch import Sketch
from sketchlearn.sketching.sources import RowSource

CHECKPOINT_FILE = FileKind("checkpoint", 1, SketchFormatError)


@dataclass(frozen=True)
class Checkpoint:
    """A file that a pass keeps its sums in, to go on from if it is interrupted.

    `Sketcher.sketch` writes it every so often, when it ends and when it fails, each time wholly or
    not at all. Called again with the same arguments it reads on where the file says, and ends with
    the same bytes as if nothing had happened; a finished one gives its sketch at once. Parts that
    were read must be as they were; those still to be read may be repaired, and more may follow. The
    file is safetensors and JSON, never pickle, and holds sums, no rows.

    Parameters
    ----------
    path : path
        The file.
    seconds : float, default=30.0
        How often it is written.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sketchlearn import Checkpoint, Sketcher
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> sketcher = Sketcher(n_frequencies=50, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(os.path.join(folder, "job.checkpoint"))
    ...     sketch = sketcher.sketch(X, checkpoint=checkpoint)
    ...     checkpoint.load().sketch == sketch
    True
    """

    path: str | os.PathLike[str]
    seconds: float = 30.0

    def __post_init__(self) -> None:
        check_positive(self.seconds, "seconds")

    def load(self) -> Progress:
        """Read how far the pass has come; its `sketch` has the operator.

        Raises
        ------
        SketchFormatError
            If the file is foreign, truncated, altered, or of a newer format.
        OSError
            If it cannot be read.
        """
        return _decoded(CHECKPOINT_FILE.read(self.path))[0]


class CheckpointWriter:
    """Writes a pass's checkpoint, and finds out where the pass begins.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and how often.
    source : RowSource
        What is read.
    clock : callable, optional
        Gives seconds.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        source: RowSource,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = os.fspath(checkpoint.path)
        self._seconds, self._source, self._clock = checkpoint.seconds, source, clock
        self._identities: list[str] = []
        self._written_at = clock()

    def start(self, empty: Progress) -> Progress:
        """Give where to go on: what the file says, or the beginning if there is none.

        Raises
        ------
        SketchMismatchError
            If it was made with another operator, or of other data.
        SketchFormatError, OSError
            If the file is no checkpoint, or cannot be read or written.
        """
        if not os.path.exists(self._path):
            # Better now than after an hour's work.
            self.write(empty)
            return empty
        progress, identities, query = _decoded(CHECKPOINT_FILE.read(self._path))
        if progress.finished.fingerprint != empty.finished.fingerprint:
            raise SketchMismatchError(
                f"the checkpoint {self._path} was made with another operator "
                f"({progress.finished.fingerprint[:12]}, not {empty.finished.fingerprint[:12]}): "
                "use Sketcher.from_operator(Checkpoint(path).load().sketch.operator), or delete it"
            )
        self._require_same("columns, filter or weights", query["asked"], self._asked())
        now = [part.identity() for part in self._source.parts[: len(identities)]]
        for then, part in zip(identities, [*now, *["nothing"] * len(identities)], strict=False):
            self._require_same("data", then, part)
        self._source.resume(query["columns"])
        self._identities = identities
        # Its own operator, so that sums of one object are added.
        operator = empty.finished.operator
        return replace(
            progress,
            finished=_with_operator(progress.finished, operator),
            current=_with_operator(progress.current, operator),
        )

    def begin(self, index: int) -> None:
        """Note how a part looks before it is read."""
        if index == len(self._identities):
            self._identities.append(self._source.parts[index].identity())

    def update(self, progress: Progress) -> None:
        """Write the file, if it is time."""
        if self._clock() - self._written_at >= self._seconds:
            self.write(progress)

    def write(self, progress: Progress) -> None:
        """Write the file now.

        Raises
        ------
        OSError
            If it cannot be written; an earlier one stays as it was.
        """
        identities = self._identities[: progress.part + (progress.row > 0)]
        query = {"asked": self._asked(), "columns": self._source.settled_columns}
        try:
            write_atomically(self._path, _encoded(progress, identities, query))
        except OSError as error:
            message = f"the checkpoint cannot be written: {error.strerror}"
            raise OSError(error.errno, message, self._path) from error
        self._written_at = self._clock()

    def _asked(self) -> str:
        """What of the data was asked for."""
        return f"columns {self._source.asked}, {self._source.query or 'all rows, unweighted'}"

    def _require_same(self, what: str, then: str, now: str) -> None:
        """Refuse a checkpoint of something else."""
        if then != now:
            raise SketchMismatchError(
                f"the checkpoint {self._path} is of other {what}: it has {then}, but now it is "
                f"{now}; delete it to start again"
            )


def _with_operator(sketch: Sketch, operator: Any) -> Sketch:
    """Give the same sketch with an operator that is equal."""
    counts = (sketch.n_samples, sketch.weight_units, sketch.squared_weight_units)
    return Sketch(operator, sketch.feature_sum, *counts)


def _encoded(progress: Progress, identities: list[str], query: dict[str, Any]) -> bytes:
    """Give a checkpoint's bytes."""
    current = progress.current
    state = {
        "current": [getattr(current, name) for name in COUNTS],
        "part": progress.part,
        "row": progress.row,
        "n_rows": progress.n_rows,
        "skipped": progress.skipped,
        "identities": identities,
        "query": query,
    }
    arrays = {
        "finished": np.frombuffer(progress.finished.to_bytes(), dtype=np.uint8),
        "current": current.feature_sum,
    }
    return CHECKPOINT_FILE.laid_out(arrays, {"state": json.dumps(state)})


def _decoded(data: bytes) -> tuple[Progress, list[str], dict[str, Any]]:
    """Give what a checkpoint's bytes hold, or say what is wrong with them."""
    arrays, metadata = CHECKPOINT_FILE.contents(data)
    try:
        state = json.loads(metadata["state"])
        finished = Sketch.from_bytes(arrays["finished"].tobytes())
        current = Sketch(finished.operator, arrays["current"], *map(int, state["current"]))
        progress = Progress(
            finished,
            current,
            int(state["part"]),
            int(state["row"]),
            int(state["n_rows"]),
            tuple((str(name), str(why)) for name, why in state["skipped"]),
        )
        return progress, list(state["identities"]), dict(state["query"])
    except (KeyError, TypeError, ValueError) as error:
        raise SketchFormatError(f"the file does not describe a checkpoint: {error!r}") from error
