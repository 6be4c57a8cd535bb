"""Arrow's tables and streams."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sketchlearn.sources.arrow_columns import arrow_chunks, arrow_layout, filtered, list_width
from sketchlearn.sources.arrow_values import arrow_package
from sketchlearn.sources.source import IDENTIFYING_ROWS, Chunk, Layout, Part
from sketchlearn.sources.streams import StreamPart


class TablePart(Part):
    """A table in memory: of pyarrow, or whatever gives an Arrow stream as often as it is asked.

    Parameters
    ----------
    data : object with ``__arrow_c_stream__`` and a length
        For instance a table of pyarrow, a data frame, or a relation of duckdb.
    weight : str, optional
        The column of weights.
    filter : pyarrow.compute.Expression, optional
        Which rows to read.
    """

    is_file = False
    is_named = True

    def __init__(self, data: Any, weight: str | None, filter: Any) -> None:  # noqa: A002
        self.name = f"the {type(data).__name__}"
        self._data, self._weight, self._filter = data, weight, filter

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
        """See `Part.layout`."""

        def width(column: str) -> int | None:
            return list_width(self._reader(), column, self.name)

        return arrow_layout(self._reader().schema, columns, self._weight, self.name, width)

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Part.read`."""
        batches = filtered(self._reader(), self._filter)
        return arrow_chunks(batches, layout, self._weight, self.name, start)

    def n_rows(self) -> int | None:
        """Rows, where none are filtered out."""
        return len(self._data) if self._filter is None else None

    def _reader(self) -> Any:
        """Start a new stream of record batches."""
        return arrow_package().RecordBatchReader.from_stream(self._data)


class ArrowStreamPart(StreamPart):
    """An Arrow stream, which can be read once.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
        The stream.
    weight : str, optional
        The column of weights.
    filter : pyarrow.compute.Expression, optional
        Which rows to read.
    """

    is_named = True

    def __init__(self, reader: Any, weight: str | None, filter: Any) -> None:  # noqa: A002
        super().__init__("the Arrow stream", filtered(reader, filter))
        self._schema, self._weight = reader.schema, weight

    def identity(self) -> str:
        """Digest of the schema: nothing else of a stream can be told beforehand."""
        digest = hashlib.blake2b(str(self._schema).encode(), digest_size=16)
        return f"{self.name}, {digest.hexdigest()}"

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Part.layout`."""

        def width(column: str) -> int | None:
            first = self.peek()
            return None if first is None else list_width([first], column, self.name)

        return arrow_layout(self._schema, columns, self._weight, self.name, width)

    def chunks(self, pieces: Iterable[Any], layout: Layout, start: int) -> Iterator[Chunk]:
        """See `StreamPart.chunks`."""
        return arrow_chunks(pieces, layout, self._weight, self.name, start)
