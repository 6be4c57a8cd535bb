"""Weights as fixed-point integers, and their exact sums."""

from __future__ import annotations

import numpy as np

WEIGHT_BITS = 20
WEIGHT_UNIT = 2.0**-WEIGHT_BITS
LARGEST_WEIGHT = 2.0**20
LEAST_MEAN_WEIGHT = 2.0**-10
# Total weight, in units, below which an int64 sum of features cannot overflow.
LARGEST_TOTAL_UNITS = 2**60


def require_fixed_point(weights: np.ndarray) -> None:
    """Refuse weights that fixed point does not suit, before any row is summed.

    Raises
    ------
    ValueError
        If a weight is above 2^20, the mean positive weight so small that rounding would hurt, or
        the total 2^40 or more.
    """
    positive = weights[weights > 0]
    if positive.size:
        require_mean_weight(float(positive.mean()))
    _require_largest(weights)
    if (total := float(positive.sum())) >= LARGEST_TOTAL_UNITS * WEIGHT_UNIT:
        raise ValueError(
            f"the total weight must stay below 2**40, got {total:.6g}; divide all weights by a "
            "constant"
        )


def require_mean_weight(mean: float) -> None:
    """Refuse weights whose mean, of the positive ones, is so small that rounding would hurt.

    Raises
    ------
    ValueError
        If it is below 2^-10.
    """
    if mean < LEAST_MEAN_WEIGHT:
        raise ValueError(
            f"sample_weight must be at least 2**-10 on average, as weights are kept in multiples "
            f"of 2**-20, got a mean of {mean:.3g}; multiply all by a constant"
        )


def fix_weights(weights: np.ndarray) -> np.ndarray:
    """Round some of many weights, to int64 multiples of 2^-20.

    Raises
    ------
    ValueError
        If a weight is above 2^20.
    """
    _require_largest(weights)
    return np.rint(weights / WEIGHT_UNIT).astype(np.int64)


def _require_largest(weights: np.ndarray) -> None:
    """Refuse weights above 2^20."""
    if weights.max(initial=0.0) > LARGEST_WEIGHT:
        raise ValueError(
            f"sample_weight must not exceed 2**20, got {weights.max()}; divide all by a constant"
        )


def choose_exponent(weights: np.ndarray) -> int:
    """Return the power of two that weights are to be divided by, so that fixed point suits them.

    It grows by one where all weights double: what comes of the divided weights does not depend on
    a common factor that is a power of two. Weights that are integers below 2^20, some of them odd,
    stay as they are; so do all that are such integers but for a power of two, once divided. Others
    are brought to a mean from 1 to 2, if that leaves the largest at 2^20 or less.

    Parameters
    ----------
    weights : ndarray of shape (n,) float64
        Finite and not negative. Those of zero do not count; if all are zero, the power is 0.
    """
    positive = weights[weights > 0]
    if not positive.size:
        return 0
    mantissas, exponents = np.frexp(positive)
    above = int(exponents.max())
    bits = np.ldexp(mantissas, 53).astype(np.int64)
    finest = int((exponents + np.frexp((bits & -bits).astype(np.float64))[1]).min()) - 54
    relative = np.ldexp(positive, -above)
    if above - finest <= 20 and relative.sum() < 2.0 ** (40 + finest - above):
        return finest
    mean = above + int(np.frexp(relative.mean())[1]) - 1
    return max(mean, above - 20)


def sum_with_squares(weights: np.ndarray) -> tuple[int, int]:
    """Add fixed-point weights, and their squares, exactly: as Python integers."""
    total = square = 0
    for start in range(0, len(weights), 2**20):
        part = weights[start : start + 2**20]
        high, low = part >> 20, part & (2**20 - 1)
        total += int(part.sum())
        square += (int(high @ high) << 40) + (int(high @ low) << 21) + int(low @ low)
    return total, square
