"""Rows whose numbers are of sizes that do not go together, and what is said of them."""

import re

import numpy as np
import pandas as pd
import pytest

from sketchlearn import (
    CompressiveClassifier,
    CompressiveGaussianMixture,
    CompressiveKMeans,
    CompressivePCA,
    Sketcher,
    compare,
)
from sketchlearn.sketching import make_moment_sketcher

# All fit models, of many sizes.
pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(1500, 3)) + 6.0 * RNG.integers(0, 3, size=(1500, 1))
LABELS = ROWS[:, 0] > 5.0
IN_ANY_UNITS = {
    "mixture": CompressiveGaussianMixture(3, random_state=0).fit,
    "sketcher": Sketcher(n_clusters=3, scale="columns", random_state=0).fit,
}
OF_MOMENTS = {
    "moments": make_moment_sketcher,
    "PCA": CompressivePCA(2).fit,
    "classifier": lambda rows: CompressiveClassifier(random_state=0).fit(rows, LABELS),
}
OTHERS = {
    "k-means": CompressiveKMeans(3, random_state=0).fit,
    "sketcher": Sketcher(n_clusters=3, random_state=0).fit,
}
EXPONENTS = [-20, -40, -60, -100, -155, -165, -200, -300, -310]


def make_rows(exponent):
    return pd.DataFrame(ROWS * [1.0, 1.0, 10.0**exponent], columns=["age", "income", "charge"])


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("name", IN_ANY_UNITS)
def test_a_column_too_narrow_for_units_of_its_own_is_named_with_a_remedy_that_helps(name, exponent):
    rows = make_rows(exponent)
    with pytest.raises(ValueError, match=r"column 'charge' .* wide.* multiply it by 1e") as error:
        IN_ANY_UNITS[name](rows)
    assert "or leave it out" in str(error.value)
    factor = re.search(r"multiply it by 1e(\+\d+)", str(error.value))[1]
    # In two steps, as 1e+311 is no float64.
    for half in (int(factor) // 2, int(factor) - int(factor) // 2):
        rows["charge"] *= 10.0**half
    IN_ANY_UNITS[name](rows)
    IN_ANY_UNITS[name](rows.drop(columns="charge"))


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("name", OF_MOMENTS)
def test_a_column_too_narrow_for_exact_moments_beside_others_is_named(name, exponent):
    rows = make_rows(exponent)
    if exponent >= -60:
        OF_MOMENTS[name](rows)
        return
    with pytest.raises(ValueError, match=r"column 'charge' .* wide.* multiply it by 1e"):
        OF_MOMENTS[name](rows)


@pytest.mark.parametrize("exponent", [-20, -60])
def test_variances_of_columns_of_very_unlike_widths_are_exact(exponent):
    rows = make_rows(exponent)
    found = make_moment_sketcher(rows).sketch(rows).moments.variance
    np.testing.assert_allclose(found, rows.to_numpy().var(axis=0), rtol=1e-9)


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_k_means_takes_a_column_whose_squares_vanish_for_a_constant_one(exponent):
    rows = make_rows(exponent).to_numpy()
    constant = np.c_[rows[:, :2], np.zeros(len(rows))]
    centers = [
        CompressiveKMeans(3, random_state=0).fit(some).cluster_centers_ for some in (rows, constant)
    ]
    np.testing.assert_allclose(centers[0][:, :2], centers[1][:, :2], atol=0.05)
    sketcher = Sketcher(n_clusters=3, random_state=0).fit(rows)
    assert compare(sketcher.sketch(rows[:700]), sketcher.sketch(rows[700:])).p_value > 0.001


@pytest.mark.parametrize("size", [1e18, 1e30, 1e100, 1e200])
@pytest.mark.parametrize("name", [*IN_ANY_UNITS, *OF_MOMENTS, "k-means"])
def test_one_row_far_too_large_is_named_and_not_the_others(name, size):
    fit = {**IN_ANY_UNITS, **OF_MOMENTS, **OTHERS}[name]
    rows = make_rows(0)
    rows.loc[7, "income"] = size
    with pytest.raises(ValueError, match=r"'income'.*leave (that|the) row out") as error:
        fit(rows)
    assert f"{size:.6g}" in str(error.value)
    fit(rows.drop(index=7)) if name != "classifier" else None


@pytest.mark.parametrize("name", [*IN_ANY_UNITS, *OF_MOMENTS, *OTHERS])
def test_one_column_far_too_wide_is_named(name):
    fit = {**IN_ANY_UNITS, **OF_MOMENTS, **OTHERS}[name]
    with pytest.raises(ValueError, match=r"column 'charge'.* multiply it by 1e-10\d"):
        fit(make_rows(100))


def test_far_rows_that_float64_holds_beside_the_others_are_taken():
    rows = ROWS.copy()
    rows[7] = 1e14
    centers = CompressiveKMeans(3, random_state=0).fit(rows).cluster_centers_
    assert np.sort(centers[:, 0])[-1] == pytest.approx(1e14)


def test_small_rounding_errors_among_larger_ones_are_no_reason_to_refuse():
    rows = np.zeros((500, 2))
    rows[:, 0] = np.where(np.arange(500) % 5, 1e-17, 1.0) * RNG.normal(size=500)
    rows[:, 1] = RNG.normal(size=500)
    Sketcher(n_clusters=2, random_state=0).fit(rows)
    Sketcher(n_clusters=2, random_state=0).fit(rows[:, :1])
