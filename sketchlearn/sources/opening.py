"""From whatever holds rows to a source of rows: the first opener that knows it opens it."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.arrays import MemoryPartition
from sketchlearn.sources.arrow import ArrowStreamPartition, TablePartition
from sketchlearn.sources.arrow_files import split_dataset
from sketchlearn.sources.formats import is_known, open_file
from sketchlearn.sources.frames import is_frame, is_pandas, name_package, open_stream
from sketchlearn.sources.iterables import ListPartition, PiecesPartition
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.paths import find_files, require_text_path
from sketchlearn.sources.row_keys import KeyIndex
from sketchlearn.sources.source import Partition, Query, RowSource, name_weights
from sketchlearn.sources.stored_arrays import OpenArrayPartition


class Opener(NamedTuple):
    """A kind of data.

    Parameters
    ----------
    knows : callable
        Whether data is of this kind.
    partitions : callable
        ``partitions(data, query)`` returns the partitions that it consists of.
    is_chunked : bool
        Whether it is read a chunk at a time, rather than as an array in memory.

    Examples
    --------
    See `register_opener`.

    >>> from sketchlearn.sources import MemoryPartition, Opener
    >>> Opener(lambda data: data is None, lambda data, query: []).is_chunked
    True
    """

    knows: Callable[[Any], bool]
    partitions: Callable[[Any, Query], list[Partition]]
    is_chunked: bool = True


def is_source(data: Any) -> bool:
    """Whether data is to be read a chunk at a time, rather than as an array in memory.

    Paths, pyarrow's tables, streams and data sets, arrays of Zarr and HDF5, other Arrow streams,
    lazy frames, and iterables of two-dimensional arrays or frames are; arrays, data frames and
    nested lists are not.
    """
    if isinstance(data, RowSource):
        return True
    opener = _find_opener(data)
    return opener is not None and opener.is_chunked


def open_source(
    data: Any,
    columns: Sequence[str | int] | None = None,
    filter: Any = None,  # noqa: A002
    weight: str | None = None,
    keys: KeyIndex | None = None,
) -> RowSource:
    """Open whatever holds rows, to be read in bounded memory.

    Parameters
    ----------
    data : path, glob pattern, list of paths, table, stream, data set, array, or iterable of these
        A directory stands for the files in it, in order of their names; ``s3://``, ``https://`` and
        other URLs are read through fsspec. Columns with names are found by these in every file and
        every item of an iterable: in any order, and others are left out.
    columns : sequence of str or int, optional
        Columns to read, by name, or by index in arrays, which have no names. By default all, but
        for an index that pandas stored.
    filter : pyarrow.compute.Expression or list of tuples, optional
        Which rows to read, of what has named columns, for instance ``[("price", ">", 0)]``; lists
        as in `pyarrow.parquet.read_table`.
    weight : str, optional
        A column to weigh rows by, of what has named columns.
    keys : KeyIndex, optional
        What numbers the keys in columns that rows are grouped by.

    Returns
    -------
    RowSource
        What `Sketcher.sketch` and estimators read.

    Raises
    ------
    TypeError
        If the data is nothing of these, or the filter is none.
    SourceError
        If a file's name does not tell its format, or a filter or weights are asked of arrays.
    FileNotFoundError
        If there is no such file.
    ImportError
        If a package is missing that the data needs.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import open_source
    >>> X = np.arange(12.0).reshape(4, 3)
    >>> source = open_source([X[:1], X[1:]], columns=[2, 0])
    >>> [chunk.rows.tolist() for chunk in source.chunks()]
    [[[2.0, 0.0], [5.0, 3.0], [8.0, 6.0], [11.0, 9.0]]]
    """
    if isinstance(data, RowSource):
        if any(asked is not None for asked in (columns, filter, weight, keys)):
            raise SourceError("columns, filter, weight and keys are chosen when a source is opened")
        return data
    if isinstance(columns, str):
        columns = [columns]
    query = Query(name_weights(weight), _build_filter(filter), keys)
    opener = _find_opener(data)
    if opener is None:
        raise TypeError(
            "expected rows: an array, a path, a table or stream of Arrow, or an iterable of "
            f"arrays; got {type(data).__name__}"
        )
    described = [
        *([] if filter is None else [f"rows where {_describe_filter(query.expression)}"]),
        *([] if weight is None else [f"weighted by {weight}"]),
    ]
    return RowSource(opener.partitions(data, query), columns, ", ".join(described))


def require_weight_column(sample_weight: Any) -> str | None:
    """Return the column that `sample_weight` names of a source; TypeError if it is no name."""
    if sample_weight is None or isinstance(sample_weight, str):
        return sample_weight
    raise TypeError(
        "sample_weight of a source must be the name of the column that holds the weights, got "
        f"{type(sample_weight).__name__}"
    )


def _find_opener(data: Any) -> Opener | None:
    return next((opener for opener in OPENERS if opener.knows(data)), None)


def _is_numpy_array(data: Any) -> bool:
    return isinstance(data, np.ndarray)


def _is_path(data: Any) -> bool:
    return isinstance(data, str | os.PathLike)


def _is_list_of_paths(data: Any) -> bool:
    return isinstance(data, list | tuple) and len(data) > 0 and _is_path(data[0])


def _is_list_of_tables(data: Any) -> bool:
    is_list = isinstance(data, list | tuple) and len(data) > 0
    return is_list and (is_frame(data[0]) or getattr(data[0], "ndim", 0) == 2)


def _is_list_of_streams(data: Any) -> bool:
    return _is_list_of_tables(data) and not all(hasattr(item, "__len__") for item in data)


def _is_open_file(data: Any) -> bool:
    return hasattr(data, "read") and hasattr(data, "seek")


def _is_dataset(data: Any) -> bool:
    return name_package(data) == "pyarrow" and hasattr(data, "get_fragments")


def _is_lazy(data: Any) -> bool:
    return name_package(data) == "polars" and hasattr(data, "collect")


def _is_frame_in_memory(data: Any) -> bool:
    # Tables of pyarrow can be arrays too, but are read like the files that they come from.
    return is_frame(data) and hasattr(data, "__array__") and name_package(data) != "pyarrow"


def _is_table(data: Any) -> bool:
    return is_frame(data) and hasattr(data, "__len__")


def _is_stored_array(data: Any) -> bool:
    return name_package(data) in ("zarr", "h5py")


def _is_array(data: Any) -> bool:
    # What has a shape is an array of another kind, a sparse one for instance.
    is_array = isinstance(data, list | tuple) or hasattr(data, "__array__")
    return is_array or hasattr(data, "shape")


def _is_iterable(data: Any) -> bool:
    return isinstance(data, Iterable) and not isinstance(
        data, str | bytes | Mapping | Set | Sequence
    )


def _open_file(data: Any, query: Query) -> list[Partition]:
    """Find the files of paths."""
    entries = [data] if _is_path(data) else data
    files = [file for entry in entries for file in find_files(require_text_path(entry), is_known)]
    return [open_file(file, query) for file in files]


def _refuse_open_file(data: Any, query: Query) -> list[Partition]:
    """Refuse an open file: it would be read as an iterable of lines."""
    raise TypeError(
        f"open files are not read, got {type(data).__name__}: give the path, or the batches of a "
        "reader, for instance pyarrow.parquet.ParquetFile(file).iter_batches() or "
        "pyarrow.csv.open_csv(file)"
    )


def _open_table(data: Any, query: Query) -> list[Partition]:
    if is_pandas(data):
        data = open_stream(data).read_all()
    return [TablePartition(data, query)]


def _open_stream(data: Any, query: Query) -> list[Partition]:
    reader = import_optional("pyarrow").RecordBatchReader.from_stream(data)
    return [ArrowStreamPartition(reader, query)]


def _open_unnamed(kind: Callable[[Any], Partition]) -> Callable[[Any, Query], list[Partition]]:
    """Return what makes the partition that an array is, which has no names to filter by."""

    def opened(data: Any, query: Query) -> list[Partition]:
        partition = kind(data)
        if not query.is_empty:
            raise SourceError(
                f"{partition.name} has no named columns to filter, weigh or group rows by"
            )
        return [partition]

    return opened


# In the order in which they are asked: what comes most often first, then what others would take.
OPENERS = [
    Opener(_is_numpy_array, _open_unnamed(MemoryPartition), is_chunked=False),
    Opener(_is_path, _open_file),
    Opener(_is_list_of_paths, _open_file),
    Opener(_is_open_file, _refuse_open_file),
    Opener(_is_dataset, split_dataset),
    Opener(_is_lazy, lambda data, query: _open_table(data.collect(), query)),
    Opener(_is_frame_in_memory, _open_table, is_chunked=False),
    Opener(_is_table, _open_table),
    Opener(is_frame, _open_stream),
    Opener(_is_stored_array, _open_unnamed(OpenArrayPartition)),
    Opener(_is_list_of_streams, lambda data, query: [PiecesPartition(data, query)]),
    Opener(_is_list_of_tables, lambda data, query: [ListPartition(data, query)]),
    Opener(_is_array, _open_unnamed(MemoryPartition), is_chunked=False),
    Opener(_is_iterable, lambda data, query: [PiecesPartition(data, query)]),
]


def register_opener(opener: Opener) -> None:
    """Have a kind of data opened this way; it is asked before those that are known.

    Parameters
    ----------
    opener : Opener
        What knows it and opens it.

    Examples
    --------
    >>> from sketchlearn.sources import MemoryPartition, Opener, open_source, register_opener
    >>> register_opener(Opener(
    ...     lambda data: isinstance(data, slice),
    ...     lambda data, query: [MemoryPartition([[float(data.start)], [float(data.stop)]])],
    ... ))
    >>> [chunk.rows.tolist() for chunk in open_source(slice(3, 5)).chunks()]
    [[[3.0], [5.0]]]
    """
    OPENERS.insert(0, opener)


def _build_filter(filter: Any) -> Any:  # noqa: A002
    if filter is None:
        return None
    import_optional("pyarrow")
    from pyarrow.compute import Expression
    from pyarrow.parquet import filters_to_expression

    if isinstance(filter, Expression):
        return filter
    if not isinstance(filter, list) or not filter:
        raise TypeError(
            "filter must be an expression of pyarrow.compute or a list of tuples as "
            f'[("price", ">", 0)], got {filter!r}'
        )
    try:
        return filters_to_expression(filter)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "a filter's tuples are (column, operator, value), with one of == = != < <= > >= 'in' "
            f"'not in'; got {filter!r}: {error}. To leave missing values out, give an expression "
            "as filter=pyarrow.compute.field('price').is_valid(), or "
            "pyarrow.compute.is_finite(pyarrow.compute.field('price')) for NaN and infinity too"
        ) from error
    except OverflowError as error:
        raise ValueError(
            f"filter takes integers of up to 64 bits, with a sign, got {filter!r}"
        ) from error


def _describe_filter(expression: Any) -> str:
    """Describe a filter; long lists, which pyarrow abridges, by a digest as well.

    The pickle is digested and dropped: none is ever loaded.
    """
    text = str(expression)
    if "..." not in text:
        return text
    return f"{text} ({hashlib.blake2b(pickle.dumps(expression), digest_size=8).hexdigest()})"
