"""What travels between workers where rows are grouped: sums by key, without the operator."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple, Self, final

import numpy as np

from sketchlearn.distributed.rows import KeyedRows
from sketchlearn.features.moments import MomentKind
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketching.cutting import warn_of_cut
from sketchlearn.sketching.grouping import GroupPass, require_weighted, warn_of_small_groups
from sketchlearn.sources.optional import import_optional
from sketchlearn.tables import SketchTable
from sketchlearn.tables.columns import make_schema, read_groups, write_batches
from sketchlearn.tables.group_sums import GroupSums

ROWS_READ, NUMBERS_CUT = b"rows", b"cut"


class GroupKind(NamedTuple):
    """What all workers know: the operator, the columns of keys, the moments, and a limit.

    `max_memory` is how many bytes the sums of all groups may take.
    """

    operator: FrequencyOperator
    by: tuple[str, ...]
    moments: MomentKind | None
    max_memory: int


@final
@dataclass(frozen=True, eq=False)
class PartitionGroups:
    """Sums by key of some rows under an operator that is known from elsewhere.

    Parameters
    ----------
    groups : GroupSums
        Of the rows.
    n_rows : int
        How many were read, those of weight zero too.
    n_cut : ndarray of shape (n_features,) int64
        How many numbers of each column were moved into the operator's box.
    """

    groups: GroupSums
    n_rows: int
    n_cut: np.ndarray

    @classmethod
    def of_rows(cls, kind: GroupKind, rows: KeyedRows | None) -> Self:
        """Add the rows of a partition, in this thread; errors as `Sketcher.sketch_groups`."""
        operator, by, moments, max_memory = kind
        if rows is None:
            none = np.zeros(operator.n_features, np.int64)
            return cls(SketchTable.empty(operator, by, moments).groups, 0, none)
        one_thread = GroupPass(operator, rows.source, rows.keys, 1, moments, max_memory)
        groups = one_thread.run(None, None).groups
        return cls(groups, one_thread.n_rows, one_thread.n_cut)

    @classmethod
    def total(cls, parts: Iterable[Self], max_memory: int) -> Self:
        """Add at least one; a ValueError if that takes more bytes than it may.

        Sums are added to others of about their size: adding copies them, and each of many small
        ones to a large one would copy that as often.
        """

        def add(a: Self, b: Self) -> Self:
            groups = a.groups + b.groups
            if groups.n_bytes > max_memory:
                raise ValueError(
                    f"{len(groups.keys):,} groups take more than max_memory={max_memory:,} bytes: "
                    "group by fewer columns, filter the rows, or raise max_memory"
                )
            return cls(groups, a.n_rows + b.n_rows, a.n_cut + b.n_cut)

        waiting: list[Self] = []
        for part in parts:
            total = part
            while waiting and waiting[-1].groups.n_bytes <= 2 * total.groups.n_bytes:
                total = add(waiting.pop(), total)
            waiting.append(total)
        return reduce(add, reversed(waiting))

    def split(self, n_shards: int) -> Iterator[tuple[int, Self]]:
        """Yield the groups by shards, which tell keys apart alike in every process."""
        shards = [zlib.crc32(repr(key).encode()) % n_shards for key in self.groups.keys]
        for shard in range(n_shards):
            which = np.flatnonzero(np.array(shards, np.int64) == shard)
            # Counts of the whole go with one of them.
            n_rows = self.n_rows if shard == 0 else 0
            n_cut = self.n_cut if shard == 0 else np.zeros_like(self.n_cut)
            yield shard, type(self)(self.groups.take(which), n_rows, n_cut)

    def to_bytes(self, kind: GroupKind) -> bytes:
        """Return the sums as an Arrow stream."""
        pa = import_optional("pyarrow", "pyarrow.ipc")
        operator, by, moments, _ = kind
        n_cut = self.n_cut.astype("<i8").tobytes()
        metadata = {ROWS_READ: str(self.n_rows).encode(), NUMBERS_CUT: n_cut}
        schema = make_schema(operator, by, self.groups.kinds, moments, metadata)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            for batch in write_batches(self.groups, by, operator, moments, schema):
                writer.write_batch(batch)
        data: bytes = sink.getvalue().to_pybytes()
        return data

    @classmethod
    def from_bytes(cls, data: bytes, kind: GroupKind) -> Self:
        """Return the sums that `to_bytes` turned into these bytes."""
        pa = import_optional("pyarrow", "pyarrow.ipc")
        with pa.ipc.open_stream(data) as reader:
            table = reader.read_all()
        n_rows = int(table.schema.metadata[ROWS_READ])
        n_cut = np.frombuffer(table.schema.metadata[NUMBERS_CUT], "<i8").astype(np.int64)
        return cls(read_groups(table, kind.by, kind.operator, kind.moments), n_rows, n_cut)

    def table(self, kind: GroupKind, feature_names: tuple[str, ...] | None) -> SketchTable:
        """Return the table that these are the sums of; warn of many cuts and of keys of rows.

        Raises
        ------
        ValueError
            If all weights are zero, or their mean is so small that rounding would hurt.
        """
        require_weighted(self.groups, self.n_rows)
        operator, by, moments, _ = kind
        warn_of_cut(operator.domain, self.n_cut, self.n_rows, feature_names)
        warn_of_small_groups(self.groups, by)
        return SketchTable(operator, by, self.groups, moments, feature_names=feature_names)
