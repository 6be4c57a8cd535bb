"""Where rows lie: what moments say, what an operator says, and bounds that are given."""

import numpy as np
import pandas as pd
import pytest
from planted import operator_of

from sketchlearn import Sketch, Sketcher
from sketchlearn.frequencies.covariance import CovarianceMatrix
from sketchlearn.sketches import Region
from sketchlearn.sketches.region import FARTHEST, check_bounds


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3000, 3)) @ np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.5], [0, 0, 3.0]])


@pytest.fixture
def sketcher(rows):
    return Sketcher(60, n_clusters=2, random_state=0).fit(rows)


def test_it_is_that_of_the_rows_wherever_they_went(sketcher, rows):
    moved = 4.0 * rows + [1e4, -300.0, 7.0]
    region = Region.of(sketcher.sketch(moved))
    assert region.is_exact
    np.testing.assert_allclose(region.mean, moved.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(region.covariance, np.cov(moved.T, bias=True), rtol=1e-5, atol=1e-4)
    assert np.all((region.lower < moved) & (moved < region.upper))


def test_one_row_in_a_thousand_is_inside_however_far_it_is(sketcher, rows):
    far = np.vstack([rows[:1998], np.full((2, 3), 1e6)])
    region = Region.of(sketcher.sketch(far))
    assert np.all(far < region.upper)


def test_subtracted_rows_are_not_in_it(sketcher, rows):
    moved = rows + 500.0
    region = Region.of((sketcher.sketch(rows) + sketcher.sketch(moved)) - sketcher.sketch(rows))
    assert np.all(region.lower > 100.0)


def test_without_moments_it_is_the_operators(sketcher, rows):
    region = Region.of(sketcher.sketch(rows + 1e3).without_moments())
    assert not region.is_exact
    np.testing.assert_array_equal(region.mean, sketcher.operator_.center)
    np.testing.assert_array_equal(region.covariance, sketcher.operator_.covariance)


def test_a_declared_box_bounds_what_is_not_known():
    operator = operator_of(reach=2.0)
    region = Region.of_operator(operator)
    np.testing.assert_array_equal(region.lower, operator.domain.box[0])
    np.testing.assert_array_equal(region.upper, operator.domain.box[1])
    beyond = Sketcher.from_operator(operator).sketch(np.arange(6.0).reshape(2, 3) + 100.0)
    assert np.all(Region.of(beyond).upper > 100.0)


def test_variances_alone_keep_the_correlations_of_before(rows):
    sketcher = Sketcher(60, moments="diagonal", random_state=0).fit(rows)
    region = Region.of(sketcher.sketch(rows * [1.0, 5.0, 1.0]))
    deviations = np.sqrt(np.diag(region.covariance))
    np.testing.assert_allclose(deviations, (rows * [1.0, 5.0, 1.0]).std(axis=0), rtol=1e-6)
    correlations = region.covariance / np.outer(deviations, deviations)
    np.testing.assert_allclose(correlations, np.corrcoef(rows.T), atol=1e-6)


def test_equal_rows_leave_room(sketcher):
    region = Region.of(sketcher.sketch(np.tile([1.0, 2.0, 3.0], (5, 1))))
    assert np.all(region.lower < [1.0, 2.0, 3.0])
    assert np.all(region.upper > [1.0, 2.0, 3.0])
    rng = np.random.default_rng(0)
    for points in (region.draw_gaussian(10, rng), region.draw_everywhere(10, rng)):
        assert np.isfinite(points).all()


def test_points_everywhere_reach_the_ends_and_crowd_in_the_middle():
    region = Region(
        np.zeros(2), CovarianceMatrix(np.eye(2)), np.full(2, -40.0), np.full(2, 40.0), True
    )
    points = np.abs(region.draw_everywhere(4000, np.random.default_rng(0)))
    assert 25.0 < points.max() <= FARTHEST
    assert 0.5 < np.mean(points.max(axis=1) <= 3.0) < 0.8


def test_coordinates_along_axes(rows, sketcher):
    region = Region.of(sketcher.sketch(rows + 5.0))
    axes = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 2)))[0]
    center = np.array([1.0, 2.0, 3.0])
    along = region.along(axes, center)
    coordinates = (rows + 5.0 - center) @ axes
    np.testing.assert_allclose(along.mean, coordinates.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(along.covariance, np.cov(coordinates.T, bias=True), atol=1e-4)
    assert np.all((along.lower < coordinates) & (coordinates < along.upper))


def test_units_divide_all_of_it(rows, sketcher):
    region, units = Region.of(sketcher.sketch(rows)), np.array([1.0, 4.0, 16.0])
    scaled = region.in_units(units)
    np.testing.assert_allclose(scaled.mean, region.mean / units)
    np.testing.assert_allclose(scaled.deviations, region.deviations / units)
    np.testing.assert_allclose(scaled.upper, region.upper / units)


def test_bounds_cut_the_box(rows, sketcher):
    sketch = sketcher.sketch(rows)
    region = Region.of(sketch, (-20.0, [15.0, np.inf, 30.0]))
    np.testing.assert_array_equal(region.lower, -20.0)
    assert region.upper[0] == 15.0
    assert region.upper[1] == Region.of(sketch).upper[1]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((30.0, 40.0), "feature 0 has mean"),
        (([-50, -50, 20.0], 50.0), "feature 2 has mean"),
        # The mean is inside, but no rows in there are so spread.
        ((-0.5, 0.5), "feature 0 has mean .* standard deviation"),
    ],
)
def test_bounds_that_exclude_rows_are_refused(rows, sketcher, bounds, message):
    with pytest.raises(ValueError, match=message):
        Region.of(sketcher.sketch(rows), bounds)


