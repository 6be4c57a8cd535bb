"""Columns told apart: an operator with a unit for each column, and its standardised twin."""

import numpy as np
import pytest
from planted import operator_of

from sketchlearn import Sketcher

UNITS = np.array([1.0, 64.0, 2.0**-6, 1.0])


def clusters(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.repeat(rng.uniform(-8, 8, size=(5, 4)), n // 5, axis=0)
    return centers + rng.standard_normal((n, 4))


def sketched(rows, scale="columns", m=200):
    return Sketcher(m, n_clusters=5, scale=scale, random_state=0).fit(rows).sketch(rows)


@pytest.mark.parametrize(("d", "m"), [(1, 1), (2, 50), (10, 200), (64, 640)])
def test_an_isotropic_operator_has_units_of_one_and_is_its_own_standard(d, m):
    operator = operator_of(d, m)
    np.testing.assert_array_equal(operator.units, np.ones(d))
    assert operator.standardised() is operator


def test_units_are_the_columns_spreads_within_clusters():
    operator = sketched(clusters() * UNITS).operator
    np.testing.assert_array_equal(operator.units, UNITS / UNITS.min())
    # A cluster's standard deviation is one, in every column's units.
    assert operator.scale / UNITS.min() == pytest.approx(1.0, rel=0.05)


def test_a_standardised_sketch_is_that_of_the_divided_rows():
    rows = clusters() * UNITS
    sketch = sketched(rows)
    standard = sketch.standardised()
    divided = Sketcher.from_operator(standard.operator).sketch(rows / sketch.operator.units)
    np.testing.assert_allclose(standard.centered_mean, divided.centered_mean, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(standard.operator.units, np.ones(4))
    np.testing.assert_array_equal(standard.feature_sum, sketch.feature_sum)
    assert standard.n_samples == sketch.n_samples


def test_one_scale_for_all_columns_is_the_default():
    operator = sketched(clusters() * UNITS, scale="auto").operator
    np.testing.assert_array_equal(operator.units, np.ones(4))


def test_constant_columns_get_a_unit_too():
    rows = clusters()
    rows[:, 2] = 5.0
    operator = sketched(rows).operator
    assert np.isfinite(operator.frequencies).all()
    assert operator.units[2] == 1.0
    np.testing.assert_array_equal(sketched(np.full((50, 4), 3.0)).operator.units, np.ones(4))


def test_other_words_for_a_scale_are_refused():
    with pytest.raises(TypeError, match="not 'auto', 'columns', 'mixed'"):
        Sketcher(scale="rows").fit(clusters())
