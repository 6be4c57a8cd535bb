"""The table of formats: which partition a file is, by what its name ends in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.array_files import NpyPartition, NpzPartition
from sketchlearn.sources.arrow_files import FilePartition
from sketchlearn.sources.paths import Entry
from sketchlearn.sources.record_files import (
    COMPRESSIONS,
    ArrowStreamFilePartition,
    CsvPartition,
    JsonLinesPartition,
)
from sketchlearn.sources.source import Partition, Query
from sketchlearn.sources.stored_arrays import Hdf5Partition, ZarrPartition
from sketchlearn.sources.stored_file import StoredFile

# What a file in Arrow's file format, rather than its stream format, starts with; and the format
# before that, which pyarrow has a message for.
FILE_MAGIC = (b"ARROW1", b"FEA1")


class Format(NamedTuple):
    """A format of files.

    Parameters
    ----------
    partition : callable
        ``partition(file, query)`` makes the partition that a `StoredFile` is; of a format whose
        columns have no names, ``partition(file, member)``, with the name of an array in the file,
        None where none was chosen.
    is_named : bool
        Whether its columns have names, to filter rows by and to find side columns.
    """

    partition: Callable[[StoredFile, Any], Partition]
    is_named: bool


# By what a file's name ends in.
FORMATS: dict[str, Format] = {}


def register_format(
    endings: str | Iterable[str],
    partition: Callable[[StoredFile, Any], Partition],
    *,
    is_named: bool,
    replace: bool = False,
) -> None:
    """Have files whose names end so read as these partitions.

    Parameters
    ----------
    endings : iterable of str, or str
        As ``".npy"``.
    partition : callable
        Makes the partition that a `StoredFile` is, see `Format`.
    is_named : bool
        Whether columns have names.
    replace : bool, default=False
        Whether a format that has one of the endings already gives way.

    Raises
    ------
    ValueError
        If an ending does not begin with a dot, or has a format already and `replace` is not set;
        none is registered then.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.sources import MemoryPartition, register_format
    >>> def open_numbers(file, member):
    ...     return MemoryPartition(np.loadtxt(file.path, ndmin=2), name=file.name)
    >>> register_format([".numbers"], open_numbers, is_named=False)
    """
    # A string's letters are no endings: of ".x" the first would be that of all names with a dot.
    endings = [endings] if isinstance(endings, str) else list(endings)
    for ending in endings:
        if not ending.startswith(".") or ending == ".":
            raise ValueError(f"an ending must begin with a dot, got {ending!r}")
        if ending.lower() in FORMATS and not replace:
            raise ValueError(
                f"files that end in {ending!r} have a format already: choose another ending, or "
                "say replace=True"
            )
    FORMATS.update({ending.lower(): Format(partition, is_named) for ending in endings})


def _open_arrow(file: StoredFile, query: Query) -> Partition:
    """Return the partition that a file of Arrow's is, in either of its formats."""
    try:
        with file.open() as opened:
            is_stream = not opened.read(6).startswith(FILE_MAGIC)
    except OSError:
        is_stream = False
    return ArrowStreamFilePartition(file, query) if is_stream else FilePartition(file, "ipc", query)


def _list_endings(*endings: str) -> list[str]:
    return [ending + compression for ending in endings for compression in ("", *COMPRESSIONS)]


register_format(
    (".parquet", ".pq"), lambda file, query: FilePartition(file, "parquet", query), is_named=True
)
register_format((".arrow", ".arrows", ".feather", ".ipc"), _open_arrow, is_named=True)
register_format(_list_endings(".csv", ".tsv", ".tab"), CsvPartition, is_named=True)
register_format(_list_endings(".jsonl", ".ndjson"), JsonLinesPartition, is_named=True)
register_format((".npy",), NpyPartition, is_named=False)
register_format((".npz",), NpzPartition, is_named=False)
register_format((".h5", ".hdf5"), Hdf5Partition, is_named=False)
register_format((".zarr",), ZarrPartition, is_named=False)


def is_known(name: str) -> bool:
    """Whether the name of a file tells its format."""
    return _format_of(StoredFile(name, name)) is not None


def open_file(entry: Entry, query: Query) -> Partition:
    """Return the partition that a file is.

    A SourceError says that its name does not tell its format, or that it has no columns with names
    to filter or weigh by, or no arrays to choose one from.
    """
    file, member = entry
    format_ = _format_of(file)
    if format_ is None:
        raise SourceError(
            f"cannot tell the format of {file.name}; expected a name that ends in "
            f"{', '.join(FORMATS)}"
        )
    if format_.is_named and member:
        raise SourceError(f"{file.name} has columns, no arrays to choose {member!r} from")
    if format_.is_named:
        return format_.partition(file, query)
    if not query.is_empty:
        raise SourceError(f"{file.name} has no named columns to filter, weigh or group rows by")
    return format_.partition(file, member)


def _format_of(file: StoredFile) -> Format | None:
    return next((FORMATS[end] for end in FORMATS if file.ending().endswith(end)), None)
