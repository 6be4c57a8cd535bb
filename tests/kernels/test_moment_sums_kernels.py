import naive
import numpy as np
import pytest

from sketchlearn._kernels._policy import BLOCK
from sketchlearn._kernels.moment_sums import add_moments, carry_sums, split_rows, weigh_digits
from sketchlearn.features.moments import MomentSums

pytestmark = pytest.mark.slow

SHAPES = [(1, 1), (3, 2), (255, 5), (256, 7), (700, 10)]
# Where one digit, two and three end, and what is nearest to them.
EDGES = [2**27 - 1, 2**27, 2**28 + 1, 2**55 - 8, 2**55, 2**56, 2**80 - 2**56]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def rows_of_all_sizes(n, d, rng):
    """Normal rows, some as far out as the digits' edges, in some columns only."""
    rows = np.rint(rng.normal(size=(n, d)) * 1e6)
    for i, edge in enumerate(EDGES):
        rows[(7 * i) % n, i % max(1, d // 2)] = edge * (-1) ** i
    return rows


def split(rows, center, per_step):
    n, d = rows.shape
    g = -(-n // BLOCK)
    digits, ends = np.empty((g, 3 * d, BLOCK), np.int32), np.empty((g, d), np.int64)
    assert split_rows(rows, center, per_step, digits, ends)
    return digits, ends


def weigh(digits, ends, units):
    g, d = ends.shape
    weights = np.zeros((g, BLOCK), np.int64)
    weights.reshape(-1)[: len(units)] = units
    weighed, weighed_ends = np.empty((g, 5 * d, BLOCK), np.int32), np.empty((g, d), np.int64)
    weigh_digits(digits, ends, weights, weighed, weighed_ends)
    return weighed, weighed_ends


def numbers(digits, ends, n):
    """Integers (n, d) that lie in blocks of digits; the rows beyond are zeros."""
    rows = []
    for block, block_ends in zip(digits, ends, strict=True):
        assert np.abs(block[: block_ends[-1]].astype(np.int64)).max() <= 2**27
        columns = np.split(block, block_ends)[:-1]
        rows += [[naive.number_of_digits(c[:, i]) for c in columns] for i in range(BLOCK)]
    assert not np.any(rows[n:])
    return rows[:n]


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_split_into_digits_of_their_steps(n, d, dtype, rng):
    rows, center = rows_of_all_sizes(n, d, rng).astype(dtype), rng.normal(size=d)
    per_step = np.exp2(rng.integers(-1, 1, size=d))
    digits, ends = split(rows, center, per_step)
    assert numbers(digits, ends, n) == naive.split_rows(rows, center, per_step)


def test_a_column_has_as_many_digits_as_its_farthest_row_needs():
    rows = np.zeros((5, 3))
    rows[1], rows[3] = [2**27 - 1, 2**27, 2**55], [-(2**27) + 1, 1 - 2**55 / 2, -7]
    _, ends = split(rows, np.zeros(3), np.ones(3))
    assert ends.tolist() == [[1, 3, 6]]


@pytest.mark.parametrize("bad", [2.0**80, -(2.0**80), np.inf, np.nan])
def test_what_is_beyond_reach_is_not_split(bad):
    rows = np.zeros((300, 2))
    rows[270, 1] = bad
    digits, ends = np.empty((2, 6, BLOCK), np.int32), np.empty((2, 2), np.int64)
    assert not split_rows(rows, np.zeros(2), np.ones(2), digits, ends)


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("largest", [1, 2**20, 2**27, 2**40])
def test_digits_are_weighed(n, d, largest, rng):
    rows = rows_of_all_sizes(n, d, rng)
    units = rng.integers(0, largest, size=n, endpoint=True)
    units[0] = largest
    digits, ends = split(rows, np.zeros(d), np.ones(d))
    found = numbers(*weigh(digits, ends, units), n)
    assert found == naive.weigh_digits(numbers(digits, ends, n), units)


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_moments_are_the_naive_twins(n, d, is_full, is_weighted, rng):
    rows = rows_of_all_sizes(n, d, rng)
    units = rng.integers(0, 2**40, size=n) if is_weighted else np.ones(n, np.int64)
    digits, ends = split(rows, np.zeros(d), np.ones(d))
    blocks = weigh(digits, ends, units) if is_weighted else (digits, ends)
    expected = naive.add_moments(
        naive.weigh_digits(numbers(digits, ends, n), units), numbers(digits, ends, n), is_full
    )
    sums = np.zeros((7, 2, len(expected)), np.int64)
    n_places = add_moments(*blocks, digits, ends, is_full, sums)
    assert not sums[n_places:].any()
    assert naive.carry_sums(sums, 0, [0] * len(expected)) == expected


@pytest.mark.parametrize("value", [2.0**27 - 1, -(2.0**27) + 1, 2.0**27, -(2.0**55) + 8])
def test_the_sums_of_blocks_reach_their_bounds_without_overflow(value):
    n = 8 * BLOCK
    digits, ends = split(np.full((n, 2), value), np.zeros(2), np.ones(2))
    sums = np.zeros((7, 2, 5), np.int64)
    add_moments(digits, ends, digits, ends, True, sums)
    total, square = n * int(value), n * int(value) ** 2
    assert naive.carry_sums(sums, 0, [0] * 5) == [total, total, square, square, square]


@pytest.mark.parametrize("shift", [0, 20])
def test_sums_are_carried_into_words(shift, rng):
    sums = rng.integers(-(2**62), 2**62, size=(7, 2, 9))
    sums[:, :, 0], sums[:, :, 1], sums[:, :, 2] = 0, -1, 2**62
    before = MomentSums.from_integers(3, "full", [(-3) ** (10 * i + 1) for i in range(9)])
    totals = naive.carry_sums(sums, shift, before.integers)
    expected = [(total + 2**255) % 2**256 - 2**255 for total in totals]
    words = before.words.copy()
    carry_sums(sums, shift, words)
    assert MomentSums("full", 3, words).integers.tolist() == expected
    assert not sums.any()
