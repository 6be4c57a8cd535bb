"""What travels between workers: a sketch's sums without its operator, which all of them have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketching import Sketch, Sketcher

# Bytes of each count: weights beyond the largest total have no meaning, their squares fit too.
COUNT_BYTES = 16
N_COUNTS = 3


@final
@dataclass(frozen=True, eq=False)
class Sums:
    """Sums and counts of some rows under an operator that is known from elsewhere.

    They take 16 m + 48 bytes, where a `Sketch` carries 4 d m bytes of operator besides.

    Parameters
    ----------
    feature_sum : ndarray of shape (2, n_frequencies) int64
        As in `Sketch`.
    counts : tuple of three ints
        n_samples, weight_units and squared_weight_units, as in `Sketch`.
    """

    feature_sum: np.ndarray
    counts: tuple[int, int, int]

    @classmethod
    def of_rows(cls, operator: FrequencyOperator, chunks: Iterable[np.ndarray]) -> Self:
        """Sketch chunks of rows, each (n, n_features), one after the other.

        Raises
        ------
        ValueError
            If a chunk is not finite or has another number of features.
        """
        sketcher = Sketcher.from_operator(operator)
        sketch = Sketch.empty(operator)
        for rows in chunks:
            sketch += sketcher.sketch(rows)
        counts = (sketch.n_samples, sketch.weight_units, sketch.squared_weight_units)
        return cls(sketch.feature_sum, counts)

    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self:
        """Add at least one; integers, so in any order."""
        parts = iter(parts)
        first = next(parts)
        feature_sum, (n_samples, units, squares) = first.feature_sum.copy(), first.counts
        for part in parts:
            feature_sum += part.feature_sum
            n_samples += part.counts[0]
            units += part.counts[1]
            squares += part.counts[2]
        return cls(feature_sum, (n_samples, units, squares))

    def to_bytes(self) -> bytes:
        """Give counts and sums, little-endian."""
        counts = b"".join(count.to_bytes(COUNT_BYTES, "little") for count in self.counts)
        return counts + self.feature_sum.astype("<i8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Give the sums that `to_bytes` turned into these bytes."""
        n_samples, units, squares = (
            int.from_bytes(data[i * COUNT_BYTES : (i + 1) * COUNT_BYTES], "little")
            for i in range(N_COUNTS)
        )
        feature_sum = np.frombuffer(data[N_COUNTS * COUNT_BYTES :], dtype="<i8").reshape(2, -1)
        return cls(feature_sum.astype(np.int64), (n_samples, units, squares))

    def sketch(self, operator: FrequencyOperator) -> Sketch:
        """Give the sketch that these are the sums of.

        Raises
        ------
        ValueError
            If the total weight is 2^40 or more.
        """
        return Sketch(operator, self.feature_sum, *self.counts)


def require_finite(rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Give rows back if they are finite.

    Raises
    ------
    ValueError
        Naming the first column that is not.
    """
    is_finite = np.isfinite(rows)
    if not is_finite.all():
        row, column = np.argwhere(~is_finite)[0]
        what = "NaN" if np.isnan(rows[row, column]) else "infinity"
        raise ValueError(
            f"column {names[column]!r} contains {what}, or has nulls; fill or filter them"
        )
    return rows
