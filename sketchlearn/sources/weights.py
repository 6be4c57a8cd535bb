"""Weights of rows: what they may be, and their division by powers of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from sketchlearn.sources.exact_values import require_no_mask, require_real


def check_sample_weight(sample_weight: Any, n_samples: int) -> np.ndarray | None:
    """Return float64 weights (n_samples,), or None where None came.

    A single number is every row's weight. Weights of zero leave their rows out.

    Raises
    ------
    TypeError
        If they are a column's name, or no real numbers.
    ValueError
        If the length is wrong, a weight is negative, NaN or infinite, or all are zero.
    """
    if sample_weight is None:
        return None
    if isinstance(sample_weight, str):
        raise TypeError(
            f"sample_weight is a column's name, {sample_weight!r}, which a file, an Arrow table or "
            "another source of rows can have; of rows in memory give the weights themselves, and "
            "leave their column out of X, or give open_source(X, weight=...) as X"
        )
    require_no_mask(sample_weight, "sample_weight")
    require_real(np.asarray(sample_weight), "sample_weight")
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(n_samples, float(weights))
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},), one weight a row, got {weights.shape}"
        )
    require_weights(weights)
    if n_samples and not weights.any():
        raise ValueError("sample_weight must have a positive entry, got only zeros")
    return weights


def require_weights(weights: np.ndarray) -> None:
    """Refuse, by a ValueError, what is no weight; some of many may well be zero, all of them."""
    if not np.isfinite(weights).all():
        raise ValueError("sample_weight must be finite, got NaN or infinity")
    if weights.min(initial=0.0) < 0:
        raise ValueError(f"sample_weight must not be negative, got {weights.min()}")


def divide_weights(weights: Any, n_samples: int, exponent: int) -> np.ndarray | None:
    """Divide weights, ones where there are none, by two to a power; as they are if it is zero."""
    if exponent == 0:
        return weights
    weights = np.ones(n_samples) if weights is None else np.asarray(weights, dtype=np.float64)
    return np.asarray(np.ldexp(weights, -exponent))
