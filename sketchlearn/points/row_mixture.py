"""Maximum likelihood on rows of the data, in their units and with their regularisation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from sketchlearn._threads import OneThread, on_one_blas_thread
from sketchlearn.atoms import CovarianceType, GaussianFamily
from sketchlearn.points.densities import compute_joint_log_densities, invert_covariances
from sketchlearn.points.em import Moments, fit_mixture, run_em, to_matrices
from sketchlearn.points.left_out import score_left_out

# Random starts of EM beside the decoded mixture: so many on `LEAST_POINTS`, in the same time more
# on fewer, up to `MOST_STARTS`.
N_ROW_STARTS = 3
MOST_STARTS = 30
# With fewer rows than so many for each parameter a mixture follows their accidents.
ROWS_A_PARAMETER = 5
# Least inverse condition of a covariance that EM starts from.
LEAST_CONDITION = 1e-12
# Least weight of a point, as a fraction of the mean: nothing is known of a cluster of points of
# none.
LEAST_WEIGHT = 1e-9
# Points, at least, that stand for weighted ones where these may be few; and k-means starts.
LEAST_POINTS = 20_000
N_CLUSTERINGS = 10
# Of these as many must lead to a mixture, or to better ones, for it to be no accident: one that
# closes in on values which many rows share gains as much on other rows. With one, half of 32
# mixtures of grades had clusters a third as like those that there were, with two three.
N_AGREEING = 2
# Relative difference of sums of squares up to which two clusterings are one.
SAME_CLUSTERS = 1e-6


@dataclass(frozen=True, eq=False)
class RowMixture:
    """Mixtures of weighted rows (p, d), divided by ``units`` (d,): what EM finds on them.

    Parameters
    ----------
    rows, weights : ndarray of shape (p, d) and (p,)
        Data units.
    units : ndarray of shape (d,)
        What a sketch's decode divides columns by.
    family : GaussianFamily
        Of rows in these units.
    n_atoms : int
        Components.
    seed : int
        Of copies of the rows, and of random starts.
    """

    rows: np.ndarray
    weights: np.ndarray
    units: np.ndarray
    family: GaussianFamily
    n_atoms: int
    seed: int

    @cached_property
    def repeated(self) -> Repeated:
        """Rows in numbers that follow their weights, in these units."""
        rng = np.random.default_rng([self.seed, 0])
        return repeat_rows(self.rows / self.units, self.weights, rng)

    @cached_property
    def found(self) -> Moments:
        """Of mixtures from random starts, in these units, the one that persists best."""
        rng = np.random.default_rng([self.seed, 1])
        n_starts = count_starts(len(self.repeated.points))
        return max((self._run_em(None, rng) for _ in range(n_starts)), key=self._score_left_out)

    @property
    def are_few(self) -> bool:
        """Whether the rows are too few to tell so many parameters from accidents."""
        return len(self.rows) < ROWS_A_PARAMETER * self.family.n_parameters(self.n_atoms)

    @on_one_blas_thread
    def _run_em(self, start: Moments | None, rng: np.random.Generator) -> Moments:
        """Return what EM finds from a mixture, or else from a random start."""
        points, n_random = self.repeated.points, 1 if start is None else 0
        return fit_mixture(points, self.family, self.n_atoms, start, rng, n_random=n_random)[0]

    @on_one_blas_thread
    def _score_left_out(self, mixture: Moments) -> float:
        """Return the mean log-likelihood of the rows, each left out."""
        _, rows, weights = self.repeated
        return score_left_out(rows, weights, mixture, self.family.covariance_type)

    @on_one_blas_thread
    def improve(
        self, start: Moments, reg_covar: float, rng: np.random.Generator, *, is_trusted: bool
    ) -> Moments | None:
        """Return the mixture that EM finds, from a decoded one and from random starts.

        The decoded mixture, ``start``, is of the rows in these units; what is returned is in data
        units, and lacks ``reg_covar`` still. A trusted one is the only start; and where EM's is no
        more likely on other rows, it is the better one, and nothing is returned. How likely other
        rows are is seen on those that EM ran on, each left out.
        """
        fitted = self._run_em(start, rng)
        likelihood = self._score_left_out(fitted)
        if is_trusted:
            if likelihood <= self._score(start):
                return None
        elif self._score_left_out(self.found) > likelihood:
            fitted = self.found
        covariances = fitted.covariances * np.outer(self.units, self.units)
        if reg_covar > 0 and self.family.covariance_type != "spherical":
            # Constant columns have no unit that EM could have regularised them by.
            is_varied = np.ptp(self.rows, axis=0) > 0.0
            covariances = covariances * np.outer(is_varied, is_varied)
        return Moments(fitted.weights, fitted.means * self.units, covariances)

    def _score(self, mixture: Moments) -> float:
        """Return the mean log-likelihood of the rows, atoms of no weight among the mixture's."""
        roots = invert_covariances(mixture.covariances)
        _, rows, weights = self.repeated
        each = compute_joint_log_densities(rows, mixture.weights, mixture.means, roots)
        return float(np.average(logsumexp(each, axis=1), weights=weights))


