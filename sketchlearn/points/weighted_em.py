"""EM on weighted rows, with the covariance that few rows lack."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from sketchlearn.atoms import CovarianceType
from sketchlearn.points.densities import compute_joint_log_densities, invert_covariances
from sketchlearn.points.em import Moments

# Iterations at most, and nats a row that one has to gain.
N_STEPS, LEAST_GAIN = 30, 1e-4


def run_weighted_em(
    rows: np.ndarray,
    weights: np.ndarray,
    start: Moments,
    covariance_type: CovarianceType,
    floor: np.ndarray,
) -> Moments:
    """Return the mixture that EM goes to; covariances lack ``floor`` (d,), which EM adds.

    A component's covariance counts as of one row more, which has the mean covariance of all: else
    one of fewer rows than columns would have no density off them.
    """
    mixture, before = start, -np.inf
    weights = np.asarray(weights, dtype=float)
    for _ in range(N_STEPS):
        roots = find_roots(mixture.covariances, covariance_type, floor)
        if roots is None:
            return mixture
        each = compute_joint_log_densities(rows, mixture.weights, mixture.means, roots)
        total = logsumexp(each, axis=1)
        after = float(weights @ total) / float(weights.sum())
        if after - before <= LEAST_GAIN:
            break
        before = after
        shares = np.exp(each - total[:, None]) * weights[:, None]
        mixture = measure_components(rows, shares, mixture, covariance_type)
    return mixture


def measure_components(
    rows: np.ndarray, shares: np.ndarray, before: Moments, covariance_type: CovarianceType
) -> Moments:
    """Return the moments of components of which rows have shares (n, k)."""
    counts = shares.sum(axis=0)
    means, covariances = before.means.copy(), before.covariances.copy()
    for j, count in enumerate(counts):
        if count <= 0.0:
            continue
        own = shares[:, j] / count
        is_own = own > 0.0
        some, own = rows[is_own], own[is_own]
        means[j] = before.means[j] + own @ (some - before.means[j])
        from_mean = some - means[j]
        if covariance_type == "full":
            covariances[j] = (from_mean.T * own) @ from_mean
        else:
            covariances[j] = np.diag(own @ np.square(from_mean))
    covariances = add_one_row(counts, covariances)
    if covariance_type == "spherical":
        d = rows.shape[1]
        covariances = (np.trace(covariances, axis1=1, axis2=2) / d)[:, None, None] * np.eye(d)
    return Moments(counts / counts.sum(), means, covariances)


def add_one_row(counts: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    r"""Return covariances (k, d, d) as with one row more, which has the mean covariance of all.

    With :math:`N_j` rows a component's is :math:`(N_j \Sigma_j + \bar\Sigma) / (N_j + 1)`: the
    posterior mode under an inverse Wishart law, as in Fraley and Raftery, "Bayesian regularization
    for normal mixture estimation and model-based clustering", Journal of Classification 24(2),
    2007, with one row's worth of prior.
    """
    mean = np.tensordot(counts / counts.sum(), covariances, axes=1)
    n = counts[:, None, None]
    return np.asarray((n * covariances + mean) / (n + 1.0))


def find_roots(
    covariances: np.ndarray, covariance_type: CovarianceType, floor: np.ndarray
) -> np.ndarray | None:
    """Return square roots of the precisions, as densities take them; None if there are none."""
    raised = covariances + np.diag(floor)
    if covariance_type != "full":
        raised = np.einsum("kll->kl", raised)
        if np.any(raised <= 0.0):
            return None
    try:
        return invert_covariances(raised)
    except np.linalg.LinAlgError:
        return None
