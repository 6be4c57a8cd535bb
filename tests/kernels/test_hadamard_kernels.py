"""Fast transforms and their sums: bit for bit what a naive twin computes, in any batch."""

import naive
import numpy as np
import pytest
from scipy.linalg import hadamard

from sketchlearn._kernels.hadamard import add_squares, pack_rows, transform_rows
from sketchlearn.features.backends import FastAccumulator
from sketchlearn.features.fourier import Waves
from sketchlearn.features.self_test import require_right_transforms
from sketchlearn.linear_maps import HadamardMap

pytestmark = pytest.mark.slow

SIZES = [128, 256, 512, 1024, 2048, 4096, 8192, 16384]
each_type = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def bits_of(signs, p):
    """Signs as bits (n_blocks, 3, p)."""
    return np.unpackbits(signs, axis=-1, bitorder="little").reshape(-1, 3, p)


def accumulated(linear_map, X, units=None, *, center=None, stretch=None, double_phases=False):
    d, m = linear_map.n_features, linear_map.n_frequencies
    center, stretch = np.zeros(d) if center is None else center, stretch
    stretch = np.ones(d) if stretch is None else stretch
    accumulator = FastAccumulator(linear_map, stretch, center, double_phases)
    sums = np.zeros((2, m), np.int64)
    for start in range(0, len(X), accumulator.chunk_size):
        rows = slice(start, start + accumulator.chunk_size)
        assert accumulator.add(X[rows], None if units is None else units[rows], sums) is None
    return sums


