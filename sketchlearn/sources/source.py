"""What rows come from: a sequence of partitions, each read in order, a chunk at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, final

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.exact_values import advise_on_missing, require_exact_integers
from sketchlearn.sources.row_keys import KeyIndex
from sketchlearn.sources.weights import divide_weights

# What one chunk may take: small beside the program itself, large beside the cost of a call.
CHUNK_BYTES = 2**21
# Chunks are whole blocks of the kernels, at least one and at most as many as still balance.
ROWS_QUANTUM = 512
_MOST_CHUNK_ROWS: ContextVar[int] = ContextVar("the most rows of a chunk", default=2**16)
# First rows that tell one stream or table from another.
IDENTIFYING_ROWS = 1000
# What the side columns of weights, and of the numbers of rows' keys, are called.
WEIGHTS, GROUPS = "weights", "groups"


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some rows, and what lies beside them.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Of any real type.
    columns : dict of str to ndarray of shape (n,)
        Side columns, which are no features, by what they are for: ``"weights"``, float64, where
        rows are weighted; ``"groups"``, int64, where they are grouped.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.sources import Chunk
    >>> chunk = Chunk(np.eye(3), {"weights": np.array([1.0, 2.0, 3.0])})
    >>> chunk[1:].weights
    array([2., 3.])
    """

    rows: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def weights(self) -> np.ndarray | None:
        """Weights (n,) of the rows, if there are any."""
        return self.columns.get(WEIGHTS)

    @property
    def groups(self) -> np.ndarray | None:
        """Numbers (n,) of the rows' keys in a `KeyIndex`, if they are grouped."""
        return self.columns.get(GROUPS)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, which: Any) -> Chunk:
        """Return some of the rows, by a slice, a mask or indices, with what lies beside them."""
        return Chunk(self.rows[which], {name: self.columns[name][which] for name in self.columns})


def name_weights(weights: Any) -> dict[str, Any]:
    """Return weights, or the column that holds them, as side columns; none where there are none."""
    return {} if weights is None else {WEIGHTS: weights}


