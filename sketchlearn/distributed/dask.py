"""Dask arrays, data frames and bags to sketches, on whichever scheduler Dask uses.

Every block is sketched where it is; the integer sums, 16 bytes a frequency, are added in a tree.
Integers have no order, so the result is the same bytes as in memory, however the collection is
partitioned and whichever tasks are run again because a worker died.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sketchlearn.distributed.sample import Sample
from sketchlearn.distributed.sums import Sums, require_finite
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketching import Sketch, Sketcher, pilot_size

# How many results one task of the tree merges.
FAN_IN = 8
# Blocks that the first look for a pilot reads, if there are as many.
PILOT_BLOCKS = 64
# Rows of a bag that are converted at once.
BAG_ROWS = 2**14

# From a computed block to arrays (n, n_features).
Reader = Callable[[Any], Iterable[np.ndarray]]


def sketch(
    sketcher: Sketcher, collection: Any, *, columns: Sequence[str] | None = None, **options: Any
) -> Sketch:
    """Sketch all rows of a Dask collection.

    Parameters
    ----------
    sketcher : Sketcher
        A fitted one, from `fit` here or from anywhere else.
    collection : dask.array.Array, dask.dataframe.DataFrame or dask.bag.Bag
        Rows. A bag's elements may be rows, arrays (n, n_features) of rows, or mappings with
        ``columns`` among their keys.
    columns : sequence of str, optional
        The features, in this order. By default those that the sketcher was fitted on, or if it was
        fitted on an array all columns. Needed for a bag of mappings; arrays have none.
    **options
        For `dask.compute`: ``scheduler="threads"``, or ``retries=3`` for tasks that may fail.

    Returns
    -------
    Sketch
        The same bytes as `Sketcher.sketch` gives of the same rows in memory, for any partitioning.

    Raises
    ------
    ImportError
        If Dask is not installed.
    TypeError
        If the collection is of another kind, or a column is not numeric.
    ValueError
        If columns are missing or of another number than the sketcher's features, or rows are not
        finite.

    Examples
    --------
    >>> import dask.array
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.distributed import dask as sketched
    >>> rows = dask.array.random.default_rng(0).normal(size=(10_000, 2), chunks=(1_000, 2))
    >>> sketcher = sketched.fit(Sketcher(n_frequencies=50, random_state=0), rows)
    >>> sketched.sketch(sketcher, rows) == sketcher.sketch(rows.compute())
    True
    """
    dask = _dask()
    check_is_fitted(sketcher, "operator_")
    blocks, read, _ = _blocks(collection, columns, getattr(sketcher, "feature_names_in_", None))
    operator = dask.delayed(sketcher.operator_, traverse=False)
    tasks = [dask.delayed(_sums)(operator, read, block, i) for i, block in enumerate(blocks)]
    (total,) = dask.compute(_tree(tasks, Sums.total), **options)
    return total.sketch(sketcher.operator_)


def fit(
    sketcher: Sketcher, collection: Any, *, columns: Sequence[str] | None = None, **options: Any
) -> Sketcher:
    """Fit a sketcher on rows of a Dask collection, brought here as a bounded sample.

    The sample has 20 max(5000, 50 n_clusters) rows, as many as `Sketcher.fit` chooses its pilot
    among, or as fit into 32 MB, or all. They are uniform among the rows of 64 random blocks, or of
    all if there are fewer; of more blocks while there are too few rows for a pilot.

    Parameters
    ----------
    sketcher : Sketcher
        It is fitted in place and given back.
    collection, columns, **options
        As in `sketch`.

    Raises
    ------
    ImportError, TypeError, ValueError
        As `sketch`; and as `Sketcher.fit`, for instance if there is no row.
    """
    dask = _dask()
    blocks, read, names = _blocks(collection, columns, None)
    size = pilot_size(sketcher.n_clusters)
    rng = np.random.default_rng(
        check_random_state(sketcher.random_state).randint(np.iinfo(np.int32).max)
    )
    order = rng.permutation(len(blocks))
    seeds = rng.integers(2**63, size=len(blocks))
    merge = partial(Sample.smallest, size=size)
    samples: list[Sample] = []
    taken, n_wanted = 0, PILOT_BLOCKS
    while taken < len(blocks) and sum(len(sample.rows) for sample in samples) < size:
        chosen = order[taken : taken + n_wanted]
        tasks = [dask.delayed(_sample)(read, blocks[i], i, size, seeds[i]) for i in chosen]
        samples += dask.compute(_tree(tasks, merge), **options)
        taken, n_wanted = taken + len(chosen), 2 * n_wanted
    rows = merge(samples).rows
    return sketcher.fit(rows if names is None else _frame(rows, names))


def _dask() -> Any:
    """Give the dask package, or say how to get it."""
    try:
        import dask
        import dask.array
        import dask.bag
        import dask.dataframe
    except ImportError as error:
        raise ImportError("Dask collections need Dask: install sketchlearn[dask]") from error
    return dask


def _frame(rows: np.ndarray, names: list[str]) -> Any:
    """Give rows with their features' names."""
    import pandas

    return pandas.DataFrame(rows, columns=names)


