"""From whatever holds rows to a source of rows: the first opener that knows it opens it."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.arrays import MemoryPart
from sketchlearn.sources.arrow import ArrowStreamPart, TablePart
from sketchlearn.sources.arrow_files import dataset_parts
from sketchlearn.sources.arrow_values import arrow_package
from sketchlearn.sources.formats import file_part, is_known
from sketchlearn.sources.frames import is_frame, is_pandas, package_of, stream_of
from sketchlearn.sources.iterables import ListPart, PiecesPart
from sketchlearn.sources.paths import found_files, path_of
from sketchlearn.sources.source import Part, RowSource
from sketchlearn.sources.stored_arrays import OpenArrayPart


class Query(NamedTuple):
    """What is asked of rows with named columns: their weights, and which of them to read."""

    weight: str | None
    expression: Any


class Opener(NamedTuple):
    """A kind of data.

    Parameters
    ----------
    knows : callable
        Whether data is of this kind.
    parts : callable
        Gives the parts that data of this kind consists of.
    is_chunked : bool
        Whether it is read a chunk at a time, rather than as an array in memory.
    """

    knows: Callable[[Any], bool]
    parts: Callable[[Any, Query], list[Part]]
    is_chunked: bool = True


def is_source(data: Any) -> bool:
    """Whether data is to be read a chunk at a time, rather than as an array in memory.

    Paths, pyarrow's tables, streams and data sets, arrays of Zarr and HDF5, other Arrow streams,
    lazy frames, and iterables of two-dimensional arrays or frames are; arrays, data frames and
    nested lists are not.
    """
    if isinstance(data, RowSource):
        return True
    opener = _opener_of(data)
    return opener is not None and opener.is_chunked


def open_source(
    data: Any,
    columns: Sequence[str | int] | None = None,
    filter: Any = None,  # noqa: A002
    weight: str | None = None,
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
        if columns is not None or filter is not None or weight is not None:
            raise SourceError("columns, filter and weight are chosen when a source is opened")
        return data
    if isinstance(columns, str):
        columns = [columns]
    query = Query(weight, _expression(filter))
    opener = _opener_of(data)
    if opener is None:
        raise TypeError(
            "expected rows: an array, a path, a table or stream of Arrow, or an iterable of "
            f"arrays; got {type(data).__name__}"
        )
    parts = opener.parts(data, query)
    described = [
        *([] if filter is None else [f"rows where {_described(query.expression)}"]),
        *([] if weight is None else [f"weighted by {weight}"]),
    ]
    return RowSource(parts, columns, ", ".join(described))


def weight_column(sample_weight: Any) -> str | None:
    """Return the column of weights that `sample_weight` names of a source.

    Raises
    ------
    TypeError
        If it is no name.
    """
    if sample_weight is None or isinstance(sample_weight, str):
        return sample_weight
    raise TypeError(
        "sample_weight of a source must be the name of the column that holds the weights, got "
        f"{type(sample_weight).__name__}"
    )


def _opener_of(data: Any) -> Opener | None:
    """Find the opener that knows some data."""
    return next((opener for opener in OPENERS if opener.knows(data)), None)


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
    return package_of(data) == "pyarrow" and hasattr(data, "get_fragments")


def _is_lazy(data: Any) -> bool:
    return package_of(data) == "polars" and hasattr(data, "collect")


def _is_frame_in_memory(data: Any) -> bool:
    # Tables of pyarrow can be arrays too, but are read like the files that they come from.
    return is_frame(data) and hasattr(data, "__array__") and package_of(data) != "pyarrow"


def _is_table(data: Any) -> bool:
    return is_frame(data) and hasattr(data, "__len__")


def _is_stored_array(data: Any) -> bool:
    return package_of(data) in ("zarr", "h5py")


def _is_array(data: Any) -> bool:
    # What has a shape is an array of another kind, a sparse one for instance.
    is_array = isinstance(data, np.ndarray | list | tuple) or hasattr(data, "__array__")
    return is_array or hasattr(data, "shape")


def _is_iterable(data: Any) -> bool:
    return isinstance(data, Iterable) and not isinstance(
        data, str | bytes | Mapping | Set | Sequence
    )


def _file_parts(data: Any, query: Query) -> list[Part]:
    """Find the files of paths."""
    entries = [data] if _is_path(data) else data
    files = [file for entry in entries for file in found_files(path_of(entry), is_known)]
    return [file_part(file, query.weight, query.expression) for file in files]


def _open_file_refused(data: Any, query: Query) -> list[Part]:
    """Refuse an open file: it would be read as an iterable of lines."""
    raise TypeError(
        f"open files are not read, got {type(data).__name__}: give the path, or the batches of a "
        "reader, for instance pyarrow.parquet.ParquetFile(file).iter_batches() or "
        "pyarrow.csv.open_csv(file)"
    )


def _table_parts(data: Any, query: Query) -> list[Part]:
    """Return the part that a table in memory is."""
    if is_pandas(data):
        data = stream_of(data).read_all()
    return [TablePart(data, query.weight, query.expression)]


def _stream_parts(data: Any, query: Query) -> list[Part]:
    """Return the part that an Arrow stream is."""
    reader = arrow_package().RecordBatchReader.from_stream(data)
    return [ArrowStreamPart(reader, query.weight, query.expression)]


def _unnamed_parts(kind: Callable[[Any], Part]) -> Callable[[Any, Query], list[Part]]:
    """Return what makes the part that an array is, which has no names to filter by."""

    def parts(data: Any, query: Query) -> list[Part]:
        part = kind(data)
        if query.expression is not None or query.weight is not None:
            raise SourceError(f"{part.name} has no named columns to filter or weigh rows by")
        return [part]

    return parts


# In the order in which they are asked.
OPENERS = (
    Opener(_is_path, _file_parts),
    Opener(_is_list_of_paths, _file_parts),
    Opener(_is_open_file, _open_file_refused),
    Opener(_is_dataset, lambda data, query: dataset_parts(data, *query)),
    Opener(_is_lazy, lambda data, query: _table_parts(data.collect(), query)),
    Opener(_is_frame_in_memory, _table_parts, is_chunked=False),
    Opener(_is_table, _table_parts),
    Opener(is_frame, _stream_parts),
    Opener(_is_stored_array, _unnamed_parts(OpenArrayPart)),
    Opener(_is_list_of_streams, lambda data, query: [PiecesPart(data, *query)]),
    Opener(_is_list_of_tables, lambda data, query: [ListPart(data, *query)]),
    Opener(_is_array, _unnamed_parts(MemoryPart), is_chunked=False),
    Opener(_is_iterable, lambda data, query: [PiecesPart(data, *query)]),
)


def _expression(filter: Any) -> Any:  # noqa: A002
    """Return a pyarrow expression of a filter."""
    if filter is None:
        return None
    arrow_package()
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
    except OverflowError as error:
        raise ValueError(
            f"filter takes integers of up to 64 bits, with a sign, got {filter!r}"
        ) from error


def _described(expression: Any) -> str:
    """Describe a filter; long lists, which pyarrow abridges, by a digest as well.

    The pickle is digested and dropped: none is ever loaded.
    """
    text = str(expression)
    if "..." not in text:
        return text
    return f"{text} ({hashlib.blake2b(pickle.dumps(expression), digest_size=8).hexdigest()})"
