"""What travels between workers: a sketch's sums without its operator, which all of them have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from sketchlearn._validation import check_sample_weight
from sketchlearn.distributed.rows import Rows
from sketchlearn.features.accumulator import Accumulator
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.fixed_point import WEIGHT_UNIT, require_mean_weight, weight_units
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching.accumulation import BadEntryError
from sketchlearn.sketching.passes import sketch_of

# Bytes of each count: weights beyond the largest total have no meaning, their squares fit too.
COUNT_BYTES = 16
N_COUNTS = 4


@final
@dataclass(frozen=True, eq=False)
class Sums:
    """Sums and counts of some rows under an operator that is known from elsewhere.

    They take 16 m + 64 bytes, where a `Sketch` carries 4 d m bytes of operator besides.

    Parameters
    ----------
    feature_sum : ndarray of shape (2, n_frequencies) int64
        As in `Sketch`.
    counts : tuple of four ints
        n_samples, weight_units and squared_weight_units, as in `Sketch`; and rows, those of weight
        zero too.
    """

    feature_sum: np.ndarray
    counts: tuple[int, int, int, int]

    @classmethod
    def of_rows(cls, operator: FrequencyOperator, rows: Rows) -> Self:
        """Sketch rows, one chunk after the other.

        Raises
        ------
        ValueError
            If an entry is not finite, a weight is out of range, or there are more or fewer
            features.
        """
        sketch, n_rows = Sketch.empty(operator), 0
        accumulators: list[Accumulator] = []
        for X, weights in rows.chunks:
            require_features(X.shape[1], operator.n_features)
            units = fixed_units(weights)
            if units is not None and not units.any():
                # Nothing to add; what is wrong must not depend on where the rows are cut.
                require_finite(X, rows.names, n_rows)
            try:
                sketch += sketch_of(operator, X, units, 1, accumulators)
            except BadEntryError as error:
                where = location(n_rows + error.row, error.column, rows.names)
                raise ValueError(f"{error.problem} at {where}{REMEDY}") from error
            n_rows += len(X)
        counts = (sketch.n_samples, sketch.weight_units, sketch.squared_weight_units, n_rows)
        return cls(sketch.feature_sum, counts)

    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self:
        """Add at least one; integers, so in any order."""
        parts = iter(parts)
        first = next(parts)
        feature_sum, counts = first.feature_sum.copy(), first.counts
        for part in parts:
            feature_sum += part.feature_sum
            a, b, c, d = (x + y for x, y in zip(counts, part.counts, strict=True))
            counts = (a, b, c, d)
        return cls(feature_sum, counts)

    def to_bytes(self) -> bytes:
        """Return counts and sums, little-endian."""
        counts = b"".join(count.to_bytes(COUNT_BYTES, "little") for count in self.counts)
        return counts + self.feature_sum.astype("<i8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the sums that `to_bytes` turned into these bytes."""
        a, b, c, d = (
            int.from_bytes(data[i * COUNT_BYTES : (i + 1) * COUNT_BYTES], "little")
            for i in range(N_COUNTS)
        )
        feature_sum = np.frombuffer(data[N_COUNTS * COUNT_BYTES :], dtype="<i8").reshape(2, -1)
        return cls(feature_sum.astype(np.int64), (a, b, c, d))

    def sketch(self, operator: FrequencyOperator) -> Sketch:
        """Return the sketch that these are the sums of.

        Raises
        ------
        ValueError
            If the total weight is 2^40 or more, all weights are zero, or their mean is so small
            that rounding would hurt.
        """
        *counts, n_rows = self.counts
        sketch = Sketch(operator, self.feature_sum, *counts)
        if n_rows and not sketch.n_samples:
            raise ValueError("sample_weight must have a positive entry, got only zeros")
        if sketch.n_samples:
            require_mean_weight(sketch.weight_units * WEIGHT_UNIT / sketch.n_samples)
        return sketch


def fixed_units(weights: np.ndarray | None) -> np.ndarray | None:
    """Round the weights of some of many rows to fixed point; all of these may be zero.

    Raises
    ------
    ValueError
        If one is negative, not finite or too large.
    """
    if weights is None:
        return None
    require_weights(weights)
    return weight_units(weights)


def require_weights(weights: np.ndarray) -> None:
    """Refuse weights of some of many rows that are negative or not finite.

    Raises
    ------
    ValueError
        Saying which.
    """
    # Of some rows all may be zero.
    if weights.any():
        check_sample_weight(weights, len(weights))


def require_features(came: int, expected: int) -> None:
    """Refuse rows of another number of features than the sketcher's, in scikit-learn's words.

    Raises
    ------
    ValueError
        If it is another.
    """
    if came != expected:
        raise ValueError(
            f"X has {came} features, but Sketcher is expecting {expected} features as input"
        )


REMEDY = (
    "; leave such rows out by a filter, or fill them in, for instance with "
    "sklearn.impute.SimpleImputer"
)


def location(row: int, column: int, names: Sequence[str] | None) -> str:
    """Say which row and column of a partition something is in."""
    return f"row {row}, column {column if names is None else repr(names[column])}"


def require_finite(X: np.ndarray, names: Sequence[str] | None, first_row: int) -> None:
    """Refuse rows that are not finite.

    Raises
    ------
    ValueError
        Naming the first entry that is not.
    """
    is_finite = np.isfinite(X)
    if not is_finite.all():
        row, column = np.argwhere(~is_finite)[0]
        what = "NaN" if np.isnan(X[row, column]) else "infinity"
        where = location(first_row + int(row), int(column), names)
        raise ValueError(f"{what} (NaN and infinity cannot be sketched) at {where}{REMEDY}")
