"""What a sketcher settles on after a look at its pilot: centre, scale and frequencies."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sketchlearn._validation import check_count, check_positive, require_memory
from sketchlearn.features import FeatureMap
from sketchlearn.features.backends import check_backend
from sketchlearn.frequencies import Domain, FrequencyOperator, RadiusLaw, resolve_radius_law
from sketchlearn.frequencies.covariance import (
    Covariance,
    CovarianceMatrix,
    FactoredCovariance,
    is_single,
)
from sketchlearn.linear_maps import LinearMap
from sketchlearn.linear_maps.hadamard import padded_size
from sketchlearn.sketching.pairing import count_drawn, pair_operator
from sketchlearn.sketching.pilot import find_shared_values
from sketchlearn.sketching.sizes import measure_widths

# Columns up to which all directions are decoded, and directions beside one for each cluster beyond.
FEW_FEATURES, MORE_DIRECTIONS = 100, 20
# Frequencies up to which "auto" takes ten for each coordinate of each cluster; of wide rows each
# costs more.
MANY_FREQUENCIES, MANY_IF_WIDE = 5000, 3000
# Columns from which fast transforms take less time than a matrix, of processors with wide vectors.
FAST_FEATURES = 128
# Columns from which fast transforms see as well as a matrix.
LEAST_FAST_FEATURES = 24
# Matrices of a covariance's size that are in memory together while an operator is drawn, and of a
# pilot's where the covariance is of low rank, as measured.
COVARIANCES_TO_DRAW, PILOTS_TO_DRAW = 2, 5
# Numbers of 8 bytes that are in memory together while a frequency is drawn, as measured: of a
# matrix for each column and beside them, and of transforms.
NUMBERS_A_COLUMN, NUMBERS_BESIDE, NUMBERS_OF_TRANSFORMS = 2.5, 2.0, 5.5
# Subspace iterations to the axes along which a wide pilot's scale is estimated.
N_SUBSPACE_STEPS = 3
# Gap between neighbouring clusters, in radii of a cluster, from which the scale follows the gaps,
# and from which the finest one does: waves as fine as clusters show nothing but interference
# between them where they are far apart, and a tenth to a quarter of decodes lost some of them from
# 20 on, one in 30 from 12 on. Few waves, and waves of wide rows, do so before; many signs long
# after, since their overtones, which are finer, fade within clusters that are as wide as the scale.
FARTHEST_APART, FARTHEST_IF_FEW, FARTHEST_IF_WIDE, FARTHEST_IF_FINE = 8.0, 5.0, 2.5, 1e3
FARTHEST_IF_SIGNS = 16.0
# Signs, for each number to be found, from which they are many.
MANY_SIGNS = 6.0
# Least unit of a column, as a fraction of its spread: where its clusters are of one value each.
LEAST_RELATIVE_SPREAD = 1e-3
# What is as wide as a kernel of waves, in standard deviations of a cluster.
BANDWIDTH = 1.25
# Least width of a column that counts as varied: its square does not vanish in floating point.
LEAST_VARIED = 1e-150
# Octaves below the scale of k cells that share the pilot's volume, between which mixed scales are.
PILOT_OCTAVES = -1.0, 2.0
# Words among scales.
SCALES = ("auto", "columns", "mixed")
# Distance between the quartiles of a Gaussian, in standard deviations.
QUARTILES_OF_NORMAL = 1.349


@final
@dataclass(frozen=True)
class WideShare:
    """Frequencies that look at scales wider than the clusters', where rare wide ones would hide.

    As many look at finer ones where clusters are narrower than the scale.

    Attributes
    ----------
    share : float
        Of all frequencies.
    reach : float
        Widest scale, in standard deviations of the widest column.
    least_numbers : float
        Frequencies for each coordinate of each cluster from which there are such: smaller sketches
        need all at one scale.
    """

    share: float = 0.3
    reach: float = 2.0
    least_numbers: float = 4.0


WIDE = WideShare()


def choose_operator(
    rows: np.ndarray,
    weights: np.ndarray,
    n_clusters: int,
    n_frequencies: int,
    scale: Any,
    law: RadiusLaw,
    seeds: tuple[int, ...],
    kinds: dict[str, str],
    is_paired: bool = False,
) -> FrequencyOperator:
    """Choose centre and scale on a pilot's weighted rows, and draw the frequencies.

    Parameters
    ----------
    rows, weights : ndarray of shape (p, n_features) and (p,)
        The pilot.
    n_clusters, n_frequencies, scale, law
        As a `Sketcher` was asked for, "auto" among the values of `scale` only.
    seeds : tuple of two ints
        For k-means on the pilot, and for the frequencies.
    kinds : dict of str to str
        Kinds of linear map, features and backend, as `FrequencyOperator.draw` has them.
    is_paired : bool, default=False
        Whether frequencies come in pairs, see `pair_operator`.
    """
    d, scale = rows.shape[1], check_scale(scale)
    widths = measure_widths(rows)
    if (vanishes := (widths > 0.0) & (widths < LEAST_VARIED)).any():
        # Numbers that differ by so little are as small themselves.
        rows = np.where(vanishes, 0.0, rows)
    center = np.average(rows, axis=0, weights=weights)
    is_wide = n_principal(d, n_clusters) < d
    covariance: Covariance
    units, shared = np.ones(d), None
    if scale == "columns":
        shared = find_shared_values(rows, weights, n_clusters)
        units = estimate_units(rows, weights, center, n_clusters, seeds[0])
    if is_wide:
        root = (rows - center) * np.sqrt(weights / weights.sum())[:, None]
        variances = np.einsum("ij,ij->j", root, root)
        if kinds["linear_map"] == "fast" and is_single(variances):
            # No more than is decoded: a matrix of d^2 numbers would be all of a file.
            rank = n_principal(d, n_clusters)
            covariance = FactoredCovariance.of_root(root / units, rank).in_units(1.0 / units)
        else:
            covariance = CovarianceMatrix(root.T @ root)
    else:
        covariance = CovarianceMatrix(np.atleast_2d(np.cov(rows.T, aweights=weights, ddof=0)))
        variances = covariance.variances
    finest, is_mixed = None, scale == "mixed"
    n_drawn = count_drawn(n_frequencies, d) if is_paired else n_frequencies
    octaves: float | np.ndarray = 0.0
    rng = np.random.default_rng(seeds[1]).spawn(4)[3]
    if scale in ("auto", "columns"):
        q, is_auto = n_principal(d, n_clusters), scale == "auto"
        axes = find_wide_axes(root, q) if is_auto and is_wide else None
        is_few = n_frequencies < WIDE.least_numbers * n_clusters * q
        has_overtones = kinds["features"] != "waves"
        farthest = FARTHEST_IF_FEW if is_few else FARTHEST_APART
        if has_overtones:
            has_many = n_frequencies >= MANY_SIGNS * n_clusters * q
            farthest = FARTHEST_IF_SIGNS if has_many else FARTHEST_IF_FEW
        scale, fine = estimate_cluster_scales(
            (rows - center) / units, weights, n_clusters, seeds[0], axes=axes, farthest=farthest
        )
        if fine < scale and not (is_few or has_overtones) and axes is None:
            # Of less than an octave waves as fine as clusters tell all.
            finest = fine if scale >= 2.0 * fine else None
            scale = scale if finest else fine
        if not is_few:
            spread = float(np.sqrt(variances.max())) / scale if is_auto else 0.0
            depth = 0.0 if finest is None else float(np.log2(scale / finest))
            octaves = draw_octaves(spread, depth, n_drawn, rng)
    elif is_mixed:
        share, (low, high) = share_spread(variances, n_clusters), PILOT_OCTAVES
        scale, finest = share / 2**low, share / 2**high
        octaves = rng.uniform(0.0, high - low, n_drawn)
    width = BANDWIDTH if d > 3 or is_mixed else 1.0
    operator = FrequencyOperator.draw(
        n_drawn,
        Domain(center, scale, covariance, finest_scale=finest, shared=shared),
        bandwidth=width * scale * np.exp2(-octaves),
        radius_law=law,
        pilot=rows,
        seed=seeds[1],
        units=units,
        **kinds,
    )
    if not is_paired:
        return operator
    spreads = np.sqrt(variances)
    typical = estimate_spreads(rows - center, weights / weights.sum(), spreads)
    return pair_operator(operator, np.minimum(spreads, typical), n_frequencies, rows)


def draw_octaves(
    spread: float, depth: float, n_frequencies: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw how many octaves each frequency (n_frequencies,) is finer than the scale: 0, mostly.

    A share of them, any, are for scales up to twice ``spread``, the widest column's standard
    deviation in scales, and as many for scales up to ``depth`` octaves finer; the logarithms of
    both are uniform.
    """
    reach = np.log2(max(WIDE.reach * spread, 1.0))
    octaves = -rng.uniform(0.0, reach, n_frequencies)
    place, share = rng.permutation(n_frequencies), WIDE.share * n_frequencies
    octaves[place >= share] = 0.0
    is_finer = place >= n_frequencies - share
    octaves[is_finer] = rng.uniform(0.0, depth, np.count_nonzero(is_finer))
    return octaves


