"""One block through the sketching kernels, beside plain numpy: equal to the last bit, or refused.

What is compiled may come from a cache that other machines and other versions wrote. The rows and
frequencies here make phases without rounding, so that numpy can follow every rounding after them.
"""

import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from sketchlearn._kernels._policy import (
    BLOCK,
    TILE_FREQUENCIES,
    TILE_VECTORS,
    VECTOR_BYTES,
)
from sketchlearn._kernels.fourier_sums import add_tiles, add_weighted_tiles, pack_tiles
from sketchlearn.features.fourier import Waves

N_FEATURES, N_FREQUENCIES = 3, TILE_FREQUENCIES + 1
N_ROWS = BLOCK - 3

Twin = Callable[[np.ndarray], np.ndarray]
TWIN: Twin = Waves().integer_features


@cache
def require_right_sums(dtype: Any, is_weighted: bool, twin: Twin = TWIN) -> None:
    """Refuse to sketch in a type, with or without weights, where compiled code adds up wrongly.

    It takes two milliseconds, once, and the kernels' compilation where they were never used.

    Raises
    ------
    RuntimeError
        If the compiled kernels' sums are not those of plain numpy, or numba's cache is damaged.
    """
    rows = ((37 * np.arange(N_ROWS * N_FEATURES) % 251) - 125.0).reshape(N_ROWS, -1) / 64.0
    turns = ((5 * np.arange(N_FEATURES * N_FREQUENCIES) % 31) - 15.0).reshape(N_FEATURES, -1) / 16.0
    weights = (2**20 + 12_345 * np.arange(N_ROWS) % 2**21) if is_weighted else None
    folder = pack_tiles.taken.stats.cache_path or "nowhere"
    try:
        compiled = _sum_by_kernels(rows, turns, weights, dtype)
    except (OSError, EOFError, pickle.PickleError) as error:
        raise RuntimeError(
            f"numba's cache of compiled code cannot be used ({error}): delete {folder}, or set "
            "NUMBA_CACHE_DIR to a folder that can be written"
        ) from error
    if not np.array_equal(compiled, _sum_by_numpy(twin, rows @ turns, weights)):
        raise RuntimeError(
            "the compiled kernels add up wrongly: numba's cache (NUMBA_CACHE_DIR) holds code for "
            f"another processor or version; delete {folder} and start again"
        )


def _sum_by_kernels(
    rows: np.ndarray, turns: np.ndarray, weights: np.ndarray | None, dtype: Any
) -> np.ndarray:
    """Sums of C and S, (2, N_FREQUENCIES), by the kernels."""
    tile_rows = TILE_VECTORS * VECTOR_BYTES // np.dtype(dtype).itemsize
    blocks = np.empty((1, BLOCK // tile_rows, N_FEATURES, tile_rows), dtype)
    slopes = np.zeros(N_FEATURES, dtype)
    is_far = np.empty(N_ROWS, np.bool_)
    pack_tiles(rows, np.zeros(N_FEATURES), slopes, dtype(1.0), blocks[0], is_far)
    grouped = np.zeros((2, N_FEATURES, TILE_FREQUENCIES), dtype)
    grouped[0], grouped[1, :, 0] = turns[:, :TILE_FREQUENCIES], turns[:, TILE_FREQUENCIES]
    phases = np.empty((2 * TILE_FREQUENCIES, BLOCK), dtype)
    sums = np.zeros((2, N_FREQUENCIES), np.int64)
    if weights is None:
        add_tiles(blocks, grouped, phases, sums)
    else:
        padded = np.zeros((1, BLOCK), np.int64)
        padded[0, :N_ROWS] = weights
        add_weighted_tiles(blocks, padded, grouped, phases, sums)
    return sums


def _sum_by_numpy(twin: Twin, phases: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Sums of C and S of phases (N_ROWS, N_FREQUENCIES) in turns, by numpy."""
    features = twin(phases)
    if weights is not None:
        features = (features * weights[:, None, None] + 2**19) >> 20
    return np.asarray(features.sum(axis=0))
