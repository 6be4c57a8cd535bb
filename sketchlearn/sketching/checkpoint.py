"""Checkpoints: how far a pass has come, in a file that it can go on from."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sketchlearn._validation import check_positive
from sketchlearn.exceptions import SketchFormatError, SketchMismatchError
from sketchlearn.features.moments import MomentSums
from sketchlearn.files.atomic import write_atomically
from sketchlearn.files.container import FileKind
from sketchlearn.files.strict_json import parse_strictly, write_canonically
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sums import Sums
from sketchlearn.sketching.pass_state import Progress
from sketchlearn.sources.shallow_json import parse_shallow
from sketchlearn.sources.source import RowSource

# Of a partition's identity, and of what was asked.
DIGEST_BYTES = 16

# What a state consists of; there are no columns where an array is read whole.
STATE_TYPES = [
    {
        "asked": str,
        "columns": columns,
        "current": list,
        "n_rows": int,
        "part": int,
        "reasons": list,
        "row": int,
        "skipped": list,
    }
    for columns in (list, type(None))
]
# Why a partition was left out, where the checkpoint does not keep it.
LEFT_OUT_EARLIER = "could not be read when the pass came to it"


@dataclass(frozen=True)
class StoredPass:
    """What a checkpoint's file holds.

    Parameters
    ----------
    progress : Progress
        How far the pass has come; its `skipped` as far as names and reasons were kept.
    identities : list of bytes
        Digests of the identities of the partitions that were begun.
    asked : str
        Digest of what was asked of the source.
    columns : list of str or int, optional
        Columns that are read.
    skipped_partitions : list of int or None
        Indices of the partitions that were left out; None where the file does not say.
    """

    progress: Progress
    identities: list[bytes]
    asked: str
    columns: list[str | int] | None
    skipped_partitions: list[int | None]


CHECKPOINT_FILE: FileKind[StoredPass] = FileKind(
    "checkpoint", 2, SketchFormatError, "Checkpoint(path).load()"
)


@dataclass(frozen=True)
class Checkpoint:
    """A file that a pass keeps its sums in, to go on from if it is interrupted.

    `Sketcher.sketch` writes it every so often, when it ends and when it fails, each time wholly or
    not at all. Called again with the same arguments it reads on where the file says, and ends with
    the same bytes as if nothing had happened; a finished one gives its sketch at once. Parts that
    were read must be as they were; those still to be read may be repaired, and more may follow.

    The file is safetensors and JSON, never pickle. It holds sums, no rows; the names of the columns
    that are read; and digests of paths, filters and weights, which tell others from these. Why
    files were left out it holds only if asked, since such a reason can quote what a cell holds.

    Parameters
    ----------
    path : path
        The file.
    seconds : float, default=30.0
        How often it is written.
    keep_reasons : bool, default=False
        Whether the file also holds the names of files that were left out, and why.

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
    keep_reasons: bool = False

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
        return CHECKPOINT_FILE.load(self.path).progress


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
        self._keep_reasons = checkpoint.keep_reasons
        self._identities: list[bytes] = []
        self._written_at = clock()

    def start(self, empty: Progress) -> Progress:
        """Return where to go on: what the file says, or the beginning if there is none.

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
        stored = CHECKPOINT_FILE.load(self._path)
        progress, partitions = stored.progress, self._source.partitions
        made_with, fingerprint = progress.operator.fingerprint, empty.operator.fingerprint
        if made_with != fingerprint:
            raise SketchMismatchError(
                f"the checkpoint {self._path} was made with another operator "
                f"({made_with[:12]}, not {fingerprint[:12]}): "
                "use Sketcher.from_sketch(Checkpoint(path).load().sketch), or delete it"
            )
        kept, asked = (
            sums.moments and sums.moments.kind for sums in (progress.finished, empty.finished)
        )
        if stored.asked != _digest_text(self._describe_query()).hex():
            raise self._explain_mismatch(
                "columns, filter or weights", f"now it is {self._describe_query()}"
            )
        for i, identity in enumerate(stored.identities):
            now = partitions[i].identity() if i < len(partitions) else "nothing"
            if identity != _digest_text(now):
                raise self._explain_mismatch(
                    "data", f"its part {i + 1} is no longer the same: now it is {now}"
                )
        if (
            progress.row
            and (partitions[progress.partition].n_rows() or progress.row) < progress.row
        ):
            raise self._explain_mismatch(
                "data", f"it has more rows of {partitions[progress.partition].name}"
            )
        if kept != asked:
            raise SketchMismatchError(
                f"the checkpoint {self._path} was made with moments={kept!r}, not {asked!r}: use "
                "Sketcher.from_sketch(Checkpoint(path).load().sketch), or delete it"
            )
        names = progress.feature_names, empty.feature_names
        if None not in names and names[0] != names[1]:
            raise self._explain_mismatch("features", f"now they are {', '.join(names[1] or ())}")
        self._source.resume(stored.columns)
        self._identities = stored.identities
        return replace(
            progress,
            operator=empty.operator,
            feature_names=empty.feature_names or progress.feature_names,
            skipped=tuple(map(self._name_left_out, stored.skipped_partitions, progress.skipped)),
        )

    def begin(self, index: int) -> None:
        """Note how a partition looks before it is read."""
        if index == len(self._identities):
            self._identities.append(_digest_text(self._source.partitions[index].identity()))

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
        identities = self._identities[: progress.partition + (progress.row > 0)]
        indices = {each.name: i for i, each in enumerate(self._source.partitions)}
        stored = StoredPass(
            progress if self._keep_reasons else replace(progress, skipped=()),
            identities,
            _digest_text(self._describe_query()).hex(),
            None if (columns := self._source.settled_columns) is None else list(columns),
            [indices.get(name) for name, _ in progress.skipped],
        )
        try:
            write_atomically(self._path, _encode(stored))
        except OSError as error:
            message = f"the checkpoint cannot be written: {error.strerror}"
            raise OSError(error.errno, message, self._path) from error
        self._written_at = self._clock()

    def _describe_query(self) -> str:
        """What of the data was asked for."""
        return f"columns {self._source.asked}, {self._source.query or 'all rows, unweighted'}"

    def _name_left_out(self, index: int | None, told: tuple[str, str]) -> tuple[str, str]:
        """Name a partition that was left out, and say why as far as the file does."""
        if index is None:
            return told
        name = self._source.partitions[index].name
        return name, f"{name} {LEFT_OUT_EARLIER}" if told[1] == LEFT_OUT_EARLIER else told[1]

    def _explain_mismatch(self, what: str, now: str) -> SketchMismatchError:
        """Say that a checkpoint is of something else."""
        return SketchMismatchError(
            f"the checkpoint {self._path} is of other {what}: {now}; delete it to start again"
        )


def _digest_text(text: str) -> bytes:
    """Digest what is only ever compared."""
    return hashlib.blake2b(
        text.encode("utf-8", "surrogateescape"), digest_size=DIGEST_BYTES
    ).digest()


def _encode(stored: StoredPass) -> bytes:
    """Return a checkpoint's bytes."""
    progress = stored.progress
    names, current = progress.feature_names, progress.current
    finished = Sketch(progress.operator, progress.finished, feature_names=names)
    state = {
        "asked": stored.asked,
        "columns": stored.columns,
        "current": [str(count) for count in current.counts],
        "n_rows": progress.n_rows,
        "part": progress.partition,
        "row": progress.row,
        "skipped": stored.skipped_partitions,
        "reasons": progress.skipped,
    }
    arrays = {
        "finished": np.frombuffer(finished.to_bytes(), dtype=np.uint8),
        "current": current.feature_sum,
        "identities": np.frombuffer(b"".join(stored.identities), dtype=np.uint8),
    }
    if current.moments is not None:
        arrays["current_moments"] = current.moments.state.astype(np.int64)
    return CHECKPOINT_FILE.encode(arrays, {"state": write_canonically(state)})


