"""How large a difference is, whatever its p-value: the squared maximum mean discrepancy."""

from __future__ import annotations

import math

import numpy as np

from sketchlearn.drift.waves import WaveDifferences
from sketchlearn.frequencies.covariance import Covariance, CovarianceMatrix
from sketchlearn.linear_maps.linear_map import LinearMap

# Frequencies whose covariances stand for those of all.
MOST_FREQUENCIES = 128


def measure_effect(differences: WaveDifferences) -> float:
    r"""Return an unbiased estimate of the mean of :math:`|\psi_a - \psi_b|^2` over frequencies."""
    za, zb = differences.means
    first, second = differences.unbiased_squares
    return float(np.mean(first + second - 2.0 * (za * zb.conjugate()).real))


def measure_effect_error(differences: WaveDifferences) -> float:
    r"""Return the standard error of `measure_effect`, as of normal rows.

    With D the difference of means and :math:`\Sigma` the covariance of a row's waves, over the
    frequencies' number and with :math:`h = 1/n_a + 1/n_b`, the variance is

    .. math:: \frac{4 h}{m^2} D^\top \Sigma D + \frac{2 h^2}{m^2} \mathrm{tr}\, \Sigma^2

    (Gretton et al., "A kernel two-sample test", 2012, section 6, for means of features). Off its
    diagonal it is estimated by up to 128 of the frequencies.
    """
    m = differences.a.n_frequencies
    chosen = np.unique(np.linspace(0, m - 1, min(m, MOST_FREQUENCIES)).round().astype(int))
    d = (differences.means[1] - differences.means[0])[chosen]
    direct, mirrored = _covariances(differences, differences.a.operator.linear_map.take(chosen))
    first = _mean_over_all(
        0.5 * (np.outer(d.conjugate(), d) * direct).real
        + 0.5 * (np.outer(d.conjugate(), d.conjugate()) * mirrored).real,
        m,
    )
    second = _mean_over_all(0.5 * (np.abs(direct) ** 2 + np.abs(mirrored) ** 2), m)
    h = differences.factor
    noise = differences.noise[chosen]
    added = np.mean(4.0 * noise * np.abs(d) ** 2 + 4.0 * noise * (noise + h)) / m
    # By chance alone D has D^T Sigma D of h tr Sigma^2.
    return math.sqrt(max(4.0 * h * (first - h * second), 0.0) + 2.0 * h**2 * second + float(added))


def _covariances(
    differences: WaveDifferences, linear_map: LinearMap
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return covariances :math:`E \bar e_j e_k` and :math:`E e_j e_k`, as of normal rows."""
    offset, covariance = _pool_moments(differences)
    frequencies = linear_map.adjoint(np.eye(linear_map.n_frequencies)).T
    gram = frequencies.T @ (covariance @ frequencies)
    turn = np.exp(1j * (offset @ frequencies))
    squares = np.maximum(np.diag(gram), 0.0)
    sums = squares[:, None] + squares
    alone = np.exp(-0.5 * sums)
    near = np.exp(-0.5 * np.maximum(sums - 2.0 * gram, 0.0)) - alone
    far = np.exp(-0.5 * np.maximum(sums + 2.0 * gram, 0.0)) - alone
    return np.outer(turn.conjugate(), turn) * near, np.outer(turn, turn) * far


def _pool_moments(differences: WaveDifferences) -> tuple[np.ndarray, Covariance]:
    """Return mean, from the centre, and covariance of all rows; the operator's where not known."""
    a, b = differences.a, differences.b
    if a.moment_kind != "full" or b.moment_kind != "full":
        return np.zeros(a.n_features), a.operator.domain.covariance
    n_a, n_b = differences.sizes
    share, moments = n_b / (n_a + n_b), (a.moments, b.moments)
    difference = moments[1].mean - moments[0].mean
    within = (1.0 - share) * moments[0].covariance + share * moments[1].covariance
    between = share * (1.0 - share) * np.outer(difference, difference)
    offset = moments[0].mean + share * difference - a.operator.center
    return offset, CovarianceMatrix(within + between)


def _mean_over_all(products: np.ndarray, m: int) -> float:
    """Return the mean over m x m products of frequencies, from those of some of them."""
    n = len(products)
    diagonal = float(np.trace(products)) / n
    if n < 2:
        return diagonal / m
    others = (float(products.sum()) - n * diagonal) / (n * (n - 1))
    return diagonal / m + (m - 1) / m * others
