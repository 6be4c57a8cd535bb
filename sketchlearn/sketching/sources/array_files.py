"""numpy's files: .npy, and arrays in .npz archives."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format

from sketchlearn.exceptions import SourceError
from sketchlearn.sketching.sources.arrays import ArrayPart, require_rows, selected
from sketchlearn.sketching.sources.source import Chunk, Layout, Sampled


def file_identity(path: str) -> str:
    """Give the path, size and time of change of a file; the newest of a folder's."""
    if os.path.isdir(path):
        files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
        stats = [os.stat(file) for file in files]
    else:
        stats = [os.stat(path)]
    size, changed = sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)
    return f"{os.path.abspath(path)}, {size} bytes, changed at {changed} ns"


class NpyPart(ArrayPart):
    """A .npy file, mapped into memory for no longer than a chunk: maps count as resident.

    Parameters
    ----------
    path : str
        The file.
    """

    def __init__(self, path: str) -> None:
        self.name = path

    def size(self) -> int:
        """Bytes."""
        return os.path.getsize(self.name)

    def identity(self) -> str:
        """Path, size and time of change."""
        return file_identity(self.name)

    def shape(self) -> tuple[int, ...]:
        """See `ArrayPart.shape`."""
        array = self._mapped()
        require_rows(array.shape, array.dtype, self.name)
        return array.shape

    def slices(self, n_rows: int, start: int) -> Iterator[np.ndarray]:
        """See `ArrayPart.slices`."""
        for at in range(start, self.shape()[0], n_rows):
            yield np.array(self._mapped()[at : at + n_rows], order="K")

    def sample(
        self, layout: Layout, size: int, n_reads: int, rng: np.random.Generator
    ) -> Iterator[Sampled]:
        """Yield runs of rows at even distances, ten to a read, as these are small."""
        n, n_runs = self.shape()[0], 10 * n_reads
        if n <= max(2 * size, n_runs):
            yield from super().sample(layout, size, n_reads, rng)
            return
        length = -(-size // n_runs)
        starts = ((np.arange(n_runs) + rng.random()) * (n / n_runs)).astype(int)
        # A map for each run: the system keeps more than the rows of what is mapped for longer.
        runs = [np.array(self._mapped()[start : start + length]) for start in starts]
        rows = np.concatenate(runs)
        yield Sampled(Chunk(selected(rows, layout), None), rng.random(len(rows)), n / len(rows))

    def _mapped(self) -> np.ndarray:
        """Map the file; never unpickle anything."""
        return np.asarray(np.load(self.name, mmap_mode="r", allow_pickle=False))


class NpzPart(ArrayPart):
    """An array in an .npz archive, decompressed as it is read.

    One that was saved in Fortran's order has its rows everywhere, and is loaded whole.

    Parameters
    ----------
    path : str
        The archive.
    member : str, optional
        The array's name; by default that of the only array of rows.
    """

    def __init__(self, path: str, member: str | None) -> None:
        self.name = path if member is None else f"{path}::{member}"
        self._path, self._asked = path, member

    def size(self) -> int:
        """Bytes of the archive."""
        return os.path.getsize(self._path)

    def identity(self) -> str:
        """Path, size and time of change."""
        return f"{file_identity(self._path)}, {self._member}"

    def shape(self) -> tuple[int, ...]:
        """See `ArrayPart.shape`."""
        with self._opened() as (_, shape, _, dtype):
            require_rows(shape, dtype, self.name)
            return shape

    def slices(self, n_rows: int, start: int) -> Iterator[np.ndarray]:
        """See `ArrayPart.slices`."""
        with self._opened() as (file, shape, is_fortran, dtype):
            if is_fortran:
                with np.load(self._path, allow_pickle=False) as archive:
                    array = archive[self._member]
                yield from (array[at : at + n_rows] for at in range(start, shape[0], n_rows))
                return
            row_bytes = dtype.itemsize * shape[1]
            file.seek(start * row_bytes, os.SEEK_CUR)
            for at in range(start, shape[0], n_rows):
                n = min(n_rows, shape[0] - at)
                data = file.read(n * row_bytes)
                if len(data) < n * row_bytes:
                    raise SourceError(f"{self.name} ends in row {at + len(data) // row_bytes}")
                yield np.frombuffer(data, dtype=dtype).reshape(n, shape[1])

    @contextmanager
    def _opened(self) -> Iterator[tuple[IO[bytes], tuple[int, ...], bool, np.dtype[Any]]]:
        """Open the member: the file after its header, shape, whether of Fortran's order, type."""
        with zipfile.ZipFile(self._path) as archive, archive.open(f"{self._member}.npy") as file:
            yield (file, *_header(file))

    @cached_property
    def _member(self) -> str:
        """The array's name."""
        with zipfile.ZipFile(self._path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if self._asked is not None and self._asked not in names:
                raise SourceError(f"{self._path} has no array {self._asked!r}; it has {names}")
            if self._asked is not None:
                return self._asked
            shapes = {}
            for name in names:
                with archive.open(f"{name}.npy") as file:
                    shapes[name] = _header(file)[0]
        return only_rows(self._path, shapes)


def only_rows(path: str, shapes: dict[str, tuple[int, ...]]) -> str:
    """Name the one two-dimensional array among several.

    Raises
    ------
    SourceError
        If there is none, or more than one.
    """
    found = [name for name, shape in shapes.items() if len(shape) == 2]
    if len(found) == 1:
        return found[0]
    if not found:
        raise SourceError(f"{path} has no two-dimensional array; it has {list(shapes)}")
    raise SourceError(
        f"{path} has several arrays of rows, {', '.join(found)}: choose one as {path}::{found[0]}"
    )


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, whether of Fortran's order, and type of a .npy file."""
    version = npy_format.read_magic(file)
    read = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    return read(file)
