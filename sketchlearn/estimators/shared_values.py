"""Columns of which many rows share a value, where nothing but `reg_covar` bounds a likelihood."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import erf, logsumexp

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import CovarianceType
from sketchlearn.estimators.mixture_moments import DEPENDENT
from sketchlearn.points.densities import compute_joint_log_densities
from sketchlearn.points.em import Moments
from sketchlearn.points.row_mixture import Ends, fit_mixture_from_clusters
from sketchlearn.points.weighted_em import find_roots
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching.pilot import find_largest_shares, least_share, shares_values

# Part of a component's rows that share a value from which another start of EM may gain on it. Of
# rounded Gaussians 14 in 72 lost 0.3 nats or more where it was about half or above, and none of 120
# with deviations from 1, where it is below.
HALF = 0.5
# Nats a row from which what EM gains on a mixture is a loss of this one.
LARGE_GAIN = 0.3
# Rows that are drawn to see what EM gains, as many again to see it on, and rows for each component.
N_DRAWN, DRAWN_A_COMPONENT = 4000, 50
# Halvings that a deviation before rounding is found by, and waves of the law of fractions.
N_HALVINGS, N_WAVES = 40, 5


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
        return bool(weights.max() / weights.sum() >= least_share(n_atoms, n_rows))
    if shares_values(points, weights, n_atoms, n_rows):
        return True
    is_varied = np.ptp(points, axis=0) > 0.0
    if covariance_type != "full" or not is_varied.any():
        return False
    covariance = np.atleast_2d(np.cov(points[:, is_varied].T, aweights=weights))
    deviations = np.sqrt(np.diag(covariance))
    return float(np.linalg.eigvalsh(covariance / np.outer(deviations, deviations))[0]) < DEPENDENT


def find_shared_columns(
    points: np.ndarray,
    weights: np.ndarray,
    n_rows: float,
    fitted: Moments,
    covariance_type: CovarianceType,
    reg_covar: float,
) -> np.ndarray:
    """Return the columns (d,) of which half of a component's rows share a value, as points tell.

    Rare components, of fewer rows than may share a value by chance, do not count. Spherical ones
    close in on whole points: on all columns or none.
    """
    d = points.shape[1]
    is_varied = np.ptp(points, axis=0) > 0.0
    roots = find_roots(fitted.covariances, covariance_type, np.full(d, reg_covar))
    if roots is None:
        return is_varied
    densities = compute_joint_log_densities(points, fitted.weights, fitted.means, roots)
    labels, shares = densities.argmax(axis=1), weights / weights.sum()
    found = np.zeros(d, dtype=bool)
    for j in range(len(fitted.weights)):
        own = labels == j
        share = shares[own].sum()
        if share < least_share(len(fitted.weights), n_rows):
            continue
        if covariance_type == "spherical":
            found |= shares[own].max() >= HALF * share
        else:
            found |= find_largest_shares(points[own], shares[own]) >= HALF
    return found & is_varied


def find_shared_whole_numbers(
    sketch: SketchLike, fitted: Moments, covariance_type: CovarianceType
) -> np.ndarray:
    r"""Return the columns (d,) of whole numbers of which half of a component's rows share one.

    The sketch's exact sums tell which columns are of whole numbers (`Moments.is_whole`), and the
    variance :math:`\sigma^2` of a component how many of its rows have the one that is its mean, as
    of a Gaussian: :math:`\operatorname{erf}(1 / (\sigma \sqrt 8))`. Rare components do not count,
    nor do spherical ones: of whole points a sketch tells nothing.
    """
    found = np.zeros(sketch.n_features, dtype=bool)
    if sketch.moment_kind is None or covariance_type == "spherical":
        return found
    is_common = fitted.weights >= least_share(len(fitted.weights), sketch.n_effective)
    variances = np.einsum("kll->kl", fitted.covariances)[is_common]
    shares = erf(1.0 / np.sqrt(8.0 * np.maximum(variances, np.finfo(float).tiny)))
    return np.asarray(sketch.moments.is_whole & np.any(shares >= HALF, axis=0))


def find_gain_on_values(
    sketch: SketchLike, fitted: Moments, covariance_type: CovarianceType, reg_covar: float
) -> tuple[np.ndarray, float]:
    """Return the columns (d,) on whose shared values EM gains, and how much, in nats a row.

    They are of whole numbers, by the sketch's sums, or the rows that the operator was chosen on
    shared values of them (`Domain.shared`).
    """
    found = find_shared_whole_numbers(sketch, fitted, covariance_type)
    shared = sketch.operator.domain.shared
    if shared is None or covariance_type == "spherical":
        shared = np.empty((0, 4))
    found[shared[:, 0].astype(int)] = True
    if not found.any():
        return found, 0.0
    is_whole = np.zeros_like(found) if sketch.moment_kind is None else sketch.moments.is_whole
    gain = measure_gain_on_values(fitted, is_whole, shared, covariance_type, reg_covar)
    return found & (gain > LARGE_GAIN), gain


def name_source(
    sketch: SketchLike, is_shared: np.ndarray, ends: Ends | None
) -> Literal["rows", "sums", "pilot"]:
    """Return what tells that columns (d,) have shared values: EM on rows, sums, or the pilot."""
    if ends is not None:
        return "rows"
    has_sums = sketch.moment_kind is not None
    return "sums" if has_sums and sketch.moments.is_whole[is_shared].all() else "pilot"


@on_one_blas_thread
def measure_gain_on_values(
    fitted: Moments,
    is_whole: np.ndarray,
    shared: np.ndarray,
    covariance_type: CovarianceType,
    reg_covar: float,
) -> float:
    """Return how much likelier EM's mixture is than this one, in nats a row, on rows like its own.

    They are drawn of the components, columns of whole numbers (d,) in whole numbers, and such a
    share of them has a value as is known to (q, 4). EM gains where it closes in on these, which
    components that a sketch shows cannot.
    """
    k, rng = len(fitted.weights), np.random.default_rng(0)
    n = max(N_DRAWN, DRAWN_A_COMPONENT * k)
    is_free = ~np.isin(np.arange(len(is_whole)), shared[:, 0])
    rows = share_values(draw_whole_rows(fitted, is_whole & is_free, 2 * n, rng), shared)
    varies = np.ptp(rows, axis=0) > 0.0
    if not varies.any():
        return 0.0
    rows, floor = rows[:, varies], np.full(int(varies.sum()), reg_covar)
    columns = np.ix_(np.arange(k), varies, varies)
    own = Moments(fitted.weights, fitted.means[:, varies], fitted.covariances[columns])
    points, counts = np.unique(rows[:n], axis=0, return_counts=True)
    ends = fit_mixture_from_clusters(
        points, counts.astype(float), covariance_type, k, reg_covar, rng
    )
    before = _score(rows[n:], own, covariance_type, floor)
    return _score(rows[n:], ends.common, covariance_type, 0.0 * floor) - before


def share_values(rows: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Return rows of which such shares have values as `Domain.shared` says, the nearest by rank."""
    moved = rows.copy()
    for j in np.unique(shared[:, 0]).astype(int):
        ranks = np.empty(len(rows))
        ranks[np.argsort(rows[:, j], kind="stable")] = (np.arange(len(rows)) + 0.5) / len(rows)
        for _, value, below, up_to in shared[shared[:, 0] == j]:
            moved[(ranks >= below) & (ranks < up_to), j] = value
    return moved


