"""Data frames and arrays in memory: what of them is rows of numbers, told column by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.arrays import as_array, require_faithful
from sketchlearn.sources.arrow_columns import (
    ENTRY,
    STORED_INDEX,
    chunk_batches,
    lay_out_columns,
    warn_of_unnamed,
)
from sketchlearn.sources.arrow_values import is_list, is_number, read_numbers
from sketchlearn.sources.exact_values import advise_on_missing, require_exact_integers
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.source import Query


def name_package(data: Any) -> str:
    """Name the package that defines an object's type."""
    return type(data).__module__.split(".")[0]


def is_pandas(data: Any) -> bool:
    """Whether this is a data frame of pandas."""
    return name_package(data) == "pandas" and hasattr(data, "iloc") and data.ndim == 2


def is_frame(data: Any) -> bool:
    """Whether this is a data frame, or a table, batch or stream of Arrow's."""
    if name_package(data) == "pandas":
        return is_pandas(data)
    speaks_arrow = hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")
    return speaks_arrow and (hasattr(data, "columns") or hasattr(data, "schema"))


def is_named(frame: Any) -> bool:
    """Whether its columns have names, all of them or none; TypeError if only some are text."""
    if not is_pandas(frame):
        return True
    n_texts = sum(isinstance(name, str) for name in frame.columns)
    if 0 < n_texts < len(frame.columns):
        raise TypeError(f"column names must all be strings, or none, got {list(frame.columns)}")
    return n_texts == len(frame.columns)


def open_stream(frame: Any) -> Any:
    """Return a frame's record batches, without the index that pandas has."""
    pa = import_optional("pyarrow")
    if is_pandas(frame):
        return _to_table(frame, f"the {type(frame).__name__}").to_reader()
    return pa.RecordBatchReader.from_stream(frame)


def read_frame(frame: Any, name: str) -> np.ndarray:
    """Return the rows of a frame of pandas without names; SourceError if one is no number."""
    dtypes = set(frame.dtypes)
    if len(dtypes) == 1 and isinstance(dtype := dtypes.pop(), np.dtype) and dtype.kind in "biuf":
        return np.asarray(frame.to_numpy())
    return _split_features(frame, name)[0]


def make_readable(X: Any, is_new: bool = False) -> Any:
    """Return rows in memory as scikit-learn's validation takes them, or say why they are none.

    Lists in columns, embeddings for instance, become a column for each of their numbers. Refused is
    what validation would misread: masked entries, dates and times, integers that float64 does not
    hold; and what it would refuse without the column's name: text, categories and the like.

    Parameters
    ----------
    X : array-like or data frame
        Rows.
    is_new : bool
        Whether its columns become features, rather than being looked up by the names of those: an
        index that was stored is left out then, and columns that nobody named are warned of.

    Returns
    -------
    array-like or data frame
        X itself, but for frames with columns of lists and for what is to be computed first.

    Raises
    ------
    TypeError
        If an array holds no numbers.
    ValueError
        If entries are masked, or integers too large.
    SourceError
        If a column of a frame holds no numbers.
    """
    if name_package(X) == "dask" and hasattr(X, "columns"):
        X = X.compute()
    if is_frame(X) and hasattr(X, "columns"):
        return _readable_frame(_new_features(X) if is_new else X)
    if issparse(X) or isinstance(X, str | bytes):
        return X
    if isinstance(X, np.ndarray | list | tuple) or hasattr(X, "__array__"):
        try:
            array = as_array(X)
        except (ValueError, OverflowError):
            # Rows of different lengths, for instance, which validation has words for.
            return X
        require_faithful(X, array, "the array")
        width = array.shape[-1] if array.ndim > 1 else 1
        require_exact_integers(
            np.asarray(array), lambda i: f"the array, in row {i // width}, column {i % width},"
        )
        return X if isinstance(X, np.ndarray | list | tuple) else array
    return X


def align_columns(X: Any, names: Any) -> Any:
    """Choose a frame's columns by the names that were fitted, in their order.

    Columns of other names are left out. What has no named columns, or lacks one, comes back as it
    is: scikit-learn's validation refuses the latter, and says which are missing.

    Parameters
    ----------
    X : object
        What rows came as; a data frame has ``columns`` and gives some of them when indexed.
    names : sequence of str, optional
        The features that were fitted; None where they had no names.

    Raises
    ------
    ValueError
        If a name that was fitted is that of more than one column.
    """
    columns = getattr(X, "columns", None)
    if names is None or columns is None:
        return X
    present, wanted = list(columns), list(names)
    if present == wanted or not set(wanted) <= set(present):
        return X
    doubled = sorted({name for name in wanted if present.count(name) > 1})
    if doubled:
        raise ValueError(f"X has more than one column called {', '.join(map(repr, doubled))}")
    return X[wanted]


