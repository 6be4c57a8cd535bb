"""What float64 would misrepresent, refused before it is read; and advice on missing values."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from numbers import Integral
from typing import Any

import numpy as np

# Up to here float64 holds every integer.
LARGEST_INTEGER = 2**53


def require_real(values: np.ndarray, name: str) -> None:
    """Refuse, by a TypeError, text, dates, times and complex numbers, in arrays of objects too.

    Missing values are let through: they become NaN.
    """
    found: Any = None
    if values.dtype == object:
        found = next((type(v).__name__ for v in values.flat if _is_no_number(v)), None)
    elif values.dtype.kind not in "biuf":
        found = values.dtype
    if found is not None:
        raise TypeError(f"{name} must hold real numbers, got {found}")


def _is_no_number(value: Any) -> bool:
    """Whether a value is of a type that means something else; numpy's durations pass for `Real`."""
    if isinstance(value, np.generic):
        return value.dtype.kind not in "biuf"
    others = (str, bytes, complex, datetime.date, datetime.time, datetime.timedelta)
    return isinstance(value, others)


def require_no_mask(X: Any, name: str) -> None:
    """Refuse, by a ValueError, a masked array with masked entries, which stand for no value."""
    if not np.ma.isMaskedArray(X) or not np.ma.getmaskarray(X).any():
        return
    place = np.argwhere(np.ma.getmaskarray(X))[0]
    where = ", ".join(f"{what} {i}" for what, i in zip(("row", "column"), place, strict=False))
    raise ValueError(
        f"{name} has no value (masked) in {where}; leave such rows out, or fill them in, for "
        "instance with sklearn.impute.SimpleImputer on its filled(numpy.nan)"
    )


def require_exact_integers(values: np.ndarray, place: Callable[[int], str]) -> None:
    """Refuse integers above 2^53 in size, which float64 does not tell from their neighbours.

    Parameters
    ----------
    values : ndarray
        Numbers of any type.
    place : callable
        Names the entry of an index, counted in C order, for the message.

    Raises
    ------
    ValueError
        If there is one.
    """
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or values.size == 0:
        return
    if values.max() <= LARGEST_INTEGER and values.min() >= -LARGEST_INTEGER:
        return
    bad = (values > LARGEST_INTEGER) | (values < -LARGEST_INTEGER)
    i = int(bad.argmax())
    raise ValueError(_explain_inexact(place(i), values.flat[i]))


def require_exact_objects(values: np.ndarray, place: Callable[[int], str]) -> None:
    """Do as `require_exact_integers` for an array of objects, whole decimals among them."""
    for i, value in enumerate(values.flat):
        is_decimal = isinstance(value, Decimal) and value.is_finite()
        is_whole = isinstance(value, Integral) or (is_decimal and value % 1 == 0)
        if is_whole and abs(int(value)) > LARGEST_INTEGER:
            raise ValueError(_explain_inexact(place(i), value))


def require_exact_list(rows: Any, array: np.ndarray, place: Callable[[int], str]) -> None:
    """Refuse integers in lists that became fractions, beside other fractions, in an array.

    Parameters
    ----------
    rows : list or tuple
        The lists.
    array : ndarray
        What numpy made of them.
    place : callable
        As of `require_exact_integers`.

    Raises
    ------
    ValueError
        If there is one that float64 does not hold.
    """
    if array.dtype.kind == "f" and (np.abs(array) >= LARGEST_INTEGER).any():
        require_exact_objects(np.array(rows, dtype=object), place)


def _explain_inexact(place: str, value: Any) -> str:
    return (
        f"{place} holds {value}: integers above 2**53 are alike in float64; leave such a column "
        "out, or subtract a constant"
    )


def advise_on_missing(condition: str | None = None) -> str:
    """Say what to do about missing values.

    Parameters
    ----------
    condition : str, optional
        The filter of pyarrow that keeps the other rows; None where there is none to filter by.
    """
    how = "" if condition is None else f" by open_source(..., filter={condition})"
    imputer = "sklearn.impute.SimpleImputer"
    return f"leave such rows out{how}, or fill them in, for instance with {imputer}"