def check_choices(n_frequencies: Any, n_clusters: Any, scale: Any, radius_law: Any) -> None:
    """Refuse what a sketcher was asked for, before a long look at the data.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong kind or out of range.
    """
    if n_clusters is not None:
        check_count(n_clusters, "n_clusters")
    resolve_frequency_count(n_frequencies, 1, 1)
    resolve_radius_law(radius_law, 1)
    check_scale(scale)


def check_scale(scale: Any) -> Any:
    """Return a scale, one of `SCALES` or positive; TypeError or ValueError if it is neither."""
    if isinstance(scale, str) and scale in SCALES:
        return scale
    return check_positive(scale, f"scale, where not {', '.join(map(repr, SCALES))},")


def share_spread(variances: np.ndarray, n_clusters: int) -> float:
    r"""Return :math:`k^{-1/d} \sqrt{\operatorname{tr} C / d}`; one, where nothing varies.

    It is how wide k cells are that share the volume of rows of covariance C.
    """
    spread = float(np.sqrt(variances.mean()))
    return spread * n_clusters ** (-1.0 / len(variances)) if spread > 0.0 else 1.0


def check_kinds(operator: Any, features: Any, backend: Any) -> None:
    """Refuse kinds that there are not, before a long look at the data.

    Raises
    ------
    TypeError, ValueError
        If one is no string, or none of the known.
    """
    resolve_operator(operator, 1)
    FeatureMap.of_kind(features)
    check_backend(backend)


