"""Integer sums and counts of rows by key: what a table of sketches is, but for the operator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from sketchlearn.exceptions import SketchMismatchError
from sketchlearn.features.moments import N_WORDS, MomentKind, MomentSums
from sketchlearn.sketches.fixed_point import LARGEST_TOTAL_UNITS
from sketchlearn.sketches.sums import Sums
from sketchlearn.sources.row_keys import Key, spell_value
from sketchlearn.tables import wide_integers

# Entries of every group that are put in another order at once: a copy of all would take as much
# memory again.
SLAB = 64


@final
@dataclass(frozen=True, eq=False)
class GroupSums:
    """Sums by key; an immutable value.

    Parameters
    ----------
    kinds : tuple of str
        What each column of the keys holds, see `KeyIndex`; "" where all is null.
    keys : tuple of tuple
        Distinct keys, in order; None comes before other values.
    feature_sums : ndarray of shape (n_groups, 2, m) int64
        As `Sums.feature_sum`.
    n_samples, weight_units : ndarray of shape (n_groups,) int64
        As of `Sums`; no group is without rows.
    wide : ndarray of shape (n_groups, 4, 1 + n_moments) uint64
        Words of the squared weights' sums, then of the moments, if there are any.

    Raises
    ------
    ValueError
        If the total weight is 2^40 or more.
    """

    kinds: tuple[str, ...]
    keys: tuple[Key, ...]
    feature_sums: np.ndarray
    n_samples: np.ndarray
    weight_units: np.ndarray
    wide: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.feature_sums, self.n_samples, self.weight_units, self.wide):
            array.flags.writeable = False
        # In float64 first: an int64's sum would not tell that it had overflowed.
        total = float(self.weight_units.astype(np.float64).sum())
        if total >= LARGEST_TOTAL_UNITS * 1.5 or self.total_units >= LARGEST_TOTAL_UNITS:
            raise ValueError(
                f"the total weight must stay below 2**40, got {total * 2.0**-20:.6g}; divide all "
                "weights by a constant"
            )

    @classmethod
    def empty(cls, kinds: Sequence[str], shape: tuple[int, ...], n_wide: int) -> Self:
        """Return the sums of no group."""
        sums, none = np.zeros((0, *shape), np.int64), np.zeros(0, np.int64)
        return cls(tuple(kinds), (), sums, none, none, np.zeros((0, N_WORDS, n_wide), np.uint64))

    @classmethod
    def in_order(
        cls,
        kinds: Sequence[str],
        keys: Sequence[Key],
        feature_sums: np.ndarray,
        n_samples: np.ndarray,
        weight_units: np.ndarray,
        wide: np.ndarray,
    ) -> Self:
        """Return sums of distinct keys in any order, without groups of no rows.

        The arrays are taken over, and put in order where they are.
        """
        in_order = order_keys(keys)
        order = in_order[n_samples[in_order] != 0]
        flat = feature_sums.reshape(len(keys), math.prod(feature_sums.shape[1:]))
        for start in range(0, flat.shape[1], SLAB):
            slab = flat[:, start : start + SLAB]
            slab[: len(order)] = slab[order]
        return cls(
            tuple(kinds),
            tuple(keys[i] for i in order),
            feature_sums[: len(order)],
            n_samples[order],
            weight_units[order],
            wide[order],
        )

    @classmethod
    def join(cls, parts: Sequence[GroupSums]) -> GroupSums:
        """Add several, one at least; SketchMismatchError if their keys are of different kinds."""
        kinds, keys = parts[0].kinds, tuple(key for part in parts for key in part.keys)
        for part in parts[1:]:
            kinds = merge_kinds(kinds, part.kinds)
        names = "feature_sums", "n_samples", "weight_units", "wide"
        arrays = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
        return cls(kinds, keys, *arrays).merge(kinds, keys)

    @property
    def total_units(self) -> int:
        """Sum of all weights, in units of 2^-20."""
        return int(self.weight_units.sum())

    @property
    def n_bytes(self) -> int:
        """Bytes of the integers."""
        arrays = self.feature_sums, self.n_samples, self.weight_units, self.wide
        return sum(array.nbytes for array in arrays)

    def sums(self, group: int, kind: MomentKind | None, n_features: int) -> Sums:
        """Return the sums of one group, by index, with moments of a kind."""
        words = self.wide[group, :, 1:]
        return Sums(
            self.feature_sums[group],
            int(self.n_samples[group]),
            int(self.weight_units[group]),
            wide_integers.to_integer(self.wide[group, :, 0]),
            moments=None if kind is None else MomentSums(kind, n_features, words),
        )

    def take(self, groups: np.ndarray) -> GroupSums:
        """Return some groups, by indices in order."""
        return GroupSums(
            self.kinds,
            tuple(self.keys[i] for i in groups),
            self.feature_sums[groups],
            self.n_samples[groups],
            self.weight_units[groups],
            self.wide[groups],
        )

    def merge(self, kinds: Sequence[str], keys: Sequence[Key]) -> GroupSums:
        """Add the groups that come to have one key.

        Parameters
        ----------
        kinds, keys
            The new ones, a key for each group.
        """
        if not keys:
            return GroupSums.empty(kinds, self.feature_sums.shape[1:], self.wide.shape[2])
        order = order_keys(keys)
        starts = np.array(
            [i for i, at in enumerate(order) if i == 0 or keys[at] != keys[order[i - 1]]]
        )
        flat = self.feature_sums.reshape(len(keys), -1)
        merged = np.empty((len(starts), flat.shape[1]), np.int64)
        for start in range(0, flat.shape[1], SLAB):
            slab = flat[order, start : start + SLAB]
            merged[:, start : start + SLAB] = np.add.reduceat(slab, starts, axis=0)
        total = GroupSums(
            tuple(kinds),
            tuple(keys[order[start]] for start in starts),
            merged.reshape(len(starts), *self.feature_sums.shape[1:]),
            np.add.reduceat(self.n_samples[order], starts),
            np.add.reduceat(self.weight_units[order], starts),
            wide_integers.sum_by_starts(self.wide, order, starts),
        )
        return total if total.n_samples.all() else total.take(np.flatnonzero(total.n_samples))

    def __add__(self, other: GroupSums) -> GroupSums:
        kinds = merge_kinds(self.kinds, other.kinds)
        index = {key: i for i, key in enumerate(dict.fromkeys((*self.keys, *other.keys)))}
        at = np.array([index[key] for key in other.keys], np.intp)
        feature_sums, n_samples, weight_units, wide = arrays = self._padded_arrays(len(index))
        feature_sums[at] += other.feature_sums
        n_samples[at] += other.n_samples
        weight_units[at] += other.weight_units
        wide[at] = wide_integers.add(wide[at], other.wide)
        return GroupSums.in_order(kinds, list(index), *arrays)

    def __sub__(self, other: GroupSums) -> GroupSums:
        kinds = merge_kinds(self.kinds, other.kinds)
        index = {key: i for i, key in enumerate(self.keys)}
        if missing := [key for key in other.keys if key not in index]:
            raise ValueError(
                f"cannot take groups from a table that does not contain them: it has no group "
                f"{spell_key(missing[0])}"
            )
        at = np.array([index[key] for key in other.keys], np.intp)
        feature_sums, n_samples, weight_units, wide = arrays = self._padded_arrays(len(index))
        feature_sums[at] -= other.feature_sums
        n_samples[at] -= other.n_samples
        weight_units[at] -= other.weight_units
        wide[at] = wide_integers.subtract(wide[at], other.wide)
        left = (
            feature_sums[at].any(axis=(1, 2)) | wide[at].any(axis=(1, 2)) | (weight_units[at] != 0)
        )
        is_bad = (n_samples[at] < 0) | (left & (n_samples[at] == 0))
        if is_bad.any():
            raise ValueError(
                f"cannot take rows from the group {spell_key(other.keys[int(is_bad.argmax())])} "
                "that it does not contain"
            )
        return GroupSums.in_order(kinds, list(index), *arrays)

    def _padded_arrays(self, n_groups: int) -> list[np.ndarray]:
        """Copy the arrays, with zeros for groups that are to come."""
        arrays = self.feature_sums, self.n_samples, self.weight_units, self.wide
        padded = []
        for array in arrays:
            padded.append(np.zeros((n_groups, *array.shape[1:]), array.dtype))
            padded[-1][: len(array)] = array
        return padded

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroupSums):
            return NotImplemented
        # True is 1 to Python; where all is null, the kind is not known.
        is_alike = all(
            not (a and b) or a == b for a, b in zip(self.kinds, other.kinds, strict=True)
        )
        return (
            is_alike
            and self.keys == other.keys
            and all(
                np.array_equal(ours, theirs)
                for ours, theirs in (
                    (self.feature_sums, other.feature_sums),
                    (self.n_samples, other.n_samples),
                    (self.weight_units, other.weight_units),
                    (self.wide, other.wide),
                )
            )
        )

    __hash__ = None  # type: ignore[assignment]


def spell_key(key: Key) -> str:
    """Return a key as messages have it."""
    return f"({', '.join(map(spell_value, key))})"


def order_keys(keys: Sequence[Key]) -> np.ndarray:
    """Return the indices of keys in their order: None comes before any other value."""

    def rank(i: int) -> tuple[Any, ...]:
        return tuple((value is not None, value) for value in keys[i])

    return np.array(sorted(range(len(keys)), key=rank), np.intp)


def merge_kinds(ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    """Return what columns hold in either of two tables; SketchMismatchError if that differs."""
    if any(a and b and a != b for a, b in zip(ours, theirs, strict=True)):
        raise SketchMismatchError(
            f"the keys of one table are {', '.join(ours)}, those of the other {', '.join(theirs)}"
        )
    return tuple(a or b for a, b in zip(ours, theirs, strict=True))
