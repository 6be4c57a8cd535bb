"""Tails of differences of means, against exact distributions over all ways to label rows."""

import numpy as np
import pytest
from scipy import stats

from sketchlearn.drift.tails import (
    exponent_of_any_rows,
    exponent_of_bounded_rows,
    shrink_squares,
    tail_of_any_sum,
    tail_of_one,
    tail_of_pair,
    tail_with_laplace,
)


def test_tails_are_those_of_chi_squared():
    x = np.linspace(0.0, 60.0, 100)
    np.testing.assert_allclose(tail_of_one(x), stats.chi2.sf(x, 1), rtol=1e-12)
    np.testing.assert_allclose(tail_of_pair(x), stats.chi2.sf(x, 2), rtol=1e-12)


def test_no_weighted_sum_has_a_heavier_tail():
    rng = np.random.default_rng(0)
    squares = rng.chisquare(1, size=(4, 200_000))
    for weights in ([1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.7, 0.1, 0.1, 0.1], [0.25] * 4):
        drawn = np.array(weights) @ squares
        for x in (2.0, 4.0, 8.0):
            found = np.mean(drawn > x)
            assert found <= tail_of_any_sum(np.array([x]))[0] + 5 * np.sqrt(found / 200_000)


@pytest.mark.parametrize("share", [0.5, 0.3, 0.1, 0.01])
@pytest.mark.parametrize("n_ones", [1, 3, 20])
def test_labels_of_a_rare_value_are_no_rarer_than_the_exponents_say(share, n_ones):
    # Of n rows some are one, all others zero: how many ones fall into the first sample is binomial,
    # and both exponents are bounds of Chernoff's on it.
    n = 2_000
    counts = np.arange(n_ones + 1)
    variance = n_ones * share * (1.0 - share)
    squares = (counts - n_ones * share) ** 2 / variance
    steps = np.full(len(counts), 1.0 / np.sqrt(variance))
    above = counts > n_ones * share
    exact = stats.binom.sf(counts - 1, n_ones, share)[above]
    for exponent in (
        exponent_of_any_rows(squares, share * n, (1.0 - share) * n),
        exponent_of_bounded_rows(squares, steps),
    ):
        assert np.all(exact <= np.exp(-0.5 * exponent[above]) * (1 + 1e-9))


def test_exponents_are_squares_for_many_rows_and_for_equal_sizes():
    squares = np.array([0.0, 1.0, 10.0, 30.0])
    np.testing.assert_array_equal(exponent_of_any_rows(squares, 50, 50), squares)
    np.testing.assert_allclose(exponent_of_any_rows(squares, 5000, 5001), squares, rtol=1e-3)
    np.testing.assert_allclose(
        exponent_of_bounded_rows(squares, np.full(4, 1e-6)), squares, rtol=1e-5
    )
    # Both branches of the formula meet.
    near = exponent_of_bounded_rows(np.full(2, 4.0), np.array([0.99999e-4, 1.00001e-4]) / 2)
    np.testing.assert_allclose(near, 4.0 * (1 - 1e-4 / 3), rtol=1e-7)


def test_shrunk_squares_are_never_larger_and_keep_their_order():
    rng = np.random.default_rng(1)
    squares, steps = np.sort(rng.exponential(10.0, 50)), np.full(50, 0.3)
    for n_a, n_b in ((100, 100), (10, 1000), (1000, 10)):
        shrunk = shrink_squares(squares, steps, n_a, n_b)
        assert np.all(shrunk <= squares)
        assert np.all(np.diff(shrunk) >= 0)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_laplace_noise_has_the_tail_that_is_said(share):
    rng = np.random.default_rng(2)
    n = 400_000
    drawn = np.sqrt(1.0 - share) * rng.normal(size=(2, n))
    drawn += np.sqrt(0.5 * share) * rng.laplace(size=(2, n))
    squares = (drawn**2).sum(axis=0)
    for x in (6.0, 12.0, 18.0):
        bound = tail_with_laplace(tail_of_pair, np.array([x]), np.array([share]))[0]
        found = np.mean(squares > x)
        assert found <= bound + 5 * np.sqrt(found / n)
        if share == 0.0:
            assert bound == pytest.approx(np.exp(-x / 2), rel=1e-6)
