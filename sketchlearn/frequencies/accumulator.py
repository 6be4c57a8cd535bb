"""How rows are added to integer sums, a chunk at a time: the contract, and a dense matrix's way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np

from sketchlearn._kernels._policy import (
    BLOCK,
    PANEL,
    TILE_FREQUENCIES,
    TILE_VECTORS,
    VECTOR_BYTES,
)
from sketchlearn._kernels.sketching import add_tiles, add_weighted_tiles, pack_tiles

# Blocks that one call takes: enough to hide what the call itself costs, as long as their packed
# rows stay in the second-level cache.
MOST_BLOCKS = 8
PACKED_BYTES = 2**19


class Accumulator(ABC):
    """One thread's way to add rows to integer sums; holds scratch memory, hence not shared.

    A row's contribution depends on the row alone, so that any split of the rows gives the same
    sums.

    Attributes
    ----------
    chunk_size : int
        The most rows that `add` takes.
    """

    chunk_size: int

    @abstractmethod
    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int:
        """Add the features of rows to the sums, or nothing at all if a row is bad.

        Parameters
        ----------
        rows : ndarray of shape (n, n_features), n <= chunk_size
            Native float32 or float64, any layout, in data coordinates.
        weights : ndarray of shape (n,) int64, optional
            Fixed-point weights, multiples of 2^-20.
        sums : ndarray of shape (2, n_frequencies) int64
            Sums of sin^2(t/2) and sin(t/2) cos(t/2), t the centred phase, units of 2^-22. Added to.

        Returns
        -------
        int
            How many entries are not finite, or too large for the operator; if any, `sums` is as it
            was.
        """


@final
class DenseAccumulator(Accumulator):
    """Centre rows into tiles, project a panel of frequencies at a time, sum their features.

    Parameters
    ----------
    turns : ndarray of shape (n_features, n_frequencies)
        Frequencies over 2 pi, in the type, float32 or float64, that phases are computed in.
    center : ndarray of shape (n_features,)
        Taken from every row, in float64.
    """

    def __init__(self, turns: np.ndarray, center: np.ndarray) -> None:
        d, m = turns.shape
        n_groups = -(-m // TILE_FREQUENCIES)
        padded = np.zeros((n_groups * TILE_FREQUENCIES, d), dtype=turns.dtype)
        padded[:m] = turns.T
        grouped = padded.reshape(n_groups, TILE_FREQUENCIES, d)
        tile_rows = TILE_VECTORS * VECTOR_BYTES // turns.itemsize
        self._turns = np.ascontiguousarray(grouped.transpose(0, 2, 1))
        self._center = center
        self._limit = _largest_entry(turns)
        n_blocks = max(1, min(MOST_BLOCKS, PACKED_BYTES // (BLOCK * d * turns.itemsize)))
        self.chunk_size = n_blocks * BLOCK
        self._blocks = np.empty((n_blocks, BLOCK // tile_rows, d, tile_rows), dtype=turns.dtype)
        self._phases = np.empty((PANEL, BLOCK), dtype=turns.dtype)
        self._weights = np.empty((n_blocks, BLOCK), dtype=np.int64)

    def add(self, rows: np.ndarray, weights: np.ndarray | None, sums: np.ndarray) -> int:
        """Add rows, see `Accumulator.add`."""
        n_blocks = -(-len(rows) // BLOCK)
        blocks = self._blocks[:n_blocks]
        tiles = blocks.reshape(-1, *blocks.shape[2:])
        n_bad = pack_tiles(rows, self._center, self._limit, tiles)
        if n_bad:
            return int(n_bad)
        if weights is None:
            add_tiles(blocks, self._turns, self._phases, sums)
        else:
            padded = self._weights.reshape(-1)
            padded[: len(rows)] = weights
            padded[len(rows) :] = 0
            add_weighted_tiles(blocks, self._weights[:n_blocks], self._turns, self._phases, sums)
        return 0


def _largest_entry(turns: np.ndarray) -> float:
    """Magnitude up to which no centred entry can overflow a phase of the turns' type."""
    steepest = np.abs(turns, dtype=np.float64).sum(axis=0).max(initial=1.0)
    return float(1e-6 * np.finfo(turns.dtype).max / steepest)
