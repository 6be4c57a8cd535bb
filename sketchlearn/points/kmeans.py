"""k-means on points that stand for the data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist
from sklearn import config_context
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning

from sketchlearn._kernels import clustering as kernels
from sketchlearn._progress import begin
from sketchlearn._threads import OneThread

# Standard errors by which another start has to win.
SIGNIFICANT_GAIN = 2.0
# Distances that are computed at a time: memory.
DISTANCES_AT_ONCE = 2**20
# Features up to which compiled loops are faster than scikit-learn's products of matrices.
MOST_IN_LOOPS = 64
# Points whose distances are computed at a time: with so many features they fit in a cache.
BLOCK_SIZE = 256
# Iterations, and what squares of a move end them, as a share of the mean variance: scikit-learn's.
MOST_MOVES, TOLERANCE = 300, 1e-4
# Where starts are compared on a sample: moves of each there, and how many then move on all points.
MOVES_TO_COMPARE, STARTS_KEPT = 10, 2


def cluster_points(
    points: np.ndarray,
    weights: np.ndarray,
    start: np.ndarray,
    rng: np.random.Generator,
    *,
    n_random: int = 8,
    n_compared: int | None = None,
    inclusion_probabilities: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centroids (k, d), shares (k,) and labels of the best k-means, the heaviest first.

    k-means runs from ``start`` and from ``n_random`` random starts, if any. These may be compared
    on a sample of ``n_compared`` points, after which only the best go on. Points that are a sample
    themselves, drawn with ``inclusion_probabilities`` (n,) below 1, may prefer another start by
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
    clustering = Clustering(scaled, weights)
    with quietly():
        best = clustering.start_from((start - centre) / size)
        if n_random:
            if n_compared is None:
                free = clustering.start_at_random(k, n_random, seed)
            else:
                free = clustering.start_on_sample(k, n_random, seed, n_compared)
            error = 0.0
            if np.min(inclusion_probabilities) < 1.0:
                gains = weights * (best.squares - free.squares)
                error = estimate_standard_error(gains, inclusion_probabilities)
            if best.inertia - free.inertia > SIGNIFICANT_GAIN * error:
                best = free
    shares = np.bincount(best.labels, weights=weights, minlength=k) / weights.sum()
    order = np.argsort(-shares, kind="stable")
    labels = np.argsort(order)[best.labels]
    return best.centroids[order] * size + centre, shares[order], labels


@dataclass(frozen=True, eq=False)
class Clusters:
    """Where k-means ended: centroids (k, d), labels (n,), squared distances (n,) and their sum."""

    centroids: np.ndarray
    labels: np.ndarray
    squares: np.ndarray
    inertia: float


@dataclass(frozen=True, eq=False)
class Clustering:
    """k-means on weighted points (n, d) of order one, from one start or another.

    It is scikit-learn's `KMeans`, up to rounding; where columns are few its iterations are compiled
    loops, which take a quarter of the time.
    """

    points: np.ndarray
    weights: np.ndarray

    def start_from(self, start: np.ndarray, most: int = MOST_MOVES) -> Clusters:
        """Return what centroids (k, d) lead to, by so many moves at most."""
        if self.points.shape[1] > MOST_IN_LOOPS:
            return self._start_by_products(start, most)
        blocks, weights = self._blocks
        centroids = np.zeros((len(start), blocks.shape[1]))
        centroids[:, : start.shape[1]] = start
        labels, closest = np.full(len(weights), -1, np.int32), np.empty(len(weights))
        kernels.move_centroids(blocks, weights, self._tolerance, most, centroids, labels, closest)
        n, d = self.points.shape
        inertia = float(weights @ closest)
        return Clusters(centroids[:, :d].copy(), labels[:n], closest[:n], inertia)

    def start_at_random(self, k: int, n_starts: int, seed: int) -> Clusters:
        """Return the best of what several starts by k-means++ lead to."""
        state = np.random.RandomState(seed)
        found = (self.start_from(self.draw_start(k, state)) for _ in range(n_starts))
        return min(found, key=lambda each: each.inertia)

    def start_on_sample(self, k: int, n_starts: int, seed: int, n_points: int) -> Clusters:
        """Return the best of what those starts lead to that do best on a sample, in few moves."""
        state, sample = np.random.RandomState(seed), self.thin(n_points)
        tried = [
            sample.start_from(sample.draw_start(k, state), MOVES_TO_COMPARE)
            for _ in range(n_starts)
        ]
        tried.sort(key=lambda each: each.inertia)
        found = (self.start_from(each.centroids) for each in tried[:STARTS_KEPT])
        return min(found, key=lambda each: each.inertia)

    def thin(self, n_points: int) -> Clustering:
        """Return one of so many points that weigh the same: heavy ones are repeated."""
        sums = np.cumsum(self.weights)
        chosen = np.searchsorted(sums, (np.arange(n_points) + 0.5) / n_points * sums[-1])
        return Clustering(self.points[chosen], np.ones(n_points))

    def draw_start(self, k: int, state: np.random.RandomState) -> np.ndarray:
        """Return centroids (k, d) by greedy k-means++."""
        if self.points.shape[1] > MOST_IN_LOOPS:
            start, _ = kmeans_plusplus(
                self.points, k, sample_weight=self.weights, random_state=state
            )
            return np.asarray(start)
        blocks, weights = self._blocks
        n_candidates = 2 + int(np.log(k))
        centroids = np.empty((k, blocks.shape[1]))
        uniform = state.random_sample(1 + (k - 1) * n_candidates)
        kernels.draw_centroids(blocks, weights, uniform, centroids)
        return centroids[:, : self.points.shape[1]].copy()

    def _start_by_products(self, start: np.ndarray, most: int) -> Clusters:
        """Return what centroids lead to, by scikit-learn."""
        model = KMeans(len(start), init=start, n_init=1, tol=TOLERANCE, max_iter=most)
        model.fit(self.points, sample_weight=self.weights)
        apart = self.points - model.cluster_centers_[model.labels_]
        squares = np.einsum("nd,nd->n", apart, apart)
        return Clusters(model.cluster_centers_, model.labels_, squares, float(model.inertia_))

    @cached_property
    def _tolerance(self) -> float:
        return TOLERANCE * float(np.mean(np.var(self.points, axis=0)))

    @cached_property
    def _blocks(self) -> tuple[np.ndarray, np.ndarray]:
        """Points and weights as the kernel reads them."""
        n, d = self.points.shape
        n_blocks, n_rows = -(-n // BLOCK_SIZE), d + d % 2
        padded = np.zeros((n_blocks * BLOCK_SIZE, n_rows))
        padded[:n, :d] = self.points
        weights = np.zeros(len(padded))
        weights[:n] = self.weights
        blocks = padded.reshape(n_blocks, BLOCK_SIZE, n_rows).swapaxes(1, 2)
        return np.ascontiguousarray(blocks), weights


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
    with quietly():
        found = Clustering(scaled, weights).start_at_random(n_clusters, n_random, seed)
    squares = weights[:, None] * np.square(scaled - found.centroids[found.labels])
    is_member = found.labels == np.arange(n_clusters)[:, None]
    totals = is_member @ weights
    variances = (is_member @ squares) / np.where(totals > 0.0, totals, 1.0)[:, None]
    return found.centroids * size + centre, variances * size**2


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
