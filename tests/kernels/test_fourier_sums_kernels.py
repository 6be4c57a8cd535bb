import os
import shutil
import subprocess
import sys
from pathlib import Path

import naive
import numpy as np
import pytest
from planted import operator_of

from sketchlearn._kernels import _policy
from sketchlearn._kernels.fourier_sums import add_tiles, add_weighted_tiles, pack_tiles
from sketchlearn.features.backends import DenseAccumulator
from sketchlearn.features.fourier import Waves
from sketchlearn.features.self_test import require_right_runs, require_right_sums
from sketchlearn.linear_maps.linear_map import root_mean_squares

ROOT = Path(_policy.__file__).parents[2]
SHAPES = [(1, 1), (1, 7), (2, 50), (3, 192), (10, 193), (17, 400), (130, 60), (300, 13)]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def accumulated(turns, center, X, units=None):
    accumulator = DenseAccumulator(turns, center)
    sums = np.zeros((2, turns.shape[1]), dtype=np.int64)
    for start in range(0, len(X), accumulator.chunk_size):
        rows = slice(start, start + accumulator.chunk_size)
        assert accumulator.add(X[rows], None if units is None else units[rows], sums) is None
    return sums


@pytest.mark.slow
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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300, 1e12])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_bad_row_is_named_and_nothing_is_added(bad, dtype, rng):
    X = rng.normal(size=(500, 3))
    X[100] = 1e6  # Far, but not too far.
    X[321, 1] = bad
    accumulator = DenseAccumulator(np.ones((3, 4), dtype), np.zeros(3))
    sums = np.zeros((2, 4), dtype=np.int64)
    assert accumulator.add(X, None, sums) == 321
    assert not sums.any()
    assert accumulator.add(X[:300], None, sums) is None


