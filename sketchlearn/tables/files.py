"""Parquet files of tables: which there are, what each says of itself, and each read as it is."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import PurePath
from typing import Any, NamedTuple

from sketchlearn.exceptions import SketchFormatError, SketchMismatchError
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sources.optional import import_optional
from sketchlearn.tables.columns import require_sketches
from sketchlearn.tables.metadata import Header, read_metadata


class TableFile(NamedTuple):
    """A file, and what it says of itself.

    Parameters
    ----------
    name : str
        Its path.
    header : Header or None
        What its metadata say; None where an engine wrote it.
    fragment : pyarrow.dataset.Fragment
        What reads it.
    """

    name: str
    header: Header | None
    fragment: Any

    def read(self) -> Any:
        """Return its columns as they are, no type made that of another file's.

        Raises
        ------
        SketchFormatError
            If it is damaged.
        """
        try:
            table = self.fragment.to_table()
        except import_optional("pyarrow").ArrowInvalid as error:
            raise SketchFormatError(f"{self.name} is damaged: {error}") from error
        # Those of the file, which are not all its schema's.
        return table.replace_schema_metadata(self.header and self.fragment.metadata.metadata)


def list_files(path: str | PathLike[str] | Sequence[str | PathLike[str]]) -> list[TableFile]:
    """Return the files at a path, one at least: itself, or all of a folder; or those of several.

    Raises
    ------
    SketchFormatError
        If one is none of Parquet, or has no sketches, or its folder's name holds a key that its
        columns do not.
    ValueError
        If there is none.
    OSError
        If one cannot be read.
    """
    is_one = isinstance(path, str | PathLike)
    paths: Any = fspath(path) if isinstance(path, str | PathLike) else [fspath(p) for p in path]
    try:
        dataset = import_optional("pyarrow.dataset").dataset(paths, format="parquet")
        fragments = list(dataset.get_fragments())
        headers = [read_metadata(fragment.metadata.metadata) for fragment in fragments]
    except import_optional("pyarrow").ArrowInvalid as error:
        raise SketchFormatError(f"not a Parquet file: {error}") from error
    if not fragments:
        raise ValueError(f"expected at least one Parquet file, got none in {paths!r}")
    files = [
        TableFile(fragment.path, header, fragment)
        for fragment, header in zip(fragments, headers, strict=True)
    ]
    for file in files:
        require_sketches(file.fragment.physical_schema.names)
        if is_one and file.header is None:
            _require_no_key_in_folders(file, paths)
    return files


def find_common_operator(
    files: Sequence[TableFile], given: FrequencyOperator | None
) -> FrequencyOperator | None:
    """Return the operator of several files, which is given, or in the metadata of all.

    Raises
    ------
    SketchMismatchError
        If a file names another one.
    SketchFormatError
        If none is given, and some of the files say nothing of theirs.
    """
    headers = [file.header for file in files]
    found = given or next((h.operator for h in headers if h and h.operator), None)
    for file in files:
        if file.header and found and file.header.fingerprint != found.fingerprint:
            raise SketchMismatchError(
                f"{file.name} was made with another operator, {file.header.fingerprint}, than "
                f"{found.fingerprint}"
            )
    bare = [file.name for file in files if file.header is None]
    if bare and given is None and len(bare) < len(files):
        raise SketchFormatError(
            f"{bare[0]} says nothing of the operator of its sketches, as engines drop metadata, so "
            "that it cannot be told to be that of the other files: give it with operator="
        )
    return found


def _require_no_key_in_folders(file: TableFile, root: str) -> None:
    """Refuse a file under a folder as ``country=FR`` whose columns have no country."""
    names = file.fragment.physical_schema.names
    path, top = PurePath(file.name).parts, PurePath(root).parts
    folders = path[len(top) : -1] if path[: len(top)] == top else path[:-1]
    for folder in folders:
        key, separator, _ = folder.partition("=")
        if separator and key not in names:
            raise SketchFormatError(
                f"the key {key!r} is in the name of the folder {folder!r} and in no column of "
                f"{file.name}, so its values have no certain type: read the folder with "
                f"pyarrow.dataset.dataset({root!r}, partitioning='hive').to_table(), and give that "
                "to from_arrow; or write it without partitions"
            )
