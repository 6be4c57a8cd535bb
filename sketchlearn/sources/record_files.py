"""Files that pyarrow reads from their beginning, batch by batch: CSV, JSON lines, Arrow streams."""

from __future__ import annotations

import csv
import io
import itertools
import re
from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.arrow_columns import (
    chunk_batches,
    filter_batches,
    find_filter_columns,
    find_stored_columns,
    lay_out_columns,
    skip_rows,
)
from sketchlearn.sources.large_integers import (
    InDoubtError,
    parse_numbers,
    require_certain,
    require_exact_lines,
)
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.partition_keys import Key, append_keys, make_schema, parse_keys
from sketchlearn.sources.source import Chunk, Layout, Partition, Query
from sketchlearn.sources.stored_file import InStoredFile, StoredFile

# A block is parsed at once, and must hold a row; if one does not, it grows.
BLOCK_BYTES = 2**17
# At least, as each column of a block has its costs.
BLOCK_BYTES_A_COLUMN = 2**8
MOST_BLOCK_BYTES = 2**30
BLOCK_GROWTH = 8
COMPRESSIONS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}
DELIMITERS = ",;\t|"
# Bytes and rows of a CSV file's beginning that tell its delimiter.
SNIFFED_BYTES = 2**16
SNIFFED_ROWS = 20
MOST_COMPRESSION = 100
TABS = re.compile(r"\.(tsv|tab)(\.\w+)?$")
# What pyarrow says of a row longer than a block and of a fraction among integers; its quotations.
NO_ROW = re.compile(r"straddl|block: cannot infer")
NO_INTEGER = re.compile(r"(conversion error|Failed to convert JSON) to u?int")
QUOTED = re.compile(r"(: invalid value '|(?<=got )(\d+): |, couldn't parse:).*", re.DOTALL)


class RecordFilePartition(InStoredFile, Partition):
    """A file of records in order.

    Parameters
    ----------
    file : StoredFile
        The file.
    query : Query
        Side columns, and which rows to read.
    """

    is_named = True

    def __init__(self, file: StoredFile, query: Query) -> None:
        self.name, self._file = file.name, file
        self._query = query
        self._keys = parse_keys(file.path)

    @abstractmethod
    def stored_schema(self) -> Any:
        """Schema as the file's beginning has it."""

    @abstractmethod
    def records(self, columns: list[str]) -> Iterator[Any]:
        """Yield record batches that hold these columns, or more, from the first row on."""

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Partition.layout`; what only the path says is read where it is asked for."""
        schema, keys = self._extend_schema()
        return lay_out_columns(
            schema, columns, self._query, self.name, lambda c: self._batches([c], None), set(keys)
        )

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Partition.read`."""
        asked = (*(layout.names or ()), *self._query.columns_beside)
        columns = find_stored_columns(self._extend_schema()[0], asked)
        batches = self._batches(columns, self._query.expression)
        return chunk_batches(batches, layout, self._query, self.name, start)

    def _extend_schema(self) -> tuple[Any, dict[str, Key]]:
        """Schema with the columns that only the path says, and these."""
        schema = self.stored_schema()
        keys = {key: self._keys[key] for key in self._keys if key not in schema.names}
        return import_optional("pyarrow").schema(
            [*schema, *make_schema(keys)], schema.metadata
        ), keys

    def _batches(self, columns: list[str], expression: Any) -> Iterator[Any]:
        """Read record batches that hold these columns; no other than those to filter by.

        What else there is may be of any type, and of another one further on.
        """
        schema, keys = self._extend_schema()
        others = [] if expression is None else find_filter_columns(expression, schema)
        names = list(dict.fromkeys([*columns, *others]))
        stored = [name for name in names if name not in keys]
        batches = self.records(stored or schema.names[:1])
        if any(name in keys for name in names):
            batches = (append_keys(batch, keys) for batch in batches)
        for batch in filter_batches(batches, expression):
            yield batch.select(columns)


class ArrowStreamFilePartition(RecordFilePartition):
    """A file in Arrow's stream format, which has no index of its batches."""

    def stored_schema(self) -> Any:
        """See `RecordFilePartition.stored_schema`."""
        with self._file.open() as file, import_optional("pyarrow.ipc").open_stream(file) as reader:
            return reader.schema

    def records(self, columns: list[str]) -> Iterator[Any]:
        """See `RecordFilePartition.records`."""
        with self._file.open() as file, import_optional("pyarrow.ipc").open_stream(file) as reader:
            yield from reader