def resolve_operator(operator: Any, n_features: int) -> str:
    """Return the kind of linear map that was asked for: of "auto", the faster one.

    Raises
    ------
    TypeError, ValueError
        If it is no string, or no kind that is drawn.
    """
    if isinstance(operator, str):
        if operator == "auto":
            return "fast" if n_features >= FAST_FEATURES else "dense"
        if operator not in ("dense", "fast") and operator not in LinearMap.kinds_to_draw():
            known = ", ".join(map(repr, ("auto", *LinearMap.kinds_to_draw())))
            raise ValueError(f"operator must be one of {known}, got {operator!r}")
    return LinearMap.of_kind(operator).kind


def require_memory_to_draw(
    n_features: int,
    n_frequencies: int,
    linear_map: str,
    is_paired: bool,
    n_clusters: int | None = None,
    n_pilot: int = 0,
) -> None:
    """Refuse to draw an operator that memory cannot hold, before any of it is taken.

    Parameters
    ----------
    n_features, n_frequencies, linear_map, is_paired
        Of the operator.
    n_clusters, n_pilot : int, optional
        For how many clusters, and on how many rows; none where a box is declared instead.

    Raises
    ------
    ValueError
        If a covariance of so many columns, or so many frequencies, would be more than there is; or
        if fast transforms do not take so many columns.
    """
    d, m = float(n_features), float(n_frequencies)
    is_wide = n_clusters is not None and n_principal(n_features, n_clusters) < n_features
    if linear_map == "fast":
        padded_size(n_features)
    if is_wide and linear_map == "fast":
        numbers, what = PILOTS_TO_DRAW * n_pilot * d, f"a pilot of {n_pilot:,} rows in"
    else:
        numbers, what = COVARIANCES_TO_DRAW * d * d, "the covariance of"
    require_memory(8.0 * numbers, f"{what} {n_features:,} columns", "reduce them first")
    is_dense = linear_map == "dense"
    a_frequency = NUMBERS_A_COLUMN * d + NUMBERS_BESIDE if is_dense else NUMBERS_OF_TRANSFORMS
    is_helped = is_dense and not is_paired and n_features >= LEAST_FAST_FEATURES
    require_memory(
        8.0 * (numbers + m * a_frequency),
        f"n_frequencies={n_frequencies:,} in {n_features:,} columns",
        "fewer frequencies" + (', or operator="fast", take less' if is_helped else " take less"),
    )


