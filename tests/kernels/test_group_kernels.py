import naive
import numpy as np
import pytest

from sketchlearn._kernels._policy import (
    BLOCK,
    RUN_ROWS,
    TILE_FREQUENCIES,
    TILE_VECTORS,
    VECTOR_BYTES,
)
from sketchlearn._kernels.fourier_sums import add_tile_runs, add_weighted_tile_runs, pack_tiles
from sketchlearn._kernels.moment_sums import add_run_moments
from sketchlearn._kernels.rows_by_group import sort_by_group, spread_runs
from sketchlearn.features.accumulator import Runs
from sketchlearn.features.moments import MomentSums

pytestmark = pytest.mark.slow

LENGTHS = np.array([1, 16, 17, 300, 3, 200, 1])
GROUPS = np.array([2, 0, 4, 1, 0, 2, 3])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def packed(rows, dtype):
    d = rows.shape[1]
    tile_rows = TILE_VECTORS * VECTOR_BYTES // np.dtype(dtype).itemsize
    blocks = np.empty((-(-len(rows) // BLOCK), BLOCK // tile_rows, d, tile_rows), dtype)
    tiles, is_far = blocks.reshape(-1, d, tile_rows), np.empty(len(rows), np.bool_)
    assert not pack_tiles(rows, np.zeros(d), np.zeros(d, dtype), dtype(1), tiles, is_far)
    return blocks


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_runs_are_added_to_their_groups(dtype, is_weighted, rng):
    # Multiples of 1/64 make phases without rounding, in either type.
    d, m = 3, TILE_FREQUENCIES + 1
    runs = Runs.of_lengths(LENGTHS, GROUPS)
    rows = np.zeros((runs.n_places, d))
    units = np.zeros(-(-runs.n_places // BLOCK) * BLOCK, np.int64)
    for start, stop in zip(runs.starts, runs.stops, strict=True):
        rows[start:stop] = rng.integers(-99, 99, size=(stop - start, d)) / 64
        units[start:stop] = rng.integers(0, 2**22, size=stop - start)
    blocks = packed(rows, dtype)
    turns = np.zeros((2, d, TILE_FREQUENCIES), dtype)
    turns[0] = rng.integers(-9, 9, size=(d, TILE_FREQUENCIES)) / 16
    turns[1, :, 0] = rng.integers(-9, 9, size=d) / 16
    phases = np.empty((2 * TILE_FREQUENCIES, BLOCK), dtype)
    weights = units.reshape(-1, BLOCK)
    # The last blocks alone, of a run that began in another.
    for first in (0, 1):
        sums = np.zeros((5, 2, m), np.int64)
        which = first * BLOCK, runs.starts, runs.aligned_stops, runs.groups, turns
        if is_weighted:
            add_weighted_tile_runs(blocks[first:], weights[first:], *which, phases, sums)
            expected = naive.add_weighted_tile_runs(blocks[first:], weights[first:], *which, m, 5)
        else:
            add_tile_runs(blocks[first:], *which, phases, sums)
            expected = naive.add_tile_runs(blocks[first:], *which, m, 5)
        # A row's rounding may differ by a unit or two, and weights make four of it.
        assert np.abs(sums - expected).max() <= 8 * LENGTHS.max()
        assert np.abs(sums).max() > 2**20


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_moments_of_runs_are_added_to_their_groups(is_full, is_weighted, rng):
    d, b = 3, 8
    runs = Runs.of_lengths(LENGTHS, GROUPS)
    rows = np.rint(rng.normal(size=(runs.n_places, d)) * 1e6)
    rows[5] = 2.0**70, -(2.0**40), 3.0
    units = rng.integers(0, 2**22, size=len(rows))
    p = d + (d * (d + 1) // 2 if is_full else d)
    digits, weighed = np.empty((1, 3 * d, b), np.int32), np.empty((1, 5 * d, b), np.int32)
    sums, words = np.zeros((7, 2, p), np.int64), np.zeros((5, 4, p), np.uint64)
    grid = np.stack([np.zeros(d), np.ones(d)])
    weights = units if is_weighted else np.empty(0, np.int64)
    which = runs.starts, runs.stops, runs.groups
    assert add_run_moments(rows, weights, *which, grid, is_full, digits, weighed, sums, words) == -1
    numbers = [[int(x) for x in row] for row in rows]
    one = [2**20] * len(rows)
    expected = naive.add_run_moments(
        numbers, [int(u) for u in units] if is_weighted else one, *which, is_full, 5
    )
    kind = "full" if is_full else "diagonal"
    assert [MomentSums(kind, d, group).integers.tolist() for group in words] == expected


def test_a_row_out_of_reach_is_told_by_the_block_that_it_is_in():
    rows = np.zeros((64, 1))
    rows[37] = 2.0**80
    digits, weighed = np.empty((1, 3, 8), np.int32), np.empty((1, 5, 8), np.int32)
    sums, words = np.zeros((7, 2, 2), np.int64), np.zeros((1, 4, 2), np.uint64)
    grid, none = np.stack([np.zeros(1), np.ones(1)]), np.empty(0, np.int64)
    which = np.array([0, 32]), np.array([30, 64]), np.array([0, 0])
    assert add_run_moments(rows, none, *which, grid, True, digits, weighed, sums, words) == 32
    assert not sums.any()


def test_rows_are_sorted_and_spread(rng):
    rows, groups = rng.normal(size=(500, 3)), rng.integers(0, 7, size=500)
    counts, order, in_order = np.empty(9, np.int64), np.empty(500, np.int64), np.empty((600, 3))
    sort_by_group(rows, groups, counts, order, in_order)
    expected, indices = naive.sort_by_group(rows, groups)
    np.testing.assert_array_equal(in_order[:500], expected)
    assert order.tolist() == indices
    np.testing.assert_array_equal(counts, np.bincount(groups, minlength=9))
    lengths = counts[counts > 0]
    runs = Runs.of_lengths(lengths, np.arange(len(lengths)))
    assert not (runs.starts % RUN_ROWS).any()
    spread, filling = np.empty((runs.n_places, 3)), np.array([7.0, 8.0, 9.0])
    spread_runs(in_order[:500], runs.starts, runs.stops, filling, spread)
    again = naive.spread_runs(expected, runs.starts, runs.stops, filling, runs.n_places)
    np.testing.assert_array_equal(spread, again)
