"""Rows that are repeated, and weights that say so."""

from __future__ import annotations

import numpy as np

from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sums import Sums

# Weights up to which float64 has all integers.
LARGEST_INTEGER = 2.0**53


def as_repeated_rows(sketch: Sketch, sample_weight: np.ndarray | None) -> Sketch:
    """The sketch with its rows counted as repetitions, if their weights are integers.

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
    return Sketch(sketch.operator, Sums(sketch.feature_sum, *counts))


def merge_rows(
    rows: np.ndarray, sample_weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Distinct rows and their summed weights: few, so that a pilot holds all of them."""
    weights = np.ones(len(rows)) if sample_weight is None else sample_weight
    distinct, inverse = np.unique(rows + 0.0, axis=0, return_inverse=True)
    return distinct, np.bincount(inverse.ravel(), weights=weights)
