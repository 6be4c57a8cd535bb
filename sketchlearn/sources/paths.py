"""From paths, patterns and directories to files, local or remote."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.stored_file import (
    StoredFile,
    is_url,
    is_web,
    local_path,
    remote_file,
    remote_system,
)

# Folders that are read like files.
FOLDERS = (".zarr",)


class Entry(NamedTuple):
    """A file, and the array in it that was asked for, if any."""

    file: StoredFile
    member: str | None


def find_files(path: str, is_known: Callable[[str], bool]) -> list[Entry]:
    """Return the files that a path, a directory or a pattern stands for, in order of their names.

    ``path::member`` names an array in each of them.

    Parameters
    ----------
    path : str
        A path, with ``~`` or not, or a URL.
    is_known : callable
        Whether the name of a file in a directory tells its format.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ImportError
        If a package is missing that a URL needs.
    SourceError
        If a URL is of no known kind.
    """
    member = None
    start, separator, end = path.rpartition("::")
    if is_url(path) and separator and "://" not in end and not os.path.exists(local_path(end)):
        # To fsspec, what follows would be a file system in which the first is a file.
        path, member = start, end
    files = _matches(path, is_known)
    if not files and member is None and "::" in path and not is_url(path):
        path, _, member = path.rpartition("::")
        files = _matches(path, is_known)
    if files is None:
        raise FileNotFoundError(f"there is no file {path}")
    if not files and _is_pattern(path):
        raise FileNotFoundError(f"no file matches {path}")
    if not files:
        raise FileNotFoundError(f"the directory {path} holds no file of rows")
    return [Entry(file, member or None) for file in files]


def _matches(path: str, is_known: Callable[[str], bool]) -> list[StoredFile] | None:
    """Files that a path stands for; None if it is neither there nor a pattern."""
    if is_url(path):
        return _remote_matches(path, is_known)
    path = local_path(path)
    if os.path.isdir(path) and not path.rstrip(os.sep).lower().endswith(FOLDERS):
        return [StoredFile(file, file) for file in sorted(_files_in(path, is_known))]
    if os.path.exists(path):
        return [StoredFile(path, path)]
    if not _is_pattern(path):
        return None
    found = [_matches(match, is_known) or [] for match in sorted(_match_paths(path))]
    return [file for files in found for file in files]


def _remote_matches(url: str, is_known: Callable[[str], bool]) -> list[StoredFile] | None:
    """Files that a URL stands for; None if it is neither there nor a pattern."""
    try:
        system, path = remote_system(url)
        if _is_pattern(url) and not system.exists(path):
            paths = sorted(system.glob(path))
        elif not system.exists(path):
            return None
        elif system.isdir(path) and not path.rstrip("/").lower().endswith(FOLDERS):
            paths = [file for file in sorted(system.find(path)) if _is_shown(file[len(path) :])]
            paths = [file for file in paths if is_known(file)]
        else:
            return [remote_file(url, path, system)]
        return [remote_file(str(system.unstrip_protocol(file)), file, system) for file in paths]
    except (ValueError, OSError) as error:
        raise SourceError(f"cannot read {url}: {error}") from error


def _is_pattern(path: str) -> bool:
    """Whether a path has wildcards; a question mark begins the query of a URL."""
    return glob.has_magic(path.replace("?", "") if is_web(path) else path)


def _match_paths(pattern: str) -> list[str]:
    """Paths that match a pattern; brackets in the name of a folder that is there are just that."""
    head, tail = "", pattern
    while (separator := tail.find(os.sep)) >= 0:
        longer = head + tail[: separator + 1]
        if not os.path.isdir(longer):
            break
        head, tail = longer, tail[separator + 1 :]
    return glob.glob(glob.escape(head) + tail, recursive=True)


def _files_in(directory: str, is_known: Callable[[str], bool]) -> Iterator[str]:
    """Files of rows in a directory and those below, hidden and technical ones left out."""
    for folder, folders, names in os.walk(directory):
        stores = [name for name in folders if name.lower().endswith(FOLDERS)]
        folders[:] = [n for n in folders if n not in stores and _is_shown(n)]
        for name in [*stores, *names]:
            if _is_shown(name) and is_known(name):
                yield os.path.join(folder, name)


def _is_shown(path: str) -> bool:
    """Whether neither a file nor a folder above it is hidden or technical."""
    return not any(name.startswith((".", "_")) for name in path.split("/"))


def require_text_path(data: Any) -> str:
    """Return a path as text; TypeError if it is one of bytes."""
    path = os.fspath(data)
    if isinstance(path, bytes):
        raise TypeError(f"paths must be text, got {path!r}")
    return path
