"""The command predict: labels, and what was asked for beside them, for each row of data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from sketchlearn import SourceError
from sketchlearn.cli.files import load_estimator, require_writable
from sketchlearn.cli.options import (
    TABLE_ENDINGS,
    TEXT_ENDINGS,
    Columns,
    Conditions,
    Data,
    Force,
    Output,
    choose_columns,
    parse_conditions,
    split_names,
)
from sketchlearn.cli.reporting import note, progress_bar
from sketchlearn.cli.usage import UsageError
from sketchlearn.files.atomic import replace_when_done
from sketchlearn.sources.opening import open_source
from sketchlearn.sources.record_files import find_delimiter
from sketchlearn.sources.source import RowSource
from sketchlearn.sources.stored_file import StoredFile

# Text that names columns in each line: endings, compressed or not.
JSON_LINES = tuple(ending for ending in TEXT_ENDINGS if ending.startswith((".jsonl", ".ndjson")))
LABEL_FILES = (".parquet", ".pq", ".csv")
LABEL, PROBABILITY = "label", "probability_"


def predict(
    model: Annotated[Path, typer.Argument(help="A model's file.", show_default=False)],
    data: Data,
    output: Output,
    columns: Columns = None,
    where: Conditions = None,
    ids: Annotated[
        list[str] | None,
        typer.Option(
            "--id",
            help="Columns to copy beside the labels, by name and separated by commas.",
            show_default=False,
        ),
    ] = None,
    has_probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add each component's probability (mixtures).")
    ] = False,
    is_forced: Force = False,
) -> None:
    """Write every row's cluster to a Parquet or CSV file.

    In bounded memory. The column label is in the order of the rows; --id copies columns of the data
    beside it, and --probabilities adds probability_0, probability_1 and so on.

    \b
      sketchlearn predict week.model 'day-*.parquet' --columns price,weight -o labels.parquet
      sketchlearn predict week.model day.csv --columns price,weight --id customer -o labels.csv
    """
    ending = output.suffix.lower()
    if ending not in LABEL_FILES:
        raise UsageError(
            f"labels are written to files that end in {', '.join(LABEL_FILES)}, got {output.name}"
        )
    id_names = split_names(ids, "--id") if ids else []
    estimator: Any = load_estimator(model)
    if not hasattr(estimator, "predict"):
        raise ValueError(f"a {type(estimator).__name__} labels no rows: give a model that does")
    if has_probabilities and not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"{model} has no probabilities: leave --probabilities out, or learn a mixture with "
            "fit gmm"
        )
    filters = parse_conditions(where)
    source = open_source(data, choose_columns(columns, data), filters)
    require_writable(
        output,
        [model],
        lambda path: _is_labels(path, id_names),
        "a file of labels",
        is_forced,
        (source, data),
    )
    source.expect(estimator.n_features_in_, getattr(estimator, "feature_names_in_", None))
    # The rows come without their names, which were compared.
    estimator.__dict__.pop("feature_names_in_", None)
    copied = _CopiedColumns(source, id_names, filters) if id_names else None
    names = [LABEL]
    if has_probabilities:
        n_labels = len(getattr(estimator, "classes_", estimator.weights_))
        names += [f"{PROBABILITY}{i}" for i in range(n_labels)]
    with (
        replace_when_done(output) as temporary,
        _open_writer(temporary, ending, copied, names) as write,
        progress_bar("labelling") as progress,
    ):
        n_rows, total = 0, source.n_rows() if progress else None
        for labels in _predict_chunks(estimator, source, copied, has_probabilities):
            write(labels)
            n_rows += len(labels[-1])
            if progress:
                progress(n_rows, total)
    note(f"{output}: {n_rows:,} labels")


def _predict_chunks(
    estimator: Any, source: RowSource, copied: _CopiedColumns | None, has_probabilities: bool
) -> Iterator[list[Any]]:
    """Predict chunk by chunk: columns of an output; errors name the file of the rows."""
    for part in source.partitions:
        if copied:
            copied.begin(part.name)
        for chunk in source.read(part):
            try:
                learned = [estimator.predict(chunk.rows)]
                if has_probabilities:
                    learned += list(estimator.predict_proba(chunk.rows).T)
            except ValueError as error:
                raise ValueError(f"{part.name}: {error}") from error
            yield [*(copied.take(len(chunk.rows)) if copied else ()), *learned]
        if copied:
            copied.end()


class _CopiedColumns:
    """Columns of the data as they are, row by row beside the features, of files with named ones."""

    def __init__(self, source: RowSource, names: list[str], filters: Any) -> None:
        if taken := [name for name in names if name == LABEL or name.startswith(PROBABILITY)]:
            raise ValueError(f"--id {taken[0]} would have the name of a column of predictions")
        self._names, self._filters = names, filters
        self._part = ""
        self._left: Any = None
        self._batches: Iterator[Any] = iter(())
        self.schema = self._list_fields(source.partitions[0].name)

    def begin(self, part: str) -> None:
        """Begin with the rows of another file."""
        self._part, self._left = part, None
        self._batches = self._read_columns(part)

    def take(self, n_rows: int) -> list[Any]:
        """Return the columns of the next rows; SourceError if there are fewer."""
        import pyarrow as pa

        taken: list[Any] = [] if self._left is None else [self._left]
        while sum(len(batch) for batch in taken) < n_rows:
            batch = next(self._batches, None)
            if batch is None:
                raise SourceError(f"{self._part} has fewer rows of {self._names[0]} than features")
            taken.append(batch)
        table = pa.Table.from_batches(taken, self.schema)
        self._left = None
        if len(table) > n_rows:
            (self._left,) = table.slice(n_rows).combine_chunks().to_batches()
        return [column.combine_chunks() for column in table.slice(0, n_rows).columns]

    def end(self) -> None:
        """Make sure, by a SourceError, that nothing is left of a file."""
        if self._left is not None or next(self._batches, None) is not None:
            raise SourceError(f"{self._part} has more rows of {self._names[0]} than features")

    def _list_fields(self, path: str) -> Any:
        import pyarrow as pa

        known = _open_dataset(path, self._names).schema
        if missing := [name for name in self._names if name not in known.names]:
            raise SourceError(f"{path} has no column {missing[0]!r}; its columns are {known.names}")
        return pa.schema([known.field(name) for name in self._names])

    def _read_columns(self, path: str) -> Iterator[Any]:
        """Read the columns, with the types of the first file."""
        from pyarrow.parquet import filters_to_expression

        self._list_fields(path)
        where = self._filters
        where = filters_to_expression(where) if isinstance(where, list) else where
        batches = _open_dataset(path, self._names).to_batches(
            columns=self._names, filter=where, batch_readahead=1, fragment_readahead=1
        )
        for batch in batches:
            try:
                yield batch.cast(self.schema)
            except ValueError as error:
                raise SourceError(f"{path} has other values in --id: {error}") from error


def _open_dataset(path: str, texts: list[str]) -> Any:
    """Open a file as a data set of pyarrow; some columns of a CSV file are read as text."""
    import pyarrow as pa
    import pyarrow.dataset
    from pyarrow import csv

    name = path.lower()
    format_: Any = None
    if name.endswith(TEXT_ENDINGS):
        format_ = "json"
        if not name.endswith(JSON_LINES):
            types = {column: pa.string() for column in texts}
            delimiter = find_delimiter(StoredFile(path, path))
            format_ = pyarrow.dataset.CsvFileFormat(
                csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=csv.ConvertOptions(column_types=types),
            )
    elif name.endswith(TABLE_ENDINGS):
        format_ = "parquet" if name.endswith((".parquet", ".pq")) else "ipc"
    if format_ is None:
        raise SourceError(f"{path} has no named columns to copy with --id")
    return pyarrow.dataset.dataset(path, format=format_)


def _is_labels(path: Path, id_names: list[str]) -> bool:
    """Whether a file was written by this command, as far as its columns tell."""
    try:
        names = _open_dataset(str(path), []).schema.names
    except (OSError, ValueError, ImportError):
        return False
    return LABEL in names and all(
        name == LABEL or name.startswith(PROBABILITY) or name in id_names for name in names
    )


@contextmanager
def _open_writer(
    path: Path, ending: str, copied: _CopiedColumns | None, names: list[str]
) -> Iterator[Callable[[list[Any]], None]]:
    """Return what adds rows to a file: a list of its columns."""
    try:
        import pyarrow as pa
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("labels are written by pyarrow: install sketchlearn[cli]") from error
    learned = [(name, pa.int32() if name == LABEL else pa.float64()) for name in names]
    schema = pa.schema([*(copied.schema if copied else ()), *learned])
    opened = pa.csv.CSVWriter if ending == ".csv" else pa.parquet.ParquetWriter
    with opened(path, schema) as writer:

        def write(columns: list[Any]) -> None:
            arrays = [
                pa.array(column, type=field.type) if isinstance(column, np.ndarray) else column
                for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))

        yield write
