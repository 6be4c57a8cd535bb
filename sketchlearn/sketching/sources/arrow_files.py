"""Parquet, Arrow and CSV files, and the fragments of pyarrow's data sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sketching.sources.arrow import (
    arrow_chunks,
    arrow_layout,
    arrow_package,
    filtered,
)
from sketchlearn.sketching.sources.sampling import spread_picks
from sketchlearn.sketching.sources.source import Chunk, Layout, Part, Sampled, chunk_rows

# How pyarrow calls what files end in; a further ending tells how a CSV file is compressed.
FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".feather": "ipc",
    ".ipc": "ipc",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".csv.bz2": "csv",
    ".csv.zst": "csv",
}
# A column's bytes that are read ahead of decoding; the default is all of a row group's.
BUFFER_BYTES = 2**16
CSV_BLOCK_BYTES = 2**17


class FragmentPart(Part):
    """One fragment of a pyarrow data set: a file, mostly.

    Parameters
    ----------
    name : str
        What messages call it.
    load : callable
        Gives the fragment, and the schema to read it with.
    info : callable
        Gives what the file system knows of the file; None where there is no file.
    weight : str, optional
        The column of weights.
    filter : pyarrow.compute.Expression, optional
        Which rows to read.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[], tuple[Any, Any]],
        info: Callable[[], Any],
        weight: str | None,
        filter: Any,  # noqa: A002
    ) -> None:
        self.name = name
        self._load, self._info, self._weight, self._filter = load, info, weight, filter

    @cached_property
    def _opened(self) -> tuple[Any, Any]:
        """The fragment and the schema."""
        return self._load()

    def size(self) -> int:
        """Bytes of the file; of what is in memory, rows."""
        info = self._info()
        return int(info.size or 0) if info else int(self._opened[0].count_rows())

    def identity(self) -> str:
        """Path, size and time of change."""
        info = self._info()
        if info is None:
            return f"{self.name} of {self._opened[0].count_rows()} rows"
        return f"{info.path}, {info.size} bytes, changed at {info.mtime_ns} ns"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Part.layout`."""
        return arrow_layout(self._opened[1], columns, self._weight, self.name)

    def n_rows(self) -> int | None:
        """Rows as a Parquet file's footer has them; None where some are filtered out."""
        fragment = self._opened[0]
        known = self._filter is None and hasattr(fragment, "row_groups")
        count = int(fragment.metadata.num_rows) if known else None
        self._close()
        return count

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Part.read`; row groups before the `start`-th row are not touched."""
        groups = None
        if start and self._filter is None and (sizes := self._row_group_sizes()):
            first = int(np.searchsorted(np.cumsum(sizes), start, side="right"))
            groups = list(range(first, len(sizes)))
            start -= sum(sizes[:first])
        batches = self._batches(layout, groups)
        yield from arrow_chunks(batches, layout, self._weight, self.name, start)
        self._close()

    def n_places(self) -> int:
        """Row groups of a Parquet file."""
        return max(1, len(self._row_group_sizes()))

    def sample(
        self, layout: Layout, size: int, n_reads: int, rng: np.random.Generator
    ) -> Iterator[Sampled]:
        """Yield the rows of some row groups, or of the whole file if it has none."""
        sizes = self._row_group_sizes()
        if not sizes:
            yield from super().sample(layout, size, n_reads, rng)
        for pick in spread_picks(sizes, n_reads, rng):
            batches = self._batches(layout, [pick.index])
            for chunk in arrow_chunks(batches, layout, self._weight, self.name):
                yield Sampled(chunk, rng.random(len(chunk.rows)), pick.factor)

    def _close(self) -> None:
        """Let go of what was opened: the footers of very many files would fill the memory."""
        self.__dict__.pop("_opened", None)

    def _row_group_sizes(self) -> list[int]:
        """Rows of each row group of a Parquet file; none for other files."""
        fragment = self._opened[0]
        return [group.num_rows for group in getattr(fragment, "row_groups", None) or ()]

    def _columns_of(self, layout: Layout) -> list[str]:
        """Columns to read, that of the weights last."""
        columns = [str(column) for column in layout.columns or ()]
        return columns if self._weight is None else [*columns, self._weight]

    def _batches(self, layout: Layout, row_groups: list[int] | None) -> Iterator[Any]:
        """Read record batches, of some row groups or of all."""
        fragment, schema = self._opened
        columns = self._columns_of(layout)
        n_rows = chunk_rows(layout.n_features)
        format_, as_stored = _format_of(fragment), schema.equals(fragment.physical_schema)
        if format_ == "arrow" and as_stored:
            yield from _record_batches(fragment, columns, self._filter)
            return
        if format_ == "parquet" and as_stored and self._filter is None:
            yield from _pages(fragment, columns, row_groups, n_rows)
            return
        if row_groups is not None:
            fragment = fragment.subset(row_group_ids=row_groups)
        yield from fragment.to_batches(
            schema=schema,
            columns=columns,
            filter=self._filter,
            batch_size=n_rows,
            batch_readahead=1,
            fragment_readahead=1,
            fragment_scan_options=_frugal_options(fragment),
        )


class CsvPart(FragmentPart):
    """A CSV file, whose first line names the columns: a small block is read at a time."""

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Part.layout`."""
        schema = self._opened[1]
        _require_header(schema, self.name)
        # Columns without any value yet: the file has no rows, or they are said to lack values.
        return arrow_layout(_widened(schema, schema.names), columns, self._weight, self.name)

    def _batches(self, layout: Layout, row_groups: list[int] | None) -> Iterator[Any]:
        """Read record batches; scanners read far ahead of a slower reader."""
        from pyarrow import csv

        columns = self._columns_of(layout)
        schema = _widened(self._opened[1], columns)
        reader = csv.open_csv(
            self.name,
            read_options=csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
            convert_options=csv.ConvertOptions(
                column_types=schema, include_columns=None if self._filter is not None else columns
            ),
        )
        with reader:
            for batch in filtered(reader, self._filter):
                yield batch.select(columns)


