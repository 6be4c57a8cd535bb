"""Sizes of numbers that sketches take: what floating point cannot hold, or not side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sketchlearn._validation import list_some

# Beyond it sums of squares could overflow.
LARGEST_ENTRY = 1e150
# Share of the rows, by weight, that one far away is compared with; and how many times farther than
# they are it may be: float64 has 52 bits, and sums of it and of others tell nothing of these.
NEAR, FARTHEST = 0.9, 2.0**52
# Widest columns, or the inverse of it narrowest ones, of rows that frequencies in float32 are drawn
# for; and narrowest columns of those that each have a unit, of which clusters are decoded whose
# widths have squares in float32.
LARGEST_WIDTH, LEAST_IN_UNITS = 1e30, 1e-15
# Columns that a message names.
MOST_NAMED = 3


def check_pilot(rows: np.ndarray, weights: np.ndarray, scale: Any, names: Any = None) -> None:
    """Refuse a pilot of sizes for which no operator of that scale can be chosen.

    Parameters
    ----------
    rows, weights : ndarray of shape (n, n_features) and (n,)
        The pilot.
    scale : float or str
        As a `Sketcher` was asked for.
    names : array-like of str, optional
        Names of the columns.

    Raises
    ------
    ValueError
        Which names the column, or says what is in the row, and what to do.
    """
    require_no_huge_row(rows, weights, names)
    if isinstance(scale, str):
        require_width(rows, 1.0 / LARGEST_WIDTH, LARGEST_WIDTH, names)
    if scale == "columns":
        require_even_widths(rows, LEAST_IN_UNITS, names)


def require_squares(rows: np.ndarray, names: Any = None) -> None:
    """Refuse, by a ValueError, rows (n, n_features) whose squares would overflow."""
    sizes = np.abs(rows).max(axis=0)
    column = int(sizes.argmax())
    if (largest := float(sizes[column])) > LARGEST_ENTRY:
        raise ValueError(
            f"X must not exceed {LARGEST_ENTRY:g} in magnitude, got {largest:g} in "
            f"{name_columns([column], names)}, whose square is more than float64 holds; leave that "
            f"row out or, if other rows are as large, {advise_factor(largest, 'the column')}"
        )


def require_no_huge_row(
    rows: np.ndarray, weights: np.ndarray | None = None, names: Any = None
) -> None:
    """Refuse a row so much farther away than nine tenths of them that float64 loses these.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        Finite.
    weights : ndarray of shape (n,), optional
        Of each row.
    names : array-like of str, optional
        Names of the columns.

    Raises
    ------
    ValueError
        Which says what is in the row, and that it should be left out.
    """
    weights = np.ones(len(rows)) if weights is None else weights
    # Halves of halves, lest a difference overflows. The middle of any projection is near most rows.
    quarters = 0.25 * rows
    middle = quarters[_find_quantile(quarters @ np.cos(np.arange(rows.shape[1])), weights, 0.5)]
    quarters -= middle
    np.abs(quarters, out=quarters)
    distances = quarters.max(axis=1)
    far, near = int(distances.argmax()), distances[_find_quantile(distances, weights, NEAR)]
    if near == 0.0 or distances[far] / FARTHEST <= near:
        return
    column = int(quarters[far].argmax())
    raise ValueError(
        f"X has a row with {rows[far, column]:g} in {name_columns([column], names)}, and most rows "
        f"are within {4.0 * near:.3g} of each other: float64, of 16 digits, cannot tell them apart "
        "beside it; leave that row out"
    )


def _find_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> int:
    """Return the place of the value that so much of the weight is up to."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return int(order[np.searchsorted(reached, share * reached[-1])])


def measure_widths(rows: np.ndarray) -> np.ndarray:
    """Return the differences (n_features,) of largest and least; infinite beyond float64."""
    with np.errstate(over="ignore"):
        # Halves, lest a difference overflows before it is known to.
        return np.asarray(2.0 * (0.5 * rows.max(axis=0) - 0.5 * rows.min(axis=0)))


def require_width(rows: np.ndarray, least: float, most: float, names: Any = None) -> None:
    """Refuse rows that vary, but in no column by so much, or in some by more.

    Raises
    ------
    ValueError
        Which says by what all columns, or those that are too wide, should be multiplied.
    """
    widths = measure_widths(rows)
    width = float(widths.max())
    if width == 0.0 or least <= width <= most:
        return
    size, happens = ("small", "vanish") if width < least else ("large", "overflow")
    is_wide = widths > most
    if width > most and np.any(~is_wide & (widths > 0.0)):
        columns = np.flatnonzero(is_wide)
        is_, it = ("are", "the widest") if len(columns) > 1 else ("is", "it")
        raise ValueError(
            f"{name_columns(columns, names)} of X {is_} too large to be sketched: {width:.3g} "
            "wide, and squares of such numbers overflow in floating point; rescale the data: "
            f"{advise_factor(width, it)}"
        )
    raise ValueError(
        f"X is too {size} to be sketched: its columns are {width:.3g} wide at most, and squares of "
        f"such numbers {happens} in floating point; rescale the data: "
        f"{advise_factor(width, 'all columns')}"
    )


def require_even_widths(rows: np.ndarray, least: float, names: Any = None) -> None:
    """Refuse columns that vary by less than this, where each is taken in units of its own.

    Raises
    ------
    ValueError
        Which says which columns, how wide they are, and what to do.
    """
    widths = measure_widths(rows)
    narrow = np.flatnonzero((widths > 0.0) & (widths < least))
    if not len(narrow):
        return
    width = float(widths[narrow].min())
    is_, it, its = ("are", "the narrowest", "their") if len(narrow) > 1 else ("is", "it", "its")
    raise ValueError(
        f"{name_columns(narrow, names)} of X {is_} only {width:.3g} wide, and the widest "
        f"{widths.max():.3g}: too narrow for units of {its} own; {advise_factor(width, it)}, or "
        "leave it out if that is rounding"
    )


def name_columns(columns: Any, names: Any = None) -> str:
    """Return what a message calls columns: by number, or by name where there are names."""
    texts = [str(j) if names is None else repr(str(names[j])) for j in columns]
    return f"column{'s' if len(texts) > 1 else ''} {list_some(texts, MOST_NAMED)}"


def advise_factor(size: float, what: str) -> str:
    """Return what makes numbers of a size about one."""
    return f"multiply {what} by 1e{-math.floor(math.log10(size)):+d}"
