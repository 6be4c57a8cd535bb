"""How a dense operator adds rows to integer sums: one fused kernel, or a product and a kernel."""

from __future__ import annotations

from typing import final

import numpy as np

from sketchlearn._kernels import sketching as kernels
from sketchlearn._kernels._policy import (
    FUSED_BLOCK,
    FUSED_BLOCK_FEATURES,
    FUSED_BLOCK_WIDE,
    FUSED_MAX_FEATURES,
    PRODUCT_BLOCK,
)
from sketchlearn.frequencies.operator import BlockAccumulator

# Blocks that one call takes: enough to hide what the call itself costs.
FUSED_BLOCKS_A_CALL = 8
PRODUCT_BLOCKS_A_CALL = 4


def dense_accumulator(turns: np.ndarray, center: np.ndarray, double: bool) -> BlockAccumulator:
    """Choose the faster accumulator for a matrix of frequencies in turns (d, m)."""
    turns = turns.astype(np.float64 if double else np.float32)
    if len(turns) <= FUSED_MAX_FEATURES:
        return FusedAccumulator(turns, center)
    return ProductAccumulator(turns, center)


def largest_entry(turns: np.ndarray) -> float:
    """Magnitude up to which no centred entry can overflow a phase of the turns' type."""
    steepest = np.abs(turns, dtype=np.float64).sum(axis=0).max(initial=1.0)
    return float(1e-6 * np.finfo(turns.dtype).max / steepest)


@final
class FusedAccumulator(BlockAccumulator):
    """Few features: phases are computed and used in registers, vectorised over rows."""

    def __init__(self, turns: np.ndarray, center: np.ndarray) -> None:
        d, _ = turns.shape
        block = FUSED_BLOCK if d <= FUSED_BLOCK_FEATURES else FUSED_BLOCK_WIDE
        self.chunk_size = FUSED_BLOCKS_A_CALL * block
        self._turns = np.ascontiguousarray(turns.T)
        self._center = center
        self._limit = largest_entry(turns)
        self._dims = (0,) * d
        self._blocks = np.empty((FUSED_BLOCKS_A_CALL, d, block), dtype=turns.dtype)
        self._weights = np.empty((FUSED_BLOCKS_A_CALL, block), dtype=np.int64)

    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int:
        """Add rows, see `BlockAccumulator.add`."""
        n_blocks = -(-len(rows) // self._blocks.shape[2])
        blocks = self._blocks[:n_blocks]
        n_bad = kernels.pack_columns(rows, self._center, self._limit, blocks)
        if n_bad:
            return n_bad
        if weights is None:
            kernels.add_columns(self._dims, blocks, self._turns, sums)
        else:
            padded = self._weights[:n_blocks]
            padded.reshape(-1)[: len(rows)] = weights
            padded.reshape(-1)[len(rows) :] = 0
            kernels.add_weighted_columns(self._dims, blocks, padded, self._turns, sums)
        return 0


@final
class ProductAccumulator(BlockAccumulator):
    """Many features: phases by a matrix product of one fixed shape, then a kernel over them.

    The shape is fixed because BLAS may sum a row in another order when the shape changes.
    """

    def __init__(self, turns: np.ndarray, center: np.ndarray) -> None:
        d, m = turns.shape
        self.chunk_size = PRODUCT_BLOCKS_A_CALL * PRODUCT_BLOCK
        self._turns = np.ascontiguousarray(turns)
        self._center = center
        self._limit = largest_entry(turns)
        self._blocks = np.empty((PRODUCT_BLOCKS_A_CALL, PRODUCT_BLOCK, d), dtype=turns.dtype)
        self._phases = np.empty((PRODUCT_BLOCK, m), dtype=turns.dtype)
        self._partial = np.empty((2, m), dtype=np.int32)
        self._weights = np.empty((PRODUCT_BLOCKS_A_CALL, PRODUCT_BLOCK), dtype=np.int64)

    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int:
        """Add rows, see `BlockAccumulator.add`."""
        n_blocks = -(-len(rows) // PRODUCT_BLOCK)
        flat = self._blocks[:n_blocks].reshape(-1, self._blocks.shape[2])
        n_bad = kernels.pack_rows(rows, self._center, self._limit, flat)
        if n_bad:
            return n_bad
        if weights is not None:
            padded = self._weights.reshape(-1)
            padded[: len(rows)] = weights
            padded[len(rows) :] = 0
        for i in range(n_blocks):
            np.matmul(self._blocks[i], self._turns, out=self._phases)
            if weights is None:
                kernels.add_phases(self._phases, self._partial, sums)
            else:
                kernels.add_weighted_phases(self._phases, self._weights[i], sums)
        return 0