def test_bounds_may_be_as_wide_as_float64(rows, sketcher):
    sketch = sketcher.sketch(rows)
    for bounds in ((-1e300, 1e300), (-1.7e308, 1.7e308)):
        np.testing.assert_array_equal(Region.of(sketch, bounds).upper, Region.of(sketch).upper)


def test_rows_at_two_values_are_as_spread_as_bounds_allow():
    X = np.repeat([[0.0], [1.0]], [30, 70], axis=0)
    sketch = Sketcher(20, random_state=0).fit(X).sketch(X)
    assert Region.of(sketch, (0.0, 1.0)).upper == 1.0
    with pytest.raises(ValueError, match="bounds exclude rows"):
        Region.of(sketch, (0.0, 0.999))


@pytest.mark.parametrize(
    ("bounds", "error", "message"),
    [
        (3.0, TypeError, "a pair"),
        ((0.0, 1.0, 2.0), TypeError, "a pair"),
        (([0.0, 0.0], 1.0), ValueError, r"lower of bounds .* 3, .* got shape \(2,\)"),
        ((1.0, 1.0), ValueError, "lower below upper, got 1 and 1 for feature 0"),
        ((0.0, [1.0, -1.0, 1.0]), ValueError, "got 0 and -1 for feature 1"),
        ((np.nan, 1.0), ValueError, "lower below upper"),
        (("a", "b"), TypeError, "lower of bounds must be numbers, got 'a'"),
        ((0.0, None), TypeError, "upper of bounds must be numbers, got None"),
        (([0.0, None, 1.0], 9.0), TypeError, "lower of bounds must be numbers"),
        ((0.0, 1j), TypeError, "upper of bounds must be numbers"),
        (([[1], [2, 3]], 9.0), TypeError, "lower of bounds must be numbers"),
        ((np.datetime64("2020"), 99.0), TypeError, "lower of bounds must be numbers"),
        ((np.ma.array([0.0, 0, 0], mask=[0, 1, 0]), 9.0), TypeError, "lower of bounds must be num"),
    ],
)
def test_bounds_that_are_none_are_refused(bounds, error, message):
    with pytest.raises(error, match=message):
        check_bounds(bounds, 3)


def test_names_are_said(rows):
    table = pd.DataFrame(rows, columns=["length", "width", "height"])
    sketch = Sketcher(20, random_state=0).fit(table).sketch(table)
    with pytest.raises(ValueError, match="'height' has mean"):
        Region.of(sketch, (-99.0, [99.0, 99.0, -50.0]))


def test_an_empty_sketch_has_no_moments_to_look_at():
    empty = Sketch.empty(operator_of(), moments=None)
    assert not Region.of(empty).is_exact