@pytest.mark.parametrize("p", SIZES)
@each_type
def test_transforms_are_the_naive_twins_to_the_last_bit(p, dtype, rng):
    rows = rng.normal(size=(3, p)).astype(dtype)
    signs = rng.integers(0, 256, size=2 * 3 * p // 8).astype(np.uint8)
    blocks = np.empty((3, 2, p), dtype)
    transform_rows(rows, signs, blocks)
    np.testing.assert_array_equal(blocks, naive.transform_rows(rows, bits_of(signs, p)))


def test_the_twin_is_the_product_of_matrices(rng):
    rows, signs = rng.normal(size=(4, 128)), rng.integers(0, 2, size=(3, 128))
    H, product = hadamard(128), np.eye(128)
    for own in signs:
        product = H @ np.diag(1.0 - 2.0 * own) @ product
    twin = naive.transform_rows(rows, signs[None])[:, 0]
    np.testing.assert_allclose(twin, rows @ product.T, rtol=1e-10, atol=1e-8)


def test_sums_of_squares_are_those_of_the_matrix(rng):
    d, p = 5, 128
    signs = rng.integers(0, 256, size=2 * 3 * p // 8).astype(np.uint8)
    weights = rng.uniform(size=(2, p))
    of_products, of_features = np.zeros((2, p)), np.zeros(d)
    add_squares(signs, weights, 0, of_features, of_products)
    expected, expected_features = naive.add_squares(bits_of(signs, p), weights, d)
    np.testing.assert_array_equal(of_products, expected)
    np.testing.assert_allclose(of_features, expected_features, rtol=1e-13)


def test_sums_of_squares_over_all_columns_are_what_signs_make_them(rng):
    d, p = 90, 128
    signs = rng.integers(0, 256, size=2 * 3 * p // 8).astype(np.uint8)
    weights = rng.uniform(size=(2, p))
    of_products = np.zeros((2, p))
    add_squares(signs, weights, d, later := np.zeros(p - d), of_products)
    of_others, _ = naive.add_squares(bits_of(signs, p), weights, d)
    np.testing.assert_array_equal(of_products, p**3 - of_others)
    _, expected = naive.add_squares(bits_of(signs, p), weights, p)
    np.testing.assert_allclose(later, expected[d:], rtol=1e-13)


@pytest.mark.parametrize("order", ["C", "F"])
@each_type
def test_packing_centres_stretches_pads_and_leaves_out_far_rows(order, dtype, rng):
    d, p = 130, 256
    X = np.array(rng.normal(size=(50, d)), order=order)
    X[7, 1], X[49, 2], X[20] = np.nan, -np.inf, 1e4
    center, factors = np.arange(float(d)), 2.0 ** rng.integers(-2, 3, size=d)
    slopes = np.zeros(p, dtype)
    slopes[:d] = rng.uniform(0.1, 1.0, size=d)
    limit, packed, is_far = dtype(1e7), np.full((50, p), np.nan, dtype), np.ones(50, np.bool_)
    with np.errstate(invalid="ignore"):
        expected, expected_far = naive.pack_rows(X, center, factors, slopes, limit, p, dtype)
    assert pack_rows(X, center, factors, slopes, limit, packed, is_far) == 3
    np.testing.assert_array_equal(is_far, expected_far)
    np.testing.assert_array_equal(packed, expected)


@pytest.mark.parametrize(("d", "m"), [(3, 200), (130, 60), (300, 1000)])
@pytest.mark.parametrize("double_phases", [False, True])
def test_sums_are_the_naive_twins_but_for_each_rows_rounding(d, m, double_phases, rng):
    linear_map = HadamardMap.draw(rng.uniform(0.1, 0.5, size=m), d, rng)
    X, center, stretch = rng.normal(size=(700, d)), rng.normal(size=d), rng.uniform(0.5, 2, size=d)
    units = rng.integers(0, 2**22, size=len(X))
    packed = np.zeros((len(X), linear_map.size))
    packed[:, :d] = (X - center) * stretch
    maps = bits_of(linear_map.signs, linear_map.size), linear_map.padded_factors.reshape(-1)
    twins = {False: naive.add_transforms, True: naive.add_weighted_transforms}
    for weights in (None, units):
        own = () if weights is None else (weights,)
        ours = accumulated(
            linear_map, X, weights, center=center, stretch=stretch, double_phases=double_phases
        )
        theirs = twins[weights is not None](packed, *own, *maps)[:, :m]
        # A few units a row, random in sign.
        assert np.abs(ours - theirs).max() < 20 * np.sqrt(len(X)) * 4


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_far_and_near_count_the_same_wherever_they_lie(weighted, rng):
    linear_map = HadamardMap.draw(rng.uniform(0.1, 0.5, size=300), 40, rng)
    X = rng.normal(size=(1500, 40))
    far = rng.random(len(X)) < 0.3
    X[far] *= 10.0 ** rng.uniform(2, 6, size=(far.sum(), 1))
    units = rng.integers(0, 2**21, size=len(X)) if weighted else None
    whole = accumulated(linear_map, X, units)
    order = rng.permutation(len(X))
    some = None if units is None else units[order]
    np.testing.assert_array_equal(accumulated(linear_map, np.asfortranarray(X[order]), some), whole)
    parts = [
        accumulated(linear_map, X[rows], None if units is None else units[rows])
        for rows in np.array_split(np.arange(len(X)), 6)
    ]
    np.testing.assert_array_equal(sum(parts), whole)
    own = None if units is None else units[far]
    parts = [accumulated(linear_map, X[far], own, double_phases=double) for double in (False, True)]
    np.testing.assert_array_equal(*parts)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300, 1e12])
def test_a_bad_row_is_named_and_nothing_is_added(bad, rng):
    X = rng.normal(size=(400, 3))
    X[100] = 1e6  # Far, but not too far.
    X[321, 1] = bad
    linear_map = HadamardMap.draw(np.ones(4), 3, rng)
    accumulator = FastAccumulator(linear_map, np.ones(3), np.zeros(3), False)
    sums = np.zeros((2, 4), np.int64)
    assert accumulator.add(X, None, sums) == 321
    assert not sums.any()
    assert accumulator.add(X[:300], None, sums) is None


@pytest.mark.parametrize("is_weighted", [False, True])
def test_code_that_adds_up_wrongly_is_refused(is_weighted):
    def others(turns):
        """Features that are one unit off where a phase is of more than three turns."""
        return Waves().integer_features(turns) + (turns > 3.0)[:, None]

    require_right_transforms(np.float32, is_weighted)
    with pytest.raises(RuntimeError, match=r"compiled kernels add up wrongly.*NUMBA_CACHE_DIR"):
        require_right_transforms(np.float32, is_weighted, False, others)