@CHECKPOINT_FILE.reads(2)
def _read_2(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredPass:
    """Return what a file of version 2 holds."""
    state = parse_strictly(metadata["state"])
    if {name: type(value) for name, value in state.items()} not in STATE_TYPES:
        raise ValueError(f"no checkpoint has a state of {', '.join(state)}")
    digests = arrays["identities"].tobytes()
    identities = [digests[i : i + DIGEST_BYTES] for i in range(0, len(digests), DIGEST_BYTES)]
    skipped = [None if i is None else _check_whole_number(i) for i in state["skipped"]]
    reasons = state["reasons"] or [
        ("a part" if i is None else f"part {i + 1}", LEFT_OUT_EARLIER) for i in skipped
    ]
    progress = _rebuild_progress(arrays, state, [int(count) for count in state["current"]], reasons)
    columns = _check_columns(state["columns"])
    return _require_consistent(StoredPass(progress, identities, state["asked"], columns, skipped))


@CHECKPOINT_FILE.reads(1)
def _read_1(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> StoredPass:
    """Return what a file of version 1 holds: it has texts where the next one has digests."""
    state = parse_shallow(metadata["state"])
    progress = _rebuild_progress(arrays, state, state["current"], state["skipped"])
    identities = [_digest_text(text) for text in state["identities"]]
    asked, columns = (
        _digest_text(state["query"]["asked"]).hex(),
        _check_columns(state["query"]["columns"]),
    )
    unknown = [None] * len(progress.skipped)
    return _require_consistent(StoredPass(progress, identities, asked, columns, list(unknown)))


def _rebuild_progress(
    arrays: dict[str, np.ndarray], state: dict[str, Any], counts: list[Any], skipped: Any
) -> Progress:
    """Return what versions have in common."""
    finished = Sketch.from_bytes(arrays["finished"].tobytes())
    moments = finished.sums.moments
    if moments is not None:
        state_of_moments = arrays["current_moments"]
        moments = MomentSums.from_state(moments.n_features, moments.kind, state_of_moments)
    sums = Sums(arrays["current"], *map(_check_whole_number, counts), moments=moments)
    current = Sketch(finished.operator, sums)
    part, row, n_rows = (_check_whole_number(state[name]) for name in ("part", "row", "n_rows"))
    told = tuple((str(name), str(why)) for name, why in skipped)
    return Progress(
        finished.operator,
        finished.sums,
        finished.sums + current.sums,
        part,
        row,
        n_rows,
        told,
        finished.feature_names,
    )


def _require_consistent(stored: StoredPass) -> StoredPass:
    """Refuse what no pass comes to.

    Raises
    ------
    ValueError
        If it is that.
    """
    progress = stored.progress
    n_begun = progress.partition + (progress.row > 0)
    n_counted = progress.sums.n_samples
    if (
        len(stored.identities) != n_begun
        or any(len(identity) != DIGEST_BYTES for identity in stored.identities)
        or len(stored.skipped_partitions) != len(progress.skipped)
        or len(progress.skipped) > progress.partition
        or any(i is not None and i >= progress.partition for i in stored.skipped_partitions)
        or n_counted - progress.finished.n_samples > progress.row
        or max(n_counted, progress.row) > progress.n_rows
    ):
        raise ValueError(
            f"no pass has read {n_begun} parts, of the last {progress.row} rows, of "
            f"{progress.n_rows} in all with {n_counted} counted"
        )
    return stored


def _check_columns(columns: Any) -> list[str | int] | None:
    """Check the columns that are read."""
    if columns is None:
        return None
    return [
        column if isinstance(column, str) else _check_whole_number(column)
        for column in list(columns)
    ]


def _check_whole_number(value: Any) -> int:
    """Check a number of rows or partitions, or a weight in units."""
    if type(value) is not int or value < 0:
        raise ValueError(f"expected a count, got {value!r}")
    return value
