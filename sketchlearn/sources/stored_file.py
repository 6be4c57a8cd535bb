"""A file here or on a remote store, by its path or URL."""

from __future__ import annotations

import os
import tempfile
import weakref
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from sketchlearn.sources.optional import import_optional

# What remote file systems say of a file that tells it from a changed one.
CHANGES = ("mtime", "LastModified", "last_modified", "Last-Modified", "ETag", "etag", "created")


@dataclass(frozen=True, eq=False)
class StoredFile:
    """A file, or a folder that is read like one.

    Parameters
    ----------
    name : str
        Its path or URL, as messages say it.
    path : str
        Its path in its file system.
    system : fsspec.AbstractFileSystem, optional
        Where it is; None for the local files.
    origin : tuple of fsspec.AbstractFileSystem and str, optional
        What it is a local copy of.

    Examples
    --------
    >>> from sketchlearn.sources import StoredFile
    >>> StoredFile("folder/Rows.NPY", "folder/Rows.NPY").ending()
    'folder/rows.npy'
    """

    name: str
    path: str
    system: Any = None
    origin: tuple[Any, str] | None = None

    def open(self) -> IO[bytes]:
        """Open it to read bytes, at any place."""
        if self.system is None:
            return open(self.path, "rb")
        file: IO[bytes] = self.system.open(self.path, "rb")
        return file

    def size(self) -> int:
        """Bytes; 0 where that is not known."""
        if self.system is None:
            return os.path.getsize(self.path)
        return int(self.system.info(self.path).get("size") or 0)

    def identity(self) -> str:
        """Path, size and time of change, the newest of a folder's files; of URLs what is known."""
        if self.system is None and self.origin is None:
            return _local_identity(self.path)
        system, path = self.origin or (self.system, self.path)
        system.invalidate_cache()
        info = system.info(path)
        known = [f"{key} {info[key]}" for key in CHANGES if info.get(key) is not None]
        return ", ".join([self.name, f"{info.get('size')} bytes", *known])

    def version(self) -> str:
        """Identity, and of local files what changes even if the time of change is set back."""
        if self.system is not None or self.origin is not None:
            return self.identity()
        stats = _stat_files(self.path)
        changed = max((s.st_ctime_ns for s in stats), default=0)
        return f"{self.identity()}, {sum(s.st_ino for s in stats)}, {changed}"

    def arrow_system(self) -> Any:
        """The file system as pyarrow has it."""
        fs = import_optional("pyarrow.fs")
        if self.system is None:
            return fs.LocalFileSystem()
        return fs.PyFileSystem(fs.FSSpecHandler(self.system))

    def ending(self) -> str:
        """What its name says, without what may follow in a URL, in lower case."""
        # Of a chain of file systems, a file in an archive for instance, the last one's path.
        path = self.name if self.system is None else self.path
        path = urlsplit(path).path if is_web(path) else path
        return path.rstrip("/" + os.sep).lower()


class InStoredFile:
    """What a partition that is a file takes from it: its size, identity and version."""

    _file: StoredFile

    def size(self) -> int:
        """Bytes."""
        return self._file.size()

    def identity(self) -> str:
        """Path, size and time of change."""
        return self._file.identity()

    def version(self) -> str:
        """See `Partition.version`."""
        return self._file.version()


def is_url(path: str) -> bool:
    """Whether a path names a remote file system: ``s3://``, or ``simplecache::s3://``."""
    scheme, separator, _ = path.partition("://")
    is_scheme = bool(separator) and all(part.isidentifier() for part in scheme.split("::"))
    return is_scheme and scheme != "file"


def is_web(path: str) -> bool:
    """Whether a path is a URL of the web, which may end in a query."""
    return path.startswith(("http://", "https://"))


def local_path(path: str) -> str:
    """Path of a local file, ``file://`` and ``~`` resolved."""
    if path.startswith("file://"):
        return unquote(urlsplit(path).path)
    return os.path.expanduser(path)


def remote_system(url: str) -> tuple[Any, str]:
    """Open the file system that a URL is of; give it and the path there.

    Raises
    ------
    ImportError
        If fsspec, or the package that it needs for this kind of URL, is not installed.
    ValueError, OSError
        If there is no such kind, or it cannot be reached.
    """
    fsspec = import_optional("fsspec")
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        return _arrows_own(url, error)
    return system, path


def remote_file(name: str, path: str, system: Any) -> StoredFile:
    """Return a file of a remote file system; a copy of it where the server sends whole files only.

    Parameters
    ----------
    name : str
        Its URL.
    path : str
        Its path in the file system.
    system : fsspec.AbstractFileSystem
        The file system.
    """
    if not is_web(name) or _sends_parts(system, path):
        return StoredFile(name, path, system)
    descriptor, copy = tempfile.mkstemp(prefix="sketchlearn-")
    os.close(descriptor)
    file = StoredFile(name, copy, origin=(system, path))
    weakref.finalize(file, os.unlink, copy)
    system.get_file(path, copy)
    return file


def _sends_parts(system: Any, path: str) -> bool:
    """Whether a web server sends a part of a file if it is asked for."""
    size = system.info(path).get("size")
    if not size:
        return False
    try:
        with system.open(path, "rb") as file:
            file.seek(size - 1)
            return len(file.read(1)) == 1
    except ValueError:
        return False


def _arrows_own(url: str, error: ImportError) -> tuple[Any, str]:
    """Open a file system that pyarrow brings, S3's for instance, where fsspec lacks a package."""
    try:
        from fsspec.implementations.arrow import ArrowFSWrapper
        from pyarrow import fs

        system, path = fs.FileSystem.from_uri(url)
    except (ImportError, ValueError, NotImplementedError):
        raise ImportError(f"cannot read {url}: {error}") from error
    return ArrowFSWrapper(system), path


def _local_identity(path: str) -> str:
    """Path, size and time of change of a file; the newest of a folder's."""
    stats = _stat_files(path)
    size, changed = sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)
    return f"{os.path.abspath(path)}, {size} bytes, changed at {changed} ns"


def _stat_files(path: str) -> list[os.stat_result]:
    if not os.path.isdir(path):
        return [os.stat(path)]
    return [os.stat(os.path.join(folder, n)) for folder, _, names in os.walk(path) for n in names]
