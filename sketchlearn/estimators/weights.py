"""The units of weights: `fit` chooses them, and rows that are added later keep to them."""

from __future__ import annotations

import numpy as np

from sketchlearn.sketches.fixed_point import choose_exponent, require_fixed_point
from sketchlearn.sources.error_handling import error_handler
from sketchlearn.sources.sampling import spread_rows
from sketchlearn.sources.source import RowSource
from sketchlearn.sources.weights import divide_weights


def divided_weights(sample_weight: np.ndarray | None) -> tuple[np.ndarray | None, int]:
    """Divide weights by two to the power that suits them; return the quotients and the power."""
    if sample_weight is None:
        return None, 0
    exponent = choose_exponent(sample_weight)
    return divide_weights(sample_weight, len(sample_weight), exponent), exponent


def divide_source(source: RowSource, size: int, seed: int) -> int:
    """Divide a source's weights by two to a power, which some rows from all over it suggest.

    Only some, since a stream can be read once.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    rng = np.random.default_rng(seed)
    drawn, _ = spread_rows(source, size, 1, rng, error_handler("raise"))
    weights = drawn.weights
    source.weight_exponent = 0 if weights is None else choose_exponent(weights)
    return source.weight_exponent


def in_units_of_fit(
    sample_weight: np.ndarray | None, n_samples: int, exponent: int
) -> np.ndarray | None:
    """Divide weights of rows that are added to those of a fit, as it divided its own.

    Raises
    ------
    ValueError
        If they do not suit fixed point in these units.
    """
    divided = divide_weights(sample_weight, n_samples, exponent)
    if exponent == 0 or divided is None:
        return divided
    try:
        require_fixed_point(divided)
    except ValueError as error:
        raise ValueError(
            f"{error}. Here weights are in units of 2**{exponent}, as those of the fit are that "
            "these rows are added to"
        ) from None
    return divided


def weighted_sum(values: np.ndarray, weights: np.ndarray | None) -> float:
    """Sum values, each times its weight if there are any."""
    return float(values.sum() if weights is None else values @ weights)
