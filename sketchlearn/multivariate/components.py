"""Principal components of a covariance matrix, small ones as exactly as large ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from sketchlearn._threads import on_one_blas_thread

# Least eigenvalue of the correlations up to which columns are taken to depend on each other.
DEPENDENT = 1e-13
# What `dgejsv` is asked for: columns scaled apart; no left vectors, all right ones.
WELL_SCALED, NO_LEFT, ALL_RIGHT = 0, 3, 0


class PrincipalComponents(NamedTuple):
    """Axes along which rows are uncorrelated, the widest first.

    Attributes
    ----------
    variances : ndarray of shape (d,)
        Of the rows along each axis, descending, not negative.
    axes : ndarray of shape (d, d)
        Orthonormal rows; the entry of largest magnitude of each is positive.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.multivariate import find_components
    >>> find_components(np.diag([1.0, 4.0])).axes
    array([[0., 1.],
           [1., 0.]])
    """

    variances: np.ndarray
    axes: np.ndarray


@on_one_blas_thread
def find_components(covariance: np.ndarray) -> PrincipalComponents:
    r"""Return the principal components of rows of a covariance matrix.

    With deviations D and correlations :math:`A = L L^\top` the covariance is
    :math:`D A D = (D L)(D L)^\top`, so that its eigenvectors are the left singular vectors of
    :math:`D L`. One-sided Jacobi rotations find them, and the variances, to a relative accuracy of
    float64's times the condition of A, not of the covariance: columns in units of different size
    cost no digits. Where columns depend on each other, the eigenvectors of the covariance are
    taken, whose variances are right to float64's accuracy times the largest.

    Parameters
    ----------
    covariance : ndarray of shape (d, d)
        Symmetric, positive semidefinite but for rounding.

    Returns
    -------
    PrincipalComponents
        All of them, those without variance last.

    References
    ----------
    Demmel and Veselic, "Jacobi's method is more accurate than QR", SIAM Journal on Matrix Analysis
    and Applications 13(4), 1992, theorem 2.5; Drmac and Veselic, "New fast and accurate Jacobi SVD
    algorithm", 2008, which LAPACK's ``gejsv`` is.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.multivariate import find_components
    >>> variances, axes = find_components(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> variances.round(12), axes.round(3)
    (array([3., 1.]), array([[ 0.707,  0.707],
           [ 0.707, -0.707]]))
    """
    deviations = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    is_wide = deviations > 0.0
    found = None
    if is_wide.any():
        varied = np.ix_(is_wide, is_wide)
        correlations = covariance[varied] / np.outer(deviations[is_wide], deviations[is_wide])
        if np.linalg.eigvalsh(correlations)[0] > DEPENDENT:
            found = _rotate(np.linalg.cholesky(correlations), deviations[is_wide])
    if found is None:
        values, vectors = np.linalg.eigh(covariance)
        return _with_signs(np.maximum(values[::-1], 0.0), vectors[:, ::-1].T)
    d, r = len(deviations), int(is_wide.sum())
    variances, axes = np.zeros(d), np.zeros((d, d))
    variances[:r], axes[:r, is_wide] = found
    axes[r:, ~is_wide] = np.eye(d - r)
    return _with_signs(variances, axes)


def _rotate(root: np.ndarray, deviations: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return variances and axes of D L L^T D, or None where Jacobi's rotations do not end."""
    scaled = (deviations[:, None] * root).T
    # Powers of two keep it away from the ends of float64's range.
    shift = int(np.frexp(deviations.max())[1])
    values, _, right, scales, _, info = lapack.dgejsv(
        np.ldexp(scaled, -shift), joba=WELL_SCALED, jobu=NO_LEFT, jobv=ALL_RIGHT
    )
    if info != 0:
        return None
    widths = np.ldexp(values * (scales[0] / scales[1]), shift)
    return widths**2, right.T


def _with_signs(variances: np.ndarray, axes: np.ndarray) -> PrincipalComponents:
    """Turn axes such that the largest entry of each is positive, as in scikit-learn's PCA."""
    largest = np.abs(axes).argmax(axis=1)
    signs = np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)
    # Adding zero turns -0.0 into 0.0.
    return PrincipalComponents(variances, axes * signs[:, None] + 0.0)
