"""Columns of which many rows share a value, where nothing but `reg_covar` bounds a likelihood."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import CovarianceType
from sketchlearn.estimators.mixture_moments import DEPENDENT
from sketchlearn.points.densities import compute_joint_log_densities
from sketchlearn.points.em import Moments
from sketchlearn.points.weighted_em import find_roots
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching.pilot import find_largest_shares, least_share, shares_values

# Part of a column's variance that, added to all variances, leaves little to gain from its values:
# of 42 tables ten were 0.3 nats or more from EM of other starts without, 6 at worst; with a fifth,
# which warnings name, one was, 0.6.
ENOUGH = 0.19
# Part of a component's rows that share a value from which another start of EM may gain on it. Of
# rounded Gaussians 14 in 72 lost 0.3 nats or more where it was about half or above, and none of 120
# with deviations from 1, where it is below.
HALF = 0.5
# Nats a row from which a mixture that one start of EM leads to is taken for a loss of the others.
LARGE_LEAD = 0.3


@on_one_blas_thread
def is_unbounded(
    points: np.ndarray, weights: np.ndarray, n_rows: float, n_atoms: int, covariance_type: str
) -> bool:
    """Whether components may close in on values that many of the rows have, and win without end.

    So it is with flags, counts, grades and amounts that are often zero; and with columns that
    depend on others, where covariances are full. Constant columns are as narrow in any component.
    Spherical components close in on whole points only.
    """
    if len(points) == 1:
        return False
    if covariance_type == "spherical":
        return bool(weights.max() / weights.sum() >= least_share(n_atoms, n_rows))
    if shares_values(points, weights, n_atoms, n_rows):
        return True
    is_varied = np.ptp(points, axis=0) > 0.0
    if covariance_type != "full" or not is_varied.any():
        return False
    covariance = np.atleast_2d(np.cov(points[:, is_varied].T, aweights=weights))
    deviations = np.sqrt(np.diag(covariance))
    return float(np.linalg.eigvalsh(covariance / np.outer(deviations, deviations))[0]) < DEPENDENT


def find_shared_columns(
    points: np.ndarray,
    weights: np.ndarray,
    n_rows: float,
    fitted: Moments,
    covariance_type: CovarianceType,
    reg_covar: float,
) -> np.ndarray:
    """Return the columns (d,) of which half of a component's rows share a value, as points tell.

    Rare components, of fewer rows than may share a value by chance, do not count. Spherical ones
    close in on whole points: on all columns or none.
    """
    d = points.shape[1]
    is_varied = np.ptp(points, axis=0) > 0.0
    roots = find_roots(fitted.covariances, covariance_type, np.full(d, reg_covar))
    if roots is None:
        return is_varied
    densities = compute_joint_log_densities(points, fitted.weights, fitted.means, roots)
    labels, shares = densities.argmax(axis=1), weights / weights.sum()
    found = np.zeros(d, dtype=bool)
    for j in range(len(fitted.weights)):
        own = labels == j
        share = shares[own].sum()
        if share < least_share(len(fitted.weights), n_rows):
            continue
        if covariance_type == "spherical":
            found |= shares[own].max() >= HALF * share
        else:
            found |= find_largest_shares(points[own], shares[own]) >= HALF
    return found & is_varied


def find_shared_whole_numbers(
    sketch: SketchLike, fitted: Moments, covariance_type: CovarianceType
) -> np.ndarray:
    r"""Return the columns (d,) of whole numbers of which half of a component's rows share one.

    The sketch's exact sums tell which columns are of whole numbers (`Moments.is_whole`), and the
    variance :math:`\sigma^2` of a component how many of its rows have the one that is its mean, as
    of a Gaussian: :math:`\operatorname{erf}(1 / (\sigma \sqrt 8))`. Rare components do not count,
    nor do spherical ones: of whole points a sketch tells nothing.
    """
    found = np.zeros(sketch.n_features, dtype=bool)
    if sketch.moment_kind is None or covariance_type == "spherical":
        return found
    is_common = fitted.weights >= least_share(len(fitted.weights), sketch.n_effective)
    variances = np.einsum("kll->kl", fitted.covariances)[is_common]
    shares = erf(1.0 / np.sqrt(8.0 * np.maximum(variances, np.finfo(float).tiny)))
    return np.asarray(sketch.moments.is_whole & np.any(shares >= HALF, axis=0))
