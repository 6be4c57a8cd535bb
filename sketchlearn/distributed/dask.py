"""Dask arrays, data frames and bags to sketches, on whichever scheduler Dask uses.

Every block is sketched where it is; the integer sums, 16 bytes a frequency, are added in a tree.
Integers have no order, so the result is the same bytes as in memory, however the collection is
partitioned and whichever tasks are run again because a worker died.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sketchlearn.distributed.dask_blocks import DASK, Reader, split_blocks
from sketchlearn.distributed.groups import GroupKind, PartitionGroups
from sketchlearn.distributed.rows import naming
from sketchlearn.distributed.sample import Sample, plan
from sketchlearn.distributed.sums import PartitionSums
from sketchlearn.features.moments import MomentKind
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching import Sketcher
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.row_keys import KeyIndex
from sketchlearn.tables import SketchTable
from sketchlearn.tables.columns import check_key_names

# How many results one task of the tree merges.
FAN_IN = 8
# Blocks that the first look for a pilot reads, if there are as many.
PILOT_BLOCKS = 64
# What `dask.compute` understands; elsewhere these would be ignored without a word.
OPTIONS = {"scheduler", "optimize_graph"}
LOCAL_OPTIONS = {"num_workers", "pool", "chunksize"}
CLIENT_OPTIONS = {
    *("retries", "priority", "workers", "allow_other_workers", "resources", "fifo_timeout"),
    "actors",
}


def sketch(
    sketcher: Sketcher,
    collection: Any,
    *,
    columns: Sequence[str | int] | None = None,
    sample_weight: Any = None,
    filter: Any = None,  # noqa: A002
    **options: Any,
) -> Sketch:
    """Sketch all rows of a Dask collection.

    Parameters
    ----------
    sketcher : Sketcher
        A fitted one, from `fit` here or from anywhere else.
    collection : dask.array.Array, dask.dataframe.DataFrame or dask.bag.Bag
        Rows. A bag's elements may be rows, arrays (n, n_features) of rows, or mappings or data
        frames with ``columns`` among their keys. A column of lists of numbers makes one feature an
        entry.
    columns : sequence of str or int, optional
        The features: by name, or by index in what has no names. By default those that the sketcher
        was fitted on, which are found by their names in any order, or if it was fitted on an array
        all columns, in order. Needed for a bag of mappings or data frames.
    sample_weight : str, number, or array-like, Dask array or Dask series of shape (n,), optional
        Weights, as in `Sketcher.sketch`: the name of a column, which is no feature then, or one
        weight a row.
    filter : pyarrow.compute.Expression or list of tuples, optional
        Which rows of what has named columns, for instance ``[("price", ">", 0)]``; see
        `open_source`.
    **options
        For `dask.compute`: ``scheduler="threads"``, or with a `distributed.Client` ``retries=3``
        for tasks that may fail.

    Returns
    -------
    Sketch
        The same bytes as `Sketcher.sketch` gives of the same rows in memory, for any partitioning.

    Raises
    ------
    ImportError
        If Dask is not installed.
    TypeError
        If the collection is of another kind, a column is not numeric, or a keyword is unknown.
    ValueError
        If columns are missing or of another number than the sketcher's features, rows are not
        finite, or weights are out of range or not one a row.

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
    dask = import_optional(*DASK)
    check_is_fitted(sketcher, "operator_")
    _check_options(options)
    compute = partial(_compute_delayed, collection=collection, options=options)
    blocks, read, weights = split_blocks(
        collection, columns, sample_weight, filter, sketcher, compute
    )
    operator = dask.delayed(sketcher.operator_, traverse=False)
    moments = sketcher.moment_kind
    tasks = [
        dask.delayed(_sketch_block)(operator, moments, read, block, weight, i)
        for i, (block, weight) in enumerate(zip(blocks, weights, strict=True))
    ]
    total = PartitionSums.empty(sketcher.operator_, moments)
    if tasks:
        (total,) = compute([_merge_in_tree(tasks, PartitionSums.total)])
    return total.sketch(sketcher.operator_, sketcher.feature_names)


def sketch_groups(
    sketcher: Sketcher,
    collection: Any,
    by: str | Sequence[str],
    *,
    columns: Sequence[str | int] | None = None,
    sample_weight: Any = None,
    filter: Any = None,  # noqa: A002
    max_memory: int = 2**31,
    **options: Any,
) -> SketchTable:
    """Sketch all rows of a Dask data frame by key.

    Parameters
    ----------
    sketcher : Sketcher
        A fitted one, from `fit` here or from anywhere else.
    collection : dask.dataframe.DataFrame
        Rows.
    by : str or sequence of str
        Columns that make a key, as in `Sketcher.sketch_groups`.
    columns, sample_weight, filter, **options
        As in `sketch`.
    max_memory : int, default=2**31
        Bytes that the sums may take, in each task and here.

    Returns
    -------
    SketchTable
        The same bytes as `Sketcher.sketch_groups` gives of the same rows in memory, for any
        partitioning.

    Raises
    ------
    ImportError, TypeError, ValueError
        As `sketch` and `Sketcher.sketch_groups`.

    Examples
    --------
    >>> import dask.dataframe, pandas
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.distributed import dask as sketched
    >>> rows = pandas.DataFrame({"day": [1, 1, 2, 2], "x": [0.0, 1.0, 5.0, 6.0]})
    >>> sketcher = Sketcher(n_frequencies=50, random_state=0).fit(rows[["x"]])
    >>> frame = dask.dataframe.from_pandas(rows, npartitions=2)
    >>> sketched.sketch_groups(sketcher, frame, "day") == sketcher.sketch_groups(rows, "day")
    True
    """
    dask = import_optional(*DASK)
    check_is_fitted(sketcher, "operator_")
    _check_options(options)
    names = KeyIndex([by] if isinstance(by, str) else by).names
    check_key_names(names)
    compute = partial(_compute_delayed, collection=collection, options=options)
    blocks, read, weights = split_blocks(
        collection, columns, sample_weight, filter, sketcher, compute, names
    )
    kind = GroupKind(sketcher.operator_, names, sketcher.moment_kind, max_memory)
    shared = dask.delayed(kind, traverse=False)
    tasks = [
        dask.delayed(_group_block)(shared, read, block, weight, i)
        for i, (block, weight) in enumerate(zip(blocks, weights, strict=True))
    ]
    parts = [PartitionGroups.of_rows(kind, None)]
    if tasks:
        total = partial(PartitionGroups.total, max_memory=max_memory)
        parts += compute([_merge_in_tree(tasks, total)])
    return PartitionGroups.total(parts, max_memory).table(kind, sketcher.feature_names)


