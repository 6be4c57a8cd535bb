"""Sums of waves, or of their signs, of a dense matrix's phases, by compiled kernels."""

from __future__ import annotations

from typing import Any, cast, final

import numpy as np

from sketchlearn._kernels._policy import (
    BLOCK,
    PANEL,
    TILE_FREQUENCIES,
    TILE_VECTORS,
    VECTOR_BYTES,
    require_compiler,
)
from sketchlearn._kernels.fourier_sums import (
    add_sign_tiles,
    add_tile_runs,
    add_tiles,
    add_weighted_sign_tiles,
    add_weighted_tile_runs,
    add_weighted_tiles,
    pack_tiles,
)
from sketchlearn.features.accumulator import Accumulator, Runs, largest_reach
from sketchlearn.features.feature_map import FeatureMap
from sketchlearn.features.self_test import (
    require_right_runs,
    require_right_signs,
    require_right_sums,
)
from sketchlearn.features.sign import Signs
from sketchlearn.linear_maps import DenseMap, LinearMap
from sketchlearn.linear_maps.linear_map import root_mean_squares

# Blocks that one call takes: enough to hide what the call itself costs, as long as their packed
# rows stay in the second-level cache.
MOST_BLOCKS = 8
PACKED_BYTES = 2**19


def dense_waves(
    linear_map: LinearMap, features: FeatureMap, center: np.ndarray, double_phases: bool
) -> Accumulator:
    """Return an accumulator of a dense map's waves."""
    dtype = np.float64 if double_phases else np.float32
    return DenseAccumulator(cast(DenseMap, linear_map).turns.astype(dtype), center)


def dense_signs(
    linear_map: LinearMap, features: FeatureMap, center: np.ndarray, double_phases: bool
) -> Accumulator:
    """Return an accumulator of the signs of a dense map's waves."""
    dtype = np.float64 if double_phases else np.float32
    turns = cast(DenseMap, linear_map).turns.astype(dtype)
    return DenseAccumulator(turns, center, cast(Signs, features))


