"""Which part a file is, by what its name ends in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.array_files import NpyPart, NpzPart
from sketchlearn.sources.arrow_files import FilePart
from sketchlearn.sources.paths import Entry
from sketchlearn.sources.record_files import (
    COMPRESSIONS,
    ArrowStreamFilePart,
    CsvPart,
    JsonLinesPart,
)
from sketchlearn.sources.source import Part
from sketchlearn.sources.stored_arrays import Hdf5Part, ZarrPart
from sketchlearn.sources.stored_file import StoredFile

# What a file in Arrow's file format, rather than its stream format, starts with; and the format
# before that, which pyarrow has a message for.
FILE_MAGIC = (b"ARROW1", b"FEA1")


def _arrow_part(file: StoredFile, weight: str | None, filter: Any) -> Part:  # noqa: A002
    """Return the part that a file of Arrow's is, in either of its formats."""
    try:
        with file.open() as opened:
            is_stream = not opened.read(6).startswith(FILE_MAGIC)
    except OSError:
        is_stream = False
    if is_stream:
        return ArrowStreamFilePart(file, weight, filter)
    return FilePart(file, "ipc", weight, filter)


def _texts(ending: str) -> list[str]:
    """Endings of text files, compressed or not."""
    return [ending, *(ending + compression for compression in COMPRESSIONS)]


# What has columns with names.
TABLES: dict[str, Callable[[StoredFile, str | None, Any], Part]] = {
    **dict.fromkeys((".parquet", ".pq"), lambda file, *query: FilePart(file, "parquet", *query)),
    **dict.fromkeys((".arrow", ".arrows", ".feather", ".ipc"), _arrow_part),
    **dict.fromkeys([*_texts(".csv"), *_texts(".tsv"), *_texts(".tab")], CsvPart),
    **dict.fromkeys([*_texts(".jsonl"), *_texts(".ndjson")], JsonLinesPart),
}
# What holds arrays without names for their columns.
ARRAYS: dict[str, Callable[[StoredFile, str | None], Part]] = {
    ".npy": NpyPart,
    ".npz": NpzPart,
    ".h5": Hdf5Part,
    ".hdf5": Hdf5Part,
    ".zarr": ZarrPart,
}
ENDINGS = (*TABLES, *ARRAYS)


def is_known(name: str) -> bool:
    """Whether the name of a file tells its format."""
    return _ending(StoredFile(name, name)) is not None


def file_part(entry: Entry, weight: str | None, filter: Any) -> Part:  # noqa: A002
    """Return the part that a file is.

    Raises
    ------
    SourceError
        If its name does not tell its format, or it has no columns with names to filter or weigh
        by, or no arrays to choose one from.
    """
    file, member = entry
    ending = _ending(file)
    if ending is None:
        raise SourceError(
            f"cannot tell the format of {file.name}; expected a name that ends in "
            f"{', '.join(ENDINGS)}"
        )
    if ending in TABLES:
        if member:
            raise SourceError(f"{file.name} has columns, no arrays to choose {member!r} from")
        return TABLES[ending](file, weight, filter)
    if filter is not None or weight is not None:
        raise SourceError(f"{file.name} has no named columns to filter or weigh rows by")
    return ARRAYS[ending](file, member)


def _ending(file: StoredFile) -> str | None:
    """What a file's name ends in, if that tells its format."""
    return next((end for end in ENDINGS if file.ending().endswith(end)), None)
