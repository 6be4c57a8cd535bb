"""How rows are added to moments, a chunk at a time."""

from __future__ import annotations

import pickle
from functools import cache
from typing import final

import numpy as np

from sketchlearn._kernels._policy import BLOCK, require_compiler
from sketchlearn._kernels.moment_sums import (
    REACH,
    add_moments,
    add_run_moments,
    carry_sums,
    split_rows,
    weigh_digits,
)
from sketchlearn.features.accumulator import Runs
from sketchlearn.features.moments import N_WORDS, MomentGrid, MomentKind, MomentSums, n_moments

# Blocks that one call takes, as long as their lowest digits stay in the second-level cache.
MOST_BLOCKS = 8
DIGIT_BYTES = 2**18
# Rows of a run that are multiplied at once: runs may be short.
RUN_BLOCK = 64
# Digits of a coordinate, of a weighed one, and of their product.
N_DIGITS, N_WEIGHED, N_PLACES = 3, 5, 7
# A row without a weight counts 2^20 units.
UNIT_SHIFT = 20


@final
class MomentAccumulator:
    """One thread's way to add rows to moments; holds scratch memory, hence not shared.

    Parameters
    ----------
    grid : MomentGrid
        What rows are rounded to.
    kind : {"full", "diagonal"}
        Whether products of all pairs of columns are summed, or the squares alone.

    Raises
    ------
    RuntimeError
        If numba's compiler is switched off, or compiled code adds up wrongly.
    """

    def __init__(self, grid: MomentGrid, kind: MomentKind) -> None:
        require_compiler()
        require_right_moments()
        d = grid.n_features
        self._center = np.ascontiguousarray(grid.center, np.float64)
        self._per_step = np.ldexp(1.0, -grid.exponents)
        self._is_full = kind == "full"
        n_blocks = max(1, min(MOST_BLOCKS, DIGIT_BYTES // (BLOCK * d * 4)))
        self._digits = np.empty((n_blocks, N_DIGITS * d, BLOCK), np.int32)
        self._ends = np.empty((n_blocks, d), np.int64)
        self._sums = np.zeros((N_PLACES, 2, n_moments(d, kind)), np.int64)
        self._weights = np.empty((n_blocks, BLOCK), np.int64)
        self._weighed: np.ndarray | None = None

    def add(self, rows: np.ndarray, weights: np.ndarray | None, words: np.ndarray) -> int | None:
        """Add rows to sums, or nothing at all if one is too far.

        Parameters
        ----------
        rows : ndarray of shape (n, n_features)
            Native float32 or float64, any layout, in data coordinates.
        weights : ndarray of shape (n,) int64, optional
            Fixed-point weights, multiples of 2^-20, at most 2^40.
        words : ndarray of shape (4, n_moments) uint64
            What is added to, see `MomentSums`.

        Returns
        -------
        int or None
            Index of the first row that is not finite, or 2^80 steps or more from the centre;
            `words` is then as it was. None if all were added.
        """
        n_blocks, n_places = len(self._digits), 0
        for start in range(0, len(rows), n_blocks * BLOCK):
            some = rows[start : start + n_blocks * BLOCK]
            used = slice(-(-len(some) // BLOCK))
            digits, ends = self._digits[used], self._ends[used]
            if not split_rows(some, self._center, self._per_step, digits, ends):
                self._sums[:] = 0
                return start + self._first_far(some)
            weighed, weighed_ends = digits, ends
            if weights is not None:
                weighed, weighed_ends = self._weigh(weights[start : start + len(some)], used)
            blocks = (weighed, weighed_ends, digits, ends)
            n_places = max(n_places, add_moments(*blocks, self._is_full, self._sums))
        carry_sums(self._sums[:n_places], UNIT_SHIFT if weights is None else 0, words)
        return None

    def add_runs(
        self, rows: np.ndarray, weights: np.ndarray | None, runs: Runs, words: np.ndarray
    ) -> int | None:
        """Add runs of rows, each to its group's sums.

        Parameters
        ----------
        rows, weights, runs
            As of `Accumulator.add_runs`.
        words : ndarray of shape (n_groups, 4, n_moments) uint64
            What is added to.

        Returns
        -------
        int or None
            As of `Accumulator.add_runs`.
        """
        d = rows.shape[1]
        digits, weighed = (np.empty((1, n * d, RUN_BLOCK), np.int32) for n in (N_DIGITS, N_WEIGHED))
        bad = add_run_moments(
            rows,
            np.empty(0, np.int64) if weights is None else weights,
            runs.starts,
            runs.stops,
            runs.groups,
            np.stack([self._center, self._per_step]),
            self._is_full,
            digits,
            weighed,
            self._sums,
            words,
        )
        return None if bad < 0 else bad + self._first_far(rows[bad : bad + RUN_BLOCK])

    def _weigh(self, weights: np.ndarray, used: slice) -> tuple[np.ndarray, np.ndarray]:
        """Multiply the coordinates in some blocks by weights."""
        if self._weighed is None:
            n_blocks, d = self._ends.shape
            self._weighed = np.empty((n_blocks, N_WEIGHED * d, BLOCK), np.int32)
            self._weighed_ends = np.empty_like(self._ends)
        padded = self._weights.reshape(-1)
        padded[: len(weights)] = weights
        padded[len(weights) :] = 0
        weighed, weighed_ends = self._weighed[used], self._weighed_ends[used]
        blocks = self._digits[used], self._ends[used], self._weights[used]
        weigh_digits(*blocks, weighed, weighed_ends)
        return weighed, weighed_ends

    def _first_far(self, rows: np.ndarray) -> int:
        """Find the row that cannot be added."""
        with np.errstate(all="ignore"):
            steps = (rows.astype(np.float64) - self._center) * self._per_step
            return int(np.flatnonzero(~(np.abs(np.rint(steps)) < REACH).all(axis=1))[0])


@cache
def require_right_moments() -> None:
    """Refuse to sum moments where compiled code adds up wrongly.

    It looks at two blocks of one column, with digits of all places, with and without weights.

    Raises
    ------
    RuntimeError
        If the compiled kernels' sums are not those of Python's integers, or numba's cache is
        damaged.
    """
    n = BLOCK + 3
    values = [(37 * i % 251 - 125) << (0, 0, 40, 70)[i % 4] for i in range(n)]
    units = [2**20 + 12_345 * i % 2**21 for i in range(n)]
    folder = add_moments.taken.stats.cache_path or "nowhere"
    try:
        compiled = _compiled(np.array(values, np.float64)[:, None], np.array(units, np.int64))
    except (OSError, EOFError, pickle.PickleError) as error:
        raise RuntimeError(
            f"numba's cache of compiled code cannot be used ({error}): delete {folder}, or set "
            "NUMBA_CACHE_DIR to a folder that can be written"
        ) from error
    for sums, weights in zip(compiled, ([2**20] * n, units), strict=True):
        pairs = list(zip(weights, values, strict=True))
        if sums != [sum(w * g for w, g in pairs), sum(w * g * g for w, g in pairs)]:
            raise RuntimeError(
                "the compiled kernels add up wrongly: numba's cache (NUMBA_CACHE_DIR) holds code "
                f"for another processor or version; delete {folder} and start again"
            )


def _compiled(rows: np.ndarray, units: np.ndarray) -> list[list[int]]:
    """Moments of a column by the kernels: of rows without weights, and with them."""
    digits = np.empty((2, N_DIGITS, BLOCK), np.int32)
    weighed = np.empty((2, N_WEIGHED, BLOCK), np.int32)
    ends, weighed_ends = np.empty((2, 2, 1), np.int64)
    weights = np.zeros((2, BLOCK), np.int64)
    weights.reshape(-1)[: len(units)] = units
    split_rows(rows, np.zeros(1), np.ones(1), digits, ends)
    weigh_digits(digits, ends, weights, weighed, weighed_ends)
    found = []
    for left, left_ends, shift in ((digits, ends, UNIT_SHIFT), (weighed, weighed_ends, 0)):
        sums, words = np.zeros((N_PLACES, 2, 2), np.int64), np.zeros((N_WORDS, 2), np.uint64)
        add_moments(left, left_ends, digits, ends, True, sums)
        carry_sums(sums, shift, words)
        found.append(MomentSums("full", 1, words).integers.tolist())
    return found
