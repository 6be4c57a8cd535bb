"""A component for far rows that a sample lacks, in place of one of two close ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from scipy.stats import chi2

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import CovarianceType
from sketchlearn.points.densities import compute_joint_log_densities, count_parameters
from sketchlearn.points.em import Moments, merge
from sketchlearn.points.weighted_em import (
    add_one_row,
    find_roots,
    run_weighted_em,
)

# Rows for each parameter of a component up to which those in a sample may not tell it.
FEW_ROWS = 5
# Squared distances, in those of the farthest of as many Gaussian rows, from which a row is far.
FAR = 2.0
# Rows beside the far ones that EM goes on with, and rows whose densities are computed at a time.
ROWS_OF_EM = 20_000
ROWS_AT_ONCE = 2**15


class Scores(NamedTuple):
    """Log-likelihood of all rows; of each its component (n,) and squared distance to it (n,)."""

    log_likelihood: float
    labels: np.ndarray
    squares: np.ndarray


@on_one_blas_thread
def settle_far_components(
    rows: np.ndarray,
    weights: np.ndarray,
    mixture: Moments,
    covariance_type: CovarianceType,
    reg_covar: float,
    rng: np.random.Generator,
) -> Moments | None:
    r"""Return the mixture with components of few rows fitted to all of these, far rows having one.

    A sample lacks some rows of a component of a few in a hundred thousand. Where its rows are few,
    and where rows are farther from all components than Gaussian ones are, EM goes on with these
    rows, all of them, and some of the others for the rest. Far rows get a component first: one of
    the two that lose least of the log-likelihood when they become one, with :math:`N_j` rows and
    covariances :math:`\Sigma_j`, each row taken to be of one of them, they lose

    .. math:: \tfrac12 \bigl(N_{ab} \log |\Sigma_{ab}| - N_a \log |\Sigma_a| - N_b \log |\Sigma_b|
        \bigr) + N_a \log \tfrac{N_a}{N_{ab}} + N_b \log \tfrac{N_b}{N_{ab}}.

    What is found is kept if the rows are likelier by it, all of them; and where few rows were
    given the covariance that they lack (`add_one_row`), if they are hardly less likely.

    Parameters
    ----------
    rows, weights : ndarray of shape (n, d) and (n,)
        All rows; at least one has a positive weight.
    mixture : Moments
        So far, without ``reg_covar``.
    covariance_type : {"diag", "spherical", "full"}
        As of `CompressiveGaussianMixture`.
    reg_covar : float
        Added to all variances.
    rng : numpy.random.Generator
        Chooses the others.

    Returns
    -------
    Moments or None
        None where the mixture is best left as it is.
    """
    weights = weights * (len(rows) / weights.sum())
    floor = np.full(rows.shape[1], reg_covar)
    before = score(rows, weights, mixture, covariance_type, floor)
    if before is None:
        return None
    margin = 0.5 * count_parameters(1, rows.shape[1], covariance_type) * np.log(len(rows))
    best = mixture
    for _ in range(len(mixture.weights)):
        task = examine(rows, weights, best, before, covariance_type, floor)
        if task is None:
            break
        # Where no move pays, all rows of the components of few may.
        for start, least in task.starts(rows, weights, covariance_type, margin):
            found = task.go_on(rows, weights, start, covariance_type, floor, rng)
            after = score(rows, weights, found, covariance_type, floor)
            if after is not None and after.log_likelihood - before.log_likelihood >= least:
                break
        else:
            break
        best, before = found, after
        if least < 0.0:
            break
    return None if best is mixture else best


@dataclass(frozen=True, eq=False)
class Task:
    """Components with one row more, far rows, squared distances, and rows that EM must have."""

    mixture: Moments
    is_far: np.ndarray
    squares: np.ndarray
    is_special: np.ndarray

    def starts(
        self, rows: np.ndarray, weights: np.ndarray, covariance_type: CovarianceType, margin: float
    ) -> Iterator[tuple[Moments, float]]:
        """Yield mixtures that EM may start from, and what each has to gain."""
        if self.is_far.any() and len(self.mixture.weights) > 1:
            far = self.is_far, self.squares
            yield move_one(rows, weights, self.mixture, *far, covariance_type), margin
        yield self.mixture, -margin

    def go_on(
        self,
        rows: np.ndarray,
        weights: np.ndarray,
        start: Moments,
        covariance_type: CovarianceType,
        floor: np.ndarray,
        rng: np.random.Generator,
    ) -> Moments:
        """Return what EM finds from a start, on the special rows and some of the others."""
        others = np.flatnonzero(~self.is_special & (weights > 0.0))
        some = rng.choice(others, min(len(others), ROWS_OF_EM), replace=False)
        own = weights.copy()
        own[some] *= weights[others].sum() / max(weights[some].sum(), 1e-300)
        chosen = np.sort(np.r_[np.flatnonzero(self.is_special), some])
        return run_weighted_em(rows[chosen], own[chosen], start, covariance_type, floor)


def examine(
    rows: np.ndarray,
    weights: np.ndarray,
    mixture: Moments,
    scores: Scores,
    covariance_type: CovarianceType,
    floor: np.ndarray,
) -> Task | None:
    """Return what far rows and components of few rows there are; None if there are none."""
    d = rows.shape[1]
    counts = mixture.weights * len(rows)
    is_few = counts < FEW_ROWS * count_parameters(1, d, covariance_type)
    blended, is_special = mixture, is_few[scores.labels]
    if is_few.any():
        blended = mixture._replace(covariances=add_one_row(counts, mixture.covariances))
        with_one_more = score(rows, weights, blended, covariance_type, floor)
        if with_one_more is None:
            return None
        scores = with_one_more
        is_special |= is_few[scores.labels]
    least = FAR * float(chi2.isf(1.0 / len(rows), d))
    is_far = (scores.squares > least) & (weights > 0.0)
    if not (is_far.any() or is_few.any()):
        return None
    return Task(blended, is_far, scores.squares, (is_special | is_far) & (weights > 0.0))


def move_one(
    rows: np.ndarray,
    weights: np.ndarray,
    mixture: Moments,
    is_far: np.ndarray,
    squares: np.ndarray,
    covariance_type: CovarianceType,
) -> Moments:
    """Return the mixture with a component at the farthest rows, and two of the others merged."""
    shares, means, covariances = (np.array(part) for part in mixture)
    within = np.tensordot(shares, covariances, axes=1)
    scale = np.sqrt(np.maximum(np.diag(within), np.finfo(float).tiny))
    far = np.flatnonzero(is_far)
    farthest = far[np.argmax(squares[far])]
    apart = np.sum(np.square((rows[far] - rows[farthest]) / scale), axis=1)
    before = np.min(
        [np.sum(np.square((rows[far] - mean) / scale), axis=1) for mean in means], axis=0
    )
    own = far[apart <= 0.25 * before]
    own_weights = weights[own] / weights[own].sum()
    place = own_weights @ rows[own]
    a, b = find_cheapest_merger(mixture._replace(weights=shares * len(rows)))
    merged = merge(mixture, np.array([a]), np.array([b]))
    shares[a], means[a], covariances[a] = (part[0] for part in merged)
    from_place = rows[own] - place
    share = weights[own].sum() / len(rows)
    covariance = (from_place.T * own_weights) @ from_place
    shares[b], means[b], covariances[b] = share, place, covariance
    covariances[b] = (len(own) * covariance + within) / (len(own) + 1.0)
    if covariance_type != "full":
        covariances *= np.eye(rows.shape[1])
    return Moments(shares / shares.sum(), means, covariances)


def find_cheapest_merger(mixture: Moments) -> tuple[int, int]:
    """Return the two components that lose least when they become one; see the formula above.

    The mixture's weights are numbers of rows.
    """
    firsts, seconds = np.triu_indices(len(mixture.weights), 1)
    merged = merge(mixture, firsts, seconds)

    def count_nats(one: Moments) -> np.ndarray:
        log_counts = np.log(np.maximum(one.weights, np.finfo(float).tiny))
        return one.weights * (0.5 * _log_determinants(one.covariances) - log_counts)

    parts = count_nats(mixture)
    cheapest = int(np.argmin(count_nats(merged) - parts[firsts] - parts[seconds]))
    return int(firsts[cheapest]), int(seconds[cheapest])


def score(
    rows: np.ndarray,
    weights: np.ndarray,
    mixture: Moments,
    covariance_type: CovarianceType,
    floor: np.ndarray,
) -> Scores | None:
    """Score all rows, some at a time; None where some component has no density."""
    roots = find_roots(mixture.covariances, covariance_type, floor)
    if roots is None:
        return None
    # A share of zero has no logarithm.
    shares, means = np.maximum(mixture.weights, np.finfo(float).tiny), mixture.means
    peaks = np.array(
        [
            compute_joint_log_densities(
                means[[j]], shares[[j]], means[[j]], roots[[j]]
            )[0, 0]
            for j in range(len(means))
        ]
    )  # fmt: skip
    total, labels, squares = 0.0, np.empty(len(rows), np.int32), np.empty(len(rows))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = slice(start, start + ROWS_AT_ONCE)
        each = compute_joint_log_densities(rows[some], shares, means, roots)
        labels[some] = each.argmax(axis=1)
        squares[some] = 2.0 * np.min(peaks - each, axis=1)
        total += float(weights[some] @ logsumexp(each, axis=1))
    return Scores(total, labels, squares) if np.isfinite(total) else None


def _log_determinants(covariances: np.ndarray) -> np.ndarray:
    """Return the log-determinants of covariances (k, d, d), singular ones' very small."""
    values = np.linalg.eigvalsh(covariances)
    return np.sum(np.log(np.maximum(values, np.maximum(values[:, -1:], 1e-300) * 1e-12)), axis=1)
