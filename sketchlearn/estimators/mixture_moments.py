"""The moments of a mixture's components beside those of the rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sketchlearn.decoders import FitQuality
from sketchlearn.decoders.quality import compute_moment_factors, compute_spread_ratio
from sketchlearn.points.em import Moments
from sketchlearn.sketches.region import Region


def judge_components(quality: FitQuality, fitted: Moments, units: np.ndarray) -> FitQuality:
    """Return the figures of the decoded mixture, with moments of components in data units."""
    weights = fitted.weights / fitted.weights.sum()
    apart = (fitted.means - weights @ fitted.means) / units
    within = np.tensordot(weights, fitted.covariances, axes=1) / np.outer(units, units)
    covariance = within + (apart.T * weights) @ apart
    return replace(
        quality,
        spread_ratio=compute_spread_ratio(np.diag(covariance), quality.region),
        moment_factors=compute_moment_factors(covariance, quality.region, quality.operator),
        column_factors=compare_columns(np.diag(covariance), quality.region),
    )


def flatten_constant_columns(fitted: Moments, region: Region) -> Moments:
    """Return components that have no width in columns in which the rows are known to have none."""
    constant = (np.diag(region.covariance) == 0.0) & region.is_exact
    means, covariances = fitted.means.copy(), fitted.covariances.copy()
    means[:, constant] = region.mean[constant]
    covariances[:, constant, :] = covariances[:, :, constant] = 0.0
    return fitted._replace(means=means, covariances=covariances)


def compare_columns(variances: np.ndarray, region: Region) -> tuple[float, float]:
    """Return the least and greatest of variances (d,) over the rows', where these are exact."""
    of_rows = np.diag(region.covariance)
    varies = of_rows > 0.0
    if not (region.is_exact and varies.any()):
        return 1.0, 1.0
    factors = variances[varies] / of_rows[varies]
    return float(factors.min()), float(factors.max())
