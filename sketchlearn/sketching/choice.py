"""What a sketcher settles on after a look at its pilot: the operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from sketchlearn._validation import check_count, check_positive
from sketchlearn.frequencies import DenseFrequencies, RadiusLaw
from sketchlearn.frequencies.radius import radius_law_named
from sketchlearn.sketching.pilot import box_of, cluster_scale, column_units

# Columns up to which all directions are decoded, and directions beside one for each cluster beyond.
FEW_FEATURES, MORE_DIRECTIONS = 100, 32
# Frequencies up to which "auto" takes ten for each coordinate of each cluster; of wide rows each
# costs more.
MANY_FREQUENCIES, MANY_IF_WIDE = 5000, 3000
# Gap between neighbouring clusters of wide rows, in radii of a cluster, from which a sketch at the
# scale of the clusters would show nothing but interference between them.
FARTHEST_APART = 2.5


def chosen_operator(
    rows: np.ndarray,
    weights: np.ndarray,
    n_clusters: int,
    n_frequencies: int,
    scale: Any,
    law: RadiusLaw,
    seeds: tuple[int, int],
) -> DenseFrequencies:
    """Choose centre, scale and box on a pilot's weighted rows, and draw the frequencies.

    Parameters
    ----------
    rows, weights : ndarray of shape (p, n_features) and (p,)
        The pilot.
    n_clusters, n_frequencies, scale, law
        As a `Sketcher` was asked for, "auto" among the values of `scale` only.
    seeds : tuple of two ints
        For k-means on the pilot, and for the frequencies.
    """
    d = rows.shape[1]
    center = np.average(rows, axis=0, weights=weights)
    units = np.ones(d)
    if isinstance(scale, str) and scale == "columns":
        units = column_units(rows, weights, center, n_clusters, seeds[0])
    if isinstance(scale, str) and scale in ("auto", "columns"):
        is_wide = scale == "auto" and n_principal(d, n_clusters) < d
        scale = cluster_scale(
            rows / units, weights, center / units, n_clusters, seeds[0],
            farthest_apart=FARTHEST_APART if is_wide else np.inf,
        )  # fmt: skip
    else:
        scale = check_positive(scale, 'scale, where not "auto" or "columns",')
    lower, upper = box_of(rows, scale * units)
    return DenseFrequencies.draw(
        n_frequencies,
        scale=scale,
        bandwidth=(1.0 if d <= 3 else 1.25) * scale,
        radius_law=law,
        center=center,
        lower=lower,
        upper=upper,
        covariance=np.atleast_2d(np.cov(rows.T, aweights=weights, ddof=0)),
        pilot=rows,
        seed=seeds[1],
        units=units,
    )


def check_choices(n_frequencies: Any, n_clusters: Any, scale: Any, radius_law: Any) -> None:
    """Refuse what a sketcher was asked for, before a long look at the data.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong kind or out of range.
    """
    if n_clusters is not None:
        check_count(n_clusters, "n_clusters")
    frequency_count(n_frequencies, 1, 1)
    law_of(radius_law, 1)
    if not (isinstance(scale, str) and scale in ("auto", "columns")):
        check_positive(scale, 'scale, where not "auto" or "columns",')


def frequency_count(n_frequencies: Any, n_clusters: int, n_features: int) -> int:
    """Give the number of frequencies that was asked for.

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


def law_of(radius_law: str | RadiusLaw, n_features: int) -> RadiusLaw:
    """Give the radius law that was asked for."""
    if isinstance(radius_law, RadiusLaw):
        return radius_law
    return radius_law_named(radius_law, n_features)
