"""From a Dask collection to its blocks, how one is read, and the weights beside each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from sketchlearn.distributed.features import (
    choose_features,
    find_column,
    find_needed_columns,
    require_columns,
)
from sketchlearn.distributed.rows import Query, as_numbers
from sketchlearn.distributed.sums import require_features
from sketchlearn.sketching import Sketcher
from sketchlearn.sources.optional import import_optional

# Modules of Dask that are used, Dask itself first.
DASK = ("dask", "dask.array", "dask.bag", "dask.dataframe")
# From a computed block, and its weights if they are no column, to rows, or to `KeyedRows`.
Reader = Callable[[Any, Any], Any]
# Computes delayed results.
Compute = Callable[[Sequence[Any]], tuple[Any, ...]]


class Blocks(NamedTuple):
    """A collection's delayed blocks, how one is read, and what each is weighed by, or None."""

    blocks: list[Any]
    read: Reader
    weights: list[Any]


def split_blocks(
    collection: Any,
    columns: Sequence[str | int] | str | None,
    sample_weight: Any,
    filter: Any,  # noqa: A002
    sketcher: Sketcher | None,
    compute: Compute,
    by: tuple[str, ...] = (),
) -> Blocks:
    """Take a collection apart.

    Parameters
    ----------
    collection, columns, sample_weight, filter
        As in `sketchlearn.distributed.dask.sketch`.
    sketcher : Sketcher, optional
        Whose features the rows must have, if it is fitted.
    compute : callable
        Computes delayed results, where lengths must be known.
    by : tuple of str
        Columns of a data frame that rows are grouped by; they are then read as `KeyedRows`.

    Raises
    ------
    TypeError, ValueError
        If it is no collection of rows, the columns are not there or not numeric, or the weights
        are not one a row.
    """
    dask = import_optional(*DASK)
    if columns is not None:
        columns = [columns] if isinstance(columns, str) else list(columns)
    by_name = isinstance(sample_weight, str)
    weight: str | None = sample_weight if by_name else None
    lengths: tuple[int, ...] | None = None
    if by and not isinstance(collection, dask.dataframe.DataFrame):
        raise TypeError(
            "rows are grouped by columns of a Dask data frame, got "
            f"{type(collection).__module__}.{type(collection).__qualname__}"
        )
    if isinstance(collection, dask.array.Array):
        if filter is not None or by_name:
            raise TypeError("an array has no named columns to filter or weigh rows by")
        blocks = _array_blocks(collection, sketcher, columns)
        read: Reader = Query(indices=_check_indices(columns, "an array")).of_array
        lengths = None if np.isnan(collection.chunks[0]).any() else collection.chunks[0]
    elif isinstance(collection, dask.dataframe.DataFrame):
        query = _frame_query(collection, columns, weight, filter, sketcher, by)
        blocks = _frame_blocks(collection, query)
        read = query.groups_of_frame if by else query.of_frame
    elif isinstance(collection, dask.bag.Bag):
        blocks, read = (
            collection.to_delayed(),
            _bag_query(columns, weight, filter, sketcher).of_elements,
        )
    else:
        raise TypeError(
            "expected a Dask array, data frame or bag, got "
            f"{type(collection).__module__}.{type(collection).__qualname__}"
        )
    if by_name:
        sample_weight = None
    return Blocks(blocks, read, _weight_blocks(sample_weight, blocks, lengths, compute))


def _array_blocks(
    array: Any, sketcher: Sketcher | None, columns: Sequence[str | int] | None
) -> list[Any]:
    """Cut an array into blocks of whole rows."""
    if array.ndim != 2:
        raise ValueError(f"expected a two-dimensional array, got {array.ndim} dimensions")
    if array.dtype is not None and array.dtype.kind not in "biufO":
        raise TypeError(f"an array must hold real numbers, got {array.dtype}")
    if np.isnan(array.shape[1]):
        raise ValueError("an array must know how many columns it has; call compute_chunk_sizes()")
    for column in _check_indices(columns, "an array") or ():
        if not 0 <= column < array.shape[1]:
            raise ValueError(f"there is no column {column}: the array has {array.shape[1]} columns")
    if sketcher is not None:
        n_features = array.shape[1] if columns is None else len(columns)
        require_features(n_features, sketcher.operator_.n_features)
        if columns is None and hasattr(sketcher, "feature_names_in_"):
            warnings.warn(
                "an array has no feature names, but the sketcher was fitted with feature names; "
                "its columns are taken in their order",
                UserWarning,
                stacklevel=4,
            )
    return list(array.rechunk({1: -1}).to_delayed().ravel())


def _check_indices(columns: Sequence[str | int] | None, what: str) -> tuple[int, ...] | None:
    """Check columns of what has no names."""
    if columns is None:
        return None
    if not all(isinstance(column, Integral) for column in columns):
        raise ValueError(
            f"{what} has no names for columns to choose from; choose them by index, got {columns!r}"
        )
    return tuple(int(column) for column in columns)


