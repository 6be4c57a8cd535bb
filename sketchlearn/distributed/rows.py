"""From what one partition holds to rows of numbers, where it lies: the same rules as in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from sketchlearn.distributed.features import find_column
from sketchlearn.sources.arrays import MemoryPartition
from sketchlearn.sources.exact_values import (
    require_exact_integers,
    require_exact_list,
    require_exact_objects,
    require_real,
)
from sketchlearn.sources.opening import open_source
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.row_keys import KeyIndex
from sketchlearn.sources.source import Chunk, RowSource, name_weights

# What weights that are no column are called among the columns of a partition.
WEIGHTS = "sample_weight"
# Elements of a bag that are converted at once.
BAG_ROWS = 2**14


class Rows(NamedTuple):
    """Rows of a partition, read a chunk at a time, and their features' names if they have any."""

    names: tuple[str, ...] | None
    chunks: Iterator[Chunk]


class KeyedRows(NamedTuple):
    """Rows of a partition, to be read once, and what numbers their keys meanwhile."""

    source: RowSource
    keys: KeyIndex


@dataclass(frozen=True)
class Query:
    """What is read of a partition.

    Parameters
    ----------
    columns : tuple of str, optional
        The features of what has named columns, in order.
    filter : pyarrow.compute.Expression or list of tuples, optional
        Which rows, as in `open_source`.
    weight : str, optional
        The column of weights.
    needed : tuple of str, optional
        All columns that features, filter and weights need, or what makes these features; None
        where a filter may need any.
    is_named : bool
        Whether the features have names, rather than numbers for labels.
    indices : tuple of int, optional
        The features of arrays, in order; None for all columns.
    by : tuple of str
        Columns that make the keys that rows are grouped by, if they are.
    """

    columns: tuple[str, ...] | None = None
    filter: Any = None
    weight: str | None = None
    needed: tuple[str, ...] | None = None
    is_named: bool = True
    indices: tuple[str | int, ...] | None = None
    by: tuple[str, ...] = ()

    def of_table(self, table: Any, weights: Any = None) -> Rows:
        """Read an Arrow table, or a reader of record batches; weights may come beside it."""
        source = self._open_table(table, weights)
        names = source.layout.names if self.is_named else None
        return Rows(names, source.read(source.partitions[0]))

    def groups_of_table(self, table: Any, weights: Any = None) -> KeyedRows:
        """Open an Arrow table, or a reader of record batches, with the keys of its rows."""
        keys = KeyIndex(self.by)
        return KeyedRows(self._open_table(table, weights, keys), keys)

    def of_frame(self, frame: Any, weights: Any = None) -> Rows:
        """Read a pandas data frame; one without rows may lack columns."""
        if len(frame) == 0:
            return _no_rows(weights)
        return self.of_table(self._table_of(frame, weights), weights)

    def groups_of_frame(self, frame: Any, weights: Any = None) -> KeyedRows | None:
        """Open a pandas data frame with the keys of its rows; None if it has none."""
        if len(frame) == 0:
            _no_rows(weights)
            return None
        return self.groups_of_table(self._table_of(frame, weights), weights)

    def _open_table(self, table: Any, weights: Any, keys: KeyIndex | None = None) -> RowSource:
        """Open an Arrow table, perhaps with weights beside it."""
        weight = self.weight
        if weights is not None:
            weight = WEIGHTS
            while weight in table.schema.names:
                weight += "_"
            table = table.append_column(weight, as_column(weights, len(table)))
        return _rename_to_partition(open_source(table, self.columns, self.filter, weight, keys))

    def _table_of(self, frame: Any, weights: Any) -> Any:
        """Return a data frame of pandas as a table of Arrow's, with the columns that are needed."""
        if hasattr(weights, "iloc") and not weights.index.equals(frame.index):
            raise ValueError(
                "sample_weight has another index than the rows; name a column, or give weights "
                "without an index"
            )
        frame = frame.set_axis(list(map(str, frame.columns)), axis=1)
        needed = self._columns_needed(frame.columns)
        frame = frame[[name for name in frame.columns if name in needed]]
        return import_optional("pyarrow").Table.from_pandas(frame, preserve_index=False)

    def of_array(self, array: Any, weights: Any = None) -> Rows:
        """Read an array of rows."""
        rows = as_numbers(array, "the rows")
        if weights is not None:
            weights = as_weights(weights, len(rows))
        source = _rename_to_partition(
            RowSource([MemoryPartition(rows, name_weights(weights))], self.indices)
        )
        return Rows(None, source.read(source.partitions[0]))

    def of_elements(self, elements: Iterable[Any], weights: Any = None) -> Rows:
        """Read elements of a bag: rows, arrays or data frames of rows, or mappings."""
        elements = iter(elements)
        head = list(islice(elements, 1))
        if not head:
            return _no_rows(weights)
        first, elements = head[0], chain(head, elements)
        if weights is not None:
            # Beside weights all rows of the block are one array, or one table.
            return self._of_all(first, list(elements), weights)
        if _is_mapping(first):
            batches = (self.of_table(self._make_table(batch)) for batch in _batches(elements))
        elif hasattr(first, "columns"):
            self._require_columns("data frames")
            batches = (self._of_named(element) for element in elements if len(element))
        elif self.filter is not None or self.weight is not None:
            raise ValueError("rows without names have no columns to filter or weigh them by")
        elif np.ndim(first) == 2:
            batches = (self.of_array(element) for element in elements)
        else:
            batches = (self.of_array(_stack_rows(batch)) for batch in _batches(elements))
        return _chain_rows(batches)

    def _of_all(self, first: Any, elements: list[Any], weights: Any) -> Rows:
        """Read all elements of a block at once, with weights beside them."""
        if _is_mapping(first):
            return self.of_table(self._make_table(elements), weights)
        if self.filter is not None:
            raise ValueError("rows without names have no columns to filter them by")
        if hasattr(first, "columns"):
            raise ValueError("weights of data frames in a bag must be a column of theirs")
        return self.of_array(_stack_rows(elements), weights)

    def _of_named(self, element: Any) -> Rows:
        """Read a data frame of pandas, or another table that gives an Arrow stream."""
        return self.of_frame(element) if hasattr(element, "iloc") else self.of_table(element)

    def _make_table(self, elements: Sequence[Any]) -> Any:
        self._require_columns("mappings")
        names = self._columns_needed(elements[0])
        for name in names:
            if any(name not in element for element in elements):
                raise ValueError(f"an element of the bag has no {name!r}")
        return import_optional("pyarrow").table(
            [_as_arrow([element[name] for element in elements], name) for name in names], names
        )

    def _columns_needed(self, available: Iterable[str]) -> list[str]:
        """Columns that are read, those of lists whole."""
        names = list(available)
        if self.needed is None:
            return names
        return list(dict.fromkeys(find_column(name, names) for name in self.needed))

    def _require_columns(self, what: str) -> None:
        """Refuse named elements of a bag unless it is known which of them are features."""
        if self.columns is None:
            raise ValueError(f"a bag of {what} needs columns=[...], the names of the features")


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Say in which partition it was that something could not be read: a TypeError or ValueError."""
    try:
        yield
    except TypeError as error:
        raise TypeError(f"{place}: {_in_one_line(error)}") from error
    except (ValueError, LookupError, ArithmeticError, NotImplementedError) as error:
        raise ValueError(f"{place}: {_in_one_line(error)}") from error


def _in_one_line(error: Exception) -> str:
    """What an error says, as engines that pass texts on keep its first line only."""
    return " ".join(str(error).split())


def as_numbers(data: Any, what: str) -> np.ndarray:
    """Return array-like data as an array of real numbers.

    A TypeError refuses anything else and sparse arrays, a ValueError masked entries and integers
    that float64 cannot hold.
    """
    if scipy.sparse.issparse(data) or hasattr(data, "todense"):
        raise TypeError(f"{what} are sparse; make them dense, block by block, by map_blocks")
    mask = np.ma.getmaskarray(data) if isinstance(data, np.ma.MaskedArray) else None
    if mask is not None and mask.any():
        raise ValueError(
            f"{what} have a masked entry at {tuple(map(int, np.argwhere(mask)[0]))}; leave such "
            "rows out, or fill them in, for instance with dask.array.ma.filled"
        )
    array = np.asarray(data)
    require_real(array, what)

    def entry(i: int) -> str:
        return f"entry {i} of {what}"

    if array.dtype == object:
        require_exact_objects(array, entry)
        array = array.astype(np.float64)
    elif isinstance(data, list | tuple):
        require_exact_list(data, array, entry)
    require_exact_integers(array, entry)
    return array


def as_weights(weights: Any, n_rows: int) -> np.ndarray:
    """Return one float64 weight a row, (n_rows,), also of a number for all; else an error."""
    if hasattr(weights, "to_numpy"):
        weights = weights.to_numpy(dtype=np.float64, na_value=np.nan)
    array = as_numbers(weights, "the weights").astype(np.float64)
    if array.ndim == 0:
        array = np.full(n_rows, float(array))
    if array.shape != (n_rows,):
        raise ValueError(
            f"sample_weight must have one weight a row, got shape {array.shape} for {n_rows} rows; "
            "cut weights and rows alike, or let Dask know their lengths (compute_chunk_sizes)"
        )
    return array


def as_column(weights: Any, n_rows: int) -> Any:
    """Return weights (n_rows,) as an Arrow array; errors as `as_weights`."""
    return import_optional("pyarrow").array(as_weights(weights, n_rows))


def _as_arrow(values: list[Any], name: str) -> Any:
    """Return a column of one value a row, or one list of numbers a row."""
    pa = import_optional("pyarrow")
    array = np.asarray(values)
    require_exact_list(values, array, lambda i: f"entry {i} of {name!r}")
    if array.dtype.kind not in "biuf":
        column = pa.array(values)
        return column.cast(pa.float64()) if pa.types.is_null(column.type) else column
    if array.ndim == 1:
        return pa.array(array)
    flat = pa.array(array.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, array[0].size)


def _is_mapping(element: Any) -> bool:
    """Whether an element of a bag has its numbers by name: a series of pandas has, in its index."""
    is_series = hasattr(element, "iloc") and np.ndim(element) == 1
    return isinstance(element, Mapping) or (is_series and isinstance(element.index[0], str))


def _no_rows(weights: Any = None) -> Rows:
    """Return nothing, of no features in particular; weights must be as many."""
    if weights is not None:
        as_weights(weights, 0)
    return Rows(None, iter(()))


def _batches(elements: Iterable[Any]) -> Iterator[list[Any]]:
    """Gather elements, many at once."""
    batch: list[Any] = []
    for element in elements:
        batch.append(element)
        if len(batch) == BAG_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _stack_rows(elements: list[Any]) -> Any:
    """Put rows, or arrays of rows, below each other; what is masked stays so."""
    is_masked = any(map(np.ma.isMaskedArray, elements))
    package: Any = np.ma if is_masked else np
    if np.ndim(elements[0]) == 2:
        return package.concatenate(elements)
    return package.stack(elements) if is_masked else elements


def _chain_rows(batches: Iterator[Rows]) -> Rows:
    """Read one after the other what has the same features."""
    first = next(batches, _no_rows())

    def chunks() -> Iterator[Chunk]:
        yield from first.chunks
        for batch in batches:
            yield from batch.chunks

    return Rows(first.names, chunks())


def _rename_to_partition(source: RowSource) -> RowSource:
    """Have messages call the only part of a source a partition, whatever it is."""
    (partition,) = source.partitions
    partition.name = "the partition"
    return source
