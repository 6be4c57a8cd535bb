"""Files that commands read and write: errors that name them, and nothing overwritten by mistake."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from sketchlearn import Sketch, SketchFormatError, SketchMismatchError, SketchTable, load_model
from sketchlearn.cli.options import ARRAY_ENDINGS, TABLE_ENDINGS, TEXT_ENDINGS
from sketchlearn.files.atomic import require_replaceable
from sketchlearn.files.registry import identify_file, read_start
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.privacy import PrivateSketch
from sketchlearn.privacy.format import PRIVATE_FILE
from sketchlearn.sketches.format import SKETCH_FILE, StoredSketch
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sources.source import RowSource

Content = TypeVar("Content")
# What is read where a directory is.
DATA_ENDINGS = (*TABLE_ENDINGS, *TEXT_ENDINGS, *ARRAY_ENDINGS)
# What every Parquet file begins with.
PARQUET = b"PAR1"


def load_sketch(path: Path, operator: FrequencyOperator | None = None) -> Sketch:
    """Read a sketch, with an operator if need be; an error, as of `Sketch.load`, names the file."""
    _refuse_table(path)
    return _complete(name_errors(SKETCH_FILE.load, path), path, operator)


def load_sketch_like(path: Path, operator: FrequencyOperator | None = None) -> SketchLike:
    """Read a sketch, as `load_sketch`, or a private one."""
    _refuse_table(path)
    # Opened once, since it may be a pipe.
    with path.open("rb") as file:
        start = read_start(file)
        if start.identity and start.identity.noun == PRIVATE_FILE.noun:
            released = name_errors(lambda _: PRIVATE_FILE.read(file, start), path)
            return name_errors(lambda _: PrivateSketch.restore(released), path)
        stored = name_errors(lambda _: SKETCH_FILE.read(file, start), path)
    return _complete(stored, path, operator)


def is_parquet(path: Path) -> bool:
    """Whether a file is one of Parquet."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(PARQUET)) == PARQUET


def _refuse_table(path: Path) -> None:
    """Refuse a table where one sketch is expected, and say what takes it."""
    if is_parquet(path):
        raise SketchFormatError(
            f"{path}: not a sketch file but a Parquet one; if sketch --by wrote it, it is a table "
            "of sketches, one a group. fit, count and synthesize take it, all groups or those of "
            "--key; compare those of --key, and of --with; monitor takes it with --by; info, "
            "report, operator and sketch --like as it is; merge and subtract with other tables. In "
            "Python, SketchTable.from_parquet reads it, total() is the sketch of groups, and "
            "release_groups releases each group"
        )


def _complete(stored: StoredSketch, path: Path, operator: FrequencyOperator | None) -> Sketch:
    """Return the sketch of a file, with an operator if it is without."""
    if stored.operator is None and operator is None:
        raise SketchFormatError(
            f"{path} was written without its operator, {stored.fingerprint}: give the operator's "
            "file with --operator"
        )
    return name_errors(lambda _: Sketch.restore(stored, operator), path)


def require_same_operator(
    sketch: SketchLike | SketchTable,
    path: Path,
    other: SketchLike | SketchTable,
    other_path: Path,
) -> None:
    """Refuse sketches, or tables, of different operators: a SketchMismatchError, naming files."""
    if sketch.fingerprint != other.fingerprint:
        raise SketchMismatchError(
            f"{path} and {other_path} were made with different operators "
            f"({sketch.fingerprint[:12]} and {other.fingerprint[:12]}); make one of them again "
            "with sketch --like the other"
        )


def load_operator(path: Path | None) -> FrequencyOperator | None:
    """Read an operator, if there is one to read; an error names the file."""
    return None if path is None else name_errors(FrequencyOperator.load, path)


def load_estimator(path: Path) -> Any:
    """Read a model; an error, as of `load_model`, names the file."""
    return name_errors(load_model, path)


def name_errors(read: Callable[[Path], Content], path: Path) -> Content:
    """Read a file; a ValueError names it, as an OSError does by itself."""
    try:
        return read(path)
    except ValueError as error:
        raise type(error)(f"{path}: {error}") from error


def is_of_kind(path: Path, noun: str) -> bool:
    """Whether a file says that it is of a kind of this library's files."""
    identity = identify_file(path)
    return identity is not None and identity.noun == noun


