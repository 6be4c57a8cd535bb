"""Sums of any features of any linear map's phases, in plain numpy."""

from __future__ import annotations

from typing import final

import numpy as np

from sketchlearn.features.accumulator import Accumulator, largest_reach
from sketchlearn.features.feature_map import TWO_PI, FeatureMap
from sketchlearn.linear_maps import LinearMap

# Phases that are held at a time, and the most rows.
CHUNK_PHASES, MOST_ROWS = 2**18, 1024
# Weights are multiples of 2^-20; half a unit is added before the shift, so that it rounds.
WEIGHT_BITS, WEIGHT_HALF = 20, 2**19


@final
class GenericAccumulator(Accumulator):
    """Project rows in float64, one apart from the other, and add up their features.

    Rows are refused as `DenseAccumulator` refuses them.

    Parameters
    ----------
    linear_map : LinearMap
        The frequencies.
    features : FeatureMap
        What phases become.
    center : ndarray of shape (n_features,)
        Taken from every row, in float64.
    double_phases : bool
        Of no effect: phases are in float64.
    """

    def __init__(
        self, linear_map: LinearMap, features: FeatureMap, center: np.ndarray, double_phases: bool
    ) -> None:
        self._map, self._features, self._center = linear_map, features, center
        self._slopes = linear_map.root_mean_squares * TWO_PI
        self._limit = largest_reach(linear_map.n_features, np.float64) ** 2
        self.chunk_size = max(1, min(MOST_ROWS, CHUNK_PHASES // linear_map.n_frequencies))

    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int | None:
        """Add rows, see `Accumulator.add`."""
        squares = np.zeros(len(rows))
        with np.errstate(over="ignore", invalid="ignore"):
            centered = np.ascontiguousarray(rows.astype(np.float64) - self._center)
            for column, slope in zip(centered.T, self._slopes, strict=True):
                squares += np.square(column * slope)
            is_bad = ~(squares <= self._limit)
        if is_bad.any():
            return int(is_bad.argmax())
        added = self._features.integer_features(self._map.project_reproducibly(centered))
        if weights is not None:
            added = (added * weights[:, None, None] + WEIGHT_HALF) >> WEIGHT_BITS
        sums += added.sum(axis=0)
        return None