def align_rows(X: Any, names: Sequence[str] | None, is_new: bool = False) -> Any:
    """Return readable rows with the columns that were fitted; see `align_columns`.

    Parameters
    ----------
    X, is_new
        As of `make_readable`.
    names : sequence of str, optional
        The features that were fitted; None where they had no names.

    Returns
    -------
    array-like or data frame
        As of `make_readable`.

    Raises
    ------
    TypeError, ValueError, SourceError
        As `make_readable`; also if the lists in a column are longer than those that were fitted.
    """
    # Columns that are left out need not be numbers; those of lists become several.
    X = align_columns(X, names)
    rows = make_readable(X, is_new)
    if names is not None and rows is not X and hasattr(rows, "columns"):
        wanted, lists = set(names), {match[1] for name in names if (match := ENTRY.fullmatch(name))}
        for column in map(str, rows.columns):
            match = None if column in wanted else ENTRY.fullmatch(column)
            if match and match[1] in lists.intersection(X.columns):
                n = sum(name.startswith(f"{match[1]}[") for name in names)
                raise ValueError(
                    f"the lists in column {match[1]!r} have more than the {n} numbers that were "
                    "fitted"
                )
    return align_columns(rows, names)


def _new_features(X: Any) -> Any:
    """Leave out an index that was stored, warn of columns that nobody named."""
    kept = [c for c in X.columns if not (isinstance(c, str) and STORED_INDEX.fullmatch(c))]
    warn_of_unnamed(kept, f"the {type(X).__name__}")
    return X if len(kept) == len(X.columns) else X[kept]


def _readable_frame(X: Any) -> Any:
    """Check a frame's columns; give them with lists, categories and the like as numbers."""
    name = f"the {type(X).__name__}"
    if is_pandas(X):
        for i, dtype in enumerate(X.dtypes):
            if getattr(dtype, "kind", "O") in "iu" and not (column := X.iloc[:, i]).isna().any():
                _require_exact_column(column.to_numpy(), f"column {X.columns[i]!r} of {name}")
        if all(getattr(dtype, "kind", "O") in "biuf" for dtype in X.dtypes):
            return X
        rows, names = _split_features(X, name)
        return type(X)(rows, columns=names if is_named(X) else None, index=X.index)
    schema = open_stream(X).schema
    if all(is_number(kind) and not is_list(kind) for kind in schema.types):
        large = {kind for kind in schema.types if str(kind) in ("int64", "uint64")}
        first_row = 0
        for batch in open_stream(X) if large else ():
            for label, column in zip(schema.names, batch.columns, strict=True):
                if column.type in large and not column.null_count:
                    read_numbers(column, label, name, first_row)
            first_row += len(batch)
        return X
    rows, names = _split_features(X, name)
    return type(X)(rows, schema=names)


def _require_exact_column(values: np.ndarray, what: str) -> None:
    """Refuse integers that float64 does not hold."""
    require_exact_integers(values, lambda row: f"{what}, in row {row},")


def _split_features(frame: Any, name: str) -> tuple[np.ndarray, list[str]]:
    """Return a frame's rows, with every number of a list a feature, and the features' names."""
    table = _to_table(frame, name)
    batches = table.to_batches()
    layout = lay_out_columns(table.schema, table.schema.names, Query(), name, lambda _: batches)
    chunks = [chunk.rows for chunk in chunk_batches(batches, layout, Query(), name)]
    empty = np.empty((0, layout.n_features))
    return np.concatenate([*chunks] or [empty]), list(layout.names or ())


def _to_table(frame: Any, name: str) -> Any:
    """Return a frame as a table of Arrow's, its columns named by numbers if they have no names."""
    pa = import_optional("pyarrow")
    if not is_pandas(frame):
        return open_stream(frame).read_all()
    if not is_named(frame):
        frame = frame.set_axis([str(i) for i in range(frame.shape[1])], axis=1)
    for label, column in frame.items():
        if column.dtype == object and any(map(np.ma.is_masked, column)):
            raise SourceError(
                f"column {label!r} of {name} has masked entries, which stand for no value; "
                + advise_on_missing()
            )
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        # The last argument names the column, those before it the cell.
        raise SourceError(f"{name} does not hold numbers: {error.args[-1]}") from None


def require_finite_rows(rows: np.ndarray, names: Any = None) -> None:
    """Refuse validated rows that are not finite, by a ValueError that says where the first is.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Of numbers.
    names : array-like of str, optional
        Names of the features.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(rows.sum()):
            return
    is_bad = ~np.isfinite(rows)
    if not is_bad.any():
        return
    row = int(is_bad.any(axis=1).argmax())
    at = int(is_bad[row].argmax())
    what = "NaN" if np.isnan(rows[row, at]) else "infinity"
    column = at if names is None else repr(str(names[at]))
    raise ValueError(
        f"Input X contains {what} at row {row}, column {column}; {advise_on_missing()}"
    )