def count_starts(n_points: int) -> int:
    """Return from how many random starts EM runs on points."""
    return max(N_ROW_STARTS, min(MOST_STARTS, N_ROW_STARTS * LEAST_POINTS // n_points))


class Ends(NamedTuple):
    """Where EM goes from several starts: what no single one leads to, and what persists best.

    They are one where two starts lead there; else the best leads by some nats a row.
    """

    common: Moments
    best: Moments
    lead: float


@on_one_blas_thread
def fit_mixture_from_clusters(
    points: np.ndarray,
    weights: np.ndarray,
    covariance_type: CovarianceType,
    n_atoms: int,
    reg_covar: float,
    rng: np.random.Generator,
) -> Ends:
    """Return the mixtures to which EM goes from k-means' clusters and which persist best.

    Where many points share a value the likelihood grows without bound as a component closes in on
    them: only ``reg_covar`` stops it, and on which values EM closes in depends on where it starts.
    So it does from several clusterings, as scikit-learn's `GaussianMixture` does from one or more.
    What it gained on points by accident is lost on each that is left out. What it gained on values
    that many share is not, but if one start alone leads there the clusters are others than those
    that there are, as in tables of grades. Coordinates and regularisation are the data's.
    """
    weights = np.maximum(weights, LEAST_WEIGHT * weights.mean())
    # Fewer points than components come several times, as k-means wants them.
    copies = -(-n_atoms // len(points))
    points, weights = np.repeat(points, copies, axis=0), np.repeat(weights / copies, copies)
    centre = np.average(points, axis=0, weights=weights)
    centred = points - centre
    repeated, rows, each = repeat_rows(centred, weights, rng)
    ends: list[tuple[float, Moments]] = []
    for labels, count in _cluster_several_times(centred, weights, n_atoms, rng):
        shares, means, covariances = _measure_clusters(centred, weights, labels, n_atoms)
        start = {
            "weights_init": shares,
            "means_init": means,
            "precisions_init": _invert_covariances(covariances, covariance_type, reg_covar),
        }
        model = run_em(repeated, n_atoms, covariance_type, reg_covar, rng, **start)
        matrices = to_matrices(model.covariances_, covariance_type, model.means_)
        found = Moments(model.weights_, model.means_, matrices)
        ends += [(score_left_out(rows, each, found, covariance_type), found)] * count
    ends.sort(key=lambda end: -end[0])
    (most, best), (less, common) = ends[0], ends[N_AGREEING - 1]
    common, best = (end._replace(means=end.means + centre) for end in (common, best))
    return Ends(common, best, most - less)


def _cluster_several_times(
    points: np.ndarray, weights: np.ndarray, k: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, int]]:
    """Return the clusterings, as labels of points, that k-means finds, and how often each."""
    found: list[tuple[float, np.ndarray, int]] = []
    with OneThread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(N_CLUSTERINGS):
            clusters = KMeans(k, n_init=1, random_state=int(rng.integers(2**31 - 1)))
            clusters.fit(points, sample_weight=weights)
            found.append((float(clusters.inertia_), clusters.labels_, 1))
    found.sort(key=lambda one: one[0])
    distinct: list[tuple[float, np.ndarray, int]] = []
    for inertia, labels, _ in found:
        if distinct and inertia - distinct[-1][0] <= SAME_CLUSTERS * inertia:
            distinct[-1] = (*distinct[-1][:2], distinct[-1][2] + 1)
        else:
            distinct.append((inertia, labels, 1))
    return [(labels, count) for _, labels, count in distinct]


class Repeated(NamedTuple):
    """Points for EM, which knows no weights; and what they are, one by one, with weights."""

    points: np.ndarray
    rows: np.ndarray
    weights: np.ndarray


def repeat_rows(rows: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> Repeated:
    """Repeat rows in numbers that follow their weights.

    Where small numbers follow them exactly each is a row of its own, else these are right up to
    one.
    """
    n = max(LEAST_POINTS, len(rows))
    multiples = weights / weights.min(initial=np.inf, where=weights > 0)
    counts = np.rint(multiples)
    if 2 <= counts.sum() <= n and np.allclose(multiples, counts, rtol=1e-6):
        points = np.repeat(rows, counts.astype(int), axis=0)
        return Repeated(points, points, np.ones(len(points)))
    reached = np.cumsum(weights) * (n / weights.sum())
    ticks = rng.random() + np.arange(n)
    some = np.minimum(np.searchsorted(reached, ticks, "right"), len(rows) - 1)
    return Repeated(rows[some], rows, weights)


def _measure_clusters(
    points: np.ndarray, weights: np.ndarray, labels: np.ndarray, k: int
) -> Moments:
    """Return weights (k,), means (k, d) and covariances (k, d, d) of clusters of points."""
    whole = np.ones(len(points), dtype=bool)
    # A cluster without points would be no start: it gets those of all.
    members = [own if (own := labels == j).any() else whole for j in range(k)]
    means = np.stack([np.average(points[i], axis=0, weights=weights[i]) for i in members])
    covariances = np.stack(
        [
            ((points[i] - mean).T * (weights[i] / weights[i].sum())) @ (points[i] - mean)
            for i, mean in zip(members, means, strict=True)
        ]
    )
    counts = np.array([weights[i].sum() for i in members])
    return Moments(counts / counts.sum(), means, covariances)


def _invert_covariances(
    covariances: np.ndarray, covariance_type: str, reg_covar: float
) -> np.ndarray:
    """Return precisions, in scikit-learn's shape, of matrices (k, d, d), regularised."""
    if covariance_type == "full":
        values, axes = np.linalg.eigh(covariances)
        values = np.maximum(values, 0.0) + reg_covar
        # Positive definite when scikit-learn looks, whatever the columns' units.
        values = np.minimum(values, values[:, :1] / LEAST_CONDITION)
        inverses = (axes / values[:, None, :]) @ axes.transpose(0, 2, 1)
        return (inverses + inverses.transpose(0, 2, 1)) / 2.0
    variances = np.einsum("kll->kl", covariances) + reg_covar
    return 1.0 / (variances if covariance_type == "diag" else variances.mean(axis=1))