@dataclass(frozen=True)
class Query:
    """What is asked of rows with named columns, besides features.

    Parameters
    ----------
    side : dict of str to str
        The columns that lie beside the rows of a chunk, by what they are for.
    expression : pyarrow.compute.Expression, optional
        Which rows to read; all by default.
    keys : KeyIndex, optional
        What numbers the keys that rows are grouped by.

    Examples
    --------
    >>> from sketchlearn.sources import Query
    >>> Query({"weights": "count"}).is_empty
    False
    """

    side: Mapping[str, str] = field(default_factory=dict)
    expression: Any = None
    keys: KeyIndex | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked."""
        return not self.side and self.expression is None and self.keys is None

    @property
    def columns_beside(self) -> tuple[str, ...]:
        """Columns that lie beside the rows, or that their keys are made of."""
        return (*self.side.values(), *(self.keys.names if self.keys else ()))


class Sampled(NamedTuple):
    """Rows with keys, uniform on (0, 1), the smallest of which are to be drawn.

    Parameters
    ----------
    chunk : Chunk
        The rows.
    keys : ndarray of shape (n,)
        One a row.
    factor : float, default=1.0
        Where only some strata of a partition are read, how many times more likely the rows are to
        be drawn than those of another, so that all rows are equally likely.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.sources import Chunk, Sampled
    >>> Sampled(Chunk(np.eye(2)), np.random.default_rng(0).random(2)).factor
    1.0
    """

    chunk: Chunk
    keys: np.ndarray
    factor: float = 1.0


@dataclass(frozen=True)
class Layout:
    """Which columns of a partition are read, and which features they make.

    Parameters
    ----------
    columns : tuple of str or int, optional
        Columns to read, in order; None for all columns of an array.
    names : tuple of str, optional
        Names of the features; None where columns have no names. A column of lists of fixed size
        makes one feature an entry.
    n_features : int
        How many features a row has.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.sources import MemoryPartition
    >>> MemoryPartition(np.eye(3)).layout([2, 0])
    Layout(columns=(2, 0), names=None, n_features=2)
    """

    columns: tuple[str | int, ...] | None
    names: tuple[str, ...] | None
    n_features: int


class Partition(ABC):
    """A file, or whatever else is read in order: rows with one set of columns.

    Attributes
    ----------
    name : str
        What messages call it; the path of a file.
    is_file : bool
        Whether an error in reading it is the file's, to be reported with its name, rather than one
        of the caller's own code.
    can_be_read_again : bool
        Whether `read` can be called more than once.
    takes_time : bool
        Whether reading takes time, so that other rows are better summed meanwhile.
    is_named : bool
        Whether its columns have names, so that `layout` takes the names of features.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.sources import open_source
    >>> (partition,) = open_source(np.eye(3)).partitions
    >>> [chunk.rows.tolist() for chunk in partition.read(partition.layout([0]), start=1)]
    [[[0.0], [0.0]]]
    """

    name: str
    is_file: bool = True
    is_named: bool = False
    can_be_read_again: bool = True
    takes_time: bool = True

    @abstractmethod
    def size(self) -> int:
        """How large it is beside the other partitions, in bytes, or rows where that is known."""

    @abstractmethod
    def identity(self) -> str:
        """Tell this partition from a changed one; must not read it whole."""

    def version(self) -> str:
        """Tell whether it has changed while it was read: also what copies of it do not share."""
        return self.identity()

    @abstractmethod
    def layout(self, columns: Sequence[str | int] | None) -> Layout:
        """Look up columns; all of them if None.

        Where columns have names, the names of features, as a layout has them, choose these.

        Raises
        ------
        SourceError
            If it cannot be opened, lacks a column, or one does not hold numbers.
        """

    @abstractmethod
    def read(self, layout: Layout, start: int = 0) -> Iterator[Chunk]:
        """Yield the rows from the `start`-th on, always in the same order."""

    def n_rows(self) -> int | None:
        """How many rows `read` yields, if that is known without reading."""
        return None

    def n_strata(self) -> int:
        """Count the strata, each of one read, that `sample` needs to reach every row."""
        return 1

    def sample(
        self, layout: Layout, size: int, n_reads: int, rng: np.random.Generator
    ) -> Iterator[Sampled]:
        """Yield rows from all over the partition, each with a random key.

        Parameters
        ----------
        layout : Layout
            What to read.
        size : int
            How many rows of smallest key must be among those yielded, if there are as many.
        n_reads : int
            How many strata may be read at most.
        rng : numpy.random.Generator
            Where the keys come from.
        """
        for chunk in self.read(layout):
            yield Sampled(chunk, rng.random(len(chunk)))


@final
class RowSource:
    """Rows from files, tables, arrays or streams, in a fixed order and in bounded memory.

    `open_source` makes one of whatever holds rows.

    Parameters
    ----------
    partitions : sequence of Partition
        What is read, one after the other.
    columns : sequence of str or int, optional
        Columns to read; by default all, which must then be the same in all partitions.
    query : str
        What else was asked of the rows: the filter and the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.sources import MemoryPartition, RowSource
    >>> RowSource([MemoryPartition(np.eye(3)), MemoryPartition(np.ones((4, 3)))]).n_rows()
    7
    """

    def __init__(
        self,
        partitions: Sequence[Partition],
        columns: Sequence[str | int] | None = None,
        query: str = "",
    ) -> None:
        self.partitions = tuple(partitions)
        self.query = query
        self.asked = "all" if columns is None else ", ".join(map(str, columns))
        self.columns = None if columns is None else tuple(columns)
        self.weight_exponent = 0
        self._first: tuple[str, Layout] | None = None
        # Of the features, as the first partition that has names says.
        self._names: tuple[str, ...] | None = None
        self._expected: tuple[int, tuple[str, ...] | None] | None = None

    @property
    def can_be_read_again(self) -> bool:
        """Whether it can be read more than once."""
        return all(partition.can_be_read_again for partition in self.partitions)

    @property
    def layout(self) -> Layout:
        """Columns and features, as the first partition has them."""
        return self._first[1] if self._first else self.look_up_layout(self.partitions[0])

    @property
    def settled_columns(self) -> tuple[str | int, ...] | None:
        """Columns that are read, once a partition was opened."""
        return self._first[1].columns if self._first else self.columns

    def n_rows(self) -> int | None:
        """How many rows there are, if that is known without reading them."""
        try:
            counts = [partition.n_rows() for partition in self.partitions]
        except Exception:
            # Whatever is wrong with a partition is said when it is read.
            return None
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def expect(self, n_features: int, names: Sequence[str] | None) -> None:
        """Insist on these features, for instance those that a sketcher was fitted on.

        Columns with names are read by these, in whatever order they are, and others left out.
        """
        self._expected = n_features, None if names is None else tuple(names)
        self._first = self._names = None

    def read(self, partition: Partition, start: int = 0) -> Iterator[Chunk]:
        """Yield a partition's rows from the `start`-th on.

        Raises
        ------
        SourceError
            If it is a file that cannot be read, does not hold the features of the others, or
            changes meanwhile.
        """
        with _errors_named(partition):
            before = partition.version() if partition.is_file else None
            at = start
            for chunk in partition.read(self.look_up_layout(partition), start):
                require_exact_rows(chunk.rows, partition.name, at)
                at += len(chunk)
                yield self._divide_chunk_weights(chunk)
            if before is not None and partition.version() != before:
                raise SourceError(f"{partition.name} has changed while it was read; read it again")

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows of all partitions in order, a bounded number at once.

        Yields
        ------
        Chunk
            Finite rows, float32 where the source holds float32 and float64 otherwise.

        Raises
        ------
        SourceError
            If a partition cannot be read, holds other features, or an entry that is not finite; it
            names the partition, the row and the column.
        """
        for partition in self.partitions:
            row = 0
            for chunk in self.read(partition):
                chunk = replace(chunk, rows=_to_floats(chunk.rows))
                finite = np.isfinite(chunk.rows)
                if not finite.all():
                    i, j = np.argwhere(~finite)[0]
                    names = self.layout.names
                    raise SourceError(
                        f"{partition.name} contains {chunk.rows[i, j]} at row {row + i}, "
                        f"{describe_not_finite(names, j)}"
                    )
                row += len(chunk)
                yield chunk

    def sample(
        self, partition: Partition, size: int, n_reads: int, rng: np.random.Generator
    ) -> Iterator[Sampled]:
        """Yield rows of a partition, see `Partition.sample`; errors as `read`."""
        with _errors_named(partition):
            for sampled in partition.sample(self.look_up_layout(partition), size, n_reads, rng):
                require_exact_rows(sampled.chunk.rows, f"a sample of {partition.name}", 0)
                yield sampled._replace(chunk=self._divide_chunk_weights(sampled.chunk))

    def _divide_chunk_weights(self, chunk: Chunk) -> Chunk:
        """Divide a chunk's weights by two to the power `weight_exponent`."""
        weights = divide_weights(chunk.weights, len(chunk), self.weight_exponent)
        return replace(chunk, columns={**chunk.columns, **name_weights(weights)})

    def resume(self, columns: Sequence[str | int] | None) -> None:
        """Read the columns that an earlier pass over this source has settled on."""
        self.columns = None if columns is None else tuple(columns)

    def look_up_layout(self, partition: Partition) -> Layout:
        """Look up a partition's columns; they must make the same features in all partitions.

        Columns with names are found by these, in any order and among others; columns without are
        taken as they come.

        Raises
        ------
        SourceError
            If the partition cannot be opened, lacks columns, or they are no numbers.
        """
        with _errors_named(partition):
            layout = self._look_up_names(partition)
        n_features, _ = self._wanted_columns() or (layout.n_features, None)
        if layout.n_features != n_features:
            other = f"{self._first[0]} has" if self._first else "the sketcher is expecting"
            raise SourceError(
                f"{partition.name} has {layout.n_features} features, but {other} {n_features} "
                f"features{'' if self._first else ' as input'}"
            )
        if self._first is None:
            self._first = partition.name, layout
        self._names = self._names or layout.names
        return layout

    def _wanted_columns(self) -> tuple[int, tuple[str, ...] | None] | None:
        """How many features there should be and what they are called; None if that is open."""
        if self._first is None:
            return self._expected
        _, expected = self._expected or (0, None)
        return self._first[1].n_features, expected or self._names

    def _look_up_names(self, partition: Partition) -> Layout:
        """Look up the columns that were chosen, the wanted features among them by their names."""
        _, names = self._wanted_columns() or (0, None)
        if names is not None and partition.is_named and (self._first or self.columns is None):
            return partition.layout(names)
        layout = partition.layout(self.columns)
        if names is None or layout.names is None or layout.names == names:
            return layout
        if missing := [name for name in names if name not in layout.names]:
            raise SourceError(
                f"the features of {partition.name} are {', '.join(layout.names)}, without "
                f"{', '.join(missing)}, which the sketcher was fitted on"
            )
        return partition.layout(names)


