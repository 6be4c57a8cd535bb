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
    RUN_ROWS,
    TILE_FREQUENCIES,
    TILE_VECTORS,
    VECTOR_BYTES,
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
from sketchlearn._kernels.hadamard import (
    LEAST_SIZE,
    N_ROUNDS,
    add_sign_transforms,
    add_transforms,
    add_weighted_sign_transforms,
    add_weighted_transforms,
    pack_rows,
)
from sketchlearn.features.fourier import Waves
from sketchlearn.features.sign import Signs

N_FEATURES, N_FREQUENCIES = 3, TILE_FREQUENCIES + 1
N_ROWS = BLOCK - 3
WEIGHTS = 2**20 + 12_345 * np.arange(N_ROWS) % 2**21
# Where the second of two runs of rows begins.
SECOND_RUN = 3 * RUN_ROWS

SIGNS, WIDE_SIGNS = (Signs(53 * np.arange(n) % 256) for n in (N_FREQUENCIES, LEAST_SIZE + 1))

Twin = Callable[[np.ndarray], np.ndarray]
TWIN: Twin = Waves().integer_features
SIGN_TWIN: Twin = SIGNS.integer_features


@cache
def require_right_sums(dtype: Any, is_weighted: bool, twin: Twin = TWIN) -> None:
    """Refuse to sketch in a type, with or without weights, where compiled code adds up wrongly.

    It takes two milliseconds, once, and the kernels' compilation where they were never used.

    Raises
    ------
    RuntimeError
        If the compiled kernels' sums are not those of plain numpy, or numba's cache is damaged.
    """
    _require_right_tiles(dtype, is_weighted, None, twin)


@cache
def require_right_signs(dtype: Any, is_weighted: bool, twin: Twin = SIGN_TWIN) -> None:
    """Refuse to sketch signs of a matrix's phases where compiled code adds up wrongly.

    Raises
    ------
    RuntimeError
        As `require_right_sums`.
    """
    _require_right_tiles(dtype, is_weighted, SIGNS.offsets, twin)


@cache
def require_right_runs(dtype: Any, is_weighted: bool, twin: Twin = TWIN) -> None:
    """Refuse to sketch rows by group where compiled code adds up wrongly.

    Raises
    ------
    RuntimeError
        As `require_right_sums`.
    """
    rows, turns, weights = _draw_rows(), _draw_turns(), WEIGHTS if is_weighted else None
    runs = slice(SECOND_RUN), slice(SECOND_RUN, None)
    expected = [
        _sum_by_numpy(twin, rows[run] @ turns, None if weights is None else weights[run])
        for run in runs
    ]
    _require_equal(lambda: _sum_runs_by_kernels(rows, turns, weights, dtype), np.stack(expected))


def _require_right_tiles(
    dtype: Any, is_weighted: bool, offsets: np.ndarray | None, twin: Twin
) -> None:
    """Refuse kernels of tiles, of waves or, where there are offsets, of signs."""
    rows, turns, weights = _draw_rows(), _draw_turns(), WEIGHTS if is_weighted else None
    _require_equal(
        lambda: _sum_by_kernels(rows, turns, weights, dtype, offsets),
        _sum_by_numpy(twin, rows @ turns, weights),
    )