class TextPartition(RecordFilePartition):
    """A text file of records, whose types are those of its first block until others come.

    Blocks grow where a row does not fit in, and integers become float64 where fractions follow.
    """

    def __init__(self, file: StoredFile, query: Query) -> None:
        super().__init__(file, query)
        self.block_bytes, self._is_widened = BLOCK_BYTES, False
        self._schema_found: Any = None
        # Columns with large numbers, which are told from integers that float64 does not hold.
        self.settled: set[str] = set()

    @property
    def _key_names(self) -> tuple[str, ...]:
        """Columns that rows are grouped by."""
        return self._query.keys.names if self._query.keys else ()

    @abstractmethod
    def settle(self, columns: list[str]) -> None:
        """See to it that no column holds integers that are read as fractions; SourceError if so."""

    def numbers(self, batch: Any, first_row: int) -> Any:
        """Return a batch of `reader` as numbers."""
        return batch

    @abstractmethod
    def reader(self, stream: Any, types: Any, columns: list[str] | None) -> Any:
        """Read a stream of text as record batches, `block_bytes` at once.

        Parameters
        ----------
        stream : pyarrow.NativeFile
            The text.
        types : pyarrow.Schema, optional
            What to read it with; None to find that out in the first block.
        columns : list of str, optional
            What to read, by default all.
        """

    def stored_schema(self) -> Any:
        """See `RecordFilePartition.stored_schema`."""
        while self._schema_found is None:
            try:
                with _text_stream(self._file) as text, self.reader(text, None, None) as reader:
                    self._schema_found = _type_empty(reader.schema, self._key_names)
                least = BLOCK_BYTES_A_COLUMN * len(self._schema_found)
                self.block_bytes = max(self.block_bytes, least)
            except import_optional("pyarrow").ArrowInvalid as error:
                self._relax_types(error)
        return self._schema_found

    def records(self, columns: list[str]) -> Iterator[Any]:
        """See `RecordFilePartition.records`."""
        n_read = 0
        while True:
            types = self.stored_schema()
            types = _widen_integers(types, self._key_names) if self._is_widened else types
            try:
                with _text_stream(self._file) as text, self.reader(text, types, columns) as reader:
                    for batch in skip_rows(reader, n_read):
                        numbers = self.numbers(batch, n_read)
                        require_certain(numbers, self.settled)
                        n_read += len(batch)
                        yield numbers
                return
            except InDoubtError as doubt:
                self.settle(doubt.columns)
                self.settled.update(doubt.columns)
            except import_optional("pyarrow").ArrowInvalid as error:
                self._relax_types(error)

    def _relax_types(self, error: Exception) -> None:
        """Change what an error in parsing says was too narrow, or raise it."""
        message = str(error)
        most = MOST_BLOCK_BYTES
        if "block: cannot infer" in message:
            # The line of names does not fit in, or the file ends in it.
            most = min(most, MOST_COMPRESSION * self._file.size())
        if NO_ROW.search(message) and self.block_bytes < most:
            self.block_bytes *= BLOCK_GROWTH
        elif NO_INTEGER.search(message) and not self._is_widened:
            self._is_widened = True
        else:
            # Messages end up in logs and checkpoints, where no cell belongs.
            raise SourceError(f"cannot read {self.name}: {self._described(message)}") from None

    def _described(self, message: str) -> str:
        """Say where an error is, without what the cell holds."""

        def named(match: re.Match[str]) -> str:
            return f"column {self._schema_found.names[int(match[1])]!r}"

        message = QUOTED.sub(lambda match: match[2] or "", message)
        return (
            re.sub(r"CSV column #(\d+)", named, message)
            if self._schema_found is not None
            else message
        )


