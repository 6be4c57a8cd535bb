"""Integer sums and counts of rows: what a sketch is, but for the operator it was taken with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Self, final

import numpy as np

from sketchlearn.features.feature_map import FeatureMap
from sketchlearn.features.moments import MomentKind, MomentSums, n_moments
from sketchlearn.sketches.fixed_point import LARGEST_TOTAL_UNITS, WEIGHT_UNIT

# Of each count and each length; squares of the largest total weight fit.
COUNT_BYTES = 16
# By the number that says in bytes which moments follow.
MOMENT_KINDS: tuple[MomentKind | None, ...] = (None, "full", "diagonal")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sums:
    """Sums of features over rows as integers, and counts of the rows; an immutable value.

    Those of one shape form a commutative group, exactly: any order or partition of the rows gives
    the same, and ``(a + b) - b == a``. What would not fit is refused, never wrapped.

    Parameters
    ----------
    feature_sum : ndarray of int64
        Sums of the rows' features, each times its weight.
    n_samples : int
        Rows of positive weight.
    weight_units, squared_weight_units : int
        Sum of the weights in units of 2^-20, and of their squares in units of 2^-40.
    moments : MomentSums, optional
        Sums of the rows themselves and of their products. Only sums of the same moments, or of none
        on both sides, are added.

    Raises
    ------
    ValueError
        If the sums are no int64, or a count is beyond that of a total weight of 2^40.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.sketches import Sums
    >>> a = Sums(np.array([[3, -1]]), 1, 2**20, 2**40)
    >>> a + a == a.scaled(2)
    False
    >>> (a + a).n_samples, a.scaled(2).n_samples
    (2, 1)
    >>> a - a == Sums.empty((1, 2))
    True
    """

    feature_sum: np.ndarray
    n_samples: int
    weight_units: int
    squared_weight_units: int
    moments: MomentSums | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        sums = np.array(self.feature_sum, order="C")
        if sums.dtype != np.int64:
            raise ValueError(f"feature_sum must be int64, got {sums.dtype}")
        if abs(self.weight_units) >= LARGEST_TOTAL_UNITS:
            raise ValueError(
                f"the total weight must stay below 2**40, got 2**{self.weight_units.bit_length()} "
                "or so, in units of 2**-20"
            )
        if abs(self.n_samples) >= LARGEST_TOTAL_UNITS:
            raise ValueError(f"n_samples must stay below 2**60, got {self.n_samples:.3g}")
        if abs(self.squared_weight_units) > LARGEST_TOTAL_UNITS**2:
            raise ValueError("squared_weight_units must be the sum of squares of weight_units")
        sums.flags.writeable = False
        object.__setattr__(self, "feature_sum", sums)

    def __repr__(self) -> str:
        moments = "" if self.moments is None else f", {self.moments!r}"
        shape = " x ".join(map(str, self.feature_sum.shape))
        return f"Sums({shape} integers of {self.n_samples} rows{moments})"

    @classmethod
    def empty(cls, shape: tuple[int, ...], moments: MomentSums | None = None) -> Self:
        """Return the sums of no rows, of a shape, with moments of none: the neutral element."""
        return cls(np.zeros(shape, dtype=np.int64), 0, 0, 0, moments=moments)

    @property
    def counts(self) -> tuple[int, int, int]:
        """`n_samples`, `weight_units` and `squared_weight_units`."""
        return self.n_samples, self.weight_units, self.squared_weight_units

    @property
    def weight_sum(self) -> float:
        """Sum of the weights."""
        return self.weight_units * WEIGHT_UNIT

    def is_possible(self, features: FeatureMap) -> bool:
        """Whether any rows could have these sums of a feature map, and these counts."""
        n, units, squares = self.counts
        if self.moments is not None and not self.moments.is_possible(units):
            return False
        if n == 0:
            return units == 0 and squares == 0 and not self.feature_sum.any()
        if n < 0 or units < n or not squares <= units * units <= n * squares:
            return False
        largest = max(int(self.feature_sum.max()), -int(self.feature_sum.min()))
        return largest <= features.largest_sum(n, units)

    def without_moments(self) -> Self:
        """Return the same sums and counts without moments."""
        return type(self)(self.feature_sum, *self.counts)

    def scaled(self, factor: int) -> Self:
        """Return the sums of the same rows, each `factor` times as heavy.

        Raises
        ------
        ValueError
            If the total weight would reach 2^40, or a sum 2^63.
        """
        if abs(self.weight_units * factor) >= LARGEST_TOTAL_UNITS:
            raise ValueError(
                f"the total weight must stay below 2**40, got {self.weight_sum:.6g} times {factor}"
            )
        largest = max(-int(self.feature_sum.min(initial=0)), int(self.feature_sum.max(initial=0)))
        if largest * abs(factor) >= 2**63:
            raise ValueError(f"feature_sum must stay below 2**63, got {largest} times {factor}")
        n, units, squares = self.counts
        moments = None if self.moments is None else self.moments.scaled(factor)
        sums = self.feature_sum * factor
        return type(self)(sums, n, units * factor, squares * factor**2, moments=moments)

    def __add__(self, other: Self) -> Self:
        if not isinstance(other, Sums):
            return NotImplemented
        self._require_same_kind(other)
        a, b = self.feature_sum, other.feature_sum
        total = a + b
        # Overflow: both have one sign, and their sum the other.
        self._require_no_overflow((a ^ total) & (b ^ total))
        counts = (x + y for x, y in zip(self.counts, other.counts, strict=True))
        moments = None if self.moments is None else self.moments + other.moments
        return type(self)(total, *counts, moments=moments)

    def __sub__(self, other: Self) -> Self:
        if not isinstance(other, Sums):
            return NotImplemented
        self._require_same_kind(other)
        a, b = self.feature_sum, other.feature_sum
        rest = a - b
        self._require_no_overflow((a ^ b) & (a ^ rest))
        counts = (x - y for x, y in zip(self.counts, other.counts, strict=True))
        moments = None if self.moments is None else self.moments - other.moments
        return type(self)(rest, *counts, moments=moments)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sums):
            return NotImplemented
        is_alike = self.counts == other.counts and self.moments == other.moments
        return is_alike and np.array_equal(self.feature_sum, other.feature_sum)

    def __hash__(self) -> int:
        sums = self.feature_sum
        return hash((self.counts, sums.shape, sums.tobytes(), self.moments))

    def to_bytes(self) -> bytes:
        """Return counts, shape, sums and moments, all little-endian; equal sums, equal bytes."""
        lengths = (self.feature_sum.ndim, *self.feature_sum.shape)
        kind, n_features, moments = 0, 0, b""
        if self.moments is not None:
            kind, n_features = MOMENT_KINDS.index(self.moments.kind), self.moments.n_features
            moments = self.moments.state.tobytes()
        head = [
            number.to_bytes(COUNT_BYTES, "little", signed=True)
            for number in (*self.counts, kind, n_features, *lengths)
        ]
        return b"".join(head) + self.feature_sum.astype("<i8").tobytes() + moments

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the sums that `to_bytes` turned into these bytes.

        Raises
        ------
        ValueError
            If they are cut off, longer, or no sums.
        """

        def numbers(first: int, n: int) -> list[int]:
            pieces = (
                data[i * COUNT_BYTES : (i + 1) * COUNT_BYTES] for i in range(first, first + n)
            )
            return [int.from_bytes(piece, "little", signed=True) for piece in pieces]

        counts, (which, n_features, n_dims) = numbers(0, 3), numbers(3, 3)
        if not 0 <= n_dims <= len(data) // COUNT_BYTES - 6:
            raise ValueError(f"no sums have {len(data)} bytes and {n_dims} dimensions")
        shape, start = numbers(6, n_dims), (6 + n_dims) * COUNT_BYTES
        n_sums, n_bytes = math.prod(shape), len(data) - start
        if not 0 <= which < len(MOMENT_KINDS) or (n_features > 0) != (which > 0):
            raise ValueError(f"no sums have moments of kind {which} and {n_features} features")
        kind = MOMENT_KINDS[which]
        n_moment_bytes = n_bytes - 8 * n_sums
        per_word = 8 * n_moments(n_features, kind) if kind else n_moment_bytes + 1
        if min(shape, default=0) < 0 or n_moment_bytes < 0 or n_moment_bytes % per_word:
            raise ValueError(f"no sums of shape {tuple(shape)} have {n_bytes} bytes")
        numbers_after = np.frombuffer(data, dtype="<i8", offset=start)
        sums = numbers_after[:n_sums].reshape(shape).astype(np.int64)
        if kind is None:
            return cls(sums, *counts)
        state = numbers_after[n_sums:].reshape(n_moment_bytes // per_word, -1)
        return cls(sums, *counts, moments=MomentSums.from_state(n_features, kind, state))

    def _require_same_kind(self, other: Self) -> None:
        """Refuse sums of another shape, which numpy might stretch, or moments on one side only."""
        if self.feature_sum.shape != other.feature_sum.shape:
            raise ValueError(
                f"sums of shape {self.feature_sum.shape} and {other.feature_sum.shape} cannot be "
                "combined"
            )
        if (self.moments is None) != (other.moments is None):
            raise ValueError("sums with moments and sums without them cannot be combined")

    @staticmethod
    def _require_no_overflow(signs: np.ndarray) -> None:
        """Refuse a result where these are negative."""
        if (signs < 0).any():
            raise ValueError("feature_sum must stay below 2**63 in size")
