"""A table of sketches as columns: what Arrow, Parquet and any engine with SQL hold of it.

The keys come first, by their own names. Every other column begins with ``sk_`` and holds integers
of 64 bits that are added group by group, each column apart: counts, rows times numbers that tell
the operator, then the waves' sums, then the limbs (`wide_integers`) of the moments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sketchlearn.exceptions import SketchFormatError, SketchMismatchError
from sketchlearn.features.moments import MomentKind
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sources.optional import import_optional
from sketchlearn.sources.row_keys import KINDS, KeyIndex
from sketchlearn.tables import wide_integers
from sketchlearn.tables.group_sums import GroupSums, spell_key

PREFIX = "sk_"
ROWS, WEIGHT, SQUARES = "sk_rows", "sk_weight", "sk_weight_squared"
# Rows times the operator's two numbers (`operator_numbers`): sums keep these, engines no metadata.
MARKS = ("sk_operator_0", "sk_operator_1")
# Limbs of sums of squared weights below 2^120, of coordinates below 2^140, products below 2^220.
SQUARE_LIMBS, SUM_LIMBS, PRODUCT_LIMBS = 4, 5, 7
# Bytes of a record batch, or of a Parquet file's row group, or a little more.
BATCH_BYTES = 2**24


def check_key_names(names: Sequence[str]) -> None:
    """Refuse, by a ValueError, columns whose names are those of sums."""
    if taken := [name for name in names if name.lower().startswith(PREFIX)]:
        raise ValueError(
            f"rows cannot be grouped by {', '.join(map(repr, taken))}: names that begin with "
            f"{PREFIX!r} are those of a table's sums; rename the column"
        )


def list_wide(n_features: int, kind: MomentKind | None) -> list[tuple[str, int]]:
    """Return names and numbers of limbs of the squared weights and the moments."""
    wide = [(SQUARES, SQUARE_LIMBS)]
    if kind is None:
        return wide
    d = n_features
    pairs = [(j, k) for j in range(d) for k in range(j, d if kind == "full" else j + 1)]
    wide += [(f"sk_sum_{j}", SUM_LIMBS) for j in range(d)]
    return wide + [(f"sk_product_{j}_{k}", PRODUCT_LIMBS) for j, k in pairs]


def list_columns(n_features: int, n_frequencies: int, kind: MomentKind | None) -> list[str]:
    """Return the names of all columns but the keys, in their order."""
    waves = [f"sk_{part}_{j}" for part in ("cos", "sin") for j in range(n_frequencies)]
    wide = [f"{name}_{k}" for name, n in list_wide(n_features, kind) for k in range(n)]
    return [ROWS, WEIGHT, *MARKS, *waves, *wide]


def operator_numbers(operator: FrequencyOperator) -> tuple[int, int]:
    """Return two numbers from 1 to 2^13 - 1 of an operator's fingerprint.

    Two operators have the same by a chance of one in 67 million. A table has at most 2^50 rows,
    of a total weight below 2^40 and a mean of 2^-10 at least: the product stays within 64 bits.
    """
    first, second = (int(operator.fingerprint[i : i + 8], 16) % 8191 + 1 for i in (0, 8))
    return first, second


def write_batches(
    groups: GroupSums,
    by: Sequence[str],
    operator: FrequencyOperator,
    kind: MomentKind | None,
    schema: Any,
) -> Iterator[Any]:
    """Yield groups as record batches of a schema, a bounded number at once."""
    pa = import_optional("pyarrow")
    size = max(1, BATCH_BYTES * len(groups.keys) // max(1, groups.n_bytes))
    limbs = [n for _, n in list_wide(operator.n_features, kind)]
    for start in range(0, max(1, len(groups.keys)), size):
        some = slice(start, start + size)
        keys = groups.keys[some]
        columns = [pa.array([key[i] for key in keys], schema.types[i]) for i in range(len(by))]
        columns += [pa.array(array[some]) for array in (groups.n_samples, groups.weight_units)]
        columns += [pa.array(groups.n_samples[some] * n) for n in operator_numbers(operator)]
        waves = groups.feature_sums[some].reshape(len(keys), 2 * groups.feature_sums.shape[2])
        columns += [pa.array(np.ascontiguousarray(column)) for column in waves.T]
        for entry, n in enumerate(limbs):
            words = groups.wide[some, :, entry]
            columns += [pa.array(limb) for limb in wide_integers.to_limbs(words, n)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def make_schema(
    operator: FrequencyOperator,
    by: Sequence[str],
    kinds: Sequence[str],
    moments: MomentKind | None,
    metadata: dict[bytes, bytes] | None,
) -> Any:
    """Return a table's schema."""
    pa = import_optional("pyarrow")
    names = list_columns(operator.n_features, operator.n_frequencies, moments)
    # Where every key is null, the column might as well be one of texts.
    types = [getattr(pa, KINDS[kind or "strings"])() for kind in kinds]
    fields = [*zip(by, types, strict=True), *((name, pa.int64()) for name in names)]
    return pa.schema(fields, metadata)


def find_moments(names: Sequence[str], n_features: int) -> MomentKind | None:
    """Tell from the names of columns which moments a table has."""
    if not any(name.startswith(("sk_sum_", "sk_product_")) for name in names):
        return None
    is_full = n_features == 1 or any(name.startswith("sk_product_0_1_") for name in names)
    return "full" if is_full else "diagonal"


def require_sketches(names: Sequence[str]) -> None:
    """Refuse, by a SketchFormatError, a table none of whose columns is a sketch's."""
    if not any(name.startswith(PREFIX) for name in names):
        raise SketchFormatError(
            f"no sketches are in it, as no column's name begins with {PREFIX!r}: if these are "
            "rows, sketch them first"
        )