class CsvPartition(TextPartition):
    """A CSV file, whose first line names the columns; its delimiter is found out."""

    _delimiter = ""

    def stored_schema(self) -> Any:
        """See `RecordFilePartition.stored_schema`."""
        # Before the file is opened to be read: some file systems have one position a file.
        self._delimiter = self._delimiter or find_delimiter(self._file)
        return super().stored_schema()

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Partition.layout`."""
        _require_header(self.stored_schema(), self.name)
        return super().layout(columns)

    def settle(self, columns: list[str]) -> None:
        """See `TextPartition.settle`: they are read as text from here on."""

    def numbers(self, batch: Any, first_row: int) -> Any:
        """See `TextPartition.numbers`."""
        if self.settled.isdisjoint(batch.schema.names):
            return batch
        from pyarrow.csv import ConvertOptions

        nulls = ConvertOptions().null_values
        return parse_numbers(batch, self.settled, nulls, self.name, first_row)

    def reader(self, stream: Any, types: Any, columns: list[str] | None) -> Any:
        """See `TextPartition.reader`."""
        from pyarrow import csv as arrow_csv

        text = import_optional("pyarrow").string()
        for name in self.settled if types is not None else ():
            types = types.set(types.get_field_index(name), types.field(name).with_type(text))
        return arrow_csv.open_csv(
            stream,
            read_options=arrow_csv.ReadOptions(block_size=self.block_bytes),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=True
            ),
            convert_options=arrow_csv.ConvertOptions(column_types=types, include_columns=columns),
        )


class JsonLinesPartition(TextPartition):
    """A file with a JSON object a line."""

    def settle(self, columns: list[str]) -> None:
        """See `TextPartition.settle`: the whole file is looked through once."""
        with _text_stream(self._file) as stream, io.BufferedReader(stream) as lines:
            require_exact_lines(lines, columns, self.name)

    def reader(self, stream: Any, types: Any, columns: list[str] | None) -> Any:
        """See `TextPartition.reader`."""
        from pyarrow import json

        if types is not None and columns is not None:
            types = import_optional("pyarrow").schema([types.field(name) for name in columns])
        behavior = "infer" if types is None else "ignore"
        read = json.ReadOptions(block_size=self.block_bytes)
        parse = json.ParseOptions(explicit_schema=types, unexpected_field_behavior=behavior)
        if not hasattr(json, "open_json"):
            # Older versions of pyarrow cannot read it in pieces.
            return json.read_json(stream, read, parse).to_reader()
        return json.open_json(stream, read_options=read, parse_options=parse)


def find_delimiter(file: StoredFile) -> str:
    """Return the delimiter of a CSV file: a tab if its name says so, else what its start tells."""
    if TABS.search(file.ending()):
        return "\t"
    with _text_stream(file) as stream:
        return detect_delimiter(stream.read(SNIFFED_BYTES).decode("utf-8", errors="replace"))


def detect_delimiter(start: str) -> str:
    r"""Tell the delimiter of a CSV file by its beginning: the one of the most columns in each row.

    Examples
    --------
    >>> detect_delimiter("a;b\n1,5;2,5\n")
    ';'
    """
    best, most = ",", 1
    for delimiter in DELIMITERS:
        rows = csv.reader(io.StringIO(start, newline=""), delimiter=delimiter)
        widths = [len(row) for row in itertools.islice(rows, SNIFFED_ROWS) if row]
        # The last row may be cut off.
        widths = widths[:-1] if len(widths) > 1 else widths
        if len(set(widths)) == 1 and widths[0] > most:
            best, most = delimiter, widths[0]
    return best


def _text_stream(file: StoredFile) -> Any:
    """Open a text file, decompressed as its name tells."""
    compression = next((c for end, c in COMPRESSIONS.items() if file.ending().endswith(end)), None)
    return file.arrow_system().open_input_stream(file.path, compression=compression)


def _type_empty(schema: Any, keys: Collection[str]) -> Any:
    """Read columns without any value yet as numbers, and keys as strings."""
    pa = import_optional("pyarrow")
    for i, field in enumerate(schema):
        if pa.types.is_null(field.type):
            kind = pa.string() if field.name in keys else pa.float64()
            schema = schema.set(i, field.with_type(kind))
    return schema


def _widen_integers(schema: Any, keys: Collection[str]) -> Any:
    """Read integers as float64, in lists too, but for keys."""
    pa = import_optional("pyarrow")

    def wider(kind: Any) -> Any:
        if pa.types.is_list(kind):
            return pa.list_(wider(kind.value_type))
        return pa.float64() if pa.types.is_integer(kind) else kind

    return pa.schema(
        [f if f.name in keys else f.with_type(wider(f.type)) for f in schema], schema.metadata
    )


def _require_header(schema: Any, name: str) -> None:
    """Refuse a CSV file whose names are numbers: its first row would be lost."""
    try:
        names = [float(column) for column in schema.names]
    except ValueError:
        return
    raise SourceError(
        f"{name} has no line of column names: it starts with {names[:5]}; write names into it, or "
        "give what pyarrow.csv.open_csv makes of it, by column_names of yours or, if these numbers "
        "are the names, as it is"
    )
