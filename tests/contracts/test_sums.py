"""The contract of sums: an exact commutative group, with bytes, in which nothing wraps around."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sketchlearn.sketches import Sums

SHAPE = (2, 3)
# Three of them add up to what still fits, and so does one of them three times as heavy.
counts = st.tuples(
    st.integers(-(2**58), 2**58), st.integers(-(2**58), 2**58), st.integers(-(2**116), 2**116)
)


def sums_of(largest, shape=SHAPE):
    entries = arrays(np.int64, shape, elements=st.integers(-largest, largest))
    return st.builds(lambda entries, three: Sums(entries, *three), entries, counts)


some = sums_of(2**60)
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@given(some, some, some)
def test_they_form_a_commutative_group(a, b, c):
    zero = Sums.empty(SHAPE)
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + zero == a == a - zero
    assert (a + b) - b == a
    assert a - a == zero
    assert hash(a + b) == hash(b + a)


@given(sums_of(2**40), st.integers(0, 3))
def test_a_factor_makes_rows_heavier_not_more(a, factor):
    heavier = a.scaled(factor)
    np.testing.assert_array_equal(heavier.feature_sum, factor * a.feature_sum)
    assert heavier.n_samples == a.n_samples
    assert heavier.weight_units == factor * a.weight_units
    assert heavier.squared_weight_units == factor**2 * a.squared_weight_units


@given(shapes.flatmap(lambda shape: sums_of(2**63 - 1, shape)), st.data())
def test_bytes_come_back_and_others_are_refused(a, data):
    stored = a.to_bytes()
    assert Sums.from_bytes(stored) == a
    assert Sums.from_bytes(stored).to_bytes() == stored
    for other in (stored[: data.draw(st.integers(0, len(stored) - 1))], stored + b"\0"):
        with pytest.raises(ValueError, match="no sums"):
            Sums.from_bytes(other)


@given(sums_of(2**63 - 1), sums_of(2**63 - 1))
def test_what_does_not_fit_is_refused(a, b):
    for combine in (lambda x, y: x + y, lambda x, y: x - y):
        exact = combine(a.feature_sum.astype(object), b.feature_sum.astype(object))
        if (np.abs(exact) <= 2**63 - 1).all():
            np.testing.assert_array_equal(combine(a, b).feature_sum.astype(object), exact)
        elif (np.abs(exact) > 2**63).any():
            with pytest.raises(ValueError, match=r"below 2\*\*63"):
                combine(a, b)


def test_a_total_weight_of_2_to_the_40_is_refused():
    half = Sums(np.zeros(SHAPE, dtype=np.int64), 1, 2**59, 2**118)
    for combine in (lambda: half + half, lambda: half.scaled(2)):
        with pytest.raises(ValueError, match=r"total weight must stay below 2\*\*40"):
            combine()
    with pytest.raises(ValueError, match=r"below 2\*\*63"):
        Sums(np.full(SHAPE, 2**62), 0, 0, 0).scaled(2)
    with pytest.raises(ValueError, match="n_samples must stay below"):
        Sums(np.zeros(SHAPE, dtype=np.int64), 2**60, 0, 0)
    with pytest.raises(ValueError, match="squared_weight_units must"):
        Sums(np.zeros(SHAPE, dtype=np.int64), 0, 0, 2**121)


def test_only_sums_of_one_shape_are_combined():
    for combine in (lambda x, y: x + y, lambda x, y: x - y):
        with pytest.raises(ValueError, match=r"shape \(2, 3\) and \(1, 3\)"):
            combine(Sums.empty((2, 3)), Sums.empty((1, 3)))
        with pytest.raises(TypeError):
            combine(Sums.empty((2, 3)), 1)
    assert Sums.empty((2, 3)) != Sums.empty((3, 2))
    assert Sums.empty((2, 3)) != 0


def test_they_are_immutable():
    given = np.zeros(SHAPE, dtype=np.int64)
    sums = Sums(given, 0, 0, 0)
    given[0, 0] = 1
    assert sums == Sums.empty(SHAPE)
    with pytest.raises(ValueError, match="read-only"):
        sums.feature_sum[0, 0] = 1
    with pytest.raises(AttributeError):
        sums.n_samples = 1