@final
class DenseAccumulator(Accumulator):
    r"""Centre rows into tiles, project a panel of frequencies at a time, sum their features.

    A row's phases are computed in the type of `turns`, but in float64 where their root mean square
    over the frequencies,

    .. math:: \Bigl(\sum_j x_j^2 \, \tfrac1m \sum_q \omega_{jq}^2\Bigr)^{1/2}

    with x the centred row, exceeds 30 radians (15 above 16 features), where float32 would round
    them too coarsely. The same rule, with a limit 2^29 times as large, says where float64 does:
    such a row is refused. Either way a row's waves are off by less than 2e-5 in root mean square,
    and by less than 1e-4 each; closer to the centre in proportion less, down to 3e-7.

    Parameters
    ----------
    turns : ndarray of shape (n_features, n_frequencies)
        Frequencies over 2 pi, in the type, float32 or float64, that phases are computed in.
    center : ndarray of shape (n_features,)
        Taken from every row, in float64.
    signs : Signs, optional
        Where signs of waves are summed instead of waves.

    Raises
    ------
    RuntimeError
        If numba's compiler is switched off.
    """

    def __init__(self, turns: np.ndarray, center: np.ndarray, signs: Signs | None = None) -> None:
        require_compiler()
        d, m = turns.shape
        dtype: Any = turns.dtype.type
        self._dtype = dtype
        n_groups = -(-m // TILE_FREQUENCIES)
        padded = np.zeros((n_groups * TILE_FREQUENCIES, d), dtype)
        padded[:m] = turns.T
        grouped = padded.reshape(n_groups, TILE_FREQUENCIES, d)
        tile_rows = TILE_VECTORS * VECTOR_BYTES // turns.itemsize
        self._turns = np.ascontiguousarray(grouped.transpose(0, 2, 1))
        self._plain_turns = turns
        self._center = center
        self._signs = signs
        if signs is not None:
            # What a row of zeros adds, which blocks are padded with.
            self._of_zeros = signs.integer_features(np.zeros((1, m)))[0]
        self._slopes = root_mean_squares(turns).astype(dtype) * dtype(2.0 * np.pi)
        self._limit = dtype(largest_reach(d, dtype) ** 2)
        n_blocks = max(1, min(MOST_BLOCKS, PACKED_BYTES // (BLOCK * d * turns.itemsize)))
        self.chunk_size = n_blocks * BLOCK
        self._blocks = np.empty((n_blocks, BLOCK // tile_rows, d, tile_rows), dtype)
        self._phases = np.empty((PANEL, BLOCK), dtype)
        self._weights = np.empty((n_blocks, BLOCK), dtype=np.int64)
        self._is_far = np.empty(self.chunk_size, dtype=np.bool_)
        self._for_far_rows: DenseAccumulator | None = None

    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int | None:
        """Add rows, see `Accumulator.add`."""
        if self._signs is None:
            require_right_sums(self._dtype, weights is not None)
        else:
            require_right_signs(self._dtype, weights is not None)
        n_blocks = -(-len(rows) // BLOCK)
        blocks = self._blocks[:n_blocks]
        tiles = blocks.reshape(-1, *blocks.shape[2:])
        n_far = pack_tiles(rows, self._center, self._slopes, self._limit, tiles, self._is_far)
        if n_far:
            far = np.flatnonzero(self._is_far[: len(rows)])
            if self._dtype is np.float64:
                return int(far[0])
            bad = self._add_far(rows[far], None if weights is None else weights[far], sums)
            if bad is not None:
                return int(far[bad])
        if weights is None:
            self._add_tiles(blocks, sums, n_blocks * BLOCK - len(rows) + n_far)
        else:
            padded = self._pad_weights(weights)[:n_blocks]
            padded.reshape(-1)[: len(rows)][self._is_far[: len(rows)]] = 0
            self._add_weighted_tiles(blocks, padded, sums)
        return None

    def add_runs(
        self, rows: np.ndarray, weights: np.ndarray | None, runs: Runs, sums: np.ndarray
    ) -> int | None:
        """Add runs of rows, see `Accumulator.add_runs`."""
        if self._signs is not None:
            return super().add_runs(rows, weights, runs, sums)
        require_right_runs(self._dtype, weights is not None)
        starts, stops, groups = runs.starts, runs.aligned_stops, runs.groups
        for at in range(0, len(rows), self.chunk_size):
            some = rows[at : at + self.chunk_size]
            own = None if weights is None else weights[at : at + self.chunk_size]
            first = int(np.searchsorted(stops, at, side="right"))
            last = int(np.searchsorted(starts, at + len(some)))
            which = starts[first:last], stops[first:last], groups[first:last]
            blocks = self._blocks[: -(-len(some) // BLOCK)]
            tiles = blocks.reshape(-1, *blocks.shape[2:])
            if pack_tiles(some, self._center, self._slopes, self._limit, tiles, self._is_far):
                far = np.flatnonzero(self._is_far[: len(some)])
                if self._dtype is np.float64:
                    return at + int(far[0])
                bad = self._add_far_of_runs(some, own, far, groups[runs.find(at + far)], sums)
                if bad is not None:
                    return at + bad
            if own is None:
                add_tile_runs(blocks, at, *which, self._turns, self._phases, sums)
            else:
                padded = self._pad_weights(own)[: len(blocks)]
                add_weighted_tile_runs(blocks, padded, at, *which, self._turns, self._phases, sums)
        return None

    def _pad_weights(self, weights: np.ndarray) -> np.ndarray:
        """Return weights by blocks, zero where there are no rows."""
        padded = self._weights.reshape(-1)
        padded[: len(weights)] = weights
        padded[len(weights) :] = 0
        return self._weights

    def _add_far_of_runs(
        self,
        rows: np.ndarray,
        weights: np.ndarray | None,
        far: np.ndarray,
        groups: np.ndarray,
        sums: np.ndarray,
    ) -> int | None:
        """Add rows, by index, that float32 is too coarse for, each to its group's sums."""
        for group in np.unique(groups):
            which = far[groups == group]
            own = None if weights is None else weights[which]
            bad = self._add_far(rows[which], own, sums[group])
            if bad is not None:
                return int(which[bad])
        return None

    def _add_tiles(self, blocks: np.ndarray, sums: np.ndarray, n_zeros: int) -> None:
        """Add the rows of blocks, of which so many stand for no row and are zero."""
        if self._signs is None:
            add_tiles(blocks, self._turns, self._phases, sums)
        else:
            add_sign_tiles(blocks, self._turns, self._signs.offsets, self._phases, sums)
            sums -= n_zeros * self._of_zeros

    def _add_weighted_tiles(
        self, blocks: np.ndarray, weights: np.ndarray, sums: np.ndarray
    ) -> None:
        """Add the rows of blocks; those that stand for no row have a weight of zero."""
        if self._signs is None:
            add_weighted_tiles(blocks, weights, self._turns, self._phases, sums)
        else:
            offsets = self._signs.offsets
            add_weighted_sign_tiles(blocks, weights, self._turns, offsets, self._phases, sums)

    def _add_far(
        self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray
    ) -> int | None:
        """Add the rows whose phases float32 is too coarse for, or none of them."""
        if self._for_far_rows is None:
            turns = self._plain_turns.astype(np.float64)
            self._for_far_rows = DenseAccumulator(turns, self._center, self._signs)
        return self._for_far_rows.add_all(rows, weights, sums)
