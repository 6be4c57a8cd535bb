"""Covariances of groups, each drawn towards what all groups share by as much as the rows say."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import multigammaln

from sketchlearn._threads import on_one_blas_thread

# Strengths that are compared: rows that the target counts as.
STRENGTHS = np.geomspace(0.1, 1e7, 65)


@on_one_blas_thread
def shrink_covariances(
    covariances: np.ndarray, counts: np.ndarray, least: np.ndarray
) -> np.ndarray:
    r"""Return the groups' covariances, drawn towards the one they have in common.

    Group c of :math:`n_c` rows has the covariance :math:`S_c`. With the covariance T within groups
    as the mean of an inverse Wishart prior that counts as :math:`\delta` rows, the posterior's mean
    is

    .. math:: \Sigma_c = \frac{n_c S_c + \delta T}{n_c + \delta},

    from one covariance for all groups, as linear discriminant analysis has it, to one for each. T
    is drawn towards its own diagonal likewise. Both strengths are those of the largest marginal
    likelihood, of 65 from 0.1 to 10^7: nothing is to be chosen. Of variances alone, each column is
    a problem by itself with the strength in common.

    Parameters
    ----------
    covariances : ndarray of shape (k, d, d), or (k, d)
        Of each group, divided by its number of rows; or the variances of each column.
    counts : ndarray of shape (k,)
        Numbers of rows, or what these are worth where noise was added.
    least : ndarray of shape (d,)
        Least variances within groups.

    Returns
    -------
    ndarray of shape (k, d, d), or (k, d)
        Positive definite.

    References
    ----------
    Hannart and Naveau, "Estimating high dimensional covariance matrices: A new look at the Gaussian
    conjugate framework", Journal of Multivariate Analysis 131, 2014, section 3; Greene and Rayens,
    "Covariance pooling and stabilization for classification", Computational Statistics and Data
    Analysis 11(1), 1991.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.multivariate import shrink_covariances
    >>> variances = np.array([[1.0, 1.0], [4.0, 9.0]])
    >>> apart = shrink_covariances(variances, np.array([1000.0, 1000.0]), np.zeros(2))
    >>> np.allclose(apart, variances, rtol=0.01)
    True
    >>> few = shrink_covariances(variances, np.array([1000.0, 2.0]), np.zeros(2))
    >>> bool((few[1] < 0.6 * variances[1]).all())
    True
    """
    freedom = max(float(counts.sum()) - len(counts), 1.0)
    pooled = np.tensordot(counts, covariances, 1) / freedom
    variances = np.maximum(pooled if pooled.ndim == 1 else np.diagonal(pooled), least)
    if pooled.ndim == 1:
        strength = _choose_strength(covariances / variances, counts)
        return _mix(covariances, counts, variances, strength)
    units = np.sqrt(np.outer(variances, variances))
    common = pooled / units
    np.fill_diagonal(common, 1.0)
    own = _eigenvalues(common[None])
    strength = _choose_strength(own, np.array([freedom + 1.0]))
    common = _mix(common[None], np.array([freedom]), np.eye(len(common)), strength)[0]
    root = np.linalg.cholesky(common)
    scaled = covariances / units
    half = np.array([solve_triangular(root, each, lower=True) for each in scaled])
    relative = np.array([solve_triangular(root, each.T, lower=True) for each in half])
    strength = _choose_strength(_eigenvalues(relative), counts)
    return _mix(scaled, counts, common, strength) * units


def _mix(
    covariances: np.ndarray, counts: np.ndarray, target: np.ndarray, strength: float
) -> np.ndarray:
    """Return the means of the posteriors."""
    n = counts.reshape(-1, *(1,) * target.ndim)
    return np.asarray((n * covariances + strength * target) / (n + strength))


def _eigenvalues(matrices: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.eigvalsh(0.5 * (matrices + matrices.transpose(0, 2, 1))), 0.0)[
        :, None, :
    ]


def _choose_strength(eigenvalues: np.ndarray, counts: np.ndarray) -> float:
    r"""Return the strength of largest marginal likelihood.

    Of a group's n rows, whose covariance has the eigenvalues :math:`s_i` relative to the target in
    p dimensions, and with :math:`\nu = \delta + p + 1` and :math:`f = n - 1`, its logarithm is,
    but for constants,

    .. math:: \log \frac{\Gamma_p((\nu + f) / 2)}{\Gamma_p(\nu / 2)} + \frac{\nu p}{2} \log \delta
        - \frac{\nu + f}{2} \sum_i \log(\delta + n s_i).

    Parameters
    ----------
    eigenvalues : ndarray of shape (k, blocks, p), or (k, blocks) where p is one
        Of each group, and of blocks that are independent of each other.
    counts : ndarray of shape (k,)
        Numbers of rows.
    """
    if eigenvalues.ndim == 2:
        eigenvalues = eigenvalues[:, :, None]
    n_blocks, p = eigenvalues.shape[1:]
    total, nu = np.zeros(len(STRENGTHS)), STRENGTHS + p + 1.0
    for values, n in zip(eigenvalues, counts, strict=True):
        f = n - 1.0
        if f <= 0.0:
            continue
        constants = multigammaln(0.5 * (nu + f), p) - multigammaln(0.5 * nu, p)
        constants = constants + 0.5 * nu * p * np.log(STRENGTHS)
        logs = np.log(STRENGTHS[:, None] + n * values.ravel()).sum(axis=1)
        total += n_blocks * constants - 0.5 * (nu + f) * logs
    return float(STRENGTHS[total.argmax()])
