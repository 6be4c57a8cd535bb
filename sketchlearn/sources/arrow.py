"""Arrow's tables and streams."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sketchlearn.sources.arrow_columns import (
    chunk_batches,
    filter_batches,
    lay_out_columns,
)
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.source import IDENTIFYING_ROWS, Chunk, Layout, Partition, Query
from sketchlearn.sources.streams import StreamPartition


class TablePartition(Partition):
    """A table in memory: of pyarrow, or whatever gives an Arrow stream as often as it is asked.

    Parameters
    ----------
    data : object with ``__arrow_c_stream__`` and a length
        For instance a table of pyarrow, a data frame, or a relation of duckdb.
    query : Query
        Side columns, and which rows to read.
    """

    is_file = False
    is_named = True

    def __init__(self, data: Any, query: Query) -> None:
        self.name = f"the {type(data).__name__}"
        self._data, self._query = data, query

    def size(self) -> int:
        """Rows."""
        return len(self._data)

    def identity(self) -> str:
        """Digest of the schema and of the first rows, and how many there are."""
        reader = self._reader()
        digest = hashlib.blake2b(str(reader.schema).encode(), digest_size=16)
        for batch in reader:
            digest.update(str(batch.slice(0, IDENTIFYING_ROWS).to_pylist()).encode())
            break
        return f"{self.name} of {len(self._data)} rows, {digest.hexdigest()}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Partition.layout`."""
        schema = self._reader().schema
        return lay_out_columns(schema, columns, self._query, self.name, lambda _: self._reader())

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Partition.read`."""
        batches = filter_batches(self._reader(), self._query.expression)
        return chunk_batches(batches, layout, self._query, self.name, start)

    def n_rows(self) -> int | None:
        """Rows, where none are filtered out."""
        return len(self._data) if self._query.expression is None else None

    def _reader(self) -> Any:
        """Start a new stream of record batches."""
        return import_optional("pyarrow").RecordBatchReader.from_stream(self._data)


class ArrowStreamPartition(StreamPartition):
    """An Arrow stream, which can be read once.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
        The stream.
    query : Query
        Side columns, and which rows to read.
    """

    is_named = True

    def __init__(self, reader: Any, query: Query) -> None:
        super().__init__("the Arrow stream", filter_batches(reader, query.expression))
        self._schema, self._query = reader.schema, query

    def identity(self) -> str:
        """Digest of the schema: nothing else of a stream can be told beforehand."""
        digest = hashlib.blake2b(str(self._schema).encode(), digest_size=16)
        return f"{self.name}, {digest.hexdigest()}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Partition.layout`."""

        def first_batches(column: str) -> list[Any]:
            return [] if self.peek() is None else [self.peek()]

        return lay_out_columns(self._schema, columns, self._query, self.name, first_batches)

    def chunks(self, pieces: Iterable[Any], layout: Layout, start: int) -> Iterator[Chunk]:
        """See `StreamPartition.chunks`."""
        return chunk_batches(pieces, layout, self._query, self.name, start)
