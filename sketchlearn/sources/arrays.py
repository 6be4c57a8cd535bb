"""Arrays as sources, and the checks that everything array-like shares."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.exact_values import (
    require_exact_list,
    require_exact_objects,
    require_no_mask,
    require_real,
)
from sketchlearn.sources.source import (
    IDENTIFYING_ROWS,
    Chunk,
    Layout,
    Partition,
    Sampled,
    count_chunk_rows,
)

# What one chunk of an array in memory may span, where it takes no more memory.
VIEW_BYTES = 2**24


class ArrayPartition(Partition):
    """Rows of an array that gives slices of them: in memory, or in a file.

    Subclasses say where the array is.
    """

    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of the array; SourceError if it is not two-dimensional or not of real numbers."""

    @abstractmethod
    def slices(self, n_rows: int, start: int) -> Iterator[np.ndarray]:
        """Yield all rows from the `start`-th on, about `n_rows` at once."""

    def n_rows(self) -> int | None:
        """Rows."""
        return self.shape()[0]

    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """See `Partition.layout`."""
        return lay_out_array(self.shape()[1], columns, self.name)

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Partition.read`."""
        width = self.shape()[1]
        for rows in self.slices(count_chunk_rows(width), start):
            if rows.shape[1:] != (width,):
                raise SourceError(
                    f"{self.name} must have {width} columns, as its shape says, got rows of shape "
                    f"{rows.shape}"
                )
            yield Chunk(selected(rows, layout))


class MemoryPartition(ArrayPartition):
    """An array in memory.

    Parameters
    ----------
    rows : array-like of shape (n_samples, n_features)
        Real numbers.
    columns : dict of str to ndarray of shape (n_samples,), optional
        What lies beside the rows, as in `Chunk`.
    name : str
        What messages call it.
    """

    is_file = False
    takes_time = False

    def __init__(
        self, rows: Any, columns: Mapping[str, np.ndarray] | None = None, name: str = "the array"
    ) -> None:
        self.name = name
        self._all = Chunk(as_rows(rows, name), columns or {})

    def shape(self) -> tuple[int, ...]:
        """See `ArrayPartition.shape`."""
        return self._all.rows.shape

    def size(self) -> int:
        """Rows."""
        return len(self._all)

    def identity(self) -> str:
        """Shape, type, and a digest of some rows from all over the array."""
        digest = hashlib.blake2b(digest_size=16)
        some = self._all[:: max(1, len(self._all) // IDENTIFYING_ROWS)]
        for array in (some.rows, *some.columns.values()):
            digest.update(np.ascontiguousarray(array).tobytes())
        return f"the array {self.shape()} {some.rows.dtype} {digest.hexdigest()}"

    def slices(self, n_rows: int, start: int) -> Iterator[np.ndarray]:
        """See `ArrayPartition.slices`."""
        for at in range(start, len(self._all), n_rows):
            yield self._all.rows[at : at + n_rows]

    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """See `Partition.read`; the chunks are views."""
        n_rows = count_chunk_rows(self._all.rows.shape[1], VIEW_BYTES)
        for at in range(start, len(self._all), n_rows):
            chunk = self._all[at : at + n_rows]
            yield replace(chunk, rows=selected(chunk.rows, layout))

    def sample(
        self, layout: Layout, size: int, n_reads: int, rng: np.random.Generator
    ) -> Iterator[Sampled]:
        """Yield uniform rows."""
        n = len(self._all)
        drawn = self._all[np.sort(rng.choice(n, min(n, size), replace=False))]
        chunk = replace(drawn, rows=selected(drawn.rows, layout))
        yield Sampled(chunk, rng.random(len(drawn)), n / max(1, len(drawn)))


def lay_out_array(width: int, columns: Sequence[str | int] | None, name: str) -> Layout:
    """Look up columns by index in an array of that many; SourceError if one is not there."""
    if columns is None:
        return Layout(None, None, width)
    indices: list[str | int] = []
    for column in columns:
        if isinstance(column, bool | str) or not isinstance(column, int | np.integer):
            raise SourceError(f"columns of {name} have no names, choose by index; got {column!r}")
        if not 0 <= column < width:
            raise SourceError(f"{name} has no column {column}: it has {width} columns")
        indices.append(int(column))
    if not indices:
        raise SourceError(f"no column of {name} was chosen")
    return Layout(tuple(indices), None, len(indices))


def selected(rows: np.ndarray, layout: Layout) -> np.ndarray:
    """Choose the columns that were asked for."""
    return rows if layout.columns is None else rows[:, np.array(layout.columns, dtype=np.intp)]


def as_rows(data: Any, name: str) -> np.ndarray:
    """Return array-like data as rows of real numbers; SourceError if it is none, or masked."""
    if issparse(data):
        raise SourceError(f"{name} is sparse, which is not read; give its toarray()")
    try:
        rows = as_array(data)
    except ValueError as error:
        raise SourceError(f"{name} is no array of rows: {error}") from error
    require_rows(rows.shape, rows.dtype, name)
    try:
        require_faithful(data, rows, name)
    except ValueError as error:
        raise SourceError(str(error)) from None
    return np.asarray(rows)


def as_array(data: Any) -> np.ndarray:
    """Return array-like data as an array, masked where it is, or one of its rows."""
    if isinstance(data, list | tuple) and any(map(np.ma.isMaskedArray, data)):
        return np.ma.stack(data)
    # Dask's arrays say no more of a mask once they are numpy's.
    return np.asanyarray(data.compute() if hasattr(data, "compute") else data)


def require_faithful(data: Any, array: np.ndarray, name: str) -> None:
    """Refuse data whose entries are misrepresented in its array, or would be in one of float64.

    Integers in an array of integers are checked where they are read.

    Parameters
    ----------
    data : array-like
        The data.
    array : ndarray
        What `as_array` made of it.
    name : str
        What messages call it.

    Raises
    ------
    TypeError
        If it holds dates, times, records or text among objects.
    ValueError
        If entries are masked, or integers too large.
    """
    width = array.shape[-1] if array.ndim > 1 else 1

    def place(i: int) -> str:
        return f"{name}, in row {i // width}, column {i % width},"

    require_no_mask(array, name)
    if array.dtype.kind in "MmVTO":
        require_real(array, name)
    if array.dtype == object:
        require_exact_objects(array, place)
    elif isinstance(data, list | tuple):
        require_exact_list(data, array, place)


def require_rows(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Refuse, by a SourceError, what is not two-dimensional, has no column or no real numbers."""
    if len(shape) != 2:
        raise SourceError(f"{name} must be two-dimensional, rows by features, got shape {shape}")
    if shape[1] == 0:
        raise SourceError(f"{name} has no columns")
    if dtype.kind not in "biuf":
        raise SourceError(f"{name} must hold real numbers, got {dtype}")