def _frame_query(
    frame: Any,
    columns: Sequence[str | int] | None,
    weight: str | None,
    filter: Any,  # noqa: A002
    sketcher: Sketcher | None,
    by: tuple[str, ...],
) -> Query:
    """Say what is read of a data frame's partitions."""
    labels = list(frame.columns)
    n_texts = sum(isinstance(label, str) for label in labels)
    if 0 < n_texts < len(labels):
        raise TypeError(f"column names must all be strings, or none, got {labels}")
    is_named = n_texts > 0
    available = [str(label) for label in labels]
    if not is_named and columns is not None:
        columns = [str(column) for column in columns]
    fitted = getattr(sketcher, "feature_names_in_", None)
    names = choose_features(available, columns, fitted, weight, by)
    kinds = dict(zip(available, frame.dtypes, strict=True))
    read = list(dict.fromkeys(find_column(name, available) for name in names))
    for name in read if weight is None else [*read, weight]:
        _check_kind(name, kinds[name])
    holds_lists = any(_may_hold_lists(kinds[name]) for name in read)
    if sketcher is not None and not holds_lists:
        require_features(len(names), sketcher.operator_.n_features)
    needed = find_needed_columns([*read, *by], weight, filter)
    require_columns(available, needed or by)
    return Query(tuple(names), filter, weight, needed, is_named, by=by)


def _frame_blocks(frame: Any, query: Query) -> list[Any]:
    """Read no more columns of the partitions than are needed, where Dask can leave out others."""
    labels = [c for c in frame.columns if query.needed is None or str(c) in query.needed]
    if len(labels) < len(frame.columns):
        fewer = frame[labels]
        # Where it would only read all and then choose, partitions that lack a column would fail.
        if type(fewer.optimize(fuse=False).expr).__name__ != "Projection":
            frame = fewer
    return list(frame.to_delayed())


def _bag_query(
    columns: Sequence[str | int] | None,
    weight: str | None,
    filter: Any,  # noqa: A002
    sketcher: Sketcher | None,
) -> Query:
    """Say what is read of a bag's elements, named or not."""
    fitted = getattr(sketcher, "feature_names_in_", None)
    asked = columns or ()
    by_name = any(isinstance(column, str) for column in asked)
    indices = tuple(asked) if by_name else _check_indices(columns, "a row")
    if not by_name and (asked or fitted is None):
        return Query(None, filter, weight, None, indices=indices)
    available = [str(name) for name in (asked if by_name or fitted is None else fitted)]
    names = choose_features(available, available if by_name else None, fitted, None)
    needed = find_needed_columns(available, weight, filter)
    return Query(tuple(names), filter, weight, needed, indices=indices)


def _check_kind(name: str, kind: Any) -> None:
    """Refuse a column whose type holds no numbers; whether objects do is seen where they are."""
    from pandas.api.types import is_complex_dtype, is_numeric_dtype

    is_number = is_numeric_dtype(kind) and not is_complex_dtype(kind)
    if (is_number and not hasattr(kind, "fill_value")) or _may_hold_lists(kind):
        return
    advice = "name the features by columns=[...]"
    if str(kind).startswith("string"):
        advice += (
            "; if it held lists of numbers, Dask made texts of them, which the setting "
            "dataframe.convert-string=False prevents"
        )
    raise TypeError(f"column {name!r} must be numeric, got {kind}; {advice}")


def _may_hold_lists(kind: Any) -> bool:
    """Whether a column may hold lists of numbers: Arrow's lists, or objects."""
    arrow = getattr(kind, "pyarrow_dtype", None)
    return bool(kind is np.dtype(object) or (arrow is not None and hasattr(arrow, "value_type")))


def _weight_blocks(
    weights: Any, blocks: list[Any], lengths: tuple[int, ...] | None, compute: Compute
) -> list[Any]:
    """Cut weights as the rows are cut; that each block has as many is seen where it is."""
    dask = import_optional(*DASK)
    if weights is None:
        return [None] * len(blocks)
    if isinstance(weights, Real):
        return [float(weights)] * len(blocks)
    if isinstance(weights, dask.dataframe.Series):
        if weights.npartitions == len(blocks):
            return list(weights.to_delayed())
        weights = weights.to_dask_array()
    if not isinstance(weights, dask.array.Array):
        if hasattr(weights, "dask"):
            raise TypeError(
                "sample_weight must be the name of a column, or a Dask array or series, got "
                f"{type(weights).__module__}.{type(weights).__qualname__}"
            )
        numbers = as_numbers(weights, "the weights")
        weights = dask.array.from_array(numbers, chunks=numbers.shape)
    if weights.ndim != 1:
        raise ValueError(f"sample_weight must be one-dimensional, got shape {weights.shape}")
    is_known = not np.isnan(weights.chunks[0]).any()
    if weights.numblocks[0] == len(blocks) and (lengths is None or not is_known):
        return list(weights.to_delayed())
    if not is_known:
        delayed = weights.to_delayed()
        counts = compute([dask.delayed(_count)(block) for block in delayed])
        weights = dask.array.concatenate(
            [
                dask.array.from_delayed(block, (count,), dtype=weights.dtype)
                for block, count in zip(delayed, counts, strict=True)
            ]
        )
    if lengths is None:
        lengths = compute([dask.delayed(_count)(block) for block in blocks])
    if weights.shape[0] != sum(lengths):
        raise ValueError(
            f"sample_weight must have shape ({sum(lengths)},), one weight a row, got "
            f"{weights.shape}"
        )
    return list(weights.rechunk((tuple(lengths),)).to_delayed())


def _count(block: Any) -> int:
    """Count a block's rows; in a bag's, elements may be arrays of them."""
    if hasattr(block, "shape"):
        return int(block.shape[0])
    return sum(len(element) if np.ndim(element) == 2 else 1 for element in block)