def _blocks(
    collection: Any, columns: Sequence[str] | None, fitted: Sequence[str] | None
) -> tuple[list[Any], Reader, list[str] | None]:
    """Give a collection's delayed blocks, how one is read, and its features' names if it has any.

    Raises
    ------
    TypeError, ValueError
        If it is no collection of rows, or the columns are not there or not numeric.
    """
    dask = _dask()
    wanted = [columns] if isinstance(columns, str) else columns if columns is not None else fitted
    names = None if wanted is None else [str(name) for name in wanted]
    if isinstance(collection, dask.array.Array):
        if collection.ndim != 2:
            raise ValueError(f"expected a two-dimensional array, got {collection.ndim} dimensions")
        if columns is not None:
            raise ValueError("an array has no names for columns to choose from; slice it")
        return list(collection.rechunk({1: -1}).to_delayed().ravel()), _array_chunks, None
    if isinstance(collection, dask.dataframe.DataFrame):
        names = list(collection.columns) if names is None else names
        _check_columns(collection.dtypes, names)
        return collection[names].to_delayed(), _frame_chunks, names
    if isinstance(collection, dask.bag.Bag):
        return collection.to_delayed(), partial(_bag_chunks, columns=names), names
    raise TypeError(
        "expected a Dask array, data frame or bag, got "
        f"{type(collection).__module__}.{type(collection).__qualname__}"
    )


def _check_columns(dtypes: Any, names: list[str]) -> None:
    """Refuse columns that are missing or not numeric."""
    import pandas.api.types

    if missing := [name for name in names if name not in dtypes.index]:
        raise ValueError(
            f"the columns {', '.join(map(repr, missing))} are missing; the data frame has "
            f"{', '.join(map(repr, dtypes.index))}"
        )
    for name in names:
        if not pandas.api.types.is_numeric_dtype(dtypes[name]):
            raise TypeError(
                f"column {name!r} must be numeric, got {dtypes[name]}; name the "
                "features by columns=[...]"
            )


def _tree(tasks: list[Any], merge: Callable[[list[Any]], Any]) -> Any:
    """Merge delayed results, `FAN_IN` at a time, until one is left."""
    dask = _dask()
    while len(tasks) > 1:
        groups = [tasks[i : i + FAN_IN] for i in range(0, len(tasks), FAN_IN)]
        tasks = [dask.delayed(merge)(group) for group in groups]
    return tasks[0]


def _sums(operator: FrequencyOperator, read: Reader, block: Any, number: int) -> Sums:
    """Sketch one block, where it is."""
    try:
        return Sums.of_rows(operator, read(block))
    except ValueError as error:
        raise ValueError(f"block {number} of the collection: {error}") from error


def _sample(read: Reader, block: Any, number: int, size: int, seed: int) -> Sample:
    """Draw rows of one block, where it is."""
    try:
        return Sample.of_rows(read(block), size, np.random.default_rng(seed))
    except ValueError as error:
        raise ValueError(f"block {number} of the collection: {error}") from error


def _array_chunks(block: Any) -> Iterator[np.ndarray]:
    """The block itself."""
    yield np.asarray(block)


def _frame_chunks(frame: Any) -> Iterator[np.ndarray]:
    """A data frame's numbers, a missing one being NaN, which is refused later."""
    dtype = np.result_type(*(getattr(t, "numpy_dtype", t) for t in frame.dtypes), np.float32)
    yield require_finite(frame.to_numpy(dtype=dtype, na_value=np.nan), list(frame.columns))


def _bag_chunks(elements: Iterable[Any], columns: list[str] | None) -> Iterator[np.ndarray]:
    """A bag's elements as arrays: arrays as they are, rows and mappings many at once."""
    from toolz import partition_all, peek

    try:
        first, elements = peek(elements)
    except StopIteration:
        return
    if isinstance(first, Mapping):
        if columns is None:
            raise ValueError("a bag of mappings needs columns=[...], the keys of the features")
        elements = ([element[name] for name in columns] for element in elements)
    elif np.ndim(first) == 2:
        yield from map(np.asarray, elements)
        return
    for batch in partition_all(BAG_ROWS, elements):
        yield np.asarray(batch)
