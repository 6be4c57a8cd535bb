"""Rows on which a mixture's likelihood grows without bound."""

from __future__ import annotations

import numpy as np

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.sketching.pilot import least_share, shares_values

# Least eigenvalue of correlations up to which columns are dependent.
DEPENDENT = 1e-8


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
        return float(weights.max() / weights.sum()) >= least_share(n_atoms, n_rows)
    if shares_values(points, weights, n_atoms, n_rows):
        return True
    is_varied = np.ptp(points, axis=0) > 0.0
    if covariance_type != "full" or not is_varied.any():
        return False
    covariance = np.atleast_2d(np.cov(points[:, is_varied].T, aweights=weights))
    deviations = np.sqrt(np.diag(covariance))
    return float(np.linalg.eigvalsh(covariance / np.outer(deviations, deviations))[0]) < DEPENDENT