def resolve_frequency_count(n_frequencies: Any, n_clusters: int, n_features: int) -> int:
    """Return the number of frequencies that was asked for.

    "auto" is ten for each coordinate that is decoded (`n_principal` for each cluster), fewer where
    that is many, two at least.
    """
    if isinstance(n_frequencies, str) and n_frequencies == "auto":
        q = n_principal(n_features, n_clusters)
        size = n_clusters * q
        many = MANY_FREQUENCIES if q == n_features else MANY_IF_WIDE
        return max(100, min(10 * size, max(many, 2 * size)))
    return check_count(n_frequencies, 'n_frequencies, where not "auto",')


def n_principal(n_features: int, n_clusters: int) -> int:
    """Directions in which so many clusters are decoded: all of them, or the widest few.

    k centroids span k - 1 directions, and k-means' are near the widest ones (Ding and He, "K-means
    clustering via principal component analysis", ICML 2004, theorem 3.1). Others only add
    parameters that a sketch does not determine: the time grows with them, and so does the noise.
    """
    few = n_clusters + MORE_DIRECTIONS
    return n_features if n_features <= FEW_FEATURES or 2 * few > n_features else few


def estimate_units(
    rows: np.ndarray, weights: np.ndarray, center: np.ndarray, n_clusters: int, seed: int
) -> np.ndarray:
    """A cluster's standard deviation along each column, to powers of four, the least of them one.

    k-means on standardised columns, then on columns in units of what it found within clusters.
    Constant columns get the least unit, columns of few values no less than the distance from one
    value to the next: clusters may be of one value each, but that is not how wide they are, and
    k-means would see nothing but such values. Columns that differ little stay alike: the wider of
    them is often the one that tells clusters apart.
    """
    centered = rows - center
    shares = weights / weights.sum()
    spreads = np.sqrt(shares @ centered**2)
    is_varied = np.ptp(rows, axis=0) > 0.0
    if not is_varied.any():
        return np.ones(rows.shape[1])
    spreads[~is_varied] = spreads[is_varied].min()
    # Columns that tell clusters of identical values apart keep a share of their whole spread.
    typical = np.minimum(spreads, estimate_spreads(rows, shares, spreads))
    least = np.maximum(LEAST_RELATIVE_SPREAD * typical, measure_value_distances(rows, shares))
    units = np.maximum(spreads, least)
    k = min(n_clusters, len(rows) - 1)
    for _ in range(2):
        model = _quick_kmeans(centered / units, weights, max(k, 1), seed)
        within = centered / units - model.cluster_centers_[model.labels_]
        units = np.maximum(units * np.sqrt(shares @ within**2), least)
    units[~is_varied] = units[is_varied].min()
    return np.asarray(4.0 ** np.rint(np.log2(units / units.min()) / 2.0))


