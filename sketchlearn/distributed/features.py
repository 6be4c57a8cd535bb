"""Which columns of a data frame are read, settled before any row is: by name, in one order."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sketchlearn.sources.arrow_columns import ENTRY, STORED_INDEX, UNNAMED
from sketchlearn.sources.opening import open_source
from sketchlearn.sources.optional import import_optional


def choose_features(
    available: Sequence[str],
    columns: Sequence[str | int] | None,
    fitted: Sequence[str] | None,
    weight: str | None,
    by: Sequence[str] = (),
) -> list[str]:
    """Choose the features of a data frame, by name.

    Parameters
    ----------
    available : sequence of str
        Columns of the frame.
    columns : sequence of str, optional
        Those that were asked for.
    fitted : sequence of str, optional
        Features of the sketcher, which are taken in its order; others are left out.
    weight : str, optional
        The column of weights, which is no feature unless it was asked for.
    by : sequence of str
        Columns of keys, likewise.

    Returns
    -------
    list of str
        Names of columns, or of entries of a column of lists as in ``v[0]``.

    Raises
    ------
    TypeError
        If a name is none.
    ValueError
        If columns are missing, there twice, asked for twice, or none.
    """
    if columns is not None:
        asked = [name for name in columns if isinstance(name, str)]
        if len(asked) < len(columns):
            raise TypeError(f"columns must be names, got {columns!r}")
        # Columns of lists are asked for whole, and known by their entries.
        if left_out := [
            n for n in ([] if fitted is None else fitted) if find_column(n, asked) not in asked
        ]:
            raise ValueError(
                "columns must have all that the sketcher was fitted on; "
                f"{_quote_names(left_out)} are missing"
            )
    names = list(map(str, (columns or ()) if fitted is None else fitted))
    if fitted is None and columns is None:
        beside = {weight, *by}
        names = [n for n in available if n not in beside and not STORED_INDEX.fullmatch(n)]
        _warn_of_unnamed(names)
    require_columns(available, names if weight is None else [*names, weight])
    if not names:
        raise ValueError(
            f"there is no column to read; the data frame has {_quote_names(available)}"
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"the columns {_quote_names(twice)} were asked for twice")
    return names


def require_columns(available: Sequence[str], names: Sequence[str]) -> None:
    """Refuse, by a ValueError, names that a data frame does not have once."""
    if missing := [name for name in names if find_column(name, available) not in available]:
        raise ValueError(
            f"the columns {_quote_names(missing)} are missing; the data frame has "
            f"{_quote_names(available)}"
        )
    counts = Counter(available)
    if twice := [name for name in dict.fromkeys(names) if counts[find_column(name, available)] > 1]:
        raise ValueError(f"the data frame has more than one column {_quote_names(twice)}")


def find_column(feature: str, available: Sequence[str]) -> str:
    """Name the column that holds a feature: itself, or for ``v[0]`` perhaps ``v``."""
    if feature not in available and (match := ENTRY.fullmatch(feature)):
        return match[1] if match[1] in available else feature
    return feature


def find_filtered_columns(filter: Any) -> list[str] | None:  # noqa: A002
    """Name the columns that a filter needs, None if unknown; errors as `open_source`."""
    if filter is None:
        return []
    open_source(import_optional("pyarrow").table({}), filter=filter)
    if not isinstance(filter, list):
        return None
    groups = [filter] if isinstance(filter[0], tuple) else filter
    return list(dict.fromkeys(str(condition[0]) for group in groups for condition in group))


def find_needed_columns(
    features: Sequence[str],
    weight: str | None,
    filter: Any,  # noqa: A002
) -> tuple[str, ...] | None:
    """Name the columns that features, weights and a filter need; None if that cannot be told."""
    filtered = find_filtered_columns(filter)
    if filtered is None:
        return None
    return tuple(dict.fromkeys([*features, *([] if weight is None else [weight]), *filtered]))


def _warn_of_unnamed(names: list[str]) -> None:
    """Warn of a first column that nobody named: row numbers, nearly always.

    Spark calls it ``_c0``, and so the first of many that have no names.
    """
    if names and (UNNAMED.fullmatch(names[0]) or (names[0] == "_c0" and "_c1" not in names)):
        warnings.warn(
            f"the first column, {names[0]!r}, has no name of its own: it may be a stored index, "
            "and is read as a feature; leave it out by columns=[...]",
            UserWarning,
            stacklevel=5,
        )


def _quote_names(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