def fit(
    sketcher: Sketcher,
    collection: Any,
    *,
    columns: Sequence[str | int] | None = None,
    sample_weight: Any = None,
    filter: Any = None,  # noqa: A002
    **options: Any,
) -> Sketcher:
    """Fit a sketcher on rows of a Dask collection, brought here as a bounded sample.

    The sample has 20 max(5000, 50 n_clusters) rows of positive weight, as many as `Sketcher.fit`
    chooses its pilot among, or as fit into 32 MB, or all. They are uniform among the rows of 64
    random blocks, or of all if there are fewer; of more blocks while there are too few rows for a
    pilot.

    Parameters
    ----------
    sketcher : Sketcher
        It is fitted in place and given back.
    collection, columns, sample_weight, filter, **options
        As in `sketch`; by default all columns are features, but for those of weights and of an
        index that pandas or Dask stored.

    Raises
    ------
    ImportError, TypeError, ValueError
        As `sketch`; and as `Sketcher.fit`, for instance if there is no row.
    """
    dask = import_optional(*DASK)
    _check_options(options)
    size, seed = plan(sketcher)
    compute = partial(_compute_delayed, collection=collection, options=options)
    blocks, read, weights = split_blocks(collection, columns, sample_weight, filter, None, compute)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(blocks))
    seeds = rng.integers(2**63, size=len(blocks))
    merge = partial(Sample.smallest, size=size)
    sample = Sample.none()
    taken, n_wanted = 0, PILOT_BLOCKS
    while taken < len(blocks) and len(sample.rows) < size:
        chosen = order[taken : taken + n_wanted]
        tasks = [
            dask.delayed(_sample)(read, blocks[i], weights[i], i, size, seeds[i]) for i in chosen
        ]
        sample = merge([sample, *compute([_merge_in_tree(tasks, merge)])])
        taken, n_wanted = taken + len(chosen), 2 * n_wanted
    return sample.fit(sketcher, share=taken / max(1, len(blocks)))


def _check_options(options: dict[str, Any]) -> None:
    """Refuse, by a TypeError, keywords that `dask.compute` would ignore on the scheduler in use."""
    get = import_optional(*DASK).base.get_scheduler(scheduler=options.get("scheduler"))
    has_client = type(getattr(get, "__self__", None)).__module__.startswith("distributed.")
    other = LOCAL_OPTIONS if has_client else CLIENT_OPTIONS
    for word in options:
        if word in other:
            what = "with" if has_client else "without"
            raise TypeError(f"{word} has no effect {what} a distributed.Client as the scheduler")
        if word not in OPTIONS | LOCAL_OPTIONS | CLIENT_OPTIONS:
            raise TypeError(
                f"unexpected keyword argument {word!r}; expected columns, sample_weight, filter, "
                f"or what dask.compute takes: {', '.join(sorted(OPTIONS | CLIENT_OPTIONS))}"
            )


def _compute_delayed(
    tasks: Sequence[Any], collection: Any, options: dict[str, Any]
) -> tuple[Any, ...]:
    """Compute delayed results; ValueError if a partition of a frame lacks a column of the frame."""
    dask = import_optional(*DASK)
    try:
        return tuple(dask.compute(*tasks, **options))
    except KeyError as error:
        if not isinstance(collection, dask.dataframe.DataFrame):
            raise
        raise ValueError(
            f"a partition of the data frame lacks columns that it should have: {error}"
        ) from error


def _merge_in_tree(tasks: list[Any], merge: Callable[[list[Any]], Any]) -> Any:
    """Merge delayed results, `FAN_IN` at a time, until one is left."""
    dask = import_optional(*DASK)
    while len(tasks) > 1:
        groups = [tasks[i : i + FAN_IN] for i in range(0, len(tasks), FAN_IN)]
        tasks = [dask.delayed(merge)(group) for group in groups]
    return tasks[0]


def _sketch_block(
    operator: FrequencyOperator,
    moments: MomentKind | None,
    read: Reader,
    block: Any,
    weights: Any,
    number: int,
) -> PartitionSums:
    """Sketch one block, where it is."""
    with naming(f"block {number} of the collection"):
        return PartitionSums.of_rows(operator, moments, read(block, weights))


def _group_block(
    kind: GroupKind, read: Reader, block: Any, weights: Any, number: int
) -> PartitionGroups:
    """Sketch one block by key, where it is."""
    with naming(f"block {number} of the collection"):
        return PartitionGroups.of_rows(kind, read(block, weights))


def _sample(read: Reader, block: Any, weights: Any, number: int, size: int, seed: int) -> Sample:
    """Draw rows of one block, where it is."""
    with naming(f"block {number} of the collection"):
        return Sample.of_rows(read(block, weights), size, np.random.default_rng(seed))
