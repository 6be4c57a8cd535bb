"""What travels between workers: a sketch's sums without its operator, which all of them have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self, final

import numpy as np

from sketchlearn.distributed.rows import Rows
from sketchlearn.features.moments import MomentKind
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.fixed_point import fix_weights, require_mean_weight
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sums import COUNT_BYTES, Sums
from sketchlearn.sketching.accumulation import BadEntryError, RowSummer
from sketchlearn.sketching.cutting import warn_of_cut
from sketchlearn.sources.weights import require_weights


@final
@dataclass(frozen=True, eq=False)
class PartitionSums:
    """Sums of some rows under an operator that is known from elsewhere, and how many were read.

    They take 16 m bytes, those of the moments, 8 d and a few more, where a `Sketch` carries 4 d m
    bytes of operator besides.

    Parameters
    ----------
    sums : Sums
        Of the rows.
    n_rows : int
        How many were read, those of weight zero too.
    n_cut : ndarray of shape (n_features,) int64
        How many numbers of each column were moved into the operator's box.
    """

    sums: Sums
    n_rows: int
    n_cut: np.ndarray

    @classmethod
    def empty(cls, operator: FrequencyOperator, moments: MomentKind | None) -> Self:
        """Return the sums of no rows, with such moments or none."""
        return cls(Sketch.empty(operator, moments).sums, 0, np.zeros(operator.n_features, np.int64))

    @classmethod
    def of_rows(cls, operator: FrequencyOperator, moments: MomentKind | None, rows: Rows) -> Self:
        """Add rows, one chunk after the other, in this thread, with such moments or none.

        A ValueError refuses an entry that is not finite, a weight out of range, other features.
        """
        sums, n_rows = Sketch.empty(operator, moments).sums, 0
        summer = RowSummer(operator, sums)
        for chunk in rows.chunks:
            require_features(chunk.rows.shape[1], operator.n_features)
            if (weights := chunk.weights) is not None:
                require_weights(weights)
                weights = fix_weights(weights)
            try:
                sums += summer.sum(chunk.rows, weights)
            except BadEntryError as error:
                where = describe_place(n_rows + error.row, error.column, rows.names)
                raise ValueError(f"{error.problem} at {where}{REMEDY}") from error
            n_rows += len(chunk)
        return cls(sums, n_rows, summer.n_cut)

    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self:
        """Add at least one; integers, so in any order."""

        def add(a: Self, b: Self) -> Self:
            return cls(a.sums + b.sums, a.n_rows + b.n_rows, a.n_cut + b.n_cut)

        return reduce(add, parts)

    def to_bytes(self) -> bytes:
        """Return the numbers of rows and columns, of what was cut, and the sums, little-endian."""
        counts = (self.n_rows, len(self.n_cut))
        head = b"".join(count.to_bytes(COUNT_BYTES, "little") for count in counts)
        return head + self.n_cut.astype("<i8").tobytes() + self.sums.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the sums that `to_bytes` turned into these bytes."""
        head = (data[:COUNT_BYTES], data[COUNT_BYTES : 2 * COUNT_BYTES])
        n_rows, d = (int.from_bytes(count, "little") for count in head)
        n_cut = np.frombuffer(data, "<i8", d, offset=2 * COUNT_BYTES).astype(np.int64)
        return cls(Sums.from_bytes(data[2 * COUNT_BYTES + n_cut.nbytes :]), n_rows, n_cut)

    def sketch(self, operator: FrequencyOperator, feature_names: tuple[str, ...] | None) -> Sketch:
        """Return the sketch that these are the sums of; warn of a box that cut many rows.

        Raises
        ------
        ValueError
            If all weights are zero, or their mean is so small that rounding would hurt.
        """
        sketch = Sketch(operator, self.sums, feature_names=feature_names)
        if self.n_rows and not sketch.n_samples:
            raise ValueError("sample_weight must have a positive entry, got only zeros")
        if sketch.n_samples:
            require_mean_weight(sketch.weight_sum / sketch.n_samples)
        warn_of_cut(operator.domain, self.n_cut, self.n_rows, feature_names)
        return sketch


def require_features(came: int, expected: int) -> None:
    """Refuse rows of another number of features than the sketcher's, in scikit-learn's words."""
    if came != expected:
        raise ValueError(
            f"X has {came} features, but Sketcher is expecting {expected} features as input"
        )


REMEDY = (
    "; leave such rows out by a filter, or fill them in, for instance with "
    "sklearn.impute.SimpleImputer"
)


def describe_place(row: int, column: int, names: Sequence[str] | None) -> str:
    """Say which row and column of a partition something is in."""
    return f"row {row}, column {column if names is None else repr(names[column])}"


def require_finite(X: np.ndarray, names: Sequence[str] | None, first_row: int) -> None:
    """Refuse rows that are not finite; a ValueError names the first entry."""
    is_finite = np.isfinite(X)
    if not is_finite.all():
        row, column = np.argwhere(~is_finite)[0]
        what = "NaN" if np.isnan(X[row, column]) else "infinity"
        where = describe_place(first_row + int(row), int(column), names)
        raise ValueError(f"{what} (NaN and infinity cannot be sketched) at {where}{REMEDY}")