def measure_value_distances(rows: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Median distance from a row's value to the next other one, in columns of few values; else 0.

    A column (of several) has few values where they are half as many as the rows at most.
    """
    distances = np.zeros(rows.shape[1])
    for j, column in enumerate(rows.T):
        values, which = np.unique(column, return_inverse=True)
        if 1 < len(values) <= len(rows) / 2:
            steps = np.r_[np.inf, np.diff(values), np.inf]
            nearest = np.minimum(steps[:-1], steps[1:])
            order = np.argsort(nearest)
            reached = np.cumsum(np.bincount(which, weights=shares)[order])
            distances[j] = nearest[order[np.searchsorted(reached, reached[-1] / 2.0)]]
    return distances


def estimate_cluster_scales(
    centered: np.ndarray,
    weights: np.ndarray,
    n_clusters: int,
    seed: int,
    *,
    axes: np.ndarray | None = None,
    farthest: float = FARTHEST_APART,
) -> tuple[float, float]:
    r"""Estimate a cluster's standard deviation, one coordinate's, by k-means on the pilot.

    Returns two scales, the wider of which is that of most waves:

    .. math:: s^2 = \frac{\mathrm{SSE}}{n_p d} \cdot \frac{n_p}{n_p - k}

    where SSE is the within-cluster sum of squares, weights scaled to a mean of one. Where the
    nearest neighbours of clusters are, in the median over rows, more than ``farthest`` times
    :math:`s \sqrt d` away, the wider scale is as large as makes that equal, since decodes do not
    find what is far narrower than the gaps; the finer one is s, unless that is 1000 times. Of no
    more rows than clusters both are the overall spread over :math:`k^{1/d}`, the spread of k cells
    that share the volume; one, where all rows are equal.

    Of wide rows k-means looks at the coordinates along ``axes`` (d, q) alone, and ``farthest`` is
    2.5. Rows ``centered`` (n_p, d), around their mean, are divided by the largest in place.
    """
    n, d = centered.shape
    size = float(max(centered.max(), -centered.min()))
    if size == 0.0:
        return 1.0, 1.0
    # To order one, so that neither squares nor k-means' own thresholds see the data's units; in
    # place, as wide rows take memory.
    centered /= size
    weights = weights / weights.mean()
    k = min(n_clusters, n)
    scale = gap = 0.0
    if n > k:
        model = _quick_kmeans(centered if axes is None else centered @ axes, weights, k, seed)
        is_member = (model.labels_ == np.arange(k)[:, None]) * weights
        totals = is_member.sum(axis=1)
        centers = (is_member @ centered) / np.where(totals > 0.0, totals, 1.0)[:, None]
        sum_of_squares = model.inertia_
        if axes is not None:
            within = centered - centers[model.labels_]
            sum_of_squares = weights @ np.einsum("ij,ij->i", within, within)
        scale = float(np.sqrt(sum_of_squares / (n * d) * n / (n - k)))
        gap = _measure_gap(centers[totals > 0.0], totals[totals > 0.0])
    farthest = farthest if axes is None else FARTHEST_IF_WIDE
    fine = max(scale, gap / (FARTHEST_IF_FINE * np.sqrt(d)))
    scale = max(scale, gap / (farthest * np.sqrt(d)))
    if scale == 0.0:
        spread = float(np.sqrt(weights @ np.square(centered).mean(axis=1) / n))
        scale = fine = spread / k ** (1.0 / d)
    return size * scale, size * fine


def _measure_gap(centers: np.ndarray, totals: np.ndarray) -> float:
    """Return the distance from a row's centroid (k, d) to the next, the median by weight (k,)."""
    from sklearn.metrics.pairwise import euclidean_distances

    distances = euclidean_distances(centers)
    gaps = np.min(np.where(distances > 0.0, distances, np.inf), axis=1)
    order = np.argsort(gaps)
    reached = np.cumsum(totals[order])
    gap = float(gaps[order[np.searchsorted(reached, reached[-1] / 2.0)]])
    return gap if np.isfinite(gap) else 0.0


def find_wide_axes(root: np.ndarray, n_axes: int) -> np.ndarray:
    """Return orthonormal axes (d, n_axes) near the widest of R^T R for R (n, d).

    By subspace iterations, without a matrix of d^2 numbers.
    """
    axes = np.random.default_rng(0).standard_normal((root.shape[1], n_axes))
    for _ in range(N_SUBSPACE_STEPS):
        axes, _ = np.linalg.qr(root.T @ (root @ axes))
    return axes


def estimate_spreads(rows: np.ndarray, shares: np.ndarray, default: np.ndarray) -> np.ndarray:
    """Standard deviations (d,) by the columns' quartiles, which far rows do not move.

    Where half of the rows share a value the quartiles say nothing, and the default is returned.
    """
    spreads = default.copy()
    for j, column in enumerate(rows.T):
        order = np.argsort(column, kind="stable")
        reached = np.cumsum(shares[order])
        low, high = np.searchsorted(reached, np.array([0.25, 0.75]) * reached[-1])
        width = column[order[high]] - column[order[low]]
        if width > 0.0:
            spreads[j] = width / QUARTILES_OF_NORMAL
    return spreads


def _quick_kmeans(rows: np.ndarray, weights: np.ndarray, n_clusters: int, seed: int) -> Any:
    """Run a quick k-means of the pilot; imported here, as those who only sketch need none."""
    from sklearn.cluster import KMeans

    model = KMeans(n_clusters, n_init=1, max_iter=30, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, sample_weight=weights)
