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
from sklearn.mixture import GaussianMixture

from sketchlearn._threads import OneThread, on_one_blas_thread
from sketchlearn.atoms import CovarianceType, GaussianFamily
from sketchlearn.points.densities import compute_joint_log_densities, invert_covariances
from sketchlearn.points.em import Moments, fit_mixture, repeat_points, run_em, to_matrices

# Random starts of EM beside the decoded mixture.
N_ROW_STARTS = 3
# Least inverse condition of a covariance that EM starts from.
LEAST_CONDITION = 1e-12
# Least weight of a point, as a fraction of the mean: nothing is known of a cluster of points of
# none.
LEAST_WEIGHT = 1e-9
# Points, at least, that stand for weighted ones where these may be few; and k-means starts.
LEAST_POINTS = 20_000
N_CLUSTERINGS = 10
# Of these as many must lead to a mixture, or to likelier ones, for it to be no accident. With one,
# half of 32 mixtures of grades had clusters a third as like those that there were, with two three.
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
    def points(self) -> np.ndarray:
        """Rows in numbers that follow their weights, in these units."""
        rng = np.random.default_rng([self.seed, 0])
        return repeat_points(self.rows / self.units, self.weights, rng)

    @cached_property
    def found(self) -> Moments:
        """The likeliest mixture from random starts, in these units."""
        rng = np.random.default_rng([self.seed, 1])
        return self._run_em(None, rng)

    @on_one_blas_thread
    def _run_em(self, start: Moments | None, rng: np.random.Generator) -> Moments:
        """Return what EM finds from a mixture, or else from random starts."""
        n_random = N_ROW_STARTS if start is None else 0
        return fit_mixture(self.points, self.family, self.n_atoms, start, rng, n_random=n_random)[0]

    @on_one_blas_thread
    def improve(
        self, start: Moments, reg_covar: float, rng: np.random.Generator, *, is_trusted: bool
    ) -> Moments | None:
        r"""Return the likeliest mixture that EM finds, from a decoded one and from random starts.

        The decoded mixture, ``start``, is of the rows in these units; what is returned is in data
        units, and lacks ``reg_covar`` still. A trusted one is the only start; and where EM's is no
        more likely on other rows, it is the better one, and nothing is returned. The log-likelihood
        a row that EM's p parameters gain on other rows is what they gain on its own less p over
        their effective number (Takeuchi's criterion, Akaike's where rows weigh alike).
        """
        fitted, weights = self._run_em(start, rng), self.weights
        likelihood = _mean_log_likelihood(self.points, fitted)
        if is_trusted:
            gain = likelihood - _mean_log_likelihood(self.points, start)
            spent = self.family.n_parameters(self.n_atoms) * float(weights @ weights)
            if gain <= spent / weights.sum() ** 2:
                return None
        elif _mean_log_likelihood(self.points, self.found) > likelihood:
            fitted = self.found
        covariances = fitted.covariances * np.outer(self.units, self.units)
        if reg_covar > 0 and self.family.covariance_type != "spherical":
            # Constant columns have no unit that EM could have regularised them by.
            is_varied = np.ptp(self.rows, axis=0) > 0.0
            covariances = covariances * np.outer(is_varied, is_varied)
        return Moments(fitted.weights, fitted.means * self.units, covariances)


def _mean_log_likelihood(points: np.ndarray, mixture: Moments) -> float:
    """Return the mean log-likelihood of points under a mixture, atoms of no weight among it."""
    roots = invert_covariances(mixture.covariances)
    each = compute_joint_log_densities(points, mixture.weights, mixture.means, roots)
    return float(logsumexp(each, axis=1).mean())


class Ends(NamedTuple):
    """Where EM goes from several starts: what no single one leads to, and the likeliest.

    They are one where two starts lead there; else the likeliest leads by some nats a point.
    """

    common: Moments
    likeliest: Moments
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
    """Return the likeliest mixtures to which EM goes from k-means' clusters.

    Where many points share a value the likelihood grows without bound as a component closes in on
    them: only ``reg_covar`` stops it, and on which values EM closes in depends on where it starts.
    So it does from several clusterings, as scikit-learn's `GaussianMixture` does from one or more.
    What one start alone leads to is an accident: in tables of grades it is likelier, and has other
    clusters than those that there are. Coordinates and regularisation are the data's.
    """
    weights = np.maximum(weights, LEAST_WEIGHT * weights.mean())
    # Fewer points than components come several times, as k-means wants them.
    copies = -(-n_atoms // len(points))
    points, weights = np.repeat(points, copies, axis=0), np.repeat(weights / copies, copies)
    centre = np.average(points, axis=0, weights=weights)
    centred = points - centre
    repeated = _resample_points(centred, weights, rng)
    ends: list[GaussianMixture] = []
    for labels, count in _cluster_several_times(centred, weights, n_atoms, rng):
        shares, means, covariances = _measure_clusters(centred, weights, labels, n_atoms)
        start = {
            "weights_init": shares,
            "means_init": means,
            "precisions_init": _invert_covariances(covariances, covariance_type, reg_covar),
        }
        model = run_em(repeated, n_atoms, covariance_type, reg_covar, rng, **start)
        ends += [model] * count
    ends.sort(key=lambda end: -end.lower_bound_)
    likeliest, common = (
        Moments(
            end.weights_,
            end.means_ + centre,
            to_matrices(end.covariances_, covariance_type, end.means_),
        )
        for end in (ends[0], ends[N_AGREEING - 1])
    )
    lead = ends[0].lower_bound_ - ends[N_AGREEING - 1].lower_bound_
    return Ends(common, likeliest, float(lead))


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


def _resample_points(
    points: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Repeat points in numbers that follow their weights: exactly, if small numbers do."""
    multiples = weights / weights.min(initial=np.inf, where=weights > 0)
    counts = np.rint(multiples)
    if counts.sum() <= max(LEAST_POINTS, len(points)) and np.allclose(multiples, counts, rtol=1e-6):
        return np.repeat(points, counts.astype(int), axis=0)
    return repeat_points(points, weights, rng, max(LEAST_POINTS, len(points)))


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