def read_groups(
    table: Any, by: Sequence[str], operator: FrequencyOperator, kind: MomentKind | None
) -> GroupSums:
    """Return the sums in a table of Arrow's; rows with one key are added.

    Raises
    ------
    SketchFormatError
        If a column is missing, there twice or unknown, or does not hold integers, or no rows have
        such sums.
    SketchMismatchError
        If they are sums of rows that were sketched with another operator.
    """
    names = list_columns(operator.n_features, operator.n_frequencies, kind)
    present = {*table.schema.names}
    if present.isdisjoint(MARKS):
        # Of version 1: nothing in the sums tells the operator.
        names = [name for name in names if name not in MARKS]
    _require_columns(table.schema.names, by, names)
    integers = {name: _read_integers(table.column(name), name) for name in names}
    if not present.isdisjoint(MARKS):
        _require_operator(operator, integers)
    for name, limbs in list_wide(operator.n_features, kind):
        for k in range(limbs):
            if np.abs(integers[f"{name}_{k}"]).max(initial=0) >= wide_integers.LARGEST_LIMB:
                raise SketchFormatError(f"column '{name}_{k}' is beyond what limbs add up to")
    index = KeyIndex(by)
    keys_of = [table.column(name).combine_chunks() for name in by]
    numbers = index.number(keys_of, "the table")
    n, m = len(table), operator.n_frequencies
    feature_sums = np.empty((n, 2, m), np.int64)
    for part, word in enumerate(("cos", "sin")):
        for j in range(m):
            feature_sums[:, part, j] = integers.pop(f"sk_{word}_{j}")
    wide = np.stack(
        [
            wide_integers.to_words([integers.pop(f"{name}_{k}") for k in range(limbs)])
            for name, limbs in list_wide(operator.n_features, kind)
        ],
        axis=-1,
    )
    # All null says nothing of what the others are: it was written as one of texts.
    kinds = tuple(
        "" if all(key[i] is None for key in index.keys) else kind
        for i, kind in enumerate(index.kinds)
    )
    keys = [index.keys[number] for number in numbers]
    sums = integers[ROWS].copy(), integers[WEIGHT].copy()
    if len(index.keys) < n:
        raw = GroupSums(kinds, tuple(keys), feature_sums, *sums, wide)
        merged = raw.merge(kinds, keys)
    else:
        merged = GroupSums.in_order(kinds, keys, feature_sums, *sums, wide)
    _require_possible(merged, operator)
    return merged


def _require_operator(operator: FrequencyOperator, integers: Mapping[str, np.ndarray]) -> None:
    """Refuse sums of rows that another operator sketched; some of them are enough."""
    for mark, number in zip(MARKS, operator_numbers(operator), strict=True):
        if (integers[mark] != number * integers[ROWS]).any():
            raise SketchMismatchError(
                "the table holds sums of sketches that were not taken with the operator "
                f"{operator.fingerprint}, which is given or in its metadata: give that which all "
                "of its rows were sketched with"
            )


def _require_columns(present: Sequence[str], by: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a table that lacks a column, or has one twice or too many."""
    wanted, found = {*by, *names}, {*present}
    if not by:
        raise SketchFormatError("the table has no column of keys beside those of its sketches")
    if missing := [name for name in (*by, *names) if name not in found]:
        raise SketchFormatError(
            f"the table lacks {len(missing)} columns of sketches, {missing[0]!r} the first of "
            "them: sum up every column that begins with 'sk_', with the same name"
        )
    if len(present) > len(found):
        twice = Counter(present).most_common(1)[0][0]
        raise SketchFormatError(f"the table has more than one column {twice!r}")
    if unknown := [name for name in present if name not in wanted]:
        raise SketchFormatError(
            f"the table has columns that are none of its sketches': {', '.join(unknown[:5])}"
        )


def _read_integers(column: Any, name: str) -> np.ndarray:
    """Return a column of integers, (n,) int64; SketchFormatError if it holds anything else."""
    pa = import_optional("pyarrow")
    kind, types = column.type, pa.types
    if types.is_floating(kind):
        raise SketchFormatError(
            f"column {name!r} was summed in floating point, of type {kind}, which is not exact: "
            f"sum integers, and cast the sum to an integer, as in CAST(SUM({name}) AS BIGINT)"
        )
    if types.is_decimal(kind) and kind.scale != 0:
        raise SketchFormatError(
            f"column {name!r} is of type {kind}, with digits after the point, where integers are "
            f"expected: cast the sum, as in CAST(SUM({name}) AS BIGINT)"
        )
    if not types.is_integer(kind) and not types.is_decimal(kind):
        raise SketchFormatError(f"column {name!r} must hold integers, got {kind}")
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise SketchFormatError(f"column {name!r} has no value (null) in row {row}")
    try:
        return column.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise SketchFormatError(f"column {name!r} goes beyond 64 bits: {error}") from None


def _require_possible(groups: GroupSums, operator: FrequencyOperator) -> None:
    """Refuse counts, and sums of waves, that no rows have."""
    n, units = groups.n_samples, groups.weight_units
    is_bad = (n <= 0) | (units < n)
    flat = groups.feature_sums.reshape(len(n), 2 * operator.n_frequencies)
    largest = np.maximum(flat.max(axis=1, initial=0), -flat.min(axis=1, initial=0))
    for i in np.flatnonzero(~is_bad):
        is_bad[i] = largest[i] > operator.features.largest_sum(int(n[i]), int(units[i]))
    if is_bad.any():
        key = spell_key(groups.keys[int(is_bad.argmax())])
        raise SketchFormatError(f"no rows have the sums of the group {key}")
