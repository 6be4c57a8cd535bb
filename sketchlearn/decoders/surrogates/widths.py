"""How wide clusters are along the columns, where these are in unlike units."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from sketchlearn.decoders.mixture import ClusteredPoints

# Least width along a column, in units of the scale: waves hardly tell narrower ones from none.
LEAST_WIDTH = 0.1
# Factor between the widths along two columns up to which these are alike.
ALIKE = 1.5


def measure_widths(points: ClusteredPoints, centroids: np.ndarray, scale: float) -> np.ndarray:
    """Return the standard deviation (d,) of points within clusters, in scales, of centroids (k, d).

    Where clusters were mistaken it is too large along some columns, and still too small in none.
    """
    columns = points.points / points.units
    nearest = cdist(points.points, centroids * points.units, "sqeuclidean").argmin(axis=1)
    squares = points.weights @ np.square(columns - centroids[nearest]) / points.weights.sum()
    return np.maximum(np.sqrt(squares) / scale, LEAST_WIDTH)


def are_alike(widths: np.ndarray, others: np.ndarray | float) -> bool:
    """Whether widths (d,) along columns are in proportion to others, about."""
    ratios = widths / others
    return bool(ratios.max() <= ALIKE * ratios.min())
