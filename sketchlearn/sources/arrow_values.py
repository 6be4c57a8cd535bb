"""Arrow's types that hold numbers, and their values: numbers, truth values, lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sketchlearn.exceptions import SourceError
from sketchlearn.sources.exact_values import advise_on_missing, require_exact_integers
from sketchlearn.sources.optional import import_optional

# Arrow's truth values of a byte each.
BOOL8 = "arrow.bool8"
# Columns that a message names beside the first.
MOST_NAMED = 5


def plain_type(kind: Any) -> Any:
    """Type that an extension, a dictionary or a run-end encoding stores."""
    types = import_optional("pyarrow").types
    while True:
        if isinstance(kind, import_optional("pyarrow").BaseExtensionType):
            # Tensors are lists; a number with a meaning of its own, a period for instance, is none.
            if not (hasattr(kind.storage_type, "value_type") or kind.extension_name == BOOL8):
                return kind
            kind = kind.storage_type
        elif types.is_dictionary(kind) or types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def is_list(kind: Any) -> bool:
    """Whether a column of an Arrow type holds lists."""
    return hasattr(plain_type(kind), "value_type")


def leaf_type(kind: Any) -> Any:
    """Type of the values in lists, in lists of lists too."""
    kind = plain_type(kind)
    while hasattr(kind, "value_type"):
        kind = plain_type(kind.value_type)
    return kind


def fixed_width(kind: Any) -> int | None:
    """How many numbers the lists of a type hold, if it says so."""
    is_fixed = import_optional("pyarrow").types.is_fixed_size_list
    kind, size = plain_type(kind), 1
    while hasattr(kind, "value_type"):
        if not is_fixed(kind):
            return None
        size *= kind.list_size
        kind = plain_type(kind.value_type)
    return size


def is_number(kind: Any) -> bool:
    """Whether values of an Arrow type are real numbers."""
    types = import_optional("pyarrow").types
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_decimal(kind)
    )


def read_numbers(
    column: Any, label: str, name: str, first_row: int, lacking: Sequence[str] = ()
) -> tuple[np.ndarray, int]:
    """Values of a column, those of lists one after the other, and how many a row has.

    A SourceError names the row of a missing value, and the columns that lack some among these rows;
    or the row of a large integer, or of a list of another length.
    """
    pa = import_optional("pyarrow")
    what, field = f"column {label!r} of {name}", f"pyarrow.compute.field({label!r})"
    try:
        flat, width = _flatten_lists(column)
    except _GapError as gap:
        names = [repr(other) for other in lacking if other != label]
        more = ", ..." if len(names) > MOST_NAMED else ""
        others = f", and {', '.join(names[:MOST_NAMED])}{more} none in others" if names else ""
        raise SourceError(
            f"{what} has no value (null) in row {first_row + gap.row}{others}; "
            + advise_on_missing(None if is_list(column.type) else f"{field}.is_valid()")
        ) from None
    except _OtherLengthError as other:
        raise SourceError(
            f"{what} has a list of {other.length} in row {first_row + other.row} where there are "
            f"{other.expected} in row {first_row}"
        ) from None
    is_integer = pa.types.is_decimal(flat.type) and flat.type.scale <= 0
    if pa.types.is_decimal(flat.type):
        flat = flat.cast(pa.float64())
    values = np.asarray(flat.to_numpy(zero_copy_only=False))
    # Decimals without digits after the point are integers of another kind.
    integers = np.clip(values, -(2.0**62), 2.0**62).astype(np.int64) if is_integer else values
    try:
        require_exact_integers(integers, lambda i: f"{what}, in row {first_row + i // width},")
    except ValueError as error:
        raise SourceError(str(error)) from None
    return values, width


class _GapError(Exception):
    """A value that is missing, and the row it is missing in."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


class _OtherLengthError(Exception):
    """A list of another length than the first, or of none, and the row it is in."""

    def __init__(self, row: int, length: int, expected: int) -> None:
        super().__init__(row)
        self.row, self.length, self.expected = row, length, expected


def _flatten_lists(column: Any) -> tuple[Any, int]:
    """Flatten lists, in lists of lists too, without a copy where possible; tell how many a row."""
    width, n_rows = 1, len(column)
    while True:
        column = decode_values(column)
        if column.null_count:
            missing = column.is_null().to_numpy(zero_copy_only=False)
            raise _GapError(int(missing.argmax()) // width)
        if not hasattr(column.type, "value_type"):
            return column, width
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
        column = column.flatten()
        if n_rows:
            expected = max(1, int(lengths[0]))
            others = lengths != expected
            if others.any():
                at = int(others.argmax())
                raise _OtherLengthError(at // width, int(lengths[at]), expected)
            width *= expected


def decode_values(column: Any) -> Any:
    """Values of an extension, a dictionary or a run-end encoding."""
    pa = import_optional("pyarrow")
    while True:
        if isinstance(column, pa.ExtensionArray):
            column = column.storage
        elif pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        elif pa.types.is_run_end_encoded(column.type):
            from pyarrow.compute import run_end_decode

            column = run_end_decode(column)
        else:
            return column
