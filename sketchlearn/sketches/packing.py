"""Sums of signs as counts, in as few bytes as the number of rows needs."""

from __future__ import annotations

import numpy as np

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.sketches.fixed_point import WEIGHT_BITS


def pack_counts(feature_sum: np.ndarray, weight_units: int) -> np.ndarray | None:
    """Return what weight was negative, by byte (w, 2, m) uint8; None where that is no integer.

    Byte 0 is the lowest; w is as small as holds the total weight.

    Parameters
    ----------
    feature_sum : ndarray of shape (2, m) int64
        Sums of weights or their negatives, in units of 2^-20.
    weight_units : int
        Sum of the weights in these units.
    """
    unit = 1 << WEIGHT_BITS
    negative = (weight_units - feature_sum) >> 1
    if weight_units % unit or np.any((weight_units - feature_sum) % (2 * unit)):
        return None
    counts = np.ascontiguousarray(negative >> WEIGHT_BITS, dtype="<i8")
    planes = np.moveaxis(counts.view(np.uint8).reshape(*counts.shape, 8), -1, 0)
    return np.ascontiguousarray(planes[: _count_bytes(weight_units)])


def unpack_counts(packed: np.ndarray, weight_units: int) -> np.ndarray:
    """Return the sums (2, m) int64 of counts that `pack_counts` made.

    Raises
    ------
    SketchFormatError
        If they are no such counts.
    """
    width = _count_bytes(weight_units)
    if packed.dtype != np.uint8 or packed.ndim != 3 or packed.shape[:2] != (width, 2):
        raise SketchFormatError(
            f"feature_count must be uint8 of shape ({width}, 2, n_frequencies), got "
            f"{packed.dtype} of {packed.shape}"
        )
    places = np.left_shift(1, 8 * np.arange(width, dtype=np.int64))
    counts = np.tensordot(places, packed.astype(np.int64), axes=1)
    if np.any(counts > weight_units >> WEIGHT_BITS):
        raise SketchFormatError("feature_count exceeds the weight of all rows")
    return np.asarray(weight_units - (counts << (WEIGHT_BITS + 1)))


def _count_bytes(weight_units: int) -> int:
    """Return how many bytes counts up to a total weight take, one at least."""
    return max(1, -(-(weight_units >> WEIGHT_BITS).bit_length() // 8))
