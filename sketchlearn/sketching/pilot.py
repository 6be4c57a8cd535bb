"""What a sketcher learns from a few rows: centre, scale and box."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

# Beyond it sums of squares could overflow.
LARGEST_ENTRY = 1e150
DEFAULT_N_CLUSTERS = 10
SMALLEST_PILOT = 5000
PILOT_ROWS_A_CLUSTER = 50
# How far the box goes beyond the pilot's range on each side, in parts of it.
BOX_MARGIN = 0.1
# Within-cluster spread, in parts of the whole, below which a pilot is only a few distinct points.
LEAST_RELATIVE_SPREAD = 1e-3


def pilot_size(n_clusters: int | None = None) -> int:
    """How many rows a pilot has, where there are as many: max(5000, 50 n_clusters)."""
    k = DEFAULT_N_CLUSTERS if n_clusters is None else n_clusters
    return max(SMALLEST_PILOT, PILOT_ROWS_A_CLUSTER * k)


def draw_pilot(
    X: np.ndarray, weights: np.ndarray | None, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Uniform rows without replacement, among those of positive weight, and their weights.

    Equal rows are merged and all are put in a fixed order, so that what is learned from them
    depends neither on the order of the data nor on whether a row has weight two or comes twice.

    Raises
    ------
    ValueError
        If a row is so large that squares overflow.
    """
    eligible = np.arange(len(X)) if weights is None else np.flatnonzero(weights > 0)
    if len(eligible) > size:
        eligible = eligible[np.sort(rng.choice(len(eligible), size, replace=False))]
    # Adding zero turns -0.0 into 0.0, which has other bytes.
    rows = np.array(X[eligible], dtype=np.float64, order="C") + 0.0
    if (largest := float(np.abs(rows).max())) > LARGEST_ENTRY:
        raise ValueError(f"X must not exceed {LARGEST_ENTRY:g} in magnitude, got {largest:g}")
    whole_rows = rows.view(np.dtype((np.void, rows.strides[0]))).ravel()
    _, first, inverse = np.unique(whole_rows, return_index=True, return_inverse=True)
    row_weights = np.ones(len(rows)) if weights is None else weights[eligible]
    rows, row_weights = rows[first], np.bincount(inverse, weights=row_weights)
    # Bytes sort otherwise when the data's units change; this sum does not.
    order = np.argsort((rows * np.cos(np.arange(rows.shape[1]))).sum(axis=1), kind="stable")
    return rows[order], row_weights[order]


def box_of(rows: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the rows' bounding box, widened by a tenth of its range on each side."""
    lower, upper = rows.min(axis=0), rows.max(axis=0)
    margin = BOX_MARGIN * np.maximum(upper - lower, scale)
    return lower - margin, upper + margin


def cluster_scale(
    rows: np.ndarray, weights: np.ndarray, center: np.ndarray, n_clusters: int, seed: int
) -> float:
    r"""Estimate a cluster's standard deviation, one coordinate's, by k-means on the pilot.

    .. math:: s^2 = \frac{\mathrm{SSE}}{n_p d} \cdot \frac{n_p}{n_p - k}

    where SSE is the within-cluster sum of squares, weights scaled to a mean of one. Where that
    says nothing (no more rows than clusters, or clusters of identical rows) it is the overall
    spread over :math:`k^{1/d}`, the spread of k cells that share the volume; one, where all rows
    are equal.
    """
    n, d = rows.shape
    centered = rows - center
    size = float(np.abs(centered).max())
    if size == 0.0:
        return 1.0
    # To order one, so that neither squares nor k-means' own thresholds see the data's units.
    centered /= size
    weights = weights / weights.mean()
    spread = float(np.sqrt(weights @ np.square(centered).mean(axis=1) / n))
    k = min(n_clusters, n)
    fallback = size * spread / k ** (1.0 / d)
    if n <= k:
        return fallback
    model = KMeans(k, n_init=1, max_iter=30, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(centered, sample_weight=weights)
    variance = model.inertia_ / (n * d) * n / (n - k)
    scale = float(np.sqrt(variance))
    return size * scale if scale > LEAST_RELATIVE_SPREAD * spread else fallback
