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
from sketchlearn.sources.arrays import ArrayPartition, require_rows, selected
from sketchlearn.sources.source import Chunk, Layout, Sampled
from sketchlearn.sources.stored_file import InStoredFile, StoredFile


class NpyPartition(InStoredFile, ArrayPartition):
    """A .npy file, of which a chunk is read at a time.

    Local files are mapped into memory for no longer than a chunk: maps count as resident.

    Parameters
    ----------
    file : StoredFile
        The file.
    member : str, optional
        None: it holds one array, without a name.

    Raises
    ------
    SourceError
        If a member is named.
    """

    def __init__(self, file: StoredFile, member: str | None) -> None:
        if member is not None:
            raise SourceError(f"{file.name} holds one array, without a name to choose it by")
        self.name, self._file = file.name, file

    def shape(self) -> tuple[int, ...]:
        """See `ArrayPartition.shape`."""
        with self._file.open() as file:
            shape, _, dtype = _read_npy_header(file)
        require_rows(shape, dtype, self.name)
        return shape

    def slices(self, n_rows: int, start: int) -> Iterator[np.ndarray]:
        """See `ArrayPartition.slices`."""
        n = self.shape()[0]
        for at in range(start, n, n_rows):
            yield self._read_rows(at, min(n, at + n_rows))

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
        rows = np.concatenate([self._read_rows(start, min(n, start + length)) for start in starts])
        yield Sampled(Chunk(selected(rows, layout)), rng.random(len(rows)), n / len(rows))

    def _read_rows(self, start: int, stop: int) -> np.ndarray:
        """Read some rows; never unpickle anything."""
        if self._file.system is None:
            mapped = np.load(self._file.path, mmap_mode="r", allow_pickle=False)
            return np.array(mapped[start:stop], order="K")
        with self._file.open() as file:
            shape, is_fortran, dtype = _read_npy_header(file)
            if is_fortran:
                raise SourceError(
                    f"{self.name} is in Fortran's order, which is read from local files only"
                )
            file.seek(start * shape[1] * dtype.itemsize, os.SEEK_CUR)
            data = file.read((stop - start) * shape[1] * dtype.itemsize)
        return np.frombuffer(data, dtype=dtype).reshape(stop - start, shape[1])


class NpzPartition(InStoredFile, ArrayPartition):
    """An array in an .npz archive, decompressed as it is read.

    One that was saved in Fortran's order has its rows everywhere, and is loaded whole.

    Parameters
    ----------
    file : StoredFile
        The archive.
    member : str, optional
        The array's name; by default that of the only array of rows.
    """

    def __init__(self, file: StoredFile, member: str | None) -> None:
        self.name = file.name if member is None else f"{file.name}::{member}"
        self._file, self._asked = file, member

    def identity(self) -> str:
        """Path, size and time of change."""
        return f"{self._file.identity()}, {self._member}"

    def shape(self) -> tuple[int, ...]:
        """See `ArrayPartition.shape`."""
        with self._open_member() as (_, shape, _, dtype):
            require_rows(shape, dtype, self.name)
            return shape

    def slices(self, n_rows: int, start: int) -> Iterator[np.ndarray]:
        """See `ArrayPartition.slices`."""
        with self._open_member() as (file, shape, is_fortran, dtype):
            if is_fortran:
                data = file.read()
                array = np.frombuffer(data, dtype=dtype).reshape(shape, order="F")
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
    def _open_member(self) -> Iterator[tuple[IO[bytes], tuple[int, ...], bool, np.dtype[Any]]]:
        """Open the member: the file after its header, shape, whether of Fortran's order, type."""
        with (
            self._file.open() as stored,
            zipfile.ZipFile(stored) as archive,
            archive.open(f"{self._member}.npy") as file,
        ):
            yield (file, *_read_npy_header(file))

    @cached_property
    def _member(self) -> str:
        with self._file.open() as stored, zipfile.ZipFile(stored) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            if self._asked is not None and self._asked not in names:
                raise SourceError(f"{self._file.name} has no array {self._asked!r}; it has {names}")
            if self._asked is not None:
                return self._asked
            found = {}
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as file:
                        shape, _, dtype = _read_npy_header(file)
                    found[name.removesuffix(".npy")] = shape, dtype
        return choose_array(self._file.name, found)


def choose_array(path: str, found: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> str:
    """Name the one two-dimensional array of numbers among several; SourceError if there is none."""
    names = [name for name, (shape, _) in found.items() if len(shape) == 2]
    names = [name for name in names if found[name][1].kind in "biuf"] or names
    if len(names) == 1:
        return names[0]
    if not names:
        raise SourceError(f"{path} has no two-dimensional array; it has {list(found)}")
    raise SourceError(
        f"{path} has several arrays of rows, {', '.join(names)}: choose one as {path}::{names[0]}"
    )


def _read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, whether of Fortran's order, and type of a .npy file."""
    version = npy_format.read_magic(file)
    read = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    return read(file)
