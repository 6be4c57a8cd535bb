"""The moments of clusters and components beside those of the rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import eigh

from sketchlearn.atoms.gaussian import LEAST_VARIANCE
from sketchlearn.decoders import FitQuality, Mixture
from sketchlearn.decoders.quality import compute_moment_factors, compute_spread_ratio
from sketchlearn.estimators.weighted_pilot import WeightedPilot
from sketchlearn.points.em import Moments
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike

# Least eigenvalue of correlations up to which columns are dependent.
DEPENDENT = 1e-8
# Up to which they nearly are; and part of the largest entry of its eigenvector from which a column
# is one of them.
NEARLY_DEPENDENT, TAKES_PART = 0.05, 0.1
# Of units of columns, for spheres: at 3 a decode lost 0.03 nats a row at most, at 10 0.8.
LARGEST_RATIO_OF_UNITS = 5.0


def judge_components(
    quality: FitQuality, fitted: Moments, units: np.ndarray, *, has_directions: bool
) -> FitQuality:
    """Return the figures of the decoded mixture, with moments of components in data units.

    Those of all directions are compared if components have them, and the rows' are known.
    """
    weights = fitted.weights / fitted.weights.sum()
    apart = (fitted.means - weights @ fitted.means) / units
    within = np.tensordot(weights, fitted.covariances, axes=1) / np.outer(units, units)
    covariance = within + (apart.T * weights) @ apart
    return replace(
        quality,
        spread_ratio=compute_spread_ratio(np.diag(covariance), quality.region),
        moment_factors=compute_moment_factors(covariance, quality.region, quality.operator),
        column_factors=compare_variances(covariance, quality.region, has_directions=has_directions),
    )


def judge_centroids(mixture: Mixture, pilot: WeightedPilot | None, region: Region) -> FitQuality:
    """Return the figures of the matched mixture, with the spread of what k-means clustered."""
    matched, spread = mixture.matched or mixture, mixture.spread_ratio
    quality, own = matched.quality, mixture.quality
    if pilot is None:
        quality = replace(
            quality,
            spread_ratio=spread,
            instability=own.instability,
            unseen_gain=own.unseen_gain,
            sure_gain=own.sure_gain,
        )
        if (points := mixture.points) is None or np.all(points.units == 1.0):
            return quality
        # Columns that hardly count for distances may be matched badly.
        factors = compute_moment_factors(matched.covariance, region, quality.operator, points.units)
        return replace(quality, moment_factors=factors)
    covariance = np.atleast_2d(np.cov(pilot.along.T, aweights=pilot.weights, ddof=0))
    return replace(
        quality,
        spread_ratio=compute_spread_ratio(np.diag(covariance), region),
        moment_factors=compute_moment_factors(covariance, region, quality.operator),
    )


def flatten_constant_columns(fitted: Moments, region: Region) -> Moments:
    """Return components that have no width in columns in which the rows are known to have none."""
    constant = (region.variances == 0.0) & region.is_exact
    means, covariances = fitted.means.copy(), fitted.covariances.copy()
    means[:, constant] = region.mean[constant]
    covariances[:, constant, :] = covariances[:, :, constant] = 0.0
    return fitted._replace(means=means, covariances=covariances)


def compare_variances(
    covariance: np.ndarray, region: Region, *, has_directions: bool
) -> tuple[float, float]:
    """Return the least and greatest variance of a column over the rows', where these are exact.

    Of any direction, if it has them: then columns that depend on one another are seen, too.
    """
    deviations = region.deviations
    varies = deviations > 0.0
    if not (region.is_exact and varies.any()):
        return 1.0, 1.0
    scaling = np.outer(deviations[varies], deviations[varies])
    found = covariance[np.ix_(varies, varies)] / scaling
    factors = np.diag(found)
    if has_directions:
        of_rows = region.covariance[np.ix_(varies, varies)] / scaling
        blur = DEPENDENT * np.eye(len(found))
        factors = eigh(found + blur, of_rows + blur, eigvals_only=True)
    return float(factors.min()), float(factors.max())


def flatten_dependent_columns(fitted: Moments, region: Region, scales: np.ndarray) -> Moments:
    r"""Return components that are as narrow as the rows where columns depend on one another.

    Along a direction in which the rows hardly vary, as where shares sum to one or a column is
    nearly a sum of others, a sketch's atoms still have the least width that it can tell. With
    columns divided by their deviations, V (d, q) the eigenvectors of the rows' correlations whose
    eigenvalues :math:`\Lambda` are less than that, and :math:`P = I - V V^T`, a covariance becomes
    :math:`P \Sigma P + V \Lambda V^T`, and a mean loses what it has along V of the way from the
    rows'.

    Parameters
    ----------
    fitted : Moments
        Covariances of any kind, data units.
    region : Region
        Whose covariance is the rows' own.
    scales : ndarray of shape (d,)
        The operator's scale along each column, data units.
    """
    varies = region.deviations > 0.0
    if not (region.is_exact and varies.any()):
        return fitted
    scaling, values, axes = _decompose_correlations(region)
    least = LEAST_VARIANCE * float(np.min((scales / scaling)[varies])) ** 2
    is_flat = values < max(DEPENDENT, least)
    flat = axes[:, is_flat]
    if not flat.shape[1]:
        return fitted
    kept = np.eye(len(scaling)) - flat @ flat.T
    left = (flat * np.maximum(values[is_flat], 0.0)) @ flat.T
    covariances = fitted.covariances / np.outer(scaling, scaling)
    covariances = (kept @ covariances @ kept + left) * np.outer(scaling, scaling)
    means = region.mean + ((fitted.means - region.mean) / scaling @ kept) * scaling
    return Moments(fitted.weights, means, (covariances + covariances.transpose(0, 2, 1)) / 2.0)


def name_dependent_columns(sketch: SketchLike) -> list[str]:
    """Return the columns of the direction in which rows vary least, if they hardly do, quoted."""
    _, values, axes = _decompose_correlations(Region.of(sketch))
    part = np.abs(axes[:, 0])
    takes_part = (part >= TAKES_PART * part.max()) & (values[0] <= NEARLY_DEPENDENT)
    return [repr(str(name)) for name in np.asarray(sketch.column_names)[takes_part]]


def _decompose_correlations(region: Region) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return deviations (d,), one where there is none, and correlations' eigenvalues and axes."""
    scaling = np.where(region.deviations > 0.0, region.deviations, 1.0)
    correlations = region.covariance / np.outer(scaling, scaling)
    np.fill_diagonal(correlations, 1.0)
    return scaling, *np.linalg.eigh(correlations)


def order_by_weight(moments: Moments) -> Moments:
    """Return the same components, the heaviest first."""
    order = np.argsort(-moments.weights, kind="stable")
    return Moments(*(part[order] for part in moments))


def require_like_units(units: np.ndarray) -> None:
    """Refuse to seek spheres by frequencies that take columns in units of their own.

    A sphere that one column's frequencies can see is a point, or nothing, to another's.
    """
    if units.max() > LARGEST_RATIO_OF_UNITS * units.min():
        raise ValueError(
            "covariance_type='spherical' needs columns in like units, this sketch takes them in "
            f"units from {units.min():.3g} to {units.max():.3g} (scale='columns'): use "
            "covariance_type='diag', or a sketch of a Sketcher with scale='auto'"
        )
