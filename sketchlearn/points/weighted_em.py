"""EM on weighted rows, with the covariance that few rows lack."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import CovarianceType
from sketchlearn.points.densities import compute_joint_log_densities, invert_covariances
from sketchlearn.points.em import Moments

# Iterations at most, and nats a row that one has to gain: as of scikit-learn's EM.
N_STEPS, LEAST_GAIN = 30, 1e-3
# Rows whose densities are computed at a time.
ROWS_AT_ONCE = 4096
# Least probability of a component, given a row, that counts.
LEAST_SHARE = 1e-9


@on_one_blas_thread
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
    for _ in range(N_STEPS):
        roots = find_roots(mixture.covariances, covariance_type, floor)
        if roots is None:
            return mixture
        after, following = take_step(rows, weights, mixture, roots, covariance_type)
        if after - before <= LEAST_GAIN:
            break
        mixture, before = following, after
    return mixture


def take_step(
    rows: np.ndarray,
    weights: np.ndarray,
    mixture: Moments,
    roots: np.ndarray,
    covariance_type: CovarianceType,
) -> tuple[float, Moments]:
    """Return the mean log-likelihood of rows, in nats, and the mixture that one step leads to."""
    k, d = mixture.means.shape
    total, counts, sums, squares = 0.0, np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some, own = rows[start : start + ROWS_AT_ONCE], weights[start : start + ROWS_AT_ONCE]
        each = compute_joint_log_densities(some, mixture.weights, mixture.means, roots)
        of_rows = logsumexp(each, axis=1)
        total += float(own @ of_rows)
        shares = np.exp(each - of_rows[:, None])
        for j in range(k):
            is_own = shares[:, j] > LEAST_SHARE
            from_mean = some[is_own] - mixture.means[j]
            weighted = own[is_own] * shares[is_own, j]
            counts[j] += weighted.sum()
            sums[j] += weighted @ from_mean
            if covariance_type == "full":
                squares[j] += (from_mean.T * weighted) @ from_mean
            else:
                squares[j] += np.diag(weighted @ np.square(from_mean))
    following = measure_components(counts, sums, squares, mixture, covariance_type)
    return total / float(weights.sum()), following


def measure_components(
    counts: np.ndarray,
    sums: np.ndarray,
    squares: np.ndarray,
    before: Moments,
    covariance_type: CovarianceType,
) -> Moments:
    """Return the moments of components of weighted sums (k, d) and squares (k, d, d).

    Both are about the means before.
    """
    is_any = counts > 0.0
    n = np.where(is_any, counts, 1.0)
    moves = sums / n[:, None]
    covariances = squares / n[:, None, None] - moves[:, :, None] * moves[:, None, :]
    if covariance_type != "full":
        covariances *= np.eye(sums.shape[1])
    covariances[~is_any] = before.covariances[~is_any]
    covariances = add_one_row(counts, covariances)
    if covariance_type == "spherical":
        d = sums.shape[1]
        covariances = (np.trace(covariances, axis1=1, axis2=2) / d)[:, None, None] * np.eye(d)
    return Moments(counts / counts.sum(), before.means + moves, covariances)


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
