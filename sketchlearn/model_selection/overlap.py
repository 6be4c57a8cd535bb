"""Which components of a mixture are one cluster: between them the density has no valley."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular
from scipy.sparse.csgraph import connected_components

from sketchlearn.points.em import Moments

# Points of the ridge between two components.
N_POINTS = 41


def compute_valleys(mixture: Moments) -> np.ndarray:
    r"""Return how deep the density falls between each two components, (k, k).

    It is the least density of the two, over that at the lower of its peaks, along the ridge
    :math:`x(t) = [(1 - t) S_1^{-1} + t S_2^{-1}]^{-1} [(1 - t) S_1^{-1} \mu_1 + t S_2^{-1} \mu_2]`,
    on which all peaks, pits and passes of two Gaussians lie: 1 where there is one peak, 0 between
    clusters that do not touch.

    Source: Ray and Lindsay, "The topography of multivariate normal mixtures", Annals of Statistics
    33(5), 2005, theorem 1; Hennig, "Methods for merging Gaussian mixture components", Advances in
    Data Analysis and Classification 4, 2010, section 4.1.
    """
    valleys = np.eye(len(mixture.weights))
    for i in range(len(valleys)):
        for j in range(i):
            one, other = (Moments(*(each[index] for each in mixture)) for index in (i, j))
            valleys[i, j] = valleys[j, i] = _compute_valley(one, other)
    return valleys


def group_components(valleys: np.ndarray, most: float) -> np.ndarray:
    """Return a group's number for each component: those with no deeper valley are in one."""
    return np.asarray(connected_components(valleys > most, directed=False)[1])


def _compute_valley(one: Moments, other: Moments) -> float:
    """Return that of two components, in coordinates where one is standard and the other's axes."""
    factor = np.linalg.cholesky(one.covariances)
    turned = solve_triangular(factor, other.covariances, lower=True)
    variances, axes = np.linalg.eigh(solve_triangular(factor, turned.T, lower=True))
    variances = np.maximum(variances, np.finfo(float).tiny)
    apart = axes.T @ solve_triangular(factor, other.means - one.means, lower=True)
    t = np.linspace(0.0, 1.0, N_POINTS)[:, None]
    ridge = t * apart / ((1.0 - t) * variances + t)
    weights = np.log(np.maximum([one.weights, other.weights], np.finfo(float).tiny))
    first = weights[0] - 0.5 * np.sum(ridge**2, axis=1)
    second = weights[1] - 0.5 * np.sum((ridge - apart) ** 2 / variances, axis=1)
    heights = np.logaddexp(first, second - 0.5 * np.sum(np.log(variances)))
    # The pass is the lowest point between the highest ones on either side of it.
    before = np.maximum.accumulate(heights)
    after = np.maximum.accumulate(heights[::-1])[::-1]
    return float(np.exp(np.min(heights - np.minimum(before, after))))
