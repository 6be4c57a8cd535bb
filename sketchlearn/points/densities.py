"""Log-densities of Gaussian components, exact wherever the data lies."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

LOG_TWO_PI = float(np.log(2.0 * np.pi))


def compute_joint_log_densities(
    rows: np.ndarray, weights: np.ndarray, means: np.ndarray, precisions_cholesky: np.ndarray
) -> np.ndarray:
    r"""Return :math:`\log \alpha_k + \log N(x_i; \mu_k, \Sigma_k)` of every row and component.

    The means are subtracted from the rows before anything is squared, in float64, so that an
    origin far away costs no digits. The textbook expansion :math:`x^T P x - 2 x^T P \mu + \mu^T P
    \mu` loses all of them where the data is further from the origin than about 1e8 standard
    deviations.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Float32 or float64.
    weights : ndarray of shape (k,)
        Shares of the components; -inf is the logarithm of a share of zero.
    means : ndarray of shape (k, d)
        Their means.
    precisions_cholesky : ndarray of shape (k,), (k, d) or (k, d, d)
        Square roots of the precisions; matrices are upper triangular U with precision U U^T.

    Returns
    -------
    ndarray of shape (n, k)
        In nats.
    """
    k, d = means.shape
    squares = np.empty((len(rows), k))
    if precisions_cholesky.ndim == 1:
        squares = cdist(rows, means, "sqeuclidean") * precisions_cholesky**2
        log_determinants = d * np.log(precisions_cholesky)
    else:
        for j in range(k):
            from_mean = np.asarray(rows, dtype=np.float64) - means[j]
            root = precisions_cholesky[j]
            scaled = from_mean @ root if root.ndim == 2 else from_mean * root
            squares[:, j] = np.einsum("il,il->i", scaled, scaled)
        is_diagonal = precisions_cholesky.ndim == 2
        roots = precisions_cholesky if is_diagonal else np.einsum("kll->kl", precisions_cholesky)
        log_determinants = np.log(roots).sum(axis=1)
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    return log_weights + log_determinants - 0.5 * (d * LOG_TWO_PI + squares)