@cache
def require_right_transforms(
    dtype: Any, is_weighted: bool, is_signs: bool = False, twin: Twin | None = None
) -> None:
    """Refuse to sketch by fast transforms where compiled code adds up wrongly.

    Raises
    ------
    RuntimeError
        As `require_right_sums`.
    """
    rows, signs = _draw_rows(), (91 * np.arange(2 * N_ROUNDS * LEAST_SIZE // 8) % 256).astype("u1")
    factors = np.zeros(2 * LEAST_SIZE)
    factors[: LEAST_SIZE + 1] = 2.0 ** -(6 + np.arange(LEAST_SIZE + 1) % 4)
    weights = WEIGHTS if is_weighted else None
    products = _transform_by_numpy(rows, signs)[:, : LEAST_SIZE + 1]
    offsets = None
    if is_signs:
        offsets = np.zeros(2 * LEAST_SIZE, np.float32)
        offsets[: LEAST_SIZE + 1] = WIDE_SIGNS.offsets
    twin = twin or (WIDE_SIGNS if is_signs else Waves()).integer_features
    _require_equal(
        lambda: _transform_by_kernels(rows, signs, factors.astype(dtype), weights, dtype, offsets),
        _sum_by_numpy(twin, products * factors[: LEAST_SIZE + 1], weights),
    )


def _draw_rows() -> np.ndarray:
    """Rows (N_ROWS, N_FEATURES) of few bits."""
    return ((37 * np.arange(N_ROWS * N_FEATURES) % 251) - 125.0).reshape(N_ROWS, -1) / 64.0


def _draw_turns() -> np.ndarray:
    """Frequencies (N_FEATURES, N_FREQUENCIES) of few bits, in turns."""
    return ((5 * np.arange(N_FEATURES * N_FREQUENCIES) % 31) - 15.0).reshape(N_FEATURES, -1) / 16.0


def _require_equal(by_kernels: Callable[[], np.ndarray], expected: np.ndarray) -> None:
    """Refuse kernels that cannot be run, or whose sums are others."""
    folder = pack_tiles.taken.stats.cache_path or "nowhere"
    try:
        compiled = by_kernels()
    except (OSError, EOFError, pickle.PickleError) as error:
        raise RuntimeError(
            f"numba's cache of compiled code cannot be used ({error}): delete {folder}, or set "
            "NUMBA_CACHE_DIR to a folder that can be written"
        ) from error
    if not np.array_equal(compiled, expected):
        raise RuntimeError(
            "the compiled kernels add up wrongly: numba's cache (NUMBA_CACHE_DIR) holds code for "
            f"another processor or version; delete {folder} and start again"
        )


def _sum_by_kernels(
    rows: np.ndarray,
    turns: np.ndarray,
    weights: np.ndarray | None,
    dtype: Any,
    offsets: np.ndarray | None,
) -> np.ndarray:
    """Sums (2, N_FREQUENCIES) by the kernels: of C and S, or of signs where there are offsets."""
    blocks, padded, grouped, phases = _pack_block(rows, turns, weights, dtype)
    sums = np.zeros((2, N_FREQUENCIES), np.int64)
    if offsets is None and weights is None:
        add_tiles(blocks, grouped, phases, sums)
    elif offsets is None:
        add_weighted_tiles(blocks, padded, grouped, phases, sums)
    elif weights is None:
        add_sign_tiles(blocks, grouped, offsets, phases, sums)
        sums -= (BLOCK - N_ROWS) * SIGNS.integer_features(np.zeros((1, N_FREQUENCIES)))[0]
    else:
        add_weighted_sign_tiles(blocks, padded, grouped, offsets, phases, sums)
    return sums


def _sum_runs_by_kernels(
    rows: np.ndarray, turns: np.ndarray, weights: np.ndarray | None, dtype: Any
) -> np.ndarray:
    """Sums (2, 2, N_FREQUENCIES) of C and S by the kernels, of each of two runs."""
    blocks, padded, grouped, phases = _pack_block(rows, turns, weights, dtype)
    sums = np.zeros((2, 2, N_FREQUENCIES), np.int64)
    runs = np.array([0, SECOND_RUN]), np.array([SECOND_RUN, BLOCK]), np.array([0, 1])
    if weights is None:
        add_tile_runs(blocks, 0, *runs, grouped, phases, sums)
    else:
        add_weighted_tile_runs(blocks, padded, 0, *runs, grouped, phases, sums)
    return sums


def _pack_block(
    rows: np.ndarray, turns: np.ndarray, weights: np.ndarray | None, dtype: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One block of tiles, its weights, the frequencies in groups, and scratch for phases."""
    tile_rows = TILE_VECTORS * VECTOR_BYTES // np.dtype(dtype).itemsize
    blocks = np.empty((1, BLOCK // tile_rows, N_FEATURES, tile_rows), dtype)
    slopes, is_far = np.zeros(N_FEATURES, dtype), np.empty(N_ROWS, np.bool_)
    pack_tiles(rows, np.zeros(N_FEATURES), slopes, dtype(1.0), blocks[0], is_far)
    padded = np.zeros((1, BLOCK), np.int64)
    padded[0, :N_ROWS] = 0 if weights is None else weights
    grouped = np.zeros((2, N_FEATURES, TILE_FREQUENCIES), dtype)
    grouped[0], grouped[1, :, 0] = turns[:, :TILE_FREQUENCIES], turns[:, TILE_FREQUENCIES]
    return blocks, padded, grouped, np.empty((2 * TILE_FREQUENCIES, BLOCK), dtype)


def _transform_by_kernels(
    rows: np.ndarray,
    signs: np.ndarray,
    factors: np.ndarray,
    weights: np.ndarray | None,
    dtype: Any,
    offsets: np.ndarray | None,
) -> np.ndarray:
    """Sums (2, LEAST_SIZE + 1) by the kernels of fast transforms, of signs with offsets."""
    packed, is_far = np.empty((N_ROWS, LEAST_SIZE), dtype), np.empty(N_ROWS, np.bool_)
    slopes, zeros = np.zeros(LEAST_SIZE, dtype), np.zeros(N_FEATURES)
    pack_rows(rows, zeros, np.ones(N_FEATURES), slopes, dtype(1.0), packed, is_far)
    products, totals = np.empty((5, LEAST_SIZE), dtype), np.empty((2, LEAST_SIZE), np.int32)
    sums = np.zeros((2, LEAST_SIZE + 1), np.int64)
    maps = packed, signs, factors
    if offsets is None and weights is None:
        add_transforms(*maps, products, totals, sums)
    elif offsets is None:
        add_weighted_transforms(packed, weights, *maps[1:], products, sums)
    elif weights is None:
        add_sign_transforms(*maps, offsets, products, totals, sums)
    else:
        add_weighted_sign_transforms(packed, weights, *maps[1:], offsets, products, sums)
    return sums


def _transform_by_numpy(rows: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Products (N_ROWS, 2 LEAST_SIZE) of rows with two blocks of signs, by numpy."""
    bits = np.unpackbits(signs, bitorder="little").reshape(2, N_ROUNDS, LEAST_SIZE)
    products = np.zeros((2, N_ROWS, LEAST_SIZE))
    products[:, :, :N_FEATURES] = rows
    for place in range(N_ROUNDS):
        products *= 1.0 - 2.0 * bits[:, place, None]
        half = LEAST_SIZE // 2
        while half:
            low, high = np.moveaxis(products.reshape(2, N_ROWS, -1, 2, half), 3, 0)
            products = np.stack([low + high, low - high], axis=3).reshape(2, N_ROWS, -1)
            half //= 2
    return products.transpose(1, 0, 2).reshape(N_ROWS, -1)


def _sum_by_numpy(twin: Twin, phases: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Sums of C and S of phases (N_ROWS, N_FREQUENCIES) in turns, by numpy."""
    features = twin(phases)
    if weights is not None:
        features = (features * weights[:, None, None] + 2**19) >> 20
    return np.asarray(features.sum(axis=0))
