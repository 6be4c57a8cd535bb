"""How a dense operator adds rows to integer sums: one fused kernel, or tiles of phases."""

from __future__ import annotations

from typing import final

import numpy as np

from sketchlearn._kernels import sketching as kernels
from sketchlearn._kernels._policy import (
    FUSED_BLOCK,
    FUSED_MAX_FEATURES,
    PANEL,
    TILE_FREQUENCIES,
    TILE_VECTORS,
    TILED_BLOCK,
    VECTOR_BYTES,
)
from sketchlearn.frequencies.operator import BlockAccumulator

# Blocks that one call takes: enough to hide what the call itself costs.
BLOCKS_A_CALL = 8


def dense_accumulator(turns: np.ndarray, center: np.ndarray, is_double: bool) -> BlockAccumulator:
    """Choose the faster accumulator for a matrix of frequencies in turns (d, m)."""
    turns = turns.astype(np.float64 if is_double else np.float32)
    if len(turns) <= FUSED_MAX_FEATURES:
        return FusedAccumulator(turns, center)
    return TiledAccumulator(turns, center)


def largest_entry(turns: np.ndarray) -> float:
    """Magnitude up to which no centred entry can overflow a phase of the turns' type."""
    steepest = np.abs(turns, dtype=np.float64).sum(axis=0).max(initial=1.0)
    return float(1e-6 * np.finfo(turns.dtype).max / steepest)


@final
class FusedAccumulator(BlockAccumulator):
    """Few features: phases are computed and used in registers, one frequency at a time."""

    chunk_size = BLOCKS_A_CALL * FUSED_BLOCK

    def __init__(self, turns: np.ndarray, center: np.ndarray) -> None:
        d, _ = turns.shape
        self._turns = np.ascontiguousarray(turns.T)
        self._center = center
        self._limit = largest_entry(turns)
        self._dims = (0,) * d
        self._blocks = np.empty((BLOCKS_A_CALL, d, FUSED_BLOCK), dtype=turns.dtype)
        self._weights = np.empty((BLOCKS_A_CALL, FUSED_BLOCK), dtype=np.int64)

    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int:
        """Add rows, see `BlockAccumulator.add`."""
        n_blocks = -(-len(rows) // FUSED_BLOCK)
        blocks = self._blocks[:n_blocks]
        n_bad = kernels.pack_columns(rows, self._center, self._limit, blocks)
        if n_bad:
            return int(n_bad)
        if weights is None:
            kernels.add_columns(self._dims, blocks, self._turns, sums)
        else:
            padded = _padded(weights, self._weights[:n_blocks])
            kernels.add_weighted_columns(self._dims, blocks, padded, self._turns, sums)
        return 0


@final
class TiledAccumulator(BlockAccumulator):
    """Many features: a panel of phases by tiles held in vector registers, then their features."""

    chunk_size = BLOCKS_A_CALL * TILED_BLOCK

    def __init__(self, turns: np.ndarray, center: np.ndarray) -> None:
        d, m = turns.shape
        n_groups = -(-m // TILE_FREQUENCIES)
        padded = np.zeros((n_groups * TILE_FREQUENCIES, d), dtype=turns.dtype)
        padded[:m] = turns.T
        grouped = padded.reshape(n_groups, TILE_FREQUENCIES, d)
        tile_rows = TILE_VECTORS * VECTOR_BYTES // turns.itemsize
        self._turns = np.ascontiguousarray(grouped.transpose(0, 2, 1))
        self._center = center
        self._limit = largest_entry(turns)
        shape = (BLOCKS_A_CALL, TILED_BLOCK // tile_rows, d, tile_rows)
        self._blocks = np.empty(shape, dtype=turns.dtype)
        self._phases = np.empty((PANEL, TILED_BLOCK), dtype=turns.dtype)
        self._weights = np.empty((BLOCKS_A_CALL, TILED_BLOCK), dtype=np.int64)

    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int:
        """Add rows, see `BlockAccumulator.add`."""
        n_blocks = -(-len(rows) // TILED_BLOCK)
        blocks = self._blocks[:n_blocks]
        tiles = blocks.reshape(-1, *blocks.shape[2:])
        n_bad = kernels.pack_columns(rows, self._center, self._limit, tiles)
        if n_bad:
            return int(n_bad)
        if weights is None:
            kernels.add_tiles(blocks, self._turns, self._phases, sums)
        else:
            padded = _padded(weights, self._weights[:n_blocks])
            kernels.add_weighted_tiles(blocks, padded, self._turns, self._phases, sums)
        return 0


def _padded(weights: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Give the weights in blocks, zero beyond their end."""
    flat = out.reshape(-1)
    flat[: len(weights)] = weights
    flat[len(weights) :] = 0
    return out
