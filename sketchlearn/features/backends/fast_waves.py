"""Sums of waves, or of their signs, of a fast transform's phases, by compiled kernels."""

from __future__ import annotations

from typing import Any, cast, final

import numpy as np

from sketchlearn._kernels._policy import require_compiler
from sketchlearn._kernels.hadamard import (
    add_sign_transforms,
    add_transforms,
    add_weighted_sign_transforms,
    add_weighted_transforms,
    pack_rows,
)
from sketchlearn.features.accumulator import Accumulator, largest_reach
from sketchlearn.features.backends.generic import GenericAccumulator
from sketchlearn.features.feature_map import TWO_PI, FeatureMap
from sketchlearn.features.self_test import require_right_transforms
from sketchlearn.features.sign import Signs
from sketchlearn.linear_maps import LinearMap, StretchedMap
from sketchlearn.linear_maps.hadamard import HadamardMap

# The most rows that a call takes, whose int32 sums are exact, and bytes of them once packed.
MOST_ROWS, PACKED_BYTES = 512, 2**19
# Bytes of products that are held before their waves are taken: half of a first-level cache.
PRODUCT_BYTES = 2**14


def fast_waves(
    linear_map: LinearMap, features: FeatureMap, center: np.ndarray, double_phases: bool
) -> Accumulator:
    """Return an accumulator of a fast map's waves."""
    own = cast(HadamardMap, linear_map)
    return FastAccumulator(own, np.ones(own.n_features), center, double_phases)


def fast_signs(
    linear_map: LinearMap, features: FeatureMap, center: np.ndarray, double_phases: bool
) -> Accumulator:
    """Return an accumulator of the signs of a fast map's waves."""
    own, signs = cast(HadamardMap, linear_map), cast(Signs, features)
    return FastAccumulator(own, np.ones(own.n_features), center, double_phases, signs)


def stretched_features(
    linear_map: LinearMap, features: FeatureMap, center: np.ndarray, double_phases: bool
) -> Accumulator:
    """Return an accumulator of a map of stretched rows: of a fast one, a fast one."""
    own = cast(StretchedMap, linear_map)
    if own.inner.kind != HadamardMap.kind:
        return GenericAccumulator(linear_map, features, center, double_phases)
    inner, signs = cast(HadamardMap, own.inner), None
    if features.kind == Signs.kind:
        signs = cast(Signs, features)
    return FastAccumulator(inner, own.factors, center, double_phases, signs)


@final
class FastAccumulator(Accumulator):
    """Centre and stretch rows, transform each by itself, sum the features of its phases.

    Phases are in float32, or in float64 where they are too coarse then, and rows are refused, by
    the rule of `DenseAccumulator`.

    Parameters
    ----------
    linear_map : HadamardMap
        The frequencies.
    stretch : ndarray of shape (n_features,)
        What columns are multiplied by before they are projected.
    center : ndarray of shape (n_features,)
        Taken from every row, in float64.
    double_phases : bool
        Whether the phases of all rows are in float64.
    signs : Signs, optional
        Where signs of waves are summed instead of waves.

    Raises
    ------
    RuntimeError
        If numba's compiler is switched off.
    """

    def __init__(
        self,
        linear_map: HadamardMap,
        stretch: np.ndarray,
        center: np.ndarray,
        double_phases: bool,
        signs: Signs | None = None,
    ) -> None:
        require_compiler()
        dtype: Any = np.float64 if double_phases else np.float32
        d, p = linear_map.n_features, linear_map.size
        self._map, self._stretch, self._center, self._dtype = linear_map, stretch, center, dtype
        self._flips = linear_map.signs.reshape(-1)
        self._factors = linear_map.padded_factors.reshape(-1).astype(dtype)
        self._slopes = np.zeros(p, dtype)
        self._slopes[:d] = linear_map.root_mean_squares * TWO_PI
        self._limit = dtype(largest_reach(d, dtype) ** 2)
        n_bytes = p * self._slopes.itemsize
        self.chunk_size = max(1, min(MOST_ROWS, PACKED_BYTES // n_bytes))
        self._packed = np.empty((self.chunk_size, p), dtype)
        self._products = np.empty((max(1, PRODUCT_BYTES // n_bytes), p), dtype)
        self._totals = np.empty((2, p), np.int32)
        self._is_far = np.empty(self.chunk_size, np.bool_)
        self._for_far_rows: FastAccumulator | None = None
        self._signs, m = signs, linear_map.n_frequencies
        if signs is not None:
            self._offsets = np.zeros(len(self._factors), np.float32)
            self._offsets[:m] = signs.offsets
            # What a row of zeros adds, as which those stand that are left out.
            self._of_zeros = signs.integer_features(np.zeros((1, m)))[0]

    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int | None:
        """Add rows, see `Accumulator.add`."""
        require_right_transforms(self._dtype, weights is not None, self._signs is not None)
        packed, is_far = self._packed[: len(rows)], self._is_far[: len(rows)]
        n_far = pack_rows(
            rows, self._center, self._stretch, self._slopes, self._limit, packed, is_far
        )
        if n_far:
            far = np.flatnonzero(is_far)
            if self._dtype is np.float64:
                return int(far[0])
            bad = self._add_far(rows[far], None if weights is None else weights[far], sums)
            if bad is not None:
                return int(far[bad])
        maps, products = (self._flips, self._factors), self._products
        if self._signs is None and weights is None:
            add_transforms(packed, *maps, products, self._totals, sums)
        elif self._signs is None:
            add_weighted_transforms(packed, weights, *maps, products, sums)
        elif weights is None:
            add_sign_transforms(packed, *maps, self._offsets, products, self._totals, sums)
            sums -= n_far * self._of_zeros
        else:
            own = np.where(is_far, 0, weights)
            add_weighted_sign_transforms(packed, own, *maps, self._offsets, products, sums)
        return None

    def _add_far(
        self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray
    ) -> int | None:
        """Add the rows whose phases float32 is too coarse for, or none of them."""
        if self._for_far_rows is None:
            self._for_far_rows = FastAccumulator(
                self._map, self._stretch, self._center, True, self._signs
            )
        return self._for_far_rows.add_all(rows, weights, sums)
