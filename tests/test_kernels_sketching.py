import os
import subprocess
import sys
from pathlib import Path

import naive
import numpy as np
import pytest

from sketchlearn._kernels import _policy
from sketchlearn._kernels.sketching import pack_tiles
from sketchlearn.frequencies.accumulator import DenseAccumulator

SHAPES = [(1, 1), (1, 7), (2, 50), (3, 192), (10, 193), (17, 400), (130, 60), (300, 13)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def accumulated(turns, center, X, units=None):
    accumulator = DenseAccumulator(turns, center)
    sums = np.zeros((2, turns.shape[1]), dtype=np.int64)
    for start in range(0, len(X), accumulator.chunk_size):
        rows = slice(start, start + accumulator.chunk_size)
        assert accumulator.add(X[rows], None if units is None else units[rows], sums) == 0
    return sums


@pytest.mark.parametrize(("d", "m"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_are_the_naive_twins_but_for_each_rows_rounding(d, m, dtype, rng):
    X = rng.normal(size=(2500, d))
    turns = (rng.normal(size=(d, m)) / np.sqrt(d)).astype(dtype)
    center = rng.normal(size=d)
    units = rng.integers(0, 2**22, size=len(X))
    phases = (X - center) @ turns.astype(np.float64)
    for weights in (None, units):
        ours = accumulated(turns, center, X, weights)
        theirs = naive.half_angle_sums(phases, weights)
        # A few units a row, random in sign.
        assert np.abs(ours - theirs).max() < 20 * np.sqrt(len(X)) * 4
        total = len(X) if weights is None else units.sum() * 2.0**-20
        np.testing.assert_allclose(ours / 2**22 / total, theirs / 2**22 / total, atol=3e-7)


def test_a_weight_of_one_is_no_weight(rng):
    X, turns = rng.normal(size=(777, 5)), rng.normal(size=(5, 40)).astype(np.float32)
    ones = np.full(len(X), 2**20)
    center = np.zeros(5)
    np.testing.assert_array_equal(
        accumulated(turns, center, X, ones), accumulated(turns, center, X)
    )


@pytest.mark.parametrize("d", [1, 10, 17, 130])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_counts_the_same_wherever_it_lies(d, dtype, rng):
    row = rng.normal(size=(1, d))
    turns = rng.normal(size=(d, 25)).astype(dtype)
    alone = accumulated(turns, np.zeros(d), row)
    for n in (2, 17, 255, 256, 257, 2049):
        many = accumulated(turns, np.zeros(d), np.repeat(row, n, axis=0))
        np.testing.assert_array_equal(many, n * alone)


def test_the_sums_of_a_block_reach_their_bounds_without_overflow():
    # Phase 1/2: C is at its largest; phases 1/8 and -1/8: S is.
    for phase, c, s in ((0.5, 2**22, 0), (0.25, 2**21, 2**21), (-0.25, 2**21, -(2**21))):
        sums = accumulated(np.array([[phase]]), np.zeros(1), np.ones((4096, 1)))
        np.testing.assert_allclose(sums[:, 0] / 4096, [c, s], atol=1)


def test_zero_rows_add_nothing_to_the_half_angle_sums():
    sums = accumulated(np.ones((3, 4), dtype=np.float32), np.zeros(3), np.zeros((100, 3)))
    assert not sums.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_bad_entry_is_counted_and_nothing_is_added(bad, rng):
    X = rng.normal(size=(500, 3))
    X[321, 1] = bad
    accumulator = DenseAccumulator(np.ones((3, 4), dtype=np.float32), np.zeros(3))
    sums = np.zeros((2, 4), dtype=np.int64)
    assert accumulator.add(X, None, sums) == 1
    assert not sums.any()
    assert accumulator.add(X[:300], None, sums) == 0


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("d", [3, 40])
def test_packing_centres_transposes_and_pads(d, order, rng):
    X = np.array(rng.normal(size=(100, d)), order=order)
    center = np.arange(float(d))
    tiles = np.full((3, d, 64), np.nan, dtype=np.float32)
    assert pack_tiles(X, center, 1e30, tiles) == 0
    flat = tiles.transpose(0, 2, 1).reshape(-1, d)
    np.testing.assert_array_equal(flat[:100], (X - center).astype(np.float32))
    assert not flat[100:].any()
    X[7, 1], X[99, 2] = np.nan, -np.inf
    assert pack_tiles(X, center, 1e30, tiles) == 2
    assert pack_tiles(X, center, 0.0, tiles) == 100 * d


def test_block_sizes_fit_together():
    assert _policy.BLOCK <= 1023
    assert _policy.PANEL % _policy.TILE_FREQUENCIES == 0
    for size in (4, 8):
        assert _policy.BLOCK % (_policy.TILE_VECTORS * _policy.VECTOR_BYTES // size) == 0


OTHER_CPU = """
import sys
from sketchlearn._kernels import _policy
for name in list(sys.modules):
    if name.startswith("sketchlearn") and not name.endswith("_policy"):
        del sys.modules[name]
_policy.VECTOR_BYTES, _policy.TILE_VECTORS = map(int, sys.argv[1:])
import numpy as np
from sketchlearn.frequencies.accumulator import DenseAccumulator
rng = np.random.default_rng(0)
accumulator = DenseAccumulator(rng.normal(size=(20, 30)).astype(np.float32), np.zeros(20))
sums = np.zeros((2, 30), dtype=np.int64)
accumulator.add(rng.normal(size=(1000, 20)), None, sums)
print(sums.tolist())
"""


def test_vectors_of_any_width_give_the_same_bits(tmp_path):
    # The cache does not know that the policy was changed, so it is another one.
    root = str(Path(_policy.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    printed = {
        subprocess.run(
            [sys.executable, "-c", OTHER_CPU, *registers],
            env=environment | {"NUMBA_CACHE_DIR": str(tmp_path / registers[0])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for registers in (("64", "4"), ("32", "2"), ("16", "4"))
    }
    assert len(printed) == 1
