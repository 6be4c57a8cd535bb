"""From whatever holds rows to a source of rows."""

from __future__ import annotations

import glob
import hashlib
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sketching.sources.array_files import NpyPart, NpzPart
from sketchlearn.sketching.sources.arrays import MemoryPart
from sketchlearn.sketching.sources.arrow import ArrowStreamPart, TablePart, arrow_package
from sketchlearn.sketching.sources.arrow_files import FORMATS, dataset_parts, file_part
from sketchlearn.sketching.sources.source import Part, RowSource
from sketchlearn.sketching.sources.stored_arrays import Hdf5Part, OpenArrayPart, ZarrPart
from sketchlearn.sketching.sources.streams import ArrayStreamPart


def is_source(data: Any) -> bool:
    """Whether data is to be read a chunk at a time, rather than as an array in memory.

    Paths, pyarrow's tables, streams and data sets, arrays of Zarr and HDF5, other Arrow streams,
    and iterables of two-dimensional arrays are; arrays, data frames and nested lists are not.
    """
    if isinstance(data, RowSource | str | os.PathLike) or _package(data) in STORED:
        return True
    if isinstance(data, list | tuple):
        first = data[0] if len(data) else None
        return isinstance(first, str | os.PathLike) or getattr(first, "ndim", 0) == 2
    if hasattr(data, "__array__"):
        return False
    if hasattr(data, "__arrow_c_stream__"):
        return True
    # What has a shape is an array of another kind, a sparse one for instance.
    is_array = hasattr(data, "shape") or isinstance(data, bytes | Mapping | Set | Sequence)
    return isinstance(data, Iterable) and not is_array


def open_source(
    data: Any,
    columns: Sequence[str | int] | None = None,
    filter: Any = None,  # noqa: A002
    weight: str | None = None,
) -> RowSource:
    """Open whatever holds rows, to be read in bounded memory.

    Parameters
    ----------
    data : path, glob pattern, list of paths, table, stream, data set, array, or iterable of arrays
        A directory stands for the files in it, in order of their names.
    columns : sequence of str or int, optional
        Columns to read, by name, or by index in arrays, which have no names. By default all.
    filter : pyarrow.compute.Expression or list of tuples, optional
        Which rows to read, of what has named columns, for instance ``[("price", ">", 0)]``; lists
        as in `pyarrow.parquet.read_table`.
    weight : str, optional
        A column to weigh rows by, of what has named columns.

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
    """
    if isinstance(data, RowSource):
        if columns is not None or filter is not None or weight is not None:
            raise SourceError("columns, filter and weight are chosen when a source is opened")
        return data
    if isinstance(columns, str):
        columns = [columns]
    expression = _expression(filter)
    parts = _parts_of(data, weight, expression)
    if (expression is not None or weight is not None) and isinstance(parts[0], UNNAMED):
        raise SourceError(f"{parts[0].name} has no named columns to filter or weigh rows by")
    query = [
        *([] if expression is None else [f"rows where {_described(expression)}"]),
        *([] if weight is None else [f"weighted by {weight}"]),
    ]
    return RowSource(parts, columns, ", ".join(query))


