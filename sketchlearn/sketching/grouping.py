"""One pass over a source whose rows are summed group by group."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from sketchlearn._caller import warn_caller
from sketchlearn._kernels._policy import RUN_ROWS
from sketchlearn._kernels.rows_by_group import sort_by_group, spread_runs
from sketchlearn._progress import ProgressLine
from sketchlearn.features.accumulator import Runs
from sketchlearn.features.moment_accumulator import MomentAccumulator
from sketchlearn.features.moments import N_WORDS, MomentKind, n_moments
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.fixed_point import (
    LARGEST_TOTAL_UNITS,
    WEIGHT_UNIT,
    require_mean_weight,
)
from sketchlearn.sketching.accumulation import (
    describe_bad_row,
    describe_far_row,
    require_nameable,
)
from sketchlearn.sketching.cutting import Cutter, add_cuts, warn_of_cut
from sketchlearn.sketching.passes import (
    InlineExecutor,
    OnProgress,
    fix_chunk_weights,
    locate_bad_entry,
)
from sketchlearn.sources.row_keys import KeyIndex
from sketchlearn.sources.source import Chunk, RowSource
from sketchlearn.tables import SketchTable, wide_integers
from sketchlearn.tables.group_sums import GroupSums

# Rows that are gathered before they are put in the order of their groups: the more there are, the
# more of a group come together.
GATHERED_BYTES = 2**25
# Rows in that order that are summed at a time: they stay in the second-level cache, or nearly.
PIECE_BYTES = 2**20
# Tasks for each thread that a gathering is cut into, so that all end at about the same time.
TASKS_A_THREAD = 4
# Groups from which on it is told that nearly all, this share of them, are too small.
MANY_GROUPS, NEARLY_ALL = 100, 0.9


class _Origin(NamedTuple):
    """Where rows of a gathering come from: `n` from the `row`-th on of a partition."""

    partition: int
    row: int
    at: int
    n: int


@dataclass
class _Gathering:
    """Rows of any groups, with their weights and the numbers of their keys."""

    rows: np.ndarray
    weights: np.ndarray
    groups: np.ndarray
    origins: list[_Origin]
    n: int = 0
    is_weighted: bool = False

    @classmethod
    def of_size(cls, n_rows: int, n_features: int) -> _Gathering:
        """Return one with room for so many rows."""
        rows, (weights, groups) = np.empty((n_rows, n_features)), np.empty((2, n_rows), np.int64)
        return cls(rows, weights, groups, [])

    def clear(self) -> None:
        """Forget the rows."""
        self.n, self.is_weighted = 0, False
        self.origins.clear()

    def fill(self, chunk: Chunk, partition: int, row: int) -> int:
        """Take in as many rows of a chunk as there is room for; return how many."""
        n = min(len(chunk), len(self.rows) - self.n)
        place = slice(self.n, self.n + n)
        self.rows[place] = chunk.rows[:n]
        self.groups[place] = chunk.columns["groups"][:n]
        if (weights := chunk.weights) is not None:
            self.is_weighted = True
            self.weights[place] = fix_chunk_weights(weights[:n])
        self.origins.append(_Origin(partition, row, self.n, n))
        self.n += n
        return n


class _Task(NamedTuple):
    """Runs of some groups' rows, among rows in the order of their groups.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        The rows.
    weights : ndarray of shape (n,) int64, optional
        Their weights.
    indices : ndarray of shape (n,) int64
        Where they were among those that were gathered.
    lengths, groups : ndarray of shape (n_runs,) int64
        How many rows a run has, and of which group.
    origins : tuple of _Origin
        Where the rows that were gathered come from.
    """

    rows: np.ndarray
    weights: np.ndarray | None
    indices: np.ndarray
    lengths: np.ndarray
    groups: np.ndarray
    origins: tuple[_Origin, ...]


class GroupPass:
    """Sum a source's rows by group, in bounded memory beside one row of integers for each group.

    Rows are gathered, put in the order of their groups, and summed in runs of one group each; so a
    group costs little more than its rows. Groups are shared out among threads, each group being
    one's alone.

    Parameters
    ----------
    operator : FrequencyOperator
        What to project with.
    source : RowSource
        What to read, opened with the keys.
    index : KeyIndex
        What numbers the keys.
    n_threads : int
        Threads that sum.
    moments : {"full", "diagonal"} or None
        Which moments are summed as well.
    max_memory : int
        Bytes that the sums of all groups may take.

    Attributes
    ----------
    n_rows : int
        How many rows were read, those of weight zero too.
    """

    def __init__(
        self,
        operator: FrequencyOperator,
        source: RowSource,
        index: KeyIndex,
        n_threads: int,
        moments: MomentKind | None,
        max_memory: int,
    ) -> None:
        self._operator, self._source, self._index = operator, source, index
        self._n_threads, self._moments, self._max_memory = n_threads, moments, max_memory
        d = operator.n_features
        n_wide = 1 + (n_moments(d, moments) if moments else 0)
        self._sums = np.zeros((0, 2, operator.n_frequencies), np.int64)
        # The squared weights' sums are kept apart: the kernels add to whole arrays of words.
        self._words = np.zeros((0, N_WORDS, n_wide - 1), np.uint64)
        self._squares = np.zeros((0, N_WORDS), np.uint64)
        self._counts = np.zeros((0, 2), np.int64)
        self._group_bytes = 16 * operator.n_frequencies + 8 * N_WORDS * n_wide + 16
        self._total_units = self.n_rows = 0
        self._own, self._cutters = threading.local(), list[Cutter]()
        self._in_order = np.empty((0, d))

    @property
    def n_cut(self) -> np.ndarray:
        """How many numbers of each column were moved into the box so far, (n_features,)."""
        return add_cuts(self._operator.domain, (one.n_cut for one in self._cutters))

    def run(self, feature_names: tuple[str, ...] | None, report: OnProgress | None) -> SketchTable:
        """Read all rows; return the table of their sketches.

        Raises
        ------
        SourceError
            If a partition cannot be read, or a row of it cannot be sketched.
        ValueError
            If the weights cannot be, or the groups' sums would take too much memory.
        """
        d, total = self._operator.n_features, self._source.n_rows() if report else None
        gathering = _Gathering.of_size(max(RUN_ROWS, GATHERED_BYTES // (8 * d)), d)
        is_ahead = self._n_threads > 1 or any(each.takes_time for each in self._source.partitions)
        with ThreadPoolExecutor(self._n_threads) if is_ahead else InlineExecutor() as workers:
            futures: list[Future[None]] = []
            for _ in self._gather(gathering):
                # Rows are read ahead while those before are summed.
                for future in futures:
                    future.result()
                futures = [workers.submit(self._sum_task, task) for task in self._divide(gathering)]
                self.n_rows += gathering.n
                gathering.clear()
                if report:
                    report(self.n_rows, total)
            for future in futures:
                future.result()
        return self._finish(feature_names)

    def _gather(self, gathering: _Gathering) -> Iterator[None]:
        """Read rows; stop for them to be taken whenever there is no room for more."""
        for which, partition in enumerate(self._source.partitions):
            row = 0
            for chunk in self._source.read(partition):
                taken = 0
                while taken < len(chunk):
                    n = gathering.fill(chunk[taken:], which, row)
                    taken, row = taken + n, row + n
                    if gathering.n == len(gathering.rows):
                        yield
        if gathering.n:
            yield

    def _divide(self, gathering: _Gathering) -> list[_Task]:
        """Put rows in the order of their groups, count these, and make tasks of them."""
        n, n_groups = gathering.n, len(self._index.keys)
        self._make_room(n_groups)
        if self._in_order.shape != gathering.rows.shape:
            self._in_order = np.empty_like(gathering.rows)
        counts, order = np.empty(n_groups, np.int64), np.empty(n, np.int64)
        sort_by_group(gathering.rows[:n], gathering.groups[:n], counts, order, self._in_order)
        weights = gathering.weights[order] if gathering.is_weighted else None
        groups = np.flatnonzero(counts)
        lengths = counts[groups]
        ends = np.cumsum(lengths)
        self._count(weights, groups, ends - lengths, lengths)
        n_tasks = TASKS_A_THREAD * self._n_threads if self._n_threads > 1 else 1
        share = np.minimum((ends - 1) * n_tasks // n, n_tasks - 1)
        cuts = np.searchsorted(share, np.arange(n_tasks + 1))
        places, origins = np.concatenate([[0], ends]), tuple(gathering.origins)
        tasks = []
        for a, b in pairwise(cuts):
            some = slice(places[a], places[b])
            own = None if weights is None else weights[some]
            rows = self._in_order[some]
            tasks.append(_Task(rows, own, order[some], lengths[a:b], groups[a:b], origins))
        return [task for task in tasks if len(task.rows)]

    def _count(
        self,
        weights: np.ndarray | None,
        groups: np.ndarray,
        starts: np.ndarray,
        lengths: np.ndarray,
    ) -> None:
        """Add to the groups' counts of rows, and sums of weights and of their squares."""
        n, units, squares = lengths, lengths << 20, lengths.astype(object) << 40
        if weights is not None:
            high, low = weights >> 20, weights & (2**20 - 1)
            n, units, both, lows, highs = (
                np.add.reduceat(part, starts)
                for part in (weights > 0, weights, high * low, low * low, high * high)
            )
            squares = (highs.astype(object) << 40) + (both.astype(object) << 21) + lows
        self._total_units += int(units.sum())
        if self._total_units >= LARGEST_TOTAL_UNITS:
            raise ValueError(
                "the total weight must stay below 2**40, got "
                f"{self._total_units * WEIGHT_UNIT:.6g}; divide all weights by a constant"
            )
        self._counts[groups] += np.column_stack([n, units])
        before = self._squares[groups][:, :, None]
        added = wide_integers.add(before, wide_integers.from_integers(squares)[:, :, None])
        self._squares[groups] = added[:, :, 0]

    def _make_room(self, n_groups: int) -> None:
        """Make room for more groups; ValueError if there would be too many."""
        if n_groups <= len(self._sums):
            return
        most = self._max_memory // self._group_bytes
        if n_groups > most:
            raise ValueError(
                f"more than {most:,} groups would take more than max_memory={self._max_memory:,} "
                f"bytes, at {self._group_bytes:,} bytes a group: group by fewer columns, sketch "
                "with fewer frequencies or without moments, filter the rows, or raise max_memory"
            )
        capacity = min(most, max(n_groups, len(self._sums) * 3 // 2))
        for array in (self._sums, self._words, self._squares, self._counts):
            # In place where the system can, new groups being zeros.
            array.resize((capacity, *array.shape[1:]), refcheck=False)

    def _sum_task(self, task: _Task) -> None:
        """Add a task's rows to its groups' sums, piece by piece, in a thread of its own."""
        operator, own = self._operator, self._own
        most = max(RUN_ROWS, PIECE_BYTES // (8 * operator.n_features) // RUN_ROWS * RUN_ROWS)
        if not hasattr(own, "accumulator"):
            own.accumulator, own.cutter = operator.accumulator(), Cutter(operator.domain)
            self._cutters.append(own.cutter)
            own.rows = np.empty((2 * most, operator.n_features))
            if self._moments:
                own.moments = MomentAccumulator(operator.moment_grid, self._moments)
        lengths, groups = _cut_runs(task.lengths, task.groups, most)
        ends = np.cumsum(-(-lengths // RUN_ROWS) * RUN_ROWS)
        first = at = 0
        for last in np.flatnonzero(np.diff((ends - 1) // most, append=-1)) + 1:
            some = slice(first, last)
            stop = at + int(lengths[some].sum())
            self._sum_piece(task, slice(at, stop), Runs.of_lengths(lengths[some], groups[some]))
            first, at = int(last), stop

    def _sum_piece(self, task: _Task, which: slice, runs: Runs) -> None:
        """Add some of a task's rows to the sums of the groups that they make runs of."""
        operator, own = self._operator, self._own
        rows, weights = own.rows[: runs.n_places], None
        spread_runs(task.rows[which], runs.starts, runs.stops, operator.center, rows)
        if task.weights is not None:
            weights = np.zeros(runs.n_places, np.int64)
            weights[_places_in(runs)] = task.weights[which]
        rows = own.cutter.cut(rows)
        bad = own.accumulator.add_runs(rows, weights, runs, self._sums)
        if bad is not None:
            self._refuse(task, which.start + np.searchsorted(_places_in(runs), bad), is_far=False)
        if self._moments:
            bad = own.moments.add_runs(rows, weights, runs, self._words)
            if bad is not None:
                place = which.start + np.searchsorted(_places_in(runs), bad)
                self._refuse(task, place, is_far=True)

    def _refuse(self, task: _Task, at: int, is_far: bool) -> None:
        """Raise a SourceError that says which entry of a row cannot be sketched."""
        require_nameable(self._operator)
        row, index = task.rows[at], int(task.indices[at])
        origin = next(o for o in task.origins if o.at <= index < o.at + o.n)
        error = (
            describe_far_row(self._operator.moment_grid, row, 0)
            if is_far
            else describe_bad_row(self._operator, row, 0)
        )
        raise locate_bad_entry(
            self._source, origin.partition, error, origin.row + index - origin.at
        )

    def _finish(self, feature_names: tuple[str, ...] | None) -> SketchTable:
        """Return the table of what was summed."""
        n_groups, operator = len(self._index.keys), self._operator
        self._make_room(n_groups)
        for array in (self._sums, self._words, self._squares, self._counts):
            array.resize((n_groups, *array.shape[1:]), refcheck=False)
        n_samples, units = self._counts.T.copy()
        for sums, weight_units in zip(self._sums, units.tolist(), strict=True):
            sums[:] = operator.features.feature_sum(sums, weight_units)
        wide = np.concatenate([self._squares[:, :, None], self._words], axis=2)
        groups = GroupSums.in_order(
            self._index.kinds, self._index.keys, self._sums, n_samples, units, wide
        )
        return SketchTable(
            operator, self._index.names, groups, self._moments, feature_names=feature_names
        )


def _cut_runs(lengths: np.ndarray, groups: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut runs into such of at most so many rows."""
    n_parts = -(-lengths // most)
    if (n_parts == 1).all():
        return lengths, groups
    cut = np.full(int(n_parts.sum()), most)
    cut[np.cumsum(n_parts) - 1] = lengths - (n_parts - 1) * most
    return cut, np.repeat(groups, n_parts)


def _places_in(runs: Runs) -> np.ndarray:
    """Return the places of runs' rows, one after the other."""
    lengths = runs.stops - runs.starts
    before = np.cumsum(lengths) - lengths
    return np.repeat(runs.starts - before, lengths) + np.arange(int(lengths.sum()))


def require_weighted(groups: GroupSums, n_rows: int) -> None:
    """Refuse the sums of rows all of whose weights are zero, or on average too small."""
    n = int(groups.n_samples.sum())
    if n_rows and not n:
        raise ValueError("the weights must have a positive entry, got only zeros")
    if n:
        require_mean_weight(groups.total_units * WEIGHT_UNIT / n)


def sketch_by_group(
    operator: FrequencyOperator,
    source: RowSource,
    index: KeyIndex,
    n_threads: int,
    moments: MomentKind | None,
    feature_names: tuple[str, ...] | None,
    max_memory: int,
    progress: bool | OnProgress,
    n_clusters: int | None,
) -> SketchTable:
    """Sketch a source's rows by key; see `Sketcher.sketch_groups`."""
    rows = GroupPass(operator, source, index, n_threads, moments, max_memory)
    with ExitStack() as stack:
        report = progress if callable(progress) else None
        if progress is True:
            report = line = ProgressLine()
            stack.callback(line.close)
        table = rows.run(feature_names, report)
    require_weighted(table.groups, rows.n_rows)
    warn_of_cut(operator.domain, rows.n_cut, rows.n_rows, feature_names)
    warn_of_small_groups(table.groups, table.by, n_clusters)
    return table


def warn_of_small_groups(
    groups: GroupSums, by: Sequence[str], n_clusters: int | None = None
) -> None:
    """Warn if nearly all of many groups have fewer rows than clusters, or but one: keys of rows.

    Then a table is larger than the rows are, and no group's sketch tells anything.
    """
    n_groups, least = len(groups.keys), n_clusters or 2
    n_small = int(np.count_nonzero(groups.n_samples < least))
    if n_groups < MANY_GROUPS or n_small < NEARLY_ALL * n_groups:
        return
    few = f"fewer rows than {least} clusters" if n_clusters else "a single row"
    warn_caller(
        f"{n_small:,} of {n_groups:,} groups by {', '.join(by)} have {few}, and the sums take "
        f"{groups.n_bytes:,} bytes: a group takes as many however few rows it is of. Group by "
        "columns of fewer values.",
        UserWarning,
    )
