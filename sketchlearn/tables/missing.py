"""What is not there, for messages: keys that a table lacks, and a table where one is expected."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sketchlearn._validation import list_some
from sketchlearn.sources.row_keys import Key, KeyValue

# Values of a key, and whole keys, that a message names, at most.
MOST_NAMED, NEAREST = 8, 4


def describe_missing_key(
    by: Sequence[str], kinds: Sequence[str], keys: Sequence[Key], key: Key
) -> str:
    """Return, for a message, that no group has a key, and which ones come next to it.

    Neighbours are those in the keys' order, which take as long to find in a large table as in a
    small one: who looks up many keys that are not there does not wait.

    Parameters
    ----------
    by, kinds : sequence of str
        Columns that make a key, and what they hold.
    keys : sequence of tuple
        Keys of all groups, in their order.
    key : tuple
        The one that none has.
    """
    asked = repr(key[0] if len(key) == 1 else key)
    names = ", ".join(by)
    if len(key) != len(by):
        return f"no group has the key {asked}: a key has a value of each of {names}"
    if not keys:
        return f"no group has the key {asked}: the table has none"
    held = f"{len(keys):,} group{'s' * (len(keys) > 1)} by {names}"
    try:
        place = bisect_left(keys, _rank(key), key=_rank)
    except TypeError:
        found = " and ".join(
            f"{kind or 'nulls'} in {name!r}" for name, kind in zip(by, kinds, strict=True)
        )
        return f"no group has the key {asked}: the keys of the {held} are {found}"
    first = max(0, min(place - NEAREST // 2, len(keys) - NEAREST))
    nearest = [repr(one[0] if len(one) == 1 else one) for one in keys[first : first + NEAREST]]
    return (
        f"no group has the key {asked}; of the {held} the nearest in order are {', '.join(nearest)}"
    )


def describe_choices(by: Sequence[str], keys: Sequence[Key], choices: Mapping[str, Any]) -> str:
    """Return, for a message, that no group was chosen, and among which values."""
    asked = ", ".join(name if callable(one) else f"{name}={one!r}" for name, one in choices.items())
    return f"no group is chosen by {asked}; {describe_values(by, keys, choices)}"


def describe_values(by: Sequence[str], keys: Sequence[Key], names: Iterable[str]) -> str:
    """Return, for a message, the first values that some columns of the keys have."""
    known = []
    for name in names or by:
        at = list(by).index(name)
        values = list(dict.fromkeys(key[at] for key in keys))
        shown = list_some([repr(value) for value in values], MOST_NAMED) or "no value"
        known.append(f"{name!r} has {shown}")
    return ", ".join(known)


def describe_no_table(value: object) -> str:
    """Return, for a message of `fit_table`, what came in place of a table, and what makes one."""
    return (
        f"fit_table expected a SketchTable, got {type(value).__name__}: sketch_groups of a "
        "Sketcher makes one of rows with keys, SketchTable.from_parquet reads a file"
    )


def _rank(key: Key) -> tuple[tuple[bool, KeyValue], ...]:
    """Return what keys are ordered by: None comes before any other value."""
    return tuple((value is not None, value) for value in key)