def require_writable(
    output: Path,
    inputs: Iterable[Path],
    is_alike: Callable[[Path], bool],
    noun: str,
    is_forced: bool,
    data: tuple[RowSource, list[str]] | None = None,
) -> None:
    """Refuse a place for a result that cannot hold one, or holds something else, before any work.

    Parameters
    ----------
    output : Path
        Where the result goes.
    inputs : iterable of Path
        What the command reads; it is never written to.
    is_alike : callable
        Whether a file that is there already is a result of this kind.
    noun : str
        What messages call such a result.
    is_forced : bool
        Whether a file of another kind may be replaced.
    data : (RowSource, list of str), optional
        Rows that the command reads, and what they were called: a file that these names would stand
        for once it is there is none to write to either.

    Raises
    ------
    OSError
        If the folder is missing or takes no files, or the path is a folder or a read-only file.
    ValueError
        If the output is an input, or a file of another kind that may not be replaced.
    """
    if output.is_dir():
        raise IsADirectoryError(f"{output} is a directory; -o expects a file")
    if not output.parent.is_dir():
        raise FileNotFoundError(f"the directory {output.parent} of -o {output.name} does not exist")
    for path in inputs:
        if is_same_file(output, path):
            raise ValueError(f"-o {output} is {path}, which is read here: choose another name")
    if data:
        _require_unread(output, *data)
    is_other = output.is_file() and output.stat().st_size > 0 and not is_alike(output)
    if is_other and not is_forced:
        raise ValueError(
            f"{output} is there and is not {noun}: choose another name, or replace it with --force"
        )
    require_replaceable(output)


def _require_unread(output: Path, source: RowSource, data: list[str]) -> None:
    """Refuse an output that is among the data, or would be if the command were called again."""
    for part in source.partitions:
        # The file, and where an array within it was chosen, the file without the array's name.
        name = part.name.removeprefix("file://")
        for path in {name, name.partition("::")[0]}:
            if is_same_file(output, Path(path)) or _is_within(output, path):
                raise ValueError(
                    f"-o {output} is, or lies in, {path}, which is read here: choose another name"
                )
    for entry in (name.removeprefix("file://") for name in data):
        if "://" not in entry and _would_be_read(output, os.path.expanduser(entry)):
            raise ValueError(
                f"-o {output} would be among the data the next time, since {entry} stands for it: "
                "choose another name or directory"
            )


def is_same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, by links of any kind."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def _is_within(output: Path, folder: str) -> bool:
    """Whether a file is, or would be, somewhere in a folder."""
    return (
        os.path.isdir(folder) and Path(os.path.realpath(folder)) in _resolve_folders(output).parents
    )


def _resolve_folders(output: Path) -> Path:
    """Return a path whose folders are no links; the file itself may be one, or missing."""
    return Path(os.path.realpath(output.parent)) / output.name


def _would_be_read(output: Path, entry: str) -> bool:
    """Whether a directory or a pattern of data stands for a file of this name."""
    if os.path.isdir(entry):
        inner = _resolve_folders(output).parts[len(Path(os.path.realpath(entry)).parts) :]
        is_read = output.name.lower().endswith(DATA_ENDINGS)
        return is_read and _is_within(output, entry) and not any(map(_is_hidden, inner))
    if os.path.exists(entry) or not glob.has_magic(entry):
        return False
    # The part before the first wildcard may lead through links.
    parts = Path(os.path.abspath(entry)).parts
    n_plain = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    pattern = (*Path(os.path.realpath(Path(*parts[:n_plain]))).parts, *parts[n_plain:])
    place = _resolve_folders(output)
    folders = [folder for folder in place.parents if _matches_pattern(folder.parts, pattern)]
    return _matches_pattern(place.parts, pattern) or any(
        _would_be_read(output, str(folder)) for folder in folders
    )


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _matches_pattern(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether the parts of a path match those of a pattern, as `glob` would have it."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _matches_pattern(parts, pattern[1:]) or (
            bool(parts) and not parts[0].startswith(".") and _matches_pattern(parts[1:], pattern)
        )
    if not parts or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches_pattern(parts[1:], pattern[1:])
