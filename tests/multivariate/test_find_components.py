"""Principal components of covariances whose components are known."""

import numpy as np
import pytest

from sketchlearn.multivariate import find_components


def rotation(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def assert_decomposed(covariance, atol):
    variances, axes = find_components(covariance)
    np.testing.assert_allclose(axes @ axes.T, np.eye(len(axes)), atol=1e-12)
    np.testing.assert_allclose((axes.T * variances) @ axes, covariance, atol=atol)
    assert (np.diff(variances) <= 0).all()
    assert (variances >= 0).all()
    largest = np.abs(axes).argmax(axis=1)
    assert (axes[np.arange(len(axes)), largest] > 0).all()
    return variances, axes


@pytest.mark.parametrize("d", [1, 2, 5, 40])
def test_a_covariance_is_put_together_again(d):
    axes, variances = rotation(d), np.geomspace(1.0, 1e-3, d)
    found, _ = assert_decomposed((axes * variances) @ axes.T, 1e-14)
    np.testing.assert_allclose(found, variances, rtol=1e-11)


@pytest.mark.parametrize("factor", [1e-200, 1.0, 1e200])
def test_units_of_different_size_cost_no_digits(factor):
    r"""Two pairs of columns; in a pair the variances are s^2 (1 \pm r), at any s."""
    r, sizes = 0.25, np.array([1e8, 1.0])
    covariance = np.kron(np.diag(sizes**2), [[1.0, r], [r, 1.0]]) * factor
    variances, axes = find_components(covariance)
    expected = np.outer(sizes**2, [1.0 + r, 1.0 - r]).ravel() * factor
    np.testing.assert_allclose(variances, expected, rtol=1e-14)
    np.testing.assert_allclose(np.abs(axes[[0, 2]] @ [1, 1, 1, 1]), np.sqrt(2.0), rtol=1e-14)


def test_small_components_of_mixed_columns_are_exact():
    """A graded matrix [[1, e], [e, 2 e^2]]: by its determinant, e^2, and its trace."""
    e = 2.0**-30
    variances, _ = find_components(np.array([[1.0, e], [e, 2.0 * e * e]]))
    trace, determinant = 1.0 + 2.0 * e * e, e * e
    # The small root without cancellation: determinant over the large one.
    large = 0.5 * (trace + np.sqrt(trace * trace - 4.0 * determinant))
    np.testing.assert_allclose(variances, [large, determinant / large], rtol=1e-14)


def test_columns_that_are_constant_or_depend_on_others():
    mixing = np.random.default_rng(0).normal(size=(3, 6))
    mixing[:, 2] = 0.0
    covariance = mixing.T @ mixing
    variances, _ = assert_decomposed(covariance, 1e-14 * covariance.max() * 10)
    assert np.count_nonzero(variances > 1e-12) == 3
    diagonal, axes = assert_decomposed(np.diag([0.0, 4.0, 0.0, 1.0]), 0.0)
    np.testing.assert_array_equal(diagonal, [4.0, 1.0, 0.0, 0.0])
    np.testing.assert_array_equal(axes, np.eye(4)[[1, 3, 0, 2]])
    nothing, _ = assert_decomposed(np.zeros((2, 2)), 0.0)
    np.testing.assert_array_equal(nothing, [0.0, 0.0])