def _score(
    rows: np.ndarray, mixture: Moments, covariance_type: CovarianceType, floor: np.ndarray
) -> float:
    """Return the mean log-likelihood of rows; none where a component has no density."""
    roots = find_roots(mixture.covariances, covariance_type, floor)
    if roots is None:
        return -np.inf
    each = compute_joint_log_densities(rows, mixture.weights, mixture.means, roots)
    return float(logsumexp(each, axis=1).mean())


def draw_whole_rows(
    fitted: Moments, is_whole: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    r"""Draw rows (n, d) of a mixture; columns of whole numbers have its means and variances.

    A Gaussian number is rounded up with the probability that its fraction f is, which keeps its
    mean and adds :math:`E f (1 - f)` to its variance. So its own is less by as much
    (`find_unrounded_deviations`); a component that is no wider than that has two values alone.
    """
    labels = rng.choice(len(fitted.weights), n, p=fitted.weights / fitted.weights.sum())
    variances = np.einsum("kll->kl", fitted.covariances)
    deviations = np.sqrt(np.maximum(variances, 0.0))
    narrowed = deviations.copy()
    narrowed[:, is_whole] = find_unrounded_deviations(
        fitted.means[:, is_whole], variances[:, is_whole]
    )
    factors = narrowed / np.where(deviations > 0.0, deviations, 1.0)
    values, axes = np.linalg.eigh(fitted.covariances)
    roots = axes * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    normal = rng.standard_normal((n, len(is_whole)))
    apart = np.einsum("nij,nj->ni", roots[labels], normal) * factors[labels]
    rows = fitted.means[labels] + apart
    rows[:, is_whole] = np.floor(rows[:, is_whole] + rng.random((n, int(is_whole.sum()))))
    return np.asarray(rows)


def find_unrounded_deviations(means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    r"""Return the deviations of Gaussians that have these variances once rounded at random.

    With :math:`\mu` and :math:`\sigma` the rounded one's variance is

    .. math:: \sigma^2 + \tfrac16 - \sum_{j \ge 1} \frac{\cos(2 \pi j \mu)}{\pi^2 j^2}
        e^{-2 \pi^2 j^2 \sigma^2},

    which grows with :math:`\sigma`; where it is greater from the start the deviation is zero.
    """
    j = np.arange(1, N_WAVES + 1)
    waves = np.cos(2.0 * np.pi * j * means[..., None]) / (np.pi * j) ** 2
    low, high = np.zeros_like(means), np.maximum(variances, 0.0)
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2.0
        decay = np.exp(-2.0 * np.pi**2 * j**2 * middle[..., None])
        is_less = middle + 1.0 / 6.0 - (waves * decay).sum(axis=-1) < variances
        low, high = np.where(is_less, middle, low), np.where(is_less, high, middle)
    return np.asarray(np.sqrt(low))