def describe_not_finite(names: Sequence[str] | None, column: int) -> str:
    """Name a column with an entry that is not finite, and say what to do about it."""
    if names is None:
        return f"column {column}; {advise_on_missing()}"
    if names[column].endswith("]"):
        # Entries of lists are not filtered by.
        return f"column {names[column]!r}; {advise_on_missing()}"
    is_finite = f"pyarrow.compute.is_finite(pyarrow.compute.field({names[column]!r}))"
    return f"column {names[column]!r}; {advise_on_missing(is_finite)}"


def require_exact_rows(rows: np.ndarray, name: str, first_row: int) -> None:
    """Refuse integers that float64 does not hold; a SourceError names the row and the column."""

    def place(i: int) -> str:
        row, column = divmod(i, rows.shape[1])
        return f"{name}, in row {first_row + row}, column {column},"

    try:
        require_exact_integers(rows, place)
    except ValueError as error:
        raise SourceError(str(error)) from None


def count_chunk_rows(n_features: int, n_bytes: int = CHUNK_BYTES) -> int:
    """How many rows of float64 make a chunk of so many bytes."""
    rows = n_bytes // (8 * n_features * ROWS_QUANTUM) * ROWS_QUANTUM
    return int(min(max(rows, ROWS_QUANTUM), _MOST_CHUNK_ROWS.get()))


@contextmanager
def limit_chunk_rows(n_rows: int) -> Iterator[None]:
    """Read in chunks of at most so many rows while open; results do not depend on it."""
    token = _MOST_CHUNK_ROWS.set(n_rows)
    try:
        yield
    finally:
        _MOST_CHUNK_ROWS.reset(token)


@contextmanager
def _errors_named(partition: Partition) -> Iterator[None]:
    """Name the file in whatever goes wrong with it."""
    try:
        yield
    except (SourceError, ImportError, MemoryError):
        raise
    except Exception as error:
        if not partition.is_file:
            raise
        raise SourceError(f"cannot read {partition.name}: {error}") from error


def _to_floats(rows: np.ndarray) -> np.ndarray:
    """Rows as native float32 or float64, without a copy where they are."""
    dtype = np.float32 if rows.dtype.kind == "f" and rows.dtype.itemsize <= 4 else np.float64
    return rows.astype(dtype, copy=False)
