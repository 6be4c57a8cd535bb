"""Files that commands read and write, and errors that name them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sketchlearn import Sketch, load_model

Content = TypeVar("Content")


def sketch_in(path: Path) -> Sketch:
    """Read a sketch; an error names the file.

    Raises
    ------
    SketchFormatError, OSError
        As `Sketch.load`.
    """
    return named(Sketch.load, path)


def model_in(path: Path) -> Any:
    """Read a model; an error names the file.

    Raises
    ------
    ModelFormatError, OSError
        As `load_model`.
    """
    return named(load_model, path)


def named(read: Callable[[Path], Content], path: Path) -> Content:
    """Read a file; a ValueError names it, as an OSError does by itself."""
    try:
        return read(path)
    except ValueError as error:
        raise type(error)(f"{path}: {error}") from error


def require_writable(path: Path) -> None:
    """Refuse a place for a result that cannot hold one, before any work is done.

    Raises
    ------
    OSError
        If the folder is missing, or the path is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory; -o expects a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the directory {path.parent} of -o {path.name} does not exist")


@contextmanager
def replaced_when_done(path: Path) -> Iterator[Path]:
    """Give a temporary path beside a file, which takes its place if all goes well."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        # A device or a pipe cannot be replaced.
        yield target
        return
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