def weight_column(sample_weight: Any) -> str | None:
    """Give the column of weights that `sample_weight` names of a source.

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


STORED = {"pyarrow", "zarr", "h5py"}
UNNAMED = (MemoryPart, ArrayStreamPart, OpenArrayPart)


def _parts_of(data: Any, weight: str | None, expression: Any) -> list[Part]:
    """Find out what the data is."""
    if isinstance(data, str | os.PathLike):
        data = [data]
    if isinstance(data, list | tuple) and data and isinstance(data[0], str | os.PathLike):
        paths = [path for entry in data for path in _paths(os.fspath(entry))]
        return [_file_part(path, weight, expression) for path in paths]
    if _package(data) == "pyarrow" and hasattr(data, "get_fragments"):
        return list(dataset_parts(data, weight, expression))
    if _package(data) == "pandas" and hasattr(data, "iloc"):
        data = arrow_package().Table.from_pandas(data, preserve_index=False)
    if hasattr(data, "__arrow_c_stream__"):
        if hasattr(data, "__len__"):
            return [TablePart(data, weight, expression)]
        reader = arrow_package().RecordBatchReader.from_stream(data)
        return [ArrowStreamPart(reader, weight, expression)]
    if _package(data) in STORED:
        return [OpenArrayPart(data)]
    if is_source(data):
        return [ArrayStreamPart(data)]
    if isinstance(data, np.ndarray | list | tuple) or hasattr(data, "__array__"):
        return [MemoryPart(data)]
    raise TypeError(
        "expected rows: an array, a path, a table or stream of Arrow, or an iterable of arrays; "
        f"got {type(data).__name__}"
    )


def _paths(path: str) -> list[str]:
    """Files that a path, a directory or a pattern stands for; each with the array it names."""
    path, separator, member = path.partition("::")
    if os.path.isdir(path) and not path.rstrip(os.sep).lower().endswith(FOLDERS):
        files = sorted(_files_in(path))
        if not files:
            raise FileNotFoundError(f"the directory {path} holds no file of rows")
    elif os.path.exists(path):
        files = [path]
    elif glob.has_magic(path):
        files = [f for match in sorted(glob.glob(path, recursive=True)) for f in _paths(match)]
        if not files:
            raise FileNotFoundError(f"no file matches {path}")
    else:
        raise FileNotFoundError(f"there is no file {path}")
    return [file + separator + member for file in files]


def _files_in(directory: str) -> Iterator[str]:
    """Files of rows in a directory and those below, hidden and technical ones left out."""
    for folder, folders, names in os.walk(directory):
        stores = [name for name in folders if name.lower().endswith(FOLDERS)]
        folders[:] = [n for n in folders if n not in stores and not n.startswith((".", "_"))]
        for name in [*stores, *names]:
            if not name.startswith((".", "_")) and _ending(name):
                yield os.path.join(folder, name)


def _ending(path: str) -> str | None:
    """What a file's name ends in, if that tells its format."""
    return next((end for end in ENDINGS if path.rstrip(os.sep).lower().endswith(end)), None)


def _file_part(entry: str, weight: str | None, expression: Any) -> Part:
    """Give the part that a file is."""
    path, _, member = entry.partition("::")
    ending = _ending(path)
    if ending is None:
        raise SourceError(
            f"cannot tell the format of {path}; expected a name that ends in {', '.join(ENDINGS)}"
        )
    if ending in ARRAYS:
        if expression is not None or weight is not None:
            raise SourceError(f"{path} has no named columns to filter or weigh rows by")
        return ARRAYS[ending](path, member or None)
    if member:
        raise SourceError(f"{path} has columns, no arrays to choose {member!r} from")
    return file_part(path, FORMATS[ending], weight, expression)


def _npy_part(path: str, member: str | None) -> Part:
    """Give the part that a .npy file is."""
    if member is not None:
        raise SourceError(f"{path} holds one array, without a name to choose it by")
    return NpyPart(path)


# What holds arrays without names for their columns.
ARRAYS: dict[str, Callable[[str, str | None], Part]] = {
    ".npy": _npy_part,
    ".npz": NpzPart,
    ".h5": Hdf5Part,
    ".hdf5": Hdf5Part,
    ".zarr": ZarrPart,
}
ENDINGS = (*FORMATS, *ARRAYS)
FOLDERS = (".zarr",)


def _expression(filter: Any) -> Any:  # noqa: A002
    """Give a pyarrow expression of a filter."""
    if filter is None:
        return None
    arrow_package()
    from pyarrow.compute import Expression
    from pyarrow.parquet import filters_to_expression

    if isinstance(filter, Expression):
        return filter
    if not isinstance(filter, list):
        raise TypeError(
            "filter must be an expression of pyarrow.compute or a list of tuples as "
            f'[("price", ">", 0)], got {filter!r}'
        )
    return filters_to_expression(filter)


def _described(expression: Any) -> str:
    """Describe a filter; long lists, which pyarrow abridges, by a digest as well.

    The pickle is digested and dropped: none is ever loaded.
    """
    text = str(expression)
    if "..." not in text:
        return text
    return f"{text} ({hashlib.blake2b(pickle.dumps(expression), digest_size=8).hexdigest()})"


def _package(data: Any) -> str:
    """The package that defines an object's type."""
    return type(data).__module__.split(".")[0]
