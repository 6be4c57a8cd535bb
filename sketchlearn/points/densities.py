"""Log-densities of Gaussian components, exact wherever the data lies, and what they take."""

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


def invert_covariances(covariances: np.ndarray) -> np.ndarray:
    """Return roots of the precisions, of the covariances' shape; of matrices, upper triangles U.

    A precision is U U^T.
    """
    if covariances.ndim < 3:
        return np.asarray(1.0 / np.sqrt(covariances))
    # The inverse of a triangle is one but for the last bits of LAPACK.
    return np.triu(np.linalg.inv(np.linalg.cholesky(covariances)).transpose(0, 2, 1))


def count_parameters(n_components: int, n_features: int, covariance_type: str) -> int:
    """Return how many numbers a mixture has: shares, means, and covariances of a type."""
    d = n_features
    return n_components * (
        1 + d + {"spherical": 1, "diag": d, "full": d * (d + 1) // 2}[covariance_type]
    )
