"""k-means on points that stand for the data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from scipy.spatial.distance import cdist
from sklearn import config_context
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from sketchlearn._progress import begin
from sketchlearn._threads import OneThread

# Standard errors by which another start has to win.
SIGNIFICANT_GAIN = 2.0
# Distances that are computed at a time: memory.
DISTANCES_AT_ONCE = 2**20


def cluster_points(
    points: np.ndarray,
    weights: np.ndarray,
    start: np.ndarray,
    rng: np.random.Generator,
    *,
    n_random: int = 8,
    inclusion_probabilities: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centroids (k, d), shares (k,) and labels of the best k-means, the heaviest first.

    k-means runs from ``start`` and from ``n_random`` random starts, if any. Points that are a
    sample, drawn with ``inclusion_probabilities`` (n,) below 1, may prefer another start by
    accident, one far row for instance; then its gain must exceed two standard errors of the gain.
    Where there are fewer points than centroids, each has one, and those that are left over double
    the heaviest.
    """
    begin(f"k-means on {len(points):,} points")
    seed = int(rng.integers(2**31 - 1))
    k = len(start)
    if len(points) < k:
        return _give_each_one(points, weights, k)
    scaled, centre, size = _scale_down(points)
    led = KMeans(k, init=(start - centre) / size, n_init=1, random_state=seed)
    free = KMeans(k, n_init=n_random, random_state=seed)
    with quietly():
        best = led.fit(scaled, sample_weight=weights)
        if n_random:
            free.fit(scaled, sample_weight=weights)
            error = 0.0
            if np.min(inclusion_probabilities) < 1.0:
                gains = weights * (np.square(led.transform(scaled).min(axis=1)))
                gains -= weights * (np.square(free.transform(scaled).min(axis=1)))
                error = estimate_standard_error(gains, inclusion_probabilities)
            if led.inertia_ - free.inertia_ > SIGNIFICANT_GAIN * error:
                best = free
    shares = np.bincount(best.labels_, weights=weights, minlength=k) / weights.sum()
    order = np.argsort(-shares, kind="stable")
    labels = np.argsort(order)[best.labels_]
    return best.cluster_centers_[order] * size + centre, shares[order], labels


@contextmanager
def quietly() -> Iterator[None]:
    """Run k-means on one thread and on trust, without a warning of fewer distinct points than k.

    With more threads, the sums depend on which comes first. Points and settings are our own; to
    check them takes as long as k-means on a few thousand points.
    """
    trusting = config_context(assume_finite=True, skip_parameter_validation=True)
    with OneThread(), trusting, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _give_each_one(
    points: np.ndarray, weights: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a centroid for every point, and copies of the heaviest without a share."""
    order = np.argsort(-weights, kind="stable")
    surplus = np.zeros(k - len(points), dtype=np.intp)
    centroids = points[order][np.r_[np.arange(len(points)), surplus]]
    shares = np.r_[weights[order] / weights.sum(), np.zeros(len(surplus))]
    return centroids, shares, np.argsort(order)


def find_clusters(
    points: np.ndarray, weights: np.ndarray, n_clusters: int, seed: int, *, n_random: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Return centroids (k, d) and variances (k, d) of the clusters that k-means finds alone."""
    scaled, centre, size = _scale_down(points)
    model = KMeans(n_clusters, n_init=n_random, random_state=seed)
    with quietly():
        model.fit(scaled, sample_weight=weights)
    squares = weights[:, None] * np.square(scaled - model.cluster_centers_[model.labels_])
    is_member = model.labels_ == np.arange(n_clusters)[:, None]
    totals = is_member @ weights
    variances = (is_member @ squares) / np.where(totals > 0.0, totals, 1.0)[:, None]
    return model.cluster_centers_ * size + centre, variances * size**2


def _scale_down(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Bring points to order one, whose units k-means' tolerance does not see; centre and size."""
    centre = points.mean(axis=0)
    size = float(np.abs(points - centre).max()) or 1.0
    return (points - centre) / size, centre, size


def estimate_standard_error(
    values: np.ndarray, inclusion_probabilities: np.ndarray | float
) -> float:
    """Return that of the sum of values that stand for more, drawn in a fixed number.

    Source: Hajek, "Asymptotic theory of rejective sampling", Annals of Mathematical Statistics
    35(4), 1964: the variance of independent draws, the values taken from their weighted mean.
    """
    left_to_chance = np.broadcast_to(1.0 - np.asarray(inclusion_probabilities), values.shape)
    if not left_to_chance.any():
        return 0.0
    from_mean = values - np.average(values, weights=left_to_chance)
    return float(np.sqrt(left_to_chance @ from_mean**2))


def find_nearest(rows: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest centroid (n,) int32 of each row, and the squared distance to it (n,)."""
    step = max(1, DISTANCES_AT_ONCE // len(centroids))
    labels = np.empty(len(rows), dtype=np.int32)
    squares = np.empty(len(rows))
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        distances = cdist(rows[some], centroids, "sqeuclidean")
        labels[some], squares[some] = distances.argmin(axis=1), distances.min(axis=1)
    return labels, squares