def file_part(path: str, format: str, weight: str | None, filter: Any) -> FragmentPart:  # noqa: A002
    """Give the part that a file of pyarrow's formats is."""

    def load() -> tuple[Any, Any]:
        dataset = _dataset_module().dataset(path, format=format)
        return next(iter(dataset.get_fragments())), dataset.schema

    def info() -> Any:
        return _file_system().get_file_info(os.path.abspath(path))

    kind = CsvPart if format == "csv" else FragmentPart
    return kind(path, load, info, weight, filter)


def dataset_parts(dataset: Any, weight: str | None, filter: Any) -> list[FragmentPart]:  # noqa: A002
    """Give the parts that a pyarrow data set consists of."""

    def part(i: int, fragment: Any) -> FragmentPart:
        def info() -> Any:
            return fragment.filesystem.get_file_info(path) if path else None

        path = getattr(fragment, "path", None)
        name = path or f"fragment {i} of the data set"
        return FragmentPart(name, lambda: (fragment, dataset.schema), info, weight, filter)

    return [part(i, fragment) for i, fragment in enumerate(dataset.get_fragments(filter))]


def _file_system() -> Any:
    """Import pyarrow's view of the local files."""
    from pyarrow.fs import LocalFileSystem

    return LocalFileSystem()


def _format_of(fragment: Any) -> str | None:
    """What pyarrow would have its file end in; None of what is in memory."""
    extension: str | None = getattr(getattr(fragment, "format", None), "default_extname", None)
    return extension


def _dataset_module() -> Any:
    """Import pyarrow.dataset, or say how to get it."""
    arrow_package()
    from pyarrow import dataset

    return dataset


def _pages(
    fragment: Any, columns: list[str], row_groups: list[int] | None, n_rows: int
) -> Iterator[Any]:
    """Read a Parquet file page by page: scanners hold whole row groups, of any size."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(fragment.open(), buffer_size=BUFFER_BYTES, pre_buffer=False) as file:
        yield from file.iter_batches(
            batch_size=n_rows, row_groups=row_groups, columns=columns, use_threads=False
        )


def _record_batches(fragment: Any, columns: list[str], expression: Any) -> Iterator[Any]:
    """Read an Arrow file batch by batch: scanners read far ahead."""
    from pyarrow import ipc

    fields = None
    if expression is None:
        fields = [fragment.physical_schema.get_field_index(column) for column in columns]
    options = ipc.IpcReadOptions(included_fields=fields)
    with fragment.open() as file, ipc.open_file(file, options=options) as reader:
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        for batch in filtered(batches, expression):
            yield batch.select(columns)


def _frugal_options(fragment: Any) -> Any:
    """Scan options that do not load whole files ahead."""
    dataset = _dataset_module()
    if _format_of(fragment) != "parquet":
        return None
    return dataset.ParquetFragmentScanOptions(
        use_buffered_stream=True, buffer_size=BUFFER_BYTES, pre_buffer=False
    )


def _widened(schema: Any, columns: list[str]) -> Any:
    """Read a CSV file's integers as float64: fractions may follow, further on in the file.

    So are columns without any value, whichever they are; in numbers, that is an error of its own.
    """
    pa = arrow_package()
    for i, field in enumerate(schema):
        is_widened = pa.types.is_integer(field.type) and field.name in columns
        if is_widened or pa.types.is_null(field.type):
            schema = schema.set(i, field.with_type(pa.float64()))
    return schema


def _require_header(schema: Any, name: str) -> None:
    """Refuse a CSV file whose names are numbers: its first row would be lost."""
    try:
        names = [float(column) for column in schema.names]
    except ValueError:
        return
    raise SourceError(f"{name} has no line of column names: it starts with {names[:5]}")
