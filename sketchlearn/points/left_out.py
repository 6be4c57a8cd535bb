"""How likely rows are under a mixture that was fitted to the others: what persists of EM's ends."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from sketchlearn.atoms import CovarianceType
from sketchlearn.points.densities import compute_joint_log_densities, invert_covariances
from sketchlearn.points.em import Moments


def score_left_out(
    rows: np.ndarray, weights: np.ndarray, mixture: Moments, covariance_type: CovarianceType
) -> float:
    r"""Return the mean log-likelihood of rows, each under the mixture that the others lead to.

    The mixture is one that EM went to from these rows. Without a row of which a component has the
    share r of its N, and which is :math:`\delta` from its mean, this has

    .. math:: \Sigma' = \tfrac{N}{N - r} \bigl(\Sigma - \tfrac{r}{N - r} \delta \delta^T\bigr),
        \quad x - \mu' = \tfrac{N}{N - r} \delta, \quad N' = N - r,

    one step of EM from where it is. A component that closed in on rows by accident is far less
    likely by it; one that has a value which many rows share is not.

    Parameters
    ----------
    rows, weights : ndarray of shape (n, d) and (n,)
        What the mixture was fitted to.
    mixture : Moments
        With covariances as they are, ``reg_covar`` included.
    covariance_type : {"diag", "spherical", "full"}
        Along which axes a row's part of a covariance is taken out.

    Returns
    -------
    float
        In nats; less than the mean log-likelihood.
    """
    roots = invert_covariances(mixture.covariances)
    each = compute_joint_log_densities(rows, mixture.weights, mixture.means, roots)
    total, d = logsumexp(each, axis=1), rows.shape[1]
    left_out = np.empty_like(each)
    for j, (mean, root) in enumerate(zip(mixture.means, roots, strict=True)):
        own = weights * np.exp(each[:, j] - total)
        # A component of a single row is nothing without it.
        least = max(np.finfo(float).eps * own.sum(), np.finfo(float).tiny)
        others = np.maximum(own.sum() - own, least)
        growth = (others + own) / others
        squares = np.square((rows - mean) @ root)
        if covariance_type == "full":
            squares = squares.sum(axis=1, keepdims=True)
        elif covariance_type == "spherical":
            squares = np.broadcast_to(squares.mean(axis=1, keepdims=True), squares.shape)
        kept = np.maximum(1.0 - (own / others)[:, None] * squares, np.finfo(float).eps)
        change = d * np.log(growth)
        change += np.sum(np.log(kept) + squares * (growth[:, None] / kept - 1.0), axis=1)
        shares = others / np.maximum(weights.sum() - weights, least)
        with np.errstate(divide="ignore"):
            log_weight = np.log(mixture.weights[j])
        left_out[:, j] = np.log(shares) + each[:, j] - log_weight - 0.5 * change
    return float(np.average(logsumexp(left_out, axis=1), weights=weights))
