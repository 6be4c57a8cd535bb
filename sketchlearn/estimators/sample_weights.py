"""Weights of rows: the units that `fit` chooses for them, and rows that they repeat."""

from __future__ import annotations

import numpy as np

from sketchlearn.sketches.fixed_point import choose_exponent, require_fixed_point
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sums import Sums
from sketchlearn.sources.error_handling import make_error_handler
from sketchlearn.sources.exact_values import LARGEST_INTEGER
from sketchlearn.sources.sampling import draw_rows
from sketchlearn.sources.source import RowSource
from sketchlearn.sources.weights import divide_weights


def divide_by_power(sample_weight: np.ndarray | None) -> tuple[np.ndarray | None, int]:
    """Divide weights by two to the power that suits them; return the quotients and the power."""
    if sample_weight is None:
        return None, 0
    exponent = choose_exponent(sample_weight)
    return divide_weights(sample_weight, len(sample_weight), exponent), exponent


def divide_source_weights(source: RowSource, size: int, seed: int) -> int:
    """Divide a source's weights by two to a power, which some rows from all over it suggest.

    Only some, since a stream can be read once.
    """
    rng = np.random.default_rng(seed)
    drawn, _ = draw_rows(source, size, 1, rng, make_error_handler("raise"))
    weights = drawn.weights
    source.weight_exponent = 0 if weights is None else choose_exponent(weights)
    return source.weight_exponent


def divide_like_fit(
    sample_weight: np.ndarray | None, n_samples: int, exponent: int
) -> np.ndarray | None:
    """Divide weights of rows that are added to those of a fit, as it divided its own.

    A ValueError refuses those that do not suit fixed point in these units.
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


def sum_weighted(values: np.ndarray, weights: np.ndarray | None) -> float:
    """Sum values, each times its weight if there are any."""
    return float(values.sum() if weights is None else values @ weights)


def count_repetitions(sketch: Sketch, sample_weight: np.ndarray | None) -> Sketch:
    """Return the sketch with its rows counted as repetitions, if their weights are integers.

    Fitting rows with integer weights is then fitting each so many times, as scikit-learn's
    conventions ask; a common factor of all weights counts nothing. The sums stay as they are, and
    other weights too: their rows count as the effective number of rows.
    """
    if sample_weight is None:
        return sketch
    positive = sample_weight[sample_weight > 0]
    if np.any(positive != np.rint(positive)) or positive.max(initial=0.0) > LARGEST_INTEGER:
        return sketch
    numbers = positive.astype(np.int64)
    # The sketch's total weight is below 2^40, so that the sum fits.
    n_rows = int(numbers.sum()) // int(np.gcd.reduce(numbers))
    unit, rest = divmod(sketch.weight_units, n_rows)
    if rest:
        return sketch  # They were rounded.
    counts = (n_rows, sketch.weight_units, n_rows * unit**2)
    return Sketch(sketch.operator, Sums(sketch.feature_sum, *counts, moments=sketch.sums.moments))


def merge_rows(
    rows: np.ndarray, sample_weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Distinct rows and their summed weights: few, so that a pilot holds all of them."""
    weights = np.ones(len(rows)) if sample_weight is None else sample_weight
    distinct, inverse = np.unique(rows + 0.0, axis=0, return_inverse=True)
    return distinct, np.bincount(inverse.ravel(), weights=weights)
