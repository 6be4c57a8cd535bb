"""Parquet and Arrow files, and the fragments of pyarrow's data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from sketchlearn.sources.arrow_columns import (
    chunk_batches,
    filter_batches,
    find_stored_columns,
    lay_out_columns,
)
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.partition_keys import make_schema, parse_keys
from sketchlearn.sources.sampling import sample_systematically
from sketchlearn.sources.source import (
    IDENTIFYING_ROWS,
    Chunk,
    Layout,
    Partition,
    Query,
    Sampled,
    count_chunk_rows,
)
from sketchlearn.sources.stored_file import InStoredFile, StoredFile

# A column's bytes that are read ahead of decoding; the default is all of a row group's.
BUFFER_BYTES = 2**16


class FragmentPartition(Partition):
    """One fragment of a pyarrow data set: a file, mostly.

    Parameters
    ----------
    fragment : pyarrow.dataset.Fragment
        The fragment.
    schema : pyarrow.Schema
        What to read it with.
    name : str
        What messages call it where it has no path.
    query : Query
        Side columns, and which rows to read.
    """

    is_named = True
    # Columns that only the path says.
    _unasked: Collection[str] = ()

    def __init__(
        self,
        fragment: Any,
        schema: Any,
        name: str,
        query: Query,
    ) -> None:
        path = getattr(fragment, "path", None)
        self.name, self.is_file = path or name, bool(path)
        self._opened: tuple[Any, Any] | None = (fragment, schema)
        self._query = query

    def size(self) -> int:
        """Bytes of the file; of what is in memory, rows."""
        fragment, _ = self._open_fragment()
        info = fragment.filesystem.get_file_info(fragment.path) if self.is_file else None
        return int(info.size or 0) if info else int(fragment.count_rows())

    def identity(self) -> str:
        """Path, size and time of change; of what is in memory, a digest of the first rows."""
        fragment, _ = self._open_fragment()
        if not self.is_file:
            first = str(fragment.head(IDENTIFYING_ROWS).to_pydict()).encode()
            digest = hashlib.blake2b(first, digest_size=16).hexdigest()
            return f"{self.name} of {fragment.count_rows()} rows, {digest}"
        info = fragment.filesystem.get_file_info(fragment.path)
        return f"{info.path}, {info.size} bytes, changed at {info.mtime_ns} ns"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Partition.layout`."""

        def first_batches(column: str) -> Iterator[Any]:
            return self._batches([column], 1, None, None)

        _, schema = self._open_fragment()
        return lay_out_columns(
            schema, columns, self._query, self.name, first_batches, self._unasked
        )

    def n_rows(self) -> int | None:
        """Rows as a Parquet file's footer has them; None where some are filtered out."""
        fragment, _ = self._open_fragment()
        known = self._query.expression is None and hasattr(fragment, "row_groups")
        count = int(fragment.metadata.num_rows) if known else None
        self._close_fragment()
        return count

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Partition.read`; row groups before the `start`-th row are not touched."""
        groups = None
        if start and self._query.expression is None and (sizes := self._row_group_sizes()):
            first = int(np.searchsorted(np.cumsum(sizes), start, side="right"))
            groups = list(range(first, len(sizes)))
            start -= sum(sizes[:first])
        yield from self._chunks(layout, groups, start)
        self._close_fragment()

    def n_strata(self) -> int:
        """Row groups of a Parquet file."""
        return max(1, len(self._row_group_sizes()))

    def sample(
        self, layout: Layout, size: int, n_reads: int, rng: np.random.Generator
    ) -> Iterator[Sampled]:
        """Yield the rows of some row groups, or of the whole file if it has none."""
        sizes = self._row_group_sizes()
        if not sizes:
            yield from super().sample(layout, size, n_reads, rng)
        for pick in sample_systematically(sizes, n_reads, rng):
            for chunk in self._chunks(layout, [pick.index]):
                yield Sampled(chunk, rng.random(len(chunk.rows)), pick.factor)
        self._close_fragment()

    def _open_fragment(self) -> tuple[Any, Any]:
        """Return the fragment, and the schema to read it with."""
        assert self._opened is not None
        return self._opened

    def _open_file(self) -> Any:
        """Return what reads the bytes of the fragment's file."""
        return self._open_fragment()[0].open()

    def _close_fragment(self) -> None:
        """Let go of what can be opened again."""

    def _row_group_sizes(self) -> list[int]:
        """Rows of each row group of a Parquet file; none for other files."""
        fragment, _ = self._open_fragment()
        return [group.num_rows for group in getattr(fragment, "row_groups", None) or ()]

    def _chunks(self, layout: Layout, groups: list[int] | None, start: int = 0) -> Iterator[Chunk]:
        """Read chunks, of some row groups or of all."""
        asked = (*(layout.names or ()), *self._query.columns_beside)
        columns = find_stored_columns(self._open_fragment()[1], asked)
        batches = self._batches(
            columns, count_chunk_rows(layout.n_features), groups, self._query.expression
        )
        return chunk_batches(batches, layout, self._query, self.name, start)

    def _batches(
        self, columns: list[str], n_rows: int, groups: list[int] | None, expression: Any
    ) -> Iterator[Any]:
        """Read record batches of about `n_rows` rows, of some row groups or of all."""
        fragment, schema = self._open_fragment()
        format_ = _format_of(fragment)
        needed = columns if expression is None else schema.names
        as_stored = _has_fields(fragment.physical_schema, schema, needed)
        if format_ == "arrow" and as_stored:
            yield from _record_batches(self._open_file(), fragment, columns, expression)
            return
        if format_ == "parquet" and as_stored and expression is None:
            yield from _read_pages(self._open_file(), fragment.metadata, columns, groups, n_rows)
            return
        if groups is not None:
            fragment = fragment.subset(row_group_ids=groups)
        yield from fragment.to_batches(
            schema=schema,
            columns=columns,
            filter=expression,
            batch_size=n_rows,
            batch_readahead=1,
            fragment_readahead=1,
            fragment_scan_options=_frugal_options(fragment),
        )


class FilePartition(InStoredFile, FragmentPartition):
    """A Parquet or Arrow file.

    Parameters
    ----------
    file : StoredFile
        The file.
    format : str
        How pyarrow calls its format.
    query
        As of `FragmentPartition`.
    """

    def __init__(
        self,
        file: StoredFile,
        format: str,  # noqa: A002
        query: Query,
    ) -> None:
        self.name, self._file, self._format = file.name, file, format
        self._opened = None
        # The file that is open, if the fragment is of one: pyarrow before 22 would not open it.
        self._stored: Any = None
        self._query = query

    def _open_fragment(self) -> tuple[Any, Any]:
        """Return the fragment, and the schema to read it with."""
        if self._opened is None:
            dataset = import_optional("pyarrow.dataset")
            kinds = {"parquet": dataset.ParquetFileFormat, "ipc": dataset.IpcFileFormat}
            # Opened once: the fragment reads from this, whatever is asked of it.
            stored = self._file.arrow_system().open_input_file(self._file.path)
            fragment = kinds[self._format]().make_fragment(stored)
            schema = fragment.physical_schema
            keys = parse_keys(self._file.path)
            keys = {key: keys[key] for key in keys if key not in schema.names}
            self._unasked = set(keys)
            if keys:
                partitioning = dataset.partitioning(make_schema(keys), flavor="hive")
                opened = dataset.dataset(
                    self._file.path,
                    format=self._format,
                    filesystem=self._file.arrow_system(),
                    partitioning=partitioning,
                )
                fragment, schema = next(iter(opened.get_fragments())), opened.schema
            self._opened, self._stored = (fragment, schema), None if keys else stored
        return self._opened

    def _open_file(self) -> Any:
        """Return what reads the bytes of the file: what is open, if it is."""
        return super()._open_file() if self._stored is None else self._stored

    def _close_fragment(self) -> None:
        """Let go of what was opened: the footers of very many files would fill the memory."""
        self._opened = self._stored = None


def split_dataset(dataset: Any, query: Query) -> list[Partition]:
    """Return the partitions that a pyarrow data set consists of."""
    return [
        FragmentPartition(fragment, dataset.schema, f"fragment {i} of the data set", query)
        for i, fragment in enumerate(dataset.get_fragments(query.expression))
    ]


def _format_of(fragment: Any) -> str | None:
    """What pyarrow would have its file end in; None of what is in memory."""
    extension: str | None = getattr(getattr(fragment, "format", None), "default_extname", None)
    return extension


def _has_fields(physical: Any, schema: Any, columns: list[str]) -> bool:
    """Whether a file stores columns as they are to be read."""
    return all(
        physical.get_field_index(column) >= 0
        and physical.field(column).equals(schema.field(column))
        for column in columns
    )


def _read_pages(
    file: Any, metadata: Any, columns: list[str], row_groups: list[int] | None, n_rows: int
) -> Iterator[Any]:
    """Read a Parquet file page by page: scanners hold whole row groups, of any size."""
    from pyarrow.parquet import ParquetFile

    options = {"buffer_size": BUFFER_BYTES, "pre_buffer": False, "page_checksum_verification": True}
    # It does not close the file, which is closed when nobody has it any more.
    with ParquetFile(file, metadata=metadata, **options) as stored:
        yield from stored.iter_batches(
            batch_size=n_rows, row_groups=row_groups, columns=columns, use_threads=False
        )


def _record_batches(file: Any, fragment: Any, columns: list[str], expression: Any) -> Iterator[Any]:
    """Read an Arrow file batch by batch: scanners read far ahead."""
    from pyarrow import ipc

    fields = None
    if expression is None:
        fields = [fragment.physical_schema.get_field_index(column) for column in columns]
    options = ipc.IpcReadOptions(included_fields=fields)
    with ipc.open_file(file, options=options) as reader:
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        for batch in filter_batches(batches, expression):
            yield batch.select(columns)


def _frugal_options(fragment: Any) -> Any:
    """Scan options that do not load whole files ahead."""
    dataset = import_optional("pyarrow.dataset")
    if _format_of(fragment) != "parquet":
        return None
    return dataset.ParquetFragmentScanOptions(
        use_buffered_stream=True,
        buffer_size=BUFFER_BYTES,
        pre_buffer=False,
        page_checksum_verification=True,
    )
