"""Covariances of few directions: near to the whole, the same everywhere, and small in files."""

import pickle

import numpy as np
import pytest

from sketchlearn import Sketch, Sketcher
from sketchlearn.frequencies import Domain
from sketchlearn.frequencies.covariance import FactoredCovariance

pytestmark = pytest.mark.slow


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def covariance_of(rng, d=150, rank=8):
    L = rng.normal(size=(d, rank)) * 2.0 ** -np.arange(rank)
    return L @ L.T + np.diag(rng.uniform(0.01, 0.1, size=d))


def low_rank_of(covariance, rank):
    return FactoredCovariance.of_root(np.linalg.cholesky(covariance).T, rank)


def test_it_keeps_the_diagonal_and_the_widest_directions(rng):
    covariance = covariance_of(rng)
    low_rank = low_rank_of(covariance, 8)
    matrix = low_rank.matrix()
    np.testing.assert_allclose(np.diag(matrix), np.diag(covariance), rtol=0.03)
    assert np.abs(matrix - covariance).max() < 0.02 * np.abs(covariance).max()
    assert np.linalg.eigvalsh(matrix).min() > -1e-9
    ours, theirs = (np.linalg.eigh(one)[1][:, -4:] for one in (matrix, covariance))
    assert np.linalg.svd(ours.T @ theirs)[1].min() > 0.999
    domain = Domain(np.zeros(150), 1.0, low_rank)
    np.testing.assert_array_equal(domain.variances, np.diag(matrix))
    np.testing.assert_array_equal(domain.covariance.matrix(), matrix)


def test_its_sums_are_exact(rng):
    low_rank = low_rank_of(covariance_of(rng), 30)
    loadings = low_rank.codes["loadings"].astype(object) - 128
    exponents = low_rank.codes["loading_exponents"]
    least = int(exponents.min())
    shifts = 4 ** (exponents - least).astype(object)
    exact = (loadings * shifts) @ loadings.T
    of_rows = low_rank.codes.get("row_exponents", np.zeros(150, dtype=int))
    expected = np.ldexp(exact.astype(np.float64), 2 * least + np.add.outer(of_rows, of_rows))
    off = ~np.eye(150, dtype=bool)
    np.testing.assert_array_equal(low_rank.matrix()[off], expected[off])


def test_files_of_wide_rows_have_no_matrix(rng):
    X = rng.normal(size=(300, 400)) * np.r_[np.zeros(3), np.ones(397)]
    sketcher = Sketcher(2000, n_clusters=4, moments=None, random_state=0).fit(X)
    sketch = sketcher.sketch(X)
    data = sketch.to_bytes()
    again = Sketch.from_bytes(data)
    assert again == sketch
    assert again.to_bytes() == data
    np.testing.assert_array_equal(again.operator.covariance, sketch.operator.covariance)
    # Sums, lengths, signs, centre, and 36 directions: 400 x 400 float64 would be 1.28 MB.
    assert len(data) < 20 * 2000 + 3 * 400 * 8 + 36 * 400 + 6000


def test_what_is_no_such_covariance_is_refused(rng):
    with pytest.raises(ValueError, match=r"must have shape \(3, 1\), got \(3, 2\)"):
        FactoredCovariance.of_codes(np.ones(3), np.full((3, 2), 128), [0])
    with pytest.raises(ValueError, match="within 16 of each other"):
        FactoredCovariance.of_codes(np.ones(3), np.full((3, 2), 128), [0, 17])
    with pytest.raises(ValueError, match=r"row_exponents must have shape \(3,\), got \(2,\)"):
        FactoredCovariance.of_codes(np.ones(3), np.full((3, 1), 130), [-4], [0, 1])
    low_rank = FactoredCovariance.of_codes(np.ones(3), np.full((3, 1), 130), [-4])
    Domain(np.zeros(3), 1.0, low_rank)
    too_wide = FactoredCovariance.of_codes(np.full(3, 0.01), np.full((3, 1), 130), [-4])
    with pytest.raises(ValueError, match="no more to a column than its variance"):
        Domain(np.zeros(3), 1.0, too_wide)


def test_factors_in_other_units_go_through_files_and_pickles(rng):
    X = rng.normal(size=(300, 200)) * np.where(np.arange(200) % 2, 64.0, 1.0)
    sketcher = Sketcher(300, n_clusters=3, scale="columns", random_state=0).fit(X)
    whole = sketcher.sketch(X)
    units, sketch = whole.operator.units, whole.standardised()
    assert units.max() > 1.0
    np.testing.assert_array_equal(
        sketch.operator.covariance, whole.operator.covariance / np.outer(units, units)
    )
    for again in (Sketch.from_bytes(sketch.to_bytes()), pickle.loads(pickle.dumps(sketch))):
        assert again == sketch
        np.testing.assert_array_equal(again.operator.covariance, sketch.operator.covariance)
    for one in (sketch, whole):
        covariance = pickle.loads(pickle.dumps(one.operator.domain.covariance))
        assert not covariance.variances.flags.writeable


def test_columns_in_fine_units_keep_their_correlations(rng):
    units = 4.0 ** rng.integers(0, 8, size=150)
    rows = rng.normal(size=(500, 8)) @ rng.normal(size=(8, 150)) + rng.normal(size=(500, 150))
    sketcher = Sketcher(300, n_clusters=3, scale="columns", operator="fast", random_state=0)
    covariance = sketcher.fit(rows * units).operator_.domain.covariance
    assert isinstance(covariance, FactoredCovariance)
    found, expected = covariance.in_units(units).matrix(), np.cov(rows.T, bias=True)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize("factor", [10.0, 1e3, 1e5])
def test_what_goes_with_a_far_wider_column_is_kept(rng, factor):
    """Beside its own loadings those of the others along the same axis are next to nothing."""
    rows = rng.normal(size=(500, 8)) @ rng.normal(size=(8, 150)) + rng.normal(size=(500, 150))
    widths = np.r_[factor, np.ones(149)]
    root = (rows - rows.mean(axis=0)) * widths / np.sqrt(500.0)
    found = FactoredCovariance.of_root(root, 12).in_units(widths).matrix()
    expected = np.cov(rows.T, bias=True)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_a_column_that_hardly_varies_takes_no_matrix(rng):
    X = rng.normal(size=(300, 200))
    X[:, 5] = 1e-6
    X[0, 5] += 1e-20
    domain = Sketcher(300, n_clusters=3, random_state=0).fit(X).operator_.domain
    assert isinstance(domain.covariance, FactoredCovariance)