@pytest.mark.slow
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_packing_centres_transposes_pads_and_leaves_out_far_rows(d, order, dtype, rng):
    X = np.array(rng.normal(size=(100, d)), order=order)
    X[7, 1], X[99, 2], X[50] = np.nan, -np.inf, 1e4
    center, slopes = np.arange(float(d)), rng.uniform(0.1, 1.0, size=d).astype(dtype)
    slopes[0] = 0.0
    limit = dtype(100.0 * d**2)
    tiles, is_far = np.full((3, d, 64), np.nan, dtype), np.ones(100, dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        expected, expected_far = naive.pack_tiles(X, center, slopes, limit, tiles.shape, dtype)
    assert pack_tiles(X, center, slopes, limit, tiles, is_far) == 3
    np.testing.assert_array_equal(is_far, expected_far)
    np.testing.assert_array_equal(tiles, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_are_added_as_the_naive_twins_add_them(dtype, rng):
    tile_rows = _policy.TILE_VECTORS * _policy.VECTOR_BYTES // np.dtype(dtype).itemsize
    d, m = 5, 13
    blocks = rng.normal(size=(2, _policy.BLOCK // tile_rows, d, tile_rows)).astype(dtype)
    turns = rng.normal(size=(3, d, _policy.TILE_FREQUENCIES)).astype(dtype)
    phases = np.empty((_policy.TILE_FREQUENCIES, _policy.BLOCK), dtype)
    weights = rng.integers(0, 2**22, size=(2, _policy.BLOCK))
    plain, weighted = np.zeros((2, 2, m), dtype=np.int64)
    add_tiles(blocks, turns, phases, plain)
    add_weighted_tiles(blocks, weights, turns, phases, weighted)
    # A few units a row, random in sign.
    error = 80 * np.sqrt(2 * _policy.BLOCK)
    assert np.abs(plain - naive.add_tiles(blocks, turns, m)).max() < error
    theirs = naive.add_weighted_tiles(blocks, weights, turns, m)
    assert np.abs(weighted - theirs).max() < 4 * error


def single_operator(d, m, rng):
    operator = operator_of(d, m, seed=1)
    return operator.linear_map.turns, rng.normal(size=d)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "m"), [(1, 60), (2, 60), (16, 40), (17, 40), (150, 10)])
@pytest.mark.parametrize("radians", [1.0, 14.9, 29.9, 1e3, 1e6, 8e9])
def test_every_rows_waves_are_right_wherever_it_lies(d, m, radians, rng):
    turns, center = single_operator(d, m, rng)
    away = rng.normal(size=(6, d))
    away[0], away[1] = np.eye(d)[0], turns[:, np.argmax(np.square(turns).sum(axis=0))]
    away *= radians / np.linalg.norm(
        away * (2 * np.pi * root_mean_squares(turns)), axis=1, keepdims=True
    )
    X = center + away
    sums = np.stack([accumulated(turns, center, row[None]) for row in X]) / 2**22
    waves = 1 - 2 * sums[:, 0] + 2j * sums[:, 1]
    errors = np.abs(waves - naive.exact_waves(X, turns, center))
    assert errors.max() < 1e-4
    assert np.sqrt(np.mean(errors**2, axis=1)).max() < 2e-5


@pytest.mark.parametrize("weighted", [False, True])
def test_far_rows_leave_their_neighbours_as_they_are(weighted, rng):
    turns, center = single_operator(3, 40, rng)
    X = rng.normal(size=(3000, 3))
    far = rng.random(len(X)) < 0.7
    X[far] *= 10.0 ** rng.uniform(2, 8, size=(far.sum(), 1))
    units = rng.integers(0, 2**21, size=len(X)) if weighted else None
    whole = accumulated(turns, center, X, units)
    order = rng.permutation(len(X))
    some = None if units is None else units[order]
    np.testing.assert_array_equal(accumulated(turns, center, X[order], some), whole)
    parts = [
        accumulated(turns, center, X[rows], None if units is None else units[rows])
        for rows in (far, ~far)
    ]
    np.testing.assert_array_equal(sum(parts), whole)
    float64 = accumulated(
        turns.astype(np.float64), center, X[far], None if units is None else units[far]
    )
    np.testing.assert_array_equal(parts[0], float64)


def test_root_mean_squares_depend_on_no_order(rng):
    turns = (rng.normal(size=(4, 999)) * [[1e-30], [1.0], [1e30], [0.0]]).astype(np.float32)
    ours = root_mean_squares(turns)
    np.testing.assert_allclose(ours, np.sqrt(np.mean(turns.astype(float) ** 2, axis=1)), rtol=1e-6)
    np.testing.assert_array_equal(root_mean_squares(turns[:, ::-1]), ours)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_code_that_adds_up_wrongly_is_refused(is_weighted):
    def others(turns):
        """Features that are one unit off where a phase is of more than three turns."""
        return Waves().integer_features(turns) + (turns > 3.0)[:, None]

    for require in (require_right_sums, require_right_runs):
        require(np.float32, is_weighted)
        with pytest.raises(RuntimeError, match=r"compiled kernels add up wrongly.*NUMBA_CACHE_DIR"):
            require(np.float32, is_weighted, others)


def test_block_sizes_fit_together():
    assert _policy.BLOCK <= 1023
    assert _policy.PANEL % _policy.TILE_FREQUENCIES == 0
    for size in (4, 8):
        assert _policy.BLOCK % (_policy.TILE_VECTORS * _policy.VECTOR_BYTES // size) == 0


ADD_ROWS = """
import numpy as np
from sketchlearn._kernels.fourier_sums import add_tiles
from sketchlearn.features.backends import DenseAccumulator, FastAccumulator
from sketchlearn.linear_maps import HadamardMap
rng = np.random.default_rng(0)
turns = 0.1 * rng.normal(size=(20, 30)).astype(np.float32)
def add_rows(accumulator):
    sums = np.zeros((2, 30), dtype=np.int64)
    accumulator.add(rng.normal(size=(500, 20)), None, sums)
    print(sums.tolist())
add_rows(DenseAccumulator(turns, np.zeros(20)))
fast = HadamardMap.draw(np.full(30, 0.5), 20, rng)
add_rows(FastAccumulator(fast, np.ones(20), np.zeros(20), False))
"""

OTHER_CPU = """
import sys
import llvmlite.binding
llvmlite.binding.get_host_cpu_features = lambda: {name: True for name in sys.argv[1:]}
"""


def printed_by(program, *arguments, root=ROOT, **environment):
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(root)} | environment,
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def copied_package(folder):
    """A copy of the package, whose source a test may change."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "sketchlearn", folder / "sketchlearn", ignore=ignored)
    return folder


@pytest.mark.slow
def test_hosts_that_share_a_cache_give_the_same_bits(tmp_path):
    # Code for any CPU, in a cache on a network's disk: each host still chooses its own vectors.
    shared = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": "generic"}
    printed = {
        printed_by(OTHER_CPU + ADD_ROWS, *features, **shared)
        for features in (("avx512f", "avx2"), ("avx2",), ())
    }
    assert len(printed) == 1


@pytest.mark.slow
def test_a_changed_policy_is_compiled_again(tmp_path):
    root, warm = copied_package(tmp_path), {"NUMBA_CACHE_DIR": str(tmp_path / "warm")}
    before = printed_by(ADD_ROWS, root=root, **warm)
    policy = root / "sketchlearn" / "_kernels" / "_policy.py"
    times = policy.stat().st_atime_ns, policy.stat().st_mtime_ns
    source = policy.read_text(encoding="utf-8")
    changed = source.replace("FEATURE_CHUNK: Final = 128", "FEATURE_CHUNK: Final = 7  ")
    assert changed != source
    policy.write_text(changed, encoding="utf-8")
    os.utime(policy, ns=times)
    after = printed_by(ADD_ROWS, root=root, **warm)
    assert after == printed_by(ADD_ROWS, root=root, NUMBA_CACHE_DIR=str(tmp_path / "cold"))
    assert after != before


@pytest.mark.slow
def test_kernels_are_compiled_where_no_cache_can_be_written(tmp_path):
    root, nowhere = copied_package(tmp_path), os.devnull
    (root / "sketchlearn" / "_kernels" / "__pycache__").touch()  # A file, so no folder.
    places = {"HOME": nowhere, "XDG_CACHE_HOME": nowhere, "NUMBA_CACHE_DIR": nowhere}
    program = ADD_ROWS + "print(add_tiles.taken.stats.cache_path)"
    assert printed_by(program, root=root, **places).splitlines()[2] == "None"


@pytest.mark.slow
def test_a_damaged_cache_is_named(tmp_path):
    cache = {"NUMBA_CACHE_DIR": str(tmp_path)}
    printed_by(ADD_ROWS, **cache)
    for path in tmp_path.rglob("*.nbi"):
        os.truncate(path, 100)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        printed_by(ADD_ROWS, **cache)
    assert f"compiled code cannot be used (pickle data was truncated): delete {tmp_path}" in (
        caught.value.stderr
    )


@pytest.mark.slow
def test_without_numbas_compiler_an_error_says_so():
    with pytest.raises(subprocess.CalledProcessError) as caught:
        printed_by("import sketchlearn\n" + ADD_ROWS, NUMBA_DISABLE_JIT="1")
    said = caught.value.stderr.splitlines()[-1]
    assert said.startswith(
        "RuntimeError: sketching needs numba's compiler, which NUMBA_DISABLE_JIT"
    )
