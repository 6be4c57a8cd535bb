"""Arrays that HDF5 and Zarr store in chunks."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.array_files import choose_array
from sketchlearn.sources.arrays import ArrayPartition, require_rows, selected
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.sampling import sample_systematically
from sketchlearn.sources.source import IDENTIFYING_ROWS, Chunk, Layout, Sampled, count_chunk_rows
from sketchlearn.sources.stored_file import InStoredFile, StoredFile


class StoredPartition(ArrayPartition):
    """An array stored in chunks, which are read whole: they are compressed.

    Subclasses open it.
    """

    @abstractmethod
    def _open_array(self) -> Any:
        """Return a context manager of what has a shape, a dtype, chunks, and slices."""

    def shape(self) -> tuple[int, ...]:
        """See `ArrayPartition.shape`."""
        with self._open_array() as array:
            require_rows(array.shape, array.dtype, self.name)
            return tuple(array.shape)

    def slices(self, n_rows: int, start: int) -> Iterator[np.ndarray]:
        """See `ArrayPartition.slices`."""
        with self._open_array() as array:
            n, at, step = array.shape[0], start, _stored_rows(array, n_rows)
            while at < n:
                stop = min(n, (at // step + 1) * step)
                rows = np.asarray(array[at:stop])
                yield from (rows[i : i + n_rows] for i in range(0, len(rows), n_rows))
                at = stop

    def n_strata(self) -> int:
        """Stored chunks, or several of small ones."""
        with self._open_array() as array:
            return -(-array.shape[0] // _stored_rows(array, count_chunk_rows(array.shape[1])))

    def sample(
        self, layout: Layout, size: int, n_reads: int, rng: np.random.Generator
    ) -> Iterator[Sampled]:
        """Yield the rows of some stored chunks."""
        with self._open_array() as array:
            n, step = array.shape[0], _stored_rows(array, count_chunk_rows(array.shape[1]))
            sizes = [min(step, n - at) for at in range(0, n, step)]
            for pick in sample_systematically(sizes, n_reads, rng):
                rows = np.asarray(array[pick.index * step : (pick.index + 1) * step])
                chunk = Chunk(selected(rows, layout))
                yield Sampled(chunk, rng.random(len(rows)), pick.factor)


class StoredFilePartition(InStoredFile, StoredPartition):
    """An array in a file of HDF5, or a folder of Zarr.

    Parameters
    ----------
    file : StoredFile
        The file or folder.
    member : str, optional
        The array's name; by default that of the only array of rows.
    """

    def __init__(self, file: StoredFile, member: str | None) -> None:
        self.name = file.name if member is None else f"{file.name}::{member}"
        self._file, self._member = file, member

    def size(self) -> int:
        """Bytes of the rows, uncompressed."""
        with self._open_array() as array:
            return int(array.shape[0] * array.shape[-1] * array.dtype.itemsize)

    def identity(self) -> str:
        """Path, size and time of change."""
        return f"{self._file.identity()}, {self._member or 'its only array'}"


class Hdf5Partition(StoredFilePartition):
    """A data set in an HDF5 file."""

    @contextmanager
    def _open_array(self) -> Iterator[Any]:
        h5py = import_optional("h5py")
        with ExitStack() as stack:
            # By its path where there is one: the library then notices a file that is cut off.
            stored: Any = self._file.path
            if self._file.system is not None:
                stored = stack.enter_context(self._file.open())
            file = stack.enter_context(h5py.File(stored, "r"))
            yield _find_array(file, self._member, self._file.name)


class ZarrPartition(StoredFilePartition):
    """A Zarr array, or one in a Zarr group."""

    @contextmanager
    def _open_array(self) -> Iterator[Any]:
        stored = self._file.path if self._file.system is None else self._file.name
        opened = import_optional("zarr").open(stored, mode="r")
        if hasattr(opened, "shape") and self._member is None:
            yield opened
        else:
            yield _find_array(opened, self._member, self._file.name)


class OpenArrayPartition(StoredPartition):
    """An array of h5py or zarr that the caller has opened.

    Parameters
    ----------
    array : h5py.Dataset or zarr.Array, or a file or group with one array of rows
        What to read.
    """

    is_file = False

    def __init__(self, array: Any) -> None:
        name = getattr(array, "name", None)
        self.name = f"the {type(array).__name__} {name}"
        self._array = array if hasattr(array, "shape") else _find_array(array, None, self.name)

    def size(self) -> int:
        """Rows."""
        return int(self._array.shape[0])

    def identity(self) -> str:
        """Name, shape, type, and a digest of the first rows."""
        first = np.ascontiguousarray(self._array[:IDENTIFYING_ROWS])
        digest = hashlib.blake2b(first.tobytes(), digest_size=16).hexdigest()
        return f"{self.name} {self._array.shape} {self._array.dtype} {digest}"

    @contextmanager
    def _open_array(self) -> Iterator[Any]:
        """Yield the array; the caller owns it."""
        yield self._array


def _stored_rows(array: Any, n_rows: int) -> int:
    """Rows to read at once: whole stored chunks, about `n_rows` of them."""
    stored = int(array.chunks[0]) if array.chunks else 1
    return max(stored, n_rows // stored * stored)


def _find_array(group: Any, name: str | None, path: str) -> Any:
    """Find an array in a group, by its name or as the only one of rows."""
    if name is None:
        arrays = _arrays_in(group)
        return arrays[choose_array(path, {n: (a.shape, a.dtype) for n, a in arrays.items()})]
    member = _follow_link(group, name) if hasattr(group, "keys") else None
    if hasattr(member, "keys"):
        return _find_array(member, None, f"{path}::{name}")
    if not _is_array(member):
        raise SourceError(f"{path} has no array {name!r}")
    return member


def _arrays_in(group: Any, prefix: str = "", above: tuple[Any, ...] = ()) -> dict[str, Any]:
    """All arrays in a group and its groups, each once; links may lead back, twice, or nowhere."""
    found: dict[str, Any] = {}
    for name in group:
        member = _follow_link(group, name)
        if hasattr(member, "keys") and member not in (group, *above):
            inner = _arrays_in(member, f"{prefix}{name}/", (group, *above))
        else:
            inner = {prefix + name: member} if _is_array(member) else {}
        known = list(found.values())
        found |= {path: array for path, array in inner.items() if array not in known}
    return found


def _follow_link(group: Any, name: str) -> Any:
    """Return a member of a group; None where a link leads nowhere."""
    try:
        return group[name]
    except (KeyError, OSError, RuntimeError):
        return None


def _is_array(member: Any) -> bool:
    """Whether this is an array that numpy has a type for, rather than a type or an empty entry."""
    try:
        return getattr(member, "shape", None) is not None and member.dtype is not None
    except TypeError:
        return False
