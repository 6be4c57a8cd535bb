"""Frequencies in pairs, and how they are found again."""

import pickle

import numpy as np
import pytest

from sketchlearn import Sketch, Sketcher
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.linear_maps import DenseMap

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).normal(size=(500, 3)) * [1.0, 2.0, 0.5]


@pytest.mark.parametrize("scale", ["auto", "columns", "mixed", 0.5])
@pytest.mark.parametrize("m", [1, 2, 11, 12, 100, 101])
def test_frequencies_come_in_pairs(m, scale):
    operator = Sketcher(m, scale=scale, paired=True, random_state=0).fit(X).operator_
    pairs = operator.linear_map.pairs
    assert (operator.n_frequencies, len(pairs)) == (m, m // 2)
    omega = operator.frequencies
    np.testing.assert_array_equal(omega[:, pairs.upper], 2.0 * omega[:, pairs.lower])
    # A pair for each column where there are four frequencies a column.
    assert [*pairs.features[:3]] == ([0, 1, 2] if m >= 12 else [-1] * min(3, m // 2))
    assert np.all(pairs.features[3:] == -1)


def test_columns_in_different_units_keep_their_units():
    rows = X * [1.0, 50.0, 3000.0]
    for scale in ("auto", "columns"):
        plain, paired = (
            Sketcher(100, scale=scale, paired=paired, random_state=0).fit(rows).operator_.units
            for paired in (False, True)
        )
        np.testing.assert_array_equal(plain, paired)


def test_pairs_are_found_in_what_travels():
    sketch = Sketcher(40, paired=True, random_state=0).fit(X).sketch(X)
    for operator in (
        Sketch.from_bytes(sketch.to_bytes()).operator,
        FrequencyOperator.from_bytes(sketch.operator.to_bytes()),
        pickle.loads(pickle.dumps(sketch.operator)),
        sketch.operator.standardised(),
    ):
        assert len(operator.linear_map.pairs) == 20
    assert Sketcher.from_operator(sketch.operator).paired is True


def test_operators_without_pairs_have_none():
    assert len(Sketcher(40, random_state=0).fit(X).operator_.linear_map.pairs) == 0
    butterfly = Sketcher(40, operator="butterfly", random_state=0).fit(X).operator_
    assert len(butterfly.linear_map.pairs) == 0


def test_chains_and_zeros():
    pairs = DenseMap([[0.25, 0.5, 1.0, 0.0, -0.0], [0.0, 0.0, 0.0, 0.25, 0.5]]).pairs
    assert ([*pairs.lower], [*pairs.upper]) == ([0, 1, 3], [1, 2, 4])
    assert [*pairs.features] == [0, 0, 1]


def test_a_declared_box_has_pairs_too():
    boxes = [Sketcher.from_domain([0, 0], [1, 9], paired=True, random_state=7) for _ in range(2)]
    assert len(boxes[0].operator_.linear_map.pairs) == boxes[0].operator_.n_frequencies // 2
    assert boxes[0].operator_.fingerprint == boxes[1].operator_.fingerprint


def test_pairs_are_refused_where_they_cannot_be():
    with pytest.raises(ValueError, match="operator='dense' and features='waves'"):
        Sketcher(40, operator="fast", paired=True).fit(X)
    with pytest.raises(TypeError, match="paired must be True or False"):
        Sketcher(40, paired="yes").fit(X)
