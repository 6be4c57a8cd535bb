import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketchlearn.tables import wide_integers

WIDE = st.integers(-(2**221), 2**221)


def words_of(integers):
    return wide_integers.from_integers(np.array(integers, dtype=object))


def integers_of(words):
    return [wide_integers.to_integer(each) for each in words]


@given(st.lists(WIDE, min_size=1))
def test_limbs_are_small_and_make_the_integer_again(integers):
    limbs = wide_integers.to_limbs(words_of(integers), 7)
    assert all(np.abs(limb).max() <= 2**31 for limb in limbs[:-1])
    for i, integer in enumerate(integers):
        assert sum(int(limb[i]) << (32 * k) for k, limb in enumerate(limbs)) == integer
    assert integers_of(wide_integers.to_words(limbs)) == integers


@given(st.lists(WIDE, min_size=1, max_size=9))
def test_limbs_that_were_added_apart_make_the_sum(integers):
    limbs = [limb.sum(keepdims=True) for limb in wide_integers.to_limbs(words_of(integers), 7)]
    assert integers_of(wide_integers.to_words(limbs)) == [sum(integers)]


@given(st.lists(st.tuples(WIDE, WIDE), min_size=1))
def test_words_add_and_subtract_as_integers_do(pairs):
    a, b = (words_of(column)[:, :, None] for column in zip(*pairs, strict=True))
    sums, differences = wide_integers.add(a, b), wide_integers.subtract(a, b)
    assert integers_of(sums[:, :, 0]) == [x + y for x, y in pairs]
    assert integers_of(differences[:, :, 0]) == [x - y for x, y in pairs]


def test_runs_of_words_are_added():
    integers = [(-7) ** i for i in range(60)]
    order = np.random.default_rng(0).permutation(60)
    starts = np.array([0, 1, 30])
    sums = wide_integers.sum_by_starts(words_of(integers)[:, :, None], order, starts)
    parts = np.split(np.array(integers, dtype=object)[order], starts[1:])
    assert integers_of(sums[:, :, 0]) == [sum(part) for part in parts]


@pytest.mark.parametrize(("n_limbs", "bits"), [(4, 120), (5, 140)])
def test_fewer_limbs_do_for_smaller_integers(n_limbs, bits):
    integers = [s * (2**bits - 1) for s in (-1, 1)] + [0, -1, 2**31, -(2**31), 2**64 - 1]
    limbs = wide_integers.to_limbs(words_of(integers), n_limbs)
    assert integers_of(wide_integers.to_words(limbs)) == integers
